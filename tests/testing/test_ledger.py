"""The ledger of effects: what was applied, in which order, and nothing else."""

from __future__ import annotations

import threading
from typing import Any

import attrs
import pytest

from iterable_destination.testing import Effect, Project
from tests.support.asking import ask, fields, get, post, track, update

ADA = "ada@example.com"
BOB = "bob@example.com"
ITEM = {"id": "1", "name": "Tea", "price": 1.5, "quantity": 1}


def bulk(project: Project, *events: dict[str, Any]) -> tuple[int, Any]:
    return post(project, "events/trackBulk", {"events": events})


def list_effects(project: Project) -> list[tuple[int, str, str | None, bool]]:
    """Each effect's request, the end of its path, its id, and whether it made something."""
    return [
        (effect.request, effect.path.rpartition("/")[2], effect.id, effect.created)
        for effect in project.effects
    ]


def test_an_event_is_put_down_as_it_was_sent() -> None:
    project = Project()
    body: dict[str, Any] = {
        "email": "Ada@Example.com",
        "userId": "u1",
        "eventName": "x",
        "id": "m-1",
        "createdAt": 1,
        "dataFields": {"a": {"b": 1}},
        "unheardOf": True,
    }
    track(project, **body)
    (effect,) = project.effects
    assert effect == Effect(0, 0, "/api/events/track", True, 1, body)
    assert attrs.asdict(effect)["body"] == body
    assert (effect.email, effect.user_id) == ("Ada@Example.com", "u1")
    assert (effect.id, effect.name, effect.created_at) == ("m-1", "x", 1)
    assert (effect.data_fields, effect.items) == ({"a": {"b": 1}}, ())


def test_what_was_not_sent_is_none_or_empty() -> None:
    project = Project()
    update(project, email=ADA)
    (effect,) = project.effects
    assert (effect.user_id, effect.id, effect.name, effect.created_at) == (None,) * 4
    assert (effect.data_fields, effect.items) == ({}, ())


def test_every_kind_of_effect_is_put_down() -> None:
    project = Project(project_type="email")
    update(project, email=ADA)
    update(project, email=ADA)
    track(project, email=ADA, eventName="x", id="e")
    post(project, "commerce/updateCart", {"user": {"email": BOB}, "items": [ITEM]})
    purchase = {"user": {"email": BOB}, "items": [ITEM], "total": 1, "id": "p", "createdAt": 2}
    post(project, "commerce/trackPurchase", purchase)
    post(project, "commerce/trackPurchase", purchase)
    device = {"token": "t", "platform": "APNS", "applicationName": "a"}
    post(project, "users/registerDeviceToken", {"email": "new@example.com", "device": device})
    post(project, "users/updateEmail", {"currentEmail": BOB, "newEmail": "bo@example.com"})
    assert list_effects(project) == [
        (0, "update", None, True),
        (1, "update", None, False),
        (2, "track", "e", True),
        (3, "updateCart", None, True),
        (4, "trackPurchase", "p", True),
        (5, "trackPurchase", "p", False),
        (6, "registerDeviceToken", None, True),
        (7, "updateEmail", None, False),
    ]
    assert [effect.number for effect in project.effects] == list(range(8))
    cart, bought, renamed = project.effects[3], project.effects[4], project.effects[7]
    assert (cart.email, cart.items, cart.data_fields) == (BOB, [ITEM], {})
    assert (bought.email, bought.items, bought.created_at) == (BOB, [ITEM], 2)
    assert (renamed.email, renamed.body["newEmail"]) == (BOB, "bo@example.com")


def test_a_rename_by_user_id_has_the_current_one() -> None:
    project = Project(project_type="email")
    update(project, email=ADA, userId="u1")
    post(project, "users/updateEmail", {"currentUserId": "u1", "newEmail": BOB})
    assert (project.effects[1].email, project.effects[1].user_id) == (None, "u1")


def test_a_bulk_has_an_effect_for_each_item_that_was_applied() -> None:
    project = Project(forgotten=["gone@example.com"], disallowed_events=["No"])
    update(project, email=ADA)
    status, answer = bulk(
        project,
        {"email": ADA, "eventName": "x", "id": "1"},
        {"email": "no email", "eventName": "x", "id": "2"},
        {"email": ADA, "eventName": "x", "id": "1"},
        {"email": "gone@example.com", "eventName": "x", "id": "3"},
        {"email": ADA, "eventName": "No", "id": "4"},
        {"email": BOB, "eventName": "x", "id": "5"},
    )
    assert (status, answer["successCount"], answer["failCount"]) == (200, 3, 3)
    assert list_effects(project)[1:] == [
        (1, "trackBulk", "1", True),
        (1, "trackBulk", "1", False),
        (1, "trackBulk", "5", True),
    ]


