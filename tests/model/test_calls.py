"""Calls: the bodies of requests, as values."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

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
    encode_call,
)
from iterable_destination.model.endpoints import Endpoint

ADA = Identity("ada@example.com", "u-1")
WHO = {"email": "ada@example.com", "userId": "u-1"}
ITEM: dict[str, Any] = {"id": "p-1", "name": "Go", "price": 1, "quantity": 1}


def build_subscription_endpoint(rest: str) -> Endpoint:
    template = "/api/subscriptions/{subscriptionGroup}/{subscriptionGroupId}"
    return Endpoint("PUT", f"/api/subscriptions/{rest}", template=template)


BODIES: list[tuple[Call, Endpoint, dict[str, Any]]] = [
    (UpdateUser(ADA), endpoints.USERS_UPDATE, {**WHO, "dataFields": {}}),
    (
        UpdateUser(ADA, {"plan": "pro"}, merge_nested_objects=False),
        endpoints.USERS_UPDATE,
        {**WHO, "dataFields": {"plan": "pro"}, "mergeNestedObjects": False},
    ),
    (
        TrackEvent(ADA, "Signed Up"),
        endpoints.EVENTS_TRACK,
        {**WHO, "eventName": "Signed Up", "dataFields": {}},
    ),
    (
        TrackEvent(ADA, "Signed Up", {"plan": "pro"}, created_at=0, id="e-1"),
        endpoints.EVENTS_TRACK,
        {
            **WHO,
            "eventName": "Signed Up",
            "createdAt": 0,
            "dataFields": {"plan": "pro"},
            "id": "e-1",
        },
    ),
    (
        TrackEvent(ADA, "Signed Up", campaign_id=1, template_id=2),
        endpoints.EVENTS_TRACK,
        {**WHO, "eventName": "Signed Up", "dataFields": {}, "campaignId": 1, "templateId": 2},
    ),
    (
        UpdateCart(ADA, [], profile=Profile({"plan": "pro"}, merge_nested_objects=False)),
        endpoints.UPDATE_CART,
        {
            "user": {**WHO, "dataFields": {"plan": "pro"}, "mergeNestedObjects": False},
            "items": [],
        },
    ),
    (UpdateCart(ADA, []), endpoints.UPDATE_CART, {"user": WHO, "items": []}),
    (UpdateCart(ADA, [ITEM]), endpoints.UPDATE_CART, {"user": WHO, "items": [ITEM]}),
    (
        TrackPurchase(ADA, [], 0),
        endpoints.TRACK_PURCHASE,
        {"user": WHO, "items": [], "total": 0, "dataFields": {}},
    ),
    (
        TrackPurchase(
            ADA,
            [ITEM],
            9.5,
            {"coupon": "x"},
            created_at=0,
            campaign_id=0,
            template_id=1,
            id="o-1",
        ),
        endpoints.TRACK_PURCHASE,
        {
            "user": WHO,
            "items": [ITEM],
            "total": 9.5,
            "createdAt": 0,
            "campaignId": 0,
            "templateId": 1,
            "dataFields": {"coupon": "x"},
            "id": "o-1",
        },
    ),
    (
        UpdateEmail(ADA, "new@example.com"),
        endpoints.USERS_UPDATE_EMAIL,
        {
            "currentEmail": "ada@example.com",
            "currentUserId": "u-1",
            "newEmail": "new@example.com",
        },
    ),
    (
        UpdateEmail(Identity(user_id="u-1"), "new@example.com"),
        endpoints.USERS_UPDATE_EMAIL,
        {"currentUserId": "u-1", "newEmail": "new@example.com"},
    ),
    (
        UpdateSubscription(ADA, "emailList", 12, "subscribe"),
        build_subscription_endpoint("emailList/12?action=subscribe"),
        {"users": ["ada@example.com"]},
    ),
    (
        UpdateSubscription(ADA, "messageType", 3, "unsubscribe", prefers_user_id=True),
        build_subscription_endpoint("messageType/3?action=unsubscribe"),
        {"usersByUserId": ["u-1"]},
    ),
]
NAMES = [f"{type(call).__name__}{place}" for place, (call, _, _) in enumerate(BODIES)]


@pytest.mark.parametrize(("call", "endpoint", "body"), BODIES, ids=NAMES)
def test_a_call_knows_its_endpoint_and_makes_its_body(
    call: Call, endpoint: Endpoint, body: dict[str, Any]
) -> None:
    assert (call.endpoint, call.body()) == (endpoint, body)


@pytest.mark.parametrize(("call", "endpoint", "body"), BODIES, ids=NAMES)
def test_every_body_is_a_new_dict(call: Call, endpoint: Endpoint, body: dict[str, Any]) -> None:
    call.body()["x"] = endpoint
    assert call.body() == body


@pytest.mark.parametrize(
    ("identity", "body"),
    [
        (Identity(), {}),
        (Identity("a@b.c"), {"email": "a@b.c"}),
        (Identity(user_id="u-1"), {"userId": "u-1"}),
        (ADA, WHO),
    ],
    ids=["nobody", "email", "userId", "both"],
)
def test_an_identity_says_what_is_known(identity: Identity, body: dict[str, str]) -> None:
    assert (identity.body(), identity.is_anonymous) == (body, body == {})


def test_a_call_shares_no_default_with_another() -> None:
    first, second = UpdateUser(ADA), UpdateUser(ADA)
    first.data_fields["x"] = 1
    assert second.data_fields == {}


@pytest.mark.parametrize("call", [call for call, _, _ in BODIES], ids=NAMES)
def test_a_call_is_immutable(call: Call) -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        call.identity = Identity()  # type: ignore[misc]


def test_what_is_said_of_a_person_does_not_show() -> None:
    identity = Identity("ada@example.com", "u-77")
    item = {"id": "p1", "name": "Secret Gift", "price": 1, "quantity": 1}
    calls = [
        UpdateUser(identity, {"city": "Leeds"}),
        TrackEvent(identity, "Signed Up", {"city": "Leeds"}),
        UpdateCart(identity, [item]),
        TrackPurchase(identity, [item], 1, {"city": "Leeds"}),
        UpdateEmail(identity, "ada@example.org"),
        UpdateSubscription(identity, "emailList", 12, "subscribe"),
        UpdateSubscription(identity, "emailList", 12, "subscribe").endpoint,
        encode_call(UpdateSubscription(identity, "emailList", 12, "subscribe")).endpoint,
        Profile({"city": "Leeds"}),
    ]
    shown = repr(calls)
    assert [word for word in ("ada@", "u-77", "Leeds", "Secret") if word in shown] == []


@pytest.mark.parametrize(
    "call",
    [
        UpdateUser(Identity("a@b.co", "u-1"), {"plan": "pro", "deep": {"a": [1, None]}}, True),
        UpdateUser(Identity("a@b.co", None)),
        TrackEvent(Identity(None, "u-1"), "Seen", {"a": 1.5}, 1_700_000_000, "m-1"),
        UpdateUser(Identity("a@b.co", None), update_only=True),
        TrackEvent(Identity(None, "u-1"), "Seen", campaign_id=1, template_id=2),
        UpdateCart(Identity("a@b.co", None), [{"id": "p-1", "price": 1}]),
        UpdateCart(Identity("a@b.co", None), [], profile=Profile({"a": 1}, True)),
        TrackPurchase(Identity("a@b.co", None), [], 1, profile=Profile({})),
        TrackPurchase(Identity(None, "u-1"), [], 9.5, {"a": 1}, 1_700_000_000, 3, 4, "m-1"),
        TrackPurchase(Identity(None, "u-1"), [], 1),
        UpdateEmail(Identity("a@b.co", None), "b@b.co"),
        UpdateSubscription(Identity("a@b.co", "u-1"), "messageChannel", 7, "subscribe"),
        UpdateSubscription(Identity("a@b.co", None), "emailList", 7, "unsubscribe", True),
    ],
    ids=lambda call: type(call).__name__,
)
def test_a_call_is_made_again_of_its_mark(call: Call) -> None:
    made = encode_call(call)
    assert made.call() == call
    assert made.identity == call.identity
    assert made.endpoint == call.endpoint
    assert (made.email, made.user_id) == (call.identity.email, call.identity.user_id)


def test_a_mark_gives_an_id_to_what_can_have_one_and_has_none() -> None:
    who = Identity(None, "u-1")
    assert encode_call(TrackEvent(who, "Seen"), "m-1").call() == TrackEvent(who, "Seen", id="m-1")
    assert encode_call(TrackEvent(who, "Seen", id="own"), "m-1").call().body()["id"] == "own"
    assert encode_call(UpdateUser(who), "m-1").call() == UpdateUser(who)


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_blank_id_of_a_call_is_none(blank: str) -> None:
    call = TrackEvent(Identity("a@x.com"), "Seen", id=blank)
    assert encode_call(call, "m-1").call().body()["id"] == "m-1"
    assert "id" not in encode_call(call).call().body()


@pytest.mark.parametrize(
    ("identity", "prefers_user_id", "sent"),
    [
        (ADA, False, Identity("ada@example.com")),
        (ADA, True, Identity(user_id="u-1")),
        (Identity("a@b.co"), True, Identity("a@b.co")),
        (Identity(user_id="u-1"), False, Identity(user_id="u-1")),
        (Identity(), False, Identity()),
    ],
)
def test_a_subscription_is_changed_by_one_name(
    identity: Identity,
    prefers_user_id: bool,  # noqa: FBT001 - a parameter of the test
    sent: Identity,
) -> None:
    call = UpdateSubscription(identity, "emailList", 1, "subscribe", prefers_user_id)
    assert call.sent_identity == sent
    assert [name for names in call.body().values() for name in names] == [*sent.body().values()]


def test_an_endpoint_with_other_paths_has_one_name() -> None:
    one, other = (UpdateSubscription(ADA, "emailList", number, "subscribe") for number in (1, 2))
    assert one.endpoint != other.endpoint
    assert one.endpoint.name == other.endpoint.name == endpoints.SUBSCRIPTIONS.name
    assert endpoints.SUBSCRIPTIONS.name in endpoints.DELIVERY_PATHS
    assert endpoints.EVENTS_TRACK.name == endpoints.EVENTS_TRACK.path
