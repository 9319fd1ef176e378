"""AsyncDestination: cancellation, leaving early, turns of others, and its own event loop.

Outcomes, faults and order are tested with those of ``Destination`` in ``test_send_all.py``.
"""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import aclosing, suppress
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest

from iterable_destination import (
    ApiResponse,
    AsyncDestination,
    DeadLetters,
    NotSent,
    Outcome,
    RetryPolicy,
    Settings,
    errors,
)
from iterable_destination.delivery import async_destination, async_driver, safe_scheduler
from iterable_destination.delivery.engine.scheduler import Scheduler
from iterable_destination.delivery.policies import Runtime
from iterable_destination.testing import (
    LocalIterable,
    Project,
    RandomFaults,
    Received,
    Script,
    faults,
)
from tests.support import faulty_server as faulty
from tests.support.delivering import (
    QUICK,
    RATE_LIMITS,
    Leaks,
    applied,
    by_index,
    doubled_ids,
    every_fault,
    history,
    inversions,
    names,
    order,
    settings_of,
    track,
)
from tests.support.faulty_server import Exchange, FaultyServer


@pytest.fixture(autouse=True)
def _no_leaks() -> Iterator[None]:
    leaks = Leaks()
    yield
    leaks.check()


def made(iterable: LocalIterable | str, **options: Any) -> AsyncDestination:
    """Make a destination with short waits."""
    chosen: dict[str, Any] = {"retry": QUICK, "rate_limits": RATE_LIMITS} | options
    return AsyncDestination(settings_of(iterable), **chosen)


def run(work: Callable[[], Coroutine[Any, Any, None]], seconds: float = 30.0) -> None:
    """Run some work; fail if it takes too long, or leaves a task."""

    async def watch() -> None:
        await asyncio.wait_for(work(), seconds)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(watch())
    gc.collect()  # what was not closed would warn


async def collect(outcomes: AsyncIterator[Outcome], into: list[Outcome]) -> None:
    """Take outcomes until there are no more, or something is raised."""
    async for outcome in outcomes:
        into.append(outcome)  # noqa: PERF401 - what came before an error is to be there


def hears(exchange: Exchange) -> None:
    """Read a request, and say nothing."""
    exchange.read()


