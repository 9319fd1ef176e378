"""Build the calls of each action from a mapped payload."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from iterable_destination.errors import Reason
from iterable_destination.mapping.actions.coercion import Findings
from iterable_destination.model import endpoints
from iterable_destination.model.calls import (
    Call,
    Identity,
    Profile,
    TrackEvent,
    TrackPurchase,
    UpdateCart,
    UpdateEmail,
    UpdateSubscription,
    UpdateUser,
)
from iterable_destination.model.dates import DAYS_STAY
from iterable_destination.model.json_copy import data_fields
from iterable_destination.model.reasons import MISSING
from iterable_destination.model.validation import MANAGED, find_managed_fields, user_id_problem

Payload = dict[str, Any]

_ONE_OF_TWO: Final = Reason("ignored", "passed over: subscriptions counts")


def _build_track_event(payload: Payload, found: Findings) -> tuple[Call, ...]:
    return (
        TrackEvent(
            Identity(payload.get("email"), payload.get("userId")),
            payload["eventName"],
            _copy_fields(payload.get("dataFields", {}), "dataFields", found),
            payload.get("createdAt"),
            _read_id(payload, found),
            campaign_id=payload.get("campaignId"),
            template_id=payload.get("templateId"),
        ),
    )


def _build_user_update(payload: Payload, found: Findings) -> tuple[Call, ...]:
    identity = Identity(payload.get("email"), payload.get("userId"))
    update = UpdateUser(
        identity,
        _build_profile(payload, "", found),
        payload.get("mergeNestedObjects"),
        update_only=payload.get("updateOnly"),
    )
    new_email = payload.get("newEmail")
    return (update,) if new_email is None else (update, UpdateEmail(identity, new_email))


def _build_cart(payload: Payload, found: Findings) -> tuple[Call, ...]:
    identity, profile = _read_user(payload, found)
    return (UpdateCart(identity, payload["items"], profile=profile),)


def _build_purchase(payload: Payload, found: Findings) -> tuple[Call, ...]:
    identity, profile = _read_user(payload, found)
    fields = payload.get("dataFields", {}).copy()
    fields.pop("products", None)
    return (
        TrackPurchase(
            identity,
            payload["items"],
            payload["total"],
            _copy_fields(fields, "dataFields", found),
            payload.get("createdAt"),
            payload.get("campaignId"),
            payload.get("templateId"),
            _read_id(payload, found),
            profile=profile,
        ),
    )


def _build_subscription_changes(payload: Payload, found: Findings) -> tuple[Call, ...]:
    named = next((key for key in ("subscriptions", "subscription") if key in payload), None)
    if named is None:
        found.add_problem("subscriptions", MISSING)
        return ()
    if named == "subscriptions" and "subscription" in payload:
        found.add_note("subscription", _ONE_OF_TWO)
    identity, place = _read_identifier(payload)
    prefers_user_id = payload.get("user_identifier_preference") == "userId"
    calls = tuple(
        [
            UpdateSubscription(identity, group_type, group_id, action, prefers_user_id)
            for group_type, group_id, action in payload[named]
        ]
    )
    sent = calls[0].sent_identity.user_id
    problem = None if sent is None else user_id_problem(sent)
    if problem is not None:
        found.add_refusal(place, problem)
    return calls


#: The function that builds the calls of each action, by the action's slug; none if a problem was
#: added. An :class:`UpdateEmail` is sent only after the call before it was accepted.
CALLS: Final[dict[str, Callable[[Payload, Findings], tuple[Call, ...]]]] = {
    "trackEvent": _build_track_event,
    "updateUser": _build_user_update,
    "updateCart": _build_cart,
    "trackPurchase": _build_purchase,
    "updateSubscriptions": _build_subscription_changes,
    "updateSubscription": _build_subscription_changes,
}


def _copy_fields(fields: dict[Any, Any], path: str, found: Findings) -> dict[str, Any]:
    return data_fields(fields, path, found.problems, DAYS_STAY)


def _build_profile(payload: Payload, path: str, found: Findings) -> dict[str, Any]:
    """Return the fields of a profile; the phone number is one of them if it is mapped."""
    profile = _copy_fields(payload.get("dataFields", {}), f"{path}dataFields", found)
    for key in find_managed_fields(profile):
        found.add_note(f"{path}dataFields.{key}", MANAGED)
    if "phoneNumber" in payload:
        profile["phoneNumber"] = payload["phoneNumber"]
    return profile


def _read_user(payload: Payload, found: Findings) -> tuple[Identity, Profile]:
    user = payload["user"]
    identity = Identity(user.get("email"), user.get("userId"))
    return identity, Profile(_build_profile(user, "user.", found), user.get("mergeNestedObjects"))


def _read_identifier(payload: Payload) -> tuple[Identity, str]:
    """Return who a subscription is changed for, and the place of the userId.

    Segment's action has an ``identifier`` with both names; a name that it lacks may stand beside
    it.
    """
    inside = payload.get("identifier", {})
    email, user_id = (inside.get(key) or payload.get(key) for key in ("email", "userId"))
    return Identity(email, user_id), "identifier.userId" if inside.get("userId") else "userId"


def _read_id(payload: Payload, found: Findings) -> str | None:
    """Return the id, or None and a note if it is too long: it only prevents duplicates."""
    its_id: str | None = payload.get("id")
    if its_id is None or len(its_id.encode()) <= endpoints.MAX_ID_BYTES:
        return its_id
    words = f"left out: an id has at most {endpoints.MAX_ID_BYTES} bytes"
    found.add_note("id", Reason("too-long", words))
    return None
