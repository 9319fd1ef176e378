"""Any event as plain JSON, to be kept in a file or a queue and translated later.

Each Python value is written so that nothing is lost that the translation would have seen. An event
that can be sent is translated from its plain form to the same calls. One that cannot be sent stays
one that cannot: what JSON has no words for is written as a list of what it looked like and a NaN,
which is read again and refused wherever it matters, and which can be taken for no object, text or
number. An event is never changed.
"""

from __future__ import annotations

import json
import math
import reprlib
from datetime import date, datetime
from typing import Any, Final

import attrs

from iterable_destination.errors import Problem, Reason
from iterable_destination.model import json_copy
from iterable_destination.model.dates import in_utc
from iterable_destination.model.json_codec import encode
from iterable_destination.model.json_copy import OUT_OF_YEARS, JsonCopier, Place
from iterable_destination.model.json_values import SCALARS
from iterable_destination.model.reasons import key_not_a_string, not_json

#: Objects and lists inside each other, counted from the event itself: ``dataFields`` may begin a
#: few levels down, and all of them are to be kept.
MAX_NESTING: Final = json_copy.MAX_NESTING + 12
#: Whole numbers of more bits cannot always be written by Python. They are far above what is sent.
_MOST_BITS: Final = 2_000
#: What is shown of a value that JSON cannot hold, in characters.
_LONGEST_EXCERPT: Final = 500
#: The key at the top of an event under which a dead letter says what became of it.
DEAD_LETTER: Final = "deadLetter"
#: Fields at the top of an event that are read as text, and where a date counts as nothing or is
#: refused. Written as text it would be taken for one.
_NEVER_DATES: Final = frozenset(("", key) for key in ("event", "messageId", "type", "userId"))


@attrs.frozen
class SerializedEvent:
    """An event as JSON's own values."""

    #: A JSON value, in which NaN and infinity may stand as well: a copy of the event.
    value: Any = attrs.field(repr=False)
    #: What JSON cannot hold, with its place, in the order of the event; empty if it holds all.
    problems: tuple[Problem, ...] = ()
    #: Whether there is no NaN and no infinity in :attr:`value`.
    is_finite: bool = True

    def encoded(self) -> bytes:
        """Return the value in one line, without its line break, as ``json_codec.decode`` reads it.

        NaN and infinity are written as Python does, which other readers may not take.
        """
        if self.is_finite:
            return encode(self.value)
        return json.dumps(self.value, separators=(",", ":")).encode()


def serialize_event(event: Any) -> SerializedEvent:
    """Return an event, or whatever was handed in as one, in its plain form.

    A ``datetime`` becomes ISO 8601 in UTC (a naive one is UTC), a ``date`` its day, an ``Enum``
    its value, ``Decimal`` and other numbers the nearest number, ``UUID`` its text, a ``Mapping``
    an object and a sequence a list. Nothing is refused, but what a ``Mapping`` of your own raises
    when it is read is not caught, and :exc:`RecursionError` is raised where the caller has left
    too little room for some hundred calls.
    """
    copier = _StorageCopier()
    value = copier.copy(event, "")
    return SerializedEvent(value, tuple(copier.problems), copier.is_finite)


def unreadable(event: Any, reason: Reason) -> SerializedEvent:
    """Return something to keep in place of an event that cannot be read at all."""
    return SerializedEvent(_in_words(reason, event), (reason.problem_at("$"),), is_finite=False)


class _StorageCopier(JsonCopier):
    """Copies values so that nothing is lost; what JSON cannot hold is described in words."""

    __slots__ = ("is_finite",)

    max_nesting = MAX_NESTING

    def __init__(self) -> None:
        super().__init__([])
        #: Whether there is no NaN and no infinity in the copy.
        self.is_finite = True

    def find_problem(self, value: Any) -> Reason | None:
        """Return why JSON cannot hold a value that is no object and no list; None if it can."""
        if isinstance(value, date):
            return None  # it depends on the place
        if isinstance(value, int) and value.bit_length() > _MOST_BITS:
            return Reason("number-too-large", "is a number too large to be written")
        if type(value) not in SCALARS:
            return not_json(value)
        return None

    def convert(self, value: Any, place: Place) -> Any:
        """Return such a value as it is kept."""
        if isinstance(value, date):
            if place in _NEVER_DATES:
                return self.replace(value, place, not_json(value))
            text = _format_date(value)
            return self.replace(value, place, OUT_OF_YEARS) if text is None else text
        if isinstance(value, float) and not math.isfinite(value):
            self.is_finite = False
        return value

    def convert_key(self, key: Any, place: Place) -> str:
        """Return a key that is refused like the one it stands for, and never looked up."""
        if isinstance(key, str):
            return str.__str__(key)
        self.add_problem(place, key_not_a_string(key))
        return _mark(_excerpt(key))

    def replace(self, value: Any, place: Place, reason: Reason) -> list[Any]:
        """Record a problem, and return the value in words."""
        self.add_problem(place, reason)
        self.is_finite = False
        return _in_words(reason, value)


def _format_date(moment: date) -> str | None:
    """Return a date as ISO 8601, or None if it is none that can be written."""
    try:
        utc = in_utc(moment)
    except (ValueError, OverflowError):
        return None
    if isinstance(moment, datetime):
        return f"{utc.replace(tzinfo=None).isoformat()}Z"
    return utc.date().isoformat()


def _in_words(reason: Reason, value: Any) -> list[Any]:
    return [f"{reason.message}: {_excerpt(value)}", math.nan]


def _mark(words: str) -> str:
    """Return a key that stands for one that is no string. No text can have such a character."""
    return f"\ud800not a string: {words}"


#: How such a key begins.
NO_STRING: Final = _mark("")
_REPR: Final = reprlib.Repr()
_REPR.maxlevel = 3
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 200


def _excerpt(value: Any) -> str:
    """Return the beginning of a value's ``repr``; of one that has none, its type."""
    try:
        return _REPR.repr(value)[:_LONGEST_EXCERPT]
    except Exception:  # noqa: BLE001 - a repr may do and raise anything
        return f"a value of type {type(value).__name__}"
