"""Delivery in the background: nothing blocks, and each event has one reported outcome."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from iterable_destination import (
    DeadLetters,
    Destination,
    NotSent,
    Outbox,
    Outcome,
    QueueFull,
    RetryPolicy,
    Settings,
    Translation,
    errors,
    translate,
)
from iterable_destination.testing import LocalIterable, Project, Received, Response, Script, faults
from tests.support.delivering import (
    WAIT_SECONDS,
    Leaks,
    applied,
    by_index,
    delivering,
    history,
    inversions,
    names,
    order,
    settings_of,
    track,
    wait_until,
)

Apply = Callable[[], Response]


@pytest.fixture(autouse=True)
def _no_leaks() -> Iterator[None]:
    leaks = Leaks()
    yield
    leaks.check()


class Gate:
    """Lets requests wait before they are applied, until it is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.met = threading.Event()

    def __call__(self, _: Received, apply: Apply) -> Response:
        self.met.set()
        self.opened.wait(WAIT_SECONDS)
        return apply()


# Taking events -----------------------------------------------------------------------------------


def test_every_event_has_one_outcome_in_another_thread_with_the_number_it_was_given() -> None:
    reported: list[Outcome] = []
    threads = set()

    def report(outcome: Outcome) -> None:
        reported.append(outcome)
        threads.add(threading.current_thread())

    events: list[Any] = [*history(400, 40), {}, None, {"type": "group"}]
    with LocalIterable() as iterable, delivering(iterable) as to:
        assert to.start(report) is to
        assert [to.enqueue(event) for event in events] == list(range(403))
        assert to.flush() == 0
        assert len(reported) == 403
        assert sorted(applied(iterable.project.effects)) == list(range(400))
        assert inversions(iterable, [f"u-{n}" for n in range(40)]) == []
        assert to.close() == 0
    assert names(by_index(reported)) == ["delivered"] * 400 + ["rejected", "rejected", "skipped"]
    assert len(threads) == 1
    assert threading.current_thread() not in threads
    for user in range(40):
        mine = [each.index for each in reported if each.index < 400 and each.index % 40 == user]
        assert mine == sorted(mine)


def test_an_event_goes_out_without_a_flush() -> None:
    reported = threading.Event()
    with LocalIterable() as iterable, delivering(iterable) as to:
        to.start(lambda _: reported.set())
        to.enqueue(track(0))
        assert reported.wait(WAIT_SECONDS)


