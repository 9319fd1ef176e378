"""HTTP requests, responses and errors; decompression within a limit."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from iterable_destination.receivers.http import (
    HTTPError,
    Request,
    Response,
    decompress,
    parse_json,
    too_large,
)

NO_GZIP = "incomplete gzip body, or data after its end"
NO_JSON_TYPE = "the content type must be application/json, in UTF-8"


def catch_error(act: Callable[[], Any]) -> tuple[int, Any]:
    """Return the status and the content of the error that a function raises."""
    with pytest.raises(HTTPError) as caught:
        act()
    assert str(caught.value) == caught.value.response.content["error"]
    return caught.value.response.status, caught.value.response.content


def request(method: str = "POST", **headers: str) -> Request:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(method, "/", given, lambda _: b"")


def test_a_reply_is_compact_json() -> None:
    response = Response(200, {"kept": 1, "name": "Zoë"})
    assert (response.body(), response.headers) == ('{"kept":1,"name":"Zoë"}'.encode(), {})


def test_a_refusal_has_a_reply() -> None:
    refusal = HTTPError(401, "no", {"WWW-Authenticate": "Basic"})
    assert refusal.response == Response(401, {"error": "no"}, {"WWW-Authenticate": "Basic"})


def test_a_request_shows_no_secrets() -> None:
    shown = repr(request(authorization="Basic secret", x_signature="secret"))
    assert shown == "Request(method='POST', path='/')"


def test_a_header_that_is_not_there_is_empty() -> None:
    given = request(x_signature="abc")
    assert [given.header("x-signature"), given.header("x-other")] == ["abc", ""]


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "APPLICATION/JSON",
        " application/json ",
        "application/json;charset=utf-8",
        'application/json; charset="UTF-8"',
        "application/json ; charset=Utf-8 ;",
        "application/json;",
    ],
)
def test_json_in_utf_8_is_taken(kind: str) -> None:
    request(content_type=kind).require_json_post()


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "application/jsonp",
        "application/vnd.api+json",
        "application/x-www-form-urlencoded",
        "text/plain",
        "application/json; charset=latin-1",
        "application/json; charset=utf-16",
        "application/json, application/json",
    ],
)
def test_another_content_type_is_415(kind: str) -> None:
    result = catch_error(request(content_type=kind).require_json_post)
    assert result == (415, {"error": NO_JSON_TYPE})


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "post", ""])
def test_another_method_is_405_and_told_which_is_right(method: str) -> None:
    with pytest.raises(HTTPError) as caught:
        request(method, content_type="application/json").require_json_post()
    assert caught.value.response == Response(
        405, {"error": "only POST is allowed"}, {"Allow": "POST"}
    )


@pytest.mark.parametrize(
    ("body", "value"), [(b"{}", {}), (b" [1] ", [1]), ('"ü"'.encode(), "ü"), (b"null", None)]
)
def test_a_body_is_read_as_json(body: bytes, value: Any) -> None:
    assert parse_json(body) == value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{}{}",
        b"no",
        b'{"a":"\xff"}',
        b"{'a':1}",
        b"[" * 1_000_000,
        b'{"a":' * 1_000_000,
        b"[" * 100_000 + b"]" * 100_000,
        b"[" + b"9" * 5_000 + b"]",
        '{"a":1}'.encode("utf-16"),
    ],
)
def test_what_is_no_json_is_400_and_not_repeated(body: bytes) -> None:
    assert catch_error(lambda: parse_json(body)) == (400, {"error": "invalid JSON body"})


@pytest.mark.parametrize("encoding", ["", " ", "identity", "Identity"])
def test_a_body_that_is_not_packed_is_left_alone(encoding: str) -> None:
    assert decompress(b"\x1f\x8b", encoding, 1) == b"\x1f\x8b"


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", " gzip "])
@pytest.mark.parametrize("size", [0, 1, 99, 100])
def test_gzip_is_unpacked_up_to_the_limit(encoding: str, size: int) -> None:
    assert decompress(gzip.compress(b"a" * size), encoding, 100) == b"a" * size


#: The same bytes at each run, and so the same ids.
GZIPPED = gzip.compress(b"{}", mtime=0)


@pytest.mark.parametrize("encoding", ["deflate", "br", "gzip, gzip", "x-gzip", "zstd", "\xe9"])
def test_another_encoding_is_415(encoding: str) -> None:
    result = catch_error(lambda: decompress(b"", encoding, 100))
    assert result == (415, {"error": "unsupported content encoding: use gzip or none"})


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", NO_GZIP),
        (GZIPPED[:-1], NO_GZIP),
        (GZIPPED[:12], NO_GZIP),
        (GZIPPED + b"rest", NO_GZIP),
        (GZIPPED * 2, NO_GZIP),
        (b"{}", "invalid gzip body"),
        (zlib.compress(b"{}"), "invalid gzip body"),
        (GZIPPED[:-8] + b"\0" * 8, "invalid gzip body"),
    ],
)
def test_what_is_not_a_whole_gzip_is_400(body: bytes, words: str) -> None:
    assert catch_error(lambda: decompress(body, "gzip", 100)) == (400, {"error": words})


def test_a_body_that_unpacks_to_too_much_is_413_and_is_not_unpacked() -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    tracemalloc.start()
    try:
        result = catch_error(lambda: decompress(bomb, "gzip", 10_000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result == (413, {"error": "the body must have at most 10,000 bytes"})
    assert peak < 500_000


def test_too_large_is_told_in_bytes() -> None:
    assert too_large(16_000_000).response.content == {
        "error": "the body must have at most 16,000,000 bytes"
    }
