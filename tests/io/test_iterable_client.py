"""The client: what goes over the wire, what each fault of the wire means, and that the key stays.

What `responses` can show is shown with it; the rest goes over real sockets on loopback.
"""

from __future__ import annotations

import copy
import errno
import gc
import gzip
import json
import logging
import os
import pickle
import socket
import ssl
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import attrs
import pytest
import requests
import responses
import urllib3

from iterable_destination import Client, Destination, Outcome, RetryPolicy, Settings, errors
from iterable_destination.errors import Problem
from iterable_destination.io import transport as connections
from iterable_destination.model.calls import Identity, TrackEvent
from iterable_destination.model.responses import ApiResponse
from iterable_destination.model.translation import Translation
from tests.support import faulty_server as faulty
from tests.support.faulty_server import Exchange, FaultyServer, Script

KEY = "the-key-of-no-project-0123456789"
CALL = TrackEvent(Identity("ada@example.com", "u-1"), "Signed Up", {"plan": "é"}, 1_700_000_000)
CALL_BODY = {
    "email": "ada@example.com",
    "userId": "u-1",
    "eventName": "Signed Up",
    "createdAt": 1_700_000_000,
    "dataFields": {"plan": "é"},
}
EVENT = {"type": "track", "event": "Signed Up", "userId": "u-1", "messageId": "m-1"}
#: Seconds to wait for an answer that will come, and for one that will not.
TIMEOUT = 0.2
HASTY = 0.1
US = "https://api.iterable.com"
TRACK = f"{US}/api/events/track"


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "netrc"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)


def settings(url: str | None = None, key: str = KEY) -> Settings:
    return Settings(api_key=key, base_url=url)


@contextmanager
def client_of(url: str | None = None, **options: Any) -> Iterator[Client]:
    with Client(settings(url), **{"read_timeout": TIMEOUT, "connect_timeout": 1.0} | options) as it:
        yield it


def send(url: str | None = None, **options: Any) -> ApiResponse:
    with client_of(url, **options) as client:
        return client.send(CALL)


def failure(url: str | None = None, **options: Any) -> errors.ApiError:
    """Send one call, which must fail, and return how."""
    with pytest.raises(errors.ApiError) as caught:
        send(url, **options)
    return caught.value


def failure_of(script: Script, **options: Any) -> errors.ApiError:
    with FaultyServer(script) as server:
        return failure(server.url, **options)


# What is sent ------------------------------------------------------------------------------------


def test_a_call_is_one_post_of_its_body_with_the_key_in_a_header() -> None:
    with FaultyServer(faulty.accepts) as server:
        answer = send(server.url)
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/api/events/track")
    assert request.json() == CALL_BODY
    assert request.headers == {
        "host": f"127.0.0.1:{server.port}",
        "user-agent": f"iterable_destination/{version('iterable-destination')}",
        "accept-encoding": request.headers["accept-encoding"],
        "accept": "application/json",
        "connection": "keep-alive",
        "api-key": KEY,
        "content-type": "application/json",
        "content-length": str(len(request.body)),
    }
    assert answer == ApiResponse(200, {"msg": "", "code": "Success", "params": None}, "Success")


def test_a_body_is_compact_utf_8() -> None:
    with FaultyServer(faulty.accepts) as server:
        send(server.url)
    assert (
        server.requests[0].body
        == json.dumps(CALL_BODY, separators=(",", ":"), ensure_ascii=False).encode()
    )


@responses.activate
@pytest.mark.parametrize(
    ("chosen", "url"),
    [
        ({}, "https://api.iterable.com/api/events/track"),
        ({"data_center": "EU"}, "https://api.eu.iterable.com/api/events/track"),
        ({"base_url": "http://localhost:1/"}, "http://localhost:1/api/events/track"),
        ({"base_url": "https://a.example/b//"}, "https://a.example/b/api/events/track"),
    ],
)
def test_a_call_goes_to_the_server_of_the_settings(chosen: dict[str, Any], url: str) -> None:
    responses.post(url, json={"code": "Success"})
    with Client(Settings(api_key=KEY, **chosen)) as client:
        assert client.send(CALL).code == "Success"


def test_a_client_needs_a_key() -> None:
    with pytest.raises(errors.InvalidSettings) as caught:
        Client(Settings())
    assert str(caught.value) == "api_key: missing; without it nothing can be sent"


@responses.activate
def test_making_a_client_sends_nothing() -> None:
    Client(settings()).close()
    assert len(responses.calls) == 0


# What an answer means ----------------------------------------------------------------------------


@responses.activate
def test_an_acceptance_carries_what_iterable_says() -> None:
    body = {"msg": "1 received", "code": "Success", "params": {"a": 1}}
    responses.post(TRACK, json=body, headers={"iterable-request-id": "r-1"})
    assert send() == ApiResponse(200, body, "Success", "1 received", "r-1")


@responses.activate
def test_a_refusal_carries_what_iterable_says() -> None:
    body = {"msg": "Bad eventName", "code": "BadParams", "params": {"eventName": ["x"]}}
    responses.post(TRACK, status=400, json=body, headers={"Iterable-Request-Id": "r-2"})
    error = failure()
    assert type(error) is errors.BadRequest
    assert str(error) == "Bad eventName"
    assert error.__dict__ == {
        "message": "Bad eventName",
        "status": 400,
        "code": "BadParams",
        "params": {"eventName": ["x"]},
        "request_id": "r-2",
        "retry_after": None,
    }


