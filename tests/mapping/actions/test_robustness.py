"""Whatever a text or a value does is one event's problem, and that of one subscription."""

from __future__ import annotations

import copy
import warnings
from decimal import InvalidOperation
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iterable_destination import InvalidEvent, InvalidSubscription, Problem, Settings, Translation
from iterable_destination.mapping.actions import (
    ACTIONS,
    DEFAULT_MAPPINGS,
    MappedTranslator,
    Subscription,
    explain,
)
from iterable_destination.mapping.actions.mapping_kit.compiler import DIRECTIVES
from iterable_destination.model.segment_event import SegmentEvent
from iterable_destination.model.translation import FailedSubscription
from tests.support.examples import examples
from tests.support.fql_strategies import triggers
from tests.support.raising_values import BUILDERS, ERRORS, RaisingObject
from tests.support.subscription_strategies import EVENT, build_subscription, wild_subscriptions

# --- Values that raise -------------------------------------------------------------------------

#: None of them means anything to Python's own conversions.
SOME_ERRORS = [ValueError, KeyError, ZeroDivisionError, InvalidOperation, MemoryError, OSError]
GOOD = build_subscription("Good", eventName="x")


def read_everything(name: str = "Bad") -> Subscription:
    return build_subscription(name, eventName="x", dataFields={"x": {"@path": "$.properties"}})


@pytest.mark.parametrize("error", SOME_ERRORS)
@pytest.mark.parametrize("build", BUILDERS)
def test_a_value_that_raises_fails_its_own_subscription_only(build: Any, error: Any) -> None:
    event = {**EVENT, "properties": {"a": build(error)}}
    result = MappedTranslator([read_everything(), GOOD])(event)
    assert result.subscriptions == ("Good",)
    [failed] = result.errors
    assert failed.subscription == "Bad"
    [problem] = failed.problems
    if problem.path == "mapping":
        assert problem.message == f"cannot be read: {error.__name__}"
    else:  # what JSON cannot hold is found before it is read
        assert problem.path.startswith("dataFields.x.a")
    bad, good = explain(event, [read_everything(), GOOD])
    assert (bad.problems, bad.calls, good.calls) == (failed.problems, (), result.calls)


@pytest.mark.parametrize("error", SOME_ERRORS)
def test_a_trigger_that_meets_such_a_value_fails_and_the_others_fire(error: Any) -> None:
    event = {**EVENT, "properties": RaisingObject(error)}
    asks = Subscription("Asks", "trackEvent", "properties.a = 1", {"eventName": "x"})
    asks_else = attrs.evolve(asks, name="Asks else", trigger="context.a = 1")
    result = MappedTranslator([asks, asks_else, GOOD])(event)
    problems = (Problem("trigger", f"cannot be read: {error.__name__}", "unreadable"),)
    assert result.errors == (FailedSubscription("Asks", problems),)
    assert result.subscriptions == ("Good",)
    [explained] = explain(event, [asks])
    assert (explained.fired, explained.problems) == (False, problems)
    with pytest.raises(InvalidEvent, match=f"^Asks: trigger: cannot be read: {error.__name__}$"):
        MappedTranslator([asks])(event)


@pytest.mark.parametrize("asked", ["ab", "b"])  # with an error before, and as the first
def test_where_the_stack_ends_the_event_is_refused_as_a_whole(asked: str) -> None:
    properties = {"a": RaisingObject(ValueError), "b": RaisingObject(RecursionError)}
    event = {**EVENT, "properties": properties}
    asks = [
        Subscription(key, "trackEvent", f"properties.{key}.x = 1", {"eventName": "x"})
        for key in asked
    ]
    for read in (MappedTranslator(asks), lambda event: explain(event, asks)):
        with pytest.raises(InvalidEvent, match=r"^\$: is nested more than 128 levels deep$"):
            read(event)


