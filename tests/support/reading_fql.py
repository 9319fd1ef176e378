"""A slow, simple implementation of triggers, to check the package's. It shares no code with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.support.reading_mappings import write_number

MISSING = object()
NUMBERS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def split_words(trigger: str) -> list[str]:
    """Split a trigger into words, one character after the other."""
    found: list[str] = []
    place = 0
    while place < len(trigger):
        start = place
        if trigger[place].isspace():
            place += 1
            continue
        if trigger[place] == '"':
            place += 1
            while trigger[place] != '"':
                place += 2 if trigger[place] == "\\" else 1
            place += 1
        elif trigger[place] in "(),":
            place += 1
        elif trigger[place] in "=!<>":
            place += 2 if trigger[place + 1 : place + 2] == "=" else 1
        else:
            while place < len(trigger) and trigger[place] not in ' \t\n"(),=!<>':
                place += 2 if trigger[place] == "\\" else 1
        found.append(trigger[start:place])
    return found


def holds(trigger: str, event: dict[str, Any]) -> bool:
    """Evaluate a trigger for an event while reading it from left to right."""
    rest = split_words(trigger)
    result = read_alternatives(rest, event)
    assert rest == []
    return result


def read_alternatives(rest: list[str], event: dict[str, Any]) -> bool:
    results = [read_conjunction(rest, event)]
    while rest and rest[0].lower() == "or":
        rest.pop(0)
        results.append(read_conjunction(rest, event))
    return any(results)


def read_conjunction(rest: list[str], event: dict[str, Any]) -> bool:
    results = [read_part(rest, event)]
    while rest and rest[0].lower() == "and":
        rest.pop(0)
        results.append(read_part(rest, event))
    return all(results)


def read_part(rest: list[str], event: dict[str, Any]) -> bool:
    word = rest.pop(0)
    if word == "(":
        result = read_alternatives(rest, event)
        assert rest.pop(0) == ")"
        return result
    if word == "!":
        return call_function(rest.pop(0), rest, event) is False
    if rest[0] == "(":
        return call_function(word, rest, event) is True
    return compare(word, look_up(word, event), rest.pop(0), rest.pop(0))


def call_function(name: str, rest: list[str], event: dict[str, Any]) -> bool | None:
    """Return whether a text contains or matches another; None if it is no text."""
    opening, field, comma, text, closing = (rest.pop(0) for _ in range(5))
    assert (opening, comma, closing) == ("(", ",", ")")
    value, wanted = look_up(field, event), unquote(text)
    if not isinstance(value, str):
        return None
    if name == "contains":
        return value.find(wanted) >= 0
    assert name == "match"
    return match_pattern(value, wanted)


def match_pattern(text: str, pattern: str) -> bool:
    """Match by a table of which prefixes match which: slow and simple."""
    matched = [[False] * (len(pattern) + 1) for _ in range(len(text) + 1)]
    for i in range(len(text) + 1):
        for j in range(len(pattern) + 1):
            if j == 0:
                matched[i][j] = i == 0
            elif pattern[j - 1] == "*":
                matched[i][j] = matched[i][j - 1] or (i > 0 and matched[i - 1][j])
            else:
                matched[i][j] = i > 0 and matched[i - 1][j - 1] and text[i - 1] == pattern[j - 1]
    return matched[-1][-1]


def compare(field: str, value: Any, operator: str, word: str) -> bool:
    is_other = operator == "!="
    if word.startswith('"'):
        return (isinstance(value, str) and value == unquote(word)) != is_other
    if word == "null":
        return (value is None or value is MISSING) != is_other
    if word in {"true", "false"}:
        return (value is (word == "true")) != is_other
    if field in {"type", "event", "name", "userId"} and operator in {"=", "==", "!="}:
        if isinstance(value, str):
            return (value in {word, write_number(float(word))}) != is_other
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return (is_number and value == float(word)) != is_other
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return NUMBERS[operator](value, float(word))


def unquote(word: str) -> str:
    return word[1:-1].replace('\\"', '"').replace("\\\\", "\\")


def look_up(field: str, event: dict[str, Any]) -> Any:
    value: Any = event
    for part in re.split(r"(?<!\\)\.", field):
        key = re.sub(r"\\(.)", r"\1", part)
        if not isinstance(value, dict) or key not in value:
            return MISSING
        value = value[key]
    return value
