"""Async driver: the tasks of an event loop that make the requests that a scheduler decides on.

There is no task that drives the others, and so none that could be late or die. After whatever
changes the scheduler (events came, a request ends, a moment has come, there will be no more events)
the same plain function looks for what can be sent now, and begins it. After events came it is
called by the event loop, as soon as the one who hands in has let go: so it sees several of them,
and a bulk is no single call. When it returns, one of these holds:

- as many requests as may be are in flight, and each looks again in its own task when it ends;
- the scheduler named a moment, and the event loop calls the function then;
- the scheduler has nothing to send before something changes.

So nothing waits that could go. A task takes itself out of what is in flight before it looks, not in
a callback that runs later: that would count it as one in flight still, and the last one would find
no room for what waits behind it.

All of it runs in one thread, so there is no lock. Whoever waits for results or for room is
woken at each change, and then looks again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from math import inf
from typing import Final

from iterable_destination.delivery.conclusion import Results
from iterable_destination.delivery.engine.envelope import Batch, Envelope
from iterable_destination.delivery.engine.policy import DeliveryPolicy
from iterable_destination.delivery.engine.scheduler import Scheduler
from iterable_destination.delivery.failures import log_left_task
from iterable_destination.delivery.safe_scheduler import SafeScheduler, log_crash
from iterable_destination.delivery.worker_pool import CLOSING, break_off
from iterable_destination.errors import ApiError
from iterable_destination.io.event_loop import is_cancelled
from iterable_destination.model.responses import ApiResponse

#: Seconds that a task has to end after it was cancelled.
_ENDING: Final = 2.0

#: Makes a batch's request, and returns the response or raises an :exc:`ApiError`.
Send = Callable[[Batch], Awaitable[ApiResponse]]


async def make_request_in_loop(
    scheduler: Scheduler | SafeScheduler,
    batch: Batch,
    send: Send,
    clock: Callable[[], float],
) -> None:
    """Make the request of a batch, and report its response or error to the scheduler.

    Whatever ``send`` raises other than an :exc:`ApiError` is a fault of this program or its
    machine: the batch may have been applied, and is not tried again. That this task is cancelled,
    and whatever else is no :exc:`Exception`, is raised after that.
    """
    interruption = None
    try:
        response = await send(batch)
    except ApiError as error:
        failure = error
    except BaseException as error:  # noqa: BLE001 - settled, and raised below
        failure = break_off(batch, error)
        if isinstance(error, Exception) or (
            isinstance(error, asyncio.CancelledError) and not is_cancelled()
        ):
            log_crash(error)
        else:
            interruption = error
    else:
        scheduler.on_response(batch, response, clock())
        return
    scheduler.on_error(batch, failure, clock())
    if interruption is not None:
        raise interruption


class Changes:
    """Wakes all who wait in an event loop whenever something has changed."""

    def __init__(self) -> None:
        self._changed: Final = asyncio.Event()

    def announce(self) -> None:
        """Say that something has changed."""
        self._changed.set()
        self._changed.clear()

    async def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so, which is asked now, and after each change."""
        while not is_so():
            await self._changed.wait()