@pytest.mark.parametrize("error", [*SOME_ERRORS, RecursionError])
@pytest.mark.parametrize("key", ["type", "messageId", "integrations", None])
def test_an_event_whose_header_raises_is_refused(key: str | None, error: Any) -> None:
    if key is None:
        event: Any = RaisingObject(error)
    else:
        build = BUILDERS[0] if key == "integrations" else BUILDERS[-1]
        event = {**EVENT, key: build(error)}
    translator = MappedTranslator([GOOD])
    for read in (translator, lambda event: translator.explain(event, Settings())):
        with pytest.raises(InvalidEvent) as raised:
            read(event)
        is_copied = error not in {MemoryError, RecursionError}
        expected = key if key is not None and is_copied else "$"
        assert [problem.path for problem in raised.value.problems] == [expected]
        is_known = (key in {"integrations", "type"} and is_copied) or (
            key == "integrations" and error is RecursionError
        )
        assert raised.value.message_id == ("m-1" if is_known else None)


def test_what_switches_an_event_off_may_raise_as_well() -> None:
    reading = SegmentEvent(EVENT | {"integrations": {"All": True}})
    reading.raw = {**EVENT, "integrations": RaisingObject(KeyError)}
    with pytest.raises(InvalidEvent, match="cannot be read: KeyError"):
        MappedTranslator([GOOD]).skip_reason(reading)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_ends_a_program_is_not_held_up(error: Any) -> None:
    event = {**EVENT, "properties": {"a": RaisingObject(error)}}
    with pytest.raises(error):
        MappedTranslator([read_everything()])(event)


@st.composite
def events_that_raise(draw: st.DrawFn) -> dict[str, Any]:
    """Make an event, somewhere in which a value raises."""
    place = draw(
        st.sampled_from(
            [
                *(("userId",), ("event",), ("properties",), ("traits",), ("context",)),
                *(("timestamp",), ("messageId",), ("integrations",), ("type",)),
                *(("properties", "email"), ("properties", "products"), ("properties", "total")),
                *(("context", "traits"), ("context", "traits", "email"), ("properties", "a")),
            ]
        )
    )
    event: dict[str, Any] = copy.deepcopy(
        {
            **EVENT,
            "properties": {"products": [{"price": 1}]},
            "traits": {},
            "context": {"traits": {}},
        }
    )
    event["type"] = draw(st.sampled_from(["track", "identify"]))
    event["event"] = draw(st.sampled_from(["Seen", "Order Completed", "Cart Updated"]))
    inner = event
    for key in place[:-1]:
        inner = inner[key]
    value = draw(st.sampled_from(BUILDERS))(draw(st.sampled_from(ERRORS)))
    around = draw(st.integers(0, 2))
    inner[place[-1]] = (value, [value], {"a": value})[around]
    return event


def translate_safely(translator: MappedTranslator, event: Any) -> None:
    """Translate and explain an event; fail if anything but :exc:`InvalidEvent` is raised."""
    try:
        found = translator(event)
    except InvalidEvent as error:
        assert error.problems  # noqa: PT017 - there may be none
    else:
        assert isinstance(found, Translation)
    try:
        explained = translator.explain(event, Settings())
    except InvalidEvent as error:
        assert error.problems  # noqa: PT017 - there may be none
    else:
        assert len(explained) == len(translator.subscriptions)


@settings(max_examples=examples(600))
@given(
    st.lists(wild_subscriptions(), max_size=3),
    st.lists(triggers, max_size=2),
    events_that_raise(),
)
def test_no_value_raises_anything_but_invalid_event(
    subscriptions: list[Subscription], asked: list[str], event: Any
) -> None:
    more = [Subscription("T", "trackEvent", trigger, {"eventName": "x"}) for trigger in asked]
    translate_safely(MappedTranslator([*subscriptions, *more]), event)
    translate_safely(MappedTranslator(), event)


# --- Generated texts ---------------------------------------------------------------------------

