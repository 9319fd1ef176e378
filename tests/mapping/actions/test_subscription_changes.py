"""Subscription changes: both forms of Segment's action, and what is wrong with them."""

from __future__ import annotations

import json
from enum import Enum
from typing import Any

import pytest

from iterable_destination import Identity, Note, Settings
from iterable_destination.mapping.actions import (
    DEFAULT_MAPPINGS,
    MappedTranslator,
    Subscription,
    explain,
    subscriptions_from_json,
)
from iterable_destination.mapping.actions.apply import NO_IDENTITY
from iterable_destination.mapping.origins import origins
from iterable_destination.model.calls import UpdateSubscription
from iterable_destination.model.translation import ANONYMOUS
from tests.support.subscription_strategies import EVENT, find_problems

ADA = "ada@example.com"
BOTH = Identity(ADA, "u-1")
CHANGE = {
    "subscription_group_type": "messageType",
    "subscription_group_id": "12",
    "action": "subscribe",
}
SHORT_CHANGE = {"group_type": "emailList", "subscription_group_id": 7, "action": "unsubscribe"}
#: As the action is defined, and another form that mappings have.
FULL = {"identifier": {"email": ADA, "userId": {"@path": "$.userId"}}, "subscriptions": [CHANGE]}
SHORT = {"email": ADA, "userId": {"@path": "$.userId"}, "subscription": [SHORT_CHANGE]}


def build(mapping: Any, action: str = "updateSubscriptions") -> Subscription:
    return Subscription("Mine", action, 'type = "track"', mapping)


def list_calls(mapping: Any, action: str = "updateSubscriptions") -> list[Any]:
    return list(MappedTranslator([build(mapping, action)])(EVENT).calls)


def describe(mapping: Any) -> list[tuple[str, str]]:
    return [(path[6:], message) for path, message in find_problems(EVENT, build(mapping))]


def read(mapping: Any) -> list[Any]:
    """Return the calls of the same subscription in Segment's JSON."""
    written = {
        "partnerAction": "updateSubscriptions",
        "subscribe": 'type = "track"',
        "mapping": mapping,
    }
    subscriptions = subscriptions_from_json(json.loads(json.dumps([written])))
    return list(MappedTranslator(subscriptions)(EVENT).calls)


@pytest.mark.parametrize(
    ("mapping", "call"),
    [
        (FULL, UpdateSubscription(BOTH, "messageType", 12, "subscribe")),
        (SHORT, UpdateSubscription(BOTH, "emailList", 7, "unsubscribe")),
        (
            {**FULL, "user_identifier_preference": "userId"},
            UpdateSubscription(BOTH, "messageType", 12, "subscribe", True),
        ),
        (
            {**FULL, "subscriptions": CHANGE},
            UpdateSubscription(BOTH, "messageType", 12, "subscribe"),
        ),
        (
            {**SHORT, "subscription": SHORT_CHANGE, "user_identifier_preference": "email"},
            UpdateSubscription(BOTH, "emailList", 7, "unsubscribe"),
        ),
        (
            {"email": ADA, "subscriptions": CHANGE, "identifier": {"email": "", "userId": "u-2"}},
            UpdateSubscription(Identity(ADA, "u-2"), "messageType", 12, "subscribe"),
        ),
    ],
)
def test_both_forms_are_read_from_python_and_from_json(
    mapping: Any, call: UpdateSubscription
) -> None:
    assert list_calls(mapping) == read(mapping) == [call]


def test_the_action_for_a_single_group_is_the_same() -> None:
    mapping = {"identifier": FULL["identifier"], "subscription": CHANGE}
    expected = [UpdateSubscription(BOTH, "messageType", 12, "subscribe")]
    assert list_calls(mapping, "updateSubscription") == expected


