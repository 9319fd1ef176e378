"""Mappings: what each directive gives, where a mistake is, and that none can hang."""

from __future__ import annotations

import copy
import time
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
from iterable_destination.mapping.actions.mapping_kit.directive_options import Unmappable
from iterable_destination.mapping.actions.mapping_kit.limits import MAX_SIZE
from iterable_destination.mapping.actions.paths import NOTHING
from tests.support import reading_mappings

EVENT: dict[str, Any] = {
    "a": "x_Y_y",
    "n": 505,
    "half": 1.5,
    "whole": 2.0,
    "t": True,
    "no": False,
    "zero": 0,
    "nul": None,
    "empty": "",
    "o": {"x": 1, "y": {"z": [1, {"q": 2}], "e": {}, "el": []}},
    "list": [{"i": 1, "n": "a"}, {"i": 2}],
    "mixed": ["s", None, {"i": 3}, [1]],
    "lone": {"i": 9},
    "k k": {"z": 3},
    "words": ["a", "b"],
    "json": '{"a":[1]}',
    "bad": "{",
    "one": {"a": 1, "b": 2},
    "two": {"b": 3, "c": None},
    "deep": {"a": {"b": None, "c": [None, 1]}},
    "key": "a",
}
GONE = {"v": "gone"}


def path(where: Any) -> dict[str, Any]:
    return {"@path": where}


def says(mapping: Any, event: Any = None) -> Any:
    """Return what a mapping says, or ``GONE`` for nothing."""
    problems: list[Problem] = []
    _, resolve = read_mapping({"v": mapping}, "mapping", problems)
    assert problems == []
    found = resolve(EVENT if event is None else event)
    return found.get("v", GONE)


def mistakes(mapping: Any) -> list[tuple[str, str]]:
    problems: list[Problem] = []
    read_mapping(mapping, "mapping", problems)
    return [(problem.path, problem.message) for problem in problems]


def replacing(**options: Any) -> dict[str, Any]:
    return {"@replace": {"value": path("a"), "replacement": "-", **options}}


def flattening(**options: Any) -> dict[str, Any]:
    return {"@flatten": {"separator": ".", "value": path("o"), **options}}


def merging(*objects: Any, direction: str = "right") -> dict[str, Any]:
    return {"@merge": {"objects": list(objects), "direction": direction}}


PATHS: list[tuple[Any, Any]] = [
    ("$.a", "x_Y_y"),
    ("a", "x_Y_y"),
    ("", EVENT),
    ("$", EVENT),
    ("$.", EVENT),
    ("$.o.y.z[1].q", 2),
    ("o.y.z.1.q", 2),
    ("o['y'].z[0]", 1),
    ('o["x"]', 1),
    ("['k k'].z", 3),
    ("$['k k'].z", 3),
    ("$.['k k'].z", 3),
    ("list[0].i", 1),
    ("list[2]", GONE),
    ("list.i", GONE),
    ("list[0000000001].i", GONE),
    ("a.length", GONE),
    ("a[0]", GONE),
    ("missing", GONE),
    ("missing.x", GONE),
    ("nul", None),
    ("nul.x", GONE),
    ("no", False),
    (" a", GONE),
    (path("key"), "x_Y_y"),
    (path("n"), GONE),
    (path("missing"), GONE),
    ({"@template": "o.{{missing}}x"}, 1),
    ({"@template": "o[{{missing}}"}, GONE),
]
PATHS[15] = ("list[000000001].i", 2)

TEMPLATES: list[tuple[Any, Any]] = [
    ("plain", "plain"),
    ("", ""),
    ("{{a}}", "x_Y_y"),
    ("{{ $.a }}-{{{a}}}", "x_Y_y-x_Y_y"),
    ("{{n}} {{half}} {{whole}} {{zero}}", "505 1.5 2 0"),
    ("{{t}}{{no}}", "truefalse"),
    ("<{{nul}}{{missing}}{{empty}}>", "<>"),
    ("{{one}}", '{"a":1,"b":2}'),
    ("{{words}}", "a,b"),
    ("{{mixed}}", 's,,{"i":3},[1]'),
    ("{{['k k'].z}}", "3"),
    ("{{a", "{{a"),
    ("{{a}}}}", "x_Y_y}}"),
    ("{{{a}}", "{x_Y_y"),
    ("{{}}", "{{}}"),
    ("a}}", "a}}"),
    (path("a"), "x_Y_y"),
    (path("n"), GONE),
    ({"@literal": "{{a}}{{o[}}"}, "x_Y_y"),
]

