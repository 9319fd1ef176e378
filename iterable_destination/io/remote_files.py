"""Files under addresses, such as ``s3://bucket/folder``: found and read by fsspec, nothing is kept.

Reading asks for some megabytes at a time, so a file of any size needs no more memory than that.
"""

from __future__ import annotations

import errno
import glob
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Final

from iterable_destination.errors import UnreadableInput

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: A single letter is a drive of Windows.
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_OF_THIS_MACHINE: Final = "file://"
#: Bytes that are asked for at once.
_BLOCK: Final = 4 * 2**20
_BUFFER: Final = 2**16
#: What may hold a password or a key: what stands before ``@``, and a query.
_CREDENTIALS: Final = re.compile(r"(?<=://)(?:.*:.*|[^/@]*)@|(?<=\?).*=.*")
#: Where a name stands before ``@`` that is no secret: that of a container.
_CONTAINER: Final = re.compile(r"(?:abfss?|wasbs?)://[^/:@]*@")
_MAX_REASON: Final = 300
#: Characters of a secret; a shorter text can stand in any word.
_SHORTEST_SECRET: Final = 4
_INSTALL: Final = "addresses need another package: pip install 'fsspec>=2024.2'"


def is_address(name: str) -> bool:
    """Whether a name is an address that fsspec reads, and no file's of this machine."""
    return bool(_ADDRESS.match(name)) and not name.startswith(_OF_THIS_MACHINE)


def to_local_path(name: str) -> str:
    """Return the path of a ``file://`` address, and any other name as it is."""
    if not name.startswith(_OF_THIS_MACHINE):
        return name
    from urllib.request import url2pathname  # noqa: PLC0415 - it takes long, and few need it

    return url2pathname(name.removeprefix(_OF_THIS_MACHINE))


def hide_credentials(name: str) -> str:
    """Return a name, or a text that has one in it, with ``…`` for what may be a secret."""
    if _CONTAINER.match(name) and "?" not in name:
        return name
    return _CREDENTIALS.sub(lambda found: "…@" if found[0].endswith("@") else "…", name)


def find_addresses(address: str) -> list[str]:
    """Return the addresses of the files that one stands for: a file, a folder or a pattern.

    They are in the order of their names, without those that begin with a dot below a folder.
    Raises :exc:`UnreadableInput` for none, or if it cannot be told.
    """
    try:
        with _as_os_error(address):
            files, path = _connect(address)
            return _find(files, path, address)
    except OSError as error:
        message = f"{hide_credentials(address)}: {error}"
        raise UnreadableInput(message) from None


def find_size(address: str) -> int | None:
    """Return the size of a file in bytes, None if it is not known.

    Raises :exc:`OSError`, without credentials, if there is no such file.
    """
    with _as_os_error(address):
        files, path = _connect(address)
        size = files.info(path).get("size")
        return size if isinstance(size, int) else None


@contextmanager
def open_address(address: str) -> Iterator[IO[bytes]]:
    """Open a file until the end of the block.

    Opening and reading raise :exc:`OSError`, without credentials, and so does a file that ends
    before its size.
    """
    with _as_os_error(address):
        files, path = _connect(address)
        opened = files.open(path, "rb", block_size=_BLOCK)
    with io.BufferedReader(_Stream(opened, address), _BUFFER) as stream:
        yield stream


class _Stream(io.RawIOBase):
    """A file of fsspec, whose errors are :exc:`OSError`."""

    def __init__(self, file: Any, address: str) -> None:
        super().__init__()
        self._file: Final = file
        self._address: Final = address
        #: Bytes that it has; None if that is not known.
        self._size: Final[int | None] = getattr(file, "size", None)
        #: Bytes that were read.
        self._count = 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._count

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        with _as_os_error(self._address):
            text = self._file.read(len(view))
        self._count += len(text)
        if not text and self._size is not None and self._count < self._size:
            raise OSError(f"ended after {self._count:,} of {self._size:,} bytes")
        view[: len(text)] = text
        return len(text)

    def close(self) -> None:
        if not self.closed:
            with _as_os_error(self._address):
                self._file.close()
        super().close()


def _find(files: Any, path: str, address: str) -> list[str]:
    try:
        info = files.info(path)
    except FileNotFoundError:
        if not glob.has_magic(path):
            raise
        return _find_matches(files, path, address)
    if info["type"] != "directory":
        return [address]
    make_address = _replace_start(path.rstrip("/"), address.rstrip("/"))
    found = [make_address(each) for each in _list_folder(files, path)]
    if not found:
        raise OSError("is a folder without files")
    return found


def _find_matches(files: Any, pattern: str, address: str) -> list[str]:
    matches = files.glob(pattern, detail=True)
    if "/." not in pattern:
        matches = {name: info for name, info in matches.items() if "/." not in f"/{name}"}
    fixed = re.split(r"[*?[]", address, maxsplit=1)[0]
    start = fixed[: fixed.rindex("/") + 1]
    make_address = _replace_start(_connect(start)[1], start)
    found = [
        make_address(each)
        for name in sorted(matches)
        for each in (_list_folder(files, name) if matches[name]["type"] == "directory" else [name])
    ]
    if not found:
        raise OSError("no file matches")
    return found


def _list_folder(files: Any, folder: str) -> Iterable[str]:
    """Return the paths of the files below a folder, in the order of their names."""
    start = len(folder.rstrip("/"))
    found = (each for each in files.find(folder) if not each.endswith("/"))
    shown = (each for each in found if "/." not in each[start:])
    return sorted(shown, key=lambda each: each.split("/"))


def _replace_start(path: str, address: str) -> Callable[[str], str]:
    """Return what makes the address of a file from its path, given those of a folder above it.

    The library's own way back loses the server, and who reads from it.
    """
    start = address if address.endswith("/") else f"{address}/"
    return lambda name: start + name[len(path) :].lstrip("/")


def _connect(address: str) -> tuple[Any, str]:
    """Return the file system of an address, and the path in it."""
    try:
        from fsspec.core import url_to_fs  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise OSError(_INSTALL) from None
    files, path = url_to_fs(address)
    return files, str(path)


@contextmanager
def _as_os_error(address: str) -> Iterator[None]:
    """Let whatever a library of a store raises be :exc:`OSError`, in one line without secrets."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - each store has errors of its own
        raise OSError(_describe(error, address)) from None


def _describe(error: Exception, address: str) -> str:
    if isinstance(error, FileNotFoundError):
        return os.strerror(errno.ENOENT)
    words = error.strerror if isinstance(error, OSError) else None
    line = " ".join(str(words or error).split()) or type(error).__name__
    for secret in _find_secrets(address):
        line = line.replace(secret, "…")
    return hide_credentials(line)[:_MAX_REASON]


def _find_secrets(address: str) -> list[str]:
    """Return the parts of an address that may be secrets, the longest first."""
    if hide_credentials(address) == address:
        return []
    texts = [found[0].removesuffix("@") for found in _CREDENTIALS.finditer(address)]
    parts = [part for text in texts for part in (text, *re.split("[:&=]", text))]
    long = (part for part in parts if len(part) >= _SHORTEST_SECRET)
    return sorted(long, key=len, reverse=True)
