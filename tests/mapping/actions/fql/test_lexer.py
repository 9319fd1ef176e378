"""The lexer: which texts are no tokens of a trigger, and that none takes long to read."""

from __future__ import annotations

import time

import pytest

from iterable_destination.mapping.actions.fql.lexer import MAX_TRIGGER_LENGTH, BadTrigger
from iterable_destination.mapping.actions.fql.parser import read_trigger
from tests.support.fql_strategies import EVENT


@pytest.mark.parametrize(
    ("trigger", "message"),
    [
        ('type = "x', "at character 8: the text in quotes has no end"),
        ("type = 'x'", "at character 8: texts stand in double quotes"),
        ('type = "x" && type = "y"', "at character 12: cannot be read"),
        ('properties["k"] = 1', "at character 11: cannot be read"),
        ('type = "x" # c', "at character 12: cannot be read"),
    ],
)
def test_a_mistake_is_named_with_its_place(trigger: str, message: str) -> None:
    with pytest.raises(BadTrigger) as raised:
        read_trigger(trigger)
    assert str(raised.value) == message


def test_a_trigger_has_a_longest_length() -> None:
    longest = f'type = "{"x" * (MAX_TRIGGER_LENGTH - 9)}"'
    assert len(longest) == MAX_TRIGGER_LENGTH
    assert not read_trigger(longest).holds(EVENT)
    with pytest.raises(BadTrigger, match="a trigger has at most 10,000 characters"):
        read_trigger(f"{longest} ")


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
