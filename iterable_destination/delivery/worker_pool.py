"""Worker pool: the threads that make the requests that a scheduler decides on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
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


def make_request(
    scheduler: Scheduler,
    batch: Batch,
    send: Callable[[Batch], ApiResponse],
    lock: threading.RLock,
    clock: Callable[[], float],
) -> None:
    """Make the request of a batch, and report its response or error to the scheduler."""
    try:
        response = send(batch)
    except ApiError as error:
        with lock:
            scheduler.on_error(batch, error, clock())
    else:
        with lock:
            scheduler.on_response(batch, response, clock())


class WorkerPool:
    """Takes envelopes, makes their requests in threads, and gives results.

    ``send`` makes a batch's request, and returns the response or raises an :exc:`ApiError`.
    ``lock`` guards the scheduler and all that it shares. At most ``max_workers`` threads are
    started, each when it is needed.
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
        self._max_workers: Final = max_workers
        self._lock: Final = lock
        #: Idle workers wait on the first, callers that want results on the second.
        self._work: Final = threading.Condition(lock)
        self._results: Final = threading.Condition(lock)
        self._threads: Final[list[threading.Thread]] = []
        self._idle = 0
        #: Whether a worker was woken or started that has not looked for a batch yet.
        self._is_called = False
        #: When the next idle worker wakes up without being notified.
        self._wakes_at = inf
        self._is_closed = False
        self._is_abandoned = False
        self._crash: BaseException | None = None

    @property
    def pending(self) -> int:
        """How many envelopes have no outcome yet."""
        return self._scheduler.pending

    @property
    def is_full(self) -> bool:
        """Whether no more envelopes should be submitted for now."""
        return self._scheduler.is_full

    @property
    def has_results(self) -> bool:
        """Whether there are results to take."""
        return bool(self._scheduler.settled)

    def warm_up(self) -> None:
        """Start a worker now: at the end of the interpreter no more threads can be started."""
        with self._work:
            self._call_worker()

    def try_submit(self, envelope: Envelope, keys: set[str]) -> bool:
        """Submit an envelope of the user with these ordering keys; False if the pool is full."""
        with self._lock:
            if self._scheduler.is_full:
                return False
            if self._submit(envelope, keys) and self._scheduler.settled:
                self._results.notify_all()
            return True

    def _submit(self, envelope: Envelope, keys: set[str]) -> bool:
        """Add an envelope; return whether there are results or the pool is full. Needs the lock."""
        scheduler = self._scheduler
        is_new = scheduler.add(envelope, keys, self._clock())
        is_full = scheduler.is_full
        if is_new or is_full:
            self._call_worker()
        return is_full or bool(scheduler.settled)

    def wait_for_capacity(self) -> None:
        """Wait until the pool is not full, or is closed."""
        with self._results:
            self._results.wait_for(lambda: not self._scheduler.is_full or self._is_closed)

    def run(
        self, envelopes: Iterator[Prepared], take: Callable[[], Results] | None = None
    ) -> Iterator[Results]:
        """Submit all envelopes as capacity allows; yield results until all are settled.

        ``take`` waits for results and takes them; None waits without a bound. What
        ``envelopes`` raises is raised at the end. The caller closes the pool.

        Each envelope is submitted before the next is asked for, which may take long. Several under
        one lock would save a fiftieth of an event's time.
        """
        wait = take or partial(self.take_results, wait=inf)
        failure = None
        try:
            for envelope, keys in envelopes:
                with self._lock:
                    needs_attention = self._submit(envelope, keys)
                if needs_attention:
                    yield self.take_results()
                    while self.is_full:
                        yield wait()
        except Exception as error:  # noqa: BLE001 - raised when all that was submitted is settled
            failure = error
        self.finish()
        while self.pending or self.has_results:
            yield wait()
        if failure is not None:
            raise failure

    def finish(self) -> None:
        """Send incomplete bulk requests too: no more envelopes come for now."""
        with self._work:
            self._scheduler.finished = True
            self._call_worker()

    def resume(self) -> None:
        """Undo :meth:`finish`: more envelopes come."""
        with self._work:
            self._scheduler.finished = False

    def take_results(self, *, wait: float = 0, for_ever: bool = False) -> Results:
        """Take what was settled since the last call.

        If nothing was, waits: at most ``wait`` seconds, and not if nothing is pending; or, with
        ``for_ever``, until the pool is closed.
        """
        if wait and not self._threads:
            self._send_here(wait)
        with self._results:
            if for_ever:
                self._results.wait_for(lambda: self._scheduler.settled or self._is_closed)
            elif wait:
                self._results.wait_for(self._has_reason_to_wake, None if wait == inf else wait)
            if self._crash is not None:
                raise self._crash
            settled = list(self._scheduler.settled)
            self._scheduler.settled.clear()
            return settled

    def _has_reason_to_wake(self) -> bool:
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

        Waits for requests in flight, unless ``wait`` is False or everything was abandoned.
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
        """Wake an idle worker to look for a batch; start one if all are busy.

        One is called at a time: it calls the next one if there is more to send. So no more of them
        run than the processor has time for.
        """
        if self._is_called:
            return
        if self._idle:
            self._work.notify()
            self._is_called = True
        elif len(self._threads) < self._max_workers and not self._is_closed:
            thread = threading.Thread(target=self._run, name="iterable-worker", daemon=True)
            with suppress(RuntimeError):  # none can be started while the interpreter ends
                thread.start()
                self._threads.append(thread)
                self._is_called = True

    def _run(self) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                make_request(self._scheduler, batch, self._send, self._lock, self._clock)
                with self._results:
                    if self._scheduler.settled or not self._scheduler.pending:
                        self._results.notify_all()
        except BaseException as error:  # noqa: BLE001 - raised where results are waited for
            with self._results:
                self._crash = error
                self._is_closed = True
                self._work.notify_all()
                self._results.notify_all()

    def _send_here(self, wait: float) -> None:
        """Send batches in the calling thread until something is settled, or for some seconds.

        This is for the end of the interpreter, where no thread can be started any more.
        """
        stop_at = self._clock() + wait
        while True:
            with self._work:
                now = self._clock()
                if self._has_reason_to_wake() or self._is_closed or now >= stop_at:
                    return
                found = self._scheduler.next(now)
                if not isinstance(found, Batch):
                    if not self._scheduler.settled:
                        until = min(stop_at, inf if found is None else found)
                        self._work.wait(None if until == inf else until - now)
                    continue
            make_request(self._scheduler, found, self._send, self._lock, self._clock)

    def _next_batch(self) -> Batch | None:
        """Wait for a batch; None if there will be no more."""
        with self._work:
            while not self._is_closed:
                self._is_called = False
                now = self._clock()
                step = self._scheduler.next(now)
                if self._scheduler.settled:
                    self._results.notify_all()
                if isinstance(step, Batch):
                    if self._scheduler.has_more:
                        self._call_worker()
                    return step
                self._wait(step, now)
            return None

    def _wait(self, until: float | None, now: float) -> None:
        """Wait for a change, or until a moment, unless another worker wakes up sooner anyway."""
        wakes_first = until is not None and until < self._wakes_at
        timeout = None
        if until is not None and wakes_first:
            self._wakes_at = until
            timeout = until - now
        self._idle += 1
        self._work.wait(timeout)
        self._idle -= 1
        if wakes_first and self._wakes_at == until:
            self._wakes_at = inf