@responses.activate
@pytest.mark.parametrize("body", ["{}", '{"successCount":1,"failCount":0}', '{"code":null}'])
def test_an_acceptance_of_a_call_that_does_not_say_so_is_none(body: str) -> None:
    responses.post(TRACK, body=body, headers={"Iterable-Request-Id": "r-3"})
    error = failure()
    assert type(error) is errors.AmbiguousAnswer
    assert str(error) == "the answer does not say whether the request was accepted"
    assert (error.status, error.request_id) == (200, "r-3")


NO_ACCEPTANCE = "accepted, it seems, but the answer is no JSON object"
NO_API = "this does not answer like Iterable's API; check the address"
HTML = b"<!DOCTYPE html><html><body><h1>Page not found</h1></body></html>"


@pytest.mark.parametrize(
    ("script", "kind", "words"),
    [
        (faulty.answers(200, b"Success"), errors.AmbiguousAnswer, f"status 200: {NO_ACCEPTANCE}"),
        (faulty.answers(200, HTML), errors.AmbiguousAnswer, f"status 200: {NO_ACCEPTANCE}"),
        (faulty.answers(200, b""), errors.AmbiguousAnswer, f"status 200: {NO_ACCEPTANCE}"),
        (
            faulty.sends(b"HTTP/1.1 204 No Content\r\n\r\n"),
            errors.AmbiguousAnswer,
            f"status 204: {NO_ACCEPTANCE}",
        ),
        (
            faulty.answers(404, HTML, "Content-Type: text/html\r\n"),
            errors.WrongAddress,
            f"status 404: {NO_API}",
        ),
        (faulty.answers(304), errors.WrongAddress, f"status 304: {NO_API}"),
        (
            faulty.answers(429, b"Too Many Requests", "Content-Type: text/plain\r\n"),
            errors.RateLimited,
            "status 429: more requests than the project's limit",
        ),
        (faulty.answers(502, HTML), errors.ServerError, "status 502: Iterable failed"),
    ],
    ids=["text", "html", "empty", "204", "404", "304", "429", "502"],
)
def test_an_answer_that_is_no_json_is_no_acceptance(
    script: Script, kind: type[errors.ApiError], words: str
) -> None:
    error = failure_of(script)
    assert type(error) is kind
    assert str(error) == words


@pytest.mark.parametrize(
    "script",
    [
        faulty.sends(faulty.response(200, gzip.compress(faulty.SUCCESS), faulty.GZIP)),
        faulty.sends(b"HTTP/1.1 200 OK\r\n\r\n" + faulty.SUCCESS),
        faulty.sends(
            faulty.CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(faulty.SUCCESS), faulty.SUCCESS)
        ),
        faulty.sends(b"HTTP/1.1 100 Continue\r\n\r\n" + faulty.response(200)),
        faulty.sends(b"HTTP/1.0 200 OK\r\n\r\n" + faulty.SUCCESS),
        faulty.drips(faulty.response(200)[:-20], faulty.response(200)[-20:], pause=0.001),
        faulty.drips(
            b"",
            faulty.response(200, gzip.compress(faulty.SUCCESS), faulty.GZIP),
            pause=0.0005,
        ),
        faulty.drips(
            faulty.CHUNKED,
            b"".join(b"1\r\n%c\r\n" % byte for byte in faulty.SUCCESS) + b"0\r\n\r\n",
            pause=0.0002,
        ),
    ],
    ids=[
        "gzip",
        "up to the end",
        "chunked",
        "after 100",
        "HTTP 1.0",
        "in pieces",
        "gzip in pieces",
        "chunked in pieces",
    ],
)
def test_an_acceptance_may_come_in_any_form_that_http_has(script: Script) -> None:
    with FaultyServer(script) as server:
        assert send(server.url, read_timeout=2.0).code == "Success"


# Faults of the wire ------------------------------------------------------------------------------


def test_a_refused_connection_means_that_nothing_was_sent() -> None:
    with faulty.refusing() as url:
        error = failure(url)
    assert type(error) is errors.NotConnected
    assert str(error).startswith("ConnectionError: ")
    refused = f"[Errno {errno.ECONNREFUSED}] {os.strerror(errno.ECONNREFUSED)}"
    assert str(error).endswith(f"Failed to establish a new connection: {refused}")


def test_a_name_that_is_not_known_means_that_nothing_was_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = failure("http://nowhere.invalid")
    assert type(error) is errors.NotConnected
    assert "Failed to resolve 'nowhere.invalid'" in str(error)


def test_a_server_that_speaks_no_tls_means_that_nothing_was_sent() -> None:
    with FaultyServer(faulty.speaks_no_tls) as server:
        error = failure(server.url.replace("http://", "https://"))
    assert type(error) is errors.NotConnected
    assert str(error).startswith("SSLError: ")
    assert not server.requests


@pytest.mark.parametrize(
    ("alert", "reason"),
    [
        (40, "SSLV3_ALERT_HANDSHAKE_FAILURE"),
        (70, "TLSV1_ALERT_PROTOCOL_VERSION"),
        (112, "TLSV1_UNRECOGNIZED_NAME"),
    ],
)
def test_a_greeting_that_tls_refuses_means_that_nothing_was_sent(alert: int, reason: str) -> None:
    with FaultyServer(faulty.alerts(alert)) as server:
        error = failure(server.url.replace("http://", "https://"))
    assert type(error) is errors.NotConnected
    assert str(error).startswith(f"SSLError: [SSL: {reason}] ")
    assert not server.requests


def test_an_alert_that_can_also_come_later_is_ambiguous() -> None:
    with FaultyServer(faulty.alerts(80)) as server:
        error = failure(server.url.replace("http://", "https://"))
    assert type(error) is errors.AmbiguousAnswer
    assert str(error).startswith("SSLError: [SSL: TLSV1_ALERT_INTERNAL_ERROR] ")