def test_one_event_is_told_of_as_one(caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate()
    with LocalIterable(faults=gate) as iterable, delivering(iterable) as to:
        to.start(capacity=1)
        to.enqueue(track(0))
        with pytest.raises(QueueFull, match="1 event waits to be delivered"):
            to.enqueue(track(1))
        assert to.close(0) == 1
        gate.opened.set()
    assert "closed before 1 event was delivered" in caplog.messages


def test_nobody_need_be_told() -> None:
    with LocalIterable() as iterable, delivering(iterable) as to:
        to.start()
        to.enqueue(track(0))
        assert to.flush() == 0
        assert applied(iterable.project.effects) == [0]


def test_taking_an_event_does_not_wait_for_the_server() -> None:
    gate = Gate()
    with LocalIterable(faults=gate) as iterable, delivering(iterable) as to:
        to.start()
        for n in range(500):
            to.enqueue(track(n, f"u-{n % 50}"))
        assert gate.met.wait(WAIT_SECONDS)
        assert iterable.project.effects == []
        gate.opened.set()
        assert to.flush() == 0


def test_when_there_is_no_room_nothing_is_taken() -> None:
    gate = Gate()
    reported: list[Outcome] = []
    with LocalIterable(faults=gate) as iterable, delivering(iterable) as to:
        to.start(reported.append, capacity=20)
        for n in range(20):
            to.enqueue(track(n, f"u-{n}"))
        for n in range(20, 25):
            with pytest.raises(QueueFull, match="20 events wait to be delivered"):
                to.enqueue(track(n, f"u-{n}"))
        gate.opened.set()
        assert to.flush() == 0
        assert to.enqueue(track(25, "u-25")) >= 20
        assert to.flush() == 0
    assert names(reported) == ["delivered"] * 21
    assert sorted(applied(iterable.project.effects)) == [*range(20), 25]
    assert len({outcome.index for outcome in reported}) == 21


def test_a_capacity_of_one_is_enough() -> None:
    with LocalIterable() as iterable, delivering(iterable) as to:
        to.start(capacity=1)
        assert to.enqueue(track(0)) == 0
        assert to.flush() == 0


def test_an_event_may_be_changed_when_it_was_taken(tmp_path: Path) -> None:
    gate = Gate()
    path = tmp_path / "dead.jsonl"
    with (
        LocalIterable(Project(forgotten={"u-2"}), faults=gate) as iterable,
        DeadLetters(path) as dead,
        delivering(iterable, dead_letters=dead) as to,
    ):
        to.start()
        for user in ("u-1", "u-2"):
            event = track(7, user, properties={"n": 7, "deep": {"list": [1]}})
            to.enqueue(event)
            event["properties"]["deep"]["list"].append(2)
            event["properties"]["n"] = 8
            event["userId"] = "u-9"
        gate.opened.set()
        assert to.flush() == 0
    [effect] = iterable.project.effects
    assert (effect.user_id, effect.data_fields) == ("u-1", {"n": 7, "deep": {"list": [1]}})
    [letter] = map(json.loads, path.read_text().splitlines())
    assert (letter["userId"], letter["properties"]) == ("u-2", {"n": 7, "deep": {"list": [1]}})


def test_many_threads_may_hand_in_events() -> None:
    reported: list[Outcome] = []
    with LocalIterable() as iterable, delivering(iterable) as to:
        to.start(reported.append)

        def hands_in(part: int) -> None:
            for n in range(part * 100, part * 100 + 100):
                to.enqueue(track(n, f"u-{part}"))

        threads = [threading.Thread(target=hands_in, args=(part,)) for part in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_SECONDS)
        assert to.flush() == 0
        assert inversions(iterable, [f"u-{n}" for n in range(8)]) == []
    assert names(by_index(reported)) == ["delivered"] * 800


def test_a_user_is_not_held_for_good_in_the_background() -> None:
    """What was retryable is reported; a later event of its user is tried again."""
    fails = Script([faults.server_error(503)] * 5)
    reported: list[Outcome] = []
    with LocalIterable(faults=fails) as iterable, delivering(iterable) as to:
        to.start(reported.append)
        to.enqueue(track(0))
        assert to.flush() == 0
        to.enqueue(track(1))
        assert to.flush() == 0
    assert names(reported) == ["retryable", "delivered"]


def test_after_a_flush_bulks_wait_for_more_events_again() -> None:
    with LocalIterable() as iterable, delivering(iterable) as to:
        to.start()
        to.enqueue(track(0))
        assert to.flush() == 0
        pool = to._background._pool  # type: ignore[union-attr]
        wait_until(lambda: not pool._scheduler.finished)  # type: ignore[union-attr]


def test_an_event_that_is_translated_while_the_destination_closes_is_not_taken() -> None:
    told: list[Outcome] = []

    def closes(event: Any, settings: Settings) -> Translation:
        to.close()
        return translate(event, settings)

    with LocalIterable() as iterable, delivering(iterable, translator=closes) as to:
        to.start(told.append)
        with pytest.raises(NotSent, match=r"\Athe destination is closed\Z"):
            to.enqueue(track(0))
    assert told == []


def breaks_for_one(event: Any, settings: Settings) -> Translation:
    """Stands in for a translator, or a value of an event, that raises something."""
    if event["userId"] == "u-50":
        raise ArithmeticError("u-50")
    return translate(event, settings)


def _send_singly(to: Destination, events: list[Any], _: Path) -> list[Outcome]:
    return [to.send(event, index=n) for n, event in enumerate(events)]


def _send_all(to: Destination, events: list[Any], _: Path) -> list[Outcome]:
    return list(to.send_all(events))


def _send_in_time(to: Destination, events: list[Any], _: Path) -> list[Outcome]:
    return list(to.send_all(events, timeout=WAIT_SECONDS))


def _send_in_background(to: Destination, events: list[Any], _: Path) -> list[Outcome]:
    told: list[Outcome] = []
    to.start(told.append)
    assert [to.enqueue(event) for event in events] == list(range(100))
    assert to.flush() == 0
    return told


def _send_from_outbox(to: Destination, events: list[Any], path: Path) -> list[Outcome]:
    told: list[Outcome] = []
    with Outbox(path / "outbox") as outbox:
        to.start(told.append, outbox=outbox)
        assert [to.enqueue(event) for event in events] == list(range(1, 101))
        assert to.flush(WAIT_SECONDS) == 0
        to.close()
    return [attrs.evolve(outcome, index=outcome.index - 1) for outcome in told]


@pytest.mark.parametrize(
    "send", [_send_singly, _send_all, _send_in_time, _send_in_background, _send_from_outbox]
)
def test_what_one_event_raises_stops_no_other(send: Any, tmp_path: Path) -> None:
    with (
        LocalIterable() as iterable,
        DeadLetters(tmp_path / "dead.jsonl") as dead,
        delivering(iterable, translator=breaks_for_one, dead_letters=dead) as to,
    ):
        told = by_index(send(to, [track(n, f"u-{n}") for n in range(100)], tmp_path))
        assert len(iterable.project.effects) == 99
    assert Counter(names(told)) == {"delivered": 99, "rejected": 1}
    assert told[50].message == "the translator failed with ArithmeticError"
    [letter] = map(json.loads, (tmp_path / "dead.jsonl").read_text().splitlines())
    assert letter["messageId"] == "m-50"


# Telling -----------------------------------------------------------------------------------------


def test_what_a_callback_raises_is_logged_and_stops_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reported: list[int] = []

    def raises(outcome: Outcome) -> None:
        reported.append(outcome.index)
        raise ValueError("mine")

    with LocalIterable() as iterable, delivering(iterable) as to:
        to.start(raises)
        for event in history(50, 10):
            to.enqueue(event)
        assert to.flush() == 0
        assert sorted(applied(iterable.project.effects)) == list(range(50))
    assert sorted(reported) == list(range(50))
    logged = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.getMessage() for record in logged] == ["on_outcome raised"] * 50


