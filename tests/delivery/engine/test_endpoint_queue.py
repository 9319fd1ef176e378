"""EndpointQueue: which envelopes form one batch, checked against a slow model."""

from __future__ import annotations

import random
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iterable_destination.delivery.engine.bulk import ITERABLE_BULK_ENDPOINTS
from iterable_destination.delivery.engine.endpoint_queue import EndpointQueue, split_index
from iterable_destination.delivery.engine.envelope import Envelope, UserQueue
from iterable_destination.model import endpoints
from iterable_destination.model.calls import EncodedCall, Identity, TrackEvent, encode_call
from iterable_destination.model.endpoints import MAX_BODY_BYTES, MAX_BULK_ITEMS
from tests.support.examples import examples

EVENTS = ITERABLE_BULK_ENDPOINTS[endpoints.EVENTS_TRACK.path]
USERS = ITERABLE_BULK_ENDPOINTS[endpoints.USERS_UPDATE.path]
CALL = encode_call(TrackEvent(Identity("a@x.com"), "Seen"))


@cache
def build_call(size: int) -> EncodedCall:
    return CALL._replace(body=b"x" * size)


def build_user_queue(*sizes: int, first: int = 0) -> UserQueue:
    """Return a user queue in which envelopes with bodies of these sizes wait."""
    queue = UserQueue("#a")
    calls = [build_call(size) for size in sizes]
    queue.waiting = [
        Envelope(index, None, calls=(each,), sequence=index)
        for index, each in enumerate(calls, first)
    ]
    return queue


def join(
    endpoint_queue: EndpointQueue, queue: UserQueue, batchable: int | None = None, now: float = 0.0
) -> None:
    batchable = len(queue.waiting) if batchable is None else batchable
    endpoint_queue.join(
        queue,
        batchable,
        sum(len(envelope.item) for envelope in list(queue.waiting)[:batchable]),
        now,
    )


def build_track_queue() -> EndpointQueue:
    return EndpointQueue(EVENTS.endpoint, EVENTS)


def measure_body(envelopes: list[Envelope]) -> int:
    """Return how long the body with these envelopes is."""
    commas = max(len(envelopes) - 1, 0)
    return len(EVENTS.body([])) + sum(len(envelope.item) for envelope in envelopes) + commas


def fits(envelopes: list[Envelope]) -> bool:
    return len(envelopes) <= MAX_BULK_ITEMS and measure_body(envelopes) <= MAX_BODY_BYTES


def check(endpoint_queue: EndpointQueue) -> None:
    runs = [
        envelope
        for queue in endpoint_queue.user_queues
        for envelope in list(queue.waiting)[: queue.batchable]
    ]
    assert endpoint_queue.items == len(runs)
    assert endpoint_queue.bytes == sum(len(envelope.item) for envelope in runs)
    assert all(
        queue.endpoint_queue is endpoint_queue and 1 <= queue.batchable <= len(queue.waiting)
        for queue in endpoint_queue.user_queues
    )
    assert endpoint_queue.is_full == (
        len(runs) >= MAX_BULK_ITEMS or measure_body(runs) >= MAX_BODY_BYTES
    )


