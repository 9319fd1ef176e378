"""Rate limiters: when the next request to an endpoint may go. The clock is passed in."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from math import inf
from typing import Final

import attrs

from iterable_destination.model.bounds import check_rate
from iterable_destination.model.endpoints import Endpoint

#: The part of a limit that is used. A request can take some milliseconds more or less than others
#: to arrive; with less to spare, a strict server would count one too many.
_USED: Final = 0.96
#: Seconds that a request may go early, to make up for one that went late.
_MADE_UP: Final = 0.01
#: Seconds over which a server counts, and a little more, since its clock is another.
_WINDOW: Final = 1.005
#: Seconds at most by which a request is taken to have arrived late, if its response came late.
_LATEST: Final = 0.5
#: How many responses are looked at for the shortest time that one takes.
_USUAL: Final = 16
#: After a 429 the rate is this part of what it was …
_SLOWED: Final = 0.7
#: … but no slower than this part of the limit …
_SLOWEST: Final = 1 / 16
#: … and grows back by this part of the limit in each second without another.
_REGAINED: Final = 0.1
#: Where no limit is known, it is no slower than this after a 429, in requests per second …
_CAUTIOUS: Final = 5.0
#: … and grows by this part of itself in each second.
_GROWTH: Final = 0.5


@attrs.define(eq=False)
class Permit:
    """The right to send one request."""

    #: When it was acquired.
    at: float
    #: When the response came; None while the request is in flight.
    response_at: float | None = None


class RateLimiter:
    """Spaces the requests to one endpoint.

    ``limit`` is in requests per second, above 0; None is no limit, until a 429 shows that there is
    one. Requests are spread evenly, so that no second, wherever it begins, has more than the limit.
    If a request was delayed on its way, as a late response shows, later ones wait longer.
    """

    def __init__(self, limit: float | None) -> None:
        self._limit = inf if limit is None else limit * _USED
        self._rate = self._limit
        self._next = -inf
        #: When the rate was changed last, or will be: at the end of a pause.
        self._changed = -inf
        #: The last permits, as many as the limit allows in a second; none where there is no limit.
        self._recent: Final[deque[Permit]] = deque(maxlen=0 if limit is None else int(limit))
        #: Seconds that the last responses took.
        self._durations: Final[deque[float]] = deque(maxlen=_USUAL)
        #: Since when requests were counted, for a second at most, and how many.
        self._counted: tuple[float, int] = (-inf, 0)

    @property
    def rate(self) -> float:
        """Requests per second, as things are now; infinite if there is no limit."""
        return self._rate

    def available_at(self, now: float) -> float:
        """Return when the next request may go: ``now`` or later."""
        at = max(now, self._next - _MADE_UP)
        if len(self._recent) == self._recent.maxlen and self._recent:
            at = max(at, self._latest_arrival(self._recent[0], now) + _WINDOW)
        return at

    def _latest_arrival(self, permit: Permit, now: float) -> float:
        """Return the latest moment at which a request can have arrived, as far as is known."""
        took = (now if permit.response_at is None else permit.response_at) - permit.at
        late = took - min(self._durations, default=took)
        return permit.at + min(max(late, 0.0), _LATEST)

    def acquire(self, now: float) -> Permit:
        """Record a request that goes now; give its permit to :meth:`release` when it ends."""
        self._recover(now)
        self._next = max(self._next, now) + 1 / self._rate
        second, count = self._counted
        self._counted = (second, count + 1) if now - second < 1 else (now, 1)
        permit = Permit(now)
        while self._recent and self._recent[0].at < now - _WINDOW - _LATEST:
            self._recent.popleft()  # it arrived more than a second ago, however late
        self._recent.append(permit)
        return permit

    def release(self, permit: Permit, now: float) -> None:
        """Record that a request has its response, or failed, now."""
        permit.response_at = now
        self._durations.append(now - permit.at)

    def on_rate_limited(self, now: float, wait: float) -> None:
        """Record a 429: nothing goes for ``wait`` seconds, and requests go more slowly then."""
        if now >= self._changed:  # of several at once, one counts
            rate = self._counted[1] if self._rate == inf else self._rate
            slowest = _CAUTIOUS if self._limit == inf else self._limit * _SLOWEST
            self._rate = max(rate * _SLOWED, slowest)
            self._changed = now + 1
        self._next = max(self._next, now + wait)
        self._changed = max(self._changed, self._next)

    def _recover(self, now: float) -> None:
        if self._rate < self._limit and now > self._changed:
            whole, part = (self._rate, _GROWTH) if self._limit == inf else (self._limit, _REGAINED)
            self._rate = min(self._rate + whole * part * (now - self._changed), self._limit)
            self._changed = now


class RateLimiters:
    """The rate limiters of a project's endpoints. Not for several threads at once.

    ``limits`` are requests per second by path, above 0 and at most 1,000,000, and win over the
    documented ones; None is no limit. ``paths`` are those that may be named; None is any.

    Raises :exc:`ValueError` for a path that is not known, or a rate out of bounds.
    """

    def __init__(
        self,
        limits: Mapping[str, float | None] | None = None,
        paths: Collection[str] | None = None,
    ) -> None:
        self._limits: Final = dict(limits or {})
        for path, limit in self._limits.items():
            if paths is not None and path not in paths:
                known = ", ".join(sorted(paths))
                raise ValueError(f"{path}: no path that requests go to; the paths are {known}")
            check_rate(path, limit)
        self._limiters: Final[dict[str, RateLimiter]] = {}

    def of(self, endpoint: Endpoint) -> RateLimiter:
        """Return the rate limiter of an endpoint."""
        limiter = self._limiters.get(endpoint.name)
        if limiter is None:
            limit = self._limits.get(endpoint.name, endpoint.rate)
            limiter = self._limiters[endpoint.name] = RateLimiter(limit)
        return limiter
