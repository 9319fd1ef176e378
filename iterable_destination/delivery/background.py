"""Background: events handed in now, sent by and by, and told of to a callback.

What may live here: a queue in memory with a bound, and what happens to it when a process forks or
ends. The threads that send are the pipeline's.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Callable
from itertools import count
from typing import Any, Final

from iterable_destination.delivery.prepare import Intake
from iterable_destination.delivery.worker_pool import Pipeline, Settled
from iterable_destination.errors import NotSent, QueueFull
from iterable_destination.io.lifecycle import Closing, closed_at_exit
from iterable_destination.model.outcomes import Outcome

_log: Final = logging.getLogger("iterable_destination.delivery.destination")

#: Seconds that closing, and so the end of the interpreter, waits for events to be sent.
PATIENCE_AT_THE_END: Final = 30.0


class Background(Closing):
    """A queue of events in memory, and threads that send them.

    ``lock`` is that of the pipelines that ``make_pipeline`` gives. ``tell`` makes outcomes of what
    was settled; ``on_outcomes`` gets them, a list at a time, in a thread of its own.
    """

    def __init__(
        self,
        intake: Intake,
        make_pipeline: Callable[[], Pipeline],
        tell: Callable[[Settled], list[Outcome]],
        on_outcomes: Callable[[list[Outcome]], None],
        lock: threading.RLock,
    ) -> None:
        self._intake: Final = intake
        self._make_pipeline: Final = make_pipeline
        self._tell: Final = tell
        self._on_outcomes: Final = on_outcomes
        self._lock: Final = lock
        self._numbers: Final = count()
        self._is_closed = False
        self._pipeline: Pipeline | None = None
        self._running()
        self._at_exit: Final = closed_at_exit(self)

    def _running(self) -> Pipeline:
        """Return the pipeline; a new one if there is none in this process."""
        with self._lock:
            if self._pipeline is None:
                #: Events whose outcome was not told yet.
                self._left = 0
                self._changed = threading.Condition(self._lock)
                #: What went wrong in the callback or in our own threads.
                self._failure: BaseException | None = None
                self._pipeline = self._make_pipeline()
                self._pipeline.warm_up()
                self._teller = threading.Thread(
                    target=self._run, args=(self._pipeline,), name="iterable-told", daemon=True
                )
                self._teller.start()
            return self._pipeline

    def forget(self) -> None:
        """Begin anew in a child process, with nothing: what waits is the parent's to send."""
        self._pipeline = None

    def enqueue(self, event: Any) -> int:
        """Take an event, and return its number, which is the ``index`` of its outcome.

        The event is read here, and may be changed afterwards. Raises :exc:`~errors.QueueFull` if
        there is no room; nothing was taken then.
        """
        self._check()
        pipeline = self._running()
        if not pipeline.is_full:
            number = next(self._numbers)
            parcel, keys = self._intake.addressed(number, event)
            with self._lock:
                self._check()
                if pipeline.offer(parcel, keys):
                    self._left += 1
                    return number
        raise QueueFull(f"{pipeline.pending:,} events wait to be delivered; no more are taken")

    def put(self, event: Any) -> None:
        """Take an event, and wait before it until there is room."""
        self._check()
        pipeline = self._running()
        parcel, keys = self._intake.addressed(next(self._numbers), event)
        while True:
            with self._lock:
                self._check()
                if pipeline.offer(parcel, keys):
                    self._left += 1
                    return
            pipeline.wait_for_room()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._is_closed:
            raise NotSent("the destination is closed")

    def flush(self, timeout: float | None = None) -> int:
        """Send what waits without waiting for more; return how many events are left then.

        ``timeout`` is seconds, at least 0; None is as long as it takes.
        """
        pipeline = self._pipeline
        if pipeline is None:
            return 0
        pipeline.finish()
        left = self._wait(timeout)
        pipeline.resume()
        if self._failure is not None:
            raise self._failure
        return left

    def _wait(self, timeout: float | None) -> int:
        if threading.current_thread() is self._teller:
            raise RuntimeError("outcomes cannot be waited for where they are told")
        with self._changed:
            self._changed.wait_for(lambda: not self._left or self._failure, timeout)
            return self._left

    def close(self, timeout: float | None = PATIENCE_AT_THE_END) -> int:
        """Take no more events, send what waits, and return how many were left when time ran out.

        Those are told as retryable, or as unknown if they may have been applied. A second time
        nothing happens.
        """
        with self._lock:
            if self._is_closed:
                return 0
            self._is_closed = True
            pipeline = self._pipeline
        atexit.unregister(self._at_exit)
        if pipeline is None:
            return 0
        pipeline.finish()
        left = self._wait(timeout)
        if left:
            _log.warning("closed before %d events were delivered", left)
            pipeline.abandon()
        pipeline.close()
        self._teller.join()
        return left

    def _run(self, pipeline: Pipeline) -> None:
        """Tell of what is settled, until the pipeline is closed and all was told."""
        try:
            while settled := pipeline.take(for_ever=True):
                self._on_outcomes(self._tell(settled))
                with self._changed:
                    self._left -= len(settled)
                    self._changed.notify_all()
        except BaseException as error:  # noqa: BLE001 - raised where events are handed in
            if not isinstance(error, OSError):  # such as a pipe that is read no more
                _log.exception("outcomes can be told no more")
            pipeline.close(wait=False)
            with self._changed:
                self._failure = error
                self._changed.notify_all()
