"""The server for development: bodies in chunks, lengths, and what it logs."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from iterable_destination.receivers.dev_server import ChunkedBody, serve
from iterable_destination.testing import LocalIterable
from tests.support.delivering import track, wait_until
from tests.support.receiving import (
    JSON,
    WRITE_KEY,
    connect,
    encode_basic,
    encode_head,
    read_response,
    run_receiver,
    to_json,
)

BODY = to_json({"batch": [track(1)]})
HEADERS = JSON | {"Authorization": encode_basic()}
DELIVERED = (200, {"delivered": 1})
CHUNKED = {"Transfer-Encoding": "chunked"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with (
        LocalIterable() as iterable,
        run_receiver(iterable, write_keys=WRITE_KEY, max_body=1_000, time_limit=1.0) as app,
        serve(app, "127.0.0.1", 0) as running,
    ):
        yield running


def read_all(text: bytes) -> bytes:
    body = ChunkedBody(io.BytesIO(text))
    return b"".join(iter(lambda: body.read(3), b""))


@pytest.mark.parametrize(
    ("text", "body"),
    [
        (b"0\r\n\r\n", b""),
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"A;name=value\r\n0123456789\r\n1\r\nx\r\n000\r\nTrailer: 1\r\n\r\n", b"0123456789x"),
        (b"2\nhe\n0\n\n", b"he"),
    ],
)
def test_chunks_are_put_together(text: bytes, body: bytes) -> None:
    assert read_all(text) == body


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\r\n",
        b"x\r\n",
        b"-1\r\n",
        b"0x1\r\n",
        b"1_0\r\n",
        b"5\r\nhel",
        b"5\r\nhello",
        b"5\r\nhello!\r\n0\r\n\r\n",
        b"0\r\n",
        b"0\r\n" + b"A: b\r\n" * 101 + b"\r\n",
        b"1" * 2_000,
    ],
)
def test_what_is_no_chunk_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its class is private, and it has no text
        read_all(text)


def send(url: str, head: bytes, body: bytes) -> tuple[int, object]:
    with connect(url) as connection:
        connection.sendall(head + body)
        return read_response(connection).result


def test_a_body_in_chunks_is_bounded_like_any(url: str) -> None:
    head = encode_head(HEADERS | CHUNKED, "/v1/batch")
    assert send(url, head, b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)) == DELIVERED
    assert send(url, head, b"ffffffff\r\n" + b" " * 1_001)[0] == 413
    assert send(url, head, b"zz\r\n") == (400, {"error": "incomplete body"})
    assert send(url, head, b"")[0] == 503


def test_two_lengths_are_refused_unless_they_are_the_same(url: str) -> None:
    size, other = (b"Content-Length: %d\r\n" % number for number in (len(BODY), len(BODY) - 1))
    head = encode_head(HEADERS, "/v1/batch").removesuffix(b"\r\n")
    assert send(url, head + size + size + b"\r\n", BODY) == DELIVERED
    for lengths in (size + other, other + size, size + b"Transfer-Encoding: chunked\r\n"):
        result = send(url, head + lengths + b"\r\n", BODY)
        assert result == (400, {"error": "invalid Content-Length"})


def test_a_false_write_key_is_refused_before_the_body_comes(url: str) -> None:
    headers = JSON | {"Authorization": encode_basic("other"), "Content-Length": "900"}
    assert send(url, encode_head(headers, "/v1/batch"), b"")[0] == 401


def test_head_has_no_body(url: str) -> None:
    for path, status in ((b"/", b"200"), (b"/hook", b"405")):
        with connect(url) as connection:
            connection.sendall(b"HEAD %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path)
            with connection.makefile("rb") as stream:
                head, _, body = stream.read().partition(b"\r\n\r\n")
        assert head.split()[1] == status
        assert body == b""


def test_nothing_that_a_stranger_sends_is_in_the_log_as_it_is(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with connect(url) as connection:
        connection.sendall(b"GET /\x1b[2J\x9b2J HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_response(connection).status == 405
    wait_until(lambda: "2J" in caplog.text)
    assert caplog.messages
    assert all(message.isascii() and message.isprintable() for message in caplog.messages)
