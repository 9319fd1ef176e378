"""Triggers: what each part means, where a mistake is, and that none can hang."""

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
from iterable_destination.mapping.actions.fql.lexer import MAX_TRIGGER_LENGTH, BadTrigger
from iterable_destination.mapping.actions.fql.parser import read_trigger
from tests.support import reading_fql

EVENT: dict[str, Any] = {
    "type": "track",
    "event": "Order Completed",
    "name": None,
    "userId": "u-1",
    "properties": {
        "s": "abc",
        "n": 5,
        "f": 5.5,
        "zero": 0,
        "t": True,
        "no": False,
        "nul": None,
        "digits": "5",
        "list": ["a", "abc"],
        "o": {"x": "y", "k k": 1},
        "empty": "",
        "k k": "spaced",
        "a.b": "dotted",
        'q"': 'say "hi"',
        "back": "a\\b",
    },
    "traits": {"plan": "pro"},
    "context": {"ip": "1", "app": {"version": "2"}},
}


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


@pytest.mark.parametrize(
    ("trigger", "message"),
    [
        ("   ", "at character 4: expected a field, contains or match, not the end"),
        ("type", "at character 5: expected an operator, not the end"),
        (
            "type =",
            "at character 7: expected a text in double quotes, a number, true, false or null",
        ),
        ('= "x"', "at character 1: expected a field, contains or match, not an operator"),
        ('type = "x" and', "at character 15: expected a field, contains or match, not the end"),
        ('(type = "x"', "at character 12: expected and, or, or ), not the end"),
        ('type = "x")', "at character 11: expected and, or, or the end of the trigger, not )"),
        (
            'type = "x" type = "y"',
            "at character 12: expected and, or, or the end of the trigger, not a name",
        ),
        (
            'type = "x" and ()',
            "at character 17: expected a field, contains or match, not )",
        ),
        ('type = "x', "at character 8: the text in quotes has no end"),
        ("type = 'x'", "at character 8: texts stand in double quotes"),
        (
            "type = track",
            "at character 8: expected a text in double quotes, a number, true, false or null",
        ),
        (
            "properties.n = NULL",
            "at character 16: expected a text in double quotes, a number, true, false or null",
        ),
        (
            "properties.n = properties.s",
            "at character 16: expected a text in double quotes, a number, true, false or null",
        ),
        ('type = "x" && type = "y"', "at character 12: cannot be read"),
        ('properties["k"] = 1', "at character 11: cannot be read"),
        ('type = "x" # c', "at character 12: cannot be read"),
        ('properties.n < "6"', "at character 16: < compares with a number"),
        ("properties.n >= null", "at character 17: >= compares with a number"),
        ("contains(type)", "at character 14: expected ,, not )"),
        (
            "contains(type, 5)",
            "at character 16: expected a text in double quotes, not a number",
        ),
        ('contains("x", type)', "at character 10: expected a field, not a text in quotes"),
        ('match(type, "x"', "at character 16: expected ), not the end"),
        ('foo(type, "x")', "at character 4: expected an operator, not ("),
        ('!type = "x"', "at character 1: ! stands before contains or match only"),
        ('!(type = "x")', "at character 2: expected contains or match after !, not ("),
        (
            'not type = "x"',
            "at character 5: expected an operator, not a name",
        ),
        ('contains = "x"', "at character 1: no field; there are {fields}"),
        ('messageId = "m"', "at character 1: no field; there are {fields}"),
        ('integrations.All = "m"', "at character 1: no field; there are {fields}"),
        ("properties = null", "at character 1: no field; there are {fields}"),
        ("properties. = null", "at character 1: no field; there are {fields}"),
        ("properties..x = null", "at character 1: no field; there are {fields}"),
        (".type = null", "at character 1: no field; there are {fields}"),
        (". = null", "at character 1: no field; there are {fields}"),
        ("userId.x = null", "at character 1: no field; there are {fields}"),
        ('type = "x" and contains(x, "y")', "at character 25: no field; there are {fields}"),
        (
            "properties.n = 5.",
            "at character 16: expected a text in double quotes, a number, true, false or null",
        ),
        ("(" * 200, "at character 130: more than 128 parentheses inside each other"),
    ],
)
def test_a_mistake_is_named_with_its_place(trigger: str, message: str) -> None:
    fields = "type, event, name, userId, properties.…, traits.…, context.…"
    with pytest.raises(BadTrigger) as raised:
        read_trigger(trigger)
    assert str(raised.value) == message.format(fields=fields)


