"""Events of rows: read, with the names and the time by which they are put in order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import attrs

from iterable_destination.delivery.iterable_project import IterableProject
from iterable_destination.delivery.prepare import Preparer
from iterable_destination.errors import InvalidJSON
from iterable_destination.mapping.translate import Translate, translator_for
from iterable_destination.model.dates import read_date
from iterable_destination.model.records import EventRecord, LineRecord, Record
from iterable_destination.model.segment_event import read_message_id
from iterable_destination.model.settings import Settings
from iterable_destination.spark.rows import Row, as_optional_text, as_text

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
#: The time of an event that has none: it is delivered after all others.
_LATEST: Final = 2**63 - 1
#: Digits of a text's hash in an id that is made of it.
_DIGITS: Final = 40

#: The columns of :class:`ReadNames`.
ORDERED: Final[dict[str, Any]] = {
    "value": "binary",
    "names": [str],
    "time": "int64",
    "received": "int64",
    "message_id": "string",
}


def read_record(index: int, text: bytes) -> Record:
    """Return the record of an event's text.

    If the event has no ``messageId`` it gets one that is made of the text, so that a repeat has the
    same one. A text that is no event is kept as it is, to be refused.
    """
    line = LineRecord(index + 1, text)
    try:
        event = line.event()
    except (InvalidJSON, RecursionError):
        return line
    if read_message_id(event.get("messageId")) is None:
        event = {**event, "messageId": f"spark-{sha256(text).hexdigest()[:_DIGITS]}"}
    return EventRecord(index, event)


def make_preparer(settings: Settings, translator: Translate | None) -> Preparer:
    """Return what a destination prepares events with; nothing is sent by it."""
    project = IterableProject(settings, translator or translator_for(settings))
    return Preparer(project, stamp_ids=True, keeps_records=False)


@attrs.frozen
class ReadNames:
    """Reads the names and the times of events, as a destination orders them."""

    settings: Settings
    translator: Translate | None

    def __call__(self, rows: Iterator[Row]) -> Iterator[Row]:
        """Yield a row of :data:`ORDERED` for each row with a ``value``."""
        prepare = make_preparer(self.settings, self.translator).prepare
        for index, row in enumerate(rows):
            record = read_record(index, row["value"])
            envelope, names = prepare(index, record)
            time, received = _find_times(record)
            yield {
                "value": row["value"],
                "names": sorted(map(as_text, names)),
                "time": time,
                "received": received,
                "message_id": as_optional_text(envelope.message_id),
            }


def _find_times(record: Record) -> tuple[int, int]:
    """Return when an event happened and when it was received, in microseconds of Unix time."""
    event = record.event() if isinstance(record, EventRecord) else {}
    received = _read_time(event, "receivedAt")
    happened = _read_time(event, "timestamp", "originalTimestamp", "receivedAt")
    return happened, received


def _read_time(event: dict[str, Any], *names: str) -> int:
    for name in names:
        moment = read_date(event.get(name))
        if moment is not None:
            return (moment - _EPOCH) // _MICROSECOND
    return _LATEST
