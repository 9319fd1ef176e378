"""Closing: what is closed at the end of a ``with`` block, or at the end of the interpreter.

What may live here: that something is closed, and nothing of what that means.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable
from typing import Self
from weakref import WeakMethod


class Closing:
    """Something that is closed at the end of a ``with`` block."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> object:
        """Let go of what it holds."""
        raise NotImplementedError


def closed_at_exit(thing: Closing) -> Callable[[], None]:
    """Have something closed when the interpreter ends, if it is still in use then.

    Returns what :func:`atexit.unregister` takes once it was closed before.
    """
    close = WeakMethod(thing.close)

    def at_exit() -> None:
        method = close()
        if method is not None:
            method()

    atexit.register(at_exit)
    return at_exit
