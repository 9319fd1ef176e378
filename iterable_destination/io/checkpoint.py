"""Checkpoints: which lines of an input are settled, so that a later run resumes after them.

A kill leaves either the old file or the new one. Each line that it marks as settled is settled.
"""

from __future__ import annotations

import errno
import os
import stat
from bisect import bisect_right
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, Final

from iterable_destination.errors import CheckpointInUse, InvalidCheckpoint
from iterable_destination.io.file_lock import (
    BINARY,
    NO_FOLLOW,
    PRIVATE,
    FileLock,
    fsync_directory,
    unwritable,
)
from iterable_destination.io.lifecycle import Closeable
from iterable_destination.model.json_codec import decode, encode

VERSION: Final = 1
#: Ranges that a checkpoint has at most; they take about 200 kB.
MAX_RANGES: Final = 10_000
_OTHER_INPUT: Final = "belongs to another input, whose first line is a different one"
_OTHER_FILES: Final = "belongs to other files, or to these with other contents"


class IndexSet:
    """A set of indexes from 0, stored as ranges.

    It is small while it has nearly all indexes before its last. It is not safe to use from several
    threads at once.
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
        """The number of indexes in the set."""
        return sum(self._ends) - sum(self._starts)

    def __contains__(self, index: int) -> bool:
        place = bisect_right(self._starts, index)
        return place > 0 and index < self._ends[place - 1]

    def ranges(self, most: int | None = None) -> list[tuple[int, int]]:
        """Return the ranges ``(first, last + 1)`` in order: the first ``most``, or all for None."""
        return list(islice(zip(self._starts, self._ends, strict=True), most))

    def add(self, index: int) -> None:
        """Add an index. Raises :exc:`ValueError` if it is below 0."""
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
    """A file that records which lines of an input are settled.

    A lock beside it, ``<path>.lock``, reserves it for one process at a time; the lock's file is not
    removed. One thread at a time may use it.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Lock the checkpoint, and read it if it exists; an empty file is a new one.

        ``clock`` returns the time in UTC. Raises :exc:`CheckpointInUse` if another process has it,
        :exc:`InvalidCheckpoint` if the file cannot be read or parsed, and :exc:`UnwritableFile` if
        the lock cannot be written.
        """
        self._path: Final = os.path.realpath(path)
        self._clock: Final = clock
        self._input: str | None = None
        #: Which share of the input it is for, such as ``1/2``; None for all of it.
        self._shard: str | None = None
        #: The indexes of settled lines: add to it, then call :meth:`write`. Blank lines may be
        #: added too; each that is left out splits a range.
        self.settled = IndexSet()
        self._lock: Final = _acquire_lock(self._path)
        try:
            self._read()
        except BaseException:
            self._lock.release()
            raise

    def __repr__(self) -> str:
        return f"Checkpoint({self._path!r})"

    def close(self) -> None:
        """Release the checkpoint for other processes. Nothing is written."""
        self._lock.release()

    def check_input(
        self, first_line: bytes, identity: bytes = b"", shard: str | None = None
    ) -> None:
        """Check that the checkpoint belongs to an input.

        ``first_line`` is the input's first line that is not blank; white space around it is
        ignored. ``identity`` is what else has to be the same, such as the names of several files.
        ``shard`` is the share of the input that the checkpoint is for, such as ``1/2``; None is all
        of it. A new checkpoint is assigned to this input. Raises :exc:`InvalidCheckpoint` if it
        belongs to another one.
        """
        found = sha256(first_line.strip() + identity).hexdigest()
        if self._input is None:
            self._input, self._shard = found, shard
        self.check_shard(shard)
        if found != self._input:
            raise self._build_error(_OTHER_FILES if identity else _OTHER_INPUT)

    def check_shard(self, shard: str | None) -> None:
        """Raise :exc:`InvalidCheckpoint` if it belongs to another shard; a new one is nobody's."""
        if self._input is not None and shard != self._shard:
            its, other = map(_describe_shard, (self._shard, shard))
            raise self._build_error(f"belongs to {its}, not to {other}")

    def write(self) -> None:
        """Write the settled indexes, and return when they are on disk.

        Of more than 10,000 ranges the first 10,000 are written; the lines of the others are sent
        again. Raises :exc:`UnwritableFile` if the file cannot be written; then it is unchanged.
        Raises :exc:`ValueError` if something is settled and :meth:`check_input` was not called.
        """
        if self._input is None and len(self.settled):
            raise ValueError("check_input() comes first")
        content = {
            "version": VERSION,
            "time": self._clock().isoformat(timespec="seconds").replace("+00:00", "Z"),
            "input": {"firstLine": self._input} | ({"shard": self._shard} if self._shard else {}),
            "settled": self.settled.ranges(MAX_RANGES),
        }
        try:
            _replace_file(self._path, encode(content) + b"\n")
        except OSError as error:
            raise unwritable(self._path, error) from error

    def _read(self) -> None:
        try:
            _check_kind(self._path)
            text = Path(self._path).read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._build_error(error.strerror or str(error)) from error
        if not text.strip():
            return
        try:
            self._input, self._shard, self.settled = _parse_content(decode(text))
        except (ValueError, TypeError, KeyError) as error:
            raise self._build_error("is no checkpoint of this program") from error
        except _Newer:
            raise self._build_error("was written by a newer version of this program") from None

    def _build_error(self, message: str) -> InvalidCheckpoint:
        return InvalidCheckpoint(f"{self._path}: {message}")


def _describe_shard(shard: str | None) -> str:
    return "the whole input" if shard is None else f"shard {shard}"


def _check_kind(path: str) -> None:
    """Raise :exc:`OSError` for pipes and devices, which would be waited for."""
    mode = Path(path).stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, "no ordinary file")


class _Newer(Exception):
    """The checkpoint is of a newer version than this one."""


def _parse_content(content: Any) -> tuple[str | None, str | None, IndexSet]:
    """Return the input's hash, its shard and the settled indexes.

    Raises :exc:`ValueError`, :exc:`TypeError` or :exc:`KeyError` for invalid content, and
    :exc:`_Newer`.
    """
    version = content["version"]
    if type(version) is not int or version < VERSION:
        raise ValueError
    if version > VERSION:
        raise _Newer
    first_line = content["input"]["firstLine"]
    shard = content["input"].get("shard")
    if not (isinstance(first_line, str | None) and isinstance(shard, str | None)):
        raise TypeError
    ranges = [(start, end) for start, end in content["settled"]]
    if not all(type(bound) is int for pair in ranges for bound in pair):
        raise TypeError
    if ranges and first_line is None:
        raise ValueError
    return first_line, shard, IndexSet(ranges)


def _acquire_lock(path: str) -> FileLock:
    try:
        return FileLock(f"{path}.lock")
    except BlockingIOError:
        raise CheckpointInUse(f"{path}: is in use by another process") from None
    except OSError as error:
        raise unwritable(path, error) from error


def _replace_file(path: str, content: bytes) -> None:
    """Replace a file atomically: at any moment either the old or the new one is there, whole.

    The temporary file always has the same name, so that kills leave one behind at most. The lock
    ensures that no other process uses it. It is always made anew, so that nothing is written where
    a link in its place leads to.
    """
    temporary = Path(f"{path}.tmp")
    temporary.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_FOLLOW | BINARY
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
