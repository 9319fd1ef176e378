"""Joined lines: JSON values that stand over several lines, such as people paste.

A line that is a complete value is one, as in JSON Lines. Any other line begins a value that goes on
in the lines after it, or an array of values at the top of a file. A string of JSON ends on its own
line, so a value is followed token by token, and nothing is read again where all is well. Of what
cannot become a value all lines come together, so that one error tells of it.
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
#: What opens or ends an object or a list; a string is taken whole, so that nothing in it counts.
_BRACKET: Final = re.compile(rb'"[^"\\\n]*(?:\\.[^"\\\n]*)*"|[][{}]')

#: What may come next; the last of them is a comma, a value or the end of an array, of which a line
#: could not be read.
_VALUE, _VALUE_OR_END, _KEY, _KEY_OR_END, _COLON, _COMMA_OR_END, _ANY_OF_ARRAY = range(7)


class _BrokenError(Exception):
    """What was read cannot become a value."""


def join_lines(lines: Iterable[Line]) -> Iterator[Line]:
    """Yield the values of one file, each with the number of the line on which it begins.

    ``lines`` are those of the file, with their numbers. An array at its top is its elements, but
    not one on a single line that holds no object. What cannot become a value, or does not within
    :data:`MAX_BYTES`, :data:`MAX_LINES` and :data:`MAX_LEVELS`, comes as it is, once, with its line
    breaks. Reading goes on after its last bracket, or with the first line that is surely none of
    it: indented no deeper than its first, and complete or the beginning of an object or a list.
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
            values, lines, start = joiner.give_up(line)
            yield from (each for each in values if each[0] != lines[0][0])
            again.extendleft(reversed(lines))
            broken = _read_broken(again, rest, start)
            if not broken.is_spread and lines[0] is joiner.array:
                joiner.forget_array()
            elif broken.is_spread and start:  # else its text has all of its first line
                yield from (each for each in values if each[0] == lines[0][0])
            yield broken.line
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


def _read_broken(again: deque[Line], rest: Iterator[Line], start: int) -> _Broken:
    """Read all of what cannot become a value, which begins in the first line in ``again``."""
    broken = _Broken(again.popleft(), start)
    while broken.is_open and (line := again.popleft() if again else next(rest, None)):
        after = broken.add(line) if broken.takes(line) else line
        if after is not None:
            again.appendleft(after)
            break
    return broken


def _indent(text: bytes) -> int:
    return len(text) - len(text.lstrip(b" \t"))


class _Broken:
    """The lines of what cannot become a value, of which the first is known.

    They are known by their indents and brackets. Where nothing is open after the first line it is
    alone, as a broken line among JSON lines is.
    """

    def __init__(self, first: Line, start: int) -> None:
        self._first: Final = first
        self._texts = [first[1][start:]]
        self._last, self._lines, self._size = first[0], 1, len(first[1])
        self._indent: Final = _indent(first[1])
        #: How many objects and lists are open.
        self._depth = 0
        for sign in _BRACKET.findall(first[1], start):
            self._depth = max(self._depth + _step(sign), 0)

    @property
    def is_spread(self) -> bool:
        """Whether it has more lines than one."""
        return self._lines > 1

    @property
    def line(self) -> Line:
        """All of it, with the number of its first line; a single line as it was read."""
        if not self.is_spread:
            return self._first
        return self._first[0], b"".join(self._texts).rstrip()

    @property
    def is_open(self) -> bool:
        """Whether more lines may belong to it."""
        return self._depth > 0 and self._lines < MAX_LINES

    def takes(self, line: Line) -> bool:
        """Whether the next line is one of its lines, and not surely another value."""
        text = line[1]
        if self._size + len(text) > MAX_BYTES:
            return False
        indent, begin = _indent(text), text.lstrip()[:1]
        if not self.is_spread:  # it may be one of JSON lines, and all others are whole
            return (indent > self._indent or begin in b'"}],:') and not _is_complete(text)
        if indent > self._indent:
            return True
        return indent == self._indent and begin not in b"{[" and not _is_complete(text)

    def add(self, line: Line) -> Line | None:
        """Add a line up to where the value ends; return what of it comes after, None if nothing."""
        number, text = line
        end = len(text)
        for found in _BRACKET.finditer(text):
            self._depth += _step(found[0])
            if not self._depth:
                end = found.end()
                break
        self._texts += [b"\n" * (number - self._last - 1), text[:end]]  # blank lines count
        self._last = number
        self._lines += 1
        self._size += len(text)
        after = text[end:].lstrip(b",; \t\r\n")
        return (number, after) if after else None


def _step(sign: bytes) -> int:
    """Return what a bracket, or a string, adds to the number of those that are open."""
    return 1 if sign in {b"{", b"["} else -1 if sign in _ENDS.values() else 0


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

    def forget_array(self) -> None:
        """Go on as if the array at the top of the file had not begun."""
        self.array, self._base, self._open = None, 0, []
        self.pass_over()

    def give_up(self, line: Line | None) -> tuple[list[Line], list[Line], int]:
        """Forget what is open after a line that does not fit; None is the end of the file.

        Returns the values that end on that line, the lines from the first that is in none of those
        that came before, and where in this first one begins what is given up.
        """
        start = 0 if self._first is None else self._start
        ends = [] if line is None else [line]
        if self._first is None or self._first is line:
            values, lines = self._values, ends
        else:
            values, lines = [], [self._first, *self._others, *ends]
        self._first, self._others = None, []
        self._open = self._open[: self._base]
        self.pass_over()
        return values, lines, start

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
