"""Worker pool: the threads that make the requests that a scheduler decides on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from math import inf
from operator import attrgetter
from typing import Final

from iterable_destination.delivery.engine.envelope import (
    Batch,
    Envelope,
    Prepared,
    build_failed,
    build_final,
)
from iterable_destination.delivery.engine.policy import DeliveryPolicy
from iterable_destination.delivery.engine.scheduler import Scheduler
from iterable_destination.delivery.failures import log_without_content
from iterable_destination.errors import AmbiguousAnswer, ApiError, NotSent
from iterable_destination.io.lifecycle import check_kind
from iterable_destination.model.interruptions import raise_interruption
from iterable_destination.model.outcomes import Outcome, Retryable, Unknown
from iterable_destination.model.responses import ApiResponse

#: Envelopes with their outcomes.
Results = list[tuple[Envelope, Outcome]]

#: Seconds that closing waits for requests in flight.
CLOSING: Final = 1.0
#: Seconds after which recovery is tried again where it failed, say for want of memory.
_MOMENT: Final = 0.01
_IN_ORDER: Final = attrgetter("sequence")

_PAUSED: Final = "not sent: an earlier event for this user must be retried first"
_FORKED: Final = "send_all() and drain() go on only in the process that began them"


def make_request(
    scheduler: Scheduler,
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
        failure = AmbiguousAnswer(f"the request broke off with {type(error).__name__}")
        batch.attempts.deadline = -inf
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


def log_crash(error: BaseException) -> None:
    """Log what nobody expected, after which delivery goes on."""
    log_without_content("delivery goes on after %s at %s", error)


class WorkerPool:
    """Takes envelopes, makes their requests in threads, and gives results.

    ``send`` makes a batch's request, and returns the response or raises an :exc:`ApiError`.
    ``lock`` guards the scheduler and all that it shares. At most ``max_workers`` threads are
    started, each when it is needed.

    After an exception that nobody expected in the scheduler, such as :exc:`MemoryError`, all that
    is under way is settled, and a new scheduler goes on.
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
        self._policy: Final = policy
        with lock:
            self._scheduler = Scheduler(policy)
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
        #: What was submitted and has no result that was taken, with its ordering keys.
        self._open: Final[dict[Envelope, set[str]]] = {}
        #: What workers are sending, with the scheduler that it is of.
        self._in_flight: Final[dict[Batch, Scheduler]] = {}
        #: The main ordering keys of users who stay paused since a fault.
        self._paused: Final[set[str]] = set()

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
        with self._lock:
            self._call_worker()

    def submit(self, envelope: Envelope, keys: set[str]) -> None:
        """Submit an envelope of the user with these ordering keys, whether there is room or not."""
        with self._lock:
            if self._submit(envelope, keys) and self._scheduler.settled:
                self._results.notify_all()

    def _submit(self, envelope: Envelope, keys: set[str]) -> bool:
        """Add an envelope; return whether there are results or the pool is full. Needs the lock."""
        self._open[envelope] = keys
        try:
            if self._paused and self._settle_paused(envelope, keys):
                return True
            scheduler = self._scheduler
            is_new = scheduler.add(envelope, keys, self._clock())
            is_full = scheduler.is_full
        except Exception as error:  # noqa: BLE001 - this envelope is settled with the others
            raise_interruption(error)
            self._recover(error)
            return True
        if is_new or is_full:
            self._call_worker()
        return is_full or bool(scheduler.settled)

    def _settle_paused(self, envelope: Envelope, keys: set[str]) -> bool:
        """Settle an envelope of a user who has been paused since a fault; return whether it is."""
        users = self._find_users(keys)
        if self._paused.isdisjoint(users):
            return False
        self._paused.update(users)
        self._settle(envelope, envelope.outcome or _build_unsent(envelope, NotSent(_PAUSED)))
        return True

    def _find_users(self, keys: set[str]) -> set[str]:
        """Return the main keys of the users with these ordering keys."""
        return set(map(self._policy.linked_keys.find, keys))

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
                self._results.wait_for(lambda: self._scheduler.settled or self._is_closed)
            elif wait:
                self._results.wait_for(self._has_reason_to_wake, None if wait == inf else wait)
            if self.is_forgotten:
                raise RuntimeError(_FORKED)
            settled = list(self._scheduler.settled)
            self._scheduler.settled.clear()
            for envelope, _ in settled:
                self._open.pop(envelope, None)
            return settled

    def _has_reason_to_wake(self) -> bool:
        has_results = not self._scheduler.pending or bool(self._scheduler.settled)
        return has_results or self.is_forgotten

    def abandon(self) -> None:
        """Settle everything at once."""
        with self._lock:
            self._is_abandoned = True
            try:
                self._scheduler.abandon()
            except Exception as error:  # noqa: BLE001 - this settles everything too
                self._recover(error)
            self._results.notify_all()

    def close(self, *, wait: float = CLOSING) -> None:
        """Send nothing more and end the threads.

        Waits for requests in flight, ``wait`` seconds at most, unless everything was abandoned.
        """
        with self._lock:
            self._is_closed = True
            try:
                self._scheduler.stop()
            except Exception as error:  # noqa: BLE001 - this settles everything too
                self._recover(error)
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

    # After a fault -------------------------------------------------------------------------------

    def _recover(self, error: BaseException) -> None:
        """Settle all that has no outcome, and go on with a new scheduler. Needs the lock."""
        log_crash(error)
        old, new = self._scheduler, Scheduler(self._policy)
        new.finished = old.finished
        new.settled.extend(old.settled)
        for batch in self._in_flight:
            batch.is_abandoned = True  # its response does not matter any more
        has_outcome = {envelope for envelope, _ in old.settled}
        self._scheduler = new
        self._is_called = False
        for envelope in sorted(self._open, key=_IN_ORDER):
            if envelope not in has_outcome:
                if self._policy.keeps_paused:
                    self._paused.update(self._find_users(self._open[envelope]))
                self._settle(envelope, build_interrupted(envelope, error))
        if self._is_closed:
            new.stop()
        self._results.notify_all()

    def _settle(self, envelope: Envelope, outcome: Outcome) -> None:
        self._policy.counters.outcomes[outcome.name] += 1
        self._scheduler.settled.append((envelope, outcome))

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
                    self._recover(error)
            except BaseException:  # noqa: BLE001 - it cannot be left undone
                time.sleep(_MOMENT)
            else:
                return

    def _make_request(self, batch: Batch) -> None:
        scheduler = self._in_flight[batch]
        try:
            make_request(scheduler, batch, self._send, self._lock, self._clock)
        except Exception as error:  # noqa: BLE001 - a fault of the scheduler
            raise_interruption(error)
            with self._lock:
                if scheduler is self._scheduler:
                    self._recover(error)
        finally:
            with self._lock:
                self._in_flight.pop(batch, None)
                if self._scheduler.settled or not self._scheduler.pending:
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
                    if not self._scheduler.settled:
                        until = min(stop_at, inf if found is None else found)
                        self._work.wait(None if until == inf else until - now)
                    continue
                self._in_flight[found] = self._scheduler
            self._make_request(found)

    def _next_batch(self) -> Batch | None:
        """Wait for a batch; None if there will be no more."""
        with self._lock:
            while not self._is_closed:
                self._is_called = False
                now = self._clock()
                step = self._scheduler.next(now)
                if self._scheduler.settled:
                    self._results.notify_all()
                if isinstance(step, Batch):
                    self._in_flight[step] = self._scheduler
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


def _build_unsent(envelope: Envelope, error: NotSent) -> Outcome:
    return build_final(envelope, build_failed(Retryable, envelope, error))


def build_interrupted(envelope: Envelope, error: BaseException) -> Outcome:
    """Build the outcome of an envelope that was under way when a fault came."""
    if envelope.outcome is not None:
        return envelope.outcome
    fault = f"interrupted by {type(error).__name__}"
    if envelope.attempts is None:
        return _build_unsent(envelope, NotSent(f"not sent: {fault}"))
    outcome = build_failed(Unknown, envelope, AmbiguousAnswer(fault))
    return build_final(envelope, outcome)
