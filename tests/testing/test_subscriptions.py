"""Subscriptions: which groups are on the profile afterwards, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from iterable_destination.testing import Project
from tests.support.asking import LATER, NOW, SUCCESS, ask, fields, get, refused, update

ADA = "ada@example.com"
BOB = "bob@example.com"


def change(
    project: Project, group: str, body: Any = None, *, action: str | None = None, now: float = NOW
) -> tuple[int, Any]:
    query = "" if action is None else f"?action={action}"
    sent = {"users": [ADA]} if body is None else body
    answer = ask(project, "PUT", f"/api/subscriptions/{group}{query}", sent, now=now)
    return answer.status, answer.json()


@pytest.fixture
def project() -> Project:
    made = Project(forgotten=["gone@example.com"])
    update(made, email=ADA, userId="u-1", dataFields={"emailListIds": [1, 2]})
    update(made, userId="u-2")
    return made


@pytest.mark.parametrize(
    ("group", "field", "subscribed", "unsubscribed"),
    [
        ("emailList/7", "emailListIds", [1, 2, 7], [1, 2]),
        ("emailList/1", "emailListIds", [2, 1], [2]),
        ("messageType/7", "unsubscribedMessageTypeIds", [], [7]),
        ("messageChannel/7", "unsubscribedChannelIds", [], [7]),
        ("MESSAGECHANNEL/7", "unsubscribedChannelIds", [], [7]),
    ],
)
def test_a_group_is_on_the_profile_or_not(
    project: Project, group: str, field: str, subscribed: list[int], unsubscribed: list[int]
) -> None:
    for _ in range(2):
        assert change(project, group, action="subscribe") == (200, SUCCESS)
        assert fields(project, ADA)[field] == subscribed
        assert change(project, group, {"usersByUserId": ["u-1"]}, action="unsubscribe") == (
            200,
            SUCCESS,
        )
        assert fields(project, ADA)[field] == unsubscribed


def test_the_action_is_to_subscribe_unless_it_is_named(project: Project) -> None:
    assert change(project, "emailList/7") == (200, SUCCESS)
    assert fields(project, ADA)["emailListIds"] == [1, 2, 7]


def test_several_users_are_changed_and_each_is_an_effect(project: Project) -> None:
    body = {"users": ["Ada@Example.com"], "usersByUserId": ["u-2"]}
    assert change(project, "emailList/7", body, action="subscribe", now=LATER) == (200, SUCCESS)
    assert fields(project, "u-2")["emailListIds"] == [7]
    effects = project.effects[2:]
    assert [(each.path, each.email, each.user_id, each.created) for each in effects] == [
        ("/api/subscriptions/emailList/7", ADA, None, False),
        ("/api/subscriptions/emailList/7", None, "u-2", False),
    ]
    assert effects[0].body == {
        "email": ADA,
        "subscriptionGroup": "emailList",
        "subscriptionGroupId": 7,
        "action": "subscribe",
    }


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"users": [ADA, BOB]}, refused("UnknownEmailError", f"User not found: {BOB}")),
        ({"usersByUserId": ["u-1", "u-9"]}, refused("UnknownUserIdError", "User not found: u-9")),
        ({"users": [ADA, "bob"]}, refused("InvalidEmailAddressError", "Invalid email: bob")),
        ({"usersByUserId": ["u-1", "ü"]}, refused("InvalidUserIdError", "Invalid userId: ü")),
        (
            {"users": [ADA, "gone@example.com"]},
            refused(
                "ForgottenUserError",
                "The user has been forgotten and cannot be updated",
                status=409,
            ),
        ),
        ({}, refused("BadParams", "users or usersByUserId is required")),
        ({"users": []}, refused("BadParams", "users or usersByUserId is required")),
    ],
)
def test_one_user_that_is_refused_refuses_the_request(
    project: Project, body: Any, answer: tuple[int, Any]
) -> None:
    assert change(project, "emailList/7", body, action="subscribe") == answer
    assert fields(project, ADA)["emailListIds"] == [1, 2]


@pytest.mark.parametrize(
    "group",
    ["emailList/0", "emailList/x", "emailList/-1", f"emailList/{2**63}", "sms/7", "emailList/٣"],
)
def test_a_group_that_cannot_be_is_refused(project: Project, group: str) -> None:
    assert change(project, group) == refused("BadParams", "No such subscription group")


def test_a_project_may_say_which_groups_there_are() -> None:
    project = Project(subscription_groups=[7])
    update(project, email=ADA)
    assert change(project, "emailList/7") == (200, SUCCESS)
    assert change(project, "emailList/8") == refused("BadParams", "No such subscription group")


def test_another_action_is_refused(project: Project) -> None:
    answer = refused("BadParams", "action must be subscribe or unsubscribe")
    assert change(project, "emailList/7", action="leave") == answer


def test_a_project_may_lack_the_endpoint() -> None:
    project = Project(has_subscriptions=False)
    update(project, email=ADA)
    answer = refused("NotFound", "Endpoint not found for project: 1", status=404)
    assert change(project, "emailList/7") == answer


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/api/subscriptions/emailList"),
        ("PUT", "/api/subscriptions/emailList/"),
        ("PUT", "/api/subscriptions/emailList/7/8"),
        ("POST", "/api/subscriptions/emailList/7"),
    ],
)
def test_other_paths_and_methods_are_not_known(project: Project, method: str, path: str) -> None:
    assert ask(project, method, path, {"users": [ADA]}).status == 404


def test_parts_of_a_path_may_be_percent_encoded(project: Project) -> None:
    assert change(project, "email%4Cist/%37") == (200, SUCCESS)
    assert get(project, "users/ada%40example.com")[1]["user"]["email"] == ADA


def test_a_limit_is_one_for_all_groups() -> None:
    path = "/api/subscriptions/{subscriptionGroup}/{subscriptionGroupId}"
    project = Project(rate_limits={path: 1})
    update(project, email=ADA)
    assert change(project, "emailList/7")[0] == 200
    assert change(project, "messageType/8")[0] == 429
