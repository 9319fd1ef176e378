"""Subscriptions: read from Python and from Segment's JSON, with every mistake and its place."""

from __future__ import annotations

import inspect
import json
import pickle
import sys
from typing import Any

import attrs
import pytest

from iterable_destination import InvalidSubscription, Problem
from iterable_destination.mapping.actions import (
    MAX_SUBSCRIPTIONS,
    MappedTranslator,
    Subscription,
    subscriptions_from_json,
)

TRIGGER = 'type = "track"'


MAPPING: dict[str, Any] = {"userId": {"@path": "$.userId"}, "eventName": "Seen"}


WRITTEN = {
    "name": "Mine",
    "enabled": False,
    "partnerAction": "trackEvent",
    "subscribe": TRIGGER,
    "mapping": MAPPING,
}


MINE = Subscription("Mine", "trackEvent", TRIGGER, MAPPING, enabled=False)


def find_mistakes(subscription: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidSubscription) as raised:
        Subscription.from_json(subscription)
    return [(problem.path, problem.message) for problem in raised.value.problems]


def test_a_subscription_is_read_as_segment_writes_it() -> None:
    assert Subscription.from_json(WRITTEN) == MINE


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("actionSlug", "partnerAction"),
        ("action", "partnerAction"),
        ("trigger", "subscribe"),
        ("settings", "mapping"),
    ],
)
def test_names_of_the_api_and_of_ours_are_read_too(theirs: str, ours: str) -> None:
    written: dict[str, Any] = dict(WRITTEN)
    written[theirs] = written.pop(ours)
    assert Subscription.from_json(written) == MINE
    assert Subscription.from_json(written | {ours: None}) == MINE


def test_a_mapping_can_be_a_text_in_json() -> None:
    assert Subscription.from_json(WRITTEN | {"mapping": json.dumps(MAPPING)}) == MINE


def test_what_else_segment_writes_is_passed_over() -> None:
    more = {"id": "1", "actionId": "2", "destinationId": "3", "modelId": None}
    assert Subscription.from_json(WRITTEN | more) == MINE


def test_a_key_that_means_nothing_is_passed_over_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="unknown key 'enbled' of a subscription is passed over"):
        assert Subscription.from_json(WRITTEN | {"enbled": True}) == MINE


