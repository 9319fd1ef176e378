"""Delivery from an outbox in PostgreSQL: nothing is lost, doubled or overtaken."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from random import Random
from typing import Any

import pytest

from iterable_destination import Outcome, PostgresOutbox
from iterable_destination.errors import OutboxRightLost
from iterable_destination.receivers import webhook_app
from iterable_destination.testing import (
    Fault,
    LocalIterable,
    Project,
    RandomFaults,
    Received,
    Response,
    Script,
    faults,
)
from tests.support.delivering import (
    WAIT_SECONDS,
    Leaks,
    applied,
    delivering,
    doubled_ids,
    history,
    inversions,
    names,
    order,
    settings_of,
    track,
    wait_until,
)
from tests.support.outboxes import new_table, try_again_soon
from tests.support.postgres import Cluster


@pytest.fixture(autouse=True)
def _no_leaks(postgres: Cluster) -> Iterator[None]:  # noqa: ARG001 - it has descriptors, too
    leaks = Leaks()
    yield
    leaks.check()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    try_again_soon(monkeypatch)


@pytest.fixture
def table(postgres: Cluster) -> str:
    return new_table(postgres).name


@pytest.fixture
def outbox(postgres: Cluster, table: str) -> Iterator[PostgresOutbox]:
    with PostgresOutbox(postgres.dsn, table=table) as outbox:
        yield outbox


def users(count: int) -> list[str]:
    return [f"u-{n}" for n in range(count)]


def test_what_is_committed_is_delivered_and_what_is_rolled_back_is_not(
    outbox: PostgresOutbox, postgres: Cluster
) -> None:
    reported: list[Outcome] = []
    with (
        LocalIterable() as iterable,
        delivering(iterable) as to,
        postgres.connect() as connection,
    ):
        to.start(reported.append, outbox=outbox)
        for n, event in enumerate(history(200, 20)):
            outbox.add(event, connection=connection)
            if n % 5 == 4:
                connection.rollback()
            else:
                connection.commit()
        assert to.enqueue(track(200)) > 200
        assert to.flush(WAIT_SECONDS) == 0
        expected = {n for n in range(201) if n % 5 != 4}
        assert sorted(applied(iterable.project.effects)) == sorted(expected)
        assert inversions(iterable, users(20)) == []
    assert names(reported) == ["delivered"] * len(expected)
    assert len(outbox) == 0


def test_a_long_transaction_holds_all_up_and_then_they_go_in_order(
    outbox: PostgresOutbox, postgres: Cluster
) -> None:
    events = history(60, 3)
    with (
        LocalIterable() as iterable,
        delivering(iterable) as to,
        postgres.connect() as long,
    ):
        to.start(outbox=outbox)
        outbox.add_all(events[:20])
        assert to.flush(WAIT_SECONDS) == 0
        outbox.add_all(events[20:40], connection=long)
        outbox.add_all(events[40:])
        assert to.flush(0.3) == 20
        assert sorted(applied(iterable.project.effects)) == list(range(20))
        long.commit()
        assert to.flush(WAIT_SECONDS) == 0
        assert sorted(applied(iterable.project.effects)) == list(range(60))
        assert inversions(iterable, users(3)) == []


def test_what_is_retryable_is_tried_again_in_its_order(outbox: PostgresOutbox) -> None:
    fails = Script([faults.server_error(503)] * 40 + [faults.cut()] * 10)
    with LocalIterable(faults=fails) as iterable, delivering(iterable) as to:
        to.start(outbox=outbox)
        outbox.add_all(history(60, 3))
        assert to.flush(WAIT_SECONDS) == 0
        assert sorted(applied(iterable.project.effects)) == list(range(60))
        assert inversions(iterable, users(3)) == []
        assert doubled_ids(iterable) == []


def test_another_takes_over_when_the_first_closes(
    outbox: PostgresOutbox, postgres: Cluster, table: str
) -> None:
    with (
        PostgresOutbox(postgres.dsn, table=table) as another,
        LocalIterable() as iterable,
        delivering(iterable) as one,
        delivering(iterable) as two,
    ):
        told: list[int] = []
        one.start(outbox=outbox)
        one.enqueue(track(0))
        assert one.flush(WAIT_SECONDS) == 0
        two.start(lambda outcome: told.append(outcome.index), outbox=another)
        one.close()
        number = outbox.add(track(1))
        wait_until(lambda: told == [number])
        assert two.flush(WAIT_SECONDS) == 0
        assert applied(iterable.project.effects) == [0, 1]


@pytest.mark.parametrize("seed", range(3))
def test_sessions_that_end_in_the_middle_of_a_pass_lose_and_overtake_nothing(
    outbox: PostgresOutbox, postgres: Cluster, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    chance = Random(seed)  # noqa: S311 - moments, no secrets
    slow = Script([faults.latency(0.004)] * 10_000)
    with LocalIterable(faults=slow) as iterable, delivering(iterable, max_workers=4) as to:
        outbox.add_all(history(600, 30))
        to.start(outbox=outbox)
        for _ in range(3):
            time.sleep(chance.uniform(0.05, 0.25))
            postgres.terminate()
        wait_until(lambda: to.flush(0) == 0)
        assert sorted(applied(iterable.project.effects)) == list(range(600))
        assert inversions(iterable, users(30)) == []
        assert doubled_ids(iterable) == []
    assert "the right to deliver" in caplog.text


def test_whoever_loses_the_right_sends_nothing_more(
    outbox: PostgresOutbox, postgres: Cluster
) -> None:
    is_lost = threading.Event()
    after: list[str] = []

    def note(received: Received, apply: Any) -> Response | Fault:
        if is_lost.is_set():
            after.append(received.path)
        return faults.server_error(503) if b'"u-1"' in received.body else apply()

    outbox.add_all([order(n, "u-1") for n in range(5)] + [order(n, f"v-{n}") for n in range(5, 9)])
    with LocalIterable(faults=note) as iterable, delivering(iterable) as to:
        drain = to.drain(outbox)
        assert next(drain).name == "delivered"
        postgres.terminate()
        is_lost.set()
        after.clear()
        with pytest.raises(OutboxRightLost):
            list(drain)
        time.sleep(0.3)
        assert len(after) <= 1, "what was in flight"


def test_a_receiver_keeps_events_in_it(
    outbox: PostgresOutbox, postgres: Cluster, table: str
) -> None:
    answered: list[str] = []
    event = json.dumps(track(0)).encode()

    def call(app: Any, method: str, path: str, body: bytes = b"") -> bytes:
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
        }
        return b"".join(app(environ, lambda status, _: answered.append(status)))

    with LocalIterable() as iterable:
        app = webhook_app(
            settings_of(iterable), without_authentication=True, outbox=outbox, health_details=True
        )
        assert json.loads(call(app, "POST", "/", event)) == {"kept": 1}
        wait_until(lambda: applied(iterable.project.effects) == [0])
        assert "waiting" in json.loads(call(app, "GET", "/health"))
        postgres.run(f"ALTER TABLE {table} RENAME TO {table}_gone")
        call(app, "POST", "/", event)
        postgres.run(f"ALTER TABLE {table}_gone RENAME TO {table}")
        app.close()
    assert [status[:3] for status in answered] == ["200", "200", "503"]


def test_at_the_end_of_the_interpreter_it_is_delivered(
    outbox: PostgresOutbox, postgres: Cluster, table: str
) -> None:
    script = """
