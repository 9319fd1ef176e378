"""Background delivery: a bounded queue in memory, with a callback for outcomes.

Two threads do all of it. One takes in what was handed in and lets the worker pool send it; the
other tells outcomes. So whoever hands in holds one lock for a moment, which no request needs, and a
signal handler that comes at that moment may call every method.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from math import inf
from queue import Empty, SimpleQueue
from typing import Any, Final

from iterable_destination.delivery.conclusion import Results
from iterable_destination.delivery.engine.envelope import Prepared
from iterable_destination.delivery.failures import (
    CLOSE_TIMEOUT,
    CLOSED,
    REPORTING,
    build_queue_full,
    log_left,
)
from iterable_destination.delivery.prepare import Preparer
from iterable_destination.delivery.safe_scheduler import log_crash
from iterable_destination.delivery.worker_pool import WorkerPool
from iterable_destination.errors import NotSent
from iterable_destination.io.lifecycle import Closeable, close_at_exit
from iterable_destination.io.stamping import stamp_now
from iterable_destination.model.outcomes import Outcome

_log: Final = logging.getLogger("iterable_destination.delivery")

#: Seconds after which a thread tries again what failed, say for want of memory.
_MOMENT: Final = 0.01
#: Seconds after which one who waits for room looks again.
_LOOK: Final = 1.0


class Background(Closeable):
    """A queue of events in memory, and threads that send them.

    At most ``capacity`` events are in it. ``conclude`` makes outcomes of results; ``on_outcomes``
    is called with them in a thread of its own: with one at a time if ``tells_singly``, when it must
    not raise; else with lists, and if it raises, delivery ends. ``on_end`` is called when all is
    over. ``stamp_missing`` gives events of :meth:`enqueue` an id and a time. ``telling`` is how
    many seconds :meth:`close` waits for outcomes to be told when its own time has run out.
    """

    def __init__(  # noqa: PLR0913 - keywords
        self,
        preparer: Preparer,
        make_pool: Callable[[], WorkerPool],
        conclude: Callable[[Results], list[Outcome]],
        on_outcomes: Callable[[list[Outcome]], None],
        *,
        capacity: int,
        tells_singly: bool,
        on_end: Callable[[], object],
        stamp_missing: bool = False,
        telling: float = REPORTING,
    ) -> None:
        self._preparer: Final = preparer
        self._make_pool: Final = make_pool
        self._conclude: Final = conclude
        self._on_outcomes: Final = on_outcomes
        self._capacity: Final = capacity
        self._tells_singly: Final = tells_singly
        self._on_end: Final = on_end
        self._stamp_missing: Final = stamp_missing
        self._telling: Final = telling
        self._numbers: Final = count()
        self._is_closed = False
        #: Until when those who close it wait.
        self._deadlines: Final = [inf]
        self.forget()
        with self._door:
            self._begin()
        self._at_exit: Final = close_at_exit(self.close)

    def forget(self) -> None:
        """Start with an empty queue in a child process: the parent sends what waits."""
        #: Held by those who hand in, so that no more is taken than there is room for. The threads
        #: never need it: a signal handler that interrupts its holder can wait for everything.
        self._door = threading.RLock()
        self._pool: WorkerPool | None = None

    def _begin(self) -> WorkerPool:
        """Start the threads of this process. Needs the door."""
        #: What was handed in and not taken in yet.
        self._inbox: deque[tuple[int, Prepared]] = deque()
        #: Something in it means that there may be something to do.
        self._calls: SimpleQueue[None] = SimpleQueue()
        #: Those who wait for a change: a lock each, which is released to wake them. The methods of
        #: a condition are Python's, and an exception in them would leave its lock as it is then.
        self._sleepers: list[threading.Lock] = []
        #: How many events were taken in, by the one thread, and were told, by the other; how many
        #: are being told. No lock guards them, since each has one writer.
        self._taken_in = self._told = self._in_hand = 0
        #: Odd while an event is in the inbox and is counted as taken in.
        self._moves = 0
        self._flushes: list[object] = []
        self._is_finished = False
        #: How many events were left when delivery ended; None until it has.
        self._left_at_end: int | None = None
        #: Whether all is told, so that nothing more comes.
        self._is_over = False
        #: The error of ``on_outcomes``; None if there is none.
        self._failure: BaseException | None = None
        pool = self._make_pool()
        pool.warm_up()
        self._teller = threading.Thread(
            target=self._tell, args=(pool,), name="iterable-outcomes", daemon=True
        )
        self._teller.start()
        threading.Thread(
            target=self._take_in, args=(pool,), name="iterable-intake", daemon=True
        ).start()
        self._pool = pool
        return pool

    # In the threads of the callers ---------------------------------------------------------------

    def enqueue(self, event: Any) -> int:
        """Take an event, and return its number, which is the ``index`` of its outcome.

        The event is read here, and may be changed afterwards. Raises :exc:`~errors.QueueFull` if
        the queue is full; the event was not taken then.
        """
        with self._door:
            self._check_room()
        number = next(self._numbers)
        stamped = stamp_now(event) if self._stamp_missing else event
        prepared = self._preparer.prepare(number, stamped)
        with self._door:
            self._check_room()
            self._hand_over(number, prepared)
        return number

    def put(self, event: Any) -> None:
        """Take an event; while the queue is full, wait."""
        self._check()
        number = next(self._numbers)
        prepared = self._preparer.prepare(number, event)
        while True:
            with self._door:
                if not self._is_full():
                    self._hand_over(number, prepared)
                    return
            self._wait(lambda: not self._is_full(), _LOOK)

    def _check(self) -> None:
        if self._is_closed:
            raise NotSent(CLOSED)
        if self._pool is None:
            with self._door:
                if self._pool is None:
                    self._begin()
        if self._failure is not None:
            raise self._failure.with_traceback(None)  # it would grow each time

    def _is_full(self) -> bool:
        """Whether there is no room."""
        self._check()
        pool = self._pool
        if pool is not None and pool.is_full:
            return True
        while True:
            moves = self._moves
            if self._left - self._in_hand < self._capacity:
                return False
            if moves % 2 == 0 and moves == self._moves:  # else one may have counted twice
                return True
            time.sleep(0)

    def _check_room(self) -> None:
        if self._is_full():
            raise build_queue_full(self._left - self._in_hand)

    def _hand_over(self, number: int, prepared: Prepared) -> None:
        """Let an event be taken in. Needs the door."""
        self._calls.put(None)  # first: what an interruption leaves in the inbox is taken in too
        item = (number, prepared)
        self._inbox.append(item)
        if self._left_at_end is not None:  # it was closed at this moment
            with suppress(ValueError):  # it was taken in all the same
                self._inbox.remove(item)
                raise NotSent(CLOSED)

    @property
    def _left(self) -> int:
        """How many events have no told outcome; at times one too many, never too few."""
        told = self._told
        return len(self._inbox) + self._taken_in - told

    @property
    def waiting(self) -> int:
        """How many events have no told outcome; at times one too many, never too few."""
        return 0 if self._pool is None else self._left

    @property
    def is_telling(self) -> bool:
        """Whether this is called in the callback for outcomes, which nothing can be waited for."""
        return self._pool is not None and threading.current_thread() is self._teller

    def _wait(self, is_so: Callable[[], bool], timeout: float | None) -> None:
        """Wait until something is so, or for some seconds; None sets no bound."""
        until = inf if timeout is None else time.monotonic() + timeout
        sleeper = threading.Lock()
        sleeper.acquire()
        self._sleepers.append(sleeper)
        try:
            while not is_so() and (left := until - time.monotonic()) > 0:
                sleeper.acquire(timeout=min(left, _LOOK))
        finally:
            self._sleepers.remove(sleeper)

    def _wake(self) -> None:
        """Wake those who wait for a change, and the thread that takes in."""
        for sleeper in tuple(self._sleepers):
            with suppress(RuntimeError):  # it is awake already
                sleeper.release()
        if self._is_closed:
            self._calls.put(None)

    def flush(self, timeout: float | None = None) -> int:
        """Send what waits without waiting for more; return how many events are left then.

        ``timeout`` is seconds, at least 0; None waits until nothing is left. In the callback for
        outcomes it does nothing but say how many are left, without the one that is told.
        """
        if self._pool is None:
            return 0
        if self.is_telling:
            return self._left - 1
        flush = object()
        self._flushes.append(flush)
        try:
            self._calls.put(None)
            self._wait(self._has_settled, timeout)
        finally:
            self._flushes.remove(flush)
            self._calls.put(None)
        if self._failure is not None:
            raise self._failure.with_traceback(None)  # it would grow each time
        return self._left

    def _has_settled(self) -> bool:
        return not self._left or self._failure is not None or self._is_over

    def close(self, timeout: float | None = CLOSE_TIMEOUT) -> int:
        """Take no more events, send what waits, and return how many were left when time ran out.

        Those end as retryable, or as unknown if they may have been applied. The shortest time that
        was given counts where it is called again meanwhile; afterwards a call does nothing. In the
        callback for outcomes it waits for nothing: the rest is told after the callback.
        """
        until = inf if timeout is None else time.monotonic() + timeout
        self._is_closed = True
        atexit.unregister(self._at_exit)
        if self._pool is None or self._is_over:
            return 0
        self._deadlines.append(until)
        self._calls.put(None)
        if self.is_telling:
            return self._left - 1
        wait = None if until == inf else until + self._telling - time.monotonic()
        self._wait(lambda: self._is_over, wait)
        return self._left if self._left_at_end is None else self._left_at_end

    # In the thread that takes in -----------------------------------------------------------------

    def _take_in(self, pool: WorkerPool) -> None:
        is_over = False
        while not is_over and not pool.is_forgotten:
            try:
                with suppress(Empty):
                    self._calls.get(timeout=self._seconds_left())
                self._submit_all(pool)
                is_over = self._obey(pool)
            except BaseException as error:  # noqa: BLE001 - it must go on whatever it was
                log_crash(error)
                time.sleep(_MOMENT)

    def _seconds_left(self) -> float | None:
        until = min(self._deadlines)
        return None if until == inf else max(until - time.monotonic(), 0)

    def _submit_all(self, pool: WorkerPool) -> None:
        while self._inbox:
            self._moves += 1
            self._taken_in += 1
            _, prepared = self._inbox.popleft()
            self._moves += 1
            pool.submit(*prepared)

    def _obey(self, pool: WorkerPool) -> bool:
        """Do what those who flush and close wait for; return whether delivery has ended."""
        finishes = bool(self._flushes) or self._is_closed
        if finishes != self._is_finished:
            (pool.finish if finishes else pool.resume)()
            self._is_finished = finishes
        if not self._is_closed or not self._is_time_to_end():
            return False
        if self._left_at_end:
            log_left(self._left_at_end)
            pool.abandon()
        pool.close()
        return True

    def _is_time_to_end(self) -> bool:
        if self._left_at_end is None:
            if time.monotonic() < min(self._deadlines) and not self._has_settled():
                return False
            self._left_at_end = self._left
            if self._inbox:  # something came at this moment, and is taken in first
                self._left_at_end = None
                self._calls.put(None)
        return self._left_at_end is not None

    # In the thread that tells outcomes -----------------------------------------------------------

    def _tell(self, pool: WorkerPool) -> None:
        """Tell outcomes until the worker pool is closed and all are told."""
        while self._failure is None:
            try:
                results = pool.take_results(for_ever=True)
                if not results:
                    break
            except BaseException as error:  # noqa: BLE001 - it must go on whatever it was
                if pool.is_forgotten:
                    return
                log_crash(error)
                time.sleep(_MOMENT)
            else:
                self._tell_results(results, pool)
        self._is_over = True
        self._wake()
        if self._failure is None:
            self._on_end()

    def _tell_results(self, results: Results, pool: WorkerPool) -> None:
        untold = self._in_hand = len(results)
        try:
            outcomes = self._conclude(results)
            chunks = [[each] for each in outcomes] if self._tells_singly else [outcomes]
            for chunk in chunks:
                self._on_outcomes(chunk)
                untold -= len(chunk)
                self._count_told(len(chunk))
        except BaseException as error:  # noqa: BLE001 - raised where events are handed in
            if self._tells_singly:
                log_crash(error)
            else:
                if not isinstance(error, OSError):  # such as a pipe that is read no more
                    fields = {"iterable_error": type(error).__name__}
                    _log.exception("outcomes cannot be reported any more", extra=fields)
                pool.close(wait=0)
                self._failure = error  # before the count, by which one may see that all is told
            self._count_told(untold)

    def _count_told(self, number: int) -> None:
        self._told += number
        self._in_hand -= number
        self._wake()