def test_a_callback_may_hand_in_again_what_is_retryable() -> None:
    fails = Script([faults.server_error(503)] * 5)
    reported: list[str] = []
    done = threading.Event()
    with LocalIterable(faults=fails) as iterable, delivering(iterable) as to:

        def again(outcome: Outcome) -> None:
            reported.append(outcome.name)
            if outcome.name == "retryable":
                to.enqueue(track(0))
            else:
                done.set()

        to.start(again)
        to.enqueue(track(0))
        assert done.wait(WAIT_SECONDS)
    assert reported == ["retryable", "delivered"]


def test_a_slow_callback_bounds_nothing_but_itself() -> None:
    go = threading.Event()
    reported: list[Outcome] = []

    def waits(outcome: Outcome) -> None:
        go.wait(WAIT_SECONDS)
        reported.append(outcome)

    with LocalIterable() as iterable, delivering(iterable) as to:
        to.start(waits)
        for n in range(30):
            to.enqueue(order(n, f"u-{n}"))
        until = time.monotonic() + WAIT_SECONDS
        while len(iterable.project.effects) < 30 and time.monotonic() < until:
            time.sleep(0.005)
        assert len(iterable.project.effects) == 30
        assert reported == []
        assert to.flush(0.05) == 30
        go.set()
        assert to.flush() == 0
    assert len(reported) == 30


# Flushing and closing ----------------------------------------------------------------------------


