"""Python values as JSON values."""

from __future__ import annotations

import math
from collections import ChainMap, OrderedDict, UserDict, UserList, UserString, deque
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from fractions import Fraction
from numbers import Integral
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from iterable_destination.model.json_values import (
    TOO_LARGE,
    as_list,
    as_object,
    describe_type,
    scalar,
)
from tests.support.lazy import Lazy, Unreadable, build_lazy_text


class Colour(Enum):
    RED = "red"
    WEIGHT = Decimal("1.50")
    PARTS = ("a", "b")


class Size(IntEnum):
    LARGE = 3


class Plan(StrEnum):
    PRO = "pro"


class Name(str):
    """A text with something of its own."""

    __slots__ = ("language",)

    def __str__(self) -> str:
        return "something else"


class Count(int):
    pass


class Ratio(float):
    pass


class Point(NamedTuple):
    x: int
    y: int


class Chain(Enum):
    LINK = Plan.PRO


ID = UUID("12345678-1234-5678-1234-567812345678")

SCALARS: list[tuple[Any, Any]] = [
    ("text", "text"),
    ("", ""),
    (1, 1),
    (10**5000, 10**5000),
    (1.5, 1.5),
    (math.inf, math.inf),
    (True, True),
    (False, False),
    (None, None),
    (Name("Ada"), "Ada"),
    (Count(3), 3),
    (Ratio(0.5), 0.5),
    (Colour.RED, "red"),
    (Colour.WEIGHT, 1.5),
    (Chain.LINK, "pro"),
    (Size.LARGE, 3),
    (Plan.PRO, "pro"),
    (ID, "12345678-1234-5678-1234-567812345678"),
    (Decimal(20), 20),
    (Decimal("-0"), 0),
    (Decimal(12345678901234567890), 12345678901234567890),
    (Decimal("20.00"), 20.0),
    (Decimal("2E+1"), 20.0),
    (Decimal("0.1"), 0.1),
    (Decimal("1E+1000000"), math.inf),
    (Decimal("1E-1000000"), 0.0),
    (Decimal("Infinity"), math.inf),
    (Decimal("-Infinity"), -math.inf),
    (Decimal(10**400), math.inf),
    (Fraction(1, 4), 0.25),
]


@pytest.mark.parametrize(("value", "expected"), SCALARS, ids=lambda value: type(value).__name__)
def test_a_single_value_stands_for_a_json_scalar(value: Any, expected: Any) -> None:
    result = scalar(value)
    assert (type(result), result) == (type(expected), expected)


@pytest.mark.parametrize("text", ["NaN", "-NaN", "sNaN", "NaN123", "sNaN5"])
def test_no_number_of_decimal_is_nan(text: str) -> None:
    assert math.isnan(scalar(Decimal(text)))


def test_any_implementation_of_integral_is_a_number() -> None:
    class Cents:
        def __int__(self) -> int:
            return 7

    Integral.register(Cents)
    assert scalar(Cents()) == 7


@pytest.mark.parametrize(
    ("value", "expected"),
    [(Fraction(10**400), math.inf), (Fraction(-(10**400)), -math.inf)],
    ids=["positive", "negative"],
)
def test_a_fraction_too_large_for_a_double_is_infinite_as_a_decimal_is(
    value: Fraction, expected: float
) -> None:
    assert scalar(value) == expected


