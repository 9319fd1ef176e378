"""What destinations and outboxes say, as metrics need it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from iterable_destination import Counters, Outbox
from iterable_destination.metrics import names
from iterable_destination.metrics.readings import Readings
from iterable_destination.testing import LocalIterable
from tests.support.delivering import delivering, held_by_a_thread, track

LEVELS = (names.WAITING, names.OUTBOX_EVENTS, names.OUTBOX_OLDEST_AGE)


def test_without_a_destination_there_is_nothing() -> None:
    readings = Readings()
    assert [dict(readings.counts(each)) for each in (names.OUTCOMES, names.RETRIES)] == [{}, {}]
    assert [readings.level(each) for each in LEVELS] == [None, None, None]


def test_every_outcome_is_there_from_the_beginning() -> None:
    readings = Readings()
    with LocalIterable() as iterable, delivering(iterable) as to:
        readings.watch(to, None)
        assert readings.counts(names.OUTCOMES) == dict.fromkeys(
            ("delivered", "skipped", "rejected", "retryable", "unknown"), 0
        )
        assert [readings.level(each) for each in LEVELS] == [0, None, None]


def test_outcomes_never_become_fewer() -> None:
    class Destination:
        counters = Counters()

    destination: Any = Destination()
    readings = Readings()
    readings.watch(destination, None)
    destination.counters.outcomes["rejected"] = 3
    assert readings.counts(names.OUTCOMES)["rejected"] == 3
    destination.counters.outcomes["rejected"] = 2  # its dead letter could not be written
    assert readings.counts(names.OUTCOMES)["rejected"] == 3
    destination.counters.outcomes["rejected"] = 4
    assert readings.counts(names.OUTCOMES)["rejected"] == 4


def test_an_outbox_that_cannot_be_read_has_no_levels(tmp_path: Path) -> None:
    readings = Readings()
    with (
        LocalIterable() as iterable,
        delivering(iterable) as to,
        Outbox(tmp_path / "outbox") as outbox,
    ):
        outbox.add(track(1))
        readings.watch(to, outbox)
        with held_by_a_thread(outbox):
            assert [readings.level(each) for each in LEVELS] == [0, None, None]
        assert readings.level(names.OUTBOX_EVENTS) == 1
        outbox.close()
        assert [readings.level(each) for each in LEVELS] == [0, None, None]
