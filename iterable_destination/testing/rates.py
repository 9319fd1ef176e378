"""How many requests an endpoint takes in a second.

What may live here: the counting of requests, and the refusal of one too many. Choices, where
Iterable's documents are silent: the second is any, not one of the clock's, so that no burst slips
through between two of them; only requests that are let through count; and a refusal names no time
to wait.
"""

from __future__ import annotations

from collections import deque

import attrs

from iterable_destination.testing.answers import refusal


@attrs.define
class Rates:
    """The requests that were let through in the last second, by endpoint."""

    #: How many requests were refused.
    refused: int = attrs.field(default=0, init=False)
    _taken: dict[str, deque[float]] = attrs.field(factory=dict, init=False)

    def check(self, endpoint: str, limit: float, now: float) -> None:
        """Let one request through, or raise Refusal (``RateLimitExceeded``).

        No second, beginning at any moment, has more than ``limit`` of those let through. ``now``
        is in unix seconds; where the clock went back, requests of its future count on.
        """
        taken = self._taken.setdefault(endpoint, deque())
        while taken and taken[0] <= now - 1:
            taken.popleft()
        if len(taken) + 1 > limit:
            self.refused += 1
            raise refusal("RateLimitExceeded", "Too many requests", status=429)
        taken.append(now)
