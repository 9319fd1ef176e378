"""Stops: what goes together in one request, as a slow model has it."""

from __future__ import annotations

import random
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iterable_destination.delivery.engine.bulk import BULKS
from iterable_destination.delivery.engine.endpoint_queue import Stop, boundary
from iterable_destination.delivery.engine.envelope import Lane, Parcel
from iterable_destination.model import endpoints
from iterable_destination.model.calls import Identity, Mark, TrackEvent, mark
from iterable_destination.model.endpoints import MAX_BODY_BYTES, MAX_BULK_ITEMS

EVENTS = BULKS[endpoints.EVENTS_TRACK.path]
USERS = BULKS[endpoints.USERS_UPDATE.path]
MARK = mark(TrackEvent(Identity("a@x.com"), "Seen"))


@cache
def mark_of(size: int) -> Mark:
    return MARK._replace(body=b"x" * size)


def lane_of(*sizes: int, first: int = 0) -> Lane:
    """Return a lane in which parcels with bodies of these sizes wait."""
    lane = Lane()
    marks = [mark_of(size) for size in sizes]
    lane.waiting = [
        Parcel(index, None, marks=(each,), serial=index) for index, each in enumerate(marks, first)
    ]
    return lane


def join(stop: Stop, lane: Lane, run: int | None = None, now: float = 0.0) -> None:
    run = len(lane.waiting) if run is None else run
    stop.join(lane, run, sum(len(parcel.item) for parcel in list(lane.waiting)[:run]), now)


def track_stop() -> Stop:
    return Stop(EVENTS.endpoint, EVENTS)


def length(parcels: list[Parcel]) -> int:
    """Return how long the body with these parcels is."""
    commas = max(len(parcels) - 1, 0)
    return len(EVENTS.body([])) + sum(len(parcel.item) for parcel in parcels) + commas


def fits(parcels: list[Parcel]) -> bool:
    return len(parcels) <= MAX_BULK_ITEMS and length(parcels) <= MAX_BODY_BYTES


def check(stop: Stop) -> None:
    runs = [parcel for lane in stop.lanes for parcel in list(lane.waiting)[: lane.run]]
    assert stop.items == len(runs)
    assert stop.bytes == sum(len(parcel.item) for parcel in runs)
    assert all(lane.stop is stop and 1 <= lane.run <= len(lane.waiting) for lane in stop.lanes)
    assert stop.is_full == (len(runs) >= MAX_BULK_ITEMS or length(runs) >= MAX_BODY_BYTES)


@given(st.integers(0, 2**64))
@settings(max_examples=150)
def test_requests_are_formed_as_a_slow_model_has_them(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - chance, not secrecy
    sizes = dice.choice([[2, 3], [2, 900_000, 1_700_000], [EVENTS.room, 5, EVENTS.room - 6]])
    stop, serial = track_stop(), 0
    for _ in range(40):
        happens = dice.choice(["join", "join", "extend", "leave", "take"])
        lanes = list(stop.lanes)
        if happens == "join":
            lane = lane_of(*dice.choices(sizes, k=dice.randint(1, 4)), first=serial)
            serial += 4
            join(stop, lane, dice.randint(1, len(lane.waiting)))
        elif happens == "extend" and lanes:
            lane = dice.choice(lanes)
            others = list(lane.waiting)
            lane.waiting.append(Parcel(serial, None, marks=(MARK,)))
            assert stop.takes_more_of(lane) == (lane.run == len(others))
            if stop.takes_more_of(lane):
                stop.extend(lane, len(MARK.body))
        elif happens == "leave" and lanes:
            lane = dice.choice(lanes)
            stop.leave(lane)
            assert (lane.stop, lane.run, lane.run_bytes) == (None, 0, 0)
        elif happens == "take" and lanes:
            expect_request(stop)
        check(stop)
    while stop.lanes:
        expect_request(stop)
        check(stop)
    assert (stop.items, stop.bytes) == (0, 0)


def expect_request(stop: Stop) -> None:
    lined_up = [(lane, parcel) for lane in stop.lanes for parcel in list(lane.waiting)[: lane.run]]
    count = len(lined_up)
    while not fits([parcel for _, parcel in lined_up[:count]]):
        count -= 1
    expected = lined_up[:count]
    before = list(stop.lanes)
    taken = stop.take(7.0)
    assert taken == [parcel for _, parcel in expected]
    assert taken
    assert stop.since == 7.0
    gone = [lane for lane, _ in expected]
    assert list(stop.lanes) == [lane for lane in before if lane not in gone]
    assert all(lane.flying == gone.count(lane) for lane in before)


def test_a_request_has_a_thousand_items_at_most_and_leaves_the_rest_in_line() -> None:
    stop = track_stop()
    lanes = [lane_of(*[2] * 300, first=1_000 * number) for number in range(5)]
    for lane in lanes:
        join(stop, lane)
    taken = stop.take(0.0)
    assert len(taken) == MAX_BULK_ITEMS
    assert [lane.flying for lane in lanes] == [300, 300, 300, 100, 0]
    assert list(stop.lanes) == lanes[4:]
    assert len(lanes[3].waiting) == 200


def test_what_has_no_bulk_goes_singly_in_order_of_arrival() -> None:
    stop = Stop(endpoints.TRACK_PURCHASE, None)
    one, other = lane_of(5, first=1), lane_of(7, first=2)
    join(stop, one, now=1.0)
    join(stop, other, now=2.0)
    assert stop.is_full
    assert stop.since == 1.0
    assert [parcel.index for parcel in stop.take(3.0)] == [1]
    assert stop.since == 3.0
    assert [parcel.index for parcel in stop.take(4.0)] == [2]
    assert not stop.lanes
    assert not stop.is_full


def test_more_of_a_user_goes_along_only_where_many_of_a_user_may() -> None:
    for bulk, takes in [(EVENTS, True), (USERS, False), (None, False)]:
        stop = Stop(endpoints.EVENTS_TRACK, bulk)
        lane = lane_of(2)
        join(stop, lane)
        lane.waiting.append(Parcel(9, None, marks=(MARK,)))
        assert stop.takes_more_of(lane) is takes


def test_a_stop_notes_since_when_something_waits() -> None:
    stop = track_stop()
    join(stop, lane_of(2), now=5.0)
    join(stop, lane_of(2), now=6.0)
    assert stop.since == 5.0
    for lane in list(stop.lanes):
        stop.leave(lane)
    join(stop, lane_of(2), now=9.0)
    assert stop.since == 9.0


# --- Where a list may be cut -------------------------------------------------------------------

A, B, C = Lane(), Lane(), Lane()


@pytest.mark.parametrize(
    ("lanes", "place"),
    [
        ([A, B], 1),
        ([A, A, A, B], 3),
        ([A, B, B, B], 1),
        ([A, A, B, B], 2),
        ([A, B, B, C], 1),
        ([A, B, C, C], 2),
        ([A, A, A], None),
        ([A], None),
        ([], None),
    ],
)
def test_a_list_is_cut_between_two_users_nearest_to_its_middle(
    lanes: list[Lane], place: int | None
) -> None:
    assert boundary(lanes) == place
