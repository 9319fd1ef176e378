"""Deep copies of Python values as plain JSON, such as ``dataFields`` with Iterable's dates.

A :class:`JsonCopier` copies an object or list whole, and replaces in the copy what is to be
another value there, since nearly all values are plain JSON already. Only a value that is not is
looked at closely. Subclasses say how single values are converted, and what stands in place of
what JSON cannot hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from math import isfinite
from typing import Any, ClassVar, Final

from iterable_destination.errors import MAX_LISTED, UNLISTED_PROBLEM, Problem, Reason
from iterable_destination.model import endpoints
from iterable_destination.model.dates import TEXTS_STAY, WITH_TIME, DateForm, to_iterable
from iterable_destination.model.json_values import (
    SCALARS,
    TOO_LARGE,
    as_list,
    as_object,
    scalar,
)
from iterable_destination.model.reasons import (
    TOO_LARGE_FOR_ITERABLE,
    key_not_a_string,
    not_json,
)
from iterable_destination.model.remembered import are_short, make_room

#: Objects and lists inside each other, counted from ``dataFields`` itself. Ours: Iterable
#: documents none, and nothing real comes near it.
MAX_NESTING: Final = 128


def too_deep(levels: int) -> Reason:
    """Return what is wrong with what is nested in more levels than these."""
    return Reason("too-deep", f"is nested more than {levels} levels deep")


#: What is wrong with what is nested deeper than can be sent.
TOO_DEEP: Final = too_deep(MAX_NESTING)
#: What is wrong with a date that cannot be written.
OUT_OF_YEARS: Final = Reason("out-of-range", "is a date outside the years 1 to 9999")

_TOO_LARGE_FOR_A_DOUBLE: Final = Reason("number-too-large", "is a number too large for a double")
_MAX_TEXT: Final = endpoints.MAX_BODY_BYTES


def data_fields(
    fields: dict[Any, Any], path: str, problems: list[Problem], dates: DateForm = WITH_TIME
) -> dict[str, Any]:
    """Return a deep copy of an object of the event as JSON, every full ISO date as Iterable's.

    ``path`` is the object's place in the event, ``""`` for the event itself; what cannot be sent
    is added to ``problems`` with its place, and is None in the copy. ``dates`` says how dates are
    written.
    """
    return DataFieldsCopier(problems, dates).copy_object(fields, path)


def text_problem(text: str) -> Reason | None:
    """Say why a string cannot be sent: it is no Unicode text, or too large. None if it can."""
    if len(text) > _MAX_TEXT:
        words = f"is {len(text):,} characters long; a request has at most {_MAX_TEXT:,} bytes"
        return Reason("too-long", words)
    return surrogate_problem(text)


def surrogate_problem(text: str) -> Reason | None:
    """Say what is wrong with a string that is no Unicode text. None if it is one."""
    if text.isascii():
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        return Reason("invalid-unicode", "contains an unpaired surrogate (invalid Unicode)")
    return None


_UNREADABLE: Final = "unreadable"


def unreadable_problem(error: BaseException) -> Reason:
    """Say what is wrong with a value that raised an exception where it was read."""
    return Reason(_UNREADABLE, f"cannot be read: {type(error).__name__}")


def is_unreadable(problem: Problem) -> bool:
    """Whether a problem is that a value raised an exception where it was read."""
    return problem.code == _UNREADABLE


#: The place of a value in what is copied: a path; or the place of the object or list around it,
#: and its key or index there. It is made a path only where something is wrong.
Place = str | tuple[Any, Any]


def _render(place: Place) -> str:
    if isinstance(place, str):
        return place
    around, key = place
    before = _render(around)
    if isinstance(key, int):
        return f"{before}[{key}]"
    return f"{before}.{key}" if before else str(key)


class JsonCopier:
    """Copies any Python value as plain JSON, and records every problem with its place.

    What JSON cannot hold is None in the copy, and a key that it cannot hold is left out. Subclasses
    change what is wrong with a single value, how it is converted, and what stands in its place.
    """

    __slots__ = ("_inside", "dates", "problems")

    #: How many levels of objects and lists are copied.
    max_nesting: ClassVar[int] = MAX_NESTING

    def __init__(self, problems: list[Problem], dates: DateForm = TEXTS_STAY) -> None:
        #: What was found so far.
        self.problems = problems
        #: How dates stand in the copy.
        self.dates = dates
        #: The ids of the objects and lists around a value; None until it matters.
        self._inside: set[int] | None = None

    def copy_object(self, fields: dict[Any, Any], path: str | tuple[str, int]) -> dict[str, Any]:
        """Copy the object that stands at ``path``, ``""`` for the whole of what came in.

        ``path`` may also be that of a list, and the index in it.
        """
        found = len(self.problems)
        copy: dict[str, Any]
        try:
            try:
                copy = self._copy_entries(fields, path, self.max_nesting)
            except _TooDeep:
                copy = self._copy_again(fields, path, found)
        except RecursionError:  # the caller is deep in calls itself
            del self.problems[found:]
            self.replace(fields, path, TOO_DEEP)
            return {}
        return copy

    def copy(self, value: Any, place: Place) -> Any:
        """Copy any value that stands at ``place``; :exc:`RecursionError` is not caught."""
        found = len(self.problems)
        try:
            return self._copy_any(value, place, self.max_nesting)
        except _TooDeep:
            return self._copy_again(value, place, found)

    def _copy_again(self, value: Any, place: Place, found: int) -> Any:
        """Copy what is too deep, or without end, and look for what is inside itself."""
        del self.problems[found:]
        self._inside = set()
        try:
            return self._copy_any(value, place, self.max_nesting)
        finally:
            self._inside = None

    # The hot path ----------------------------------------------------------------------------

    def _copy_entries(self, source: Any, place: Place, depth: int) -> Any:  # noqa: C901, PLR0912
        """Copy a ``dict`` or ``list``, in which there may be ``depth`` more levels of them.

        Copying the whole and overwriting the few values that change is far quicker than building it
        anew; exact types are quicker to ask for than ``isinstance``; and a call for each value
        would cost more than all that is done with it, so objects and lists share one loop.
        """
        write_text = self.dates.text
        copy_inner = self._copy_entries if self._inside is None else self._copy_guarded
        if not depth:
            raise _TooDeep
        depth -= 1
        copy: Any
        entries: Iterable[tuple[Any, Any]]
        if type(source) is list:
            copy = source.copy()
            entries = enumerate(copy)
        elif _good_keys.issuperset(source) or _learn_keys(source):
            copy = source.copy()
            entries = copy.items()
        else:
            copy = {}
            entries = self._convert_keys(source, copy, place)
        for key, value in entries:
            its_type = type(value)
            if its_type is str:
                length = len(value)
                if length > 9 and value[4] == "-":  # noqa: PLR2004 - yyyy-MM-dd is ten
                    copy[key] = write_text(value)
                if length > _MAX_TEXT or not (value.isascii() or value.isprintable()):
                    copy[key] = self._copy_single(value, (place, key))  # it may be no Unicode
            elif its_type is dict or its_type is list:
                copy[key] = copy_inner(value, (place, key), depth)
            elif its_type is int:
                if not -_LONG < value < _LONG:
                    copy[key] = self._copy_single(value, (place, key))
            elif its_type is float:  # all libraries write these alike, with no exponent
                if not (1e-4 <= value < 1e16 or -1e16 < value <= -1e-4) and value:  # noqa: PLR2004
                    copy[key] = self._copy_single(value, (place, key))
            elif value is not None and its_type is not bool:
                copy[key] = self._copy_any(value, (place, key), depth)
        return copy

    # Values out of the ordinary --------------------------------------------------------------

    def _copy_any(self, value: Any, place: Place, depth: int) -> Any:
        """Copy a value of any type; what it raises where it is read is what is wrong with it."""
        inner = value
        if type(value) is not dict:
            try:
                value = scalar(value)
                inner = as_object(value)
                if inner is None:
                    inner = as_list(value)
                if inner is None:
                    return self._copy_single(value, place)
            except (RecursionError, MemoryError):
                raise
            except Exception as error:  # noqa: BLE001 - a value may raise anything
                return self.replace(value, place, unreadable_problem(error))
        if self._inside is None:
            return self._copy_entries(inner, place, depth)
        return self._copy_guarded(inner, place, depth, value)

    def _copy_guarded(self, inner: Any, place: Place, depth: int, value: Any = None) -> Any:
        """Copy an object or list unless it is inside itself or too deep.

        ``value`` is what ``inner`` was before, None if it is the same.
        """
        value, inside = inner if value is None else value, self._inside or set()
        if id(value) in inside:
            return self.replace(value, place, Reason("circular", "contains itself"))
        if not depth:
            return self.replace(value, place, too_deep(self.max_nesting))
        self._inside = inside | {id(value)}
        try:
            return self._copy_entries(inner, place, depth)
        finally:
            self._inside = inside

    def _copy_single(self, value: Any, place: Place) -> Any:
        """Copy a value that is no object and no list."""
        problem = self.find_problem(value)
        if problem is not None:
            return self.replace(value, place, problem)
        return self.convert(value, place)

    def _convert_keys(
        self, source: dict[Any, Any], copy: dict[str, Any], place: Place
    ) -> Iterator[tuple[str, Any]]:
        """Copy and yield the entries of an object, with its keys as they stand in the copy."""
        for key, value in source.items():
            name = self.convert_key(key, place)
            if name is not None:
                while name in copy:  # only what stands in place of a key can be there already
                    name += "'"
                copy[name] = value
                yield name, value

    # For subclasses ----------------------------------------------------------------------------

    def find_problem(self, value: Any) -> Reason | None:
        """Return why JSON cannot hold a value that is no object and no list; None if it can."""
        if isinstance(value, str):
            return surrogate_problem(value)
        return _find_problem(value, _TOO_LARGE_FOR_A_DOUBLE)

    def convert(self, value: Any, place: Place) -> Any:  # noqa: ARG002 - for subclasses
        """Return such a value as it stands in the copy."""
        return value

    def convert_key(self, key: Any, place: Place) -> str | None:
        """Return a key of the object at ``place`` as it stands in the copy; None leaves it out."""
        if not isinstance(key, str):
            reason = key_not_a_string(key)
        elif problem := text_problem(key):
            reason = Reason("invalid-key", f"has a key that {problem.message}")
        else:
            return str.__str__(key)
        self.add_problem(place, reason)
        return None

    def replace(self, value: Any, place: Place, reason: Reason) -> Any:  # noqa: ARG002 - likewise
        """Record a problem, and return what stands in place of a value."""
        self.add_problem(place, reason)

    def add_problem(self, place: Place, reason: Reason) -> None:
        """Record a problem."""
        if len(self.problems) < MAX_LISTED:
            self.problems.append(reason.problem_at(_render(place) or "$"))
        else:
            self.problems.append(UNLISTED_PROBLEM)


class _TooDeep(Exception):
    """There are more levels than are copied, or no end of them."""


def _learn_keys(source: dict[Any, Any]) -> bool:
    """Whether all keys of an object are strings that can be sent; short ones are remembered."""
    if not _ONLY_STRINGS.issuperset(map(type, source)):
        return False
    if not are_short(source):
        return all(text_problem(key) is None for key in source)
    if surrogate_problem("".join(source)) is not None:
        return False
    make_room(_good_keys, len(source))
    _good_keys.update(source)
    return True


_ONLY_STRINGS: Final = frozenset({str})
#: Keys that are known to be good.
_good_keys: Final[set[str]] = set()
#: Whole numbers below need at most 64 bits.
_LONG: Final = 2**63


class DataFieldsCopier(JsonCopier):
    """Copies values as Iterable takes them, with its dates; what cannot be sent is None."""

    __slots__ = ()

    def find_problem(self, value: Any) -> Reason | None:
        """Return why a value that is no object and no list cannot be sent; None if it can."""
        if isinstance(value, str):
            return text_problem(value)
        if isinstance(value, date):
            return _date_problem(value)
        return _find_problem(value, TOO_LARGE_FOR_ITERABLE)

    def convert(self, value: Any, place: Place) -> Any:  # noqa: ARG002 - no place matters
        """Return such a value as it is sent."""
        if isinstance(value, date):
            return self.dates.moment(value)
        return self.dates.text(value) if isinstance(value, str) else value


def _find_problem(value: Any, too_large: Reason) -> Reason | None:
    """Return why JSON cannot hold a value that is no string, or None if it can."""
    if type(value) not in SCALARS or (isinstance(value, float) and not isfinite(value)):
        return not_json(value)
    if isinstance(value, int) and not -TOO_LARGE < value < TOO_LARGE:
        return too_large
    return None


def _date_problem(value: date) -> Reason | None:
    try:
        to_iterable(value)
    except (ValueError, OverflowError):
        return OUT_OF_YEARS
    return None
