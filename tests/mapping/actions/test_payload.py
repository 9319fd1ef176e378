"""Payloads: which values count as absent, and how coerced ones are checked."""

from __future__ import annotations

from enum import Enum
from typing import Any

import pytest

from iterable_destination.errors import Problem, Reason
from iterable_destination.mapping.actions import coercion
from iterable_destination.mapping.actions.coercion import Findings
from iterable_destination.mapping.actions.payload import TEXT, WHOLE, Field, coerce_fields


class Odd(Enum):
    NOTHING = None
    EMPTY = ""
    FIVE = "5"


def coerce_one(field: Field, payload: dict[str, Any]) -> tuple[dict[str, Any], Findings]:
    found = Findings()
    return coerce_fields((field,), payload, "user.", found), found


def refuse_five(value: Any) -> Reason | None:
    return Reason("five", "no five") if value == 5 else None


NUMBER = Field("x", coercion.coerce_integer, WHOLE, refuse_five)
WORD = Field("x", coercion.coerce_text, TEXT)


@pytest.mark.parametrize("value", [None, "", Odd.NOTHING, Odd.EMPTY], ids=repr)
def test_null_and_the_empty_string_count_as_absent(value: Any) -> None:
    result, found = coerce_one(NUMBER, {"x": value})
    assert (result, found.problems) == ({}, [])
    _, found = coerce_one(NUMBER._replace(required=True), {"x": value})
    assert found.problems == [Problem("user.x", "missing", "missing")]


@pytest.mark.parametrize("value", ["", Odd.EMPTY], ids=repr)
def test_the_empty_string_is_a_text_inside_an_object_only(value: Any) -> None:
    assert coerce_one(WORD, {"x": value})[0] == {"x": ""}
    for field in (WORD, WORD._replace(takes_null=True), NUMBER):
        assert coerce_fields((field,), {"x": value}, "", Findings()) == {}
    found = Findings()
    assert coerce_fields((WORD._replace(required=True),), {"x": value}, "", found) == {}
    assert found.problems == [Problem("x", "missing", "missing")]


def test_null_may_be_a_value_of_its_own() -> None:
    field = WORD._replace(takes_null=True)
    assert coerce_one(field, {"x": None})[0] == {"x": None}
    assert coerce_one(field, {})[0] == {}


@pytest.mark.parametrize("value", [0, False, 4.0], ids=repr)
def test_what_is_false_is_there_all_the_same(value: Any) -> None:
    assert coerce_one(NUMBER, {"x": value})[0] == {"x": int(value)}


@pytest.mark.parametrize("value", [5, "5", Odd.FIVE], ids=repr)
def test_a_value_is_checked_as_it_was_coerced(value: Any) -> None:
    result, found = coerce_one(NUMBER, {"x": value})
    assert (result, found.problems) == ({"x": 5}, [])
    assert found.refusals == [Problem("user.x", "no five", "five")]


def test_what_cannot_be_coerced_is_not_checked() -> None:
    _, found = coerce_one(NUMBER, {"x": "five"})
    assert [problem.path for problem in found.problems] == ["user.x"]
    assert found.refusals == []