HANDSHAKE_FAILURES = [
    "CERTIFICATE_VERIFY_FAILED",
    "NO_PROTOCOLS_AVAILABLE",
    "SSLV3_ALERT_HANDSHAKE_FAILURE",
    "TLSV1_ALERT_PROTOCOL_VERSION",
    "TLSV1_UNRECOGNIZED_NAME",
    "UNSUPPORTED_PROTOCOL",
    "WRONG_VERSION_NUMBER",
]
OTHER_TLS_FAILURES = [
    None,
    "DECRYPTION_FAILED_OR_BAD_RECORD_MAC",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED",
    "UNEXPECTED_EOF_WHILE_READING",
    "SOMETHING_NEW",
]


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        *((reason, errors.NotConnected) for reason in HANDSHAKE_FAILURES),
        *((reason, errors.AmbiguousAnswer) for reason in OTHER_TLS_FAILURES),
    ],
)
def test_a_tls_error_is_ambiguous_unless_it_can_only_come_before_the_request(
    reason: str | None, kind: type[errors.ApiError], monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = ssl.SSLError(1, f"[SSL: {reason}] for some reason")
    fault.reason = reason  # type: ignore[assignment]  # None: no error of OpenSSL's

    def broken(_: Any) -> Any:
        raise fault

    monkeypatch.setattr(urllib3.connection.HTTPConnection, "getresponse", broken)
    with FaultyServer(faulty.sends_and_stalls(b"")) as server:
        error = failure(server.url)
    assert type(error) is kind
    assert str(error) == f"SSLError: [SSL: {reason}] for some reason"


@responses.activate
@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (
            requests.exceptions.ConnectTimeout("timed out"),
            errors.NotConnected,
            "ConnectTimeout: timed out",
        ),
        (
            requests.exceptions.ProxyError("no proxy"),
            errors.AmbiguousAnswer,
            "ProxyError: no proxy",
        ),
        (requests.exceptions.ConnectionError(), errors.AmbiguousAnswer, "ConnectionError: no rea"),
        (requests.exceptions.InvalidURL("bad"), errors.WrongAddress, "InvalidURL: bad"),
        (OSError("broken"), errors.AmbiguousAnswer, "OSError: broken"),
        (
            requests.exceptions.ConnectionError(f"got Api-Key: {KEY}."),
            errors.AmbiguousAnswer,
            "ConnectionError: got Api-Key: [api key].",
        ),
    ],
)
def test_other_faults_mean_what_they_say(
    fault: Exception, kind: type[errors.ApiError], words: str
) -> None:
    responses.post(TRACK, body=fault)
    error = failure()
    assert type(error) is kind
    assert str(error).startswith(words)
    assert (error.status, error.code, error.request_id) == (None, None, None)


ABORTED = "ConnectionError: ('Connection aborted.', "
AMBIGUOUS: dict[str, tuple[Script, str]] = {
    "reset before it was read": (
        faulty.resets_before_reading,
        ABORTED,
    ),
    "reset after it was read": (
        faulty.resets_after_reading,
        f"{ABORTED}ConnectionResetError({errno.ECONNRESET}, '{os.strerror(errno.ECONNRESET)}'))",
    ),
    "closed after it was read": (
        faulty.closes_after_reading,
        f"{ABORTED}RemoteDisconnected('Remote end closed connection without response'))",
    ),
    "stalled before the headers": (
        faulty.sends_and_stalls(b""),
        "ReadTimeout: HTTPConnectionPool(host='127.0.0.1', port=",
    ),
    "stalled in the headers": (
        faulty.sends_and_stalls(faulty.CUT_HEADERS),
        "ReadTimeout: HTTPConnectionPool(host='127.0.0.1', port=",
    ),
    "stalled in the body": (
        faulty.sends_and_stalls(faulty.CUT_BODY),
        "ReadTimeoutError: HTTPConnectionPool(host='127.0.0.1', port=",
    ),
    "stalled in a chunk": (
        faulty.sends_and_stalls(faulty.CUT_CHUNK),
        "ReadTimeoutError: HTTPConnectionPool(host='127.0.0.1', port=",
    ),
    "dripped body": (
        faulty.drips(faulty.CUT_BODY, b" " * 100),
        "ReadTimeout: the answer does not come to an end",
    ),
    "dripped chunk": (
        faulty.drips(faulty.CUT_CHUNK, b" " * 100),
        "ReadTimeout: the answer does not come to an end",
    ),
    "cut body": (faulty.sends(faulty.CUT_BODY), "ProtocolError: Connection broken: IncompleteRead"),
    "cut chunk": (faulty.sends(faulty.CUT_CHUNK), "ProtocolError: Connection broken: Incomplete"),
    "bad chunk": (faulty.sends(faulty.BAD_CHUNK), "ProtocolError: Connection broken: "),
    "bad gzip": (
        faulty.sends(faulty.BAD_GZIP),
        "DecodeError: Received response with content-encoding: gzip, but failed to decode it.",
    ),
    "too many headers": (
        faulty.sends(faulty.MANY_HEADERS),
        f"{ABORTED}HTTPException('got more than 100 headers'))",
    ),
    "too long a header": (
        faulty.sends(faulty.LONG_HEADER),
        f"{ABORTED}LineTooLong('got more than 65536 bytes when reading header line'))",
    ),
    "two lengths": (
        faulty.sends(faulty.TWO_LENGTHS),
        "InvalidHeader: Content-Length contained multiple unmatching values (5, 6)",
    ),
    "no HTTP": (faulty.sends(faulty.NO_HTTP), f"{ABORTED}BadStatusLine"),
}


