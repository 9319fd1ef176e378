"""Faults between a client and the local Iterable, and the choice of requests that meet them.

A fault is a value. Nothing here uses a socket or waits: :mod:`.wire` carries faults out.

::

    from iterable_destination.testing import LocalIterable, RandomFaults, Script, faults

    LocalIterable(faults=Script([faults.rate_limited(retry_after=1), None, faults.cut()]))
    LocalIterable(faults=RandomFaults({faults.reset(applied=True): 0.05}, seed=7))

A fault is *ambiguous* if the request is applied and the response does not say so, because it is
lost, cut, or replaced. A client that retries such a request applies it twice, unless an ``id``
makes the second an update.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import accumulate
from math import fsum, inf
from random import Random
from typing import Final, Literal

import attrs

from iterable_destination.testing.responses import HTML_TYPE, Response, coded_response, success

#: The target of redirects. A local Iterable with faults responds success there, applies nothing,
#: and records the request in ``LocalIterable.followed``.
REDIRECTED: Final = "/redirected"
REDIRECTS: Final = (301, 302, 303, 307, 308)
SERVER_ERRORS: Final = range(500, 600)

#: How the connection ends: it is kept, closed, or reset (RST).
End = Literal["keep", "close", "reset"]

_PAGE: Final = (
    b"<!DOCTYPE html>\n<html><head><title>Sorry</title></head>"
    b"<body><h1>Something went wrong</h1></body></html>\n"
)
#: How far the sum of shares may exceed 1, since sums of fractions are not exact.
_ROUNDING: Final = 1e-9


@attrs.frozen
class Received:
    """A request as the server received it."""

    method: str
    #: The path with its query.
    path: str
    headers: Mapping[str, str] = attrs.field(repr=False)
    #: The bytes of the body; only the first of a body that is larger than Iterable accepts.
    body: bytes = attrs.field(repr=False)


def _check_seconds(_: object, attribute: attrs.Attribute[float], value: float) -> None:
    if not value >= 0:
        raise ValueError(f"{attribute.name} must be 0 seconds or more, not {value!r}")


def _seconds() -> float:
    return attrs.field(default=0.0, validator=_check_seconds, kw_only=True, repr=False)


def _check_sent(_: object, __: object, value: float | None) -> None:
    if value is not None and not 0 <= value <= 1:
        raise ValueError(f"sent must be a share from 0 to 1, or None, not {value!r}")


@attrs.frozen
class Fault:
    """One fault. The functions of this module make the usual ones.

    A fault is carried out in the order of its fields: wait, apply the request, wait, send, stay
    silent, end. Raises ValueError for seconds below 0 and for a share outside of 0 to 1.
    """

    #: Its name in counts and failed tests: ``"reset(applied=True)"``.
    name: str
    #: Seconds before the request is applied.
    wait_before: float = _seconds()
    #: Whether the project receives the request.
    applied: bool = attrs.field(default=False, kw_only=True, repr=False)
    #: Seconds between that and the first byte of the response.
    wait_after: float = _seconds()
    #: The response; None is that of the project, or none if it does not receive the request.
    answer: Response | None = attrs.field(default=None, kw_only=True, repr=False, hash=False)
    #: The share of the body that is sent after the headers, 0 to 1; None sends no byte at all.
    sent: float | None = attrs.field(default=1.0, validator=_check_sent, kw_only=True, repr=False)
    #: Seconds after each byte of the body.
    pause: float = _seconds()
    #: Seconds of silence after what was sent. ``math.inf`` lasts until the client disconnects or
    #: the server stops.
    silence: float = _seconds()
    #: How the connection ends. After an incomplete response it cannot be kept, and is closed.
    end: End = attrs.field(
        default="keep",
        validator=attrs.validators.in_(("keep", "close", "reset")),
        kw_only=True,
        repr=False,
    )

    @property
    def whole(self) -> bool:
        """Whether a complete response is sent."""
        return self.sent == 1 and (self.applied or self.answer is not None)

    @property
    def ambiguous(self) -> bool:
        """Whether the request is applied and the response does not say so.

        A complete but slow response does not count: whether it is too late depends on the client.
        """
        return self.applied and (self.answer is not None or not self.whole)


#: Handles one request. Its arguments are the request, and a function that applies it to the project
#: and returns the project's response; each call of that applies it once more. It returns the
#: response, or a fault, which applies the request itself if it is ``applied``. Many threads call it
#: at once.
Faults = Callable[[Received, Callable[[], Response]], Response | Fault]


def rate_limited(retry_after: float | str | None = None, *, plain: bool = False) -> Fault:
    """Status 429, not applied.

    ``retry_after`` is the header ``Retry-After`` in seconds, or its text (a date, or an invalid
    value); None sends no such header, as Iterable does. ``plain`` makes the body text, not JSON.
    """
    answer = coded_response(429, "RateLimitExceeded", "Too many requests")
    if plain:
        answer = Response(429, {"Content-Type": "text/plain"}, b"Too many requests")
    if retry_after is not None:
        answer = attrs.evolve(answer, headers={**answer.headers, "Retry-After": str(retry_after)})
    return Fault(f"rate_limited(retry_after={retry_after}, plain={plain})", answer=answer)


def server_error(status: int = 500, *, html: bool = False, applied: bool = False) -> Fault:
    """A status of 500 to 599, with JSON or a page of HTML.

    ``applied`` is whether the request takes effect nevertheless, as behind a gateway that timed
    out. Raises ValueError for another status.
    """
    if status not in SERVER_ERRORS:
        raise ValueError(f"status must be 500 to 599, not {status!r}")
    answer = coded_response(status, "GenericError", "Something went wrong")
    if html:
        answer = Response(status, {"Content-Type": HTML_TYPE}, _PAGE)
    name = f"server_error({status}, html={html}, applied={applied})"
    return Fault(name, applied=applied, answer=answer)


def reset(*, applied: bool = False) -> Fault:
    """The connection is reset (RST) without a response, before or after applying."""
    return Fault(f"reset(applied={applied})", applied=applied, sent=None, end="reset")


def close(*, applied: bool = False) -> Fault:
    """The connection is closed without a response, before or after applying."""
    return Fault(f"close(applied={applied})", applied=applied, sent=None, end="close")


def stall(seconds: float | None = None, *, applied: bool = False) -> Fault:
    """No byte is sent for ``seconds``, then the connection is closed.

    None stalls until the client disconnects or the server stops. Raises ValueError for less than 0.
    """
    return Fault(
        f"stall({seconds}, applied={applied})",
        applied=applied,
        sent=None,
        silence=inf if seconds is None else seconds,
        end="close",
    )


def stall_midway(seconds: float | None = None) -> Fault:
    """Applied; the headers and half of the body are sent, then nothing, as by :func:`stall`."""
    silence = inf if seconds is None else seconds
    name = f"stall_midway({seconds})"
    return Fault(name, applied=True, sent=0.5, silence=silence, end="close")


def drip(pause: float) -> Fault:
    """Applied; the body is sent byte by byte, with ``pause`` seconds after each.

    A usual response has about 40 bytes. Raises ValueError for less than 0.
    """
    return Fault(f"drip({pause})", applied=True, pause=pause)


def cut(*, reset: bool = False) -> Fault:
    """Applied; half of the body is sent, then the connection is closed, or reset."""
    name = f"cut(reset={reset})"
    return Fault(name, applied=True, sent=0.5, end="reset" if reset else "close")


def not_json(status: int = 200, *, applied: bool = True) -> Fault:
    """Success with a page of HTML where JSON is expected. ``status`` is 200 to 299.

    Raises ValueError for another status.
    """
    if status not in range(200, 300):
        raise ValueError(f"status must be 200 to 299, not {status!r}")
    answer = Response(status, {"Content-Type": HTML_TYPE}, _PAGE)
    return Fault(f"not_json({status}, applied={applied})", applied=applied, answer=answer)


def redirect(status: int = 302) -> Fault:
    """Not applied; a redirect to a path where the response to a POST or a GET is success.

    A client that follows it believes that the request was applied; ``LocalIterable.followed`` has
    what it sent there. Raises ValueError for a status that is none of 301, 302, 303, 307
    and 308.
    """
    if status not in REDIRECTS:
        raise ValueError(f"status must be one of {REDIRECTS}, not {status!r}")
    return Fault(f"redirect({status})", answer=Response(status, {"Location": REDIRECTED}, b""))


def latency(seconds: float, *, applied_first: bool = False) -> Fault:
    """A delayed success, after ``seconds``.

    The request is applied after the wait, or before it with ``applied_first``. If the server stops
    meanwhile, nothing more is applied and no response is sent. Raises ValueError for less
    than 0.
    """
    name = f"latency({seconds}, applied_first={applied_first})"
    if applied_first:
        return Fault(name, applied=True, wait_after=seconds)
    return Fault(name, applied=True, wait_before=seconds)


def respond_at_redirect(path: str) -> Response | None:
    """Return the response at the target of redirects; None for any other path."""
    return success() if path.partition("?")[0] == REDIRECTED else None


class _Decider:
    """The base of scripts and random faults: the paths they apply to, and their counts."""

    def __init__(self, paths: Collection[str] | None) -> None:
        if isinstance(paths, str):
            raise TypeError("paths must be a collection of paths, not one string")
        self._paths: Final = None if paths is None else frozenset(paths)
        self._lock = threading.Lock()
        self._counts: Counter[Fault] = Counter()

    @property
    def counts(self) -> dict[Fault, int]:
        """How often each fault was chosen so far."""
        with self._lock:
            return dict(self._counts)

    @property
    def ambiguous(self) -> int:
        """How many requests met an ambiguous fault so far (see :attr:`Fault.ambiguous`).

        They include those that the project refused; ``LocalIterable.faulted`` has the requests.
        """
        return sum(count for fault, count in self.counts.items() if fault.ambiguous)

    def __call__(self, received: Received, apply: Callable[[], Response]) -> Response | Fault:
        if self._paths is not None and received.path.partition("?")[0] not in self._paths:
            return apply()
        with self._lock:
            fault = self._next()
            if fault is not None:
                self._counts[fault] += 1
        return apply() if fault is None else fault

    def _next(self) -> Fault | None:
        raise NotImplementedError


class Script(_Decider):
    """Faults in order: each request meets the next one, and after the last none.

    ``faults`` has a fault, or None for a request without one. It may be endless
    (``itertools.repeat(fault)``), since it is read as requests arrive. ``paths`` are those that the
    script is for, without a query; requests to other paths succeed and use no entry; None is all.
    """

    def __init__(
        self, faults: Iterable[Fault | None], *, paths: Collection[str] | None = None
    ) -> None:
        super().__init__(paths)
        self._faults = iter(faults)

    def _next(self) -> Fault | None:
        return next(self._faults, None)


class RandomFaults(_Decider):
    """Random faults: each request meets at most one, independently of the others.

    ``shares`` are the probabilities, 0 to 1 each and together; other requests succeed. ``seed``
    makes the choice repeatable: the first, second, … request to ``paths`` meet the same faults each
    time. ``paths`` are those that meet faults, without a query; None is all. Raises ValueError for
    a share below 0, and for more than 1 in all.
    """

    def __init__(
        self, shares: Mapping[Fault, float], *, seed: int, paths: Collection[str] | None = None
    ) -> None:
        super().__init__(paths)
        if not all(share >= 0 for share in shares.values()):
            raise ValueError("shares must be 0 or more")
        if fsum(shares.values()) > 1 + _ROUNDING:
            raise ValueError(f"shares must be 1 at most in all, not {fsum(shares.values()):g}")
        self._bounds = tuple(zip(shares, accumulate(shares.values()), strict=True))
        self._random = Random(seed)  # noqa: S311 - chance, not secrecy

    def _next(self) -> Fault | None:
        drawn = self._random.random()
        return next((fault for fault, bound in self._bounds if drawn < bound), None)
