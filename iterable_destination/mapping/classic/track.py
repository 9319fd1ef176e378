"""Translate track calls: ``POST /api/events/track``."""

from __future__ import annotations

from iterable_destination.model.calls import TrackEvent
from iterable_destination.model.dates import read_as_unix_seconds
from iterable_destination.model.segment_event import SegmentEvent
from iterable_destination.model.settings import Settings
from iterable_destination.model.validation import event_name_problem


def track(event: SegmentEvent, _: Settings) -> TrackEvent:
    """Translate a track: all its properties become the event's fields."""
    identity, name = event.identity(), event.get("event")
    event.check("event", event_name_problem(name))
    fields = event.copier.copy_object(event.fields, "properties")
    return TrackEvent(identity, name, fields, event.timestamp(read_as_unix_seconds))