def test_each_group_is_a_call_in_the_order_of_the_mapping() -> None:
    result = MappedTranslator([build({**FULL, "subscriptions": [CHANGE, SHORT_CHANGE]})])(EVENT)
    assert result.calls == (
        UpdateSubscription(BOTH, "messageType", 12, "subscribe"),
        UpdateSubscription(BOTH, "emailList", 7, "unsubscribe"),
    )
    assert (result.subscriptions, result.notes) == (("Mine", "Mine"), ())


def test_the_mapping_that_segment_proposes_lacks_the_groups() -> None:
    for action in ("updateSubscriptions", "updateSubscription"):
        mapping = DEFAULT_MAPPINGS[action]
        event = EVENT | {"properties": {"email": ADA}}
        assert find_problems(event, build(mapping, action)) == [("Mine: subscriptions", "missing")]
        [call] = MappedTranslator([build({**mapping, "subscriptions": CHANGE}, action)])(
            event
        ).calls
        assert call == UpdateSubscription(BOTH, "messageType", 12, "subscribe")


class Kind(Enum):
    LIST = "emailList"


@pytest.mark.parametrize("number", ["12", 12, 12.0, "012"])
def test_a_group_is_a_number_or_a_text_of_digits(number: Any) -> None:
    change = {**CHANGE, "subscription_group_id": number, "subscription_group_type": Kind.LIST}
    [call] = list_calls({**FULL, "subscriptions": {"@path": "$.none"}, "subscription": change})
    assert (call.group_type, call.group_id) == ("emailList", 12)


NO_ID = "must be a whole number, or a string of digits"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("subscription_group_type", None, "missing"),
        ("subscription_group_type", "", "missing"),
        ("subscription_group_type", "sms", "must be emailList, messageType or messageChannel"),
        (
            "subscription_group_type",
            "emaillist",
            "must be emailList, messageType or messageChannel",
        ),
        ("subscription_group_type", {}, "must be a string, not an object"),
        ("subscription_group_id", None, "missing"),
        ("subscription_group_id", "", "missing"),
        ("subscription_group_id", "x", NO_ID),
        ("subscription_group_id", "-5", NO_ID),
        ("subscription_group_id", "1" * 20, NO_ID),
        ("subscription_group_id", 12.5, NO_ID),
        ("subscription_group_id", True, NO_ID),
        ("subscription_group_id", [12], NO_ID),
        ("subscription_group_id", 0, "must be between 1 and 9,223,372,036,854,775,807"),
        ("subscription_group_id", -1, "must be between 1 and 9,223,372,036,854,775,807"),
        ("subscription_group_id", 2**63, "must be between 1 and 9,223,372,036,854,775,807"),
        ("subscription_group_id", "0", "must be between 1 and 9,223,372,036,854,775,807"),
        ("action", None, "missing"),
        ("action", "leave", "must be subscribe or unsubscribe"),
        ("action", 5, "must be subscribe or unsubscribe"),
    ],
)
def test_what_is_wrong_with_a_group_has_its_place(field: str, value: Any, message: str) -> None:
    change = {**CHANGE, field: value}
    assert describe({**FULL, "subscriptions": [CHANGE, change]}) == [
        (f"subscriptions[1].{field}", message)
    ]
    assert describe({**FULL, "subscriptions": change}) == [(f"subscriptions.{field}", message)]


def test_the_other_form_names_its_own_fields() -> None:
    change = {"group_type": "sms", "subscription_group_id": "12"}
    assert describe({**SHORT, "subscription": [change]}) == [
        ("subscription[0].action", "missing"),
    ]
    assert describe({**SHORT, "subscription": [{**change, "action": "subscribe"}]}) == [
        ("subscription[0].group_type", "must be emailList, messageType or messageChannel"),
    ]


