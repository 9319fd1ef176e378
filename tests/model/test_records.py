"""Records: the event that each carries, and what stays of it when the caller changes it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterable_destination import translate
from iterable_destination.errors import InvalidEvent, InvalidJSON
from iterable_destination.model import json_codec, records
from iterable_destination.model.records import (
    EventRecord,
    LineRecord,
    OutboxRecord,
    as_record,
    serialize_for_storage,
)
from iterable_destination.model.serialization import serialize_event
from tests.support.lazy import UnreadableMapping


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


SPREAD = [
    (b'{\n"a": 1\n"b": 2}', "Expecting ',' delimiter, in line 7, at character 1"),
    (b'{"a": x,\n"b": 2}', "Expecting value, in line 5, at character 7"),
    (b'{\n\n"a": "\xff"}', "no UTF-8 in line 7, at byte 7"),
    (b'{"a": \xff,\n"b": 2}', "no UTF-8 in line 5, at byte 7"),
    (b'{"a": 1\n', "Expecting ',' delimiter, at character 9"),
    (b'{"a": \xff\n', "no UTF-8 at byte 7"),
]


@pytest.mark.parametrize(("text", "reason"), SPREAD)
def test_an_error_in_a_value_of_several_lines_names_the_line(text: bytes, reason: str) -> None:
    with pytest.raises(InvalidJSON, match=f"^line 5: no JSON: {re.escape(reason)}$"):
        LineRecord(5, text, may_be_lines=True).event()


def test_lines_in_a_text_that_is_no_line_of_input_are_not_counted() -> None:
    with pytest.raises(InvalidJSON, match=r"Expecting ',' delimiter, at character 10$"):
        LineRecord(5, SPREAD[0][0]).event()


@pytest.mark.parametrize(
    "record", [EventRecord(1, {}), LineRecord(1, b"{}"), OutboxRecord(1, b"{}")], ids=type
)
def test_a_record_is_taken_as_it_is(record: Any) -> None:
    assert as_record(9, record) is record


@pytest.mark.parametrize("event", [{"type": "track"}, b"{}", None], ids=type)
def test_anything_else_is_an_event(event: Any) -> None:
    assert as_record(9, event) == EventRecord(9, event)


# --- Lines by either JSON library ------------------------------------------------------------

BOM = b"\xef\xbb\xbf"
CODECS = ["standard library", "orjson"] if json_codec.HAS_ORJSON else ["standard library"]


@pytest.fixture(params=CODECS)
def _either_codec(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_codec, "HAS_ORJSON", request.param == "orjson")


@pytest.mark.usefixtures("_either_codec")
@pytest.mark.parametrize(
    ("text", "event"),
    [
        (b"{}", {}),
        (b' {"a": [1, 2.5, null, true, "\\u00e9"]} \r\n', {"a": [1, 2.5, None, True, "é"]}),
        ('{"é":"😀"}\n'.encode(), {"é": "😀"}),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'{"a":123456789012345678901234567890}', {"a": 123456789012345678901234567890}),
        (b'{"a":"\\ud800"}', {"a": "\ud800"}),
        (b'{"a":Infinity}', {"a": float("inf")}),
        (BOM + b'{"a":1}', {"a": 1}),
    ],
)
def test_a_line_is_read_as_its_json_object(text: bytes, event: Any) -> None:
    assert LineRecord(1, text).event() == event


@pytest.mark.usefixtures("_either_codec")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"[]", "JSON, but no object"),
        (b"null\n", "JSON, but no object"),
        (b'"text"', "JSON, but no object"),
        (b"12", "JSON, but no object"),
        (b"NaN", "JSON, but no object"),
        (b"secret", "no JSON: Expecting value, at character 1"),
        (b'{"secret"}', "no JSON: Expecting ':' delimiter, at character 10"),
        (b'{"a":"secret', "no JSON: Unterminated string starting at, at character 6"),
        (b'{"a":1} {"b":2}', "no JSON: Extra data, at character 9"),
        (b'{}\r{"a":1}', "no JSON: Extra data, at character 4"),
        (b"\x00", "no JSON: Expecting value, at character 1"),
        (b'{"a":"\xff"}', "no JSON: no UTF-8 at byte 7"),
        (b'{"a":"\xc3', "no JSON: no UTF-8 at byte 7"),
        ('{"a":"é"}'.encode("latin-1"), "no JSON: no UTF-8 at byte 7"),
        (b"\xff\xfe" + '{"a":1}'.encode("utf-16-le"), "no JSON: no UTF-8 at byte 1"),
        (b"\xfe\xff" + '{"a":1}'.encode("utf-16-be"), "no JSON: no UTF-8 at byte 1"),
        (
            '{"a":1}'.encode("utf-16-le"),
            "no JSON: Expecting property name enclosed in double quotes, at character 2",
        ),
        ('{"a":1}'.encode("utf-16-be"), "no JSON: Expecting value, at character 1"),
        ('{"a":1}'.encode("utf-32-be"), "no JSON: Expecting value, at character 1"),
        (BOM, "no JSON: Expecting value, at character 1"),
        (BOM + b"{}" + BOM, "no JSON: Extra data, at character 3"),
        (b"[" * 100_000 + b"]" * 100_000, "no JSON: nested too deeply to be read"),
        (b'{"a":' * 100_000, "no JSON: nested too deeply to be read"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_line_that_is_no_json_object_is_told_with_its_number(text: bytes, words: str) -> None:
    with pytest.raises(InvalidJSON) as caught:
        LineRecord(17, text).event()
    assert str(caught.value) == f"line 17: {words}"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert "secret" not in str(caught.value)


@given(text=st.binary())
def test_any_line_is_an_object_or_an_invalid_one(text: bytes) -> None:
    try:
        event = LineRecord(1, text).event()
    except InvalidJSON as error:
        assert str(error).startswith("line 1: ")  # noqa: PT017 - either way is right
    else:
        assert isinstance(event, dict)


def test_a_key_that_is_no_string_is_refused_however_the_event_was_kept() -> None:
    event = {1: "a", None: "b", "type": "track", "userId": "u-1", "event": "A"}
    kept = serialize_event(event).encoded()
    for record in (
        EventRecord(0, event),
        EventRecord(0, event).snapshot(),
        LineRecord(1, kept),
        OutboxRecord(1, kept),
    ):
        with pytest.raises(InvalidEvent) as caught:
            translate(record.event())
        assert [problem.path for problem in caught.value.problems] == ["$"]
        assert serialize_event(record.event()).encoded() == kept
    lookalike = {"ud800not a string: 1": "a", "type": "track", "userId": "u-1", "event": "A"}
    assert translate(OutboxRecord(1, serialize_event(lookalike).encoded()).event()).calls


def test_an_event_with_a_value_that_raises_is_kept_in_words() -> None:
    kept = serialize_for_storage({"type": "track", "properties": UnreadableMapping()})
    assert b"OSError" in kept
    assert b"ada@" not in kept


def test_where_memory_ends_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(records, "serialize_event", fail)
    with pytest.raises(MemoryError):
        serialize_for_storage({})


def test_whatever_else_is_raised_becomes_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(records, "serialize_event", fail)
    assert b"cannot be read: ZeroDivisionError" in serialize_for_storage({"a": 1})
