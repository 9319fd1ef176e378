"""Translate track calls: ``POST /api/events/track``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from iterable_destination.model.calls import TrackEvent
from iterable_destination.model.dates import read_as_unix_seconds
from iterable_destination.model.json_copy import data_fields
from iterable_destination.model.segment_event import SegmentEvent
from iterable_destination.model.settings import Settings

_SOURCES: Final[Mapping[str, str]] = {"eventName": "event"}


def track(event: SegmentEvent, _: Settings) -> TrackEvent:
    """Translate a track: all its properties become the event's fields."""
    return TrackEvent(
        event.identity(),
        event.get("event"),
        data_fields(event.fields, "properties", event.problems),
        event.timestamp(read_as_unix_seconds),
        sources=_SOURCES,
    )
