"""The mapping compiler: what a mapping resolves to, and where a mistake in it is."""

from __future__ import annotations

import copy
from collections import UserDict
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterable_destination.errors import Problem
from iterable_destination.mapping.actions.mapping_kit.compiler import (
    DIRECTIVES,
    MAX_VALUES,
    read_mapping,
)
from iterable_destination.mapping.actions.paths import NOTHING
from tests.support import reading_mappings
from tests.support.mapping_strategies import (
    EVENT,
    GONE,
    build_flatten,
    data,
    find_mistakes,
    mappings,
    path,
    paths,
    resolve_mapping,
    scalars,
    templates,
)

CASES: list[tuple[Any, Any]] = [
    ({"@literal": 5}, 5),
    ({"@literal": None}, None),
    ({"@literal": "{{a}}"}, "{{a}}"),
    ({"@literal": [path("a")]}, ["x_Y_y"]),
    (
        {"x": path("missing"), "y": [path("missing"), path("a"), path("nul")], "z": path("nul")},
        {"y": [None, "x_Y_y", None], "z": None},
    ),
    ({"a@b": path("a"), "x.y": 1}, {"a@b": "x_Y_y", "x.y": 1}),
    ({"@path": "a", "_metadata": {"label": "A"}}, "x_Y_y"),
    ({"id": path("a"), "n": path("missing")}, {"id": "x_Y_y"}),
    ([], []),
    ({}, {}),
    (1.5, 1.5),
]

MISTAKES: list[tuple[Any, list[tuple[str, str]]]] = [
    ([], [("mapping", "must be an object, not a list")]),
    ({"x": {"@nope": 1}}, [("mapping.x.@nope", "there is no such directive")]),
    ({"x": {"@PATH": "a"}}, [("mapping.x.@PATH", "there is no such directive")]),
    ({"@": 1}, [("mapping.@", "there is no such directive")]),
    (
        {"x": [{"@liquid": "{{a}}"}]},
        [("mapping.x[0].@liquid", "is not supported: write it with the other directives")],
    ),
    ({"@path": "a", "x": 1}, [("mapping", "@path must be the only key of its object")]),
    ({"@path": "a", "@literal": 1}, [("mapping", "@path must be the only key of its object")]),
    (
        {"@if": "x"},
        [
            ("mapping.@if", "must be an object, not a string"),
            ("mapping.@if", "needs exists or blank"),
        ],
    ),
    ({"@if": {"then": 1}}, [("mapping.@if", "needs exists or blank")]),
    (
        {"@if": {"exists": {"@nope": 1}}},
        [("mapping.@if.exists.@nope", "there is no such directive")],
    ),
    (
        {"a": {"@nope": 1}, "b": {"@path": "c["}},
        [
            ("mapping.a.@nope", "there is no such directive"),
            ("mapping.b.@path", "is no path: see character 2"),
        ],
    ),
    ({"x": float("nan")}, [("mapping.x", "is NaN, which JSON cannot hold")]),
    ({5: 1}, [("mapping", "has a key that is a number; JSON's keys are strings")]),
    (
        {"x": [0] * MAX_VALUES},
        [(f"mapping.x[{MAX_VALUES - 2}]", "a mapping has at most 10,000 values")],
    ),
]

IFS: list[tuple[str, str, Any]] = [
    ("exists", "a", "then"),
    ("exists", "empty", "then"),
    ("exists", "no", "then"),
    ("exists", "zero", "then"),
    ("exists", "nul", "else"),
    ("exists", "missing", "else"),
    ("blank", "a", "then"),
    ("blank", "one", "then"),
    ("blank", "list", "then"),
    ("blank", "o.y.e", "then"),
    ("blank", "o.y.el", "else"),
    ("blank", "empty", "else"),
    ("blank", "no", "else"),
    ("blank", "zero", "else"),
    ("blank", "nul", "else"),
    ("blank", "missing", "else"),
]


@pytest.mark.parametrize(("mapping", "value"), CASES, ids=str)
def test_a_mapping_resolves_to_a_value(mapping: Any, value: Any) -> None:
    assert resolve_mapping(mapping) == value
    slow = reading_mappings.resolve_slowly({"v": mapping}, EVENT)
    assert slow.get("v", GONE) == value


@pytest.mark.parametrize(
    ("mapping", "expected"), MISTAKES, ids=[str(i) for i in range(len(MISTAKES))]
)
def test_a_mistake_is_named_with_its_place(mapping: Any, expected: list[tuple[str, str]]) -> None:
    assert find_mistakes(mapping) == expected


@pytest.mark.parametrize(("asked", "where", "branch"), IFS)
def test_if_goes_by_what_is_there(asked: str, where: str, branch: str) -> None:
    assert resolve_mapping({"@if": {asked: path(where), "then": "then", "else": "else"}}) == branch


