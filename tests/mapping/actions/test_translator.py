"""The mapped translator: what an event gives, whatever it is and whatever it is mapped to."""

from __future__ import annotations

import copy
import inspect
import json
import sys
from types import MappingProxyType
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterable_destination import InvalidEvent, Note, Problem, Settings, Translation, translate
from iterable_destination.mapping.actions import (
    MappedTranslator,
    Subscription,
    explain,
)
from iterable_destination.mapping.actions import translator as translator_module
from iterable_destination.model import validation
from iterable_destination.model.segment_event import SegmentEvent
from iterable_destination.model.translation import FailedSubscription
from tests.mapping.test_properties import iterate_containers, take_snapshot, wrap
from tests.support import strategies
from tests.support.fql_strategies import triggers
from tests.support.request_schema import violations
from tests.support.subscription_strategies import (
    EVENT,
    PRESET,
    build_subscription,
    find_problems,
    json_events,
    wild_subscriptions,
)

TAKEN = "taken as track, as Segment writes it"

# --- One event ---------------------------------------------------------------------------------


@pytest.mark.parametrize("event", [None, [], "x", 5, b"{}", float("nan")])
def test_an_event_is_an_object(event: Any) -> None:
    [(path, message)] = find_problems(event)
    assert path == "$"
    assert message.startswith("an event is an object, not ")


@pytest.mark.parametrize(
    ("its_type", "message"),
    [(None, "missing"), ("", "missing"), (5, "must be a string, not a number")],
)
def test_an_event_has_a_type(its_type: Any, message: str) -> None:
    assert find_problems({**EVENT, "type": its_type}) == [("type", message)]


@pytest.mark.parametrize("its_type", ["trak", "event", "Tracks", "x" * 1_000])
def test_a_type_that_segment_has_not_is_refused_as_by_the_classic_mapping(its_type: str) -> None:
    event = {**EVENT, "type": its_type}
    with pytest.raises(InvalidEvent) as raised:
        translate(event)
    assert find_problems(event) == [(each.path, each.message) for each in raised.value.problems]


@pytest.mark.parametrize("its_type", ["Track", "TRACK", "tracK"])
def test_a_type_in_another_case_is_seen_as_segment_writes_it(its_type: str) -> None:
    event = {**EVENT, "type": its_type}
    usual, result = PRESET(EVENT), PRESET(event)
    assert result.calls == usual.calls
    assert result.notes == translate(event).notes == (Note("type", TAKEN, "type-case"),)
    assert explain(event) == explain(EVENT)
    assert event["type"] == its_type


def test_the_note_about_the_type_stays_whatever_else_becomes_of_the_event() -> None:
    event = {**EVENT, "type": "Track"}
    for skipped in (
        PRESET(event | {"integrations": {"Iterable": False}}),
        PRESET(event | {"userId": None}, Settings(skip_anonymous=True)),
        MappedTranslator([])(event),
    ):
        assert skipped.skipped is not None
        assert skipped.notes == (Note("type", TAKEN, "type-case"),)


@pytest.mark.parametrize("user_id", ["undefined", "NULL", "000", 0, "[object Object]"])
def test_an_id_that_looks_like_none_is_noted_or_refused(user_id: Any) -> None:
    event = {**EVENT, "userId": user_id}
    assert validation.PLACEHOLDER.note_at("Track Calls: userId") in PRESET(event).notes
    with pytest.raises(InvalidEvent) as raised:
        PRESET(event, Settings(refuse_placeholder_ids=True))
    expected = (validation.PLACEHOLDER.problem_at("Track Calls: userId"),)
    assert raised.value.problems == expected


@pytest.mark.parametrize(
    ("action", "place"), [("updateUser", "dataFields"), ("updateCart", "user.dataFields")]
)
def test_a_field_of_a_profile_that_iterable_keeps_has_a_note(action: str, place: str) -> None:
    profile: Any = {"dataFields": {"emailListIds": [1], "plan": "pro"}}
    user = {"userId": "u-1"} | profile
    mapping = user if place == "dataFields" else {"user": user, "items": []}
    result = MappedTranslator([Subscription("Mine", action, 'type = "track"', mapping)])(EVENT)
    assert result.notes == (validation.MANAGED.note_at(f"Mine: {place}.emailListIds"),)


