"""Dead letters as lines of JSON, which can be sent again as they are."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import attrs

from iterable_destination.model.interruptions import raise_interruption
from iterable_destination.model.json_copy import unreadable_problem
from iterable_destination.model.json_values import as_object
from iterable_destination.model.outcomes import Outcome
from iterable_destination.model.responses import redact
from iterable_destination.model.serialization import (
    DEAD_LETTER,
    SerializedEvent,
    serialize_event,
    unreadable,
)

#: Places that JSON cannot hold, of which a line names so many.
_MAX_PROBLEMS: Final = 20


@attrs.frozen
class DeadLetter:
    """An event that was given up, and its outcome."""

    #: The event's outcome; usually rejected or unknown.
    outcome: Outcome
    #: The event as the caller passed it in.
    event: Any = attrs.field(default=None, repr=False)
    #: The line of input as it was read, if it was no JSON object, so that there is no event; else
    #: None.
    line: bytes | None = attrs.field(default=None, repr=False)


@attrs.frozen
class LetterEncoder:
    """Encodes dead letters, each as one line.

    A line is the event itself with a key ``deadLetter`` at its top, which has ``outcome``,
    ``index`` and ``error`` as in the outcome's summary, and ``time``. A value that JSON cannot hold
    is stored as a description, which is refused again, and ``notJSON`` has its place.
    """

    #: What is removed from ``deadLetter``, not from the event; None is nothing.
    secret: str | None = attrs.field(repr=False)

    def encode(self, letter: DeadLetter, now: datetime) -> bytes:
        """Encode a letter without a line break; ``now`` is a moment in UTC.

        If a value of its event raises when it is read, a description of the event is encoded.
        """
        try:
            return self._encode_line(letter, now)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - no event may keep others out of the file
            raise_interruption(error)
            plain = unreadable(letter.event, unreadable_problem(error))
            return self._encode_line(attrs.evolve(letter, event=plain.value), now)

    def _encode_line(self, letter: DeadLetter, now: datetime) -> bytes:
        about = letter.outcome.summary()
        about.pop("messageId")
        about["time"] = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if letter.line is not None:
            about["line"] = letter.line.rstrip(b"\r\n").decode("utf-8", "backslashreplace")
            return SerializedEvent({DEAD_LETTER: self._redact(about)}).encoded()
        plain = _serialize(letter.event)
        if plain.problems:
            about["notJSON"] = [attrs.asdict(each) for each in plain.problems[:_MAX_PROBLEMS]]
        event = plain.value
        if not isinstance(event, dict):  # It cannot be sent again, but must not be lost.
            event, about = {}, about | {"event": event}
        about = _restore_unsendable(event) | about
        whole = {**event, DEAD_LETTER: self._redact(about)}
        return attrs.evolve(plain, value=whole).encoded()

    def _redact(self, about: dict[str, Any]) -> Any:
        return redact(about, self.secret) if self.secret else about


def _serialize(event: Any) -> SerializedEvent:
    """Serialize an event without the ``deadLetter`` of an earlier line."""
    try:
        fields = as_object(event)
        if fields is not None and DEAD_LETTER in fields:
            event = {key: value for key, value in fields.items() if key != DEAD_LETTER}
        return serialize_event(event)
    except Exception as error:  # noqa: BLE001 - a Mapping of the caller's may raise anything
        raise_interruption(error)
        return unreadable(event, unreadable_problem(error))


def _restore_unsendable(event: dict[str, Any]) -> dict[str, Any]:
    """Return the line or value that an earlier dead letter stored because it was no event."""
    before = event.get(DEAD_LETTER)
    if not isinstance(before, dict):
        return {}
    return {key: before[key] for key in ("line", "event") if key in before}
