"""Stops: where users wait whose next request goes to the same endpoint, and how one is formed.

What may live here: what goes together in one request.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final

from iterable_destination.delivery.engine.bulk import BatchCapacity, BulkEndpoint, queue_name
from iterable_destination.delivery.engine.envelope import Batch, Envelope, UserQueue
from iterable_destination.model.endpoints import Endpoint


class EndpointQueue:
    """Where user queues wait whose next envelope goes to one endpoint."""

    def __init__(self, endpoint: Endpoint, bulk: BulkEndpoint | None) -> None:
        #: The endpoint's path, or another name where there are several for one.
        self.name: Final = queue_name(endpoint, bulk)
        self.endpoint: Final = endpoint
        self.bulk: Final = bulk
        self.queues: Final[OrderedDict[UserQueue, None]] = OrderedDict()
        #: Envelopes and bytes that can go.
        self.items = 0
        self.bytes = 0
        #: Since when there is something.
        self.since = 0.0
        #: Batches that are to be sent once more, now.
        self.retries: Final[deque[Batch]] = deque()

    @property
    def is_full(self) -> bool:
        """Whether nothing is gained by waiting for more."""
        if self.bulk is None:
            return self.items > 0
        return (
            self.items >= self.bulk.max_items or self.bytes + self.items - 1 >= self.bulk.capacity
        )

    def join(self, queue: UserQueue, batchable: int, batchable_bytes: int, now: float) -> None:
        """Let a user queue stand in line."""
        if not self.items:
            self.since = now
        queue.endpoint_queue, queue.batchable, queue.batchable_bytes = (
            self,
            batchable,
            batchable_bytes,
        )
        self.queues[queue] = None
        self.items += batchable
        self.bytes += batchable_bytes

    def extend(self, queue: UserQueue, size: int) -> None:
        """Let one more envelope of a user queue in line go with the others of it."""
        queue.batchable += 1
        queue.batchable_bytes += size
        self.items += 1
        self.bytes += size

    def takes_more_of(self, queue: UserQueue) -> bool:
        """Whether the last envelope of a queue in line can go with all that waits before it."""
        if self.bulk is None or self.bulk.one_per_user or queue.batchable < len(queue.waiting) - 1:
            return False
        return queue.waiting[-2].is_last_call

    def take(self, now: float) -> list[Envelope]:
        """Take the envelopes of the next request out of line; they are under way from now on."""
        envelopes: list[Envelope] = []
        capacity = BatchCapacity(self.bulk) if self.bulk is not None else None
        is_whole = True
        while self.queues and is_whole and (capacity is not None or not envelopes):
            queue = next(iter(self.queues))
            is_whole = _take(queue, capacity, envelopes)
            if queue.in_flight:
                self.leave(queue)
        self.since = now
        return envelopes

    def leave(self, queue: UserQueue) -> None:
        """Take a user queue out of line."""
        del self.queues[queue]
        self.items -= queue.batchable
        self.bytes -= queue.batchable_bytes
        queue.endpoint_queue, queue.batchable, queue.batchable_bytes = None, 0, 0


def _take(queue: UserQueue, capacity: BatchCapacity | None, envelopes: list[Envelope]) -> bool:
    """Take of a user queue what can go and has room; whether that was all.

    What was tried before goes only with others that were tried in the same way, for the same time.
    """
    taken = 0
    for envelope in queue.waiting[: queue.batchable]:
        is_another = bool(envelopes) and envelope.attempts is not envelopes[0].attempts
        if (is_another and envelope.attempts != envelopes[0].attempts) or (
            capacity is not None and not capacity.take(envelope.item)
        ):
            break
        envelopes.append(envelope)
        taken += 1
    del queue.waiting[:taken]
    queue.in_flight += taken
    return taken == queue.batchable


def split_index(queues: list[UserQueue]) -> int | None:
    """Return where to split a list nearest to its middle, but between two different user queues."""
    middle = len(queues) // 2
    boundaries = (
        index for index in range(1, len(queues)) if queues[index - 1] is not queues[index]
    )
    return min(boundaries, key=lambda index: abs(index - middle), default=None)