@pytest.mark.parametrize("fault", AMBIGUOUS)
def test_a_request_whose_answer_is_lost_may_have_been_applied(fault: str) -> None:
    script, words = AMBIGUOUS[fault]
    error = failure_of(script, read_timeout=HASTY)
    assert type(error) is errors.AmbiguousAnswer
    assert str(error).startswith(words)
    assert (error.status, error.code, error.params, error.retry_after) == (None, None, None, None)


@pytest.mark.parametrize("data", [faulty.CUT_HEADERS, faulty.CUT_GZIP], ids=["headers", "gzip"])
def test_an_answer_that_was_cut_is_no_acceptance(data: bytes) -> None:
    error = failure_of(faulty.sends(data))
    assert type(error) is errors.AmbiguousAnswer
    assert str(error) == f"status 200: {NO_ACCEPTANCE}"


def test_a_fault_leaves_the_client_fit_for_use() -> None:
    faults = [script for script, _ in AMBIGUOUS.values()]
    scripts = (*faults[:3], faulty.accepts)
    with FaultyServer(*scripts) as server, client_of(server.url) as client:
        for _ in range(3):
            with pytest.raises(errors.AmbiguousAnswer):
                client.send(CALL)
        assert client.send(CALL).code == "Success"


@pytest.mark.parametrize(
    "fault",
    [
        "stalled before the headers",
        "stalled in the headers",
        "stalled in the body",
        "stalled in a chunk",
        "dripped body",
        "dripped chunk",
    ],
)
def test_no_answer_is_waited_for_longer_than_the_timeouts(fault: str) -> None:
    began = time.monotonic()
    failure_of(AMBIGUOUS[fault][0], read_timeout=HASTY)
    assert HASTY <= time.monotonic() - began < 0.8


@pytest.mark.parametrize("status", [200, 302, 400, 404, 429, 500])
def test_no_body_of_any_status_is_waited_for_longer_than_the_timeouts(status: int) -> None:
    """Headers that come byte by byte are waited for; the documentation says so."""
    head = f"HTTP/1.1 {status} Reason\r\nLocation: /x\r\nContent-Length: 100\r\n\r\n".encode()
    began = time.monotonic()
    error = failure_of(faulty.drips(head, b"a" * 100), read_timeout=HASTY)
    assert HASTY <= time.monotonic() - began < 0.8
    assert type(error) is errors.AmbiguousAnswer
    assert str(error) == "ReadTimeout: the answer does not come to an end"


def test_a_body_that_is_dripped_and_then_stalls_has_one_more_wait() -> None:
    def script(exchange: Exchange) -> None:
        exchange.read()
        exchange.send(faulty.CUT_BODY)
        exchange.drip(b"  ", 0.04)
        exchange.stall()

    began = time.monotonic()
    error = failure_of(script, read_timeout=HASTY)
    assert 0.04 + HASTY <= time.monotonic() - began < 0.8
    assert str(error).startswith("ReadTimeoutError: ")


@pytest.mark.parametrize("wrong", [0, 0.0, -0.0, -1, float("-inf"), float("nan")])
@pytest.mark.parametrize("name", ["connect_timeout", "read_timeout"])
def test_a_timeout_that_is_not_above_0_makes_no_client(name: str, wrong: float) -> None:
    options: dict[str, Any] = {name: wrong}
    with pytest.raises(ValueError, match=r"^a timeout must be above 0 and at most 86,400 seconds$"):
        Client(settings(), **options)


def test_a_timeout_may_be_a_whole_number() -> None:
    with FaultyServer(faulty.accepts) as server:
        assert send(server.url, connect_timeout=1, read_timeout=2).code == "Success"


FLOODS = {
    "body": faulty.floods(b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65_536),
    "chunks": faulty.floods(faulty.CHUNKED, b"1000\r\n" + b" " * 4_096 + b"\r\n"),
    "gzip": faulty.sends(
        faulty.response(200, gzip.compress(b" " * 50_000_000, 1), faulty.GZIP),
    ),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_an_answer_without_end_is_not_read_without_end(
    flood: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_LARGEST_ANSWER", 1_000_000)
    began = time.monotonic()
    error = failure_of(FLOODS[flood], read_timeout=10.0)
    assert type(error) is errors.AmbiguousAnswer
    assert str(error) == "ReadTimeout: the answer does not come to an end"
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http:///path",
        "127.0.0.1:80",
        "ftp://127.0.0.1",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:0",
        "http://127.0.0.1:http",
        "http://[::1",
        "http://[x]",
        "http://ada@127.0.0.1",
        "http://ada:lovelace@127.0.0.1",
        "http://127.0.0.1?a=b",
        "http://127.0.0.1/a#b",
    ],
)
def test_an_address_that_is_none_makes_no_settings(url: str) -> None:
    with pytest.raises(errors.InvalidSettings) as caught:
        settings(url)
    words = "must be https:// or http://, a host, and perhaps a port and a path"
    assert str(caught.value) == f"base_url: {words}"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://.example.com", "InvalidURL: "),
        ("http://a..b", "LocationParseError: "),
        (f"http://{'a' * 64}.example", "LocationParseError: "),
    ],
)
def test_an_address_that_only_a_request_shows_to_be_none_is_a_wrong_address(
    url: str, words: str
) -> None:
    error = failure(url)
    assert type(error) is errors.WrongAddress
    assert str(error).startswith(words)


# Redirects, passwords, proxies, cookies ----------------------------------------------------------

REDIRECTS = [301, 302, 303, 307, 308]


