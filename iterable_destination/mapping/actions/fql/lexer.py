"""Tokens: a trigger's text cut into pieces, each with its place.

What may live here: what the pieces of a trigger look like. What they mean together is decided in
:mod:`~iterable_destination.mapping.actions.fql.parser`.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final, NamedTuple

#: Longer triggers are refused. Ours: Segment documents no limit.
MAX_TRIGGER_LENGTH: Final = 10_000


class BadTrigger(ValueError):
    """A text is no trigger."""

    def __init__(self, message: str, place: int) -> None:
        """Say what is wrong at a place in the trigger, counted from 0."""
        super().__init__(f"at character {place + 1}: {message}")


class Kind(Enum):
    """What a piece is; the value is what a message calls it."""

    TEXT = "a text in quotes"
    NUMBER = "a number"
    NAME = "a name"
    OPERATOR = "an operator"
    NOT = "!"
    OPEN = "("
    CLOSE = ")"
    COMMA = ","
    END = "the end"


class Token(NamedTuple):
    """A piece of a trigger."""

    kind: Kind
    #: The piece as it is written; of a text in quotes what is between them.
    text: str
    start: int
    end: int


#: The pieces, the first that fits. Names may have a backslash before a character that would end
#: them. Each is tried once at a place and none looks back, so a text of any kind is read quickly.
_PIECE: Final = re.compile(
    r"(?P<space>\s+)"
    r'|"(?P<TEXT>[^"\\]*(?:\\.[^"\\]*)*)"'
    r"|(?P<NUMBER>-?[0-9]+(?:\.[0-9]+)?(?![\w.\\]))"
    r"|(?P<NAME>(?:[\w$\-.]|\\.)+)"
    r"|(?P<OPERATOR>==|!=|<=|>=|=|<|>)"
    r"|(?P<NOT>!)|(?P<OPEN>\()|(?P<CLOSE>\))|(?P<COMMA>,)",
    re.DOTALL,
)
_ESCAPED: Final = re.compile(r'\\(["\\])')


def tokenize(trigger: str) -> list[Token]:
    """Return the pieces of a trigger, the end included; raises :exc:`BadTrigger`."""
    if len(trigger) > MAX_TRIGGER_LENGTH:
        message = f"a trigger has at most {MAX_TRIGGER_LENGTH:,} characters"
        raise BadTrigger(message, MAX_TRIGGER_LENGTH)
    tokens, place = [], 0
    while place < len(trigger):
        piece = _PIECE.match(trigger, place)
        if piece is None:
            raise BadTrigger(_describe_character(trigger[place]), place)
        if piece.lastgroup != "space":
            kind = Kind[str(piece.lastgroup)]
            text = _ESCAPED.sub(r"\1", piece["TEXT"]) if kind is Kind.TEXT else piece[0]
            tokens.append(Token(kind, text, place, piece.end()))
        place = piece.end()
    return [*tokens, Token(Kind.END, "", place, place)]


def _describe_character(character: str) -> str:
    if character == '"':
        return "the text in quotes has no end"
    if character == "'":
        return "texts stand in double quotes"
    return "cannot be read"
