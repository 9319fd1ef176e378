"""Keep to a strict limit, and use it.

Run ``python benchmarks/rate_limit.py``: for 60 seconds 8 workers send orders under a limit of 50
requests a second, and bulks of events under one of 5. The server, in a process of its own, refuses
what exceeds the limit in any window of a second. It ends with status 1 if there was a 429, or less
than 90 % of a limit was used.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from multiprocessing.connection import Connection
from typing import Any, Final

from iterable_destination import Destination, Settings
from iterable_destination.testing import LocalIterable, Project

LIMITS: Final = {"/api/commerce/trackPurchase": 50.0, "/api/events/trackBulk": 5.0}
_PART: Final = 0.9


def serve(pipe: Connection) -> None:
    """Be a strict Iterable that remembers little; tell how often it refused when asked to."""
    project = Project(rate_limits=LIMITS, keep_requests=0, keep_effects=0, keep_data_fields=False)
    with LocalIterable(project) as server:
        pipe.send((server.url, server.api_key))
        pipe.recv()
        pipe.send(project.rate_limited)


@contextmanager
def running() -> Iterator[tuple[Settings, Callable[[], int]]]:
    """Run the server; give its settings, and what ends it and returns how often it refused."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,))
    process.start()
    url, key = ours.recv()

    def refused() -> int:
        ours.send("end")
        count: int = ours.recv()
        return count

    try:
        yield Settings(api_key=key, base_url=url), refused
    finally:
        process.terminate()
        process.join()


def events(seconds: float) -> Iterator[dict[str, Any]]:
    """Make orders and events of ever new users until time is up: orders for each bulk full."""
    until = time.monotonic() + seconds
    for number in count():
        if time.monotonic() > until:
            return
        own: dict[str, Any] = {"place": number}
        name = "Thing Seen"
        if number % 80 == 0:
            name, own = "Order Completed", own | {"total": 1, "products": []}
        yield {
            "type": "track",
            "event": name,
            "userId": f"u-{number}",
            "messageId": f"m-{number}",
            "properties": own,
        }


def main() -> None:
    """Send, and print how much of each limit was used."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    with running() as (settings, refused):
        with Destination(settings, rate_limits=LIMITS, max_workers=8) as destination:
            began = time.monotonic()
            sent, took = Counter[str](), 0.0

            def feed() -> Iterator[dict[str, Any]]:
                """Give the events, and look at what was sent when there are no more."""
                nonlocal sent, took
                yield from events(arguments.seconds)
                sent, took = destination.counters.requests, time.monotonic() - began

            names = Counter(each.name for each in destination.send_all(feed()))
        limited = refused()
    good = not limited
    print(f"{dict(names)} in {took:.1f} s, {limited} answers were 429")
    for path, limit in LIMITS.items():
        used = sent[path] / took / limit
        good &= used >= _PART
        print(f"{path}: {sent[path] / took:.1f} a second, {used:.0%} of {limit:.0f}")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
