"""Events, purchases and carts."""

from __future__ import annotations

from typing import Any

import pytest

from iterable_destination.testing import Project, ProjectType
from tests.support.asking import LATER, NOW, SUCCESS, fields, get, post, refused, track, update

ADA = "ada@example.com"
BOB = "bob@example.com"
TEA = {"id": "tea", "name": "Tea", "price": 2.5, "quantity": 2}


def tracked(record_id: str, kind: str = "Event") -> tuple[int, Any]:
    msg = f"{kind} with id: {record_id} tracked."
    return 200, {"msg": msg, "code": "Success", "params": {"id": record_id}}


def test_an_event_is_stored_as_sent() -> None:
    project = Project()
    body: dict[str, Any] = {
        "email": "Ada@example.com",
        "userId": "u1",
        "eventName": "Signed Up",
        "id": "m1",
        "createdAt": 12,
        "campaignId": 3,
        "templateId": 4,
        "dataFields": {"a": [1, None]},
    }
    assert track(project, **body, unheardOf=1) == tracked("m1")
    assert project.events(ADA) == [{**body, "email": ADA, "eventType": "customEvent"}]


def test_an_event_without_a_time_has_that_of_its_receipt_in_whole_seconds() -> None:
    project = Project()
    track(project, email=ADA, eventName="x")
    assert project.events(ADA) == [
        {
            "id": "event-1",
            "createdAt": int(NOW),
            "email": ADA,
            "eventName": "x",
            "eventType": "customEvent",
        }
    ]


def test_made_ids_count_up_and_pass_over_taken_ones() -> None:
    project = Project()
    track(project, email=ADA, eventName="x", id="event-2")
    answers = [track(project, email=ADA, eventName="x") for _ in range(3)]
    assert answers == [tracked("event-1"), tracked("event-3"), tracked("event-4")]


def test_a_known_id_updates_the_stored_event() -> None:
    project = Project()
    track(project, email=ADA, eventName="x", id="1", dataFields={"a": 1}, campaignId=7)
    track(project, email=ADA, eventName="y", id="2")
    track(project, email=ADA, eventName="x", id="1", dataFields={"b": 2}, now=LATER)
    first, second = project.events(ADA)
    assert (first["id"], second["id"]) == ("1", "2")
    assert (first["dataFields"], first["campaignId"], first["createdAt"]) == ({"b": 2}, 7, int(NOW))


def test_an_event_sent_again_leaves_one() -> None:
    project = Project()
    for now in (NOW, LATER):
        track(project, email=ADA, eventName="x", id="1", now=now)
    assert len(project.events(ADA)) == 1


def test_an_id_moves_to_the_user_it_is_sent_for() -> None:
    project = Project()
    track(project, email=ADA, eventName="x", id="1")
    track(project, email=BOB, eventName="x", id="1")
    assert (len(project.events(ADA)), len(project.events(BOB))) == (0, 1)


@pytest.mark.parametrize(("record_id", "size"), [("é" * 257, 514), ("x" * 513, 513)])
def test_an_id_has_at_most_512_bytes(record_id: str, size: int) -> None:
    project = Project()
    answer = refused("BadParams", f"id has {size} bytes, at most 512 are allowed")
    assert track(project, email=ADA, eventName="x", id=record_id) == answer
    body = {"user": {"email": ADA}, "items": [], "total": 1, "id": record_id}
    assert post(project, "commerce/trackPurchase", body) == answer
    assert project.user(ADA) is None


def test_an_id_of_512_bytes_is_taken() -> None:
    assert track(Project(), email=ADA, eventName="x", id="é" * 256) == tracked("é" * 256)


def test_half_a_character_in_an_id_is_taken_as_it_is() -> None:
    assert track(Project(), email=ADA, eventName="x", id="\ud800") == tracked("\ud800")


@pytest.mark.parametrize(
    ("project_type", "who"),
    [
        ("email", {"email": ADA}),
        ("email", {"email": ADA, "userId": "u1"}),
        ("userid", {"userId": "u1"}),
        ("hybrid", {"email": ADA}),
        ("hybrid", {"userId": "u1"}),
        ("hybrid", {"email": ADA, "userId": "u1"}),
    ],
)
def test_an_event_creates_its_user(project_type: ProjectType, who: dict[str, Any]) -> None:
    project = Project(project_type=project_type)
    track(project, **who, eventName="x")
    for part in who.values():
        assert {**(project.user(part) or {}), "dataFields": None} == {**who, "dataFields": None}
        assert len(project.events(part)) == 1


def test_an_event_for_an_unknown_user_id_creates_nobody_in_an_email_based_project() -> None:
    project = Project(project_type="email")
    assert track(project, userId="u1", eventName="x") == refused(
        "UnknownUserIdError", "User not found: u1"
    )
    assert project.user("u1") is None


