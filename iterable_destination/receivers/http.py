"""HTTP requests, responses and errors as values, for every server.

It also checks what every receiver requires of a request, whatever its events are.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from iterable_destination.model.json_codec import decode, encode

_JSON: Final = "application/json"
#: What Segment's clients call JSON; those in browsers and on Android say that it is plain text.
_CLIENT_TYPES: Final = frozenset({_JSON, "text/plain", ""})
#: How a content type says that the text is UTF-8.
_UTF_8: Final = frozenset({"", "charset=utf-8", "charset=utf8"})


class HTTPError(Exception):
    """The request fails, and this is its response: ``{"error": message}``."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.response: Final = Response(status, {"error": message}, dict(headers or {}))


@attrs.frozen
class Response:
    """A response with a JSON body."""

    #: The HTTP status.
    status: int
    #: The body, a JSON object.
    content: dict[str, Any]
    #: Headers besides ``Content-Type``, by name.
    headers: dict[str, str] = attrs.field(factory=dict)

    def body(self) -> bytes:
        """Return the body as JSON."""
        return encode(self.content)


@attrs.frozen
class Request:
    """A request as a server received it."""

    #: The HTTP method, in upper case.
    method: str
    #: The path without the query.
    path: str
    #: Headers by name in lower case.
    headers: Mapping[str, str] = attrs.field(repr=False)
    #: Returns the body, which may have so many bytes. Raises :exc:`HTTPError` for a larger body,
    #: and for one that does not arrive in time.
    read: Callable[[int], bytes] = attrs.field(repr=False)

    def header(self, name: str) -> str:
        """Return a header by its name in lower case; an empty string if it is missing."""
        return self.headers.get(name, "")

    def require_json_post(self) -> None:
        """Raise :exc:`HTTPError` unless this is a POST of JSON in UTF-8, by its headers."""
        self._require_post()
        kind, charset = self._parse_content_type()
        if kind != _JSON or charset not in _UTF_8:
            raise HTTPError(415, f"the content type must be {_JSON}, in UTF-8")

    def require_client_post(self) -> None:
        """Raise :exc:`HTTPError` unless this is a POST as a client of Segment's sends it.

        Its content type is JSON, plain text or missing, in UTF-8.
        """
        self._require_post()
        kind, charset = self._parse_content_type()
        if kind not in _CLIENT_TYPES or charset not in _UTF_8:
            raise HTTPError(415, f"the content type must be {_JSON} or text/plain, in UTF-8")

    def _require_post(self) -> None:
        if self.method != "POST":
            raise HTTPError(405, "only POST is allowed", {"Allow": "POST"})

    def _parse_content_type(self) -> tuple[str, str]:
        """Return the content type in lower case, and what stands after it."""
        kind, _, parameters = self.header("content-type").lower().partition(";")
        return kind.strip(), parameters.replace(" ", "").replace('"', "").strip(";")


def parse_json(body: bytes) -> Any:
    """Return the JSON value of a body. Raises :exc:`HTTPError` for invalid JSON."""
    try:
        return decode(body)
    except ValueError:
        raise HTTPError(400, "invalid JSON body") from None


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """Return a body without its ``Content-Encoding``, which may be gzip.

    Raises :exc:`HTTPError` for another encoding, for an incomplete body, and for one of more than
    ``limit`` bytes after decompression; no more are decompressed.
    """
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        return body
    if name != "gzip":
        raise HTTPError(415, "unsupported content encoding: use gzip or none")
    stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        text = stream.decompress(body, limit + 1)
    except zlib.error:
        raise HTTPError(400, "invalid gzip body") from None
    if len(text) > limit:
        raise too_large(limit)
    if not stream.eof or stream.unused_data:
        raise HTTPError(400, "incomplete gzip body, or data after its end")
    return text


def too_large(limit: int) -> HTTPError:
    """Return the error for a body of more than ``limit`` bytes."""
    return HTTPError(413, f"the body must have at most {limit:,} bytes")
