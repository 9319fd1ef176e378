"""What is peculiar to an outbox in PostgreSQL: transactions, order, sessions and passwords."""

from __future__ import annotations

import logging
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from iterable_destination import PostgresOutbox
from iterable_destination.errors import OutboxError, OutboxInUse, OutboxRightLost
from iterable_destination.io import postgres_outbox
from tests.support.delivering import wait_until
from tests.support.interrupting import Interruption, at_each_line, raise_interruption
from tests.support.outboxes import new_table
from tests.support.postgres import PASSWORD, Cluster

PAGE = Path("docs/howto/postgres.md").read_text("utf-8")
EVENT = {"type": "track", "userId": "u-1", "event": "Seen", "messageId": "m-1", "timestamp": "2026"}


@pytest.fixture
def table(postgres: Cluster) -> str:
    return new_table(postgres).name


@pytest.fixture
def box(postgres: Cluster, table: str) -> Iterator[PostgresOutbox]:
    with PostgresOutbox(postgres.dsn, table=table) as box:
        yield box


@pytest.fixture
def connections(postgres: Cluster) -> Iterator[Callable[[], psycopg.Connection[Any]]]:
    """Open connections of the caller's own."""
    with ExitStack() as stack:

        def connect() -> psycopg.Connection[Any]:
            connection = postgres.connect()
            stack.callback(connection.close)
            return connection

        yield connect


Connections = Callable[[], psycopg.Connection[Any]]


def event(name: Any) -> dict[str, Any]:
    return EVENT | {"messageId": str(name)}


def found(box: PostgresOutbox) -> list[str]:
    return [entry.event()["messageId"] for entry in box.read()]


# --- Transactions of the caller ------------------------------------------------------------------


def test_what_is_rolled_back_never_was_and_what_is_committed_is_there(
    box: PostgresOutbox, connections: Connections
) -> None:
    connection = connections()
    box.add(event("back"), connection=connection)
    box.add_all([event("back, too")], connection=connection)
    connection.rollback()
    number = box.add(event("kept"), connection=connection)
    numbers = box.add_all([event("this"), event("that")], connection=connection)
    assert (found(box), len(box)) == ([], 0)
    connection.commit()
    assert found(box) == ["kept", "this", "that"]
    assert [entry.number for entry in box.read()] == [number, *numbers]


def test_what_is_added_in_a_transaction_gets_the_id_and_the_time_that_it_lacks(
    box: PostgresOutbox, connections: Connections
) -> None:
    connection = connections()
    box.add({"type": "track", "userId": "u-1", "event": "Seen"}, connection=connection)
    connection.commit()
    [entry] = box.read()
    assert entry.event().keys() == {"type", "userId", "event", "messageId", "timestamp"}


def test_a_part_of_a_transaction_can_be_rolled_back(
    box: PostgresOutbox, connections: Connections
) -> None:
    connection = connections()
    with connection.transaction():
        box.add(event(1), connection=connection)
        with suppress(ZeroDivisionError), connection.transaction():
            box.add(event(2), connection=connection)
            raise ZeroDivisionError
        box.add(event(3), connection=connection)
    assert found(box) == ["1", "3"]


@pytest.mark.parametrize(
    "options",
    [
        {"row_factory": dict_row},
        {"cursor_factory": psycopg.ClientCursor},
        {"autocommit": True},
    ],
    ids=["rows of dicts", "client cursors", "autocommit"],
)
def test_a_connection_of_any_kind_will_do(
    box: PostgresOutbox, postgres: Cluster, options: dict[str, Any]
) -> None:
    with postgres.connect(**options) as connection:
        assert box.add_all([EVENT, EVENT], connection=connection) == [1, 2]
    assert len(box.read()) == 2


def test_a_transaction_that_has_failed_is_told(
    box: PostgresOutbox, connections: Connections
) -> None:
    connection = connections()
    with suppress(psycopg.Error):
        connection.execute("SELECT nothing")
    with pytest.raises(OutboxError, match="current transaction is aborted") as caught:
        box.add(EVENT, connection=connection)
    assert isinstance(caught.value.__cause__, psycopg.Error)
    connection.rollback()
    box.add(EVENT, connection=connection)
    connection.commit()
    assert len(box) == 1


# --- Order ---------------------------------------------------------------------------------------


