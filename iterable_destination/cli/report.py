"""The output of ``send``: a line for each outcome, a summary, and the checkpoint.

The order makes a kill at any moment harmless: a dead letter is on disk before its outcome is
printed, and an outcome is printed before the checkpoint marks it as settled.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable
from typing import Final

import click

from iterable_destination.cli import console
from iterable_destination.delivery.background import Background
from iterable_destination.delivery.base import BaseDestination
from iterable_destination.delivery.engine.counters import Counters
from iterable_destination.errors import ConfigurationError, UnreadableInput
from iterable_destination.io.checkpoint import Checkpoint
from iterable_destination.model.outcomes import Delivered, Outcome, Rejected, Skipped, Unknown
from iterable_destination.model.records import LineRecord

_SUCCEEDED: Final = frozenset({Delivered.name, Skipped.name})
#: Seconds between two writes of the checkpoint.
_CHECKPOINT_INTERVAL: Final = 1.0


class Report:
    """Prints outcomes on standard output, and records them in a checkpoint if there is one.

    ``unknown_is_settled`` is whether unknown events are stored as dead letters, so that the
    checkpoint need not send them again. ``input_name`` is that of the input in messages,
    ``input_identity`` is that of several inputs, and ``shard`` the share of the input that is sent,
    None for all of it. ``only_problems`` prints no outcome of an event that is delivered or
    skipped, unless some subscription of it failed.
    """

    def __init__(  # noqa: PLR0913 - keywords, each with a default
        self,
        checkpoint: Checkpoint | None,
        *,
        unknown_is_settled: bool = False,
        input_name: str = "",
        input_identity: bytes = b"",
        shard: str | None = None,
        only_problems: bool = False,
    ) -> None:
        self._shard: Final = shard
        self._checkpoint: Final = checkpoint
        self._input_name: Final = input_name
        self._input_identity: Final = input_identity
        self._only_problems: Final = only_problems
        final = {Rejected.name, Unknown.name} if unknown_is_settled else {Rejected.name}
        self._settled: Final = _SUCCEEDED | final
        self._lock: Final = threading.Lock()
        self._began: Final = time.monotonic()
        self._last_write = self._began
        self._counts: Final[Counter[str]] = Counter()
        self._is_misconfigured = False
        #: How many lines were read, and how many of them were due.
        self._read = self._due = 0
        #: Whether the whole input was read and delivered.
        self.is_complete = False

    def __call__(self, outcomes: list[Outcome]) -> None:
        """Print the outcomes of settled events, a line each."""
        shown = filter(is_problem, outcomes) if self._only_problems else outcomes
        sys.stdout.buffer.write(b"".join(console.encode_line(each.summary()) for each in shown))
        sys.stdout.buffer.flush()
        with self._lock:
            for outcome in outcomes:
                self._counts[outcome.name] += 1
                self._is_misconfigured |= isinstance(outcome.error, ConfigurationError)
                if self._checkpoint is not None and outcome.name in self._settled:
                    self._checkpoint.settled.add(outcome.index)
        if time.monotonic() - self._last_write > _CHECKPOINT_INTERVAL:
            self.write_checkpoint()

    def is_due(self, line: LineRecord, previous: int) -> bool:
        """Whether to send a line; ``previous`` is the number of the line before, 0 for none.

        Blank lines between the two are recorded as settled.
        """
        self._read += 1
        is_due = self._checkpoint is None or self._is_unsettled(self._checkpoint, line, previous)
        self._due += is_due
        return is_due

    def _is_unsettled(self, checkpoint: Checkpoint, line: LineRecord, previous: int) -> bool:
        if not previous:
            checkpoint.check_input(line.text, self._input_identity, self._shard)
        with self._lock:
            for blank in range(previous, line.number - 1):
                checkpoint.settled.add(blank)
            return line.number - 1 not in checkpoint.settled

    def write_checkpoint(self) -> None:
        """Write the checkpoint, if there is one."""
        if self._checkpoint is not None:
            with self._lock:
                self._checkpoint.write()
                self._last_write = time.monotonic()

    @property
    def status(self) -> int:
        """The exit status: 0 all delivered or skipped, 1 some not, 2 wrong key or address."""
        if self._is_misconfigured:
            return 2
        return 0 if self._counts.keys() <= _SUCCEEDED else 1

    def print_summary(self, counters: Counters) -> None:
        """Print on standard error a summary of outcomes and requests.

        If all was settled before, that is said instead.
        """
        if self.is_complete and self._read and not self._due:
            name, lines = self._input_name, self._read
            words = (
                f"everything in {name} is done (1 line); nothing was sent"
                if lines == 1
                else f"everything in {name} is done ({lines:,} lines); nothing was sent"
            )
            click.echo(console.escape_unprintable(words), err=True)
            return
        console.print_summary(self._counts, counters, time.monotonic() - self._began)


def is_problem(outcome: Outcome) -> bool:
    """Whether an event was not delivered and not skipped, or a subscription of it failed."""
    return outcome.name not in _SUCCEEDED or bool(outcome.failures)


def deliver(lines: Iterable[LineRecord], to: BaseDestination, report: Report) -> None:
    """Deliver lines while they are read."""
    queue = to._stream(report)  # noqa: SLF001 - the command line is its only user
    try:
        try:
            _submit_lines(lines, queue, report)
        except UnreadableInput:
            queue.flush()  # What came before the place that cannot be read is good.
            raise
        queue.flush()
    finally:
        queue.close(0)
        report.write_checkpoint()
    report.is_complete = True


def _submit_lines(lines: Iterable[LineRecord], queue: Background, report: Report) -> None:
    previous = 0
    for line in lines:
        if report.is_due(line, previous):
            queue.put(line)
        previous = line.number
