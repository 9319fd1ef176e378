"""The outbox: a queue of events in an SQLite file, from which they are sent later.

An event that was added is in the file until it is removed. Nothing here sends.

The file does not shrink at once: free pages are used again, and when most of a file of some size is
free, each removal gives some of them back to the system.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

from iterable_destination.errors import OutboxError, OutboxInUse, QueueFull
from iterable_destination.io.file_lock import FileLock, fsync_directory, open_private, unwritable
from iterable_destination.io.lifecycle import Closeable, ForkSafe
from iterable_destination.io.outbox_protocol import find_age
from iterable_destination.io.stamping import stamp_now
from iterable_destination.model.bounds import check_count, check_seconds
from iterable_destination.model.records import OutboxRecord, serialize_for_storage
from iterable_destination.typing import Event

VERSION: Final = 1
#: How a file of SQLite begins, of which an outbox is one.
_SQLITE_HEADER: Final = b"SQLite format 3\x00"
_READ: Final = (
    "SELECT number, CAST(event AS BLOB) FROM events WHERE number > ? ORDER BY number LIMIT ?"
)
_FIND: Final = "SELECT number FROM events WHERE number >= ? ORDER BY number LIMIT 1"
#: Says in the file's header that it is an outbox: "iDob".
_APPLICATION: Final = 0x69446F62
_COUNTING: Final = (
    "CREATE TRIGGER {name} AFTER {what} ON events"
    " BEGIN UPDATE counted SET events = events {step}; END"
)
_SCHEMA: Final = (
    # AUTOINCREMENT: no number is used twice, so a reader that has read up to one misses nothing.
    "CREATE TABLE events (number INTEGER PRIMARY KEY AUTOINCREMENT, event BLOB NOT NULL)",
    # SQLite counts rows one by one, so triggers keep the count.
    "CREATE TABLE counted (events INTEGER NOT NULL)",
    "INSERT INTO counted VALUES (0)",
    _COUNTING.format(name="added", what="INSERT", step="+ 1"),
    _COUNTING.format(name="removed", what="DELETE", step="- 1"),
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {VERSION}",
)
#: Where an event says when it happened, in the order in which they are asked.
_TIMES: Final = ("timestamp", "originalTimestamp", "sentAt", "receivedAt")
#: Pages of 4 kB: fewer free ones are kept, and so many are given back at once.
_FEW_PAGES: Final = 1_000
#: The size, in bytes, to which the write-ahead log is cut after a checkpoint.
_LARGEST_LOG: Final = 8 * 2**20
#: Events that are read at once where all are.
_PART: Final = 1_000
#: Seconds between two attempts where SQLite itself does not wait.
_MOMENT: Final = 0.01

_INTERRUPTED: Final = "a signal handler cannot write to it while it interrupts a write"

_Result = TypeVar("_Result")


class Outbox(Closeable, ForkSafe):
    """A queue of events that outlives the process.

    Any number of threads and processes of one machine may use the same file at once; a network
    drive will not do. Every method raises :exc:`OutboxError` if the file cannot be used.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        capacity: int | None = None,
        lock_timeout: float = 30.0,
        stamp_missing: bool = True,
    ) -> None:
        """Open the file, or make it, for its owner alone.

        ``capacity`` is how many events may be in it at once, at least 1; None is as many as fit
        on the disk. ``lock_timeout`` is how many seconds, at least 0, to wait for other writers.
        ``stamp_missing`` gives a Segment event that is added without a ``messageId`` a random one,
        and one that has neither a ``timestamp`` nor an ``originalTimestamp`` the present moment as
        its ``timestamp``; False adds each event as it is. Raises :exc:`ValueError` for a number
        out of bounds.
        """
        if capacity is not None:
            check_count("capacity", capacity)
        check_seconds("lock_timeout", lock_timeout)
        self._path: Final = os.path.realpath(path)
        self._capacity: Final = capacity
        self._lock_timeout: Final = lock_timeout
        self._stamp_missing: Final = stamp_missing
        self._is_closed = False
        self._open: sqlite3.Connection | None = None
        super().__init__()  # a fork may come from now on
        self._use(lambda _: None)

    @property
    def name(self) -> str:
        """The path of the file, absolute, with links resolved."""
        return self._path

    def __repr__(self) -> str:
        return f"Outbox({self._path!r})"

    def close(self) -> None:
        """Close the file. A second call does nothing."""
        with self.lock:
            self._is_closed = True
            if self._open is not None:
                self._open.close()
                self._open = None

    def after_fork(self) -> None:
        """Leave the connection to the parent; SQLite forbids even closing it in a child."""
        if self._open is not None:
            _PARENT_CONNECTIONS.append(self._open)
            self._open = None

    def __len__(self) -> int:
        """How many events are in it."""
        return self.count()

    def count(self, timeout: float | None = None) -> int:
        """Return how many events are in it.

        ``timeout`` is how many seconds to wait for other threads, if that is less than the
        outbox's ``lock_timeout``; None does not shorten it.
        """
        return self._use(_count, timeout)

    def oldest_age(self, timeout: float | None = None) -> float | None:
        """Return how many seconds ago the first event in it happened, at least 0.

        It is by the event's own time: the first of ``timestamp``, ``originalTimestamp``, ``sentAt``
        and ``receivedAt`` that is a date. None if there is no event, or none of these. ``timeout``
        is as with :meth:`count`.
        """
        rows = self._use(lambda connection: self._read_rows(connection, 0, 1), timeout)
        return find_age(OutboxRecord(number, text or b"") for number, text in rows)

    def __bool__(self) -> bool:
        """Return True: an empty outbox is an outbox."""
        return True

    def add(self, event: Event) -> int:
        """Add an event, and return its number when it is on disk.

        Any event is taken, in its serialized form (see ``serialize_event``): one that cannot be
        sent is rejected when it is translated, and that is its outcome. The event itself is not
        changed: a copy is given what is missing, as ``stamp_missing`` says. Raises
        :exc:`QueueFull` if the capacity is reached. After an :exc:`OutboxError` the event may be
        in it all the same.
        """
        return self.add_all([event])[0]

    def add_all(self, events: Iterable[Event], *, timeout: float | None = None) -> list[int]:
        """Add events, all or none, and return their numbers when all are on disk.

        ``timeout`` is how many seconds to wait for other writers, if that is less than the
        outbox's ``lock_timeout``; None does not shorten it. The rest is as with :meth:`add`.
        """
        stamped = map(stamp_now, events) if self._stamp_missing else events
        rows = [(serialize_for_storage(event),) for event in stamped]
        if not rows:
            return []

        def insert(connection: sqlite3.Connection) -> list[int]:
            if self._capacity is not None and _count(connection) + len(rows) > self._capacity:
                raise QueueFull(f"{self._path}: has no room, its capacity is {self._capacity:,}")
            statement = "INSERT INTO events (event) VALUES (?)"
            # a number is None only where nothing was inserted
            return [connection.execute(statement, row).lastrowid or 0 for row in rows]

        return self._change(insert, timeout)

    def read(self, after: int = 0, limit: int = 1_000) -> list[OutboxRecord]:
        """Return the first events whose number is above ``after``, in order of arrival.

        There are at most ``limit`` of them. They stay in the outbox until they are removed. No
        event comes later with a number below one that was read.

        If one of them cannot be read because a part of the file is damaged, the
        :exc:`OutboxError` names the numbers of all that are in that part. None is read then: what
        stands beside such a part cannot be removed, and would be sent again and again.
        """
        rows = self._use(lambda connection: self._read_rows(connection, after, limit))
        # of a row that was damaged the text may be gone
        return [OutboxRecord(number, text or b"") for number, text in rows]

    def read_all(self, page_size: int) -> Iterator[list[OutboxRecord]]:
        """Yield all events in order, ``page_size`` at once. Each page is read when it is asked for.

        What comes later comes behind what was read.
        """
        after = 0
        while records := self.read(after, page_size):
            yield records
            after = records[-1].number

    def _read_rows(
        self, connection: sqlite3.Connection, after: int, limit: int
    ) -> list[tuple[int, bytes | None]]:
        rows: list[tuple[int, bytes | None]] = []
        try:
            rows.extend(connection.execute(_READ, (after, limit)))
        except sqlite3.DatabaseError as error:
            if not _is_corrupt(error):
                raise
            damaged = _describe_damage(connection, rows[-1][0] if rows else after)
            raise OutboxError(f"{self._path}: {damaged}") from error
        return rows

    def check_writable(self, *, timeout: float | None = None) -> None:
        """Raise :exc:`OutboxError` unless events can be added now; writes nothing.

        ``timeout`` is as with :meth:`add_all`. A disk that is full is not noticed.
        """
        self._change(lambda _: None, timeout)

    def remove(self, numbers: Iterable[int]) -> None:
        """Remove events; numbers that are no longer there are ignored."""
        rows = [(number,) for number in numbers]
        if not rows:
            return
        delete = "DELETE FROM events WHERE number = ?"
        self._change(lambda connection: connection.executemany(delete, rows))
        with suppress(OutboxError):  # or the next time
            self._use(_shrink)

    @contextmanager
    def delivering(self) -> Iterator[None]:
        """Hold the right to deliver from this outbox, alone, until the ``with`` ends.

        A process that dies loses the right. It is a lock on ``<path>-deliverer``, which stays.
        Raises :exc:`OutboxInUse` if another thread or process has it.
        """
        try:
            lock = FileLock(f"{self._path}-deliverer")
        except BlockingIOError:
            raise OutboxInUse(f"{self._path}: someone else delivers from it already") from None
        except OSError as error:
            raise OutboxError(f"{self._path}-deliverer: {error.strerror}") from error
        try:
            try:
                yield
            finally:
                lock.release()
        finally:
            lock.release()  # an exception may come at any line, also at that above

    def _use(
        self, work: Callable[[sqlite3.Connection], _Result], timeout: float | None = None
    ) -> _Result:
        """Do work with the connection, while no other thread has it, and return what it returns.

        ``timeout`` is how many seconds to wait for other threads, if that is less than
        ``lock_timeout``. Whatever is raised, also by a signal handler at any line, neither the lock
        nor a transaction is left behind.
        """
        wait = self._lock_timeout if timeout is None else min(max(timeout, 0), self._lock_timeout)
        try:
            return self.run_alone(lambda: self._work_on(work), wait)
        except TimeoutError:
            message = "other threads of this process do not let go of it"
            raise OutboxError(f"{self._path}: {message}") from None

    def _work_on(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        try:
            return work(self._ensure_open())
        except sqlite3.Error as error:
            raise OutboxError(f"{self._path}: {error}") from error

    def clear_up(self) -> None:
        """Roll back what an exception kept from being committed."""
        if self._open is not None and self._open.in_transaction:
            with suppress(sqlite3.Error):
                self._open.execute("ROLLBACK")

    def _change(
        self, work: Callable[[sqlite3.Connection], _Result], timeout: float | None = None
    ) -> _Result:
        """Do work in a transaction: all of it is on disk then, or nothing if it raises."""
        wait = self._lock_timeout if timeout is None else min(max(timeout, 0), self._lock_timeout)
        until = time.monotonic() + wait

        def change(connection: sqlite3.Connection) -> _Result:
            if connection.in_transaction:
                raise OutboxError(f"{self._path}: {_INTERRUPTED}")
            _set_timeout(connection, max(until - time.monotonic(), 0))
            try:
                return _transact(connection, work)
            finally:
                _set_timeout(connection, self._lock_timeout)

        return self._use(change, timeout)

    def _ensure_open(self) -> sqlite3.Connection:
        """Return the connection; opens it if there is none. Needs the lock."""
        if self._is_closed:
            raise OutboxError(f"{self._path}: the outbox is closed")
        if self._open is None:
            opened = _open_outbox(self._path, self._lock_timeout)
            self._status = _status(self._path)
            self._open = opened
        elif not os.path.samestat(self._status, _status(self._path)):
            raise OutboxError(f"{self._path}: was replaced while it was in use")
        return self._open


def is_sqlite(path: str | os.PathLike[str]) -> bool:
    """Whether a file is one of SQLite, as an outbox is. Raises :exc:`OSError` if it is not there.

    It is opened: a pipe would be waited for.
    """
    with Path(path).open("rb") as file:
        return file.read(len(_SQLITE_HEADER)) == _SQLITE_HEADER


def read_waiting(path: str | os.PathLike[str]) -> Iterator[OutboxRecord]:
    """Yield the events of an outbox in order, while others may use it, and change nothing.

    Neither the file is changed nor those beside it. Raises :exc:`OutboxError` if it cannot be read.
    """
    real = os.path.realpath(path)
    # Where nobody has it open, a connection would leave new files beside it.
    mode = "mode=ro" if Path(f"{real}-wal").exists() else "mode=ro&immutable=1"
    number = 0
    try:
        with closing(sqlite3.connect(f"{Path(real).as_uri()}?{mode}", uri=True)) as connection:
            if not _is_outbox(connection, str(path)):
                return
            # in parts: a long read would keep the deliverer's log from being cut
            while rows := connection.execute(_READ, (number, _PART)).fetchall():
                for number, text in rows:
                    yield OutboxRecord(number, text or b"")
    except sqlite3.Error as error:
        raise OutboxError(f"{path}: {error}") from error


def _status(path: str) -> os.stat_result:
    """Return which file is at the path: events written to a deleted file would be lost."""
    try:
        return Path(path).stat()
    except OSError as error:
        raise OutboxError(str(unwritable(path, error))) from error


#: Connections of parent processes, kept so that they are never closed here.
_PARENT_CONNECTIONS: Final[list[sqlite3.Connection]] = []


def _transact(
    connection: sqlite3.Connection,
    work: Callable[[sqlite3.Connection], _Result],
    kind: str = "IMMEDIATE",
) -> _Result:
    """Commit all or nothing. No one else writes meanwhile; if ``DEFERRED``, from the first read."""
    try:
        connection.execute(f"BEGIN {kind}")
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise
    return result


def _set_timeout(connection: sqlite3.Connection, seconds: float) -> None:
    """Set how many seconds a connection waits for other writers."""
    connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")


def _open_outbox(path: str, lock_timeout: float) -> sqlite3.Connection:
    """Open an outbox; make it if there is none. Raises :exc:`OutboxError` for any other file."""
    _create_file(path)
    connection = sqlite3.connect(
        path, timeout=lock_timeout, isolation_level=None, check_same_thread=False
    )
    try:
        _prepare(connection, path, lock_timeout)
    except BaseException:
        connection.close()
        raise
    return connection


def _create_file(path: str) -> None:
    """Make an empty file, if there is none.

    An existing file is not opened: closing it again would drop SQLite's locks on it.
    """
    try:
        open_private(path, os.O_RDWR | os.O_CREAT | os.O_EXCL).close()
        fsync_directory(path)
    except FileExistsError:
        pass
    except OSError as error:
        raise OutboxError(str(unwritable(path, error))) from error


def _prepare(connection: sqlite3.Connection, path: str, lock_timeout: float) -> None:

    def is_there(connection: sqlite3.Connection) -> bool:
        return _is_outbox(connection, path)

    def make(connection: sqlite3.Connection) -> None:
        if not is_there(connection):  # another process may have been quicker
            for statement in _SCHEMA:
                connection.execute(statement)

    if not _transact(connection, is_there, "DEFERRED"):
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # only before the first table
        _transact(connection, make)
    until = time.monotonic() + lock_timeout
    while not _enable_wal(connection, until):
        time.sleep(_MOMENT)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA journal_size_limit = {_LARGEST_LOG}")


def _is_outbox(connection: sqlite3.Connection, path: str) -> bool:
    """Whether there is an outbox in the file; False if it is empty, so that one can be made.

    Raises :exc:`OutboxError` for a file of something else, or of a newer version.
    """
    application, version, tables = (
        connection.execute(query).fetchone()[0]
        for query in (
            "PRAGMA application_id",
            "PRAGMA user_version",
            "SELECT count(*) FROM sqlite_master",
        )
    )
    if not tables and not application:
        return False
    if application != _APPLICATION or not tables:
        raise OutboxError(f"{path}: is an SQLite file, but no outbox")
    if version != VERSION:
        raise OutboxError(f"{path}: was written by a newer version of this program")
    return True


def _enable_wal(connection: sqlite3.Connection, until: float) -> bool:
    """Switch to a write-ahead log; return False if another process does so at this moment.

    SQLite itself does not wait here.
    """
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
            raise
        return False
    return True


def _count(connection: sqlite3.Connection) -> int:
    count: int = connection.execute("SELECT events FROM counted").fetchone()[0]
    return count


def _is_corrupt(error: sqlite3.Error) -> bool:
    """Whether a part of the file is no longer what SQLite wrote."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CORRUPT


def _describe_damage(connection: sqlite3.Connection, first: int) -> str:
    """Return which events cannot be read, of which the first stand at a number or behind it."""
    [last] = connection.execute("SELECT seq FROM sqlite_sequence").fetchone()
    first = min(first, last)
    while (number := _find_number(connection, first)) is not None and number <= last:
        first = number + 1  # a cursor that fails has lost the row before, too
    damaged, above = first, last + 1
    while above - damaged > 1:  # the last one that is damaged is between the two
        middle = (damaged + above) // 2
        if _find_number(connection, middle) is None:
            damaged = middle
        else:
            above = middle
    return f"is damaged: numbers {first:,} to {damaged:,} cannot be read"


def _find_number(connection: sqlite3.Connection, first: int) -> int | None:
    """Return the number of the first event from a number on; None if it cannot be read.

    If there is none it is a number above all.
    """
    try:
        row = connection.execute(_FIND, (first,)).fetchone()
    except sqlite3.DatabaseError:
        return None
    return sys.maxsize if row is None else int(row[0])


def _shrink(connection: sqlite3.Connection) -> None:
    """Give free pages back to the system if they are most of the file, some at a time."""
    [free], [pages] = (
        connection.execute(f"PRAGMA {name}").fetchone() for name in ("freelist_count", "page_count")
    )
    if free > _FEW_PAGES and free > pages / 2:
        # a statement alone would be left after its first page
        connection.executescript(f"PRAGMA incremental_vacuum({_FEW_PAGES})")
