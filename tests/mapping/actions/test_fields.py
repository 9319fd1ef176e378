"""Fields: every action has fields, and each field takes its type."""

from __future__ import annotations

import pytest

from iterable_destination.mapping.actions import (
    ACTIONS,
    DEFAULT_MAPPINGS,
    MappedTranslator,
    Subscription,
)
from iterable_destination.mapping.actions.call_builders import CALLS
from iterable_destination.mapping.actions.fields import FIELDS
from tests.support.subscription_strategies import (
    EVENT,
    build_subscription,
    find_problems,
)


def test_a_user_that_is_no_object_is_refused() -> None:
    cart = Subscription("Mine", "updateCart", 'type = "track"', {"user": "u", "items": []})
    assert find_problems(EVENT, cart) == [("Mine: user", "must be an object, not a string")]


def test_a_campaign_has_its_bounds() -> None:
    expected = "must be between -9,223,372,036,854,775,808 and 9,223,372,036,854,775,807"
    assert find_problems(EVENT, build_subscription(campaignId=2**63, userId="ø")) == [
        ("Mine: userId", "must be printable ASCII, not empty, and not end with a space"),
        ("Mine: campaignId", expected),
    ]


@pytest.mark.parametrize("empty", ["email", "userId"])
def test_an_empty_identity_of_a_user_is_none(empty: str) -> None:
    user = {"email": "a@b.co", "userId": "u"} | {empty: ""}
    cart = Subscription("Mine", "updateCart", 'type = "track"', {"user": user, "items": []})
    [call] = MappedTranslator([cart])(EVENT).calls
    del user[empty]
    assert call.body()["user"] == {**user, "dataFields": {}}
    nobody = Subscription(
        "Mine", "updateCart", 'type = "track"', {"user": {empty: ""}, "items": []}
    )
    assert find_problems(EVENT, nobody) == [("Mine: user.userId", "Must include email or userId.")]


def test_every_action_has_fields_calls_and_a_default_mapping() -> None:
    assert set(ACTIONS) == set(FIELDS) == set(CALLS) == set(DEFAULT_MAPPINGS)
    for action, mapping in DEFAULT_MAPPINGS.items():
        assert mapping.keys() <= {field.name for field in FIELDS[action]}
