"""Lifecycles: closing at the end of a block or of the interpreter, and safety in a fork."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from typing import Final, Self, TypeVar
from weakref import WeakMethod, WeakSet


class Closeable:
    """Something that is closed at the end of a ``with`` block."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> object:
        """Release its resources."""
        raise NotImplementedError


def close_at_exit(close: Callable[[], object]) -> Callable[[], None]:
    """Call a resource's method when the interpreter exits, if it is still referenced then.

    Returns the function to pass to :func:`atexit.unregister` if it is closed before.
    """
    weak = WeakMethod(close)

    def at_exit() -> None:
        method = weak()
        if method is not None:
            method()

    atexit.register(at_exit)
    return at_exit


_Result = TypeVar("_Result")


class ForkSafe:
    """A base for classes with a lock, and with resources that a child process must not share.

    A fork waits until no thread holds the lock, so the child finds a consistent state. A thread
    that holds one such lock must not acquire another: a fork acquires all of them.
    """

    def __init__(self) -> None:
        """Register for forks. Set the attributes that :meth:`after_fork` uses before this."""
        #: Hold it while you use the resources.
        self.lock: Final = threading.RLock()
        _FORK_SAFE.add(self)

    def after_fork(self) -> None:
        """Give up the parent's resources, in the child. The lock is held."""
        raise NotImplementedError

    def run_alone(self, work: Callable[[], _Result], timeout: float) -> _Result:
        """Do work while this thread holds the lock, and return what it returns.

        Waits for other threads, ``timeout`` seconds at most; then raises :exc:`TimeoutError`.
        Whatever is raised, also by a signal handler at any line, the lock is released.
        """
        if _owns(self.lock):  # a signal handler has interrupted other work of this thread
            return work()
        try:
            try:
                if not self.lock.acquire(timeout=timeout):
                    raise TimeoutError
                return work()
            finally:
                self._let_go()
        finally:
            self._let_go()  # an exception may come at any line, also in that above

    def _let_go(self) -> None:
        if _owns(self.lock):
            self.clear_up()
            self.lock.release()

    def clear_up(self) -> None:
        """End what work may have left open. The lock is held; a second time nothing happens."""


def check_kind(lock: threading.RLock) -> None:
    """Raise :exc:`RuntimeError` if threads were replaced since a lock was made, as gevent does.

    Such a lock is of the machine's threads, so it would keep no greenlet out.
    """
    if type(lock) is not type(threading.RLock()):
        raise RuntimeError(_REPLACED)


_REPLACED: Final = (
    "made before gevent or the like replaced the threads; make it afterwards:"
    " under gunicorn without --preload, or with gevent.monkey.patch_all() in gunicorn.conf.py"
)


def _owns(lock: threading.RLock) -> bool:
    """Whether this thread holds a lock."""
    is_owned: bool = lock._is_owned()  # type: ignore[attr-defined]  # noqa: SLF001 - no other way
    return is_owned


_FORK_SAFE: Final[WeakSet[ForkSafe]] = WeakSet()
#: Held during a fork, so that there is one at a time.
_FORKING: Final = threading.RLock()
#: Objects whose locks are held during the fork.
_LOCKED: Final[list[ForkSafe]] = []


def _before_fork() -> None:
    _FORKING.acquire()
    for resource in list(_FORK_SAFE):
        resource.lock.acquire()
        _LOCKED.append(resource)


def _after_fork_in_parent() -> None:
    while _LOCKED:
        _LOCKED.pop().lock.release()
    _FORKING.release()


def _after_fork_in_child() -> None:
    try:
        for resource in _LOCKED:
            resource.after_fork()
    finally:
        _after_fork_in_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