@pytest.mark.parametrize("value", [False, 0, "", None])
def test_every_value_can_stand_in_either_branch(value: Any) -> None:
    assert resolve_mapping({"@if": {"exists": path("a"), "then": value}}) == value
    assert resolve_mapping({"@if": {"exists": path("missing"), "else": value}}) == value


def test_a_branch_that_is_not_there_gives_nothing() -> None:
    assert resolve_mapping({"@if": {"exists": path("a"), "else": 1}}) == GONE
    assert resolve_mapping({"@if": {"exists": path("missing"), "then": 1}}) == GONE


def test_if_asks_whether_it_exists_before_whether_it_is_blank() -> None:
    both = {"exists": path("empty"), "blank": path("empty"), "then": 1, "else": 2}
    assert resolve_mapping({"@if": both}) == 1


def test_the_usual_if_gives_the_first_that_is_there() -> None:
    mapping = {"@if": {"exists": path("nul"), "then": path("nul"), "else": path("a")}}
    assert resolve_mapping(mapping) == "x_Y_y"
    mapping = {"@if": {"exists": path("a"), "then": path("a"), "else": path("n")}}
    assert resolve_mapping(mapping) == "x_Y_y"


@pytest.mark.parametrize("kind_of", [MappingProxyType, UserDict])
def test_any_mapping_of_python_can_be_read(kind_of: Any) -> None:
    event = kind_of({"list": (kind_of({"i": Decimal("1.5")}),), "d": date(2023, 2, 5)})
    assert resolve_mapping(path("list[0].i"), event) == Decimal("1.5")
    assert resolve_mapping({"@arrayPath": ["list", {"id": path("i")}]}, event) == [
        {"id": Decimal("1.5")}
    ]
    assert resolve_mapping({"@arrayPath": [path("list"), {"id": path("i")}]}, event) == [
        {"id": Decimal("1.5")}
    ]
    assert resolve_mapping({"@template": "{{list[0].i}} {{d}}"}, event) == "1.5 2023-02-05"
    assert resolve_mapping(build_flatten(value=path("list")), event) == {"0.i": 1.5}


def test_a_mapping_may_be_nested_as_deep_as_anything() -> None:
    mapping: Any = "x"
    for _ in range(126):
        mapping = {"a": mapping}
    assert find_mistakes({"a": mapping}) == []
    deeper = {"a": {"b": mapping}}
    assert [message for _, message in find_mistakes(deeper)] == [
        "is nested more than 128 levels deep"
    ]


def test_a_mapping_that_contains_itself_is_refused() -> None:
    mapping: dict[str, Any] = {}
    mapping["x"] = mapping
    assert find_mistakes(mapping) == [("mapping.x", "contains itself")]


def test_a_mapping_that_is_changed_later_changes_nothing() -> None:
    mapping: dict[str, Any] = {"x": {"@literal": ["a"]}}
    kept, resolve = read_mapping(mapping, "mapping", [])
    mapping["x"]["@literal"].append("b")
    assert (kept, resolve({})) == ({"x": {"@literal": ["a"]}}, {"x": ["a"]})


def test_dates_in_a_mapping_stay_as_they_are() -> None:
    assert resolve_mapping("2023-02-05T20:42:10Z") == "2023-02-05T20:42:10Z"


@given(mappings, data)
def test_it_says_what_the_slow_reading_says(mapping: Any, event: Any) -> None:
    before = copy.deepcopy((mapping, event))
    problems: list[Problem] = []
    _, resolve = read_mapping({"v": mapping}, "mapping", problems)
    assert (problems, resolve(event)) == (
        [],
        reading_mappings.resolve_slowly({"v": mapping}, event),
    )
    assert (mapping, event) == before


# --- Whatever is written -----------------------------------------------------------------------

names = st.sampled_from([*DIRECTIVES, "@nope", "@liquid", "@", "a", "_metadata"])
option_names = st.sampled_from(
    [
        "exists",
        "blank",
        "then",
        "else",
        "value",
        "operator",
        "mode",
        "pattern",
        "replacement",
        "objects",
        "direction",
        "separator",
        "apply",
        "mapping",
        "pattern2",
        "x",
    ]
)
anything = st.recursive(
    scalars | paths | templates | st.sampled_from(["upper", "encode", "right"]) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(names | option_names, inner, max_size=4)
        | st.dictionaries(names, inner, min_size=1, max_size=1)
    ),
    max_leaves=20,
)


@given(anything, data)
def test_any_mapping_is_read_or_refused(mapping: Any, event: Any) -> None:
    problems: list[Problem] = []
    _, resolve = read_mapping({"v": mapping}, "mapping", problems)
    if problems:
        assert all(problem.path.startswith("mapping") for problem in problems)
        return
    found = resolve(event)
    assert found is NOTHING or isinstance(found, dict)
