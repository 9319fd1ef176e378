"""Build the calls of each action from a mapped payload."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

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
    UpdateUser,
)
from iterable_destination.model.dates import DAYS_STAY
from iterable_destination.model.json_copy import data_fields

Payload = dict[str, Any]


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


#: The function that builds the calls of each action, by the action's slug. An
#: :class:`UpdateEmail` is sent only after the call before it was accepted.
CALLS: Final[dict[str, Callable[[Payload, Findings], tuple[Call, ...]]]] = {
    "trackEvent": _build_track_event,
    "updateUser": _build_user_update,
    "updateCart": _build_cart,
    "trackPurchase": _build_purchase,
}


def _copy_fields(fields: dict[Any, Any], path: str, found: Findings) -> dict[str, Any]:
    return data_fields(fields, path, found.problems, DAYS_STAY)


def _build_profile(payload: Payload, path: str, found: Findings) -> dict[str, Any]:
    """Return the fields of a profile; the phone number is one of them if it is mapped."""
    profile = _copy_fields(payload.get("dataFields", {}), f"{path}dataFields", found)
    if "phoneNumber" in payload:
        profile["phoneNumber"] = payload["phoneNumber"]
    return profile


def _read_user(payload: Payload, found: Findings) -> tuple[Identity, Profile]:
    user = payload["user"]
    identity = Identity(user.get("email"), user.get("userId"))
    return identity, Profile(_build_profile(user, "user.", found), user.get("mergeNestedObjects"))


def _read_id(payload: Payload, found: Findings) -> str | None:
    """Return the id, or None and a note if it is too long: it only prevents duplicates."""
    its_id: str | None = payload.get("id")
    if its_id is None or len(its_id.encode()) <= endpoints.MAX_ID_BYTES:
        return its_id
    found.add_note("id", f"left out: an id has at most {endpoints.MAX_ID_BYTES} bytes")
    return None
