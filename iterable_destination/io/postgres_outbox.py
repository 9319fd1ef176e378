"""The outbox in PostgreSQL: a queue of events in a table, from which they are sent later.

Any number of machines add events, in transactions of their own; one process at a time delivers.
Nothing here sends.

**Order.** Numbers are given before their transactions end, so a row with a lower number can appear
later. So a row is read only when no row that belongs before it can appear any more: as soon as all
transactions with an id below ``readable_from`` have ended. That is above the id of the row's own
transaction, and of each that had ended when the row was added. Rows are read in the order of
``readable_from`` and number: an event that was added after another had been committed comes behind
it, and what appears comes behind all that was read.
"""

from __future__ import annotations

import math
import os
import re
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, LiteralString, TypeVar
from weakref import ref

from iterable_destination.errors import OutboxError, OutboxInUse, OutboxRightLost
from iterable_destination.io.lifecycle import Closeable, ForkSafe
from iterable_destination.io.outbox_protocol import find_age
from iterable_destination.io.stamping import stamp_now
from iterable_destination.model.bounds import check_seconds
from iterable_destination.model.records import OutboxRecord, serialize_for_storage
from iterable_destination.typing import Event

try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict, make_conninfo
    from psycopg.pq import ConnStatus, TransactionStatus
    from psycopg.rows import tuple_row
    from psycopg.sql import SQL, Composed, Identifier
except ImportError:
    _HAS_PSYCOPG = False
else:
    _HAS_PSYCOPG = True

_INSTALL: Final = "PostgresOutbox needs psycopg: pip install 'psycopg[binary]>=3.1'"
#: The table, as the documentation shows it for a migration.
_TABLE: Final = """\
CREATE TABLE IF NOT EXISTS {table} (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    readable_from bigint NOT NULL DEFAULT greatest(
        pg_current_xact_id()::text::bigint + 1,
        pg_snapshot_xmax(pg_current_snapshot())::text::bigint
    ),
    event bytea NOT NULL,
    UNIQUE (readable_from, number)
)"""
_INSERT: Final = """\
INSERT INTO {table} (event)
SELECT event FROM unnest(%s::bytea[]) WITH ORDINALITY AS added (event, place) ORDER BY place
RETURNING number"""
_READ: Final = """\
SELECT readable_from, number, event FROM {table}
WHERE (readable_from, number) > (%s, %s)
AND readable_from <= pg_snapshot_xmin(pg_current_snapshot())::text::bigint
ORDER BY readable_from, number LIMIT %s"""
_DELETE: Final = "DELETE FROM {table} WHERE number = ANY(%s)"
_COUNT: Final = "SELECT count(*) FROM {table}"
#: Finds a row that no transaction of this server can have written.
_FOREIGN: Final = """\
SELECT 1 FROM {table}
WHERE readable_from > pg_snapshot_xmax(pg_current_snapshot())::text::bigint LIMIT 1"""
_WRITABLE: Final = """\
SELECT current_setting('transaction_read_only') = 'off'
AND has_table_privilege(to_regclass(%s), 'INSERT')"""
#: The key of the right to deliver: this, "iDob", and the table's own number.
_CLASS: Final = 0x69446F62
_LOCK: Final = "SELECT pg_try_advisory_lock(%s, (to_regclass(%s)::oid::bigint - 2147483648)::int)"
#: Of a machine that is gone the server ends the session after 55 seconds, unless told otherwise.
_SESSION: Final = """\
SELECT set_config('statement_timeout', %s, false),
set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false)"""
_CONNECTION: Final = {
    "fallback_application_name": "iterable_destination",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
}
#: Seconds that libpq waits for a connection at least.
_LEAST_CONNECT: Final = 2
#: Events that are removed by one statement.
_PART: Final = 1_000
#: The first place in the order: nothing is before it.
_BEGIN: Final = (0, 0)

_NAME: Final = re.compile("([a-z_][a-z0-9_]{0,62}[.])?[a-z_][a-z0-9_]{0,62}")
_INTERRUPTED: Final = "a signal handler cannot use it while it interrupts its use"
_UNREADABLE: Final = (
    "dsn: is no connection string of PostgreSQL; in an address special characters of a password"
    " are to be escaped, as in %40 for @"
)
_MISSING: Final = "there is no such table"
_LOST: Final = "the session with the database ended, and with it the right to deliver"
_OTHER_SERVER: Final = (
    "has rows of another server, as after a restore of a dump;"
    " when nothing uses the table, set readable_from to 0 in all of them"
)