CASES: list[tuple[Any, Any]] = [
    ({"@literal": 5}, 5),
    ({"@literal": None}, None),
    ({"@literal": "{{a}}"}, "{{a}}"),
    ({"@literal": [path("a")]}, ["x_Y_y"]),
    ({"@case": {"operator": "upper", "value": path("a")}}, "X_Y_Y"),
    ({"@case": {"operator": "lower", "value": path("a")}}, "x_y_y"),
    ({"@case": {"operator": "upper", "value": path("n")}}, 505),
    ({"@case": {"operator": "upper", "value": path("nul")}}, None),
    ({"@case": {"operator": "upper", "value": path("missing")}}, GONE),
    ({"@case": {"operator": "upper"}}, GONE),
    (replacing(pattern="_"), "x-Y-y"),
    (replacing(pattern="y"), "x_Y_-"),
    (replacing(pattern="y", ignorecase=True), "x_-_-"),
    (replacing(pattern="_", **{"global": False}), "x-Y_y"),
    (replacing(pattern="y", ignorecase=True, **{"global": False}), "x_-_y"),
    (replacing(pattern="_", replacement=""), "xYy"),
    ({"@replace": {"pattern": "_", "value": path("a")}}, "xYy"),
    (replacing(pattern=".", value="a.b"), "a-b"),
    (replacing(pattern=".", value="a.b", ignorecase=True), "a-b"),
    (replacing(pattern="_", replacement=r"\g<0>$&"), r"x\g<0>$&Y\g<0>$&y"),
    (replacing(pattern="_", replacement=r"\1", ignorecase=True), r"x\1Y\1y"),
    (replacing(pattern="5", value=path("n")), "-0-"),
    (replacing(pattern="t", value=path("t")), "-rue"),
    (replacing(pattern="_", pattern2="y", replacement2="z"), "x-Y-z"),
    (replacing(pattern="_", replacement="y", pattern2="y", replacement2="z"), "xzYzz"),
    (replacing(pattern="_", pattern2="y"), "x-Y-"),
    (replacing(pattern="_", pattern2="", replacement2="z"), "x-Y-y"),
    (replacing(pattern="_", value=path("missing")), GONE),
    (replacing(pattern="_", value=path("nul")), None),
    (replacing(pattern="_", value=path("one")), {"a": 1, "b": 2}),
    ({"@json": {"mode": "encode", "value": path("one")}}, '{"a":1,"b":2}'),
    ({"@json": {"mode": "encode", "value": path("a")}}, '"x_Y_y"'),
    ({"@json": {"mode": "encode", "value": path("nul")}}, "null"),
    ({"@json": {"mode": "encode", "value": path("missing")}}, GONE),
    ({"@json": {"mode": "encode", "value": {"x": [1.5, True, 'é"']}}}, '{"x":[1.5,true,"é\\""]}'),
    ({"@json": {"mode": "decode", "value": path("json")}}, {"a": [1]}),
    ({"@json": {"mode": "decode", "value": path("bad")}}, "{"),
    ({"@json": {"mode": "decode", "value": path("empty")}}, ""),
    ({"@json": {"mode": "decode", "value": path("n")}}, 505),
    ({"@json": {"mode": "decode", "value": path("missing")}}, GONE),
    (flattening(), {"x": 1, "y.z.0": 1, "y.z.1.q": 2}),
    (flattening(separator="_", omitArrays=True), {"x": 1, "y_z": [1, {"q": 2}], "y_el": []}),
    (flattening(value=path("list")), {"0.i": 1, "0.n": "a", "1.i": 2}),
    (flattening(value=path("list"), omitArrays=True), EVENT["list"]),
    (flattening(value=path("a")), "x_Y_y"),
    (flattening(value=path("nul")), None),
    (flattening(value=path("missing")), GONE),
    (merging(path("one"), path("two")), {"a": 1, "b": 3, "c": None}),
    (merging(path("one"), path("two"), direction="left"), {"a": 1, "b": 2, "c": None}),
    (merging(path("one"), path("a"), path("missing"), path("nul")), {"a": 1, "b": 2}),
    (merging({"a": {"x": 1}}, {"a": {"y": 2}}), {"a": {"y": 2}}),
    (merging(), {}),
    ({"@transform": {"apply": {"z": path("one.a")}, "mapping": {"q": path("z")}}}, {"q": 1}),
    ({"@transform": {"apply": path("o"), "mapping": path("x")}}, 1),
    ({"@transform": {"apply": path("missing"), "mapping": {"q": path("z")}}}, {}),
    ({"@transform": {"apply": path("words"), "mapping": {"q": path("[0]")}}}, {"q": "a"}),
    ({"@excludeWhenNull": path("nul")}, GONE),
    ({"@excludeWhenNull": path("missing")}, GONE),
    ({"@excludeWhenNull": path("a")}, "x_Y_y"),
    ({"@excludeWhenNull": path("two")}, {"b": 3}),
    ({"@excludeWhenNull": path("deep")}, {"a": {"c": [None, 1]}}),
    ({"@excludeWhenNull": path("mixed")}, EVENT["mixed"]),
    ({"@arrayPath": ["$.list"]}, EVENT["list"]),
    ({"@arrayPath": ["$.list", {}]}, EVENT["list"]),
    (
        {"@arrayPath": ["list", {"id": path("i"), "nm": path("$.n")}]},
        [{"id": 1, "nm": "a"}, {"id": 2}],
    ),
    ({"@arrayPath": ["list", path("n")]}, ["a", None]),
    (
        {"@arrayPath": ["list", {"k": "lit", "t": {"@template": "{{i}}!"}}]},
        [{"k": "lit", "t": "1!"}, {"k": "lit", "t": "2!"}],
    ),
    ({"@arrayPath": ["lone", {"id": path("i")}]}, [{"id": 9}]),
    ({"@arrayPath": ["lone"]}, {"i": 9}),
    ({"@arrayPath": ["mixed", {"id": path("i")}]}, [{}, {}, {"id": 3}, {}]),
    ({"@arrayPath": ["a", {"id": path("i")}]}, "x_Y_y"),
    ({"@arrayPath": ["nul", {"id": path("i")}]}, None),
    ({"@arrayPath": ["missing", {"id": path("i")}]}, GONE),
    ({"@arrayPath": [path("list"), {"id": path("i")}]}, [{"id": 1}, {"id": 2}]),
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


@pytest.mark.parametrize(("where", "value"), PATHS, ids=str)
def test_a_path_gives_what_stands_there(where: Any, value: Any) -> None:
    assert says(path(where)) == value


@pytest.mark.parametrize(("text", "filled"), TEMPLATES, ids=str)
def test_a_template_is_filled(text: Any, filled: Any) -> None:
    assert says({"@template": text}) == filled


@pytest.mark.parametrize(("mapping", "value"), CASES, ids=str)
def test_a_mapping_says(mapping: Any, value: Any) -> None:
    assert says(mapping) == value
    slow = reading_mappings.says({"v": mapping}, EVENT)
    assert slow.get("v", GONE) == value


@pytest.mark.parametrize(("asked", "where", "branch"), IFS)
def test_if_goes_by_what_is_there(asked: str, where: str, branch: str) -> None:
    assert says({"@if": {asked: path(where), "then": "then", "else": "else"}}) == branch


@pytest.mark.parametrize("value", [False, 0, "", None])
def test_every_value_can_stand_in_either_branch(value: Any) -> None:
    assert says({"@if": {"exists": path("a"), "then": value}}) == value
    assert says({"@if": {"exists": path("missing"), "else": value}}) == value


def test_a_branch_that_is_not_there_gives_nothing() -> None:
    assert says({"@if": {"exists": path("a"), "else": 1}}) == GONE
    assert says({"@if": {"exists": path("missing"), "then": 1}}) == GONE


def test_if_asks_whether_it_exists_before_whether_it_is_blank() -> None:
    both = {"exists": path("empty"), "blank": path("empty"), "then": 1, "else": 2}
    assert says({"@if": both}) == 1


def test_the_usual_if_gives_the_first_that_is_there() -> None:
    mapping = {"@if": {"exists": path("nul"), "then": path("nul"), "else": path("a")}}
    assert says(mapping) == "x_Y_y"
    mapping = {"@if": {"exists": path("a"), "then": path("a"), "else": path("n")}}
    assert says(mapping) == "x_Y_y"


@pytest.mark.parametrize("kind_of", [MappingProxyType, UserDict])
def test_any_mapping_of_python_can_be_read(kind_of: Any) -> None:
    event = kind_of({"list": (kind_of({"i": Decimal("1.5")}),), "d": date(2023, 2, 5)})
    assert says(path("list[0].i"), event) == Decimal("1.5")
    assert says({"@arrayPath": ["list", {"id": path("i")}]}, event) == [{"id": Decimal("1.5")}]
    assert says({"@arrayPath": [path("list"), {"id": path("i")}]}, event) == [
        {"id": Decimal("1.5")}
    ]
    assert says({"@template": "{{list[0].i}} {{d}}"}, event) == "1.5 2023-02-05"
    assert says(flattening(value=path("list")), event) == {"0.i": 1.5}


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
    ({"@path": 5}, [("mapping.@path", "must be a string or a directive, not a number")]),
    ({"@path": {"x": 1}}, [("mapping.@path", "must be a string or a directive, not an object")]),
    ({"@path": "a["}, [("mapping.@path", "is no path: see character 2")]),
    ({"@path": "a..b"}, [("mapping.@path", "is no path: see character 2")]),
    ({"@path": ".a"}, [("mapping.@path", "is no path: see character 1")]),
    ({"@path": "a."}, [("mapping.@path", "is no path: see character 2")]),
    ({"@path": "a[0]b"}, [("mapping.@path", "is no path: see character 5")]),
    ({"@path": "list[*].i"}, [("mapping.@path", "is no path: see character 5")]),
    ({"@path": "list[-1]"}, [("mapping.@path", "is no path: see character 5")]),
    ({"@template": 5}, [("mapping.@template", "must be a string or a directive, not a number")]),
    ({"@template": "{{a[}}"}, [("mapping.@template", "{{a[}} is no path: see character 2")]),
    (
        {"@if": "x"},
        [
            ("mapping.@if", "must be an object, not a string"),
            ("mapping.@if", "needs exists or blank"),
        ],
    ),
    ({"@if": {"then": 1}}, [("mapping.@if", "needs exists or blank")]),
    (
        {"@if": {"exists": 1, "than": 1}},
        [("mapping.@if.than", "unknown; there are exists, blank, then, else")],
    ),
    (
        {"@if": {"exists": {"@nope": 1}}},
        [("mapping.@if.exists.@nope", "there is no such directive")],
    ),
    ({"@case": {"value": "x"}}, [("mapping.@case.operator", "must be upper or lower")]),
    (
        {"@case": {"operator": "Upper", "value": "x"}},
        [("mapping.@case.operator", "must be upper or lower")],
    ),
    ({"@replace": {"value": "x"}}, [("mapping.@replace.pattern", "missing")]),
    ({"@replace": {"pattern": "", "value": "x"}}, [("mapping.@replace.pattern", "missing")]),
    ({"@replace": {"pattern": "x"}}, [("mapping.@replace.value", "missing")]),
    (
        {"@replace": {"pattern": 5, "value": "x"}},
        [("mapping.@replace.pattern", "must be a string, not a number")],
    ),
    (
        {"@replace": {"pattern": "x", "replacement": None, "value": "x"}},
        [("mapping.@replace.replacement", "missing")],
    ),
    (
        {"@replace": {"pattern": "x" * 11, "value": "x"}},
        [("mapping.@replace.pattern", "has at most 10 characters")],
    ),
    (
        {"@replace": {"pattern": "x", "pattern2": "x", "replacement2": "y" * 11, "value": "x"}},
        [("mapping.@replace.replacement2", "has at most 10 characters")],
    ),
    (
        {"@replace": {"pattern": "x", "value": "x", "global": "no"}},
        [("mapping.@replace.global", "must be true or false, not a string")],
    ),
    ({"@json": {"value": "x"}}, [("mapping.@json.mode", "must be encode or decode")]),
    ({"@json": {"mode": "encode"}}, [("mapping.@json.value", "missing")]),
    (
        {"@arrayPath": "list"},
        [("mapping.@arrayPath", "must be a list of a path and perhaps a shape")],
    ),
    ({"@arrayPath": []}, [("mapping.@arrayPath", "must be a list of a path and perhaps a shape")]),
    (
        {"@arrayPath": ["a", {}, 1]},
        [("mapping.@arrayPath", "must be a list of a path and perhaps a shape")],
    ),
    (
        {"@arrayPath": [5]},
        [("mapping.@arrayPath[0]", "must be a string or a directive, not a number")],
    ),
    ({"@arrayPath": ["a["]}, [("mapping.@arrayPath[0]", "is no path: see character 2")]),
    (
        {"@arrayPath": ["a", {"x": {"@nope": 1}}]},
        [("mapping.@arrayPath[1].x.@nope", "there is no such directive")],
    ),
    ({"@flatten": {"value": 1}}, [("mapping.@flatten.separator", "missing")]),
    ({"@flatten": {"separator": "."}}, [("mapping.@flatten.value", "missing")]),
    (
        {"@flatten": {"separator": ".", "value": 1, "omitArrays": 1}},
        [("mapping.@flatten.omitArrays", "must be true or false, not a number")],
    ),
    (
        {"@merge": {"objects": [], "direction": "up"}},
        [("mapping.@merge.direction", "must be right or left")],
    ),
    (
        {"@merge": {"direction": "left"}},
        [("mapping.@merge.objects", "must be a list of objects, not null")],
    ),
    (
        {"@merge": {"objects": {"@path": "x"}, "direction": "left"}},
        [("mapping.@merge.objects", "must be a list of objects, not an object")],
    ),
    ({"@transform": {"apply": {}}}, [("mapping.@transform.mapping", "missing")]),
    (
        {"@transform": {"apply": "x", "mapping": {}}},
        [("mapping.@transform.apply", "must be an object, not a string")],
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


@pytest.mark.parametrize(
    ("mapping", "expected"), MISTAKES, ids=[str(i) for i in range(len(MISTAKES))]
)
def test_a_mistake_is_named_with_its_place(mapping: Any, expected: list[tuple[str, str]]) -> None:
    assert mistakes(mapping) == expected


def test_a_mapping_may_be_nested_as_deep_as_anything() -> None:
    mapping: Any = "x"
    for _ in range(126):
        mapping = {"a": mapping}
    assert mistakes({"a": mapping}) == []
    deeper = {"a": {"b": mapping}}
    assert [message for _, message in mistakes(deeper)] == ["is nested more than 128 levels deep"]


def test_a_mapping_that_contains_itself_is_refused() -> None:
    mapping: dict[str, Any] = {}
    mapping["x"] = mapping
    assert mistakes(mapping) == [("mapping.x", "contains itself")]


def test_a_mapping_that_is_changed_later_changes_nothing() -> None:
    mapping: dict[str, Any] = {"x": {"@literal": ["a"]}}
    kept, resolve = read_mapping(mapping, "mapping", [])
    mapping["x"]["@literal"].append("b")
    assert (kept, resolve({})) == ({"x": {"@literal": ["a"]}}, {"x": ["a"]})


def test_dates_in_a_mapping_stay_as_they_are() -> None:
    assert says("2023-02-05T20:42:10Z") == "2023-02-05T20:42:10Z"


# --- Nothing grows without end -----------------------------------------------------------------


def doubled(mapping: Any, times: int) -> Any:
    for _ in range(times):
        both = {"a": path(""), "b": path("")}
        mapping = {"@transform": {"apply": mapping, "mapping": both}}
    return mapping


LARGE: list[tuple[str, Any]] = [
    ("makes more than 200,000 values, or as much text", doubled(path(""), 40)),
    (
        "makes more than 200,000 values, or as much text",
        {"@arrayPath": [doubled({"x": [1, 2]}, 15), {"x": [path("")] * 40}]},
    ),
    ("makes more than 200,000 values, or as much text", [path("")] * 9_000),
    (
        "makes a text of more than 4,000,000 characters",
        {"@template": "{{text}}" * 2_000},
    ),
    (
        "makes a text of more than 4,000,000 characters",
        replacing(
            pattern="a",
            replacement="b" * 10,
            pattern2="b",
            replacement2="c" * 10,
            value=path("text"),
        ),
    ),
    (
        "makes keys of more than 4,000,000 characters",
        flattening(separator="s" * 10_000, value=path("many")),
    ),
    (
        "cannot be written as JSON: is NaN, which JSON cannot hold",
        {"@json": {"mode": "encode", "value": path("nan")}},
    ),
    ("cannot be written as JSON: is NaN, which JSON cannot hold", {"@template": "{{nan}}"}),
    (
        "has a key that is a number; JSON's keys are strings",
        flattening(value=path("numbered")),
    ),
    ("is nested more than 128 levels deep", flattening(value=path("deep"))),
    ("is nested more than 128 levels deep", {"@excludeWhenNull": path("deep")}),
    ("makes more than 200,000 values, or as much text", {"@excludeWhenNull": path("itself")}),
    ("makes more than 200,000 values, or as much text", flattening(value=path("itself"))),
]


@pytest.mark.parametrize(("message", "mapping"), LARGE, ids=[str(i) for i in range(len(LARGE))])
def test_what_grows_out_of_proportion_is_not_made(message: str, mapping: Any) -> None:
    deep: Any = 1
    for _ in range(200):
        deep = {"a": deep}
    event: dict[str, Any] = {"text": "a" * 50_000, "many": {"x": {str(i): i for i in range(500)}}}
    event |= {
        "numbered": {10**5_000: 1},
        "nan": float("nan"),
        "deep": deep,
        "list": list(range(50)),
        "itself": {},
    }
    event["itself"]["x"] = event["itself"]
    began = time.process_time()
    with pytest.raises(Unmappable) as raised:
        says(mapping, event)
    assert str(raised.value) == message
    assert time.process_time() - began < 5


def test_encoding_again_and_again_comes_to_an_end() -> None:
    mapping: Any = path("text")
    for _ in range(40):
        mapping = {"@json": {"mode": "encode", "value": mapping}}
    with pytest.raises(Unmappable, match="makes a text of more than 4,000,000 characters"):
        says(mapping, {"text": '"'})


def test_a_pattern_is_text_and_cannot_hang() -> None:
    mapping = replacing(pattern="(a+)+$", value=path("text"), ignorecase=True)
    began = time.process_time()
    assert says(mapping, {"text": "a" * 100_000 + "!"}) == "a" * 100_000 + "!"
    assert time.process_time() - began < 2


def test_a_large_value_that_is_in_proportion_is_made() -> None:
    event = {"list": list(range(MAX_SIZE // 2))}
    assert (
        says({"@transform": {"apply": path(""), "mapping": path("list")}}, event) == event["list"]
    )


# --- Against the slow reading ------------------------------------------------------------------

keys = st.sampled_from(["a", "b", "list", "k k", "0"])
scalars = st.sampled_from([None, True, False, 0, 1, 2.5, "", "a", "B", "aB_b", '{"a":1}', "{"])
data = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=10,
)
paths = st.sampled_from(
    [
        "a",
        "$.a",
        "$.a.b",
        "list",
        "list[0]",
        "list[1].a",
        "list.0",
        "['k k']",
        "b['a']",
        "",
        "$",
        "0",
    ]
)
templates = st.lists(
    st.sampled_from(["x ", "{{a}}", "{{ $.b.a }}", "{{list[0]}}", "{{", "}}", "{{}}", "é"])
).map("".join)


def directives(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    def one(name: str, options: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return options.map(lambda given: {name: given})

    def options(
        required: dict[str, st.SearchStrategy[Any]], **optional: st.SearchStrategy[Any]
    ) -> st.SearchStrategy[Any]:
        return st.fixed_dictionaries(required, optional=optional)

    dynamic = inner.filter(lambda part: isinstance(part, dict) and any(k[:1] == "@" for k in part))
    objects = inner.filter(lambda part: isinstance(part, dict))
    short = st.sampled_from(["a", "B", "_", "aB", "."])
    flags = {"ignorecase": st.booleans(), "global": st.booleans()}
    words = {"replacement": short, "pattern2": short, "replacement2": short}
    return st.one_of(
        one("@literal", inner),
        one("@excludeWhenNull", inner),
        one("@if", options({"exists": inner}, **{"then": inner, "else": inner})),
        one("@if", options({"blank": inner}, **{"then": inner, "else": inner})),
        one("@case", options({"operator": st.sampled_from(["upper", "lower"]), "value": inner})),
        one("@replace", options({"pattern": short, "value": inner}, **flags, **words)),
        one("@json", options({"mode": st.sampled_from(["encode", "decode"]), "value": inner})),
        one("@flatten", options({"separator": short, "value": inner}, omitArrays=st.booleans())),
        one(
            "@merge",
            options(
                {
                    "objects": st.lists(inner, max_size=3),
                    "direction": st.sampled_from(["left", "right"]),
                }
            ),
        ),
        one("@transform", options({"apply": objects, "mapping": objects})),
        one("@arrayPath", st.tuples(paths | dynamic, inner).map(list)),
        one("@arrayPath", st.tuples(paths).map(list)),
        st.dictionaries(keys, inner, max_size=3),
        st.lists(inner, max_size=3),
    )


mappings = st.recursive(
    paths.map(path) | templates.map(lambda text: {"@template": text}) | scalars | st.just({}),
    directives,
    max_leaves=8,
)


@given(mappings, data)
def test_it_says_what_the_slow_reading_says(mapping: Any, event: Any) -> None:
    before = copy.deepcopy((mapping, event))
    problems: list[Problem] = []
    _, resolve = read_mapping({"v": mapping}, "mapping", problems)
    assert (problems, resolve(event)) == ([], reading_mappings.says({"v": mapping}, event))
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
