"""The project as a whole: what every request is judged by, and what the ledger keeps."""

from __future__ import annotations

from typing import Any, cast

import pytest

from iterable_destination.testing import Project, ProjectType, Request, Response
from tests.support.asking import NOW, SUCCESS, ask, get, post, refused, track, update

ADA = "ada@example.com"
PAGE = (
    b"<!DOCTYPE html>\n<html><head><title>Not Found</title></head>"
    b"<body><h1>Page not found</h1></body></html>\n"
)
POSTS = [
    "users/update",
    "users/bulkUpdate",
    "users/updateEmail",
    "users/registerDeviceToken",
    "events/track",
    "events/trackBulk",
    "commerce/trackPurchase",
    "commerce/updateCart",
    "webhooks",
]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/"),
        ("POST", "/api/users/nothing"),
        ("POST", "/api/events/track/"),
        ("GET", "/api/users/byUserId/a/b"),
        ("GET", "/api/users/"),
        ("PUT", "/api/users/update"),
        ("DELETE", "/api/events/track"),
        ("GET", "/api/commerce/updateCart"),
    ],
)
def test_an_unknown_path_is_an_html_page(method: str, path: str) -> None:
    answer = Project().handle(method, path, {}, b"", NOW)
    assert answer == Response(
        404,
        {"Content-Type": "text/html; charset=UTF-8", "Iterable-Request-Id": "local-1"},
        PAGE,
    )


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("headers", [{}, {"Api-Key": "wrong"}, {"Authorization": "Bearer x"}])
def test_a_wrong_key_is_refused_before_the_body_is_read(path: str, headers: dict[str, str]) -> None:
    answer = Project().handle("POST", f"/api/{path}", headers, b"{", NOW)
    assert (answer.status, answer.json()) == refused("BadApiKey", "Invalid API key", status=401)


