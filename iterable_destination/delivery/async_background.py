"""Background delivery in an event loop: a bounded queue in memory, with a callback for outcomes.

One task tells outcomes; requests are tasks of the driver. Another one ends it all, once, whoever
closes it and however often, so that none of this is left behind when the one who waits for it is
cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from inspect import isawaitable
from itertools import count
from math import inf
from typing import Any, Final

from iterable_destination.delivery.async_driver import AsyncDriver, Changes, end_tasks
from iterable_destination.delivery.conclusion import Results
from iterable_destination.delivery.failures import (
    CLOSED,
    REPORTING,
    build_queue_full,
    log_callback_failure,
    log_left,
    log_untold,
)
from iterable_destination.delivery.prepare import Preparer
from iterable_destination.delivery.safe_scheduler import log_crash
from iterable_destination.delivery.slices import Slices
from iterable_destination.errors import NotSent
from iterable_destination.io.event_loop import raise_cancellation
from iterable_destination.io.stamping import stamp_now
from iterable_destination.model.outcomes import Outcome

#: Called with each outcome; what it returns is awaited if it can be.
OnOutcome = Callable[[Outcome], object]

#: The outcome of the callback that runs; tasks that it begins have it too.
_TOLD: Final[ContextVar[Outcome | None]] = ContextVar("told", default=None)


class AsyncBackground:
    """A queue of events in memory, and tasks that send them.

    At most ``capacity`` events are in it. ``conclude`` makes outcomes of results; ``on_outcome`` is
    called with each, one at a time; None calls nothing. ``on_end`` is awaited when all is over.
    ``stamp_missing`` gives events an id and a time.
    """

    def __init__(  # noqa: PLR0913 - keywords
        self,
        preparer: Preparer,
        driver: AsyncDriver,
        conclude: Callable[[Results], Awaitable[list[Outcome]]],
        on_outcome: OnOutcome | None,
        *,
        capacity: int,
        stamp_missing: bool,
        on_end: Callable[[], Awaitable[object]],
        clock: Callable[[], float],
    ) -> None:
        self._preparer: Final = preparer
        self._driver: Final = driver
        self._conclude: Final = conclude
        self._on_outcome: Final = on_outcome
        self._capacity: Final = capacity
        self._stamp_missing: Final = stamp_missing
        self._on_end: Final = on_end
        self._slices: Final = Slices(clock)
        self._numbers: Final = count()
        self._changes: Final = Changes()
        #: How many events have no told outcome, and how many of these are being told.
        self._left = self._in_hand = 0
        #: Whether dead letters may be being written.
        self._is_concluding = False
        #: The outcome for which ``on_outcome`` is running.
        self._told: Outcome | None = None
        self._flushes = 0
        self.is_closed = False
        #: Until when those who close it wait, on the clock of the event loop.
        self._deadline = inf
        #: How many events were left when delivery ended.
        self._left_at_end = 0
        self.is_over = False
        self._ending: asyncio.Task[None] | None = None
        self._teller: Final = asyncio.create_task(self._tell())
        self._teller.add_done_callback(lambda _: self._changes.announce())

    @property
    def waiting(self) -> int:
        """How many events have no told outcome."""
        return self._left

    def enqueue(self, event: Any) -> int:
        """Take an event, and return its number, which is the ``index`` of its outcome.

        The event is read here, and may be changed afterwards. Raises :exc:`~errors.QueueFull` if
        the queue is full, and :exc:`~errors.NotSent` if delivery has ended; the event was not taken
        then.
        """
        if self.is_closed or self._driver.is_closed or self._teller.done():
            raise NotSent(CLOSED)
        if self._left - self._in_hand >= self._capacity or self._driver.is_full:
            raise build_queue_full(self._left - self._in_hand)
        number = next(self._numbers)
        prepared = self._preparer.prepare(
            number, stamp_now(event) if self._stamp_missing else event
        )
        self._left += 1
        self._driver.submit(*prepared)
        return number

    async def flush(self, timeout: float | None) -> int:  # noqa: ASYNC109 - it does not raise
        """Send what waits without waiting for more; return how many events are left then.

        ``timeout`` is seconds, at least 0; None waits until nothing is left. In the callback for
        outcomes it does nothing but say how many are left, without the one that is told.
        """
        if self._is_telling:
            return self._left - 1
        self._flushes += 1
        self._driver.finish()
        try:
            async with asyncio.timeout(None if timeout == inf else timeout):
                await self._changes.wait_until(lambda: self._is_done)
        except TimeoutError:
            pass
        finally:
            self._flushes -= 1
            if not (self._flushes or self.is_closed):
                self._driver.resume()
        return self._left

    async def close(self, timeout: float | None) -> int:  # noqa: ASYNC109 - it does not raise
        """Take no more events, send what waits, and return how many were left when time ran out.

        Those end as retryable, or as unknown if they may have been applied. The shortest time that
        was given counts where it is called again meanwhile; afterwards a call does nothing. In the
        callback for outcomes it waits for nothing: the rest is told after the callback. If it is
        cancelled, delivery ends at once, and what is not told yet is not told any more.
        """
        if self.is_over:
            return 0
        if timeout is not None:
            self._shorten(asyncio.get_running_loop().time() + timeout)
        self.is_closed = True
        if self._ending is None or self._ending.cancelled():  # such as by who cancels all tasks
            self._driver.finish()
            self._ending = asyncio.create_task(self._end())
        if self._is_telling:
            return self._left - 1
        try:
            await asyncio.wait([self._ending])
        except asyncio.CancelledError:
            self._shorten(-inf)
            await asyncio.wait([self._ending])
            raise
        if not self._ending.cancelled():
            self._ending.result()  # which raises what closing the connections raised
        return self._left_at_end

    @property
    def _is_done(self) -> bool:
        """Whether all outcomes are told, or no more will be."""
        return not self._left or self._teller.done()

    @property
    def _is_telling(self) -> bool:
        """Whether this is called in the callback for outcomes, which nothing can be waited for.

        Also in a task that the callback began, since it may wait for that.
        """
        return self._told is not None and _TOLD.get() is self._told

    def _shorten(self, deadline: float) -> None:
        self._deadline = min(self._deadline, deadline)
        self._changes.announce()

    async def _end(self) -> None:
        """End delivery when nothing is left, or at the deadline, which may come nearer."""
        try:
            await self._wait(lambda: self._is_done, 0)
        finally:
            await self._end_now()

    async def _end_now(self) -> None:
        try:
            self._left_at_end = self._left
            if self._left:
                log_left(self._left)
                self._driver.abandon()
            await self._driver.close()
            await self._wait(self._teller.done, REPORTING)
            while self._is_concluding:  # it is on_outcome that is cut short, not what is written
                await self._changes.wait_until(lambda: not self._is_concluding)
                await asyncio.wait([self._teller], timeout=REPORTING)
            await end_tasks([self._teller])
            if self._left:
                log_untold(self._left)
        finally:
            try:
                await self._on_end()
            finally:
                self.is_over = True
                self._changes.announce()

    async def _wait(self, is_so: Callable[[], bool], more: float) -> None:
        """Wait until something is so, or so many seconds after the deadline."""
        loop = asyncio.get_running_loop()
        while not is_so() and (until := self._deadline + more) > loop.time():
            try:
                async with asyncio.timeout_at(None if until == inf else until):
                    await self._changes.wait_until(lambda: is_so() or self._deadline + more < until)
            except TimeoutError:
                return

    async def _tell(self) -> None:
        """Tell outcomes until the driver is closed and all are told."""
        while not self._driver.is_over:
            results = await self._driver.take_results()
            self._in_hand = len(results)
            for outcome in await self._make_outcomes(results):
                await self._call(outcome)
                self._count_told(1)
                if self._slices.is_over:
                    await self._slices.pause()

    async def _make_outcomes(self, results: Results) -> list[Outcome]:
        self._is_concluding = True
        try:
            return await self._conclude(results)
        except Exception as error:  # noqa: BLE001 - it must go on whatever it was
            log_crash(error)
            self._count_told(len(results))
            return []
        finally:
            self._is_concluding = False
            self._changes.announce()

    def _count_told(self, number: int) -> None:
        self._in_hand -= number
        self._left -= number
        self._changes.announce()

    async def _call(self, outcome: Outcome) -> None:
        """Call ``on_outcome``. Its own fault stops nothing, only that this task is cancelled."""
        if self._on_outcome is None:
            return
        self._told = outcome
        token = _TOLD.set(outcome)
        try:
            returned = self._on_outcome(outcome)
            if isawaitable(returned):
                await returned
                raise_cancellation()
        except Exception as error:  # noqa: BLE001 - logged
            log_callback_failure(error, outcome)
        except asyncio.CancelledError as error:
            raise_cancellation()
            log_callback_failure(error, outcome)
        finally:
            _TOLD.reset(token)
            self._told = None
