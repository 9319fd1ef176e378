"""Delivery from an outbox: a kill loses no event, and no event overtakes another."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from iterable_destination import (
    Client,
    DeadLetters,
    Destination,
    NotSent,
    Outbox,
    OutboxError,
    Outcome,
    QueueFull,
)
from iterable_destination.delivery import outbox_worker as worker
from iterable_destination.errors import OutboxRightLost
from iterable_destination.model import endpoints
from iterable_destination.model.outcomes import Delivered, Retryable
from iterable_destination.model.records import OutboxRecord
from iterable_destination.testing import (
    Fault,
    LocalIterable,
    Project,
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
    identify,
    inversions,
    names,
    number_of,
    order,
    settings_of,
    track,
    wait_until,
)
from tests.support.outboxes import try_again_soon

Apply = Callable[[], Response]


@pytest.fixture(autouse=True)
def _no_leaks() -> Iterator[None]:
    leaks = Leaks()
    yield
    leaks.check()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    try_again_soon(monkeypatch)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "outbox") as outbox:
        yield outbox


def test_what_is_taken_is_on_disk_delivered_told_and_removed(outbox: Outbox) -> None:
    reported: list[Outcome] = []
    with LocalIterable() as iterable, delivering(iterable) as to:
        to.start(reported.append, outbox=outbox)
        numbers = [to.enqueue(event) for event in history(200, 20)]
        assert to.flush() == 0
        assert sorted(applied(iterable.project.effects)) == list(range(200))
        assert inversions(iterable, [f"u-{n}" for n in range(20)]) == []
    assert sorted(outcome.index for outcome in reported) == sorted(numbers)
    assert set(names(reported)) == {"delivered"}
    assert len(outbox) == 0


def test_taking_returns_when_the_event_is_on_disk(tmp_path: Path, outbox: Outbox) -> None:
    stalls = Script([faults.stall()] * 100)
    with LocalIterable(faults=stalls) as iterable, delivering(iterable) as to:
        to.start(outbox=outbox)
        event = track(0, timestamp="2026-02-07T10:00:00Z")
        number = to.enqueue(event)
        with Outbox(tmp_path / "outbox") as another:
            [entry] = another.read()
        assert (entry.number, entry.event()) == (number, event)
        assert to.close(0) == 1
        assert len(outbox) == 1


def test_only_what_is_certain_is_removed(outbox: Outbox, tmp_path: Path) -> None:
    """What is retryable or unknown stays; what is rejected is a dead letter."""
    by_user = {b'"u-1"': faults.server_error(503), b'"u-2"': faults.cut()}

    def fails(received: Received, apply: Apply) -> Response | Fault:
        return next((f for text, f in by_user.items() if text in received.body), None) or apply()

    events: list[Any] = [order(0, "u-0"), order(1, "u-1"), order(2, "u-2"), track(3, "u-3"), {}]
    events += [{"type": "group", "messageId": "m-5"}]
    with (
        LocalIterable(Project(forgotten={"u-3"}), faults=fails) as iterable,
        DeadLetters(tmp_path / "dead.jsonl") as dead,
        delivering(iterable, dead_letters=dead) as to,
    ):
        numbers = outbox.add_all(events)
        outcomes = {outcome.index: outcome.name for outcome in to.drain(outbox)}
        assert outcomes == dict(
            zip(
                numbers,
                ["delivered", "retryable", "unknown", "rejected", "rejected", "skipped"],
                strict=True,
            )
        )
        assert [entry.number for entry in outbox.read()] == numbers[1:3]
        letters = (tmp_path / "dead.jsonl").read_text().splitlines()
        assert len(letters) == 2
        by_user.clear()
        assert names(to.drain(outbox)) == ["delivered"] * 2
    assert len(outbox) == 0


def test_an_event_is_removed_only_after_its_outcome_was_told(outbox: Outbox) -> None:
    """Whoever is killed while being reported finds it there again."""
    outbox.add_all(history(30, 3))
    with LocalIterable() as iterable, delivering(iterable) as to:
        drain = cast("Generator[Outcome]", to.drain(outbox))
        first = next(drain)
        assert first.index in {entry.number for entry in outbox.read()}
        drain.close()
        left = {entry.number for entry in outbox.read()}
        assert first.index in left
        assert {outcome.index for outcome in to.drain(outbox)} == left
    assert len(outbox) == 0


def test_what_is_retryable_is_tried_again_in_its_order(outbox: Outbox) -> None:
    lock, failures = threading.Lock(), Counter[str]()

    def fails_at_first(received: Received, apply: Apply) -> Response | Fault:
        with lock:
            failures["all"] += 1
            if b'"u-1"' in received.body and failures["u-1"] < 25:
                failures["u-1"] += 1
                return faults.server_error(503)
        return apply()

    reported: list[Outcome] = []
    events = [make(n, f"u-{n % 3}") for n, make in enumerate([track, order, identify] * 10)]
    with LocalIterable(faults=fails_at_first) as iterable, delivering(iterable) as to:
        to.start(reported.append, outbox=outbox)
        for event in events:
            to.enqueue(event)
        assert to.flush(WAIT_SECONDS) == 0
        assert sorted(applied(iterable.project.effects)) == list(range(30))
        assert inversions(iterable, ["u-0", "u-1", "u-2"]) == []
    assert "retryable" in names(reported)
    delivered = [outcome.index for outcome in reported if outcome.name == "delivered"]
    assert sorted(delivered) == sorted(set(delivered))
    assert len(delivered) == 30


def test_a_retryable_event_has_its_turn_again_although_new_events_keep_coming(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pass goes on for two seconds after its first retryable event; each event takes one."""
    now, tried, is_done = 0.0, list[int](), threading.Event()
    monkeypatch.setattr(worker, "time", SimpleNamespace(monotonic=lambda: now, sleep=time.sleep))
    monkeypatch.setattr(worker, "_PASS_TIME", 2.0)
    monkeypatch.setattr(worker, "_PAGE_SIZE", 1)

    class Pool:
        def run(self, records: Iterator[OutboxRecord]) -> Iterator[list[Outcome]]:
            nonlocal now
            for record in records:
                now += 1
                tried.append(record.index)
                if len(tried) < 10:
                    outbox.add(track(len(tried)))
                else:
                    is_done.set()
                yield [(Delivered if len(tried) > 1 else Retryable)(index=record.index)]

        def close(self) -> None:
            """Do nothing."""

        abandon = close

    one_pass: Any = worker.OutboxPass(
        cast("Any", Pool()),
        cast("Any", SimpleNamespace(prepare=lambda _, record: record)),
        cast("Any", list),
    )
    outbox.add(track(0))
    with worker.OutboxWorker(outbox, lambda: one_pass, lambda _: None, lambda: None) as running:
        assert is_done.wait(WAIT_SECONDS)
        running.close(0)
    assert tried[:6] == [1, 2, 3, 4, 1, 5]