@pytest.mark.parametrize("status", REDIRECTS)
def test_a_redirect_is_not_followed(status: int) -> None:
    with FaultyServer(faulty.accepts) as other:
        redirect = faulty.answers(status, b"", f"Location: {other.url}/api/events/track\r\n")
        with FaultyServer(redirect) as server:
            error = failure(server.url)
    assert type(error) is errors.WrongAddress
    assert str(error) == f"status {status}: {NO_API}"
    assert error.status == status
    assert len(server.requests) == 1
    assert other.connections == 0


@pytest.mark.parametrize("location", ["http://[", "//[", "/\xff"])
@pytest.mark.parametrize("status", REDIRECTS)
def test_a_redirect_to_nowhere_is_a_wrong_address_too(status: int, location: str) -> None:
    error = failure_of(faulty.answers(status, b"", f"Location: {location}\r\n"))
    assert type(error) is errors.WrongAddress
    assert str(error) == f"status {status}: {NO_API}"


def test_no_password_is_taken_from_netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ada password lovelace\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert requests.utils.get_netrc_auth("http://127.0.0.1") == ("ada", "lovelace")
    with FaultyServer(faulty.accepts) as server:
        send(server.url)
    assert "authorization" not in server.requests[0].headers


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultyServer(faulty.accepts) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert send("http://iterable.invalid").code == "Success"
    (request,) = proxy.requests
    assert request.target == "http://iterable.invalid/api/events/track"
    assert request.headers["host"] == "iterable.invalid"


def test_the_environment_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultyServer(faulty.accepts) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with client_of("http://iterable.invalid") as client:
            client.send(CALL)
            monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
            client.send(CALL)
            monkeypatch.delenv("http_proxy")
            client.check()
    targets = [request.target for request in proxy.requests]
    assert targets == [
        "http://iterable.invalid/api/events/track",
        "http://iterable.invalid/api/events/track",
        "http://iterable.invalid/api/webhooks",
    ]
    assert proxy.connections == 1


def test_a_server_that_the_environment_exempts_is_asked_directly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with FaultyServer(faulty.accepts) as server, FaultyServer(faulty.accepts) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        send(server.url)
    assert (len(server.requests), len(proxy.requests)) == (1, 0)


def test_a_proxy_that_refuses_means_that_nothing_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    with faulty.refusing() as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        error = failure("http://iterable.invalid")
    assert type(error) is errors.NotConnected
    assert str(error).startswith("ProxyError: ")


def test_cookies_are_not_kept() -> None:
    script = faulty.answers(200, headers="Set-Cookie: a=b; Path=/\r\n")
    with FaultyServer(script) as server, client_of(server.url) as client:
        client.send(CALL)
        client.send(CALL)
        client.check()
    assert [request.headers.get("cookie") for request in server.requests] == [None, None, None]


# Connections -------------------------------------------------------------------------------------


def test_one_connection_serves_many_requests() -> None:
    scripts = [
        faulty.accepts,
        faulty.answers(400, b'{"code":"BadParams"}'),
        faulty.answers(200, b""),
        faulty.answers(404, HTML),
        faulty.answers(302, b"", "Location: /elsewhere\r\n"),
        faulty.answers(200, gzip.compress(faulty.SUCCESS), faulty.GZIP),
        faulty.answers(429, b"slow down"),
        faulty.accepts,
    ]
    with FaultyServer(*scripts) as server, client_of(server.url) as client:
        for _ in scripts[:-1]:
            try:
                client.send(CALL)
            except errors.ApiError as error:
                assert not isinstance(error, errors.NotConnected)  # noqa: PT017
        client.check()
        assert len(server.requests) == len(scripts)
        assert server.connections == 1


def at_once(count: int, work: Callable[[], Any]) -> None:
    """Do some work in several threads at the same time; whatever one raises is raised here."""
    with ThreadPoolExecutor(count) as threads:
        for done in [threads.submit(work) for _ in range(count)]:
            done.result()


def test_requests_at_the_same_time_have_a_connection_each() -> None:
    with (
        FaultyServer(faulty.meets(threading.Barrier(3, timeout=5))) as server,
        client_of(server.url, read_timeout=5.0) as client,
    ):
        for _ in range(4):
            at_once(3, lambda: client.send(CALL))
        assert len(server.requests) == 12
        assert server.connections == 3
        client.close()
        assert server.saw_closed(3)


def test_requests_after_each_other_share_a_connection_whatever_their_threads() -> None:
    with FaultyServer(faulty.accepts) as server, client_of(server.url) as client:
        for _ in range(5):
            at_once(1, lambda: client.send(CALL))
        client.send(CALL)
        assert len(server.requests) == 6
        assert server.connections == 1
        client.close()
        assert server.saw_closed()


def test_a_fault_does_not_use_up_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []

    class Counted(connections._Session):
        def __init__(self) -> None:
            made.append(self)
            super().__init__()

    monkeypatch.setattr(connections, "_Session", Counted)
    scripts = [
        faulty.resets_after_reading,
        faulty.closes_after_reading,
        faulty.sends(faulty.CUT_BODY),
        faulty.sends_and_stalls(b""),
        faulty.answers(500),
        faulty.accepts,
    ]
    with FaultyServer(*scripts) as server, client_of(server.url) as client:
        for _ in scripts[:-1]:
            with pytest.raises(errors.ApiError):
                client.send(CALL)
        client.send(CALL)
    assert len(made) == 1


def test_a_connection_in_use_is_closed_when_its_answer_has_come() -> None:
    go, seen = threading.Event(), threading.Event()
    with (
        FaultyServer(faulty.waits(go, seen), faulty.accepts) as server,
        client_of(server.url, read_timeout=5.0) as client,
        ThreadPoolExecutor(1) as threads,
    ):
        sending = threads.submit(client.send, CALL)
        assert seen.wait(5)
        client.close()
        assert not server.saw_closed(retry=0.05)
        go.set()
        assert sending.result(5).code == "Success"
        assert server.saw_closed()
        client.send(CALL)
        client.send(CALL)
        assert server.connections == 2


