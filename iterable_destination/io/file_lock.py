"""Locks between processes, and the flushing of directories to disk."""

from __future__ import annotations

import errno
import os
import sys
import time
from contextlib import suppress
from io import FileIO
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
#: Seconds between two attempts to lock a file.
_MOMENT: Final = 0.005


def unwritable(path: str, error: OSError) -> UnwritableFile:
    """Return the error for a file that cannot be written, with its path and the reason."""
    return UnwritableFile(f"{path}: {error.strerror or error}")


def fsync_directory(path: str) -> None:
    """Flush a file's directory, so that the creation or renaming of the file is on disk.

    Raises :exc:`OSError`. On Windows, where directories cannot be opened, it does nothing.
    """
    if sys.platform == "win32":
        return
    opened: list[int] = []
    try:
        try:
            opened.append(os.open(Path(path).parent, os.O_RDONLY))
            os.fsync(opened[0])
        finally:
            while opened:
                os.close(opened.pop())
    finally:  # an exception may come at any line, also in those above
        while opened:
            os.close(opened.pop())


def open_private(path: str, flags: int) -> FileIO:
    """Open a file for reading and writing, and for its owner alone if it is new.

    It is closed when nothing refers to it any more, as a mere descriptor would not be: an exception
    from a signal handler may come before it has a name. Raises :exc:`OSError`.
    """
    return FileIO(path, "r+", opener=lambda name, _: os.open(name, flags | BINARY, PRIVATE))


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
        self._file: FileIO | None = None
        super().__init__()  # A fork may happen from here on.
        with self.lock:
            self._file = open_private(path, os.O_RDWR | os.O_CREAT | NO_FOLLOW)
            try:
                _acquire(self._file.fileno())
            except OSError:
                self._close()
                raise

    def release(self) -> None:
        """Release the lock; a second time, or in a child process, nothing happens."""
        with self.lock:
            if self._file is not None and not self._file.closed:
                _release(self._file.fileno())
            self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def after_fork(self) -> None:
        """Leave the lock to the parent, so that it is free as soon as the parent ends."""
        self._close()


def lock_file(file: FileIO, timeout: float) -> None:
    """Lock an open file; waits for other processes, ``timeout`` seconds at most.

    Raises :exc:`OSError`, which is :exc:`TimeoutError` if they do not let go of it.
    """
    until = time.monotonic() + timeout
    while True:
        try:
            _acquire(file.fileno())
        except BlockingIOError:
            if time.monotonic() >= until:
                raise TimeoutError(errno.ETIMEDOUT, "locked by another process") from None
            time.sleep(_MOMENT)
        else:
            return


def unlock_file(file: FileIO) -> None:
    """Unlock a file; one that is not locked stays so."""
    with suppress(OSError):
        _release(file.fileno())


if sys.platform == "win32":
    #: A byte far beyond the content: on Windows nobody else can read or write a locked byte.
    _LOCKED_BYTE: Final = 0x7FFFFFFE

    def _acquire(file: int) -> None:
        os.lseek(file, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(error.errno, error.strerror) from error

    def _release(file: int) -> None:
        os.lseek(file, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

else:

    def _acquire(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _release(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