class AsyncDriver:
    """Takes envelopes, makes their requests in tasks, and gives results.

    At most ``max_concurrency`` requests are in flight at once. It belongs to the event loop that
    runs when it is made.
    """

    def __init__(
        self,
        policy: DeliveryPolicy,
        send: Send,
        *,
        clock: Callable[[], float],
        max_concurrency: int,
    ) -> None:
        self._changes: Final = Changes()
        self._scheduler: Final = SafeScheduler(policy, self._changes.announce)
        self._send: Final = send
        self._clock: Final = clock
        self._max_concurrency: Final = max_concurrency
        #: What is in flight. A task that begins as soon as it is made is not known at first.
        self._tasks: Final[dict[Batch, asyncio.Task[None] | None]] = {}
        self._is_looking = False
        #: Looks when the time has come, or when others have had their turn.
        self._next_look: asyncio.Handle | None = None
        self._is_soon = False
        self._has_input = True
        self._is_closed = False
        self._is_abandoned = False

    @property
    def is_full(self) -> bool:
        """Whether no more envelopes should be submitted for now."""
        return self._scheduler.is_full

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is sent."""
        return self._is_closed

    @property
    def is_over(self) -> bool:
        """Whether there are no results, and none will come."""
        if self._scheduler.has_results:
            return False
        return self._is_closed or not (self._has_input or self._scheduler.pending)

    def submit(self, envelope: Envelope, keys: set[str]) -> None:
        """Submit an envelope of the user with these ordering keys, whether there is room or not."""
        if self._scheduler.add(envelope, keys, self._clock()):
            self._look_soon()
        elif self._scheduler.has_results:
            self._changes.announce()

    def finish(self) -> None:
        """Send incomplete bulk requests too: no more envelopes come for now."""
        self._scheduler.finished = True
        self._look()

    def resume(self) -> None:
        """Undo :meth:`finish`: more envelopes come."""
        self._scheduler.finished = False

    def end_input(self) -> None:
        """Finish, for good."""
        self._has_input = False
        self.finish()

    async def wait_for_room(self) -> None:
        """Wait until more envelopes should be submitted, or the driver is closed."""
        await self._changes.wait_until(lambda: self._is_closed or not self._scheduler.is_full)

    async def take_results(self, wait: float | None = None) -> Results:
        """Take what was settled since the last call, and wait for that if nothing was.

        Waits at most ``wait`` seconds, None sets no bound, and not if nothing will come.
        """
        try:
            async with asyncio.timeout(wait):
                await self._changes.wait_until(lambda: self._scheduler.has_results or self.is_over)
        except TimeoutError:
            return []
        results = self._scheduler.take()
        self._changes.announce()  # there is room
        return results

    def abandon(self) -> None:
        """Settle everything at once; what is in flight is broken off when the driver is closed."""
        self._is_abandoned = True
        self._scheduler.abandon()
        self._changes.announce()

    async def close(self, *, wait: float = CLOSING) -> None:
        """Send nothing more, and end the tasks.

        Waits for requests in flight, ``wait`` seconds at most, unless everything was abandoned.
        Then those that are left are cancelled.
        """
        self._is_closed = True
        self._cancel_look()
        self._scheduler.stop()
        self._changes.announce()
        tasks = [task for task in self._tasks.values() if task is not None]
        try:
            if tasks and not self._is_abandoned:
                await asyncio.wait(tasks, timeout=wait)
        finally:
            await end_tasks(tasks)

    def _look_soon(self) -> None:
        """Look when the one who hands in lets others have their turn: more may come until then."""
        if not self._is_soon:
            self._cancel_look()
            self._next_look = asyncio.get_running_loop().call_soon(self._look)
            self._is_soon = True

    def _look(self) -> None:
        """Begin the requests that can be made now, and come again when others can."""
        if self._is_looking:
            return  # a task ended at once: whoever began it goes on
        self._is_looking = True
        try:
            self._begin_requests()
        finally:
            self._is_looking = False
        self._changes.announce()

    def _begin_requests(self) -> None:
        self._cancel_look()
        while len(self._tasks) < self._max_concurrency and not self._is_closed:
            now = self._clock()
            try:
                step = self._scheduler.next(now)
            except Exception as error:  # noqa: BLE001 - a fault of the scheduler
                self._scheduler.recover(error)
                break  # nothing is left that could be sent
            if isinstance(step, Batch):
                self._begin(step)
                continue
            if step is not None and step < inf:
                loop = asyncio.get_running_loop()
                self._next_look = loop.call_later(step - now, self._look)
            break

    def _begin(self, batch: Batch) -> None:
        """Make a batch's request in a task, which may end before this returns."""
        self._tasks[batch] = None
        task = asyncio.create_task(self._make_request(batch))
        if batch in self._tasks:
            self._tasks[batch] = task
            task.add_done_callback(partial(self._on_task_done, batch))

    def _on_task_done(self, batch: Batch, task: asyncio.Task[None]) -> None:
        """End delivery if a task was cancelled before it began, as if it had begun."""
        if self._tasks.get(batch) is task:
            del self._tasks[batch]
            self._break_off()

    def _break_off(self) -> None:
        """Send nothing more: who cancels a request ends delivery, as the end of the loop does."""
        self._is_closed = True
        self._cancel_look()
        self._scheduler.abandon()
        self._changes.announce()

    def _cancel_look(self) -> None:
        if self._next_look is not None:
            self._next_look.cancel()
            self._next_look = None
        self._is_soon = False

    async def _make_request(self, batch: Batch) -> None:
        try:
            await make_request_in_loop(self._scheduler, batch, self._send, self._clock)
        except Exception as error:  # noqa: BLE001 - such as one of the clock
            self._scheduler.recover(error)
        except asyncio.CancelledError:
            self._break_off()
            raise
        finally:
            del self._tasks[batch]
            self._look()


async def end_tasks(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait until they have ended; what they raise is not raised here.

    One that goes on after it was cancelled twice is left.
    """
    for _ in range(2):
        left = [task for task in tasks if not task.done()]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=_ENDING)
    for task in tasks:
        if not task.done():
            log_left_task(getattr(task.get_coro(), "__qualname__", "?"))
        elif not task.cancelled():
            task.exception()  # it is known, and need not be logged
