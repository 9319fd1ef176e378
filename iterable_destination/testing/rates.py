"""The rate limits of endpoints, in requests per second.

Choices, where Iterable's documents are silent: the limit holds for any second, not for seconds of
the clock, so that no burst passes between two of them; only accepted requests count; and a refusal
has no time to wait.
"""

from __future__ import annotations

from collections import deque

import attrs

from iterable_destination.testing.responses import refusal


@attrs.define
class Rates:
    """The accepted requests of the last second, by endpoint."""

    #: The number of refused requests.
    refused: int = attrs.field(default=0, init=False)
    _accepted: dict[str, deque[float]] = attrs.field(factory=dict, init=False)

    def check(self, endpoint: str, limit: float, now: float) -> None:
        """Accept one request, or raise Refusal (``RateLimitExceeded``).

        No second, beginning at any moment, has more than ``limit`` accepted requests. ``now`` is in
        unix seconds; if the clock was set back, requests of its future still count.
        """
        accepted = self._accepted.setdefault(endpoint, deque())
        while accepted and accepted[0] <= now - 1:
            accepted.popleft()
        if len(accepted) + 1 > limit:
            self.refused += 1
            raise refusal("RateLimitExceeded", "Too many requests", status=429)
        accepted.append(now)
