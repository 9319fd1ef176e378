"""A serialized event is translated as the event itself, and loses nothing."""

from __future__ import annotations

import copy
import math
import sys
from collections import ChainMap, UserDict, deque
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from iterable_destination.errors import InvalidEvent, Problem, Reason
from iterable_destination.mapping.translate import translate
from iterable_destination.model import json_codec
from iterable_destination.model.json_copy import MAX_NESTING as MAX_FIELDS_NESTING
from iterable_destination.model.serialization import (
    MAX_NESTING,
    SerializedEvent,
    serialize_event,
    unreadable,
)
from iterable_destination.model.settings import Settings
from tests.support import strategies

ALL_PAGES = Settings(track_all_pages=True)


def store(event: Any) -> Any:
    """Return an event as it is read back from its serialized form."""
    return json_codec.decode(serialize_event(event).encoded())


def translate_or_refuse(event: Any) -> tuple[str, Any, Any]:
    try:
        result = translate(event, ALL_PAGES)
    except InvalidEvent:
        return "invalid", None, None
    bodies = [(call.endpoint.path, call.body()) for call in result.calls]
    places = sorted(note.path for note in result.notes)
    return "fine", (result.message_id, result.skipped, repr(bodies)), places


def list_parts(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield key
            yield from list_parts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from list_parts(inner)


# --- The translation is the same -----------------------------------------------------------------


@given(strategies.python_events | strategies.read_events | strategies.json_events)
def test_a_good_event_is_translated_the_same_from_its_plain_form(event: Any) -> None:
    # an Enum of null or of a list is no null or list where the translation asks for an object
    assume(not any(isinstance(part, strategies.Mixed) for part in list_parts(event)))
    expected = translate_or_refuse(event)
    assume(expected[0] == "fine")
    assert translate_or_refuse(store(event)) == expected


@given(strategies.anything)
def test_anything_at_all_has_a_plain_form_that_can_be_read_again(value: Any) -> None:
    plain = serialize_event(value)
    again = json_codec.decode(plain.encoded())
    assert serialize_event(again).problems == ()
    assert b"\n" not in plain.encoded()
    assert plain.is_finite == all(
        math.isfinite(part) for part in list_parts(plain.value) if isinstance(part, float)
    )


not_json = st.one_of(
    st.binary(max_size=4),
    st.times(),
    st.timedeltas(),
    st.complex_numbers(),
    st.builds(object),
    st.frozensets(st.integers(), max_size=2),
    st.sampled_from(
        [math.nan, math.inf, Decimal("NaN"), Decimal("1E+1000000"), 10**400, 1 << 20_000]
    ),
)


@given(strategies.spoil(not_json))
def test_what_was_refused_is_refused_again(event: Any) -> None:
    assert translate_or_refuse(store(event))[0] == translate_or_refuse(event)[0]


@given(strategies.json_events)
def test_plain_events_stay_as_they_are(event: Any) -> None:
    before = copy.deepcopy(event)
    assert serialize_event(event) == SerializedEvent(before)
    assert event == before


# --- Values --------------------------------------------------------------------------------------


class Color(Enum):
    RED = "red"
    WHEN = date(2023, 2, 5)
    PAIR = (1, 2)


AHEAD = timezone(timedelta(hours=5, minutes=30, seconds=12))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (datetime(2023, 2, 5, 20, 42, 10), "2023-02-05T20:42:10Z"),  # noqa: DTZ001 - naive is UTC
        (datetime(2023, 2, 5, 20, 42, 10, 120_000, UTC), "2023-02-05T20:42:10.120000Z"),
        (datetime(2023, 2, 5, 20, 42, 10, tzinfo=AHEAD), "2023-02-05T15:11:58Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
        (date(2023, 2, 5), "2023-02-05"),
        (date(1, 1, 1), "0001-01-01"),
        (Decimal("20.00"), 20.0),
        (Decimal(7), 7),
        (Fraction(1, 4), 0.25),
        (UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (Color.RED, "red"),
        (Color.WHEN, "2023-02-05"),
        (Color.PAIR, [1, 2]),
        (strategies.Name("x"), "x"),
        ((1, ("a",)), [1, ["a"]]),
        (range(3), [0, 1, 2]),
        (deque([None]), [None]),
        (MappingProxyType({"a": (1,)}), {"a": [1]}),
        (UserDict({"a": 1}), {"a": 1}),
        (ChainMap({"a": 1}, {"b": 2}), {"b": 2, "a": 1}),
        ({strategies.Name("k"): 1}, {"k": 1}),
        ({strategies.Plan.PRO: 1}, {"pro": 1}),
        (2**64, 2**64),
        (10**400, 10**400),
        (True, True),
        ("\ud800", "\ud800"),
    ],
    ids=repr,
)
def test_values_become_what_they_stand_for(value: Any, expected: Any) -> None:
    plain = serialize_event({"type": "x", "deep": [value]})
    assert plain == SerializedEvent({"type": "x", "deep": [expected]})
    [found] = plain.value["deep"]
    assert type(found) is type(expected)
    assert store({"deep": value}) == {"deep": expected}


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


NO_DATE = "is a date outside the years 1 to 9999"


@pytest.mark.parametrize(
    ("value", "reason", "shown"),
    [
        (b"abc", "is a value of type bytes, which JSON cannot hold", "b'abc'"),
        (time(1, 2), "is a value of type time, which JSON cannot hold", "datetime.time(1, 2)"),
        ({1}, "is a value of type set, which JSON cannot hold", "{1}"),
        (1j, "is a value of type complex, which JSON cannot hold", "1j"),
        (
            Unshowable(),
            "is a value of type Unshowable, which JSON cannot hold",
            "<Unshowable instance at",
        ),
        (1 << 20_000, "is a number too large to be written", "a value of type int"),
        (
            datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
            NO_DATE,
            "datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_cannot_hold_is_kept_in_words(value: Any, reason: str, shown: str) -> None:
    plain = serialize_event({"traits": {"a": [value]}})
    assert [(each.path, each.message) for each in plain.problems] == [("traits.a[0]", reason)]
    [[words, poison]] = plain.value["traits"]["a"]
    assert words.startswith(f"{reason}: {shown}")
    assert math.isnan(poison)
    assert not plain.is_finite


@pytest.mark.parametrize("value", [b"x" * 10**6, {"x" * 10**6}, set(range(10**5)), {(b"x",) * 99}])
def test_what_is_kept_in_words_is_short(value: Any) -> None:
    [words, _] = serialize_event(value).value
    assert 0 < len(words) < 600


def test_an_event_that_cannot_be_read_is_told_in_words() -> None:
    plain = unreadable(b"abc", Reason("unreadable", "cannot be read"))
    assert plain.problems == (Problem("$", "cannot be read", "unreadable"),)
    assert plain.encoded() == b"[\"cannot be read: b'abc'\",NaN]"


def test_not_a_number_stays_one() -> None:
    plain = serialize_event({"a": math.nan, "b": -math.inf, "c": Decimal("sNaN")})
    assert (plain.problems, plain.is_finite) == ((), False)
    assert plain.encoded() == b'{"a":NaN,"b":-Infinity,"c":NaN}'


def test_keys_that_are_no_strings_stay_apart_and_are_refused_again() -> None:
    event = {"type": "identify", "userId": "u-1", "traits": {1: "a", "1": "b", None: "c"}}
    plain = serialize_event(event)
    assert plain.value["traits"] == {
        "\ud800not a string: 1": "a",
        "1": "b",
        "\ud800not a string: None": "c",
    }
    assert plain.problems == (
        Problem("traits", "has a key that is a number; JSON's keys are strings", "invalid-key"),
        Problem("traits", "has a key that is null; JSON's keys are strings", "invalid-key"),
    )
    with pytest.raises(InvalidEvent, match="traits: has a key that"):
        translate(store(event))


def test_keys_that_look_the_same_stay_apart() -> None:
    class Same:
        def __repr__(self) -> str:
            return "same"

    plain = serialize_event({Same(): 1, Same(): 2})
    assert plain.value == {"\ud800not a string: same": 1, "\ud800not a string: same'": 2}


@pytest.mark.parametrize("key", ["event", "messageId", "type", "userId"])
def test_a_date_is_no_text_where_text_is_read(key: str) -> None:
    day = date(2023, 2, 5)
    plain = serialize_event({key: day, "traits": {key: day}})
    assert plain.problems == (
        Problem(key, "is a value of type date, which JSON cannot hold", "not-json"),
    )
    assert plain.value["traits"] == {key: "2023-02-05"}


@pytest.mark.parametrize("event", [None, 5, "text", [], [{}], True, 0.5])
def test_what_is_no_object_is_kept_as_it_is(event: Any) -> None:
    assert store(event) == event


def test_what_is_no_json_at_all_is_kept_as_something_that_is_refused() -> None:
    plain = serialize_event(b"abc")
    assert plain.problems == (
        Problem("$", "is a value of type bytes, which JSON cannot hold", "not-json"),
    )
    with pytest.raises(InvalidEvent, match="an event is an object"):
        translate(store(b"abc"))


# --- Depth ---------------------------------------------------------------------------------------


def nested(levels: int) -> Any:
    value: Any = "bottom"
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


def test_all_the_depth_that_can_be_sent_is_kept() -> None:
    product = {"product_id": "p", "name": "n", "price": 1, "x": nested(MAX_FIELDS_NESTING - 1)}
    event = {
        "type": "track",
        "event": "Order Completed",
        "userId": "u-1",
        "properties": MappingProxyType({"total": 1, "products": [product]}),
    }
    assert serialize_event(event).problems == ()
    assert translate_or_refuse(store(event)) == translate_or_refuse(event)
    assert translate_or_refuse(event)[0] == "fine"


def test_more_depth_is_kept_in_words() -> None:
    fits, one_more = nested(MAX_NESTING), nested(MAX_NESTING + 1)
    assert serialize_event(fits) == SerializedEvent(fits)
    plain = serialize_event(one_more)
    [problem] = plain.problems
    assert problem.message == f"is nested more than {MAX_NESTING} levels deep"


@pytest.mark.parametrize("kind", [list, tuple, dict])
def test_ten_thousand_levels_are_no_trouble(kind: Callable[[Any], Any]) -> None:
    value: Any = "bottom"
    for _ in range(10_000):
        value = {"a": value} if kind is dict else kind([value])
    event = {"type": "identify", "userId": "u-1", "traits": {"deep": value}}
    assert len(serialize_event(event).problems) == 1
    with pytest.raises(InvalidEvent, match=r"traits\.deep"):
        translate(store(event))


def test_what_contains_itself_is_refused_again_but_not_where_nobody_looks() -> None:
    ring: list[Any] = []
    ring.extend([ring, {"ring": ring}])
    event = {"type": "identify", "userId": "u-1", "context": {"library": ring}}
    plain = serialize_event(event)
    places = ["context.library[0]", "context.library[1].ring"]
    assert plain.problems == tuple(
        Problem(place, "contains itself", "circular") for place in places
    )
    assert translate_or_refuse(store(event)) == translate_or_refuse(event)
    assert translate_or_refuse(event)[0] == "fine"
    assert translate_or_refuse(store(event | {"traits": {"a": ring}}))[0] == "invalid"


def test_the_same_object_twice_does_not_contain_itself() -> None:
    shared = (1,)
    assert serialize_event({"a": shared, "b": [shared]}) == SerializedEvent({"a": [1], "b": [[1]]})


def test_a_caller_who_is_deep_in_calls_is_told() -> None:
    def down(left: int) -> Any:
        return (
            down(left - 1) if left else serialize_event({"a": nested(MAX_NESTING - 2), "b": (1,)})
        )

    frame, depth = sys._getframe(), 0
    while frame.f_back is not None:
        frame, depth = frame.f_back, depth + 1
    with pytest.raises(RecursionError):
        down(sys.getrecursionlimit() - depth - 50)
