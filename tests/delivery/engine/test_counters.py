"""Counters of requests, retries, waits and outcomes."""

from __future__ import annotations

from iterable_destination.delivery.engine.counters import Counters
from iterable_destination.errors import NotConnected, RateLimited


def test_nothing_is_counted_before_something_is_done() -> None:
    counters = Counters()
    assert (counters.outcomes, counters.requests, counters.retries, counters.waits) == (
        {},
        {},
        {},
        {},
    )


def test_waits_are_added_up_by_the_name_of_the_error() -> None:
    counters = Counters()
    counters.add_wait(RateLimited("slow down"), 1.5)
    counters.add_wait(RateLimited("slow down"), 2.0)
    counters.add_wait(NotConnected("nobody there"), 0.0)
    assert counters.retries == {"RateLimited": 2, "NotConnected": 1}
    assert counters.waits == {"RateLimited": 3.5, "NotConnected": 0.0}


def test_a_copy_stays_as_it_was() -> None:
    counters = Counters()
    counters.outcomes["delivered"] += 1
    counters.requests["/api/events/track"] += 1
    counters.add_wait(NotConnected("nobody there"), 1.0)
    copy = counters.copy()
    assert copy == counters
    counters.outcomes["delivered"] += 1
    counters.requests["/api/events/track"] += 1
    counters.add_wait(NotConnected("nobody there"), 1.0)
    assert copy == Counters(copy.outcomes, copy.requests, copy.retries, {"NotConnected": 1.0})
    assert (copy.outcomes, copy.requests, copy.retries) == (
        {"delivered": 1},
        {"/api/events/track": 1},
        {"NotConnected": 1},
    )