async def until(condition: Callable[[], Any]) -> None:
    """Wait for a condition that another thread, or task, makes true."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


class InstantClient:
    """Accepts everything, with no turn for others in between, or with one."""

    def __init__(self, turns: int) -> None:
        self.turns = turns
        self.in_flight, self.most = 0, 0

    async def request(self, *_: Any, **__: Any) -> ApiResponse:
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        for _turn in range(self.turns):
            await asyncio.sleep(0)
        self.in_flight -= 1
        return ApiResponse(200, {}, "Success", "ok", "r-1")

    async def close(self) -> None:
        """Do nothing: there is no connection."""


class HangingClient(InstantClient):
    """Has no response to any request."""

    def __init__(self) -> None:
        super().__init__(0)
        self.began = 0
        self.is_closed = False

    async def request(self, *_: Any, **__: Any) -> ApiResponse:
        self.began += 1
        await asyncio.sleep(3_600)
        raise AssertionError

    async def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize("turns", [0, 1, 3])
@pytest.mark.parametrize("at_once", [1, 2, 8, 64])
def test_with_a_server_that_answers_at_once_nothing_waits_for_ever(
    turns: int, at_once: int
) -> None:
    client = InstantClient(turns)

    async def work() -> None:
        async with AsyncDestination(
            Settings(api_key="k"), client=client, max_concurrency=at_once, max_pending=100
        ) as to:
            for _ in range(4):
                events = [order(n, f"u-{n % 50}") for n in range(400)]
                outcomes = [each async for each in to.send_all(events)]
                assert names(by_index(outcomes)) == ["delivered"] * 400

    run(work)
    assert client.most <= at_once


@pytest.mark.skipif(sys.version_info < (3, 12), reason="tasks begin later before 3.12")
@pytest.mark.parametrize("turns", [0, 1])
def test_where_tasks_begin_as_soon_as_they_are_made_nothing_waits_for_ever(turns: int) -> None:
    async def work() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined, unused-ignore]
        async with AsyncDestination(
            Settings(api_key="k"), client=InstantClient(turns), max_concurrency=2
        ) as to:
            events = [order(n, "u") for n in range(1_500)]
            outcomes = [each async for each in to.send_all(events)]
            assert names(outcomes) == ["delivered"] * 1_500

    run(work)


@pytest.mark.parametrize("seed", range(3))
def test_through_faults_nothing_is_lost_doubled_or_overtaken(seed: int) -> None:
    users = [f"u-{n}" for n in range(30)]
    events = history(600, 30)
    at_once = random.Random(seed).choice([1, 4, 100])  # noqa: S311 - no secret

    async def work() -> None:
        left: list[Any] = events
        async with made(iterable, max_concurrency=at_once, max_pending=200) as to:
            while left:
                outcomes = by_index([each async for each in to.send_all(left)])
                assert len(outcomes) == len(left)
                left = [left[each.index] for each in outcomes if each.name != "delivered"]

    with LocalIterable(faults=RandomFaults(every_fault(0.05), seed=seed)) as iterable:
        run(work, 60)
        assert sorted(applied(iterable.project.effects)) == list(range(600))
        assert doubled_ids(iterable) == []
        assert inversions(iterable, users) == []


# Turns of others ---------------------------------------------------------------------------------


def test_others_have_their_turn_while_events_are_translated() -> None:
    """Each look at the clock takes a millisecond, and a slice has five."""
    ticks = count()
    seen: list[int] = []
    read = 0

    def events() -> Iterator[Any]:
        nonlocal read
        for n in range(1_000):
            read = n
            yield {"type": "group", "userId": f"u-{n}", "messageId": f"m-{n}"}  # is skipped

    async def watch() -> None:
        while True:
            seen.append(read)
            await asyncio.sleep(0)

    async def work() -> None:
        clock = Runtime(clock=lambda: next(ticks) / 1_000)
        watching = asyncio.create_task(watch())
        async with made("http://127.0.0.1:1", _runtime=clock) as to:
            assert len([each async for each in to.send_all(events())]) == 1_000
        watching.cancel()
        await asyncio.wait([watching])

    run(work)
    steps = [after - before for before, after in pairwise(seen)]
    assert max(steps) <= 6
    assert len(set(seen)) > 150


def test_an_asynchronous_input_is_read_and_outcomes_come_while_it_waits() -> None:
    told = asyncio.Event()

    async def events() -> AsyncIterator[Any]:
        yield track(0)
        await told.wait()
        yield track(1)

    async def work() -> None:
        async with made(iterable) as to:
            indexes = []
            async for outcome in to.send_all(events()):
                indexes.append(outcome.index)
                told.set()
            assert indexes == [0, 1]

    with LocalIterable() as iterable:
        run(work)


def test_what_an_asynchronous_input_raises_comes_after_the_outcomes() -> None:
    async def events() -> AsyncIterator[Any]:
        yield track(0)
        raise OSError("the input broke")

    async def work() -> None:
        outcomes: list[Outcome] = []
        async with made(iterable) as to:
            with pytest.raises(OSError, match="the input broke"):
                await collect(to.send_all(events()), outcomes)
        assert names(outcomes) == ["delivered"]

    with LocalIterable() as iterable:
        run(work)


# Leaving and cancelling --------------------------------------------------------------------------


def test_an_input_that_goes_on_though_it_is_cancelled_is_read_no_further() -> None:
    async def events() -> AsyncIterator[Any]:
        for n in count():
            with suppress(asyncio.CancelledError):
                yield track(n)
                await asyncio.sleep(0 if n < 1 else 3_600)

    async def work() -> None:
        async with made(iterable) as to, aclosing(to.send_all(events())) as outcomes:
            assert (await anext(outcomes)).name == "delivered"

    with LocalIterable() as iterable:
        run(work, 5)


def test_an_input_that_waits_is_read_no_further_when_time_is_over() -> None:
    async def events() -> AsyncIterator[Any]:
        yield track(0)
        await asyncio.sleep(3_600)

    async def late() -> AsyncIterator[Any]:
        yield track(1)
        raise TimeoutError

    async def work() -> None:
        async with made(iterable) as to:
            outcomes = [each async for each in to.send_all(events(), timeout=0.3)]
            assert names(outcomes) == ["delivered"]
            outcomes = [each async for each in to.send_all([order(2)] * 20, timeout=0)]
            assert names(outcomes) == ["retryable"] * 20
            outcomes = []
            with pytest.raises(TimeoutError):  # the input's own
                await collect(to.send_all(late(), timeout=10), outcomes)
            assert names(outcomes) == ["delivered"]

    with LocalIterable() as iterable:
        run(work, 5)


def test_where_reading_is_cancelled_before_it_began_the_iterator_ends() -> None:
    async def work() -> None:
        async with made("http://localhost:9") as to:
            sending = asyncio.create_task(collect(to.send_all([track(0)]), []))
            await asyncio.sleep(0)
            await _cancel_tasks("_feed")
            await asyncio.wait([sending])
            assert sending.cancelled()

    run(work, 5)


@pytest.mark.parametrize("what", ["send", "send_all"])
def test_what_still_goes_on_when_it_is_closed_sends_nothing_more(what: str) -> None:
    async def events() -> AsyncIterator[Any]:
        yield order(0)
        await asyncio.sleep(3_600)

    async def work() -> None:
        to = made(iterable)
        outcomes: list[Outcome] = []

        async def send() -> None:
            outcomes.append(await to.send(order(0)))

        sending = asyncio.create_task(
            send() if what == "send" else collect(to.send_all(events()), outcomes)
        )
        await until(lambda: received)
        await to.close()
        await asyncio.wait_for(sending, 5)
        assert names(outcomes) == ["unknown"]
        assert len(received) == 1
        assert (await to.send(order(1))).name == "delivered"  # it can be used again
        await to.close()

    def stalls_once(request: Received, apply: Any) -> Any:
        received.append(request)
        return faults.stall(30) if len(received) == 1 else apply()

    received: list[Received] = []
    with LocalIterable(faults=stalls_once) as iterable:
        run(work)


def test_a_wait_before_the_next_attempt_ends_when_it_is_closed() -> None:
    async def work() -> None:
        retry = RetryPolicy(deadline=600, initial_backoff=60, max_backoff=60)
        to = made(iterable, retry=retry, _runtime=Runtime(jitter=max))
        sending = asyncio.create_task(to.send(order(0)))
        await until(lambda: to.counters.requests)
        await asyncio.sleep(0.1)
        await to.close()
        assert (await asyncio.wait_for(sending, 5)).name == "retryable"

    with LocalIterable(faults=Script([faults.server_error(503)])) as iterable:
        run(work)


def test_leaving_early_ends_delivery() -> None:
    async def work() -> None:
        async with made(iterable) as to:
            async with aclosing(to.send_all(track(n, f"u-{n}") for n in count())) as outcomes:
                assert (await anext(outcomes)).name == "delivered"
            sent = len(iterable.project.requests)
            await asyncio.sleep(0.05)
            assert len(iterable.project.requests) == sent
            assert asyncio.all_tasks() - {asyncio.current_task()} == set(running)

    running: list[Any] = []
    with LocalIterable() as iterable:

        async def alone() -> None:
            running.extend(asyncio.all_tasks() - {asyncio.current_task()})
            await work()

        run(alone)


@pytest.mark.parametrize("what", ["send", "send_all", "close"])
def test_who_is_cancelled_leaves_neither_a_task_nor_a_connection(what: str) -> None:
    async def send_all(to: AsyncDestination) -> None:
        async for _ in to.send_all(order(n, f"u-{n}") for n in count()):
            pass

    async def close(to: AsyncDestination) -> None:
        to.start().enqueue(order(0))
        await until(lambda: server.requests)
        await to.close(None)

    async def work() -> None:
        to = made(server.url)
        before = asyncio.all_tasks()
        works: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
            "send": lambda: to.send(order(0)),
            "send_all": lambda: send_all(to),
        }
        works["close"] = lambda: close(to)
        task = asyncio.create_task(works[what]())
        await until(lambda: server.requests)
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == before
        if what == "close":
            with pytest.raises(NotSent, match="the destination is closed"):
                to.enqueue(order(1))
        await to.close()
        assert await asyncio.to_thread(server.saw_closed, server.connections)

    with FaultyServer(hears) as server:
        run(work)


def test_when_the_event_loop_ends_what_is_left_ends_too() -> None:
    """The program did not close it: asyncio cancels all tasks, and none is begun after that."""
    begun: list[AsyncDestination] = []

    async def work() -> None:
        to = made(server.url)
        begun.append(to)
        to.start()
        for n in range(20):
            to.enqueue(order(n, f"u-{n}"))
        await until(lambda: server.requests)

    with FaultyServer(hears) as server:
        asyncio.run(work())
        assert begun[0].counters.outcomes.keys() <= {"retryable", "unknown"}
        asyncio.run(_close_session(begun[0]))


async def _close_session(to: AsyncDestination) -> None:
    to.leave_loop()
    await to._client.close()


# A loop of its own -------------------------------------------------------------------------------


def test_elsewhere_it_is_a_clear_error() -> None:
    to = AsyncDestination(Settings(api_key="k"), client=InstantClient(1))
    with pytest.raises(RuntimeError, match=r"must be used in a coroutine, or a callback"):
        to.start()

    async def begin() -> None:
        to.start()
        with pytest.raises(RuntimeError, match=r"start\(\) was already called"):
            to.start()

        def enqueue() -> None:
            with pytest.raises(RuntimeError, match=r"must be used in a coroutine"):
                to.enqueue(track(0))

        await asyncio.to_thread(enqueue)

        def send() -> None:
            with pytest.raises(RuntimeError, match=r"belongs to the event loop of its first use"):
                asyncio.run(_send(to))

        await asyncio.to_thread(send)
        await to.close()

    asyncio.run(begin())
    asyncio.run(_send(to))  # it was closed, so it may be used here


async def _send(to: AsyncDestination) -> None:
    assert (await to.send(track(0))).name == "delivered"
    await to.close()


@pytest.mark.parametrize("wrong", [0, 513, -1, 1.5, True])
def test_a_number_of_requests_out_of_bounds_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"^max_concurrency: .* whole number from 1 to 512$"):
        AsyncDestination(Settings(api_key="k"), max_concurrency=wrong)


def test_before_start_there_is_no_queue() -> None:
    async def work() -> None:
        async with AsyncDestination(Settings(api_key="k"), client=InstantClient(1)) as to:
            assert to.waiting == 0
            with pytest.raises(RuntimeError, match=r"start\(\) was not called"):
                to.enqueue(track(0))
            with pytest.raises(RuntimeError, match=r"start\(\) was not called"):
                await to.flush()

    run(work)


# One event ---------------------------------------------------------------------------------------


def test_single_sends_at_once_are_bounded() -> None:
    client = InstantClient(3)

    async def work() -> None:
        async with AsyncDestination(
            Settings(api_key="k"), client=client, max_concurrency=4, rate_limits=RATE_LIMITS
        ) as to:
            outcomes = await asyncio.gather(*(to.send(order(n, f"u-{n}")) for n in range(100)))
        assert names(outcomes) == ["delivered"] * 100

    run(work)
    assert client.most == 4


def test_of_many_sends_that_wait_for_a_rate_one_wakes_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = count()

    class Asked(Scheduler):
        def next(self, now: float) -> Any:
            next(asked)
            return super().next(now)

    monkeypatch.setattr(async_destination, "Scheduler", Asked)

    async def work() -> None:
        rates = {"/api/commerce/trackPurchase": 200.0}
        async with AsyncDestination(
            Settings(api_key="k"), client=InstantClient(1), rate_limits=rates
        ) as to:
            outcomes = await asyncio.gather(*[to.send(order(n, f"u-{n}")) for n in range(200)])
            assert names(outcomes) == ["delivered"] * 200

    run(work)
    assert next(asked) < 200 * 5


def test_sends_that_wait_for_a_rate_end_by_the_deadline() -> None:
    async def work() -> None:
        async with AsyncDestination(
            Settings(api_key="k"),
            client=InstantClient(1),
            rate_limits={"/api/commerce/trackPurchase": 10.0},
            retry=RetryPolicy(deadline=0.5),
        ) as to:
            outcomes = await asyncio.gather(*[to.send(order(n, f"u-{n}")) for n in range(30)])
            found = Counter(names(outcomes))
            assert found.keys() == {"delivered", "retryable"}
            assert found["delivered"] <= 7

    run(work, 3)


def test_a_single_send_has_the_outcomes_of_every_kind(tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"
    threads: set[str] = set()

    class Watched(DeadLetters):
        def write(self, letters: Any) -> None:
            threads.add(threading.current_thread().name)
            super().write(letters)

    async def work() -> None:
        with Watched(path) as dead:
            async with made(iterable, dead_letters=dead, retry=RetryPolicy(deadline=0.0)) as to:
                assert (await to.send(track(0), index=7)).index == 7
                assert (await to.send({"type": "group", "userId": "u"})).name == "skipped"
                assert (await to.send({"type": "track", "event": "A"})).name == "rejected"
                assert (await to.send(track(1, "forgotten"))).name == "rejected"
                lost.clear()
                outcome = await to.send(order(2))
                assert (outcome.name, type(outcome.error)) == ("unknown", errors.AmbiguousAnswer)
                assert to.keeps_dead_letters
                assert to.is_key_accepted
                assert to.counters.outcomes == Counter(
                    delivered=1, skipped=1, rejected=2, unknown=1
                )

    lost = [True]

    def loses(_: Received, apply: Any) -> Any:
        return apply() if lost else faults.cut()

    with LocalIterable(Project(forgotten={"forgotten"}), faults=loses) as iterable:
        run(work)
    assert path.read_text().count("\n") == 3
    assert threading.main_thread().name not in threads


@pytest.mark.parametrize("fault", [ZeroDivisionError, asyncio.CancelledError])
def test_a_client_that_crashes_stops_nothing(fault: type[BaseException]) -> None:
    class Crashes(InstantClient):
        async def request(self, *_: Any, **__: Any) -> ApiResponse:
            raise fault

    async def work() -> None:
        async with AsyncDestination(Settings(api_key="k"), client=Crashes(0)) as to:
            outcomes = by_index([each async for each in to.send_all(history(30, 30))])
            assert set(names(outcomes)) == {"unknown"}
            assert (await to.send(track(0))).name == "unknown"

    run(work)


@pytest.mark.parametrize("method", ["add", "next", "on_response", "on_error"])
def test_after_a_fault_of_the_scheduler_everything_is_told_and_delivery_goes_on(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [1]

    class Breaking(Scheduler):
        pass

    def breaks(self: Any, *about: Any) -> Any:
        found = getattr(Scheduler, method)(self, *about)
        if left:
            left.pop()
            raise MemoryError
        return found

    setattr(Breaking, method, breaks)
    monkeypatch.setattr(safe_scheduler, "Scheduler", Breaking)

    async def work() -> None:
        async with made(iterable) as to:
            outcomes = by_index([each async for each in to.send_all(history(300, 100))])
            assert len(outcomes) == 300
            assert not left
            again = by_index([each async for each in to.send_all(history(50, 10))])
            assert set(names(again)) == {"delivered"}

    with LocalIterable(faults=Script([faults.server_error(503)] * 2)) as iterable:
        run(work)


# In the background -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["function", "coroutine function"])
def test_outcomes_are_told_in_each_users_order(kind: str) -> None:
    told: list[Outcome] = []

    async def tell(outcome: Outcome) -> None:
        await asyncio.sleep(0)
        told.append(outcome)

    async def work() -> None:
        async with made(iterable) as to:
            to.start(told.append if kind == "function" else tell)
            numbers = [to.enqueue(event) for event in history(300, 10)]
            assert numbers == list(range(300))
            assert to.waiting == 300
            assert await to.flush(20) == 0
            assert names(by_index(told)) == ["delivered"] * 300
            to.enqueue(track(300))
        assert len(told) == 301

    with LocalIterable() as iterable:
        run(work)
    for user in range(10):
        mine = [each.index for each in told if each.index % 10 == user and each.index < 300]
        assert mine == sorted(mine)


def test_a_full_queue_takes_no_more_and_what_is_left_at_the_end_is_told() -> None:
    told: list[Outcome] = []

    async def work() -> None:
        to = made(server.url).start(told.append, capacity=3)
        for n in range(3):
            to.enqueue(order(n, f"u-{n}"))
        with pytest.raises(errors.QueueFull, match=r"^3 events wait to be delivered; no more"):
            to.enqueue(order(3))
        assert await to.flush(0.05) == 3
        assert await to.close(0.05) == 3
        assert await to.close() == 0
        assert await asyncio.to_thread(asyncio.run, to.flush()) == 0  # it belongs to no loop now
        with pytest.raises(NotSent, match="the destination is closed"):
            to.enqueue(order(4))

    with FaultyServer(faulty.sends_and_stalls(b"")) as server:
        run(work)
    assert Counter(names(told)) == {"unknown": 3}


def test_what_the_callback_raises_is_logged_and_it_may_call_everything(
    caplog: pytest.LogCaptureFixture,
) -> None:
    left: list[int] = []

    async def work() -> None:
        to = made(iterable)

        async def tell(outcome: Outcome) -> None:
            if outcome.index == 0:
                to.enqueue(track(1))
                left.append(await to.flush())
                raise ZeroDivisionError
            left.append(await to.close())

        to.start(tell).enqueue(track(0))
        await until(lambda: len(left) == 2)
        await to.close()

    with LocalIterable() as iterable:
        run(work)
        assert applied(iterable.project.effects) == [0, 1]
    assert left == [1, 0]
    assert "on_outcome raised" in caplog.text


@pytest.mark.parametrize("is_broken", [False, True])
def test_closing_waits_for_dead_letters_that_are_being_written(
    is_broken: bool,  # noqa: FBT001 - a parameter
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Slow:
        def write(self, letters: Any) -> None:
            time.sleep(1)
            if is_broken:
                raise OSError
            written.extend(each.outcome.index for each in letters)

    written: list[int] = []
    told: list[Outcome] = []

    async def work() -> None:
        to = made(iterable, dead_letters=Slow()).start(told.append)
        to.enqueue({"type": "track"})
        to.enqueue(order(1))
        assert await to.close(0.1)
        assert by_index(told)[0].name == ("retryable" if is_broken else "rejected")
        assert written == ([] if is_broken else [0])
        assert [each.index for each in by_index(told)] == [0, 1]

    with LocalIterable() as iterable:
        run(work)
    assert ("dead letters cannot be written" in caplog.text) is is_broken


def test_dead_letters_are_written_though_who_waits_is_cancelled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Fails:
        def write(self, _: Any) -> None:
            began.set()
            time.sleep(0.1)
            raise OSError

    began = threading.Event()

    async def work() -> None:
        async with made("http://localhost:9", dead_letters=Fails()) as to:
            sending = asyncio.create_task(to.send({"type": "track"}))
            await until(began.is_set)
            sending.cancel()
            await asyncio.wait([sending])
            await until(lambda: "dead letters cannot be written" in caplog.text)

    run(work)


@pytest.mark.parametrize("what", ["flush", "close"])
def test_a_task_of_the_callback_waits_for_nothing_either(what: str) -> None:
    left: list[int] = []
    later: list[asyncio.Task[int]] = []

    async def work() -> None:
        to = made(iterable)

        async def tell(outcome: Outcome) -> None:
            if outcome.index == 0:
                left.append(await asyncio.create_task(getattr(to, what)()))
                later.append(asyncio.create_task(flush_later()))

        async def flush_later() -> int:
            await asyncio.sleep(0.01)
            if what == "flush":
                to.enqueue(track(1))
            return await to.flush()

        to.start(tell).enqueue(track(0))
        await until(lambda: later)
        assert await later[0] == 0  # after the callback it waits as everywhere
        await to.close()

    with LocalIterable() as iterable:
        run(work, 10)
    assert left == [0]


def test_a_callback_that_hangs_is_cancelled_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    async def hang(_: Outcome) -> None:
        await asyncio.sleep(3_600)

    async def work() -> None:
        to = made(iterable).start(hang)
        to.enqueue(track(0))
        assert await to.close(0.05) == 1

    with LocalIterable() as iterable:
        run(work)
    assert "1 outcome was not told" in caplog.text


async def _cancel_tasks(name: str) -> None:
    """Cancel the tasks with this in the name of what they run, as programs do at their end."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    chosen = [each for each in others if name in str(each.get_coro())]
    assert chosen
    for each in chosen:
        each.cancel()
    await asyncio.wait(chosen)


