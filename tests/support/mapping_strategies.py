"""An event, and mappings for it: helpers that build and resolve them, and strategies."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from iterable_destination.errors import Problem
from iterable_destination.mapping.actions.mapping_kit.compiler import (
    read_mapping,
)

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


def resolve_mapping(mapping: Any, event: Any = None) -> Any:
    """Resolve a mapping for an event, by default ``EVENT``; return ``GONE`` for nothing."""
    problems: list[Problem] = []
    _, resolve = read_mapping({"v": mapping}, "mapping", problems)
    assert problems == []
    found = resolve(EVENT if event is None else event)
    return found.get("v", GONE)


def find_mistakes(mapping: Any) -> list[tuple[str, str]]:
    problems: list[Problem] = []
    read_mapping(mapping, "mapping", problems)
    return [(problem.path, problem.message) for problem in problems]


def build_replace(**options: Any) -> dict[str, Any]:
    return {"@replace": {"value": path("a"), "replacement": "-", **options}}


def build_flatten(**options: Any) -> dict[str, Any]:
    return {"@flatten": {"separator": ".", "value": path("o"), **options}}


def build_merge(*objects: Any, direction: str = "right") -> dict[str, Any]:
    return {"@merge": {"objects": list(objects), "direction": direction}}


keys = st.sampled_from(["a", "b", "list", "k k", "0"])
scalars = (
    st.sampled_from([None, True, False, 0, 1, 2.5, "", "a", "B", "aB_b", '{"a":1}', "{"])
    | st.sampled_from(["NaN", "[1e999]", "-Infinity", "\ufeff1", "aſsKkİiıAßẞ", "a$b"])
    | st.sampled_from([100.0, -0.0, 1e16, 1e20, 1e21, 10**21, -1.5e22, 1e-6, 1.5e-7, 5e-324])
)
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
    short = st.sampled_from(["a", "B", "_", "aB", ".", "s", "i", "k", "$&", "$$", "[$`|$']", "$"])
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
