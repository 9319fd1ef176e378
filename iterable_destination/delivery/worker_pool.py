"""Worker pool: the threads that do what a scheduler decides.

What may live here: threads, their lock, and the waiting for one another.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from functools import partial
from math import inf
from typing import Final

from iterable_destination.delivery.engine.envelope import Batch, Envelope, Prepared
from iterable_destination.delivery.engine.scheduler import Scheduler
from iterable_destination.errors import ApiError
from iterable_destination.model.outcomes import Outcome
from iterable_destination.model.responses import ApiResponse

#: Envelopes with their outcomes.
Results = list[tuple[Envelope, Outcome]]


class WorkerPool:
    """Envelopes in at one end, outcomes out at the other, requests by several threads between.

    ``perform`` makes a batch's request, and returns the answer or raises an :exc:`ApiError`.
    ``lock`` guards the scheduler and all that it shares. ``max_workers`` is the most threads there
    will be; they are started as they are needed.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        send: Callable[[Batch], ApiResponse],
        *,
        lock: threading.RLock,
        clock: Callable[[], float],
        max_workers: int,
    ) -> None:
        self._scheduler: Final = scheduler
        self._send: Final = send
        self._clock: Final = clock
        self._most: Final = max_workers
        self._lock: Final = lock
        #: What threads without a batch wait for, and what those wait for who want outcomes.
        self._work: Final = threading.Condition(lock)
        self._results: Final = threading.Condition(lock)
        self._threads: Final[list[threading.Thread]] = []
        self._idle = 0
        #: When the next of those who wait looks up by itself.
        self._watched_until = inf
        self._is_closed = False
        self._is_abandoned = False
        self._crash: BaseException | None = None

    @property
    def pending(self) -> int:
        """Envelopes that have no outcome yet."""
        return self._scheduler.pending

    @property
    def is_full(self) -> bool:
        """Whether no more envelopes should be put in for now."""
        return self._scheduler.is_full

    @property
    def has_results(self) -> bool:
        """Whether there are outcomes to take."""
        return bool(self._scheduler.settled)

    def warm_up(self) -> None:
        """Start a thread now: where the interpreter is about to end no more can be started."""
        with self._work:
            self._call_worker()

    def try_submit(self, envelope: Envelope, keys: set[str]) -> bool:
        """Put in an envelope of the user of these names if there is room; whether there was."""
        with self._lock:
            if self._scheduler.is_full:
                return False
            if self._put(envelope, keys) and self._scheduler.settled:
                self._results.notify_all()
            return True

    def _put(self, envelope: Envelope, keys: set[str]) -> bool:
        """Put in an envelope; whether there are outcomes, or no room. Needs the lock."""
        scheduler = self._scheduler
        is_new = scheduler.add(envelope, keys, self._clock())
        is_full = scheduler.is_full
        if is_new or is_full:
            self._call_worker()
        return is_full or bool(scheduler.settled)

    def wait_for_room(self) -> None:
        """Wait until there is room, or the worker pool is closed."""
        with self._results:
            self._results.wait_for(lambda: not self._scheduler.is_full or self._is_closed)

    def run(
        self, envelopes: Iterator[Prepared], take: Callable[[], Results] | None = None
    ) -> Iterator[Results]:
        """Put in all envelopes as fast as there is room, and yield what is settled, until all is.

        ``take`` waits for something and takes it; None waits for as long as it takes. What
        ``envelopes`` raises is raised at the end. The worker pool is to be closed by the caller.
        """
        wait = take or partial(self.take, wait=inf)
        failure = None
        try:
            for envelope, keys in envelopes:
                with self._lock:
                    is_to_be_looked_at = self._put(envelope, keys)
                if is_to_be_looked_at:
                    yield self.take()
                    while self.is_full:
                        yield wait()
        except Exception as error:  # noqa: BLE001 - raised when all that was put in is settled
            failure = error
        self.finish()
        while self.pending or self.has_results:
            yield wait()
        if failure is not None:
            raise failure

    def finish(self) -> None:
        """Let everything go that could have waited for more."""
        with self._work:
            self._scheduler.finished = True
            self._call_worker()

    def resume(self) -> None:
        """Take back :meth:`finish`: more will come."""
        with self._work:
            self._scheduler.finished = False

    def take(self, *, wait: float = 0, for_ever: bool = False) -> Results:
        """Return what was settled since the last time.

        If that is nothing, waits for something: at most ``wait`` seconds, and not if nothing is
        pending; or ``for_ever``, which is until the worker pool is closed.
        """
        with self._results:
            if for_ever:
                self._results.wait_for(lambda: self._scheduler.settled or self._is_closed)
            elif wait:
                self._results.wait_for(self._is_worth_looking, None if wait == inf else wait)
            if self._crash is not None:
                raise self._crash
            settled = list(self._scheduler.settled)
            self._scheduler.settled.clear()
            return settled

    def _is_worth_looking(self) -> bool:
        nothing_comes = not self._scheduler.pending or self._crash is not None
        return nothing_comes or bool(self._scheduler.settled)

    def abandon(self) -> None:
        """Settle everything at once."""
        with self._work:
            self._is_abandoned = True
            self._scheduler.abandon()
            self._results.notify_all()

    def close(self, *, wait: bool = True) -> None:
        """Send nothing more and end the threads.

        Waits for those at work, unless ``wait`` is False or everything was abandoned.
        """
        with self._work:
            self._is_closed = True
            wait = wait and not self._is_abandoned
            self._scheduler.stop()
            self._work.notify_all()
            self._results.notify_all()
        for thread in self._threads if wait else ():
            thread.join()

    def _call_worker(self) -> None:
        """Have somebody look for a batch; a new thread if all are at work."""
        if self._idle:
            self._work.notify()
        elif len(self._threads) < self._most and not self._is_closed:
            thread = threading.Thread(target=self._run, name="iterable-destination", daemon=True)
            with suppress(RuntimeError) if self._threads else nullcontext():  # at the very end
                thread.start()
                self._threads.append(thread)

    def _run(self) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                self._do(batch)
        except BaseException as error:  # noqa: BLE001 - raised where outcomes are waited for
            with self._results:
                self._crash = error
                self._is_closed = True
                self._work.notify_all()
                self._results.notify_all()

    def _next_batch(self) -> Batch | None:
        """Wait for a batch; None if there will be no more."""
        with self._work:
            while not self._is_closed:
                now = self._clock()
                found = self._scheduler.next(now)
                if self._scheduler.settled:
                    self._results.notify_all()
                if isinstance(found, Batch):
                    if self._scheduler.has_more:
                        self._call_worker()
                    return found
                self._wait(found, now)
            return None

    def _wait(self, until: float | None, now: float) -> None:
        """Wait for a change, or until a moment, unless another looks up sooner anyway."""
        watches = until is not None and until < self._watched_until
        timeout = None
        if until is not None and watches:
            self._watched_until = until
            timeout = until - now
        self._idle += 1
        self._work.wait(timeout)
        self._idle -= 1
        if watches and self._watched_until == until:
            self._watched_until = inf

    def _do(self, batch: Batch) -> None:
        try:
            answer = self._send(batch)
        except ApiError as error:
            with self._work:
                self._scheduler.on_error(batch, error, self._clock())
                self._tell()
        else:
            with self._work:
                self._scheduler.on_response(batch, answer, self._clock())
                self._tell()

    def _tell(self) -> None:
        if self._scheduler.settled or not self._scheduler.pending:
            self._results.notify_all()
