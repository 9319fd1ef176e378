"""Records: what carries an event into delivery, be it the event itself or its bytes in JSON."""

from __future__ import annotations

from json import JSONDecodeError
from typing import Any, Final

import attrs

from iterable_destination.errors import InvalidJSON
from iterable_destination.model.interruptions import raise_interruption
from iterable_destination.model.json_codec import decode
from iterable_destination.model.json_copy import unreadable_problem
from iterable_destination.model.serialization import NO_STRING, serialize_event, unreadable


@attrs.frozen(slots=False)  # quick to make
class EventRecord:
    """An event that was handed in as Python's values."""

    #: Which event it was of those handed in, from 0.
    index: int
    _event: Any = attrs.field(repr=False)

    def event(self) -> Any:
        """Return the event, the caller's own."""
        return self._event

    def snapshot(self) -> Record:
        """Return a record that stays the same when the caller changes the event.

        The record itself if a value of the event raises when it is read: it is refused then.
        """
        try:
            return LineRecord(self.index + 1, serialize_event(self._event).encoded())
        except Exception as error:  # noqa: BLE001 - values may raise anything
            raise_interruption(error)
            return self


@attrs.frozen(slots=False)  # quick to make
class LineRecord:
    """One line of input that is not blank, or the lines of one value."""

    #: Which line of the input it is, or the first of them, from 1; blank lines count.
    number: int
    #: The line as it was read, perhaps with its line break.
    text: bytes
    #: Whether the text may be several lines of the input, one of which an error names.
    may_be_lines: bool = False

    @property
    def index(self) -> int:
        """Which line it is, from 0."""
        return self.number - 1

    def event(self) -> dict[str, Any]:
        """Return the line's JSON object; raises :exc:`InvalidJSON` if it is none."""
        try:
            value = decode(self.text)
        except ValueError as error:
            first = self.number if self.may_be_lines else None
            message = f"line {self.number}: no JSON: {_describe_without_content(error, first)}"
            raise InvalidJSON(message) from None
        if not isinstance(value, dict):
            message = f"line {self.number}: JSON, but no object"
            raise InvalidJSON(message)
        return _restore_keys(value, self.text)

    def snapshot(self) -> Record:
        """Return the record itself, which never changes."""
        return self


@attrs.frozen(slots=False)  # quick to make
class OutboxRecord:
    """An event in an outbox."""

    #: Its number, which is not given twice. In a file later ones are greater.
    number: int
    #: The event in JSON.
    text: bytes = attrs.field(repr=False)

    @property
    def index(self) -> int:
        """Its number."""
        return self.number

    def event(self) -> Any:
        """Return the event, as JSON's values.

        If its bytes were damaged, those bytes, which are no event.
        """
        try:
            value = decode(self.text)
        except ValueError:
            return self.text
        return _restore_keys(value, self.text) if isinstance(value, dict) else value

    def snapshot(self) -> Record:
        """Return the record itself, which never changes."""
        return self


#: How :data:`NO_STRING` stands in JSON.
_NO_STRING: Final = b'"\\ud800not a string: '


class _NoString:
    """A key that is no string, so that the event is refused like the original."""

    def __init__(self, words: str) -> None:
        self._words: Final = words

    def __repr__(self) -> str:
        return self._words


def _restore_keys(event: dict[Any, Any], text: bytes) -> dict[Any, Any]:
    """Return an event whose top has keys that are no strings, as the original had.

    Deeper ones are refused as they are; at the top nobody would read them.
    """
    if _NO_STRING not in text:
        return event
    return {
        _NoString(key.removeprefix(NO_STRING)) if key.startswith(NO_STRING) else key: value
        for key, value in event.items()
    }


def serialize_for_storage(event: Any) -> bytes:
    """Return any event in its serialized form, in one line.

    If a value of it raises when it is read, this is a description, which is refused when it is
    translated. Raises :exc:`MemoryError` alone.
    """
    try:
        return serialize_event(event).encoded()
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - values may raise anything
        raise_interruption(error)
        return unreadable(event, unreadable_problem(error)).encoded()


#: Whatever carries an event. ``index`` is that of its outcome.
Record = EventRecord | LineRecord | OutboxRecord


def as_record(index: int, source: Any) -> Record:
    """Return a record as it is, and an event as a record with this index."""
    return source if isinstance(source, Record) else EventRecord(index, source)


def _describe_without_content(error: ValueError, first: int | None) -> str:
    """Say what is wrong with a text and where, but repeat nothing of it.

    ``first`` is the number of its first line, None if lines are not told apart.
    """
    if isinstance(error, UnicodeDecodeError):
        lines = error.object[: error.start].split(b"\n")
        if first is None or b"\n" not in error.object[:-1]:
            return f"no UTF-8 at byte {error.start + 1}"
        return f"no UTF-8 in line {first + len(lines) - 1}, at byte {len(lines[-1]) + 1}"
    if isinstance(error, JSONDecodeError):
        if first is None or "\n" not in error.doc[:-1]:
            return f"{error.msg}, at character {error.pos + 1}"
        return f"{error.msg}, in line {first + error.lineno - 1}, at character {error.colno}"
    return str(error)
