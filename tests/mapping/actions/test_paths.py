"""Paths: what each finds in an event, and where a mistake in one is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.mapping_strategies import (
    EVENT,
    GONE,
    find_mistakes,
    path,
    resolve_mapping,
)

PATHS: list[tuple[Any, Any]] = [
    ("$.a", "x_Y_y"),
    ("a", "x_Y_y"),
    ("", EVENT),
    ("$", EVENT),
    ("o['']", GONE),
    ("['']", GONE),
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
    ("list[000000001].i", 2),
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
    ({"@template": "o['{{missing}}']"}, GONE),
    ({"@template": "o[{{missing}}"}, GONE),
]

MISTAKES: list[tuple[Any, list[tuple[str, str]]]] = [
    ({"@path": "a["}, [("mapping.@path", "is no path: see character 2")]),
    ({"@path": "a..b"}, [("mapping.@path", "is no path: see character 2")]),
    ({"@path": ".a"}, [("mapping.@path", "is no path: see character 1")]),
    ({"@path": "a."}, [("mapping.@path", "is no path: see character 2")]),
    ({"@path": "a[0]b"}, [("mapping.@path", "is no path: see character 5")]),
    ({"@path": "list[*].i"}, [("mapping.@path", "is no path: see character 5")]),
    ({"@path": "list[-1]"}, [("mapping.@path", "is no path: see character 5")]),
]


@pytest.mark.parametrize("where", ["a['']", 'a[""]', "$.a['']", "['a'].['']"])
def test_a_key_in_quotes_may_be_empty(where: str) -> None:
    assert resolve_mapping(path(where), {"a": {"": 7}}) == 7
    assert resolve_mapping({"@template": f"{{{{{where}}}}}"}, {"a": {"": 7}}) == "7"


@pytest.mark.parametrize(("where", "value"), PATHS, ids=str)
def test_a_path_gives_what_stands_there(where: Any, value: Any) -> None:
    assert resolve_mapping(path(where)) == value


@pytest.mark.parametrize(
    ("mapping", "expected"), MISTAKES, ids=[str(i) for i in range(len(MISTAKES))]
)
def test_a_mistake_is_named_with_its_place(mapping: Any, expected: list[tuple[str, str]]) -> None:
    assert find_mistakes(mapping) == expected