_Result = TypeVar("_Result")


class PostgresOutbox(Closeable, ForkSafe):
    """A queue of events in a table of PostgreSQL, version 13 or later.

    Any number of threads, processes and machines may use the same table at once. Nothing is
    connected to before the first use; a connection that was lost is opened again at the next one.
    Every method raises :exc:`OutboxError` if the database cannot be used. Neither that nor the log
    has the password.
    """

    def __init__(
        self,
        dsn: str,
        *,
        table: str = "iterable_outbox",
        create: bool = True,
        timeout: float = 30.0,
        stamp_missing: bool = True,
    ) -> None:
        """Say where the table is.

        ``dsn`` is a connection string of libpq: an address such as ``postgresql://db/shop``, or
        ``host=db dbname=shop``; what it does not say comes from libpq's variables and files.
        ``table`` is a name of small letters, digits and ``_``, with a schema and a dot before it or
        not. ``create`` makes the table at the first use, if it is not there; False leaves that to
        you. ``timeout`` is how many seconds, at least 0, to wait for other threads, for a
        connection (2 at least), and for each answer. ``stamp_missing`` gives a Segment event that
        is added without a ``messageId`` a random one, and one that has neither a ``timestamp`` nor
        an ``originalTimestamp`` the present moment as its ``timestamp``; False adds each event as
        it is.

        Raises :exc:`ImportError` without psycopg, and :exc:`ValueError` for a name, a number or a
        connection string that is none.
        """
        if not _HAS_PSYCOPG:
            raise ImportError(_INSTALL)
        if not _NAME.fullmatch(table):
            raise ValueError("table: must be small letters, digits and _, perhaps after a schema")
        check_seconds("timeout", timeout)
        self._conninfo: Final = _complete(dsn, timeout)
        self._table: Final = table
        parts = table.split(".")
        self._quoted: Final = Identifier(*parts)
        #: The same as a text, which needs no more than quotes.
        self._name: Final = ".".join(f'"{part}"' for part in parts)
        self._creates: Final = create
        self._timeout: Final = timeout
        self._stamp_missing: Final = stamp_missing
        self._is_closed = False
        self._is_made = False
        self._is_in_use = False
        self._open: psycopg.Connection[Any] | None = None
        #: The milliseconds after which the server gives a statement up.
        self._limit = 0
        #: The session that has the right to deliver.
        self._locked: psycopg.Connection[Any] | None = None
        #: Who in this process has that right, as long as anything refers to it.
        self._holder: Callable[[], _Holder | None] = _nobody
        super().__init__()  # a fork may come from now on

    @property
    def name(self) -> str:
        """The name of the table."""
        return self._table

    def __repr__(self) -> str:
        return f"PostgresOutbox(table={self._table!r})"

    def close(self) -> None:
        """Close the connection. A second call does nothing.

        In a signal handler that interrupts its use it is closed after that.
        """
        with self.lock:
            self._is_closed = True
            if not self._is_in_use:
                self._discard()

    def after_fork(self) -> None:
        """Leave the connection to the parent.

        Its descriptor is closed here, so that its session ends with the parent.
        """
        connection, self._open = self._open, None
        self._locked, self._holder = None, _nobody
        if connection is not None and not connection.closed:
            _PARENT_CONNECTIONS.append(connection)
            with suppress(psycopg.Error), Path(os.devnull).open("rb") as nowhere:
                os.dup2(nowhere.fileno(), connection.fileno())

    def __len__(self) -> int:
        """How many events are in it. It takes the longer the more there are."""
        return self.count()

    def count(self, timeout: float | None = None) -> int:
        """Return how many events are in it, also those that cannot be read yet.

        ``timeout`` is how many seconds to wait for other threads and the database, if that is less
        than the outbox's own; None does not shorten it.
        """
        [count] = self._use(lambda connection: self._fetch_row(connection, _COUNT), timeout)
        return int(count)

    def oldest_age(self, timeout: float | None = None) -> float | None:
        """Return how many seconds ago the first event in it happened, at least 0.

        It is by the event's own time: the first of ``timestamp``, ``originalTimestamp``, ``sentAt``
        and ``receivedAt`` that is a date. None if there is no event that can be read, or none of
        these. ``timeout`` is as with :meth:`count`.
        """
        row = self._use(lambda own: self._fetch_row(own, _READ, (*_BEGIN, 1)), timeout)
        return find_age([OutboxRecord(row[1], bytes(row[2]))] if row else ())

    def __bool__(self) -> bool:
        """Return True: an empty outbox is an outbox."""
        return True

    def add(self, event: Event, *, connection: psycopg.Connection[Any] | None = None) -> int:
        """Add an event, and return its number.

        With a ``connection`` of psycopg, yours, it is added in the transaction that is open there:
        it is delivered after your commit, and after a rollback it never was. Without one it is
        committed when this returns.

        Any event is taken, in its serialized form (see ``serialize_event``): one that cannot be
        sent is rejected when it is translated, and that is its outcome. The event itself is not
        changed: a copy is given what is missing, as ``stamp_missing`` says. After an
        :exc:`OutboxError` without a ``connection`` the event may be in it all the same; with one,
        your transaction can only be rolled back.
        """
        return self.add_all([event], connection=connection)[0]

    def add_all(
        self,
        events: Iterable[Event],
        *,
        connection: psycopg.Connection[Any] | None = None,
        timeout: float | None = None,
    ) -> list[int]:
        """Add events, all or none, and return their numbers.

        ``timeout`` is how many seconds to wait for other threads and the database, if that is less
        than the outbox's own; None does not shorten it. It does not count for a ``connection`` of
        yours. The rest is as with :meth:`add`.
        """
        stamped = map(stamp_now, events) if self._stamp_missing else events
        rows = [serialize_for_storage(event) for event in stamped]
        if not rows:
            return []
        if connection is None:
            return self._use(lambda own: self._insert(own, rows), timeout)
        if self._creates and not self._is_made:
            self._use(lambda _: None)
        try:
            return self._insert(connection, rows)
        except psycopg.Error as error:
            raise self._describe(error) from error

    def read(self, *, limit: int = 1_000) -> list[OutboxRecord]:
        """Return the first events in their order, at most ``limit`` of them.

        Those whose order is not certain yet are left out. They stay until they are removed. The
        order is not that of their numbers where transactions went on at the same time.
        """
        return self._read(_BEGIN, limit)[0]

    def read_all(self, page_size: int) -> Iterator[list[OutboxRecord]]:
        """Yield all events in order, ``page_size`` at once. Each page is read when it is asked for.

        What comes later comes behind what was read.
        """
        records, last = self._read(_BEGIN, page_size)
        while records:
            yield records
            records, last = self._read(last, page_size)

    def _read(
        self, after: tuple[int, int], limit: int
    ) -> tuple[list[OutboxRecord], tuple[int, int]]:
        """Return events behind a place in the order, and the place of the last one."""

        def read(connection: psycopg.Connection[Any]) -> list[Any]:
            self._check_right(connection)
            return self._execute(connection, _READ, (*after, limit)).fetchall()

        rows = self._use(read)
        last = rows[-1][:2] if rows else after
        return [OutboxRecord(number, bytes(text)) for _, number, text in rows], last

    def remove(self, numbers: Iterable[int]) -> None:
        """Remove events; numbers that are no longer there are ignored.

        Raises :exc:`OutboxRightLost`, when they are removed or not, if the right to deliver was
        held and is lost.
        """
        rows = list(numbers)

        def delete(connection: psycopg.Connection[Any]) -> None:
            for first in range(0, len(rows), _PART):
                self._execute(connection, _DELETE, (rows[first : first + _PART],))
            self._check_right(connection)

        if rows:
            self._use(delete)

    def check_writable(self, *, timeout: float | None = None) -> None:
        """Raise :exc:`OutboxError` unless events can be added now; writes nothing.

        ``timeout`` is as with :meth:`add_all`. A disk that is full is not noticed.
        """

        def check(connection: psycopg.Connection[Any]) -> bool:
            return bool(self._fetch_row(connection, _WRITABLE, (self._name,))[0])

        if not self._use(check, timeout):
            raise self._fail("nothing can be added: it is not there, or not to be written")

    @contextmanager
    def delivering(self) -> Iterator[None]:
        """Hold the right to deliver from this outbox, alone, until the ``with`` ends.

        It is an advisory lock of the session, so that it is free when the process or the connection
        ends. Raises :exc:`OutboxInUse` if another thread, process or machine has it. If the session
        ends meanwhile, :meth:`read`, :meth:`read_all` and :meth:`remove` raise
        :exc:`OutboxRightLost`.
        """
        holder = _Holder()
        try:
            try:
                self._use(lambda connection: self._acquire(connection, holder))
                yield
            finally:
                self._release(holder)
        finally:
            self._release(holder)  # an exception may come at any line, also at that above

    def _acquire(self, connection: psycopg.Connection[Any], holder: _Holder) -> None:
        if self._holder() is not None:
            raise self._in_use()
        self._holder = ref(holder)
        [is_free] = self._fetch_row(connection, _LOCK, (_CLASS, self._name))
        if not is_free:
            self._holder = _nobody
            raise self._fail(_MISSING) if is_free is None else self._in_use()
        self._locked = connection
        if self._execute(connection, _FOREIGN).fetchone() is not None:
            raise self._fail(_OTHER_SERVER)

    def _release(self, holder: _Holder) -> None:
        """Give the right back, if this holder has it."""
        if self._holder() is not holder:
            return
        if self._open is not None:  # else it ended with the session
            try:
                self._use(self._unlock)
            except OutboxError:
                with self.lock:
                    self._discard()  # which gives it back, too
        self._holder = _nobody

    def _unlock(self, connection: psycopg.Connection[Any]) -> None:
        self._locked = None
        self._execute(connection, "SELECT pg_advisory_unlock_all()")

    def _check_right(self, connection: psycopg.Connection[Any]) -> None:
        """Raise :exc:`OutboxRightLost` if this process delivers, and the session is another one."""
        if self._holder() is not None and self._locked is not connection:
            raise OutboxRightLost(f"{self._table}: {_LOST}")

    # The connection ------------------------------------------------------------------------------

    def _execute(
        self,
        connection: psycopg.Connection[Any],
        query: LiteralString,
        parameters: tuple[Any, ...] = (),
    ) -> psycopg.Cursor[tuple[Any, ...]]:
        cursor = psycopg.Cursor(connection, row_factory=tuple_row)
        return cursor.execute(self._complete_query(query), parameters or None)

    def _complete_query(self, query: LiteralString) -> Composed:
        return SQL(query).format(table=self._quoted)

    def _fetch_row(
        self,
        connection: psycopg.Connection[Any],
        query: LiteralString,
        parameters: tuple[Any, ...] = (),
    ) -> tuple[Any, ...]:
        row = self._execute(connection, query, parameters).fetchone()
        return row or ()

    def _insert(self, connection: psycopg.Connection[Any], rows: list[bytes]) -> list[int]:
        return [number for [number] in self._execute(connection, _INSERT, (rows,))]

    def _use(
        self,
        work: Callable[[psycopg.Connection[Any]], _Result],
        timeout: float | None = None,
    ) -> _Result:
        """Do work with the connection, while no other thread has it, and return what it returns.

        ``timeout`` is how many seconds to wait, if that is less than the outbox's own. Whatever is
        raised, also by a signal handler at any line, neither the lock nor a transaction is left
        behind.
        """
        wait = self._timeout if timeout is None else min(max(timeout, 0), self._timeout)
        until = time.monotonic() + wait
        try:
            return self.run_alone(lambda: self._work_on(work, until, wait), wait)
        except TimeoutError:
            raise self._fail("other threads of this process do not let go of it") from None

    def _work_on(
        self, work: Callable[[psycopg.Connection[Any]], _Result], until: float, wait: float
    ) -> _Result:
        if self._is_in_use:
            raise self._fail(_INTERRUPTED)
        self._is_in_use = True
        try:
            connection = self._ensure_open(wait)
            if wait < self._timeout:
                self._set_limit(connection, max(until - time.monotonic(), 0))
            elif self._limit != _milliseconds(self._timeout):
                self._set_limit(connection, self._timeout)
            return work(connection)
        except psycopg.Error as error:
            raise self._describe(error) from error
        finally:
            self._is_in_use = False
            if self._is_closed:  # by a signal handler, while psycopg waited
                self._discard()

    def clear_up(self) -> None:
        """Close the connection if an exception came in the middle of a statement."""
        self._is_in_use = False
        connection = self._open
        if connection is not None and not _is_idle(connection):
            self._discard()

    def _ensure_open(self, wait: float) -> psycopg.Connection[Any]:
        """Return the connection; opens it if there is none that works. Needs the lock."""
        if self._is_closed:
            raise self._fail("the outbox is closed")
        if self._open is not None and not _is_alive(self._open):
            self._discard()
        if self._open is None:
            self._open = self._connect(wait)
        return self._open

    def _connect(self, wait: float) -> psycopg.Connection[Any]:
        connection = psycopg.connect(
            self._conninfo,
            autocommit=True,
            prepare_threshold=None,  # PgBouncer may be between
            connect_timeout=max(math.ceil(wait), _LEAST_CONNECT),
        )
        try:
            self._limit = _milliseconds(self._timeout)
            self._execute(connection, _SESSION, (str(self._limit),))
            if self._creates and not self._is_made:
                self._make(connection)
            self._is_made = True
        except BaseException:
            connection.close()
            raise
        return connection

    def _make(self, connection: psycopg.Connection[Any]) -> None:
        """Make the table, if there is none; one session does so at a time."""
        [found] = self._fetch_row(connection, "SELECT to_regclass(%s)", (self._name,))
        if found is None:
            with connection.transaction():
                key = zlib.crc32(self._table.encode()) - 2**31
                self._execute(connection, "SELECT pg_advisory_xact_lock(%s, %s)", (_CLASS + 1, key))
                self._execute(connection, _TABLE)

    def _set_limit(self, connection: psycopg.Connection[Any], seconds: float) -> None:
        """Set how many seconds the server may take for a statement."""
        limit = _milliseconds(seconds)
        self._limit = 0  # it is not known, if this fails
        self._execute(
            connection, "SELECT set_config('statement_timeout', %s, false)", (str(limit),)
        )
        self._limit = limit

    def _discard(self) -> None:
        """Close the connection; the server rolls back, and gives the right to deliver to others."""
        connection, self._open = self._open, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()

    # Errors --------------------------------------------------------------------------------------

    def _fail(self, what: str) -> OutboxError:
        return OutboxError(f"{self._table}: {what}")

    def _in_use(self) -> OutboxInUse:
        return OutboxInUse(f"{self._table}: someone else delivers from it already")

    def _describe(self, error: psycopg.Error) -> OutboxError:
        """Return the error for one of the database, without values of events."""
        lines = (error.diag.message_primary or str(error)).splitlines()
        what = lines[0] if lines else type(error).__name__
        if self._holder() is not None and self._locked is not None and self._locked.closed:
            return OutboxRightLost(f"{self._table}: {_LOST}: {what}")
        return self._fail(what)


