"""HTTP transport: faults of connections, redirects, proxies and TLS, over sockets on loopback."""

from __future__ import annotations

import errno
import gc
import gzip
import http.client
import http.server
import os
import shutil
import socket
import ssl
import subprocess
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
import responses
import urllib3

from iterable_destination import Client, errors
from iterable_destination.io import transport, transport_protocol
from tests.support import faulty_server as faulty
from tests.support.clients import (
    AMBIGUOUS,
    CALL,
    HASTY,
    HTML,
    KEY,
    NO_ACCEPTANCE,
    NO_API,
    TRACK,
    catch_error,
    catch_script_error,
    open_client,
    send,
    settings,
    words_of,
)
from tests.support.delivering import driver
from tests.support.faulty_server import Exchange, FaultyServer

# Faults of the wire ------------------------------------------------------------------------------


def test_a_refused_connection_means_that_nothing_was_sent() -> None:
    with faulty.refusing() as url:
        error = catch_error(url)
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
    error = catch_error("http://nowhere.invalid")
    assert type(error) is errors.NotConnected
    assert "Failed to resolve 'nowhere.invalid'" in str(error)


def test_a_server_that_speaks_no_tls_means_that_nothing_was_sent() -> None:
    with FaultyServer(faulty.speaks_no_tls) as server:
        error = catch_error(server.url.replace("http://", "https://"))
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
        error = catch_error(server.url.replace("http://", "https://"))
    assert type(error) is errors.NotConnected
    assert str(error).startswith(f"SSLError: [SSL: {reason}] ")
    assert not server.requests


def over_tls(url: str) -> str:
    return url.replace("http://", "https://")


BROKEN_HANDSHAKES = {
    "an alert that can also come later": faulty.alerts(80),
    "a reset": faulty.resets_before_reading,
    "an end": faulty.sends(b""),
    "garbage": faulty.sends(b"\x16\x03\x03\xff\xff" + b"x" * 100),
    "silence": faulty.sends_and_stalls(b""),
}


@pytest.mark.usefixtures("each_driver")
@pytest.mark.parametrize("name", BROKEN_HANDSHAKES)
def test_a_handshake_that_breaks_means_that_nothing_was_sent(name: str) -> None:
    with FaultyServer(BROKEN_HANDSHAKES[name]) as server:
        error = catch_error(over_tls(server.url))
    assert type(error) is errors.NotConnected


