"""How fast events are delivered, as ratios of what is measured in the same run.

Run ``python benchmarks/deliver.py``, or with ``--corpus shapes`` for other events. A server in a
process of its own accepts everything, so that what is measured is this package. It prints:

- bulk, end to end: the processor time of reading JSON lines and delivering them by ``send_all``,
  against that of ``json.loads`` + ``json.dumps`` of the same lines, and the lines in a second. On
  Linux both have one core, and the server the others;
- mixed: the same with all events, orders and carts too, which are sent one by one;
- bulks and orders with a server that takes 200 ms, against one request at a time: bulks of the
  corpus' users, where events wait for an earlier one of their user, and both of many users;
- a hundred users with many events each and a server that takes 50 ms, against the least time in
  which the requests of one user can follow each other;
- what each shard reads the lines for first, the names in them, against delivering all of them;
- single sends, against ``requests.Session.post(json=…)`` of the same bodies, which are made before.

``--without-orjson`` measures as if the extra ``[fast]`` was not installed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from statistics import median
from typing import Any, Final

import requests
from bare_server import running
from corpora import CORPORA, Json, add_corpus_argument, call_kind, settings_for
from measure import machine

from iterable_destination import Destination, Settings, translate
from iterable_destination.delivery.shards import assign_lines
from iterable_destination.model import json_codec
from iterable_destination.model.endpoints import EVENTS_TRACK, Endpoint
from iterable_destination.model.records import LineRecord

BULKS: Final = ("/api/users/bulkUpdate", "/api/events/trackBulk")
#: No limits: how fast this package is, not how fast a project may be sent to.
NO_LIMITS: Final = dict.fromkeys((*BULKS, "/api/users/update", "/api/events/track"))
KEY: Final = "0123456789abcdef0123456789abcdef"


def json_round_trip(lines: list[bytes]) -> float:
    """Return the processor seconds of reading and writing the lines as JSON."""
    began = time.process_time()
    for line in lines:
        json.dumps(json.loads(line))
    return time.process_time() - began


def deliver(settings: Settings, lines: list[bytes], **options: Any) -> tuple[float, float]:
    """Deliver all lines; return the processor seconds and the seconds."""
    numbered = (LineRecord(number, line) for number, line in enumerate(lines, 1))
    with Destination(settings, rate_limits=NO_LIMITS, **options) as destination:
        processor, clock = time.process_time(), time.perf_counter()
        names = [outcome.name for outcome in destination.send_all(numbered)]
        took = time.process_time() - processor, time.perf_counter() - clock
    if len(names) != len(lines) or not {"delivered", "skipped"}.issuperset(names):
        raise SystemExit("not all events were delivered")
    return took


def settings_at(url: str, corpus: str) -> Settings:
    """Return the settings to deliver a corpus to this address."""
    return settings_for(corpus, api_key=KEY, base_url=url)


@contextmanager
def on_one_core() -> Iterator[None]:
    """Keep to one core for a while, where the system lets a process choose."""
    if sys.platform != "linux":
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def report_rate(title: str, corpus: str, lines: list[bytes], rounds: int) -> None:
    """Print how quickly lines are delivered to a server that accepts them at once."""
    with running() as url, on_one_core():
        settings = settings_at(url, corpus)
        times = [(json_round_trip(lines), *deliver(settings, lines)) for _ in range(rounds)]
        last = json_round_trip(lines)
    # Each delivery is held against what stands around it: the machine's speed changes.
    json_times = [*(time for time, _, _ in times), last]
    ratios = [
        (before + after) / 2 / processor
        for (before, after), (_, processor, _) in zip(pairwise(json_times), times, strict=True)
    ]
    _, processor, clock = map(median, zip(*times, strict=True))
    each = 1e6 / len(lines)
    print(f"{title}, end to end: {processor * each:.0f} µs of processor an event,", end=" ")
    print(f"loads + dumps {median(json_times) * each:.0f} µs; {median(ratios):.2f} of that rate")
    print(f"  ({', '.join(f'{ratio:.2f}' for ratio in sorted(ratios))});", end=" ")
    print(f"{len(lines) / processor:,.0f} events a second of one processor,", end=" ")
    print(f"{len(lines) / clock:,.0f} by the clock")


def report_latency(title: str, corpus: str, lines: list[bytes]) -> None:
    """Print what several requests at once gain, where each takes 200 ms."""
    with running(latency=0.2) as url:
        settings = settings_at(url, corpus)
        _, at_once = deliver(settings, lines)
        _, one_by_one = deliver(settings, lines, max_workers=1)
    print(f"{title} to a server that takes 200 ms: {at_once:.1f} s,", end=" ")
    print(f"one request at a time {one_by_one:.1f} s: {one_by_one / at_once:.1f} times as fast")


def report_few_users(corpus: str, given: list[Json]) -> None:
    """Print how long users take whose events wait for each other, where a request takes 50 ms."""
    users, latency = 100, 0.05
    lines = of_users(given, users)
    with running(latency=latency) as url:
        settings = settings_at(url, corpus)
        made = [translate(json.loads(line), settings).calls for line in lines]
        kinds = [calls[0].endpoint if calls else None for calls in made]
        least = max(count_steps(kinds[user::users]) for user in range(users)) * latency
        took = {workers: deliver(settings, lines, max_workers=workers)[1] for workers in (64, 8)}
    print(
        f"{users} users with {len(lines):,} events to a server that takes 50 ms: at least", end=" "
    )
    print(f"{least:.1f} s;", end=" ")
    print(
        *(f"{workers} workers {time / least:.2f} times" for workers, time in took.items()), sep=", "
    )


def count_steps(kinds: list[Endpoint | None]) -> int:
    """Return how many requests of one user must follow each other; None is an event that has none.

    Only custom events go together in a bulk: one of profiles has one item of a user.
    """
    called = [None, *(kind for kind in kinds if kind is not None)]
    return sum(kind is not EVENTS_TRACK or before is not kind for before, kind in pairwise(called))


def of_users(given: list[Json], users: int) -> list[bytes]:
    """Return the events, of so many users that take turns."""
    return [
        _START_OF_EMAIL.sub(
            f'"{number % users}.', json.dumps(event | {"userId": f"user-{number % users}"})
        ).encode()
        for number, event in enumerate(given)
    ]


def of_many_users(given: list[Json]) -> list[bytes]:
    """Return the events, each of a user of its own, so that none has to wait for another."""
    return of_users(given, len(given))


_START_OF_EMAIL: Final = re.compile(r'"(?=[^"\s]{1,100}@)')


def report_shards(corpus: str, lines: list[bytes], rounds: int) -> None:
    """Print what it takes to read the names in all lines, as each shard of an input does first."""
    ratios = []
    with running() as url, on_one_core():
        settings = settings_at(url, corpus)
        with Destination(settings) as destination:
            for _ in range(rounds):
                began = time.process_time()
                assign_lines((LineRecord(*each) for each in enumerate(lines, 1)), destination, 2)
                took = time.process_time() - began
                ratios.append(took / deliver(settings, lines)[0])
    print(f"the names of all lines, for shards: {median(ratios):.2f} of delivering them")


def report_singles(corpus: str, given: list[Json], rounds: int) -> None:
    """Print how quick single sends are: the middle of many ratios, a few events each."""
    times = []
    with running() as url:
        settings = settings_at(url, corpus)
        tracks = [each for each in given if call_kind(each) == "track"]
        tracks = [each for each in tracks if translate(each, settings).calls][:1_000]
        parts = [tracks[first : first + 50] for first in range(0, len(tracks), 50)]
        with Destination(settings, rate_limits=NO_LIMITS) as ours, requests.Session() as session:
            session.headers["Api-Key"] = KEY
            for part in parts * rounds:
                bodies = [translate(event, settings).calls[0].body() for event in part]
                began = time.perf_counter()
                for body in bodies:
                    session.post(f"{url}/api/events/track", json=body, timeout=5).json()
                between = time.perf_counter()
                for event in part:
                    ours.send(event)
                times.append((between - began, time.perf_counter() - between))
    ratio = median(theirs / mine for theirs, mine in times)
    theirs, mine = (50 / median(each) for each in zip(*times, strict=True))
    print(f"single sends: {mine:,.0f} a second, Session.post {theirs:,.0f}:", end=" ")
    print(f"{ratio:.2f} times as fast")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_corpus_argument(parser, "ours")
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--without-orjson", action="store_true")
    arguments = parser.parse_args()
    if arguments.without_orjson:
        json_codec.HAS_ORJSON = False  # the server has it still
    library = "with" if json_codec.HAS_ORJSON else "without"
    name = arguments.corpus
    print(f"{name}: {arguments.events:,} events, {library} orjson; {machine()}\n")
    given = list(CORPORA[name](arguments.events, 1))
    alone = [event for event in given if call_kind(event) in {"order", "cart"}]
    in_bulk = [event for event in given if call_kind(event) not in {"order", "cart"}]
    lines = [json.dumps(event).encode() for event in in_bulk]
    report_rate("bulk", name, lines, arguments.rounds)
    mixed = [json.dumps(event).encode() for event in given]
    report_rate("mixed", name, mixed, arguments.rounds)
    report_latency("bulks of the corpus' users", name, lines)
    report_latency("bulks of many users", name, of_many_users(in_bulk))
    report_latency("orders", name, of_many_users(alone[:200]))
    report_few_users(name, given[:5_000])
    report_shards(name, lines, arguments.rounds)
    report_singles(name, given, arguments.rounds)


if __name__ == "__main__":
    main()