def test_it_is_on_and_has_its_actions_name_unless_it_says_otherwise() -> None:
    read = Subscription.from_json(WRITTEN | {"name": None, "enabled": None})
    assert (read.name, read.enabled) == ("Custom Event", True)
    made = Subscription("Mine", "trackEvent", TRIGGER, MAPPING)
    assert made.enabled


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"name": ""}, [("name", "missing")]),
        ({"name": 5}, [("name", "must be a string, not a number")]),
        ({"enabled": "true"}, [("enabled", "must be true or false, not a string")]),
        ({"partnerAction": None}, [("partnerAction", "missing")]),
        ({"partnerAction": 5}, [("partnerAction", "must be a string, not a number")]),
        (
            {"partnerAction": "upsertUser"},
            [
                (
                    "partnerAction",
                    "no such action; there are trackEvent, updateUser, updateCart, trackPurchase",
                )
            ],
        ),
        ({"subscribe": None}, [("subscribe", "missing")]),
        ({"subscribe": ""}, [("subscribe", "missing")]),
        ({"subscribe": 5}, [("subscribe", "must be a string, not a number")]),
        (
            {"subscribe": 'type = "x'},
            [("subscribe", "at character 8: the text in quotes has no end")],
        ),
        ({"mapping": None}, [("mapping", "missing")]),
        ({"mapping": []}, [("mapping", "must be an object, not a list")]),
        ({"mapping": "{"}, [("mapping", "must be an object, not a string")]),
        ({"mapping": "\ud800"}, [("mapping", "must be an object, not a string")]),
        (
            {"mapping": {"x": {"@nope": 1}}},
            [("mapping.x.@nope", "there is no such directive")],
        ),
        (
            {"subscribe": "type", "mapping": {"x": {"@nope": 1}}, "name": 5},
            [
                ("name", "must be a string, not a number"),
                ("subscribe", "at character 5: expected an operator, not the end"),
                ("mapping.x.@nope", "there is no such directive"),
            ],
        ),
    ],
)
def test_every_mistake_is_named_with_its_place(
    change: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert find_mistakes(WRITTEN | change) == expected


def test_nothing_at_all_is_missing_everything() -> None:
    assert find_mistakes({}) == [
        ("name", "missing"),
        ("partnerAction", "missing"),
        ("subscribe", "missing"),
        ("mapping", "missing"),
    ]


def test_mistakes_are_named_as_they_were_written() -> None:
    written = {"name": "x", "actionSlug": "y", "trigger": "z", "settings": {"a": {"@nope": 1}}}
    assert [path for path, _ in find_mistakes(written)] == [
        "actionSlug",
        "trigger",
        "settings.a.@nope",
    ]


@pytest.mark.parametrize("given", [None, [], "x", 5])
def test_a_subscription_is_an_object(given: Any) -> None:
    [(path, message)] = find_mistakes(given)
    assert path == "$"
    assert message.startswith("a subscription is an object, not ")


def test_a_list_names_every_mistake_of_all() -> None:
    with pytest.raises(InvalidSubscription) as raised:
        subscriptions_from_json([WRITTEN, None, WRITTEN | {"subscribe": "x"}])
    assert raised.value.problems == (
        Problem("[1]", "a subscription is an object, not null"),
        Problem("[2].subscribe", "at character 2: expected an operator, not the end"),
    )
    assert str(raised.value) == (
        "[1]: a subscription is an object, not null; "
        "[2].subscribe: at character 2: expected an operator, not the end"
    )


@pytest.mark.parametrize("given", [None, {}, "x"])
def test_subscriptions_are_a_list(given: Any) -> None:
    with pytest.raises(InvalidSubscription, match="must be a list of subscriptions, not "):
        subscriptions_from_json(given)


def test_a_destination_has_at_most_fifty() -> None:
    assert len(subscriptions_from_json([WRITTEN] * MAX_SUBSCRIPTIONS)) == 50
    message = r"\$: 51 subscriptions; a destination has at most 50"
    with pytest.raises(InvalidSubscription, match=message):
        subscriptions_from_json([WRITTEN] * 51)
    with pytest.raises(InvalidSubscription, match=message):
        MappedTranslator([MINE] * 51)
    MappedTranslator([MINE] * 50)


def test_a_subscription_is_immutable_and_can_be_changed_by_a_copy() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        MINE.name = "x"  # type: ignore[misc]
    on = attrs.evolve(MINE, enabled=True)
    assert (on.enabled, on.mapping) == (True, MINE.mapping)


def test_a_subscription_and_a_translator_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(MINE)) == MINE  # noqa: S301 - our own
    translator = MappedTranslator([MINE])
    copied = pickle.loads(pickle.dumps(translator))  # noqa: S301 - our own
    assert copied.subscriptions == translator.subscriptions


def test_a_mapping_that_is_changed_later_changes_no_subscription() -> None:
    mapping: dict[str, Any] = {"eventName": "Seen"}
    made = Subscription("Mine", "trackEvent", TRIGGER, mapping)
    mapping["eventName"] = "x"
    assert made.mapping == {"eventName": "Seen"}
    assert made.resolve({}) == {"eventName": "Seen"}


def test_where_the_stack_is_nearly_full_it_is_refused_like_any_other() -> None:
    deep: Any = {"@path": "a"}
    for _ in range(60):
        deep = {"@if": {"exists": deep}}
    trigger = f"{'(' * 100}{TRIGGER}{')' * 100}"

    def below(depth: int) -> list[str]:
        if depth:
            return below(depth - 1)
        with pytest.raises(InvalidSubscription) as raised:
            Subscription("Mine", "trackEvent", trigger, {"x": deep})
        return [problem.message for problem in raised.value.problems]

    frames = len(inspect.stack())
    messages = below(sys.getrecursionlimit() - frames - 150)
    assert messages == ["is nested more than 128 levels deep"] * 2
