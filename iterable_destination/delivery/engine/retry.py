"""Patience: what is tried again, after how long, and when it is given up.

What may live here: decisions about faults. No clock and no chance of its own: both are handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
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

#: Gives a number between two others.
Jitter = Callable[[float, float], float]

#: The bound of the first wait after a 429, in seconds: a limit is counted over a second.
_FIRST_WAIT_WHEN_LIMITED: Final = 1.0
#: Bounds double this often at most, so that they stay finite.
_DOUBLINGS: Final = 30
#: A bulk that Iterable failed on so often is sent in halves from then on: data can be the cause.
_FAILURES_OF_A_WHOLE_BULK: Final = 2


def _seconds(_: Any, attribute: attrs.Attribute[float], value: float) -> None:
    if not 0 <= value < inf:
        raise ValueError(f"{attribute.name}: must be a number of seconds, finite and at least 0")


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How long a fault is borne.

    Times are seconds, finite and at least 0; others raise :exc:`ValueError`.
    """

    #: From the first try of an event to the beginning of the last.
    deadline: float = attrs.field(default=60.0, validator=_seconds)
    #: Tries of a request, whatever becomes of them. At least 1.
    max_attempts: int = attrs.field(default=20, validator=attrs.validators.ge(1))
    #: Tries of a request that Iterable answers with a :exc:`~errors.ServerError`: such an answer
    #: can be the data's fault. At least 1.
    max_server_errors: int = attrs.field(default=5, validator=attrs.validators.ge(1))
    #: The first wait lies between 0 and this (and 1 second, for a rate limit), each further one
    #: between 0 and twice as much …
    initial_backoff: float = attrs.field(default=0.5, validator=_seconds)
    #: … up to this.
    max_backoff: float = attrs.field(default=30.0, validator=_seconds)
    #: How long nothing more is sent after a :exc:`~errors.ConfigurationError`, with which no
    #: event would get through.
    breaker_timeout: float = attrs.field(default=30.0, validator=_seconds)


@attrs.define
class Attempts:
    """What has been tried for one request, or for all the calls of one event."""

    #: No try begins after this, on the clock of whoever asks.
    deadline: float
    #: Requests sent so far.
    total: int = 0
    #: Answers that were a :exc:`~errors.ServerError`, of the call that is being tried.
    server_errors: int = 0
    #: Tries of the call that is being tried.
    of_this_call: int = 0
    #: Whether some request may have been applied without our knowing.
    is_ambiguous: bool = False

    def accepted(self) -> None:
        """Take note that a call was accepted; the next one, if any, begins anew."""
        self.is_ambiguous = False
        self.server_errors = self.of_this_call = 0

    def fresh_copy(self) -> Attempts:
        """Return the tries of the calls that come after this one."""
        attempts = attrs.evolve(self)
        attempts.accepted()
        return attempts

    def next_delay(
        self, error: ApiError, now: float, retry: RetryPolicy, jitter: Jitter
    ) -> float | None:
        """Take note of a failure; return how long to wait for the next try, None to give up."""
        self.is_ambiguous |= isinstance(error, AmbiguousAnswer)
        self.server_errors += isinstance(error, ServerError)
        if isinstance(error, RequestRefused | ConfigurationError):
            return None
        wait = self._wait(error, retry, jitter)
        given_up = (
            self.server_errors >= retry.max_server_errors or self.of_this_call >= retry.max_attempts
        )
        return None if given_up or now + wait > self.deadline else wait

    def _wait(self, error: ApiError, retry: RetryPolicy, jitter: Jitter) -> float:
        """Return how long to wait: full jitter that doubles, or longer if Iterable asks for it."""
        bound = retry.initial_backoff * 2 ** min(self.total - 1, _DOUBLINGS)
        if isinstance(error, RateLimited):
            bound = max(bound, _FIRST_WAIT_WHEN_LIMITED)
        wait = jitter(0, min(bound, retry.max_backoff))
        return max(wait, min(error.retry_after or 0, retry.max_backoff))

    @property
    def halves(self) -> bool:
        """Whether a bulk is to be sent in halves from now on."""
        return self.server_errors >= _FAILURES_OF_A_WHOLE_BULK

    def begin(self) -> None:
        """Take note that a request goes out."""
        self.total += 1
        self.of_this_call += 1