def test_a_connection_in_use_is_closed_even_if_its_answer_is_lost() -> None:
    go, seen = threading.Event(), threading.Event()

    def loses(exchange: Exchange) -> None:
        exchange.read()
        seen.set()
        go.wait(5)
        exchange.send(faulty.response(200)[:-1])
        exchange.stall()

    with (
        FaultyServer(loses) as server,
        client_of(server.url) as client,
        ThreadPoolExecutor(1) as threads,
    ):
        sending = threads.submit(client.send, CALL)
        assert seen.wait(5)
        client.close()
        go.set()
        assert isinstance(sending.exception(5), errors.AmbiguousAnswer)
        assert client._transport._idle == []


def test_closing_does_not_disturb_requests_of_other_threads() -> None:
    with (
        FaultyServer(faulty.accepts) as server,
        client_of(server.url, read_timeout=5.0) as client,
    ):

        def work() -> None:
            for _ in range(20):
                assert client.send(CALL).code == "Success"
                client.close()

        at_once(6, work)
        client.close()
        assert len(server.requests) == 120
        assert server.saw_closed(server.connections)


def test_closing_closes_the_connection() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        with FaultyServer(faulty.accepts) as server:
            with client_of(server.url) as client:
                client.send(CALL)
            assert server.saw_closed()
            del client
            gc.collect()


def test_a_closed_client_can_be_used_and_closed_again() -> None:
    with FaultyServer(faulty.accepts) as server:
        with client_of(server.url) as client:
            client.close()
            client.close()
            client.send(CALL)
            client.close()
            assert server.saw_closed()
            assert client.send(CALL).code == "Success"
        assert server.saw_closed()
        assert server.connections == 2


def test_closing_again_closes_what_another_thread_has_opened_since() -> None:
    """The thread lives on between the two."""
    opened, closed = threading.Barrier(2, timeout=5), threading.Barrier(2, timeout=5)
    with FaultyServer(faulty.accepts) as server, client_of(server.url) as client:

        def work() -> None:
            for _ in range(2):
                client.send(CALL)
                opened.wait()
                closed.wait()

        thread = threading.Thread(target=work)
        thread.start()
        seen = []
        for _ in range(2):
            opened.wait()
            client.close()
            seen.append(server.saw_closed())
            closed.wait()
        thread.join()
    assert seen == [True, True]


def test_threads_that_have_ended_leave_no_connections_open() -> None:
    with FaultyServer(faulty.accepts) as server, client_of(server.url) as client:
        for _ in range(5):
            thread = threading.Thread(target=client.send, args=(CALL,))
            thread.start()
            thread.join()
        gc.collect()
        assert server.saw_closed(server.connections - 1)


# When to come back -------------------------------------------------------------------------------

NOW = "Mon, 02 Jan 2023 00:00:00 GMT"


@responses.activate
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": " 120 "}, 120.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "1.5"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "٣"}, None),
        ({"Retry-After": "9" * 400}, 86_400.0),
        ({"Retry-After": "Mon, 02 Jan 2023 00:01:30 GMT", "Date": NOW}, 90.0),
        ({"Retry-After": "Mon, 02 Jan 2023 02:00:00 +0200", "Date": NOW}, 0.0),
        ({"Retry-After": "Sun, 01 Jan 2023 00:00:00 GMT", "Date": NOW}, 0.0),
        ({"Retry-After": "Mon, 02 Jan 2023 00:01:30 GMT"}, None),
        ({"Retry-After": "Mon, 02 Jan 2023 00:01:30 GMT", "Date": "today"}, None),
        ({"Retry-After": "Mon, 02 Jan 2023 00:01:30 -0000", "Date": NOW}, None),
        ({"Retry-After": "Mon, 99 Jan 2023 00:00:00 GMT", "Date": NOW}, None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_in_seconds_or_a_date_of_the_servers_clock(
    headers: dict[str, str], seconds: float | None, status: int
) -> None:
    responses.post(TRACK, status=status, headers=headers)
    assert failure().retry_after == seconds


@responses.activate
@pytest.mark.parametrize(
    "date",
    ["Mon, 01 Jan 99999999999999 00:00:00 GMT", "Mon, 02 Jan 2023 00:00:00 +99999999999999"],
)
def test_retry_after_with_a_date_that_none_can_be_is_none(date: str) -> None:
    responses.post(TRACK, status=429, headers={"Retry-After": date, "Date": NOW})
    assert failure().retry_after is None


# check and update_email --------------------------------------------------------------------------


def test_check_asks_for_the_webhooks_and_sends_nothing() -> None:
    body = b'{"webhooks":[]}'
    with FaultyServer(faulty.answers(200, body)) as server, client_of(server.url) as client:
        assert client.check() == ApiResponse(200, {"webhooks": []})
    (request,) = server.requests
    assert (request.method, request.target, request.body) == ("GET", "/api/webhooks", b"")
    assert request.headers["api-key"] == KEY
    assert "content-length" not in request.headers


@responses.activate
@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (401, {"msg": "Invalid API key", "code": "BadApiKey"}, errors.Unauthorized, None),
        (
            401,
            None,
            errors.Unauthorized,
            "status 401: the API key is not known in this data center",
        ),
        (403, {"msg": "No access", "code": "Forbidden"}, errors.Forbidden, None),
        (404, None, errors.WrongAddress, f"status 404: {NO_API}"),
        (200, None, errors.AmbiguousAnswer, f"status 200: {NO_ACCEPTANCE}"),
        (500, None, errors.ServerError, "status 500: Iterable failed"),
    ],
)
def test_check_says_what_is_wrong(
    status: int, body: dict[str, str] | None, kind: type[errors.ApiError], words: str | None
) -> None:
    responses.get(f"{US}/api/webhooks", status=status, body=json.dumps(body) if body else "no")
    with client_of() as client, pytest.raises(errors.ApiError) as caught:
        client.check()
    assert type(caught.value) is kind
    assert str(caught.value) == (words or (body or {})["msg"])


