"""Slices: long work in an event loop, cut so that others have their turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

#: Seconds after which work that could go on lets others have their turn.
SLICE: Final = 0.005


class Slices:
    """Says when work has gone on for long enough, by a clock in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock: Final = clock
        self._until = clock() + SLICE

    @property
    def is_over(self) -> bool:
        """Whether it is time to :meth:`pause`."""
        return self._clock() >= self._until

    async def pause(self) -> None:
        """Let all others in the event loop have a turn."""
        await asyncio.sleep(0)
        self._until = self._clock() + SLICE
