"""WSGI: a body is read whole and in time, or the response is an error."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from iterable_destination.receivers import wsgi
from iterable_destination.receivers.dev_server import serve
from iterable_destination.receivers.http import HTTPError, Response
from iterable_destination.receivers.wsgi import read_request, send_response
from iterable_destination.testing import LocalIterable
from tests.support.delivering import WAIT_SECONDS, Leaks, track
from tests.support.receiving import (
    JSON,
    SECRET,
    WRITE_KEY,
    connect,
    encode_head,
    make_client_request,
    post,
    read_response,
    run_receiver,
    sign_request,
)

NOT_WHOLE = {"error": "incomplete body"}
#: Where servers say which connection a request came by.
SOCKETS = ("gunicorn.socket", "werkzeug.socket", "iterable_destination.socket")


def read_body(limit: int = 100, *, timeout: float = 10.0, **environ: Any) -> bytes:
    environ = {"REQUEST_METHOD": "POST"} | environ
    return read_request(environ, time.monotonic() + timeout).read(limit)


def catch_error(limit: int = 100, *, timeout: float = 10.0, **environ: Any) -> tuple[int, Any]:
    with pytest.raises(HTTPError) as caught:
        read_body(limit, timeout=timeout, **environ)
    return caught.value.response.status, caught.value.response.content


def make_environ(stream: Any, length: str | None = None, **more: Any) -> dict[str, Any]:
    said = {} if length is None else {"CONTENT_LENGTH": length}
    return {"wsgi.input": stream, **said, **more}


# What a request is -------------------------------------------------------------------------------


def test_a_request_is_read_from_the_environment() -> None:
    request = read_request(
        {
            "REQUEST_METHOD": "PUT",
            "PATH_INFO": "/v1/batch",
            "QUERY_STRING": "a=b",
            "CONTENT_TYPE": "application/json",
            "HTTP_X_SIGNATURE": "abc",
            "HTTP_CONTENT_TYPE": "text/plain",
        },
        0,
    )
    assert (request.method, request.path) == ("PUT", "/v1/batch")
    assert request.headers == {"x-signature": "abc", "content-type": "application/json"}


def test_what_is_missing_is_empty() -> None:
    request = read_request({"REQUEST_METHOD": "GET"}, 0)
    assert (request.path, request.headers) == ("", {"content-type": ""})


def test_a_reply_is_begun_and_its_body_returned() -> None:
    begun: list[Any] = []

    def start(status: str, headers: list[tuple[str, str]], *_: Any) -> Any:
        begun.append((status, headers))

    body = send_response(Response(405, {"a": 1}, {"Allow": "POST"}), start)
    assert list(body) == [b'{"a":1}']
    assert begun == [
        (
            "405 Method Not Allowed",
            [
                ("Content-Type", "application/json"),
                ("Content-Length", "7"),
                ("X-Content-Type-Options", "nosniff"),
                ("Allow", "POST"),
            ],
        )
    ]


# How long a body is ------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 100, 65_536, 65_537, 200_000])
def test_as_much_is_read_as_the_length_says(size: int) -> None:
    stream = io.BytesIO(b"a" * size + b"the next request")
    assert read_body(200_000, **make_environ(stream, str(size))) == b"a" * size
    assert stream.tell() == size


@pytest.mark.parametrize("length", [None, ""])
def test_where_no_length_is_said_there_is_no_body(length: str | None) -> None:
    assert read_body(**make_environ(io.BytesIO(b"the next request"), length)) == b""


def test_of_a_body_without_a_length_no_more_is_read_than_shows_that_it_is_too_large() -> None:
    stream = io.BytesIO(b"a" * 200_000)
    said: dict[str, Any] = {"wsgi.input_terminated": True}
    too_long = catch_error(**make_environ(stream, **said))
    assert too_long == (413, {"error": "the body must have at most 100 bytes"})
    assert stream.tell() == 101


@pytest.mark.parametrize("more", [{"HTTP_TRANSFER_ENCODING": "Chunked"}, {}])
def test_a_body_without_a_length_is_read_to_its_end(more: dict[str, Any]) -> None:
    said = {"wsgi.input_terminated": True} | more
    assert read_body(**make_environ(io.BytesIO(b"a" * 100), **said)) == b"a" * 100
    too_long = catch_error(**make_environ(io.BytesIO(b"a" * 101), **said))
    assert too_long == (413, {"error": "the body must have at most 100 bytes"})


@pytest.mark.parametrize("coding", ["chunked", "Chunked", "gzip, chunked", "odd"])
@pytest.mark.parametrize("length", [None, ""])
def test_chunks_that_the_server_does_not_read_are_411(coding: str, length: str | None) -> None:
    """Otherwise reading would wait for the end of a connection that stays open."""
    result = catch_error(**make_environ(None, length, HTTP_TRANSFER_ENCODING=coding))
    words = "Content-Length is required: chunked bodies are not supported"
    assert result == (411, {"error": words})


@pytest.mark.parametrize("stream", [io.BytesIO(b"a" * 9), io.BytesIO(b"a" * 10)])
def test_a_body_that_is_late_is_to_be_sent_again_whole_or_not(stream: io.BytesIO) -> None:
    assert catch_error(timeout=0, **make_environ(stream, "10")) == (503, NOT_WHOLE)


def test_what_is_too_long_by_its_length_is_not_read_at_all() -> None:
    for length in ("101", "9" * 19, "9" * 400):
        result = catch_error(**make_environ(None, length))
        assert result == (413, {"error": "the body must have at most 100 bytes"})


@pytest.mark.parametrize("length", ["-1", "+1", "1.0", "0x10", "1e3", "ten", " 1", "٣", "1_0"])
def test_a_length_that_is_no_number_is_400(length: str) -> None:
    result = catch_error(**make_environ(io.BytesIO(b"a" * 16), length))
    assert result == (400, {"error": "invalid Content-Length"})


def test_a_body_that_ends_too_soon_is_400() -> None:
    assert catch_error(**make_environ(io.BytesIO(b"a" * 9), "10")) == (400, NOT_WHOLE)


class _Breaks:
    """The input of a connection that is closed."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def read(self, _: int) -> bytes:
        raise self._error


