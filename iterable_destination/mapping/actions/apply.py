"""One subscription applied to one event: from the mapping to the payload, and to its calls."""

from __future__ import annotations

from typing import Any, Final

from iterable_destination.errors import InvalidEvent, Problem
from iterable_destination.mapping.actions.call_builders import CALLS
from iterable_destination.mapping.actions.coercion import Findings
from iterable_destination.mapping.actions.mapping_kit.directive_options import Unmappable
from iterable_destination.mapping.actions.paths import NOTHING
from iterable_destination.mapping.actions.payload import coerce_fields
from iterable_destination.mapping.actions.subscriptions import Subscription
from iterable_destination.model.calls import Call, TrackPurchase, UpdateCart
from iterable_destination.model.json_copy import TOO_DEEP
from iterable_destination.model.json_values import as_object, describe_type, scalar
from iterable_destination.model.segment_event import EventHeader
from iterable_destination.model.settings import Settings

NO_IDENTITY: Final = "Must include email or userId."
ANONYMOUS: Final = "anonymous: neither email nor userId, and skip_anonymous is on"


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
    """Return what a subscription makes of an event that fires it."""
    made = Mapped(subscription.name)
    try:
        payload = made.payload = subscription.resolve(event)
    except Unmappable as error:
        made.add_problem("mapping", str(error))
        return made
    if type(payload) is not dict:
        payload = {} if payload is NOTHING else as_object(scalar(payload))
        if payload is None:
            made.add_problem("mapping", f"must give an object, not {describe_type(made.payload)}")
            return made
    fields = coerce_fields(subscription.fields, payload, "", made)
    if not made.problems:
        _check_calls(made, CALLS[subscription.action](fields, made), settings)
    return made


def _check_calls(made: Mapped, calls: tuple[Call, ...], settings: Settings) -> None:
    """Keep the calls of a payload if nothing is wrong with them."""
    call = calls[0]
    who = call.identity
    if who.email is None and who.user_id is None:
        if settings.skip_anonymous:
            made.is_anonymous = True
            made.problems.clear()
            return
        path = "user.userId" if isinstance(call, UpdateCart | TrackPurchase) else "userId"
        made.add_problem(path, NO_IDENTITY)
    else:
        made.problems += made.refusals
    if not made.problems:
        made.calls = calls


def too_deep(header: EventHeader) -> InvalidEvent:
    """Return the error for an event that is nested too deeply for the stack that is left."""
    return InvalidEvent([Problem("$", TOO_DEEP)], header.message_id)
