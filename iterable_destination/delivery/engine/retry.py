"""Retry policy: when a failed request is sent again, and when it is given up.

The clock and the jitter are passed in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import attrs

from iterable_destination.errors import (
    AmbiguousAnswer,
    ApiError,
    ConfigurationError,
    RateLimited,
    RequestRefused,
    ServerError,
)
from iterable_destination.model.bounds import check_count, check_seconds

#: Returns a number between two others.
Jitter = Callable[[float, float], float]

#: The smallest bound of the delay after a 429, in seconds: a rate is counted over a second.
_RATE_LIMIT_BACKOFF: Final = 1.0
#: The most doublings of the backoff, so that it stays finite.
_MAX_DOUBLINGS: Final = 30
#: Server errors after which a bulk is split: an item of it may be the cause.
_SERVER_ERRORS_BEFORE_SPLIT: Final = 2


def _check_seconds(_: Any, attribute: attrs.Attribute[float], value: float) -> None:
    check_seconds(attribute.name, value)


def _check_count(_: Any, attribute: attrs.Attribute[int], value: int) -> None:
    check_count(attribute.name, value)


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """When a failed request is retried, and when it is given up.

    Times are seconds, finite and at least 0; counts are whole numbers, at least 1. Anything else
    raises :exc:`ValueError`.
    """

    #: From the first attempt of an event to the beginning of the last.
    deadline: float = attrs.field(default=60.0, validator=_check_seconds)
    #: Attempts of a request, whatever the error.
    max_attempts: int = attrs.field(default=20, validator=_check_count)
    #: Attempts of a request that ends in a :exc:`~errors.ServerError`: the data can be the cause.
    max_server_errors: int = attrs.field(default=5, validator=_check_count)
    #: The first delay lies between 0 and this (and 1 second, for a rate limit), each further one
    #: between 0 and twice as much …
    initial_backoff: float = attrs.field(default=0.5, validator=_check_seconds)
    #: … up to this.
    max_backoff: float = attrs.field(default=30.0, validator=_check_seconds)
    #: How long nothing more is sent after a :exc:`~errors.ConfigurationError`, which would fail
    #: every event.
    breaker_timeout: float = attrs.field(default=30.0, validator=_check_seconds)


@attrs.define
class Attempts:
    """The attempts so far of one request, or of all the calls of one event."""

    #: No attempt begins after this moment, on the scheduler's clock.
    deadline: float
    #: Requests sent so far.
    total: int = 0
    #: Responses to the current call that were a :exc:`~errors.ServerError`.
    server_errors: int = 0
    #: Attempts of the current call.
    of_this_call: int = 0
    #: Whether Iterable may have applied a request whose response is missing.
    is_ambiguous: bool = False
    #: Whether Iterable refused it last for a user that it does not know yet, and may know soon.
    is_early: bool = False

    def begin(self) -> None:
        """Record that a request goes out."""
        self.total += 1
        self.of_this_call += 1

    def begin_next_call(self) -> None:
        """Record that a call was accepted, so that the next one begins anew."""
        self.is_ambiguous = self.is_early = False
        self.server_errors = self.of_this_call = 0

    def for_next_call(self) -> Attempts:
        """Return the attempts of the calls that come after the current one."""
        attempts = attrs.evolve(self)
        attempts.begin_next_call()
        return attempts

    def next_delay(
        self, error: ApiError, now: float, retry: RetryPolicy, jitter: Jitter
    ) -> float | None:
        """Record a failure; return the seconds until the next attempt, or None to give up."""
        self.is_ambiguous |= isinstance(error, AmbiguousAnswer)
        self.server_errors += isinstance(error, ServerError)
        if isinstance(error, RequestRefused | ConfigurationError) and not self.is_early:
            return None
        if self.server_errors >= retry.max_server_errors or self.of_this_call >= retry.max_attempts:
            return None
        delay = self._backoff(error, retry, jitter)
        return None if now + delay > self.deadline else delay

    def _backoff(self, error: ApiError, retry: RetryPolicy, jitter: Jitter) -> float:
        """Return the delay: exponential backoff with full jitter, or longer if Iterable says so."""
        bound = retry.initial_backoff * 2 ** min(self.total - 1, _MAX_DOUBLINGS)
        if isinstance(error, RateLimited):
            bound = max(bound, _RATE_LIMIT_BACKOFF)
        delay = jitter(0, min(bound, retry.max_backoff))
        return max(delay, min(error.retry_after or 0, retry.max_backoff))

    @property
    def needs_split(self) -> bool:
        """Whether a bulk is to be sent in halves from now on."""
        return self.server_errors >= _SERVER_ERRORS_BEFORE_SPLIT
