"""Dead letters: events that were given up, kept in a file that can be sent again.

What may live here: one line for each such event, and the care that none is lost or broken.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import attrs

from iterable_destination.io.file_lock import BINARY, PRIVATE, fsync_directory, locked, unwritable
from iterable_destination.io.lifecycle import Closeable, ForkSafe
from iterable_destination.model.json_values import as_object
from iterable_destination.model.outcomes import Outcome
from iterable_destination.model.responses import redacted
from iterable_destination.model.serialization import (
    DEAD_LETTER,
    SerializedEvent,
    serialize_event,
    unreadable,
)

#: The key that is added to an event; Segment has none of this name, and nothing reads it.
#: So many places that JSON cannot hold are named in a line.
_MOST_PROBLEMS: Final = 20


@attrs.frozen
class DeadLetter:
    """An event that was given up, and its outcome."""

    #: What became of it; usually rejected or unknown.
    outcome: Outcome
    #: The event as it was handed in.
    event: Any = attrs.field(default=None, repr=False)
    #: The line of input as it was read, if that was no JSON object and so there is no event;
    #: else None.
    line: bytes | None = attrs.field(default=None, repr=False)


class DeadLetters(Closeable, ForkSafe):
    """A file of dead letters that is only ever added to.

    Each line is the event itself, with ``deadLetter`` added at its top: ``outcome``, ``index``,
    ``error`` as in the outcome's summary, and ``time``. Such a line can be sent again as it is;
    what an earlier round wrote under ``deadLetter`` is replaced. What JSON cannot hold is kept in
    words, and ``notJSON`` names the places; it is refused again.

    Several threads and processes may write to one file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        secret: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Open the file, or make it, for its owner alone.

        ``secret`` is taken out of ``deadLetter``, not out of the event; None if there is none.
        ``clock`` gives the time in UTC. Raises :exc:`UnwritableFile` if the file cannot be
        opened, or is no ordinary file.
        """
        self._path: Final = os.path.realpath(path)
        self._secret: Final = secret
        self._clock: Final = clock
        self._file: int | None = None
        super().__init__()  # a fork may come from now on
        try:
            with self.lock:
                self._open()
        except OSError as error:
            raise unwritable(self._path, error) from error

    def __repr__(self) -> str:
        return f"DeadLetters({self._path!r})"

    def close(self) -> None:
        """Close the file; it is opened again if something more is written."""
        with self.lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def after_fork(self) -> None:
        """Open the file anew in a child process: locks belong to whoever opened it."""
        self.close()

    def write(self, letters: Iterable[DeadLetter]) -> None:
        """Add letters, and return when all of them are on disk.

        Raises :exc:`UnwritableFile` if they cannot be written. Then none of them is in the file,
        or only as far as the disk let it be; the next to be written begins on a new line.
        """
        text = b"".join(self._line(letter) + b"\n" for letter in letters)
        if not text:
            return
        with self.lock:
            try:
                file = self._open()
                with locked(file):
                    _append(file, text)
            except OSError as error:
                raise unwritable(self._path, error) from error

    def _open(self) -> int:
        """Return the file at the path; if it was moved away or deleted, a new one."""
        if self._file is not None and not _is_at(self._path, self._file):
            self.close()
        if self._file is None:
            self._file = _opened(self._path)
        return self._file

    def _line(self, letter: DeadLetter) -> bytes:
        about = letter.outcome.summary()
        about.pop("messageId")
        about["time"] = self._clock().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if letter.line is not None:
            about["line"] = letter.line.rstrip(b"\r\n").decode("utf-8", "backslashreplace")
            return SerializedEvent({DEAD_LETTER: self._redacted(about)}).encoded()
        plain = _plain(letter.event)
        if plain.problems:
            about["notJSON"] = [attrs.asdict(each) for each in plain.problems[:_MOST_PROBLEMS]]
        event = plain.value
        if not isinstance(event, dict):  # nothing to be sent again, but not to be lost either
            event, about = {}, about | {"event": event}
        about = _kept_before(event) | about
        whole = {**event, DEAD_LETTER: self._redacted(about)}
        return attrs.evolve(plain, value=whole).encoded()

    def _redacted(self, about: dict[str, Any]) -> Any:
        return redacted(about, self._secret) if self._secret else about


def _plain(event: Any) -> SerializedEvent:
    """Return an event in its plain form without what an earlier round added."""
    try:
        fields = as_object(event)
        if fields is not None and DEAD_LETTER in fields:
            event = {key: value for key, value in fields.items() if key != DEAD_LETTER}
        return serialize_event(event)
    except Exception as error:  # noqa: BLE001 - a Mapping of its own may raise anything
        return unreadable(event, f"cannot be read: {type(error).__name__}")


def _opened(path: str) -> int:
    """Open a file to add to, or make it; raises :exc:`OSError`."""
    is_new = not Path(path).exists()
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | BINARY, PRIVATE)
    try:
        _check_kind(file)
        if is_new:
            fsync_directory(path)
    except OSError:
        os.close(file)
        raise
    return file


def _check_kind(file: int) -> None:
    """Refuse devices and pipes: what is written to them is not kept."""
    if not stat.S_ISREG(os.fstat(file).st_mode):
        raise OSError(errno.EINVAL, "no ordinary file")


def _is_at(path: str, file: int) -> bool:
    try:
        return os.path.samestat(Path(path).stat(), os.fstat(file))
    except OSError:
        return False


def _append(file: int, text: bytes) -> None:
    """Add whole lines to a file and bring them to disk; if that fails, take them back."""
    size = os.fstat(file).st_size
    if size and _last_byte(file, size) != b"\n":  # someone was killed, or the disk was full
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


def _kept_before(event: dict[str, Any]) -> dict[str, Any]:
    """Return what an earlier dead letter kept of what was no event, so that it is kept again."""
    before = event.get(DEAD_LETTER)
    if not isinstance(before, dict):
        return {}
    return {key: before[key] for key in ("line", "event") if key in before}
