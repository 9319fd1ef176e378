"""Messages: requests that come in over HTTP, and what is answered, whoever the server is.

What may live here: requests and replies as values, and what can be wrong with a request before it
is known what it is about.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from iterable_destination.model.json_codec import decode, encode

_JSON: Final = "application/json"


class HTTPError(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.reply: Final = Response(status, {"error": message}, dict(headers or {}))


@attrs.frozen
class Response:
    """What is answered."""

    status: int
    #: The body, a JSON object.
    content: dict[str, Any]
    #: Headers beside that of the content's type.
    headers: dict[str, str] = attrs.field(factory=dict)

    def body(self) -> bytes:
        """Return the body in JSON."""
        return encode(self.content)


@attrs.frozen
class Request:
    """A request that came in."""

    method: str
    #: Without the query.
    path: str
    #: By name in lower case.
    headers: Mapping[str, str] = attrs.field(repr=False)
    #: Returns the body if it has so many bytes at most; else, or if it cannot be had in time,
    #: raises :exc:`Refused`.
    read: Callable[[int], bytes] = attrs.field(repr=False)

    def header(self, name: str) -> str:
        """Return a header by its name in lower case; empty if it is not there."""
        return self.headers.get(name, "")

    def post_of_json(self) -> None:
        """Raise :exc:`Refused` for what cannot have a JSON body in UTF-8."""
        if self.method != "POST":
            raise HTTPError(405, "only POST is taken here", {"Allow": "POST"})
        kind, _, parameters = self.header("content-type").partition(";")
        charset = parameters.lower().replace(" ", "").replace('"', "")
        if kind.strip().lower() != _JSON or (charset.strip(";") not in {"", "charset=utf-8"}):
            raise HTTPError(415, f"the content type must be {_JSON}, in UTF-8")


def parse_json(body: bytes) -> Any:
    """Return the JSON value of a body; raises :exc:`Refused` if it is none."""
    try:
        return decode(body)
    except ValueError:
        raise HTTPError(400, "the body is no JSON") from None


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """Return a body without its ``Content-Encoding``, which can be gzip.

    Raises :exc:`Refused` for another encoding, for what is not whole, and for what has more than
    ``limit`` bytes then: no more are made.
    """
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        return body
    if name != "gzip":
        raise HTTPError(415, "the content encoding must be gzip, or none")
    stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        text = stream.decompress(body, limit + 1)
    except zlib.error:
        raise HTTPError(400, "the body is no gzip") from None
    if len(text) > limit:
        raise too_large(limit)
    if not stream.eof or stream.unused_data:
        raise HTTPError(400, "the body is no gzip, or not the whole of it")
    return text


def too_large(limit: int) -> HTTPError:
    """Return the refusal of a body that is too large."""
    return HTTPError(413, f"the body must have at most {limit:,} bytes")
