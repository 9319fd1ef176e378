"""Outbox worker: a thread that makes passes through an outbox, and delivers what is in it.

An event leaves the outbox only when its outcome was reported, so that a kill at any moment loses
none.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from math import inf
from typing import Any, Final

import attrs

from iterable_destination.delivery.conclusion import Results
from iterable_destination.delivery.failures import REPORTING
from iterable_destination.delivery.prepare import Preparer
from iterable_destination.delivery.worker_pool import WorkerPool
from iterable_destination.errors import NotSent, OutboxError, OutboxInUse, OutboxRightLost
from iterable_destination.io.lifecycle import Closeable, check_kind, close_at_exit
from iterable_destination.io.outbox_protocol import AnyOutbox
from iterable_destination.model.outcomes import Outcome, Retryable, Unknown
from iterable_destination.model.records import OutboxRecord

_log: Final = logging.getLogger("iterable_destination.delivery")

#: Outcomes of events that stay in the outbox, to be tried again.
_STAYS: Final = frozenset({Retryable.name, Unknown.name})
#: Events that are read from the outbox at once.
_PAGE_SIZE: Final = 500
#: Seconds between two looks at whether other processes have added something, or ended.
_POLL: Final = 0.2
#: Seconds that a pass waits after an event was added: others that come meanwhile go with it.
_GATHERING: Final = 0.05
#: Seconds until what is retryable is tried again, at first and at most.
_INITIAL_BACKOFF: Final = 1.0
_MAX_BACKOFF: Final = 60.0
#: Seconds that a pass goes on reading after something in it was retryable.
_PASS_TIME: Final = 2.0
#: Seconds that the end of the interpreter waits; what is not sent then is on disk.
_EXIT_TIMEOUT: Final = 5.0


@attrs.frozen
class OutboxPass:
    """What one pass through an outbox needs."""

    pool: WorkerPool
    preparer: Preparer
    conclude: Callable[[Results], list[Outcome]]

    def run(self, records: Iterable[OutboxRecord]) -> Iterator[list[Outcome]]:
        """Deliver, and yield outcomes as they come; the worker pool is closed at the end."""
        envelopes = (self.preparer.prepare(record.index, record) for record in records)
        try:
            for results in self.pool.run(envelopes):
                yield self.conclude(results)
        finally:
            self.pool.close()


def deliver_outbox(
    outbox: AnyOutbox,
    one_pass: OutboxPass,
    *,
    pass_time: float = inf,
    remove: Callable[[list[int]], bool] | None = None,
) -> Iterator[list[Outcome]]:
    """Deliver what is in an outbox once, and yield outcomes, in lists.

    Events are removed when the caller asks for the next list. The last one is the last in the
    outbox, or what was read ``pass_time`` seconds after the first that stays in it. ``remove``
    removes events, and returns False if no more are to be read; None is the outbox's own.

    Raises :exc:`OutboxRightLost` if others may deliver now. Nothing more is sent then.
    """
    time_box = _TimeBox(pass_time)
    for outcomes in one_pass.run(_read_all(outbox, time_box, one_pass.pool)):
        yield outcomes
        done = [outcome.index for outcome in outcomes if outcome.name not in _STAYS]
        if remove is None:
            outbox.remove(done)
        elif not remove(done):
            time_box.end()
        if any(outcome.name in _STAYS for outcome in outcomes):
            time_box.begin()


class _TimeBox:
    """Stops a pass some seconds after its first retryable event, so that it is retried soon."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: float | None = None

    def begin(self) -> None:
        if self._until is None:
            self._until = time.monotonic() + self._seconds

    def end(self) -> None:
        self._until = -inf

    @property
    def is_over(self) -> bool:
        return self._until is not None and time.monotonic() > self._until


def _read_all(outbox: AnyOutbox, time_box: _TimeBox, pool: WorkerPool) -> Iterator[OutboxRecord]:
    """Yield what is in an outbox, until the end of it or of the time box."""
    try:
        for records in outbox.read_all(_PAGE_SIZE):
            yield from records
            if time_box.is_over:
                return
    except OutboxRightLost:
        pool.abandon()  # it would be settled first
        raise


