"""Translate page and screen calls: ``POST /api/events/track``, if a setting asks for them."""

from __future__ import annotations

from typing import Any, Final

from iterable_destination.model.calls import TrackEvent
from iterable_destination.model.dates import read_as_unix_seconds
from iterable_destination.model.json_values import SCALARS
from iterable_destination.model.segment_event import SegmentEvent, as_id
from iterable_destination.model.settings import Settings
from iterable_destination.model.validation import event_name_problem

SINGLE_NAMES: Final = {"page": "Loaded a Page", "screen": "Loaded a Screen"}
#: Fields beside a page's properties that are sent with them.
_OWN_FIELDS: Final = ("category", "name")


def track_page(event: SegmentEvent, settings: Settings) -> TrackEvent:
    """Translate a page or screen to an event with the setting's name, or the page's own."""
    own = {key: event.raw[key] for key in _OWN_FIELDS if has_field(event, key)}
    seen = event.fields
    if not own.keys().isdisjoint(seen):
        seen = {key: value for key, value in seen.items() if key not in own}
    fields = event.copier.copy_object(seen, "properties")
    if own:
        fields |= event.copier.copy_object(own, "")
    name, source = _choose_name(event, settings)
    identity = event.identity()
    event.check(source, event_name_problem(name))
    return TrackEvent(identity, name, fields, event.timestamp(read_as_unix_seconds))


def skip_reason(event: SegmentEvent, settings: Settings) -> str | None:
    """Return the reason to skip this page or screen: which settings would send it.

    None if a setting asks for it.
    """
    if (
        settings.track_all_pages
        or (settings.track_categorized_pages and has_field(event, "category"))
        or (settings.track_named_pages and has_field(event, "name"))
    ):
        return None
    would_send = [
        setting
        for key, setting in (("category", "track_categorized_pages"), ("name", "track_named_pages"))
        if has_field(event, key)
    ]
    settings_text = " or ".join([*would_send, "track_all_pages"])
    return f"no setting asks for this {event.type}: {settings_text} would send it"


def has_field(event: SegmentEvent, key: str) -> bool:
    """Whether a page has its name or category beside its properties, where it counts."""
    value = event.get(key)
    return bool(value) if type(value) in SCALARS else True


def _choose_name(event: SegmentEvent, settings: Settings) -> tuple[Any, str]:
    """Choose the event's name; return it, and the place in the event that it comes from."""
    if not settings.map_all_pages_to_single_event_name:
        for key in ("name", "category"):
            if has_field(event, key):
                name = as_id(event.get(key))
                return f"{name} {event.type}" if isinstance(name, str) else name, key
    return SINGLE_NAMES[event.type], "type"
