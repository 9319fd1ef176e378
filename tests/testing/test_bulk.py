"""The bulk endpoints: partial failures, and what refuses the whole."""

from __future__ import annotations

from typing import Any

import pytest

from iterable_destination.testing import Project
from tests.support.asking import fields, post, refused, track, update

ADA = "ada@example.com"
BOB = "bob@example.com"

EVENT_CAUSES = ("invalid", "notFound", "forgotten")
USER_CAUSES = (*EVENT_CAUSES, "conflict", "invalidData")


def tally(
    causes: tuple[str, ...], succeeded: int, failed: int, **lists: list[str]
) -> dict[str, Any]:
    """A bulk answer whose lists are empty but for those given; ``top_`` marks the outer ones."""
    names = [cause + kind for cause in causes for kind in ("Emails", "UserIds")]
    return {
        "successCount": succeeded,
        "failCount": failed,
        "invalidEmails": lists.get("top_invalidEmails", []),
        "invalidUserIds": lists.get("top_invalidUserIds", []),
        "filteredOutFields": lists.get("filteredOutFields", []),
        "createdFields": lists.get("createdFields", []),
        "failedUpdates": {name: lists.get(name, []) for name in names},
    }


def users(succeeded: int, failed: int, **lists: list[str]) -> tuple[int, Any]:
    return 200, tally(USER_CAUSES, succeeded, failed, **lists)


def events(succeeded: int, failed: int, **lists: list[str]) -> tuple[int, Any]:
    disallowed = {"disallowedEventNames": lists.pop("disallowedEventNames", [])}
    return 200, {**tally(EVENT_CAUSES, succeeded, failed, **lists), **disallowed}


def bulk_update(project: Project, *items: dict[str, Any], **body: Any) -> tuple[int, Any]:
    return post(project, "users/bulkUpdate", {"users": items, **body})


def track_bulk(project: Project, *items: dict[str, Any]) -> tuple[int, Any]:
    return post(project, "events/trackBulk", {"events": items})


def test_users_are_updated_in_order() -> None:
    project = Project()
    answer = bulk_update(
        project,
        {"email": ADA, "dataFields": {"a": 1, "o": {"x": 1}}},
        {"userId": "u1"},
        {"email": ADA, "dataFields": {"a": 2, "o": {"y": 1}}, "mergeNestedObjects": True},
    )
    assert answer == users(3, 0, createdFields=["a", "o"])
    assert fields(project, ADA) == {"a": 2, "o": {"x": 1, "y": 1}}
    assert project.user("u1") is not None


def test_each_user_that_fails_is_named_by_cause_and_the_others_are_updated() -> None:
    project = Project(forgotten=["gone@example.com", "gone"])
    update(project, email=ADA, userId="u1", dataFields={"n": 1})
    update(project, email=BOB, userId="u2")
    answer = bulk_update(
        project,
        {"email": "Bad Email@x.com"},
        {"userId": "bad "},
        {"email": "GONE@example.com", "userId": "u9"},
        {"userId": "gone"},
        {"userId": "u1", "email": BOB},
        {"email": "Data@example.com", "userId": "data", "dataFields": {"n": "x"}},
        {"email": "good@example.com"},
    )
    assert answer == users(
        1,
        6,
        invalidEmails=["bad email@x.com"],
        invalidUserIds=["bad "],
        forgottenEmails=["gone@example.com"],
        forgottenUserIds=["gone"],
        conflictEmails=[BOB],
        invalidDataEmails=["data@example.com"],
        invalidDataUserIds=["data"],
        top_invalidEmails=["bad email@x.com", "gone@example.com", BOB, "data@example.com"],
        top_invalidUserIds=["bad ", "gone", "data"],
    )
    assert project.user("good@example.com") is not None


