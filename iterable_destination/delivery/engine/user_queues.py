"""user queues: each user's events in the order of arrival, one request at a time.

What may live here: who is one user, and what waits. An email and a userId that were seen in one
event are one user from then on. Nothing here knows of time or of requests.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from operator import attrgetter
from typing import Final

from iterable_destination.delivery.engine.envelope import Envelope, UserQueue

#: Users without anything under way that are remembered, because two names are known of them or
#: because they are held.
_REMEMBERED: Final = 20_000
_IN_ORDER: Final = attrgetter("sequence")


class UserQueues:
    """All users with something waiting or under way, and some more that are remembered.

    ``holds`` says whether a user that is held stays so when nothing of theirs waits any more.
    """

    def __init__(self, *, keeps_paused: bool, remembered: int = _REMEMBERED) -> None:
        self._keeps_paused: Final = keeps_paused
        self._user_queues: Final[dict[str, UserQueue]] = {}
        self._idle: Final[OrderedDict[UserQueue, None]] = OrderedDict()
        self._remembered: Final = remembered

    def __len__(self) -> int:
        """How many names of users are known."""
        return len(self._user_queues)

    def add(self, envelope: Envelope, keys: set[str]) -> tuple[UserQueue, list[UserQueue]]:
        """Let an envelope of the user of these names wait.

        Returns its user queue, and the user queues that became a part of it by this.
        """
        known = set(map(self._user_queues.get, keys))
        merged: list[UserQueue] = []
        if len(known) > 1:
            queue, merged = self._queue(keys)
        else:  # for the sake of speed: all names of nearly every user are known, or none is
            queue = known.pop() or self._new(keys)
        if self._idle:
            self._idle.pop(queue, None)
        queue.waiting.append(envelope)
        envelope.queue = queue
        return queue, merged

    def _new(self, keys: set[str]) -> UserQueue:
        queue = UserQueue()
        queue.keys = tuple(keys)
        self._user_queues.update(dict.fromkeys(keys, queue))
        return queue

    def _queue(self, keys: set[str]) -> tuple[UserQueue, list[UserQueue]]:
        """Return the user queue of a user some of whose names are known, maybe as several users."""
        new = [key for key in keys if key not in self._user_queues]
        queue, *others = dict.fromkeys(
            self._user_queues[key] for key in keys if key in self._user_queues
        )
        for other in others:
            self._merge(queue, other)
        queue.keys += tuple(new)
        self._user_queues.update(dict.fromkeys(new, queue))
        return queue, others

    def _merge(self, queue: UserQueue, other: UserQueue) -> None:
        self._idle.pop(other, None)
        self._user_queues.update(dict.fromkeys(other.keys, queue))
        queue.keys += other.keys
        queue.in_flight += other.in_flight
        queue.paused |= other.paused
        queue.waiting = sorted(queue.waiting + other.waiting, key=_IN_ORDER)
        other.waiting = []
        other.merged_into = queue

    def requeue(self, envelopes: list[Envelope]) -> Iterator[UserQueue]:
        """Let envelopes that were under way wait again, in their turn; yield ready queues."""
        returned: dict[UserQueue, list[Envelope]] = {}
        for envelope in envelopes:
            returned.setdefault(envelope.user, []).append(envelope)
        for queue, theirs in returned.items():
            queue.in_flight -= len(theirs)
            queue.waiting = sorted(theirs + queue.waiting, key=_IN_ORDER)
        return (queue for queue in returned if queue.is_ready)

    def settled(self, envelope: Envelope) -> UserQueue | None:
        """Record that an envelope has its outcome; return its queue if it is ready."""
        queue = envelope.queue if envelope.queue.merged_into is None else envelope.user
        queue.in_flight -= 1
        if queue.in_flight:
            return None
        if queue.waiting:
            return queue
        self.release(queue)
        return None

    def release(self, queue: UserQueue) -> None:
        """Forget an idle queue, or remember what matters of it."""
        queue.waiting = []
        queue.paused = queue.paused and self._keeps_paused
        if len(queue.keys) == 1 and not queue.paused:
            self._forget(queue)
            return
        self._idle[queue] = None
        if len(self._idle) > self._remembered:
            self._forget(self._idle.popitem(last=False)[0])

    def _forget(self, queue: UserQueue) -> None:
        for key in queue.keys:
            del self._user_queues[key]
