"""Users: how updates find, make and change them in each type of project."""

from __future__ import annotations

import re
from typing import Any

import pytest

from iterable_destination.testing import Project, ProjectType
from tests.support.asking import (
    LATER,
    LATER_TEXT,
    NOW_TEXT,
    SUCCESS,
    ask,
    fields,
    get,
    post,
    refused,
    track,
    update,
)

ADA = "ada@example.com"
BOB = "bob@example.com"
FIELD_TYPES_MSG = "The request has fields of other types than earlier requests had"
CONFLICT_MSG = "An identity of the request belongs to another user"


def test_an_update_creates_a_user_with_the_fields_iterable_manages() -> None:
    project = Project()
    assert update(project, email="Ada@Example.com", userId="u1", dataFields={"plan": "pro"}) == (
        200,
        SUCCESS,
    )
    assert project.user(ADA) == {
        "email": ADA,
        "userId": "u1",
        "dataFields": {
            "email": ADA,
            "userId": "u1",
            "plan": "pro",
            "signupDate": NOW_TEXT,
            "signupSource": "API",
            "profileUpdatedAt": NOW_TEXT,
            "itblInternal": {"documentCreatedAt": NOW_TEXT, "documentUpdatedAt": NOW_TEXT},
        },
    }


def test_an_update_changes_the_time_of_update_and_not_of_signup() -> None:
    project = Project()
    update(project, email=ADA)
    update(project, email=ADA, now=LATER)
    user = project.user(ADA)
    assert user is not None
    assert user["dataFields"] == {
        "email": ADA,
        "signupDate": NOW_TEXT,
        "signupSource": "API",
        "profileUpdatedAt": LATER_TEXT,
        "itblInternal": {"documentCreatedAt": NOW_TEXT, "documentUpdatedAt": LATER_TEXT},
    }


def test_fields_are_merged_at_the_top_and_objects_are_replaced() -> None:
    project = Project()
    update(project, email=ADA, dataFields={"a": 1, "settings": {"mobile": True}})
    update(project, email=ADA, dataFields={"b": 2, "settings": {"email": True}})
    assert fields(project, ADA) == {"a": 1, "b": 2, "settings": {"email": True}}


def test_merge_nested_objects_merges_one_level() -> None:
    project = Project()
    old = {"settings": {"mobile": True, "deep": {"a": 1}}, "tags": ["x"]}
    update(project, email=ADA, dataFields=old)
    new = {"settings": {"email": True, "deep": {"b": 1}}, "tags": ["y"]}
    update(project, email=ADA, dataFields=new, mergeNestedObjects=True)
    assert fields(project, ADA) == {
        "settings": {"mobile": True, "email": True, "deep": {"b": 1}},
        "tags": ["y"],
    }


def test_a_null_is_stored() -> None:
    project = Project()
    update(project, email=ADA, dataFields={"a": 1})
    update(project, email=ADA, dataFields={"a": None})
    assert fields(project, ADA) == {"a": None}


@pytest.mark.parametrize(
    "name",
    [
        "signupDate",
        "signupSource",
        "profileUpdatedAt",
        "itblInternal",
        "itblDS",
        "itblUserId",
        "devices",
    ],
)
def test_a_managed_field_is_not_stored_from_an_update(name: str) -> None:
    project = Project()
    update(project, email=ADA)
    before = project.user(ADA)
    update(project, email=ADA, dataFields={name: 5})
    assert project.user(ADA) == before


def test_lists_of_a_user_are_stored_from_an_update() -> None:
    project = Project()
    update(project, email=ADA, dataFields={"emailListIds": [1]})
    assert fields(project, ADA) == {"emailListIds": [1]}


def test_new_fields_are_left_out_when_the_request_says_so() -> None:
    project = Project()
    update(project, email=ADA, dataFields={"a": 1})
    update(project, email=ADA, dataFields={"a": 2, "b": 2}, createNewFields=False)
    assert fields(project, ADA) == {"a": 2}


EMAIL_REQUIRED = refused("BadParams", "An email or a userId is required")
USER_ID_REQUIRED = refused(
    "BadParams", "This project identifies users by userId: userId is required"
)


