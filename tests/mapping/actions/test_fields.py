"""Fields: every action has fields, and each field takes its type."""

from __future__ import annotations

from iterable_destination.mapping.actions import (
    ACTIONS,
    DEFAULT_MAPPINGS,
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


def test_every_action_has_fields_calls_and_a_default_mapping() -> None:
    assert set(ACTIONS) == set(FIELDS) == set(CALLS) == set(DEFAULT_MAPPINGS)
    for action, mapping in DEFAULT_MAPPINGS.items():
        assert mapping.keys() <= {field.name for field in FIELDS[action]}
