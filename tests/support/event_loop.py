"""Clients and destinations of an event loop, used as those of threads are.

So one test holds for both. The event loop runs in a thread of its own. When all is closed no task
may be left in it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Final

from iterable_destination import (
    ApiResponse,
    AsyncClient,
    AsyncDestination,
    Counters,
    Outcome,
    Settings,
)
from iterable_destination.model.calls import Call

#: Seconds after which what is waited for is given up.
_WAIT_SECONDS: Final = 60.0
#: The ways in which requests are made.
DRIVERS: Final = ("threads", "event loop")


class RunningLoop:
    """An event loop that runs in a thread."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._may_end: asyncio.Event | None = None
        self._left: set[asyncio.Task[Any]] = set()
        self._runs = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="test-loop")
        self._thread.start()
        assert self._runs.wait(_WAIT_SECONDS)

    async def _run(self) -> None:
        self._loop, self._may_end = asyncio.get_running_loop(), asyncio.Event()
        self._runs.set()
        await self._may_end.wait()
        await asyncio.sleep(0)
        self._left = {each for each in asyncio.all_tasks() if each is not asyncio.current_task()}

    def call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine there, and return what it returns or raise what it raises."""
        assert self._loop is not None
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        return future.result(_WAIT_SECONDS)

    def run(self, work: Callable[[], Any]) -> Any:
        """Run a function there."""

        async def call() -> Any:
            return work()

        return self.call(call())

    def end(self) -> None:
        """End it; fail if a task is left."""
        assert self._loop is not None
        assert self._may_end is not None
        self._loop.call_soon_threadsafe(self._may_end.set)
        self._thread.join(_WAIT_SECONDS)
        assert self._left == set()


class ClientInLoop:
    """An :class:`AsyncClient` with the methods of a :class:`Client`."""

    def __init__(self, client: AsyncClient, loop: RunningLoop) -> None:
        self._client, self._loop = client, loop

    def send(self, call: Call) -> ApiResponse:
        response: ApiResponse = self._loop.call(self._client.send(call))
        return response

    def check(self) -> ApiResponse:
        response: ApiResponse = self._loop.call(self._client.check())
        return response

    def request(self, *args: Any, **options: Any) -> ApiResponse:
        response: ApiResponse = self._loop.call(self._client.request(*args, **options))
        return response

    def close(self) -> None:
        self._loop.call(self._client.close())


class DestinationInLoop:
    """An :class:`AsyncDestination` with the methods of a :class:`Destination`."""

    def __init__(self, destination: AsyncDestination, loop: RunningLoop) -> None:
        self._to, self._loop = destination, loop
        #: What would keep workers from looking: here none looks while events are handed in.
        self.lock = nullcontext()

    def __repr__(self) -> str:
        return repr(self._to)

    @property
    def counters(self) -> Counters:
        return self._to.counters

    @property
    def waiting(self) -> int:
        return self._to.waiting

    @property
    def is_key_accepted(self) -> bool | None:
        return self._to.is_key_accepted

    def send(self, event: Any, **options: Any) -> Outcome:
        outcome: Outcome = self._loop.call(self._to.send(event, **options))
        return outcome

    def send_all(self, events: Any, **options: Any) -> Generator[Outcome, None, None]:
        return self._take(self._to.send_all(events, **options))

    def _take(self, outcomes: AsyncGenerator[Outcome, None]) -> Generator[Outcome, None, None]:
        async def take_next() -> Outcome | None:
            return await anext(outcomes, None)

        try:
            while (outcome := self._loop.call(take_next())) is not None:
                yield outcome
        finally:
            self._loop.call(_close(outcomes))

    def start(self, *args: Any, **options: Any) -> DestinationInLoop:
        self._loop.run(lambda: self._to.start(*args, **options))
        return self

    def enqueue(self, event: Any) -> int:
        number: int = self._loop.run(lambda: self._to.enqueue(event))
        return number

    def flush(self, timeout: float | None = None) -> int:
        left: int = self._loop.call(self._to.flush(timeout))
        return left

    def close(self, timeout: float | None = 30.0) -> int:
        left: int = self._loop.call(self._to.close(timeout))
        return left


async def _close(outcomes: AsyncGenerator[Outcome, None]) -> None:
    await outcomes.aclose()


@contextmanager
def running_loop() -> Iterator[RunningLoop]:
    """Run an event loop; fail if a task is left in it."""
    loop = RunningLoop()
    try:
        yield loop
    finally:
        loop.end()


@contextmanager
def client_in_loop(settings: Settings, **options: Any) -> Iterator[ClientInLoop]:
    """Open a client of an event loop."""
    with running_loop() as loop:
        client = ClientInLoop(AsyncClient(settings, **options), loop)
        try:
            yield client
        finally:
            client.close()


@contextmanager
def delivering_in_loop(
    settings: Settings, *, read_timeout: float, **options: Any
) -> Iterator[DestinationInLoop]:
    """Open a destination of an event loop, with the options of one of threads."""
    if "max_workers" in options:
        options["max_concurrency"] = options.pop("max_workers")
    with running_loop() as loop:
        client = AsyncClient(settings, read_timeout=read_timeout)
        to = DestinationInLoop(AsyncDestination(settings, client=client, **options), loop)
        try:
            yield to
        finally:
            to.close()
            loop.call(client.close())