class OutboxWorker(Closeable):
    """A thread that delivers from an outbox whenever no other process does.

    ``make_pass`` returns what one pass through the outbox needs. ``on_outcome`` is called in the
    thread, and must not raise; ``on_end`` too, when all is over.
    """

    def __init__(
        self,
        outbox: AnyOutbox,
        make_pass: Callable[[], OutboxPass],
        on_outcome: Callable[[Outcome], None],
        on_end: Callable[[], object],
    ) -> None:
        self._outbox: Final = outbox
        self._make_pass: Final = make_pass
        self._on_outcome: Final = on_outcome
        self._on_end: Final = on_end
        self._is_closed = False
        self._begin()
        self._at_exit: Final = close_at_exit(self._close_at_exit)

    def _begin(self) -> None:
        check_kind(self._outbox.lock)
        #: Released to wake the thread. An event will not do: its methods are Python's, and what a
        #: signal handler raises in them would leave its lock locked.
        self._wakeup = threading.Lock()
        self._is_stopping = False
        self._pass: OutboxPass | None = None
        #: What is done with and could not be removed. Until it is nothing more is delivered, for a
        #: kill would send all of it again.
        self._unremoved: set[int] = set()
        #: Seconds until the next pass, after one that failed or delivered nothing.
        self._backoff = _INITIAL_BACKOFF
        self._thread: threading.Thread | None = threading.Thread(
            target=self._run, name="iterable-outbox", daemon=True
        )
        self._thread.start()

    def forget(self) -> None:
        """Start a thread of its own in a child process, at its first event."""
        self._thread = None

    @property
    def waiting(self) -> int:
        """How many events are in the outbox; raises :exc:`OutboxError` if it is locked."""
        return self._outbox.count(REPORTING)

    @property
    def is_telling(self) -> bool:
        """Whether this is called in the callback for outcomes, which nothing can be waited for."""
        return threading.current_thread() is self._thread

    def enqueue(self, event: Any) -> int:
        """Take an event, and return its number when it is on disk."""
        if self._is_closed:
            raise NotSent("the destination is closed")
        if self._thread is None:
            self._begin()
        number = self._outbox.add(event)
        self._wake()
        return number

    def flush(self, timeout: float | None = None) -> int:
        """Wait until the outbox is empty, whichever process delivers; return how many are left.

        In the callback for outcomes, and when this was closed, it does not wait.
        """
        until = inf if timeout is None else time.monotonic() + timeout
        self._wake()
        while (left := self._count(until)) and time.monotonic() < until:
            if self.is_telling or self._is_stopping:
                break
            time.sleep(_POLL / 10)
        return left

    def _count(self, until: float) -> int:
        """Return how many events are in the outbox; raises :exc:`OutboxError` if it is locked."""
        return self._outbox.count(None if until == inf else until + REPORTING - time.monotonic())

    def close(self, timeout: float | None = _EXIT_TIMEOUT) -> int:
        """Send what waits for so many seconds, then stop; return how many events are left on disk.

        A call after it has stopped does nothing. In the callback for outcomes it waits for nothing:
        no more is sent after the callback. Raises :exc:`OutboxError`, when it has stopped, if the
        outbox cannot be read.
        """
        until = inf if timeout is None else time.monotonic() + timeout
        thread, was_closed = self._thread, self._is_closed
        self._is_closed = True
        atexit.unregister(self._at_exit)
        if was_closed and (thread is None or not thread.is_alive()):
            return 0
        try:
            if thread is not None:
                self.flush(timeout)
        finally:
            self._is_stopping = True
            self._wake()
            if thread is not None and not self.is_telling:
                self._abandon()
                thread.join(None if until == inf else max(until - time.monotonic(), 0) + REPORTING)
        left = self._count(until)
        if left:
            with suppress(Exception):  # a handler of the caller's
                fields = {"iterable_events": left}
                message = (
                    "closed; %d event stays on disk, in %r"
                    if left == 1
                    else "closed; %d events stay on disk, in %r"
                )
                _log.warning(message, left, self._outbox.name, extra=fields)
        return left

    def _close_at_exit(self) -> None:
        try:
            self.close()
        except OutboxError as error:  # nobody is there who could see to it
            self._log("%s", error, error=error)

    def _abandon(self) -> None:
        """Await no more responses, if it is time to stop."""
        one_pass = self._pass
        if one_pass is not None and self._is_stopping:
            one_pass.pool.abandon()

    def _wake(self) -> None:
        with suppress(RuntimeError):  # it was woken already
            self._wakeup.release()

    # In the thread -------------------------------------------------------------------------------

    @property
    def _goes_on(self) -> bool:
        """Whether the thread that asks is to go on: not if it is a greenlet that a fork copied."""
        return not self._is_stopping and self._thread is threading.current_thread()

    def _run(self) -> None:
        while self._goes_on:
            try:
                with self._outbox.delivering():
                    self._deliver()
            except OutboxInUse:
                self._sleep(_POLL)
            except OutboxError as error:
                self._log("%s", error, error=error)
                self._wait()
            except BaseException as error:  # noqa: BLE001 - the next pass may go better
                self._log("a pass through the outbox ended early", error=error, exc_info=error)
                self._wait()
        if self._is_stopping:
            self._on_end()

    def _log(
        self,
        message: str,
        *about: object,
        error: BaseException,
        exc_info: BaseException | None = None,
        **fields: object,
    ) -> None:
        fields["iterable_error"] = type(error).__name__
        with suppress(Exception):  # a handler of the caller's
            _log.error(message, *about, exc_info=exc_info, extra=fields)

    def _wait(self) -> None:
        """Wait for some time, each time longer until a pass goes well."""
        self._sleep(self._backoff)
        self._backoff = min(2 * self._backoff, _MAX_BACKOFF)

    def _sleep(self, seconds: float) -> None:
        """Wait for so many seconds, whatever comes meanwhile, unless it is time to stop."""
        until = time.monotonic() + seconds
        while not self._is_stopping and (left := until - time.monotonic()) > 0:
            self._wakeup.acquire(timeout=left)

    def _deliver(self) -> None:
        while self._goes_on:
            self._wakeup.acquire(blocking=False)  # what woke it until now is seen to
            if not self._remove([]) or self._deliver_once():
                self._wait()
            else:
                self._backoff = _INITIAL_BACKOFF
                if self._wakeup.acquire(timeout=_POLL):
                    self._sleep(_GATHERING)

    def _deliver_once(self) -> bool:
        """Make a pass; return whether it delivered nothing, so that it is time to wait."""
        if not self._outbox.read(limit=1):
            return False
        names = set()
        self._pass = self._make_pass()
        self._abandon()  # if it was closed at this moment
        for outcomes in deliver_outbox(
            self._outbox, self._pass, pass_time=_PASS_TIME, remove=self._remove
        ):
            for outcome in outcomes:
                self._on_outcome(outcome)
                names.add(outcome.name)
        self._pass = None
        return names <= _STAYS

    def _remove(self, numbers: list[int]) -> bool:
        """Remove events, and what could not be removed before; return whether that is done.

        Where the disk is full they cannot be. They are kept in mind, so that they are not sent
        again as long as this process lives. Raises :exc:`OutboxRightLost`.
        """
        self._unremoved.update(numbers)
        if self._unremoved:
            try:
                self._outbox.remove(sorted(self._unremoved))
            except OutboxRightLost:
                raise
            except OutboxError as error:
                count = len(self._unremoved)
                message = (
                    "%d event is done with, but stays: %s"
                    if count == 1
                    else "%d events are done with, but stay: %s"
                )
                self._log(message, count, error, error=error, iterable_events=count)
                return False
            self._unremoved.clear()
        return True