@given(st.integers(0, 2**64))
@settings(max_examples=examples(150))
def test_requests_are_formed_as_a_slow_model_has_them(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - chance, not secrecy
    sizes = dice.choice(
        [[2, 3], [2, 900_000, 1_700_000], [EVENTS.capacity, 5, EVENTS.capacity - 6]]
    )
    endpoint_queue, sequence = build_track_queue(), 0
    for _ in range(40):
        happens = dice.choice(["join", "join", "extend", "leave", "take"])
        queues = list(endpoint_queue.user_queues)
        if happens == "join":
            queue = build_user_queue(*dice.choices(sizes, k=dice.randint(1, 4)), first=sequence)
            sequence += 4
            join(endpoint_queue, queue, dice.randint(1, len(queue.waiting)))
        elif happens == "extend" and queues:
            queue = dice.choice(queues)
            others = list(queue.waiting)
            queue.waiting.append(Envelope(sequence, None, calls=(CALL,)))
            assert endpoint_queue.takes_more_of(queue) == (queue.batchable == len(others))
            if endpoint_queue.takes_more_of(queue):
                endpoint_queue.extend(queue, len(CALL.body))
        elif happens == "leave" and queues:
            queue = dice.choice(queues)
            endpoint_queue.leave(queue)
            assert (queue.endpoint_queue, queue.batchable, queue.batchable_bytes) == (None, 0, 0)
        elif happens == "take" and queues:
            expect_request(endpoint_queue)
        check(endpoint_queue)
    while endpoint_queue.user_queues:
        expect_request(endpoint_queue)
        check(endpoint_queue)
    assert (endpoint_queue.items, endpoint_queue.bytes) == (0, 0)


def expect_request(endpoint_queue: EndpointQueue) -> None:
    lined_up = [
        (queue, envelope)
        for queue in endpoint_queue.user_queues
        for envelope in list(queue.waiting)[: queue.batchable]
    ]
    count = len(lined_up)
    while not fits([envelope for _, envelope in lined_up[:count]]):
        count -= 1
    expected = lined_up[:count]
    before = list(endpoint_queue.user_queues)
    taken = endpoint_queue.take(7.0)
    assert taken == [envelope for _, envelope in expected]
    assert taken
    assert endpoint_queue.since == 7.0
    gone = [queue for queue, _ in expected]
    assert list(endpoint_queue.user_queues) == [queue for queue in before if queue not in gone]
    assert all(queue.in_flight == gone.count(queue) for queue in before)


def test_a_request_has_a_thousand_items_at_most_and_leaves_the_rest_in_line() -> None:
    endpoint_queue = build_track_queue()
    queues = [build_user_queue(*[2] * 300, first=1_000 * number) for number in range(5)]
    for queue in queues:
        join(endpoint_queue, queue)
    taken = endpoint_queue.take(0.0)
    assert len(taken) == MAX_BULK_ITEMS
    assert [queue.in_flight for queue in queues] == [300, 300, 300, 100, 0]
    assert list(endpoint_queue.user_queues) == queues[4:]
    assert len(queues[3].waiting) == 200


def test_what_has_no_bulk_goes_singly_in_order_of_arrival() -> None:
    endpoint_queue = EndpointQueue(endpoints.TRACK_PURCHASE, None)
    one, other = build_user_queue(5, first=1), build_user_queue(7, first=2)
    join(endpoint_queue, one, now=1.0)
    join(endpoint_queue, other, now=2.0)
    assert endpoint_queue.is_full
    assert endpoint_queue.since == 1.0
    assert [envelope.index for envelope in endpoint_queue.take(3.0)] == [1]
    assert endpoint_queue.since == 3.0
    assert [envelope.index for envelope in endpoint_queue.take(4.0)] == [2]
    assert not endpoint_queue.user_queues
    assert not endpoint_queue.is_full


def test_more_of_a_user_goes_along_only_where_many_of_a_user_may() -> None:
    for bulk, takes in [(EVENTS, True), (USERS, False), (None, False)]:
        endpoint_queue = EndpointQueue(endpoints.EVENTS_TRACK, bulk)
        queue = build_user_queue(2)
        join(endpoint_queue, queue)
        queue.waiting.append(Envelope(9, None, calls=(CALL,)))
        assert endpoint_queue.takes_more_of(queue) is takes


def test_a_stop_notes_since_when_something_waits() -> None:
    endpoint_queue = build_track_queue()
    join(endpoint_queue, build_user_queue(2), now=5.0)
    join(endpoint_queue, build_user_queue(2), now=6.0)
    assert endpoint_queue.since == 5.0
    for queue in list(endpoint_queue.user_queues):
        endpoint_queue.leave(queue)
    join(endpoint_queue, build_user_queue(2), now=9.0)
    assert endpoint_queue.since == 9.0


# --- Where a list is split ---------------------------------------------------------------------

A, B, C = UserQueue("#a"), UserQueue("#a"), UserQueue("#a")


@pytest.mark.parametrize(
    ("queues", "place"),
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
    queues: list[UserQueue], place: int | None
) -> None:
    assert split_index(queues) == place
