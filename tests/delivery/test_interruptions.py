"""Signal handlers: they may raise, or call the destination, at any line of what they interrupt."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from iterable_destination import (
    ApiResponse,
    Client,
    Destination,
    DestinationFunction,
    NotSent,
    Outbox,
    Outcome,
    Settings,
    Translation,
    translate,
)
from iterable_destination.testing import LocalIterable, Project
from tests.support.delivering import (
    WAIT_SECONDS,
    Leaks,
    by_index,
    delivering,
    settings_of,
    track,
    wait_until,
)
from tests.support.interrupting import (
    HANDLERS,
    Interruption,
    TimeLimitError,
    at_each_line,
    raise_interruption,
)


@pytest.fixture(autouse=True)
def _no_leaks() -> Iterator[None]:
    leaks = Leaks()
    yield
    leaks.check()


@pytest.fixture
def iterable() -> Iterator[LocalIterable]:
    with LocalIterable(Project(keep_requests=0)) as iterable:
        yield iterable


def event(number: int) -> dict[str, Any]:
    return track(number, f"u-{number % 50}")


# What a handler raises ----------------------------------------------------------------------------


def test_what_is_raised_at_any_line_of_enqueue_leaves_no_event_without_an_outcome(
    iterable: LocalIterable,
) -> None:
    told: list[Outcome] = []
    taken: list[int] = []
    with delivering(iterable) as to:
        to.start(told.append, capacity=3)
        for interrupter in at_each_line(raise_interruption):
            with suppress(Interruption), interrupter:
                taken.append(to.enqueue(event(len(taken))))
            assert to.flush(WAIT_SECONDS) == 0
        assert taken
        assert to.close(WAIT_SECONDS) == 0
    indexes = [outcome.index for outcome in told]
    assert len(set(indexes)) == len(indexes)
    assert set(taken) <= set(indexes)
    assert {outcome.name for outcome in told} == {"delivered"}


@pytest.fixture(params=list(HANDLERS.values()), ids=list(HANDLERS))
def handler(request: pytest.FixtureRequest) -> Iterator[None]:
    before = signal.signal(signal.SIGUSR1, request.param)
    yield
    signal.signal(signal.SIGUSR1, before)


def interrupts(event: Any, settings: Settings) -> Translation:
    signal.raise_signal(signal.SIGUSR1)
    return translate(event, settings)


class Function(DestinationFunction):
    """Wraps what its methods raise."""

    on_track = staticmethod(interrupts)


@pytest.mark.usefixtures("handler")
@pytest.mark.parametrize("translator", [interrupts, Function()], ids=["plain", "function"])
def test_what_a_handler_raises_is_no_outcome_of_the_event_that_it_interrupts(
    translator: Any, iterable: LocalIterable
) -> None:
    told: list[Outcome] = []
    with delivering(iterable, translator=translator) as to:
        for send in (
            to.send,
            lambda event: list(to.send_all([event])),
            to.start(told.append).enqueue,
        ):
            with pytest.raises(TimeLimitError):
                send(event(0))
        assert to.flush(WAIT_SECONDS) == 0
    assert told == []


@pytest.mark.usefixtures("handler")
def test_what_a_handler_raises_in_a_request_is_raised(iterable: LocalIterable) -> None:
    class Interrupted(Client):
        def request(self, *about: Any, **more: Any) -> ApiResponse:
            signal.raise_signal(signal.SIGUSR1)
            return super().request(*about, **more)

    settings = settings_of(iterable)
    with (
        Interrupted(settings) as client,
        Destination(settings, client=client) as to,
        pytest.raises(TimeLimitError),
    ):
        to.send(event(0))


@pytest.mark.parametrize("method", ["flush", "close"])
def test_what_is_raised_at_any_line_of_a_wait_stops_no_later_wait(
    method: str, iterable: LocalIterable
) -> None:
    for interrupter in at_each_line(raise_interruption):
        told: list[Outcome] = []
        with delivering(iterable) as to:
            to.start(told.append)
            to.enqueue(event(0))
            with suppress(Interruption), interrupter:
                getattr(to, method)(WAIT_SECONDS)
            assert to.flush(WAIT_SECONDS) == 0
            assert to.close(WAIT_SECONDS) == 0
        assert [outcome.index for outcome in told] == [0]


def test_what_is_raised_at_any_line_of_an_outboxs_enqueue_stops_nothing(
    iterable: LocalIterable, tmp_path: Path
) -> None:
    told: list[int] = []
    taken: list[int] = []
    with Outbox(tmp_path / "outbox", lock_timeout=1.0) as outbox, delivering(iterable) as to:
        to.start(lambda outcome: told.append(outcome.index), outbox=outbox)
        for interrupter in at_each_line(raise_interruption):
            with suppress(Interruption), interrupter:
                taken.append(to.enqueue(event(len(taken))))
        assert taken
        assert to.flush(WAIT_SECONDS) == 0
        assert to.close(WAIT_SECONDS) == 0
    assert set(taken) <= set(told)


# What a handler calls -----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["flush", "close"])
def test_a_handler_may_wait_at_any_line_of_enqueue(method: str, iterable: LocalIterable) -> None:
    told: list[Outcome] = []
    left: list[int] = []
    to: Destination

    def wait() -> None:
        left.append(getattr(to, method)(WAIT_SECONDS))

    for interrupter in at_each_line(wait):
        told.clear()
        taken = []
        with delivering(iterable) as to:
            to.start(told.append)
            taken.append(to.enqueue(event(0)))
            with interrupter, suppress(NotSent):
                taken.append(to.enqueue(event(1)))
            sys.settrace(None)
            assert to.flush(WAIT_SECONDS) == 0
            to.close(WAIT_SECONDS)
        assert [outcome.index for outcome in told] == taken
        assert {outcome.name for outcome in told} == {"delivered"}
    assert set(left) == {0}


@pytest.mark.parametrize("inner", ["flush", "close", "enqueue"])
@pytest.mark.parametrize("outer", ["flush", "close"])
def test_a_handler_may_call_everything_at_any_line_of_a_wait(
    outer: str, inner: str, iterable: LocalIterable
) -> None:
    told: list[Outcome] = []
    to: Destination

    def call() -> None:
        with suppress(NotSent):
            getattr(to, inner)(event(1) if inner == "enqueue" else WAIT_SECONDS)

    for interrupter in at_each_line(call):
        told.clear()
        with delivering(iterable) as to:
            to.start(told.append)
            to.enqueue(event(0))
            with interrupter:
                left = getattr(to, outer)(WAIT_SECONDS)
            sys.settrace(None)
            assert left == 0 or inner == "enqueue"
            to.close(WAIT_SECONDS)
        assert 1 <= len(by_index(told)) <= 2
        assert {outcome.name for outcome in told} == {"delivered"}


@pytest.mark.parametrize("has_outbox", [False, True])
def test_a_handler_may_close_at_any_line_of_start(
    has_outbox: bool,  # noqa: FBT001
    iterable: LocalIterable,
    tmp_path: Path,
) -> None:
    """Nothing goes on in the background then: no thread is left."""
    to: Destination
    closed: list[int] = []

    def close() -> None:
        if to._is_starting:  # else it comes before or after
            closed.append(to.close(WAIT_SECONDS))

    with Outbox(tmp_path / "outbox") as outbox:
        for interrupter in at_each_line(close):
            closed.clear()
            leaks = Leaks()
            with delivering(iterable) as to:
                with interrupter:
                    to.start(outbox=outbox if has_outbox else None)
                sys.settrace(None)
                if closed:
                    leaks.check()


SCRIPT = """
import os, signal, sys, threading
from iterable_destination import Destination, NotSent, QueueFull, Settings
to = Destination(Settings(api_key="k", base_url=sys.argv[1])).start(capacity=100_000)
def stop(*_):
    print(to.close(10), flush=True)
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
threading.Timer(float(sys.argv[2]), os.kill, (os.getpid(), signal.SIGTERM)).start()
n = 0
while True:
    try:
        to.enqueue({"messageId": f"m-{n}", "type": "track", "userId": f"u-{n}", "event": "E"})
        n += 1
    except (QueueFull, NotSent):
        pass