@pytest.mark.parametrize(
    "value",
    [[], {}, (), {1}, b"", 1j, object(), iter(()), Colour],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_single_value_is_returned_as_it_is(value: Any) -> None:
    assert scalar(value) is value


def test_an_enum_of_a_list_stands_for_the_list() -> None:
    assert scalar(Colour.PARTS) == ("a", "b")


class Lengths(Mapping[str, int]):
    def __getitem__(self, key: str) -> int:
        return len(key)

    def __iter__(self) -> Iterator[str]:
        return iter(("a", "bc"))

    def __len__(self) -> int:
        return 2


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (MappingProxyType({"a": 1}), {"a": 1}),
        (UserDict({"a": 1}), {"a": 1}),
        (ChainMap({"a": 1}, {"a": 2, "b": 3}), {"a": 1, "b": 3}),
        (OrderedDict(a=1), {"a": 1}),
        (Lengths(), {"a": 1, "bc": 2}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_mapping_is_an_object(value: Any, expected: dict[str, Any]) -> None:
    result = as_object(value)
    assert (type(result), result) == (dict, expected)


def test_a_dict_is_not_copied_to_be_an_object() -> None:
    fields = {"a": 1}
    assert as_object(fields) is fields


@pytest.mark.parametrize(
    "value",
    [None, "a", 1, 1.5, True, [("a", 1)], (), {1}, b"", object()],
    ids=lambda value: type(value).__name__,
)
def test_anything_else_is_no_object(value: Any) -> None:
    assert as_object(value) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, 2), [1, 2]),
        (Point(1, 2), [1, 2]),
        (deque([1, 2]), [1, 2]),
        (UserList([1, 2]), [1, 2]),
        (range(2), [0, 1]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_sequence_is_a_list(value: Any, expected: list[Any]) -> None:
    result = as_list(value)
    assert (type(result), result) == (list, expected)


def test_a_list_is_not_copied_to_be_a_list() -> None:
    elements = [1]
    assert as_list(elements) is elements


@pytest.mark.parametrize(
    "value",
    [None, "ab", Name("ab"), b"ab", bytearray(b"ab"), memoryview(b"ab"), {}, {1}, iter([1]), 1],
    ids=lambda value: type(value).__name__,
)
def test_anything_else_is_no_list(value: Any) -> None:
    assert as_list(value) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "null"),
        (True, "a boolean"),
        (False, "a boolean"),
        ("secret", "a string"),
        (Name("secret"), "a string"),
        (0, "a number"),
        (10**5000, "a number"),
        (0.5, "a number"),
        (math.nan, "NaN"),
        (math.inf, "infinity"),
        (-math.inf, "infinity"),
        ({"secret": 1}, "an object"),
        (Lengths(), "an object"),
        (["secret"], "a list"),
        (("secret",), "a list"),
        (b"secret", "a value of type bytes"),
        ({"secret"}, "a value of type set"),
        (1j, "a value of type complex"),
        (Decimal(1), "a value of type Decimal"),
        (ID, "a value of type UUID"),
        (object(), "a value of type object"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_value_is_is_said_without_repeating_it(value: Any, expected: str) -> None:
    assert describe_type(value) == expected


def test_what_is_too_large_is_still_a_double() -> None:
    assert math.isfinite(float(TOO_LARGE))
    assert TOO_LARGE == 10**308


# --- Lazy values -------------------------------------------------------------------------------

STOOD_FOR: list[tuple[Any, Any]] = [
    (None, None),
    (True, True),
    (False, False),
    ("text", "text"),
    (Name("text"), "something else"),
    (5, 5),
    (1.5, 1.5),
    (Decimal("1.50"), 1.5),
    (Decimal(7), 7),
    (UUID(int=5), "00000000-0000-0000-0000-000000000005"),
    (Colour.WEIGHT, 1.5),
    (Lazy("text"), "text"),
    (datetime(2023, 2, 5, tzinfo=UTC), datetime(2023, 2, 5, tzinfo=UTC)),
    (date(2023, 2, 5), date(2023, 2, 5)),
    ({"a": 1}, {"a": 1}),
    (MappingProxyType({"a": 1}), {"a": 1}),
    ([1, 2], [1, 2]),
    ((1, 2), [1, 2]),
]


@pytest.mark.parametrize(("value", "expected"), STOOD_FOR, ids=repr)
def test_a_lazy_value_stands_for_what_it_says(value: Any, expected: Any) -> None:
    read = scalar(Lazy(value))
    assert (type(read), read) == (type(expected), expected)


def test_a_lazy_object_or_list_is_one() -> None:
    assert as_object(Lazy({"a": 1})) == {"a": 1}
    assert as_list(Lazy((1, 2))) == [1, 2]
    assert (as_object(Lazy([1])), as_list(Lazy({"a": 1})), as_list(Lazy("text"))) == (None,) * 3


@pytest.mark.parametrize("value", [b"text", bytearray(b"text"), memoryview(b"text"), {1}, object()])
def test_a_lazy_value_of_another_kind_stays_what_it_is(value: Any) -> None:
    lazy = Lazy(value)
    assert scalar(lazy) is lazy
    assert as_list(lazy) is None


class Marked(str):
    """A text that stays what it is when it is asked for its text."""

    __slots__ = ()

    def __str__(self) -> str:
        return self


@pytest.mark.parametrize("text", ["text", "", "Grüße", Marked("text")], ids=repr)
def test_what_has_all_methods_of_a_text_stands_for_its_text(text: str) -> None:
    for value in (build_lazy_text(lambda: text), UserString(text)):
        read = scalar(value)
        assert (type(read), read) == (str, text)
        assert (as_object(value), as_list(value)) == (None, None)


def test_what_has_some_methods_of_a_text_stands_for_none() -> None:
    class Word:
        def casefold(self) -> str:
            raise AssertionError("it was asked")

    value = Word()
    assert scalar(value) is value


def test_a_lazy_text_raises_what_reading_it_raises() -> None:
    def fail() -> str:
        raise LookupError("no language is set")

    with pytest.raises(LookupError):
        scalar(build_lazy_text(fail))


class NoText:
    """Says that it is a text, and has none."""

    __class__ = property(lambda _: str)


def test_reading_a_value_raises_what_the_value_raises() -> None:
    with pytest.raises(LookupError):
        scalar(Unreadable())
    with pytest.raises(TypeError, match=r"\Ano text, but says so\Z"):
        scalar(NoText())
