"""What subscriptions make is delivered: none stops another, and the outcome names what failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from iterable_destination import Destination, Outcome
from iterable_destination.actions import MappedTranslator, Subscription
from iterable_destination.testing import LocalIterable, Project, Script, faults
from tests.delivering import by_index, delivering, names

WHO = {"email": {"@path": "$.context.traits.email"}}
SUBSCRIPTIONS = (
    Subscription(
        "Events", "trackEvent", 'type = "track"', {**WHO, "eventName": {"@path": "$.event"}}
    ),
    Subscription(
        "Profiles",
        "updateUser",
        'type = "track"',
        {**WHO, "newEmail": {"@path": "$.properties.newEmail"}, "dataFields": {"seen": True}},
    ),
)
STRICT = Subscription(
    "Strict", "trackEvent", 'type = "track"', {**WHO, "eventName": {"@path": "$.properties.none"}}
)

Way = Callable[[Destination, Any], Outcome]


def singly(to: Destination, event: Any) -> Outcome:
    return to.send(event)


def in_bulk(to: Destination, event: Any) -> Outcome:
    (outcome,) = to.send_all([event])
    return outcome


@pytest.fixture(params=[singly, in_bulk])
def way(request: pytest.FixtureRequest) -> Way:
    chosen: Way = request.param
    return chosen


@pytest.fixture
def iterable() -> Iterator[LocalIterable]:
    with LocalIterable(
        Project(project_type="email", disallowed_events=["Secret"], forgotten=["gone@x.com"])
    ) as started:
        yield started


def mapped(iterable: LocalIterable, *subscriptions: Subscription) -> Any:
    return delivering(iterable, translator=MappedTranslator(subscriptions or SUBSCRIPTIONS))


def event(name: str = "Seen", user: str = "u-1", **properties: Any) -> dict[str, Any]:
    return {
        "messageId": "m-1",
        "type": "track",
        "event": name,
        "context": {"traits": {"email": f"{user}@x.com"}},
        "properties": properties,
    }


def paths(iterable: LocalIterable) -> list[str]:
    return [effect.path.rsplit("/", 1)[-1] for effect in iterable.project.effects]


def failures(outcome: Outcome) -> list[tuple[str, str, str]]:
    return [
        (each.subscription, each.outcome, type(each.error).__name__) for each in outcome.failures
    ]


def test_each_subscription_makes_its_own_request(iterable: LocalIterable, way: Way) -> None:
    with mapped(iterable) as to:
        outcome = way(to, event(newEmail="ada@example.com"))
    assert (outcome.name, outcome.attempts, outcome.failures) == ("delivered", 3, ())
    assert iterable.project.user("ada@example.com") is not None
    assert len(iterable.project.events("ada@example.com")) == 1


def test_one_that_iterable_refuses_does_not_stop_the_others(
    iterable: LocalIterable, way: Way
) -> None:
    with mapped(iterable) as to:
        outcome = way(to, event("Secret", newEmail="ada@example.com"))
    assert outcome.name == "rejected"
    assert failures(outcome) == [("Events", "rejected", "EventDisallowed")]
    assert len(outcome.calls) == 3
    assert iterable.project.user("ada@example.com") is not None
    assert iterable.project.events("u-1@x.com") == []


def test_a_new_email_is_not_given_to_a_profile_that_was_not_updated(
    iterable: LocalIterable, way: Way
) -> None:
    with mapped(iterable, SUBSCRIPTIONS[1], SUBSCRIPTIONS[0]) as to:
        outcome = way(to, event(user="gone", newEmail="ada@example.com"))
    assert failures(outcome) == [
        ("Profiles", "rejected", "ForgottenUser"),
        ("Events", "rejected", "ForgottenUser"),
    ]
    assert {request.path for request in iterable.project.requests} & {
        "/api/users/updateEmail"
    } == set()


def test_a_subscription_that_makes_no_request_is_named_beside_those_that_do(
    iterable: LocalIterable, way: Way
) -> None:
    with mapped(iterable, SUBSCRIPTIONS[0], STRICT) as to:
        outcome = way(to, event())
    assert outcome.name == "rejected"
    assert failures(outcome) == [("Strict", "rejected", "InvalidEvent")]
    assert outcome.summary()["failures"] == [
        {
            "subscription": "Strict",
            "outcome": "rejected",
            "type": "InvalidEvent",
            "message": "eventName: missing",
        }
    ]
    assert len(iterable.project.events("u-1@x.com")) == 1


def test_the_gravest_failure_is_the_outcome(way: Way) -> None:
    broken = Script(
        [faults.server_error()] * 5, paths=["/api/users/update", "/api/users/bulkUpdate"]
    )
    with (
        LocalIterable(
            Project(project_type="email", disallowed_events=["Secret"]), faults=broken
        ) as iterable,
        mapped(iterable) as to,
    ):
        outcome = way(to, event("Secret"))
        assert outcome.name == "retryable"
        assert failures(outcome) == [
            ("Events", "rejected", "EventDisallowed"),
            ("Profiles", "retryable", "ServerError"),
        ]


def test_two_events_of_one_are_two_records(iterable: LocalIterable, way: Way) -> None:
    again = Subscription("Again", "trackEvent", 'type = "track"', {**WHO, "eventName": "Again"})
    with mapped(iterable, SUBSCRIPTIONS[0], again) as to:
        way(to, event())
        way(to, event())
    ids = [(each["eventName"], each["id"]) for each in iterable.project.events("u-1@x.com")]
    assert ids == [("Seen", "m-1"), ("Again", "m-1#2")]


def test_profiles_that_must_be_there_go_in_bulks_that_say_so(iterable: LocalIterable) -> None:
    only = Subscription(
        "Only",
        "updateUser",
        'type = "track"',
        {**WHO, "updateOnly": True, "dataFields": {"seen": True}},
    )
    handed = [event(user=f"u-{number}") | {"messageId": f"m-{number}"} for number in range(9)]
    with mapped(iterable, only, SUBSCRIPTIONS[1]) as to:
        outcomes = by_index(to.send_all(handed))
    assert names(outcomes) == ["delivered"] * 9
    bodies = [request.body for request in iterable.project.requests]
    assert [(body.get("updateOnly"), len(body["users"])) for body in bodies] == [
        (True, 9),
        (None, 9),
    ]


def test_profiles_that_are_blamed_for_their_bulk_go_in_bulks_of_their_own() -> None:
    fields = {"plan": {"@path": "$.properties.plan"}}
    mapping = {**WHO, "updateOnly": True, "dataFields": fields}
    only = Subscription("Only", "updateUser", 'type = "track"', mapping)
    plans = ["pro", "free", 7, "pro"]
    handed = [
        event(user=f"u-{n}", plan=plan) | {"messageId": f"m-{n}"} for n, plan in enumerate(plans)
    ]
    with (
        LocalIterable(Project(project_type="email")) as iterable,
        delivering(iterable) as classic,
        mapped(iterable, only) as to,
    ):
        classic.send({"type": "identify", "traits": {"email": "u-9@x.com", "plan": "pro"}})
        outcomes = by_index(to.send_all(handed))
    assert names(outcomes) == ["delivered", "delivered", "rejected", "delivered"]
    bodies = [request.body for request in iterable.project.requests[1:]]
    assert {body["updateOnly"] for body in bodies} == {True}


def test_many_events_of_many_subscriptions_keep_their_users_order(iterable: LocalIterable) -> None:
    handed = [
        event(f"E{number}", user=f"u-{number % 7}") | {"messageId": f"m-{number}"}
        for number in range(300)
    ]
    with mapped(iterable) as to:
        assert set(names(to.send_all(handed))) == {"delivered"}
    for user in range(7):
        found = [each["eventName"] for each in iterable.project.events(f"u-{user}@x.com")]
        assert found == [f"E{number}" for number in range(user, 300, 7)]