"""


@pytest.mark.parametrize("seconds", [0.05, 0.1237])
def test_a_real_handler_closes_while_events_are_handed_in(seconds: float) -> None:
    with LocalIterable(Project(api_key=None, keep_requests=0, keep_effects=0)) as iterable:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, iterable.url, str(seconds)],
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip().isdigit()


# The callback, and other threads ------------------------------------------------------------------


@pytest.mark.parametrize("method", ["flush", "close"])
def test_the_callback_may_call_everything_and_the_rest_is_told_afterwards(
    method: str, iterable: LocalIterable
) -> None:
    told: list[Outcome] = []
    left: list[int] = []
    may_begin = threading.Event()

    def report(outcome: Outcome) -> None:
        may_begin.wait(WAIT_SECONDS)
        told.append(outcome)
        if len(told) == 10:
            left.append(getattr(to, method)(WAIT_SECONDS))

    with delivering(iterable) as to:
        to.start(report)
        for n in range(50):
            to.enqueue(event(n))
        may_begin.set()
        assert to.flush(WAIT_SECONDS) == 0
        to.close(WAIT_SECONDS)
    assert len(by_index(told)) == 50
    assert left == [40]


@pytest.mark.parametrize("method", ["flush", "close"])
def test_the_callback_of_an_outbox_may_call_everything(
    method: str, iterable: LocalIterable, tmp_path: Path
) -> None:
    told: list[int] = []
    left: list[int] = []

    def report(outcome: Outcome) -> None:
        told.append(outcome.index)
        if len(told) == 1:
            left.append(getattr(to, method)(WAIT_SECONDS))

    with Outbox(tmp_path / "outbox") as outbox, delivering(iterable) as to:
        outbox.add_all(event(n) for n in range(50))
        to.start(report, outbox=outbox)
        wait_until(lambda: left)
        to.close(WAIT_SECONDS)
        assert left == [50]
        assert len(outbox) == 50 - len(set(told))


def test_several_threads_start_and_close_it_once(iterable: LocalIterable) -> None:
    told: list[Outcome] = []
    results: list[Any] = []
    barrier = threading.Barrier(8)

    def start() -> None:
        barrier.wait(WAIT_SECONDS)
        try:
            results.append(to.start(told.append))
        except RuntimeError as error:
            results.append(str(error))

    def close() -> None:
        barrier.wait(WAIT_SECONDS)
        results.append(to.close(WAIT_SECONDS))

    with delivering(iterable) as to:
        for target in (start, close):
            results.clear()
            threads = [threading.Thread(target=target) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(WAIT_SECONDS)
            if target is start:
                assert results.count("start() was already called") == 7
                for n in range(100):
                    to.enqueue(event(n))
    assert results == [0] * 8
    assert len(by_index(told)) == 100


def test_a_second_close_may_shorten_the_first() -> None:
    may_end = threading.Event()
    left: list[int] = []

    def stalls(_: Any, apply: Any) -> Any:
        may_end.wait(WAIT_SECONDS)
        return apply()

    with LocalIterable(faults=stalls) as slow, delivering(slow) as to:
        to.start()
        to.enqueue(event(0))
        first = threading.Thread(target=lambda: left.append(to.close(None)))
        first.start()
        wait_until(lambda: to._background._is_closed)  # type: ignore[union-attr]
        assert to.close(0) == 1
        first.join(WAIT_SECONDS)
        assert not first.is_alive()
        may_end.set()
    assert left == [1]


@pytest.mark.parametrize("has_outbox", [False, True])
def test_a_callback_that_does_not_end_holds_up_no_close(
    has_outbox: bool,  # noqa: FBT001
    iterable: LocalIterable,
    tmp_path: Path,
) -> None:
    may_end, is_in = threading.Event(), threading.Event()

    def report(_: Outcome) -> None:
        is_in.set()
        may_end.wait(WAIT_SECONDS)

    with Outbox(tmp_path / "outbox") as outbox, delivering(iterable) as to:
        to.start(report, outbox=outbox if has_outbox else None)
        for n in range(3):
            to.enqueue(event(n))
        assert is_in.wait(WAIT_SECONDS)
        assert to.close(0.1) == 3
        assert not may_end.is_set()
        may_end.set()


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), MemoryError()])
@pytest.mark.parametrize("has_outbox", [False, True])
def test_whatever_a_callback_raises_the_rest_is_told(
    error: BaseException,
    has_outbox: bool,  # noqa: FBT001
    iterable: LocalIterable,
    tmp_path: Path,
) -> None:
    told: list[int] = []

    def report(outcome: Outcome) -> None:
        told.append(outcome.index)
        raise error

    with Outbox(tmp_path / "outbox") as outbox, delivering(iterable) as to:
        to.start(report, outbox=outbox if has_outbox else None)
        taken = [to.enqueue(event(n)) for n in range(20)]
        assert to.flush(WAIT_SECONDS) == 0
        taken.append(to.enqueue(event(20)))
        assert to.flush(WAIT_SECONDS) == 0
        assert to.close(WAIT_SECONDS) == 0
    assert sorted(told) == taken
