"""FQL: the language of triggers, read once when a subscription is made.

The grammar only; what a comparison means stands in ``conditions``. ``and`` binds closer than
``or``. Everything that cannot be read is refused with its place: a trigger that is half understood
would send the wrong events, or none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from iterable_destination.mapping.actions.fql.conditions import (
    ORDERS,
    Clause,
    Group,
    Test,
    Trigger,
    compared,
    contains,
    matches,
    of_text,
    opposite,
    other_number,
    same_constant,
    same_number,
    same_text,
)
from iterable_destination.mapping.actions.fql.lexer import BadTrigger, Kind, Token, tokens
from iterable_destination.mapping.actions.paths import getter

#: Parentheses inside each other. Ours, as elsewhere in this package.
MAX_DEPTH: Final = 128

#: Fields that are asked for by their name, and objects whose fields are, by a path.
_FIELDS: Final = ("type", "event", "name", "userId")
_OBJECTS: Final = ("properties", "traits", "context")
_CONSTANTS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}
_FUNCTIONS: Final[dict[str, Callable[[str], Callable[[str], bool]]]] = {
    "contains": contains,
    "match": matches,
}
#: The words between clauses, and the verdict at which a group that is joined by them ends.
_OR, _AND = "or", "and"
_STOPS_AT: Final = {_OR: True, _AND: False}

#: A name's part: a backslash keeps the next character, even a dot.
_PART: Final = re.compile(r"(?:[^.\\]|\\.)+", re.DOTALL)
_KEPT: Final = re.compile(r"\\(.)", re.DOTALL)


def read_trigger(text: str) -> Trigger:
    """Return what a trigger asks for; raises :exc:`BadTrigger` with the place of a mistake."""
    reader = _Reader(tokens(text))
    trigger = reader.joined(_OR, 0)
    reader.take(Kind.END, "and, or, or the end of the trigger")
    return trigger


class _Reader:
    """Reads the pieces of a trigger from left to right."""

    def __init__(self, pieces: list[Token]) -> None:
        self._pieces = pieces
        self._place = 0

    @property
    def _next(self) -> Token:
        return self._pieces[self._place]

    def take(self, kind: Kind, wanted: str) -> Token:
        """Return the next piece, which must be of this kind."""
        piece = self._next
        if piece.kind is not kind:
            found = piece.kind.value
            raise BadTrigger(f"expected {wanted}, not {found}", piece.start)
        self._place += piece.kind is not Kind.END
        return piece

    def _takes(self, kind: Kind, word: str | None = None) -> bool:
        """Take the next piece if it is this one; whether it was."""
        piece = self._next
        if piece.kind is not kind or (word is not None and piece.text.lower() != word):
            return False
        self._place += 1
        return True

    def joined(self, word: str, depth: int) -> Trigger:
        """Read one or more parts with this word between them."""
        parts = [self._part(word, depth)]
        while self._takes(Kind.NAME, word):
            parts.append(self._part(word, depth))
        if len(parts) == 1:
            return parts[0]
        return Group(tuple(parts), _STOPS_AT[word], parts[0].start, parts[-1].end)

    def _part(self, word: str, depth: int) -> Trigger:
        if word == _OR:
            return self.joined(_AND, depth)
        if not self._takes(Kind.OPEN):
            return self._clause()
        if depth >= MAX_DEPTH:
            message = f"more than {MAX_DEPTH} parentheses inside each other"
            raise BadTrigger(message, self._next.start)
        inner = self.joined(_OR, depth + 1)
        self.take(Kind.CLOSE, "and, or, or )")
        return inner

    def _clause(self) -> Clause:
        start = self._next.start
        negated = self._takes(Kind.NOT)
        wanted = "contains or match after !" if negated else "a field, contains or match"
        name = self.take(Kind.NAME, wanted)
        if name.text in _FUNCTIONS and self._next.kind is Kind.OPEN:
            return self._function(name.text, start, negated=negated)
        if negated:
            raise BadTrigger("! stands before contains or match only", start)
        return self._comparison(name)

    def _function(self, name: str, start: int, *, negated: bool) -> Clause:
        self.take(Kind.OPEN, "(")
        field = self.take(Kind.NAME, "a field")
        self.take(Kind.COMMA, ",")
        text = self.take(Kind.TEXT, "a text in double quotes").text
        end = self.take(Kind.CLOSE, ")").end
        return _clause(field, of_text(_FUNCTIONS[name](text), negated=negated), start, end)

    def _comparison(self, field: Token) -> Clause:
        operator = self.take(Kind.OPERATOR, "an operator")
        value = self._next
        self._place += value.kind is not Kind.END
        return _clause(field, _test(operator, value), field.start, value.end)


def _clause(field: Token, test: Test, start: int, end: int) -> Clause:
    keys = tuple([_KEPT.sub(r"\1", part) for part in _PART.findall(field.text)])
    known = keys[:1] and keys[0] in (_OBJECTS if len(keys) > 1 else _FIELDS)
    if not known or _PART.sub("", field.text) != "." * (len(keys) - 1):
        fields = f"{', '.join(_FIELDS)}, {', '.join(f'{name}.…' for name in _OBJECTS)}"
        raise BadTrigger(f"no field; there are {fields}", field.start)
    return Clause(field.text, getter(keys), test, start, end)


def _test(operator: Token, value: Token) -> Test:
    """Return what a comparison asks of its field."""
    if operator.text in ORDERS:
        if value.kind is not Kind.NUMBER:
            raise BadTrigger(f"{operator.text} compares with a number", value.start)
        return compared(ORDERS[operator.text], _number(value.text))
    is_other = operator.text == "!="
    if value.kind is Kind.NUMBER:
        return (other_number if is_other else same_number)(_number(value.text))
    test = _equality(value)
    return opposite(test) if is_other else test


def _equality(value: Token) -> Test:
    if value.kind is Kind.TEXT:
        return same_text(value.text)
    if value.kind is Kind.NAME and value.text in _CONSTANTS:
        return same_constant(_CONSTANTS[value.text])
    message = "expected a text in double quotes, a number, true, false or null"
    raise BadTrigger(message, value.start)


def _number(text: str) -> float:
    """Return a number as exactly as can be; a very long one is read as a float."""
    return float(text) if "." in text or len(text) > _MOST_DIGITS else int(text)


_MOST_DIGITS: Final = 300
