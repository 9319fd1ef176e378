"""What Ctrl-C and SIGTERM do to a command."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn

import click

#: The exit statuses that shells give a program that a signal ended.
INTERRUPTED: Final = 128 + signal.SIGINT
TERMINATED: Final = 128 + signal.SIGTERM
#: Seconds between two checks whether a signal has come.
_POLL: Final = 0.1


class Terminated(KeyboardInterrupt):
    """SIGTERM came, and interrupts like Ctrl-C."""


class InterruptibleGroup(click.Group):
    """A group of commands that end with status 130 after Ctrl-C, and 143 after SIGTERM."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that the arguments name."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interruption:
            sys.exit(TERMINATED if isinstance(interruption, Terminated) else INTERRUPTED)


def watch_interrupts(*, second_interrupts: bool = False) -> Callable[[], bool]:
    """Return a function that says whether SIGINT (Ctrl-C) or SIGTERM has come since.

    ``second_interrupts`` lets the second one interrupt as if nobody watched; False ignores it.
    """
    stopped: list[int] = []  # no event: its lock may be held by what the handler interrupts

    def note(number: int, _: object) -> None:
        if stopped and second_interrupts:
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
        stopped.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, note)
    return lambda: bool(stopped)


@contextmanager
def catch_interrupts() -> Iterator[Callable[[], None]]:
    """Yield a function that waits for SIGINT (Ctrl-C) or SIGTERM."""
    is_stopped = watch_interrupts()

    def wait() -> None:
        while not is_stopped():
            time.sleep(_POLL)

    yield wait


@contextmanager
def interrupt_at_sigterm() -> Iterator[None]:
    """Let SIGTERM interrupt a block like Ctrl-C, so that everything is settled before the end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(_: int, __: object) -> NoReturn:
    raise Terminated
