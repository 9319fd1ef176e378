"""Measure work on events as a ratio to reading and writing the same events as JSON.

Each round makes new events, so that no event, and no key that is rare, comes a second time: what
the package remembers helps only as it helps in use. The events are in two states:

- *cold*: all events of the round are parsed first and kept, some 80 MB, and then worked on one
  after another. So what is read of an event has to come from memory.
- *fresh*: each event is parsed just before. The clock runs only for the work; what reading the
  clock takes is measured and taken off. To measure parsing too and take that off gives the same
  ratios, to a few hundredths, but they differ more from run to run.

Half of the events are taken as they come, all kinds mixed, for the line "all", and half in slices
of one kind. Each slice of 100 is measured in turn with ``json.loads`` + ``json.dumps`` of its texts
by the standard library. A ratio is that of the round's two sums, and what is printed is the median
over the rounds, never the best. All times are processor times.

The garbage collector stays on for both sides, as users have it. What is kept for the round is
frozen (``gc.freeze``) before anything is timed, so that no collection visits it. No result is kept.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import median
from time import process_time
from typing import Any, Final, NamedTuple

Json = dict[str, Any]
#: Makes so many events for a round; by its number they differ from those of any other round.
MakeRound = Callable[[int, int], Iterable[Json]]
Work = Callable[[Any], Any]

#: Events whose times are taken together.
SLICE: Final = 100
ALL: Final = "all"
#: Events that are worked on before anything is measured, of a round that is not measured.
_WARMING: Final = 1_000


class Figures(NamedTuple):
    """What was measured of one kind of event."""

    #: The kind's share of the events, from 0 to 1.
    share: float
    #: The median ratios, events being cold and fresh.
    cold: float
    fresh: float
    #: The median processor times of one event in seconds.
    cold_time: float
    fresh_time: float
    json_time: float


class _Sums:
    """The seconds and the number of events of one kind, in one state and one round."""

    def __init__(self) -> None:
        self.work = self.json = 0.0
        self.count = 0


#: The sums of one round, by kind and state.
_Round = dict[tuple[str, str], _Sums]


def read_and_write(text: str | bytes) -> str:
    """Do what every program does that reads events and writes requests."""
    return json.dumps(json.loads(text))


def seconds(work: Work, items: Sequence[Any]) -> float:
    """Return the processor time that the work takes on all items."""
    began = process_time()
    for item in items:
        work(item)
    return process_time() - began


def seconds_fresh(work: Work, texts: Sequence[str]) -> float:
    """Return the processor time that the work takes on what the texts say, without reading it."""
    total = 0.0
    for text in texts:
        event = json.loads(text)
        began = process_time()
        work(event)
        total += process_time() - began
    return total - len(texts) * _clock_time()


def _clock_time() -> float:
    """Return what is measured between two readings of the clock with nothing in between."""
    if not _clock_times:
        for _ in range(20_000):
            began = process_time()
            _clock_times.append(process_time() - began)
        _clock_times[:] = [median(_clock_times)]
    return _clock_times[0]


_clock_times: Final[list[float]] = []


class Measurement:
    """Measures some work on events of several kinds, round by round."""

    def __init__(self, work: Work, kind_of: Callable[[Json], str]) -> None:
        self._work: Final = work
        self._kind_of: Final = kind_of

    def run(self, make: MakeRound, count: int, rounds: int) -> dict[str, Figures]:
        """Return the figures of each kind and of :data:`ALL`, from rounds of so many events.

        A quarter of the events of a round are for each of: mixed or by kind, cold or fresh.
        """
        for event in make(_WARMING, 0):
            self._work(json.loads(json.dumps(event)))
        done = [
            self._run_round([json.dumps(event) for event in make(count, number)])
            for number in range(1, rounds + 1)
        ]
        return {kind: _figures(done, kind) for kind in {kind for each in done for kind, _ in each}}

    def _run_round(self, texts: list[str]) -> _Round:
        """Measure one round."""
        events = [json.loads(text) for text in texts]
        sums: defaultdict[tuple[str, str], _Sums] = defaultdict(_Sums)
        gc.collect()
        gc.freeze()
        try:
            for kind, numbers in self._slices(events, first=0):
                slice_texts = [texts[number] for number in numbers]
                sliced = [events[number] for number in numbers]
                self._add(sums[kind, "cold"], slice_texts, seconds, sliced)
            for kind, numbers in self._slices(events, first=1):
                slice_texts = [texts[number] for number in numbers]
                self._add(sums[kind, "fresh"], slice_texts, seconds_fresh, slice_texts)
        finally:
            gc.unfreeze()
        return sums

    def _slices(self, events: list[Json], first: int) -> Iterator[tuple[str, list[int]]]:
        """Divide half of the events into slices: every fourth mixed, every fourth by kind."""
        by_kind: defaultdict[str, list[int]] = defaultdict(list)
        by_kind[ALL] = list(range(first, len(events), 4))
        for number in range(first + 2, len(events), 4):
            by_kind[self._kind_of(events[number])].append(number)
        for kind, numbers in by_kind.items():
            for start in range(0, len(numbers), SLICE):
                yield kind, numbers[start : start + SLICE]

    def _add(
        self,
        sums: _Sums,
        texts: list[str],
        take_time: Callable[[Work, list[Any]], float],
        items: list[Any],
    ) -> None:
        """Measure a slice, and what it is compared with."""
        sums.json += seconds(read_and_write, texts)
        sums.work += take_time(self._work, items)
        sums.count += len(texts)


def _figures(rounds: list[_Round], kind: str) -> Figures:
    """Return the medians for a kind."""
    cold, fresh = (
        [each[kind, state] for each in rounds if (kind, state) in each]
        for state in ("cold", "fresh")
    )
    total = sum(sums.count for each in rounds for (other, _), sums in each.items() if other != ALL)
    return Figures(
        sum(each.count for each in cold + fresh) / total,
        median(each.work / each.json for each in cold),
        median(each.work / each.json for each in fresh),
        median(each.work / each.count for each in cold),
        median(each.work / each.count for each in fresh),
        median(each.json / each.count for each in cold + fresh),
    )


def combine(figures: Iterable[Figures]) -> Figures:
    """Return the figures of several kinds together, each by its share."""
    listed = list(figures)
    share = sum(each.share for each in listed)
    cold, fresh, reading_and_writing = (
        sum(each.share * time for each, time in zip(listed, times, strict=True)) / share
        for times in zip(*(each[3:] for each in listed), strict=True)
    )
    return Figures(
        share,
        cold / reading_and_writing,
        fresh / reading_and_writing,
        *(cold, fresh, reading_and_writing),
    )


# --- Reports -----------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Let the command line choose how much is measured."""
    parser.add_argument("--events", type=int, default=8_000, help="of each round, default 8,000")
    parser.add_argument("--rounds", type=int, default=7)


def machine() -> str:
    """Say on what is measured."""
    return f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores"


def print_head(first: str = "corpus", second: str = "kind", width: int = 10) -> None:
    """Print the head of a table."""
    times = f"{'cold':>9}{'fresh':>9}{'json':>9}"
    print(f"{first:10}{second:{width}}{'share':>7}{'cold':>8}{'fresh':>8}   {times}")


def print_figures(name: str, kind: str, figures: Figures, width: int = 10) -> None:
    """Print one line of a table."""
    times = "".join(f"{time * 1e6:>6.1f} µs" for time in figures[3:])
    ratios = f"{figures.share:>7.1%}{figures.cold:>8.2f}{figures.fresh:>8.2f}"
    print(f"{name:10}{kind:{width}}{ratios}   {times}")