@pytest.mark.parametrize(("name", "left"), [("Async", 3), ("_tell", 3), ("_make_request", 0)])
@pytest.mark.parametrize("began", [False, True])
def test_after_somebody_cancelled_its_tasks_nothing_is_taken_and_nothing_waits(
    name: str, left: int, *, began: bool
) -> None:
    outcomes: list[Outcome] = []

    async def work() -> None:
        client = HangingClient()
        to = AsyncDestination(Settings(api_key="k"), client=client).start(outcomes.append)
        for n in range(3):
            to.enqueue(order(n, f"u-{n}"))
        if began:
            await until(lambda: client.began)
        elif name == "_make_request":
            await until(lambda: any(name in str(each.get_coro()) for each in asyncio.all_tasks()))
        await _cancel_tasks(name)
        with pytest.raises(NotSent, match="the destination is closed"):
            to.enqueue(order(3))
        assert await to.flush() == left
        assert await to.close(None) == left
        assert client.is_closed is False  # it is the caller's
        assert await to.close() == 0

    run(work)
    assert len(outcomes) == 3 - left
    assert set(names(outcomes)) <= {"unknown", "retryable"}


@pytest.mark.parametrize("name", ["Async", "_end"])
def test_closing_that_somebody_cancelled_has_closed(name: str) -> None:
    async def work() -> None:
        to = made(server.url).start()
        to.enqueue(order(0))
        closing = asyncio.create_task(to.close(None))
        await asyncio.sleep(0.1)
        await _cancel_tasks(name)
        await asyncio.wait([closing])
        assert closing.cancelled() is (name == "Async")
        assert await to.close() == 0

    with FaultyServer(faulty.sends_and_stalls(b"")) as server:
        run(work)