def test_a_user_id_of_someone_else_is_a_conflict_in_an_email_based_project() -> None:
    project = Project(project_type="email")
    update(project, email=ADA, userId="u1")
    assert bulk_update(project, {"email": BOB, "userId": "u1"}) == users(
        0, 1, conflictUserIds=["u1"], top_invalidUserIds=["u1"]
    )


def test_an_unknown_user_id_is_not_found_in_an_email_based_project() -> None:
    project = Project(project_type="email")
    answer = bulk_update(project, {"userId": "u1"}, {"userId": "u2", "preferUserId": True})
    assert answer == users(1, 1, notFoundUserIds=["u1"], top_invalidUserIds=["u1"])
    assert project.user("u1") is None
    assert project.user("u2") is not None


def test_new_fields_of_users_are_filtered_out_on_demand() -> None:
    project = Project()
    update(project, email=ADA, dataFields={"a": 1})
    item = {"email": ADA, "dataFields": {"a": 2, "b": 2, "c": None}}
    assert bulk_update(project, item, item, createNewFields=False) == users(
        2, 0, filteredOutFields=["b"]
    )
    assert fields(project, ADA) == {"a": 2, "c": None}


def test_update_only_leaves_out_users_who_do_not_exist() -> None:
    project = Project()
    update(project, email=ADA, dataFields={"a": 1})
    known = len(project.effects)
    response = bulk_update(
        project,
        {"email": BOB, "dataFields": {"b": 1}},
        {"userId": "u1", "preferUserId": True},
        {"email": ADA, "userId": "u2", "dataFields": {"a": 2, "c": 3}},
        updateOnly=True,
    )
    assert response == users(3, 0, createdFields=["c"])
    assert (project.user(BOB), project.user("u1")) == (None, None)
    assert fields(project, ADA) == {"a": 2, "c": 3}
    assert [(effect.email, effect.created) for effect in project.effects[known:]] == [(ADA, False)]
    assert bulk_update(project, {"email": ADA, "dataFields": {"b": "x"}}) == users(
        1, 0, createdFields=["b"]
    )


def test_update_only_leaves_out_an_unknown_user_id_in_an_email_based_project() -> None:
    project = Project(project_type="email")
    assert bulk_update(project, {"userId": "u1"}, updateOnly=True) == users(1, 0)
    assert project.user("u1") is None


def test_update_only_refuses_bad_items_as_ever() -> None:
    project = Project()
    update(project, email=ADA, userId="u1", dataFields={"a": 1})
    update(project, email=BOB, userId="u2")
    response = bulk_update(
        project,
        {"userId": "bad "},
        {"userId": "u3", "dataFields": {"a": "x"}},
        {"userId": "u1", "email": BOB},
        updateOnly=True,
    )
    assert response == users(
        0,
        3,
        invalidUserIds=["bad "],
        invalidDataUserIds=["u3"],
        conflictEmails=[BOB],
        top_invalidEmails=[BOB],
        top_invalidUserIds=["bad ", "u3"],
    )


def test_without_update_only_users_are_created() -> None:
    project = Project()
    assert bulk_update(project, {"email": ADA}, updateOnly=False) == users(1, 0)
    assert project.user(ADA) is not None


def test_update_only_must_be_a_boolean() -> None:
    assert bulk_update(Project(), {"email": ADA}, updateOnly="true") == (
        400,
        {
            "msg": "Invalid JSON body.",
            "code": "BadJsonBody",
            "params": {"obj.updateOnly": ["error.expected.jsboolean"]},
        },
    )


def test_one_that_fails_twice_is_listed_once_and_counted_twice() -> None:
    answer = bulk_update(Project(), {"userId": "bad "}, {"userId": "bad "})
    assert answer == users(0, 2, invalidUserIds=["bad "], top_invalidUserIds=["bad "])


def test_a_malformed_user_refuses_the_whole_bulk() -> None:
    project = Project()
    assert bulk_update(project, {"email": ADA}, {"email": 5}) == (
        400,
        {
            "msg": "Invalid JSON body.",
            "code": "BadJsonBody",
            "params": {"obj.users[1].email": ["error.expected.jsstring"]},
        },
    )
    assert project.user(ADA) is None