@pytest.mark.parametrize(
    ("project_type", "body", "answer"),
    [
        ("email", {}, EMAIL_REQUIRED),
        ("hybrid", {}, EMAIL_REQUIRED),
        ("userid", {}, USER_ID_REQUIRED),
        ("userid", {"email": ADA}, USER_ID_REQUIRED),
        ("userid", {"email": ADA, "dataFields": {"userId": "u1"}}, USER_ID_REQUIRED),
        ("email", {"userId": "u1"}, refused("UnknownUserIdError", "User not found: u1")),
    ],
)
def test_an_update_without_the_identity_it_needs_creates_nobody(
    project_type: ProjectType, body: dict[str, Any], answer: tuple[int, Any]
) -> None:
    project = Project(project_type=project_type)
    assert update(project, **body) == answer
    assert project.user("u1") is None
    assert project.user(ADA) is None


@pytest.mark.parametrize(
    ("project_type", "who"),
    [
        ("email", {"email": ADA}),
        ("email", {"email": ADA, "userId": "u1"}),
        ("userid", {"userId": "u1"}),
        ("userid", {"email": ADA, "userId": "u1"}),
        ("hybrid", {"email": ADA}),
        ("hybrid", {"userId": "u1"}),
        ("hybrid", {"email": ADA, "userId": "u1"}),
    ],
)
def test_each_project_type_creates_users_by_its_identity(
    project_type: ProjectType, who: dict[str, Any]
) -> None:
    project = Project(project_type=project_type)
    update(project, **who)
    users = [project.user(part) for part in who.values()]
    assert [{**user, "dataFields": ()} for user in users if user] == [
        {**who, "dataFields": ()} for _ in who
    ]


def test_a_user_id_works_in_an_email_based_project_once_it_is_known() -> None:
    project = Project(project_type="email")
    update(project, email=ADA, userId="u1")
    assert update(project, userId="u1", dataFields={"a": 1}) == (200, SUCCESS)
    assert fields(project, ADA) == {"a": 1}


def test_prefer_user_id_creates_a_placeholder_in_an_email_based_project() -> None:
    project = Project(project_type="email")
    assert update(project, userId="u1", preferUserId=True) == (200, SUCCESS)
    user = project.user("u1")
    assert user is not None
    assert re.fullmatch(r"[0-9a-f]{32}@placeholder\.email", user["email"])


def test_the_email_takes_the_place_of_the_placeholder() -> None:
    project = Project(project_type="email")
    update(project, userId="u1", preferUserId=True, dataFields={"a": 1})
    placeholder = (project.user("u1") or {})["email"]
    assert update(project, userId="u1", email=ADA) == (200, SUCCESS)
    assert fields(project, ADA) == {"a": 1}
    assert project.user(placeholder) is None


@pytest.mark.parametrize("project_type", ["userid", "hybrid"])
def test_prefer_user_id_changes_nothing_in_other_projects(project_type: ProjectType) -> None:
    project = Project(project_type=project_type)
    update(project, userId="u1", preferUserId=True)
    assert "email" not in (project.user("u1") or {"email": "nobody"})


@pytest.mark.parametrize("project_type", ["userid", "hybrid"])
@pytest.mark.parametrize("at_top", [True, False])
def test_an_update_changes_the_email_outside_email_based_projects(
    project_type: ProjectType, *, at_top: bool
) -> None:
    project = Project(project_type=project_type)
    update(project, userId="u1", email=ADA)
    body = {"email": BOB} if at_top else {"dataFields": {"email": BOB}}
    assert update(project, userId="u1", **body) == (200, SUCCESS)
    assert project.user(ADA) is None
    assert (project.user(BOB) or {})["userId"] == "u1"


def test_an_update_changes_the_user_id_in_an_email_based_project() -> None:
    project = Project(project_type="email")
    update(project, email=ADA, userId="u1")
    update(project, email=ADA, userId="u2")
    assert project.user("u1") is None
    assert (project.user("u2") or {})["email"] == ADA


def test_an_email_user_gets_the_user_id_in_a_hybrid_project() -> None:
    project = Project()
    update(project, email=ADA, dataFields={"a": 1})
    update(project, email=ADA, userId="u1")
    assert fields(project, "u1") == {"a": 1}


def test_an_email_user_is_found_by_email_though_it_has_a_user_id() -> None:
    project = Project()
    update(project, email=ADA, userId="u1")
    assert update(project, email=ADA, dataFields={"a": 1}) == (200, SUCCESS)
    assert fields(project, "u1") == {"a": 1}


USER_ID_TAKEN = refused("UserIdAlreadyExists", CONFLICT_MSG, status=409)
EMAIL_TAKEN = refused("EmailAlreadyExists", CONFLICT_MSG, status=409)


