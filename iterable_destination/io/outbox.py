"""The outbox: a queue of events in an SQLite file, from which they are sent later.

What may live here: what is in the file, and the care that an event that was taken in is in it
until it is removed. Nothing here sends.

The file never shrinks below what is in it, and not at once: pages that become free are used
again, and when most of a file of some size is free, removals give it back bit by bit.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from iterable_destination.errors import OutboxError, OutboxInUse, QueueFull
from iterable_destination.io.file_lock import BINARY, PRIVATE, FileLock, fsync_directory, unwritable
from iterable_destination.io.lifecycle import Closeable, ForkSafe
from iterable_destination.model.records import OutboxRecord
from iterable_destination.model.serialization import serialize_event

VERSION: Final = 1
_READ: Final = (
    "SELECT number, CAST(event AS BLOB) FROM events WHERE number > ? ORDER BY number LIMIT ?"
)
#: Says in the file's header that it is an outbox: "iDob".
_APPLICATION: Final = 0x69446F62
_COUNTING: Final = (
    "CREATE TRIGGER {name} AFTER {what} ON events"
    " BEGIN UPDATE counted SET events = events {step}; END"
)
_SCHEMA: Final = (
    # AUTOINCREMENT: a number is never given again, so whoever has read up to one misses nothing.
    "CREATE TABLE events (number INTEGER PRIMARY KEY AUTOINCREMENT, event BLOB NOT NULL)",
    # SQLite would count the events one by one.
    "CREATE TABLE counted (events INTEGER NOT NULL)",
    "INSERT INTO counted VALUES (0)",
    _COUNTING.format(name="added", what="INSERT", step="+ 1"),
    _COUNTING.format(name="removed", what="DELETE", step="- 1"),
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {VERSION}",
)
#: Pages of 4 kB: fewer free ones are left alone, and so many are given back at once.
_FEW_PAGES: Final = 1_000
#: The log beside the file is cut to this when all of it is in the file, in bytes.
_LARGEST_LOG: Final = 8 * 2**20
#: How long is waited between two tries where SQLite does not wait itself, in seconds.
_MOMENT: Final = 0.01


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
    ) -> None:
        """Open the file, or make it, for its owner alone.

        ``capacity`` is how many events may be in it at once, at least 1; None is as many as fit
        on the disk. ``lock_timeout`` is how many seconds, at least 0, others are waited for that
        write at this moment. Raises :exc:`ValueError` for a capacity below 1.
        """
        if capacity is not None and capacity < 1:
            raise ValueError("capacity: must be at least 1, or None")
        self._path: Final = os.path.realpath(path)
        self._capacity: Final = capacity
        self._lock_timeout: Final = lock_timeout
        self._is_closed = False
        self._open: sqlite3.Connection | None = None
        super().__init__()  # a fork may come from now on
        with self._connected():
            pass

    def __repr__(self) -> str:
        return f"Outbox({self._path!r})"

    def close(self) -> None:
        """Close the file; a second time nothing happens."""
        with self.lock:
            self._is_closed = True
            if self._open is not None:
                self._open.close()
                self._open = None

    def after_fork(self) -> None:
        """Leave the connection to the parent; SQLite forbids even to close it in a child."""
        if self._open is not None:
            _OF_PARENTS.append(self._open)
            self._open = None

    def __len__(self) -> int:
        """How many events are in it."""
        with self._connected() as connection:
            return _count(connection)

    def __bool__(self) -> bool:
        """Whether there is an outbox at all: an empty one is one."""
        return True

    def add(self, event: Any) -> int:
        """Add an event, and return its number when it is on disk.

        Any event is taken, in its plain form (see ``plain_event``): one that cannot be sent is
        refused when it is translated, and that is its outcome. Raises :exc:`QueueFull`. After
        an :exc:`OutboxError` the event may be in it all the same.
        """
        return self.add_all([event])[0]

    def add_all(self, events: Iterable[Any], *, timeout: float | None = None) -> list[int]:
        """Add events, all or none, and return their numbers when all are on disk.

        ``timeout`` is for how many seconds others are waited for that write at this moment, if
        that is less than the outbox's patience; None does not shorten it. The rest is as with
        :meth:`add`.
        """
        rows = [(serialize_event(event).encoded(),) for event in events]
        if not rows:
            return []
        with self._transaction(timeout) as connection:
            if self._capacity is not None and _count(connection) + len(rows) > self._capacity:
                raise QueueFull(f"{self._path}: has no room, its capacity is {self._capacity:,}")
            insert = "INSERT INTO events (event) VALUES (?)"
            # a number is None only where nothing was inserted
            return [connection.execute(insert, row).lastrowid or 0 for row in rows]

    def read(self, after: int = 0, limit: int = 1_000) -> list[OutboxRecord]:
        """Return the first events whose number is above ``after``, in order of arrival.

        There are at most ``limit`` of them. They stay in the outbox until they are removed. No
        event comes later with a number below one that was read.
        """
        with self._connected() as connection:
            rows = connection.execute(_READ, (after, limit)).fetchall()
        return [OutboxRecord(number, text) for number, text in rows]

    def remove(self, numbers: Iterable[int]) -> None:
        """Remove events; numbers that are not there any more are passed over."""
        rows = [(number,) for number in numbers]
        if not rows:
            return
        with self._transaction() as connection:
            connection.executemany("DELETE FROM events WHERE number = ?", rows)
        with self._connected() as connection, suppress(sqlite3.Error):  # or the next time
            _give_back(connection)

    @contextmanager
    def delivering(self) -> Iterator[None]:
        """Have the right to deliver from this outbox, alone, until the ``with`` is left.

        A process that dies loses it. It is a lock on ``<path>-deliverer``, a file that stays.
        Raises :exc:`OutboxInUse` if someone else has the right.
        """
        try:
            lock = FileLock(f"{self._path}-deliverer")
        except BlockingIOError:
            raise OutboxInUse(f"{self._path}: someone else delivers from it already") from None
        except OSError as error:
            raise OutboxError(f"{self._path}-deliverer: {error.strerror}") from error
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _connected(self, timeout: float | None = None) -> Iterator[sqlite3.Connection]:
        if not self.lock.acquire(timeout=self._lock_timeout if timeout is None else timeout):
            raise OutboxError(f"{self._path}: other threads of this process do not let go of it")
        try:
            yield self._ready()
        except sqlite3.Error as error:
            raise OutboxError(f"{self._path}: {error}") from error
        finally:
            self.lock.release()

    def _ready(self) -> sqlite3.Connection:
        """Return the connection; the lock is held."""
        if self._is_closed:
            raise OutboxError(f"{self._path}: the outbox is closed")
        if self._open is None:
            self._open = _opened(self._path, self._lock_timeout)
            self._status = _status(self._path)
        elif not os.path.samestat(self._status, _status(self._path)):
            raise OutboxError(f"{self._path}: was replaced while it was in use")
        return self._open

    @contextmanager
    def _transaction(self, timeout: float | None = None) -> Iterator[sqlite3.Connection]:
        wait = self._lock_timeout if timeout is None else min(max(timeout, 0), self._lock_timeout)
        until = time.monotonic() + wait
        with self._connected(wait) as connection:
            _wait_for(connection, max(until - time.monotonic(), 0))
            try:
                with _transaction(connection):
                    yield connection
            finally:
                _wait_for(connection, self._lock_timeout)


def _status(path: str) -> os.stat_result:
    """Return which file is at the path: what is written to a deleted one would be lost."""
    try:
        return Path(path).stat()
    except OSError as error:
        raise OutboxError(str(unwritable(path, error))) from error


#: Connections of parents, kept so that they are never closed here.
_OF_PARENTS: Final[list[sqlite3.Connection]] = []


@contextmanager
def _transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """Do all or nothing; nobody else writes meanwhile, or while one reads if ``DEFERRED``."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise


