"""Options of the source: what a user can choose about Iterable's webhooks.

What may live here: the options, what is a wrong one, and which events they let pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import attrs

from iterable_destination.errors import InvalidSettings
from iterable_destination.model.endpoints import MAX_SEGMENT_EVENT_BYTES
from iterable_destination.model.json_copy import surrogate_problem
from iterable_destination.model.json_values import as_object, describe_type
from iterable_destination.source.collections import COLLECTIONS, SEND_SKIPS, is_email
from iterable_destination.source.names import AS_THEY_ARE, SNAKE_CASE, Names


def _boolean(_: Any, attribute: attrs.Attribute[bool], value: Any) -> None:
    if not isinstance(value, bool):
        raise InvalidSettings(
            f"{attribute.name}: must be true or false, not {describe_type(value)}"
        )


def _size(_: Any, attribute: attrs.Attribute[int], value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidSettings(f"{attribute.name}: must be a whole number of at least 1")


def _copied(value: Any) -> Any:
    """Return a copy of a mapping that nobody else can change; what is none is refused later."""
    names = as_object(value)
    return value if names is None else dict(names)


def _names(_: Any, attribute: attrs.Attribute[Mapping[str, str]], value: Any) -> None:
    if not isinstance(value, dict):
        raise InvalidSettings(f"{attribute.name}: must be an object, not {describe_type(value)}")
    for name in (*value, *value.values()):
        if not isinstance(name, str) or not name:
            raise InvalidSettings(f"{attribute.name}: names must be strings and not empty")
        if surrogate_problem(name):
            raise InvalidSettings(f"{attribute.name}: names must be Unicode text")
    if len({wire.lower() for wire in value}) < len(value):
        raise InvalidSettings(f"{attribute.name}: names must differ in more than their case")


class Event(NamedTuple):
    """What an ``eventName`` becomes."""

    #: The name of Segment's event.
    name: str
    #: Whether it is about email, and so follows Segment's email spec.
    of_email: bool


@attrs.frozen(kw_only=True)
class SourceOptions:
    """What can be chosen. Immutable; a wrong type or value raises :exc:`InvalidSettings`."""

    #: More events, or other names for those that are known: Iterable's ``eventName``, whose case
    #: does not matter, and the name of Segment's event.
    extra_names: Mapping[str, str] = attrs.field(
        factory=dict, converter=_copied, validator=_names, hash=False
    )
    #: Send the five events that tell of a message that was *not* sent, such as
    #: ``Email Send Skip``; otherwise they are ignored.
    send_skips: bool = attrs.field(default=False, validator=_boolean)
    #: Keep Iterable's spelling of fields (``campaignId``); otherwise ``campaign_id``.
    keep_spelling: bool = attrs.field(default=False, validator=_boolean)
    #: Tell Segment not to send the event on to Iterable, where it comes from.
    loop_guard: bool = attrs.field(default=False, validator=_boolean)
    #: The largest event, in bytes of JSON. Segment takes 32 KB.
    max_bytes: int = attrs.field(default=MAX_SEGMENT_EVENT_BYTES, validator=_size)
    #: Every event that is sent, by its ``eventName`` without case.
    events: dict[str, Event] = attrs.field(init=False, eq=False, repr=False)
    #: The name of a property for every key there can be.
    names: Names = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        known = COLLECTIONS + (SEND_SKIPS if self.send_skips else ())
        events = {collection.wire: collection.name for collection in known}
        found = {
            wire.lower(): Event(name, is_email(wire))
            for wire, name in (*events.items(), *self.extra_names.items())
        }
        object.__setattr__(self, "events", found)
        object.__setattr__(self, "names", AS_THEY_ARE if self.keep_spelling else SNAKE_CASE)

    def __reduce__(self) -> tuple[Any, ...]:
        chosen = {
            field.name: getattr(self, field.name)
            for field in attrs.fields(type(self))
            if field.init
        }
        return _made, (chosen,)

    def event(self, wire: str) -> Event | None:
        """Return what an ``eventName`` becomes; None if it is not sent."""
        return self.events.get(wire.lower())


def _made(chosen: dict[str, Any]) -> SourceOptions:
    return SourceOptions(**chosen)


DEFAULTS: Final = SourceOptions()
