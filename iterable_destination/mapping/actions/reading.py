"""An event as a mapped destination reads it: what must be known before any trigger is asked.

What may live here: the event's type, its id, and whether it is meant for this destination. All
else is for the subscriptions to say.
"""

from __future__ import annotations

from typing import Any, Final

from iterable_destination.errors import InvalidEvent, Problem
from iterable_destination.model.json_values import as_object, describe_type, is_blank, scalar
from iterable_destination.model.segment_event import as_id

#: The names under which an event's ``integrations`` speak of this destination; the first that is
#: there counts. The last is that of the classic one.
NAMES: Final = ("Iterable (Actions)", "Actions Iterable", "Iterable")
_EVERYWHERE: Final = ("All", "all")


class Reading:
    """One event, read as far as every subscription needs it."""

    __slots__ = ("body", "message_id", "switched_off")

    def __init__(self, event: Any) -> None:
        """Read an event; raises :exc:`InvalidEvent` if it is no object or has no type."""
        body = as_object(event)
        if body is None:
            raise InvalidEvent([Problem("$", f"an event is an object, not {describe_type(event)}")])
        self.body: dict[Any, Any] = body
        its_id = body.get("messageId")
        if type(its_id) is not str:
            its_id = as_id(scalar(its_id))
        #: The event's ``messageId`` as a string, or None.
        self.message_id: str | None = its_id if isinstance(its_id, str) else None
        self._check_type()
        integrations = body.get("integrations")
        #: Why the event is not for this destination, or None if it is.
        self.switched_off = _switched_off(integrations) if integrations else None

    def _check_type(self) -> None:
        its_type = self.body.get("type")
        if type(its_type) is str and its_type:
            return
        its_type = scalar(its_type)
        if is_blank(its_type):
            raise InvalidEvent([Problem("type", "missing")], self.message_id)
        if not isinstance(its_type, str):
            message = f"must be a string, not {describe_type(its_type)}"
            raise InvalidEvent([Problem("type", message)], self.message_id)


def _switched_off(integrations: Any) -> str | None:
    given = as_object(integrations) or {}
    for name in NAMES:
        if name in given:
            return f"integrations.{name} is false" if scalar(given[name]) is False else None
    for name in _EVERYWHERE:
        if scalar(given.get(name)) is False:
            return f"integrations.{name} is false and integrations.{NAMES[0]} is absent"
    return None