def test_a_bulk_of_users_likewise() -> None:
    project = Project()
    items = [{"email": ADA}, {"email": "no email"}, {"email": ADA}, {"userId": "u1"}]
    post(project, "users/bulkUpdate", {"users": items})
    assert list_effects(project) == [
        (0, "bulkUpdate", None, created) for created in (True, False, True)
    ]
    assert [effect.body for effect in project.effects] == [items[0], items[2], items[3]]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("events/track", {"email": ADA}),
        ("events/track", {"email": "no email", "eventName": "x"}),
        ("events/track", {"email": ADA, "eventName": "No"}),
        ("events/track", {"email": ADA, "eventName": "x", "id": "i" * 513}),
        ("events/track", {"email": ADA, "eventName": "x", "dataFields": {"n": "text"}}),
        ("events/trackBulk", {"events": [{"email": ADA, "eventName": "y"}, {"eventName": "x"}]}),
        ("users/update", {}),
        ("users/bulkUpdate", {"users": []}),
        ("users/updateEmail", {"currentEmail": ADA, "newEmail": BOB}),
        ("commerce/trackPurchase", {"user": {}, "items": [], "total": 1}),
        ("commerce/updateCart", {"user": {"email": "no email"}, "items": []}),
    ],
)
def test_what_is_refused_or_not_taken_is_no_effect(path: str, body: dict[str, Any]) -> None:
    project = Project(disallowed_events=["No"])
    track(project, email=ADA, eventName="x", dataFields={"n": 1})
    post(project, path, body)
    assert len(project.effects) == 1
    assert project.received == 2


def test_reading_and_deleting_are_no_effects() -> None:
    project = Project(webhooks=[{"id": 1}])
    update(project, email=ADA)
    get(project, f"users/{ADA}")
    post(project, "webhooks", {"id": 1})
    ask(project, "DELETE", f"/api/users/{ADA}")
    assert list_effects(project) == [(0, "update", None, True)]


def test_the_request_of_an_effect_is_in_the_other_ledger() -> None:
    project = Project()
    get(project, "webhooks")
    track(project, email=ADA, eventName="x")
    (effect,) = project.effects
    request = project.requests[effect.request]
    assert (request.number, request.path, request.body) == (1, effect.path, effect.body)


def test_the_effects_of_one_user_are_found_by_any_identity() -> None:
    project = Project()
    track(project, userId="u1", eventName="a")
    update(project, userId="u1", email=ADA)
    track(project, email=BOB, eventName="b")
    track(project, email=ADA, eventName="c")
    for who in ("u1", "ADA@example.com"):
        assert [effect.name for effect in project.effects_of(who)] == ["a", None, "c"]
    assert [effect.name for effect in project.effects_of(BOB)] == ["b"]
    assert project.effects_of("nobody") == []


def test_the_list_of_effects_is_new_each_time() -> None:
    project = Project()
    update(project, email=ADA)
    project.effects.clear()
    assert len(project.effects) == 1


# Keeping less


def test_the_newest_entries_are_kept_and_all_are_counted() -> None:
    project = Project(keep_requests=2, keep_effects=3)
    for number in range(4):
        bulk(project, *({"email": ADA, "eventName": "x", "id": f"{number}-{n}"} for n in range(2)))
    assert [request.number for request in project.requests] == [2, 3]
    assert [effect.id for effect in project.effects] == ["2-1", "3-0", "3-1"]
    assert [effect.number for effect in project.effects] == [5, 6, 7]
    assert project.received == 4


def test_nothing_need_be_kept() -> None:
    project = Project(keep_requests=0, keep_effects=0)
    track(project, email=ADA, eventName="x")
    answer = ask(project, "GET", "/api/webhooks")
    assert (project.requests, project.effects, project.received) == ([], [], 2)
    assert answer.headers["Iterable-Request-Id"] == "local-2"
    assert len(project.events(ADA)) == 1


def test_the_newest_events_are_kept() -> None:
    project = Project(keep_records=2)
    for number in range(4):
        track(project, email=ADA, eventName="x", id=f"{number}")
    track(project, email=ADA, eventName="changed", id="2")
    assert [event["id"] for event in project.events(ADA)] == ["2", "3"]
    assert project.events(ADA)[0]["eventName"] == "changed"
    track(project, email=ADA, eventName="x", id="0")
    assert [event["id"] for event in project.events(ADA)] == ["3", "0"]
    assert len(project.effects) == 6


def test_no_event_need_be_kept() -> None:
    project = Project(keep_records=0)
    assert track(project, email=ADA, eventName="x", id="1")[0] == 200
    assert project.events(ADA) == []
    assert project.user(ADA) is not None


def test_data_fields_need_not_be_kept_and_are_checked_all_the_same() -> None:
    project = Project(keep_data_fields=False)
    track(project, email=ADA, eventName="x", id="1", dataFields={"n": 1})
    update(project, email=ADA, dataFields={"plan": "pro"})
    assert project.effects[0].body == {"email": ADA, "eventName": "x", "id": "1"}
    assert project.effects[1].data_fields == {}
    assert "dataFields" not in project.events(ADA)[0]
    assert fields(project, ADA) == {"plan": "pro"}
    assert track(project, email=ADA, eventName="x", dataFields={"n": "text"})[0] == 400


@pytest.mark.parametrize("option", ["keep_requests", "keep_effects", "keep_records"])
def test_less_than_nothing_cannot_be_kept(option: str) -> None:
    with pytest.raises(ValueError, match=f"'{option}' must be >= 0"):
        Project(**{option: -1})  # type: ignore[arg-type]


def test_the_ledger_may_be_read_while_it_grows() -> None:
    project = Project(keep_effects=500)
    done = threading.Event()

    def grow() -> None:
        for _ in range(40):
            bulk(project, *({"email": ADA, "eventName": "x"} for _ in range(100)))
        done.set()

    thread = threading.Thread(target=grow)
    thread.start()
    looks = 0
    while not done.is_set() or not looks:
        numbers = [effect.number for effect in project.effects]
        assert numbers == list(range(numbers[0], numbers[-1] + 1)) if numbers else True
        looks += 1
    thread.join()
    assert [effect.number for effect in project.effects] == list(range(3500, 4000))
