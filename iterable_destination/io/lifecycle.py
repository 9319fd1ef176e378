"""Closing: what is closed at the end of a ``with`` block, or at the end of the interpreter.

What may live here: that something is closed, and nothing of what that means.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from typing import Final, Self
from weakref import WeakMethod, WeakSet


class Closeable:
    """Something that is closed at the end of a ``with`` block."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> object:
        """Let go of what it holds."""
        raise NotImplementedError


def close_at_exit(thing: Closeable) -> Callable[[], None]:
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


class ForkSafe:
    """Something with a lock and with resources that a child process must not share.

    A fork waits until no thread is inside the lock, so the child finds everything whole. Whoever
    holds one such lock must not ask for another: a fork asks for all of them.
    """

    def __init__(self) -> None:
        """Be known to forks; fields that :meth:`after_fork` uses are set before this."""
        #: Held by whoever uses the resources.
        self.lock: Final = threading.RLock()
        _AWARE.add(self)

    def after_fork(self) -> None:
        """Give up, in the child, what is the parent's; the lock is held."""
        raise NotImplementedError


_AWARE: Final[WeakSet[ForkSafe]] = WeakSet()
#: Held while a fork is under way: there is one at a time.
_FORKING: Final = threading.RLock()
#: Those whose locks are held for the fork.
_HELD: Final[list[ForkSafe]] = []


def _before_fork() -> None:
    _FORKING.acquire()
    for thing in list(_AWARE):
        thing.lock.acquire()
        _HELD.append(thing)


def _after_fork_in_parent() -> None:
    while _HELD:
        _HELD.pop().lock.release()
    _FORKING.release()


def _after_fork_in_child() -> None:
    try:
        for thing in _HELD:
            thing.after_fork()
    finally:
        _after_fork_in_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