@pytest.mark.parametrize(
    ("project_type", "body", "answer"),
    [
        ("email", {"email": ADA, "userId": "u2"}, USER_ID_TAKEN),
        ("email", {"email": "new@example.com", "userId": "u2"}, USER_ID_TAKEN),
        ("userid", {"email": ADA, "userId": "u2"}, EMAIL_TAKEN),
        ("hybrid", {"email": ADA, "userId": "u2"}, EMAIL_TAKEN),
        ("hybrid", {"email": ADA, "userId": "new"}, EMAIL_TAKEN),
        ("hybrid", {"userId": "u2", "dataFields": {"email": ADA}}, EMAIL_TAKEN),
    ],
)
def test_an_identity_of_someone_else_is_a_conflict_and_changes_nothing(
    project_type: ProjectType, body: dict[str, Any], answer: tuple[int, Any]
) -> None:
    project = Project(project_type=project_type)
    update(project, email=ADA, userId="u1")
    update(project, email=BOB, userId="u2")
    before = [project.user(who) for who in ("u1", "u2")]
    assert update(project, **{**body, "now": LATER}) == answer
    assert [project.user(who) for who in ("u1", "u2")] == before
    assert project.user("new") is None


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ada",
        "@example.com",
        "ada@",
        "ada@example",
        "ada@.com",
        "ada@example.",
        "a@b@example.com",
        "a da@example.com",
        "ada@example.com\n",
        "ada@exa\x00mple.com",
        "ada@exa\x85mple.com",
        "ada@exa\xa0mple.com",
    ],
)
def test_a_bad_email_is_refused(email: str) -> None:
    answer = refused("InvalidEmailAddressError", f"Invalid email: {email}")
    assert update(Project(), email=email, userId="u1") == answer
    assert update(Project(), userId="u1", dataFields={"email": email}) == answer
    assert track(Project(), email=email, eventName="x") == answer


@pytest.mark.parametrize("email", ["a@b.c", "o'neil+x@example.co.uk", "ü@exämple.de", "a@b..c"])
def test_an_email_that_may_be_good_is_taken(email: str) -> None:
    assert update(Project(), email=email) == (200, SUCCESS)


@pytest.mark.parametrize("user_id", ["", " ", "u1 ", "x" * 53, "ü", "a\tb", "u1\n", "\x7f"])
def test_a_bad_user_id_is_refused(user_id: str) -> None:
    answer = refused("InvalidUserIdError", f"Invalid userId: {user_id}")
    assert update(Project(), userId=user_id, email=ADA) == answer
    assert update(Project(), email=ADA, dataFields={"userId": user_id}) == answer


@pytest.mark.parametrize("user_id", ["u", " u", "x" * 52, "!~", "a b/c?d=e#f%"])
def test_a_user_id_of_printable_ascii_is_taken(user_id: str) -> None:
    project = Project()
    assert update(project, userId=user_id) == (200, SUCCESS)
    assert project.user(user_id.swapcase()) is None or user_id == user_id.swapcase()
    assert project.user(user_id) is not None


def test_an_identity_in_data_fields_that_is_no_text_is_refused() -> None:
    assert update(Project(), userId="u1", dataFields={"email": 5}) == refused(
        "InvalidEmailAddressError", "Invalid email: 5"
    )
    assert update(Project(), email=ADA, dataFields={"userId": 5}) == refused(
        "InvalidUserIdError", "Invalid userId: 5"
    )
    assert update(Project(), email=ADA, dataFields={"userId": None}) == (200, SUCCESS)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("users/update", {"email": "GONE@example.com"}),
        ("users/update", {"userId": "gone"}),
        ("users/update", {"userId": "u1", "dataFields": {"email": "gone@example.com"}}),
        ("events/track", {"email": "gone@example.com", "eventName": "x"}),
        ("commerce/updateCart", {"user": {"userId": "gone"}, "items": []}),
        ("commerce/trackPurchase", {"user": {"userId": "gone"}, "items": [], "total": 1}),
        (
            "users/registerDeviceToken",
            {
                "userId": "gone",
                "device": {"token": "t", "platform": "GCM", "applicationName": "a"},
            },
        ),
    ],
)
def test_a_forgotten_user_does_not_come_back(path: str, body: dict[str, Any]) -> None:
    project = Project(forgotten=["Gone@example.com", "gone"])
    assert post(project, path, body) == refused(
        "ForgottenUserError", "The user has been forgotten and cannot be updated", status=409
    )
    assert project.user("gone@example.com") is None
    assert project.user("gone") is None


