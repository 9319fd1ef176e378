"""Directives that build objects and lists: what each resolves to, and where a mistake is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import reading_mappings
from tests.support.mapping_strategies import (
    EVENT,
    GONE,
    build_flatten,
    build_merge,
    find_mistakes,
    path,
    resolve_mapping,
)

CASES: list[tuple[Any, Any]] = [
    (build_flatten(), {"x": 1, "y.z.0": 1, "y.z.1.q": 2}),
    (build_flatten(separator="_", omitArrays=True), {"x": 1, "y_z": [1, {"q": 2}], "y_el": []}),
    (build_flatten(value=path("list")), {"0.i": 1, "0.n": "a", "1.i": 2}),
    (build_flatten(value=path("list"), omitArrays=True), EVENT["list"]),
    (build_flatten(value=path("a")), "x_Y_y"),
    (build_flatten(value=path("nul")), None),
    (build_flatten(value=path("missing")), GONE),
    (build_merge(path("one"), path("two")), {"a": 1, "b": 3, "c": None}),
    (build_merge(path("one"), path("two"), direction="left"), {"a": 1, "b": 2, "c": None}),
    (build_merge(path("one"), path("a"), path("missing"), path("nul")), {"a": 1, "b": 2}),
    (build_merge({"a": {"x": 1}}, {"a": {"y": 2}}), {"a": {"y": 2}}),
    (build_merge(), {}),
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
    ({"@arrayPath": ["$.list", None]}, EVENT["list"]),
    ({"@arrayPath": ["$.list", "x"]}, EVENT["list"]),
    ({"@arrayPath": ["$.list", [path("i")]]}, EVENT["list"]),
    ({"@arrayPath": [path("lone"), 5]}, {"i": 9}),
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
]

MISTAKES: list[tuple[Any, list[tuple[str, str]]]] = [
    (
        {"@arrayPath": "list"},
        [("mapping.@arrayPath", "must be a list of a path and perhaps a shape")],
    ),
    ({"@arrayPath": []}, [("mapping.@arrayPath", "must be a list of a path and perhaps a shape")]),
    (
        {"@arrayPath": ["a", {}, 1]},
        [("mapping.@arrayPath", "must be a list of a path and perhaps a shape")],
    ),
    ({"@arrayPath": ["a["]}, [("mapping.@arrayPath[0]", "is no path: see character 2")]),
    (
        {"@arrayPath": ["a", {"x": {"@nope": 1}}]},
        [("mapping.@arrayPath[1].x.@nope", "there is no such directive")],
    ),
    (
        {"@merge": {"direction": "left"}},
        [("mapping.@merge.objects", "must be a list of objects, not null")],
    ),
    (
        {"@merge": {"objects": {"@path": "x"}, "direction": "left"}},
        [("mapping.@merge.objects", "must be a list of objects, not an object")],
    ),
    (
        {"@transform": {"apply": "x", "mapping": {}}},
        [("mapping.@transform.apply", "must be an object, not a string")],
    ),
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
