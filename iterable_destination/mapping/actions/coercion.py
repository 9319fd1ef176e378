"""Coercion: each value of a mapped payload in the type that its field has, or a problem.

What may live here: what each type takes. A value that fails gives a problem at its field and no
value; one that had to be changed gives a note. Null and ``""`` are dealt with before, see
:mod:`~iterable_destination.mapping.actions.fields`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import floor, isfinite
from typing import Any, Final

from iterable_destination.errors import Note, Problem
from iterable_destination.model.dates import read_as_unix_seconds, unix_seconds, usual_date
from iterable_destination.model.json_copy import text_problem
from iterable_destination.model.json_values import (
    SCALARS,
    as_list,
    as_object,
    describe_type,
    scalar,
)
from iterable_destination.model.segment_event import as_id
from iterable_destination.model.validation import reads_like_email


class Findings:
    """What is found in one mapped payload; paths are places in it."""

    __slots__ = ("is_ordinary", "notes", "problems")

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.notes: list[Note] = []
        #: Whether all values were such that nothing in them can be refused any more.
        self.is_ordinary = True

    def add_problem(self, path: str, message: str) -> None:
        """Add a problem."""
        self.problems.append(Problem(path, message))

    def add_note(self, path: str, message: str) -> None:
        """Add a note."""
        self.notes.append(Note(path, message))


#: Returns a value in the field's type; None, after a problem was added, if it has none.
Coerce = Callable[[Any, str, Findings], Any]

#: A number in a text, as JavaScript reads it but for other bases. It is tried on short texts only.
_NUMBER: Final = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?\s*", re.ASCII)
_LONGEST_NUMBER: Final = 300

#: The first and the last millisecond of the years 1 to 9999.
_MILLISECONDS: Final = range(-62_135_596_800_000, 253_402_300_800_000)


def _single(value: Any) -> Any:
    """Return a value as JSON's; of a list of one single value that value."""
    plain = value if type(value) in SCALARS else scalar(value)
    elements = as_list(plain)
    if elements is None or len(elements) != 1:
        return plain
    inner = scalar(elements[0])
    return inner if type(inner) in SCALARS and inner is not None else plain


def text(value: Any, path: str, found: Findings) -> str | None:
    """Return a text; numbers and booleans are written out."""
    given = scalar(value)
    plain = _single(given)
    if isinstance(plain, bool):
        plain = "true" if plain else "false"
    elif type(plain) in {int, float}:
        plain = as_id(plain)
    if not isinstance(plain, str):
        found.add_problem(path, f"must be a string, not {describe_type(plain)}")
        return None
    if problem := text_problem(plain):
        found.add_problem(path, problem)
        return None
    if plain is not given:
        found.add_note(path, f"{describe_type(given)}, taken as a string")
    return str(plain)


def email(value: Any, path: str, found: Findings) -> str | None:
    """Return a text that looks like an email."""
    plain = value if type(value) is str else text(value, path, found)
    if plain is None or reads_like_email(plain):
        return plain
    found.add_problem(
        path, "is no email address: it must read like name@host.domain, without spaces"
    )
    return None


def number(value: Any, path: str, found: Findings) -> float | None:
    """Return a number; a text may say one, and a boolean is 1 or 0."""
    given = scalar(value)
    said = _number(_single(given))
    if said is None:
        found.add_problem(path, f"must be a number, not {_what(given)}")
    elif said is not given:
        found.add_note(path, f"{describe_type(given)}, taken as the number it says")
    return said


def integer(value: Any, path: str, found: Findings) -> int | None:
    """Return a whole number; a text may say one, and a boolean is 1 or 0."""
    given = scalar(value)
    said = _number(_single(given))
    if said is None or (isinstance(said, float) and not said.is_integer()):
        found.add_problem(path, f"must be a whole number, not {_what(given)}")
        return None
    if said is not given:
        found.add_note(path, f"{describe_type(given)}, taken as the number it says")
    return int(said)


def _number(plain: Any) -> int | float | None:
    if isinstance(plain, bool):
        return int(plain)
    if isinstance(plain, str):
        return _number_said(plain)
    if not isinstance(plain, int | float) or not _is_finite(plain):
        return None
    return plain


def _number_said(words: str) -> int | float | None:
    if len(words) > _LONGEST_NUMBER or not _NUMBER.fullmatch(words):
        return None
    if words.strip().lstrip("+-").isdigit():
        return int(words)
    said = float(words)
    return said if isfinite(said) else None


def _is_finite(value: float) -> bool:
    try:
        return isfinite(value)
    except OverflowError:  # a whole number too large for a double
        return False


def _what(value: Any) -> str:
    """Name a value that is no number of the wanted kind."""
    plain = _single(value)
    if isinstance(plain, str):
        return "a string that says none"
    if isinstance(plain, bool) or not isinstance(plain, int | float):
        return describe_type(plain)
    if isinstance(plain, int):
        return "one that is too large"
    return "one with a fraction" if isfinite(plain) else describe_type(plain)


def boolean(value: Any, path: str, found: Findings) -> bool | None:
    """Return true or false; a text may say it, and so may 1 and 0."""
    given = scalar(value)
    plain = _single(given)
    if isinstance(plain, str | int | float) and plain in _BOOLEANS:
        if given is not _BOOLEANS[plain]:
            said = "true" if _BOOLEANS[plain] else "false"
            found.add_note(path, f"{describe_type(given)}, taken as {said}")
        return _BOOLEANS[plain]
    wrong = "this string" if isinstance(plain, str) else describe_type(plain)
    found.add_problem(path, f"must be true or false, not {wrong}")
    return None


#: True and 1 are one key, as are false and 0.
_BOOLEANS: Final[dict[Any, bool]] = {1: True, 0: False, "true": True, "false": False}


def an_object(value: Any, path: str, found: Findings) -> dict[Any, Any] | None:
    """Return an object; nothing else is taken for one."""
    fields = value if type(value) is dict else as_object(scalar(value))
    if fields is None:
        found.add_problem(path, f"must be an object, not {describe_type(value)}")
    return fields


def moment(value: Any, path: str, found: Findings) -> int | None:
    """Return a date as whole unix seconds; a number is milliseconds."""
    usual = usual_date(value) if type(value) is str else None
    if usual is not None:
        return unix_seconds(usual)
    plain = scalar(value)
    if isinstance(plain, int | float) and not isinstance(plain, bool):
        whole = floor(plain) if _is_finite(plain) else None
        seconds = whole // 1000 if whole is not None and whole in _MILLISECONDS else None
    else:
        seconds = read_as_unix_seconds(plain)
    if seconds is None:
        found.add_problem(path, "is no date: give ISO 8601, or milliseconds since 1970 as a number")
    return seconds