@pytest.mark.parametrize(
    ("old", "new", "expected", "incoming"),
    [
        (1, "1", "number", "string"),
        ("1", 1.5, "string", "number"),
        (True, 1, "boolean", "number"),
        (1, False, "number", "boolean"),
        ({"x": 1}, [], "object", "array"),
        ([1], {}, "array", "object"),
    ],
)
def test_the_type_of_a_users_field_never_changes(
    old: object, new: object, expected: str, incoming: str
) -> None:
    project = Project()
    update(project, email=ADA, dataFields={"a": old})
    assert update(project, email=BOB, dataFields={"a": new, "b": 1}) == (
        400,
        {
            "msg": FIELD_TYPES_MSG,
            "code": "RequestFieldsTypesMismatched",
            "params": {
                "validationErrors": {
                    "a": {
                        "category": "user",
                        "expectedType": expected,
                        "incomingTypes": [incoming],
                        "offendingValue": new,
                        "_type": "UnexpectedType",
                    }
                }
            },
        },
    )
    assert project.user(BOB) is None


def test_nested_fields_have_types_too() -> None:
    project = Project()
    update(project, email=ADA, dataFields={"a": {"b": {"c": 1}}})
    _, answer = update(project, email=ADA, dataFields={"a": {"b": {"c": "1"}}})
    assert list(answer["params"]["validationErrors"]) == ["a.b.c"]


def test_null_fits_every_type_and_decides_none() -> None:
    project = Project()
    for value in (None, 1, None, 1.5):
        assert update(project, email=ADA, dataFields={"a": value}) == (200, SUCCESS)


def test_a_refused_update_teaches_no_types() -> None:
    project = Project()
    update(project, email=ADA, dataFields={"a": 1})
    update(project, email=ADA, dataFields={"a": "x", "b": 1})
    assert update(project, email=ADA, dataFields={"b": "x"}) == (200, SUCCESS)


def test_the_cart_is_a_list_from_the_start() -> None:
    status, answer = update(Project(), email=ADA, dataFields={"shoppingCartItems": "none"})
    assert (status, answer["code"]) == (400, "RequestFieldsTypesMismatched")


# updateEmail


def emails() -> Project:
    project = Project(project_type="email", forgotten=["gone@example.com"])
    update(project, email=ADA, userId="u1", dataFields={"a": 1})
    update(project, email=BOB)
    track(project, email=ADA, eventName="x", id="1")
    return project


@pytest.mark.parametrize(
    "current",
    [
        {"currentEmail": "ADA@example.com"},
        {"currentUserId": "u1"},
        {"currentEmail": ADA, "currentUserId": "nobody"},
    ],
)
def test_update_email_moves_the_profile_and_the_events(current: dict[str, str]) -> None:
    project = emails()
    body = {**current, "newEmail": "New@example.com"}
    assert post(project, "users/updateEmail", body) == (200, SUCCESS)
    assert fields(project, "new@example.com") == {"a": 1}
    assert [event["email"] for event in project.events("u1")] == ["new@example.com"]
    assert project.user(ADA) is None


UPDATE_EMAIL_ELSEWHERE = refused(
    "BadParams", "updateEmail is for email-based projects: use users/update"
)


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"newEmail": "new@example.com"}, EMAIL_REQUIRED),
        (
            {"currentEmail": "no@example.com", "newEmail": "new@example.com"},
            refused("UnknownEmailError", "User not found: no@example.com"),
        ),
        (
            {"currentUserId": "no", "newEmail": "new@example.com"},
            refused("UnknownUserIdError", "User not found: no"),
        ),
        (
            {"currentEmail": ADA, "newEmail": "BOB@example.com"},
            refused("EmailAlreadyExists", "newEmail already belongs to a user", status=409),
        ),
        (
            {"currentEmail": ADA, "newEmail": ADA},
            refused("EmailAlreadyExists", "newEmail already belongs to a user", status=409),
        ),
        (
            {"currentEmail": ADA, "newEmail": "gone@example.com"},
            refused(
                "ForgottenUserError",
                "The user has been forgotten and cannot be updated",
                status=409,
            ),
        ),
        (
            {"currentEmail": ADA, "newEmail": "new"},
            refused("InvalidEmailAddressError", "Invalid email: new"),
        ),
    ],
)
def test_update_email_is_refused(body: dict[str, str], answer: tuple[int, Any]) -> None:
    project = emails()
    before = project.user(ADA)
    assert post(project, "users/updateEmail", body) == answer
    assert project.user(ADA) == before