#: Texts that are nearly a number, a date, a path, a template, JSON, or a trigger.
odd_texts = (
    st.text(max_size=30)
    | st.text(st.sampled_from("0123456789eE+-.:TZhms "), max_size=40)
    | st.builds(
        lambda digit, count, end: digit * count + end,
        st.sampled_from("0159"),
        st.integers(1, 400),
        st.sampled_from(["", "h", "m", "Z", ".", "e9", "-01-01"]),
    )
    | st.text(st.sampled_from("$.[]'\"{}@\\0a "), max_size=20)
    | st.text(st.sampled_from('[]{},:"\\u0de1.-tnN \ufeff'), max_size=20)
    | st.sampled_from(["\ud800", "1e999", "9" * 5_000, "[" * 5_000, "0x1F", "٣", "İ", "ß", "\0"])
)
odd_values = st.recursive(
    odd_texts | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd_texts, inner, max_size=3),
    max_leaves=8,
)
option_names = st.sampled_from(
    [
        *("exists", "blank", "then", "else", "operator", "value", "mode", "objects", "direction"),
        *("pattern", "replacement", "pattern2", "ignorecase", "global", "separator", "omitArrays"),
        *("apply", "mapping", "@path", "@template", "a", "_metadata"),
    ]
)
option_values = odd_texts | st.sampled_from(
    ["upper", "lower", "encode", "decode", "left", "right", True, False, "$.a", "$.properties.a"]
)


def build_directives(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    options = inner | st.lists(inner, max_size=3) | st.dictionaries(option_names, inner, max_size=4)
    directive = st.dictionaries(
        st.sampled_from([*DIRECTIVES, "@liquid", "@"]), options, min_size=1, max_size=1
    )
    return directive | st.lists(inner, max_size=2) | st.dictionaries(odd_texts, inner, max_size=2)


odd_mappings = st.recursive(option_values | odd_values, build_directives, max_leaves=8)


@st.composite
def odd_subscriptions(draw: st.DrawFn) -> dict[str, Any]:
    """Make a subscription in JSON, with parts that nothing vouches for."""
    action = draw(st.sampled_from(list(ACTIONS)))
    mapping = copy.deepcopy(DEFAULT_MAPPINGS[action])
    for name in draw(st.lists(st.sampled_from([*mapping, "dataFields"]), max_size=3)):
        mapping[name] = draw(odd_mappings)
    return {
        "name": draw(st.just("Odd") | odd_texts),
        "partnerAction": action,
        "subscribe": draw(st.just("type != null") | triggers | odd_texts),
        "mapping": draw(st.just(mapping) | odd_mappings),
    }


@settings(max_examples=examples(600))
@given(odd_subscriptions(), st.dictionaries(st.sampled_from(["a", "email", "total"]), odd_values))
def test_what_cannot_be_read_is_an_invalid_subscription(
    written: dict[str, Any], properties: dict[str, Any]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            read = Subscription.from_json(written)
        except InvalidSubscription as error:
            assert error.problems  # noqa: PT017 - the property is that nothing else is raised
            return
    translate_safely(MappedTranslator([read]), {**EVENT, "properties": properties})


@settings(max_examples=examples(600))
@given(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["track", "identify"]) | odd_texts},
        optional={
            **dict.fromkeys(["event", "userId", "messageId", "timestamp", "name"], odd_values),
            "properties": st.dictionaries(
                st.sampled_from(["email", "products", "total", "campaignId", "order_id", "a"]),
                odd_values,
            ),
            "traits": odd_values,
            "context": odd_values | st.fixed_dictionaries({"traits": odd_values}),
            "integrations": odd_values,
        },
    ),
    st.lists(wild_subscriptions(), max_size=3),
)
def test_no_text_of_an_event_raises_anything_but_invalid_event(
    event: dict[str, Any], subscriptions: list[Subscription]
) -> None:
    translate_safely(MappedTranslator(), event)
    translate_safely(MappedTranslator(subscriptions), event)


@settings(max_examples=examples(600))
@given(triggers | odd_texts, odd_values)
def test_every_trigger_can_be_asked_of_every_value(trigger: str, value: Any) -> None:
    try:
        asks = Subscription("Asks", "trackEvent", trigger, {"userId": "u", "eventName": "x"})
    except InvalidSubscription:
        return
    for key in ("event", "userId", "properties", "traits", "context"):
        translate_safely(MappedTranslator([asks]), {**EVENT, key: value})
        translate_safely(MappedTranslator([asks]), {**EVENT, key: {"a": value, "b": {"c": value}}})


def test_a_date_of_many_digits_is_no_date() -> None:
    event = {**EVENT, "timestamp": "1" * 29 + "h"}
    with pytest.raises(InvalidEvent):
        MappedTranslator()(event)
