"""What people see on a terminal: progress and tables.

What may live here: the look of things, and nothing that decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from iterable_destination.json_lines import Line, Lines

#: The colour of each outcome.
STYLES: Final = {
    "delivered": "green",
    "skipped": "dim",
    "rejected": "red",
    "retryable": "yellow",
    "unknown": "magenta",
}
#: Lines between two looks at how far the input has been read.
_STRIDE: Final = 500


@contextmanager
def progress(lines: Lines) -> Iterator[Iterable[Line]]:
    """Show how far the input has been read, if standard error is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lines
        return
    columns = (
        TextColumn("{task.fields[events]:>9,} events"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task("", total=lines.size, events=0)

        def counted() -> Iterator[Line]:
            for events, line in enumerate(lines, 1):
                if events % _STRIDE == 0 and lines.size is not None:
                    shown.update(task, completed=lines.position, events=events)
                yield line

        yield counted()


def summary(counts: Mapping[str, int]) -> None:
    """Show how many events ended in which way, on standard error."""
    table = Table("outcome", "events", title="Events by outcome")
    table.columns[1].justify = "right"
    for name, style in STYLES.items():
        if counts.get(name):
            table.add_row(f"[{style}]{name}[/]", f"{counts[name]:,}")
    Console(stderr=True).print(table)
