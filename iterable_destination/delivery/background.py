"""Background delivery: a bounded queue in memory, with a callback for outcomes."""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Callable
from itertools import count
from typing import Any, Final

from iterable_destination.delivery.prepare import Preparer
from iterable_destination.delivery.worker_pool import Results, WorkerPool
from iterable_destination.errors import NotSent, QueueFull
from iterable_destination.io.lifecycle import Closeable, close_at_exit
from iterable_destination.model.outcomes import Outcome

_log: Final = logging.getLogger("iterable_destination.delivery")

#: Seconds that closing, and so the end of the interpreter, waits for events to be sent.
CLOSE_TIMEOUT: Final = 30.0


class Background(Closeable):
    """A queue of events in memory, and threads that send them.

    ``lock`` is that of the pools that ``make_pool`` makes. ``conclude`` makes outcomes of results;
    ``on_outcomes`` is called with them, a list at a time, in a thread of its own.
    """

    def __init__(
        self,
        preparer: Preparer,
        make_pool: Callable[[], WorkerPool],
        conclude: Callable[[Results], list[Outcome]],
        on_outcomes: Callable[[list[Outcome]], None],
        lock: threading.RLock,
    ) -> None:
        self._preparer: Final = preparer
        self._make_pool: Final = make_pool
        self._conclude: Final = conclude
        self._on_outcomes: Final = on_outcomes
        self._lock: Final = lock
        self._numbers: Final = count()
        self._is_closed = False
        self._pool: WorkerPool | None = None
        self._ensure_running()
        self._at_exit: Final = close_at_exit(self)

    def _ensure_running(self) -> WorkerPool:
        """Return the worker pool; a new one if there is none in this process."""
        with self._lock:
            if self._pool is None:
                #: How many events have no reported outcome yet.
                self._left = 0
                self._changed = threading.Condition(self._lock)
                #: The error of the callback or of the reporting thread; None if there is none.
                self._failure: BaseException | None = None
                self._pool = self._make_pool()
                self._pool.warm_up()
                self._reporter = threading.Thread(
                    target=self._run, args=(self._pool,), name="iterable-outcomes", daemon=True
                )
                self._reporter.start()
            return self._pool

    def forget(self) -> None:
        """Start with an empty queue in a child process: the parent sends what waits."""
        self._pool = None

    def enqueue(self, event: Any) -> int:
        """Take an event, and return its number, which is the ``index`` of its outcome.

        The event is read here, and may be changed afterwards. Raises :exc:`~errors.QueueFull` if
        the queue is full; the event was not taken then.
        """
        self._check()
        pool = self._ensure_running()
        if not pool.is_full:
            number = next(self._numbers)
            envelope, keys = self._preparer.prepare(number, event)
            with self._lock:
                self._check()
                if pool.try_submit(envelope, keys):
                    self._left += 1
                    return number
        raise QueueFull(f"{pool.pending:,} events wait to be delivered; no more are taken")

    def put(self, event: Any) -> None:
        """Take an event; while the queue is full, wait."""
        self._check()
        pool = self._ensure_running()
        envelope, keys = self._preparer.prepare(next(self._numbers), event)
        while True:
            with self._lock:
                self._check()
                if pool.try_submit(envelope, keys):
                    self._left += 1
                    return
            pool.wait_for_capacity()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._is_closed:
            raise NotSent("the destination is closed")

    def flush(self, timeout: float | None = None) -> int:
        """Send what waits without waiting for more; return how many events are left then.

        ``timeout`` is seconds, at least 0; None waits until nothing is left.
        """
        pool = self._pool
        if pool is None:
            return 0
        pool.finish()
        left = self._wait(timeout)
        pool.resume()
        if self._failure is not None:
            raise self._failure
        return left

    def _wait(self, timeout: float | None) -> int:
        if threading.current_thread() is self._reporter:
            raise RuntimeError("flush() and close() cannot wait in the callback for outcomes")
        with self._changed:
            self._changed.wait_for(lambda: not self._left or self._failure, timeout)
            return self._left

    def close(self, timeout: float | None = CLOSE_TIMEOUT) -> int:
        """Take no more events, send what waits, and return how many were left when time ran out.

        Those end as retryable, or as unknown if they may have been applied. A second call does
        nothing.
        """
        with self._lock:
            if self._is_closed:
                return 0
            self._is_closed = True
            pool = self._pool
        atexit.unregister(self._at_exit)
        if pool is None:
            return 0
        pool.finish()
        left = self._wait(timeout)
        if left:
            _log.warning("closed before %d events were delivered", left)
            pool.abandon()
        pool.close()
        self._reporter.join()
        return left

    def _run(self, pool: WorkerPool) -> None:
        """Report outcomes until the worker pool is closed and all are reported."""
        try:
            while results := pool.take_results(for_ever=True):
                self._on_outcomes(self._conclude(results))
                with self._changed:
                    self._left -= len(results)
                    self._changed.notify_all()
        except BaseException as error:  # noqa: BLE001 - raised where events are handed in
            if not isinstance(error, OSError):  # such as a pipe that is read no more
                _log.exception("outcomes cannot be reported any more")
            pool.close(wait=False)
            with self._changed:
                self._failure = error
                self._changed.notify_all()
