"""The destination of Segment's events for an event loop: an Iterable project, without threads."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Mapping
from contextlib import aclosing, suppress
from functools import partial
from inspect import iscoroutinefunction
from math import inf
from typing import Any, Final, Protocol, Self

import attrs

from iterable_destination.delivery.async_background import AsyncBackground, OnOutcome
from iterable_destination.delivery.async_driver import (
    AsyncDriver,
    end_tasks,
    make_request_in_loop,
)
from iterable_destination.delivery.conclusion import Concluder, Results
from iterable_destination.delivery.engine.bulk import ITERABLE_BULK_ENDPOINTS
from iterable_destination.delivery.engine.counters import Counters
from iterable_destination.delivery.engine.envelope import Batch, Envelope
from iterable_destination.delivery.engine.policy import DeliveryPolicy
from iterable_destination.delivery.engine.rate_limiter import RateLimiter, RateLimiters
from iterable_destination.delivery.engine.retry import RetryPolicy
from iterable_destination.delivery.engine.scheduler import Scheduler
from iterable_destination.delivery.exchanges import ExchangeReporter
from iterable_destination.delivery.failures import CLOSE_TIMEOUT, NOT_STARTED, STARTED
from iterable_destination.delivery.iterable_project import IterableProject, with_any_key
from iterable_destination.delivery.policies import (
    ENDPOINT_BUSY,
    GRACE,
    Runtime,
    build_policy,
    for_background,
)
from iterable_destination.delivery.prepare import (
    Prepare,
    Preparer,
    check_input,
    with_ordering_key,
)
from iterable_destination.delivery.safe_scheduler import build_interrupted, log_crash
from iterable_destination.delivery.slices import Slices
from iterable_destination.errors import NotSent
from iterable_destination.io.async_client import AsyncClient
from iterable_destination.io.dead_letters import DeadLetterStore
from iterable_destination.io.event_loop import LoopBound, raise_cancellation
from iterable_destination.mapping.translate import Translate, translator_for
from iterable_destination.model.bounds import check_count, check_timeout
from iterable_destination.model.endpoints import DELIVERY_PATHS, Endpoint
from iterable_destination.model.exchange import Exchange
from iterable_destination.model.outcomes import Outcome
from iterable_destination.model.records import Record
from iterable_destination.model.responses import ApiResponse
from iterable_destination.model.settings import Settings
from iterable_destination.typing import Event

#: The most requests that can be in flight at once.
MAX_CONCURRENCY: Final = 512
_DEFAULT_CONCURRENCY: Final = 64
_NO_COROUTINE: Final = "on_request: must be a function that is no coroutine function, or None"


class AsyncRequestClient(Protocol):
    """Makes single requests, as :class:`~iterable_destination.AsyncClient` does."""

    async def request(
        self,
        endpoint: Endpoint,
        body: bytes | None = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - it shortens the client's own
        expects_code: bool = False,
    ) -> ApiResponse:
        """Return the response; raises :exc:`ApiError`."""

    async def close(self) -> object:
        """Close the connections."""


class _Session:
    """What goes on in one event loop, from the first use until it is closed."""

    def __init__(self, max_concurrency: int) -> None:
        #: Held by each :meth:`AsyncDestination.send` while it makes a request.
        self.singles: Final = asyncio.Semaphore(max_concurrency)
        self.closed: Final = asyncio.Event()
        #: Those of each :meth:`AsyncDestination.send_all`.
        self.drivers: Final[set[AsyncDriver]] = set()
        #: Held by the :meth:`AsyncDestination.send` that is the next to go when a rate allows it.
        self.turns: Final[defaultdict[RateLimiter, asyncio.Lock]] = defaultdict(asyncio.Lock)

    async def sleep(self, seconds: float) -> None:
        """Sleep for some seconds, or until it is closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.closed.wait()

    async def close(self) -> None:
        """Let nothing be sent any more, and break off what is in flight in the drivers."""
        self.closed.set()
        drivers = list(self.drivers)
        for driver in drivers:
            driver.abandon()
        for driver in drivers:
            await driver.close()


