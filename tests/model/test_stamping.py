"""Stamping: an event gets the id and the time that it lacks, and nothing else happens to it."""

from __future__ import annotations

import copy
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterable_destination.model.segment_event import EventHeader
from iterable_destination.model.stamping import clock_shift, shift_time, stamp
from tests.support import strategies
from tests.support.lazy import Lazy, Unreadable, UnreadableMapping
from tests.support.raising_values import BUILDERS, ERRORS, RaisingClass

NOW = datetime(2026, 2, 7, 10, 0, 0, 999_999, UTC)
STAMP = {"messageId": "new-id", "timestamp": "2026-02-07T10:00:00.999Z"}
TRACK = {"type": "track", "userId": "u-1", "event": "Seen", "properties": {"n": 1}}
COMPLETE = TRACK | {"messageId": "m-1", "timestamp": "2023-02-05T20:42:10Z"}


class Empty(Enum):
    NOTHING = None
    BLANK = " "


def stamped(event: Any, now: datetime = NOW) -> Any:
    return stamp(event, now, lambda: "new-id")


# --- Ids and times -------------------------------------------------------------------------------


def test_an_event_gets_what_it_lacks() -> None:
    assert stamped(TRACK) == TRACK | STAMP
    assert stamped({}) == STAMP
    with_id, with_time = TRACK | {"messageId": "m-1"}, TRACK | {"timestamp": "2023-02-05"}
    assert stamped(with_id) == with_id | {"timestamp": STAMP["timestamp"]}
    assert stamped(with_time) == with_time | {"messageId": "new-id"}


def test_an_event_that_lacks_nothing_is_returned_itself() -> None:
    assert stamped(COMPLETE) is COMPLETE


@pytest.mark.parametrize(
    "none",
    [None, "", " ", "\t\n", [], {}, True, Empty.NOTHING, Empty.BLANK, Lazy(None), Lazy("")],
    ids=repr,
)
def test_an_id_that_is_none_is_replaced(none: Any) -> None:
    assert stamped(COMPLETE | {"messageId": none}) == COMPLETE | {"messageId": "new-id"}


@pytest.mark.parametrize(
    "own", ["m-1", " m-1", 7, 1.0, Decimal(7), "x" * 600, Lazy("m-1")], ids=repr
)
def test_an_id_stays(own: Any) -> None:
    event = COMPLETE | {"messageId": own}
    assert stamped(event) is event


@pytest.mark.parametrize("none", [None, Empty.NOTHING, Lazy(None)], ids=repr)
def test_a_time_that_is_null_is_replaced(none: Any) -> None:
    event = COMPLETE | {"timestamp": none, "originalTimestamp": none}
    assert stamped(event) == event | {"timestamp": STAMP["timestamp"]}


@pytest.mark.parametrize(
    "own", ["2023-02-05", "", "no date", 0, 1_700_000_000, NOW, Lazy("2023")], ids=repr
)
@pytest.mark.parametrize("key", ["timestamp", "originalTimestamp"])
def test_a_time_stays_be_it_a_date_or_not(key: str, own: Any) -> None:
    event = TRACK | {"messageId": "m-1", key: own}
    assert stamped(event) is event


def test_when_an_event_was_sent_or_received_is_not_its_time() -> None:
    event = COMPLETE | {"sentAt": "2023-02-05", "receivedAt": "2023-02-05", "timestamp": None}
    assert stamped(event) == event | {"timestamp": STAMP["timestamp"]}


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2026, 2, 7, tzinfo=UTC), "2026-02-07T00:00:00.000Z"),
        (datetime(2026, 2, 7, 10, 0, 0, 1_999, UTC), "2026-02-07T10:00:00.001Z"),
    ],
)
def test_a_time_has_milliseconds(now: datetime, expected: str) -> None:
    assert stamped({}, now)["timestamp"] == expected


@pytest.mark.parametrize("wrap", [MappingProxyType, Lazy])
def test_any_object_is_stamped(wrap: Any) -> None:
    found = stamped(wrap(dict(TRACK)))
    assert type(found) is dict
    assert found == TRACK | STAMP
    complete = wrap(dict(COMPLETE))
    assert stamped(complete) is complete


@pytest.mark.parametrize("value", [None, "text", b"{}", 1, [TRACK], (), object()])
def test_what_is_no_object_stays(value: Any) -> None:
    assert stamped(value) is value


def test_a_webhook_of_iterables_stays() -> None:
    webhook = {"email": "ada@example.com", "eventName": "emailOpen", "dataFields": {}}
    assert stamped(webhook) is webhook
    assert stamped(TRACK | {"eventName": "mine"}) == TRACK | {"eventName": "mine"} | STAMP


@pytest.mark.parametrize("build", [Unreadable, UnreadableMapping])
def test_an_event_that_cannot_be_read_stays(build: Any) -> None:
    event = build()
    assert stamped(event) is event


@pytest.mark.parametrize("error", [*ERRORS, SystemError])
@pytest.mark.parametrize("build", BUILDERS)
def test_what_a_value_raises_is_not_raised(build: Any, error: type[Exception]) -> None:
    for key in ("messageId", "timestamp"):
        event = TRACK | {key: build(error)}
        found = stamped(event)  # a list that raises at its first element is no id, and not read
        assert found is event or found[key] is event[key] or found[key] == "new-id"
    event = TRACK | {"timestamp": RaisingClass(error)}
    assert stamped(event) is event


