"""Worker pool: the threads that make the requests that a scheduler decides on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from math import inf
from typing import Final

from iterable_destination.delivery.conclusion import Results
from iterable_destination.delivery.engine.envelope import Batch, Envelope, Prepared
from iterable_destination.delivery.engine.policy import DeliveryPolicy
from iterable_destination.delivery.engine.scheduler import Scheduler
from iterable_destination.delivery.safe_scheduler import SafeScheduler, log_crash
from iterable_destination.errors import AmbiguousAnswer, ApiError
from iterable_destination.io.lifecycle import check_kind
from iterable_destination.model.interruptions import raise_interruption
from iterable_destination.model.responses import ApiResponse

#: Seconds that closing waits for requests in flight.
CLOSING: Final = 1.0
#: Seconds after which recovery is tried again where it failed, say for want of memory.
_MOMENT: Final = 0.01
_FORKED: Final = "send_all() and drain() go on only in the process that began them"


def make_request(
    scheduler: Scheduler | SafeScheduler,
    batch: Batch,
    send: Callable[[Batch], ApiResponse],
    lock: threading.RLock,
    clock: Callable[[], float],
) -> None:
    """Make the request of a batch, and report its response or error to the scheduler.

    Whatever ``send`` raises other than an :exc:`ApiError` is a fault of this program or its
    machine: the batch may have been applied, and is not tried again. What a signal handler raised,
    such as Ctrl-C, is raised after that.
    """
    interruption = None
    try:
        response = send(batch)
    except ApiError as error:
        failure = error
    except BaseException as error:  # noqa: BLE001 - settled, and raised below
        failure = break_off(batch, error)
        try:
            raise_interruption(error)
            log_crash(error)
        except BaseException as found:  # noqa: BLE001 - raised below
            interruption = found
    else:
        with lock:
            scheduler.on_response(batch, response, clock())
        return
    with lock:
        scheduler.on_error(batch, failure, clock())
    if interruption is not None:
        raise interruption


def break_off(batch: Batch, error: BaseException) -> ApiError:
    """Return the error of a batch whose request was broken off by this, for good."""
    batch.attempts.deadline = -inf
    return AmbiguousAnswer(f"the request broke off with {type(error).__name__}")


class WorkerPool:
    """Takes envelopes, makes their requests in threads, and gives results.

    ``send`` makes a batch's request, and returns the response or raises an :exc:`ApiError`.
    ``lock`` guards the scheduler and all that it shares. At most ``max_workers`` threads are
    started, each when it is needed.

    """

    # The lock is held by `with` on the lock itself, never on a condition: the condition's methods
    # are Python's, so an exception from a signal handler in them would leave the lock locked.

    def __init__(
        self,
        policy: DeliveryPolicy,
        send: Callable[[Batch], ApiResponse],
        *,
        lock: threading.RLock,
        clock: Callable[[], float],
        max_workers: int,
    ) -> None:
        check_kind(lock)
        with lock:
            self._scheduler: Final = SafeScheduler(policy, self._on_recovered)
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
        #: Whether this is a child process's copy.
        self.is_forgotten = False

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
        return self._scheduler.has_results

    def warm_up(self) -> None:
        """Start a worker now: at the end of the interpreter no more threads can be started."""
        with self._lock:
            self._call_worker()

    def submit(self, envelope: Envelope, keys: set[str]) -> None:
        """Submit an envelope of the user with these ordering keys, whether there is room or not."""
        with self._lock:
            if self._submit(envelope, keys) and self._scheduler.has_results:
                self._results.notify_all()

    def _submit(self, envelope: Envelope, keys: set[str]) -> bool:
        """Add an envelope; return whether there are results or the pool is full. Needs the lock."""
        scheduler = self._scheduler
        if scheduler.add(envelope, keys, self._clock()):
            self._call_worker()
        return scheduler.is_full or scheduler.has_results

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
        with self._lock:
            self._scheduler.finished = True
            self._call_worker()

    def resume(self) -> None:
        """Undo :meth:`finish`: more envelopes come."""
        with self._lock:
            self._scheduler.finished = False

    def take_results(self, *, wait: float = 0, for_ever: bool = False) -> Results:
        """Take what was settled since the last call.

        If nothing was, waits: at most ``wait`` seconds, and not if nothing is pending; or, with
        ``for_ever``, until the pool is closed. Raises :exc:`RuntimeError` in a forked child, where
        there are no workers.
        """
        if wait and not self._threads:
            self._send_here(wait)
        with self._lock:
            if for_ever:
                self._results.wait_for(lambda: self._scheduler.has_results or self._is_closed)
            elif wait:
                self._results.wait_for(self._has_reason_to_wake, None if wait == inf else wait)
            if self.is_forgotten:
                raise RuntimeError(_FORKED)
            return self._scheduler.take()

    def _has_reason_to_wake(self) -> bool:
        has_results = not self._scheduler.pending or self._scheduler.has_results
        return has_results or self.is_forgotten

    def abandon(self) -> None:
        """Settle everything at once."""
        with self._lock:
            self._is_abandoned = True
            self._scheduler.abandon()
            self._results.notify_all()

    def close(self, *, wait: float = CLOSING) -> None:
        """Send nothing more and end the threads.

        Waits for requests in flight, ``wait`` seconds at most, unless everything was abandoned.
        """
        with self._lock:
            self._is_closed = True
            self._scheduler.stop()
            self._work.notify_all()
            self._results.notify_all()
        until = time.monotonic() + (0 if self._is_abandoned else wait)
        for thread in self._threads:
            if (left := until - time.monotonic()) > 0:
                thread.join(left)

    def forget(self) -> None:
        """Leave everything to the parent, in a child process.

        A fork copies no threads; but it copies greenlets, which would send it all once more.
        """
        self.is_forgotten = self._is_closed = True

    def _on_recovered(self) -> None:
        """Let workers be called again, and tell of what was settled. Needs the lock."""
        self._is_called = False
        self._results.notify_all()

    # The workers ---------------------------------------------------------------------------------

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
        pause = _MOMENT
        while True:
            try:
                while (batch := self._next_batch()) is not None:
                    self._make_request(batch)
            except BaseException as error:  # noqa: BLE001 - delivery goes on whatever it was
                self._recover_in_time(error)
                time.sleep(pause)  # where it comes again at once
                pause = min(2 * pause, CLOSING)
            else:
                return

    def _recover_in_time(self, error: BaseException) -> None:
        """Recover; where there is no memory to do even that, try it again until it is done."""
        while True:
            try:
                with self._lock:
                    self._scheduler.recover(error)
            except BaseException:  # noqa: BLE001 - it cannot be left undone
                time.sleep(_MOMENT)
            else:
                return

    def _make_request(self, batch: Batch) -> None:
        try:
            make_request(self._scheduler, batch, self._send, self._lock, self._clock)
        finally:
            with self._lock:
                if self._has_reason_to_wake():
                    self._results.notify_all()

    def _send_here(self, wait: float) -> None:
        """Send batches in the calling thread until something is settled, or for some seconds.

        This is for the end of the interpreter, where no thread can be started any more.
        """
        stop_at = self._clock() + wait
        while True:
            with self._lock:
                now = self._clock()
                if self._has_reason_to_wake() or self._is_closed or now >= stop_at:
                    return
                found = self._scheduler.next(now)
                if not isinstance(found, Batch):
                    if not self._scheduler.has_results:
                        until = min(stop_at, inf if found is None else found)
                        self._work.wait(None if until == inf else until - now)
                    continue
            self._make_request(found)

    def _next_batch(self) -> Batch | None:
        """Wait for a batch; None if there will be no more."""
        with self._lock:
            while not self._is_closed:
                self._is_called = False
                now = self._clock()
                step = self._scheduler.next(now)
                if self._scheduler.has_results:
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
        try:
            self._work.wait(timeout)
        finally:
            self._idle -= 1
        if wakes_first and self._wakes_at == until:
            self._wakes_at = inf
