"""Report: what `send` writes about its work, line by line, and keeps of it in a checkpoint.

What may live here: lines of output, counts and the checkpoint, in the order that makes a kill at
any moment harmless: a dead letter is on disk before its outcome is printed, and an outcome is
printed before the checkpoint calls it settled.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable
from typing import Final

from iterable_destination.cli import console
from iterable_destination.delivery.background import Background
from iterable_destination.delivery.base import BaseDestination
from iterable_destination.delivery.engine.counters import Counters
from iterable_destination.errors import ConfigurationError
from iterable_destination.io.checkpoint import Checkpoint
from iterable_destination.model.json_codec import encode
from iterable_destination.model.outcomes import Delivered, Outcome, Rejected, Skipped, Unknown
from iterable_destination.model.records import LineRecord

_FINE: Final = frozenset({Delivered.name, Skipped.name})
#: Seconds between two times that the checkpoint is written.
_INTERVAL: Final = 1.0


class Report:
    """Writes outcomes to standard output, and puts them down in a checkpoint if there is one.

    ``unknown_is_settled`` is whether events that ended unknown are kept elsewhere, so that they
    need not be sent again.
    """

    def __init__(self, checkpoint: Checkpoint | None, *, unknown_is_settled: bool = False) -> None:
        self._checkpoint: Final = checkpoint
        kept = {Rejected.name, Unknown.name} if unknown_is_settled else {Rejected.name}
        self._settled: Final = _FINE | kept
        self._lock: Final = threading.Lock()
        self._began: Final = time.monotonic()
        self._written = self._began
        self._counts: Final[Counter[str]] = Counter()
        self._is_misconfigured = False

    def __call__(self, outcomes: list[Outcome]) -> None:
        """Write about events that are settled."""
        sys.stdout.buffer.write(b"".join(encode(each.summary()) + b"\n" for each in outcomes))
        sys.stdout.buffer.flush()
        with self._lock:
            for outcome in outcomes:
                self._counts[outcome.name] += 1
                self._is_misconfigured |= isinstance(outcome.error, ConfigurationError)
                if self._checkpoint is not None and outcome.name in self._settled:
                    self._checkpoint.settled.add(outcome.index)
        if time.monotonic() - self._written > _INTERVAL:
            self.keep()

    def is_due(self, line: LineRecord, previous: int) -> bool:
        """Whether a line is to be sent; ``previous`` is the number of the one before, 0 for none.

        Blank lines between the two are settled by this.
        """
        checkpoint = self._checkpoint
        if checkpoint is None:
            return True
        if not previous:
            checkpoint.check_input(line.text)
        with self._lock:
            for blank in range(previous, line.number - 1):
                checkpoint.settled.add(blank)
            return line.number - 1 not in checkpoint.settled

    def keep(self) -> None:
        """Write the checkpoint, if there is one."""
        if self._checkpoint is not None:
            with self._lock:
                self._checkpoint.write()
                self._written = time.monotonic()

    @property
    def status(self) -> int:
        """The exit status: 0 all fine, 1 some not, 2 wrong key or address."""
        if self._is_misconfigured:
            return 2
        return 0 if self._counts.keys() <= _FINE else 1

    def summary(self, counters: Counters) -> None:
        """Show on standard error what was done."""
        console.summary(self._counts, counters, time.monotonic() - self._began)


def deliver(lines: Iterable[LineRecord], to: BaseDestination, report: Report) -> int:
    """Deliver lines as they come, and return the exit status."""
    queue = to._stream(report)  # noqa: SLF001 - the command line is its only user
    try:
        _hand_in(lines, queue, report)
        queue.flush()
    finally:
        queue.close(0)
        report.keep()
    report.summary(to.counters)
    return report.status


def _hand_in(lines: Iterable[LineRecord], queue: Background, report: Report) -> None:
    previous = 0
    for line in lines:
        if report.is_due(line, previous):
            queue.put(line)
        previous = line.number
