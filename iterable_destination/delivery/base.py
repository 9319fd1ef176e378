"""The base of every destination: events in, one outcome each out, whatever the target is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import count
from math import inf
from typing import Any, Final, Protocol, Self, TypeVar
from weakref import WeakSet

import attrs

from iterable_destination.delivery.background import Background
from iterable_destination.delivery.conclusion import Concluder, Results
from iterable_destination.delivery.engine.bulk import BulkEndpoint
from iterable_destination.delivery.engine.counters import Counters
from iterable_destination.delivery.engine.envelope import Batch, Prepared
from iterable_destination.delivery.engine.policy import DeliveryPolicy
from iterable_destination.delivery.engine.rate_limiter import RateLimiters
from iterable_destination.delivery.engine.retry import RetryPolicy
from iterable_destination.delivery.engine.scheduler import Scheduler
from iterable_destination.delivery.exchanges import ExchangeReporter
from iterable_destination.delivery.failures import (
    CLOSE_TIMEOUT,
    NOT_STARTED,
    STARTED,
    log_callback_failure,
)
from iterable_destination.delivery.outbox_worker import OutboxPass, OutboxWorker, deliver_outbox
from iterable_destination.delivery.policies import (
    ENDPOINT_BUSY,
    GRACE,
    Runtime,
    build_policy,
    for_background,
)
from iterable_destination.delivery.prepare import (
    OrderingKey,
    Prepare,
    Preparer,
    Target,
    check_input,
    with_ordering_key,
)
from iterable_destination.delivery.safe_scheduler import build_interrupted, log_crash
from iterable_destination.delivery.worker_pool import WorkerPool, make_request
from iterable_destination.errors import NotSent
from iterable_destination.io.dead_letters import DeadLetterStore
from iterable_destination.io.lifecycle import Closeable, ForkSafe
from iterable_destination.io.outbox_protocol import AnyOutbox
from iterable_destination.model.bounds import check_count, check_timeout
from iterable_destination.model.endpoints import Endpoint
from iterable_destination.model.exchange import Exchange
from iterable_destination.model.interruptions import raise_interruption
from iterable_destination.model.outcomes import Outcome, Rejected
from iterable_destination.model.records import Record
from iterable_destination.model.responses import ApiResponse
from iterable_destination.typing import Event

#: Seconds that the end of a stream waits for outcomes to be told beyond its time.
_TELLING_ALL: Final = 5.0
#: The most requests that can be in flight at once.
MAX_WORKERS: Final = 64

_Started = TypeVar("_Started", Background, OutboxWorker)


class RequestClient(Protocol):
    """Makes single requests, as :class:`~iterable_destination.Client` does."""

    def request(
        self,
        endpoint: Endpoint,
        body: bytes | None = None,
        *,
        timeout: float | None = None,
        expects_code: bool = False,
    ) -> ApiResponse:
        """Return the response; raises :exc:`ApiError`."""

    def close(self) -> object:
        """Close the connections."""


class BaseDestination(Closeable, ForkSafe):
    """Delivers events to a target. Safe to use from several threads.

    Order holds within each call of :meth:`send_all`, and for all that is handed in after one
    :meth:`start`; not between them.
    """

    def __init__(  # noqa: PLR0913 - keywords
        self,
        target: Target,
        client: RequestClient,
        *,
        bulk_endpoints: Mapping[str, BulkEndpoint],
        retry: RetryPolicy | None,
        rate_limiters: RateLimiters,
        max_workers: int,
        max_pending: int,
        stamp_ids: bool,
        dead_letters: DeadLetterStore | None,
        on_request: Callable[[Exchange], object] | None,
        runtime: Runtime,
    ) -> None:
        check_count("max_workers", max_workers, MAX_WORKERS)
        self._client: Final = client
        self._policy: Final = build_policy(
            runtime,
            bulk_endpoints=bulk_endpoints,
            retry=retry,
            rate_limiters=rate_limiters,
            max_pending=max_pending,
        )
        self._max_workers: Final = max_workers
        self._preparer: Final = Preparer(
            target, stamp_ids=stamp_ids, keeps_records=dead_letters is not None
        )
        self._reporter: Final = (
            None if on_request is None else ExchangeReporter(on_request, runtime.clock)
        )
        self._clock: Final = runtime.clock
        self._sleep: Final = runtime.sleep
        self._background: Background | OutboxWorker | None = None
        self._pools: Final = WeakSet[WorkerPool]()
        self._is_starting = False
        #: How often close() was called.
        self._closes = 0
        super().__init__()
        self._concluder: Final = Concluder(dead_letters, self._policy.counters, self.lock)

    def after_fork(self) -> None:
        """Start afresh in a child process: the threads and their events stay in the parent."""
        self._is_starting = False
        for pool in self._pools:
            pool.forget()
        if self._background is not None:
            self._background.forget()

    @property
    def counters(self) -> Counters:
        """A copy of the counters."""
        with self.lock:
            return self._policy.counters.copy()

    @property
    def waiting(self) -> int:
        """How many events that were handed to :meth:`enqueue` have no outcome yet.

        0 before :meth:`start`. An event whose outcome is told at this moment counts, and one that
        was handed in at this moment may count twice. With an outbox, how many are in it, whichever
        process added them; raises :exc:`~errors.OutboxError` if it cannot be read within half a
        second.
        """
        background = self._background
        return 0 if background is None else background.waiting

    @property
    def is_key_accepted(self) -> bool | None:
        """Whether the key and the address were accepted by the last response that says so.

        None until there is one. Nothing is sent to find out.
        """
        return self._policy.breaker.is_accepted

    @property
    def keeps_dead_letters(self) -> bool:
        """Whether events that are rejected or end unknown are kept as dead letters."""
        return self._concluder.keeps_dead_letters

    # One event -----------------------------------------------------------------------------------

    def send(self, event: Event | Record, *, index: int = 0) -> Outcome:
        """Translate one event, send it now, and return its outcome.

        Faults are retried as :class:`RetryPolicy` says: no attempt begins after its ``deadline``,
        and the last one takes as long as the client's timeouts let it. ``index`` is carried to the
        outcome. Nothing is raised for what is in the event or in a response.
        """
        envelope, keys = self._preparer.prepare(index, event)
        envelope.single = True  # nothing comes that it could go together with
        with self.lock:
            scheduler = Scheduler(self._policy)
        deadline = self._clock() + self._policy.retry.deadline
        try:
            with self.lock:
                scheduler.add(envelope, keys, self._clock())
                scheduler.finished = True
            while not scheduler.settled:
                self._make_next_request(scheduler, deadline)
        except Exception as error:  # noqa: BLE001 - a fault of ours is no reason to raise
            raise_interruption(error)
            log_crash(error)
            outcome = build_interrupted(envelope, error)
            with self.lock:
                self._policy.counters.outcomes[outcome.name] += 1
            return self._concluder.conclude([(envelope, outcome)])[0]
        return self._concluder.conclude(list(scheduler.settled))[0]

    def _make_next_request(self, scheduler: Scheduler, deadline: float) -> None:
        """Make the next request of a scheduler in this thread, or sleep until it may be sent."""
        with self.lock:
            now = self._clock()
            step = scheduler.next(now)
            if not isinstance(step, Batch | None) and step > deadline:
                scheduler.stop(NotSent(ENDPOINT_BUSY))
                return
        if isinstance(step, Batch):
            make_request(scheduler, step, self._request, self.lock, self._clock)
        elif step is not None:
            self._sleep(step - now)

    def _request(
        self, batch: Batch, timeout: float | None = None, *, in_worker: bool = False
    ) -> ApiResponse:
        if self._reporter is None:
            return self._send_batch(batch, timeout)
        return self._reporter.observe(
            batch, lambda: self._send_batch(batch, timeout), in_worker=in_worker
        )

    def _send_batch(self, batch: Batch, timeout: float | None) -> ApiResponse:
        return self._client.request(
            batch.endpoint, batch.body(), timeout=timeout, expects_code=batch.bulk is None
        )

    # Many events ---------------------------------------------------------------------------------

    def send_all(
        self,
        events: Iterable[Event | Record],
        *,
        timeout: float | None = None,
        ordering_key: Callable[[Any], str | None] | None = None,
    ) -> Iterator[Outcome]:
        """Send events, in bulk where that is quicker, and yield an outcome for each.

        ``events`` is any iterable, of any size. It is read in the thread that asks for outcomes,
        and not while ``max_pending`` events wait to be settled, or their outcomes to be taken.
        While reading blocks, requests go on; outcomes come with the next event. An outcome's
        ``index`` counts events from 0; a user's outcomes come in that user's order, and others as
        they are settled.

        A user's events go out in order, one request at a time. If one of them is not accepted
        but may be later (retryable or unknown), those after it are retryable too, so that they
        can be handed in again in order. ``timeout`` is seconds from now, at least 0: nothing is
        sent after them, no response is awaited, and what is left is retryable, or unknown if it
        may have been applied. None sets no bound but :class:`RetryPolicy`.

        ``ordering_key`` says which events belong together besides those with an email or a userId
        in common: it is called once for each event, with what was handed in, in the order of the
        events, and returns a str of any length, or None for no key. Events with an equal key are
        one user's, as if it were a name that stands in each of them. A key is no email and no
        userId, whatever its text. As with names, later calls know what belongs together: of the
        names and keys that stood beside another the last 100,000 are remembered, and those of
        events that wait. None gives no event a key.

        What reading the events or ``ordering_key`` raises is raised, after the outcomes of all that
        were read before; so is :exc:`TypeError` if it returns something else. Leaving the iterator
        early ends delivery; an event without an outcome was sent or was not. Nothing is read or
        sent before the first outcome is asked for. Raises :exc:`TypeError` for a single event and
        for an ``ordering_key`` that cannot be called, and :exc:`ValueError` for a number out of
        bounds.
        """
        check_input(events, ordering_key)
        check_timeout(timeout)
        stop_at = inf if timeout is None else self._clock() + timeout
        policy = attrs.evolve(self._policy, stop_at=stop_at)
        return self._send_all(events, self._make_pool(policy), stop_at, ordering_key)

    def _send_all(
        self,
        events: Iterable[Any],
        pool: WorkerPool,
        stop_at: float,
        ordering_key: OrderingKey | None,
    ) -> Iterator[Outcome]:
        prepare = self._preparer.until(stop_at, self._clock)
        try:
            prepared = (
                map(prepare, count(), events)
                if ordering_key is None
                else _prepare_all(with_ordering_key(prepare, ordering_key), events)
            )
            for results in pool.run(prepared, lambda: self._take_results(pool, stop_at)):
                yield from self._concluder.conclude(results)
        finally:
            pool.close()

    def _take_results(self, pool: WorkerPool, stop_at: float) -> Results:
        """Wait for results until some moment; abandon what is pending then."""
        wait = stop_at - self._clock() + GRACE
        if wait <= 0:
            pool.abandon()
        return pool.take_results(wait=max(wait, 0))

    def _make_pool(self, policy: DeliveryPolicy) -> WorkerPool:
        def send(batch: Batch) -> ApiResponse:
            if policy.stop_at == inf:
                return self._request(batch, in_worker=True)
            left = max(policy.stop_at - self._clock(), 0.001)
            return self._request(batch, left, in_worker=True)

        pool = WorkerPool(
            policy,
            send,
            lock=self.lock,
            clock=self._clock,
            max_workers=self._max_workers,
        )
        self._pools.add(pool)
        return pool

    # In the background ---------------------------------------------------------------------------

    def start(
        self,
        on_outcome: Callable[[Outcome], None] | None = None,
        *,
        capacity: int = 10_000,
        stamp_missing: bool = True,
        outbox: AnyOutbox | None = None,
    ) -> Self:
        """Begin to deliver in the background what is handed to :meth:`enqueue`; return this.

        ``on_outcome`` is called with each outcome, in another thread; what it raises is logged.
        None calls nothing.

        Without an ``outbox`` events wait in memory, ``capacity`` of them at most, at least 1, and
        as many more whose outcomes are being told. A
        child process that is forked begins with an empty queue; the parent sends what waits. At
        the end of the interpreter the destination is closed, which waits for 30 seconds at most.
        ``stamp_missing`` gives a Segment event without a ``messageId`` a random one, and one that
        has neither a ``timestamp`` nor an ``originalTimestamp`` the present moment as its
        ``timestamp``, when it is handed in; False takes each event as it is.

        With an ``outbox`` events wait on disk, and its own ``capacity`` and ``stamp_missing``
        hold. What is retryable or unknown is tried again, and reported, until it is not. One
        process at a time delivers from an outbox; when it ends, another one that was started with
        it goes on, or the next start, or ``iterable-destination drain``.

        Raises :exc:`RuntimeError` if it was called before, and :exc:`ValueError` for a capacity
        below 1.
        """
        check_count("capacity", capacity)
        report = _call_safely(on_outcome or _ignore)
        if outbox is None:
            self._start(
                lambda: self._build_background(report, capacity, stamp_missing=stamp_missing)
            )
        else:
            self._start(
                lambda: OutboxWorker(outbox, self._make_pass, report, self._close_if_closed)
            )
        return self

    def _start(self, build: Callable[[], _Started]) -> _Started:
        """Start what delivers in the background, once."""
        closes = self._closes
        with self.lock:
            if self._is_starting or self._background is not None:
                raise RuntimeError(STARTED)
            self._is_starting = True
        try:  # without the lock, which the threads need: a handler may close it meanwhile
            self._background = background = build()
        finally:
            self._is_starting = False
        if self._closes != closes:  # by a signal handler, before there was anything to close
            background.close(0)
        return background

    def _build_background(
        self, on_outcome: Callable[[Outcome], None], capacity: int, *, stamp_missing: bool
    ) -> Background:
        policy = for_background(self._policy, capacity)
        return Background(
            self._preparer,
            lambda: self._make_pool(policy),
            self._concluder.conclude,
            lambda outcomes: on_outcome(outcomes[0]),
            capacity=capacity,
            tells_singly=True,
            stamp_missing=stamp_missing,
            on_end=self._close_if_closed,
        )

    def drain(self, outbox: AnyOutbox) -> Iterator[Outcome]:
        """Deliver what is in an outbox, and yield an outcome for each event that was tried.

        What is delivered, skipped or rejected is removed soon after its outcome was yielded; what
        is retryable or unknown stays. Raises :exc:`~errors.OutboxInUse` if another process, or
        another thread, delivers from it.
        """
        with outbox.delivering():
            for outcomes in deliver_outbox(outbox, self._make_pass()):
                yield from outcomes

    def _make_pass(self) -> OutboxPass:
        """Return a pass through an outbox, with a worker pool of its own."""
        conclude = partial(self._concluder.conclude, dead=frozenset({Rejected.name}))
        return OutboxPass(self._make_pool(self._policy), self._preparer, conclude)

    def _stream(self, on_outcomes: Callable[[list[Outcome]], None]) -> Background:
        """Begin as :meth:`start` does, for a program that reads events and may wait.

        Returns a queue whose ``put`` waits where :meth:`enqueue` would raise. ``on_outcomes``
        gets lists of outcomes; if it raises, delivery ends, and ``put`` and ``flush`` raise the
        same. A user with a retryable event stays paused for all later events, as in
        :meth:`send_all`.
        """

        def build() -> Background:
            return Background(
                self._preparer,
                lambda: self._make_pool(self._policy),
                self._concluder.conclude,
                on_outcomes,
                capacity=self._policy.max_pending,
                tells_singly=False,
                on_end=lambda: None,
                telling=_TELLING_ALL,
            )

        return self._start(build)

    def enqueue(self, event: Event) -> int:
        """Take an event to be delivered in the background; return its number at once.

        The number is the ``index`` of its outcome. The event is read here, and may be changed
        afterwards. It is not changed itself: a copy is given an id and a time if these are missing,
        as ``stamp_missing`` says. Raises :exc:`~errors.QueueFull` if the queue is full, and
        :exc:`~errors.NotSent` if the destination is closed; the event was not taken then. Raises
        :exc:`RuntimeError` before :meth:`start`.
        """
        return self._require_background().enqueue(event)

    def flush(self, timeout: float | None = None) -> int:
        """Send what waits, and return how many events are not settled when time runs out.

        ``timeout`` is seconds, at least 0; None waits until nothing is left. Raises
        :exc:`RuntimeError` before :meth:`start`, and :exc:`ValueError` for a timeout below 0.
        """
        check_timeout(timeout)
        return self._require_background().flush(timeout)

    def _require_background(self) -> Background | OutboxWorker:
        if self._background is None:
            raise RuntimeError(NOT_STARTED)
        return self._background

    def close(self, timeout: float | None = CLOSE_TIMEOUT) -> int:
        """Deliver what waits in the background, and close the connections.

        Returns how many events were left after ``timeout`` seconds, at least 0; None waits until
        nothing is left, the default is half a minute. Those in flight or waiting in memory end as
        retryable or unknown; those in an outbox stay there. 0 if nothing was started. Raises
        :exc:`ValueError` for a timeout below 0.
        """
        check_timeout(timeout)
        self._closes += 1
        background = self._background
        if background is None:
            self._close_client()
            return 0
        try:
            return background.close(timeout)
        finally:
            if not background.is_telling:  # else it is closed when all is told
                self._close_client()

    def _close_if_closed(self) -> None:
        """Close the client at the end of background delivery that :meth:`close` did not await."""
        if self._closes:
            self._close_client()

    def _close_client(self) -> None:
        self._client.close()


def _prepare_all(prepare: Prepare, events: Iterable[Any]) -> Iterator[Prepared]:
    """Yield what ``prepare`` makes of events.

    It is a generator, so that a :exc:`StopIteration` of an ordering key is no end of the events.
    """
    for index, event in enumerate(events):
        yield prepare(index, event)


def _ignore(_: Outcome) -> None:
    """Do nothing."""


def _call_safely(on_outcome: Callable[[Outcome], None]) -> Callable[[Outcome], None]:
    """Return a function that calls ``on_outcome`` for an outcome, and logs what it raises.

    It is called in a thread of its own, so :exc:`SystemExit` would end no more than that.
    """

    def call(outcome: Outcome) -> None:
        try:
            on_outcome(outcome)
        except BaseException as error:  # noqa: BLE001 - the callback's own fault stops nothing
            log_callback_failure(error, outcome)

    return call
