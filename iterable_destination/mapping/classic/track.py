"""Translate track calls: ``POST /api/events/track``."""

from __future__ import annotations

from typing import Final

from iterable_destination.model.calls import TrackEvent
from iterable_destination.model.dates import read_as_unix_seconds
from iterable_destination.model.field_names import find_folded
from iterable_destination.model.json_values import is_blank
from iterable_destination.model.segment_event import SegmentEvent
from iterable_destination.model.settings import Settings
from iterable_destination.model.validation import event_name_problem, missing_problem

#: Keys at the top of an event that may be meant for its name, folded; they are not read as one.
_NO_EVENTS: Final = frozenset({"name", "eventname"})


def track(event: SegmentEvent, _: Settings) -> TrackEvent:
    """Translate a track: all its properties become the event's fields."""
    identity, name = event.identity(), event.get("event")
    problem = event_name_problem(name)
    if problem is not None and is_blank(name):
        problem = missing_problem(find_folded(event.raw, _NO_EVENTS))
    event.check("event", problem)
    fields = event.copier.copy_object(event.fields, "properties")
    return TrackEvent(identity, name, fields, event.timestamp(read_as_unix_seconds))
