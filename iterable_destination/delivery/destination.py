"""Delivery: events in, one outcome for each out.

The public interface of delivery, and what all of its ways have in common. What is decided stands
in :mod:`iterable_destination.delivery.engine`.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import count
from math import inf
from typing import Any, Final, Self

import attrs

from iterable_destination.delivery.background import CLOSE_TIMEOUT, Background
from iterable_destination.delivery.engine.circuit_breaker import CircuitBreaker
from iterable_destination.delivery.engine.counters import Counters
from iterable_destination.delivery.engine.envelope import (
    DEADLINE_EXCEEDED,
    Batch,
    Envelope,
    Prepared,
    build_delivered,
    build_failed,
    build_final,
    next_call_after_failure,
    undelivered_kind,
)
from iterable_destination.delivery.engine.rate_limiter import Permit, RateLimiters
from iterable_destination.delivery.engine.retry import Attempts, RetryPolicy
from iterable_destination.delivery.engine.scheduler import DeliveryPolicy, Scheduler
from iterable_destination.delivery.outbox_worker import OutboxPass, OutboxWorker, deliver_outbox
from iterable_destination.delivery.prepare import Preparer, event_of
from iterable_destination.delivery.worker_pool import Results, WorkerPool
from iterable_destination.errors import (
    ApiError,
    InvalidJSON,
    NotSent,
    RequestRefused,
    UnwritableFile,
)
from iterable_destination.io.dead_letters import DeadLetter, DeadLetters
from iterable_destination.io.iterable_client import Client
from iterable_destination.io.json_lines import LineRecord
from iterable_destination.io.lifecycle import Closeable, ForkSafe
from iterable_destination.io.outbox import Outbox
from iterable_destination.mapping.translate import Translator, translator_of
from iterable_destination.model.calls import Call
from iterable_destination.model.endpoints import Endpoint
from iterable_destination.model.outcomes import Outcome, Rejected, Retryable, Unknown
from iterable_destination.model.responses import ApiResponse
from iterable_destination.model.settings import Settings

_log: Final = logging.getLogger("iterable_destination.delivery.destination")

#: Seconds beyond the time given in which an answer may still come in.
_GRACE: Final = 0.05
_MOST_WORKERS: Final = 64
#: Outcomes of events that are kept as dead letters.
_DEAD: Final = frozenset({Rejected.name, Unknown.name})

_STARTED: Final = "the destination was started before"
_NO_TURN: Final = "not sent: too many requests are waited for at this endpoint"


class Destination(Closeable, ForkSafe):
    """An Iterable project that events can be sent to. Safe to use from several threads.

    What is said of order holds within each call of :meth:`send_all`, and for all that is handed to
    one :meth:`start`; not between them.
    """

    def __init__(  # noqa: PLR0913 - keywords, each with a default
        self,
        settings: Settings,
        *,
        client: Client | None = None,
        translator: Translator | None = None,
        retry: RetryPolicy | None = None,
        rate_limits: Mapping[str, float | None] | None = None,
        max_workers: int = 8,
        max_pending: int = 10_000,
        stamp_ids: bool = True,
        dead_letters: DeadLetters | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """Make a destination; nothing is sent yet.

        ``client`` None makes one from ``settings``, and closes it; a client that is handed in is
        its owner's to close. ``translator`` None is the classic mapping, or the ``mappings`` of
        ``settings``. ``retry`` None is the default one. ``rate_limits`` are requests per
        second by path, above 0, such as ``{"/api/users/bulkUpdate": 2.5}`` where others send to the
        same project; None is no limit, and for paths that are not named Iterable's documented limit
        holds. ``max_workers`` requests at most are under way at once in :meth:`send_all`, 1 to 64.
        ``max_pending`` events at most, at least 1, wait at once to be settled or told in it.
        ``stamp_ids`` gives events and purchases their ``messageId`` as ``id``, so that Iterable
        keeps one record of what is sent twice. ``dead_letters`` keeps what was rejected or ended
        unknown, before its outcome is told; None keeps nothing. ``clock`` gives seconds that never
        go back, ``chance(a, b)`` a number between.

        Raises :exc:`~errors.InvalidSettings` if a client is to be made and there is no
        ``api_key``, :exc:`~errors.InvalidSubscription` for mistakes in ``mappings``, and
        :exc:`ValueError` for a number out of bounds.
        """
        if not (1 <= max_workers <= _MOST_WORKERS and max_pending >= 1):
            raise ValueError("max_workers must be from 1 to 64, and max_pending at least 1")
        by_settings = translator_of(settings)  # what is wrong with their mappings is told now
        self._settings: Final = settings
        self._owns_client: Final = client is None
        self._client: Final = Client(settings, clock=clock) if client is None else client
        retry = retry or RetryPolicy()
        self._policy: Final = DeliveryPolicy(
            retry=retry,
            rate_limiters=RateLimiters(rate_limits),
            breaker=CircuitBreaker(retry.breaker_timeout),
            counters=Counters(),
            jitter=jitter,
            on_retry=_log_retry,
            max_pending=max_pending,
        )
        self._workers: Final = max_workers
        self._preparer: Final = Preparer(
            settings,
            by_settings if translator is None else translator,
            stamp_ids=stamp_ids,
            keeps_sources=dead_letters is not None,
        )
        self._dead_letters: Final = dead_letters
        self._clock: Final = clock
        self._sleep: Final = sleep
        self._background: Background | OutboxWorker | None = None
        super().__init__()

    def __repr__(self) -> str:
        return f"Destination({self._settings.url!r})"

    def after_fork(self) -> None:
        """Begin anew in a child process: threads and what waits for them are the parent's."""
        if self._background is not None:
            self._background.forget()

    @property
    def counters(self) -> Counters:
        """What was done so far, as a copy."""
        with self.lock:
            return self._policy.counters.copy()

    @property
    def keeps_dead_letters(self) -> bool:
        """Whether what is rejected or ends unknown is kept as a dead letter."""
        return self._dead_letters is not None

    # One event -----------------------------------------------------------------------------------

    def send(self, event: Any, *, index: int = 0) -> Outcome:
        """Translate one event, send it now, and return what became of it.

        Faults are borne as :class:`RetryPolicy` says: no try begins after its ``deadline``, and the
        last one takes as long as the client's timeouts let it.
        ``index`` is carried to the outcome. Nothing is raised for what is in the event or what
        Iterable answers.
        """
        envelope, calls = self._preparer.calls(index, event)
        outcome = envelope.outcome or self._deliver(envelope, calls)
        if calls:
            outcome = attrs.evolve(outcome, calls=calls)
        with self.lock:
            self._policy.counters.outcomes[outcome.name] += 1
        return self._told([(envelope, outcome)])[0]

    def _deliver(self, envelope: Envelope, calls: tuple[Call, ...]) -> Outcome:
        """Send the calls of one event in order; the first that fails ends it."""
        envelope.attempts = attempts = Attempts(
            deadline=self._clock() + self._policy.retry.deadline
        )
        kinds = [type(call) for call in calls]
        outcome: Outcome = build_delivered(envelope, None)
        call_index: int | None = 0
        while call_index is not None and call_index < len(calls):
            envelope.call_index, call_index = call_index, call_index + 1
            outcome = self._sent(envelope, calls[envelope.call_index], attempts)
            if outcome.error is not None:
                call_index = next_call_after_failure(
                    kinds, envelope.subscriptions, envelope.call_index
                )
                if call_index is not None:
                    envelope.failures += ((envelope.subscriptions[envelope.call_index], outcome),)
                    attempts.accepted()
        return build_final(envelope, outcome)

    def _sent(self, envelope: Envelope, call: Call, attempts: Attempts) -> Outcome:
        """Send a call of an event, and return the outcome that it would have alone."""
        try:
            return build_delivered(envelope, self._try(call, attempts))
        except (ApiError, NotSent) as error:
            is_refused = isinstance(error, RequestRefused)
            return build_failed(
                Rejected if is_refused else undelivered_kind(attempts), envelope, error
            )

    def _try(self, call: Call, attempts: Attempts) -> ApiResponse:
        """Send a call until it is accepted or given up; then raise the last error."""
        if (
            attempts.total and self._clock() > attempts.deadline
        ):  # an earlier call took all the time
            raise NotSent(DEADLINE_EXCEEDED)
        while True:
            release = self._wait_for_turn(call.endpoint, attempts)
            try:
                answer = self._client.send(call)
            except ApiError as error:
                wait = self._next_delay(call.endpoint, error, attempts, release)
                if wait is None:
                    raise
                self._sleep(wait)
            else:
                with self.lock:
                    self._policy.rate_limiters.of(call.endpoint).release(release, self._clock())
                    self._policy.breaker.close()
                attempts.accepted()
                return answer

    def _wait_for_turn(self, endpoint: Endpoint, attempts: Attempts) -> Permit:
        """Wait until a request may go; raise if none may for as long as this event is tried."""
        while True:
            with self.lock:
                now = self._clock()
                refusal = self._policy.breaker.refusal(now)
                if refusal is not None:
                    raise refusal
                when = self._policy.rate_limiters.of(endpoint).available_at(now)
                if when <= now:
                    return self._policy.begin(endpoint, attempts, now)
            if when > attempts.deadline:
                raise NotSent(_NO_TURN)
            self._sleep(when - now)

    def _next_delay(
        self, endpoint: Endpoint, error: ApiError, attempts: Attempts, release: Permit
    ) -> float | None:
        with self.lock:
            now = self._clock()
            self._policy.rate_limiters.of(endpoint).release(release, now)
            return self._policy.next_delay(endpoint, error, attempts, now, is_last=False)

    # Many events ---------------------------------------------------------------------------------

    def send_all(
        self, events: Iterable[Any], *, timeout: float | None = None, min_bulk_size: int = 1
    ) -> Iterator[Outcome]:
        """Send events through Iterable's bulk endpoints, and yield an outcome for each.

        ``events`` is any iterable, of any size. It is read in the thread that asks for outcomes,
        and not while ``max_pending`` events wait to be settled or told. While reading makes this
        wait, requests go on; outcomes come with the next event. An outcome's ``index`` counts
        events from 0; a user's outcomes come in that user's order, and others as they are settled.

        A user's events go out in order, one request at a time. If one of them is not accepted
        but may be later (retryable or unknown), those after it are retryable too, so that they
        can be handed in again in order. ``timeout`` is seconds from now, at least 0: nothing is
        sent after them, no answer is awaited, and what is left is retryable, or unknown if it
        may have been applied. None sets no bound but :class:`RetryPolicy`.

        ``min_bulk_size`` calls, at least 1, make a bulk; fewer go singly. A larger number suits
        those who wait for a few events: single requests have rates a hundred times higher.

        What reading the events raises is raised, after the outcomes of all that were read.
        Leaving the iterator early ends delivery; what has no outcome yet was sent or was not.
        Nothing is read or sent before the first outcome is asked for.
        """
        stop_at = inf if timeout is None else self._clock() + timeout
        policy = attrs.evolve(self._policy, stop_at=stop_at, min_bulk_size=min_bulk_size)
        return self._all(events, self._pool(policy), stop_at)

    def _all(self, events: Iterable[Any], pool: WorkerPool, stop_at: float) -> Iterator[Outcome]:
        envelopes = self._envelopes(events, stop_at)
        try:
            for settled in pool.run(envelopes, lambda: self._take(pool, stop_at)):
                yield from self._told(settled)
        finally:
            pool.close()

    def _envelopes(self, events: Iterable[Any], stop_at: float) -> Iterator[Prepared]:
        """Return the envelopes of events; what comes too late is not even translated."""
        if stop_at == inf:
            return map(self._preparer.prepare, count(), events)

        def prepare(index: int, event: Any) -> Prepared:
            is_late = self._clock() >= stop_at
            return (self._preparer.late if is_late else self._preparer.prepare)(index, event)

        return map(prepare, count(), events)

    def _take(self, pool: WorkerPool, stop_at: float) -> Results:
        """Wait for outcomes, or for the end of the time given."""
        wait = stop_at - self._clock() + _GRACE
        if wait <= 0:
            pool.abandon()
        return pool.take(wait=max(wait, 0))

    def _told(self, settled: Results, dead: frozenset[str] = _DEAD) -> list[Outcome]:
        """Return outcomes as they are told.

        Those that are called ``dead`` are kept as dead letters before; if that cannot be, they
        are retryable.
        """
        outcomes = [outcome for _, outcome in settled]
        if self._dead_letters is None:
            return outcomes
        letters = [_letter(*each) for each in settled if each[1].name in dead]
        try:
            self._dead_letters.write(letters)
        except UnwritableFile as error:
            _log.error("dead letters cannot be written: %s", error)
            return [self._kept(each, error) if each.name in dead else each for each in outcomes]
        return outcomes

    def _kept(self, outcome: Outcome, error: UnwritableFile) -> Outcome:
        """Return an outcome that is not final, since what it says could not be put down."""
        with self.lock:
            outcomes = self._policy.counters.outcomes
            outcomes[outcome.name] -= 1
            outcomes[Retryable.name] += 1
        return Retryable(
            index=outcome.index,
            message_id=outcome.message_id,
            calls=outcome.calls,
            notes=outcome.notes,
            attempts=outcome.attempts,
            message=str(error),
            error=error,
            failures=outcome.failures,
        )

    def _pool(self, policy: DeliveryPolicy) -> WorkerPool:
        def send(batch: Batch) -> ApiResponse:
            is_bounded = policy.stop_at < inf
            timeout = max(policy.stop_at - self._clock(), 0.001) if is_bounded else None
            return self._client.request(
                batch.endpoint, batch.body(), timeout=timeout, expects_code=batch.bulk is None
            )

        return WorkerPool(
            Scheduler(policy), send, lock=self.lock, clock=self._clock, max_workers=self._workers
        )

    # In the background ---------------------------------------------------------------------------

    def start(
        self,
        on_outcome: Callable[[Outcome], None] | None = None,
        *,
        capacity: int = 10_000,
        outbox: Outbox | None = None,
    ) -> Self:
        """Begin to deliver in the background what is handed to :meth:`enqueue`; return this.

        ``on_outcome`` is called with each outcome, in another thread; what it raises is logged.
        None tells nobody.

        Without an ``outbox`` events wait in memory, ``capacity`` of them at most, at least 1. A
        child process that is forked begins with an empty queue; what waits is the parent's to
        send. At the end of the interpreter the destination is closed, which waits for 30 seconds
        at most.

        With one they wait on disk, and its own capacity holds. What is retryable or unknown is
        tried again, and told of, until it is not. One process at a time delivers from an outbox;
        when it ends another one that was started with it goes on, or the next start, or ``iterable-
        destination drain``.

        Raises :exc:`RuntimeError` if it was started before, and :exc:`ValueError` for a capacity
        below 1.
        """
        if capacity < 1:
            raise ValueError("capacity must be at least 1")
        if outbox is None:
            self.stream(_one_by_one(on_outcome or _nobody), capacity=capacity, keeps_paused=False)
            return self
        if self._background is not None:
            raise RuntimeError(_STARTED)
        self._background = OutboxWorker(outbox, self._pass, _one_by_one(on_outcome or _nobody))
        return self

    def drain(self, outbox: Outbox) -> Iterator[Outcome]:
        """Deliver what is in an outbox, and yield an outcome for each event that was tried.

        What is delivered, skipped or rejected is removed soon after its outcome was yielded; what
        is retryable or unknown stays. Raises :exc:`~errors.OutboxInUse` if someone else delivers
        from it.
        """
        with outbox.delivering():
            for outcomes in deliver_outbox(outbox, self._pass()):
                yield from outcomes

    def _pass(self) -> OutboxPass:
        """Return what delivers sources once through a worker pool of its own."""
        tell = partial(self._told, dead=frozenset({Rejected.name}))
        return OutboxPass(self._pool(self._policy), self._preparer, tell)

    def stream(
        self,
        on_outcomes: Callable[[list[Outcome]], None],
        *,
        capacity: int | None = None,
        keeps_paused: bool = True,
    ) -> Background:
        """Begin as :meth:`start` does, for a program that reads events and may wait for room.

        Returns a queue whose ``put`` waits where :meth:`enqueue` would raise. ``on_outcomes``
        gets lists of outcomes; if it raises, delivery ends, and ``put`` and ``flush`` raise the
        same. ``holds`` is whether what was retryable once stays before all later events of its
        user, as in :meth:`send_all`.
        """
        if self._background is not None:
            raise RuntimeError(_STARTED)
        max_pending = self._policy.max_pending if capacity is None else capacity
        policy = attrs.evolve(self._policy, max_pending=max_pending, keeps_paused=keeps_paused)
        self._background = background = Background(
            self._preparer,
            lambda: self._pool(policy),
            self._told,
            on_outcomes,
            self.lock,
        )
        return background

    def enqueue(self, event: Any) -> int:
        """Take an event to be delivered in the background; return its number at once.

        The number is the ``index`` of its outcome. The event is read here, and may be changed
        afterwards. Raises :exc:`~errors.QueueFull` if there is no room, and
        :exc:`~errors.NotSent` if the destination is closed; the event was not taken then. Raises
        :exc:`RuntimeError` before :meth:`start`.
        """
        return self._started().enqueue(event)

    def flush(self, timeout: float | None = None) -> int:
        """Send what waits, and return how many events are not settled when time runs out.

        ``timeout`` is seconds, at least 0; None is as long as it takes. Raises
        :exc:`RuntimeError` before :meth:`start`.
        """
        return self._started().flush(timeout)

    def _started(self) -> Background | OutboxWorker:
        if self._background is None:
            raise RuntimeError("the destination was not started")
        return self._background

    def close(self, timeout: float | None = CLOSE_TIMEOUT) -> int:
        """Deliver what waits in the background, and close the connections.

        Returns how many events were left after ``timeout`` seconds; None is however long it
        takes, the default half a minute. Those under way or waiting in memory are told as
        retryable or unknown; those in an outbox stay there. 0 if nothing was started. A client
        that was handed in stays open.
        """
        left = 0 if self._background is None else self._background.close(timeout)
        if self._owns_client:
            self._client.close()
        return left


def _log_retry(endpoint: Endpoint, error: ApiError, wait: float) -> None:
    """Say what is sent again and why; Iterable's own words may repeat what is in a request."""
    _log.info(
        "%s: %s, status %s, code %s, request %s; again in %.2f s",
        endpoint.path,
        type(error).__name__,
        error.status,
        error.code,
        error.request_id,
        wait,
    )
    _log.debug("%s: %s", endpoint.path, error.message)


def _letter(envelope: Envelope, outcome: Outcome) -> DeadLetter:
    source = envelope.source
    if isinstance(source, LineRecord) and isinstance(outcome.error, InvalidJSON):
        return DeadLetter(outcome, line=source.text)
    return DeadLetter(outcome, event=event_of(source))


def _nobody(_: Outcome) -> None:
    """Tell nobody."""


def _one_by_one(tell: Callable[[Outcome], None]) -> Callable[[list[Outcome]], None]:
    """Return what tells of outcomes one at a time, whatever comes of that."""

    def told(outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            try:
                tell(outcome)
            except Exception:  # noqa: BLE001 - not ours to know
                _log.exception("on_outcome raised")

    return told
