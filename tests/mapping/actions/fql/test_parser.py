"""The parser: which triggers are refused, and where the mistake is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterable_destination.mapping.actions.fql.lexer import BadTrigger
from iterable_destination.mapping.actions.fql.parser import read_trigger
from tests.support.fql_strategies import EVENT, triggers


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


def test_parentheses_may_be_as_deep_as_the_bound_says() -> None:
    assert read_trigger(f'{"(" * 128}type = "track"{")" * 128}').holds(EVENT)


def test_a_very_long_number_is_read() -> None:
    trigger = f"properties.n < {'9' * 5_000}"
    assert read_trigger(trigger).holds(EVENT)


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


def test_many_clauses_in_a_row_are_read() -> None:
    trigger = read_trigger(" or ".join(['type = "x"'] * 600))
    assert not trigger.holds(EVENT)
