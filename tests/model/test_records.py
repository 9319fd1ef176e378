"""Records: the event that each carries, and what stays of it when the caller changes it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from iterable_destination.errors import InvalidJSON
from iterable_destination.model.records import EventRecord, LineRecord, OutboxRecord, as_record


def nest(levels: int) -> dict[str, Any]:
    event: dict[str, Any] = {}
    for _ in range(levels):
        event = {"a": event}
    return event


def call_near_the_recursion_limit(function: Callable[[], Any]) -> Any:
    """Return what a function returns where the fewest calls are left in which it returns."""
    try:
        return call_near_the_recursion_limit(function)
    except RecursionError:
        return function()


# --- Events ------------------------------------------------------------------------------------


def test_an_event_record_carries_the_callers_own_event() -> None:
    event = {"type": "track"}
    record = EventRecord(3, event)
    assert record.event() is event
    assert repr(record) == "EventRecord(index=3)"


def test_a_snapshot_keeps_the_event_as_it_was() -> None:
    event = {"type": "track", "timestamp": datetime(2023, 2, 5, tzinfo=UTC), "properties": {}}
    snapshot = EventRecord(3, event).snapshot()
    event.clear()
    text = b'{"type":"track","timestamp":"2023-02-05T00:00:00Z","properties":{}}'
    assert snapshot == LineRecord(4, text)
    assert snapshot.index == 3


def test_an_event_too_deep_for_the_caller_is_its_own_snapshot() -> None:
    record = EventRecord(0, nest(50))
    assert isinstance(record.snapshot(), LineRecord)
    assert call_near_the_recursion_limit(record.snapshot) is record


# --- Lines -------------------------------------------------------------------------------------


def test_a_line_record_reads_its_event() -> None:
    record = LineRecord(5, b'{"type": "track"}\n')
    assert (record.index, record.event()) == (4, {"type": "track"})
    assert record.snapshot() is record


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"secret": \xff}', "line 5: no JSON: no UTF-8 at byte 12"),
        (b'{"secret": x}', "line 5: no JSON: Expecting value, at character 12"),
        (b"[" * 100_000, "line 5: no JSON: nested too deeply to be read"),
        (b'["secret"]', "line 5: JSON, but no object"),
    ],
    ids=["encoding", "syntax", "depth", "type"],
)
def test_a_line_that_is_no_json_object_is_refused_without_its_content(
    text: bytes, message: str
) -> None:
    with pytest.raises(InvalidJSON) as caught:
        LineRecord(5, text).event()
    assert str(caught.value) == message


# --- The outbox --------------------------------------------------------------------------------


def test_an_outbox_record_reads_its_event() -> None:
    record = OutboxRecord(8, b'{"type":"track"}')
    assert (record.index, record.event()) == (8, {"type": "track"})
    assert record.snapshot() is record
    assert repr(record) == "OutboxRecord(number=8)"


def test_a_damaged_outbox_record_gives_its_bytes() -> None:
    assert OutboxRecord(8, b'{"type":').event() == b'{"type":'


# --- Whatever is handed in ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "record", [EventRecord(1, {}), LineRecord(1, b"{}"), OutboxRecord(1, b"{}")], ids=type
)
def test_a_record_is_taken_as_it_is(record: Any) -> None:
    assert as_record(9, record) is record


@pytest.mark.parametrize("event", [{"type": "track"}, b"{}", None], ids=type)
def test_anything_else_is_an_event(event: Any) -> None:
    assert as_record(9, event) == EventRecord(9, event)
