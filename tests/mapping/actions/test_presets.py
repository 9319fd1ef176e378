"""Presets: they are those of Segment."""

from __future__ import annotations

import json

from iterable_destination.mapping.actions import (
    PRESETS,
    PRESETS_JSON,
    subscriptions_from_json,
)


def test_the_presets_are_those_of_segment() -> None:
    assert [(each.name, each.action, each.trigger) for each in PRESETS] == [
        (
            "Track Calls",
            "trackEvent",
            'type = "track" and event != "Order Completed" and event != "Cart Updated"',
        ),
        ("Identify Calls", "updateUser", 'type = "identify"'),
        ("Update Cart Calls", "updateCart", 'type = "track" and event = "Cart Updated"'),
        ("Order Completed Calls", "trackPurchase", 'type = "track" and event = "Order Completed"'),
    ]
    assert subscriptions_from_json(json.loads(json.dumps(PRESETS_JSON))) == PRESETS