@pytest.mark.parametrize("timeout", [0, 0.2])
def test_a_flush_says_what_is_left_and_leaves_it_in_flight(timeout: float) -> None:
    gate = Gate()
    with LocalIterable(faults=gate) as iterable, delivering(iterable) as to:
        to.start()
        for n in range(15):
            to.enqueue(track(n, f"u-{n}"))
        began = time.monotonic()
        assert to.flush(timeout) == 15
        assert time.monotonic() - began >= timeout
        gate.opened.set()
        assert to.flush() == 0
        assert len(iterable.project.effects) == 15


def test_closing_says_what_is_left_and_tells_of_it() -> None:
    """What was under way is unknown, what waited behind it was not sent."""
    gate = Gate()
    reported: list[Outcome] = []
    with LocalIterable(faults=gate) as iterable, delivering(iterable) as to:
        to.start(reported.append)
        for n in range(10):
            to.enqueue(order(n, f"u-{n % 2}"))
        assert gate.met.wait(WAIT_SECONDS)
        assert to.close(0.2) == 10
        gate.opened.set()
    assert len(by_index(reported)) == 10
    for outcome in reported:
        assert outcome.name == ("unknown" if outcome.attempts else "retryable")
    assert Counter(names(reported)) == {"unknown": 2, "retryable": 8}
    kinds = {type(outcome.error) for outcome in reported}
    assert kinds == {errors.AmbiguousAnswer, NotSent}


def test_closing_delivers_what_waits() -> None:
    reported: list[Outcome] = []
    with LocalIterable() as iterable:
        with delivering(iterable) as to:
            to.start(reported.append)
            for event in history(200, 20):
                to.enqueue(event)
        assert names(by_index(reported)) == ["delivered"] * 200
        assert len(iterable.project.effects) == 200


def test_closing_twice_does_nothing_more() -> None:
    with LocalIterable() as iterable, delivering(iterable) as to:
        to.start()
        to.enqueue(track(0))
        assert to.close() == 0
        assert to.close() == 0
        assert applied(iterable.project.effects) == [0]


def test_after_closing_no_event_is_taken() -> None:
    with LocalIterable() as iterable, delivering(iterable) as to:
        to.start()
        to.close()
        with pytest.raises(NotSent, match="the destination is closed"):
            to.enqueue(track(0))
        assert to.flush(0) == 0
        assert iterable.project.requests == []


def test_without_a_start_there_is_no_queue() -> None:
    with LocalIterable() as iterable, delivering(iterable) as to:
        with pytest.raises(RuntimeError, match=r"start\(\) was not called"):
            to.enqueue(track(0))
        with pytest.raises(RuntimeError, match=r"start\(\) was not called"):
            to.flush()
        assert to.close() == 0


def test_a_second_start_is_refused() -> None:
    with LocalIterable() as iterable, delivering(iterable) as to:
        to.start()
        with pytest.raises(RuntimeError, match=r"start\(\) was already called"):
            to.start()
        to.enqueue(track(0))
        assert to.flush() == 0


def test_sending_directly_and_in_the_background_go_side_by_side() -> None:
    reported: list[Outcome] = []
    with LocalIterable() as iterable, delivering(iterable) as to:
        to.start(reported.append)
        for n in range(20):
            to.enqueue(track(n, f"u-{n}"))
            assert to.send(order(100 + n, f"u-{n}")).name == "delivered"
        assert set(names(to.send_all(track(200 + n, f"u-{n}") for n in range(20)))) == {"delivered"}
        assert to.flush() == 0
        assert len(iterable.project.effects) == 60
    assert len(reported) == 20


def test_a_wrong_key_is_told_of_every_event() -> None:
    reported: list[Outcome] = []
    with LocalIterable() as iterable, delivering(iterable, key="another-key") as to:
        to.start(reported.append)
        for n in range(200):
            to.enqueue(track(n, f"u-{n}"))
        assert to.flush() == 0
        assert len(iterable.project.requests) <= 10
    assert {(outcome.name, type(outcome.error)) for outcome in reported} == {
        ("retryable", errors.Unauthorized)
    }
    assert len(reported) == 200


