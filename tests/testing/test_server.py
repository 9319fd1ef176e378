"""The server, over real connections."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import pytest

from iterable_destination.testing import LocalIterable, Project, Received, Response
from tests.support.asking import NOW

ADA = "ada@example.com"


@pytest.fixture
def iterable() -> Iterator[LocalIterable]:
    with LocalIterable(clock=lambda: NOW) as running:
        yield running


@contextmanager
def connect(iterable: LocalIterable) -> Iterator[socket.socket]:
    address = urlsplit(iterable.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        yield connection


@contextmanager
def open_client(iterable: LocalIterable) -> Iterator[HTTPConnection]:
    connection = HTTPConnection(urlsplit(iterable.url).netloc, timeout=10)
    try:
        yield connection
    finally:
        connection.close()


def ask(
    connection: HTTPConnection, iterable: LocalIterable, method: str, path: str, body: Any = None
) -> tuple[int, Any]:
    content = body if body is None or isinstance(body, bytes) else json.dumps(body)
    connection.request(method, path, content, {"Api-Key": iterable.api_key})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def send_raw(iterable: LocalIterable, request: bytes) -> tuple[int, bytes, bool]:
    """The status, the body, and whether the server ends the connection after it."""
    with connect(iterable) as connection:
        connection.sendall(request)
        response = HTTPResponse(connection)
        response.begin()
        body = response.read()
        connection.settimeout(10 if response.will_close else 0.05)
        try:
            ended = connection.recv(1) == b""
        except TimeoutError:
            ended = False
        response.close()
        return response.status, body, ended


def encode_head(iterable: LocalIterable, *lines: str) -> bytes:
    first = ["POST /api/users/update HTTP/1.1", "Host: x", f"Api-Key: {iterable.api_key}"]
    return "\r\n".join([*first, *lines, "", ""]).encode()


def test_one_connection_serves_many_requests(iterable: LocalIterable) -> None:
    with open_client(iterable) as connection:
        body = {"email": ADA, "dataFields": {"plan": "pro"}}
        updated = ask(connection, iterable, "POST", "/api/users/update", body)
        first = connection.sock
        read = ask(connection, iterable, "GET", "/api/users/ada%40example.com")
        hooks = ask(connection, iterable, "GET", "/api/webhooks")
        deleted = ask(connection, iterable, "DELETE", "/api/users/ada%40example.com")
        assert connection.sock is first
    assert updated == (200, {"msg": "", "code": "Success", "params": None})
    assert read[1]["user"]["dataFields"]["signupDate"] == "2023-02-05 18:42:10 +00:00"
    assert (hooks, deleted[0]) == ((200, {"webhooks": []}), 200)


def test_an_answer_has_its_length_and_its_headers(iterable: LocalIterable) -> None:
    with open_client(iterable) as connection:
        connection.request("GET", "/api/webhooks", headers={"Api-Key": iterable.api_key})
        response = connection.getresponse()
        assert (response.version, response.reason, response.getheaders(), response.read()) == (
            11,
            "OK",
            [
                ("Content-Type", "application/json"),
                ("Iterable-Request-Id", "local-1"),
                ("Content-Length", "15"),
            ],
            b'{"webhooks":[]}',
        )


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_an_unknown_path_is_an_html_page(iterable: LocalIterable, method: str) -> None:
    with open_client(iterable) as connection:
        connection.request(method, "/nowhere", b"{}")
        response = connection.getresponse()
        assert response.read().startswith(b"<!DOCTYPE html>")
        assert (response.status, response.headers["Content-Type"]) == (
            404,
            "text/html; charset=UTF-8",
        )


def test_a_wrong_key_is_refused(iterable: LocalIterable) -> None:
    with open_client(iterable) as connection:
        connection.request("GET", "/api/webhooks", headers={"Api-Key": "wrong"})
        response = connection.getresponse()
        assert (response.status, json.loads(response.read())["code"]) == (401, "BadApiKey")


def test_malformed_json_is_answered(iterable: LocalIterable) -> None:
    with open_client(iterable) as connection:
        status, answer = ask(connection, iterable, "POST", "/api/users/update", b"{nope")
    assert (status, answer["code"]) == (400, "BadJsonBody")


@pytest.mark.parametrize("size", [4_000_001, 9_000_000])
def test_a_body_that_is_too_large_is_read_and_refused(iterable: LocalIterable, size: int) -> None:
    with open_client(iterable) as connection:
        status, answer = ask(connection, iterable, "POST", "/api/users/update", b" " * size)
        assert (status, answer["code"]) == (413, "BatchTooLarge")
        assert ask(connection, iterable, "GET", "/api/webhooks")[0] == 200


def test_a_body_of_monstrous_length_is_refused_unread(iterable: LocalIterable) -> None:
    request = encode_head(iterable, "Content-Length: 64000001")
    assert send_raw(iterable, request) == (413, b"", True)


@pytest.mark.parametrize("length", ["x", "-1", "1e3", "", "9" * 19, "²"])
def test_a_length_that_is_no_number_ends_the_connection(
    iterable: LocalIterable, length: str
) -> None:
    request = encode_head(iterable, f"Content-Length: {length}")
    assert send_raw(iterable, request) == (400, b"", True)


def test_a_body_may_come_in_chunks(iterable: LocalIterable) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'{"email": '
        yield b'"ada@example.com"}'

    with open_client(iterable) as connection:
        connection.request(
            "POST",
            "/api/users/update",
            pieces(),
            {"Api-Key": iterable.api_key},
            encode_chunked=True,
        )
        response = connection.getresponse()
        assert (response.status, response.read()[:9]) == (200, b'{"msg":""')
        assert ask(connection, iterable, "GET", "/api/webhooks")[0] == 200
    assert iterable.project.requests[0].body == {"email": ADA}


def test_chunks_may_have_extensions_and_trailers(iterable: LocalIterable) -> None:
    request = encode_head(iterable, "Transfer-Encoding: chunked")
    request += b'3;x=y\r\n{"e\r\n18\r\nmail":"ada@example.com"}\r\n0\r\nTrailer: x\r\n\r\n'
    status, _, ended = send_raw(iterable, request)
    assert (status, ended) == (200, False)


@pytest.mark.parametrize(
    ("coding", "body", "status"),
    [
        ("chunked", b"x\r\n", 400),
        ("chunked", b"-5\r\n", 400),
        ("chunked", b"\r\n", 400),
        ("chunked", b"fffffff\r\n", 413),
        ("gzip", b"", 501),
    ],
)
def test_chunks_that_cannot_be_read_end_the_connection(
    iterable: LocalIterable, coding: str, body: bytes, status: int
) -> None:
    request = encode_head(iterable, f"Transfer-Encoding: {coding}") + body
    assert send_raw(iterable, request) == (status, b"", True)


@pytest.mark.parametrize("request_line", [b"nonsense\r\n\r\n", b"GET / HTTP/9\r\n\r\n"])
def test_what_is_no_http_is_refused_quietly(
    iterable: LocalIterable, request_line: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with connect(iterable) as connection:
        connection.sendall(request_line)
        assert connection.recv(65536) != b""
    iterable.stop()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /api/users/update HTTP/1.1\r\nContent-",
        b"POST /api/users/update HTTP/1.1\r\nContent-Length: 100\r\n\r\n{",
        b"POST /api/users/update HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{",
    ],
)
def test_a_client_that_goes_away_leaves_no_trace(
    iterable: LocalIterable, sent: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with connect(iterable) as connection:
        connection.sendall(sent)
    with connect(iterable) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        connection.sendall(sent)
    with open_client(iterable) as asking:
        assert ask(asking, iterable, "GET", "/api/webhooks")[0] == 200
    iterable.stop()
    assert capfd.readouterr() == ("", "")
    assert [request.path for request in iterable.project.requests] == ["/api/webhooks"]


def test_many_clients_at_once_lose_nothing(iterable: LocalIterable) -> None:
    def send(number: int) -> None:
        with open_client(iterable) as connection:
            for count in range(25):
                event = {"email": ADA, "eventName": "x", "id": f"{number}-{count}"}
                assert ask(connection, iterable, "POST", "/api/events/track", event)[0] == 200

    threads = [threading.Thread(target=send, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(iterable.project.events(ADA)) == 500
    assert len(iterable.project.requests) == 500


# Starting and stopping


def test_nothing_is_left_running() -> None:
    before = threading.active_count()
    with LocalIterable() as iterable, connect(iterable), open_client(iterable) as connection:
        ask(connection, iterable, "GET", "/api/webhooks")
        assert threading.active_count() > before
        url = iterable.url
        iterable.stop()
        assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=10)


def test_it_listens_on_loopback_only() -> None:
    with LocalIterable() as iterable:
        assert urlsplit(iterable.url).hostname == "127.0.0.1"


def test_a_port_can_be_chosen_and_is_free_again_after() -> None:
    with LocalIterable() as iterable:
        port = urlsplit(iterable.url).port
        assert port is not None
    with LocalIterable(port=port) as iterable:
        assert iterable.url == f"http://127.0.0.1:{port}"


def test_a_port_that_is_taken_is_an_error() -> None:
    with LocalIterable() as iterable:
        again = LocalIterable(port=urlsplit(iterable.url).port or 0)
        with pytest.raises(OSError, match="in use"):
            again.start()
        again.stop()


def test_it_can_be_started_again_with_what_it_knows() -> None:
    iterable = LocalIterable()
    for _ in range(2):
        with iterable, open_client(iterable) as connection:
            ask(connection, iterable, "GET", "/api/webhooks")
    assert len(iterable.project.requests) == 2


def test_starting_twice_is_an_error_and_stopping_twice_is_none() -> None:
    with LocalIterable() as iterable:
        with pytest.raises(RuntimeError, match="the local Iterable is running already"):
            iterable.start()
        iterable.stop()
        iterable.stop()
        with pytest.raises(RuntimeError, match="the local Iterable is not running"):
            _ = iterable.url


def test_the_project_and_its_key_are_those_given() -> None:
    project = Project(api_key="k")
    iterable = LocalIterable(project)
    assert (iterable.project, iterable.api_key) == (project, "k")


# The seam for faults


def test_faults_decide_before_and_after_the_project() -> None:
    seen: list[tuple[str, str, bytes]] = []

    def faults(received: Received, apply: Callable[[], Response]) -> Response:
        seen.append((received.method, received.path, received.body))
        if received.path == "/api/webhooks":
            return Response(599, {}, b"")
        apply()
        return Response(500, {"X": "y"}, b"{}")

    with LocalIterable(faults=faults) as iterable, open_client(iterable) as connection:
        connection.request("GET", "/api/webhooks")
        response = connection.getresponse()
        assert (response.status, response.read()) == (599, b"")
        body = {"email": ADA}
        assert ask(connection, iterable, "POST", "/api/users/update", body) == (500, {})
    assert seen == [
        ("GET", "/api/webhooks", b""),
        ("POST", "/api/users/update", b'{"email": "ada@example.com"}'),
    ]
    assert [request.status for request in iterable.project.requests] == [200]
    assert iterable.project.user(ADA) is not None