class _Holder:
    """Who has the right to deliver."""


def _nobody() -> None:
    """Return None, as a reference does to what is gone."""


#: Connections of parent processes, kept so that they are never closed here.
_PARENT_CONNECTIONS: Final[list[Any]] = []


def _milliseconds(seconds: float) -> int:
    """Return a time as the server takes it, where 0 would be without bound."""
    return max(int(seconds * 1_000), 1)


def _complete(dsn: str, timeout: float) -> str:
    """Return a connection string with times within which what is gone is noticed.

    Raises :exc:`ValueError` for what is none, without repeating any of it: it can have a password,
    also in the place of a host or a port if that was not escaped.
    """
    try:
        given = {key: str(value) for key, value in conninfo_to_dict(dsn).items()}
    except psycopg.Error:
        raise ValueError(_UNREADABLE) from None
    ports = given.get("port", "").split(",")
    hosts = given.get("host", "").split(",")
    is_odd = any("@" in host[1:] for host in hosts) or "@" in given.get("dbname", "")
    if is_odd or not all(port.isdecimal() or not port for port in ports):
        raise ValueError(_UNREADABLE)
    limit = str(_milliseconds(max(timeout, _LEAST_CONNECT)))
    return make_conninfo(**{**_CONNECTION, "tcp_user_timeout": limit, **given})


def _is_idle(connection: psycopg.Connection[Any]) -> bool:
    """Whether a connection has neither a statement nor a transaction open."""
    return connection.info.transaction_status == TransactionStatus.IDLE


def _is_alive(connection: psycopg.Connection[Any]) -> bool:
    """Whether a connection is open, as far as is known here: nothing is asked."""
    if connection.closed:
        return False
    try:
        connection.pgconn.consume_input()  # the server's last words, if there are any
        connection.pgconn.consume_input()  # the end of the connection
    except psycopg.Error:
        return False
    return connection.pgconn.status == ConnStatus.OK
