"""Stops: where users wait whose next request goes to the same endpoint, and how one is formed.

What may live here: what goes together in one request.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final

from iterable_destination.delivery.engine.bulk import Bulk, Room, stop_name
from iterable_destination.delivery.engine.envelope import Job, Lane, Parcel
from iterable_destination.model.endpoints import Endpoint


class Stop:
    """Where lanes wait whose next parcel goes to one endpoint."""

    def __init__(self, endpoint: Endpoint, bulk: Bulk | None) -> None:
        #: The endpoint's path, or another name where there are several for one.
        self.name: Final = stop_name(endpoint, bulk)
        self.endpoint: Final = endpoint
        self.bulk: Final = bulk
        self.lanes: Final[OrderedDict[Lane, None]] = OrderedDict()
        #: Parcels and bytes that can go.
        self.items = 0
        self.bytes = 0
        #: Since when there is something.
        self.since = 0.0
        #: Jobs that are to be sent once more, now.
        self.again: Final[deque[Job]] = deque()

    @property
    def is_full(self) -> bool:
        """Whether nothing is gained by waiting for more."""
        if self.bulk is None:
            return self.items > 0
        return self.items >= self.bulk.most_items or self.bytes + self.items - 1 >= self.bulk.room

    def join(self, lane: Lane, run: int, run_bytes: int, now: float) -> None:
        """Let a lane stand in line."""
        if not self.items:
            self.since = now
        lane.stop, lane.run, lane.run_bytes = self, run, run_bytes
        self.lanes[lane] = None
        self.items += run
        self.bytes += run_bytes

    def extend(self, lane: Lane, size: int) -> None:
        """Let one more parcel of a lane in line go with the others of it."""
        lane.run += 1
        lane.run_bytes += size
        self.items += 1
        self.bytes += size

    def takes_more_of(self, lane: Lane) -> bool:
        """Whether the last parcel of a lane in line can go with all that waits before it."""
        if self.bulk is None or self.bulk.one_of_a_user or lane.run < len(lane.waiting) - 1:
            return False
        return lane.waiting[-2].is_at_its_last

    def take(self, now: float) -> list[Parcel]:
        """Take the parcels of the next request out of line; they are under way from now on."""
        parcels: list[Parcel] = []
        room = Room(self.bulk) if self.bulk is not None else None
        is_whole = True
        while self.lanes and is_whole and (room is not None or not parcels):
            lane = next(iter(self.lanes))
            is_whole = _take(lane, room, parcels)
            if lane.flying:
                self.leave(lane)
        self.since = now
        return parcels

    def leave(self, lane: Lane) -> None:
        """Take a lane out of line."""
        del self.lanes[lane]
        self.items -= lane.run
        self.bytes -= lane.run_bytes
        lane.stop, lane.run, lane.run_bytes = None, 0, 0


def _take(lane: Lane, room: Room | None, parcels: list[Parcel]) -> bool:
    """Take of a lane what can go and has room; whether that was all.

    What was tried before goes only with others that were tried in the same way, for the same time.
    """
    taken = 0
    for parcel in lane.waiting[: lane.run]:
        is_another = bool(parcels) and parcel.tries is not parcels[0].tries
        if (is_another and parcel.tries != parcels[0].tries) or (
            room is not None and not room.take(parcel.item)
        ):
            break
        parcels.append(parcel)
        taken += 1
    del lane.waiting[:taken]
    lane.flying += taken
    return taken == lane.run


def boundary(lanes: list[Lane]) -> int | None:
    """Return where to split a list nearest to its middle, but between two different lanes."""
    middle = len(lanes) // 2
    boundaries = (index for index in range(1, len(lanes)) if lanes[index - 1] is not lanes[index])
    return min(boundaries, key=lambda index: abs(index - middle), default=None)
