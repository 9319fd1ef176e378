"""Options of the source: which of Iterable's webhooks are sent to Segment, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import attrs

from iterable_destination.errors import InvalidSettings
from iterable_destination.model.endpoints import MAX_SEGMENT_EVENT_BYTES
from iterable_destination.model.json_copy import surrogate_problem
from iterable_destination.model.json_values import as_object, describe_type
from iterable_destination.model.settings import check_boolean, validate
from iterable_destination.source.collections import COLLECTIONS, SEND_SKIPS, is_email
from iterable_destination.source.names import SNAKE_CASE, UNCHANGED, Names


def _check_size(name: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidSettings(f"{name}: must be a whole number of at least 1")


def _copy_names(value: Any) -> Any:
    """Return a copy of a mapping, so that its owner cannot change it; any other value as it is."""
    names = as_object(value)
    return value if names is None else dict(names)


def _check_names(name: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise InvalidSettings(f"{name}: must be an object, not {describe_type(value)}")
    for each in (*value, *value.values()):
        if not isinstance(each, str) or not each:
            raise InvalidSettings(f"{name}: names must be strings and not empty")
        if surrogate_problem(each):
            raise InvalidSettings(f"{name}: names must be Unicode text")
    if len({wire.lower() for wire in value}) < len(value):
        raise InvalidSettings(f"{name}: names must differ in more than their case")


class Event(NamedTuple):
    """The Segment event that an ``eventName`` becomes."""

    #: The name of Segment's event.
    name: str
    #: Whether it is about email, so that Segment's email spec applies.
    of_email: bool


@attrs.frozen(kw_only=True)
class SourceOptions:
    """Options of the source. Immutable; a wrong type or value raises :exc:`InvalidSettings`."""

    #: Additional events, or other names for known ones: from Iterable's ``eventName``, whose case
    #: does not matter, to the name of Segment's event.
    extra_names: Mapping[str, str] = attrs.field(
        factory=dict, converter=_copy_names, validator=validate(_check_names), hash=False
    )
    #: Send the five events that report a message that was *not* sent, such as ``Email Send Skip``;
    #: otherwise they are ignored.
    send_skips: bool = attrs.field(default=False, validator=validate(check_boolean))
    #: Keep Iterable's spelling of fields (``campaignId``); otherwise ``campaign_id``.
    keep_spelling: bool = attrs.field(default=False, validator=validate(check_boolean))
    #: Add ``integrations``, so that Segment does not send the event back to Iterable.
    loop_guard: bool = attrs.field(default=False, validator=validate(check_boolean))
    #: The maximum size of an event, in bytes of JSON. Segment takes 32 KB.
    max_bytes: int = attrs.field(default=MAX_SEGMENT_EVENT_BYTES, validator=validate(_check_size))
    #: Every event that is sent, by its ``eventName`` in lower case.
    events: dict[str, Event] = attrs.field(init=False, eq=False, repr=False)
    #: The names of properties, by the keys of fields.
    names: Names = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        known = COLLECTIONS + (SEND_SKIPS if self.send_skips else ())
        names = {collection.wire: collection.name for collection in known}
        events = {
            wire.lower(): Event(name, is_email(wire))
            for wire, name in (*names.items(), *self.extra_names.items())
        }
        object.__setattr__(self, "events", events)
        object.__setattr__(self, "names", UNCHANGED if self.keep_spelling else SNAKE_CASE)

    def __reduce__(self) -> tuple[Any, ...]:
        chosen = {
            field.name: getattr(self, field.name)
            for field in attrs.fields(type(self))
            if field.init
        }
        return _restore, (chosen,)

    def event(self, wire: str) -> Event | None:
        """Return the Segment event that an ``eventName`` becomes; None if it is not sent."""
        return self.events.get(wire.lower())


def _restore(chosen: dict[str, Any]) -> SourceOptions:
    return SourceOptions(**chosen)


DEFAULTS: Final = SourceOptions()
