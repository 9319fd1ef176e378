"""Failures that are nobody's outcome: how they are logged, and what callers are told."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Final

from iterable_destination.errors import QueueFull
from iterable_destination.model.interruptions import raise_interruption
from iterable_destination.model.outcomes import Outcome

_log: Final = logging.getLogger("iterable_destination.delivery")

#: Seconds that closing waits beyond its time, so that what it gave up is reported.
REPORTING: Final = 0.5
#: Seconds that closing waits for events to be sent, unless it is told otherwise.
CLOSE_TIMEOUT: Final = 30.0

CLOSED: Final = "the destination is closed"
NOT_STARTED: Final = "start() was not called"
STARTED: Final = "start() was already called"


def raise_from_outside(error: BaseException) -> None:
    """Raise what came from a signal handler, as :func:`raise_interruption` does; else do nothing.

    To be called for what foreign code raised that waits for nothing. A
    :exc:`asyncio.CancelledError` is a fault of that code then: nobody can have cancelled it.
    """
    found: BaseException | None = error
    while isinstance(found, asyncio.CancelledError):
        found = found.__cause__ or found.__context__
    if found is not None:
        raise_interruption(found)


def build_queue_full(waiting: int) -> QueueFull:
    """Return the error of a queue in memory in which so many events wait."""
    return QueueFull(
        "1 event waits to be delivered; no more are taken"
        if waiting == 1
        else f"{waiting:,} events wait to be delivered; no more are taken"
    )


def log_left(left: int) -> None:
    """Log how many events were not delivered when delivery ended."""
    message = (
        "closed before %d event was delivered"
        if left == 1
        else "closed before %d events were delivered"
    )
    with suppress(Exception):  # a handler of the caller's
        _log.warning(message, left, extra={"iterable_events": left})


def log_untold(number: int) -> None:
    """Log how many outcomes were not told when delivery ended."""
    message = "%d outcome was not told" if number == 1 else "%d outcomes were not told"
    with suppress(Exception):  # a handler of the caller's
        _log.warning(message, number, extra={"iterable_events": number})


def log_left_task(name: str) -> None:
    """Log that a task goes on, in code of the caller's, though it was cancelled."""
    with suppress(Exception):  # a handler of the caller's
        fields = {"iterable_task": name}
        _log.warning("a task that was cancelled did not end, and is left", extra=fields)


def log_callback_failure(error: BaseException, outcome: Outcome) -> None:
    """Log what ``on_outcome`` raised for an outcome; it stops nothing, nor does a handler."""
    with suppress(Exception):
        fields = {"iterable_error": type(error).__name__, "iterable_outcome": outcome.name}
        _log.error("on_outcome raised", exc_info=error, extra=fields)


def log_without_content(template: str, error: BaseException) -> None:
    """Log what was raised and where, but not its text, which may be personal data.

    The traceback, with that text, is logged at ``DEBUG``.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
    fields = {"iterable_error": type(error).__name__, "iterable_place": place}
    with suppress(Exception):  # a handler of the caller's must not stop delivery
        _log.error(template, *fields.values(), extra=fields)
        _log.debug("the traceback", exc_info=error, extra=fields)
