"""An event, and strategies for triggers and events."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

EVENT: dict[str, Any] = {
    "type": "track",
    "event": "Order Completed",
    "name": None,
    "userId": "u-1",
    "properties": {
        "s": "abc",
        "n": 5,
        "f": 5.5,
        "zero": 0,
        "t": True,
        "no": False,
        "nul": None,
        "digits": "5",
        "list": ["a", "abc"],
        "o": {"x": "y", "k k": 1},
        "empty": "",
        "k k": "spaced",
        "a.b": "dotted",
        'q"': 'say "hi"',
        "back": "a\\b",
    },
    "traits": {"plan": "pro"},
    "context": {"ip": "1", "app": {"version": "2"}},
}
names = st.sampled_from(
    [
        "type",
        "event",
        "name",
        "userId",
        "properties.a",
        "properties.b.c",
        "traits.a",
        "context.a",
        "properties.k\\ k",
        "properties.a\\.b",
        "properties.a-b",
    ]
)
texts = st.sampled_from(["", "a", "ab", "abc", "b*", "*", "a*c", 'a"b', "a\\b", "track", "*a*b*"])

quoted = texts.map(
    lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"',
)
numbers = st.sampled_from(["0", "1", "-1", "1.5", "2", "100"])
constants = st.sampled_from(["true", "false", "null"])
orders = st.sampled_from(["<", "<=", ">", ">="])
equalities = st.sampled_from(["=", "==", "!="])
spaces = st.sampled_from(["", " ", "\n\t "])


@st.composite
def clauses(draw: st.DrawFn) -> str:
    field, space = draw(names), draw(spaces)
    if draw(st.booleans()):
        function = draw(st.sampled_from(["contains", "match", "!contains", "! match"]))
        return f"{function}{space}({field},{space}{draw(quoted)})"
    if draw(st.booleans()):
        return f"{field}{space}{draw(orders)}{space}{draw(numbers)}"
    return f"{field}{space}{draw(equalities)}{space}{draw(st.one_of(quoted, numbers, constants))}"


def join(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    more = st.tuples(inner, st.sampled_from([" and ", " or ", " AND "]), inner).map("".join)
    return more | inner.map(lambda trigger: f"({trigger})")


triggers = st.recursive(clauses(), join, max_leaves=8)
values = st.sampled_from(
    [None, True, False, 0, 1, -1, 1.5, 100, "", "a", "ab", "abc", 'a"b', "*", "1", "100", "1.5"]
)
objects = st.dictionaries(
    st.sampled_from(["a", "b", "c", "k k", "a.b", "a-b"]),
    values | st.dictionaries(st.sampled_from(["c", "a"]), values),
)
events = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["track", "a", "ab"]),
        "event": values,
        "name": values,
        "userId": values,
        "properties": objects | values,
        "traits": objects,
        "context": objects,
    },
)
