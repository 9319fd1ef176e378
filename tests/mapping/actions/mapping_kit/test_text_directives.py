"""Directives that change texts: what each resolves to, and where a mistake in one is."""

from __future__ import annotations

import time
from typing import Any

import pytest

from iterable_destination.mapping.actions.mapping_kit.directive_options import Unmappable
from tests.support import reading_mappings
from tests.support.mapping_strategies import (
    EVENT,
    GONE,
    build_replace,
    find_mistakes,
    path,
    resolve_mapping,
)

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
    ({"@case": {"operator": "upper", "value": path("a")}}, "X_Y_Y"),
    ({"@case": {"operator": "lower", "value": path("a")}}, "x_y_y"),
    ({"@case": {"operator": "upper", "value": path("n")}}, 505),
    ({"@case": {"operator": "upper", "value": path("nul")}}, None),
    ({"@case": {"operator": "upper", "value": path("missing")}}, GONE),
    ({"@case": {"operator": "upper"}}, GONE),
    (build_replace(pattern="_"), "x-Y-y"),
    (build_replace(pattern="y"), "x_Y_-"),
    (build_replace(pattern="y", ignorecase=True), "x_-_-"),
    (build_replace(pattern="_", **{"global": False}), "x-Y_y"),
    (build_replace(pattern="y", ignorecase=True, **{"global": False}), "x_-_y"),
    (build_replace(pattern="_", replacement=""), "xYy"),
    ({"@replace": {"pattern": "_", "value": path("a")}}, "xYy"),
    (build_replace(pattern=".", value="a.b"), "a-b"),
    (build_replace(pattern=".", value="a.b", ignorecase=True), "a-b"),
    (build_replace(pattern="_", replacement=r"\g<0>$&"), r"x\g<0>_Y\g<0>_y"),
    (build_replace(pattern="Y", replacement="<$$$1$`$'>"), "x_<$$1x__y>_y"),
    (build_replace(pattern="y", replacement="$&$", ignorecase=True), "x_Y$_y$"),
    (build_replace(pattern="s", value="ſsS", ignorecase=True), "ſ--"),
    (build_replace(pattern="i", value="İıi", ignorecase=True), "İı-"),
    (build_replace(pattern="k", value="\u212ak", ignorecase=True), "\u212a-"),
    (build_replace(pattern="ß", value="ẞSSß", ignorecase=True), "ẞSS-"),
    (build_replace(pattern="μ", value="µΜμ", ignorecase=True), "---"),
    (
        build_replace(pattern="\U00010428", value="\U00010400\U00010428", ignorecase=True),
        "\U00010400-",
    ),
    (build_replace(pattern="_", replacement=r"\1", ignorecase=True), r"x\1Y\1y"),
    (build_replace(pattern="5", value=path("n")), "-0-"),
    (build_replace(pattern="t", value=path("t")), "-rue"),
    (build_replace(pattern="_", pattern2="y", replacement2="z"), "x-Y-z"),
    (build_replace(pattern="_", replacement="y", pattern2="y", replacement2="z"), "xzYzz"),
    (build_replace(pattern="_", pattern2="y"), "x-Y-"),
    (build_replace(pattern="_", pattern2="", replacement2="z"), "x-Y-y"),
    (build_replace(pattern="_", value=path("missing")), GONE),
    (build_replace(pattern="_", value=path("nul")), None),
    (build_replace(pattern="_", value=path("one")), {"a": 1, "b": 2}),
    ({"@json": {"mode": "encode", "value": path("one")}}, '{"a":1,"b":2}'),
    ({"@json": {"mode": "encode", "value": path("a")}}, '"x_Y_y"'),
    ({"@json": {"mode": "encode", "value": path("nul")}}, "null"),
    ({"@json": {"mode": "encode", "value": path("missing")}}, GONE),
    ({"@json": {"mode": "encode", "value": {"x": [1.5, True, 'é"']}}}, '{"x":[1.5,true,"é\\""]}'),
    (
        {"@json": {"mode": "encode", "value": [100.0, -0.0, 1e16, 1e21]}},
        "[100,0,10000000000000000,1e+21]",
    ),
    ({"@json": {"mode": "encode", "value": {"1": 1e-7, "é": [0.5]}}}, '{"1":1e-7,"é":[0.5]}'),
    ({"@json": {"mode": "decode", "value": path("json")}}, {"a": [1]}),
    ({"@json": {"mode": "decode", "value": "NaN"}}, "NaN"),
    ({"@json": {"mode": "decode", "value": '{"a":-Infinity}'}}, '{"a":-Infinity}'),
    ({"@json": {"mode": "decode", "value": "[1e999,-1e999,1]"}}, [None, None, 1]),
    ({"@json": {"mode": "decode", "value": "\ufeff1"}}, "\ufeff1"),
    ({"@json": {"mode": "decode", "value": " 18446744073709551616 "}}, 2**64),
    ({"@json": {"mode": "decode", "value": path("bad")}}, "{"),
    ({"@json": {"mode": "decode", "value": path("empty")}}, ""),
    ({"@json": {"mode": "decode", "value": path("n")}}, 505),
    ({"@json": {"mode": "decode", "value": path("missing")}}, GONE),
]

MISTAKES: list[tuple[Any, list[tuple[str, str]]]] = [
    ({"@template": "{{a[}}"}, [("mapping.@template", "{{a[}} is no path: see character 2")]),
    (
        {"@replace": {"pattern": "x" * 11, "value": "x"}},
        [("mapping.@replace.pattern", "has at most 10 characters")],
    ),
    (
        {"@replace": {"pattern": "x", "pattern2": "x", "replacement2": "y" * 11, "value": "x"}},
        [("mapping.@replace.replacement2", "has at most 10 characters")],
    ),
]


@pytest.mark.parametrize(("text", "filled"), TEMPLATES, ids=str)
def test_a_template_is_filled(text: Any, filled: Any) -> None:
    assert resolve_mapping({"@template": text}) == filled


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


@pytest.mark.parametrize("digits", [309, 310, 5_000])
def test_a_whole_number_beyond_a_double_is_null(digits: int) -> None:
    decoded = {"@json": {"mode": "decode", "value": path("large")}}
    assert resolve_mapping(decoded, {"large": "9" * digits}) is None


def test_a_text_nested_too_deeply_stays_a_text() -> None:
    decoded = {"@json": {"mode": "decode", "value": path("deep")}}
    assert resolve_mapping(decoded, {"deep": "[" * 100_000}) == "[" * 100_000


def test_a_replacement_that_grows_has_an_end() -> None:
    mapping = build_replace(pattern="a", replacement="$`$'", value=path("text"))
    began = time.process_time()
    with pytest.raises(Unmappable, match="makes a text of more than"):
        resolve_mapping(mapping, {"text": "a" * 100_000})
    assert time.process_time() - began < 2


def test_a_pattern_is_text_and_cannot_hang() -> None:
    mapping = build_replace(pattern="(a+)+$", value=path("text"), ignorecase=True)
    began = time.process_time()
    assert resolve_mapping(mapping, {"text": "a" * 100_000 + "!"}) == "a" * 100_000 + "!"
    assert time.process_time() - began < 2
