"""Conditions: a trigger as a tree of clauses, evaluated for an event."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from iterable_destination.mapping.actions.number_text import write_number
from iterable_destination.mapping.actions.paths import NOTHING, Get
from iterable_destination.model.json_values import SCALARS, scalar

Test = Callable[[Any], bool]


@attrs.frozen(slots=False)
class Clause:
    """One condition on an event: a field, and a test of its value."""

    #: The field's name, as it is written.
    field: str
    get: Get = attrs.field(eq=False, repr=False)
    test: Test = attrs.field(eq=False, repr=False)
    #: Its first character in the trigger, and the one after its last, counted from 0.
    start: int
    end: int
    #: Returns whether an event meets the condition.
    holds: Callable[[dict[Any, Any]], bool] = attrs.field(init=False, eq=False, repr=False)

    @holds.default
    def _holds(self) -> Callable[[dict[Any, Any]], bool]:
        get, test = self.get, self.test  # bound once, since this is called for every event
        return lambda event: test(get(event))

    def simplify(self, known: Mapping[str, Any]) -> Trigger | bool:
        """Return the result if the field's value is known already, else the clause itself."""
        return self.test(known[self.field]) if self.field in known else self

    def evaluate(self, event: dict[Any, Any]) -> tuple[bool, Trigger]:
        """Return whether it holds, and the part of the trigger that decides: the clause itself."""
        return self.holds(event), self


@attrs.frozen(slots=False)
class Group:
    """Clauses joined by ``and`` or by ``or``."""

    parts: tuple[Trigger, ...]
    #: The result of a part that decides the whole group: False for ``and``, True for ``or``.
    stops_at: bool
    start: int
    end: int

    def holds(self, event: dict[Any, Any]) -> bool:
        """Whether the event meets the conditions together."""
        stop = self.stops_at
        for part in self.parts:
            if part.holds(event) is stop:
                return stop
        return not stop

    def simplify(self, known: Mapping[str, Any]) -> Trigger | bool:
        """Return the result, or what remains to be evaluated, for some known field values."""
        rest = [part.simplify(known) for part in self.parts]
        if self.stops_at in rest:
            return self.stops_at
        open_parts = tuple([part for part in rest if not isinstance(part, bool)])
        if not open_parts:
            return not self.stops_at
        return open_parts[0] if len(open_parts) == 1 else attrs.evolve(self, parts=open_parts)

    def evaluate(self, event: dict[Any, Any]) -> tuple[bool, Trigger]:
        """Return whether it holds, and the part that decides: one part, or the whole group."""
        for part in self.parts:
            holds, decided = part.evaluate(event)
            if holds is self.stops_at:
                return holds, decided
        return not self.stops_at, self


Trigger = Clause | Group


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plain(value: Any) -> Any:
    return value if type(value) in _PLAIN else scalar(value)


#: Types that need no conversion by :func:`scalar`; this check is quicker.
_PLAIN: Final = SCALARS | {type(NOTHING), dict, list}


def equals_text(text: str) -> Test:
    """Build a test that a value is this text."""

    def test(value: Any) -> bool:
        plain = value if type(value) in _PLAIN else scalar(value)
        return type(plain) is str and plain == text

    return test


def equals_number(number: float) -> Test:
    """Build a test that a value is this number; a text of digits is not a number."""
    return compares(operator.eq, number)


def differs_from_number(number: float) -> Test:
    """Build a test that a value is a number, but not this one."""
    return compares(operator.ne, number)


def equals_name(number: float, written: str) -> Test:
    """Build a test that a name or an id is this number, or the text of it.

    The text may be as the trigger has it, or as JavaScript writes the number.
    """
    texts = {written, write_number(number)}

    def test(value: Any) -> bool:
        plain = value if type(value) in _PLAIN else scalar(value)
        return plain in texts if type(plain) is str else _is_number(plain) and plain == number

    return test


def compares(compare: Callable[[Any, Any], bool], number: float) -> Test:
    """Build a test that a value is a number that compares so with this one."""

    def test(value: Any) -> bool:
        plain = _plain(value)
        return _is_number(plain) and compare(plain, number)

    return test


def equals_constant(constant: bool | None) -> Test:  # noqa: FBT001 - one of three constants
    """Build a test that a value is true, false or null; a missing field counts as null."""

    def test(value: Any) -> bool:
        return (None if value is NOTHING else _plain(value)) is constant

    return test


def negate(test: Test) -> Test:
    """Build a test that passes where another test fails."""

    def opposed(value: Any) -> bool:
        return not test(value)

    return opposed


def text_satisfies(wanted: Callable[[str], bool], *, negated: bool) -> Test:
    """Build a test of a text; it fails for what is not a text, also if it is negated."""

    def test(value: Any) -> bool:
        plain = _plain(value)
        return isinstance(plain, str) and wanted(plain) is not negated

    return test


def contains(part: str) -> Callable[[str], bool]:
    """Build a function that returns whether a text contains this part."""
    return lambda text: part in text


def matches(pattern: str) -> Callable[[str], bool]:
    """Build a function that returns whether a text matches a pattern; ``*`` is any text.

    Each part between two ``*`` is searched once, from the left, without backtracking.
    """
    first, *others = pattern.split("*")
    if not others:
        return lambda text: text == pattern
    *middle, last = others
    shortest = len(first) + len(last)

    def test(text: str) -> bool:
        if len(text) < shortest or not (text.startswith(first) and text.endswith(last)):
            return False
        place, end = len(first), len(text) - len(last)
        for part in middle:
            place = text.find(part, place, end)
            if place < 0:
                return False
            place += len(part)
        return True

    return test


#: The operators that compare numbers only.
ORDERS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
