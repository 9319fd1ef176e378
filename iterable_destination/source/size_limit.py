"""The size limit: leave properties out of an event that is larger than Segment takes."""

from __future__ import annotations

from iterable_destination.errors import InvalidWebhook, Reason
from iterable_destination.model.json_codec import encode
from iterable_destination.model.segment_track import SegmentTrack
from iterable_destination.source.names import Names
from iterable_destination.source.properties import TakesNote


def surely_fits(length: int, most: int) -> bool:
    """Whether the event of a webhook of ``length`` bytes surely has at most ``most`` bytes.

    It is larger than the webhook, because a key can double in snake_case; a link, a list and an
    email can appear twice; and an id can become a long string.
    """
    return 6 * length + 3_000 <= most


def size(track: SegmentTrack) -> int:
    """Return the size of an event in a batch, where it also has its type, in bytes of JSON."""
    return len(encode(track.batch_item()))


def leave_out(track: SegmentTrack, names: Names, note: TakesNote, most: int) -> None:
    """Leave properties out of an event until it has at most ``most`` bytes.

    The largest of the removable properties is left out first. Raises :exc:`InvalidWebhook` if the
    event is still too large without all of them.
    """
    named = track.properties
    removable = [name for name in names.removable if name in named]
    removable.sort(key=lambda name: len(encode(named[name])))
    while (now := size(track)) > most:
        if not removable:
            words = f"is {now:,} bytes long as an event, where at most {most:,} are taken"
            raise InvalidWebhook([Reason("too-large", words).problem_at("$")])
        largest = removable.pop()
        words = f"left out: with it the event is {now:,} bytes long"
        note(largest, Reason("too-large", words))
        del named[largest]
