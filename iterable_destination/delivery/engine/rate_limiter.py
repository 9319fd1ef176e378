"""Rates: how fast requests may follow each other, for each endpoint.

What may live here: the pace of requests as numbers. The clock is handed in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from math import inf
from typing import Final

import attrs

from iterable_destination.model.endpoints import Endpoint

#: The part of a limit that is used. A request can arrive some milliseconds sooner or later than
#: others after it was let go; with less to spare, a strict server would count one too many.
_USED: Final = 0.96
#: Seconds that a request may go ahead of its time, so that one which went late is made up for.
_MADE_UP: Final = 0.01
#: The second over which a server counts, and a little more, for its clock is not ours.
_WINDOW: Final = 1.005
#: Seconds at most by which a request is taken to have arrived late, if its answer came late.
_LATEST: Final = 0.5
#: So many answers tell how long one usually takes at least.
_USUAL: Final = 16
#: After a 429 the pace is this part of what it was …
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
    """A request that was let go."""

    at: float
    #: None as long as it is under way.
    answered_at: float | None = None


class RateLimiter:
    """The pace of requests to one endpoint.

    ``limit`` is in requests per second, above 0; None is no limit, until a 429 says that there is
    one. Requests are spread evenly, so that no second has more than the limit, wherever it begins;
    and if one was held up on its way, which its late answer tells, others keep their distance.
    """

    def __init__(self, limit: float | None) -> None:
        self._limit = inf if limit is None else limit * _USED
        self._rate = self._limit
        self._next = -inf
        #: When the pace was changed last, or will be: at the end of a pause.
        self._changed = -inf
        #: The last requests, as many as the limit allows in a second; with none, not looked at.
        self._gone: Final[deque[Permit]] = deque(maxlen=0 if limit is None else int(limit))
        #: Seconds that the last answers took.
        self._took: Final[deque[float]] = deque(maxlen=_USUAL)
        #: Since when requests were counted, for a second at most, and how many.
        self._counted: tuple[float, int] = (-inf, 0)

    def available_at(self, now: float) -> float:
        """Return when the next request may go: ``now`` or later."""
        when = max(now, self._next - _MADE_UP)
        if len(self._gone) == self._gone.maxlen and self._gone:
            when = max(when, self._arrival(self._gone[0], now) + _WINDOW)
        return when

    def _arrival(self, release: Permit, now: float) -> float:
        """Return when a request arrived at the latest, as far as is known."""
        took = (now if release.answered_at is None else release.answered_at) - release.at
        late = took - min(self._took, default=took)
        return release.at + min(max(late, 0.0), _LATEST)

    def acquire(self, now: float) -> Permit:
        """Take note that a request goes now; :meth:`answered` is to be told when it is answered."""
        self._recover(now)
        self._next = max(self._next, now) + 1 / self._rate
        second, count = self._counted
        self._counted = (second, count + 1) if now - second < 1 else (now, 1)
        release = Permit(now)
        while self._gone and self._gone[0].at < now - _WINDOW - _LATEST:
            self._gone.popleft()  # it arrived more than a second ago, however late
        self._gone.append(release)
        return release

    def release(self, release: Permit, now: float) -> None:
        """Take note that a request was answered, or failed, now."""
        release.answered_at = now
        self._took.append(now - release.at)

    def on_rate_limited(self, now: float, wait: float) -> None:
        """Take note of a 429: nothing goes for ``wait`` seconds, and more slowly then."""
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
    """The paces of all endpoints of a project.

    ``limits`` are requests per second by path, and win over Iterable's documented ones; None is
    no limit. Not safe for several threads at once.
    """

    def __init__(self, limits: Mapping[str, float | None] | None = None) -> None:
        self._limits: Final = dict(limits or {})
        for path, limit in self._limits.items():
            if limit is not None and not 0 < limit < inf:
                message = f"{path}: a rate must be a number of requests per second above 0, or None"
                raise ValueError(message)
        self._limiters: Final[dict[str, RateLimiter]] = {}

    def of(self, endpoint: Endpoint) -> RateLimiter:
        """Return the pace of an endpoint."""
        limiter = self._limiters.get(endpoint.path)
        if limiter is None:
            limit = self._limits.get(endpoint.path, endpoint.rate)
            limiter = self._limiters[endpoint.path] = RateLimiter(limit)
        return limiter
