"""Lanes: each user's events in the order of arrival, one request at a time.

What may live here: who is one user, and what waits. An email and a userId that were seen in one
event are one user from then on. Nothing here knows of time or of requests.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from operator import attrgetter
from typing import Final

from iterable_destination.delivery.engine.envelope import Lane, Parcel

#: Users without anything under way that are remembered, because two names are known of them or
#: because they are held.
_REMEMBERED: Final = 20_000
_IN_ORDER: Final = attrgetter("serial")


class Lanes:
    """All users with something waiting or under way, and some more that are remembered.

    ``holds`` says whether a user that is held stays so when nothing of theirs waits any more.
    """

    def __init__(self, *, holds: bool, remembered: int = _REMEMBERED) -> None:
        self._holds: Final = holds
        self._lanes: Final[dict[str, Lane]] = {}
        self._idle: Final[OrderedDict[Lane, None]] = OrderedDict()
        self._remembered: Final = remembered

    def __len__(self) -> int:
        """How many names of users are known."""
        return len(self._lanes)

    def add(self, parcel: Parcel, keys: set[str]) -> tuple[Lane, list[Lane]]:
        """Let a parcel of the user of these names wait.

        Returns its lane, and the lanes that became a part of it by this.
        """
        known = set(map(self._lanes.get, keys))
        merged: list[Lane] = []
        if len(known) > 1:
            lane, merged = self._lane(keys)
        else:  # for the sake of speed: all names of nearly every user are known, or none is
            lane = known.pop() or self._new(keys)
        if self._idle:
            self._idle.pop(lane, None)
        lane.waiting.append(parcel)
        parcel.lane = lane
        return lane, merged

    def _new(self, keys: set[str]) -> Lane:
        lane = Lane()
        lane.keys = tuple(keys)
        self._lanes.update(dict.fromkeys(keys, lane))
        return lane

    def _lane(self, keys: set[str]) -> tuple[Lane, list[Lane]]:
        """Return the lane of a user some of whose names are known, maybe as several users."""
        new = [key for key in keys if key not in self._lanes]
        lane, *others = dict.fromkeys(self._lanes[key] for key in keys if key in self._lanes)
        for other in others:
            self._merge(lane, other)
        lane.keys += tuple(new)
        self._lanes.update(dict.fromkeys(new, lane))
        return lane, others

    def _merge(self, lane: Lane, other: Lane) -> None:
        self._idle.pop(other, None)
        self._lanes.update(dict.fromkeys(other.keys, lane))
        lane.keys += other.keys
        lane.flying += other.flying
        lane.held |= other.held
        lane.waiting = sorted(lane.waiting + other.waiting, key=_IN_ORDER)
        other.waiting = []
        other.merged_into = lane

    def back(self, parcels: list[Parcel]) -> Iterator[Lane]:
        """Let parcels that were under way wait again, in their turn; yield lanes that are ready."""
        returned: dict[Lane, list[Parcel]] = {}
        for parcel in parcels:
            returned.setdefault(parcel.user, []).append(parcel)
        for lane, theirs in returned.items():
            lane.flying -= len(theirs)
            lane.waiting = sorted(theirs + lane.waiting, key=_IN_ORDER)
        return (lane for lane in returned if lane.is_ready)

    def settled(self, parcel: Parcel) -> Lane | None:
        """Take note that a parcel under way has its outcome; return its lane if it is ready."""
        lane = parcel.lane if parcel.lane.merged_into is None else parcel.user
        lane.flying -= 1
        if lane.flying:
            return None
        if lane.waiting:
            return lane
        self.rest(lane)
        return None

    def rest(self, lane: Lane) -> None:
        """Forget a lane of which nothing waits or is under way, or remember what matters of it."""
        lane.waiting = []
        lane.held = lane.held and self._holds
        if len(lane.keys) == 1 and not lane.held:
            self._forget(lane)
            return
        self._idle[lane] = None
        if len(self._idle) > self._remembered:
            self._forget(self._idle.popitem(last=False)[0])

    def _forget(self, lane: Lane) -> None:
        for key in lane.keys:
            del self._lanes[key]