def test_a_trigger_has_a_longest_length() -> None:
    longest = f'type = "{"x" * (MAX_TRIGGER_LENGTH - 9)}"'
    assert len(longest) == MAX_TRIGGER_LENGTH
    assert not read_trigger(longest).holds(EVENT)
    with pytest.raises(BadTrigger, match="a trigger has at most 10,000 characters"):
        read_trigger(f"{longest} ")


def test_parentheses_may_be_as_deep_as_the_bound_says() -> None:
    assert read_trigger(f'{"(" * 128}type = "track"{")" * 128}').holds(EVENT)


def test_a_very_long_number_is_read() -> None:
    trigger = f"properties.n < {'9' * 5_000}"
    assert read_trigger(trigger).holds(EVENT)


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


# --- Against the slow reading ------------------------------------------------------------------

names = st.sampled_from(
    [
        "type",
        "event",
        "name",
        "userId",
        "properties.a",
        "properties.b.c",
        "traits.a",
        "context.a",
        "properties.k\\ k",
        "properties.a\\.b",
        "properties.a-b",
    ]
)
texts = st.sampled_from(["", "a", "ab", "abc", "b*", "*", "a*c", 'a"b', "a\\b", "track", "*a*b*"])
quoted = texts.map(
    lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"',
)
numbers = st.sampled_from(["0", "1", "-1", "1.5", "2", "100"])
constants = st.sampled_from(["true", "false", "null"])
orders = st.sampled_from(["<", "<=", ">", ">="])
equalities = st.sampled_from(["=", "==", "!="])
spaces = st.sampled_from(["", " ", "\n\t "])


@st.composite
def clauses(draw: st.DrawFn) -> str:
    field, space = draw(names), draw(spaces)
    if draw(st.booleans()):
        function = draw(st.sampled_from(["contains", "match", "!contains", "! match"]))
        return f"{function}{space}({field},{space}{draw(quoted)})"
    if draw(st.booleans()):
        return f"{field}{space}{draw(orders)}{space}{draw(numbers)}"
    return f"{field}{space}{draw(equalities)}{space}{draw(st.one_of(quoted, numbers, constants))}"


def joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    more = st.tuples(inner, st.sampled_from([" and ", " or ", " AND "]), inner).map("".join)
    return more | inner.map(lambda trigger: f"({trigger})")


triggers = st.recursive(clauses(), joined, max_leaves=8)
values = st.sampled_from([None, True, False, 0, 1, -1, 1.5, 100, "", "a", "ab", "abc", 'a"b', "*"])
objects = st.dictionaries(
    st.sampled_from(["a", "b", "c", "k k", "a.b", "a-b"]),
    values | st.dictionaries(st.sampled_from(["c", "a"]), values),
)
events = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["track", "a", "ab"]),
        "event": values,
        "name": values,
        "userId": values,
        "properties": objects | values,
        "traits": objects,
        "context": objects,
    },
)


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
    assert trigger.holds({"event": text}) is reading_fql.glob(text, pattern)


# --- Whatever is written -----------------------------------------------------------------------

pieces = st.sampled_from(
    [
        "type",
        "properties.x",
        "=",
        "!=",
        "<",
        "!",
        "(",
        ")",
        ",",
        '"x"',
        '"',
        "\\",
        "5",
        "-",
        ".",
        "and",
        "or",
        "contains",
        "match",
        " ",
        "null",
        "'",
        "\x00",
        "é",
        "5.",
        "�",
    ]
)


@given(st.lists(pieces).map("".join) | st.text() | st.lists(triggers | pieces).map(" ".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        trigger = read_trigger(text)
    except BadTrigger as error:
        assert str(error).startswith("at character ")  # noqa: PT017 - or it is read
    else:
        assert trigger.holds(EVENT) in {True, False}


@pytest.mark.parametrize(
    "text",
    [
        '"' + "a" * 9_990,
        '"' + "\\" * 9_990,
        '"' + "\\a" * 4_990,
        "a" * 9_990 + "[",
        "1" * 9_990 + "x",
        "." * 9_990,
        "\\." * 4_990,
        "!" * 9_990,
        " " * 9_990,
        "(" * 9_990,
        'type = "x" or ' * 714,
    ],
)
def test_no_text_takes_long_to_be_read(text: str) -> None:
    began = time.process_time()
    with pytest.raises(BadTrigger):
        read_trigger(text)
    assert time.process_time() - began < 2


def test_no_pattern_takes_long_to_be_matched() -> None:
    trigger = read_trigger(f'match(event, "{"a*" * 2_000}b")')
    began = time.process_time()
    assert not trigger.holds({"event": "a" * 1_000_000})
    assert time.process_time() - began < 2


def test_many_clauses_in_a_row_are_read() -> None:
    trigger = read_trigger(" or ".join(['type = "x"'] * 600))
    assert not trigger.holds(EVENT)
