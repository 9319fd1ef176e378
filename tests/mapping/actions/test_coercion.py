"""Coercion: what each type takes, what it makes of it, and what it refuses."""

from __future__ import annotations

from collections import UserDict
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any

import pytest

from iterable_destination.mapping.actions import coercion
from iterable_destination.mapping.actions.coercion import Findings
from tests.support.lazy import Lazy


class Odd(Enum):
    FIVE = 5
    NOTHING = None
    YES = True


class Name(str):
    __slots__ = ()


NAN, INFINITE = float("nan"), float("inf")
REFUSED = object()

TEXTS: list[tuple[Any, Any]] = [
    ("x", "x"),
    ("", ""),
    (Name("x"), "x"),
    (5, "5"),
    (1.5, "1.5"),
    (2.0, "2"),
    (1e21, "1e+21"),
    (10**21, "1e+21"),
    (1e20, "100000000000000000000"),
    (1e-7, "1e-7"),
    (-0.0, "0"),
    (2**64, "18446744073709551616"),
    (Decimal("1.50"), "1.5"),
    (True, "true"),
    (False, "false"),
    (["a"], "a"),
    ([5], "5"),
    (["a", "b"], REFUSED),
    ([], REFUSED),
    ([None], REFUSED),
    ([["a"]], REFUSED),
    ({}, REFUSED),
    (NAN, REFUSED),
    (10**400, REFUSED),
    (b"x", REFUSED),
    ("\ud800", REFUSED),
    ("x" * 4_000_001, REFUSED),
]
INTEGERS: list[tuple[Any, Any]] = [
    (12, 12),
    ("12", 12),
    (12.0, 12),
    ("12.0", 12),
    (" +12 ", 12),
    ("-12", -12),
    ("1e3", 1000),
    ("5.", 5),
    (True, 1),
    (False, 0),
    ([5], 5),
    (["5"], 5),
    (Odd.FIVE, 5),
    (Decimal(5), 5),
    ("9999999999999999999", 9999999999999999999),
    (12.5, REFUSED),
    ("12.5", REFUSED),
    (".5", REFUSED),
    ("x", REFUSED),
    ("0x10", REFUSED),
    ("1,000", REFUSED),
    ("$5", REFUSED),
    ("٣", REFUSED),
    ("1e999", REFUSED),
    ("1" * 301, REFUSED),
    (INFINITE, REFUSED),
    (NAN, REFUSED),
    (10**400, REFUSED),
    ({}, REFUSED),
    ([1, 2], REFUSED),
]
NUMBERS: list[tuple[Any, Any]] = [
    (5, 5),
    (5.5, 5.5),
    ("5.50", 5.5),
    (".5", 0.5),
    ("1e3", 1000.0),
    ("-1.5", -1.5),
    (True, 1),
    (Fraction(1, 2), 0.5),
    ([1.5], 1.5),
    ("", REFUSED),
    ("NaN", REFUSED),
    ("Infinity", REFUSED),
    ("1e400", REFUSED),
    (NAN, REFUSED),
    ([], REFUSED),
    (None, REFUSED),
]
BOOLEANS: list[tuple[Any, Any]] = [
    (True, True),
    (False, False),
    ("true", True),
    ("false", False),
    (1, True),
    (0, False),
    (1.0, True),
    ([True], True),
    (2, REFUSED),
    ("TRUE", REFUSED),
    ("1", REFUSED),
    ("yes", REFUSED),
    ({}, REFUSED),
    (NAN, REFUSED),
]
MOMENTS: list[tuple[Any, Any]] = [
    ("2023-02-05T20:42:10.123Z", 1675629730),
    ("2023-02-05", 1675555200),
    ("2023-02-05T22:42:10+02:00", 1675629730),
    ("Sat Jan 12 2013 10:00:00 GMT+0100", 1357981200),
    (1675629730123, 1675629730),
    (1675629730, 1675629),
    (-1, -1),
    (1500.9, 1),
    (datetime(2023, 2, 5, 20, 42, 10, tzinfo=UTC), 1675629730),
    (date(2023, 2, 5), 1675555200),
    ("soon", REFUSED),
    ("2023-02-31", REFUSED),
    (True, REFUSED),
    (NAN, REFUSED),
    (INFINITE, REFUSED),
    (10**400, REFUSED),
    (10**17, REFUSED),
    ({}, REFUSED),
    ([1], REFUSED),
]
EMAILS: list[tuple[Any, Any]] = [
    ("ada@example.com", "ada@example.com"),
    ("å@example.com", "å@example.com"),
    (["a@b.co"], "a@b.co"),
    ("ada", REFUSED),
    ("a@b", REFUSED),
    ("a@b.c ", REFUSED),
    ("", REFUSED),
    (5, REFUSED),
    ({}, REFUSED),
]
OBJECTS: list[tuple[Any, Any]] = [
    ({"a": 1}, {"a": 1}),
    (UserDict({"a": 1}), {"a": 1}),
    ([{"a": 1}], REFUSED),
    ([], {}),
    ((), {}),
    (Lazy([]), {}),
    ([[]], REFUSED),
    ("x", REFUSED),
    (b"", REFUSED),
]
EVERY = [
    (coerce, value, expected)
    for coerce, table in (
        (coercion.coerce_text, TEXTS),
        (coercion.coerce_integer, INTEGERS),
        (coercion.coerce_number, NUMBERS),
        (coercion.coerce_boolean, BOOLEANS),
        (coercion.coerce_date, MOMENTS),
        (coercion.coerce_email, EMAILS),
        (coercion.coerce_object, OBJECTS),
    )
    for value, expected in table
]
IDS = [f"{coerce.__name__}-{index}" for index, (coerce, _, _) in enumerate(EVERY)]


