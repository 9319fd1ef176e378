"""What delivery in an event loop costs, against delivery by threads, measured in the same run.

Run ``python benchmarks/async_delivery.py``. A server in a process of its own accepts everything, so
that what is measured is this package and its HTTP library. It prints:

- orders, which go singly, with 8 and 64 requests at once, and 256 in an event loop: the processor
  time of each, threads and event loop in turn, and the ratio of the two;
- bulks likewise;
- how long the event loop is held up while 1,000 events, and then 10,000, are sent in bulk: another
  task that only lets others have their turn notes the longest time between two of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, Final

from bare_server import running
from corpora import CORPORA, Json, add_corpus_argument, call_kind
from deliver import KEY, NO_LIMITS, of_many_users
from measure import machine

from iterable_destination import AsyncDestination, Destination, Settings
from iterable_destination.model.endpoints import TRACK_PURCHASE, UPDATE_CART
from iterable_destination.model.records import LineRecord

_LIMITS: Final = NO_LIMITS | {TRACK_PURCHASE.path: None, UPDATE_CART.path: None}
#: Processor seconds, and seconds by the clock.
Took = tuple[float, float]


def check(names: Sequence[str], lines: list[bytes]) -> None:
    """End the program unless each line was sent or skipped."""
    if len(names) != len(lines) or not {"delivered", "skipped"}.issuperset(names):
        raise SystemExit("not all events were delivered")


def deliver_by_threads(settings: Settings, lines: list[bytes], at_once: int) -> Took:
    """Deliver all lines by threads."""
    with Destination(settings, rate_limits=_LIMITS, max_workers=at_once) as destination:
        processor, clock = time.process_time(), time.perf_counter()
        names = [outcome.name for outcome in destination.send_all(numbered(lines))]
        took = time.process_time() - processor, time.perf_counter() - clock
    check(names, lines)
    return took


async def deliver_in_loop(settings: Settings, lines: list[bytes], at_once: int) -> Took:
    """Deliver all lines in this event loop."""
    async with AsyncDestination(
        settings, rate_limits=_LIMITS, max_concurrency=at_once
    ) as destination:
        processor, clock = time.process_time(), time.perf_counter()
        names = [outcome.name async for outcome in destination.send_all(numbered(lines))]
        took = time.process_time() - processor, time.perf_counter() - clock
    check(names, lines)
    return took


def numbered(lines: list[bytes]) -> list[LineRecord]:
    """Return records of lines, with their numbers."""
    return [LineRecord(number, line) for number, line in enumerate(lines, 1)]


def report(title: str, settings: Settings, lines: list[bytes], at_once: int, rounds: int) -> None:
    """Print what both ways cost, in turn."""
    times = []
    for _ in range(rounds):
        by_threads = deliver_by_threads(settings, lines, at_once)
        times.append((by_threads, asyncio.run(deliver_in_loop(settings, lines, at_once))))
    ratios = sorted(loop[0] / threads[0] for threads, loop in times)
    each = 1e6 / len(lines)
    threads, loop = (
        [median(values) for values in zip(*way, strict=True)] for way in zip(*times, strict=True)
    )
    print(f"{title}, {at_once} at once: threads {threads[0] * each:.0f} µs of processor", end=" ")
    print(f"an event, event loop {loop[0] * each:.0f} µs: {median(ratios):.2f}", end=" ")
    print(f"({', '.join(f'{ratio:.2f}' for ratio in ratios)});", end=" ")
    print(f"{len(lines) / threads[1]:,.0f} and {len(lines) / loop[1]:,.0f} events a second")


async def find_longest_hold(work: Callable[[], Any]) -> float:
    """Return the longest time, in seconds, in which another task had no turn during some work."""
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        before = time.perf_counter()
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, before = max(longest, now - before), now

    watching = asyncio.create_task(watch())
    try:
        await work()
    finally:
        watching.cancel()
    return longest


def report_holds(settings: Settings, lines: list[bytes], rounds: int) -> None:
    """Print how long the event loop is held up."""

    async def measure(part: list[bytes]) -> float:
        gc.collect()
        gc.freeze()  # what this program keeps is looked through by no later collection
        return await find_longest_hold(lambda: deliver_in_loop(settings, part, 64))

    for count in (1_000, 10_000):
        holds = sorted(asyncio.run(measure(lines[:count])) for _ in range(rounds))
        print(f"{count:,} events hold the event loop up for", end=" ")
        print(f"{median(holds) * 1e3:.0f} ms at most", end=" ")
        print(f"({', '.join(f'{hold * 1e3:.0f}' for hold in holds)})")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_corpus_argument(parser, "ours")
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print(f"{arguments.corpus}: {arguments.events:,} events; {machine()}\n")
    given: list[Json] = list(CORPORA[arguments.corpus](arguments.events, 1))
    alone = of_many_users([each for each in given if call_kind(each) in {"order", "cart"}])[:3_000]
    in_bulk = of_many_users([each for each in given if call_kind(each) not in {"order", "cart"}])
    with running(latency=0.05) as url:
        settings = Settings(api_key=KEY, base_url=url)
        for at_once in (8, 64):
            report("orders", settings, alone, at_once, arguments.rounds)
        processor, clock = asyncio.run(deliver_in_loop(settings, alone, 256))
        print(f"orders, 256 at once: event loop {processor * 1e6 / len(alone):.0f} µs;", end=" ")
        print(f"{len(alone) / clock:,.0f} events a second")
        report("bulks", settings, in_bulk, 64, arguments.rounds)
        report_holds(settings, in_bulk, arguments.rounds)


if __name__ == "__main__":
    main()
