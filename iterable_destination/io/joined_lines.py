"""Joined lines: JSON values that stand over several lines, such as people paste.

A line that is a complete value is one, as in JSON Lines. Any other line begins a value that goes on
in the lines after it, or an array of values at the top of a file. A string of JSON ends on its own
line, so a value is followed token by token, and nothing is read again where all is well.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

from iterable_destination.model.json_codec import decode

#: A line and its number; or a value, and the number of the line on which it begins.
Line = tuple[int, bytes]

#: The longest value over several lines, in bytes and in lines.
MAX_BYTES: Final = 4_000_000
MAX_LINES: Final = 100_000
#: Levels of a value over several lines: more than an event may have.
MAX_LEVELS: Final = 200

#: A string, a sign, or what should be a number, ``true``, ``false`` or ``null``.
_TOKEN: Final = re.compile(rb'\s*("[^"\\\n]*(?:\\.[^"\\\n]*)*"|[][{},:]|[^][{},:"\s]+)')
_SPACES: Final = re.compile(rb"\s*")
_ENDS: Final = {b"{": b"}", b"[": b"]"}

#: What may come next; the last of them is a comma, a value or the end of an array, of which a line
#: could not be read.
_VALUE, _VALUE_OR_END, _KEY, _KEY_OR_END, _COLON, _COMMA_OR_END, _ANY_OF_ARRAY = range(7)


class _BrokenError(Exception):
    """What was read cannot become a value."""


def join_lines(lines: Iterable[Line]) -> Iterator[Line]:
    """Yield the values of one file, each with the number of the line on which it begins.

    ``lines`` are those of the file, with their numbers. An array at its top is its elements, but
    not one on a single line that holds no object. If a value does not become complete within
    :data:`MAX_BYTES`, :data:`MAX_LINES` and :data:`MAX_LEVELS`, the first of its lines comes as it
    is, and reading goes on with the line after it.
    """
    rest, again, joiner = iter(lines), deque[Line](), _Joiner()
    is_top = True
    while (line := again.popleft() if again else next(rest, None)) or joiner.is_inside:
        is_array = line is not None and is_top and _is_array(line[1])
        is_top = False
        if is_array and line is not None:
            joiner.begin_array(line)
        elif line is not None and not joiner.is_inside and _is_complete(line[1]):
            joiner.pass_over()
            yield line
            continue
        try:
            yield from joiner.feed(line)
        except _BrokenError:
            values, broken = joiner.give_up(line)
            yield from values
            again.extendleft(reversed(broken))
            yield again.popleft()
    if joiner.array is not None:  # it has no end
        yield joiner.array


def _is_complete(text: bytes) -> bool:
    try:
        decode(text)
    except ValueError:
        return False
    return True


def _is_array(text: bytes) -> bool:
    """Whether a line begins an array that goes on, or is one that holds an object."""
    if not text.lstrip().startswith(b"["):
        return False
    try:
        value = decode(text)
    except ValueError:
        return True
    return any(isinstance(each, dict) for each in value)


class _Joiner:
    """Follows the values in lines that are fed to it, one after another."""

    def __init__(self) -> None:
        #: The line of the array at the top of the file, while that is open.
        self.array: Line | None = None
        #: The first line of the value that is open, where it begins there, and its other lines.
        self._first: Line | None = None
        self._start = 0
        self._others: list[Line] = []
        self._size = 0
        #: The values that the line completed.
        self._values: list[Line] = []
        #: The objects and lists that are open, and how many of them are no part of a value.
        self._open: list[bytes] = []
        self._base = 0
        self._next = _VALUE

    @property
    def is_inside(self) -> bool:
        """Whether a value has begun and is not complete."""
        return self._first is not None

    def begin_array(self, line: Line) -> None:
        """Take the values in the array that begins on this line for those of the file."""
        self.array, self._open, self._base, self._next = line, [b"["], 1, _VALUE_OR_END

    def pass_over(self) -> None:
        """Go on after a line that was no part of this."""
        self._next = _ANY_OF_ARRAY if self._base else _VALUE

    def feed(self, line: Line | None) -> list[Line]:
        """Return the values that end on a line; raises :exc:`_BrokenError` if it does not fit.

        None is the end of the file, which fits in no value.
        """
        if line is None:
            raise _BrokenError
        self._values, text = [], line[1]
        if self._first is not None:
            self._size += len(text)
            if self._size > MAX_BYTES or len(self._others) + 2 > MAX_LINES:
                raise _BrokenError
        place = text.index(b"[") + 1 if line is self.array else 0
        while token := _TOKEN.match(text, place):
            begin, place = token.span(1)
            if self._first is None and self._is_value(token[1][:1]):
                self._first, self._start, self._size = line, begin, len(text)
            if self._take(token[1][:1]):
                self._end_value(line, place)
        if not _SPACES.fullmatch(text, place):  # a string that does not end
            raise _BrokenError
        if self._first is not None and self._first is not line:
            self._others.append(line)
        return self._values

    def give_up(self, line: Line | None) -> tuple[list[Line], list[Line]]:
        """Forget what is open after a line that does not fit; None is the end of the file.

        Returns the values before it that are complete, and the lines from the first that is in
        none.
        """
        ends = [] if line is None else [line]
        if self._first is None or self._first is line:
            values, lines = [each for each in self._values if each[0] != ends[0][0]], ends
        else:
            values, lines = [], [self._first, *self._others, *ends]
        if lines[0] is self.array:
            self.array, self._base = None, 0
        self._first, self._others = None, []
        self._open = self._open[: self._base]
        self.pass_over()
        return values, lines

    def _is_value(self, sign: bytes) -> bool:
        """Whether this is the first sign of a value, and none between values."""
        return len(self._open) == self._base and sign not in b",:]}"

    def _take(self, sign: bytes) -> bool:
        """Take the first sign of the next token, and return whether a value ends with it."""
        expected = self._next
        if sign == b"," and expected in {_COMMA_OR_END, _ANY_OF_ARRAY}:
            self._next = _KEY if self._open[-1] == b"{" else _VALUE
        elif sign == b":" and expected == _COLON:
            self._next = _VALUE
        elif sign == b'"' and expected in {_KEY, _KEY_OR_END}:
            self._next = _COLON
        elif sign not in b",:]}" and expected in {_VALUE, _VALUE_OR_END, _ANY_OF_ARRAY}:
            if sign not in b"{[":
                return self._close()
            self._open.append(sign)
            self._next = _KEY_OR_END if sign == b"{" else _VALUE_OR_END
            if len(self._open) > MAX_LEVELS:
                raise _BrokenError
        elif expected not in {_VALUE, _KEY, _COLON} and sign == _ENDS[self._open[-1]]:
            self._open.pop()
            return self._close()
        else:
            raise _BrokenError
        return False

    def _close(self) -> bool:
        """Go on after a value inside or outside of others; return whether it is one of the file."""
        if len(self._open) < self._base:
            self.array, self._base = None, 0
            self._next = _VALUE
            return False
        self._next = _COMMA_OR_END if self._open else _VALUE
        return len(self._open) == self._base

    def _end_value(self, line: Line, place: int) -> None:
        first = self._first or line
        if first is line:
            text = line[1][self._start : place]
        else:
            between = b"".join(text for _, text in self._others)
            text = first[1][self._start :] + between + line[1][:place]
        if not _is_complete(text):
            raise _BrokenError
        self._values.append((first[0], text))
        self._first, self._others = None, []
