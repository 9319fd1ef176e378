"""Nulls that are written as NaN."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterable_destination.errors import Note
from iterable_destination.model.nulls import replace_nan

NAN = float("nan")


class NaTType:
    """What pandas has in place of a date."""

    __module__ = "pandas._libs.tslibs.nattype"


class Subclass(float):
    """As numpy's doubles are."""


class Other:
    """A value of another class."""


def replaced(event: Any) -> tuple[Any, list[tuple[str, str]]]:
    notes: list[Note] = []
    return replace_nan(event, notes), [(note.path, note.message) for note in notes]


@pytest.mark.parametrize("value", [NAN, Subclass("nan"), Decimal("NaN"), NaTType()])
def test_a_nan_is_null_with_a_note_that_has_its_place(value: Any) -> None:
    event = {"traits": {"a": value, "b": [1, {"c": value}], 5: value}, "x": value}
    plain, notes = replaced(event)
    assert plain == {"traits": {"a": None, "b": [1, {"c": None}], 5: None}, "x": None}
    places = ["traits.a", "traits.b[1].c", "traits.?", "x"]
    assert notes == [(place, "NaN, taken as null") for place in places]
    assert event["traits"]["a"] is value
    assert replaced(value) == (None, [("$", "NaN, taken as null")])


@pytest.mark.parametrize(
    "value", [0.0, float("inf"), Decimal(1), "NaN", None, True, 5, Other(), (NAN,), b""]
)
def test_nothing_else_is_touched(value: Any) -> None:
    plain, notes = replaced({"a": value})
    assert plain["a"] is value
    assert notes == []


def test_an_object_that_contains_itself_still_does() -> None:
    event: dict[str, Any] = {"a": NAN, "list": []}
    event["me"] = event
    event["list"].append(event["list"])
    plain, _ = replaced(event)
    assert plain["me"] is plain
    assert plain["list"][0] is plain["list"]
    assert plain["a"] is None


def test_what_is_nested_too_deeply_is_left_for_the_translation_to_refuse() -> None:
    event: Any = {"a": NAN}
    for _ in range(5_000):
        event = [event]
    plain, notes = replaced(event)
    assert notes == []
    assert len(plain) == 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values)
def test_an_event_without_nan_stays_equal(event: Any) -> None:
    before = copy.deepcopy(event)
    assert replaced(event) == (before, [])
    assert event == before
