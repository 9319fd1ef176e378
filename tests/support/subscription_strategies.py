"""An event, subscriptions for it, and strategies for both."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import strategies as st

from iterable_destination import InvalidEvent
from iterable_destination.mapping.actions import (
    ACTIONS,
    DEFAULT_MAPPINGS,
    PRESETS,
    MappedTranslator,
    Subscription,
)
from iterable_destination.mapping.actions.fields import FIELDS
from tests.support import strategies
from tests.support.mapping_strategies import mappings

EVENT: dict[str, Any] = {"messageId": "m-1", "type": "track", "userId": "u-1", "event": "Seen"}

PRESET = MappedTranslator()


def build_subscription(name: str = "Mine", **mapping: Any) -> Subscription:
    fields = {"userId": {"@path": "$.userId"}, "eventName": {"@path": "$.event"}}
    return Subscription(name, "trackEvent", 'type = "track"', fields | mapping)


def find_problems(event: Any, *subscriptions: Subscription) -> list[tuple[str, str]]:
    with pytest.raises(InvalidEvent) as raised:
        MappedTranslator(subscriptions or PRESETS)(event)
    return [(problem.path, problem.message) for problem in raised.value.problems]


def rename_for_presets(event: Any) -> Any:
    """Give commerce the names that the presets ask for."""
    if isinstance(event, dict) and str(event.get("event")).startswith("Product"):
        return event | {"event": "Cart Updated"}
    return event


json_events = strategies.json_events.map(rename_for_presets)
places = st.sampled_from(
    [
        "$.userId",
        "$.properties",
        "$.traits",
        "$.event",
        "$.properties.products",
        "$.timestamp",
        "$.properties.total",
        "$.context.traits",
        "$.messageId",
        "$.properties.email",
        "$.context",
        "$.properties.products[0].price",
        "$.properties.products[0].product_id",
        "$.traits.email",
    ]
)

changes = st.lists(
    st.fixed_dictionaries(
        {"subscription_group_id": st.sampled_from(["12", 12, 0, "x"])},
        optional={
            "subscription_group_type": st.sampled_from(["emailList", "messageType", "x"]),
            "group_type": st.sampled_from(["messageChannel", 5]),
            "action": st.sampled_from(["subscribe", "unsubscribe", {"@path": "$.event"}]),
        },
    ),
    max_size=7,
)

values = (
    places.map(lambda where: {"@path": where})
    | mappings
    | st.sampled_from([1, 0, True, "5", 1.5, "true", "a@b.co", "u-1", None, "", [], ["x"]])
)


@st.composite
def wild_subscriptions(draw: st.DrawFn) -> Subscription:
    """Make a subscription that maps anything to anything, with some defaults kept."""
    action = draw(st.sampled_from(list(ACTIONS)))
    mapping = copy.deepcopy(DEFAULT_MAPPINGS[action])
    if action.startswith("updateSubscription"):
        mapping[draw(st.sampled_from(["subscription", "subscriptions"]))] = draw(changes)
    for field in FIELDS[action]:
        kept = draw(st.integers(0, 3))
        if kept == 0:
            mapping[field.name] = draw(values)
        elif kept == 1:
            mapping.pop(field.name, None)
    if "user" in mapping and draw(st.booleans()):
        key = draw(st.sampled_from(["email", "userId", "dataFields", "phoneNumber"]))
        mapping["user"] = {**DEFAULT_MAPPINGS["updateCart"]["user"], key: draw(values)}
    return Subscription(draw(st.sampled_from(["A", "B"])), action, "type != null", mapping)
