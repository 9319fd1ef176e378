"""Deep copies of Python values as plain JSON, such as ``dataFields`` with Iterable's dates.

:func:`quick_copy` copies what is plain JSON already, which is nearly everything, and gives up at
the first thing that is not. A :class:`JsonCopier` then takes any Python value, and names the place
of everything that JSON cannot hold; its subclasses say how single values are converted, and what
stands in place of what cannot be held. A property test holds the two to the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from math import isfinite
from typing import Any, Final

from iterable_destination.errors import Problem
from iterable_destination.model import endpoints
from iterable_destination.model.dates import WITH_TIME, DateForm, iterable_date, to_iterable
from iterable_destination.model.json_values import (
    SCALARS,
    TOO_LARGE,
    as_list,
    as_object,
    describe_type,
    scalar,
)

#: Objects and lists inside each other, counted from ``dataFields`` itself. Ours: Iterable
#: documents none, and nothing real comes near it.
MAX_NESTING: Final = 128


def data_fields(
    fields: dict[Any, Any], path: str, problems: list[Problem], dates: DateForm = WITH_TIME
) -> dict[str, Any]:
    """Return a deep copy of an object of the event as JSON, every full ISO date as Iterable's.

    ``path`` is the object's place in the event, ``""`` for the event itself; what cannot be sent
    is added to ``problems`` with its place, and is None in the copy. ``dates`` says how dates are
    written.
    """
    try:
        return quick_copy(fields, dates)
    except NOT_PLAIN:
        return DataFieldsCopier(problems, dates).copy_object(fields, path)


def text_problem(text: str) -> str | None:
    """Say why a string cannot be sent: it is no Unicode text, or too large. None if it can."""
    if len(text) > _MOST:
        return f"is {len(text):,} characters long; a request has at most {_MOST:,} bytes"
    return None if text.isascii() else surrogate_problem(text)


def surrogate_problem(text: str) -> str | None:
    """Say what is wrong with a string that is no Unicode text. None if it is one."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "contains an unpaired surrogate (invalid Unicode)"
    return None


_MOST: Final = endpoints.MAX_BODY_BYTES


class NotPlain(Exception):
    """Something is not JSON as it stands."""


#: What is raised for what is not plain: besides ``NotPlain`` for a key that is no string, for one
#: that is no Unicode text, and where the caller is deep in calls itself.
NOT_PLAIN: Final = (NotPlain, TypeError, UnicodeEncodeError, RecursionError)


def quick_copy(fields: dict[Any, Any], dates: DateForm = WITH_TIME) -> dict[str, Any]:
    """Copy an object that is plain JSON; raise one of :data:`NOT_PLAIN` if it is not."""
    if not _good_keys.issuperset(fields):
        check_keys(fields)
    copy = fields.copy()
    finish(copy, dates.text)
    return copy


def check_keys(source: dict[Any, Any]) -> None:
    """Raise one of :data:`NOT_PLAIN` unless all keys of an object are texts that can be sent.

    Keys of a sane length are remembered, since the same ones come again and again.
    """
    together = "".join(source)
    if len(together) > _LONGEST_KEYS:
        if any(map(text_problem, source)):
            raise NotPlain
        return
    together.encode()
    if len(_good_keys) >= _MOST_KEYS:
        _good_keys.clear()
    _good_keys.update(map(str.__str__, source))


#: Keys that are known to be good; and from how many on they are forgotten, and how long together
#: those of an object may be to be remembered.
_good_keys: Final[set[str]] = set()
_MOST_KEYS: Final = 5_000
_LONGEST_KEYS: Final = 500


def finish(  # noqa: C901, PLR0912 - the hot path
    copy: Any, as_date: Callable[[str], str] = iterable_date, depth: int = MAX_NESTING
) -> int:
    """Make the copy of an object or list a deep one, with Iterable's dates; count its nulls.

    ``as_date`` returns a text that may be a date as it is to be sent. ``copy`` is a shallow copy
    whose keys are known to be good. It is left half done if something in it is no plain JSON; then
    one of :data:`NOT_PLAIN` is raised; so it is for a float that may be a whole number of more than
    64 bits, which some libraries read as one.

    Copying the whole and overwriting the few values that change is far quicker than building it
    anew; exact types are quicker to ask for than ``isinstance``; and a call for each value would
    cost more than all that is done with it, so objects and lists share one loop.
    """
    if not depth:
        raise NotPlain
    nulls = 0
    entries: Iterable[tuple[Any, Any]] = copy.items() if type(copy) is dict else enumerate(copy)
    for key, value in entries:
        its_type = type(value)
        if its_type is str:
            if not value.isascii():
                if text_problem(value) is not None:
                    raise NotPlain
            elif (length := len(value)) > 9:  # noqa: PLR2004 - yyyy-MM-dd is ten
                if value[4] == "-":
                    copy[key] = as_date(value)
                if length > _MOST:
                    raise NotPlain
        elif its_type is dict or its_type is list:
            if its_type is dict and not _good_keys.issuperset(value):
                check_keys(value)
            copy[key] = inner = value.copy()
            finish(inner, as_date, depth - 1)
        elif its_type is int:
            if not -TOO_LARGE < value < TOO_LARGE:
                raise NotPlain
        elif its_type is float:
            if not -_LONG < value < _LONG:  # nor are NaN and infinity
                raise NotPlain
        elif value is None:
            nulls += 1
        elif its_type is not bool:
            raise NotPlain
    return nulls


