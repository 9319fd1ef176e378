"""User queues: each user's envelopes in order of arrival, one request in flight at a time.

An email and a userId that were seen in one event are one user from then on. This module knows no
time and no requests.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Any, Final, Protocol

from iterable_destination.delivery.engine.envelope import Envelope, UserQueue

#: How many idle queues are kept because they have several keys or are paused.
_MAX_IDLE: Final = 20_000
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
    """

    def __init__(self, *, keeps_paused: bool, max_idle: int = _MAX_IDLE) -> None:
        self._keeps_paused: Final = keeps_paused
        self._by_key: Final[dict[str, UserQueue]] = {}
        self._idle: Final[OrderedDict[UserQueue, None]] = OrderedDict()
        self._max_idle: Final = max_idle

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
        if self._idle:
            self._idle.pop(queue, None)
        queue.waiting.append(envelope)
        envelope.user_queue = queue
        return queue, merged

    def _open(self, keys: set[str]) -> UserQueue:
        queue = UserQueue()
        queue.keys = tuple(keys)
        self._by_key.update(dict.fromkeys(keys, queue))
        return queue

    def _find(self, keys: set[str]) -> tuple[UserQueue, list[UserQueue]]:
        """Return the queue of a user some of whose keys are known, maybe as several users."""
        new = [key for key in keys if key not in self._by_key]
        queue, *others = dict.fromkeys(self._by_key[key] for key in keys if key in self._by_key)
        for other in others:
            self._merge(queue, other)
        queue.keys += tuple(new)
        self._by_key.update(dict.fromkeys(new, queue))
        return queue, others

    def _merge(self, queue: UserQueue, other: UserQueue) -> None:
        self._idle.pop(other, None)
        self._by_key.update(dict.fromkeys(other.keys, queue))
        queue.keys += other.keys
        queue.in_flight += other.in_flight
        queue.paused |= other.paused
        queue.waiting = sorted(queue.waiting + other.waiting, key=_IN_ORDER)
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
        """Forget an idle queue; keep it if it has several keys or stays paused."""
        queue.waiting = []
        queue.paused = queue.paused and self._keeps_paused
        if len(queue.keys) == 1 and not queue.paused:
            self._forget(queue)
            return
        self._idle[queue] = None
        if len(self._idle) > self._max_idle:
            self._forget(self._idle.popitem(last=False)[0])

    def _forget(self, queue: UserQueue) -> None:
        for key in queue.keys:
            del self._by_key[key]
