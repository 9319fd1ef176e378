"""Deliver half a million events through faults, and watch memory and descriptors.

Run ``python benchmarks/soak.py``. The server runs in a process of its own. Memory is looked at
after the first tenth, when everything that is remembered has been filled, and at the end; the
script ends with status 1 if it grew by 20 MB or more, if descriptors were left open, or if an event
has no outcome.

``--driver`` delivers in another way. What an outbox and Kafka hold is outside of this process: in a
file, or in a server of its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from chaos import FAULTS, PATHS, RATE, RETRY
from drivers import DRIVERS, Delivery, add_driver_argument, require_driver
from history import history

from iterable_destination import Outcome, Settings
from iterable_destination.testing import LocalIterable, Project, RandomFaults

_MOST_GROWTH: Final = 20.0
#: What a driver does here.
_DRIVERS: Final = {
    "threads": "Destination.send_all",
    "async": "AsyncDestination.send_all",
    "outbox": "enqueue into an outbox in a file, and flush",
    "postgres": "the same in PostgreSQL, which it starts",
    "kafka": "produce to librdkafka's mock cluster, 10,000 ahead at most, and consume",
}


def serve(pipe: Connection, share: float) -> None:
    """Run an Iterable that remembers little, until it is asked to end."""
    project = Project(keep_requests=0, keep_effects=0, keep_data_fields=False)
    jitter = RandomFaults(dict.fromkeys(FAULTS, share / len(FAULTS)), seed=1)
    with LocalIterable(project, faults=jitter) as server:
        pipe.send((server.url, server.api_key))
        pipe.recv()


@contextmanager
def running(share: float) -> Iterator[Settings]:
    """Run the server, whose requests meet a fault with this probability."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, share))
    process.start()
    url, key = ours.recv()
    try:
        yield Settings(api_key=key, base_url=url)
    finally:
        ours.send("end")
        process.join()


def megabytes() -> float:
    """Return the memory that this process has now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def descriptors() -> int:
    """Return how many descriptors are open (Linux)."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


class Watch:
    """Counts outcomes by their names, and looks at the memory after each tenth of the events."""

    def __init__(self, events: int) -> None:
        """Begin to watch, now."""
        self.names: Final[Counter[str]] = Counter()
        #: Megabytes after the first tenth, and now.
        self.early = self.late = 0.0
        self._part: Final = max(events // 10, 1)
        self._began: Final = time.monotonic()

    def __call__(self, outcome: Outcome) -> None:
        """Take note of an outcome."""
        self.names[outcome.name] += 1
        number = self.names.total()
        if number % self._part == 0:
            self.late = megabytes()
            self.early = self.early or self.late
            took = time.monotonic() - self._began
            print(f"{number:>9,} events, {took:>6.0f} s, {self.late:.0f} MB", flush=True)


def main() -> None:
    """Deliver, watch, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--share", type=float, default=0.05, help="of requests that meet a fault")
    add_driver_argument(parser, _DRIVERS)
    arguments = parser.parse_args()
    require_driver(parser, arguments.driver)
    with running(arguments.share) as settings:
        before, threads = descriptors(), threading.active_count()
        delivery = Delivery(
            settings, rate_limits=dict.fromkeys(PATHS, RATE), retry=RETRY, read_timeout=2
        )
        watch = Watch(arguments.events)
        events = history(arguments.events, arguments.users, 1)
        DRIVERS[arguments.driver](delivery, events, watch)
        left = descriptors() - before + threading.active_count() - threads
    growth = watch.late - watch.early
    print(f"{dict(watch.names)}; grew by {growth:.1f} MB; {left} descriptors or threads left")
    good = growth < _MOST_GROWTH and not left and watch.names.total() == arguments.events
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
