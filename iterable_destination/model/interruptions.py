"""Interruptions: what a signal handler raises while something else runs.

A value or a function of the caller's may raise anything, and that is the outcome of one event. What
a signal handler raises meanwhile, such as a time limit, is not: it must reach the caller.
"""

from __future__ import annotations

import functools
import signal
import threading
from types import CodeType
from typing import Any

from iterable_destination.errors import IterableDestinationError


def raise_interruption(error: BaseException) -> None:
    """Raise what came from a signal handler, if it is ``error`` or made it; else do nothing.

    Handlers run in the main thread only. There :exc:`SystemExit`, and all else that is no
    :exc:`Exception`, counts as theirs; elsewhere :exc:`SystemExit` does not.
    """
    if isinstance(error, RecursionError):
        return  # there may be no room to ask
    if isinstance(error, IterableDestinationError) and not (error.__cause__ or error.__context__):
        return  # our own, and nothing made it
    if threading.current_thread() is not threading.main_thread():
        if not isinstance(error, Exception | SystemExit):
            raise error
        return
    handlers = {code for code in map(_code_of, _handlers()) if code is not None}
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        if not isinstance(found, Exception) or _passed(found, handlers):
            raise found
        found = found.__cause__ or found.__context__


def _handlers() -> list[Any]:
    return [signal.getsignal(number) for number in signal.valid_signals()]


def _code_of(handler: Any) -> CodeType | None:
    """Return the code of a handler: a function, a method, a partial or an object to be called."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    handler = getattr(handler, "__func__", handler)
    if not hasattr(handler, "__code__"):
        handler = vars(type(handler)).get("__call__")
    code = getattr(handler, "__code__", None)
    return code if isinstance(code, CodeType) else None


def _passed(error: BaseException, handlers: set[CodeType]) -> bool:
    """Whether an exception came through one of these handlers."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code in handlers:
            return True
        trace = trace.tb_next
    return False
