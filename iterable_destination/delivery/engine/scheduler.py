"""Scheduler: which request goes out next, and what follows from its response.

The package's docstring explains the states that this drives.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from heapq import heappop, heappush
from itertools import compress, islice
from math import inf
from typing import Final

import attrs

from iterable_destination.delivery.engine.bulk import (
    UPDATE_ONLY_ENDPOINTS,
    BulkEndpoint,
    blamed_items,
    is_unknown_user,
    item_results,
    queue_name,
)
from iterable_destination.delivery.engine.endpoint_queue import EndpointQueue, split_index
from iterable_destination.delivery.engine.envelope import (
    DEADLINE_EXCEEDED,
    Batch,
    Envelope,
    UserQueue,
    build_delivered,
    build_failed,
    build_final,
    copy_error,
    describe_failure,
    next_call_after_failure,
    undelivered_kind,
)
from iterable_destination.delivery.engine.policy import DeliveryPolicy
from iterable_destination.delivery.engine.retry import Attempts
from iterable_destination.delivery.engine.user_queues import UserQueues
from iterable_destination.errors import (
    AmbiguousAnswer,
    ApiError,
    IterableDestinationError,
    NotSent,
    RequestRefused,
    TooLarge,
)
from iterable_destination.model.endpoints import MAX_BODY_BYTES, MAX_BULK_ITEMS, Endpoint
from iterable_destination.model.outcomes import Delivered, Outcome, Rejected, Retryable, Unknown
from iterable_destination.model.responses import ApiResponse

#: Seconds without a new event after which an incomplete bulk request goes out.
_IDLE_BEFORE_SEND: Final = 0.05
#: Seconds after which it goes out although new events keep coming.
_MAX_BATCHING_DELAY: Final = 1.0
#: A refused bulk of so many envelopes is sent singly rather than in halves: single requests have
#: limits a hundred times higher.
_SMALL_BULK: Final = 8
#: So many calls are too few for a bulk.
_FEW: Final = 8
#: Of more calls a bulk request is made, however long it must wait for its turn.
_MAX_SINGLE: Final = 100
#: Single requests in a second that the threads manage, whatever the limit, in a usual network.
_SINGLE_RATE: Final = 500
#: How often the items that Iterable blames for refusing a bulk are taken out of it; it has been
#: wrong.
_MAX_HINTS: Final = 3
#: Requests in flight before the first response, so that a wrong key costs no more than these.
_UNPROVEN_REQUESTS: Final = 8
#: Bytes of bodies that wait or are in flight before no more events are taken.
_MAX_PENDING_BYTES: Final = 16 * MAX_BODY_BYTES

_PAUSED: Final = "not sent: an earlier event for this user must be retried first"
_STOPPED: Final = "not sent: delivery was stopped"
_NO_RESPONSE_IN_TIME: Final = "deadline exceeded before the response came"


class Scheduler:
    """Decides which request goes next. It has no clock, thread or connection.

    Whatever happens, each envelope is settled once. Not for several threads at once, as all that
    share a policy; ``now`` is always a moment on one clock, in seconds.
    """

    def __init__(self, policy: DeliveryPolicy) -> None:
        """Make a scheduler without envelopes."""
        self._policy: Final = policy
        self._max_pending: Final = policy.max_pending
        self._user_queues: Final = UserQueues(keeps_paused=policy.keeps_paused)
        policy.linked_keys.register(self._user_queues)
        self._endpoint_queues: Final[dict[str, EndpointQueue]] = {}
        #: The endpoint queue for calls of a kind, unless a call must go elsewhere.
        self._usual: Final[dict[type, EndpointQueue]] = {}
        #: Batches that wait for a retry, by the moment of it.
        self._backoff: Final[list[tuple[float, int, Batch]]] = []
        self._in_flight: Final[set[Batch]] = set()
        self._sequence = 0
        self._bytes = 0
        self._last_add = -inf
        self._is_proven = False
        self._stopped: NotSent | None = None
        #: Whether no more envelopes come for now, so that waiting for them gains nothing.
        self.finished = False
        #: How many envelopes have no outcome yet.
        self.pending = 0
        #: Envelopes with their outcomes, until the caller takes them out.
        self.settled: deque[tuple[Envelope, Outcome]] = deque()

    # Envelopes come in ---------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """Whether no more envelopes should be added for now."""
        not_taken = len(self.settled)
        return self.pending + not_taken >= self._max_pending or self._bytes >= _MAX_PENDING_BYTES

    def add(self, envelope: Envelope, keys: set[str], now: float) -> bool:
        """Add an envelope of the user with these ordering keys.

        Returns whether there may be a batch to send because of it.
        """
        self._sequence += 1
        envelope.sequence = self._sequence
        self.pending += 1
        size = len(envelope.item)
        self._bytes += size
        self._last_add = now
        if envelope.outcome is None and not envelope.calls:
            envelope.outcome = build_delivered(envelope, None)
        if envelope.outcome is not None and not keys:
            self._settle(envelope, envelope.outcome)
            return False
        key = self._policy.linked_keys.link(keys) if keys else f"!{self._sequence}"
        queue, merged = self._user_queues.add(envelope, key)
        for each in (queue, *merged) if merged else ():
            if each.endpoint_queue is not None:
                each.endpoint_queue.leave(each)
        target = queue.endpoint_queue
        if target is None:
            return not queue.in_flight and self._join_endpoint_queue(queue, now)
        if self._goes_to(envelope, target) and target.takes_more_of(queue):
            target.extend(queue, size)
            return target.is_full
        return False

    def _goes_to(self, envelope: Envelope, target: EndpointQueue) -> bool:
        return envelope.outcome is None and self._find_endpoint_queue(envelope) is target

    def _find_endpoint_queue(self, envelope: Envelope) -> EndpointQueue:
        """Return where the current call of an envelope goes."""
        call = envelope.calls[envelope.call_index]
        if call.update_only is not None:
            bulk = UPDATE_ONLY_ENDPOINTS[call.update_only, envelope.single]
            return self._open_endpoint_queue(bulk.endpoint, bulk)
        usual = self._usual.get(call.kind)
        if usual is None:
            usual = self._usual[call.kind] = self._open_usual_queue(call.endpoint)
        if usual.bulk is None or (not envelope.single and len(call.body) <= usual.bulk.capacity):
            return usual
        return self._open_endpoint_queue(call.endpoint, None)

    def _open_usual_queue(self, endpoint: Endpoint) -> EndpointQueue:
        bulk = self._policy.bulk_endpoints.get(endpoint.name)
        return self._open_endpoint_queue(endpoint if bulk is None else bulk.endpoint, bulk)

    def _open_endpoint_queue(self, endpoint: Endpoint, bulk: BulkEndpoint | None) -> EndpointQueue:
        name = queue_name(endpoint, bulk)
        found = self._endpoint_queues.get(name)
        if found is None:
            found = self._endpoint_queues[name] = EndpointQueue(endpoint, bulk)
        return found

    def _join_endpoint_queue(self, queue: UserQueue, now: float) -> bool:
        """Let a ready user queue wait where its next envelope goes.

        An outcome that is known already is settled in its turn; if it is retryable or unknown the
        rest must not overtake it. Returns whether there may be a batch to send because of it.
        """
        waiting = queue.waiting
        while waiting and (outcome := waiting[0].outcome) is not None:
            self._settle(waiting.pop(0), outcome)
            queue.paused |= isinstance(outcome, Retryable | Unknown)
        refusal = self._refusal(now)
        if refusal is not None or queue.paused:
            queue.paused = True
            self._give_up_waiting(queue, refusal or NotSent(_PAUSED))
            return False
        if not waiting:
            self._user_queues.release(queue)
            return False
        target = self._find_endpoint_queue(waiting[0])
        batchable, size = self._count_batchable(waiting, target)
        was_empty = not target.items
        target.join(queue, batchable, size, now)
        return was_empty or target.is_full

    def _count_batchable(self, waiting: list[Envelope], target: EndpointQueue) -> tuple[int, int]:
        """Return how many of a user's envelopes can go together, and their bytes."""
        first = waiting[0]
        count, size = 1, len(first.item)
        if (
            len(waiting) == 1
            or not first.is_last_call
            or target.bulk is None
            or target.bulk.one_per_user
        ):
            return count, size
        for envelope in islice(waiting, 1, MAX_BULK_ITEMS):
            if not self._goes_to(envelope, target):
                break
            count += 1
            size += len(envelope.item)
            if not envelope.is_last_call:
                break
        return count, size

    # Batches go out ------------------------------------------------------------------------------

    def next(self, now: float) -> Batch | float | None:
        """Return the batch to send now, or the moment at which to ask again.

        None means to ask again after a change: an envelope was added, a batch ended, or
        :attr:`finished` was set.
        """
        refusal = self._refusal(now)
        if refusal is not None:
            self._give_up_all(refusal)
            return None
        if not self._is_proven and len(self._in_flight) >= _UNPROVEN_REQUESTS:
            return None if self._policy.stop_at == inf else self._policy.stop_at
        while self._backoff and self._backoff[0][0] <= now:
            batch = heappop(self._backoff)[2]
            self._endpoint_queues[batch.queue_name].retries.append(batch)
        while True:
            ready, ask_at = self._find_ready(now)
            if ready is None:
                return None if ask_at == inf else ask_at
            begun = self._begin(ready, now)
            if begun is not None:
                return begun

    def _find_ready(self, now: float) -> tuple[EndpointQueue | None, float]:
        """Return an endpoint queue of which a batch may go now; else None, and when to ask again.

        Endpoints take turns: the one that is found is the last from now on.
        """
        ask_at = min(self._policy.stop_at, self._backoff[0][0] if self._backoff else inf)
        for each in self._endpoint_queues.values():
            if each.retries or each.items:
                at = self._may_go_at(each, now)
                if at <= now:
                    self._endpoint_queues[each.name] = self._endpoint_queues.pop(each.name)
                    return each, now
                ask_at = min(ask_at, at)
        return None, ask_at

    def _refusal(self, now: float) -> IterableDestinationError | None:
        """Return why nothing may be sent now, or None if something may."""
        if self._stopped is None and now >= self._policy.stop_at:
            self._stopped = NotSent(DEADLINE_EXCEEDED)
        return self._stopped or self._policy.breaker.refusal(now)

    def _may_go_at(self, target: EndpointQueue, now: float) -> float:
        """Return when a request may go to an endpoint if nothing more comes until then."""
        available_at = self._available_at(target, now)
        if target.retries or target.is_full or self.finished or self.is_full:
            return available_at
        batched_at = min(self._last_add + _IDLE_BEFORE_SEND, target.since + _MAX_BATCHING_DELAY)
        return max(available_at, batched_at)

    def _begin(self, target: EndpointQueue, now: float) -> Batch | None:
        """Return a batch that is in flight from now on.

        None if its deadline has passed, or if its calls go singly instead.
        """
        if not target.retries and self._is_quicker_singly(target, now):
            self._send_singly(target, now)
            return None
        batch = target.retries.popleft() if target.retries else self._form_batch(target, now)
        if now > batch.attempts.deadline:
            # halves of a batch have one error
            error = NotSent(DEADLINE_EXCEEDED) if batch.error is None else copy_error(batch.error)
            self._give_up(batch, error, now)
            return None
        batch.permit = self._policy.begin(target.endpoint, batch.attempts, now)
        self._in_flight.add(batch)
        return batch

    def _available_at(self, target: EndpointQueue, now: float) -> float:
        """Return when the rate limits let the next request go, be it a bulk or a single one."""
        endpoint = target.endpoint
        if not target.retries and self._is_quicker_singly(target, now):
            endpoint = target.single_endpoint
        return self._policy.rate_limiters.of(endpoint).available_at(now)

    def _is_quicker_singly(self, target: EndpointQueue, now: float) -> bool:
        """Whether what waits for a bulk request is sent sooner singly, or at less cost.

        One call goes singly in any case, and so do few where single requests have a higher limit:
        Iterable's is a hundred times higher. More go singly if they can do so before the next bulk
        may go. A user's next call waits for the one before, so that where few users have many
        calls a bulk would hold little, again and again.
        """
        bulk, items = target.bulk, target.items
        if bulk is None or not bulk.has_single_endpoint or items > _MAX_SINGLE:
            return False
        limiters = self._policy.rate_limiters
        limiter, single = limiters.of(target.endpoint), limiters.of(target.single_endpoint)
        if items == 1 or (items <= _FEW and limiter.rate * items < single.rate):
            return True
        return items <= (limiter.available_at(now) - now) * min(single.rate, _SINGLE_RATE)

    def _send_singly(self, target: EndpointQueue, now: float) -> None:
        """Let the calls that wait for a bulk endpoint go singly."""
        for queue in list(target.user_queues):
            for envelope in queue.waiting[: queue.batchable]:
                envelope.single = True
            target.leave(queue)
            self._join_endpoint_queue(queue, now)

    @property
    def has_more(self) -> bool:
        """Whether anything waits to be sent, now or later."""
        return bool(self._backoff) or any(
            each.items or each.retries for each in self._endpoint_queues.values()
        )

    def _form_batch(self, target: EndpointQueue, now: float) -> Batch:
        envelopes = target.take(now)
        earlier = envelopes[0].attempts
        attempts = (
            attrs.evolve(earlier)
            if earlier
            else Attempts(deadline=now + self._policy.retry.deadline)
        )
        for envelope in envelopes:
            envelope.attempts = attempts
        first = envelopes[0]
        endpoint = (
            first.calls[first.call_index].endpoint if target.bulk is None else target.endpoint
        )
        return Batch(endpoint, envelopes, attempts, target.bulk)

    # Responses come back -------------------------------------------------------------------------

    def on_response(self, batch: Batch, response: ApiResponse, now: float) -> None:
        """Settle, or go on with, the envelopes of a batch that has a response."""
        if not self._end_flight(batch, now):
            return
        self._policy.breaker.close()
        if batch.bulk is None:
            (envelope,) = batch.envelopes
            self._policy.recent_users.add(batch.calls, now)
            if envelope.is_last_call:
                self._settle_in_flight(envelope, build_delivered(envelope, response), now)
            else:
                self._go_on(envelope, batch.attempts, envelope.call_index + 1, now)
            return
        self._on_bulk_response(batch, batch.bulk, response, now)

    def _on_bulk_response(
        self, batch: Batch, bulk: BulkEndpoint, response: ApiResponse, now: float
    ) -> None:
        errors: list[ApiError | None] = [None] * len(batch.envelopes)
        if bulk.reports_items:
            errors = item_results(response, batch.calls)
        accepted = [not error for error in errors]
        self._policy.recent_users.add(compress(batch.calls, accepted), now)
        if all(accepted) and batch.is_conclusive:
            self._settle_accepted(batch, response, now)
            return
        doubtful: list[Envelope] = []
        early: list[Envelope] = []  # one of a user, and what comes after it
        early_later: list[Envelope] = []
        refusal: ApiError | None = None
        users: set[UserQueue] = set()  # of whom something goes again, and is settled first
        for envelope, error in zip(batch.envelopes, errors, strict=True):
            if isinstance(error, AmbiguousAnswer) and bulk.max_items > 1:
                doubtful.append(envelope)
                users.add(envelope.queue)
            elif error is not None and self._is_early(envelope, error, now):
                (early_later if envelope.queue in users else early).append(envelope)
                refusal = refusal or (error if early else None)
                users.add(envelope.queue)
            elif error is None and not envelope.is_last_call:
                self._go_on(envelope, batch.attempts, envelope.call_index + 1, now)
            else:
                kind = Unknown if isinstance(error, AmbiguousAnswer) else Rejected
                outcome = (
                    build_failed(kind, envelope, error)
                    if error
                    else build_delivered(envelope, response)
                )
                self._end_item(batch, envelope, outcome, users, now)
        self._retry_singly(doubtful, attrs.evolve(batch.attempts, is_ambiguous=True), now)
        self._retry_singly(early_later, batch.attempts, now)
        if refusal is not None:
            again = batch.subset(early)
            again.attempts.is_early = True
            self._on_failure(again, refusal, now)

    def _end_item(
        self, batch: Batch, envelope: Envelope, outcome: Outcome, users: set[UserQueue], now: float
    ) -> None:
        """Settle an item of a bulk that has its outcome; behind others of these users, in turn."""
        if self._goes_on_after(envelope, outcome, batch.attempts, now):
            return
        if users and envelope.queue in users:
            envelope.outcome = build_final(envelope, outcome)
            self._requeue([envelope], now)
        else:
            self._settle_in_flight(envelope, outcome, now)

    def _is_early(self, envelope: Envelope, error: ApiError, now: float) -> bool:
        """Whether Iterable does not know a user yet that was identified a moment ago."""
        call = envelope.calls[envelope.call_index]
        return is_unknown_user(error) and self._policy.recent_users.has(call, now)

    def _settle_accepted(self, batch: Batch, response: ApiResponse, now: float) -> None:
        """Settle a bulk that was accepted whole: a quicker :meth:`_settle_in_flight` for each."""
        envelopes = batch.envelopes
        self.pending -= len(envelopes)
        self._bytes -= sum([len(call.body) for call in batch.calls])
        self._policy.counters.outcomes[Delivered.name] += len(envelopes)
        self.settled += [(envelope, build_delivered(envelope, response)) for envelope in envelopes]
        for queue in filter(None, map(self._user_queues.on_settled, envelopes)):
            self._join_endpoint_queue(queue, now)

    def on_error(self, batch: Batch, error: ApiError, now: float) -> None:
        """Retry, split or give up a batch whose response is an error, or missing."""
        if not self._end_flight(batch, now):
            return
        batch.attempts.is_early = batch.bulk is None and self._is_early(
            batch.envelopes[0], error, now
        )
        self._on_failure(batch, error, now)

    def _on_failure(self, batch: Batch, error: ApiError, now: float) -> None:
        """Retry, split or give up a batch that has failed and is not in flight."""
        batch.error = error
        is_last = self._stopped is not None or now >= self._policy.stop_at
        delay = self._policy.next_delay(batch.endpoint, error, batch.attempts, now, is_last=is_last)
        if delay is not None:
            splits = len(batch.envelopes) > 1 and batch.attempts.needs_split
            self._retry(self._split(batch, now) if splits else [batch], now + delay)
        elif self._is_to_be_isolated(batch, error, now):
            self._isolate(batch, error, now)
        else:
            self._give_up(batch, error, now)

    def _end_flight(self, batch: Batch, now: float) -> bool:
        """Record that a batch is no longer in flight; return whether its response matters."""
        self._policy.rate_limiters.of(batch.endpoint).release(batch.permit, now)
        self._in_flight.discard(batch)
        self._is_proven = True
        return not batch.is_abandoned

    def _retry(self, batches: Iterable[Batch], at: float) -> None:
        for batch in batches:
            self._sequence += 1
            heappush(self._backoff, (at, self._sequence, batch))

    def _is_to_be_isolated(self, batch: Batch, error: ApiError, now: float) -> bool:
        is_refused = isinstance(error, RequestRefused) and not batch.attempts.is_early
        is_refused_whole = is_refused and len(batch.envelopes) > 1
        return is_refused_whole and now <= batch.attempts.deadline and self._refusal(now) is None

    def _isolate(self, batch: Batch, error: ApiError, now: float) -> None:
        """Find out which items of a bulk made Iterable refuse the whole.

        First the users that Iterable blames go singly, then halves go, then few enough singly.
        """
        envelopes = batch.envelopes
        users = set()
        if not isinstance(error, TooLarge) and batch.hints < _MAX_HINTS:
            batch.hints += 1
            users = {envelopes[index].queue for index in blamed_items(error, len(envelopes))}
        single = [envelope for envelope in envelopes if envelope.queue in users]
        if not single and len(envelopes) <= _SMALL_BULK:
            single = envelopes
        if not single:
            self._retry(self._split(batch, now), now)
            return
        if len(single) < len(envelopes):
            rest = [envelope for envelope in envelopes if envelope.queue not in users]
            self._retry([batch.subset(rest)], now)
        self._retry_singly(single, batch.attempts, now)

    def _split(self, batch: Batch, now: float) -> list[Batch]:
        """Split a bulk in two where one user's envelopes end and another's begin.

        If they are all of one user the second half waits until the first is settled.
        """
        envelopes = batch.envelopes
        middle = split_index([envelope.queue for envelope in envelopes])
        if middle is not None:
            return [batch.subset(envelopes[:middle]), batch.subset(envelopes[middle:])]
        middle = len(envelopes) // 2
        second = batch.subset(envelopes[middle:])
        self._requeue(second.envelopes, now)
        return [batch.subset(envelopes[:middle])]

    def _retry_singly(self, envelopes: list[Envelope], attempts: Attempts, now: float) -> None:
        """Requeue envelopes to be sent singly."""
        for envelope in envelopes:
            envelope.single = True
            envelope.attempts = attrs.evolve(attempts)
        self._requeue(envelopes, now)

    def _requeue(self, envelopes: list[Envelope], now: float) -> None:
        for queue in self._user_queues.requeue(envelopes):
            self._join_endpoint_queue(queue, now)

    def _goes_on_after(
        self, envelope: Envelope, outcome: Outcome, attempts: Attempts, now: float
    ) -> bool:
        """Go on with an event although one of its calls failed; return whether it can."""
        if not envelope.subscriptions or outcome.error is None or self._refusal(now) is not None:
            return False
        kinds = [call.kind for call in envelope.calls]
        index = next_call_after_failure(kinds, envelope.subscriptions, envelope.call_index)
        if index is None:
            return False
        envelope.failures += (describe_failure(envelope, outcome),)
        self._go_on(envelope, attempts, index, now)
        return True

    def _go_on(self, envelope: Envelope, attempts: Attempts, call_index: int, now: float) -> None:
        """Make another call of an event the current one, and requeue the envelope."""
        self._bytes -= len(envelope.item)
        envelope.call_index = call_index
        envelope.single = False
        envelope.attempts = attempts.for_next_call()
        self._bytes += len(envelope.item)
        self._requeue([envelope], now)

    def _give_up(self, batch: Batch, error: IterableDestinationError, now: float) -> None:
        kind = undelivered_kind(batch.attempts)
        is_refused = isinstance(error, RequestRefused) and not batch.attempts.is_early
        if is_refused and len(batch.envelopes) == 1:
            kind = Rejected  # of several, Iterable refused the request and not each item
        is_shared = len(batch.envelopes) > 1
        for envelope in batch.envelopes:
            outcome = build_failed(kind, envelope, copy_error(error) if is_shared else error)
            if not self._goes_on_after(envelope, outcome, batch.attempts, now):
                self._settle_in_flight(envelope, outcome, now)

    # Envelopes are settled -----------------------------------------------------------------------

    def _settle_in_flight(self, envelope: Envelope, outcome: Outcome, now: float) -> None:
        """Settle an envelope that was in flight, and let the next ones of its user go on."""
        if envelope.subscriptions or envelope.failures:
            outcome = build_final(envelope, outcome)
        self._settle(envelope, outcome)
        if isinstance(outcome, Retryable | Unknown):
            envelope.queue.paused = True  # later events must not overtake it
        ready = self._user_queues.on_settled(envelope)
        if ready is not None:
            self._join_endpoint_queue(ready, now)

    def _settle(self, envelope: Envelope, outcome: Outcome) -> None:
        self.pending -= 1
        self._bytes -= len(envelope.item)
        self._policy.counters.outcomes[outcome.name] += 1
        self.settled.append((envelope, outcome))

    def _give_up_waiting(self, queue: UserQueue, error: IterableDestinationError) -> None:
        """Settle all that waits of a user of whom nothing is in flight."""
        if queue.endpoint_queue is not None:
            queue.endpoint_queue.leave(queue)
        for envelope in queue.waiting:
            kind = undelivered_kind(envelope.attempts)
            outcome = build_failed(kind, envelope, copy_error(error))
            self._settle(envelope, envelope.outcome or build_final(envelope, outcome))
        self._user_queues.release(queue)

    def _give_up_all(self, error: IterableDestinationError) -> None:
        """Settle all that is not in flight: nothing will be sent for now."""
        batches = [batch for _, _, batch in self._backoff]
        self._backoff.clear()
        for target in self._endpoint_queues.values():
            batches += target.retries
            target.retries.clear()
            for queue in list(target.user_queues):
                queue.paused = True
                self._give_up_waiting(queue, error)
        for batch in batches:
            kind = undelivered_kind(batch.attempts)
            for envelope in batch.envelopes:
                outcome = build_failed(kind, envelope, copy_error(error))
                self._settle_in_flight(envelope, outcome, -inf)

    def stop(self, reason: NotSent | None = None) -> None:
        """Send nothing more; what is in flight still ends by its response.

        ``reason`` is the error of what was not sent; None says that delivery was stopped.
        """
        self._stopped = self._stopped or reason or NotSent(_STOPPED)
        self._give_up_all(self._stopped)

    def abandon(self) -> None:
        """Settle everything at once, also what is in flight, whose responses no longer matter."""
        self.stop()
        for batch in list(self._in_flight):
            self._in_flight.discard(batch)
            batch.is_abandoned = True
            batch.attempts.is_ambiguous = True
            self._give_up(batch, AmbiguousAnswer(_NO_RESPONSE_IN_TIME), -inf)
