"""Subscriptions: read from Python and from Segment's JSON, with every mistake and its place."""

from __future__ import annotations

import inspect
import json
import pickle
import sys
from typing import Any

import attrs
import pytest

from iterable_destination import InvalidEvent, InvalidSubscription, Problem
from iterable_destination.mapping.actions import (
    ACTIONS,
    MAX_SUBSCRIPTIONS,
    MappedTranslator,
    Subscription,
    subscriptions_from_json,
)
from iterable_destination.model.translation import FailedSubscription
from tests.support.subscription_strategies import EVENT

TRIGGER = 'type = "track"'


MAPPING: dict[str, Any] = {"userId": {"@path": "$.userId"}, "eventName": "Seen"}
NO_SUCH_ACTION = f"no such action; there are {', '.join(ACTIONS)}"


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
            [("partnerAction", NO_SUCH_ACTION)],
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
        Problem("[1]", "a subscription is an object, not null", "not-an-object"),
        Problem(
            "[2].subscribe", "at character 2: expected an operator, not the end", "invalid-trigger"
        ),
    )
    assert str(raised.value) == (
        "[1]: a subscription is an object, not null; "
        "[2].subscribe: at character 2: expected an operator, not the end"
    )


UNKNOWN = WRITTEN | {"name": "New", "partnerAction": "notYetKnown", "enabled": True}


@pytest.mark.parametrize("mapping", [MAPPING, {"x": {"@nope": 1}}, None, "{", {"a": 1}])
@pytest.mark.parametrize("key", ["partnerAction", "actionSlug", "action"])
def test_an_unknown_action_takes_no_other_subscription_down(key: str, mapping: Any) -> None:
    new: dict[str, Any] = UNKNOWN | {"mapping": mapping}
    new[key] = new.pop("partnerAction")
    warning = f"subscription 'New' fails for every event: {NO_SUCH_ACTION}"
    with pytest.warns(UserWarning, match=warning):
        read = subscriptions_from_json([WRITTEN | {"enabled": True}, new])
    result = MappedTranslator(read)(EVENT)
    assert result.subscriptions == ("Mine",)
    problem = Problem("action", NO_SUCH_ACTION, "unknown-action")
    assert result.errors == (FailedSubscription("New", (problem,)),)
    copied = pickle.loads(pickle.dumps(read))  # noqa: S301 - our own
    assert MappedTranslator(copied)(EVENT) == result


def test_it_fails_only_for_events_that_fire_it() -> None:
    new = UNKNOWN | {"subscribe": 'event = "New"'}
    with pytest.warns(UserWarning, match="fails for every event"):
        translator = MappedTranslator(subscriptions_from_json([WRITTEN, new, new]))
    assert translator(EVENT).skipped is not None
    with pytest.raises(InvalidEvent, match=f"New: action: {NO_SUCH_ACTION}"):
        translator(EVENT | {"event": "New"})


def test_an_unknown_action_is_an_error_beside_another_mistake_and_where_none_is_known() -> None:
    problem = Problem("[0].partnerAction", NO_SUCH_ACTION, "unknown-action")
    with pytest.raises(InvalidSubscription) as raised:
        subscriptions_from_json([UNKNOWN, WRITTEN | {"name": 5}])
    assert raised.value.problems == (
        problem,
        Problem("[1].name", "must be a string, not a number", "not-a-string"),
    )
    with pytest.raises(InvalidSubscription) as raised:
        subscriptions_from_json([UNKNOWN | {"subscribe": "x"}, WRITTEN])
    trigger = Problem(
        "[0].subscribe", "at character 2: expected an operator, not the end", "invalid-trigger"
    )
    assert raised.value.problems == (problem, trigger)
    with pytest.raises(InvalidSubscription) as raised:
        subscriptions_from_json([UNKNOWN])
    assert raised.value.problems == (problem,)


KINDS = [
    "warehouse_entity_added_track",
    "warehouse_audience_membership_changed_identify",
    "journeys_step_entered_track",
]


@pytest.mark.parametrize("slug", KINDS)
def test_a_preset_for_a_kind_of_event_is_read_and_says_that_it_needs_a_trigger(slug: str) -> None:
    preset = WRITTEN | {"enabled": True, "type": "specificEvent", "eventSlug": slug}
    with_trigger = Subscription.from_json(preset)
    assert MappedTranslator([with_trigger])(EVENT).subscriptions == ("Mine",)
    del preset["subscribe"]
    message = f"subscription 'Mine' never fires: Segment alone knows which events are '{slug}'"
    with pytest.warns(UserWarning, match=message):
        read = Subscription.from_json(preset)
    for its_type in ("track", "identify", "page"):
        assert MappedTranslator([read])(EVENT | {"type": its_type}).skipped is not None


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