@pytest.mark.parametrize("project_type", ["userid", "hybrid"])
def test_update_email_is_for_email_based_projects(project_type: ProjectType) -> None:
    project = Project(project_type=project_type)
    update(project, email=ADA, userId="u1")
    body = {"currentUserId": "u1", "newEmail": BOB}
    assert post(project, "users/updateEmail", body) == UPDATE_EMAIL_ELSEWHERE


# registerDeviceToken


def device(token: str, **data_fields: object) -> dict[str, object]:
    known = {"token": token, "platform": "APNS", "applicationName": "app"}
    return {**known, "dataFields": data_fields}


def test_devices_are_kept_by_token_and_their_fields_merged() -> None:
    project = Project()
    for one in (device("t1", a=1, b=1), device("t2"), device("t1", b=2)):
        body = {"userId": "u1", "device": one}
        assert post(project, "users/registerDeviceToken", body) == (200, SUCCESS)
    assert fields(project, "u1") == {"devices": [device("t1", a=1, b=2), device("t2")]}


def test_a_user_has_at_most_five_hundred_devices() -> None:
    project = Project()
    for number in range(500):
        post(project, "users/registerDeviceToken", {"email": ADA, "device": device(str(number))})
    body = {"email": ADA, "device": device("one more")}
    assert post(project, "users/registerDeviceToken", body) == refused(
        "BadParams", "A user has at most 500 devices"
    )
    assert len(fields(project, ADA)["devices"]) == 500


@pytest.mark.parametrize(
    ("prefer", "status"), [({}, 400), ({"preferUserId": True}, 200), ({"preferUserId": False}, 400)]
)
def test_a_device_makes_a_placeholder_user_only_on_demand(
    prefer: dict[str, bool], status: int
) -> None:
    project = Project(project_type="email")
    body = {"userId": "u1", "device": device("t"), **prefer}
    assert post(project, "users/registerDeviceToken", body)[0] == status
    assert (project.user("u1") is not None) == (status == 200)


# Reading and deleting


@pytest.mark.parametrize(
    "path",
    [
        "users/getByEmail?email=ada%2Bx%40example.com",
        "users/ada%2Bx%40example.com",
        "users/ADA+x@example.com",
        "users/byUserId/a%2Fb%20c",
        "users/byUserId?userId=a%2Fb+c",
    ],
)
def test_a_user_is_read_by_either_identity(path: str) -> None:
    project = Project()
    update(project, email="ada+x@example.com", userId="a/b c", dataFields={"n": 1})
    assert get(project, path) == (200, {"user": project.user("a/b c")})


@pytest.mark.parametrize("path", ["users/no@example.com", "users/byUserId/no"])
def test_a_user_who_does_not_exist_is_read_as_nothing(path: str) -> None:
    assert get(Project(), path) == (200, {})


@pytest.mark.parametrize("path", ["users/getByEmail", "users/byUserId", "users/getByEmail?email="])
def test_reading_needs_an_identity(path: str) -> None:
    assert get(Project(), path) == EMAIL_REQUIRED


@pytest.mark.parametrize("path", ["users/ada%40example.com", "users/byUserId/u1"])
def test_a_deleted_user_is_gone_with_the_events_and_may_come_back(path: str) -> None:
    project = Project()
    update(project, email=ADA, userId="u1", dataFields={"a": 1})
    track(project, email=ADA, eventName="x")
    answer = ask(project, "DELETE", f"/api/{path}")
    assert (answer.status, answer.json()["code"]) == (200, "Success")
    assert (project.user(ADA), project.user("u1"), project.events(ADA)) == (None, None, [])
    update(project, email=ADA)
    assert fields(project, ADA) == {}
    assert project.events(ADA) == []


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("users/no@example.com", refused("UnknownEmailError", "User not found: no@example.com")),
        ("users/byUserId/no", refused("UnknownUserIdError", "User not found: no")),
    ],
)
def test_deleting_nobody_is_refused(path: str, answer: tuple[int, Any]) -> None:
    given = ask(Project(), "DELETE", f"/api/{path}")
    assert (given.status, given.json()) == answer
