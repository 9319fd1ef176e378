"""page and screen → ``POST /api/events/track``, if a setting asks for them."""

from __future__ import annotations

from typing import Any, Final

from iterable_destination.model.calls import TrackEvent
from iterable_destination.model.dates import read_as_unix_seconds
from iterable_destination.model.json_copy import data_fields
from iterable_destination.model.json_values import SCALARS
from iterable_destination.model.segment_event import SegmentEvent, as_id
from iterable_destination.model.settings import Settings

SINGLE_NAMES: Final = {"page": "Loaded a Page", "screen": "Loaded a Screen"}
#: The call's own fields that are added to its properties.
_OWN: Final = ("category", "name")


def page(event: SegmentEvent, settings: Settings) -> TrackEvent:
    """Translate a page or screen: an event named by the setting, or after the page."""
    own = {key: event.raw[key] for key in _OWN if has(event, key)}
    seen = {key: value for key, value in event.fields.items() if key not in own}
    fields = data_fields(seen, "properties", event.problems)
    fields |= data_fields(own, "", event.problems)
    name, source = _event_name(event, settings)
    return TrackEvent(
        event.identity(),
        name,
        fields,
        event.timestamp(read_as_unix_seconds),
        sources={"eventName": source},
    )


def not_asked_for(event: SegmentEvent, settings: Settings) -> str | None:
    """Say which setting would send this page or screen, or None if one does."""
    if (
        settings.track_all_pages
        or (settings.track_categorized_pages and has(event, "category"))
        or (settings.track_named_pages and has(event, "name"))
    ):
        return None
    would_send = [
        setting
        for key, setting in (("category", "track_categorized_pages"), ("name", "track_named_pages"))
        if has(event, key)
    ]
    settings_text = " or ".join([*would_send, "track_all_pages"])
    return f"no setting asks for this {event.type}: {settings_text} would send it"


def has(event: SegmentEvent, key: str) -> bool:
    """Whether a page says its name or category; properties of that name do not count."""
    value = event.get(key)
    return bool(value) if type(value) in SCALARS else True


def _event_name(event: SegmentEvent, settings: Settings) -> tuple[Any, str]:
    """Return the event's name, and the place in the event that it is made from."""
    if not settings.map_all_pages_to_single_event_name:
        for key in ("name", "category"):
            if has(event, key):
                name = as_id(event.get(key))
                return f"{name} {event.type}" if isinstance(name, str) else name, key
    return SINGLE_NAMES[event.type], "type"