@pytest.mark.parametrize("error", [ConnectionResetError(), TimeoutError(), ValueError("odd")])
def test_a_connection_that_breaks_is_400(error: Exception) -> None:
    assert catch_error(**make_environ(_Breaks(error), "10")) == (400, NOT_WHOLE)


class _Drips:
    """Returns one byte at a time, each after a pause, without end."""

    def __init__(self, pause: float) -> None:
        self._pause = pause

    def read(self, _: int) -> bytes:
        time.sleep(self._pause)
        return b"a"


def test_a_body_that_drips_is_given_up_in_time_and_is_to_be_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [1_000.0]
    monkeypatch.setattr(wsgi, "time", SimpleNamespace(monotonic=lambda: clock[0]))

    class Drips:
        def read(self, _: int) -> bytes:
            clock[0] += 1 / 64
            return b"a"

    request = read_request({"REQUEST_METHOD": "POST"} | make_environ(Drips(), "100"), 1_000.25)
    with pytest.raises(HTTPError) as caught:
        request.read(100)
    response = caught.value.response
    assert (response.status, response.content) == (503, NOT_WHOLE)
    assert clock == [1_000.25]


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds after which reading from a connection is to end, as they are decided."""
    decided: list[float] = []

    class Noted(threading.Timer):
        def __init__(self, interval: float, *arguments: Any) -> None:
            decided.append(interval)
            super().__init__(interval, *arguments)

    monkeypatch.setattr(wsgi, "Timer", Noted)
    return decided


@pytest.mark.parametrize("error", [ConnectionResetError(), TimeoutError(), ValueError("odd")])
def test_a_body_in_chunks_that_stalls_is_to_be_sent_again(error: Exception) -> None:
    class Stalls(_Breaks):
        def read(self, size: int) -> bytes:
            time.sleep(0.1)
            return super().read(size)

    more: dict[str, Any] = {"wsgi.input_terminated": True}
    environ = make_environ(Stalls(error), **more)
    assert catch_error(timeout=0.05, **environ) == (503, NOT_WHOLE)


@pytest.mark.parametrize("name", SOCKETS)
def test_a_body_that_never_comes_is_given_up_in_time(name: str, waits: list[float]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb") as stream:
        theirs.sendall(b"half")
        result = catch_error(timeout=0.2, **make_environ(stream, "8", **{name: ours}))
        assert result == (503, NOT_WHOLE)
        assert [wait for wait in waits if 0 <= wait <= 0.2] == waits != []
        ours.sendall(b"the answer")
        assert theirs.recv(100) == b"the answer"


def test_what_is_no_connection_is_left_alone() -> None:
    stream = io.BytesIO(b"a" * 10)
    assert read_body(**make_environ(stream, "10", **{"gunicorn.socket": object()})) == b"a" * 10
    with pytest.raises(HTTPError):
        read_body(timeout=0.05, **make_environ(_Drips(0.1), "10", **{"gunicorn.socket": object()}))


def test_a_connection_can_be_used_again_and_no_thread_waits_for_it() -> None:
    leaks = Leaks()
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb") as stream:
        for number in range(3):
            theirs.sendall(b"body%d" % number)
            environ = make_environ(stream, "5", **{"gunicorn.socket": ours})
            assert read_body(timeout=0.1, **environ) == b"body%d" % number
            time.sleep(0.15)
    leaks.check()


# Over the network --------------------------------------------------------------------------------

BODY, HEADERS = sign_request(track(1))
LIMIT = 0.6


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    options = {"time_limit": LIMIT, "max_body": 10_000, "write_keys": WRITE_KEY}
    with (
        LocalIterable() as iterable,
        run_receiver(iterable, **options) as app,
        serve(app, "127.0.0.1", 0) as running,
    ):
        yield running


@pytest.mark.parametrize("sent", [b"", BODY[:1], BODY[:-1]])
def test_a_body_that_stalls_is_503_in_time(url: str, sent: bytes, waits: list[float]) -> None:
    with connect(url) as connection:
        connection.sendall(encode_head(HEADERS | {"Content-Length": str(len(BODY))}) + sent)
        assert read_response(connection).result == (503, NOT_WHOLE)
    assert [wait for wait in waits if 0 <= wait <= LIMIT] == waits != []


def test_a_body_that_comes_byte_by_byte_is_503_in_time(url: str, waits: list[float]) -> None:
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        with suppress(OSError):
            while not over.wait(0.05):
                connection.sendall(b"a")

    with connect(url) as connection:
        connection.sendall(encode_head(HEADERS | {"Content-Length": "9000"}))
        thread = threading.Thread(target=drip, args=(connection,))
        thread.start()
        found = read_response(connection)
        over.set()
        thread.join(WAIT_SECONDS)
    assert found.result == (503, NOT_WHOLE)
    assert [wait for wait in waits if 0 <= wait <= LIMIT] == waits != []


def test_a_slow_body_that_is_there_in_time_is_delivered(url: str) -> None:
    with connect(url) as connection:
        connection.sendall(encode_head(HEADERS | {"Content-Length": str(len(BODY))}))
        for start in range(0, len(BODY), 20):
            time.sleep(0.02)
            connection.sendall(BODY[start : start + 20])
        assert read_response(connection).result == (200, {"delivered": 1})


def test_a_body_that_is_cut_off_is_400(url: str) -> None:
    with connect(url) as connection:
        connection.sendall(encode_head(HEADERS | {"Content-Length": str(len(BODY))}) + BODY[:-1])
        connection.shutdown(socket.SHUT_WR)
        assert read_response(connection).result == (400, NOT_WHOLE)


def test_what_comes_after_the_body_is_not_read(url: str) -> None:
    with connect(url) as connection:
        connection.sendall(
            encode_head(HEADERS | {"Content-Length": str(len(BODY))}) + BODY + b"more"
        )
        assert read_response(connection).result == (200, {"delivered": 1})


def test_a_body_that_is_too_long_by_its_length_is_413_before_it_comes(url: str) -> None:
    with connect(url) as connection:
        connection.sendall(encode_head(HEADERS | {"Content-Length": "10001"}))
        assert read_response(connection).result == (
            413,
            {"error": "the body must have at most 10,000 bytes"},
        )


@pytest.mark.parametrize("length", ["-1", "ten", "1e3"])
def test_a_length_that_is_no_number_is_told(url: str, length: str) -> None:
    with connect(url) as connection:
        connection.sendall(encode_head(HEADERS | {"Content-Length": length}))
        result = read_response(connection).result
    assert result == (400, {"error": "invalid Content-Length"})


@pytest.mark.parametrize("headers", [HEADERS, JSON])
def test_without_a_length_there_is_no_body_to_wait_for(url: str, headers: dict[str, str]) -> None:
    with connect(url) as connection:
        connection.sendall(encode_head(headers))
        assert read_response(connection).result == (401, {"error": "invalid signature"})


def test_clients_that_hang_up_harm_nobody(url: str) -> None:
    leaks = Leaks()
    for text in (
        b"",
        b"POST",
        b"\r\n\r\n",
        encode_head(HEADERS),
        encode_head(HEADERS | {"Content-Length": "9"}),
    ):
        with connect(url) as connection:
            connection.sendall(text)
    assert post(url, BODY, HEADERS).result == (200, {"delivered": 1})
    leaks.check()


def test_a_batch_of_a_client_that_stalls_is_503_too(url: str) -> None:
    body, headers = make_client_request({"batch": [track(1)]})
    with connect(url) as connection:
        whole = headers | {"Content-Length": str(len(body))}
        connection.sendall(encode_head(whole, "/v1/batch") + body[:-1])
        found = read_response(connection)
    assert found.result == (503, NOT_WHOLE)
    assert SECRET not in found.text.decode()
