"""Dead letters: an append-only file of events that were given up, which can be sent again.

Each is one line. A kill or a full disk loses none that was written, and breaks no other line.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Final, Protocol

from iterable_destination.io.dead_letter_lines import DeadLetter, LetterEncoder
from iterable_destination.io.file_lock import (
    fsync_directory,
    lock_file,
    open_private,
    unlock_file,
    unwritable,
)
from iterable_destination.io.lifecycle import Closeable, ForkSafe
from iterable_destination.model.bounds import check_seconds


class DeadLetterStore(Protocol):
    """Keeps events that were given up."""

    def write(self, letters: Iterable[DeadLetter], /) -> None:
        """Store dead letters, and return when all of them are safe.

        Raises :exc:`UnwritableFile` if they cannot be stored.
        """


class DeadLetters(Closeable, ForkSafe):
    """An append-only file of dead letters.

    Each line is the event itself with a key ``deadLetter`` at its top, which has ``outcome``,
    ``index`` and ``error`` as in the outcome's summary, and ``time``. Such a line can be sent again
    as it is; then a new ``deadLetter`` replaces the old one. A value that JSON cannot hold is
    stored as a description, which is refused again, and ``notJSON`` has its place.

    Several threads and processes may write to one file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        secret: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        lock_timeout: float = 1.0,
    ) -> None:
        """Open the file, or create it, readable by its owner alone.

        ``secret`` is removed from ``deadLetter``, not from the event; None removes nothing.
        ``clock`` returns the time in UTC. ``lock_timeout`` is how many seconds, at least 0, to
        wait for others who write. Raises :exc:`UnwritableFile` if the file cannot be opened, or is
        no regular file, and :exc:`ValueError` for a number out of bounds.
        """
        check_seconds("lock_timeout", lock_timeout)
        self._path: Final = os.path.realpath(path)
        self._encoder: Final = LetterEncoder(secret)
        self._clock: Final = clock
        self._lock_timeout: Final = lock_timeout
        self._file: FileIO | None = None
        super().__init__()  # A fork may happen from here on.
        try:
            with self.lock:
                self._open()
        except OSError as error:
            raise unwritable(self._path, error) from error

    def __repr__(self) -> str:
        return f"DeadLetters({self._path!r})"

    def close(self) -> None:
        """Close the file. The next write opens it again."""
        with self.lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def after_fork(self) -> None:
        """Close the file in a child process, which opens its own: locks belong to open files."""
        self.close()

    def write(self, letters: Iterable[DeadLetter]) -> None:
        """Append dead letters, and return when all of them are on disk.

        Raises :exc:`UnwritableFile` if they cannot be written. Then none of them is in the file, or
        a part that the disk did not let go; the next write begins on a new line.
        """
        now = self._clock()
        text = b"".join([self._encoder.encode(each, now) + b"\n" for each in letters])
        if not text:
            return
        try:
            self.run_alone(lambda: self._write(text), self._lock_timeout)
        except OSError as error:
            raise unwritable(self._path, error) from error

    def _write(self, text: bytes) -> None:
        file = self._open()
        lock_file(file, self._lock_timeout)
        _append(file.fileno(), text)
        unlock_file(file)

    def clear_up(self) -> None:
        """Unlock the file, which an exception may have kept locked."""
        if self._file is not None:
            unlock_file(self._file)

    def _open(self) -> FileIO:
        """Return the open file at the path; open it again if it was moved or deleted."""
        if self._file is not None and not _is_at(self._path, self._file.fileno()):
            self.close()
        if self._file is None:
            self._file = _open_file(self._path)
        return self._file


def _open_file(path: str) -> FileIO:
    """Open a file to append to, or create it. Raises :exc:`OSError`."""
    is_new = not Path(path).exists()
    file = open_private(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
    try:
        _check_kind(file.fileno())
        if is_new:
            fsync_directory(path)
    except OSError:
        file.close()
        raise
    return file


def _check_kind(file: int) -> None:
    """Raise :exc:`OSError` for devices and pipes, which do not keep what is written."""
    if not stat.S_ISREG(os.fstat(file).st_mode):
        raise OSError(errno.EINVAL, "no ordinary file")


def _is_at(path: str, file: int) -> bool:
    try:
        return os.path.samestat(Path(path).stat(), os.fstat(file))
    except OSError:
        return False


def _append(file: int, text: bytes) -> None:
    """Append whole lines to a file and flush them to disk; remove them if that fails."""
    size = os.fstat(file).st_size
    if size and _last_byte(file, size) != b"\n":  # A writer was killed, or the disk was full.
        text = b"\n" + text
    try:
        while text:
            text = text[os.write(file, text) :]
        os.fsync(file)
    except OSError:
        with suppress(OSError):
            os.ftruncate(file, size)
        raise


def _last_byte(file: int, size: int) -> bytes:
    os.lseek(file, size - 1, os.SEEK_SET)
    return os.read(file, 1)
