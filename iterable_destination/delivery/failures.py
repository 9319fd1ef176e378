"""Failures that are nobody's outcome: how they are logged, and how long closing waits for them."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Final

_log: Final = logging.getLogger("iterable_destination.delivery")

#: Seconds that closing waits beyond its time, so that what it gave up is reported.
REPORTING: Final = 0.5


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