def test_any_other_id_is_one() -> None:
    strict = Settings(refuse_placeholder_ids=True)
    assert PRESET(EVENT, strict) == PRESET(EVENT)
    by_email = {"type": "identify", "traits": {"email": "a@b.co"}}
    assert PRESET(by_email, strict) == PRESET(by_email)


@pytest.mark.parametrize(("given", "read"), [("m-1", "m-1"), (5, "5"), (None, None), ([], None)])
def test_the_message_id_is_known_whatever_becomes_of_it(given: Any, read: str | None) -> None:
    assert PRESET({**EVENT, "messageId": given, "type": "page"}).message_id == read
    with pytest.raises(InvalidEvent) as raised:
        PRESET({**EVENT, "messageId": given, "type": None})
    assert raised.value.message_id == read


def test_an_empty_message_id_is_no_id_of_the_event() -> None:
    [call] = PRESET({**EVENT, "messageId": ""}).calls
    assert "id" not in call.body()


def test_settings_may_be_left_out() -> None:
    nobody = {**EVENT, "userId": None}
    assert find_problems(nobody) == [("Track Calls: userId", "Must include email or userId.")]
    skipped = PRESET(nobody, Settings(skip_anonymous=True)).skipped
    assert skipped == "anonymous: neither email nor userId, and skip_anonymous is on"


def test_an_anonymous_event_is_skipped_whatever_else_is_wrong_with_it() -> None:
    event = {**EVENT, "userId": None, "properties": {"x": float("nan")}}
    assert PRESET(event, Settings(skip_anonymous=True)).skipped is not None


@pytest.mark.parametrize(
    ("integrations", "skipped"),
    [
        ({}, None),
        (None, None),
        ("x", None),
        ({"All": True}, None),
        ({"All": False}, "integrations.All is false and integrations.Iterable (Actions) is absent"),
        ({"all": False}, "integrations.all is false and integrations.Iterable (Actions) is absent"),
        ({"All": False, "Iterable (Actions)": True}, None),
        ({"All": False, "Actions Iterable": {}}, None),
        ({"All": False, "Iterable": True}, None),
        ({"Iterable": False}, "integrations.Iterable is false"),
        ({"Iterable": False, "Iterable (Actions)": True}, None),
        ({"Iterable (Actions)": False}, "integrations.Iterable (Actions) is false"),
        ({"Mixpanel": False}, None),
    ],
)
def test_an_event_can_be_meant_for_others(integrations: Any, skipped: str | None) -> None:
    assert PRESET({**EVENT, "integrations": integrations}).skipped == skipped


def test_the_notes_and_problems_name_the_subscription() -> None:
    good, bad = build_subscription(userId=5), build_subscription("Bad", eventName=None)
    result = MappedTranslator([good, bad])(EVENT)
    assert result.notes == (Note("Mine: userId", "a number, taken as a string", "sent-as-string"),)
    assert result.errors == (
        FailedSubscription("Bad", (Problem("eventName", "missing", "missing"),)),
    )
    assert result.subscriptions == ("Mine",)


def test_a_mapping_that_gives_no_object_is_a_problem() -> None:
    mine = Subscription("Mine", "trackEvent", 'type = "track"', {"@path": "$.event"})
    assert find_problems(EVENT, mine) == [("Mine: mapping", "must give an object, not a string")]
    nothing = Subscription("Mine", "trackEvent", 'type = "track"', {"@path": "$.x"})
    assert find_problems(EVENT, nothing) == [("Mine: eventName", "missing")]


def test_a_whole_mapping_can_be_a_directive() -> None:
    mapping = {"@merge": {"objects": [{"eventName": "x"}, {"userId": "u"}], "direction": "right"}}
    mine = Subscription("Mine", "trackEvent", 'type = "track"', mapping)
    [call] = MappedTranslator([mine])(EVENT).calls
    assert call.body() == {"userId": "u", "eventName": "x", "dataFields": {}}


