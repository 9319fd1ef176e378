"""User queues: each user's envelopes in order of arrival, one request in flight at a time.

An email and a userId that were seen in one event are one user from then on. This module knows no
time and no requests.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from math import inf
from operator import attrgetter
from typing import Any, Final, Protocol

from iterable_destination.delivery.engine.envelope import Envelope, UserQueue

#: How many idle queues are kept because they have several keys or are paused.
_MAX_IDLE: Final = 20_000
#: How many keys they may have together, for each of these queues.
_MAX_IDLE_KEYS: Final = 4
#: How many keys of one user are kept; more only while events with them wait or are in flight.
MAX_KEYS: Final = 1_000
#: With how many emails or userIds a user is reported, again with ten times as many, and so on.
MANY_KEYS: Final = 100
_IN_ORDER: Final = attrgetter("sequence")


class HasIdentity(Protocol):
    """An identity, or an encoded call, which has one."""

    @property
    def email(self) -> Any:
        """The email; anything but a string is none."""

    @property
    def user_id(self) -> Any:
        """The userId; anything but a string is none."""


def ordering_keys(users: Iterable[HasIdentity]) -> set[str]:
    """Return the keys that users are ordered by: emails in lower case, userIds as they are."""
    keys = set()
    for user in users:
        email, user_id = user.email, user.user_id
        if isinstance(user_id, str):
            keys.add("#" + user_id)
        if isinstance(email, str):
            keys.add("@" + email.lower())
    return keys


class UserQueues:
    """The queues of all users with something waiting or in flight, and of some idle ones.

    ``keeps_paused`` is whether a paused queue stays paused when nothing waits in it any more.
    ``on_many_keys`` is called with the numbers of emails and of userIds that have come to be one
    user's, and the keys of the event that made them so many.
    """

    def __init__(
        self,
        *,
        keeps_paused: bool,
        max_idle: int = _MAX_IDLE,
        on_many_keys: Callable[[int, int, set[str]], None] = lambda *_: None,
    ) -> None:
        self._keeps_paused: Final = keeps_paused
        self._by_key: Final[dict[str, UserQueue]] = {}
        #: Idle queues, the longest idle one first, with the number of their keys.
        self._idle: Final[OrderedDict[UserQueue, int]] = OrderedDict()
        self._idle_keys = 0
        self._max_idle: Final = max_idle
        self._on_many_keys: Final = on_many_keys

    def __len__(self) -> int:
        """How many ordering keys are known."""
        return len(self._by_key)

    def add(self, envelope: Envelope, keys: set[str]) -> tuple[UserQueue, list[UserQueue]]:
        """Let an envelope of the user with these ordering keys wait.

        Returns its queue, and the queues that were merged into that by this.
        """
        known = set(map(self._by_key.get, keys))
        merged: list[UserQueue] = []
        if len(known) > 1:
            queue, merged = self._find(keys)
        else:  # nearly always all keys are known, or none is
            queue = known.pop() or self._open(keys)
        queue.keys.update(dict.fromkeys(keys, envelope.sequence))
        self._wake(queue)
        queue.waiting.append(envelope)
        envelope.user_queue = queue
        return queue, merged

    def _open(self, keys: set[str]) -> UserQueue:
        queue = UserQueue()
        self._by_key.update(dict.fromkeys(keys, queue))
        return queue

    def _find(self, keys: set[str]) -> tuple[UserQueue, list[UserQueue]]:
        """Return the queue of a user some of whose keys are known, maybe as several users."""
        new = [key for key in keys if key not in self._by_key]
        found = dict.fromkeys(self._by_key[key] for key in keys if key in self._by_key)
        # The smaller ones are merged into the largest, so that no key is moved often.
        queue, *others = sorted(found, key=lambda each: -len(each.keys) - len(each.waiting))
        counts = queue.key_counts = _count_keys(queue)
        before = max(counts.values())
        for other in others:
            counts.update(_count_keys(other))
            self._merge(queue, other)
        counts.update(key[0] for key in new)
        self._by_key.update(dict.fromkeys(new, queue))
        after = max(counts.values())
        if after >= MANY_KEYS and len(str(after)) > len(str(before)):
            self._on_many_keys(counts["@"], counts["#"], keys)
        return queue, others

    def _merge(self, queue: UserQueue, other: UserQueue) -> None:
        self._wake(other)
        self._by_key.update(dict.fromkeys(other.keys, queue))
        queue.keys.update(other.keys)
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
            self._drop_old_keys(queue)
            return queue
        self.release(queue)
        return None

    def release(self, queue: UserQueue) -> None:
        """Forget an idle queue; keep it if it has several keys or stays paused."""
        queue.waiting = []
        queue.paused = queue.paused and self._keeps_paused
        if len(queue.keys) == 1 and not queue.paused:
            self._forget(queue)
            return
        self._drop_old_keys(queue)
        self._idle[queue] = len(queue.keys)
        self._idle_keys += len(queue.keys)
        while len(self._idle) > self._max_idle or (
            self._idle_keys > self._max_idle * _MAX_IDLE_KEYS and len(self._idle) > 1
        ):
            oldest, count = self._idle.popitem(last=False)
            self._idle_keys -= count
            self._forget(oldest)

    def _wake(self, queue: UserQueue) -> None:
        """Count a queue as idle no longer."""
        if self._idle:
            self._idle_keys -= self._idle.pop(queue, 0)

    def _drop_old_keys(self, queue: UserQueue) -> None:
        """Forget the keys not seen for longest if there are too many; nothing is in flight.

        A key of an envelope that waits is kept, so that no later one with it goes before that.
        """
        if len(queue.keys) <= 2 * MAX_KEYS:  # seldom, since all keys are looked at
            return
        last_seen = queue.keys
        oldest = queue.waiting[0].sequence if queue.waiting else inf
        for key in sorted(last_seen, key=last_seen.__getitem__)[:-MAX_KEYS]:
            if last_seen[key] >= oldest:
                break
            del last_seen[key], self._by_key[key]

    def _forget(self, queue: UserQueue) -> None:
        for key in queue.keys:
            del self._by_key[key]


def _count_keys(queue: UserQueue) -> Counter[str]:
    """Return how many keys of a user there have been, by their first characters."""
    if queue.key_counts is None:
        return Counter(key[0] for key in queue.keys)
    return queue.key_counts
