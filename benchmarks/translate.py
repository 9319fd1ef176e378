"""How long translating takes, as a ratio to reading and writing the same events as JSON.

Run ``python benchmarks/translate.py``. For each kind of event it measures the processor time of
``translate`` (validation included) and of ``json.loads`` + ``json.dumps`` of the same event with
the standard library, in turn, in one process, and prints the ratio of the two. All times are
each slice's best of several rounds, since a machine that does other things only ever adds time.
``--memory`` translates a million events from a file and prints the most memory that it took.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from corpus import call_kind, events

from iterable_destination import Translation, translate

#: Events whose times are taken together.
SLICE = 100
KINDS = ("identify", "track", "page", "order", "cart")


def json_round_trip(text: str) -> str:
    """Do what every program does that reads events and writes requests."""
    return json.dumps(json.loads(text))


def seconds(work: Callable[[Any], Any], items: list[Any]) -> float:
    """Return the processor time that the work takes on all items."""
    began = time.process_time()
    for item in items:
        work(item)
    return time.process_time() - began


def read_and_translate(text: str) -> Translation:
    """Do what is measured, and read the event before."""
    return translate(json.loads(text))


def best_times(
    corpus: list[dict[str, Any]],
    rounds: int,
    translating_too: Callable[[str], Any] = read_and_translate,
) -> tuple[float, float]:
    """Return the seconds for translating the corpus, and for its JSON, taken in turn.

    An event is translated as it comes from the parser, as it is wherever this package is used;
    the parser's own time is taken off again. A round goes through all events, so that none comes
    again while it is remembered.
    """
    texts = [json.dumps(event) for event in corpus]
    slices = [texts[start : start + SLICE] for start in range(0, len(texts), SLICE)]
    works = (json.loads, translating_too, json_round_trip)
    times = [
        [[seconds(work, a_slice) for work in works] for a_slice in slices] for _ in range(rounds)
    ]
    translating = reading_and_writing = 0.0
    for of_a_slice in zip(*times, strict=True):
        reading, with_translating, round_trip = map(min, zip(*of_a_slice, strict=True))
        translating += with_translating - reading
        reading_and_writing += round_trip
    return translating, reading_and_writing


def report_speed(count: int, rounds: int) -> None:
    """Print the ratio for each kind of event and for all."""
    by_kind: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in events(count):
        by_kind[call_kind(event)].append(event)
    machine = f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores"
    print(f"{count:,} events, best of {rounds} rounds; {machine}\n")
    print(f"{'kind':10}{'events':>8}{'translate':>14}{'loads + dumps':>16}{'ratio':>8}")
    totals = [0.0, 0.0]
    for kind in KINDS:
        times = best_times(by_kind[kind], rounds)
        totals = [total + time for total, time in zip(totals, times, strict=True)]
        report_line(kind, len(by_kind[kind]), *times)
    report_line("all", count, *totals)


def report_line(kind: str, count: int, ours: float, theirs: float) -> None:
    """Print one line of the table."""
    each = f"{ours / count * 1e6:>11.1f} µs{theirs / count * 1e6:>13.1f} µs"
    print(f"{kind:10}{count:>8,}{each}{ours / theirs:>8.2f}")


#: Run in a small process of its own: a child's peak counts the size its parent had at the fork.
_WATCH = """
import resource, subprocess, sys
subprocess.run([sys.executable, "-m", "iterable_destination", "translate", sys.argv[1]],
               stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def report_memory(count: int) -> None:
    """Print the most memory that the command line takes for a file of so many events."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        lines = [json.dumps(event) + "\n" for event in events(10_000)]
        with path.open("w") as file:
            for start in range(0, count, len(lines)):
                file.writelines(lines[: count - start])
        began = time.monotonic()
        watched = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-c", _WATCH, str(path)], capture_output=True, check=True
        )
        took = time.monotonic() - began
    peak = int(watched.stdout) / 1024  # Linux counts in KiB
    print(f"\n{count:,} events from a file: {peak:.0f} MB at most, {count / took:,.0f} events/s")


def main() -> None:
    """Measure what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--memory", action="store_true", help="also a million events from a file")
    arguments = parser.parse_args()
    report_speed(arguments.events, arguments.rounds)
    if arguments.memory:
        report_memory(1_000_000)


if __name__ == "__main__":
    main()
