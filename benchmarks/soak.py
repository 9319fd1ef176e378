"""Deliver half a million events through faults, and watch memory and descriptors.

Run ``python benchmarks/soak.py``. The server runs in a process of its own. Memory is looked at
after the first tenth, when everything that is remembered has been filled, and at the end; the
script ends with status 1 if it grew by 20 MB or more, if descriptors were left open, or if an event
has no outcome.
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
from history import history

from iterable_destination import Client, Destination, Settings
from iterable_destination.testing import LocalIterable, Project, RandomFaults

_MOST_GROWTH: Final = 20.0


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


def main() -> None:
    """Deliver, watch, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--share", type=float, default=0.05, help="of requests that meet a fault")
    arguments = parser.parse_args()
    names: Counter[str] = Counter()
    with running(arguments.share) as settings:
        before, threads = descriptors(), threading.active_count()
        began = time.monotonic()
        with (
            Client(settings, read_timeout=2) as client,
            Destination(
                settings, client=client, retry=RETRY, rate_limits=dict.fromkeys(PATHS, RATE)
            ) as destination,
        ):
            early = late = 0.0
            events = history(arguments.events, arguments.users, 1)
            for number, outcome in enumerate(destination.send_all(events), 1):
                names[outcome.name] += 1
                if number % (arguments.events // 10) == 0:
                    late = megabytes()
                    early = early or late
                    print(f"{number:>9,} events, {time.monotonic() - began:>6.0f} s, {late:.0f} MB")
        left = descriptors() - before + threading.active_count() - threads
    print(f"{dict(names)}; grew by {late - early:.1f} MB; {left} descriptors or threads left")
    good = late - early < _MOST_GROWTH and not left and names.total() == arguments.events
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
