"""The event loop that something belongs to: what is of one cannot be used in another."""

from __future__ import annotations

import asyncio
from typing import Final, Self

_OUTSIDE: Final = "it must be used in a coroutine, or a callback, of an event loop that runs"
_ANOTHER: Final = (
    "it belongs to the event loop of its first use; close it there, or make another one"
)


def is_cancelled() -> bool:
    """Whether somebody cancelled the task that runs.

    If nobody did, a :exc:`asyncio.CancelledError` is a fault of whoever raised it.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def raise_cancellation() -> None:
    """Raise :exc:`asyncio.CancelledError` if the task that runs was cancelled.

    To be called after foreign code, which may have caught that.
    """
    if is_cancelled():
        raise asyncio.CancelledError


class LoopBound:
    """A base for what belongs to the event loop of its first use, until it is closed.

    Use it as an asynchronous context manager, or close it.
    """

    _loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> object:
        """Release its resources."""
        raise NotImplementedError

    def enter_loop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop that runs; raises :exc:`RuntimeError` for none, or another one."""
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError(_OUTSIDE) from None
        if self._loop is None:
            self._loop = running
        if self._loop is not running:
            raise RuntimeError(_ANOTHER)
        return running

    def leave_loop(self) -> None:
        """Belong to no event loop any more, since nothing of one is left."""
        self._loop = None
