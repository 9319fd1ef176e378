"""Coercion: convert each value of a mapped payload to the type of its field.

A value that cannot be converted gives a problem at its field, and None. A value that is changed
gives a note. :mod:`~iterable_destination.mapping.actions.payload` handles null and ``""`` before.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import floor, isfinite
from typing import Any, Final

from iterable_destination.errors import Note, Problem, Reason, add_note, add_problem
from iterable_destination.mapping.actions.number_text import write_number
from iterable_destination.model.dates import read_as_unix_seconds
from iterable_destination.model.json_copy import text_problem
from iterable_destination.model.json_values import (
    SCALARS,
    as_list,
    as_object,
    describe_type,
    scalar,
)
from iterable_destination.model.reasons import (
    EMPTY_LIST,
    INVALID_EMAIL,
    not_a_string,
    not_an_object,
)
from iterable_destination.model.validation import reads_like_email


class Findings:
    """The problems and notes of one mapped payload; paths are places in it."""

    __slots__ = ("notes", "problems", "refusals")

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.notes: list[Note] = []
        #: What Iterable would refuse in values that have their field's type.
        self.refusals: list[Problem] = []

    def add_problem(self, path: str, reason: Reason) -> None:
        """Add a problem."""
        add_problem(self.problems, path, reason)

    def add_refusal(self, path: str, reason: Reason) -> None:
        """Add a reason why Iterable would refuse a value."""
        add_problem(self.refusals, path, reason)

    def add_note(self, path: str, reason: Reason) -> None:
        """Add a note."""
        add_note(self.notes, path, reason)


#: Returns a value in the field's type; None, with a problem added, if it cannot be converted.
Coerce = Callable[[Any, str, Findings], Any]

#: A number in a text, as JavaScript reads it, except other bases. Used for short texts only.
_NUMBER: Final = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?\s*", re.ASCII)
_LONGEST_NUMBER: Final = 300

_NOT_A_DATE: Final = Reason(
    "not-a-date", "not a date; use ISO 8601, or milliseconds since 1970 as a number"
)

#: The first and the last millisecond of the years 1 to 9999.
_MILLISECONDS: Final = range(-62_135_596_800_000, 253_402_300_800_000)


def _unwrap(value: Any) -> Any:
    """Return a value as JSON's type; for a list of one scalar, that scalar."""
    single = value if type(value) in SCALARS else scalar(value)
    elements = as_list(single)
    if elements is None or len(elements) != 1:
        return single
    inner = scalar(elements[0])
    return inner if type(inner) in SCALARS and inner is not None else single


def coerce_text(value: Any, path: str, found: Findings) -> str | None:
    """Return a value as a string; numbers and booleans become text."""
    plain = scalar(value)
    single = _unwrap(plain)
    if isinstance(single, bool):
        single = "true" if single else "false"
    elif type(single) in {int, float}:
        single = write_number(single) or single
    if not isinstance(single, str):
        found.add_problem(path, not_a_string(single))
        return None
    if problem := text_problem(single):
        found.add_problem(path, problem)
        return None
    if single is not plain:
        found.add_note(path, Reason("sent-as-string", f"{describe_type(plain)}, taken as a string"))
    return str(single)


def coerce_email(value: Any, path: str, found: Findings) -> str | None:
    """Return a value as a string that reads like an email address."""
    text = value if type(value) is str else coerce_text(value, path, found)
    if text is None or reads_like_email(text):
        return text
    found.add_problem(path, INVALID_EMAIL)
    return None


def coerce_number(value: Any, path: str, found: Findings) -> float | None:
    """Return a value as a number. A string is parsed; true is 1 and false is 0."""
    plain = scalar(value)
    number = _to_number(_unwrap(plain))
    if number is None:
        words = f"must be a number, not {_describe(plain)}"
        found.add_problem(path, Reason("not-a-number", words))
    elif number is not plain:
        _note_number(plain, path, found)
    return number


def coerce_integer(value: Any, path: str, found: Findings) -> int | None:
    """Return a value as a whole number. A string is parsed; true is 1 and false is 0."""
    plain = scalar(value)
    number = _to_number(_unwrap(plain))
    if number is None or (isinstance(number, float) and not number.is_integer()):
        words = f"must be a whole number, not {_describe(plain)}"
        found.add_problem(path, Reason("not-a-whole-number", words))
        return None
    if number is not plain:
        _note_number(plain, path, found)
    return int(number)


def _note_number(value: Any, path: str, found: Findings) -> None:
    words = f"{describe_type(value)}, taken as the number it says"
    found.add_note(path, Reason("sent-as-number", words))


def _to_number(value: Any) -> int | float | None:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        return _parse_number(value)
    if not isinstance(value, int | float) or not _is_finite(value):
        return None
    return value


def _parse_number(text: str) -> int | float | None:
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        return None
    if text.strip().lstrip("+-").isdigit():
        return int(text)
    number = float(text)
    return number if isfinite(number) else None


def _is_finite(value: float) -> bool:
    try:
        return isfinite(value)
    except OverflowError:  # a whole number too large for a double
        return False


def _describe(value: Any) -> str:
    """Describe a value that is not a number of the wanted kind."""
    single = _unwrap(value)
    if isinstance(single, str):
        return "a string that says none"
    if isinstance(single, bool) or not isinstance(single, int | float):
        return describe_type(single)
    if isinstance(single, int):
        return "one that is too large"
    return "one with a fraction" if isfinite(single) else describe_type(single)


def coerce_boolean(value: Any, path: str, found: Findings) -> bool | None:
    """Return a value as a boolean: ``"true"`` and 1 are true, ``"false"`` and 0 are false."""
    plain = scalar(value)
    single = _unwrap(plain)
    if isinstance(single, str | int | float) and single in _BOOLEANS:
        if plain is not _BOOLEANS[single]:
            word = "true" if _BOOLEANS[single] else "false"
            words = f"{describe_type(plain)}, taken as {word}"
            found.add_note(path, Reason("sent-as-boolean", words))
        return _BOOLEANS[single]
    wrong = "this string" if isinstance(single, str) else describe_type(single)
    found.add_problem(path, Reason("not-a-boolean", f"must be true or false, not {wrong}"))
    return None


#: True and 1 are the same key, as are false and 0.
_BOOLEANS: Final[dict[Any, bool]] = {1: True, 0: False, "true": True, "false": False}


def coerce_object(value: Any, path: str, found: Findings) -> dict[Any, Any] | None:
    """Return an object as a ``dict``; an empty list is an empty one, as PHP writes that."""
    plain = value if type(value) is dict else scalar(value)
    fields = as_object(plain)
    if fields is None and as_list(plain) == []:
        found.add_note(path, EMPTY_LIST)
        return {}
    if fields is None:
        found.add_problem(path, not_an_object(value))
    return fields


def coerce_date(value: Any, path: str, found: Findings) -> int | None:
    """Return a date as whole Unix seconds; a number is taken as milliseconds."""
    plain = value if type(value) is str else scalar(value)
    if isinstance(plain, int | float) and not isinstance(plain, bool):
        whole = floor(plain) if _is_finite(plain) else None
        seconds = whole // 1000 if whole is not None and whole in _MILLISECONDS else None
    else:
        seconds = read_as_unix_seconds(plain)
    if seconds is None:
        found.add_problem(path, _NOT_A_DATE)
    return seconds
