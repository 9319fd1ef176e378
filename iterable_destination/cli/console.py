"""Progress and tables on a terminal."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import click
from attrs import define, field
from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.markup import escape
from rich.measure import Measurement
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from iterable_destination.delivery.engine.counters import Counters
from iterable_destination.io.json_lines import Lines
from iterable_destination.model.calls import Call
from iterable_destination.model.json_codec import encode
from iterable_destination.model.records import LineRecord

#: The colour of each outcome.
_STYLES: Final = {
    "delivered": "green",
    "skipped": "dim",
    "rejected": "red",
    "retryable": "yellow",
    "unknown": "magenta",
}
#: Lines between two updates of the progress bar.
_PROGRESS_INTERVAL: Final = 500
#: Seconds that count as passed at least.
_MOMENT: Final = 0.001
#: Columns where there is no terminal, and those that the variable COLUMNS can set there.
_DEFAULT_WIDTH: Final = 120
_WIDTHS: Final = range(20, 1_000)
#: DEL and C1, in UTF-8; the last byte is the character's number.
_CONTROL_CHARACTERS: Final = re.compile(rb"\x7f|\xc2[\x80-\x9f]")
#: The parts of a word that may stand on lines of their own: of a path, an id, a place.
_PARTS: Final = re.compile(r"[/.]?[^\s/.-]+-?|\S")
#: Characters of a value that are shown.
_MAX_VALUE_LENGTH: Final = 300


def _console(*, stderr: bool = False) -> Console:
    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=_find_width())


def _find_width() -> int:
    """Return the columns of a table where there is no terminal."""
    columns = os.environ.get("COLUMNS", "")
    if re.fullmatch("[0-9]{1,3}", columns) and int(columns) in _WIDTHS:
        return int(columns)
    return _DEFAULT_WIDTH


@define
class _Count:
    """How many events were read, and since when."""

    events: int = 0
    began: float = field(factory=time.monotonic)

    @property
    def rate(self) -> float:
        """Events per second."""
        return self.events / max(time.monotonic() - self.began, _MOMENT)

    @property
    def noun(self) -> str:
        """What was read, for the number of it."""
        return _noun(self.events)


def _noun(events: int) -> str:
    return "event" if events == 1 else "events"


@contextmanager
def show_progress(lines: Lines) -> Iterator[Iterable[LineRecord]]:
    """Show a progress bar if standard error is a terminal and standard output is not.

    If the size of the input is not known, as of standard input, the bar pulses. It is removed at
    the end.
    """
    if sys.stdout.isatty() or not sys.stderr.isatty():
        yield lines
        return
    size, count = lines.size, _Count()
    events = TextColumn("{task.fields[count].events:>9,} {task.fields[count].noun}")
    bar = BarColumn()
    speed = TextColumn("{task.fields[count].rate:>6,.0f} events/s")
    percentage = TextColumn("{task.percentage:>3.0f} %")
    columns = (
        (events, bar, speed)
        if size is None
        else (events, bar, percentage, speed, TimeRemainingColumn())
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=size, count=count)

        def count_lines() -> Iterator[LineRecord]:
            for line in lines:
                count.events += 1
                if size is not None and count.events % _PROGRESS_INTERVAL == 0:
                    shown.update(task, completed=lines.position)
                yield line
            if size is not None:
                shown.update(task, completed=size)

        yield count_lines()


@define
class _Cell:
    """A text in a table. A word that is wider than its column is broken where a part of it ends."""

    text: str
    style: str = ""

    def __rich_measure__(self, _: Console, __: ConsoleOptions) -> Measurement:
        widest = max(map(cell_len, _PARTS.findall(self.text)), default=0)
        return Measurement(widest, cell_len(self.text))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        width = options.max_width
        lines = [""]
        for word in self.text.split():
            fits = cell_len(word) <= width
            for place, part in enumerate([word] if fits else _PARTS.findall(word)):
                gap = " " if place == 0 and lines[-1] else ""
                if cell_len(lines[-1] + gap + part) <= width:
                    lines[-1] += gap + part
                else:
                    lines += map(str, Text(part).wrap(console, width, overflow="fold"))
        yield Text("\n".join(lines if lines[0] else lines[1:]), self.style)


def print_heading(words: str) -> None:
    """Print the heading of a report."""
    console = _console()
    console.print()
    console.rule(f"[bold]{escape(words)}")


def print_text(words: str) -> None:
    """Print a line of text."""
    _console().print(escape(words))


def print_line(words: str, style: str = "") -> None:
    """Print a line of text as it is, with a colour only where a terminal shows it."""
    line = escape_unprintable(words)
    if style:
        console = Console()
        if console.is_terminal and not console.no_color:
            console.print(Text(line, style), soft_wrap=True)
            return
    click.echo(line)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under a title."""
    shown = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for column in columns:
        shown.add_column(column)
    for row in rows:
        shown.add_row(*(_Cell(cell, _STYLES.get(cell, "")) for cell in row))
    _console().print(shown)


def print_items(title: str, items: Iterable[tuple[str, Sequence[str]]]) -> None:
    """Print items, each with lines about it below it."""
    console = _console()
    console.print(f"[bold]{escape(title)}[/]\n")
    for name, lines in items:
        console.print(escape(name), style=_STYLES["rejected"], highlight=False)
        for line in lines:
            console.print(Padding(escape(line), (0, 0, 0, 2)), highlight=False)
    console.print()


def print_fields(title: str, values: Mapping[str, Any]) -> None:
    """Print the fields of an object as rows, sorted by name."""
    rows = [(name, format_value(value)) for name, value in sorted(values.items())]
    print_table(title, ("field", "value"), rows)


def print_request(title: str, call: Call) -> None:
    """Print a request with its whole body."""
    console = _console()
    console.print(f"[bold]{escape(title)}[/]\n\n  {call.endpoint.method} {call.endpoint.path}\n")
    console.print_json(data=call.body(), indent=2)
    console.print()


def print_counts(title: str, by_outcome: Mapping[str, int], *, stderr: bool = False) -> None:
    """Print the number of events by outcome."""
    shown = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    shown.add_column("outcome")
    shown.add_column("events", justify="right")
    for name in _STYLES:
        if by_outcome.get(name):
            shown.add_row(f"[{_STYLES[name]}]{name}[/]", f"{by_outcome[name]:,}")
    _console(stderr=stderr).print(shown)


def print_summary(by_outcome: Mapping[str, int], counters: Counters, seconds: float) -> None:
    """Print on standard error the numbers of outcomes, requests and retries, and the speed."""
    print_counts("Events by outcome", by_outcome, stderr=True)
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
    rate = f"{events / seconds:,.0f} a second"
    console.print(f"{events:,} {_noun(events)} in {seconds:,.1f} s, {rate}")


def escape_unprintable(line: str) -> str:
    """Return a line whose control characters are escaped, so that none can move the cursor."""
    if line.isprintable():
        return line
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in line
    )


def encode_line(value: dict[str, Any]) -> bytes:
    """Return an object as a line of JSON without control characters, which a terminal would obey.

    JSON escapes only those below the space.
    """
    line = encode(value)
    if b"\x7f" in line or b"\xc2" in line:  # a quick look: most have neither
        line = _CONTROL_CHARACTERS.sub(lambda found: b"\\u%04x" % found[0][-1], line)
    return line + b"\n"


def format_value(value: Any) -> str:
    """Return a value as one line of JSON, cut after 300 characters."""
    line = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return line if len(line) <= _MAX_VALUE_LENGTH else f"{line[:_MAX_VALUE_LENGTH]}…"
