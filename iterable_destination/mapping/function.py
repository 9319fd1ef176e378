"""Destination functions: the user's own code around a mapping, a method for each call type."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import attrs

from iterable_destination.errors import (
    DropEvent,
    EventNotSupported,
    FunctionError,
    FunctionFailed,
    Invalid,
    InvalidEvent,
    InvalidSubscription,
    Problem,
    Reason,
)
from iterable_destination.mapping.translate import translate, translator_for
from iterable_destination.model import validation
from iterable_destination.model.calls import Call, TrackEvent, TrackPurchase, UpdateUser
from iterable_destination.model.json_codec import encode
from iterable_destination.model.json_copy import data_fields, is_unreadable
from iterable_destination.model.json_values import describe_type
from iterable_destination.model.segment_event import (
    SegmentEvent,
    not_an_event,
    read_header,
    unreadable_event,
)
from iterable_destination.model.serialization import serialize_event
from iterable_destination.model.settings import Settings
from iterable_destination.model.translation import Translation

#: What a method may return: the requests to make, or None for none.
Returned = Translation | Call | Iterable[Call] | None

_NOT_JSON: Final = Reason("not-json", "a call of the function has a value that JSON cannot hold")

#: Segment's call types, and the methods that are given their events.
METHODS: Final = {
    "identify": "on_identify",
    "track": "on_track",
    "page": "on_page",
    "screen": "on_screen",
    "group": "on_group",
    "alias": "on_alias",
    "delete": "on_delete",
}


class DestinationFunction:
    """A translator that is made by subclassing: ``Destination(settings, translator=Mine())``.

    There is a method for each of Segment's call types. It is given the event as plain JSON in a
    ``dict`` of its own, to be changed as it likes, and the settings. It returns a
    :class:`Translation`, one call or several, in the order in which they are to be sent, or None
    if nothing is to be sent. It may also raise:

    - :exc:`DropEvent` or :exc:`EventNotSupported`: the event is skipped.
    - :exc:`InvalidEventPayload`, :exc:`ValidationError` or :exc:`InvalidEvent`: it is rejected.
    - :exc:`RetryError`: it is retryable. Nothing is sent of it, and later events of the user it
      was about as it was handed in wait until it was handed in again.
    - anything else: it is rejected with :exc:`FunctionFailed`.

    The methods are called in whichever threads hand in events, and again for an event that is
    handed in again: they should not act on anything outside.
    """

    def on_identify(self, event: dict[str, Any], settings: Settings, /) -> Returned:
        """Return the calls of an identify; by default what :meth:`translate` makes of it."""
        return self.translate(event, settings)

    def on_track(self, event: dict[str, Any], settings: Settings, /) -> Returned:
        """Return the calls of a track; by default what :meth:`translate` makes of it."""
        return self.translate(event, settings)

    def on_page(self, event: dict[str, Any], settings: Settings, /) -> Returned:
        """Return the calls of a page; by default what :meth:`translate` makes of it."""
        return self.translate(event, settings)

    def on_screen(self, event: dict[str, Any], settings: Settings, /) -> Returned:
        """Return the calls of a screen; by default what :meth:`translate` makes of it."""
        return self.translate(event, settings)

    def on_group(self, event: dict[str, Any], settings: Settings, /) -> Returned:
        """Return the calls of a group; by default what :meth:`translate` makes of it."""
        return self.translate(event, settings)

    def on_alias(self, event: dict[str, Any], settings: Settings, /) -> Returned:
        """Return the calls of an alias; by default what :meth:`translate` makes of it."""
        return self.translate(event, settings)

    def on_delete(self, event: dict[str, Any], settings: Settings, /) -> Returned:
        """Return the calls of a delete; by default what :meth:`translate` makes of it."""
        return self.translate(event, settings)

    def translate(self, event: dict[str, Any], settings: Settings, /) -> Translation:
        """Translate an event as there were no function: as :func:`translate` does by default.

        That is the classic mapping, or the mappings that the settings have.
        """
        return translate(event, settings)

    def __call__(self, event: Any, settings: Settings, /) -> Translation:
        """Translate a Segment event by the method of its call type.

        What is switched off for Iterable by the event's ``integrations`` goes to :meth:`translate`
        at once. ``event`` is read once, and never changed.

        Raises :exc:`InvalidEvent` for an event that cannot be read, or calls that cannot be sent,
        :exc:`InvalidSubscription` for mistakes in the settings' mappings, and
        :exc:`FunctionError` as the method does, but neither :exc:`DropEvent` nor
        :exc:`EventNotSupported`: these are the reason why there are no calls.
        """
        reading = _read(event)
        if translator_for(settings).skip_reason(reading) is not None:
            return self.translate(reading.raw, settings)
        identity = reading.identity()  # as it came, since the method may change the event
        try:
            translation = self._call_method(reading, settings)
        except (DropEvent, EventNotSupported) as reason:
            return Translation(reading.message_id, skipped=str(reason), identity=identity)
        except (Invalid, FunctionError) as error:
            error.message_id = error.message_id or reading.message_id
            error.identity = identity
            raise
        return translation if translation.calls else attrs.evolve(translation, identity=identity)

    def _call_method(self, reading: SegmentEvent, settings: Settings) -> Translation:
        """Call the method for an event, and return its translation; its own errors are wrapped."""
        name, own = METHODS[reading.type], reading.raw
        try:
            returned = getattr(self, name)(own, settings)
            if isinstance(returned, Translation):
                translation = attrs.evolve(returned, calls=_check_calls(returned.calls, name))
            else:
                calls = _check_calls(returned, name)
                translation = _add_notes(calls, own, settings, reading.message_id)
            return _validate(_add_reason(translation, name))
        except (FunctionError, InvalidEvent, InvalidSubscription):
            raise
        except Exception as error:
            raise FunctionFailed(f"{name} failed with {type(error).__name__}") from error


def _read(event: Any) -> SegmentEvent:
    """Read an event once, to a copy of it in plain JSON.

    Raises :exc:`InvalidEvent` if it cannot be read: for what is no object, and for each value that
    raises something where it is read, wherever it stands.
    """
    try:
        plain = serialize_event(event)
    except (RecursionError, MemoryError):
        raise
    except Exception as error:
        raise unreadable_event(event, error) from error
    unreadable = [problem for problem in plain.problems if is_unreadable(problem)]
    if unreadable:
        raise InvalidEvent(unreadable, *read_header(plain.value))
    if not isinstance(plain.value, dict):
        raise InvalidEvent([not_an_event(event).problem_at("$")])
    return SegmentEvent(plain.value)


def _check_calls(returned: Any, name: str) -> tuple[Call, ...]:
    """Return what a method returned, one call or several or None, as a tuple of calls."""
    if returned is None:
        return ()
    each = returned if isinstance(returned, Iterable) else (returned,)
    calls = each if isinstance(each, tuple) else tuple(each)
    for call in calls:
        if not isinstance(call, Call):
            raise FunctionFailed(f"{name} returned {describe_type(call)}, which is no call")
    return calls


def _add_reason(translation: Translation, name: str) -> Translation:
    if translation.calls or translation.skipped is not None:
        return translation
    return attrs.evolve(translation, skipped=f"{name} returned nothing to send")


def _add_notes(
    calls: tuple[Call, ...], event: Any, settings: Settings, message_id: str | None
) -> Translation:
    """Return the translation that has these calls.

    If what the mapping makes of the event, as it was left, is among them, or was changed to one of
    them, its notes and its ``messageId`` are theirs. They are of no subscriptions: what the method
    made of several is one thing, of which the first failure is the end.
    """
    try:
        mapped = translate(event, settings)
    except InvalidEvent:
        return Translation(message_id, calls)
    about = [(type(call), call.identity) for call in calls]
    if any((type(call), call.identity) in about for call in mapped.calls):
        return Translation(mapped.message_id, calls, notes=mapped.notes)
    return Translation(message_id, calls)


def _validate(translation: Translation) -> Translation:
    """Return a translation that can be sent; raise :exc:`InvalidEvent` for one that cannot."""
    problems: list[Problem] = []
    calls = tuple([_copy_fields(call, problems) for call in translation.calls])
    for call in calls:
        problems += validation.find_problems(call)
    if not problems and not all(map(_is_encodable, calls)):
        problems.append(_NOT_JSON.problem_at("$"))
    if problems:
        raise InvalidEvent(problems, translation.message_id)
    return attrs.evolve(translation, calls=calls)


def _copy_fields(call: Call, problems: list[Problem]) -> Call:
    """Return a call with its fields copied as those of an event are, with Iterable's dates."""
    if isinstance(call, UpdateUser | TrackEvent | TrackPurchase):
        copied = data_fields(call.data_fields, "dataFields", problems)
        return attrs.evolve(call, data_fields=copied)
    return call


def _is_encodable(call: Call) -> bool:
    try:
        encode(call.body())
    except (TypeError, ValueError):
        return False
    return True