class AsyncDestination(LoopBound):
    """An Iterable project that Segment's events are sent to from an event loop.

    It does what a :class:`Destination` does, with the same outcomes, but no thread of its own: all
    is done in the event loop in which it is first used, and to which it belongs until it is closed.
    Used elsewhere it raises :exc:`RuntimeError`. It has no outbox. Needs the extra ``[async]``.

    Order holds within each call of :meth:`send_all`, and for all that is handed in after one
    :meth:`start`; not between them.
    """

    def __init__(  # noqa: PLR0913 - keywords, each with a default
        self,
        settings: Settings,
        *,
        client: AsyncRequestClient | None = None,
        translator: Translate | None = None,
        retry: RetryPolicy | None = None,
        rate_limits: Mapping[str, float | None] | None = None,
        max_concurrency: int = _DEFAULT_CONCURRENCY,
        max_pending: int = 10_000,
        stamp_ids: bool = True,
        dead_letters: DeadLetterStore | None = None,
        on_request: Callable[[Exchange], object] | None = None,
        _runtime: Runtime | None = None,
    ) -> None:
        """Make a destination; nothing is sent yet, and no event loop is needed yet.

        ``client`` None makes an :class:`AsyncClient` from ``settings``, and closes it; a client
        that is passed in is closed by its owner. ``max_concurrency`` requests at most are in flight
        at once, 1 to 512: in each :meth:`send_all`, in the background, and of all :meth:`send`.
        ``dead_letters`` are written in another thread, since that waits for a disk. ``on_request``
        is called in the event loop, so it must be quick, and no coroutine function, for which
        :exc:`TypeError` is raised. The others are as for :class:`Destination`, and so are the
        errors; raises :exc:`ImportError` without aiohttp.
        """
        check_count("max_concurrency", max_concurrency, MAX_CONCURRENCY)
        if iscoroutinefunction(on_request) or iscoroutinefunction(type(on_request).__call__):
            raise TypeError(_NO_COROUTINE)
        by_settings = translator_for(settings)  # raises for mistakes in the mappings
        runtime = _runtime or Runtime()
        self._url: Final = settings.url
        self._policy: Final = build_policy(
            runtime,
            bulk_endpoints=ITERABLE_BULK_ENDPOINTS,
            retry=retry,
            rate_limiters=RateLimiters(rate_limits, DELIVERY_PATHS),
            max_pending=max_pending,
        )
        self._max_concurrency: Final = max_concurrency
        target = IterableProject(settings, by_settings if translator is None else translator)
        self._preparer: Final = Preparer(
            target, stamp_ids=stamp_ids, keeps_records=dead_letters is not None
        )
        self._concluder: Final = Concluder(dead_letters, self._policy.counters, threading.RLock())
        self._reporter: Final = (
            None if on_request is None else ExchangeReporter(on_request, runtime.clock)
        )
        self._clock: Final = runtime.clock
        self._owns_client: Final = client is None
        self._client: Final[AsyncRequestClient] = (
            AsyncClient(with_any_key(settings), clock=runtime.clock) if client is None else client
        )
        self._session = _Session(max_concurrency)
        self._background: AsyncBackground | None = None

    def __repr__(self) -> str:
        return f"AsyncDestination({self._url!r})"

    @property
    def counters(self) -> Counters:
        """A copy of the counters."""
        return self._policy.counters.copy()

    @property
    def waiting(self) -> int:
        """How many events that were handed to :meth:`enqueue` have no outcome yet.

        0 before :meth:`start`. An event whose outcome is told at this moment counts.
        """
        return 0 if self._background is None else self._background.waiting

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

    async def send(self, event: Event | Record, *, index: int = 0) -> Outcome:
        """Translate one event, send it now, and return its outcome.

        As :meth:`Destination.send`. While ``max_concurrency`` other requests of this method are in
        flight it waits for one of them; that counts against the ``deadline`` of the
        :class:`RetryPolicy`, after which no attempt begins. If it is cancelled the event was sent
        or was not.
        """
        self.enter_loop()
        session = self._session
        envelope, keys = self._preparer.prepare(index, event)
        envelope.single = True  # nothing comes that it could go together with
        scheduler = Scheduler(self._policy)
        deadline = self._clock() + self._policy.retry.deadline
        try:
            scheduler.add(envelope, keys, self._clock())
            scheduler.finished = True
            while not scheduler.settled:
                await self._make_next_request(session, envelope, scheduler, deadline)
        except Exception as error:  # noqa: BLE001 - a fault of ours is no reason to raise
            log_crash(error)
            outcome = build_interrupted(envelope, error)
            self._policy.counters.outcomes[outcome.name] += 1
            return (await self._conclude([(envelope, outcome)]))[0]
        return (await self._conclude(list(scheduler.settled)))[0]

    async def _make_next_request(
        self, session: _Session, envelope: Envelope, scheduler: Scheduler, deadline: float
    ) -> None:
        """Make the next request of an envelope, or sleep until it may be sent."""
        has_to_wait = session.singles.locked()
        async with session.singles:
            now = self._clock()
            if session.closed.is_set():
                scheduler.stop()
                return
            if has_to_wait and now > deadline:
                scheduler.stop(NotSent(ENDPOINT_BUSY))
                return
            step = scheduler.next(now)
            if isinstance(step, Batch):
                await make_request_in_loop(scheduler, step, self._request, self._clock)
                return
        if step is None:
            return
        if step > deadline:
            scheduler.stop(NotSent(ENDPOINT_BUSY))
            return
        limiter = self._policy.rate_limiters.of(envelope.calls[envelope.call_index].endpoint)
        if limiter.available_at(now) < step:  # the next attempt has to wait
            await session.sleep(step - now)
            return
        async with session.turns[limiter]:  # else all who wait for it would wake at once
            now = self._clock()
            await session.sleep(limiter.available_at(now) - now)
            if self._clock() > deadline:
                scheduler.stop(NotSent(ENDPOINT_BUSY))

    async def _request(self, batch: Batch, stop_at: float = inf) -> ApiResponse:
        timeout = None if stop_at == inf else max(stop_at - self._clock(), 0.001)
        send = partial(
            self._client.request,
            batch.endpoint,
            batch.body(),
            timeout=timeout,
            expects_code=batch.bulk is None,
        )
        if self._reporter is None:
            return await send()
        return await self._reporter.observe_in_loop(batch, send)

    async def _conclude(self, results: Results) -> list[Outcome]:
        return await self._concluder.conclude_in_loop(results)

    # Many events ---------------------------------------------------------------------------------

    def send_all(
        self,
        events: Iterable[Event | Record] | AsyncIterable[Event | Record],
        *,
        timeout: float | None = None,
        ordering_key: Callable[[Any], str | None] | None = None,
    ) -> AsyncGenerator[Outcome, None]:
        """Send events, in bulk where that is quicker, and yield an outcome for each.

        As :meth:`Destination.send_all`, with these differences. ``events`` may be an asynchronous
        iterable as well. It is read in a task of its own, so outcomes come also while reading
        waits, and when ``timeout`` is over an asynchronous one is read no further. After some
        milliseconds of work others in the event loop have their turn.

        Leaving the iterator early ends delivery; an event without an outcome was sent or was not.
        Python closes an iterator that is left when it is not referenced any more; to do it at once,
        and to wait until nothing is left, use ``contextlib.aclosing``. If the task that asks
        for outcomes is cancelled, what is in flight is broken off.
        """
        check_input(events, ordering_key)
        check_timeout(timeout)
        stop_at = inf if timeout is None else self._clock() + timeout
        prepare = self._preparer.until(stop_at, self._clock)
        if ordering_key is not None:
            prepare = with_ordering_key(prepare, ordering_key)
        return self._send_all(events, attrs.evolve(self._policy, stop_at=stop_at), prepare)

    async def _send_all(
        self, events: Any, policy: DeliveryPolicy, prepare: Prepare
    ) -> AsyncGenerator[Outcome, None]:
        self.enter_loop()
        session = self._session
        driver = self._make_driver(policy)
        session.drivers.add(driver)
        read_until = policy.stop_at if isinstance(events, AsyncIterable) else inf
        feeder = asyncio.create_task(self._feed(driver, events, prepare, read_until))
        feeder.add_done_callback(lambda _: driver.end_input())  # also if it never began
        slices = Slices(self._clock)
        try:
            while not driver.is_over:
                results = await self._take_results(driver, policy.stop_at)
                for outcome in await self._conclude(results):
                    yield outcome
                    if slices.is_over:
                        await slices.pause()
            if feeder.done() or not driver.is_closed:
                await feeder  # which raises what reading raised
        except asyncio.CancelledError:
            driver.abandon()
            raise
        finally:
            try:
                await end_tasks([feeder])
            finally:
                await driver.close()
                session.drivers.discard(driver)

    async def _feed(
        self, driver: AsyncDriver, events: Any, prepare: Prepare, read_until: float
    ) -> None:
        """Submit events as capacity allows, and let others have their turn.

        Reads until some moment at most, also if the input waits then; inf sets no bound.
        """
        slices = Slices(self._clock)
        index = 0
        limit = asyncio.timeout(None if read_until == inf else max(read_until - self._clock(), 0))
        try:
            async with limit, aclosing(_each(events)) as each:
                async for event in each:
                    raise_cancellation()
                    if driver.is_closed:
                        return
                    driver.submit(*prepare(index, event))
                    index += 1
                    if driver.is_full:
                        await driver.wait_for_room()
                    if slices.is_over:
                        await slices.pause()
        except TimeoutError:
            if not limit.expired():
                raise  # it is the input's own

    async def _take_results(self, driver: AsyncDriver, stop_at: float) -> Results:
        """Wait for results until some moment; abandon what is pending then."""
        if stop_at == inf:
            return await driver.take_results()
        wait = stop_at - self._clock() + GRACE
        if wait <= 0:
            driver.abandon()
            return await driver.take_results()
        return await driver.take_results(wait)

    def _make_driver(self, policy: DeliveryPolicy) -> AsyncDriver:
        return AsyncDriver(
            policy,
            partial(self._request, stop_at=policy.stop_at),
            clock=self._clock,
            max_concurrency=self._max_concurrency,
        )

    # In the background ---------------------------------------------------------------------------

    def start(
        self,
        on_outcome: OnOutcome | None = None,
        *,
        capacity: int = 10_000,
        stamp_missing: bool = True,
    ) -> Self:
        """Begin to deliver in the background what is handed to :meth:`enqueue`; return this.

        To be called where the event loop runs. ``on_outcome`` is called there with each outcome,
        one at a time; it is a function, or a coroutine function, which is awaited before the next
        outcome is told. What it raises is logged. None calls nothing. Events wait in memory,
        ``capacity`` of them at most, at least 1, and as many more whose outcomes are being told,
        until :meth:`close`: what waits when the event loop ends without that is lost.
        ``stamp_missing`` is as for :meth:`Destination.start`.

        Raises :exc:`RuntimeError` if it was called before, and :exc:`ValueError` for a capacity
        below 1.
        """
        check_count("capacity", capacity)
        if self._background is not None:
            raise RuntimeError(STARTED)
        self.enter_loop()
        self._background = AsyncBackground(
            self._preparer,
            self._make_driver(for_background(self._policy, capacity)),
            self._conclude,
            on_outcome,
            capacity=capacity,
            stamp_missing=stamp_missing,
            on_end=self._close_client,
            clock=self._clock,
        )
        return self

    def enqueue(self, event: Event) -> int:
        """Take an event to be delivered in the background; return its number at once.

        It waits for nothing, so it is no coroutine. The number is the ``index`` of its outcome. The
        event is read here, and may be changed afterwards. Raises :exc:`~errors.QueueFull` if the
        queue is full, and :exc:`~errors.NotSent` if the destination is closed, or its tasks were
        cancelled; the event was not taken then. Raises :exc:`RuntimeError` before :meth:`start`.
        """
        background = self._require_background()
        if not background.is_closed:
            self.enter_loop()
        return background.enqueue(event)

    async def flush(self, timeout: float | None = None) -> int:  # noqa: ASYNC109 - no error
        """Send what waits, and return how many events are not settled when time runs out.

        0 after :meth:`close`.

        ``timeout`` is seconds, at least 0; None waits until nothing is left. In ``on_outcome``, and
        in a task that this began and waits for, it waits for nothing. Raises :exc:`RuntimeError`
        before :meth:`start`, and :exc:`ValueError` for a timeout below 0.
        """
        check_timeout(timeout)
        background = self._require_background()
        if background.is_over:
            return 0
        self.enter_loop()
        return await background.flush(timeout)

    def _require_background(self) -> AsyncBackground:
        if self._background is None:
            raise RuntimeError(NOT_STARTED)
        return self._background

    async def close(
        self,
        timeout: float | None = CLOSE_TIMEOUT,  # noqa: ASYNC109 - it does not raise
    ) -> int:
        """Deliver what waits in the background, and close the connections.

        Returns how many events were left after ``timeout`` seconds, at least 0; None waits until
        nothing is left, the default is half a minute. Those end as retryable or unknown. An
        ``on_outcome`` that is not done half a second later is cancelled; dead letters are written
        whatever time that takes. 0 if nothing was started.
        If this is cancelled, delivery ends at once, what has no told outcome yet has none, and the
        connections are closed. A :meth:`send` or :meth:`send_all` that still goes on breaks off:
        nothing more is read or sent, and what was read ends as retryable or unknown.
        Raises :exc:`ValueError` for a timeout below 0.
        """
        check_timeout(timeout)
        self.enter_loop()
        if self._background is not None and not self._background.is_over:
            return await self._background.close(timeout)
        await self._close_client()
        return 0

    async def _close_client(self) -> None:
        session, self._session = self._session, _Session(self._max_concurrency)
        self.leave_loop()
        try:
            await session.close()
        finally:
            if self._owns_client:
                await self._client.close()


async def _each(events: Any) -> AsyncGenerator[Any, None]:
    """Yield events of an iterable, or of an asynchronous one."""
    if isinstance(events, AsyncIterable):
        async for event in events:
            yield event
    else:
        for event in events:
            yield event