def waits_of(running: worker.OutboxWorker, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The first eight waits between the passes of a worker, which was closed before."""
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        running._is_stopping = len(waits) == 8

    monkeypatch.setattr(worker, "_INITIAL_BACKOFF", 1.0)
    monkeypatch.setattr(worker, "_MAX_BACKOFF", 60.0)
    running._backoff = 1.0
    running._is_stopping = False
    running._thread = threading.current_thread()
    monkeypatch.setattr(running, "_sleep", sleep)
    running._deliver()
    return waits


def test_waits_between_passes_that_deliver_nothing_double_up_to_a_minute(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_pass: Any = SimpleNamespace(
        run=lambda records: iter([[Retryable(index=record.index) for record in records]]),
        pool=SimpleNamespace(abandon=lambda: None),
    )
    running = worker.OutboxWorker(outbox, lambda: one_pass, lambda _: None, lambda: None)
    running.close(0)
    outbox.add(track(0))
    assert waits_of(running, monkeypatch) == [1, 2, 4, 8, 16, 32, 60, 60]


def test_what_ended_unknown_is_tried_again_with_its_id(outbox: Outbox) -> None:
    lost = Script([faults.cut()] * 45)
    with LocalIterable(faults=lost) as iterable, delivering(iterable) as to:
        to.start(outbox=outbox)
        to.enqueue(track(0))
        to.enqueue(track(1))
        assert to.flush(WAIT_SECONDS) == 0
        effects = iterable.project.effects
        assert len(effects) > 40
        assert doubled_ids(iterable) == []
        assert inversions(iterable, ["u-1"]) == []


def test_the_next_start_delivers_what_was_left(
    outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    fails = Script([faults.server_error()] * 1_000)
    with LocalIterable(faults=fails) as iterable, delivering(iterable) as to:
        to.start(outbox=outbox)
        for event in history(40, 8):
            to.enqueue(event)
        assert to.close(0) == 40
        assert f"closed; 40 events stay on disk, in {outbox.name!r}" in caplog.messages
        with pytest.raises(NotSent):
            to.enqueue(track(40))
        assert to.close() == 0
    with LocalIterable() as iterable, delivering(iterable) as to:
        to.start(outbox=outbox)
        assert to.flush(WAIT_SECONDS) == 0
        assert sorted(applied(iterable.project.effects)) == list(range(40))
        assert inversions(iterable, [f"u-{n}" for n in range(8)]) == []


def test_one_event_that_is_left_is_told_of_as_one(
    outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    fails = Script([faults.server_error()] * 1_000)
    with LocalIterable(faults=fails) as iterable, delivering(iterable) as to:
        to.start(outbox=outbox)
        to.enqueue(track(0))
        assert to.close(0) == 1
    assert f"closed; 1 event stays on disk, in {outbox.name!r}" in caplog.messages


def test_what_is_added_by_others_is_delivered_too(outbox: Outbox, tmp_path: Path) -> None:
    reported = threading.Event()
    with LocalIterable() as iterable, delivering(iterable) as to:
        to.start(lambda _: reported.set(), outbox=outbox)
        with Outbox(tmp_path / "outbox") as another:
            another.add(track(0))
        assert reported.wait(WAIT_SECONDS)
        assert to.flush(WAIT_SECONDS) == 0


def test_a_full_outbox_takes_nothing(tmp_path: Path) -> None:
    with (
        Outbox(tmp_path / "small", capacity=3) as small,
        LocalIterable(faults=Script([faults.server_error()] * 1_000)) as iterable,
        delivering(iterable) as to,
    ):
        to.start(outbox=small)
        for n in range(3):
            to.enqueue(track(n))
        with pytest.raises(QueueFull):
            to.enqueue(track(3))
        assert to.close(0) == 3


def test_a_callback_that_raises_stops_nothing(outbox: Outbox) -> None:
    def raises(_: Outcome) -> None:
        raise ValueError("mine")

    with LocalIterable() as iterable, delivering(iterable) as to:
        to.start(raises, outbox=outbox)
        for event in history(20, 4):
            to.enqueue(event)
        assert to.flush(WAIT_SECONDS) == 0
        assert sorted(applied(iterable.project.effects)) == list(range(20))


def test_a_second_start_is_refused_with_an_outbox_too(outbox: Outbox) -> None:
    with LocalIterable() as iterable, delivering(iterable) as to:
        to.start(outbox=outbox)
        for options in ({}, {"outbox": outbox}):
            with pytest.raises(RuntimeError, match=r"start\(\) was already called"):
                to.start(**options)  # type: ignore[arg-type]


def test_one_at_a_time_delivers_from_an_outbox(outbox: Outbox) -> None:
    """The second takes over when the first one closes."""
    gone = threading.Event()
    with LocalIterable() as iterable, delivering(iterable) as one, delivering(iterable) as two:
        with outbox.delivering(), pytest.raises(OutboxError, match="someone else delivers"):
            next(two.drain(outbox))
        one.start(outbox=outbox)
        one.enqueue(track(0))
        assert one.flush(WAIT_SECONDS) == 0
        two.start(lambda _: gone.set(), outbox=outbox)
        one.close()
        two.enqueue(track(1))
        assert gone.wait(WAIT_SECONDS)
        assert two.flush(WAIT_SECONDS) == 0
        assert applied(iterable.project.effects) == [0, 1]


def test_closing_while_the_server_stalls_does_not_wait_for_it(outbox: Outbox) -> None:
    reported: list[Outcome] = []
    met = threading.Event()

    def stalls(_: Received, __: Apply) -> Fault:
        met.set()
        return faults.stall()

    with LocalIterable(faults=stalls) as iterable, delivering(iterable) as to:
        to.start(reported.append, outbox=outbox)
        for n in range(5):
            to.enqueue(order(n, "u-1"))
        assert met.wait(WAIT_SECONDS)
        assert to.close(0.1) == 5
    assert "unknown" in names(reported)
    assert "delivered" not in names(reported)
    assert len(outbox) == 5


def test_an_outbox_that_breaks_meanwhile_is_said_and_the_thread_ends(
    outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    with LocalIterable() as iterable, delivering(iterable) as to:
        to.start(outbox=outbox)
        to.enqueue(track(0))
        assert to.flush(WAIT_SECONDS) == 0
        outbox.close()
        wait_until(lambda: "the outbox is closed" in caplog.text)
        with pytest.raises(OutboxError):
            to.enqueue(track(1))
        with pytest.raises(OutboxError):
            to.close()
    # its thread looks again and again until the process ends, or so it would
    thread = to._background._thread  # type: ignore[union-attr]
    to._background._is_stopping = True  # type: ignore[union-attr]
    thread.join(WAIT_SECONDS)  # type: ignore[union-attr]
    assert not thread.is_alive()  # type: ignore[union-attr]


def test_what_cannot_be_removed_is_not_sent_again_and_goes_on_when_there_is_room(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The disk is full: nothing can be written to it, so nothing is removed."""
    told: list[int] = []
    tries: list[int] = []
    is_full = True
    remove = outbox.remove

    def remove_if_there_is_room(numbers: Iterator[int]) -> None:
        found = list(numbers)
        tries.append(len(found))
        if is_full:
            raise OutboxError("database or disk is full")
        remove(found)

    monkeypatch.setattr(outbox, "remove", remove_if_there_is_room)
    outbox.add_all([track(n, f"u-{n}") for n in range(20)])
    with LocalIterable() as iterable, delivering(iterable) as to:
        to.start(lambda outcome: told.append(outcome.index), outbox=outbox)
        wait_until(lambda: len(tries) >= 6)
        assert sorted(told) == list(range(1, 21))
        assert "20 events are done with, but stay: database or disk is full" in caplog.text
        is_full = False
        outbox.add(track(20, "u-20"))
        assert to.flush(WAIT_SECONDS) == 0
        assert to.close(WAIT_SECONDS) == 0
        assert sorted(applied(iterable.project.effects)) == list(range(21))
        assert len(iterable.project.effects) == 21
    assert sorted(told) == list(range(1, 22))


def test_one_event_that_cannot_be_removed_is_told_of_as_one(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: Any) -> None:
        raise OutboxError("database or disk is full")

    running = worker.OutboxWorker(outbox, lambda: None, lambda _: None, lambda: None)  # type: ignore[arg-type,return-value]
    running.close(0)
    monkeypatch.setattr(outbox, "remove", refuse)
    assert not running._remove([1])
    assert caplog.messages == ["1 event is done with, but stays: database or disk is full"]


def test_whoever_loses_the_right_while_reading_abandons_what_was_read() -> None:
    abandoned: list[bool] = []

    def read_all(_: int) -> Iterator[list[OutboxRecord]]:
        yield [OutboxRecord(1, b"{}")]
        raise OutboxRightLost("the session ended")

    lost: Any = SimpleNamespace(read_all=read_all, remove=lambda _: None)
    one_pass: Any = SimpleNamespace(
        run=lambda records: ([Delivered(index=record.index)] for record in records),
        pool=SimpleNamespace(abandon=lambda: abandoned.append(True)),
    )
    outcomes = worker.deliver_outbox(lost, one_pass)
    assert names(next(outcomes)) == ["delivered"]
    assert not abandoned
    with pytest.raises(OutboxRightLost):
        next(outcomes)
    assert abandoned


def test_waits_for_room_grow(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Any) -> None:
        raise OutboxError("database or disk is full")

    one_pass: Any = SimpleNamespace(
        run=lambda records: iter([[Delivered(index=record.index) for record in records]]),
        pool=SimpleNamespace(abandon=lambda: None),
    )
    running = worker.OutboxWorker(outbox, lambda: one_pass, lambda _: None, lambda: None)
    running.close(0)
    outbox.add(track(0))
    monkeypatch.setattr(outbox, "remove", refuse)
    assert waits_of(running, monkeypatch) == [1, 2, 4, 8, 16, 32, 60, 60]


def test_an_outbox_that_is_closed_first_closes_the_client_all_the_same(outbox: Outbox) -> None:
    closed: list[bool] = []

    class Noting(Client):
        def close(self) -> None:
            closed.append(True)
            super().close()

    with LocalIterable() as iterable:
        to = Destination(settings_of(iterable))
        vars(to)["_client"] = Noting(settings_of(iterable))
        to.start(outbox=outbox)
        outbox.close()
        with pytest.raises(OutboxError, match="the outbox is closed"):
            to.close(WAIT_SECONDS)
    assert closed


# Several processes -------------------------------------------------------------------------------

PROCESS = """
import os, sys
from iterable_destination import Destination, Outbox, RetryPolicy, Settings
from iterable_destination.delivery import outbox_worker
from tests.support.delivering import QUICK, RATE_LIMITS, history
for name in ("_INITIAL_BACKOFF", "_MAX_BACKOFF", "_PASS_TIME", "_POLL"):
    setattr(outbox_worker, name, 0.02)
url, path, first, last, step = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
events = history(last, 30)
def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())  # in one piece
with Outbox(path) as outbox:
    settings = Settings(api_key="k", base_url=url)
    with Destination(settings, retry=QUICK, rate_limits=RATE_LIMITS) as to:
        to.start(lambda outcome: say(outcome.name, outcome.index), outbox=outbox)
        for n in range(first, last, step):
            to.enqueue(events[n])
            say("taken", n)
        say("left", to.flush(20))
"""


def process(iterable: LocalIterable, path: Path, *numbers: int) -> subprocess.Popen[str]:
    arguments = [iterable.url, str(path), *map(str, numbers)]
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, *arguments], stdout=subprocess.PIPE, text=True
    )


