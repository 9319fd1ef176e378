"""Counters: what a destination has done so far. They hold no personal data."""

from __future__ import annotations

from collections import Counter

import attrs

from iterable_destination.errors import ApiError


@attrs.define
class Counters:
    """What a destination has done so far."""

    #: Events, by the name of their outcome.
    outcomes: Counter[str] = attrs.field(factory=Counter)
    #: Requests sent, by path, retries included. A path with parts that differ has names in braces.
    requests: Counter[str] = attrs.field(factory=Counter)
    #: Retries, done or due, by the name of the error.
    retries: Counter[str] = attrs.field(factory=Counter)
    #: Seconds between a failure and the next attempt, by the name of the error.
    waits: dict[str, float] = attrs.field(factory=dict)

    def copy(self) -> Counters:
        """Return the counters as they are now."""
        return Counters(
            self.outcomes.copy(), self.requests.copy(), self.retries.copy(), self.waits.copy()
        )

    def add_wait(self, error: ApiError, seconds: float) -> None:
        """Count a wait before a request is sent again."""
        name = type(error).__name__
        self.retries[name] += 1
        self.waits[name] = self.waits.get(name, 0.0) + seconds
