"""What delivery asks of an outbox, wherever its events are."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from iterable_destination.model.records import OutboxRecord
from iterable_destination.typing import Event


class AnyOutbox(Protocol):
    """A durable queue of events: an ``Outbox`` or a ``PostgresOutbox``.

    Every method raises :exc:`~errors.OutboxError` if the outbox cannot be used.
    """

    @property
    def lock(self) -> threading.RLock:
        """What its threads wait for."""

    def __len__(self) -> int:
        """How many events are in it."""

    def count(self, timeout: float | None = None) -> int:
        """Return how many events are in it; waits for others ``timeout`` seconds at most."""

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