import sys
from iterable_destination import Destination, PostgresOutbox, Settings
to = Destination(Settings(api_key="k", base_url=sys.argv[1]))
to.start(outbox=PostgresOutbox(sys.argv[2], table=sys.argv[3]))
for n in range(50):
    to.enqueue({"type": "track", "event": "Seen", "userId": "u-1", "properties": {"n": n}})
"""
    with LocalIterable(Project(api_key=None)) as iterable:
        done = subprocess.run(
            [sys.executable, "-c", script, iterable.url, postgres.dsn, table],
            capture_output=True,
            check=False,
            timeout=WAIT_SECONDS,
        )
        assert applied(iterable.project.effects) == list(range(50))
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(outbox) == 0


# Several processes -------------------------------------------------------------------------------

PRODUCER = """
import sys
import psycopg
from random import Random
from iterable_destination import PostgresOutbox
from tests.support.delivering import history
dsn, table, first, count = *sys.argv[1:3], *map(int, sys.argv[3:])
chance = Random(first)
events = history(count, 30)
with PostgresOutbox(dsn, table=table) as outbox, psycopg.connect(dsn) as connection:
    for n in range(first, count, 3):
        with connection.transaction(force_rollback=chance.random() < 0.1) as transaction:
            if chance.random() < 0.3:
                connection.execute("SELECT pg_current_xact_id(), pg_sleep(0.002)")
            outbox.add(events[n], connection=connection)
        if not transaction.force_rollback:
            print(n, flush=True)
