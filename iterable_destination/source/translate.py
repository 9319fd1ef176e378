"""Translate a webhook of Iterable's: to a track call for Segment, or to why there is none."""

from __future__ import annotations

from typing import Any, Final

import attrs

from iterable_destination.errors import InvalidWebhook, Reason, list_notes, shortened
from iterable_destination.model.json_codec import canonical
from iterable_destination.model.segment_track import Ignored, SegmentTrack, message_id
from iterable_destination.source.collections import SEND_SKIPS
from iterable_destination.source.options import DEFAULTS, Event, SourceOptions
from iterable_destination.source.properties import context, derive
from iterable_destination.source.size_limit import leave_out, surely_fits
from iterable_destination.source.webhook import Webhook, as_webhook, event_name


def to_segment(webhook: Any, options: SourceOptions | None = None) -> SegmentTrack | Ignored:
    """Translate a webhook of Iterable's to the event that Segment's Iterable source makes of it.

    ``webhook`` is the body of the request, read, as a ``dict`` or any other ``Mapping``; it is
    never changed, and the result shares no part of it that could change. ``options`` None is the
    default options.

    Raises :exc:`~iterable_destination.errors.InvalidWebhook` with every problem of the webhook,
    and never anything else for what is in it; but what a ``Mapping`` of your own raises when it is
    read is not caught. A webhook that is ignored for its name is not judged.
    """
    chosen = options or DEFAULTS
    body = as_webhook(webhook)
    wire = event_name(body)
    event = None if wire is None else chosen.event(wire)
    if wire is not None and event is None:
        return Ignored(wire, _reason(wire))
    reading = Webhook(body)
    if event is None or reading.problems:
        raise InvalidWebhook(reading.problems)
    return _track(event, reading, chosen)


def _track(event: Event, webhook: Webhook, options: SourceOptions) -> SegmentTrack:
    """Return the track call of a webhook that is a good one, if it is not too large."""
    names = options.names

    def add_note(name: str, reason: Reason) -> None:
        webhook.note_field(name, names, reason)

    named = webhook.name_fields(names)
    derive(named, names, add_note, of_email=event.of_email)
    its_context = context(named, names, webhook.email, add_note)
    text = canonical(webhook.body, is_usual=not webhook.has_unusual_number)
    track = SegmentTrack(
        event.name,
        webhook.user_id,
        webhook.email if webhook.user_id is None else None,
        named,
        its_context,
        webhook.timestamp,
        message_id(text),
        {"Iterable": False} if options.loop_guard else None,
        list_notes(webhook.notes),
    )
    if surely_fits(len(text) + len(event.name), options.max_bytes):
        return track
    leave_out(track, names, add_note, options.max_bytes)
    return attrs.evolve(track, notes=list_notes(webhook.notes))


_SKIPS: Final = frozenset(collection.wire.lower() for collection in SEND_SKIPS)


def _reason(wire: str) -> str:
    longest = 40
    shown = shortened(wire if len(wire) <= longest else f"{wire[:longest]}…")
    if wire.lower() in _SKIPS:
        return f"{shown} tells of a message that was not sent: send_skips would send it on"
    return f"{shown} is no event of Segment's Iterable source: extra_names can give it a name"