def test_a_user_without_identity_refuses_the_whole_bulk() -> None:
    project = Project()
    assert bulk_update(project, {"email": ADA}, {"dataFields": {"email": BOB}}) == refused(
        "BadParams", "An email or a userId is required"
    )
    assert project.user(ADA) is None


def test_an_empty_bulk_of_users_is_refused_and_one_of_events_is_not() -> None:
    assert bulk_update(Project()) == refused("BadParams", "users must not be empty")
    assert track_bulk(Project()) == events(0, 0)


def test_events_are_stored_in_order() -> None:
    project = Project()
    answer = track_bulk(
        project,
        {"email": ADA, "eventName": "x", "id": "1", "dataFields": {"a": 1}},
        {"email": ADA, "eventName": "y", "id": "2", "dataFields": {"b": 1}},
        {"email": ADA, "eventName": "z", "id": "1"},
    )
    assert answer == events(3, 0, createdFields=["a", "b"])
    assert [event["eventName"] for event in project.events(ADA)] == ["z", "y"]


def test_each_event_that_fails_is_named_by_cause_and_the_others_are_stored() -> None:
    project = Project(
        project_type="email",
        forgotten=["gone@example.com", "gone"],
        disallowed_events=["Bad", "Worse"],
    )
    answer = track_bulk(
        project,
        {"email": "Bad", "eventName": "x"},
        {"userId": "bad ", "eventName": "x"},
        {"userId": "u1", "eventName": "x"},
        {"email": "Gone@example.com", "eventName": "x"},
        {"email": ADA, "userId": "gone", "eventName": "x"},
        {"email": ADA, "eventName": "Bad"},
        {"email": ADA, "eventName": "Bad"},
        {"email": BOB, "eventName": "x"},
    )
    assert answer == events(
        1,
        7,
        invalidEmails=["bad"],
        invalidUserIds=["bad "],
        notFoundUserIds=["u1"],
        forgottenEmails=["gone@example.com"],
        forgottenUserIds=["gone"],
        disallowedEventNames=["Bad"],
        top_invalidEmails=["bad"],
        top_invalidUserIds=["u1"],
    )
    assert project.user(ADA) is None
    assert len(project.events(BOB)) == 1


def test_new_fields_of_events_are_filtered_out_on_demand() -> None:
    project = Project()
    event = {"email": ADA, "eventName": "x", "dataFields": {"a": 1}, "createNewFields": False}
    assert track_bulk(project, event) == events(1, 0, filteredOutFields=["a"])
    assert project.events(ADA)[0]["dataFields"] == {}


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ({"email": ADA}, "BadJsonBody"),
        ({"email": ADA, "eventName": "x", "createdAt": "1"}, "BadJsonBody"),
        ({"eventName": "x"}, "BadParams"),
        ({"email": ADA, "eventName": "x", "id": "i" * 513}, "BadParams"),
        (
            {"email": ADA, "eventName": "x", "dataFields": {"a": "1"}},
            "RequestFieldsTypesMismatched",
        ),
        (
            {"email": ADA, "eventName": "y", "dataFields": {"a": "1"}},
            "RequestFieldsTypesMismatched",
        ),
    ],
)
def test_a_bad_event_refuses_the_whole_bulk(bad: dict[str, Any], code: str) -> None:
    """The types of the fields of ``y`` are known only from within the bulk."""
    project = Project()
    track(project, email=BOB, eventName="x", dataFields={"a": 1})
    good = {"email": ADA, "eventName": "y", "dataFields": {"a": 1}}
    status, answer = track_bulk(project, good, bad)
    assert (status, answer["code"]) == (400, code)
    assert project.user(ADA) is None
    assert track(project, email=ADA, eventName="y", dataFields={"a": "1"})[0] == 200
