"""The lexer of FQL: split a trigger into tokens, each with its place."""

from __future__ import annotations

import re
from enum import Enum
from typing import Final, NamedTuple

from iterable_destination.errors import Reason

#: Longer triggers are refused. Ours: Segment documents no limit.
MAX_TRIGGER_LENGTH: Final = 10_000


class BadTrigger(ValueError):
    """A text is not a trigger."""

    def __init__(self, message: str, place: int) -> None:
        """``place`` is the mistake's character in the trigger, counted from 0."""
        self.reason: Final = Reason("invalid-trigger", f"at character {place + 1}: {message}")
        super().__init__(self.reason.message)


class Kind(Enum):
    """What a token is; the value is its name in messages."""

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
    """A token of a trigger."""

    kind: Kind
    #: The token as it is written; for a text in quotes, the text between them.
    text: str
    start: int
    end: int


#: The tokens; the first alternative that matches counts. Names may have a backslash before a
#: character that would end them. No alternative backtracks, so no text takes long.
_TOKEN: Final = re.compile(
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
    """Split a trigger into tokens, with one for its end; raises :exc:`BadTrigger`."""
    if len(trigger) > MAX_TRIGGER_LENGTH:
        message = f"a trigger has at most {MAX_TRIGGER_LENGTH:,} characters"
        raise BadTrigger(message, MAX_TRIGGER_LENGTH)
    tokens, place = [], 0
    while place < len(trigger):
        piece = _TOKEN.match(trigger, place)
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
