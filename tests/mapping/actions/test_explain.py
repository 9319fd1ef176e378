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


def mine(trigger: str = 'type = "track"', **mapping: Any) -> Subscription:
    return Subscription("Mine", "trackEvent", trigger, MAPPING | mapping)


def test_what_fired_is_told_with_its_payload_its_coercions_and_its_calls() -> None:
    [told] = explain(EVENT, [mine(dataFields={"day": {"@path": "$.properties.day"}}, color="red")])
    payload = {
        "userId": 5,
        "eventName": "Seen",
        "dataFields": {"day": "2023-02-05T00:00:00Z"},
        "color": "red",
    }
    assert attrs.asdict(told, filter=attrs.filters.exclude("calls")) == {
        "subscription": "Mine",
        "fired": True,
        "because": 'type = "track"',
        "payload": payload,
        "coercions": ({"path": "userId", "message": "a number, taken as a string"},),
        "problems": (),
        "skipped": None,
    }
    assert [call.body() for call in told.calls] == [
        {"userId": "5", "eventName": "Seen", "dataFields": {"day": "2023-02-05 00:00:00 +00:00"}}
    ]


def test_what_did_not_fire_is_told_with_the_clause_that_decided() -> None:
    trigger = 'type = "track" and (event = "x" or properties.day = null)'
    [told] = explain(EVENT, [mine(trigger)])
    because = 'event = "x" or properties.day = null'
    assert told == Explanation("Mine", fired=False, because=because)


def test_what_failed_is_told_with_its_problems() -> None:
    [told] = explain(EVENT, [mine(dataFields={"@path": "$.properties"}, eventName=None)])
    assert told.payload["dataFields"] == {"price": None, "day": "2023-02-05T00:00:00Z"}
    assert told.problems == (Problem("eventName", "missing"),)
    assert told.coercions == (Note("userId", "a number, taken as a string"),)
    assert told.calls == ()


def test_what_is_switched_off_is_told() -> None:
    off = attrs.evolve(mine(), enabled=False)
    assert explain(EVENT, [off]) == (
        Explanation("Mine", fired=False, because="it is switched off"),
    )
    because = "integrations.Iterable is false"
    elsewhere = {**EVENT, "integrations": {"Iterable": False}}
    assert explain(elsewhere, [mine()]) == (Explanation("Mine", fired=False, because=because),)


def test_what_is_skipped_is_told() -> None:
    [told] = explain({**EVENT, "userId": None}, [mine()], Settings(skip_anonymous=True))
    assert told.skipped == "anonymous: neither email nor userId, and skip_anonymous is on"
    assert (told.fired, told.calls, told.problems) == (True, (), ())


def test_a_mapping_that_gives_nothing_has_no_payload() -> None:
    nothing = Subscription("Mine", "trackEvent", 'type = "track"', {"@path": "$.x"})
    [told] = explain(EVENT, [nothing])
    assert (told.payload, told.problems) == (None, (Problem("eventName", "missing"),))


def test_the_presets_are_explained_unless_others_are_given() -> None:
    told = explain({**EVENT, "type": "page"})
    assert [(each.subscription, each.fired) for each in told] == [
        (preset.name, False) for preset in PRESETS
    ]


def test_an_event_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(InvalidEvent, match="type: missing"):
        explain({}, [mine()])
