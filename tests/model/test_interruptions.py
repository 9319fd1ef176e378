"""Interruptions: what a signal handler raises is told from what the interrupted code raises."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from iterable_destination.errors import InvalidEvent, Problem
from iterable_destination.model.interruptions import raise_interruption
from tests.support.interrupting import HANDLERS, TimeLimitError


@pytest.fixture(autouse=True)
def before() -> Iterator[None]:
    """Put the handler back that was there."""
    handler = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, handler)


def interrupted(handler: Any) -> Exception:
    """Return what a handler raises while something else runs."""
    signal.signal(signal.SIGINT, handler)
    with pytest.raises(TimeLimitError) as caught:
        signal.raise_signal(signal.SIGINT)
    return caught.value


@pytest.mark.parametrize("handler", HANDLERS.values(), ids=HANDLERS)
def test_what_a_handler_raises_is_raised(handler: Any) -> None:
    error = interrupted(handler)
    with pytest.raises(TimeLimitError):
        raise_interruption(error)


def test_what_a_handler_made_is_raised_out_of_what_it_became() -> None:
    made = ValueError("x")
    made.__cause__ = interrupted(HANDLERS["function"])
    with pytest.raises(TimeLimitError):
        raise_interruption(made)


def test_what_no_handler_raised_is_no_interruption() -> None:
    signal.signal(signal.SIGINT, HANDLERS["function"])
    for error in (ValueError("x"), RecursionError(), InvalidEvent([Problem("$", "x")])):
        raise_interruption(error)


@pytest.mark.parametrize("error", [SystemExit(), KeyboardInterrupt()], ids=repr)
def test_what_ends_a_program_counts_as_a_handlers_in_the_main_thread(error: Any) -> None:
    with pytest.raises(type(error)):
        raise_interruption(error)


def raised_in_a_thread(error: BaseException) -> list[BaseException]:
    raised: list[BaseException] = []

    def ask() -> None:
        try:
            raise_interruption(error)
        except BaseException as again:  # noqa: BLE001 - it is what is asked for
            raised.append(again)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return raised


def test_other_threads_have_no_handlers() -> None:
    assert raised_in_a_thread(interrupted(HANDLERS["function"])) == []
    assert raised_in_a_thread(SystemExit()) == []
    assert [type(each) for each in raised_in_a_thread(KeyboardInterrupt())] == [KeyboardInterrupt]