@pytest.mark.parametrize(
    ("given", "path", "message"),
    [
        ([], "subscriptions", "missing"),
        ([{"@path": "$.none"}], "subscriptions", "missing"),
        ("x", "subscriptions", "must be a list of objects, or one object, not a string"),
        (5, "subscriptions", "must be a list of objects, or one object, not a number"),
        (["x"], "subscriptions[0]", "must be an object, not a string"),
        ([CHANGE] * 7, "subscriptions", "7 changes; an event has at most 6"),
    ],
)
def test_there_are_one_to_six_groups(given: Any, path: str, message: str) -> None:
    assert describe({**FULL, "subscriptions": given}) == [(path, message)]
    assert len(list_calls({**FULL, "subscriptions": [CHANGE] * 6})) == 6


def test_no_groups_at_all_are_missing() -> None:
    assert describe({"email": ADA}) == [("subscriptions", "missing")]


def test_what_is_passed_over_has_a_note() -> None:
    mapping = {**FULL, "subscriptions": [None, CHANGE], "subscription": SHORT_CHANGE}
    result = MappedTranslator([build(mapping)])(EVENT)
    assert len(result.calls) == 1
    assert result.notes == (
        Note("Mine: subscriptions[0]", "null, passed over", "null-passed-over"),
        Note("Mine: subscription", "passed over: subscriptions counts", "ignored"),
    )


def test_batching_is_checked_and_not_sent() -> None:
    batching = {"enable_batching": True, "batch_size": 1000, "batch_keys": ["subscriptions"]}
    assert list_calls({**FULL, **batching}) == list_calls(FULL)
    assert describe({**FULL, "batch_size": "x"}) == [
        ("batch_size", "must be a whole number, not a string that says none")
    ]


@pytest.mark.parametrize(
    ("mapping", "place"),
    [
        ({"subscriptions": CHANGE}, "userId"),
        ({"subscriptions": CHANGE, "email": "", "userId": None}, "userId"),
        ({"subscriptions": CHANGE, "identifier": {}}, "identifier.userId"),
        ({"subscriptions": CHANGE, "identifier": {"userId": ""}}, "identifier.userId"),
    ],
)
def test_somebody_must_be_named(mapping: Any, place: str) -> None:
    assert describe(mapping) == [(place, NO_IDENTITY.message)]
    skipping = MappedTranslator([build(mapping)])
    assert skipping(EVENT, Settings(skip_anonymous=True)).skipped == ANONYMOUS


NO_USER_ID = "must be printable ASCII, not empty, and not end with a space"


def test_what_is_wrong_with_who_it_is_about_has_its_place() -> None:
    no_email = "not a valid email address (expected name@host.domain)"
    assert describe({**FULL, "identifier": {"email": "ada"}}) == [("identifier.email", no_email)]
    assert describe({**SHORT, "email": "ada"}) == [("email", no_email)]
    assert describe({**FULL, "identifier": {"userId": "ü"}}) == [("identifier.userId", NO_USER_ID)]
    assert describe({"subscription": SHORT_CHANGE, "userId": "ü"}) == [("userId", NO_USER_ID)]
    assert describe({**FULL, "identifier": "u-1"}) == [
        ("identifier", "must be an object, not a string")
    ]
    assert describe({**FULL, "user_identifier_preference": "phone"}) == [
        ("user_identifier_preference", "must be email or userId")
    ]


def test_a_user_id_that_is_not_sent_need_not_be_one_that_iterable_takes() -> None:
    mapping = {**FULL, "identifier": {"email": ADA, "userId": "ü"}}
    assert [call.body() for call in list_calls(mapping)] == [{"users": [ADA]}]
    assert describe({**mapping, "user_identifier_preference": "userId"}) == [
        ("identifier.userId", NO_USER_ID)
    ]


def test_an_explanation_and_origins_tell_of_it() -> None:
    event = EVENT | {"properties": {"email": ADA}}
    mapping = {**FULL, "identifier": {"email": {"@path": "$.properties.email"}}}
    [explained] = explain(event, [build(mapping)])
    assert explained.calls == (UpdateSubscription(Identity(ADA), "messageType", 12, "subscribe"),)
    [origin] = origins(event, MappedTranslator([build(mapping)]))
    assert (origin.field, origin.places) == ("users[0]", ("properties.email",))