def test_an_event_finds_a_known_user_id_in_an_email_based_project() -> None:
    project = Project(project_type="email")
    update(project, email=ADA, userId="u1")
    assert track(project, userId="u1", eventName="x", id="1") == tracked("1")
    assert len(project.events(ADA)) == 1


@pytest.mark.parametrize(("project_type", "owner"), [("email", ADA), ("hybrid", BOB)])
def test_an_event_belongs_to_the_projects_own_kind_of_identity(
    project_type: ProjectType, owner: str
) -> None:
    project = Project(project_type=project_type)
    update(project, email=ADA, userId="u1")
    update(project, email=BOB, userId="u2")
    assert track(project, email=ADA, userId="u2", eventName="x", id="1") == tracked("1")
    assert len(project.events(owner)) == 1


def test_an_event_changes_no_identity() -> None:
    project = Project()
    update(project, email=ADA)
    track(project, email=ADA, userId="u1", eventName="x")
    assert project.user("u1") is None
    assert len(project.events(ADA)) == 1


@pytest.mark.parametrize(
    ("project_type", "body", "msg"),
    [
        ("hybrid", {}, "An email or a userId is required"),
        (
            "userid",
            {"email": ADA},
            "This project identifies users by userId: userId is required",
        ),
    ],
)
def test_an_event_needs_an_identity(
    project_type: ProjectType, body: dict[str, Any], msg: str
) -> None:
    project = Project(project_type=project_type)
    assert track(project, **body, eventName="x") == refused("BadParams", msg)


def test_the_type_of_an_events_field_never_changes_among_events_of_one_name() -> None:
    project = Project()
    track(project, email=ADA, eventName="x", dataFields={"a": 1})
    assert track(project, email=ADA, eventName="y", dataFields={"a": "1"})[0] == 200
    assert update(project, email=ADA, dataFields={"a": "1"})[0] == 200
    status, answer = track(project, email=ADA, eventName="x", dataFields={"a": "1"})
    assert (status, answer["code"]) == (400, "RequestFieldsTypesMismatched")
    assert answer["params"] == {
        "validationErrors": {
            "a": {
                "category": "event",
                "expectedType": "number",
                "incomingTypes": ["string"],
                "offendingValue": "1",
                "_type": "UnexpectedType",
            }
        }
    }
    assert [event["eventName"] for event in project.events(ADA)] == ["x", "y"]


def test_new_fields_of_an_event_are_left_out_when_the_request_says_so() -> None:
    project = Project()
    track(project, email=ADA, eventName="x", dataFields={"a": 1, "b": 1}, createNewFields=False)
    assert project.events(ADA)[0]["dataFields"] == {}


def test_a_disallowed_event_is_answered_200_and_not_stored() -> None:
    project = Project(disallowed_events=["Bad"])
    msg = "The event Bad is disallowed from tracking"
    assert track(project, email=ADA, eventName="Bad") == (200, {**SUCCESS, "msg": msg})
    assert project.user(ADA) is None


# Carts and purchases


def test_a_cart_is_replaced_and_the_user_is_updated() -> None:
    project = Project()
    mug = {**TEA, "id": "mug", "categories": ["a"], "dataFields": {"colour": "red"}}
    for items in ([TEA], [{**mug, "unheardOf": 1}]):
        body = {"user": {"email": ADA, "dataFields": {"a": 1}}, "items": items}
        assert post(project, "commerce/updateCart", body) == (200, SUCCESS)
    assert fields(project, ADA) == {"a": 1, "shoppingCartItems": [mug]}


def test_an_empty_cart_is_stored_as_empty() -> None:
    project = Project()
    post(project, "commerce/updateCart", {"user": {"email": ADA}, "items": [TEA]})
    post(project, "commerce/updateCart", {"user": {"email": ADA}, "items": []})
    assert fields(project, ADA) == {"shoppingCartItems": []}


def test_a_purchase_is_stored_clears_the_cart_and_updates_the_user() -> None:
    project = Project()
    post(project, "commerce/updateCart", {"user": {"email": ADA}, "items": [TEA]})
    body = {
        "user": {"email": ADA, "userId": "u1", "dataFields": {"vip": True}},
        "items": [TEA],
        "total": 5,
        "id": "order-1",
        "createdAt": 12,
        "campaignId": 3,
        "templateId": 4,
        "dataFields": {"coupon": "x"},
    }
    assert post(project, "commerce/trackPurchase", body) == tracked("order-1", "Purchase")
    assert fields(project, "u1") == {"vip": True, "shoppingCartItems": []}
    select_stored = {name: value for name, value in body.items() if name != "user"}
    who = {"email": ADA, "userId": "u1", "eventType": "purchase"}
    assert project.purchases(ADA) == [{**select_stored, **who}]
    assert project.events(ADA) == []


def test_a_known_id_updates_the_stored_purchase() -> None:
    project = Project()
    for total in (1, 2.5):
        body: dict[str, Any] = {"user": {"email": ADA}, "items": [], "total": total, "id": "1"}
        assert post(project, "commerce/trackPurchase", body) == tracked("1", "Purchase")
    assert [purchase["total"] for purchase in project.purchases(ADA)] == [2.5]


