"""Endpoint queues: which users wait for a request to an endpoint, and how a batch is formed."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final

from iterable_destination.delivery.engine.bulk import BatchCapacity, BulkEndpoint, queue_name
from iterable_destination.delivery.engine.envelope import Batch, Envelope, UserQueue
from iterable_destination.model.endpoints import Endpoint


class EndpointQueue:
    """The user queues whose next envelope goes to one endpoint, and the batches to be retried."""

    def __init__(self, endpoint: Endpoint, bulk: BulkEndpoint | None) -> None:
        #: The endpoint's name, or another where there are several queues for one.
        self.name: Final = queue_name(endpoint, bulk)
        #: For single calls, that of one of them: the path of others may differ, the name does not.
        self.endpoint: Final = endpoint
        #: None for single calls.
        self.bulk: Final = bulk
        self.user_queues: Final[OrderedDict[UserQueue, None]] = OrderedDict()
        #: Envelopes that can go, and their bytes.
        self.items = 0
        self.bytes = 0
        #: Since when there are any.
        self.since = 0.0
        #: Batches that are to be sent again, now.
        self.retries: Final[deque[Batch]] = deque()

    @property
    def is_full(self) -> bool:
        """Whether waiting for more envelopes gains nothing."""
        bulk = self.bulk
        if bulk is None:
            return self.items > 0
        return self.items >= bulk.max_items or self.bytes + self.items - 1 >= bulk.capacity

    @property
    def single_endpoint(self) -> Endpoint:
        """Where the calls that wait here go singly. Some must wait."""
        envelope = next(iter(self.user_queues)).waiting[0]
        return envelope.calls[envelope.call_index].endpoint

    def join(self, queue: UserQueue, batchable: int, batchable_bytes: int, now: float) -> None:
        """Let a user queue wait here, of which so many envelopes can go in one request."""
        if not self.items:
            self.since = now
        queue.endpoint_queue = self
        queue.batchable, queue.batchable_bytes = batchable, batchable_bytes
        self.user_queues[queue] = None
        self.items += batchable
        self.bytes += batchable_bytes

    def extend(self, queue: UserQueue, size: int) -> None:
        """Let one more envelope of a user queue, of ``size`` bytes, go with those before it."""
        queue.batchable += 1
        queue.batchable_bytes += size
        self.items += 1
        self.bytes += size

    def takes_more_of(self, queue: UserQueue) -> bool:
        """Whether the last envelope of a user queue can go with all that waits before it."""
        if self.bulk is None or self.bulk.one_per_user or queue.batchable < len(queue.waiting) - 1:
            return False
        return queue.waiting[-2].is_last_call

    def take(self, now: float) -> list[Envelope]:
        """Take out the envelopes of the next request; they are in flight from now on."""
        envelopes: list[Envelope] = []
        capacity = BatchCapacity(self.bulk) if self.bulk is not None else None
        all_taken = True
        while self.user_queues and all_taken and (capacity is not None or not envelopes):
            queue = next(iter(self.user_queues))
            all_taken = _take(queue, capacity, envelopes)
            if queue.in_flight:
                self.leave(queue)
        self.since = now
        return envelopes

    def leave(self, queue: UserQueue) -> None:
        """Remove a user queue."""
        del self.user_queues[queue]
        self.items -= queue.batchable
        self.bytes -= queue.batchable_bytes
        queue.endpoint_queue = None
        queue.batchable, queue.batchable_bytes = 0, 0


def _take(queue: UserQueue, capacity: BatchCapacity | None, envelopes: list[Envelope]) -> bool:
    """Move what can go and fits from a user queue to ``envelopes``; return whether that is all.

    An envelope that was tried before goes only with others that had the same attempts.
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
    """Return where to split a list nearest to its middle but between two different queues.

    None if they are all the same.
    """
    middle = len(queues) // 2
    boundaries = (
        index for index in range(1, len(queues)) if queues[index - 1] is not queues[index]
    )
    return min(boundaries, key=lambda index: abs(index - middle), default=None)