@pytest.fixture
def handled() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGUSR1, stop)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.usefixtures("handled")
def test_what_a_signal_handler_raises_is_raised() -> None:
    def make_id() -> str:
        signal.raise_signal(signal.SIGUSR1)
        return "new-id"

    with pytest.raises(TimeoutError):
        stamp(TRACK, NOW, make_id)


events = strategies.python_events | strategies.anything


@given(events)
def test_nothing_else_changes_and_never_the_callers_event(event: Any) -> None:
    before = dict(event) if isinstance(event, dict) else None
    found = stamped(event)
    if found is event:
        return
    whole = dict(event)
    assert before is None or before == whole
    assert all(event[key] is whole[key] for key in whole)
    changed = {key for key in found if key not in whole or found[key] is not whole[key]}
    assert changed <= {"messageId", "timestamp"}
    assert whole.keys() <= found.keys()
    assert all(found[key] == STAMP[key] for key in changed)


@given(strategies.read_events, st.sets(st.sampled_from(["messageId", "timestamp"])))
def test_a_stamped_event_has_an_id_and_is_stamped_once(event: Any, without: set[str]) -> None:
    for key in without:
        event.pop(key, None)
    before = copy.deepcopy(event)
    found = stamped(event)
    assert repr(event) == repr(before)  # NaN is no NaN
    assert EventHeader({**found, "type": "track"}).message_id is not None
    assert stamped(found) is found


# --- Clocks --------------------------------------------------------------------------------------

RECEIVED = datetime(2026, 2, 7, 10, 0, 0, 456_789, UTC)


@pytest.mark.parametrize(
    ("sent_at", "seconds"),
    [
        ("2026-02-07T09:00:00.456Z", 3600.0),
        ("2026-02-07T11:00:00.456Z", -3600.0),
        ("2026-02-07T10:00:00.456+01:00", 3600.0),
        ("2026-02-07T09:00:00.456", 3600.0),
        ("2026-02-07T09:59:59.456Z", 1.0),
        ("2026-02-07T09:59:59.457Z", 0.0),
        ("2026-02-07T10:00:01.456Z", 0.0),
        ("2026-02-07T10:00:01.457Z", -1.001),
        (1_770_454_800, 3600.456),
        ("2025-02-07T10:00:00.456Z", 365 * 86_400.0),
        ("2027-02-08T10:00:00.456789Z", -366 * 86_400.0),
    ],
)
def test_the_clock_of_a_client_is_known_by_when_it_sent(sent_at: Any, seconds: float) -> None:
    assert clock_shift(sent_at, RECEIVED) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "sent_at",
    [
        *(None, "", "now", True, [], {}, "05/02/2023", 0, "0", "1970-01-01T00:00:00.000Z"),
        *("2025-02-06T10:00:00.000Z", "2027-02-08T10:00:00.458Z", "9999-12-31T23:59:59Z"),
        *("0001-01-01T00:00:00Z", float("inf"), 10**400),
    ],
)
def test_a_moment_of_sending_that_cannot_be_true_says_nothing(sent_at: Any) -> None:
    assert clock_shift(sent_at, RECEIVED) == timedelta(0)


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("2026-02-07T08:00:00.001Z", "2026-02-07T08:01:00.501Z"),
        ("2026-02-07T08:00:00.500Z", "2026-02-07T08:01:01.000Z"),
        ("2026-02-07T08:00:00.000001Z", "2026-02-07T08:01:00.500001Z"),
        ("2026-02-07T09:00:00+01:00", "2026-02-07T08:01:00.500Z"),
        ("2026-02-07T08:00:00", "2026-02-07T08:01:00.500Z"),
        (1_770_451_200, "2026-02-07T08:01:00.500Z"),
    ],
)
def test_a_time_is_moved_and_the_own_one_kept(own: Any, expected: str) -> None:
    event = TRACK | {"timestamp": own}
    before = dict(event)
    found = shift_time(event, timedelta(seconds=60.5))
    assert found == event | {"timestamp": expected, "originalTimestamp": own}
    assert event == before


@pytest.mark.parametrize(
    "event",
    [
        *(None, "text", [COMPLETE], TRACK, TRACK | {"timestamp": None}),
        *(TRACK | {"timestamp": own} for own in ("", "no date", "05/02/2023", True)),
        COMPLETE | {"originalTimestamp": "2023-02-05T20:42:10Z"},
        COMPLETE | {"receivedAt": "2023-02-05T20:42:10Z"},
        COMPLETE | {"timestamp": "9999-12-31T23:59:59Z"},
    ],
)
def test_other_times_stay(event: Any) -> None:
    assert shift_time(event, timedelta(seconds=60)) is event


def test_by_no_shift_no_time_is_moved() -> None:
    assert shift_time(COMPLETE, timedelta(0)) is COMPLETE


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001 - UTC is added
    st.integers(-86_400_000, 86_400_000),
    st.integers(0, 86_400_000),
)
def test_moving_a_time_undoes_what_is_wrong_with_the_clock(
    happened: datetime, error: int, waited: int
) -> None:
    """Sent at once when it was received, an event has the time at which it happened."""
    happened = happened.replace(tzinfo=UTC)
    received = happened + timedelta(milliseconds=waited)
    wrong = timedelta(milliseconds=error)
    event = {"timestamp": (happened + wrong).isoformat()}
    found = shift_time(event, clock_shift((received + wrong).isoformat(), received))
    off = datetime.fromisoformat(found["timestamp"]) - happened
    assert off == (timedelta(0) if abs(error) >= 1000 else wrong)


def test_what_was_moved_is_not_moved_again() -> None:
    moved = shift_time(COMPLETE, timedelta(seconds=60))
    assert shift_time(moved, timedelta(seconds=60)) is moved
