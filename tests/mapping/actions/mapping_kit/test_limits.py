"""Limits: no mapping can make a value out of proportion to the event."""

from __future__ import annotations

import time
from typing import Any

import pytest

from iterable_destination.mapping.actions.mapping_kit.directive_options import Unmappable
from iterable_destination.mapping.actions.mapping_kit.limits import MAX_SIZE
from tests.support.mapping_strategies import (
    build_flatten,
    build_replace,
    path,
    resolve_mapping,
)


def double_often(mapping: Any, times: int) -> Any:
    for _ in range(times):
        both = {"a": path(""), "b": path("")}
        mapping = {"@transform": {"apply": mapping, "mapping": both}}
    return mapping


LARGE: list[tuple[str, Any]] = [
    ("makes more than 200,000 values, or as much text", double_often(path(""), 40)),
    (
        "makes more than 200,000 values, or as much text",
        {"@arrayPath": [double_often({"x": [1, 2]}, 15), {"x": [path("")] * 40}]},
    ),
    ("makes more than 200,000 values, or as much text", [path("")] * 9_000),
    (
        "makes a text of more than 4,000,000 characters",
        {"@template": "{{text}}" * 2_000},
    ),
    (
        "makes a text of more than 4,000,000 characters",
        build_replace(
            pattern="a",
            replacement="b" * 10,
            pattern2="b",
            replacement2="c" * 10,
            value=path("text"),
        ),
    ),
    (
        "makes keys of more than 4,000,000 characters",
        build_flatten(separator="s" * 10_000, value=path("many")),
    ),
    (
        "cannot be written as JSON: is NaN, which JSON cannot hold",
        {"@json": {"mode": "encode", "value": path("nan")}},
    ),
    ("cannot be written as JSON: is NaN, which JSON cannot hold", {"@template": "{{nan}}"}),
    (
        "has a key that is a number; JSON's keys are strings",
        build_flatten(value=path("numbered")),
    ),
    ("is nested more than 128 levels deep", build_flatten(value=path("deep"))),
    ("is nested more than 128 levels deep", {"@excludeWhenNull": path("deep")}),
    ("makes more than 200,000 values, or as much text", {"@excludeWhenNull": path("itself")}),
    ("makes more than 200,000 values, or as much text", build_flatten(value=path("itself"))),
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
        resolve_mapping(mapping, event)
    assert str(raised.value) == message
    assert time.process_time() - began < 5


def test_encoding_again_and_again_comes_to_an_end() -> None:
    mapping: Any = path("text")
    for _ in range(40):
        mapping = {"@json": {"mode": "encode", "value": mapping}}
    with pytest.raises(Unmappable, match="makes a text of more than 4,000,000 characters"):
        resolve_mapping(mapping, {"text": '"'})


def test_a_large_value_that_is_in_proportion_is_made() -> None:
    event = {"list": list(range(MAX_SIZE // 2))}
    assert (
        resolve_mapping({"@transform": {"apply": path(""), "mapping": path("list")}}, event)
        == event["list"]
    )