_LONG: Final = 2.0**63
#: What is wrong with what is nested deeper than can be sent.
TOO_DEEP: Final = f"is nested more than {MAX_NESTING} levels deep"
#: What is wrong with a date that cannot be written.
OUT_OF_YEARS: Final = "is a date outside the years 1 to 9999"


class JsonCopier:
    """Copies any Python value as plain JSON, and records every problem with its place.

    What JSON cannot hold is None in the copy, and a key that it cannot hold is left out. Subclasses
    change what is wrong with a single value, how it is converted, and what stands in its place.
    """

    def __init__(self, problems: list[Problem], max_nesting: int = MAX_NESTING) -> None:
        self.problems: Final = problems
        self._max_nesting: Final = max_nesting
        self._inside: Final[set[int]] = set()

    def copy_object(self, fields: dict[Any, Any], path: str) -> dict[str, Any]:
        """Copy the object that stands at ``path``, ``""`` for the whole of what came in."""
        try:
            copy: dict[str, Any] = self.copy(fields, path, self._max_nesting) or {}
        except RecursionError:  # the caller is deep in calls itself
            self.replace(fields, path, TOO_DEEP)
            return {}
        return copy

    def copy(self, value: Any, path: str, depth: int) -> Any:
        """Copy a value below which there may be ``depth`` more levels of objects and lists."""
        value = scalar(value)
        if (fields := as_object(value)) is not None:
            return self._copy_container(value, fields.items(), path, depth, self._copy_entries)
        if (elements := as_list(value)) is not None:
            return self._copy_container(value, enumerate(elements), path, depth, self._copy_list)
        problem = self.find_problem(value)
        if problem is not None:
            return self.replace(value, path, problem)
        return self.convert(value, path, depth)

    def find_problem(self, value: Any) -> str | None:
        """Return why JSON cannot hold a value that is no object and no list; None if it can."""
        if isinstance(value, str):
            return surrogate_problem(value)
        return _find_problem(value, "is a number too large for a double")

    def convert(self, value: Any, path: str, depth: int) -> Any:  # noqa: ARG002 - for subclasses
        """Return such a value as it stands in the copy."""
        return value

    def convert_key(self, key: Any, path: str) -> str | None:
        """Return a key of the object at ``path`` as it stands in the copy; None leaves it out."""
        if not isinstance(key, str):
            reason = f"has a key that is {describe_type(key)}; JSON's keys are strings"
        elif problem := text_problem(key):
            reason = f"has a key that {problem}"
        else:
            return str.__str__(key)
        self.add_problem(path, reason)
        return None

    def replace(self, value: Any, path: str, reason: str) -> Any:  # noqa: ARG002 - for subclasses
        """Record a problem, and return what stands in place of a value."""
        self.add_problem(path, reason)

    def add_problem(self, path: str, reason: str) -> None:
        """Record a problem."""
        self.problems.append(Problem(path or "$", reason))

    def _copy_container(
        self, value: Any, entries: Iterable[Any], path: str, depth: int, copy: Callable[..., Any]
    ) -> Any:
        if id(value) in self._inside:
            return self.replace(value, path, "contains itself")
        if not depth:
            reason = f"is nested more than {self._max_nesting} levels deep"
            return self.replace(value, path, reason)
        self._inside.add(id(value))
        try:
            return copy(entries, path, depth - 1)
        finally:
            self._inside.discard(id(value))

    def _copy_entries(
        self, entries: Iterable[tuple[Any, Any]], path: str, depth: int
    ) -> dict[str, Any]:
        copy: dict[str, Any] = {}
        for key, value in entries:
            name = self.convert_key(key, path)
            if name is not None:
                while name in copy:  # only what stands in place of a key can be there already
                    name += "'"
                copy[name] = self.copy(value, f"{path}.{name}" if path else name, depth)
        return copy

    def _copy_list(self, entries: Iterable[tuple[int, Any]], path: str, depth: int) -> list[Any]:
        return [self.copy(value, f"{path}[{index}]", depth) for index, value in entries]


class DataFieldsCopier(JsonCopier):
    """Copies values as Iterable takes them, with its dates; what cannot be sent is None."""

    def __init__(self, problems: list[Problem], dates: DateForm) -> None:
        super().__init__(problems)
        self._dates: Final = dates

    def find_problem(self, value: Any) -> str | None:
        """Return why a value that is no object and no list cannot be sent; None if it can."""
        if isinstance(value, str):
            return text_problem(value)
        if isinstance(value, date):
            return _date_problem(value)
        return _find_problem(value, "is a number too large for Iterable")

    def convert(self, value: Any, path: str, depth: int) -> Any:  # noqa: ARG002 - no place matters
        """Return such a value as it is sent."""
        if isinstance(value, date):
            return self._dates.moment(value)
        return self._dates.text(value) if isinstance(value, str) else value


def _find_problem(value: Any, too_large: str) -> str | None:
    """Return why JSON cannot hold a value that is no string, or None if it can."""
    if type(value) not in SCALARS or (isinstance(value, float) and not isfinite(value)):
        return f"is {describe_type(value)}, which JSON cannot hold"
    if isinstance(value, int) and not -TOO_LARGE < value < TOO_LARGE:
        return too_large
    return None


def _date_problem(value: date) -> str | None:
    try:
        to_iterable(value)
    except (ValueError, OverflowError):
        return OUT_OF_YEARS
    return None