@pytest.mark.parametrize("name", ["Api-Key", "api-key", "API-KEY"])
def test_the_name_of_the_keys_header_may_be_in_any_case(name: str) -> None:
    answer = Project(api_key="k").handle("GET", "/api/webhooks", {name: "k"}, b"", NOW)
    assert (answer.status, answer.json()) == (200, {"webhooks": []})


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "error.expected.json"),
        (b"{", "error.expected.json"),
        (b'{"total": NaN}', "error.expected.json"),
        (b"[]", "error.expected.jsobject"),
        (b"null", "error.expected.jsobject"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(path: str, body: bytes, error: str) -> None:
    assert post(Project(), path, body) == (
        400,
        {"msg": "Invalid JSON body.", "code": "BadJsonBody", "params": {"obj": [error]}},
    )


def test_the_key_is_echoed_only_on_demand() -> None:
    answer = ask(Project(api_key="secret", echo_key=True), "POST", "/api/events/track", {})
    assert answer.json() == {
        "msg": "Invalid JSON body. POST /api/events/track Api-Key: secret",
        "code": "BadJsonBody",
        "params": {"obj.eventName": ["error.path.missing"]},
    }
    assert b"secret" not in ask(Project(api_key="secret"), "POST", "/api/events/track", {}).body


def test_a_body_has_at_most_4_000_000_bytes() -> None:
    project = Project()
    body = b'{"email": "ada@example.com"}'
    fits = body.ljust(4_000_000)
    assert post(project, "users/update", fits) == (200, SUCCESS)
    assert post(project, "users/update", fits + b" ") == refused(
        "BatchTooLarge", "The request is too large", status=413
    )
    assert [len(request.content) for request in project.requests] == [4_000_000, 0]


def test_every_answer_has_a_request_id_of_its_own() -> None:
    project = Project()
    answers = [
        ask(project, "GET", "/api/webhooks"),
        ask(project, "POST", "/api/users/update", {}),
        ask(project, "GET", "/nowhere"),
    ]
    ids = [answer.headers["Iterable-Request-Id"] for answer in answers]
    assert ids == ["local-1", "local-2", "local-3"]
    assert answers[0].headers["Content-Type"] == "application/json"


# Rates


def test_rates_are_not_limited_unless_asked() -> None:
    project = Project()
    assert {ask(project, "GET", f"/api/users/{ADA}").status for _ in range(150)} == {200}


def test_a_documented_rate_is_kept_per_endpoint_and_second() -> None:
    project = Project(rate_limits=True)
    body = {"users": [{"email": ADA}]}
    statuses = [post(project, "users/bulkUpdate", body)[0] for _ in range(6)]
    assert statuses == [200] * 5 + [429]
    assert update(project, email=ADA) == (200, SUCCESS)
    assert post(project, "users/bulkUpdate", body, now=NOW + 1)[0] == 200


def test_a_rate_that_is_exceeded_is_answered_429_without_a_time_to_wait() -> None:
    project = Project(rate_limits={"/api/events/track": 1})
    track(project, email=ADA, eventName="x")
    answer = ask(project, "POST", "/api/events/track", {"email": ADA, "eventName": "x"})
    assert (answer.status, answer.json()) == refused(
        "RateLimitExceeded", "Too many requests", status=429
    )
    assert set(answer.headers) == {"Content-Type", "Iterable-Request-Id"}
    assert len(project.events(ADA)) == 1


def test_an_endpoint_without_a_documented_rate_has_none() -> None:
    project = Project(rate_limits=True)
    body = {"user": {"email": ADA}, "items": []}
    assert {post(project, "commerce/updateCart", body)[0] for _ in range(3000)} == {200}


@pytest.mark.parametrize(
    ("path", "rate"),
    [
        ("users/update", 500),
        ("users/registerDeviceToken", 500),
        ("events/track", 2000),
        ("events/trackBulk", 10),
    ],
)
def test_the_documented_rates(path: str, rate: int) -> None:
    project = Project(rate_limits=True)
    statuses = [post(project, path, b"{")[0] for _ in range(rate + 1)]
    assert (statuses.index(429), statuses.count(429)) == (rate, 1)


# The ledger and the accessors


def test_the_ledger_has_every_request_and_never_the_key() -> None:
    project = Project(api_key="secret")
    update(project, email=ADA)
    post(project, "users/update", b"{")
    get(project, "users/getByEmail?email=a")
    project.handle("GET", "/nowhere", {}, b"", NOW)
    seen = [(entry.method, entry.path, entry.body, entry.status) for entry in project.requests]
    assert seen == [
        ("POST", "/api/users/update", {"email": ADA}, 200),
        ("POST", "/api/users/update", None, 400),
        ("GET", "/api/users/getByEmail?email=a", None, 400),
        ("GET", "/nowhere", None, 404),
    ]
    assert "secret" not in repr(project) + repr(project.requests)


def test_what_is_read_from_the_ledger_can_be_changed_without_harm() -> None:
    request = Request("POST", "/", b'{"a": [1]}', 200)
    request.body["a"].append(2)
    assert request.body == {"a": [1]}


def test_what_the_accessors_give_can_be_changed_without_harm() -> None:
    project = Project()
    update(project, email=ADA, dataFields={"a": {"b": 1}})
    track(project, email=ADA, eventName="x", dataFields={"a": {"b": 1}})
    user, events = project.user(ADA), project.events(ADA)
    assert user is not None
    user["dataFields"]["a"]["b"] = 2
    events[0]["dataFields"]["a"]["b"] = 2
    assert (project.user(ADA) or {})["dataFields"]["a"] == {"b": 1}
    assert project.events(ADA)[0]["dataFields"] == {"a": {"b": 1}}


def test_a_project_type_is_one_of_three() -> None:
    with pytest.raises(ValueError, match="'project_type' must be in"):
        Project(project_type=cast(ProjectType, "both"))


# Webhooks

HOOK = {"id": 7, "endpoint": "https://example.com", "enabled": True}
SHOWN: dict[str, Any] = {
    **HOOK,
    "authType": "NoAuth",
    "blastSendEnabled": False,
    "triggeredSendEnabled": False,
    "messageTypeIds": [],
    "channelIds": [],
}


def test_webhooks_are_read() -> None:
    assert get(Project(webhooks=[HOOK]), "webhooks") == (200, {"webhooks": [SHOWN]})


def test_only_the_fields_sent_of_a_webhook_change() -> None:
    project = Project(webhooks=[HOOK])
    body = {"id": 7, "enabled": False, "authType": "Basic", "authToken": "t", "headers": []}
    changed = {**SHOWN, "enabled": False, "authType": "Basic"}
    assert post(project, "webhooks", body) == (200, changed)
    assert get(project, "webhooks") == (200, {"webhooks": [changed]})


def test_a_webhook_that_does_not_exist_is_refused() -> None:
    assert post(Project(), "webhooks", {"id": 1}) == refused("NotFound", "No webhook has this id")
