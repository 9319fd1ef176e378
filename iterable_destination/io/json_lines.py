"""JSON lines: events from files, compressed files or standard input, one at a time.

Files of any size need the memory of their longest line.
"""

from __future__ import annotations

import errno
import glob
import importlib
import io
import os
import stat
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from iterable_destination.errors import UnreadableInput
from iterable_destination.io.joined_lines import join_lines
from iterable_destination.io.remote_files import (
    find_addresses,
    find_size,
    hide_credentials,
    is_address,
    open_address,
    to_local_path,
)
from iterable_destination.model.records import LineRecord

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

STANDARD_INPUT: Final = "-"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
#: Bytes that tell what a file is, and fewer that are enough for nearly all of it.
_HEAD: Final = 512
_SHORT_HEAD: Final = 8
#: Compressed bytes that are read at once.
_CHUNK: Final = 16_384
_CUT: Final = "Compressed file ended before the end-of-stream marker was reached"
#: Libraries that decompress Zstandard, the standard one of Python 3.14 first.
_ZSTD_LIBRARIES: Final = ("compression.zstd", "backports.zstd", "zstandard")
#: What is no JSON, by its first bytes.
_OTHER_FORMATS: Final = {
    b"PK\x03\x04": "is a zip file: unpack it first",
    b"PK\x05\x06": "is a zip file: unpack it first",
    b"BZh": "is a bzip2 file: unpack it first",
    b"\xfd7zXZ\x00": "is an xz file: unpack it first",
    b"7z\xbc\xaf\x27\x1c": "is a 7z file: unpack it first",
    b"PAR1": "is a Parquet file: convert it to JSON lines first",
    b"Obj\x01": "is an Avro file: convert it to JSON lines first",
    b"SQLite format 3\x00": "is an SQLite file: if it is an outbox, drain delivers it",
    _GZIP: "is compressed twice: unpack it once first",
    _ZSTD: "is compressed twice: unpack it once first",
}
_TAR: Final = slice(257, 262)
#: How UTF-16 begins, with a byte order mark or without, if its first character is ``{`` or ``[``.
_UTF_16: Final = tuple(
    mark + text.encode(encoding)
    for encoding, marks in (
        ("utf-16-le", (b"", b"\xff\xfe")),
        ("utf-16-be", (b"", b"\xfe\xff")),
    )
    for mark in marks
    for text in "{["
)
_SPREAD: Final = (
    "this looks like JSON over several lines, or one JSON array; put each event on a line of its"
    " own, as jq -c '.[]' does with an array"
)


class Lines:
    """The lines of one or several inputs, in order, once. Lines are counted through all of them.

    ``warn`` is called with a sentence if the input looks like another form of JSON. With ``joins``
    such forms are read, as :func:`~iterable_destination.io.joined_lines.join_lines` does.
    """

    def __init__(
        self,
        names: Sequence[str],
        warn: Callable[[str], None] | None = None,
        *,
        joins: bool = False,
    ) -> None:
        """Take the names of files, or ``-`` for standard input; nothing is opened yet."""
        self._names: Final = names
        self._warn: Final = None if joins else warn
        self._joins: Final = joins
        self._sizes: Final = [_size(name) for name in names]
        self._open: IO[bytes] | None = None
        #: How many bytes the inputs before the open one have.
        self._before = 0
        #: How many lines have been read.
        self._count = 0

    @property
    def name(self) -> str:
        """The name of the first input, in messages."""
        return _describe(self._names[0])

    @property
    def size(self) -> int | None:
        """The size of all inputs on disk, in bytes; None if that of one is unknown."""
        sizes = [size for size in self._sizes if size is not None]
        return sum(sizes) if len(sizes) == len(self._sizes) else None

    @property
    def position(self) -> int:
        """How many of :attr:`size` bytes have been read."""
        return self._before + (0 if self._open is None else self._open.tell())

    @property
    def identity(self) -> bytes:
        """What has to be the same of several inputs, so that their lines have the same numbers.

        Empty for a single one, which may get more lines at its end.
        """
        if len(self._names) == 1:
            return b""
        return self._describe_inputs(self._sizes[:-1])

    @property
    def whole_identity(self) -> bytes:
        """What has to be the same of all inputs, so that they have the same lines and no more."""
        return self._describe_inputs(self._sizes)

    def _describe_inputs(self, sizes: Sequence[int | None]) -> bytes:
        names = [os.path.basename(name) for name in self._names]  # noqa: PTH119 - it may be "-"
        return repr((names, sizes)).encode()

    def close(self) -> None:
        """Close the file that is open, if reading ended in the middle."""
        if self._open is not None and self._open is not getattr(sys.stdin, "buffer", None):
            self._open.close()

    def __iter__(self) -> Iterator[LineRecord]:
        for name, size in zip(self._names, self._sizes, strict=True):
            lines = self._count_lines(name)
            for number, text in join_lines(lines) if self._joins else lines:
                yield LineRecord(number, text, may_be_lines=self._joins)
            self._before += size or 0

    def _count_lines(self, name: str) -> Iterator[tuple[int, bytes]]:
        """Yield the lines of an input that are not blank, with their numbers."""
        first = self._count + 1
        for number, text in enumerate(self._read(name), first):
            self._count = number
            if number == first and text.startswith(_BYTE_ORDER_MARK):
                text = text[len(_BYTE_ORDER_MARK) :]  # noqa: PLW2901
            if text and not text.isspace():
                yield number, text

    def _read(self, name: str) -> Iterator[bytes]:
        """Yield the lines of an input, with their ends."""
        try:
            with _open(name) as self._open:
                is_first = True
                for text in _read_lines(self._open):
                    yield text
                    if is_first and not text.isspace():
                        is_first = False
                        self._check_form(name, text)
        except (OSError, EOFError, zlib.error) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            message = f"{_describe(name)}: {reason}"
            raise UnreadableInput(message) from error
        finally:
            self._open = None

    def _check_form(self, name: str, first_line: bytes) -> None:
        line = first_line.removeprefix(_BYTE_ORDER_MARK).strip()
        if self._warn is not None and (line == b"{" or line.startswith(b"[")):
            self._warn(f"{_describe(name)}: {_SPREAD}")


