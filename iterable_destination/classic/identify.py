"""identify → ``POST /api/users/update``."""

from __future__ import annotations

from typing import Any, Final

from iterable_destination import endpoints
from iterable_destination.calls import UpdateUser
from iterable_destination.data_fields import data_fields
from iterable_destination.dates import read_date, to_iterable
from iterable_destination.events import Event, Fields
from iterable_destination.settings import Settings

#: Fields of the context that go on the profile.
_FROM_CONTEXT: Final = (
    "app",
    "device",
    "ip",
    "locale",
    "location",
    "page",
    "timezone",
    "userAgent",
)
#: Traits that do not go on the profile.
_LEFT_OUT: Final = ("id", "timestamp")

_BOOLEANS: Final = {"true": True, "false": False}


def identify(event: Event, _: Settings) -> UpdateUser:
    """Translate an identify: the traits laid over some of the context become the profile."""
    traits = event.traits
    profile = _from_context(event, traits)
    profile |= data_fields(traits.values, traits.path, event.problems)
    for key in _LEFT_OUT:
        profile.pop(key, None)
    _move_phone(event, traits, profile)
    _add_dates(event, traits, profile)
    if None in profile.values():
        profile = {key: value for key, value in profile.items() if value is not None}
    if not endpoints.MANAGED_FIELDS.isdisjoint(profile):
        for key in sorted(endpoints.MANAGED_FIELDS.intersection(profile)):
            event.note(f"{traits.path}.{key}", "is a field that Iterable keeps itself")
    merge, source = _merge_nested_objects(event)
    return UpdateUser(
        event.identity(traits), profile, merge, sources={"mergeNestedObjects": source}
    )


def _from_context(event: Event, traits: Fields) -> dict[str, Any]:
    context = event.context
    seen: dict[str, Any] = {
        key: context[key]
        for key in _FROM_CONTEXT
        if key in context and _on_profile(key) not in traits.values
    }
    copied = data_fields(seen, event.context_path, event.problems)
    if "timezone" in copied:
        copied[_on_profile("timezone")] = copied.pop("timezone")
    return copied


def _on_profile(key: str) -> str:
    return "timeZone" if key == "timezone" else key


def _move_phone(event: Event, traits: Fields, profile: dict[str, Any]) -> None:
    """``phone``, or the first of ``phones``, becomes Iterable's ``phoneNumber``."""
    source = traits.source("phone")
    phone = profile.get(traits.keys.get("phone", ""))
    if phone is None:
        phones = profile.get(traits.keys.get("phones", ""))
        phone = phones[0] if isinstance(phones, list) and phones else None
        source = f"{traits.source('phones')}[0]"
    if phone is not None:
        profile["phoneNumber"] = phone
        profile.pop("phone", None)
        if isinstance(phone, str) and phone and not phone.startswith("+"):
            event.note(source, "Iterable shows a phone number only with + and country code")


def _add_dates(event: Event, traits: Fields, profile: dict[str, Any]) -> None:
    """Add when the profile was updated, and since when the user is known (``met``)."""
    moment = event.timestamp()
    if moment is not None:
        profile["profileUpdatedAt"] = to_iterable(moment)
    created = read_date(traits.get("created") or traits.get("createdat"))
    if created is not None:
        profile["met"] = to_iterable(created)


def _merge_nested_objects(event: Event) -> tuple[Any, str]:
    merge, source = event.option("mergeNestedObjects")
    if isinstance(merge, str) and merge in _BOOLEANS:
        event.note(source, f'the string "{merge}", taken as {merge}')
        return _BOOLEANS[merge], source
    return merge, source
