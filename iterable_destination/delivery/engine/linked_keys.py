"""Linked keys: which ordering keys are one user's, also while nothing of that user waits.

An email and a userId that were seen in one event are one user from then on, and so is a key that
the caller has given to it. The schedulers of a destination share what is known, so that it outlives
a pass through an outbox and a ``send_all``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol
from weakref import WeakSet

#: How many keys are kept by default, the latest ones.
MAX_KEYS: Final = 100_000
#: With how many emails or userIds a user is reported, again with ten times as many, and so on.
MANY_KEYS: Final = 100


class HasIdentity(Protocol):
    """An identity, or an encoded call, which has one."""

    @property
    def email(self) -> Any:
        """The email; anything but a string is none."""

    @property
    def user_id(self) -> Any:
        """The userId; anything but a string is none."""


class Users(Protocol):
    """The users of a scheduler that have something waiting, by their main keys."""

    def __contains__(self, main: object, /) -> bool:
        """Whether the user with this main key has something waiting."""

    def on_linked(self, main: str, others: Iterable[str]) -> None:
        """Record that the main keys of several users have become those of one user."""


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


def outside_key(key: str) -> str:
    """Return the ordering key for one that the caller gives, which is no email and no userId."""
    return "=" + key


class LinkedKeys:
    """Finds the main key of a user by any of the user's keys.

    Each key has a parent, up to the main key, which has none. ``max_keys`` of them are kept, the
    latest ones; a user's main key does not count. Those of registered users with something waiting
    are kept beyond that, up to twice as many: of these none is forgotten while there are no more
    than half as many. A key that is forgotten is another user's from then on.
    ``on_many_keys`` is called with the numbers of emails and of userIds that have come to be one
    user's, and the keys of the event that made them so many.
    """

    def __init__(
        self,
        max_keys: int = MAX_KEYS,
        *,
        on_many_keys: Callable[[int, int, set[str]], None] = lambda *_: None,
    ) -> None:
        self._max_keys: Final = max_keys
        self._on_many_keys: Final = on_many_keys
        #: The longest unused first.
        self._parents: Final[OrderedDict[str, str]] = OrderedDict()
        #: How many emails and how many userIds a main key stands for; none if it is alone.
        self._counts: Final[OrderedDict[str, tuple[int, int]]] = OrderedDict()
        self._registered: Final = WeakSet[Users]()

    def __len__(self) -> int:
        """How many keys are linked to another."""
        return len(self._parents)

    def register(self, users: Users) -> None:
        """Keep the keys of users with something waiting, as long as that object lives.

        It is told which keys become those of one user, be it by an event of its own or of others.
        """
        self._registered.add(users)

    def find(self, key: str) -> str:
        """Return the main key of the user who has this key."""
        parents = self._parents
        main = parents.get(key)
        if main is None:
            return key
        while (further := parents.get(main)) is not None:
            parents.move_to_end(main)
            main = parents[key] = further
        parents.move_to_end(key)
        return main

    def link(self, keys: set[str]) -> str:
        """Let keys, at least one, be one user's; return the user's main key."""
        mains = {self.find(key) for key in keys}
        if len(mains) == 1:  # as nearly always
            return mains.pop()
        main = max(mains, key=lambda each: (sum(self._count(each)), each))
        before = max(self._count(main))
        mains.remove(main)
        emails, user_ids = map(sum, zip(*map(self._count, (main, *mains)), strict=True))
        for each in mains:
            self._counts.pop(each, None)
            self._parents[each] = main
        self._counts[main] = emails, user_ids
        self._counts.move_to_end(main)
        for users in self._registered:
            users.on_linked(main, mains)
        self._make_room(len(mains))
        after = max(emails, user_ids)
        if after >= MANY_KEYS and len(str(after)) > len(str(before)):
            self._on_many_keys(emails, user_ids, keys)
        return main

    def _is_kept(self, key: str) -> bool:
        while (parent := self._parents.get(key)) is not None:
            key = parent
        return any(key in users for users in self._registered)

    def _count(self, main: str) -> tuple[int, int]:
        return self._counts.get(main) or (int(main[0] == "@"), int(main[0] == "#"))

    def _make_room(self, added: int) -> None:
        """Forget keys so that those that were added have room.

        Two are looked at for each, so that there is an end even where half of them are to be kept.
        """
        parents = self._parents
        for _ in range(2 * added):
            if len(parents) <= self._max_keys:
                break
            key, parent = parents.popitem(last=False)
            if len(parents) < 2 * self._max_keys and self._is_kept(parent):
                parents[key] = parent
        while len(self._counts) > self._max_keys:
            self._counts.popitem(last=False)