def test_what_grows_out_of_proportion_fails_its_own_subscription_only() -> None:
    large = build_subscription("Large", dataFields={"x": {"@template": "{{properties.x}}" * 2_000}})
    event = {**EVENT, "properties": {"x": "a" * 10_000}}
    result = MappedTranslator([large, build_subscription()])(event)
    message = "makes a text of more than 4,000,000 characters"
    problem = Problem("mapping", message, "too-large")
    assert result.errors == (FailedSubscription("Large", (problem,)),)
    assert result.subscriptions == ("Mine",)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "is NaN, which JSON cannot hold"),
        ({1: 2}, "has a key that is a number; JSON's keys are strings"),
        (b"x", "is a value of type bytes, which JSON cannot hold"),
        ("\ud800", "contains an unpaired surrogate (invalid Unicode)"),
    ],
)
def test_what_json_cannot_hold_is_refused_with_its_place(value: Any, message: str) -> None:
    event = {**EVENT, "properties": {"a": [value]}}
    assert find_problems(event) == [("Track Calls: dataFields.a[0]", message)]
    assert PRESET({**EVENT, "x": value}).calls


def test_where_the_stack_is_nearly_full_an_event_is_refused_like_any_other() -> None:
    nested: Any = {"@path": "event"}
    for _ in range(100):
        nested = {"x": nested}
    translator = MappedTranslator([build_subscription(dataFields=nested)])

    def below(depth: int) -> list[tuple[str, str]]:
        if depth:
            return below(depth - 1)
        with pytest.raises(InvalidEvent) as raised:
            explain(EVENT, translator.subscriptions)
        assert str(raised.value) == "$: is nested more than 128 levels deep"
        with pytest.raises(InvalidEvent) as raised:
            translator(EVENT)
        return [(problem.path, problem.message) for problem in raised.value.problems]

    frames = len(inspect.stack())
    found = below(sys.getrecursionlimit() - frames - 60)
    assert found == [("$", "is nested more than 128 levels deep")]


# --- Who fires ---------------------------------------------------------------------------------


def test_what_is_remembered_of_names_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translator_module, "_MOST_NAMES", 3)
    translator = MappedTranslator()
    for number in range(10):
        assert translator({**EVENT, "event": f"Event {number}"}).subscriptions == ("Track Calls",)
        assert len(translator._shortlists) <= 3
    translator({**EVENT, "event": "x" * 300})
    assert ("track", "x" * 300) not in translator._shortlists


@pytest.mark.parametrize("name", [None, 5, strategies.Name("Order Completed"), ["x"]])
def test_a_name_that_is_no_plain_text_is_asked_for_anew(name: Any) -> None:
    translator = MappedTranslator([build_subscription(eventName="x")])
    assert translator({**EVENT, "event": name}).calls
    assert translator._shortlists == {}


names = st.sampled_from(["Order Completed", "Cart Updated", "Seen", "a", "ab", None, 5])


@given(st.lists(st.tuples(triggers, st.booleans()), max_size=5), strategies.json_events, names)
def test_those_fire_whose_triggers_hold(
    asked: list[tuple[str, bool]], event: dict[str, Any], name: Any
) -> None:
    event = event | {"event": name, "integrations": {}}
    mapping = {"userId": "u", "eventName": "x"}
    subscriptions = [
        Subscription(f"s{index}", "trackEvent", trigger, mapping, enabled)
        for index, (trigger, enabled) in enumerate(asked)
    ]
    translator = MappedTranslator(subscriptions)
    expected = tuple(
        each.name for each in subscriptions if each.enabled and each.condition.holds(event)
    )
    for _ in range(2):  # the second time it is remembered
        assert translator(event).subscriptions == expected


any_events = strategies.python_events | strategies.read_events | strategies.anything


translators = st.just(PRESET) | st.lists(wild_subscriptions(), max_size=3).map(MappedTranslator)


all_settings = st.builds(Settings, skip_anonymous=st.booleans())


def translate_or_fail(translator: MappedTranslator, event: Any, settings: Settings) -> Any:
    try:
        return translator(event, settings)
    except InvalidEvent as error:
        return error.problems, error.message_id


