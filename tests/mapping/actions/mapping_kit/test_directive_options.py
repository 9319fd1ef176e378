"""Options: where an option that has a wrong form is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.mapping_strategies import (
    find_mistakes,
)

MISTAKES: list[tuple[Any, list[tuple[str, str]]]] = [
    ({"@path": 5}, [("mapping.@path", "must be a string or a directive, not a number")]),
    ({"@path": {"x": 1}}, [("mapping.@path", "must be a string or a directive, not an object")]),
    ({"@template": 5}, [("mapping.@template", "must be a string or a directive, not a number")]),
    (
        {"@if": {"exists": 1, "than": 1}},
        [("mapping.@if.than", "unknown; there are exists, blank, then, else")],
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
        {"@replace": {"pattern": "x", "value": "x", "global": "no"}},
        [("mapping.@replace.global", "must be true or false, not a string")],
    ),
    ({"@json": {"value": "x"}}, [("mapping.@json.mode", "must be encode or decode")]),
    ({"@json": {"mode": "encode"}}, [("mapping.@json.value", "missing")]),
    (
        {"@arrayPath": [5]},
        [("mapping.@arrayPath[0]", "must be a string or a directive, not a number")],
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
    ({"@transform": {"apply": {}}}, [("mapping.@transform.mapping", "missing")]),
]


@pytest.mark.parametrize(
    ("mapping", "expected"), MISTAKES, ids=[str(i) for i in range(len(MISTAKES))]
)
def test_a_mistake_is_named_with_its_place(mapping: Any, expected: list[tuple[str, str]]) -> None:
    assert find_mistakes(mapping) == expected
