"""The parser of FQL: build conditions from the tokens of a trigger.

``and`` binds closer than ``or``. Whatever cannot be parsed is an error with its place: a trigger
that is understood in part would send the wrong events, or none. ``conditions`` defines what each
comparison means.
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
    compares,
    contains,
    differs_from_number,
    equals_constant,
    equals_name,
    equals_number,
    equals_text,
    matches,
    negate,
    text_satisfies,
)
from iterable_destination.mapping.actions.fql.lexer import BadTrigger, Kind, Token, tokenize
from iterable_destination.mapping.actions.paths import build_getter

#: Nested parentheses. Ours, like the other limits on nesting in this package.
MAX_DEPTH: Final = 128

#: Fields that a trigger names directly, and objects whose fields it names by a path.
_FIELDS: Final = ("type", "event", "name", "userId")
_OBJECTS: Final = ("properties", "traits", "context")
_CONSTANTS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}
_FUNCTIONS: Final[dict[str, Callable[[str], Callable[[str], bool]]]] = {
    "contains": contains,
    "match": matches,
}
#: The words between clauses, and the result of a part that decides the group they join.
_OR, _AND = "or", "and"
_STOPS_AT: Final = {_OR: True, _AND: False}

#: A part of a name. A backslash escapes the next character, also a dot.
_PART: Final = re.compile(r"(?:[^.\\]|\\.)+", re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


def read_trigger(text: str) -> Trigger:
    """Parse a trigger; raises :exc:`BadTrigger` with the place of the first mistake."""
    reader = _Parser(tokenize(text))
    trigger = reader.read_group(_OR, 0)
    reader.expect(Kind.END, "and, or, or the end of the trigger")
    return trigger


class _Parser:
    """A recursive descent parser over the tokens of a trigger."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._place = 0

    @property
    def _next(self) -> Token:
        return self._tokens[self._place]

    def expect(self, kind: Kind, wanted: str) -> Token:
        """Consume and return the next token; raises :exc:`BadTrigger` if it is of another kind."""
        token = self._next
        if token.kind is not kind:
            found = token.kind.value
            raise BadTrigger(f"expected {wanted}, not {found}", token.start)
        self._place += token.kind is not Kind.END
        return token

    def _accept(self, kind: Kind, word: str | None = None) -> bool:
        """Consume the next token if it is of this kind, and perhaps this word; whether it was."""
        token = self._next
        if token.kind is not kind or (word is not None and token.text.lower() != word):
            return False
        self._place += 1
        return True

    def read_group(self, word: str, depth: int) -> Trigger:
        """Parse one or more parts with this word between them."""
        parts = [self._read_part(word, depth)]
        while self._accept(Kind.NAME, word):
            parts.append(self._read_part(word, depth))
        if len(parts) == 1:
            return parts[0]
        return Group(tuple(parts), _STOPS_AT[word], parts[0].start, parts[-1].end)

    def _read_part(self, word: str, depth: int) -> Trigger:
        if word == _OR:
            return self.read_group(_AND, depth)
        if not self._accept(Kind.OPEN):
            return self._read_clause()
        if depth >= MAX_DEPTH:
            message = f"more than {MAX_DEPTH} parentheses inside each other"
            raise BadTrigger(message, self._next.start)
        inner = self.read_group(_OR, depth + 1)
        self.expect(Kind.CLOSE, "and, or, or )")
        return inner

    def _read_clause(self) -> Clause:
        start = self._next.start
        negated = self._accept(Kind.NOT)
        wanted = "contains or match after !" if negated else "a field, contains or match"
        name = self.expect(Kind.NAME, wanted)
        if name.text in _FUNCTIONS and self._next.kind is Kind.OPEN:
            return self._read_function(name.text, start, negated=negated)
        if negated:
            raise BadTrigger("! stands before contains or match only", start)
        return self._read_comparison(name)

    def _read_function(self, name: str, start: int, *, negated: bool) -> Clause:
        self.expect(Kind.OPEN, "(")
        field = self.expect(Kind.NAME, "a field")
        self.expect(Kind.COMMA, ",")
        text = self.expect(Kind.TEXT, "a text in double quotes").text
        end = self.expect(Kind.CLOSE, ")").end
        return _build_clause(
            field, text_satisfies(_FUNCTIONS[name](text), negated=negated), start, end
        )

    def _read_comparison(self, field: Token) -> Clause:
        operator = self.expect(Kind.OPERATOR, "an operator")
        value = self._next
        self._place += value.kind is not Kind.END
        return _build_clause(
            field, _build_test(field.text, operator, value), field.start, value.end
        )


def _build_clause(field: Token, test: Test, start: int, end: int) -> Clause:
    keys = tuple([_ESCAPED.sub(r"\1", part) for part in _PART.findall(field.text)])
    known = keys[:1] and keys[0] in (_OBJECTS if len(keys) > 1 else _FIELDS)
    if not known or _PART.sub("", field.text) != "." * (len(keys) - 1):
        fields = f"{', '.join(_FIELDS)}, {', '.join(f'{name}.…' for name in _OBJECTS)}"
        raise BadTrigger(f"no field; there are {fields}", field.start)
    return Clause(field.text, build_getter(keys), test, start, end)


def _build_test(field: str, operator: Token, value: Token) -> Test:
    """Build the test of a comparison.

    A number without quotes is meant for a text where a field holds a name or an id.
    """
    if operator.text in ORDERS:
        if value.kind is not Kind.NUMBER:
            raise BadTrigger(f"{operator.text} compares with a number", value.start)
        return compares(ORDERS[operator.text], _parse_number(value.text))
    is_other = operator.text == "!="
    if value.kind is Kind.NUMBER:
        number = _parse_number(value.text)
        if field in _FIELDS:
            test = equals_name(number, value.text)
            return negate(test) if is_other else test
        return (differs_from_number if is_other else equals_number)(number)
    test = _build_equality(value)
    return negate(test) if is_other else test


def _build_equality(value: Token) -> Test:
    if value.kind is Kind.TEXT:
        return equals_text(value.text)
    if value.kind is Kind.NAME and value.text in _CONSTANTS:
        return equals_constant(_CONSTANTS[value.text])
    message = "expected a text in double quotes, a number, true, false or null"
    raise BadTrigger(message, value.start)


def _parse_number(text: str) -> float:
    """Parse a number, exactly if it is a whole number of at most 300 digits."""
    return float(text) if "." in text or len(text) > _MOST_DIGITS else int(text)


_MOST_DIGITS: Final = 300