def test_two_processes_with_one_outbox_deliver_each_event_once(tmp_path: Path) -> None:
    path = tmp_path / "outbox"
    with LocalIterable(Project(api_key=None)) as iterable:
        # of 30 users each process has half, so that each user's order is that of its numbers
        both = [process(iterable, path, first, 600, 2) for first in (0, 1)]
        written = [running.communicate(timeout=30)[0].splitlines() for running in both]
        effects = iterable.project.effects
        assert sorted(applied(effects)) == list(range(600))
        assert len(effects) == 600
        assert inversions(iterable, [f"u-{n}" for n in range(30)]) == []
    assert [running.returncode for running in both] == [0, 0]
    reported = [line for lines in written for line in lines if line.startswith("delivered")]
    assert len(reported) == len(set(reported)) == 600
    assert [lines[-1] for lines in written] == ["left 0", "left 0"]


@pytest.mark.parametrize("times", [3, pytest.param(8, marks=pytest.mark.slow)])
def test_killed_at_any_moment_an_outbox_loses_nothing(tmp_path: Path, times: int) -> None:
    path = tmp_path / "outbox"
    jitter = Random(11)  # noqa: S311 - moments, no secrets
    taken: set[int] = set()
    first, kills = 0, 0
    slow = Script([faults.latency(0.003)] * 100_000)
    with LocalIterable(Project(api_key=None), faults=slow) as iterable:
        for _ in range(times):
            running = process(iterable, path, first, first + 300, 1)
            assert running.stdout is not None
            lines = [running.stdout.readline() for _ in range(jitter.randrange(1, 500))]
            running.send_signal(signal.SIGKILL)
            lines += running.stdout.readlines()
            running.stdout.close()
            kills += running.wait(WAIT_SECONDS) == -signal.SIGKILL
            whole = [line.split() for line in lines if line.endswith("\n")]
            taken |= {int(words[1]) for words in whole if words[0] == "taken"}
            first += 300
        assert kills >= times - 2
        with Outbox(path) as outbox, delivering(iterable) as to:
            assert set(names(to.drain(outbox))) <= {"delivered"}
            assert len(outbox) == 0
        there = applied(iterable.project.effects)
        assert taken <= set(there)
        assert len(taken) > 60 * times
        assert doubled_ids(iterable) == []
        assert inversions(iterable, [f"u-{n}" for n in range(30)]) == []


