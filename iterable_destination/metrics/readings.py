"""Readings: what a destination and an outbox say at the moment when they are asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, Protocol, get_args

from iterable_destination.delivery.engine.counters import Counters
from iterable_destination.errors import OutboxError
from iterable_destination.io.outbox_protocol import AnyOutbox
from iterable_destination.metrics import names
from iterable_destination.metrics.names import Metric
from iterable_destination.model.outcomes import OutcomeName

#: Seconds that an outbox is waited for which other threads use.
_TIMEOUT: Final = 0.5


class Watched(Protocol):
    """A destination, of threads or of an event loop. It is read in any thread."""

    @property
    def counters(self) -> Counters:
        """What was counted."""

    @property
    def waiting(self) -> int:
        """How many events wait."""


class Readings:
    """Reads what is counted elsewhere: in a destination, and in its outbox if it has one."""

    def __init__(self) -> None:
        """Make one that has nothing to read yet."""
        self._destination: Watched | None = None
        self._outbox: AnyOutbox | None = None
        #: The outcomes that were read, which must not become fewer: an event whose dead letter
        #: cannot be written is taken back from one of them.
        self._outcomes: Counter[str] = Counter()

    def watch(self, destination: Watched, outbox: AnyOutbox | None) -> None:
        """Read these from now on."""
        self._destination, self._outbox = destination, outbox

    def counts(self, metric: Metric) -> Mapping[str, int]:
        """Return the values of a counter with one label, by the value of the label."""
        if self._destination is None:
            return {}
        counters = self._destination.counters
        if metric is names.RETRIES:
            return counters.retries
        self._outcomes |= counters.outcomes  # the larger of each two
        return {name: self._outcomes[name] for name in get_args(OutcomeName)}

    def level(self, metric: Metric) -> float | None:
        """Return the value of a gauge; None if there is none, or if an outbox cannot be read."""
        destination, outbox = self._destination, self._outbox
        if metric is names.WAITING:
            return None if destination is None else _ask(lambda: destination.waiting)
        if outbox is None:
            return None
        if metric is names.OUTBOX_EVENTS:
            return _ask(lambda: outbox.count(_TIMEOUT))
        return _ask(lambda: outbox.oldest_age(_TIMEOUT))


def _ask(question: Callable[[], float | None]) -> float | None:
    try:
        return question()
    except OutboxError:  # whoever delivers from it logs that
        return None