@pytest.mark.parametrize("times", [1, 1_000])
def test_a_callback_that_goes_on_though_it_is_cancelled_is_left(
    times: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(async_driver, "_ENDING", 0.05)
    tellers: list[Any] = []

    async def hang(_: Outcome) -> None:
        tellers.append(asyncio.current_task())
        for _time in range(times):
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(3_600)
                return

    async def work() -> None:
        to = made(iterable).start(hang)
        to.enqueue(track(0))
        to.enqueue(track(1))
        assert await to.close(0.05) == 2
        while not tellers[0].done():
            tellers[0].cancel()
            await asyncio.sleep(0)

    with LocalIterable() as iterable:
        run(work)
    assert len(tellers) == 1
    assert ("a task that was cancelled did not end" in caplog.text) is (times > 1)


def test_events_without_an_id_are_given_one_unless_that_is_not_wanted() -> None:
    told: list[Outcome] = []

    async def work() -> None:
        for stamp_missing in (True, False):
            async with made(iterable) as to:
                to.start(told.append, stamp_missing=stamp_missing)
                to.enqueue({"type": "track", "event": "A", "userId": "u"})

    with LocalIterable() as iterable:
        run(work)
    assert [each.message_id is not None for each in told] == [True, False]


def test_a_cancellation_that_a_callback_or_a_translator_makes_is_its_own_fault(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def cancels(*_: Any) -> Any:
        raise asyncio.CancelledError

    class Store:
        write = cancels

    async def work() -> None:
        async with made(iterable, on_request=cancels) as to:
            assert (await to.send(track(0))).name == "delivered"
            outcomes = [each async for each in to.send_all([track(1)])]
            assert names(outcomes) == ["delivered"]
        async with made(iterable, translator=cancels) as to:
            assert (await to.send(track(0))).name == "rejected"
            outcomes = [each async for each in to.send_all([track(1), track(2)])]
            assert names(outcomes) == ["rejected"] * 2
        async with made(iterable, dead_letters=Store()) as to:
            assert (await to.send({"type": "track"})).name == "retryable"

    with LocalIterable() as iterable:
        run(work)
    assert "on_request raised; no more of it is logged" in caplog.text


def test_a_coroutine_function_is_no_on_request() -> None:
    async def tell(_: Any) -> None:
        raise AssertionError

    class Teller:
        async def __call__(self, _: Any) -> None:
            raise AssertionError

    for wrong in (tell, Teller()):
        with pytest.raises(TypeError, match="on_request: must be a function that is no coroutine"):
            made("http://localhost:9", on_request=wrong)


def test_each_request_is_told_of() -> None:
    exchanges: list[Any] = []

    async def work() -> None:
        async with made(iterable, on_request=exchanges.append) as to:
            assert (await to.send(track(0))).name == "delivered"
            assert exchanges[0].error == "ServerError"

    with LocalIterable(faults=Script([faults.server_error(503)])) as iterable:
        run(work)
    assert [(each.status, each.attempt) for each in exchanges] == [(503, 1), (200, 2)]
