"""Translate one Segment event: what Iterable would be sent, or why nothing is.

What may live here: the way an event goes through the decisions, and nothing of any one of them.
"""

from __future__ import annotations

from typing import Any, Final

import attrs

from iterable_destination import classic, validation
from iterable_destination.calls import Call
from iterable_destination.errors import InvalidEvent, Note, Problem
from iterable_destination.events import Event
from iterable_destination.ordinary import ordinary
from iterable_destination.settings import Settings

_DEFAULTS: Final = Settings()


@attrs.frozen
class FailedSubscription:
    """A subscription that an event fired and that gives no call, beside others that do."""

    #: The subscription's name.
    subscription: str
    #: Why, with places in its mapped payload. Never empty.
    problems: tuple[Problem, ...]


@attrs.frozen(slots=False)  # quick to make
class Translation:
    """What became of one event that is not refused."""

    #: The event's ``messageId``, or None if it has none.
    message_id: str | None
    #: The requests to make, in order; the classic mapping makes one or none. Each can be made
    #: whatever becomes of the others, but for an ``UpdateEmail``, which goes out only when the
    #: ``UpdateUser`` just before it was accepted.
    calls: tuple[Call, ...] = ()
    #: Why there are no calls, or None if there are.
    skipped: str | None = None
    #: What was changed, passed over or looks wrong.
    notes: tuple[Note, ...] = ()
    #: The name of the subscription that each call comes from, one for each call; empty in the
    #: classic mapping.
    subscriptions: tuple[str, ...] = ()
    #: Subscriptions that failed beside those that did not; empty in the classic mapping.
    errors: tuple[FailedSubscription, ...] = ()


def translate(event: Any, settings: Settings | None = None) -> Translation:
    """Translate a Segment event as Segment's classic Iterable destination does.

    ``event`` is a Segment event as a ``dict`` or any other ``Mapping``; it is never changed, and
    the result shares no part of it that could change. ``settings`` None is the default settings.

    Raises :exc:`~iterable_destination.errors.InvalidEvent` with every problem of the event (of
    one that has no type, only that), and never anything else for what is in it; but what a
    ``Mapping`` of your own raises when it is read is not caught.
    """
    chosen = settings or _DEFAULTS
    call = ordinary(event, chosen)
    return _carefully(event, chosen) if call is None else Translation(event["messageId"], (call,))


def _carefully(event: Any, settings: Settings) -> Translation:
    """Translate any event, naming all that is to be noted or refused."""
    reading = Event(event)
    call = classic.translate(reading, settings)
    if isinstance(call, str):
        return Translation(reading.message_id, skipped=call, notes=tuple(reading.notes))
    problems = reading.problems + validation.problems(call)
    if problems:
        raise InvalidEvent(problems, reading.message_id)
    return Translation(reading.message_id, (call,), notes=tuple(reading.notes))
