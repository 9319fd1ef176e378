"""Size: what is left out of an event that is larger than Segment takes.

What may live here: how large an event is, and what can go.
"""

from __future__ import annotations

from iterable_destination.errors import InvalidWebhook, Problem
from iterable_destination.model.json_codec import encode
from iterable_destination.model.segment_track import SegmentTrack
from iterable_destination.source.names import Names
from iterable_destination.source.properties import TakesNote


def surely_fits(length: int, most: int) -> bool:
    """Whether the event of a webhook of so many bytes cannot be too large.

    A key can double when it is spelled anew; a link, a list and an email can come again; and an id
    can become a long string.
    """
    return 6 * length + 3_000 <= most


def size(track: SegmentTrack) -> int:
    """Return how many bytes of JSON an event has in a batch, where it also says its type."""
    return len(encode(track.batch_item()))


def leave_out(track: SegmentTrack, names: Names, note: TakesNote, most: int) -> None:
    """Leave properties out of an event until it has at most so many bytes.

    The largest of those that can go is the first to go. Raises :exc:`InvalidWebhook` if the event
    is still too large without all of them.
    """
    named = track.properties
    can_go = [name for name in names.can_go if name in named]
    can_go.sort(key=lambda name: len(encode(named[name])))
    while (now := size(track)) > most:
        if not can_go:
            message = f"is {now:,} bytes long as an event, where at most {most:,} are taken"
            raise InvalidWebhook([Problem("$", message)])
        largest = can_go.pop()
        note(largest, f"left out: with it the event is {now:,} bytes long")
        del named[largest]
