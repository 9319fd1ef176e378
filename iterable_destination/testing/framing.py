"""Reading a request's body from a connection, by its length or chunk by chunk, within limits.

Source: RFC 9112, sections 6 and 7.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from io import BufferedReader
from typing import Final, Self

import attrs

from iterable_destination.model.endpoints import MAX_BODY_BYTES

#: The largest body that is read to its end, for a 413; a larger one ends the connection.
MAX_READ_BYTES: Final = 16 * MAX_BODY_BYTES
_MAX_LINE: Final = 65_536
_PIECE: Final = 65_536
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_CHUNK_SIZE: Final = re.compile(rb"[0-9A-Fa-f]{1,15}")


class BadFraming(Exception):
    """The end of a body cannot be found, or is too far: the connection cannot be used any more."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class Source(BufferedReader):
    """The bytes that a client sends. Their end within a request raises ConnectionError."""

    def readline(self, size: int | None = -1, /) -> bytes:
        """Read a line, or ``size`` bytes of one that is longer."""
        line = super().readline(size)
        if not line.endswith(b"\n") and len(line) != size:
            raise ConnectionResetError("the client ended")
        return line

    def read(self, size: int | None = -1, /) -> bytes:
        """Read exactly ``size`` bytes."""
        piece = super().read(size)
        if len(piece) != size:
            raise ConnectionResetError("the client ended within a body")
        return piece


def read_body(source: Source, coding: str | None, length: str | None) -> bytes:
    """Read the body; only its first bytes if it is larger than Iterable accepts.

    ``coding`` and ``length`` are the headers ``Transfer-Encoding``, which has priority, and
    ``Content-Length``; None without such a header. Raises BadFraming, and ConnectionError if the
    client disconnects within the body.
    """
    if coding is not None:
        return _read_chunks(coding, source)
    if length is None:
        return b""
    if not _LENGTH.fullmatch(length):
        raise BadFraming(HTTPStatus.BAD_REQUEST)
    return bytes(_Body(source).take(int(length)).content)


def _read_chunks(coding: str, source: Source) -> bytes:
    if coding.lower() != "chunked":
        raise BadFraming(HTTPStatus.NOT_IMPLEMENTED)
    body = _Body(source)
    while size := _read_chunk_size(source):
        body.take(size)
        source.readline(_MAX_LINE)
    while source.readline(_MAX_LINE).strip():
        pass  # Trailers.
    return bytes(body.content)


def _read_chunk_size(source: Source) -> int:
    text = source.readline(_MAX_LINE).partition(b";")[0].strip()
    if not _CHUNK_SIZE.fullmatch(text):
        raise BadFraming(HTTPStatus.BAD_REQUEST)
    return int(text, 16)


@attrs.define
class _Body:
    """A body while it is read: its bytes up to one more than Iterable accepts."""

    _source: Source
    content: bytearray = attrs.field(factory=bytearray, init=False)
    _read: int = attrs.field(default=0, init=False)

    def take(self, size: int) -> Self:
        """Read ``size`` more bytes. Raises ConnectionError if the client disconnects before."""
        self._read += size
        if self._read > MAX_READ_BYTES:
            raise BadFraming(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        stored = min(size, MAX_BODY_BYTES + 1 - len(self.content))
        self.content += self._source.read(stored)
        for done in range(stored, size, _PIECE):
            self._source.read(min(_PIECE, size - done))
        return self