def test_at_the_end_of_the_interpreter_an_outbox_is_delivered(tmp_path: Path) -> None:
    script = """
import sys
from iterable_destination import Destination, Outbox, Settings
to = Destination(Settings(api_key="k", base_url=sys.argv[1]))
to.start(outbox=Outbox(sys.argv[2]))
for n in range(50):
    to.enqueue({"type": "track", "event": "Seen", "userId": "u-1", "properties": {"n": n}})
"""
    path = tmp_path / "outbox"
    with LocalIterable(Project(api_key=None)) as iterable:
        done = subprocess.run(
            [sys.executable, "-c", script, iterable.url, str(path)],
            capture_output=True,
            check=False,
            timeout=WAIT_SECONDS,
        )
        assert applied(iterable.project.effects) == list(range(50))
    assert (done.returncode, done.stderr) == (0, b"")
    with Outbox(path) as outbox:
        assert len(outbox) == 0


def test_at_the_end_of_the_interpreter_an_outbox_that_is_broken_is_told_in_one_line(
    tmp_path: Path,
) -> None:
    script = """
import logging, sys
from pathlib import Path
from iterable_destination import Destination, Outbox, Settings
logging.basicConfig(level=logging.ERROR, format="%(message)s")
path = Path(sys.argv[1])
to = Destination(Settings(api_key="k", base_url="http://127.0.0.1:9"))
to.start(outbox=Outbox(path))
path.write_bytes(b"no outbox")
"""
    path = tmp_path / "outbox"
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        capture_output=True,
        check=False,
        timeout=WAIT_SECONDS,
    )
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 0
    assert lines
    assert all(line.startswith(f"{path}: ") for line in lines), lines