@responses.activate
@pytest.mark.parametrize(
    ("who", "body"),
    [
        ({"email": "a@b.co"}, {"currentEmail": "a@b.co"}),
        ({"user_id": "u-1"}, {"currentUserId": "u-1"}),
        (
            {"email": "a@b.co", "user_id": "u-1"},
            {"currentEmail": "a@b.co", "currentUserId": "u-1"},
        ),
    ],
)
def test_update_email_says_who_the_user_is_and_the_new_email(
    who: dict[str, str], body: dict[str, str]
) -> None:
    responses.post(f"{US}/api/users/updateEmail", json={"code": "Success", "msg": "ok"})
    with client_of() as client:
        answer = client.update_email("new@b.co", **who)
    assert (answer.code, answer.message) == ("Success", "ok")
    sent = responses.calls[0].request.body
    assert isinstance(sent, bytes)
    assert json.loads(sent) == body | {"newEmail": "new@b.co"}


NO_EMAIL = "is no email address: it must read like name@host.domain, without spaces"


@responses.activate
@pytest.mark.parametrize(
    ("new", "who", "problems"),
    [
        ("new@b.co", {}, [Problem("currentUserId", "Must set either userId or email")]),
        ("new", {"user_id": "u-1"}, [Problem("newEmail", NO_EMAIL)]),
        ("", {"user_id": "u-1"}, [Problem("newEmail", NO_EMAIL)]),
        (None, {"user_id": "u-1"}, [Problem("newEmail", "must be a string, not null")]),
        (
            "new",
            {"email": "old", "user_id": "x" * 53},
            [
                Problem("currentEmail", NO_EMAIL),
                Problem("currentUserId", "is 53 characters long; a userId has at most 52"),
                Problem("newEmail", NO_EMAIL),
            ],
        ),
    ],
)
def test_update_email_sends_nothing_that_cannot_be_right(
    new: Any, who: dict[str, Any], problems: list[Problem]
) -> None:
    with client_of() as client, pytest.raises(errors.InvalidCall) as caught:
        client.update_email(new, **who)
    assert list(caught.value.problems) == problems
    assert str(caught.value) == "; ".join(f"{each.path}: {each.message}" for each in problems)
    assert len(responses.calls) == 0


@responses.activate
@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "EmailAlreadyExists", errors.IdentityConflict),
        (409, "EmailAlreadyExists", errors.IdentityConflict),
        (400, "UnknownEmailError", errors.BadRequest),
        (409, "ForgottenUserError", errors.ForgottenUser),
    ],
)
def test_update_email_raises_what_iterable_refuses(
    status: int, code: str, kind: type[errors.ApiError]
) -> None:
    url = f"{US}/api/users/updateEmail"
    responses.post(url, status=status, json={"code": code, "msg": "no"})
    with client_of() as client, pytest.raises(errors.RequestRefused) as caught:
        client.update_email("new@b.co", email="old@b.co")
    assert type(caught.value) is kind
    assert (str(caught.value), caught.value.code) == ("no", code)


# The key -----------------------------------------------------------------------------------------


def assert_hidden(*texts: Any) -> None:
    for text in texts:
        assert KEY not in (text if isinstance(text, str) else repr(text))


def assert_hidden_in_error(error: BaseException) -> None:
    """Look at every place where people, logs and job queues look at an error."""
    assert_hidden(str(error), repr(error), error.args, vars(error))
    assert error.__cause__ is None
    assert error.__context__ is None
    assert_hidden("".join(traceback.format_exception(error, chain=True)))
    assert_hidden("".join(traceback.TracebackException.from_exception(error).format()))
    assert KEY.encode() not in pickle.dumps(error)


def test_the_key_is_in_no_text_of_what_holds_it() -> None:
    chosen = settings("http://127.0.0.1:1")
    with Client(chosen) as client, Destination(chosen) as destination:
        assert repr(client) == str(client) == "Client('http://127.0.0.1:1')"
        assert repr(destination) == str(destination) == "Destination('http://127.0.0.1:1')"
    assert str(chosen) == repr(chosen)
    assert_hidden(repr(chosen), f"{chosen}", [chosen], {"settings": chosen})
    assert "api_key" not in repr(chosen)


def test_pickled_settings_have_no_key() -> None:
    chosen = Settings(api_key=KEY, data_center="EU", track_all_pages=True)
    pickled = pickle.dumps(chosen)
    assert KEY.encode() not in pickled
    assert pickle.loads(pickled) == attrs.evolve(chosen, api_key=None)  # noqa: S301 - our own


def test_copied_settings_keep_the_key() -> None:
    chosen = settings()
    assert copy.copy(chosen).api_key == copy.deepcopy(chosen).api_key == KEY


def test_a_client_cannot_be_pickled() -> None:
    with client_of() as client, pytest.raises(TypeError) as caught:
        pickle.dumps(client)
    text = "a Client holds connections and the API key, and cannot be pickled"
    assert str(caught.value) == text


