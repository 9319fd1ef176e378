"""``dataFields``: a copy of what an event carries, as plain JSON with Iterable's dates.

What may live here: the one place where every value of an event is looked at. It is written twice:
:func:`quick_copy` copies what is plain JSON already, which is nearly everything, and gives up at
the first thing that is not; :class:`CarefulCopy` then takes any Python value, converts it, and
names the place of everything that cannot be sent. A property test holds the two to the same
result.
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
        return JsonCopier(problems, dates).of(fields, path)


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


class JsonCopier:
    """Copies any Python value, and writes down every problem with its place.

    What is wrong with a single value, and what becomes of it, is for a subclass to change.
    """

    def __init__(self, problems: list[Problem], dates: DateForm = WITH_TIME) -> None:
        self._problems = problems
        self._dates = dates
        self._inside: set[int] = set()

    def of(self, fields: dict[Any, Any], path: str) -> dict[str, Any]:
        """Copy the object that stands at ``path``, ``""`` for the whole of what came in."""
        try:
            copy: dict[str, Any] = self._copy(fields, path, MAX_NESTING) or {}
        except RecursionError:  # the caller is deep in calls itself
            self._refuse(path, TOO_DEEP)
            return {}
        return copy

    def problem(self, value: Any) -> str | None:
        """Say why a value that is no object and no list cannot be sent; None if it can."""
        return _problem(value)

    def converted(self, value: Any) -> Any:
        """Return such a value as it is sent, if it can be."""
        if isinstance(value, date):
            return self._dates.moment(value)
        return self._dates.text(value) if isinstance(value, str) else value

    def _copy(self, value: Any, path: str, depth: int) -> Any:
        """Copy a value that stands ``MAX_NESTING - depth`` levels deep; None if it cannot go."""
        value = scalar(value)
        if (fields := as_object(value)) is not None:
            return self._container(value, fields.items(), path, depth, self._object)
        if (elements := as_list(value)) is not None:
            return self._container(value, enumerate(elements), path, depth, self._list)
        problem = self.problem(value)
        if problem is not None:
            self._refuse(path, problem)
            return None
        return self.converted(value)

    def _container(
        self, value: Any, entries: Iterable[Any], path: str, depth: int, copy: Callable[..., Any]
    ) -> Any:
        if id(value) in self._inside or not depth:
            self._refuse(path, "contains itself" if id(value) in self._inside else TOO_DEEP)
            return None
        self._inside.add(id(value))
        try:
            return copy(entries, path, depth - 1)
        finally:
            self._inside.discard(id(value))

    def _object(self, items: Iterable[tuple[Any, Any]], path: str, depth: int) -> dict[str, Any]:
        copy = {}
        for key, value in items:
            if not isinstance(key, str):
                self._refuse(
                    path, f"has a key that is {describe_type(key)}; JSON's keys are strings"
                )
            elif text_problem(key):
                self._refuse(path, f"has a key that {text_problem(key)}")
            else:
                place = f"{path}.{key}" if path else key
                copy[str.__str__(key)] = self._copy(value, place, depth)
        return copy

    def _list(self, items: Iterable[tuple[int, Any]], path: str, depth: int) -> list[Any]:
        return [self._copy(value, f"{path}[{index}]", depth) for index, value in items]

    def _refuse(self, path: str, message: str) -> None:
        self._problems.append(Problem(path or "$", message))


def _problem(value: Any) -> str | None:
    """Say why a single value cannot be sent, or None if it can."""
    if isinstance(value, str):
        return text_problem(value)
    if isinstance(value, date):
        return _date_problem(value)
    if type(value) not in SCALARS or (isinstance(value, float) and not isfinite(value)):
        return f"is {describe_type(value)}, which JSON cannot hold"
    if isinstance(value, int) and not -TOO_LARGE < value < TOO_LARGE:
        return "is a number too large for Iterable"
    return None


def _date_problem(value: date) -> str | None:
    try:
        to_iterable(value)
    except (ValueError, OverflowError):
        return "is a date outside the years 1 to 9999"
    return None


class PlainCopy(JsonCopier):
    """Copies any Python value as it is, and writes down every problem with its place."""

    def problem(self, value: Any) -> str | None:
        """Say why JSON cannot hold a value that is no object and no list; None if it can."""
        if isinstance(value, str):
            return surrogate_problem(value)
        if type(value) not in SCALARS or (isinstance(value, float) and not isfinite(value)):
            return f"is {describe_type(value)}, which JSON cannot hold"
        if isinstance(value, int) and not -TOO_LARGE < value < TOO_LARGE:
            return "is a number too large for a double"
        return None

    def converted(self, value: Any) -> Any:
        """Return such a value as it is."""
        return value
