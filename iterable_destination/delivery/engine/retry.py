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
Chance = Callable[[float, float], float]

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
class Patience:
    """How long a fault is borne.

    Times are seconds, finite and at least 0; others raise :exc:`ValueError`.
    """

    #: From the first try of an event to the beginning of the last.
    deadline: float = attrs.field(default=60.0, validator=_seconds)
    #: Tries of a request, whatever becomes of them. At least 1.
    tries: int = attrs.field(default=20, validator=attrs.validators.ge(1))
    #: Tries of a request that Iterable answers with a :exc:`~errors.ServerError`: such an answer
    #: can be the data's fault. At least 1.
    server_errors: int = attrs.field(default=5, validator=attrs.validators.ge(1))
    #: The first wait lies between 0 and this (and 1 second, for a rate limit), each further one
    #: between 0 and twice as much …
    first_wait: float = attrs.field(default=0.5, validator=_seconds)
    #: … up to this.
    longest_wait: float = attrs.field(default=30.0, validator=_seconds)
    #: How long nothing more is sent after a :exc:`~errors.ConfigurationError`, with which no
    #: event would get through.
    breaker: float = attrs.field(default=30.0, validator=_seconds)


@attrs.define
class Tries:
    """What has been tried for one request, or for all the calls of one event."""

    #: No try begins after this, on the clock of whoever asks.
    until: float
    #: Requests sent so far.
    attempts: int = 0
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

    def afresh(self) -> Tries:
        """Return the tries of the calls that come after this one."""
        tries = attrs.evolve(self)
        tries.accepted()
        return tries

    def again_after(
        self, error: ApiError, now: float, patience: Patience, chance: Chance
    ) -> float | None:
        """Take note of a failure; return how long to wait for the next try, None to give up."""
        self.is_ambiguous |= isinstance(error, AmbiguousAnswer)
        self.server_errors += isinstance(error, ServerError)
        if isinstance(error, RequestRefused | ConfigurationError):
            return None
        wait = self._wait(error, patience, chance)
        given_up = (
            self.server_errors >= patience.server_errors or self.of_this_call >= patience.tries
        )
        return None if given_up or now + wait > self.until else wait

    def _wait(self, error: ApiError, patience: Patience, chance: Chance) -> float:
        """Return how long to wait: full jitter that doubles, or longer if Iterable asks for it."""
        bound = patience.first_wait * 2 ** min(self.attempts - 1, _DOUBLINGS)
        if isinstance(error, RateLimited):
            bound = max(bound, _FIRST_WAIT_WHEN_LIMITED)
        wait = chance(0, min(bound, patience.longest_wait))
        return max(wait, min(error.retry_after or 0, patience.longest_wait))

    @property
    def halves(self) -> bool:
        """Whether a bulk is to be sent in halves from now on."""
        return self.server_errors >= _FAILURES_OF_A_WHOLE_BULK

    def begin(self) -> None:
        """Take note that a request goes out."""
        self.attempts += 1
        self.of_this_call += 1
