"""Translate identify calls: ``POST /api/users/update``."""

from __future__ import annotations

from typing import Any, Final

from iterable_destination.model import endpoints
from iterable_destination.model.calls import UpdateUser
from iterable_destination.model.dates import read_as_iterable
from iterable_destination.model.json_copy import data_fields
from iterable_destination.model.json_values import SCALARS
from iterable_destination.model.segment_event import SegmentEvent
from iterable_destination.model.settings import Settings

#: Fields of the context that are sent in the profile. ``timezone`` is sent as ``timeZone``, the
#: others under their own names.
FROM_CONTEXT: Final = (
    "app",
    "device",
    "ip",
    "locale",
    "location",
    "page",
    "timezone",
    "userAgent",
)
#: Traits that are not sent.
LEFT_OUT: Final = frozenset({"id", "timestamp"})

_BOOLEANS: Final = {"true": True, "false": False}


def identify(event: SegmentEvent, _: Settings) -> UpdateUser:
    """Translate an identify: its traits and some of its context become the profile.

    A trait takes precedence over a field of the context with the same name.
    """
    traits = {key: value for key, value in event.fields.items() if key not in LEFT_OUT}
    profile = _copy_context(event) | data_fields(traits, "traits", event.problems)
    _move_phone(event, profile)
    _add_dates(event, profile)
    if None in profile.values():
        for key in [key for key, value in profile.items() if value is None]:
            del profile[key]
    if not endpoints.MANAGED_FIELDS.isdisjoint(profile):
        for key in sorted(endpoints.MANAGED_FIELDS.intersection(profile)):
            event.add_note(f"traits.{key}", "is a field that Iterable keeps itself")
    merge, source = _read_merge_option(event)
    return UpdateUser(event.identity(), profile, merge, sources={"mergeNestedObjects": source})


def _copy_context(event: SegmentEvent) -> dict[str, Any]:
    """Copy the context's fields, under their profile names, unless a trait has that name."""
    names = {key: "timeZone" if key == "timezone" else key for key in FROM_CONTEXT}
    context, traits = event.context, event.fields
    seen = {key: context[key] for key in names if key in context and names[key] not in traits}
    copied = data_fields(seen, event.context_path, event.problems)
    return {names[key]: value for key, value in copied.items()}


def _move_phone(event: SegmentEvent, profile: dict[str, Any]) -> None:
    """Send ``phone``, or the first of ``phones``, as Iterable's ``phoneNumber``."""
    keys = event.keys
    phone, source = None, event.source("phone")
    if "phone" in keys:
        phone = profile.get(keys["phone"])
    if phone is None and "phones" in keys:
        phones = profile.get(keys["phones"])
        phone = phones[0] if isinstance(phones, list) and phones else None
        source = f"{event.source('phones')}[0]"
    if phone is not None:
        profile["phoneNumber"] = phone
        profile.pop("phone", None)
        if isinstance(phone, str) and phone and not phone.startswith("+"):
            event.add_note(source, "Iterable shows a phone number only with + and country code")


def _add_dates(event: SegmentEvent, profile: dict[str, Any]) -> None:
    """Add ``profileUpdatedAt`` from the timestamp and ``met`` from when the user was created."""
    updated = event.timestamp(read_as_iterable)
    if updated is not None:
        profile["profileUpdatedAt"] = updated
    created = event.find("created")
    if type(created) in SCALARS and not created:
        created = event.find("createdat")
    met = read_as_iterable(created)
    if met is not None:
        profile["met"] = met


def _read_merge_option(event: SegmentEvent) -> tuple[Any, str]:
    merge, source = event.option("mergeNestedObjects")
    if isinstance(merge, str) and merge in _BOOLEANS:
        event.add_note(source, f'the string "{merge}", taken as {merge}')
        return _BOOLEANS[merge], source
    return merge, source
