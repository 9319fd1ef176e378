"""Exchanges: each request that was made is told to a callback of the caller's."""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count
from typing import Final

from iterable_destination.delivery.engine.envelope import Batch
from iterable_destination.delivery.failures import raise_from_outside
from iterable_destination.errors import AmbiguousAnswer, ApiError
from iterable_destination.model.exchange import Exchange
from iterable_destination.model.responses import ApiResponse

_log: Final = logging.getLogger("iterable_destination.delivery")


class ExchangeReporter:
    """Calls ``on_request`` after each request. What that raises is logged, the first time."""

    def __init__(
        self, on_request: Callable[[Exchange], object], clock: Callable[[], float]
    ) -> None:
        self._on_request: Final = on_request
        self._clock: Final = clock
        #: Counts what ``on_request`` raised; to count is one step, which no thread can interrupt.
        self._failures: Final = count()

    def observe(
        self, batch: Batch, send: Callable[[], ApiResponse], *, in_worker: bool
    ) -> ApiResponse:
        """Send a batch by ``send``, report it, and return the response or raise what was raised.

        ``in_worker`` is whether the thread is one of a worker pool.
        """
        ending: ApiResponse | BaseException
        began = self._clock()
        try:
            ending = send()
        except BaseException as error:  # noqa: BLE001 - raised below
            ending = error
        # Outside of the except block: what on_request raises, and is logged, has no context.
        return self._report(batch, began, ending, in_worker=in_worker)

    async def observe_in_loop(
        self, batch: Batch, send: Callable[[], Awaitable[ApiResponse]]
    ) -> ApiResponse:
        """Do the same with a ``send`` that an event loop waits for."""
        ending: ApiResponse | BaseException
        began = self._clock()
        try:
            ending = await send()
        except BaseException as error:  # noqa: BLE001 - raised below
            ending = error
        return self._report(batch, began, ending, in_worker=False)

    def _report(
        self,
        batch: Batch,
        began: float,
        ending: ApiResponse | BaseException,
        *,
        in_worker: bool,
    ) -> ApiResponse:
        """Report how a request ended; then return its response, or raise what it ended with."""
        has_response = isinstance(ending, ApiResponse)
        failure = type(ending) if isinstance(ending, ApiError) else AmbiguousAnswer
        exchange = Exchange(
            endpoint=batch.endpoint.name,
            items=len(batch.envelopes),
            seconds=max(self._clock() - began, 0.0),
            status=ending.status if isinstance(ending, ApiResponse | ApiError) else None,
            error=None if has_response else failure.__name__,
            attempt=batch.attempts.of_this_call,
        )
        self._tell(exchange, in_worker=in_worker)
        if isinstance(ending, BaseException):
            raise ending
        return ending

    def _tell(self, exchange: Exchange, *, in_worker: bool) -> None:
        try:
            self._on_request(exchange)
        except BaseException as fault:  # noqa: BLE001 - the callback's own fault stops nothing
            if not in_worker or threading.current_thread() is threading.main_thread():
                raise_from_outside(fault)
            if next(self._failures) == 0:
                with suppress(Exception):  # nor does that of a handler
                    fields = {"iterable_error": type(fault).__name__}
                    _log.warning(
                        "on_request raised; no more of it is logged", exc_info=fault, extra=fields
                    )
