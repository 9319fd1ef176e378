"""Delivery policy: the rules of a scheduler, and what it shares with other schedulers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf

import attrs

from iterable_destination.delivery.engine.bulk import BulkEndpoint
from iterable_destination.delivery.engine.circuit_breaker import CircuitBreaker
from iterable_destination.delivery.engine.counters import Counters
from iterable_destination.delivery.engine.linked_keys import LinkedKeys
from iterable_destination.delivery.engine.rate_limiter import Permit, RateLimiters
from iterable_destination.delivery.engine.recent_users import RecentUsers
from iterable_destination.delivery.engine.retry import Attempts, Jitter, RetryPolicy
from iterable_destination.errors import ApiError, ConfigurationError, RateLimited, RequestRefused
from iterable_destination.model.endpoints import Endpoint


@attrs.frozen(kw_only=True)
class DeliveryPolicy:
    """The rules of a scheduler. The schedulers of one destination share all but the last three.

    One that delivers in the background from memory has linked keys of its own as well.
    """

    retry: RetryPolicy
    rate_limiters: RateLimiters
    breaker: CircuitBreaker
    counters: Counters
    jitter: Jitter
    recent_users: RecentUsers = attrs.field(factory=RecentUsers)
    linked_keys: LinkedKeys = attrs.field(factory=LinkedKeys)
    #: Called for each request that will be sent again, with its endpoint, error and delay in
    #: seconds.
    on_retry: Callable[[Endpoint, ApiError, float], None]
    #: The bulk endpoint for the calls of a path; calls of other paths are sent singly.
    bulk_endpoints: Mapping[str, BulkEndpoint]
    #: How many envelopes may wait or be in flight before ``Scheduler.is_full``.
    max_pending: int
    #: The moment from which on nothing is sent.
    stop_at: float = inf
    #: Whether a paused user stays paused for good, or only for what waits at the time.
    keeps_paused: bool = True

    def begin(self, endpoint: Endpoint, attempts: Attempts, now: float) -> Permit:
        """Record that a request goes out, and return its permit."""
        self.breaker.begin(now)
        self.counters.requests[endpoint.name] += 1
        attempts.begin()
        return self.rate_limiters.of(endpoint).acquire(now)

    def next_delay(
        self, endpoint: Endpoint, error: ApiError, attempts: Attempts, now: float, *, is_last: bool
    ) -> float | None:
        """Record that a request failed; return the seconds until the next attempt.

        None means to give up. ``is_last`` is whether to give up in any case.
        """
        if isinstance(error, ConfigurationError):
            self.breaker.open(error, now)
        else:
            self.breaker.close(is_accepted=isinstance(error, RequestRefused))
        delay = attempts.next_delay(error, now, self.retry, self.jitter)
        if is_last:
            delay = None
        if isinstance(error, RateLimited):
            self.rate_limiters.of(endpoint).on_rate_limited(now, 1.0 if delay is None else delay)
        if delay is not None:
            self.counters.add_wait(error, delay)
            self.on_retry(endpoint, error, delay)
        return delay
