"""One subscription applied to one event: from the mapping to the payload, and to its calls."""

from __future__ import annotations

from typing import Any, Final

from iterable_destination.errors import InvalidEvent, Reason
from iterable_destination.mapping.actions.call_builders import CALLS
from iterable_destination.mapping.actions.coercion import Findings
from iterable_destination.mapping.actions.mapping_kit.directive_options import Unmappable
from iterable_destination.mapping.actions.paths import NOTHING
from iterable_destination.mapping.actions.payload import coerce_fields
from iterable_destination.mapping.actions.subscriptions import Subscription
from iterable_destination.model.calls import Call
from iterable_destination.model.json_copy import TOO_DEEP, unreadable_problem
from iterable_destination.model.json_values import as_object, describe_type, scalar
from iterable_destination.model.segment_event import EventHeader, unreadable_event
from iterable_destination.model.settings import Settings
from iterable_destination.model.validation import PLACEHOLDER, PLACEHOLDER_IDS

NO_IDENTITY: Final = Reason("no-user", "Must include email or userId.")
#: Fields inside which some actions have the email and the userId.
_IDENTITY_HOLDERS: Final = ("user", "identifier")


class Mapped(Findings):
    """What one subscription makes of an event that fires it."""

    __slots__ = ("calls", "is_anonymous", "payload", "subscription")

    def __init__(self, subscription: str) -> None:
        super().__init__()
        #: The subscription's name.
        self.subscription: Final = subscription
        #: The mapped payload, before it was coerced; it shares parts with the event.
        self.payload: Any = None
        self.calls: tuple[Call, ...] = ()
        #: Whether it is about nobody, and such are skipped.
        self.is_anonymous = False


def apply_subscription(
    subscription: Subscription, event: dict[Any, Any], settings: Settings
) -> Mapped:
    """Return what a subscription makes of an event that fires it.

    Whatever goes wrong is a problem of this event with this subscription, also what a value raises
    when it is read; but :exc:`RecursionError` is raised, which the whole event would meet.
    """
    made = Mapped(subscription.name)
    try:
        payload = made.payload = subscription.resolve(event)
        if type(payload) is not dict:
            payload = {} if payload is NOTHING else as_object(scalar(payload))
            if payload is None:
                kind = describe_type(made.payload)
                words = f"must give an object, not {kind}"
                made.add_problem("mapping", Reason("not-an-object", words))
                return made
        fields = coerce_fields(subscription.fields, payload, "", made)
        if not made.problems:
            _check_calls(made, CALLS[subscription.action](fields, made), fields, settings)
    except Unmappable as error:
        made.add_problem(error.place, error.reason)
    except RecursionError:
        raise
    except Exception as error:  # noqa: BLE001 - a value may do and raise anything
        made.add_problem("mapping", unreadable_problem(error))
    return made


def fail_trigger(subscription: Subscription, error: Exception) -> Mapped:
    """Return what a subscription makes of an event for which its trigger raised an exception."""
    made = Mapped(subscription.name)
    made.add_problem("trigger", unreadable_problem(error))
    return made


def _check_calls(
    made: Mapped, calls: tuple[Call, ...], fields: dict[str, Any], settings: Settings
) -> None:
    """Keep the calls of a payload if nothing is wrong with them."""
    if not calls:
        return
    who = calls[0].identity
    if who.email is None and who.user_id is None:
        if settings.skip_anonymous:
            made.is_anonymous = True
            made.problems.clear()
            return
        made.add_problem(_user_id_path(fields), NO_IDENTITY)
    else:
        if who.user_id in PLACEHOLDER_IDS:
            refuses = settings.refuse_placeholder_ids
            add = made.add_problem if refuses else made.add_note
            add(_user_id_path(fields), PLACEHOLDER)
        made.problems += made.refusals
    if not made.problems:
        made.calls = calls


def _user_id_path(fields: dict[str, Any]) -> str:
    holder = next((each for each in _IDENTITY_HOLDERS if each in fields), None)
    return "userId" if holder is None else f"{holder}.userId"


def read_header(event: Any) -> tuple[EventHeader, str | None]:
    """Return what every subscription reads of an event, and why it is skipped; None if it is not.

    Raises :exc:`~iterable_destination.errors.InvalidEvent` if the event cannot be read.
    """
    header = None
    try:
        header = EventHeader(event)
        return header, header.mapped_skip_reason()
    except InvalidEvent:
        raise
    except RecursionError:  # the caller is deep in calls itself
        raise too_deep(header) from None
    except Exception as error:
        raise unreadable_event(event, error) from error


def event_of(header: EventHeader) -> dict[Any, Any]:
    """Return an event as the subscriptions see it: with its type as Segment writes it."""
    return {**header.raw, "type": header.type} if header.notes else header.raw


def too_deep(header: EventHeader | None) -> InvalidEvent:
    """Return the error for an event that is nested too deeply for the stack that is left."""
    return InvalidEvent([TOO_DEEP.problem_at("$")], None if header is None else header.message_id)
