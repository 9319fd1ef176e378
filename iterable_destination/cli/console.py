"""What people see on a terminal: progress and tables.

What may live here: the look of things, and nothing that decides.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from iterable_destination.delivery.engine.counters import Counters
from iterable_destination.io.json_lines import Lines
from iterable_destination.model.calls import Call
from iterable_destination.model.records import LineRecord

#: The colour of each outcome.
_STYLES: Final = {
    "delivered": "green",
    "skipped": "dim",
    "rejected": "red",
    "retryable": "yellow",
    "unknown": "magenta",
}
#: Lines between two looks at how far the input has been read.
_STRIDE: Final = 500
#: Columns where there is no terminal to ask.
_WIDTH: Final = 120
#: Characters of a value that are shown.
_LONGEST: Final = 300


def _console(*, stderr: bool = False) -> Console:
    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=_WIDTH)


@contextmanager
def progress(lines: Lines) -> Iterator[Iterable[LineRecord]]:
    """Show how far the input has been read, on a terminal that shows nothing else meanwhile."""
    if sys.stdout.isatty() or not sys.stderr.isatty():
        yield lines
        return
    columns = (
        TextColumn("{task.fields[events]:>9,} events"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[rate]:>6,.0f} events/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=lines.size, events=0, rate=0.0)
        began = time.monotonic()

        def counted() -> Iterator[LineRecord]:
            for events, line in enumerate(lines, 1):
                if events % _STRIDE == 0:
                    read = None if lines.size is None else lines.position
                    rate = events / (time.monotonic() - began)
                    shown.update(task, completed=read, events=events, rate=rate)
                yield line

        yield counted()


def heading(words: str) -> None:
    """Begin a report."""
    console = _console()
    console.print()
    console.rule(f"[bold]{escape(words)}")


def text(words: str) -> None:
    """Say something on a line of its own."""
    _console().print(escape(words))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Show rows under a title."""
    shown = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*(cell if cell in _STYLED else escape(cell) for cell in row))
    _console().print(shown)


def fields(title: str, values: Mapping[str, Any]) -> None:
    """Show an object's fields, a row for each, by name."""
    rows = [(name, compact(value)) for name, value in sorted(values.items())]
    table(title, ("field", "value"), rows)


def request(title: str, call: Call) -> None:
    """Show a request with its whole body."""
    console = _console()
    console.print(f"[bold]{escape(title)}[/]\n\n  {call.endpoint.method} {call.endpoint.path}\n")
    console.print_json(data=call.body(), indent=2)
    console.print()


def counts(title: str, by_outcome: Mapping[str, int], *, stderr: bool = False) -> None:
    """Show how many events ended in which way."""
    shown = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    shown.add_column("outcome")
    shown.add_column("events", justify="right")
    for name in _STYLES:
        if by_outcome.get(name):
            shown.add_row(styled(name), f"{by_outcome[name]:,}")
    _console(stderr=stderr).print(shown)


def summary(by_outcome: Mapping[str, int], counters: Counters, seconds: float) -> None:
    """Show on standard error what became of events, and what was done for it."""
    counts("Events by outcome", by_outcome, stderr=True)
    shown = Table(title="Requests", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    shown.add_column("endpoint")
    shown.add_column("requests", justify="right")
    for path, requests in sorted(counters.requests.items()):
        shown.add_row(path, f"{requests:,}")
    retries = Table(title="Sent again", title_justify="left", title_style="bold")
    retries.box = box.SIMPLE_HEAD
    for name in ("after", "times", "waited"):
        retries.add_column(name, justify="left" if name == "after" else "right")
    for error, times in sorted(counters.retries.items()):
        retries.add_row(error, f"{times:,}", f"{counters.waits[error]:,.1f} s")
    console = _console(stderr=True)
    for each in (shown, retries):
        if each.row_count:
            console.print(each)
    events = sum(by_outcome.values())
    console.print(f"{events:,} events in {seconds:,.1f} s, {events / seconds:,.0f} a second")


def styled(outcome: str) -> str:
    """Return the name of an outcome in its colour."""
    return f"[{_STYLES[outcome]}]{outcome}[/]"


_STYLED: Final = frozenset(f"[{style}]{name}[/]" for name, style in _STYLES.items())


def printable(line: str) -> str:
    """Return a line in which nothing can move the cursor or change what stands around it."""
    if line.isprintable():
        return line
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in line
    )


def compact(value: Any) -> str:
    """Return a value as one line of JSON, cut if it is long."""
    line = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
