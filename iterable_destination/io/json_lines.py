"""JSON lines: events from a file, a compressed file or standard input, one at a time.

A file of any size needs the memory of its longest line.
"""

from __future__ import annotations

import gzip
import os
import stat
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from iterable_destination.errors import UnreadableInput
from iterable_destination.model.records import LineRecord

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class Lines:
    """The lines of an input, in order, once."""

    def __init__(
        self, name: str, stream: Iterable[bytes], raw: IO[bytes], size: int | None
    ) -> None:
        #: The input's name in messages.
        self.name = name
        self._stream = stream
        self._raw = raw
        #: The size of the input on disk, in bytes; None if it is unknown.
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
