"""Greenlets in place of threads: replaced too late, and copied by a fork."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from iterable_destination import Destination, Outbox, Outcome
from iterable_destination.model.endpoints import TRACK_PURCHASE
from iterable_destination.testing import LocalIterable, RandomFaults, faults
from tests.support.delivering import (
    WAIT_SECONDS,
    applied,
    delivering,
    order,
    track,
    wait_until,
)


def threads_of(name: str) -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == f"iterable-{name}"]


def hand_in(to: Destination, numbers: range) -> None:
    for number in numbers:
        to.enqueue(track(number, f"u-{number}"))


@pytest.mark.parametrize("has_outbox", [False, True])
def test_what_was_made_before_threads_were_replaced_says_so(
    has_outbox: bool,  # noqa: FBT001
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = "^made before gevent or the like replaced the threads; make it afterwards: under"
    with LocalIterable() as iterable, delivering(iterable) as to:
        outbox = Outbox(tmp_path / "outbox") if has_outbox else None
        with monkeypatch.context() as patch:
            patch.setattr(threading, "RLock", threading._PyRLock)  # type: ignore[attr-defined]
            with pytest.raises(RuntimeError, match=said):
                to.start(outbox=outbox)
            with pytest.raises(RuntimeError, match=said):
                list(to.send_all([track(0)]))
        assert iterable.project.requests == []
        to.start(outbox=outbox)
        assert to.enqueue(track(1)) >= 0
        assert to.flush(WAIT_SECONDS) == 0
        to.close()
        if outbox is not None:
            outbox.close()
        assert applied(iterable.project.effects) == [1]


@pytest.mark.parametrize("outbox_name", [None, "outbox"])
def test_copies_of_threads_end_and_send_nothing(outbox_name: str | None, tmp_path: Path) -> None:
    """They do what a fork's copies of greenlets would do, which go on in the child process."""
    told: list[int] = []
    slow = RandomFaults({faults.latency(0.2): 1.0}, seed=1)
    more: dict[str, Any] = {}
    if outbox_name is not None:
        more["outbox"] = Outbox(tmp_path / outbox_name)
    with LocalIterable(faults=slow) as iterable, delivering(iterable, max_workers=2) as to:
        to.start(lambda outcome: told.append(outcome.index), **more)
        hand_in(to, range(1))
        wait_until(lambda: to.counters.requests)
        names = ["outbox", "worker"] if more else ["intake", "outcomes", "worker"]
        copies = [thread for name in names for thread in threads_of(name)]
        assert len(copies) >= len(names)
        with to.lock:
            to.after_fork()  # as in a child process
        if more:
            more["outbox"].remove([1])  # what the parent does
        in_flight = sum(to.counters.requests.values())
        time.sleep(0.3)
        for number in (1, 2):
            hand_in(to, range(number, number + 1))
        assert to.flush(WAIT_SECONDS) == 0
        assert sum(to.counters.requests.values()) <= in_flight + 2
        for copy in copies:
            if copy.name in {"iterable-outbox", "iterable-worker"}:
                copy.join(WAIT_SECONDS)
                assert not copy.is_alive(), copy.name
        to.close()
    assert sorted(applied(iterable.project.effects)) == [0, 1, 2]
    assert len(told) == 2
    if more:
        more["outbox"].close()


def test_outcomes_of_a_parents_send_all_are_not_taken_in_a_child() -> None:
    outcomes: list[Outcome] = []
    slowly = {TRACK_PURCHASE.path: 2}  # so that some are not settled yet
    with LocalIterable() as iterable, delivering(iterable, rate_limits=slowly) as to:
        running = to.send_all(order(number, f"u-{number}") for number in range(20))
        outcomes.append(next(running))
        with to.lock:
            to.after_fork()
        with pytest.raises(RuntimeError, match="go on only in the process that began them"):
            outcomes.extend(running)
    assert 0 < len(outcomes) < 20
