"""What files say about one event: dead letters, outboxes, lines of `send`, and events themselves.

Which of these a line is, its content says. Only Iterable's own words are left out, which can repeat
an event.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from iterable_destination.errors import InvalidEvent, InvalidJSON
from iterable_destination.io.json_lines import STANDARD_INPUT, open_lines
from iterable_destination.io.outbox import is_sqlite, read_waiting
from iterable_destination.mapping.translate import Translate
from iterable_destination.model.calls import Identity
from iterable_destination.model.endpoints import EVENTS_TRACK, TRACK_PURCHASE
from iterable_destination.model.records import LineRecord
from iterable_destination.model.segment_event import read_message_id
from iterable_destination.model.serialization import DEAD_LETTER
from iterable_destination.model.settings import Settings
from iterable_destination.model.translation import FailedSubscription

#: What stands beside an outbox, and belongs to it.
_BESIDE_OUTBOX: Final = ("-wal", "-shm", "-journal", "-deliverer")
#: Errors whose message is this package's own, and so repeats no value.
_OWN_ERRORS: Final = frozenset(
    {"InvalidEvent", "InvalidWebhook", "InvalidJSON", "NotSent", "UnwritableFile"}
)
#: What makes a line one of `translate`, where it is no event.
_TRANSLATED: Final = frozenset({"calls", "skipped", "error", "track", "ignored"})


@attrs.frozen
class Finding:
    """What one place says about the event."""

    #: The file, and the line in it if it has lines.
    place: str
    #: What became of the event, as one line.
    words: str
    #: The event, if it is there; else None.
    event: Any = attrs.field(default=None, repr=False)


@attrs.frozen
class EventReader:
    """Reads what would become of an event."""

    translate: Translate
    settings: Settings

    def describe(self, event: Any) -> str:
        """Say what the event translates to, or why to nothing."""
        try:
            translation = self.translate(event, self.settings)
        except InvalidEvent as error:
            return f"refused: {error}"
        if translation.skipped is not None:
            return f"skipped: {translation.skipped}"
        calls = ", ".join(
            [f"{each.endpoint.method} {each.endpoint.path}" for each in translation.calls]
        )
        failed = map(_describe_failure, translation.errors)
        return "".join([f"translates to {calls}", *failed])

    def identify(self, event: Any) -> Identity | None:
        """Return whom the event is about, or None if that is not known."""
        try:
            translation = self.translate(event, self.settings)
        except InvalidEvent as error:
            who = error.identity
        else:
            calls = translation.calls
            who = calls[0].identity if calls else translation.identity
        return who if isinstance(who, Identity) and not who.is_anonymous else None

    def is_kept(self, event: Any) -> bool:
        """Whether Iterable keeps an event of it, and not only what it changes of a profile."""
        try:
            calls = self.translate(event, self.settings).calls
        except InvalidEvent:
            return True
        kept = {EVENTS_TRACK, TRACK_PURCHASE}
        return not calls or any(each.endpoint in kept for each in calls)


def _describe_failure(failed: FailedSubscription) -> str:
    problems = "; ".join([f"{each.path}: {each.message}" for each in failed.problems])
    return f"; the subscription {failed.subscription} is refused: {problems}"


def find_in_file(path: str, message_id: str, reader: EventReader) -> Iterator[Finding]:
    """Yield what a file says about the event with this ``messageId``.

    ``path`` is ``-`` for standard input. A file is only read. Raises
    :exc:`~errors.UnreadableInput` or :exc:`~errors.OutboxError` if it cannot be.
    """
    if path != STANDARD_INPUT and _is_sqlite(path):
        yield from _find_in_outbox(path, message_id)
    elif not _is_beside_outbox(path):
        yield from _find_in_lines(path, message_id, reader)


def _is_sqlite(path: str) -> bool:
    return Path(path).is_file() and is_sqlite(path)  # a pipe can be read only once


def _is_beside_outbox(path: str) -> bool:
    return any(path.endswith(end) and _is_sqlite(path.removesuffix(end)) for end in _BESIDE_OUTBOX)


def _find_in_outbox(path: str, message_id: str) -> Iterator[Finding]:
    for record in read_waiting(path):
        event = record.event()
        if isinstance(event, dict) and read_message_id(event.get("messageId")) == message_id:
            yield Finding(path, f"waits, number {record.number}", event)


def _find_in_lines(path: str, message_id: str, reader: EventReader) -> Iterator[Finding]:
    written = message_id.encode("utf-8", "surrogatepass")
    with open_lines(path, joins=True) as lines:
        for line in lines:
            if written in line.text or b"\\" in line.text:  # it may be written with escapes
                place = f"{lines.name}:{line.number}"
                yield from _read_line(line, place, message_id, reader)


def _read_line(
    line: LineRecord, place: str, message_id: str, reader: EventReader
) -> Iterator[Finding]:
    try:
        found = line.event()
    except InvalidJSON as error:
        if message_id.encode("utf-8", "surrogatepass") in line.text:
            _, _, reason = str(error).partition(": ")  # without the number of the line
            yield Finding(place, f"is named there; refused: {reason}")
        return
    if read_message_id(found.get("messageId")) != message_id:
        return
    letter = found.get(DEAD_LETTER)
    if "outcome" in found and "type" not in found:
        yield Finding(place, _describe_outcome(found))
    elif isinstance(letter, dict):
        event = {key: value for key, value in found.items() if key != DEAD_LETTER}
        yield Finding(place, _describe_outcome(letter), event)
    elif "type" in found or not _TRANSLATED & found.keys():
        yield Finding(place, f"is there; {reader.describe(found)}", found)


def _describe_outcome(outcome: dict[str, Any]) -> str:
    """Say what a line of `send`, or a dead letter, says."""
    words = _as_text(outcome.get("outcome"))
    if isinstance(outcome.get("time"), str):
        words += f" at {outcome['time']}"
    if isinstance(outcome.get("skipped"), str):
        words += f": {outcome['skipped']}"
    error = outcome.get("error")
    if isinstance(error, dict):
        words += f": {_describe_error(error)}"
    failures = outcome.get("failures")
    for each in failures if isinstance(failures, list) else ():
        if isinstance(each, dict):
            subscription, name, kind = (
                _as_text(each.get(key)) for key in ("subscription", "outcome", "type")
            )
            path = each.get("path")
            words += (
                f"; the subscription {subscription} is {name} at {path}: {kind}"
                if isinstance(path, str)
                else f"; the subscription {subscription} is {name}: {kind}"
            )
    return words


def _describe_error(error: dict[str, Any]) -> str:
    kind, message = _as_text(error.get("type")), _as_text(error.get("message"))
    if kind in _OWN_ERRORS:
        return message if kind == "InvalidEvent" else f"{kind}: {message}"
    code, request = error.get("code"), error.get("requestId")
    return kind + "".join(
        [
            f", {word}{_as_text(value)}"
            for word, value in (("", code), ("request ", request))
            if value is not None
        ]
    )


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else "?"


def describe_count(files: Sequence[str]) -> str:
    """Say that no file has the event."""
    return "not found in 1 file" if len(files) == 1 else f"not found in {len(files):,} files"