@pytest.mark.parametrize(("coerce", "value", "expected"), EVERY, ids=IDS)
def test_a_value_is_taken_or_refused(coerce: Any, value: Any, expected: Any) -> None:
    found = Findings()
    taken = coerce(value, "field", found)
    if expected is REFUSED:
        assert taken is None
        assert [problem.path for problem in found.problems] == ["field"]
    else:
        assert (taken, type(taken), found.problems) == (expected, type(expected), [])


@pytest.mark.parametrize(
    ("coerce", "value", "message"),
    [
        (coercion.coerce_text, {}, "must be a string, not an object"),
        (
            coercion.coerce_text,
            "\ud800",
            "contains an unpaired surrogate (invalid Unicode)",
        ),
        (coercion.coerce_integer, 12.5, "must be a whole number, not one with a fraction"),
        (coercion.coerce_integer, "x", "must be a whole number, not a string that says none"),
        (coercion.coerce_integer, NAN, "must be a whole number, not NaN"),
        (coercion.coerce_number, 10**400, "must be a number, not one that is too large"),
        (coercion.coerce_number, None, "must be a number, not null"),
        (coercion.coerce_boolean, "x", "must be true or false, not this string"),
        (coercion.coerce_boolean, 2, "must be true or false, not a number"),
        (
            coercion.coerce_date,
            "soon",
            "not a date; use ISO 8601, or milliseconds since 1970 as a number",
        ),
        (coercion.coerce_object, 5, "must be an object, not a number"),
    ],
)
def test_a_problem_says_what_is_wrong(coerce: Any, value: Any, message: str) -> None:
    found = Findings()
    coerce(value, "field", found)
    assert [problem.message for problem in found.problems] == [message]


@pytest.mark.parametrize(
    ("coerce", "value", "notes"),
    [
        (coercion.coerce_text, "x", []),
        (coercion.coerce_text, Name("x"), []),
        (coercion.coerce_text, 5, ["a number, taken as a string"]),
        (coercion.coerce_text, ["x"], ["a list, taken as a string"]),
        (coercion.coerce_integer, 5, []),
        (coercion.coerce_integer, 5.0, []),
        (coercion.coerce_integer, Decimal(5), []),
        (coercion.coerce_integer, "5", ["a string, taken as the number it says"]),
        (coercion.coerce_number, 5.5, []),
        (coercion.coerce_number, True, ["a boolean, taken as the number it says"]),
        (coercion.coerce_boolean, True, []),
        (coercion.coerce_boolean, Odd.YES, []),
        (coercion.coerce_boolean, 0, ["a number, taken as false"]),
        (coercion.coerce_boolean, [True], ["a list, taken as true"]),
    ],
)
def test_what_is_changed_is_noted(coerce: Any, value: Any, notes: list[str]) -> None:
    found = Findings()
    coerce(value, "field", found)
    assert [note.message for note in found.notes] == notes