def _wait_for(connection: sqlite3.Connection, seconds: float) -> None:
    """Let a connection wait so long for others that write."""
    connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")


def _opened(path: str, lock_timeout: float) -> sqlite3.Connection:
    """Open an outbox, make it if there is none, and refuse what is none."""
    _made(path)
    connection = sqlite3.connect(
        path, timeout=lock_timeout, isolation_level=None, check_same_thread=False
    )
    try:
        _prepare(connection, path, lock_timeout)
    except BaseException:
        connection.close()
        raise
    return connection


def _made(path: str) -> None:
    """Make an empty file, if there is none.

    One that is there is not even opened: to close it again would drop SQLite's locks on it.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | BINARY, PRIVATE))
        fsync_directory(path)
    except FileExistsError:
        pass
    except OSError as error:
        raise OutboxError(str(unwritable(path, error))) from error


def _prepare(connection: sqlite3.Connection, path: str, lock_timeout: float) -> None:
    with _transaction(connection, "DEFERRED"):
        is_there = _is_outbox(connection, path)
    if not is_there:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # only before the first table
        with _transaction(connection):
            if not _is_outbox(connection, path):  # another process may have been quicker
                for statement in _SCHEMA:
                    connection.execute(statement)
    until = time.monotonic() + lock_timeout
    while not _has_log(connection, until):
        time.sleep(_MOMENT)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA journal_size_limit = {_LARGEST_LOG}")


def _is_outbox(connection: sqlite3.Connection, path: str) -> bool:
    """Whether there is an outbox in the file; if there is nothing at all there can be one."""
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


def _has_log(connection: sqlite3.Connection, until: float) -> bool:
    """Switch to a write-ahead log; False if another process does so at this moment.

    Here SQLite itself does not wait.
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


def _give_back(connection: sqlite3.Connection) -> None:
    """Give free pages back to the system if they are most of the file, some at a time."""
    [free], [pages] = (
        connection.execute(f"PRAGMA {name}").fetchone() for name in ("freelist_count", "page_count")
    )
    if free > _FEW_PAGES and free > pages / 2:
        # a statement alone would be left after its first page
        connection.executescript(f"PRAGMA incremental_vacuum({_FEW_PAGES})")
