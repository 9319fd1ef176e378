"""What delivery asks of an outbox, wherever its events are."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Final, Protocol

from iterable_destination.model.dates import read_date
from iterable_destination.model.json_values import as_object
from iterable_destination.model.records import OutboxRecord
from iterable_destination.typing import Event

#: Where an event may have its time, the most exact first.
TIMES: Final = ("timestamp", "originalTimestamp", "sentAt", "receivedAt")


class AnyOutbox(Protocol):
    """A durable queue of events: an ``Outbox`` or a ``PostgresOutbox``.

    Every method raises :exc:`~errors.OutboxError` if the outbox cannot be used.
    """

    @property
    def name(self) -> str:
        """What messages call it: the path of the file, or the table."""

    @property
    def lock(self) -> threading.RLock:
        """What its threads wait for."""

    def __len__(self) -> int:
        """How many events are in it."""

    def count(self, timeout: float | None = None) -> int:
        """Return how many events are in it; waits for others ``timeout`` seconds at most."""

    def oldest_age(self, timeout: float | None = None) -> float | None:
        """Return how many seconds ago its first event happened; ``timeout`` is as of ``count``."""

    def add(self, event: Event) -> int:
        """Add an event, and return its number when it is on disk."""

    def add_all(self, events: Iterable[Event], *, timeout: float | None = None) -> list[int]:
        """Add events, all or none, and return their numbers when all are on disk."""

    def read(self, *, limit: int = 1_000) -> list[OutboxRecord]:
        """Return the first events, in the order in which they are to be delivered."""

    def read_all(self, page_size: int) -> Iterator[list[OutboxRecord]]:
        """Yield all events in order, so many at once. Each page is read when it is asked for.

        What comes later comes behind what was read.
        """

    def remove(self, numbers: Iterable[int]) -> None:
        """Remove events; numbers that are no longer there are ignored."""

    def check_writable(self, *, timeout: float | None = None) -> None:
        """Raise :exc:`~errors.OutboxError` unless events can be added now; writes nothing."""

    def delivering(self) -> AbstractContextManager[None]:
        """Hold the right to deliver from it, alone, until the ``with`` ends.

        Raises :exc:`~errors.OutboxInUse` if another thread or process has it. If the right can be
        lost, ``read_all`` and ``remove`` raise :exc:`~errors.OutboxRightLost` from then on.
        """


def find_age(records: Iterable[OutboxRecord]) -> float | None:
    """Return how many seconds ago the first of these events happened, at least 0.

    An outbox does not say when an event was added, so this is by the event's own time: the first of
    :data:`TIMES` that is a date. None if no event has one.
    """
    events = filter(None, [as_object(record.event()) for record in records])
    moments = (read_date(event.get(key)) for event in events for key in TIMES)
    moment = next(filter(None, moments), None)
    return None if moment is None else max((datetime.now(UTC) - moment).total_seconds(), 0.0)