def test_a_destination_cannot_be_pickled() -> None:
    with Destination(settings()) as destination, pytest.raises(TypeError):
        pickle.dumps(destination)


ECHOES: dict[str, Script] = {
    "msg of a 400": faulty.echoes(400, "BadJsonBody"),
    "msg of a 401": faulty.echoes(401, "BadApiKey"),
    "msg of a 409": faulty.echoes(409, "ForgottenUserError"),
    "msg of a 413": faulty.echoes(413, "BatchTooLarge"),
    "msg of a 429": faulty.echoes(429, "RateLimitExceeded"),
    "msg of a 500": faulty.echoes(500, "GenericError"),
    "msg of a 200": faulty.echoes(200, "BadParams"),
    "params of a 400": faulty.echoes(400, "BadParams", in_params=True),
    "params of a 500": faulty.echoes(500, "GenericError", in_params=True),
    "text of a 200": faulty.echoes_as_text(200),
    "text of a 302": faulty.echoes_as_text(302),
    "text of a 400": faulty.echoes_as_text(400),
    "text of a 404": faulty.echoes_as_text(404),
    "text of a 500": faulty.echoes_as_text(500),
}
SILENT = {name: script for name, (script, _) in AMBIGUOUS.items() if name[:3] not in ("sta", "dri")}


@pytest.mark.parametrize("script", [*ECHOES.values(), *SILENT.values()], ids=[*ECHOES, *SILENT])
def test_the_key_is_in_no_error(script: Script) -> None:
    assert_hidden_in_error(failure_of(script))


def test_the_key_is_in_no_error_without_a_connection() -> None:
    with faulty.refusing() as url:
        assert_hidden_in_error(failure(url))


@pytest.mark.parametrize(
    "wrong",
    [f"{KEY}\n", f" {KEY}", f"{KEY} ", f"{KEY}é", f"{KEY}\x00", [KEY], {"key": KEY}, KEY.encode()],
)
def test_a_key_that_is_refused_is_not_shown(wrong: Any) -> None:
    ways: list[Callable[[], Settings]] = [
        lambda: Settings(api_key=wrong),
        lambda: Settings.from_mapping({"apiKey": wrong}),
        lambda: Settings.from_environment({"ITERABLE_API_KEY": wrong}),
    ]
    for make in ways:
        with pytest.raises(errors.InvalidSettings) as caught:
            make()
        shown = "".join(traceback.format_exception(caught.value, chain=True))
        assert_hidden(str(caught.value), repr(caught.value), shown)


@pytest.mark.parametrize("script", ECHOES.values(), ids=ECHOES)
def test_an_error_comes_out_of_a_pickle_as_it_went_in(script: Script) -> None:
    error = failure_of(script)
    restored = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert type(restored) is type(error)
    assert (str(restored), restored.args, restored.__dict__) == (
        str(error),
        error.args,
        error.__dict__,
    )


def test_an_error_found_here_comes_out_of_a_pickle_as_it_went_in() -> None:
    error = errors.InvalidEvent([Problem("userId", "missing"), Problem("type", "missing")], "m-1")
    restored = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert str(restored) == "userId: missing; type: missing"
    assert (restored.problems, restored.message_id) == (error.problems, "m-1")


@pytest.mark.parametrize("script", [faulty.accepts, *ECHOES.values()], ids=["accepted", *ECHOES])
def test_the_key_is_in_no_log(script: Script, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("iterable_destination", "urllib3", "requests"):
        caplog.set_level(logging.DEBUG, name)
    with FaultyServer(script) as server, client_of(server.url) as client:
        try:
            client.send(CALL)
        except errors.ApiError:
            logging.getLogger("iterable_destination").exception("it failed")
    names = {record.name for record in caplog.records}
    assert "iterable_destination.io" in names
    assert "urllib3.connectionpool" in names
    for record in caplog.records:
        assert_hidden(record.getMessage(), record.__dict__, record.exc_text or "")
    assert_hidden(caplog.text)


def test_the_log_tells_each_request_and_how_it_went(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "iterable_destination")
    clock = iter([0.0, 0.1, 0.2, 0.25, 1.0]).__next__
    scripts = (faulty.accepts, faulty.resets_after_reading)
    with FaultyServer(*scripts) as server, client_of(server.url, clock=clock) as client:
        client.send(CALL)
        with pytest.raises(errors.AmbiguousAnswer):
            client.send(CALL)
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [
        "POST /api/events/track: 200 in 0.250 s",
        "POST /api/events/track: AmbiguousAnswer",
    ]


def outcome_of(script: Script) -> Outcome:
    with FaultyServer(script) as server, client_of(server.url) as client:
        to = Destination(settings(server.url), client=client, retry=RetryPolicy(deadline=0.0))
        return to.send(EVENT)


@pytest.mark.parametrize("script", ECHOES.values(), ids=ECHOES)
def test_the_key_is_in_no_outcome(script: Script) -> None:
    outcome = outcome_of(script)
    assert outcome.attempts == 1
    assert_hidden(repr(outcome), json.dumps(outcome.summary()), outcome.message, outcome.calls)
    assert outcome.error is not None
    assert_hidden_in_error(outcome.error)
    assert KEY.encode() not in pickle.dumps(outcome)


def test_an_outcome_comes_out_of_a_pickle_as_it_went_in() -> None:
    outcome = outcome_of(faulty.accepts)
    assert pickle.loads(pickle.dumps(outcome)) == outcome  # noqa: S301 - our own


def test_a_call_made_by_hand_comes_out_of_a_pickle_as_it_went_in() -> None:
    translation = Translation("m-1", (CALL,))
    assert pickle.loads(pickle.dumps(translation)) == translation  # noqa: S301 - our own
