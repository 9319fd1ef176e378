"""Size: what is left out of an event that is larger than Segment takes.

What may live here: how large an event is, and what can go.
"""

from __future__ import annotations

from typing import Final

import attrs

from iterable_destination.errors import InvalidWebhook, Problem
from iterable_destination.json_codec import encode
from iterable_destination.source.properties import Properties
from iterable_destination.source.track import SegmentTrack

#: What can be left out, by Iterable's key.
_CAN_GO: Final = ("inAppBody", "transactionalData", "dataFeed")


def fitted(track: SegmentTrack, properties: Properties, most: int) -> SegmentTrack:
    """Return an event that has at most so many bytes: itself, or with some properties left out.

    The largest of those that can go is the first to go. Raises :exc:`InvalidWebhook` if the event
    is still too large without all of them.
    """
    size = _size(track)
    if size <= most:
        return track
    can_go = sorted(filter(properties.has, _CAN_GO), key=properties.size)
    while size > most:
        if not can_go:
            message = f"is {size:,} bytes long as an event, where at most {most:,} are taken"
            raise InvalidWebhook([Problem("$", message)])
        largest = can_go.pop()
        properties.leave_out(largest, f"left out: with it the event has {size:,} bytes")
        size = _size(track)
    return attrs.evolve(track, notes=properties.notes)


def surely_fits(length: int, most: int) -> bool:
    """Whether the event of a webhook of so many bytes cannot be too large.

    A key can double when it is spelled anew, a link, a list and an email can come again, and an id
    can become a long string.
    """
    return 6 * length + 3_000 <= most


def _size(track: SegmentTrack) -> int:
    """Return how many bytes of JSON an event has in a batch, where it also says its type."""
    return len(encode({"type": "track", **track.body()}))
