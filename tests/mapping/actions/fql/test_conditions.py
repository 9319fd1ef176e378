"""Conditions: which events meet a trigger, and which part of it decides."""

from __future__ import annotations

import time
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterable_destination.mapping.actions.fql.conditions import Clause, Group
from iterable_destination.mapping.actions.fql.parser import read_trigger
from tests.support import reading_fql
from tests.support.fql_strategies import EVENT, events, triggers


class Plan(Enum):
    PRO = "pro"
    THREE = 3


HOLDS = [
    'type = "track"',
    'type="track"',
    'type == "track"',
    '\n type\t= "track" ',
    'event != "order completed"',
    'userId = "u-1"',
    "name = null",
    'properties.s = "abc"',
    "properties.n = 5",
    "event != 5",
    "name != 5",
    "properties.n = 5.0",
    "properties.f = 5.5",
    "properties.n != 6",
    "properties.n >= 5",
    "properties.n <= 5",
    "properties.n > 4.9",
    "properties.n < 5.1",
    "properties.n > -1",
    "properties.zero = 0",
    "properties.zero = -0",
    'properties.digits = "5"',
    'properties.n != "5"',
    "properties.t = true",
    "properties.no = false",
    "properties.no != true",
    "properties.s != true",
    "properties.missing != true",
    "properties.missing != false",
    "properties.nul = null",
    "properties.missing = null",
    "properties.missing.deeper = null",
    "properties.s != null",
    'properties.missing != "x"',
    'properties.nul != "x"',
    'properties.empty = ""',
    'properties.o.x = "y"',
    'properties.o.k\\ k != "1"',
    "properties.o.k\\ k = 1",
    'properties.k\\ k = "spaced"',
    'properties.a\\.b = "dotted"',
    'properties.q\\" = "say \\"hi\\""',
    'properties.back = "a\\\\b"',
    'properties.list.1 = "abc"',
    'traits.plan = "pro"',
    'context.app.version = "2"',
    'contains(properties.s, "b")',
    'contains(properties.s, "")',
    '!contains(properties.s, "B")',
    'match(properties.s, "abc")',
    'match(properties.s, "a*")',
    'match(properties.s, "*c")',
    'match(properties.s, "*")',
    'match(properties.s, "*b*")',
    'match(properties.s, "a*c")',
    'match(properties.s, "abc*")',
    'match(properties.s, "**abc**")',
    '!match(properties.s, "A*")',
    '!match(properties.s, "abcabc*")',
    'match(event, "Order*")',
    'type = "x" or type = "track"',
    'type = "track" and properties.n = 5',
    'type = "track" AND properties.n = 5',
    'type = "track" or type = "x" and type = "y"',
    'type = "x" and type = "y" or type = "track"',
    '(type = "x" or type = "track") and properties.n = 5',
    '((type = "track"))',
]

FAILS = [
    'type != "track"',
    'type = "Track"',
    'properties.n = "5"',
    "properties.digits = 5",
    "properties.digits != 5",
    "properties.s != 5",
    "properties.list != 5",
    "name = 5",
    "properties.t != 5",
    "properties.digits > 4",
    "properties.missing < 1",
    "properties.missing != 5",
    "properties.nul < 1",
    "properties.t > 0",
    "properties.t = 1",
    "properties.zero = false",
    "properties.zero = null",
    'properties.t = "true"',
    "properties.s = true",
    "properties.missing = false",
    'properties.missing = ""',
    "properties.empty = null",
    "properties.s = null",
    "properties.o = null",
    "properties.missing != null",
    'properties.list = "a"',
    'properties.s.x = "a"',
    'contains(properties.n, "5")',
    'contains(properties.list, "a")',
    'contains(properties.missing, "")',
    '!contains(properties.s, "b")',
    '!contains(properties.missing, "b")',
    '!contains(properties.n, "6")',
    'match(properties.missing, "*")',
    '!match(properties.missing, "a*")',
    'match(properties.s, "")',
    'match(properties.s, "ab")',
    'match(properties.s, "abc*c")',
    'match(properties.s, "a*b")',
    'match(properties.s, "*x*")',
    'match(properties.s, "a?c")',
    'match(properties.s, "a.c")',
    'type = "x" or type = "y"',
    'type = "track" and type = "y"',
    '(type = "track" or type = "x") and type = "y"',
]


@pytest.mark.parametrize("field", ["type", "event", "name", "userId"])
@pytest.mark.parametrize(
    ("number", "value", "same"),
    [
        ("123", "123", True),
        ("123", 123, True),
        ("123", 123.0, True),
        ("123", "124", False),
        ("123", "123.0", False),
        ("123", None, False),
        ("1", True, False),
        ("0123", "0123", True),
        ("0123", "123", True),
        ("5.0", "5", True),
        ("-5", "-5", True),
        ("1000000000000000000000", "1e+21", True),
        ("12345678901234567890", "12345678901234567890", True),
    ],
)
def test_a_number_is_meant_for_a_text_where_a_field_holds_one(
    field: str, number: str, value: Any, *, same: bool
) -> None:
    assert read_trigger(f"{field} = {number}").holds({field: value}) is same
    assert read_trigger(f"{field} != {number}").holds({field: value}) is not same
    assert read_trigger(f"{field} != {number}").holds({}) is True