@pytest.mark.usefixtures("each_driver")
@pytest.mark.parametrize("name", ["CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
@pytest.mark.parametrize("contents", [None, b"", b"no certificate", b"-----BEGIN CERTIFICATE-----"])
def test_a_file_of_certificates_that_cannot_be_used_is_a_fault_of_the_configuration(
    name: str, contents: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ca.pem"
    if contents is not None:
        file.write_bytes(contents)
    monkeypatch.setenv(name, str(file))
    with FaultyServer(faulty.speaks_no_tls) as server:
        error = catch_error(over_tls(server.url))
    assert type(error) is errors.ConfigurationError
    assert not server.requests


class _Accepts(http.server.BaseHTTPRequestHandler):
    """Answers as Iterable does; over TLS, which the other server cannot speak."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(faulty.SUCCESS)))
        self.end_headers()
        self.wfile.write(faulty.SUCCESS)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def private_certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate that no public authority signed, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl here")
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "ca.pem", folder / "key.pem"
    made = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    named = ("-subj", "/CN=private", "-addext", "subjectAltName=IP:127.0.0.1")
    files = ("-out", str(certificate), "-keyout", str(key))
    subprocess.run([*made, *named, *files], check=True, capture_output=True, timeout=60)
    return certificate, key


@pytest.mark.usefixtures("each_driver")
def test_a_private_authority_is_trusted_if_it_is_named(
    private_certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*private_certificate)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Accepts) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"https://127.0.0.1:{server.server_port}"
        error = catch_error(url)
        assert type(error) is errors.NotConnected
        assert "CERTIFICATE_VERIFY_FAILED" in str(error)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(private_certificate[0]))
        assert send(url).code == "Success"
        server.shutdown()


@pytest.mark.usefixtures("each_driver")
def test_a_folder_of_certificates_is_one_that_can_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
    with FaultyServer(faulty.speaks_no_tls) as server:
        assert type(catch_error(over_tls(server.url))) is errors.NotConnected


@pytest.mark.parametrize("reason", [None, "CERTIFICATE_VERIFY_FAILED", "SOMETHING_NEW"])
def test_a_tls_error_after_the_request_is_ambiguous(
    reason: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = ssl.SSLError(1, f"[SSL: {reason}] for some reason")
    fault.reason = reason  # type: ignore[assignment]  # None: no error of OpenSSL's

    def broken(_: Any) -> Any:
        raise fault

    monkeypatch.setattr(urllib3.connection.HTTPConnection, "getresponse", broken)
    with FaultyServer(faulty.sends_and_stalls(b"")) as server:
        error = catch_error(server.url)
    assert type(error) is errors.AmbiguousAnswer
    assert str(error) == f"SSLError: [SSL: {reason}] for some reason"


BROKEN_TUNNELS = {
    "refused": faulty.answers(407, HTML),
    "reset": faulty.resets_after_reading,
    "closed": faulty.closes_after_reading,
    "garbage": faulty.sends(faulty.NO_HTTP),
    "silence": faulty.sends_and_stalls(b""),
}


@pytest.mark.usefixtures("each_driver")
@pytest.mark.parametrize("name", BROKEN_TUNNELS)
def test_a_proxy_that_makes_no_tunnel_means_that_nothing_was_sent(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultyServer(BROKEN_TUNNELS[name]) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        error = catch_error("https://iterable.invalid")
    assert type(error) is errors.NotConnected


@pytest.mark.usefixtures("each_driver")
def test_a_fault_of_the_second_request_of_a_connection_is_ambiguous() -> None:
    """The first one's was written, and so was the second one's."""
    with (
        FaultyServer(faulty.accepts, faulty.resets_after_reading) as server,
        open_client(server.url) as client,
    ):
        client.send(CALL)
        with pytest.raises(errors.AmbiguousAnswer):
            client.send(CALL)


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
    error = catch_error()
    assert type(error) is kind
    assert str(error).startswith(words)
    assert (error.status, error.code, error.request_id) == (None, None, None)


@pytest.mark.usefixtures("each_driver")
@pytest.mark.parametrize("fault", AMBIGUOUS)
def test_a_request_whose_answer_is_lost_may_have_been_applied(fault: str) -> None:
    error = catch_script_error(AMBIGUOUS[fault][0], read_timeout=HASTY)
    assert type(error) is errors.AmbiguousAnswer
    assert str(error).startswith(words_of(fault))
    assert (error.status, error.code, error.params, error.retry_after) == (None, None, None, None)


@pytest.mark.usefixtures("each_driver")
@pytest.mark.parametrize("data", [faulty.CUT_HEADERS, faulty.CUT_GZIP], ids=["headers", "gzip"])
def test_an_answer_that_was_cut_is_no_acceptance(data: bytes) -> None:
    error = catch_script_error(faulty.sends(data))
    assert type(error) is errors.AmbiguousAnswer
    if driver.get() == "threads" or data != faulty.CUT_HEADERS:  # aiohttp says that they are cut
        assert str(error) == f"status 200: {NO_ACCEPTANCE}"


@pytest.mark.usefixtures("each_driver")
def test_a_fault_leaves_the_client_fit_for_use() -> None:
    faults = [script for script, _ in AMBIGUOUS.values()]
    scripts = (*faults[:3], faulty.accepts)
    with FaultyServer(*scripts) as server, open_client(server.url) as client:
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
    """Only the client ends the script's connection; until then the script goes on."""
    script, words = AMBIGUOUS[fault]
    if "dripped" in fault:  # five seconds pass whenever the client looks at its clock
        error = catch_script_error(script, read_timeout=20.0, clock=count(step=5).__next__)
    else:
        error = catch_script_error(script, read_timeout=HASTY, clock=lambda: 0.0)
    assert str(error).startswith(words)


@pytest.mark.parametrize("status", [200, 302, 400, 404, 429, 500])
def test_no_body_of_any_status_is_waited_for_longer_than_the_timeouts(status: int) -> None:
    """Headers that come byte by byte are waited for; the documentation says so."""
    head = f"HTTP/1.1 {status} Reason\r\nLocation: /x\r\nContent-Length: 100\r\n\r\n".encode()
    script = faulty.drips(head, b"a" * 100)
    error = catch_script_error(script, read_timeout=20.0, clock=count(step=5).__next__)
    assert type(error) is errors.AmbiguousAnswer
    assert str(error) == "ReadTimeout: the response does not end"


def test_a_body_that_is_dripped_and_then_stalls_has_one_more_wait() -> None:
    def script(exchange: Exchange) -> None:
        exchange.read()
        exchange.send(faulty.CUT_BODY)
        exchange.drip(b"  ", 0.04)
        exchange.stall()

    error = catch_script_error(script, read_timeout=1.0, clock=lambda: 0.0)
    assert str(error).startswith("ReadTimeoutError: ")


@pytest.mark.parametrize("wrong", [0, 0.0, -0.0, -1, float("-inf"), float("nan")])
@pytest.mark.parametrize("name", ["connect_timeout", "read_timeout"])
def test_a_timeout_that_is_not_above_0_makes_no_client(name: str, wrong: float) -> None:
    options: dict[str, Any] = {name: wrong}
    with pytest.raises(ValueError, match=r"^a timeout must be above 0 and at most 86,400 seconds$"):
        Client(settings(), **options)


@pytest.mark.usefixtures("each_driver")
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


@pytest.mark.usefixtures("each_driver")
@pytest.mark.parametrize("flood", FLOODS)
def test_an_answer_without_end_is_not_read_without_end(
    flood: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport_protocol, "MAX_RESPONSE", 1_000_000)
    error = catch_script_error(FLOODS[flood], read_timeout=3_600.0, clock=lambda: 0.0)
    assert type(error) is errors.AmbiguousAnswer
    assert str(error).endswith(": the response does not end")


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
    error = catch_error(url)
    assert type(error) is errors.WrongAddress
    assert str(error).startswith(words)


# Redirects, passwords, proxies, cookies ----------------------------------------------------------

REDIRECTS = [301, 302, 303, 307, 308]


@pytest.mark.usefixtures("each_driver")
@pytest.mark.parametrize("status", REDIRECTS)
def test_a_redirect_is_not_followed(status: int) -> None:
    with FaultyServer(faulty.accepts) as other:
        redirect = faulty.answers(status, b"", f"Location: {other.url}/api/events/track\r\n")
        with FaultyServer(redirect) as server:
            error = catch_error(server.url)
    assert type(error) is errors.WrongAddress
    assert str(error) == f"status {status}: {NO_API}"
    assert error.status == status
    assert len(server.requests) == 1
    assert other.connections == 0


@pytest.mark.usefixtures("each_driver")
@pytest.mark.parametrize("location", ["http://[", "//[", "/\xff"])
@pytest.mark.parametrize("status", REDIRECTS)
def test_a_redirect_to_nowhere_is_a_wrong_address_too(status: int, location: str) -> None:
    error = catch_script_error(faulty.answers(status, b"", f"Location: {location}\r\n"))
    assert type(error) is errors.WrongAddress
    assert str(error) == f"status {status}: {NO_API}"


@pytest.mark.usefixtures("each_driver")
def test_no_password_is_taken_from_netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ada password lovelace\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert requests.utils.get_netrc_auth("http://127.0.0.1") == ("ada", "lovelace")
    with FaultyServer(faulty.accepts) as server:
        send(server.url)
    assert "authorization" not in server.requests[0].headers


@pytest.mark.usefixtures("each_driver")
def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultyServer(faulty.accepts) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert send("http://iterable.invalid").code == "Success"
    (request,) = proxy.requests
    assert request.target == "http://iterable.invalid/api/events/track"
    assert request.headers["host"] == "iterable.invalid"


@pytest.mark.usefixtures("each_driver")
def test_the_environment_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultyServer(faulty.accepts) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with open_client("http://iterable.invalid") as client:
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


@pytest.mark.usefixtures("each_driver")
def test_a_server_that_the_environment_exempts_is_asked_directly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with FaultyServer(faulty.accepts) as server, FaultyServer(faulty.accepts) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        send(server.url)
    assert (len(server.requests), len(proxy.requests)) == (1, 0)


@pytest.mark.usefixtures("each_driver")
@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LocalHost"])
def test_an_address_of_this_machine_is_asked_directly(
    name: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultyServer(faulty.accepts) as server, FaultyServer(faulty.accepts) as proxy:
        monkeypatch.setenv(name, proxy.url)
        send(server.url.replace("127.0.0.1", host))
    assert (len(server.requests), len(proxy.requests)) == (1, 0)


def test_a_proxy_that_refuses_means_that_nothing_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    with faulty.refusing() as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        error = catch_error("http://iterable.invalid")
    assert type(error) is errors.NotConnected
    assert str(error).startswith("ProxyError: ")


@pytest.mark.usefixtures("each_driver")
@pytest.mark.parametrize(
    "proxy",
    [
        "http://ada:lovelace@",
        "http://ada:lovelace@:80",
        "http://ada:lovelace@[",
        "http://ada:lovelace@host:99999",
        "http://ada:love#lace@host",
        "ftp://ada:lovelace@host",
    ],
)
def test_a_proxy_that_cannot_be_one_is_a_wrong_address(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    error = catch_error("http://iterable.invalid")
    assert type(error) is errors.WrongAddress
    assert str(error) == "the proxy of the environment is not a valid address"
    assert error.__context__ is None


def test_the_password_of_a_proxy_is_in_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: Any, proxies: dict[str, str], **__: Any) -> Any:
        raise requests.exceptions.ProxyError(f"cannot reach {proxies['http']}")

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", refuses)
    monkeypatch.setenv("http_proxy", "http://ada:lovelace@127.0.0.1:1")
    error = catch_error("http://iterable.invalid")
    assert str(error) == "ProxyError: cannot reach http://[proxy user]@127.0.0.1:1"


@pytest.mark.usefixtures("each_driver")
def test_cookies_are_not_kept() -> None:
    script = faulty.answers(200, headers="Set-Cookie: a=b; Path=/\r\n")
    with FaultyServer(script) as server, open_client(server.url) as client:
        client.send(CALL)
        client.send(CALL)
        client.check()
    assert [request.headers.get("cookie") for request in server.requests] == [None, None, None]


# Connections -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("each_driver")
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
    with FaultyServer(*scripts) as server, open_client(server.url) as client:
        for _ in scripts[:-1]:
            try:
                client.send(CALL)
            except errors.ApiError as error:
                assert not isinstance(error, errors.NotConnected)  # noqa: PT017
        client.check()
        assert len(server.requests) == len(scripts)
        assert server.connections == 1


def test_headers_and_body_are_sent_together(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []
    send_bytes = http.client.HTTPConnection.send

    def note(self: http.client.HTTPConnection, data: bytes) -> None:
        sent.append(data)
        send_bytes(self, data)

    monkeypatch.setattr(http.client.HTTPConnection, "send", note)
    large = b"[" + b" " * 100_000 + b"]"
    with FaultyServer(faulty.accepts) as server, open_client(server.url) as client:
        client.request(CALL.endpoint, b"[1]")
        client.check()
        client.request(CALL.endpoint, large)
    assert [request.body for request in server.requests] == [b"[1]", b"", large]
    assert [each.partition(b"\r\n\r\n")[2] for each in sent[:3]] == [b"[1]", b"", b""]
    assert sent[3:] == [large]


def test_what_is_the_same_for_each_request_is_done_once(monkeypatch: pytest.MonkeyPatch) -> None:
    done = []

    def note(name: str) -> None:
        method = getattr(requests.adapters.HTTPAdapter, name)

        def call(*args: Any) -> Any:
            done.append(name)
            return method(*args)

        monkeypatch.setattr(requests.adapters.HTTPAdapter, name, call)

    note("cert_verify")
    note("request_url")
    with FaultyServer(faulty.accepts) as server, open_client(server.url) as client:
        for _ in range(3):
            client.send(CALL)
        client.check()
    assert done == ["cert_verify", "request_url", "request_url"]


def run_at_once(count: int, work: Callable[[], Any]) -> None:
    """Do some work in several threads at the same time; whatever one raises is raised here."""
    with ThreadPoolExecutor(count) as threads:
        for done in [threads.submit(work) for _ in range(count)]:
            done.result()


def test_requests_at_the_same_time_have_a_connection_each() -> None:
    with (
        FaultyServer(faulty.meets(threading.Barrier(3, timeout=5))) as server,
        open_client(server.url, read_timeout=5.0) as client,
    ):
        for _ in range(4):
            run_at_once(3, lambda: client.send(CALL))
        assert len(server.requests) == 12
        assert server.connections == 3
        client.close()
        assert server.saw_closed(3)


def test_requests_after_each_other_share_a_connection_whatever_their_threads() -> None:
    with FaultyServer(faulty.accepts) as server, open_client(server.url) as client:
        for _ in range(5):
            run_at_once(1, lambda: client.send(CALL))
        client.send(CALL)
        assert len(server.requests) == 6
        assert server.connections == 1
        client.close()
        assert server.saw_closed()


def test_a_fault_does_not_use_up_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []

    class Counted(transport._Adapter):
        def __init__(self) -> None:
            made.append(self)
            super().__init__()

    monkeypatch.setattr(transport, "_Adapter", Counted)
    scripts = [
        faulty.resets_after_reading,
        faulty.closes_after_reading,
        faulty.sends(faulty.CUT_BODY),
        faulty.sends_and_stalls(b""),
        faulty.answers(500),
        faulty.accepts,
    ]
    with FaultyServer(*scripts) as server, open_client(server.url) as client:
        for _ in scripts[:-1]:
            with pytest.raises(errors.ApiError):
                client.send(CALL)
        client.send(CALL)
    assert len(made) == 1


def test_a_connection_in_use_is_closed_when_its_answer_has_come() -> None:
    go, seen = threading.Event(), threading.Event()
    with (
        FaultyServer(faulty.waits(go, seen), faulty.accepts) as server,
        open_client(server.url, read_timeout=5.0) as client,
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
        open_client(server.url) as client,
        ThreadPoolExecutor(1) as threads,
    ):
        sending = threads.submit(client.send, CALL)
        assert seen.wait(5)
        client.close()
        go.set()
        assert isinstance(sending.exception(5), errors.AmbiguousAnswer)
        assert vars(client._transport)["_idle"] == []


def test_closing_does_not_disturb_requests_of_other_threads() -> None:
    with (
        FaultyServer(faulty.accepts) as server,
        open_client(server.url, read_timeout=5.0) as client,
    ):

        def work() -> None:
            for _ in range(20):
                assert client.send(CALL).code == "Success"
                client.close()

        run_at_once(6, work)
        client.close()
        assert len(server.requests) == 120
        assert server.saw_closed(server.connections)


@pytest.mark.usefixtures("each_driver")
def test_closing_closes_the_connection() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        with FaultyServer(faulty.accepts) as server:
            with open_client(server.url) as client:
                client.send(CALL)
            assert server.saw_closed()
            del client
            gc.collect()


@pytest.mark.usefixtures("each_driver")
def test_a_closed_client_can_be_used_and_closed_again() -> None:
    with FaultyServer(faulty.accepts) as server:
        with open_client(server.url) as client:
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
    with FaultyServer(faulty.accepts) as server, open_client(server.url) as client:

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
    with FaultyServer(faulty.accepts) as server, open_client(server.url) as client:
        for _ in range(5):
            thread = threading.Thread(target=client.send, args=(CALL,))
            thread.start()
            thread.join()
        gc.collect()
        assert server.saw_closed(server.connections - 1)


# Another package under the name of urllib3 --------------------------------------------------------


def test_connections_of_another_package_are_left_as_they_are() -> None:
    """`niquests` brings one; nothing is known of what it has written then."""

    class Manager:
        def __init__(self) -> None:
            self.pools, self.is_cleared = object(), False

        def clear(self) -> None:
            self.is_cleared = True

    pool: Any = SimpleNamespace(ConnectionCls=object)
    manager: Any = Manager()
    adapter = transport._Adapter()
    adapter.cert_verify(pool, "http://localhost", verify=True, cert=None)
    assert pool.ConnectionCls is object
    assert not adapter.is_unsent
    adapter.poolmanager = manager
    adapter.close()
    assert manager.is_cleared
