"""Files that outlive their process: what all of them need, whatever they hold.

What may live here: locks between processes, and the flushing of directories.
Nothing here knows of events.
"""

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

#: Text on Windows would have its line breaks changed.
BINARY: Final[int] = getattr(os, "O_BINARY", 0)
#: What is written may say something about people, so nobody else may read it.
PRIVATE: Final = 0o600


def unwritable(path: str, error: OSError) -> UnwritableFile:
    """Return the error that says which file cannot be written, and why."""
    return UnwritableFile(f"{path}: {error.strerror or error}")


def fsync_directory(path: str) -> None:
    """Bring to disk that a file was made in or moved into its directory.

    Raises :exc:`OSError`; where directories cannot be opened (Windows) nothing is done.
    """
    if sys.platform == "win32":
        return
    directory = os.open(Path(path).parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


class FileLock(ForkSafe):
    """A right that one holder on this machine has at a time, until it lets go or dies.

    The operating system drops it with the process, even one that is killed. The file itself says
    nothing and stays: to delete it would let two holders in.
    """

    def __init__(self, path: str) -> None:
        """Take the lock; raises :exc:`BlockingIOError` if it is held, :exc:`OSError` if need be."""
        self._file: int | None = None
        super().__init__()  # a fork may come from now on
        with self.lock:
            file = os.open(path, os.O_RDWR | os.O_CREAT | BINARY, PRIVATE)
            try:
                _take(file, wait=False)
            except OSError:
                os.close(file)
                raise
            self._file = file

    def release(self) -> None:
        """Let go; a second time, or in a child process, nothing happens."""
        with self.lock:
            if self._file is not None:
                _give_back(self._file)
                os.close(self._file)
                self._file = None

    def after_fork(self) -> None:
        """Leave the lock to the parent: it must be free as soon as the parent is dead."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


@contextmanager
def locked(file: int) -> Iterator[None]:
    """Keep an open file to oneself, among all who do it in this way; waits for the others."""
    _take(file, wait=True)
    try:
        yield
    finally:
        with suppress(OSError):
            _give_back(file)


if sys.platform == "win32":
    #: A byte far beyond what is written: Windows lets nobody else read or write what is locked.
    _THE_BYTE: Final = 0x7FFFFFFE

    def _take(file: int, *, wait: bool) -> None:
        os.lseek(file, _THE_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(error.errno, error.strerror) from error

    def _give_back(file: int) -> None:
        os.lseek(file, _THE_BYTE, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

else:

    def _take(file: int, *, wait: bool) -> None:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _give_back(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
