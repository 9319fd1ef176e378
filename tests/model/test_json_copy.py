"""The deep copy of the values in an event."""

from __future__ import annotations

import inspect
import json
import math
import sys
from collections import UserDict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest

from iterable_destination.errors import UNLISTED_PROBLEM, Problem
from iterable_destination.model.json_codec import encode
from iterable_destination.model.json_copy import MAX_NESTING, data_fields, text_problem
from iterable_destination.model.json_values import TOO_LARGE
from tests.support.lazy import Lazy, Unreadable, UnreadableMapping, build_lazy_text

#: At most this many characters go into a request.
MOST = 4_000_000

TOO_DEEP = "is nested more than 128 levels deep"


class Plan(StrEnum):
    PRO = "pro"


def copied(fields: dict[Any, Any]) -> tuple[Any, list[tuple[str, str]]]:
    """Copy fields; return the copy and what is wrong with them."""
    problems: list[Problem] = []
    copy = data_fields(fields, "traits", problems)
    return copy, [(problem.path, problem.message) for problem in problems]


def nested(levels: int, wrap: Any, innermost: Any = 1) -> Any:
    """Return something inside so many objects or lists."""
    value = innermost
    for _ in range(levels):
        value = wrap(value)
    return value


def in_object(value: Any) -> dict[str, Any]:
    return {"a": value}


def in_list(value: Any) -> list[Any]:
    return [value]


PLAIN = {
    "text": "Ada",
    "empty": "",
    "umlaut": "Zoë",
    "emoji": "🛒",
    "ключ": "значение",
    "yes": True,
    "no": False,
    "null": None,
    "zero": 0,
    "negative": -5,
    "long": 2**70,
    "largest": TOO_LARGE - 1,
    "smallest": 1 - TOO_LARGE,
    "half": 0.5,
    "double": 1.7e308,
    "object": {"a": {"b": None}, "c": {}},
    "list": [1, "two", None, True, [], [2.5, {"three": "€"}]],
    "": "",
}


def test_plain_json_is_copied_as_it_is() -> None:
    assert copied(PLAIN) == (PLAIN, [])


def test_plain_json_is_copied_as_it_is_even_beside_what_is_not() -> None:
    assert copied({**PLAIN, "tuple": ()}) == ({**PLAIN, "tuple": []}, [])


def test_no_object_or_list_is_shared_with_the_copy() -> None:
    inner: list[Any] = [{"a": []}]
    copy, _ = copied({"x": inner, "y": {"z": inner}})
    copy["x"][0]["a"].append(1)
    copy["y"]["z"].append(2)
    assert (copy, inner) == ({"x": [{"a": [1]}], "y": {"z": [{"a": []}, 2]}}, [{"a": []}])


DATES = {
    "full": "2023-02-05T20:42:10.123+02:00",
    "day": "2023-02-05",
    "short": "2023-02",
    "text": "well-known",
    "longer": "semi-detached",
    "object": {"date": "2023-02-05", "list": ["2023-02-05 20:42", ["2023-02-05", "2023-02-0"]]},
}
DATES_IN_UTC = {
    "full": "2023-02-05 18:42:10 +00:00",
    "day": "2023-02-05 00:00:00 +00:00",
    "short": "2023-02",
    "text": "well-known",
    "longer": "semi-detached",
    "object": {
        "date": "2023-02-05 00:00:00 +00:00",
        "list": ["2023-02-05 20:42:00 +00:00", ["2023-02-05 00:00:00 +00:00", "2023-02-0"]],
    },
}


def test_full_dates_are_written_as_iterable_does_at_every_depth() -> None:
    assert copied(DATES) == (DATES_IN_UTC, [])