"""

DELIVERER = """
import sys, time
from iterable_destination import Destination, PostgresOutbox, RetryPolicy, Settings
from iterable_destination.delivery import outbox_worker
from tests.support.delivering import QUICK, RATE_LIMITS
for name in ("_INITIAL_BACKOFF", "_MAX_BACKOFF", "_PASS_TIME", "_POLL"):
    setattr(outbox_worker, name, 0.02)
dsn, table, url = sys.argv[1:]
with PostgresOutbox(dsn, table=table) as outbox:
    settings = Settings(api_key="k", base_url=url)
    with Destination(settings, retry=QUICK, rate_limits=RATE_LIMITS) as to:
        to.start(outbox=outbox)
        print("started", flush=True)
        sys.stdin.read()
"""


def start(code: str, *arguments: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def kill_all(processes: list[subprocess.Popen[str]]) -> None:
    for each in processes:
        each.kill()
        each.communicate()


@pytest.mark.parametrize(
    ("events", "kills"), [(400, 1), pytest.param(6_000, 6, marks=pytest.mark.slow)]
)
def test_producers_that_roll_back_and_deliverers_that_are_killed(
    postgres: Cluster, outbox: PostgresOutbox, table: str, events: int, kills: int
) -> None:
    """Three processes add, two would deliver, one of them is killed now and then."""
    chance = Random(events)  # noqa: S311 - moments, no secrets
    of_a_request = {
        faults.server_error(503): 0.03,
        faults.reset(applied=True): 0.02,
        faults.rate_limited(): 0.02,
        faults.latency(0.01): 0.3,
    }
    faulty = RandomFaults(of_a_request, seed=5)
    with LocalIterable(Project(api_key=None), faults=faulty) as iterable, ExitStack() as stack:
        deliverers = [start(DELIVERER, postgres.dsn, table, iterable.url) for _ in range(2)]
        stack.callback(kill_all, deliverers)
        producers = [start(PRODUCER, postgres.dsn, table, n, events) for n in range(3)]
        for _ in range(kills):
            oldest = deliverers.pop(0)  # which has the right, for the others came later
            assert oldest.stdout is not None
            assert oldest.stdout.readline() == "started\n"
            time.sleep(chance.uniform(0.1, 0.6))
            oldest.send_signal(signal.SIGKILL)
            oldest.communicate()
            assert oldest.returncode == -signal.SIGKILL
            deliverers.append(start(DELIVERER, postgres.dsn, table, iterable.url))
        committed = {
            int(text) for each in producers for text in each.communicate(timeout=120)[0].split()
        }
        wait_until(lambda: len(outbox) == 0, timeout=120)
        for each in deliverers:  # the end of its input is the end of it
            each.communicate(timeout=60)
        assert [each.returncode for each in (*producers, *deliverers)] == [0] * 5
        found = applied(iterable.project.effects)
        assert 0.8 * events < len(committed) < 0.97 * events
        assert set(found) == committed
        assert doubled_ids(iterable) == []
        assert inversions(iterable, users(30)) == []
