"""Delivery of mapped events: no subscription stops another, and the outcome names each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from iterable_destination import (
    DeadLetters,
    Destination,
    Outbox,
    Outcome,
    RetryPolicy,
    Settings,
    Translation,
)
from iterable_destination.errors import UnwritableFile
from iterable_destination.mapping.actions import MappedTranslator, Subscription
from iterable_destination.model.calls import UpdateUser
from iterable_destination.testing import LocalIterable, Project, Script, faults
from tests.support.delivering import QUICK, RATE_LIMITS, by_index, delivering, names, together

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


def send_singly(to: Destination, event: Any) -> Outcome:
    return to.send(event)


def send_in_bulk(to: Destination, event: Any) -> Outcome:
    (outcome,) = to.send_all([event])
    return outcome


@pytest.fixture(params=[send_singly, send_in_bulk])
def way(request: pytest.FixtureRequest) -> Way:
    chosen: Way = request.param
    return chosen


@pytest.fixture
def iterable() -> Iterator[LocalIterable]:
    with LocalIterable(
        Project(project_type="email", disallowed_events=["Secret"], forgotten=["gone@x.com"])
    ) as started:
        yield started


def open_mapped(iterable: LocalIterable, *subscriptions: Subscription) -> Any:
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
    with open_mapped(iterable) as to:
        outcome = way(to, event(newEmail="ada@example.com"))
    assert (outcome.name, outcome.attempts, outcome.failures) == ("delivered", 3, ())
    assert iterable.project.user("ada@example.com") is not None
    assert len(iterable.project.events("ada@example.com")) == 1


def test_one_that_iterable_refuses_does_not_stop_the_others(
    iterable: LocalIterable, way: Way
) -> None:
    with open_mapped(iterable) as to:
        outcome = way(to, event("Secret", newEmail="ada@example.com"))
    assert outcome.name == "rejected"
    assert failures(outcome) == [("Events", "rejected", "EventDisallowed")]
    assert [each.path for each in outcome.failures] == ["/api/events/track"]
    assert len(outcome.calls) == 3
    assert iterable.project.user("ada@example.com") is not None
    assert iterable.project.events("u-1@x.com") == []


def test_a_new_email_is_not_given_to_a_profile_that_was_not_updated(
    iterable: LocalIterable, way: Way
) -> None:
    with open_mapped(iterable, SUBSCRIPTIONS[1], SUBSCRIPTIONS[0]) as to:
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
    with open_mapped(iterable, SUBSCRIPTIONS[0], STRICT) as to:
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
        open_mapped(iterable) as to,
    ):
        outcome = way(to, event("Secret"))
        assert outcome.name == "retryable"
        assert failures(outcome) == [
            ("Events", "rejected", "EventDisallowed"),
            ("Profiles", "retryable", "ServerError"),
        ]


def test_two_events_of_one_are_two_records(iterable: LocalIterable, way: Way) -> None:
    again = Subscription("Again", "trackEvent", 'type = "track"', {**WHO, "eventName": "Again"})
    with open_mapped(iterable, SUBSCRIPTIONS[0], again) as to:
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
    with open_mapped(iterable, only, SUBSCRIPTIONS[1]) as to:
        outcomes = by_index(to.send_all(handed))
    assert names(outcomes) == ["delivered"] * 9
    bodies = [request.body for request in iterable.project.requests]
    assert [(body.get("updateOnly"), len(body["users"])) for body in bodies] == [
        (True, 9),
        (None, 9),
    ]


@pytest.mark.parametrize("how", ["send", "send_all"])
def test_a_profile_that_must_be_there_creates_no_user(iterable: LocalIterable, how: str) -> None:
    only = Subscription(
        "Only",
        "updateUser",
        'type = "track"',
        {**WHO, "updateOnly": True, "dataFields": {"seen": True}},
    )
    with delivering(iterable) as classic:
        classic.send({"type": "identify", "traits": {"email": "u-1@x.com"}})
    handed = [event(user=user) for user in ("u-1", "u-2")]
    with open_mapped(iterable, only) as to:
        outcomes = by_index(to.send_all(handed)) if how == "send_all" else map(to.send, handed)
        assert [outcome.name for outcome in outcomes] == ["delivered", "delivered"]
    known, unknown = map(iterable.project.user, ("u-1@x.com", "u-2@x.com"))
    assert known is not None
    assert (known["dataFields"]["seen"], unknown) == (True, None)
    assert {request.path for request in iterable.project.requests[1:]} == {"/api/users/bulkUpdate"}


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
        open_mapped(iterable, only) as to,
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
    with open_mapped(iterable) as to:
        assert set(names(to.send_all(handed))) == {"delivered"}
    for user in range(7):
        found = [each["eventName"] for each in iterable.project.events(f"u-{user}@x.com")]
        assert found == [f"E{number}" for number in range(user, 300, 7)]


# What goes wrong midway ---------------------------------------------------------------------------

AGAIN = Subscription("Again", "trackEvent", 'type = "track"', {**WHO, "eventName": "Again"})
LAST = Subscription("Last", "trackEvent", 'type = "track"', {**WHO, "eventName": "Last"})
#: So that a second bulk of profiles has to wait for longer than a test.
ONE_PROFILE = RATE_LIMITS | {"/api/users/update": 0.01}


def test_a_subscription_that_failed_is_named_though_time_ran_out_for_the_next(
    iterable: LocalIterable,
) -> None:
    translator = MappedTranslator(SUBSCRIPTIONS)
    with delivering(iterable, translator=translator, rate_limits=ONE_PROFILE) as to:
        assert names(to.send_all([event()])) == ["delivered"]
        (outcome,) = to.send_all([event("Secret")], timeout=1.0)
    assert outcome.name == "retryable"
    assert failures(outcome) == [
        ("Events", "rejected", "EventDisallowed"),
        ("Profiles", "retryable", "NotSent"),
    ]


def test_what_may_have_been_applied_is_unknown_though_time_ran_out_for_the_next() -> None:
    lost = Script([None, faults.reset(applied=True)], paths=["/api/events/track"])
    with (
        LocalIterable(Project(project_type="email"), faults=lost) as iterable,
        delivering(
            iterable,
            translator=MappedTranslator(SUBSCRIPTIONS),
            rate_limits=ONE_PROFILE,
            retry=attrs.evolve(QUICK, max_attempts=1),
        ) as to,
    ):
        assert names(to.send_all([event()])) == ["delivered"]
        (outcome,) = to.send_all([event()], timeout=1.0)
    assert outcome.name == "unknown"
    assert failures(outcome) == [
        ("Events", "unknown", "AmbiguousAnswer"),
        ("Profiles", "retryable", "NotSent"),
    ]


def test_an_event_that_waits_for_an_earlier_one_keeps_its_failures() -> None:
    broken = Script([faults.server_error()] * 5, paths=["/api/events/trackBulk"])
    with (
        LocalIterable(Project(project_type="email"), faults=broken) as iterable,
        open_mapped(iterable, SUBSCRIPTIONS[0], STRICT) as to,
    ):
        both = [event(), event() | {"messageId": "m-2"}]
        outcomes = by_index(to.send_all(together(to, both)))
    assert names(outcomes) == ["retryable", "retryable"]
    assert failures(outcomes[1]) == [
        ("Strict", "rejected", "InvalidEvent"),
        ("Events", "retryable", "NotSent"),
    ]


def test_no_subscription_is_begun_after_the_deadline(way: Way) -> None:
    hasty = RetryPolicy(deadline=0.2, initial_backoff=0.01, max_backoff=0.02)
    with (
        LocalIterable(
            Project(project_type="email"), faults=Script([faults.stall(5)] * 9)
        ) as iterable,
        delivering(
            iterable,
            read_timeout=0.3,
            retry=hasty,
            translator=MappedTranslator((SUBSCRIPTIONS[0], AGAIN, LAST)),
        ) as to,
    ):
        outcome = way(to, event())
    assert (outcome.name, outcome.attempts) == ("unknown", 1)
    assert failures(outcome) == [
        ("Events", "unknown", "AmbiguousAnswer"),
        ("Again", "retryable", "NotSent"),
        ("Last", "retryable", "NotSent"),
    ]


def test_a_call_of_no_subscription_makes_an_event_as_grave_as_it_is(way: Way) -> None:
    inner = MappedTranslator((SUBSCRIPTIONS[0], STRICT))

    def adding(event: Any, settings: Settings) -> Translation:
        made = inner(event, settings)
        added = UpdateUser(identity=made.calls[0].identity, data_fields={"seen": True})
        return attrs.evolve(made, calls=(*made.calls, added))

    broken = Script([faults.server_error()] * 9)
    with (
        LocalIterable(Project(project_type="email"), faults=broken) as iterable,
        delivering(iterable, translator=adding) as to,
    ):
        outcome = way(to, event())
    assert (outcome.name, type(outcome.error).__name__) == ("retryable", "ServerError")
    assert failures(outcome) == [("Strict", "rejected", "InvalidEvent")]


def test_dead_letters_that_cannot_be_written_take_no_failures_away(
    iterable: LocalIterable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    def full(_: Any) -> None:
        raise UnwritableFile("the disk is full")

    translator = MappedTranslator((SUBSCRIPTIONS[0], STRICT))
    with DeadLetters(tmp_path / "dead.jsonl") as letters:
        monkeypatch.setattr(letters, "write", full)
        with delivering(iterable, translator=translator, dead_letters=letters) as to:
            outcome = way(to, event())
    assert (outcome.name, type(outcome.error).__name__) == ("retryable", "UnwritableFile")
    assert failures(outcome) == [("Strict", "rejected", "InvalidEvent")]


# Every way of delivery ----------------------------------------------------------------------------


def test_in_the_background_none_stops_another(iterable: LocalIterable) -> None:
    told: list[Outcome] = []
    with open_mapped(iterable) as to:
        to.start(told.append)
        for number, name in enumerate(("Seen", "Secret", "Seen")):
            to.enqueue(event(name) | {"messageId": f"m-{number}"})
        assert to.flush(20) == 0
    assert names(by_index(told)) == ["delivered", "rejected", "delivered"]
    assert [len(outcome.failures) for outcome in by_index(told)] == [0, 1, 0]
    assert [each["id"] for each in iterable.project.events("u-1@x.com")] == ["m-0", "m-2"]


def test_an_outbox_keeps_an_event_of_which_one_subscription_is_to_be_tried_again(
    tmp_path: Path,
) -> None:
    broken = Script(
        [faults.server_error()] * 5, paths=["/api/users/update", "/api/users/bulkUpdate"]
    )
    with (
        LocalIterable(Project(project_type="email"), faults=broken) as iterable,
        Outbox(tmp_path / "events.outbox") as outbox,
        open_mapped(iterable) as to,
    ):
        outbox.add(event())
        (first,) = to.drain(outbox)
        (second,) = to.drain(outbox)
        assert list(to.drain(outbox)) == []
        assert [each["id"] for each in iterable.project.events("u-1@x.com")] == ["m-1"]
    assert (first.name, failures(first)) == (
        "retryable",
        [("Profiles", "retryable", "ServerError")],
    )
    assert (second.name, second.failures) == ("delivered", ())


def test_what_is_handed_in_again_is_sent_whole_and_is_no_second_record(way: Way) -> None:
    broken = Script(
        [faults.server_error()] * 5, paths=["/api/events/track", "/api/events/trackBulk"]
    )
    with (
        LocalIterable(Project(project_type="email"), faults=broken) as iterable,
        open_mapped(iterable, SUBSCRIPTIONS[0], AGAIN) as to,
    ):
        first = way(to, event())
        again = way(to, event())
        records = [(each["eventName"], each["id"]) for each in iterable.project.events("u-1@x.com")]
    assert (first.name, failures(first)) == (
        "retryable",
        [("Events", "retryable", "ServerError")],
    )
    assert (again.name, again.attempts) == ("delivered", 2)
    assert sorted(records) == [("Again", "m-1#2"), ("Seen", "m-1")]


def test_a_wrong_key_is_asked_with_one_request_only(iterable: LocalIterable, way: Way) -> None:
    translator = MappedTranslator((SUBSCRIPTIONS[0], AGAIN, LAST))
    with delivering(iterable, key="wrong", translator=translator) as to:
        outcome = way(to, event())
    assert (outcome.name, outcome.attempts) == ("retryable", 1)
    assert failures(outcome)[0] == ("Events", "retryable", "Unauthorized")
    assert len(iterable.project.requests) == 1


def test_an_events_requests_come_before_those_of_the_users_next_event(
    iterable: LocalIterable,
) -> None:
    handed = [event(f"E{number}") | {"messageId": f"m-{number}"} for number in range(5)]
    with open_mapped(iterable, SUBSCRIPTIONS[0], AGAIN, LAST) as to:
        assert names(to.send_all(handed)) == ["delivered"] * 5
    found = [each["eventName"] for each in iterable.project.events("u-1@x.com")]
    assert found == [name for number in range(5) for name in (f"E{number}", "Again", "Last")]


def test_tries_of_one_subscription_are_not_taken_from_the_next(way: Way) -> None:
    shaky = Script([faults.server_error()] * 4 + [None] + [faults.server_error()] * 4)
    with (
        LocalIterable(Project(project_type="email"), faults=shaky) as iterable,
        open_mapped(iterable, SUBSCRIPTIONS[0], AGAIN) as to,
    ):
        outcome = way(to, event())
    assert (outcome.name, outcome.attempts) == ("delivered", 10)


def test_two_subscriptions_that_map_the_same_id_make_one_record(
    iterable: LocalIterable, way: Way
) -> None:
    identified = [
        attrs.evolve(each, mapping={**each.mapping, "id": {"@path": "$.messageId"}})
        for each in (SUBSCRIPTIONS[0], AGAIN)
    ]
    with open_mapped(iterable, *identified) as to:
        assert way(to, event()).name == "delivered"
    found = [(each["eventName"], each["id"]) for each in iterable.project.events("u-1@x.com")]
    assert found == [("Again", "m-1")]


# Subscriptions ------------------------------------------------------------------------------------

PATH = "/api/subscriptions/{subscriptionGroup}/{subscriptionGroupId}"
#: An address with all that would have to be encoded in a path.
ODD = "ada+né/o?x@x.com"


def change_groups(*changes: tuple[str, Any, str], **mapping: Any) -> Subscription:
    """Return a subscription that changes groups, each a type, a number and an action."""
    keys = ("subscription_group_type", "subscription_group_id", "action")
    listed = [dict(zip(keys, change, strict=True)) for change in changes]
    fields = {"identifier": {**WHO, "userId": {"@path": "$.userId"}}, "subscriptions": listed}
    return Subscription("Groups", "updateSubscriptions", 'type = "track"', fields | mapping)


JOIN = change_groups(("emailList", "12", "subscribe"))


def create_user(iterable: LocalIterable, email: str) -> None:
    with delivering(iterable) as classic:
        assert classic.send({"type": "identify", "traits": {"email": email}}).name == "delivered"


def profile(iterable: LocalIterable, email: str) -> dict[str, Any]:
    user = iterable.project.user(email)
    assert user is not None
    return dict(user["dataFields"])


def test_groups_are_changed_on_the_profile(iterable: LocalIterable, way: Way) -> None:
    create_user(iterable, "u-1@x.com")
    subscription = change_groups(
        ("emailList", "12", "subscribe"),
        ("messageType", 3, "unsubscribe"),
        ("messageChannel", "4", "unsubscribe"),
    )
    with open_mapped(iterable, subscription) as to:
        outcome = way(to, event())
        counted = to.counters.requests
    assert (outcome.name, outcome.attempts, outcome.failures) == ("delivered", 3, ())
    fields = profile(iterable, "u-1@x.com")
    assert fields["emailListIds"] == [12]
    assert (fields["unsubscribedMessageTypeIds"], fields["unsubscribedChannelIds"]) == ([3], [4])
    assert [request.path for request in iterable.project.requests[1:]] == [
        "/api/subscriptions/emailList/12?action=subscribe",
        "/api/subscriptions/messageType/3?action=unsubscribe",
        "/api/subscriptions/messageChannel/4?action=unsubscribe",
    ]
    assert counted == {PATH: 3}
    assert outcome.calls == MappedTranslator([subscription])(event()).calls


def test_what_identifies_a_user_is_nowhere_but_in_the_body(
    iterable: LocalIterable, way: Way, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="iterable_destination")
    create_user(iterable, ODD)
    handed = event() | {"context": {"traits": {"email": ODD}}}
    broken = Script([faults.server_error()])
    with (
        LocalIterable(iterable.project, faults=broken) as flaky,
        open_mapped(flaky, JOIN) as to,
    ):
        outcome = way(to, handed)
    assert (outcome.name, outcome.attempts) == ("delivered", 2)
    assert profile(iterable, ODD)["emailListIds"] == [12]
    assert iterable.project.requests[-1].body == {"users": [ODD]}
    shown = [repr(outcome), caplog.text, *(each.path for each in iterable.project.requests)]
    assert "/api/subscriptions/emailList/12" in caplog.text
    assert [text for text in shown if "ada" in text] == []


def test_a_user_is_named_by_the_preferred_name(iterable: LocalIterable, way: Way) -> None:
    with delivering(iterable) as classic:
        traits = {"email": "u-1@x.com"}
        classic.send({"type": "identify", "userId": "u-1", "traits": traits})
    prefers = change_groups(("emailList", "12", "subscribe"), user_identifier_preference="userId")
    with open_mapped(iterable, prefers) as to:
        assert way(to, event() | {"userId": "u-1"}).name == "delivered"
    assert iterable.project.requests[-1].body == {"usersByUserId": ["u-1"]}
    assert profile(iterable, "u-1@x.com")["emailListIds"] == [12]


def test_a_group_that_is_refused_does_not_stop_the_next(way: Way) -> None:
    project = Project(project_type="email", subscription_groups=[12])
    subscription = change_groups(("messageType", 3, "subscribe"), ("emailList", 12, "subscribe"))
    with LocalIterable(project) as iterable, open_mapped(iterable, subscription, AGAIN) as to:
        create_user(iterable, "u-1@x.com")
        outcome = way(to, event())
    assert outcome.name == "rejected"
    assert failures(outcome) == [("Groups", "rejected", "BadRequest")]
    assert profile(iterable, "u-1@x.com")["emailListIds"] == [12]
    assert len(iterable.project.events("u-1@x.com")) == 1


def test_an_unknown_user_is_refused(iterable: LocalIterable, way: Way) -> None:
    with open_mapped(iterable, JOIN) as to:
        outcome = way(to, event())
    assert (outcome.name, outcome.code) == ("rejected", "UnknownEmailError")
    assert iterable.project.user("u-1@x.com") is None


def test_a_project_without_the_endpoint_takes_all_other_events(way: Way) -> None:
    project = Project(project_type="email", has_subscriptions=False)
    with LocalIterable(project) as iterable, open_mapped(iterable, JOIN, AGAIN) as to:
        create_user(iterable, "u-1@x.com")
        outcome = way(to, event())
        assert (outcome.name, outcome.code) == ("rejected", "NotFound")
        assert failures(outcome) == [("Groups", "rejected", "BadRequest")]
        assert way(to, event(user="u-2") | {"messageId": "m-2"}).name == "rejected"
    assert len(iterable.project.events("u-1@x.com")) == 1
    assert len(iterable.project.events("u-2@x.com")) == 1


def test_subscriptions_keep_their_place_among_a_users_events(iterable: LocalIterable) -> None:
    """An identify comes first, and every change follows the one before it, by either name."""
    leave = attrs.evolve(
        change_groups(("emailList", "12", "unsubscribe")), trigger='event = "Left"'
    )
    join = attrs.evolve(JOIN, trigger='event = "Joined"')
    update = Subscription("Users", "updateUser", 'type = "identify"', WHO | {"dataFields": {}})
    handed = []
    for user in range(7):
        who = {"context": {"traits": {"email": f"u-{user}@x.com"}}}
        handed.append({"type": "identify", **who})
        handed += [event(name, user=f"u-{user}") for name in ("Joined", "Left") * 10 + ("Joined",)]
    handed = [each | {"messageId": f"m-{number}"} for number, each in enumerate(handed)]
    with open_mapped(iterable, update, join, leave) as to:
        assert set(names(to.send_all(handed))) == {"delivered"}
    for user in range(7):
        effects = iterable.project.effects_of(f"u-{user}@x.com")[1:]
        actions = [effect.body["action"] for effect in effects]
        assert actions == ["subscribe", "unsubscribe"] * 10 + ["subscribe"]


def test_a_limit_may_be_set_for_all_groups_together(iterable: LocalIterable) -> None:
    create_user(iterable, "u-1@x.com")
    translator = MappedTranslator([JOIN, change_groups(("messageType", 3, "subscribe"))])
    limits = RATE_LIMITS | {PATH: 0.01}
    with delivering(iterable, translator=translator, rate_limits=limits) as to:
        (outcome,) = to.send_all([event()], timeout=1.0)
    assert failures(outcome) == [("Groups", "retryable", "NotSent")]
    assert len(iterable.project.requests) == 2


def test_a_dead_letter_of_a_change_can_be_sent_again(
    iterable: LocalIterable, tmp_path: Path
) -> None:
    letters = tmp_path / "dead.ndjson"
    translator = MappedTranslator([JOIN])
    with (
        DeadLetters(letters) as kept,
        delivering(iterable, translator=translator, dead_letters=kept) as to,
    ):
        assert to.send(event()).name == "rejected"
    create_user(iterable, "u-1@x.com")
    with open_mapped(iterable, JOIN) as to:
        again = json.loads(letters.read_text("utf-8"))
        assert to.send(again).name == "delivered"
    assert profile(iterable, "u-1@x.com")["emailListIds"] == [12]