def test_the_files_are_the_owners_alone(tmp_path: Path, outbox: Outbox) -> None:
    with LocalIterable() as iterable, delivering(iterable) as to:
        to.start(outbox=outbox)
        to.enqueue(track(0))
        assert to.flush(WAIT_SECONDS) == 0
        made = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert set(made.values()) == {0o600}
    assert {"outbox", "outbox-deliverer"} <= made.keys()


# Users who are known by two names ----------------------------------------------------------------


def name_then_fail() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """An identify with two names; then an order by one of them, and a track by the other."""
    both = identify(0) | {"traits": {"email": "a@example.com", "n": 0}}
    by_email = order(1) | {"userId": None, "context": {"traits": {"email": "a@example.com"}}}
    return both, [by_email, track(2, "u-1")]


def failing_orders() -> Script:
    path = endpoints.TRACK_PURCHASE.path
    return Script([faults.server_error()] * 2, paths={path})


def test_names_that_belong_together_are_remembered_across_passes(outbox: Outbox) -> None:
    both, later = name_then_fail()
    with LocalIterable(faults=failing_orders()) as iterable, delivering(iterable) as to:
        to.start(outbox=outbox)
        to.enqueue(both)
        assert to.flush(WAIT_SECONDS) == 0
        for event in later:
            to.enqueue(event)
        assert to.flush(WAIT_SECONDS) == 0
        assert list(map(number_of, iterable.project.effects)) == [0, 1, 2]


def test_names_that_belong_together_are_remembered_across_calls_of_send_all() -> None:
    both, later = name_then_fail()
    with LocalIterable(faults=failing_orders()) as iterable, delivering(iterable) as to:
        assert [each.name for each in to.send_all([both])] == ["delivered"]
        assert {each.name for each in to.send_all(later)} == {"delivered"}
        assert list(map(number_of, iterable.project.effects)) == [0, 1, 2]


# How many wait -----------------------------------------------------------------------------------


def test_what_waits_is_what_is_in_the_outbox(outbox: Outbox) -> None:
    with LocalIterable() as iterable:
        settings = settings_of(iterable)
    with Destination(settings) as to:
        outbox.add(track(0))
        assert to.waiting == 0
        to.start(outbox=outbox)
        to.enqueue(track(1))
        assert to.waiting == len(outbox) == 2
        outbox.close()
        with pytest.raises(OutboxError, match="is closed"):
            _ = to.waiting
        with pytest.raises(OutboxError, match="is closed"):
            to.close(0)