def test_nothing_is_read_while_an_earlier_transaction_goes_on(
    box: PostgresOutbox, connections: Connections
) -> None:
    earlier = connections()
    box.add(event("first"), connection=earlier)
    box.add(event("second"))
    assert (found(box), len(box)) == ([], 1)
    earlier.commit()
    assert found(box) == ["first", "second"]


def test_a_transaction_that_is_rolled_back_holds_nothing_up(
    box: PostgresOutbox, connections: Connections
) -> None:
    earlier = connections()
    box.add(event("first"), connection=earlier)
    box.add(event("second"))
    earlier.rollback()
    assert found(box) == ["second"]


def test_what_was_committed_before_an_event_was_added_goes_before_it(
    box: PostgresOutbox, connections: Connections
) -> None:
    """Also if the transaction of the later event began, and had its id, before."""
    began_early = connections()
    began_early.execute("SELECT pg_current_xact_id()")
    box.add(event("first"))
    box.add(event("second"), connection=began_early)
    began_early.commit()
    assert found(box) == ["first", "second"]


def test_a_transaction_holds_up_if_it_has_written_wherever_that_is(
    box: PostgresOutbox, postgres: Cluster, connections: Connections
) -> None:
    reading = connections()
    reading.execute("SELECT count(*) FROM pg_class")
    box.add(event(1))
    assert found(box) == ["1"]
    with psycopg.connect(f"{postgres.dsn} dbname=template1") as elsewhere:
        elsewhere.execute("CREATE TEMPORARY TABLE mine (x int)")
        box.add(event(2))
        assert found(box) == ["1"]
        elsewhere.rollback()
    assert found(box) == ["1", "2"]