@pytest.mark.parametrize("trigger", HOLDS)
def test_it_holds(trigger: str) -> None:
    assert read_trigger(trigger).holds(EVENT)
    assert reading_fql.holds(trigger, EVENT) or ".list." in trigger


@pytest.mark.parametrize("trigger", FAILS)
def test_it_does_not_hold(trigger: str) -> None:
    assert not read_trigger(trigger).holds(EVENT)
    assert not reading_fql.holds(trigger, EVENT)


@pytest.mark.parametrize(
    ("value", "trigger"),
    [
        (Decimal("1.5"), "properties.x = 1.5"),
        (UUID(int=1), 'properties.x = "00000000-0000-0000-0000-000000000001"'),
        (Plan.PRO, 'properties.x = "pro"'),
        (Plan.PRO, 'contains(properties.x, "r")'),
        (Plan.THREE, "properties.x > 2"),
        (10**400, "properties.x > 2.5"),
        (MappingProxyType({"y": None}), "properties.x.y = null"),
        (("a", "b"), 'properties.x.1 = "b"'),
    ],
)
def test_values_of_python_count_as_those_of_json(value: Any, trigger: str) -> None:
    assert read_trigger(trigger).holds({"properties": {"x": value}})
    assert read_trigger(trigger).holds({"properties": MappingProxyType({"x": value})})


def test_a_long_id_is_compared_to_the_last_digit() -> None:
    trigger = read_trigger("properties.id = 9007199254740993")
    assert trigger.holds({"properties": {"id": 9007199254740993}})
    assert not trigger.holds({"properties": {"id": 9007199254740992}})


@pytest.mark.parametrize(
    ("trigger", "verdict", "part"),
    [
        ('type = "track"', True, 'type = "track"'),
        ('type = "track" and name = "x"', False, 'name = "x"'),
        ('type = "track" and  userId="u-1"', True, 'type = "track" and  userId="u-1"'),
        ('type = "x" or userId = "u-1"', True, 'userId = "u-1"'),
        ('type = "x" or type = "y"', False, 'type = "x" or type = "y"'),
        ('type = "track" and (name = "x" or event = "y")', False, 'name = "x" or event = "y"'),
        ('!contains(event, "Order") or type = "x"', False, None),
    ],
)
def test_the_part_that_decides_is_known(
    trigger: str,
    verdict: bool,  # noqa: FBT001
    part: str | None,
) -> None:
    holds, decided = read_trigger(trigger).evaluate(EVENT)
    assert (holds, trigger[decided.start : decided.end]) == (verdict, part or trigger)


def test_what_is_known_is_not_asked_again() -> None:
    trigger = read_trigger('type = "track" and event = "X" and properties.n = 5')
    assert trigger.simplify({"type": "identify"}) is False
    left = trigger.simplify({"type": "track", "event": "X"})
    assert isinstance(left, Clause)
    assert left.field == "properties.n"
    one_of = read_trigger('type = "page" or properties.n = 5 or properties.s = "abc"')
    assert one_of.simplify({"type": "page"}) is True
    others = one_of.simplify({"type": "track"})
    assert isinstance(others, Group)
    assert len(others.parts) == 2
    assert read_trigger('type = "x" or event = "y"').simplify({"type": "z", "event": "z"}) is False


@given(triggers, events)
def test_it_holds_where_the_slow_reading_says_so(trigger: str, event: dict[str, Any]) -> None:
    expected = reading_fql.holds(trigger, event)
    read = read_trigger(trigger)
    assert read.holds(event) is expected
    assert read.evaluate(event)[0] is expected
    known: dict[str, Any] = {key: event[key] for key in ("type", "event") if key in event}
    left = read.simplify(known)
    assert (left if isinstance(left, bool) else left.holds(event)) is expected


@given(st.text("ab*", max_size=12), st.text("ab*", max_size=8))
def test_patterns_match_as_the_slow_reading_says(text: str, pattern: str) -> None:
    trigger = read_trigger(f'match(event, "{pattern}")')
    assert trigger.holds({"event": text}) is reading_fql.match_pattern(text, pattern)


def test_no_pattern_takes_long_to_be_matched() -> None:
    trigger = read_trigger(f'match(event, "{"a*" * 2_000}b")')
    began = time.process_time()
    assert not trigger.holds({"event": "a" * 1_000_000})
    assert time.process_time() - began < 2