@given(translators, any_events, all_settings)
def test_no_event_raises_anything_but_invalid_event(
    translator: MappedTranslator, event: Any, settings: Settings
) -> None:
    before = take_snapshot(event)
    found = translate_or_fail(translator, event, settings)
    assert take_snapshot(event) == before
    if isinstance(found, Translation):
        assert (found.skipped is None) == bool(found.calls)
        assert len(found.subscriptions) == len(found.calls)
    else:
        assert found[0]


@given(translators, any_events | json_events, all_settings)
def test_every_call_is_valid_and_has_the_documented_schema(
    translator: MappedTranslator, event: Any, settings: Settings
) -> None:
    found = translate_or_fail(translator, event, settings)
    for call in found.calls if isinstance(found, Translation) else ():  # refused ones have none
        assert validation.find_problems(call) == []
        json.dumps(call.body(), allow_nan=False)
        assert violations(call.endpoint.name, call.body()) == []


@given(translators, json_events, all_settings)
def test_nothing_that_comes_out_is_shared(
    translator: MappedTranslator, event: Any, settings: Settings
) -> None:
    mapped = copy.deepcopy([each.mapping for each in translator.subscriptions])
    before = copy.deepcopy(event)
    found = translate_or_fail(translator, event, settings)
    if not isinstance(found, Translation):
        return  # filtering would leave too few
    explained = explain(event, translator.subscriptions, settings)
    shown = [attrs.asdict(each, recurse=False) for each in explained]
    for part in [*(call.body() for call in found.calls), *(each["payload"] for each in shown)]:
        for container in list(iterate_containers(part)):
            if isinstance(container, dict | list):
                container.clear()
    assert event == before
    assert [each.mapping for each in translator.subscriptions] == mapped


@given(translators, json_events, all_settings)
def test_the_types_that_hold_an_event_do_not_matter(
    translator: MappedTranslator, event: Any, settings: Settings
) -> None:
    expected = translate_or_fail(translator, event, settings)
    assert translate_or_fail(translator, copy.deepcopy(event), settings) == expected
    assert translate_or_fail(translator, MappingProxyType(event), settings) == expected


@given(json_events, all_settings)
def test_the_presets_give_the_same_for_wrapped_events(event: Any, settings: Settings) -> None:
    expected = translate_or_fail(PRESET, event, settings)
    assert translate_or_fail(PRESET, wrap(event), settings) == expected


@given(translators, any_events | json_events, all_settings)
def test_an_explanation_tells_what_the_translator_does(
    translator: MappedTranslator, event: Any, settings: Settings
) -> None:
    found = translate_or_fail(translator, event, settings)
    try:
        explained = explain(event, translator.subscriptions, settings)
    except InvalidEvent as error:
        assert (error.problems, error.message_id) == found  # noqa: PT017 - or it is told
        return
    calls = tuple(call for each in explained for call in each.calls)
    assert len(explained) == len(translator.subscriptions)
    if isinstance(found, Translation):
        assert calls == found.calls
    else:
        assert calls == ()
        assert len(found[0]) == sum(len(each.problems) for each in explained)


@pytest.mark.parametrize(
    ("integrations", "reason"),
    [
        (None, None),
        ({"Iterable (Actions)": True, "All": False}, None),
        ({"Iterable (Actions)": False}, "integrations.Iterable (Actions) is false"),
        (
            {"All": False},
            "integrations.All is false and integrations.Iterable (Actions) is absent",
        ),
    ],
)
def test_the_reason_of_a_skip_is_told_without_translating(
    integrations: Any, reason: str | None
) -> None:
    event = {**EVENT, "integrations": integrations}
    assert PRESET.skip_reason(SegmentEvent(event)) == reason
    assert reason is None or PRESET(event).skipped == reason


def test_a_translator_explains_with_its_own_subscriptions() -> None:
    translator = MappedTranslator([build_subscription("One"), build_subscription("Two")])
    explained = translator.explain(EVENT, Settings())
    assert explained == explain(EVENT, translator.subscriptions, Settings())
    assert [each.subscription for each in explained] == ["One", "Two"]
    assert [call.body()["eventName"] for each in explained for call in each.calls] == [
        *("Seen", "Seen")
    ]
