"""Scheduler: which request goes out next, and what follows from its answer.

What may live here: all that is decided between events handed in and outcomes given out, as a
machine without clock, threads or network. It is asked for the next batch, and told how each ended.
Whatever it is told, each envelope is settled once.
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
from iterable_destination.delivery.engine.bulk import (
    BULK_ENDPOINTS,
    UPDATE_ONLY_ENDPOINTS,
    BulkEndpoint,
    queue_name,
)
from iterable_destination.delivery.engine.circuit_breaker import CircuitBreaker
from iterable_destination.delivery.engine.counters import Counters
from iterable_destination.delivery.engine.endpoint_queue import EndpointQueue, split_index
from iterable_destination.delivery.engine.envelope import (
    DEADLINE_EXCEEDED,
    Batch,
    Envelope,
    UserQueue,
    build_delivered,
    build_failed,
    build_final,
    next_call_after_failure,
    undelivered_kind,
)
from iterable_destination.delivery.engine.rate_limiter import Permit, RateLimiters
from iterable_destination.delivery.engine.retry import Attempts, Jitter, RetryPolicy
from iterable_destination.delivery.engine.user_queues import UserQueues
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
from iterable_destination.model.responses import ApiResponse

#: Seconds without a new event after which a bulk goes out as it is.
_QUIET: Final = 0.05
#: Seconds after which it goes out though new events keep coming.
_LONGEST_GATHERING: Final = 1.0
#: Envelopes of a refused bulk that are sent singly rather than in halves: single requests have
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
class DeliveryPolicy:
    """What a scheduler goes by. All but the last four can be shared with others."""

    retry: RetryPolicy
    rate_limiters: RateLimiters
    breaker: CircuitBreaker
    counters: Counters
    jitter: Jitter
    #: Told of each request that will be sent again: where, why, and in how many seconds.
    on_retry: Callable[[Endpoint, ApiError, float], None]
    #: Events that may wait or be under way. More are taken, but :attr:`Dispatcher.is_full` then.
    max_pending: int
    #: Nothing is sent from this moment on.
    stop_at: float = inf
    #: Whether a user with an event that is to be handed in again is held for good, or only for
    #: what waits at the time.
    keeps_paused: bool = True
    #: So many calls at most go singly instead of in a bulk: single requests have rates a hundred
    #: times higher.
    min_bulk_size: int = 1

    def begin(self, endpoint: Endpoint, attempts: Attempts, now: float) -> Permit:
        """Take note that a request goes out."""
        self.breaker.begin(now)
        self.counters.requests[endpoint.path] += 1
        attempts.begin()
        return self.rate_limiters.of(endpoint).acquire(now)

    def next_delay(
        self, endpoint: Endpoint, error: ApiError, attempts: Attempts, now: float, *, is_last: bool
    ) -> float | None:
        """Take note that a request failed; return how long to wait for the next try.

        None is to give up, which ``is_last`` says is to be done in any case.
        """
        if isinstance(error, ConfigurationError):
            self.breaker.open(error, now)
        else:
            self.breaker.close()
        wait = attempts.next_delay(error, now, self.retry, self.jitter)
        if is_last:
            wait = None
        if isinstance(error, RateLimited):
            self.rate_limiters.of(endpoint).on_rate_limited(now, 1.0 if wait is None else wait)
        if wait is not None:
            self.counters.waited(error, wait)
            self.on_retry(endpoint, error, wait)
        return wait


class Scheduler:
    """Decides. Not for several threads at once; ``now`` is always on one clock, in seconds."""

    def __init__(self, policy: DeliveryPolicy) -> None:
        self._policy: Final = policy
        self._max_pending: Final = policy.max_pending
        self._user_queues: Final = UserQueues(keeps_paused=policy.keeps_paused)
        self._endpoint_queues: Final[dict[str, EndpointQueue]] = {}
        #: Where calls of a kind go if nothing speaks against it.
        self._usual: Final[dict[type[Call], EndpointQueue]] = {}
        self._later: Final[list[tuple[float, int, Batch]]] = []
        self._under_way: Final[set[Batch]] = set()
        self._sequence = 0
        self._bytes = 0
        self._last_add = -inf
        self._is_proven = False
        self._stopped: NotSent | None = None
        #: Whether no more envelopes will come for now, so that nothing is gained by waiting.
        self.finished = False
        #: Envelopes that have no outcome yet.
        self.pending = 0
        #: Outcomes that nobody has taken yet, with their envelopes.
        self.settled: deque[tuple[Envelope, Outcome]] = deque()

    # Coming in -----------------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """Whether no more envelopes should be added for now."""
        untaken = len(self.settled)
        return self.pending + untaken >= self._max_pending or self._bytes >= _MOST_BYTES

    def add(self, envelope: Envelope, keys: set[str], now: float) -> bool:
        """Take an envelope of the user of these names; whether there may be a new batch by it."""
        self._sequence += 1
        envelope.sequence = self._sequence
        self.pending += 1
        size = len(envelope.item)
        self._bytes += size
        self._last_add = now
        if not keys and (envelope.outcome or not envelope.calls):
            self._settle(envelope, envelope.outcome or build_delivered(envelope, None))
            return False
        queue, merged = self._user_queues.add(envelope, keys or {f"!{self._sequence}"})
        for each in (queue, *merged) if merged else ():
            if each.endpoint_queue is not None:
                each.endpoint_queue.leave(each)
        endpoint_queue: EndpointQueue | None = queue.endpoint_queue
        if endpoint_queue is None:
            return not queue.in_flight and self._line_up(queue, now)
        if self._goes_to(envelope, endpoint_queue) and endpoint_queue.takes_more_of(queue):
            endpoint_queue.extend(queue, size)
            return endpoint_queue.is_full
        return False

    def _goes_to(self, envelope: Envelope, endpoint_queue: EndpointQueue) -> bool:
        return envelope.outcome is None and self._endpoint_queue_for(envelope) is endpoint_queue

    def _endpoint_queue_for(self, envelope: Envelope) -> EndpointQueue:
        mark = envelope.calls[envelope.call_index]
        if mark.update_only is not None:
            only = UPDATE_ONLY_ENDPOINTS[mark.update_only, envelope.single]
            return self._endpoint_queue(only.endpoint, only)
        usual = self._usual.get(mark.kind)
        if usual is None:
            bulk = BULK_ENDPOINTS.get(mark.kind.endpoint.path)
            endpoint = mark.kind.endpoint if bulk is None else bulk.endpoint
            usual = self._usual[mark.kind] = self._endpoint_queue(endpoint, bulk)
        if usual.bulk is None or (not envelope.single and len(mark.body) <= usual.bulk.capacity):
            return usual
        return self._endpoint_queue(mark.kind.endpoint, None)

    def _endpoint_queue(self, endpoint: Endpoint, bulk: BulkEndpoint | None) -> EndpointQueue:
        name = queue_name(endpoint, bulk)
        endpoint_queue = self._endpoint_queues.get(name)
        if endpoint_queue is None:
            endpoint_queue = self._endpoint_queues[name] = EndpointQueue(endpoint, bulk)
        return endpoint_queue

    def _line_up(self, queue: UserQueue, now: float) -> bool:
        """Let a ready queue stand where its next envelope goes; whether a batch may come of it.

        What ended before it was sent is settled as its turn comes; if it is to be handed in again
        the rest must not overtake it.
        """
        waiting = queue.waiting
        while waiting and (outcome := waiting[0].outcome) is not None:
            self._settle(waiting.pop(0), outcome)
            queue.paused |= isinstance(outcome, Retryable)
        refusal = self._refusal(now)
        if refusal is not None or queue.paused:
            queue.paused = True
            self._empty(queue, refusal or NotSent(_HELD_BACK))
            return False
        if not waiting:
            self._user_queues.release(queue)
            return False
        endpoint_queue = self._endpoint_queue_for(waiting[0])
        batchable, size = self._run(waiting, endpoint_queue)
        was_empty = not endpoint_queue.items
        endpoint_queue.join(queue, batchable, size, now)
        return was_empty or endpoint_queue.is_full

    def _run(self, waiting: list[Envelope], endpoint_queue: EndpointQueue) -> tuple[int, int]:
        """Return how many of a user's envelopes can go together, and their bytes."""
        first = waiting[0]
        batchable, size = 1, len(first.item)
        if (
            len(waiting) == 1
            or not first.is_last_call
            or endpoint_queue.bulk is None
            or endpoint_queue.bulk.one_per_user
        ):
            return batchable, size
        for envelope in islice(waiting, 1, MAX_BULK_ITEMS):
            if not self._goes_to(envelope, endpoint_queue):
                break
            batchable += 1
            size += len(envelope.item)
            if not envelope.is_last_call:
                break
        return batchable, size

    # Going out -----------------------------------------------------------------------------------

    def next(self, now: float) -> Batch | float | None:
        """Return a batch that is to be done now, else when to ask again.

        None is not before a change: an envelope was added, a batch ended, or :attr:`finished`.
        """
        refusal = self._refusal(now)
        if refusal is not None:
            self._give_back(refusal)
            return None
        if not self._is_proven and len(self._under_way) >= _UNPROVEN:
            return None if self._policy.stop_at == inf else self._policy.stop_at
        while self._later and self._later[0][0] <= now:
            batch = heappop(self._later)[2]
            self._endpoint_queues[batch.queue_name].retries.append(batch)
        soonest = min(self._policy.stop_at, self._later[0][0] if self._later else inf)
        for endpoint_queue in self._endpoint_queues.values():
            if endpoint_queue.retries or endpoint_queue.items:
                when = self._may_go_at(endpoint_queue, now)
                if when <= now:
                    # The last in turn from now on, for none must wait for all of another's.
                    self._endpoint_queues[endpoint_queue.name] = self._endpoint_queues.pop(
                        endpoint_queue.name
                    )
                    return self._begin(endpoint_queue, now) or self.next(now)
                soonest = min(soonest, when)
        return None if soonest == inf else soonest

    def _refusal(self, now: float) -> IterableDestinationError | None:
        """Return why nothing may be sent now, or None if something may."""
        if self._stopped is None and now >= self._policy.stop_at:
            self._stopped = NotSent(DEADLINE_EXCEEDED)
        return self._stopped or self._policy.breaker.refusal(now)

    def _may_go_at(self, endpoint_queue: EndpointQueue, now: float) -> float:
        """Return when a request may go to an endpoint, if nothing more comes until then."""
        available_at = self._policy.rate_limiters.of(endpoint_queue.endpoint).available_at(now)
        if endpoint_queue.retries or endpoint_queue.is_full or self.finished or self.is_full:
            return available_at
        return max(
            available_at, min(self._last_add + _QUIET, endpoint_queue.since + _LONGEST_GATHERING)
        )

    def _begin(self, endpoint_queue: EndpointQueue, now: float) -> Batch | None:
        """Return a batch of those that wait at an endpoint; None if it is too late for it."""
        if (
            not endpoint_queue.retries
            and endpoint_queue.bulk
            and endpoint_queue.bulk.has_single_endpoint
            and endpoint_queue.items < self._policy.min_bulk_size
        ):
            self._scatter(endpoint_queue, now)
            return None
        batch = (
            endpoint_queue.retries.popleft()
            if endpoint_queue.retries
            else self._form(endpoint_queue, now)
        )
        if now > batch.attempts.deadline:
            self._give_up(batch, batch.error or NotSent(DEADLINE_EXCEEDED), now)
            return None
        batch.release = self._policy.begin(endpoint_queue.endpoint, batch.attempts, now)
        self._under_way.add(batch)
        return batch

    def _scatter(self, endpoint_queue: EndpointQueue, now: float) -> None:
        """Let those that would go in one bulk go singly."""
        for queue in list(endpoint_queue.queues):
            for envelope in queue.waiting[: queue.batchable]:
                envelope.single = True
            endpoint_queue.leave(queue)
            self._line_up(queue, now)

    @property
    def has_more(self) -> bool:
        """Whether anything waits to be sent, now or later."""
        waits = any(
            endpoint_queue.items or endpoint_queue.retries
            for endpoint_queue in self._endpoint_queues.values()
        )
        return waits or bool(self._later)

    def _form(self, endpoint_queue: EndpointQueue, now: float) -> Batch:
        envelopes = endpoint_queue.take(now)
        earlier = envelopes[0].attempts
        attempts = (
            attrs.evolve(earlier)
            if earlier
            else Attempts(deadline=now + self._policy.retry.deadline)
        )
        for envelope in envelopes:
            envelope.attempts = attempts
        return Batch(endpoint_queue.endpoint, envelopes, attempts, endpoint_queue.bulk)

    # Coming back ---------------------------------------------------------------------------------

    def on_response(self, batch: Batch, answer: ApiResponse, now: float) -> None:
        """Take note of the answer to a batch."""
        if not self._end_request(batch, now):
            return
        self._policy.breaker.close()
        if batch.bulk is None:
            (envelope,) = batch.envelopes
            if envelope.is_last_call:
                self._land(envelope, build_delivered(envelope, answer), now)
            else:
                self._go_on(envelope, batch.attempts, envelope.call_index + 1, now)
            return
        self._on_bulk_response(batch, batch.bulk, answer, now)

    def _on_bulk_response(
        self, batch: Batch, bulk: BulkEndpoint, answer: ApiResponse, now: float
    ) -> None:
        errors: list[ApiError | None] = [None] * len(batch.envelopes)
        if bulk.reports_items:
            errors = batching.item_results(answer, batch.calls)
        if not any(errors) and batch.is_whole:
            self._accepted(batch, answer, now)
            return
        doubtful, users = [], set()
        for envelope, error in zip(batch.envelopes, errors, strict=True):
            if isinstance(error, AmbiguousAnswer) and bulk.max_items > 1:
                doubtful.append(envelope)
                users.add(envelope.user)
            elif error is None and not envelope.is_last_call:
                self._go_on(envelope, batch.attempts, envelope.call_index + 1, now)
            else:
                kind = Unknown if isinstance(error, AmbiguousAnswer) else Rejected
                outcome = (
                    build_failed(kind, envelope, error)
                    if error
                    else build_delivered(envelope, answer)
                )
                if self._goes_on_after(envelope, outcome, batch.attempts, now):
                    continue
                if users and envelope.user in users:  # told in its turn
                    envelope.outcome = build_final(envelope, outcome)
                    self._return([envelope], now)
                else:
                    self._land(envelope, outcome, now)
        self._alone(doubtful, attrs.evolve(batch.attempts, is_ambiguous=True), now)

    def _accepted(self, batch: Batch, answer: ApiResponse, now: float) -> None:
        """Settle a bulk that was accepted whole: as :meth:`_land` for each, but quicker."""
        envelopes = batch.envelopes
        self.pending -= len(envelopes)
        self._bytes -= sum([len(mark.body) for mark in batch.calls])
        self._policy.counters.outcomes[Delivered.name] += len(envelopes)
        self.settled += [(envelope, build_delivered(envelope, answer)) for envelope in envelopes]
        for queue in filter(None, map(self._user_queues.settled, envelopes)):
            self._line_up(queue, now)

    def on_error(self, batch: Batch, error: ApiError, now: float) -> None:
        """Take note that a batch had no answer, or one that is an error."""
        if not self._end_request(batch, now):
            return
        batch.error = error
        is_last = self._stopped is not None or now >= self._policy.stop_at
        wait = self._policy.next_delay(batch.endpoint, error, batch.attempts, now, is_last=is_last)
        if wait is not None:
            halves = len(batch.envelopes) > 1 and batch.attempts.halves
            self._send_again(self._halves(batch, now) if halves else [batch], now + wait)
        elif self._is_to_be_isolated(batch, error, now):
            self._isolate(batch, error, now)
        else:
            self._give_up(batch, error, now)

    def _end_request(self, batch: Batch, now: float) -> bool:
        """Take note that a batch has ended; whether anybody still wants to know how."""
        if batch.release is not None:
            self._policy.rate_limiters.of(batch.endpoint).release(batch.release, now)
        self._under_way.discard(batch)
        self._is_proven = True
        return not batch.is_abandoned

    def _send_again(self, batches: Iterable[Batch], when: float) -> None:
        for batch in batches:
            self._sequence += 1
            heappush(self._later, (when, self._sequence, batch))

    def _is_to_be_isolated(self, batch: Batch, error: ApiError, now: float) -> bool:
        is_refused_whole = isinstance(error, RequestRefused) and len(batch.envelopes) > 1
        return is_refused_whole and now <= batch.attempts.deadline and self._refusal(now) is None

    def _isolate(self, batch: Batch, error: ApiError, now: float) -> None:
        """Find out which items of a bulk made Iterable refuse the whole.

        First the users that it blames go singly, then halves, then few enough to go singly.
        """
        envelopes = batch.envelopes
        users = set()
        if not isinstance(error, TooLarge) and batch.hints < _HINTS:
            batch.hints += 1
            users = {
                envelopes[index].user for index in batching.blamed_items(error, len(envelopes))
            }
        single = [envelope for envelope in envelopes if envelope.user in users]
        if not single and len(envelopes) <= _FEW:
            single = envelopes
        if not single:
            self._send_again(self._halves(batch, now), now)
            return
        if len(single) < len(envelopes):
            rest = [envelope for envelope in envelopes if envelope.user not in users]
            self._send_again([batch.subset(rest)], now)
        self._alone(single, batch.attempts, now)

    def _halves(self, batch: Batch, now: float) -> list[Batch]:
        """Split a bulk where one user's envelopes end and another's begin.

        If they are all of one user the second half waits until the first one is settled.
        """
        envelopes = batch.envelopes
        middle = split_index([envelope.user for envelope in envelopes])
        if middle is not None:
            return [batch.subset(envelopes[:middle]), batch.subset(envelopes[middle:])]
        middle = len(envelopes) // 2
        second = batch.subset(envelopes[middle:])
        self._return(second.envelopes, now)
        return [batch.subset(envelopes[:middle])]

    def _alone(self, envelopes: list[Envelope], attempts: Attempts, now: float) -> None:
        """Let envelopes go singly, each in its turn."""
        for envelope in envelopes:
            envelope.single = True
            envelope.attempts = attrs.evolve(attempts)
        self._return(envelopes, now)

    def _return(self, envelopes: list[Envelope], now: float) -> None:
        for queue in self._user_queues.requeue(envelopes):
            self._line_up(queue, now)

    def _goes_on_after(
        self, envelope: Envelope, outcome: Outcome, attempts: Attempts, now: float
    ) -> bool:
        """Whether other requests of an event have their turn although one of them failed."""
        if not envelope.subscriptions or outcome.error is None or self._refusal(now) is not None:
            return False
        kinds = [mark.kind for mark in envelope.calls]
        call_index = next_call_after_failure(kinds, envelope.subscriptions, envelope.call_index)
        if call_index is None:
            return False
        envelope.failures += ((envelope.subscriptions[envelope.call_index], outcome),)
        self._go_on(envelope, attempts, call_index, now)
        return True

    def _go_on(self, envelope: Envelope, attempts: Attempts, call_index: int, now: float) -> None:
        """Let another request of an event have its turn."""
        self._bytes -= len(envelope.item)
        envelope.call_index = call_index
        envelope.single = False
        envelope.attempts = attempts.fresh_copy()
        self._bytes += len(envelope.item)
        self._return([envelope], now)

    def _give_up(self, batch: Batch, error: IterableDestinationError, now: float) -> None:
        kind = undelivered_kind(batch.attempts)
        if isinstance(error, RequestRefused) and len(batch.envelopes) == 1:
            kind = Rejected  # of more than one the whole was refused, not each of them
        for envelope in batch.envelopes:
            outcome = build_failed(kind, envelope, error)
            if not self._goes_on_after(envelope, outcome, batch.attempts, now):
                self._land(envelope, outcome, now)

    # Settling ------------------------------------------------------------------------------------

    def _land(self, envelope: Envelope, outcome: Outcome, now: float) -> None:
        """Settle an envelope that was under way."""
        if envelope.subscriptions or envelope.failures:
            outcome = build_final(envelope, outcome)
        self._settle(envelope, outcome)
        if isinstance(outcome, Retryable | Unknown):
            envelope.user.paused = True  # what is to be handed in again must not be overtaken
        ready = self._user_queues.settled(envelope)
        if ready is not None:
            self._line_up(ready, now)

    def _settle(self, envelope: Envelope, outcome: Outcome) -> None:
        self.pending -= 1
        self._bytes -= len(envelope.item)
        self._policy.counters.outcomes[outcome.name] += 1
        self.settled.append((envelope, outcome))

    def _empty(self, queue: UserQueue, error: IterableDestinationError) -> None:
        """Settle all that waits of a user of whom nothing is under way."""
        if queue.endpoint_queue is not None:
            queue.endpoint_queue.leave(queue)
        for envelope in queue.waiting:
            outcome = build_failed(undelivered_kind(envelope.attempts), envelope, error)
            self._settle(envelope, envelope.outcome or build_final(envelope, outcome))
        self._user_queues.release(queue)

    def _give_back(self, error: IterableDestinationError) -> None:
        """Settle all that is not under way: nothing will be sent for now."""
        batches = [batch for _, _, batch in self._later]
        self._later.clear()
        for endpoint_queue in self._endpoint_queues.values():
            batches += endpoint_queue.retries
            endpoint_queue.retries.clear()
            for queue in list(endpoint_queue.queues):
                queue.paused = True
                self._empty(queue, error)
        for batch in batches:
            for envelope in batch.envelopes:
                self._land(
                    envelope, build_failed(undelivered_kind(batch.attempts), envelope, error), -inf
                )

    def stop(self) -> None:
        """Send nothing more; what is under way is still awaited."""
        self._stopped = self._stopped or NotSent(_STOPPED)
        self._give_back(self._stopped)

    def abandon(self) -> None:
        """Settle all at once, also what is under way: nobody waits for its answer any more."""
        self.stop()
        for batch in list(self._under_way):
            self._under_way.discard(batch)
            batch.is_abandoned = True
            batch.attempts.is_ambiguous = True
            self._give_up(batch, AmbiguousAnswer(_NO_ANSWER_IN_TIME), -inf)
