"""Explanations: why a subscription fired or not, and what it made of an event."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from iterable_destination import InvalidEvent, Note, Problem, Settings
from iterable_destination.mapping.actions import PRESETS, Explanation, Subscription, explain

EVENT: dict[str, Any] = {
    "messageId": "m-1",
    "type": "track",
    "event": "Seen",
    "userId": 5,
    "properties": {"price": float("nan"), "day": "2023-02-05T00:00:00Z"},
}
MAPPING = {"userId": {"@path": "$.userId"}, "eventName": {"@path": "$.event"}}


def build_subscription(trigger: str = 'type = "track"', **mapping: Any) -> Subscription:
    return Subscription("Mine", "trackEvent", trigger, MAPPING | mapping)


def test_what_fired_is_told_with_its_payload_its_coercions_and_its_calls() -> None:
    [explanation] = explain(
        EVENT, [build_subscription(dataFields={"day": {"@path": "$.properties.day"}}, color="red")]
    )
    payload = {
        "userId": 5,
        "eventName": "Seen",
        "dataFields": {"day": "2023-02-05T00:00:00Z"},
        "color": "red",
    }
    assert attrs.asdict(explanation, filter=attrs.filters.exclude("calls")) == {
        "subscription": "Mine",
        "fired": True,
        "because": 'type = "track"',
        "payload": payload,
        "coercions": (
            {"path": "userId", "message": "a number, taken as a string", "code": "sent-as-string"},
        ),
        "problems": (),
        "skipped": None,
    }
    assert [call.body() for call in explanation.calls] == [
        {"userId": "5", "eventName": "Seen", "dataFields": {"day": "2023-02-05 00:00:00 +00:00"}}
    ]


def test_what_did_not_fire_is_told_with_the_clause_that_decided() -> None:
    trigger = 'type = "track" and (event = "x" or properties.day = null)'
    [explanation] = explain(EVENT, [build_subscription(trigger)])
    because = 'event = "x" or properties.day = null'
    assert explanation == Explanation("Mine", fired=False, because=because)


def test_what_failed_is_told_with_its_problems() -> None:
    [explanation] = explain(
        EVENT, [build_subscription(dataFields={"@path": "$.properties"}, eventName=None)]
    )
    assert explanation.payload["dataFields"] == {"price": None, "day": "2023-02-05T00:00:00Z"}
    assert explanation.problems == (Problem("eventName", "missing", "missing"),)
    assert explanation.coercions == (
        Note("userId", "a number, taken as a string", "sent-as-string"),
    )
    assert explanation.calls == ()


def test_what_is_switched_off_is_told() -> None:
    off = attrs.evolve(build_subscription(), enabled=False)
    assert explain(EVENT, [off]) == (
        Explanation("Mine", fired=False, because="it is switched off"),
    )
    because = "integrations.Iterable is false"
    elsewhere = {**EVENT, "integrations": {"Iterable": False}}
    assert explain(elsewhere, [build_subscription()]) == (
        Explanation("Mine", fired=False, because=because),
    )


def test_what_is_skipped_is_told() -> None:
    [explanation] = explain(
        {**EVENT, "userId": None}, [build_subscription()], Settings(skip_anonymous=True)
    )
    assert explanation.skipped == "anonymous: neither email nor userId, and skip_anonymous is on"
    assert (explanation.fired, explanation.calls, explanation.problems) == (True, (), ())


def test_a_mapping_that_gives_nothing_has_no_payload() -> None:
    nothing = Subscription("Mine", "trackEvent", 'type = "track"', {"@path": "$.x"})
    [explanation] = explain(EVENT, [nothing])
    assert (explanation.payload, explanation.problems) == (
        None,
        (Problem("eventName", "missing", "missing"),),
    )


def test_the_presets_are_explained_unless_others_are_given() -> None:
    explanations = explain({**EVENT, "type": "page"})
    assert [(each.subscription, each.fired) for each in explanations] == [
        (preset.name, False) for preset in PRESETS
    ]


def test_an_event_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(InvalidEvent, match="type: missing"):
        explain({}, [build_subscription()])
