"""Checkpoints: how far a file of events has been settled, so that it can be gone on with.

What may live here: the set of settled lines, and the file that holds it. After any kill the file
is the one before or the one after: what it calls settled is settled, and nothing is passed over.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, Final

from iterable_destination.errors import CheckpointInUse, InvalidCheckpoint
from iterable_destination.io.file_lock import BINARY, PRIVATE, FileLock, fsync_directory, unwritable
from iterable_destination.io.lifecycle import Closeable
from iterable_destination.model.json_codec import decode, encode

VERSION: Final = 1
#: So many ranges are written; they take about 200 kB.
MOST_RANGES: Final = 10_000


class IndexSet:
    """A set of indexes from 0, kept as ranges: small as long as nearly all before the last are in.

    It is not safe to be used by several threads at once.
    """

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        """Make a set of ranges ``(first, last + 1)``.

        Raises :exc:`ValueError` unless they are ascending, not empty and do not touch.
        """
        self._starts: Final[list[int]] = []
        self._ends: Final[list[int]] = []
        last = -1
        for start, end in ranges:
            if not last < start < end:
                raise ValueError("ranges must be ascending, not empty and not touch")
            self._starts.append(start)
            self._ends.append(end)
            last = end

    def __repr__(self) -> str:
        return f"IndexSet({self.ranges(10)!r}{', …' if len(self._starts) > 10 else ''})"  # noqa: PLR2004

    def __len__(self) -> int:
        """How many indexes are in it."""
        return sum(self._ends) - sum(self._starts)

    def __contains__(self, index: int) -> bool:
        place = bisect_right(self._starts, index)
        return place > 0 and index < self._ends[place - 1]

    def ranges(self, most: int | None = None) -> list[tuple[int, int]]:
        """Return the ranges ``(first, last + 1)`` in order, the first ``most`` of them.

        None is all.
        """
        return list(islice(zip(self._starts, self._ends, strict=True), most))

    def add(self, index: int) -> None:
        """Add an index; raises :exc:`ValueError` if it is below 0."""
        if index < 0:
            raise ValueError("an index is 0 or more")
        starts, ends = self._starts, self._ends
        place = len(starts) if not starts or index >= starts[-1] else bisect_right(starts, index)
        if place and index < ends[place - 1]:
            return
        touches_before = place > 0 and ends[place - 1] == index
        touches_after = place < len(starts) and starts[place] == index + 1
        if touches_before and touches_after:
            ends[place - 1] = ends[place]
            del starts[place], ends[place]
        elif touches_before:
            ends[place - 1] = index + 1
        elif touches_after:
            starts[place] = index
        else:
            starts.insert(place, index)
            ends.insert(place, index + 1)


class Checkpoint(Closeable):
    """The file that says which lines of an input are settled.

    It is held for one process at a time by a lock beside it, ``<path>.lock``, which stays. One
    thread at a time may use it.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Take the checkpoint, and read it if it is there; an empty file is a new one.

        ``clock`` gives the time in UTC. Raises :exc:`CheckpointInUse`,
        :exc:`InvalidCheckpoint` if the file is none that can be read, and :exc:`UnwritableFile`
        if there is no writing beside it.
        """
        self._path: Final = os.path.realpath(path)
        self._clock: Final = clock
        self._input: str | None = None
        #: The indexes of the lines that are settled: add to it, then :meth:`write`. Blank lines
        #: may be added too; each that is left out parts two ranges.
        self.settled = IndexSet()
        self._lock: Final = _taken(self._path)
        try:
            self._read()
        except BaseException:
            self._lock.release()
            raise

    def __repr__(self) -> str:
        return f"Checkpoint({self._path!r})"

    def close(self) -> None:
        """Let other processes have it. Nothing is written."""
        self._lock.release()

    def check_input(self, first_line: bytes) -> None:
        """Make sure that an input is the one that the checkpoint is of.

        ``first_line`` is its first line that is not blank; the space around it does not count.
        A new checkpoint becomes that of this input. Raises :exc:`InvalidCheckpoint` if it is that
        of another one.
        """
        found = sha256(first_line.strip()).hexdigest()
        if self._input is None:
            self._input = found
        if found != self._input:
            raise self._invalid("belongs to another input, whose first line is a different one")

    def write(self) -> None:
        """Write what is settled, and return when it is on disk.

        Of more than 10,000 ranges those nearest to the start are written: the rest would be
        settled again. Raises :exc:`UnwritableFile` if it cannot be written; then the file is as
        it was before. Raises :exc:`ValueError` if something is settled of an input that
        :meth:`check_input` has not seen.
        """
        if self._input is None and len(self.settled):
            raise ValueError("check_input() comes first")
        content = {
            "version": VERSION,
            "time": self._clock().isoformat(timespec="seconds").replace("+00:00", "Z"),
            "input": {"firstLine": self._input},
            "settled": self.settled.ranges(MOST_RANGES),
        }
        try:
            _replace(self._path, encode(content) + b"\n")
        except OSError as error:
            raise unwritable(self._path, error) from error

    def _read(self) -> None:
        try:
            text = Path(self._path).read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._invalid(error.strerror or str(error)) from error
        if not text.strip():
            return
        try:
            self._input, self.settled = _understood(decode(text))
        except (ValueError, TypeError, KeyError) as error:
            raise self._invalid("is no checkpoint of this program") from error
        except _Newer:
            raise self._invalid("was written by a newer version of this program") from None

    def _invalid(self, message: str) -> InvalidCheckpoint:
        return InvalidCheckpoint(f"{self._path}: {message}")


class _Newer(Exception):
    """A checkpoint of a version that is not known here."""


def _understood(content: Any) -> tuple[str | None, IndexSet]:
    """Return the input and the set of a checkpoint's content; raises what Python does."""
    version = content["version"]
    if type(version) is not int or version < VERSION:
        raise ValueError
    if version > VERSION:
        raise _Newer
    first_line = content["input"]["firstLine"]
    if not isinstance(first_line, str | None):
        raise TypeError
    ranges = [(start, end) for start, end in content["settled"]]
    if not all(type(bound) is int for pair in ranges for bound in pair):
        raise TypeError
    if ranges and first_line is None:
        raise ValueError
    return first_line, IndexSet(ranges)


def _taken(path: str) -> FileLock:
    try:
        return FileLock(f"{path}.lock")
    except BlockingIOError:
        raise CheckpointInUse(f"{path}: is in use by another process") from None
    except OSError as error:
        raise unwritable(path, error) from error


def _replace(path: str, content: bytes) -> None:
    """Put a file in another's place, so that at any moment one or the other is there whole.

    The temporary file has always the same name, so that kills leave no more than one behind; the
    lock makes sure that nobody else uses it.
    """
    temporary = Path(f"{path}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | BINARY
    file = os.open(temporary, flags, PRIVATE)
    try:
        try:
            while content:
                content = content[os.write(file, content) :]
            os.fsync(file)
        finally:
            os.close(file)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    fsync_directory(path)
