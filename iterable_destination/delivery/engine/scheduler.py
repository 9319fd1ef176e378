"""Dispatch: which request goes out next, and what follows from its answer.

What may live here: all that is decided between events handed in and outcomes given out, as a
machine without clock, threads or network. It is asked for the next job, and told how jobs ended.
Whatever it is told, each parcel is settled once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from itertools import islice
from math import inf
from typing import Final

import attrs

from iterable_destination.delivery.engine import bulk as batching
from iterable_destination.delivery.engine.bulk import BULKS, ONLY_UPDATE, Bulk, stop_name
from iterable_destination.delivery.engine.circuit_breaker import Breaker
from iterable_destination.delivery.engine.counters import Counters
from iterable_destination.delivery.engine.endpoint_queue import Stop, boundary
from iterable_destination.delivery.engine.envelope import (
    TIME_IS_UP,
    Job,
    Lane,
    Parcel,
    delivered,
    ended,
    failed,
    in_doubt,
    next_after_failure,
)
from iterable_destination.delivery.engine.rate_limiter import Rates, Release
from iterable_destination.delivery.engine.retry import Chance, Patience, Tries
from iterable_destination.delivery.engine.user_queues import Lanes
from iterable_destination.errors import (
    AmbiguousAnswer,
    ApiError,
    ConfigurationError,
    IterableDestinationError,
    NotSent,
    RateLimited,
    RequestRefused,
    TooLarge,
)
from iterable_destination.model.calls import Call
from iterable_destination.model.endpoints import MAX_BODY_BYTES, MAX_BULK_ITEMS, Endpoint
from iterable_destination.model.outcomes import Delivered, Outcome, Rejected, Retryable, Unknown
from iterable_destination.model.responses import Answer

#: Seconds without a new event after which a bulk goes out as it is.
_QUIET: Final = 0.05
#: Seconds after which it goes out though new events keep coming.
_LONGEST_GATHERING: Final = 1.0
#: Parcels of a refused bulk that are sent singly rather than in halves: single requests have
#: rates a hundred times higher.
_FEW: Final = 8
#: How often those are sent singly whom Iterable blames for refusing a bulk; it has been wrong.
_HINTS: Final = 3
#: Requests under way until the first answer, so that a wrong key costs no more.
_UNPROVEN: Final = 8
#: Bytes of bodies that wait or are under way before no more are taken.
_MOST_BYTES: Final = 16 * MAX_BODY_BYTES

_HELD_BACK: Final = "not sent: an earlier event of this user is to be handed in again first"
_STOPPED: Final = "not sent: delivery was stopped"
_NO_ANSWER_IN_TIME: Final = "the time given ran out before the answer came"


@attrs.frozen(kw_only=True)
class Rules:
    """What a dispatcher goes by. All but the last four can be shared with others."""

    patience: Patience
    rates: Rates
    breaker: Breaker
    counters: Counters
    chance: Chance
    #: Told of each request that will be sent again: where, why, and in how many seconds.
    on_retry: Callable[[Endpoint, ApiError, float], None]
    #: Events that may wait or be under way. More are taken, but :attr:`Dispatcher.is_full` then.
    window: int
    #: Nothing is sent from this moment on.
    stop_at: float = inf
    #: Whether a user with an event that is to be handed in again is held for good, or only for
    #: what waits at the time.
    holds: bool = True
    #: So many calls at most go singly instead of in a bulk: single requests have rates a hundred
    #: times higher.
    few: int = 0

    def begin(self, endpoint: Endpoint, tries: Tries, now: float) -> Release:
        """Take note that a request goes out."""
        self.breaker.begin(now)
        self.counters.requests[endpoint.path] += 1
        tries.begin()
        return self.rates.of(endpoint).let_go(now)

    def again_after(
        self, endpoint: Endpoint, error: ApiError, tries: Tries, now: float, *, is_last: bool
    ) -> float | None:
        """Take note that a request failed; return how long to wait for the next try.

        None is to give up, which ``is_last`` says is to be done in any case.
        """
        if isinstance(error, ConfigurationError):
            self.breaker.open(error, now)
        else:
            self.breaker.close()
        wait = tries.again_after(error, now, self.patience, self.chance)
        if is_last:
            wait = None
        if isinstance(error, RateLimited):
            self.rates.of(endpoint).limited(now, 1.0 if wait is None else wait)
        if wait is not None:
            self.counters.waited(error, wait)
            self.on_retry(endpoint, error, wait)
        return wait


class Dispatcher:
    """Decides. Not for several threads at once; ``now`` is always on one clock, in seconds."""

    def __init__(self, rules: Rules) -> None:
        self._rules: Final = rules
        self._window: Final = rules.window
        self._lanes: Final = Lanes(holds=rules.holds)
        self._stops: Final[dict[str, Stop]] = {}
        #: Where calls of a kind go if nothing speaks against it.
        self._usual: Final[dict[type[Call], Stop]] = {}
        self._later: Final[list[tuple[float, int, Job]]] = []
        self._under_way: Final[set[Job]] = set()
        self._serial = 0
        self._bytes = 0
        self._last_add = -inf
        self._is_proven = False
        self._stopped: NotSent | None = None
        #: Whether no more parcels will come for now, so that nothing is gained by waiting.
        self.finished = False
        #: Parcels that have no outcome yet.
        self.pending = 0
        #: Outcomes that nobody has taken yet, with their parcels.
        self.settled: deque[tuple[Parcel, Outcome]] = deque()

    # Coming in -----------------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """Whether no more parcels should be added for now."""
        untaken = len(self.settled)
        return self.pending + untaken >= self._window or self._bytes >= _MOST_BYTES

    def add(self, parcel: Parcel, keys: set[str], now: float) -> bool:
        """Take a parcel of the user of these names; whether there may be a new job by it."""
        self._serial += 1
        parcel.serial = self._serial
        self.pending += 1
        size = len(parcel.item)
        self._bytes += size
        self._last_add = now
        if not keys and (parcel.outcome or not parcel.marks):
            self._settle(parcel, parcel.outcome or delivered(parcel, None))
            return False
        lane, merged = self._lanes.add(parcel, keys or {f"!{self._serial}"})
        for each in (lane, *merged) if merged else ():
            if each.stop is not None:
                each.stop.leave(each)
        stop: Stop | None = lane.stop
        if stop is None:
            return not lane.flying and self._line_up(lane, now)
        if self._goes_to(parcel, stop) and stop.takes_more_of(lane):
            stop.extend(lane, size)
            return stop.is_full
        return False

    def _goes_to(self, parcel: Parcel, stop: Stop) -> bool:
        return parcel.outcome is None and self._stop_for(parcel) is stop

    def _stop_for(self, parcel: Parcel) -> Stop:
        mark = parcel.marks[parcel.step]
        if mark.update_only is not None:
            only = ONLY_UPDATE[mark.update_only, parcel.alone]
            return self._stop_of(only.endpoint, only)
        usual = self._usual.get(mark.kind)
        if usual is None:
            bulk = BULKS.get(mark.kind.endpoint.path)
            endpoint = mark.kind.endpoint if bulk is None else bulk.endpoint
            usual = self._usual[mark.kind] = self._stop_of(endpoint, bulk)
        if usual.bulk is None or (not parcel.alone and len(mark.body) <= usual.bulk.room):
            return usual
        return self._stop_of(mark.kind.endpoint, None)

    def _stop_of(self, endpoint: Endpoint, bulk: Bulk | None) -> Stop:
        name = stop_name(endpoint, bulk)
        stop = self._stops.get(name)
        if stop is None:
            stop = self._stops[name] = Stop(endpoint, bulk)
        return stop

    def _line_up(self, lane: Lane, now: float) -> bool:
        """Let a lane that is ready stand where its next parcel goes; whether a job may come of it.

        What ended before it was sent is settled as its turn comes; if it is to be handed in again
        the rest must not overtake it.
        """
        waiting = lane.waiting
        while waiting and (outcome := waiting[0].outcome) is not None:
            self._settle(waiting.pop(0), outcome)
            lane.held |= isinstance(outcome, Retryable)
        refusal = self._refusal(now)
        if refusal is not None or lane.held:
            lane.held = True
            self._empty(lane, refusal or NotSent(_HELD_BACK))
            return False
        if not waiting:
            self._lanes.rest(lane)
            return False
        stop = self._stop_for(waiting[0])
        run, size = self._run(waiting, stop)
        was_empty = not stop.items
        stop.join(lane, run, size, now)
        return was_empty or stop.is_full

    def _run(self, waiting: list[Parcel], stop: Stop) -> tuple[int, int]:
        """Return how many of a user's parcels can go together from a stop, and their bytes."""
        first = waiting[0]
        run, size = 1, len(first.item)
        if (
            len(waiting) == 1
            or not first.is_at_its_last
            or stop.bulk is None
            or stop.bulk.one_of_a_user
        ):
            return run, size
        for parcel in islice(waiting, 1, MAX_BULK_ITEMS):
            if not self._goes_to(parcel, stop):
                break
            run += 1
            size += len(parcel.item)
            if not parcel.is_at_its_last:
                break
        return run, size

    # Going out -----------------------------------------------------------------------------------

    def next(self, now: float) -> Job | float | None:
        """Return a job that is to be done now, else when to ask again.

        None is not before a change: a parcel was added, a job ended, or :attr:`finished`.
        """
        refusal = self._refusal(now)
        if refusal is not None:
            self._give_back(refusal)
            return None
        if not self._is_proven and len(self._under_way) >= _UNPROVEN:
            return None if self._rules.stop_at == inf else self._rules.stop_at
        while self._later and self._later[0][0] <= now:
            job = heappop(self._later)[2]
            self._stops[job.stop].again.append(job)
        soonest = min(self._rules.stop_at, self._later[0][0] if self._later else inf)
        for stop in self._stops.values():
            if stop.again or stop.items:
                when = self._may_go_at(stop, now)
                if when <= now:
                    # The last in turn from now on, for none must wait for all of another's.
                    self._stops[stop.name] = self._stops.pop(stop.name)
                    return self._begin(stop, now) or self.next(now)
                soonest = min(soonest, when)
        return None if soonest == inf else soonest

    def _refusal(self, now: float) -> IterableDestinationError | None:
        """Return why nothing may be sent now, or None if something may."""
        if self._stopped is None and now >= self._rules.stop_at:
            self._stopped = NotSent(TIME_IS_UP)
        return self._stopped or self._rules.breaker.refusal(now)

    def _may_go_at(self, stop: Stop, now: float) -> float:
        """Return when a request may go to an endpoint, if nothing more comes until then."""
        free_at = self._rules.rates.of(stop.endpoint).free_at(now)
        if stop.again or stop.is_full or self.finished or self.is_full:
            return free_at
        return max(free_at, min(self._last_add + _QUIET, stop.since + _LONGEST_GATHERING))

    def _begin(self, stop: Stop, now: float) -> Job | None:
        """Return a job of those that wait at an endpoint; None if it is too late for it."""
        if not stop.again and stop.bulk and stop.bulk.singly and stop.items <= self._rules.few:
            self._scatter(stop, now)
            return None
        job = stop.again.popleft() if stop.again else self._form(stop, now)
        if now > job.tries.until:
            self._give_up(job, job.error or NotSent(TIME_IS_UP), now)
            return None
        job.release = self._rules.begin(stop.endpoint, job.tries, now)
        self._under_way.add(job)
        return job

    def _scatter(self, stop: Stop, now: float) -> None:
        """Let those that would go in one bulk go singly."""
        for lane in list(stop.lanes):
            for parcel in lane.waiting[: lane.run]:
                parcel.alone = True
            stop.leave(lane)
            self._line_up(lane, now)

    @property
    def has_more(self) -> bool:
        """Whether anything waits to be sent, now or later."""
        waits = any(stop.items or stop.again for stop in self._stops.values())
        return waits or bool(self._later)

    def _form(self, stop: Stop, now: float) -> Job:
        parcels = stop.take(now)
        earlier = parcels[0].tries
        tries = (
            attrs.evolve(earlier) if earlier else Tries(until=now + self._rules.patience.deadline)
        )
        for parcel in parcels:
            parcel.tries = tries
        return Job(stop.endpoint, parcels, tries, stop.bulk)

    # Coming back ---------------------------------------------------------------------------------

    def answered(self, job: Job, answer: Answer, now: float) -> None:
        """Take note of the answer to a job."""
        if not self._ended(job, now):
            return
        self._rules.breaker.close()
        if job.bulk is None:
            (parcel,) = job.parcels
            if parcel.is_at_its_last:
                self._land(parcel, delivered(parcel, answer), now)
            else:
                self._go_on(parcel, job.tries, parcel.step + 1, now)
            return
        self._bulk_answered(job, job.bulk, answer, now)

    def _bulk_answered(self, job: Job, bulk: Bulk, answer: Answer, now: float) -> None:
        errors: list[ApiError | None] = [None] * len(job.parcels)
        if bulk.tells_of_items:
            errors = batching.verdicts(answer, job.marks)
        if not any(errors) and job.is_whole:
            self._accepted(job, answer, now)
            return
        doubtful, users = [], set()
        for parcel, error in zip(job.parcels, errors, strict=True):
            if isinstance(error, AmbiguousAnswer) and bulk.most_items > 1:
                doubtful.append(parcel)
                users.add(parcel.user)
            elif error is None and not parcel.is_at_its_last:
                self._go_on(parcel, job.tries, parcel.step + 1, now)
            else:
                kind = Unknown if isinstance(error, AmbiguousAnswer) else Rejected
                outcome = failed(kind, parcel, error) if error else delivered(parcel, answer)
                if self._goes_on_after(parcel, outcome, job.tries, now):
                    continue
                if users and parcel.user in users:  # told in its turn
                    parcel.outcome = ended(parcel, outcome)
                    self._return([parcel], now)
                else:
                    self._land(parcel, outcome, now)
        self._alone(doubtful, attrs.evolve(job.tries, is_ambiguous=True), now)

    def _accepted(self, job: Job, answer: Answer, now: float) -> None:
        """Settle a bulk that was accepted whole: as :meth:`_land` for each, but quicker."""
        parcels = job.parcels
        self.pending -= len(parcels)
        self._bytes -= sum([len(mark.body) for mark in job.marks])
        self._rules.counters.outcomes[Delivered.name] += len(parcels)
        self.settled += [(parcel, delivered(parcel, answer)) for parcel in parcels]
        for lane in filter(None, map(self._lanes.settled, parcels)):
            self._line_up(lane, now)

    def failed(self, job: Job, error: ApiError, now: float) -> None:
        """Take note that a job had no answer, or one that is an error."""
        if not self._ended(job, now):
            return
        job.error = error
        is_last = self._stopped is not None or now >= self._rules.stop_at
        wait = self._rules.again_after(job.endpoint, error, job.tries, now, is_last=is_last)
        if wait is not None:
            halves = len(job.parcels) > 1 and job.tries.halves
            self._send_again(self._halves(job, now) if halves else [job], now + wait)
        elif self._is_to_be_isolated(job, error, now):
            self._isolate(job, error, now)
        else:
            self._give_up(job, error, now)

    def _ended(self, job: Job, now: float) -> bool:
        """Take note that a job has ended; whether anybody still wants to know how."""
        if job.release is not None:
            self._rules.rates.of(job.endpoint).answered(job.release, now)
        self._under_way.discard(job)
        self._is_proven = True
        return not job.is_abandoned

    def _send_again(self, jobs: Iterable[Job], when: float) -> None:
        for job in jobs:
            self._serial += 1
            heappush(self._later, (when, self._serial, job))

    def _is_to_be_isolated(self, job: Job, error: ApiError, now: float) -> bool:
        is_refused_whole = isinstance(error, RequestRefused) and len(job.parcels) > 1
        return is_refused_whole and now <= job.tries.until and self._refusal(now) is None

    def _isolate(self, job: Job, error: ApiError, now: float) -> None:
        """Find out which items of a bulk made Iterable refuse the whole.

        First the users that it blames go singly, then halves, then few enough to go singly.
        """
        parcels = job.parcels
        users = set()
        if not isinstance(error, TooLarge) and job.hints < _HINTS:
            job.hints += 1
            users = {parcels[index].user for index in batching.suspects(error, len(parcels))}
        alone = [parcel for parcel in parcels if parcel.user in users]
        if not alone and len(parcels) <= _FEW:
            alone = parcels
        if not alone:
            self._send_again(self._halves(job, now), now)
            return
        if len(alone) < len(parcels):
            rest = [parcel for parcel in parcels if parcel.user not in users]
            self._send_again([job.part(rest)], now)
        self._alone(alone, job.tries, now)

    def _halves(self, job: Job, now: float) -> list[Job]:
        """Split a bulk where one user's parcels end and another's begin.

        If they are all of one user the second half waits until the first one is settled.
        """
        parcels = job.parcels
        middle = boundary([parcel.user for parcel in parcels])
        if middle is not None:
            return [job.part(parcels[:middle]), job.part(parcels[middle:])]
        middle = len(parcels) // 2
        second = job.part(parcels[middle:])
        self._return(second.parcels, now)
        return [job.part(parcels[:middle])]

    def _alone(self, parcels: list[Parcel], tries: Tries, now: float) -> None:
        """Let parcels go singly, each in its turn."""
        for parcel in parcels:
            parcel.alone = True
            parcel.tries = attrs.evolve(tries)
        self._return(parcels, now)

    def _return(self, parcels: list[Parcel], now: float) -> None:
        for lane in self._lanes.back(parcels):
            self._line_up(lane, now)

    def _goes_on_after(self, parcel: Parcel, outcome: Outcome, tries: Tries, now: float) -> bool:
        """Whether other requests of an event have their turn although one of them failed."""
        if not parcel.subscriptions or outcome.error is None or self._refusal(now) is not None:
            return False
        kinds = [mark.kind for mark in parcel.marks]
        step = next_after_failure(kinds, parcel.subscriptions, parcel.step)
        if step is None:
            return False
        parcel.failures += ((parcel.subscriptions[parcel.step], outcome),)
        self._go_on(parcel, tries, step, now)
        return True

    def _go_on(self, parcel: Parcel, tries: Tries, step: int, now: float) -> None:
        """Let another request of an event have its turn."""
        self._bytes -= len(parcel.item)
        parcel.step = step
        parcel.alone = False
        parcel.tries = tries.afresh()
        self._bytes += len(parcel.item)
        self._return([parcel], now)

    def _give_up(self, job: Job, error: IterableDestinationError, now: float) -> None:
        kind = in_doubt(job.tries)
        if isinstance(error, RequestRefused) and len(job.parcels) == 1:
            kind = Rejected  # of more than one the whole was refused, not each of them
        for parcel in job.parcels:
            outcome = failed(kind, parcel, error)
            if not self._goes_on_after(parcel, outcome, job.tries, now):
                self._land(parcel, outcome, now)

    # Settling ------------------------------------------------------------------------------------

    def _land(self, parcel: Parcel, outcome: Outcome, now: float) -> None:
        """Settle a parcel that was under way."""
        if parcel.subscriptions or parcel.failures:
            outcome = ended(parcel, outcome)
        self._settle(parcel, outcome)
        if isinstance(outcome, Retryable | Unknown):
            parcel.user.held = True  # what is to be handed in again must not be overtaken
        ready = self._lanes.settled(parcel)
        if ready is not None:
            self._line_up(ready, now)

    def _settle(self, parcel: Parcel, outcome: Outcome) -> None:
        self.pending -= 1
        self._bytes -= len(parcel.item)
        self._rules.counters.outcomes[outcome.name] += 1
        self.settled.append((parcel, outcome))

    def _empty(self, lane: Lane, error: IterableDestinationError) -> None:
        """Settle all that waits of a user of whom nothing is under way."""
        if lane.stop is not None:
            lane.stop.leave(lane)
        for parcel in lane.waiting:
            outcome = failed(in_doubt(parcel.tries), parcel, error)
            self._settle(parcel, parcel.outcome or ended(parcel, outcome))
        self._lanes.rest(lane)

    def _give_back(self, error: IterableDestinationError) -> None:
        """Settle all that is not under way: nothing will be sent for now."""
        jobs = [job for _, _, job in self._later]
        self._later.clear()
        for stop in self._stops.values():
            jobs += stop.again
            stop.again.clear()
            for lane in list(stop.lanes):
                lane.held = True
                self._empty(lane, error)
        for job in jobs:
            for parcel in job.parcels:
                self._land(parcel, failed(in_doubt(job.tries), parcel, error), -inf)

    def stop(self) -> None:
        """Send nothing more; what is under way is still awaited."""
        self._stopped = self._stopped or NotSent(_STOPPED)
        self._give_back(self._stopped)

    def abandon(self) -> None:
        """Settle all at once, also what is under way: nobody waits for its answer any more."""
        self.stop()
        for job in list(self._under_way):
            self._under_way.discard(job)
            job.is_abandoned = True
            job.tries.is_ambiguous = True
            self._give_up(job, AmbiguousAnswer(_NO_ANSWER_IN_TIME), -inf)
