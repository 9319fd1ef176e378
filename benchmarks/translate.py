"""How long translating takes, as a ratio to reading and writing the same events as JSON.

Run ``python benchmarks/translate.py``. For each corpus, and each kind of event in it, it measures
the processor time of ``translate``, validation included, by the means of ``measure.py``.

``--memory`` also translates a million events from a file by the command line and prints the most
memory that it took. ``--growth`` prints instead how many events a second are translated, from their
lines, in files of a thousand to a million; of ``ours`` unless another corpus is named.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from corpora import CORPORA, KINDS, add_corpus_argument, call_kind, settings_for
from measure import (
    ALL,
    SLICE,
    Measurement,
    add_arguments,
    machine,
    print_figures,
    print_head,
    read_and_write,
    seconds,
)

from iterable_destination import Settings, translate
from iterable_destination.io.json_lines import open_lines

#: Events of a large file that differ: far more than anything remembers. Then they come again.
DIFFERENT: Final = 50_000
MILLION: Final = 1_000_000


def report_speed(name: str, count: int, rounds: int) -> None:
    """Print the figures of a corpus."""
    work = partial(translate, settings=settings_for(name))
    figures = Measurement(work, call_kind).run(CORPORA[name], count, rounds)
    for kind in (*KINDS, ALL):
        print_figures(name, kind, figures[kind])


@contextmanager
def file_of(name: str, count: int) -> Iterator[Path]:
    """Write a file of so many events for a while."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        lines = [json.dumps(event) + "\n" for event in CORPORA[name](min(count, DIFFERENT), 1)]
        with path.open("w") as file:
            for start in range(0, count, len(lines)):
                file.writelines(lines[: count - start])
        yield path


def translate_lines(path: Path, settings: Settings) -> tuple[float, float]:
    """Translate all lines of a file, and read and write them as JSON, in turn.

    Return the processor seconds of each; reading the file belongs to neither.
    """
    took = reading_and_writing = 0.0
    with open_lines(str(path)) as lines:
        while some := list(islice(lines, SLICE)):
            took += seconds(lambda line: translate(line.event(), settings), some)
            reading_and_writing += seconds(read_and_write, [line.text for line in some])
    return took, reading_and_writing


def report_growth(name: str) -> None:
    """Print how many events a second are translated from files of ever more events."""
    print(f"{name}: lines of a file, read and translated one after another; {machine()}\n")
    print(f"{'events':>10}{'seconds':>10}{'events/s':>10}{'loads + dumps':>16}{'ratio':>8}")
    for count in (1_000, 10_000, 100_000, MILLION):
        with file_of(name, count) as path:
            took, theirs = translate_lines(path, settings_for(name))
        rates = f"{took:>10.2f}{count / took:>10,.0f}{count / theirs:>14,.0f}/s"
        print(f"{count:>10,}{rates}{took / theirs:>8.2f}")


#: Run in a small process of its own: a child's peak counts the size its parent had at the fork.
_WATCH: Final = """
import resource, subprocess, sys
subprocess.run([sys.executable, "-m", "iterable_destination", "translate", sys.argv[1]],
               stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def report_memory(name: str) -> None:
    """Print the most memory that the command line takes for a file of a million events."""
    with file_of(name, MILLION) as path:
        began = time.monotonic()
        watched = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-c", _WATCH, str(path)], capture_output=True, check=True
        )
        took = time.monotonic() - began
    peak = int(watched.stdout) / 1024  # Linux counts in KiB
    print(f"\n{name}: {MILLION:,} events from a file:", end=" ")
    print(f"{peak:.0f} MB at most, {MILLION / took:,.0f} events/s")


def main() -> None:
    """Measure what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    add_corpus_argument(parser)
    parser.add_argument("--memory", action="store_true", help="also a million events from a file")
    parser.add_argument("--growth", action="store_true", help="only files of 1,000 to a million")
    arguments = parser.parse_args()
    names = [arguments.corpus] if arguments.corpus else [*CORPORA]
    if arguments.growth:
        report_growth(names[0])
        return
    print(f"{arguments.rounds} rounds of {arguments.events:,} events; {machine()}\n")
    print_head()
    for name in names:
        report_speed(name, arguments.events, arguments.rounds)
    if arguments.memory:
        for name in names:
            report_memory(name)


if __name__ == "__main__":
    main()
