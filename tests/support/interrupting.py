"""Interruptions at each line of a piece of code, as signal handlers make them."""

from __future__ import annotations

import functools
import gc
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any, Final, Self

#: Ends of the names of files at whose lines something may come.
FILES: Final = (
    "delivery/base.py",
    "delivery/background.py",
    "delivery/outbox_worker.py",
    "delivery/conclusion.py",
    "delivery/safe_scheduler.py",
    "delivery/worker_pool.py",
    "io/lifecycle.py",
    "io/outbox.py",
    "io/postgres_outbox.py",
    "io/file_lock.py",
    "io/dead_letters.py",
    "threading.py",
    "contextlib.py",
)


class TimeLimitError(Exception):
    """A time limit, such as that of a task queue."""


def _handle(*_: object) -> None:
    raise TimeLimitError


class _Handler:
    def handle(self, *_: object) -> None:
        raise TimeLimitError

    def __call__(self, *_: object) -> None:
        raise TimeLimitError


#: Signal handlers of each kind that raise one.
HANDLERS: Final[dict[str, Any]] = {
    "function": _handle,
    "method": _Handler().handle,
    "object": _Handler(),
    "partial": functools.partial(_handle, 1),
}


class Interruption(BaseException):
    """What a signal handler raises."""


def raise_interruption() -> None:
    raise Interruption


def in_own_thread(run: Callable[[], object]) -> None:
    """Run something in a thread of its own.

    What is raised at a line of an ``except`` clause may stay the exception that the thread handles,
    in CPython 3.11, and become the context of all that is raised in it later.
    """
    with ThreadPoolExecutor(1) as pool:
        pool.submit(run).result()


class Interrupter:
    """Does something before one of the lines that run in this thread."""

    def __init__(self, at: int, act: Callable[[], Any]) -> None:
        self._at = at
        self._act = act
        self._seen = 0

    @property
    def has_come(self) -> bool:
        return self._seen >= self._at

    def __enter__(self) -> Self:
        gc.disable()  # else it may come to a line of a finalizer, where whatever it raises is lost
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)
        gc.enable()

    def _trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if event == "call" and not frame.f_code.co_filename.endswith(FILES):
            return None
        if event == "line":
            self._seen += 1
            if self._seen == self._at:
                sys.settrace(None)
                self._act()
                return None
        return self._trace


def at_each_line(act: Callable[[], Any]) -> Iterator[Interrupter]:
    """Yield interrupters for the first line, the second …, until one has no line to come at."""
    at = 1
    while True:
        interrupter = Interrupter(at, act)
        yield interrupter
        if not interrupter.has_come:
            return
        at += 1