def test_full_dates_are_written_as_iterable_does_even_beside_what_is_no_json() -> None:
    assert copied({**DATES, "tuple": ()}) == ({**DATES_IN_UTC, "tuple": []}, [])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (datetime(2023, 2, 5, 20, 42, 10, 5), "2023-02-05 20:42:10 +00:00"),  # noqa: DTZ001
        (
            datetime(2023, 2, 5, 20, tzinfo=timezone(timedelta(hours=2))),
            "2023-02-05 18:00:00 +00:00",
        ),
        (date(2023, 2, 5), "2023-02-05 00:00:00 +00:00"),
        (Decimal("20.00"), 20.0),
        (Decimal(20), 20),
        (Fraction(1, 4), 0.25),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Plan.PRO, "pro"),
        ((1, (2,)), [1, [2]]),
        (MappingProxyType({"a": UserDict({"b": 1})}), {"a": {"b": 1}}),
        ([Plan.PRO, {"plan": Plan.PRO}], ["pro", {"plan": "pro"}]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_of_python_are_converted(value: Any, expected: Any) -> None:
    copy, problems = copied({"x": value, "y": [value]})
    assert (copy, problems) == ({"x": expected, "y": [expected]}, [])
    assert type(copy["x"]) is type(expected)


REFUSED: list[tuple[Any, str]] = [
    (math.nan, "is NaN, which JSON cannot hold"),
    (math.inf, "is infinity, which JSON cannot hold"),
    (-math.inf, "is infinity, which JSON cannot hold"),
    (Decimal("sNaN"), "is NaN, which JSON cannot hold"),
    (Decimal("1E+1000000"), "is infinity, which JSON cannot hold"),
    (TOO_LARGE, "is a number too large for Iterable"),
    (-TOO_LARGE, "is a number too large for Iterable"),
    (10**5000, "is a number too large for Iterable"),
    (b"x", "is a value of type bytes, which JSON cannot hold"),
    ({1}, "is a value of type set, which JSON cannot hold"),
    (1j, "is a value of type complex, which JSON cannot hold"),
    (object(), "is a value of type object, which JSON cannot hold"),
    (iter([1]), "is a value of type list_iterator, which JSON cannot hold"),
    (time(1), "is a value of type time, which JSON cannot hold"),
    ("\ud800", "contains an unpaired surrogate (invalid Unicode)"),
    ("2023-02-05\udfff", "contains an unpaired surrogate (invalid Unicode)"),
    ("x" * (MOST + 1), "is 4,000,001 characters long; a request has at most 4,000,000 bytes"),
    (
        datetime.max.replace(tzinfo=timezone(timedelta(minutes=-1))),
        "is a date outside the years 1 to 9999",
    ),
    ({1: 2}, "has a key that is a number; JSON's keys are strings"),
    ({None: 2}, "has a key that is null; JSON's keys are strings"),
    ({b"k": 2}, "has a key that is a value of type bytes; JSON's keys are strings"),
    (
        {"\ud800": 1},
        "has a key that contains an unpaired surrogate (invalid Unicode)",
    ),
]


@pytest.mark.parametrize(("value", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_cannot_be_sent_is_named_with_its_place(value: Any, message: str) -> None:
    _, problems = copied({"fine": "2023-02-05", "x": value, "y": {"z": [1, value]}})
    assert problems == [("traits.x", message), ("traits.y.z[1]", message)]


def test_what_cannot_be_sent_is_null_in_the_copy_and_the_rest_is_there() -> None:
    fields = {"fine": "2023-02-05", "x": math.nan, 5: "gone", "y": [object(), {b"": 1, "k": "v"}]}
    copy, _ = copied(fields)
    assert copy == {"fine": "2023-02-05 00:00:00 +00:00", "x": None, "y": [None, {"k": "v"}]}


def test_a_text_may_be_as_long_as_a_request() -> None:
    fields = {"text": "x" * MOST, "date": "2023-02-05", "list": ["x" * MOST]}
    copy, problems = copied(fields)
    assert (len(copy["text"]), len(copy["list"][0]), problems) == (MOST, MOST, [])


def test_a_text_like_a_date_is_not_too_long_to_be_refused() -> None:
    _, problems = copied({"text": "2023-" + "x" * MOST})
    said = "is 4,000,005 characters long; a request has at most 4,000,000 bytes"
    assert problems == [("traits.text", said)]


@pytest.mark.parametrize("beside", [{}, {"tuple": ()}], ids=["plain", "not plain"])
def test_a_key_may_be_as_long_as_a_request(beside: dict[str, Any]) -> None:
    copy, problems = copied({"k" * MOST: 1, **beside})
    assert ("k" * MOST in copy, problems) == (True, [])


def test_a_longer_key_is_refused_beside_what_is_not_plain() -> None:
    said = "has a key that is 4,000,001 characters long; a request has at most 4,000,000 bytes"
    assert copied({"k" * (MOST + 1): 1, "tuple": ()}) == ({"tuple": []}, [("traits", said)])


def test_a_longer_key_is_refused_among_plain_json() -> None:
    said = "has a key that is 4,000,001 characters long; a request has at most 4,000,000 bytes"
    assert copied({"k" * (MOST + 1): 1}) == ({}, [("traits", said)])


@pytest.mark.parametrize("beside", [{}, {"tuple": ()}], ids=["plain", "not plain"])
def test_keys_that_are_a_subclass_of_str_are_taken_for_their_text(beside: dict[str, Any]) -> None:
    copy, problems = copied({Plan.PRO: 1, **beside})
    assert (copy["pro"], problems) == (1, [])
    assert json.loads(encode(copy))["pro"] == 1


def test_nesting_has_a_bound() -> None:
    bound: int = MAX_NESTING
    assert bound == 128


@pytest.mark.parametrize("innermost", [1, (), {}, [], "2023-02-05"], ids=repr)
def test_objects_nest_up_to_the_bound(innermost: Any) -> None:
    container = isinstance(innermost, tuple | dict | list)
    fields = nested(MAX_NESTING - container, in_object, innermost)
    assert copied(fields)[1] == []


@pytest.mark.parametrize("innermost", [1, [], {}, "2023-02-05"], ids=repr)
def test_plain_lists_nest_up_to_the_bound(innermost: Any) -> None:
    container = isinstance(innermost, dict | list)
    fields = {"a": nested(MAX_NESTING - 1 - container, in_list, innermost)}
    assert copied(fields)[1] == []


def test_lists_that_are_not_plain_nest_up_to_the_bound() -> None:
    assert copied({"a": nested(MAX_NESTING - 1, in_list, Decimal(1))})[1] == []


def too_deep(path: str) -> list[tuple[str, str]]:
    return [(path, TOO_DEEP)]


CUT = "traits" + ".a" * 47 + "…" + ".a" * 50


@pytest.mark.parametrize("levels", [MAX_NESTING + 1, MAX_NESTING + 2, 10_000])
@pytest.mark.parametrize("innermost", [1, ()], ids=["plain", "not plain"])
def test_objects_that_nest_deeper_are_refused_with_a_path_cut_in_the_middle(
    levels: int, innermost: Any
) -> None:
    copy, problems = copied(nested(levels, in_object, innermost))
    assert (copy, problems) == (nested(MAX_NESTING, in_object, None), too_deep(CUT))


@pytest.mark.parametrize("levels", [MAX_NESTING, MAX_NESTING + 1, 10_000])
def test_lists_that_nest_deeper_are_refused_with_a_path_cut_in_the_middle(levels: int) -> None:
    path = "traits.a" + "[0]" * 30 + "[0…]" + "[0]" * 33
    assert copied({"a": nested(levels, in_list)})[1] == too_deep(path)


@pytest.mark.parametrize("levels", [MAX_NESTING // 2, 5_000])
def test_objects_and_lists_that_nest_deeper_are_refused_together(levels: int) -> None:
    fields = nested(levels, lambda value: {"a": [value]}, {})
    _, problems = copied(fields)
    assert [message for _, message in problems] == [TOO_DEEP]


def test_the_deepest_empty_list_counts_as_a_level() -> None:
    deepest = nested(MAX_NESTING - 1, in_object, [])
    assert (copied(deepest), copied(in_object(deepest))[1]) == ((deepest, []), too_deep(CUT))


@pytest.mark.parametrize(("length", "cut"), [(200, False), (201, True)])
def test_a_path_of_more_than_200_characters_is_cut(length: int, cut: bool) -> None:  # noqa: FBT001
    key = "k" * (length - len("traits."))
    [(path, _)] = copied({key: math.nan})[1]
    whole = f"traits.{key}"
    assert path == (f"{whole[:100]}…{whole[-100:]}" if cut else whole)


def at_depth(frames: int, do: Callable[[], Any]) -> Any:
    """Do something with only so many frames left of Python's bound."""

    def descend(levels: int) -> Any:
        return descend(levels - 1) if levels else do()

    return descend(sys.getrecursionlimit() - len(inspect.stack(0)) - frames)


@pytest.mark.parametrize("innermost", [1, ()], ids=["plain", "not plain"])
@pytest.mark.parametrize("frames", [60, 250])
def test_what_is_too_deep_for_its_caller_is_refused_as_a_whole(frames: int, innermost: Any) -> None:
    fields = nested(MAX_NESTING - 1, in_object, innermost)
    copy, problems = at_depth(frames, lambda: copied(fields))
    if frames == 250:
        fields = nested(MAX_NESTING - 1, in_object, [] if innermost == () else innermost)
        assert (copy, problems) == (fields, [])
    else:
        assert (copy, problems) == ({}, too_deep("traits"))


def self_containing() -> dict[str, tuple[dict[str, Any], str]]:
    """Return fields that contain themselves, and where."""
    looped: dict[str, Any] = {}
    looped["a"] = looped
    elements: list[Any] = [1]
    elements.append(elements)
    this: dict[str, Any] = {}
    that: list[Any] = [this]
    this["that"] = that
    deep: dict[str, Any] = {"x": {"y": []}}
    deep["x"]["y"].append(deep["x"])
    seen = {"z": MappingProxyType(looped)}
    return {
        "dict": (looped, "traits.a"),
        "list": ({"a": elements}, "traits.a[1]"),
        "mutual": ({"a": this}, "traits.a.that[0]"),
        "deep": (deep, "traits.x.y[0]"),
        "in a proxy": (seen, "traits.z.a.a"),
    }


@pytest.mark.parametrize("name", self_containing())
def test_what_contains_itself_is_refused_where_it_does(name: str) -> None:
    fields, path = self_containing()[name]
    assert copied(fields)[1] == [(path, "contains itself")]


def test_what_is_there_twice_does_not_contain_itself() -> None:
    twice = (1,)
    assert copied({"a": twice, "b": [twice, twice]}) == ({"a": [1], "b": [[1], [1]]}, [])


class Endless(Mapping[str, Any]):
    """An object that has itself anew for every look at it."""

    def __getitem__(self, key: str) -> Any:
        return Endless()

    def __iter__(self) -> Iterator[str]:
        return iter(("a",))

    def __len__(self) -> int:
        return 1


def test_a_mapping_that_never_ends_is_nested_too_deeply() -> None:
    assert copied({"a": Endless()})[1] == too_deep(CUT)


def test_every_problem_is_listed_in_order() -> None:
    fields = {"a": math.nan, "b": [b"", {"c": {1}}], 1: 1}
    assert copied(fields)[1] == [
        ("traits.a", "is NaN, which JSON cannot hold"),
        ("traits.b[0]", "is a value of type bytes, which JSON cannot hold"),
        ("traits.b[1].c", "is a value of type set, which JSON cannot hold"),
        ("traits", "has a key that is a number; JSON's keys are strings"),
    ]


def test_problems_are_added_to_those_there() -> None:
    before = Problem("x", "y")
    problems = [before]
    data_fields({"a": 1j}, "p", problems)
    assert problems == [
        before,
        Problem("p.a", "is a value of type complex, which JSON cannot hold", "not-json"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("Zoë 🛒", None),
        ("x" * MOST, None),
        ("ë" * MOST, None),  # counted in characters
        ("x" * (MOST + 1), "is 4,000,001 characters long; a request has at most 4,000,000 bytes"),
        ("a\udc00b", "contains an unpaired surrogate (invalid Unicode)"),
    ],
    ids=["empty", "unicode", "longest", "longest in characters", "too long", "surrogate"],
)
def test_a_text_can_be_sent_or_it_is_said_why_not(text: str, expected: str | None) -> None:
    problem = text_problem(text)
    assert (problem and problem.message) == expected


def test_utc_moments_of_the_whole_calendar_can_be_sent() -> None:
    fields = {"first": datetime.min.replace(tzinfo=UTC), "last": datetime.max.replace(tzinfo=UTC)}
    expected = {"first": "0001-01-01 00:00:00 +00:00", "last": "9999-12-31 23:59:59 +00:00"}
    assert copied(fields) == (expected, [])


def test_lazy_values_are_copied_as_what_they_stand_for() -> None:
    text = build_lazy_text(lambda: "2023-02-05")
    fields = {
        "a": Lazy({"b": Lazy([Lazy(True), Lazy("2023-02-05"), Lazy(date(2023, 2, 5)), text])})
    }
    day = "2023-02-05 00:00:00 +00:00"
    assert copied(fields) == ({"a": {"b": [True, day, day, day]}}, [])


def test_a_value_that_cannot_be_read_is_a_problem_with_its_place() -> None:
    fields = {"a": [{"b": Unreadable()}], "c": UnreadableMapping(), "d": 1}
    problems = [
        ("traits.a[0].b", "cannot be read: LookupError"),
        ("traits.c", "cannot be read: OSError"),
    ]
    assert copied(fields) == ({"a": [{"b": None}], "c": None, "d": 1}, problems)


class TooMuch(UnreadableMapping):
    def __getitem__(self, key: str) -> Any:
        raise MemoryError


def test_a_lack_of_memory_is_no_fault_of_the_value() -> None:
    with pytest.raises(MemoryError):
        copied({"a": TooMuch()})


def test_of_very_many_problems_the_first_are_told_and_the_others_counted() -> None:
    problems: list[Problem] = []
    data_fields({str(number): math.nan for number in range(150)}, "traits", problems)
    assert len(problems) == 150
    assert [problem.path for problem in problems[:100]] == [f"traits.{n}" for n in range(100)]
    assert problems[100:] == [UNLISTED_PROBLEM] * 50
