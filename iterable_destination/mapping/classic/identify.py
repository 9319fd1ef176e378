"""Translate identify calls: ``POST /api/users/update``."""

from __future__ import annotations

from typing import Any, Final

from iterable_destination.errors import Reason
from iterable_destination.model.calls import UpdateUser
from iterable_destination.model.dates import is_ambiguous, read_as_iterable
from iterable_destination.model.field_names import FieldNames
from iterable_destination.model.json_values import SCALARS
from iterable_destination.model.segment_event import SegmentEvent, as_id
from iterable_destination.model.settings import Settings
from iterable_destination.model.validation import MANAGED, find_managed_fields, merge_problem

#: Fields of the context that are sent in the profile.
FROM_CONTEXT: Final = ("app", "device", "ip", "locale", "location", "page", "userAgent")
#: The one that is sent as ``timeZone``, in whichever spelling it is there.
_TIME_ZONE: Final = FieldNames(("timezone",))
#: Traits that are not sent.
LEFT_OUT: Final = frozenset({"id", "timestamp"})

_BOOLEANS: Final = {"true": True, "false": False}

_NO_PLUS: Final = Reason(
    "phone-without-plus", "Iterable shows a phone number only with + and country code"
)
_PHONE_AS_STRING: Final = Reason(
    "sent-as-string", "a number, sent as a string; write it with + and country code"
)
_NO_MET: Final = Reason("ambiguous-date", "can be read as two dates, so it gives no met")


def identify(event: SegmentEvent, _: Settings) -> UpdateUser:
    """Translate an identify: its traits and some of its context become the profile.

    A trait takes precedence over a field of the context with the same name.
    """
    traits = event.fields
    if not LEFT_OUT.isdisjoint(traits):
        traits = {key: value for key, value in traits.items() if key not in LEFT_OUT}
    from_context = _copy_context(event)
    profile = event.copier.copy_object(traits, event.path)
    profile |= from_context
    _move_phone(event, profile)
    _add_dates(event, profile)
    if None in profile.values():
        for key in [key for key, value in profile.items() if value is None]:
            del profile[key]
    for key in find_managed_fields(profile):
        event.add_note(f"{event.path}.{key}", MANAGED)
    merge, source = _read_merge_option(event)
    identity = event.identity()
    event.check(source, merge_problem(merge))
    return UpdateUser(identity, profile, merge)


def _copy_context(event: SegmentEvent) -> dict[str, Any]:
    """Copy the context's fields, under their profile names, unless a trait has that name."""
    context, traits = event.context, event.fields
    seen = {key: context[key] for key in FROM_CONTEXT if key in context and key not in traits}
    time_zone = "timezone"
    if context and time_zone not in context:
        time_zone = _TIME_ZONE.find_keys(context)[time_zone]
    if time_zone in context and "timeZone" not in traits:
        seen[time_zone] = context[time_zone]
    copied = event.copier.copy_object(seen, event.context_path)
    if time_zone in copied:
        copied["timeZone"] = copied.pop(time_zone)
    return copied


def _move_phone(event: SegmentEvent, profile: dict[str, Any]) -> None:
    """Send the phone number as Iterable's ``phoneNumber``, a string."""
    keys = event.keys
    if not (keys["phone"] in profile or keys["phones"] in profile or "phoneNumber" in profile):
        return
    phone, source = _find_phone(event, profile)
    if phone is None:
        return
    if isinstance(phone, str):
        if phone and phone[0] != "+":
            event.add_note(source, _NO_PLUS)
    elif (text := as_id(phone)) is not phone:
        event.add_note(source, _PHONE_AS_STRING)
        phone = text
    profile["phoneNumber"] = phone
    profile.pop("phone", None)


def _find_phone(event: SegmentEvent, profile: dict[str, Any]) -> tuple[Any, str]:
    """Return ``phone``, else the first of ``phones``, else ``phoneNumber``, and its place.

    An empty one counts only if all are empty: then it empties what is there.
    """
    phone = profile.get(event.keys["phone"])
    if phone:
        return phone, event.source("phone")
    phones = profile.get(event.keys["phones"])
    first = phones[0] if isinstance(phones, list) and phones else None
    if first:
        return first, event.source("phones") + "[0]"
    own = profile.get("phoneNumber")
    if own:
        return own, f"{event.path}.phoneNumber"
    return next((each for each in (phone, first, own) if each is not None), None), event.path


def _add_dates(event: SegmentEvent, profile: dict[str, Any]) -> None:
    """Add ``profileUpdatedAt`` from the timestamp and ``met`` from when the user was created."""
    updated = event.timestamp(read_as_iterable)
    if updated is not None:
        profile["profileUpdatedAt"] = updated
    name = "created"
    created = event.find(name)
    if type(created) in SCALARS and not created:
        name = "createdat"
        created = event.find(name)
    if created is None:
        return
    copied = profile.get(event.keys[name])
    was_a_date = type(copied) is str and copied != created  # and is one in Iterable's form now
    met = copied if was_a_date else read_as_iterable(created)
    if met is not None:
        profile["met"] = met
    elif is_ambiguous(created):
        event.add_note(event.source(name), _NO_MET)


def _read_merge_option(event: SegmentEvent) -> tuple[Any, str]:
    merge, source = event.option("mergeNestedObjects")
    if isinstance(merge, str) and merge in _BOOLEANS:
        words = f'the string "{merge}", taken as {merge}'
        event.add_note(source, Reason("sent-as-boolean", words))
        return _BOOLEANS[merge], source
    return merge, source
