"""User queues: each user's envelopes in order of arrival, one request in flight at a time.

A user is known by one key; ``linked_keys`` finds it. This module knows no time and no requests.
"""

from __future__ import annotations

from bisect import insort
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Final

from iterable_destination.delivery.engine.envelope import Envelope, UserQueue

#: How many idle queues are kept because they are paused.
_MAX_IDLE: Final = 20_000
_IN_ORDER: Final = attrgetter("sequence")


class UserQueues:
    """The queues of all users with something waiting or in flight, and of paused ones.

    ``keeps_paused`` is whether a paused queue stays paused when nothing waits in it any more.
    """

    def __init__(self, *, keeps_paused: bool, max_idle: int = _MAX_IDLE) -> None:
        self._keeps_paused: Final = keeps_paused
        self._by_key: Final[dict[str, UserQueue]] = {}
        #: Idle queues that stay paused, the longest idle one first.
        self._idle: Final[OrderedDict[UserQueue, None]] = OrderedDict()
        self._max_idle: Final = max_idle
        #: Main keys of users who were found to be one while each had a queue, by the main key that
        #: they have now. Their queues are merged when the next envelope comes.
        self._unmerged: Final[dict[str, list[str]]] = {}

    def __len__(self) -> int:
        """How many queues there are."""
        return len(self._by_key)

    def __contains__(self, key: object) -> bool:
        """Whether the user with this main key has a queue."""
        return key in self._by_key

    def add(self, envelope: Envelope, key: str) -> tuple[UserQueue, list[UserQueue]]:
        """Let an envelope of the user with this main key wait.

        Returns its queue, and the queues that were merged into that by this.
        """
        queue = self._by_key.get(key)
        merged: list[UserQueue] = []
        if self._unmerged and key in self._unmerged:
            queue, merged = self._join(key, self._unmerged.pop(key))
        if queue is None:
            queue = self._by_key[key] = UserQueue(key)
        elif self._idle:
            self._idle.pop(queue, None)
        queue.waiting.append(envelope)
        envelope.user_queue = queue
        return queue, merged

    def on_linked(self, main: str, others: Iterable[str]) -> None:
        """Record that the main keys of several users have become those of one user.

        The event that has them may be in other queues than these.
        """
        for other in others:
            unmerged = self._unmerged.pop(other, [])
            if other in self._by_key:
                if main in self._by_key:
                    unmerged.append(other)
                else:
                    queue = self._by_key[main] = self._by_key.pop(other)
                    queue.key = main
            if unmerged:
                self._unmerged.setdefault(main, []).extend(unmerged)

    def _join(self, key: str, unmerged: list[str]) -> tuple[UserQueue | None, list[UserQueue]]:
        """Return the queue of several keys, None if they have none, and those merged into it."""
        found = [self._by_key.pop(each) for each in (key, *unmerged) if each in self._by_key]
        if not found:
            return None, []
        # The shorter ones are merged into the longest, so that no envelope is moved often.
        queue, *others = sorted(found, key=lambda each: -len(each.waiting))
        for other in others:
            self._merge(queue, other)
        queue.key = key
        self._by_key[key] = queue
        return queue, others

    def _merge(self, queue: UserQueue, other: UserQueue) -> None:
        self._idle.pop(other, None)
        queue.in_flight += other.in_flight
        queue.paused |= other.paused
        for envelope in other.waiting:
            insort(queue.waiting, envelope, key=_IN_ORDER)
        other.waiting = []
        other.merged_into = queue

    def requeue(self, envelopes: list[Envelope]) -> Iterator[UserQueue]:
        """Put envelopes that were in flight back in their order; yield the queues now ready."""
        returned: dict[UserQueue, list[Envelope]] = {}
        for envelope in envelopes:
            returned.setdefault(envelope.queue, []).append(envelope)
        for queue, theirs in returned.items():
            queue.in_flight -= len(theirs)
            queue.waiting = sorted(theirs + queue.waiting, key=_IN_ORDER)
        return (queue for queue in returned if queue.is_ready)

    def on_settled(self, envelope: Envelope) -> UserQueue | None:
        """Record that an envelope in flight has its outcome; return its queue if that is ready."""
        queue = envelope.user_queue
        if queue.merged_into is not None:
            queue = envelope.queue
        queue.in_flight -= 1
        if queue.in_flight:
            return None
        if queue.waiting:
            return queue
        self.release(queue)
        return None

    def release(self, queue: UserQueue) -> None:
        """Forget an idle queue; keep it if it stays paused."""
        queue.waiting = []
        queue.paused = queue.paused and self._keeps_paused
        if not queue.paused:
            del self._by_key[queue.key]
            return
        self._idle[queue] = None
        while len(self._idle) > self._max_idle:
            oldest, _ = self._idle.popitem(last=False)
            del self._by_key[oldest.key]
