"""Locks between processes, and the flushing of directories to disk."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from iterable_destination.errors import UnwritableFile
from iterable_destination.io.lifecycle import ForkSafe

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

#: Without it Windows changes line breaks.
BINARY: Final[int] = getattr(os, "O_BINARY", 0)
#: Without it a link that somebody else made would be followed; Windows has none.
NO_FOLLOW: Final[int] = getattr(os, "O_NOFOLLOW", 0)
#: Files may hold personal data, so only their owner may read them.
PRIVATE: Final = 0o600


def unwritable(path: str, error: OSError) -> UnwritableFile:
    """Return the error for a file that cannot be written, with its path and the reason."""
    return UnwritableFile(f"{path}: {error.strerror or error}")


def fsync_directory(path: str) -> None:
    """Flush a file's directory, so that the creation or renaming of the file is on disk.

    Raises :exc:`OSError`. On Windows, where directories cannot be opened, it does nothing.
    """
    if sys.platform == "win32":
        return
    directory = os.open(Path(path).parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


class FileLock(ForkSafe):
    """A lock that one holder on this machine has at a time, until it releases it or dies.

    The operating system releases it at the end of the process, also of one that is killed. The file
    is empty and is not removed: if it were, two holders could have the lock.
    """

    def __init__(self, path: str) -> None:
        """Acquire the lock.

        Raises :exc:`BlockingIOError` if another holder has it, and :exc:`OSError` if the file
        cannot be opened.
        """
        self._file: int | None = None
        super().__init__()  # A fork may happen from here on.
        with self.lock:
            file = os.open(path, os.O_RDWR | os.O_CREAT | NO_FOLLOW | BINARY, PRIVATE)
            try:
                _acquire(file, wait=False)
            except OSError:
                os.close(file)
                raise
            self._file = file

    def release(self) -> None:
        """Release the lock; a second time, or in a child process, nothing happens."""
        with self.lock:
            if self._file is not None:
                _release(self._file)
                os.close(self._file)
                self._file = None

    def after_fork(self) -> None:
        """Leave the lock to the parent, so that it is free as soon as the parent ends."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


@contextmanager
def lock_file(file: int) -> Iterator[None]:
    """Lock an open file during a ``with`` block; waits for other holders."""
    _acquire(file, wait=True)
    try:
        yield
    finally:
        with suppress(OSError):
            _release(file)


if sys.platform == "win32":
    #: A byte far beyond the content: on Windows nobody else can read or write a locked byte.
    _LOCKED_BYTE: Final = 0x7FFFFFFE

    def _acquire(file: int, *, wait: bool) -> None:
        os.lseek(file, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(error.errno, error.strerror) from error

    def _release(file: int) -> None:
        os.lseek(file, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

else:

    def _acquire(file: int, *, wait: bool) -> None:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _release(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