# The end of the interpreter ----------------------------------------------------------------------

SCRIPT = """
import sys
from iterable_destination import Destination, Settings
to = Destination(Settings(api_key="k", base_url=sys.argv[1]))
to.start(lambda outcome: print(outcome.index, outcome.name))
for n in range(300):
    to.enqueue({"type": "track", "event": "Seen", "userId": f"u-{n % 30}", "messageId": f"m-{n}",
                "properties": {"n": n}})
if len(sys.argv) > 2:
    raise SystemExit(int(sys.argv[2]))
"""


@pytest.mark.parametrize("status", [[], ["3"]], ids=["end", "exit"])
def test_at_the_end_of_the_interpreter_what_waits_is_delivered(status: list[str]) -> None:
    slow = Script([faults.latency(0.3)] * 10)
    with LocalIterable(Project(api_key=None), faults=slow) as iterable:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, iterable.url, *status],
            capture_output=True,
            check=False,
            text=True,
            timeout=WAIT_SECONDS,
        )
        assert sorted(applied(iterable.project.effects)) == list(range(300))
    assert (done.returncode, done.stderr) == (int(*status) if status else 0, "")
    reported = [line.split() for line in done.stdout.splitlines()]
    assert sorted(int(index) for index, _ in reported) == list(range(300))
    assert {name for _, name in reported} == {"delivered"}


def test_a_destination_that_is_forgotten_is_not_kept_alive_by_the_end() -> None:
    with LocalIterable() as iterable:
        settings = Settings(api_key=iterable.api_key, base_url=iterable.url)
        for _ in range(3):
            with Destination(settings, retry=RetryPolicy(deadline=0)) as to:
                to.start()
                to.enqueue(track(0))
        assert len(iterable.project.requests) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_closed_queue_stays_closed_in_a_child() -> None:
    script = """
import os, sys, threading
from iterable_destination import Destination, NotSent, Settings
to = Destination(Settings(api_key="k", base_url="http://127.0.0.1:9"))
to.start()
to.close()
child = os.fork()
if child == 0:
    try:
        to.enqueue({"type": "track", "event": "A", "userId": "u"})
    except NotSent:
        os._exit(7 if threading.active_count() == 1 else 8)
    os._exit(9)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-c", script], check=False, timeout=WAIT_SECONDS)
    assert done.returncode == 7


def test_the_last_outcome_that_cannot_be_told_is_raised() -> None:
    def fail(_: list[Outcome]) -> None:
        raise OSError("full")

    for number in range(50):
        with LocalIterable() as iterable, delivering(iterable) as to:
            queue = to._stream(fail)
            queue.put(track(number))
            with pytest.raises(OSError, match="full"):
                queue.flush(WAIT_SECONDS)
            queue.close(0)


# --- how many wait


def test_what_waits_is_counted_until_its_outcome_is_told() -> None:
    told, may_go = threading.Event(), threading.Event()

    def report(_: Outcome) -> None:
        told.set()
        may_go.wait(WAIT_SECONDS)

    with LocalIterable() as iterable, delivering(iterable) as to:
        assert to.waiting == 0
        to.start(report)
        assert to.waiting == 0
        for number in range(3):
            to.enqueue(track(number))
        assert told.wait(WAIT_SECONDS)
        wait_until(lambda: to.waiting == 3)  # one that is taken in at this moment counts twice
        may_go.set()
        assert to.flush() == 0
        assert to.waiting == 0
        to.enqueue(track(3))
    assert to.waiting == 0


def test_what_waits_while_there_is_no_server_is_counted() -> None:
    with LocalIterable() as iterable:
        settings = settings_of(iterable)
    patient = RetryPolicy(initial_backoff=30, max_backoff=30)
    with Destination(settings, retry=patient) as to:
        to.start()
        to.enqueue(track(0))
        wait_until(lambda: to.counters.retries.total() > 0)
        assert to.waiting == 1
        assert to.close(0) == 1
        assert to.waiting == 0