def test_a_purchase_without_id_and_time_gets_both() -> None:
    project = Project()
    body = {"user": {"email": ADA}, "items": [], "total": 1}
    assert post(project, "commerce/trackPurchase", body) == tracked("purchase-1", "Purchase")
    assert project.purchases(ADA)[0]["createdAt"] == int(NOW)


def test_purchases_and_events_have_ids_of_their_own() -> None:
    project = Project()
    track(project, email=ADA, eventName="x", id="1")
    body = {"user": {"email": ADA}, "items": [], "total": 1, "id": "1"}
    post(project, "commerce/trackPurchase", body)
    assert (len(project.events(ADA)), len(project.purchases(ADA))) == (1, 1)


@pytest.mark.parametrize("path", ["commerce/updateCart", "commerce/trackPurchase"])
@pytest.mark.parametrize(
    ("user", "code"),
    [
        ({}, "BadParams"),
        ({"email": "no"}, "InvalidEmailAddressError"),
        ({"userId": "u9"}, "UnknownUserIdError"),
        ({"email": ADA, "dataFields": {"a": "x"}}, "RequestFieldsTypesMismatched"),
    ],
)
def test_a_bad_user_stores_no_purchase_and_no_cart(
    path: str, user: dict[str, Any], code: str
) -> None:
    project = Project(project_type="email")
    update(project, email=ADA, dataFields={"a": 1})
    before = project.user(ADA)
    status, answer = post(project, path, {"user": user, "items": [TEA], "total": 1})
    assert (status, answer["code"]) == (400, code)
    assert (project.user(ADA), project.purchases(ADA)) == (before, [])


@pytest.mark.parametrize("path", ["commerce/updateCart", "commerce/trackPurchase"])
def test_a_conflict_stores_no_purchase_and_no_cart(path: str) -> None:
    project = Project()
    update(project, email=ADA, userId="u1")
    update(project, email=BOB, userId="u2")
    user = {"email": BOB, "userId": "u1"}
    assert post(project, path, {"user": user, "items": [TEA], "total": 1})[0] == 409
    assert fields(project, "u1") == {}
    assert project.purchases("u1") == []


@pytest.mark.parametrize("path", ["commerce/updateCart", "commerce/trackPurchase"])
def test_prefer_user_id_in_the_user_makes_a_placeholder(path: str) -> None:
    project = Project(project_type="email")
    user = {"userId": "u1", "preferUserId": True}
    assert post(project, path, {"user": user, "items": [], "total": 1})[0] == 200
    assert project.user("u1") is not None


def test_the_type_of_a_purchases_field_never_changes() -> None:
    project = Project()
    body = {"user": {"email": ADA}, "items": [], "total": 1}
    post(project, "commerce/trackPurchase", {**body, "dataFields": {"a": 1}})
    status, _ = post(project, "commerce/trackPurchase", {**body, "dataFields": {"a": "1"}})
    assert (status, len(project.purchases(ADA))) == (400, 1)


# Reading


def three() -> Project:
    project = Project()
    track(project, email=ADA, userId="u/1", eventName="first")
    post(project, "commerce/trackPurchase", {"user": {"email": ADA}, "items": [], "total": 1})
    track(project, email=ADA, eventName="third")
    return project


@pytest.mark.parametrize("path", ["events/ada%40example.com", "events/byUserId/u%2F1"])
def test_events_are_read_with_purchases_the_oldest_first(path: str) -> None:
    status, answer = get(three(), path)
    kinds = [event.get("eventName", event["eventType"]) for event in answer["events"]]
    assert (status, kinds) == (200, ["first", "purchase", "third"])


def test_a_limit_takes_the_newest() -> None:
    _, answer = get(three(), f"events/{ADA}?limit=1")
    assert [event["eventName"] for event in answer["events"]] == ["third"]


def test_thirty_events_are_read_unless_asked() -> None:
    project = Project()
    for number in range(40):
        track(project, email=ADA, eventName="x", id=str(number))
    _, answer = get(project, f"events/{ADA}")
    assert [event["id"] for event in answer["events"]] == [str(n) for n in range(10, 40)]
    assert len(get(project, f"events/{ADA}?limit=200")[1]["events"]) == 40


@pytest.mark.parametrize("limit", ["0", "201", "-1", "x", "1.5", "9999", "²"])
def test_a_limit_is_1_to_200(limit: str) -> None:
    assert get(three(), f"events/{ADA}?limit={limit}") == refused(
        "BadParams", "limit must be 1 to 200"
    )


def test_nobody_has_no_events() -> None:
    assert get(Project(), f"events/{ADA}") == (200, {"events": []})
    assert (Project().events(ADA), Project().purchases(ADA)) == ([], [])