@contextmanager
def open_lines(
    *paths: str, warn: Callable[[str], None] | None = None, joins: bool = False
) -> Iterator[Lines]:
    """Open files, and standard input for ``-``, as one input.

    What is compressed with gzip, or with Zstandard if a library for it is installed, is known by
    its first bytes. A folder stands for the files in it and below, but for those whose names begin
    with a dot, in the order of their names; a pattern such as ``2026-02-*.jsonl`` for those that it
    matches. ``warn`` is called with a sentence if the input looks like another form of JSON;
    ``joins`` reads such forms: values over several lines, several on one, and an array of them.

    Raises :exc:`UnreadableInput` if a file is missing, or later if it cannot be read: then all
    lines before that place have come.
    """
    lines = Lines(find_files(paths), warn, joins=joins)
    try:
        yield lines
    finally:
        lines.close()


# Which files --------------------------------------------------------------------------------------


def find_files(paths: Iterable[str]) -> list[str]:
    """Return the files that arguments stand for, as :func:`open_lines` reads them.

    Raises :exc:`UnreadableInput` if a file is missing.
    """
    return [name for path in paths for name in _find_files(path)]


def _find_files(path: str) -> list[str]:
    """Return the files that an argument stands for; raises :exc:`UnreadableInput` for none."""
    if path == STANDARD_INPUT:
        return [path]
    if is_address(path):
        return find_addresses(path)
    path = to_local_path(path)
    try:
        status = Path(path).stat()
    except OSError as error:
        found = sorted(glob.glob(path, recursive=True)) if glob.has_magic(path) else []  # noqa: PTH207 - it takes absolute patterns
        if not found:
            reason = "no file matches" if glob.has_magic(path) else error.strerror
            message = f"{path}: {reason}"
            raise UnreadableInput(message) from error
        return find_files(found)
    if stat.S_ISDIR(status.st_mode):
        files = _list_folder(Path(path))
        if not files:
            message = f"{path}: is a folder without files"
            raise UnreadableInput(message)
        return files
    if not os.access(path, os.R_OK):
        message = f"{path}: {os.strerror(errno.EACCES)}"
        raise UnreadableInput(message)
    return [path]


def _list_folder(folder: Path) -> list[str]:
    files = (each for each in sorted(folder.rglob("*")) if each.is_file())
    return [str(file) for file in files if not _is_hidden(file.relative_to(folder))]


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _size(name: str) -> int | None:
    """Return the size of a regular file; None of anything else."""
    if name == STANDARD_INPUT:
        return None
    try:
        if is_address(name):
            return find_size(name)
        status = Path(name).stat()
    except OSError as error:
        message = f"{_describe(name)}: {error.strerror or error}"
        raise UnreadableInput(message) from error
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _describe(name: str) -> str:
    if name == STANDARD_INPUT:
        return "standard input"
    return hide_credentials(name) if is_address(name) else name


# What is in them ----------------------------------------------------------------------------------


@contextmanager
def _open(name: str) -> Iterator[IO[bytes]]:
    """Open a file until the end of the block; standard input stays open."""
    if name == STANDARD_INPUT:
        if sys.stdin is None:
            raise OSError("is closed")
        yield sys.stdin.buffer
        return
    if is_address(name):
        with open_address(name) as stream:
            yield stream
        return
    with Path(name).open("rb") as raw:
        yield raw