def test_what_holds_delivery_up_and_who_delivers_can_be_found(
    postgres: Cluster, connections: Connections
) -> None:
    postgres.run("DROP TABLE IF EXISTS iterable_outbox")
    queries = re.findall(r"^```text\n(SELECT .*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    holding, waiting, delivering = queries
    with PostgresOutbox(postgres.dsn) as box:
        box.add(EVENT)
        assert postgres.run(holding) == []
        assert postgres.run(waiting) == [(1, 0)]
        assert postgres.run(delivering) == []
        earlier = connections()
        box.add(EVENT, connection=earlier)
        box.add(EVENT)
        [(pid, *_)] = postgres.run(holding)
        assert pid == earlier.info.backend_pid
        assert postgres.run(waiting) == [(2, 1)]
        with box.delivering():
            [(_, _, name, _)] = postgres.run(delivering)
            assert name == "iterable_destination"
        earlier.rollback()


def test_the_table_is_the_one_that_is_shown() -> None:
    shown = postgres_outbox._TABLE.format(table="iterable_outbox")
    assert f"```text\n{shown};\n```" in PAGE


@pytest.mark.parametrize("seed", range(4))
def test_transactions_that_go_on_at_once_lose_and_overtake_nothing(
    box: PostgresOutbox, connections: Connections, seed: int
) -> None:
    """A reader sees all that is committed, once, and what was there before first."""
    chance = random.Random(seed)  # noqa: S311 - which step comes next
    sessions = [connections() for _ in range(4)]
    pending: dict[int, list[int]] = {n: [] for n in range(4)}
    committed: set[int] = set()
    before: dict[int, set[int]] = {}
    seen: list[int] = []
    begin = postgres_outbox._BEGIN

    def read_on() -> None:
        nonlocal begin
        records, begin = box._read(begin, 3)
        seen.extend(int(entry.event()["messageId"]) for entry in records)

    for _ in range(400):
        at = chance.randrange(4)
        step = chance.random()
        if step < 0.4:
            number = len(before)
            before[number] = set(committed)
            box.add(event(number), connection=sessions[at])
            pending[at].append(number)
        elif step < 0.5:
            sessions[at].execute("SELECT pg_current_xact_id()")
        elif step < 0.6:
            sessions[at].rollback()
            pending[at].clear()
        elif step < 0.7:
            sessions[at].commit()
            committed.update(pending[at])
            pending[at].clear()
        else:
            read_on()
    for each in sessions:
        each.rollback()
    for _ in range(400):
        read_on()
    assert len(seen) == len(set(seen))
    assert set(seen) == committed
    assert len(seen) > 30
    places = {number: place for place, number in enumerate(seen)}
    assert [
        (earlier, later)
        for later in seen
        for earlier in before[later]
        if places[earlier] > places[later]
    ] == []


def test_rows_of_another_server_are_told(
    box: PostgresOutbox, table: str, postgres: Cluster
) -> None:
    """Ids of transactions begin anew where a dump is restored."""
    box.add_all([event(1), event(2)])
    change = "UPDATE {} SET readable_from = {}"
    postgres.run(change.format(table, 1_000_000_000_000))
    with pytest.raises(OutboxError, match="has rows of another server"), box.delivering():
        pass
    postgres.run(change.format(table, 0))
    with box.delivering():
        assert found(box) == ["1", "2"]


# --- The right to deliver ------------------------------------------------------------------------


def test_the_right_is_lost_with_the_session_and_another_takes_over(
    box: PostgresOutbox, table: str, postgres: Cluster
) -> None:
    box.add_all([event(n) for n in range(3)])
    with PostgresOutbox(f"{postgres.dsn} application_name=other", table=table) as other:
        with pytest.raises(OutboxInUse), box.delivering(), other.delivering():
            pass
        with box.delivering():
            pages = box.read_all(1)
            next(pages)
            assert postgres.terminate() == 1
            with pytest.raises(OutboxRightLost, match="with it the right to deliver"):
                next(pages)
            with other.delivering():
                assert found(other) == ["0", "1", "2"]
            with pytest.raises(OutboxRightLost):
                box.remove([1])
            with pytest.raises(OutboxRightLost):
                box.read()
            assert found(other) == ["1", "2"], "what is done with is removed all the same"
            assert box.add(event(3)) == 4
        with box.delivering():
            assert found(box) == ["1", "2", "3"]


def test_a_session_that_ends_in_the_middle_of_a_statement_loses_the_right(
    box: PostgresOutbox, table: str, postgres: Cluster, connections: Connections
) -> None:
    box.add(EVENT)
    ending = threading.Timer(0.3, postgres.terminate)
    with box.delivering():
        locking = connections()
        locking.execute(f"LOCK TABLE {table}".encode())
        ending.start()
        with pytest.raises(OutboxRightLost, match="terminating connection"):
            box.read()
        locking.rollback()
    ending.join()
    assert len(box.read()) == 1


def test_a_connection_that_was_lost_is_opened_again(box: PostgresOutbox, postgres: Cluster) -> None:
    for count in range(3):
        box.add(EVENT)
        assert len(box.read()) == count + 1
        assert postgres.terminate() == 1


def test_other_tables_have_rights_of_their_own(box: PostgresOutbox, postgres: Cluster) -> None:
    with new_table(postgres).open() as other, box.delivering(), other.delivering():
        pass


def test_the_same_table_by_another_name_has_the_same_right(
    box: PostgresOutbox, table: str, postgres: Cluster
) -> None:
    box.add(EVENT)
    with PostgresOutbox(postgres.dsn, table=f"public.{table}") as other:
        assert len(other) == 1
        with box.delivering(), pytest.raises(OutboxInUse), other.delivering():
            pass


# --- The table -----------------------------------------------------------------------------------


def test_a_table_in_a_schema_and_one_that_a_migration_has_made(postgres: Cluster) -> None:
    postgres.run("CREATE SCHEMA IF NOT EXISTS mine")
    postgres.run(postgres_outbox._TABLE.format(table="mine.of_a_migration"))
    with PostgresOutbox(postgres.dsn, table="mine.of_a_migration", create=False) as box:
        box.add(EVENT)
        with box.delivering():
            assert len(box.read()) == 1


def test_whoever_may_not_make_tables_can_use_one(postgres: Cluster, box: PostgresOutbox) -> None:
    box.add(EVENT)
    postgres.run("DROP ROLE IF EXISTS clerk")
    postgres.run("CREATE ROLE clerk LOGIN")
    postgres.run("REVOKE CREATE ON SCHEMA public FROM public")
    dsn = postgres.dsn.replace("user=postgres", "user=clerk")
    with PostgresOutbox(dsn, table=box._table) as other:
        with pytest.raises(OutboxError, match=f"^{box._table}: permission denied for table"):
            other.add(EVENT)
        with pytest.raises(OutboxError, match="nothing can be added"):
            other.check_writable()
        postgres.run(f"GRANT SELECT, INSERT, DELETE ON {box._table} TO clerk")
        other.check_writable()
        other.remove([other.add(EVENT)])
        assert len(other) == 1
    postgres.run("DROP OWNED BY clerk")
    postgres.run("DROP ROLE clerk")


def test_a_table_that_is_not_there_is_told(postgres: Cluster) -> None:
    with PostgresOutbox(postgres.dsn, table="nowhere", create=False) as box:
        with pytest.raises(OutboxError, match=r'^nowhere: relation "nowhere" does not exist$'):
            box.add(EVENT)
        with (
            pytest.raises(OutboxError, match=r"^nowhere: there is no such table$"),
            box.delivering(),
        ):
            pass
        with pytest.raises(OutboxError, match=r"^nowhere: nothing can be added: it is not there"):
            box.check_writable()


@pytest.mark.parametrize(
    "name", ["", "Mine", "a b", "a;b", 'a"b', "a.b.c", ".a", "1a", "ä", "a" * 64, "a\n"]
)
def test_a_name_is_of_plain_characters(name: str) -> None:
    with pytest.raises(ValueError, match=r"^table: must be small letters, digits and _"):
        PostgresOutbox("", table=name)


def test_many_are_removed_at_once(box: PostgresOutbox) -> None:
    numbers = box.add_all([EVENT] * 2_500)
    box.remove([number for number in numbers if number % 100])
    assert [entry.number for entry in box.read()] == numbers[99::100]


# --- Waiting -------------------------------------------------------------------------------------


def test_the_database_is_waited_for_no_longer_than_there_is_time(
    box: PostgresOutbox, table: str, connections: Connections
) -> None:
    box.add(EVENT)
    locking = connections()
    locking.execute(f"LOCK TABLE {table}".encode())
    began = time.monotonic()
    with pytest.raises(OutboxError, match=f"^{table}: canceling statement due to .* timeout$"):
        box.add_all([EVENT], timeout=0.2)
    with pytest.raises(OutboxError):
        box.count(timeout=0)
    assert time.monotonic() - began < 10
    ending = threading.Timer(0.5, locking.rollback)
    ending.start()
    assert box.add(EVENT) > 1, "it is as patient as ever when nothing is said"
    ending.join()
    with pytest.raises(ValueError, match=r"^timeout: must be a number of seconds"):
        PostgresOutbox("", timeout=-1)


def test_a_database_that_is_read_only_is_told(box: PostgresOutbox, postgres: Cluster) -> None:
    box.check_writable(timeout=5)
    dsn = f"{postgres.dsn} options='-c default_transaction_read_only=on'"
    with PostgresOutbox(dsn, table=box._table) as other:
        assert len(other) == 0
        with pytest.raises(OutboxError, match="nothing can be added"):
            other.check_writable()
        with pytest.raises(OutboxError, match="cannot execute INSERT in a read-only transaction"):
            other.add(EVENT)


# --- Passwords -----------------------------------------------------------------------------------


def test_a_password_shows_nowhere(
    postgres: Cluster, table: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with PostgresOutbox(postgres.url(), table=table) as box:
        box.add(EVENT)
        assert repr(box) == f"PostgresOutbox(table='{table}')"
    wrong = PostgresOutbox(postgres.url("Wrong-Word"), table=table)
    with pytest.raises(OutboxError, match="password authentication failed") as caught:
        wrong.add(EVENT)
    nobody = PostgresOutbox(f"postgresql://me:{PASSWORD}@127.0.0.1:1/shop", table=table)
    with pytest.raises(OutboxError, match="Connection refused") as refused:
        nobody.add(EVENT)
    told = [str(each.value) for each in (caught, refused)]
    told += [str(each.value.__cause__) for each in (caught, refused)]
    for text in [*told, repr(wrong), caplog.text]:
        assert "Wrong-Word" not in text
        assert PASSWORD not in text
        assert "\n" not in text or text in told[2:]


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://me:p@secret@db/shop",
        "postgresql://me:secret/p@db/shop",
        "postgresql://me:1/secret@db/shop",
        "postgresql://me:se%cret@db/shop",
        "host=db password='secret",
        "secret",
        "secret=secret",
        "postgresql://me:p@db:secret/shop",
    ],
)
def test_a_connection_string_that_is_none_is_refused_and_not_repeated(dsn: str) -> None:
    with pytest.raises(ValueError, match=r"^dsn: is no connection string") as caught:
        PostgresOutbox(dsn)
    assert "cret" not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_the_password_may_come_from_a_variable(
    postgres: Cluster, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    with PostgresOutbox(postgres.url().replace(f":{PASSWORD}", ""), table=table) as box:
        assert box.add(EVENT) == 1


# --- Without psycopg -----------------------------------------------------------------------------


def test_without_psycopg_it_says_what_to_install_and_all_else_works() -> None:
    program = """
import sys
sys.modules["psycopg"] = None
from iterable_destination import *
try:
    PostgresOutbox("")
except ImportError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True, timeout=60
    )
    assert done.stdout == "PostgresOutbox needs psycopg: pip install 'psycopg[binary]>=3.1'\n"


# --- Interruptions -------------------------------------------------------------------------------

METHODS: dict[str, Callable[[PostgresOutbox], Any]] = {
    "add": lambda box: box.add(EVENT),
    "read": lambda box: box.read(),
    "remove": lambda box: box.remove([1]),
    "count": len,
}


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # what has no name is closed all the same
@pytest.mark.parametrize("method", METHODS)
def test_an_exception_at_any_line_leaves_nothing_open(method: str, box: PostgresOutbox) -> None:
    box.add(EVENT)
    for interrupter in at_each_line(raise_interruption):
        with suppress(Interruption), interrupter:
            METHODS[method](box)
        sys.settrace(None)
        assert not box.lock._is_owned()  # type: ignore[attr-defined]
        assert box._open is None or postgres_outbox._is_idle(box._open)
    before = len(box)
    assert box.add(EVENT) > 1
    assert len(box) == len(box.read(limit=10_000)) == before + 1


@pytest.mark.parametrize("inner", METHODS)
def test_a_signal_handler_is_told_that_it_cannot_use_it_meanwhile(
    inner: str, box: PostgresOutbox
) -> None:
    """What it interrupts is done all the same."""
    refused: set[str] = set()

    def call() -> None:
        try:
            METHODS[inner](box)
        except OutboxError as error:
            refused.add(str(error))

    box.add(EVENT)
    for interrupter in at_each_line(call):
        with interrupter:
            number = box.add(EVENT)
        sys.settrace(None)
        assert number in {entry.number for entry in box.read()}
    assert refused == {f"{box._table}: {postgres_outbox._INTERRUPTED}"}


def test_a_signal_handler_may_close_it(
    box: PostgresOutbox, table: str, connections: Connections
) -> None:
    """What it interrupts is done all the same, also while psycopg waits for the database."""
    box.add(EVENT)
    locking = connections()
    locking.execute(f"LOCK TABLE {table}".encode())
    steps = [lambda: os.kill(os.getpid(), signal.SIGUSR1), locking.rollback]
    timers = [threading.Timer(0.2 * n, step) for n, step in enumerate(steps, 1)]
    before = signal.signal(signal.SIGUSR1, lambda *_: box.close())
    try:
        for timer in timers:
            timer.start()
        assert box.add(EVENT) == 2
    finally:
        signal.signal(signal.SIGUSR1, before)
        for timer in timers:
            timer.join()
    assert box._open is None
    with pytest.raises(OutboxError, match="the outbox is closed"):
        box.add(EVENT)


def test_whoever_only_adds_in_transactions_of_a_table_that_is_there_opens_no_connection(
    box: PostgresOutbox, postgres: Cluster, table: str, connections: Connections
) -> None:
    box.add(EVENT)
    with PostgresOutbox(postgres.dsn, table=table, create=False) as other:
        connection = connections()
        other.add(EVENT, connection=connection)
        connection.commit()
        assert other._open is None
    assert len(box) == 2


def test_an_error_while_it_delivers_gives_the_right_back(
    box: PostgresOutbox, table: str, postgres: Cluster, connections: Connections
) -> None:
    box.add(EVENT)

    def deliver() -> None:
        with box.delivering():
            connections().execute(f"LOCK TABLE {table}".encode())
            box.count(timeout=0.05)

    with pytest.raises(OutboxError, match="timeout"):
        deliver()
    wait_until(lambda: not postgres.run("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'"))
