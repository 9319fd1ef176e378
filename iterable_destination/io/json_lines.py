"""JSON lines: events from a file, a compressed file or standard input, one at a time.

What may live here: files and bytes. A file of any size needs the memory of its longest line.
"""

from __future__ import annotations

import gzip
import os
import stat
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from json import JSONDecodeError
from pathlib import Path
from typing import IO, Any, Final

import attrs

from iterable_destination.errors import InvalidJSON, UnreadableInput
from iterable_destination.model.json_codec import decode

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


@attrs.frozen(slots=False)  # quick to make
class LineRecord:
    """One line of input that is not blank."""

    #: Which line of the input it is, from 1; blank lines count.
    number: int
    #: The line as it was read, perhaps with its line break.
    text: bytes

    def event(self) -> dict[str, Any]:
        """Return the line's JSON object; raises :exc:`InvalidJSON` if it is none."""
        try:
            value = decode(self.text)
        except ValueError as error:
            message = f"line {self.number}: no JSON: {_without_content(error)}"
            raise InvalidJSON(message) from None
        if not isinstance(value, dict):
            message = f"line {self.number}: JSON, but no object"
            raise InvalidJSON(message)
        return value


class Lines:
    """The lines of an input, in order, once."""

    def __init__(
        self, name: str, stream: Iterable[bytes], raw: IO[bytes], size: int | None
    ) -> None:
        #: What the input is called.
        self.name = name
        self._stream = stream
        self._raw = raw
        #: The input's bytes as they lie on the disk, or None if that cannot be known.
        self.size = size

    @property
    def position(self) -> int:
        """How many of :attr:`size` bytes have been read."""
        return self._raw.tell()

    def __iter__(self) -> Iterator[LineRecord]:
        for number, text in enumerate(self._texts(), 1):
            if number == 1 and text.startswith(_BYTE_ORDER_MARK):
                text = text[len(_BYTE_ORDER_MARK) :]  # noqa: PLW2901
            if text and not text.isspace():
                yield LineRecord(number, text)

    def _texts(self) -> Iterator[bytes]:
        try:
            for text in self._stream:  # noqa: UP028 - `yield from` would close it when left early
                yield text
        except (OSError, EOFError, zlib.error) as error:
            message = f"{self.name}: {error}"
            raise UnreadableInput(message) from error


@contextmanager
def open_lines(path: str) -> Iterator[Lines]:
    """Open a file (compressed if it ends in ``.gz``), or standard input for ``-``.

    Raises :exc:`UnreadableInput` if it cannot be opened, or later if it cannot be read.
    """
    if path == "-":
        yield Lines("standard input", sys.stdin.buffer, sys.stdin.buffer, None)
        return
    with _open(path) as raw:
        status = os.fstat(raw.fileno())
        size = status.st_size if stat.S_ISREG(status.st_mode) else None
        if path.endswith(".gz"):
            with gzip.GzipFile(fileobj=raw) as stream:
                yield Lines(path, stream, raw, size)
        else:
            yield Lines(path, raw, raw, size)


def _open(path: str) -> IO[bytes]:
    try:
        return Path(path).open("rb")
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise UnreadableInput(message) from error


def _without_content(error: ValueError) -> str:
    """Say what is wrong with a text and where, but repeat nothing of it."""
    if isinstance(error, UnicodeDecodeError):
        return f"no UTF-8 at byte {error.start + 1}"
    if isinstance(error, JSONDecodeError):
        return f"{error.msg}, at character {error.pos + 1}"
    return str(error)