def _read_lines(raw: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines of a file, decompressed if its first bytes say that it is compressed.

    Raises :exc:`OSError`, :exc:`EOFError` or :exc:`zlib.error` where it cannot be read on.
    """
    head, stream = _peek(raw)
    decompress = _find_decompressor(head)
    if decompress is None:
        _check_head(head)
        for text in stream:  # noqa: UP028 - `yield from` would close it when left early
            yield text
    else:
        yield from _split_lines(decompress(stream))


def _peek(raw: IO[bytes]) -> tuple[bytes, IO[bytes]]:
    """Return the first bytes of a file, and a stream that has them still."""
    peek = getattr(raw, "peek", None)
    head: bytes = b"" if peek is None else peek(_HEAD)
    if len(head) >= _SHORT_HEAD:
        return head[:_HEAD], raw
    head = raw.read(_HEAD if peek is None else _SHORT_HEAD)  # waits for more of a slow pipe
    return head, io.BufferedReader(_Resumed(head, raw))


class _Resumed(io.RawIOBase):
    """A stream whose first bytes were read already."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        super().__init__()
        self._head = head
        self._rest: Final = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        text, self._head = self._head[: len(view)], self._head[len(view) :]
        if not text:
            text = self._rest.readline(len(view))  # no more than is there, if it comes slowly
        view[: len(text)] = text
        return len(text)


def _check_head(head: bytes) -> None:
    """Raise :exc:`OSError` if the first bytes are those of something else than JSON lines."""
    for begin, message in _OTHER_FORMATS.items():
        if head.startswith(begin):
            raise OSError(message)
    if head.startswith(_UTF_16):
        raise OSError("is UTF-16: convert it to UTF-8 first, as iconv -f UTF-16 -t UTF-8 does")
    if head[_TAR] == b"ustar":
        raise OSError("is a tar archive: unpack it first")


def _split_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of chunks, with their ends; not one that an error cuts off."""
    parts: list[bytes] = []
    is_first = True
    for chunk in chunks:
        if is_first:
            _check_head(chunk)
            is_first = False
        first, *others = chunk.split(b"\n")
        parts.append(first)
        for line in others:
            yield b"".join(parts) + b"\n"
            parts = [line]
    if any(parts):
        yield b"".join(parts)


def _find_decompressor(head: bytes) -> Callable[[IO[bytes]], Iterator[bytes]] | None:
    """Return what decompresses a file with these first bytes; None if it is not compressed."""
    if head.startswith(_GZIP):
        return _decompress_gzip
    if head.startswith(_ZSTD):
        return _decompress_zstd
    return None


def _decompress_gzip(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield what is in a gzip file, up to where it is cut or broken."""
    waiting = b""
    while waiting := waiting.lstrip(b"\0") or stream.read(_CHUNK):  # zeros pad the end
        if not (_GZIP.startswith(waiting) or waiting.startswith(_GZIP)):
            raise OSError(f"Not a gzipped file ({waiting[:2]!r})")
        part = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        while not part.eof:
            if not waiting and not (waiting := stream.read(_CHUNK)):
                raise EOFError(_CUT)
            yield from _decompress_chunk(part, waiting)
            waiting = part.unused_data


def _decompress_chunk(part: Any, chunk: bytes) -> Iterator[bytes]:
    before = part.copy()
    try:
        yield part.decompress(chunk)
    except zlib.error:  # What comes before the broken place is good.
        for place in range(len(chunk)):
            yield before.decompress(chunk[place : place + 1])
        raise


def _decompress_zstd(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield what is in a Zstandard file, up to where it is cut or broken."""
    make, error_type = _load_zstd()
    waiting = b""
    try:
        while waiting := waiting or stream.read(_CHUNK):
            part = make()
            while not part.eof:
                if not waiting and not (waiting := stream.read(_CHUNK)):
                    raise EOFError(_CUT)
                yield part.decompress(waiting)
                waiting = part.unused_data
    except error_type as error:
        raise OSError(f"Error while decompressing data: {error}") from error


def _start_frame(make: Callable[[], Any]) -> Any:
    return make().decompressobj()


def _load_zstd() -> tuple[Callable[[], Any], type[Exception]]:
    """Return what makes a decompressor of one frame, and its error."""
    for name in _ZSTD_LIBRARIES:
        try:
            library = importlib.import_module(name)
        except ImportError:
            continue
        make = library.ZstdDecompressor
        if name == "zstandard":
            return partial(_start_frame, make), library.ZstdError
        return make, library.ZstdError
    raise OSError(
        "is compressed with Zstandard: unpack it first, or install backports.zstd or zstandard"
    )
