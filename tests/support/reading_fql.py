"""A slow, obvious reading of triggers, to check the quick one. It shares no line with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

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


def words(trigger: str) -> list[str]:
    """Cut a trigger into words, one character after the other."""
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
    """Read a trigger from left to right and say at once what each part is for the event."""
    rest = words(trigger)
    verdict = alternatives(rest, event)
    assert rest == []
    return verdict


def alternatives(rest: list[str], event: dict[str, Any]) -> bool:
    verdicts = [conjunction(rest, event)]
    while rest and rest[0].lower() == "or":
        rest.pop(0)
        verdicts.append(conjunction(rest, event))
    return any(verdicts)


def conjunction(rest: list[str], event: dict[str, Any]) -> bool:
    verdicts = [single(rest, event)]
    while rest and rest[0].lower() == "and":
        rest.pop(0)
        verdicts.append(single(rest, event))
    return all(verdicts)


def single(rest: list[str], event: dict[str, Any]) -> bool:
    word = rest.pop(0)
    if word == "(":
        verdict = alternatives(rest, event)
        assert rest.pop(0) == ")"
        return verdict
    if word == "!":
        return function(rest.pop(0), rest, event) is False
    if rest[0] == "(":
        return function(word, rest, event) is True
    return comparison(lookup(word, event), rest.pop(0), rest.pop(0))


def function(name: str, rest: list[str], event: dict[str, Any]) -> bool | None:
    """Say whether a text contains or matches another; None of what is no text."""
    opening, field, comma, text, closing = (rest.pop(0) for _ in range(5))
    assert (opening, comma, closing) == ("(", ",", ")")
    value, wanted = lookup(field, event), unquoted(text)
    if not isinstance(value, str):
        return None
    if name == "contains":
        return value.find(wanted) >= 0
    assert name == "match"
    return glob(value, wanted)


def glob(text: str, pattern: str) -> bool:
    """Match by a table of which beginnings match which: slow, and plain."""
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


def comparison(value: Any, operator: str, word: str) -> bool:
    is_other = operator == "!="
    if word.startswith('"'):
        return (isinstance(value, str) and value == unquoted(word)) != is_other
    if word == "null":
        return (value is None or value is MISSING) != is_other
    if word in {"true", "false"}:
        return (value is (word == "true")) != is_other
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return NUMBERS[operator](value, float(word))


def unquoted(word: str) -> str:
    return word[1:-1].replace('\\"', '"').replace("\\\\", "\\")


def lookup(field: str, event: dict[str, Any]) -> Any:
    value: Any = event
    for part in re.split(r"(?<!\\)\.", field):
        key = re.sub(r"\\(.)", r"\1", part)
        if not isinstance(value, dict) or key not in value:
            return MISSING
        value = value[key]
    return value
