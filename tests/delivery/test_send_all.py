"""Many events at once: each has its outcome, in its user's order, whatever goes wrong."""

from __future__ import annotations

import errno
import gc
import json
import logging
import os
import re
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count, islice, pairwise
from pathlib import Path
from typing import Any

import pytest

from iterable_destination import (
    ApiResponse,
    Client,
    DeadLetters,
    Destination,
    NotSent,
    Outcome,
    RetryPolicy,
    Settings,
    Translation,
    errors,
    translate,
)
from iterable_destination.delivery.policies import Runtime
from iterable_destination.model import endpoints, json_codec, records
from iterable_destination.model.calls import Identity, TrackEvent, UpdateUser
from iterable_destination.model.records import LineRecord
from iterable_destination.model.segment_event import SegmentEvent
from iterable_destination.testing import (
    Fault,
    LocalIterable,
    Project,
    RandomFaults,
    Received,
    Response,
    Script,
    faults,
)
from tests.support.delivering import (
    QUICK,
    RATE_LIMITS,
    WAIT_SECONDS,
    Leaks,
    applied,
    by_index,
    cart,
    collect,
    delivering,
    doubled_ids,
    history,
    identify,
    inversions,
    names,
    number_of,
    order,
    page,
    screen,
    settings_of,
    together,
    track,
    wait_until,
)

Apply = Callable[[], Response]

BULKS = (endpoints.USERS_BULK_UPDATE.path, endpoints.EVENTS_TRACK_BULK.path)


@pytest.fixture(autouse=True)
def _no_leaks() -> Iterator[None]:
    leaks = Leaks()
    yield
    leaks.check()


# One outcome for each ----------------------------------------------------------------------------

#: What is handed in, its outcome, and where it went.
MIXED: list[tuple[Callable[[int], Any], str, str]] = [
    (lambda n: identify(n, f"u-{n}"), "delivered", endpoints.USERS_BULK_UPDATE.path),
    (lambda n: track(n, f"u-{n}"), "delivered", endpoints.EVENTS_TRACK_BULK.path),
    (lambda n: page(n, f"u-{n}"), "delivered", endpoints.EVENTS_TRACK_BULK.path),
    (lambda n: screen(n, f"u-{n}"), "delivered", endpoints.EVENTS_TRACK_BULK.path),
    (lambda n: order(n, f"u-{n}"), "delivered", endpoints.TRACK_PURCHASE.path),
    (lambda n: cart(n, f"u-{n}"), "delivered", endpoints.UPDATE_CART.path),
    (lambda n: {"type": "track", "event": "A", "messageId": f"m-{n}"}, "rejected", ""),
    (lambda n: order(n, f"u-{n}") | {"properties": {}}, "rejected", ""),
    (lambda n: {"type": "group", "userId": f"u-{n}", "messageId": f"m-{n}"}, "skipped", ""),
    (lambda _: None, "rejected", ""),
    (lambda n: n, "rejected", ""),
    (lambda _: "text", "rejected", ""),
    (lambda _: [], "rejected", ""),
    (lambda _: {}, "rejected", ""),
    (lambda _: {"type": 5}, "rejected", ""),
    (
        lambda n: {"type": "track", "event": "A", "userId": f"u-{n}", "properties": 1},
        "rejected",
        "",
    ),
    (lambda n: LineRecord(n + 1, b"no JSON"), "rejected", ""),
    (
        lambda n: LineRecord(n + 1, json.dumps(track(n, f"u-{n}")).encode()),
        "delivered",
        endpoints.EVENTS_TRACK_BULK.path,
    ),
]


@pytest.mark.usefixtures("each_driver")
def test_every_event_of_every_kind_has_one_outcome_with_its_index() -> None:
    kinds = [MIXED[n % len(MIXED)] for n in range(len(MIXED) * 20)]
    events = [make(n) for n, (make, _, _) in enumerate(kinds)]
    with LocalIterable() as iterable, delivering(iterable) as to:
        outcomes = by_index(to.send_all(together(to, events)))
    assert names(outcomes) == [name for _, name, _ in kinds]
    for event, outcome in zip(events, outcomes, strict=True):
        if isinstance(event, dict):
            assert outcome.message_id == event.get("messageId")
        assert (outcome.error is None) == (outcome.name != "rejected")
        assert outcome.attempts == (outcome.name == "delivered")
    went = {number_of(effect): effect.path for effect in iterable.project.effects}
    assert went == {n: path for n, (_, _, path) in enumerate(kinds) if path}
    assert to.counters.outcomes == Counter(name for _, name, _ in kinds)
    assert to.counters.requests == Counter(each.path for each in iterable.project.requests)


@pytest.mark.usefixtures("each_driver")
@pytest.mark.parametrize("events", [0, 1, 2])
def test_few_events_are_no_special_case(events: int) -> None:
    with LocalIterable() as iterable, delivering(iterable) as to:
        outcomes = by_index(to.send_all(history(events, 1)))
    assert names(outcomes) == ["delivered"] * events
    assert len(iterable.project.requests) == events


@pytest.mark.usefixtures("each_driver")
def test_an_outcome_of_a_bulk_says_what_one_of_a_single_request_says() -> None:
    with LocalIterable() as iterable, delivering(iterable) as to:
        [outcome] = to.send_all([track(0)])
    assert outcome.message_id == "m-0"
    assert [call.endpoint.path for call in outcome.calls] == [endpoints.EVENTS_TRACK.path]
    assert outcome.request_id is not None
    assert outcome.summary() == {"index": 0, "messageId": "m-0", "outcome": "delivered"}


@pytest.mark.usefixtures("each_driver")
def test_ids_are_stamped_unless_they_are_not_wanted() -> None:
    for stamp_ids, expected in ((True, ["m-0", "m-1"]), (False, [None, None])):
        with LocalIterable() as iterable, delivering(iterable, stamp_ids=stamp_ids) as to:
            assert names(to.send_all([track(0), order(1)])) == ["delivered"] * 2
        assert [effect.id for effect in iterable.project.effects] == expected


@pytest.mark.usefixtures("each_driver")
def test_what_iterable_refuses_is_told_of_the_item_alone() -> None:
    project = Project(forgotten={"u-3"}, disallowed_events={"Seen"})
    events = [identify(0, "u-0"), track(1, "u-1"), page(2, "u-2"), identify(3, "u-3")]
    with LocalIterable(project) as iterable, delivering(iterable) as to:
        outcomes = by_index(to.send_all(events))
    assert names(outcomes) == ["delivered", "rejected", "delivered", "rejected"]
    assert type(outcomes[1].error) is errors.EventDisallowed
    assert type(outcomes[3].error) is errors.ForgottenUser


@pytest.mark.usefixtures("each_driver")
def test_what_is_rejected_does_not_hold_its_user_back() -> None:
    project = Project(disallowed_events={"Bad"})
    events = [track(0), track(1) | {"event": "Bad"}, identify(2), track(3)]
    with LocalIterable(project) as iterable, delivering(iterable) as to:
        outcomes = list(to.send_all(events))
    assert names(outcomes) == ["delivered", "rejected", "delivered", "delivered"]
    assert [outcome.index for outcome in outcomes] == [0, 1, 2, 3]
    assert applied(iterable.project.effects) == [0, 2, 3]


@pytest.mark.usefixtures("each_driver")
@pytest.mark.parametrize("path", BULKS)
def test_one_bad_item_of_many_is_found_and_the_others_are_delivered(path: str) -> None:
    """The whole bulk is refused for it, and its answer blames nobody that is of any help."""

    def refuses(received: Received, apply: Apply) -> Response | Fault:
        if b'"n":77}' in received.body:
            return Response(400, {"Content-Type": "application/json"}, b'{"code":"BadParams"}')
        return apply()

    make = identify if path == BULKS[0] else track
    with LocalIterable(faults=refuses) as iterable, delivering(iterable) as to:
        outcomes = by_index(to.send_all(make(n, f"u-{n}") for n in range(200)))
    assert [outcome.index for outcome in outcomes if outcome.name != "delivered"] == [77]
    assert type(outcomes[77].error) is errors.BadRequest
    assert sorted(applied(iterable.project.effects)) == [n for n in range(200) if n != 77]


# Bodies ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("each_driver")
def test_bodies_are_full_and_within_the_limits() -> None:
    text = "ä" * 20_000
    events: list[Any] = [track(n, f"u-{n % 7}") for n in range(3_000)]
    events += [identify(n, f"u-{n}") for n in range(3_000, 5_500)]
    events += [track(n, f"u-{n}", properties={"n": n, "t": text}) for n in range(5_500, 5_800)]
    with LocalIterable() as iterable, delivering(iterable) as to:
        outcomes = by_index(to.send_all(events))
        assert set(names(outcomes)) == {"delivered"}
        requests = iterable.project.requests
    assert max(len(request.content) for request in requests) <= endpoints.MAX_BODY_BYTES
    bulks = [next(iter(each.body.values())) for each in requests if "ulk" in each.path]
    items = [*map(len, bulks), *[1] * (len(requests) - len(bulks))]
    assert max(items) == endpoints.MAX_BULK_ITEMS
    assert sum(items) == len(events)
    # 3 of tracks, 3 of identifies, 4 of 4 MB; more if the machine is busy while events still come
    assert len(requests) <= 40
    assert max(len(request.content) for request in requests) > endpoints.MAX_BODY_BYTES * 0.98


@pytest.mark.usefixtures("each_driver")
def test_what_fits_in_no_bulk_goes_alone_and_what_fits_nowhere_is_rejected() -> None:
    def sized(n: int, size: int) -> dict[str, Any]:
        def event(padding: int) -> dict[str, Any]:
            return track(n, f"u-{n}", properties={"n": n, "t": "a" * padding})

        call = TrackEvent(Identity(None, f"u-{n}"), "Seen", {"n": n, "t": ""}, id=f"m-{n}")
        bare = len(json.dumps(call.body(), separators=(",", ":")))
        return event(size - bare)

    limit = endpoints.MAX_BODY_BYTES
    events = [sized(0, limit), sized(1, limit - 5), sized(2, limit + 1), sized(3, 100)]
    events.append(sized(4, 100))
    with LocalIterable() as iterable, delivering(iterable) as to:
        outcomes = by_index(to.send_all(together(to, events)))
        requests = iterable.project.requests
    assert names(outcomes) == ["delivered", "delivered", "rejected", "delivered", "delivered"]
    assert sorted(applied(iterable.project.effects)) == [0, 1, 3, 4]
    paths = Counter(request.path for request in requests if request.status == 200)
    assert paths == {endpoints.EVENTS_TRACK.path: 2, endpoints.EVENTS_TRACK_BULK.path: 1}
    assert max(len(request.content) for request in requests if request.status == 200) == limit


# Order -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("each_driver")
def test_each_users_events_are_applied_and_told_in_their_order_across_endpoints() -> None:
    users = [f"u-{n}" for n in range(40)]
    events = history(40 * 24, 40)
    shares = {faults.latency(0.01): 0.3, faults.latency(0.03): 0.2}
    with (
        LocalIterable(faults=RandomFaults(shares, seed=3)) as iterable,
        delivering(iterable) as to,
    ):
        order_of_user = list(to.send_all(events))
        assert set(names(order_of_user)) == {"delivered"}
        assert inversions(iterable, users) == []
        assert sorted(map(number_of, iterable.project.effects)) == list(range(len(events)))
        for n in range(40):
            mine = [outcome.index for outcome in order_of_user if outcome.index % 40 == n]
            assert mine == sorted(mine)
        # users do not wait for one another
        paths = [effect.path for effect in iterable.project.effects]
        assert len([1 for a, b in pairwise(paths) if a != b]) > 10


@pytest.mark.usefixtures("each_driver")
def test_no_user_has_two_requests_in_flight() -> None:
    lock, in_flight, seen = threading.Lock(), Counter[str](), Counter[str]()

    def watches(received: Received, apply: Apply) -> Response:
        users = set(re.findall(r'"userId":"([^"]+)"', received.body.decode()))
        with lock:
            in_flight.update(users)
            seen.update({user: in_flight[user] for user in users if in_flight[user] > 1})
        time.sleep(0.003)
        with lock:
            in_flight.subtract(users)
        return apply()

    with LocalIterable(faults=watches) as iterable, delivering(iterable) as to:
        outcomes = by_index(to.send_all(history(400, 20)))
    assert set(names(outcomes)) == {"delivered"}
    assert seen == {}


@pytest.mark.usefixtures("each_driver")
def test_an_email_and_a_user_id_seen_together_are_one_user() -> None:
    """By whichever name an event comes, it has its turn after those by the other."""
    slow = {b'"n":0': 0.15, b'"n":1': 0.1, b'"n":2': 0.1}

    def delays(received: Received, apply: Apply) -> Response | Fault:
        wait = max((seconds for text, seconds in slow.items() if text in received.body), default=0)
        return faults.latency(wait) if wait else apply()

    def named(make: Callable[[int], dict[str, Any]], n: int, **who: str) -> dict[str, Any]:
        event = make(n)
        del event["userId"]
        email = who.get("email")
        context = {"context": {"traits": {"email": email}}} if email else {}
        return event | context | ({"userId": who["user_id"]} if "user_id" in who else {})

    events = [
        named(track, 0, email="Ada@example.com"),
        named(order, 1, email="ada@example.com"),
        identify(2, traits={"n": 2, "email": "ada@example.com"}),
        named(cart, 3, email="ADA@example.com"),
        named(track, 4, user_id="u-1"),
        named(order, 5, email="ada@example.com"),
        named(track, 6, user_id="u-1"),
    ]
    with LocalIterable(faults=delays) as iterable, delivering(iterable) as to:
        outcomes = list(to.send_all(events))
        order_of = applied(iterable.project.effects)
    assert set(names(outcomes)) == {"delivered"}
    assert order_of == [0, 1, 2, 3, 4, 5, 6]
    assert [outcome.index for outcome in outcomes] == [0, 1, 2, 3, 4, 5, 6]


def hold_orders(until: threading.Event) -> Callable[[Received, Apply], Response | Fault]:
    """Return what lets an order wait for an event."""

    def holds(received: Received, apply: Apply) -> Response | Fault:
        if received.path == endpoints.TRACK_PURCHASE.path:
            assert until.wait(WAIT_SECONDS)
        return apply()

    return holds


def named_twice(number: int, user: str, email: str) -> dict[str, Any]:
    return track(number, user, context={"traits": {"email": email}})


def test_what_another_thread_learns_of_a_users_names_lets_no_event_overtake() -> None:
    may_go_on = threading.Event()
    with LocalIterable(faults=hold_orders(may_go_on)) as iterable, delivering(iterable) as to:

        def events() -> Iterator[dict[str, Any]]:
            yield order(0)
            wait_until(lambda: iterable.project.requests or to.counters.requests)
            assert to.send(named_twice(1, "u-1", "a@x.com")).name == "delivered"
            yield track(2)
            yield track(3, "u-2")
            wait_until(lambda: 3 in applied(iterable.project.effects))
            may_go_on.set()

        assert names(by_index(to.send_all(events()))) == ["delivered"] * 3
        there = applied(iterable.project.effects)
    assert there.index(0) < there.index(2)


def test_an_event_that_waits_is_not_overtaken_however_many_users_come_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("iterable_destination.delivery.policies.MAX_KEYS", 50)
    may_go_on = threading.Event()

    def events() -> Iterator[dict[str, Any]]:
        yield identify(0, traits={"n": 0, "email": "a@x.com"})
        yield order(1) | {"userId": None, "context": {"traits": {"email": "a@x.com"}}}
        yield from (named_twice(n, f"u-{n}", f"{n}@x.com") for n in range(3, 1_000))
        yield track(2)
        yield track(1_000, "u-1000")
        wait_until(lambda: 1_000 in applied(iterable.project.effects))
        may_go_on.set()

    with (
        LocalIterable(faults=hold_orders(may_go_on)) as iterable,
        delivering(iterable, max_pending=5) as to,
    ):
        assert names(by_index(to.send_all(events()))) == ["delivered"] * 1_001
        there = applied(iterable.project.effects)
    assert there.index(1) < there.index(2)


@pytest.mark.usefixtures("each_driver")
def test_after_an_event_that_may_be_handed_in_again_its_user_is_held() -> None:
    def fails_for_u_0(received: Received, apply: Apply) -> Response | Fault:
        return faults.server_error(503) if b'"u-0"' in received.body else apply()

    events = [make(n, f"u-{n % 2}") for n, make in enumerate([track] * 4 + [identify] * 4)]
    with LocalIterable(faults=fails_for_u_0) as iterable, delivering(iterable) as to:
        outcomes = by_index(to.send_all(events))
        assert names(outcomes) == ["retryable", "delivered"] * 4
        assert applied(iterable.project.effects) == [1, 3, 5, 7]
        assert type(outcomes[0].error) is errors.ServerError
        assert type(outcomes[-2].error) is NotSent
        assert outcomes[-2].attempts == 0


# Chaos -------------------------------------------------------------------------------------------

#: Every kind of fault, in the variants of each seed.
CHAOS = {
    1: [
        faults.rate_limited(),
        faults.server_error(),
        faults.reset(applied=True),
        faults.close(),
        faults.stall(),
        faults.cut(),
        faults.not_json(),
    ],
    2: [
        faults.rate_limited(retry_after=0, plain=True),
        faults.server_error(503, html=True),
        faults.reset(),
        faults.close(applied=True),
        faults.stall(applied=True),
        faults.cut(reset=True),
        faults.not_json(202),
    ],
    3: [
        faults.rate_limited(),
        faults.server_error(502, applied=True),
        faults.reset(applied=True),
        faults.close(applied=True),
        faults.stall(applied=True),
        faults.cut(),
        faults.not_json(applied=False),
    ],
}
ALWAYS = [
    faults.stall_midway(),
    faults.drip(0.0001),
    faults.latency(0.02, applied_first=True),
]


def settle_all(
    iterable: LocalIterable,
    events: list[dict[str, Any]],
    *,
    read_timeout: float = 0.3,
    **options: Any,
) -> list[list[Outcome]]:
    """Hand in events, and what may be later again and again; return the outcomes of each round."""
    rounds = []
    left = events
    retry = RetryPolicy(initial_backoff=0.02, max_backoff=0.05, breaker_timeout=0.01)
    chosen: dict[str, Any] = {
        "read_timeout": read_timeout,
        "retry": retry,
        "max_workers": 16,
    } | options
    with delivering(iterable, **chosen) as to:
        while left:
            outcomes = by_index(to.send_all(left))
            assert len(outcomes) == len(left)
            rounds.append(outcomes)
            left = [left[each.index] for each in outcomes if each.name != "delivered"]
            assert len(rounds) < 500
    return rounds


@pytest.mark.usefixtures("each_driver")
@pytest.mark.parametrize(
    "seed", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)]
)
def test_in_chaos_nothing_is_lost_doubled_or_overtaken(seed: int) -> None:
    events = history(1_500, 150)
    shares = dict.fromkeys([*CHAOS[seed], *ALWAYS], 0.05)
    shares[faults.redirect()] = 0.01  # each stops all that is under way
    jitter = RandomFaults(shares, seed=seed)
    with LocalIterable(faults=jitter) as iterable:
        rounds = settle_all(iterable, events, read_timeout=0.1)
        assert {outcome.name for each in rounds for outcome in each} <= {
            "delivered",
            "retryable",
            "unknown",
        }
        assert sorted(applied(iterable.project.effects)) == list(range(1_500))
        assert doubled_ids(iterable) == []
        assert inversions(iterable, [f"u-{n}" for n in range(150)]) == []
        assert len(jitter.counts) == 11
        assert iterable.followed == []


@pytest.mark.usefixtures("each_driver")
@pytest.mark.slow
def test_in_chaos_delivered_means_applied() -> None:
    events = history(1_500, 150)
    shares = dict.fromkeys([*CHAOS[1], *ALWAYS], 0.05)
    with LocalIterable(faults=RandomFaults(shares, seed=4)) as iterable:
        with delivering(iterable, read_timeout=0.3, max_workers=16) as to:
            outcomes = by_index(to.send_all(events))
        there = set(applied(iterable.project.effects))
    assert len(outcomes) == 1_500
    delivered = {outcome.index for outcome in outcomes if outcome.name == "delivered"}
    assert delivered <= there
    assert len(delivered) > 1_000
    rejected = [outcome for outcome in outcomes if outcome.name == "rejected"]
    assert rejected == []


@pytest.mark.usefixtures("each_driver")
@pytest.mark.slow
def test_without_ids_doubles_do_not_exceed_the_answers_that_were_lost() -> None:
    lost = [faults.reset(applied=True), faults.cut(), faults.not_json(), faults.stall_midway()]
    known = [faults.reset(), faults.close(), faults.server_error(), faults.rate_limited()]
    jitter = RandomFaults(dict.fromkeys(lost + known, 0.07), seed=5)
    with LocalIterable(faults=jitter) as iterable:
        settle_all(iterable, history(600, 60), stamp_ids=False)
        effects = iterable.project.effects
        ambiguous = {number for number, fault in iterable.faulted.items() if fault.ambiguous}
    times = Counter(map(number_of, effects))
    unsaid = Counter(number_of(effect) for effect in effects if effect.request in ambiguous)
    assert len(times) == 600
    assert sum(times.values()) > 600
    assert all(times[n] - 1 <= unsaid[n] for n in times)
    assert all(effect.id is None for effect in effects)


# Back-pressure -----------------------------------------------------------------------------------


def test_an_endless_input_is_read_a_window_ahead_of_what_is_settled() -> None:
    max_pending, read, order_of_user = 50, 0, 0
    ahead = []

    def endless() -> Iterator[dict[str, Any]]:
        nonlocal read
        for n in count():
            read += 1
            ahead.append(read - order_of_user)
            yield track(n, f"u-{n % 20}")

    with LocalIterable() as iterable, delivering(iterable, max_pending=max_pending) as to:
        outcomes = to.send_all(endless())
        for outcome in islice(outcomes, 3_000):
            order_of_user += 1
            assert outcome.name == "delivered"
        outcomes.close()  # type: ignore[attr-defined]
    # one more may be read when an outcome is there that was not order_of_user yet
    assert max_pending <= max(ahead) <= max_pending + 1


def test_while_nothing_is_settled_a_window_is_read_and_no_more() -> None:
    go, read = threading.Event(), []

    def waits(_: Received, apply: Apply) -> Response:
        go.wait(WAIT_SECONDS)
        return apply()

    def endless() -> Iterator[dict[str, Any]]:
        for n in count():
            read.append(n)
            yield order(n, f"u-{n}")

    with LocalIterable(faults=waits) as iterable, delivering(iterable, max_pending=30) as to:
        outcomes = to.send_all(endless())
        assert read == []
        first: list[Outcome] = []
        asking = threading.Thread(target=lambda: first.append(next(outcomes)))
        asking.start()
        wait_until(lambda: len(read) == 30)
        asking.join(0.2)
        assert (asking.is_alive(), len(read)) == (True, 30)
        go.set()
        asking.join(WAIT_SECONDS)
        assert names(first) == ["delivered"]
        before = len(read)
        wait_until(lambda: len(iterable.project.effects) == before)
        assert len(read) == before
        outcomes.close()  # type: ignore[attr-defined]


def test_a_window_of_bytes_bounds_what_is_read_of_large_events() -> None:
    go, read = threading.Event(), []

    def waits(_: Received, apply: Apply) -> Response:
        go.wait(WAIT_SECONDS)
        return apply()

    def endless() -> Iterator[dict[str, Any]]:
        for n in count():
            read.append(n)
            yield track(n, f"u-{n}", properties={"n": n, "t": "a" * 1_000_000})

    with LocalIterable(faults=waits) as iterable, delivering(iterable) as to:
        outcomes = to.send_all(endless())
        asking = threading.Thread(target=lambda: next(outcomes))
        asking.start()
        wait_until(lambda: len(read) >= 60)
        asking.join(0.2)
        assert (asking.is_alive(), len(read)) == (True, 64)
        go.set()
        asking.join(WAIT_SECONDS)
        outcomes.close()  # type: ignore[attr-defined]


# Many requests at a time -------------------------------------------------------------------------


@pytest.mark.usefixtures("each_driver")
def test_requests_are_under_way_at_the_same_time() -> None:
    """Iterable responds to eight at a time, when all eight are there."""
    events = [order(n, f"u-{n}") for n in range(32)]
    together = threading.Barrier(8, timeout=WAIT_SECONDS)

    def waits(_: Received, apply: Apply) -> Response:
        together.wait()
        return apply()

    with LocalIterable(faults=waits) as iterable, delivering(iterable, max_workers=8) as to:
        outcomes = list(to.send_all(events))
    assert names(outcomes) == ["delivered"] * 32
    assert {outcome.attempts for outcome in outcomes} == {1}


@pytest.mark.usefixtures("each_driver")
def test_there_are_as_many_workers_as_asked_for_and_no_more() -> None:
    lock, most, now = threading.Lock(), 0, 0
    together = threading.Barrier(3, timeout=WAIT_SECONDS)

    def counts(_: Received, apply: Apply) -> Response:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        together.wait()
        with lock:
            now -= 1
        return apply()

    with LocalIterable(faults=counts) as iterable, delivering(iterable, max_workers=3) as to:
        outcomes = list(to.send_all(order(n, f"u-{n}") for n in range(30)))
    assert names(outcomes) == ["delivered"] * 30
    assert most == 3


@pytest.mark.usefixtures("each_driver")
@pytest.mark.slow
def test_strict_limits_are_kept() -> None:
    """The server refuses the 51st request of any second; for three seconds all are sent.

    The tests of the rate limiter hold in virtual time that the limits are used, too.
    """
    path = endpoints.TRACK_PURCHASE.path
    project = Project(rate_limits={path: 50})
    with (
        LocalIterable(project) as iterable,
        delivering(iterable, rate_limits={path: 50}, max_workers=8) as to,
    ):
        outcomes = list(to.send_all(order(n, f"u-{n}") for n in range(145)))
    assert names(outcomes) == ["delivered"] * 145
    assert project.rate_limited == 0


# Given up ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("each_driver")
def test_a_wrong_key_costs_few_requests() -> None:
    with LocalIterable() as iterable, delivering(iterable, key="another-key") as to:
        outcomes = by_index(to.send_all(history(10_000, 500)))
        requests = len(iterable.project.requests)
        assert len(outcomes) == 10_000
        assert set(names(outcomes)) == {"retryable"}
        assert {type(outcome.error) for outcome in outcomes} == {errors.Unauthorized}
        assert 1 <= requests <= 10
        assert set(names(to.send_all(history(100, 10)))) == {"retryable"}
        assert len(iterable.project.requests) == requests


@pytest.mark.usefixtures("each_driver")
def test_when_the_time_given_runs_out_everything_has_its_outcome() -> None:
    with LocalIterable(faults=Script([faults.stall()] * 1_000)) as iterable:
        with delivering(iterable, read_timeout=3_600) as to:
            began = time.monotonic()
            outcomes = by_index(to.send_all(history(500, 50), timeout=0.5))
            assert time.monotonic() - began >= 0.45
        assert len(outcomes) == 500
        assert Counter(names(outcomes)).keys() == {"retryable", "unknown"}
        for outcome in outcomes:
            assert (outcome.name == "unknown") == (outcome.attempts > 0)


class HangingClient(Client):
    """Responds to no request before it may."""

    def __init__(self) -> None:
        super().__init__(Settings(api_key="the-key"))
        self.begun, self.may_end = threading.Event(), threading.Event()
        self.timeouts: list[float | None] = []

    def request(
        self,
        endpoint: endpoints.Endpoint,
        body: bytes | None = None,
        *,
        timeout: float | None = None,
        expects_code: bool = False,
    ) -> ApiResponse:
        del endpoint, body, expects_code
        self.timeouts.append(timeout)
        self.begun.set()
        assert self.may_end.wait(WAIT_SECONDS)
        return ApiResponse(200, {}, "Success", "ok", "r-1")


def test_after_the_time_given_a_response_that_hangs_is_awaited_no_more() -> None:
    """The client may not keep to its timeout; its response comes too late to matter."""
    now = 100.0
    threads = threading.enumerate()

    def events() -> Iterator[dict[str, Any]]:
        nonlocal now
        yield order(0)
        yield order(1)
        assert client.begun.wait(WAIT_SECONDS)
        now += 5.1

    with (
        HangingClient() as client,
        Destination(
            Settings(api_key="the-key"), client=client, _runtime=Runtime(clock=lambda: now)
        ) as to,
    ):
        outcomes = by_index(to.send_all(events(), timeout=5.0))
        client.may_end.set()
        for thread in set(threading.enumerate()) - set(threads):
            thread.join(WAIT_SECONDS)
        assert names(outcomes) == ["unknown", "retryable"]
        assert str(outcomes[0].error) == "deadline exceeded before the response came"
        assert client.timeouts == [5.0]
        assert to.counters.outcomes == Counter(names(outcomes))


@pytest.mark.usefixtures("each_driver")
def test_what_was_sent_in_the_time_given_is_delivered() -> None:
    with LocalIterable() as iterable, delivering(iterable) as to:
        outcomes = by_index(to.send_all(history(300, 30), timeout=WAIT_SECONDS))
        assert set(names(outcomes)) == {"delivered"}
        at_once = by_index(to.send_all(history(300, 30), timeout=0))
        assert set(names(at_once)) == {"retryable"}
        assert {type(outcome.error) for outcome in at_once} == {NotSent}


@pytest.mark.usefixtures("each_driver")
def test_after_the_time_given_nothing_is_translated_and_users_are_told_in_order() -> None:
    def translator(_: Any, __: Settings) -> Translation:
        raise AssertionError("there is no time to translate it")

    events = history(2_000, 7)
    with (
        LocalIterable() as iterable,
        delivering(iterable, translator=translator) as to,
    ):
        handed: list[Any] = [*events, "no event", None]
        outcomes = list(to.send_all(handed, timeout=0))
        assert iterable.project.requests == []
    assert set(names(outcomes)) == {"retryable"}
    assert {str(outcome.error) for outcome in outcomes} == {"not sent: deadline exceeded"}
    of_events = [outcome for outcome in outcomes if outcome.index < len(events)]
    assert {events[each.index]["messageId"]: each.message_id for each in of_events} == {
        event["messageId"]: event["messageId"] for event in events
    }
    for user in {event["userId"] for event in events}:
        order_of_user = [each.index for each in of_events if events[each.index]["userId"] == user]
        assert order_of_user == sorted(order_of_user)


@pytest.mark.usefixtures("each_driver")
@pytest.mark.parametrize("count", [1, 8, 9])
def test_few_calls_that_could_go_in_one_bulk_go_singly(count: int) -> None:
    tracks = [track(n, f"u-{n}") for n in range(count)]
    with LocalIterable() as iterable, delivering(iterable, rate_limits=None) as to:
        assert set(names(to.send_all(together(to, tracks)))) == {"delivered"}
        paths = {request.path for request in iterable.project.requests}
        single_path = "/api/events/track"
        assert paths == ({single_path} if count <= 8 else {f"{single_path}Bulk"})
        assert len(iterable.project.effects) == count


@pytest.mark.usefixtures("each_driver")
def test_many_updates_of_one_profile_do_not_wait_for_bulks_of_one() -> None:
    events = [identify(n, "u-1") for n in range(50)]
    with LocalIterable() as iterable, delivering(iterable, rate_limits=None) as to:
        assert names(to.send_all(events)) == ["delivered"] * 50
        assert {each.path for each in iterable.project.requests} == {"/api/users/update"}
        assert applied(iterable.project.effects) == list(range(50))


@pytest.mark.usefixtures("each_driver")
def test_few_calls_that_go_singly_are_applied_in_each_users_order() -> None:
    events = history(300, 5)
    with LocalIterable() as iterable, delivering(iterable, rate_limits=None) as to:
        outcomes = by_index(to.send_all(events))
        ids = [effect.id for effect in iterable.project.effects if effect.id]
    assert set(names(outcomes)) <= {"delivered", "skipped"}
    place = {event["messageId"]: number for number, event in enumerate(events)}
    for user in {event["userId"] for event in events}:
        order_of_user = [place[each] for each in ids if events[place[each]]["userId"] == user]
        assert order_of_user == sorted(order_of_user)


@pytest.mark.usefixtures("each_driver")
def test_a_retry_is_logged_with_its_values_as_fields(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "iterable_destination.delivery")
    script = Script([faults.server_error(503)])
    with LocalIterable(faults=script) as iterable, delivering(iterable) as to:
        assert to.send(track(1)).name == "delivered"
    [record] = caplog.records
    fields = {name: value for name, value in vars(record).items() if "iterable_" in name}
    delay = fields.pop("iterable_delay")
    assert delay >= 0
    assert fields == {
        "iterable_endpoint": "/api/events/track",
        "iterable_error": "ServerError",
        "iterable_status": 503,
        "iterable_code": "GenericError",
        "iterable_request_id": None,
    }


@pytest.mark.usefixtures("each_driver")
def test_one_email_of_many_users_is_warned_of_and_named_at_debug_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def event(number: int) -> dict[str, Any]:
        return track(number, f"u-{number}", context={"traits": {"email": "info@x.com"}})

    caplog.set_level("DEBUG", "iterable_destination.delivery")
    with LocalIterable() as iterable, delivering(iterable) as to:
        outcomes = list(to.send_all(map(event, range(150))))
    assert len(outcomes) == 150
    warned = [each for each in caplog.records if each.levelname == "WARNING"]
    assert len(warned) == 1
    assert warned[0].getMessage().startswith("1 email and 100 userIds are taken for one user")
    assert vars(warned[0])["iterable_user_id_count"] == 100
    named = [each.levelname for each in caplog.records if "info@x.com" in each.getMessage()]
    assert named == ["DEBUG"]


@pytest.mark.usefixtures("each_driver")
def test_the_time_given_bounds_waiting_for_a_rate_too() -> None:
    path = endpoints.TRACK_PURCHASE.path
    with LocalIterable() as iterable, delivering(iterable, rate_limits={path: 2}) as to:
        outcomes = by_index(to.send_all((order(n, f"u-{n}") for n in range(50)), timeout=0.75))
        there = applied(iterable.project.effects)
    assert [outcome.index for outcome in outcomes if outcome.name == "delivered"] == there
    assert 1 <= len(there) <= 3
    assert Counter(names(outcomes)) == {"delivered": len(there), "retryable": 50 - len(there)}


@pytest.mark.usefixtures("each_driver")
def test_what_the_input_raises_comes_after_the_outcomes_of_all_that_was_read() -> None:
    class Broken(Exception):
        pass

    broken = Broken("the input broke")

    def breaks() -> Iterator[dict[str, Any]]:
        yield from history(250, 50)
        raise broken

    with LocalIterable() as iterable, delivering(iterable) as to:
        outcomes: list[Outcome] = []
        with pytest.raises(Broken) as caught:
            collect(to.send_all(breaks()), outcomes)
    assert caught.value is broken
    assert len(by_index(outcomes)) == 250
    assert set(names(outcomes)) == {"delivered"}


@pytest.mark.usefixtures("each_driver")
def test_something_that_cannot_be_iterated_is_a_type_error() -> None:
    with LocalIterable() as iterable, delivering(iterable) as to, pytest.raises(TypeError):
        list(to.send_all(5))  # type: ignore[arg-type]


def test_leaving_early_does_not_wait_for_a_server_that_does_not_respond() -> None:
    opened, met = threading.Event(), threading.Event()

    def hangs(_: Any, apply: Any) -> Any:
        if not met.is_set():
            met.set()
            opened.wait(WAIT_SECONDS)
        return apply()

    def endless() -> Iterator[Any]:
        yield {}  # is rejected at once
        yield order(0)
        assert met.wait(WAIT_SECONDS)
        yield {}

    with LocalIterable(faults=hangs) as iterable, delivering(iterable) as to:
        outcomes = to.send_all(endless())
        assert next(outcomes).name == "rejected"
        assert next(outcomes).name == "rejected"
        outcomes.close()  # type: ignore[attr-defined]
        assert iterable.project.effects == []
        opened.set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_child_cannot_go_on_with_what_its_parent_sends() -> None:
    script = """
import os, sys
from iterable_destination import Destination, Settings
to = Destination(Settings(api_key="k", base_url=sys.argv[1]))
users = ("", "u-1", "u-2")  # the first is rejected at once
outcomes = to.send_all({"type": "track", "event": "A", "userId": user} for user in users)
next(outcomes)
child = os.fork()
if child == 0:
    try:
        list(outcomes)
    except RuntimeError as error:
        os._exit(7 if "go on only in the process" in str(error) else 8)
    os._exit(9)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
assert len(list(outcomes)) == 2
sys.exit(status)
"""
    with LocalIterable(Project(api_key=None)) as iterable:
        done = subprocess.run([sys.executable, "-c", script, iterable.url], check=False, timeout=60)
    assert done.returncode == 7


def test_leaving_early_ends_all_threads() -> None:
    before = set(threading.enumerate())
    with LocalIterable() as iterable, delivering(iterable) as to:
        iterator = to.send_all(track(n, f"u-{n}") for n in count())
        next(iterator)
        ours = [
            each for each in set(threading.enumerate()) - before if each.name == "iterable-worker"
        ]
        assert ours
        iterator.close()  # type: ignore[attr-defined]
        for thread in ours:
            thread.join(WAIT_SECONDS)
        assert not any(thread.is_alive() for thread in ours)
        sent = len(iterable.project.requests)
        assert names(to.send_all([track(1)])) == ["delivered"]
        assert len(iterable.project.requests) == sent + 1


@pytest.mark.usefixtures("each_driver")
def test_an_event_with_several_calls_is_delivered_when_all_of_them_are() -> None:
    def twice(event: Any, settings: Settings) -> Translation:
        translation = translate(event, settings)
        [call] = translation.calls
        profile = UpdateUser(Identity(None, event["userId"]), {"n": event["properties"]["n"]})
        return Translation(translation.message_id, (profile, call))

    with LocalIterable() as iterable, delivering(iterable, translator=twice) as to:
        events = [track(n, f"u-{n % 10}") for n in range(60)]
        outcomes = by_index(to.send_all(together(to, events)))
    assert set(names(outcomes)) == {"delivered"}
    assert {outcome.attempts for outcome in outcomes} == {2}
    for user in range(10):
        mine = [
            (number_of(effect), effect.path) for effect in iterable.project.effects_of(f"u-{user}")
        ]
        paths = (endpoints.USERS_BULK_UPDATE.path, endpoints.EVENTS_TRACK_BULK.path)
        assert mine == [(n, path) for n in range(user, 60, 10) for path in paths]


def test_several_threads_may_send_at_once_through_one_destination() -> None:
    results: dict[int, list[Outcome]] = {}

    with LocalIterable() as iterable, delivering(iterable) as to:

        def sends(part: int) -> None:
            events = [make(n, f"u-{part}-{n % 9}") for n, make in enumerate([track, order] * 150)]
            results[part] = by_index(to.send_all(events))

        threads = [threading.Thread(target=sends, args=(part,)) for part in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_SECONDS)
        assert len(iterable.project.effects) == 1_200
    assert [names(results[part]) for part in range(4)] == [["delivered"] * 300] * 4


# The key -----------------------------------------------------------------------------------------

CANARY = "canary-0123456789abcdef"


@pytest.mark.usefixtures("each_driver")
def test_a_key_that_iterable_repeats_is_found_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A malformed request is answered with a message that has the key."""
    caplog.set_level(logging.DEBUG)

    def malforms(event: Any, settings: Settings) -> Translation:
        if event["userId"] == "u-0":
            call = TrackEvent(Identity(None, "u-0"), 5)  # type: ignore[arg-type]
            return Translation(event["messageId"], (call,))
        return translate(event, settings)

    project = Project(api_key=CANARY, echo_key=True)
    letters = tmp_path / "dead.jsonl"
    with (
        LocalIterable(project) as iterable,
        DeadLetters(letters, secret=CANARY) as dead,
        delivering(iterable, dead_letters=dead, translator=malforms) as to,
    ):
        outcomes = by_index(to.send_all(history(20, 4)))
        single = to.send(track(0, "u-0"))
        shown = [repr(to)]
    assert Counter(names(outcomes)) == {"rejected": 5, "delivered": 15}
    assert single.name == "rejected"
    for outcome in [*outcomes, single]:
        shown += [repr(outcome), json.dumps(outcome.summary()), str(outcome.message)]
        if outcome.error is not None:
            assert isinstance(outcome.error, errors.ApiError)
            assert "[api key]" in outcome.error.message
            shown += ["".join(traceback.format_exception(outcome.error)), repr(outcome.error)]
            shown += [repr(vars(outcome.error)), repr(outcome.error.__context__)]
    shown += [record.getMessage() + repr(vars(record)) for record in caplog.records]
    assert len(caplog.records) > 5
    kept = letters.read_text()
    assert kept.count("\n") == 6
    assert CANARY not in "\n".join([*shown, kept])


# Dead letters ------------------------------------------------------------------------------------


def read_letters(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.usefixtures("each_driver")
def test_a_dead_letter_is_on_disk_before_its_outcome_is_told(tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"
    events: list[Any] = [track(0), {"type": "track", "messageId": "m-1"}, "text", track(3, "u-3")]
    events += [LineRecord(5, b"no JSON")]
    project = Project(forgotten={"u-3"})
    with (
        LocalIterable(project) as iterable,
        DeadLetters(path) as dead,
        delivering(iterable, dead_letters=dead) as to,
    ):
        outcomes = []
        for outcome in to.send_all(events):
            outcomes.append(outcome)
            kept = [letter["deadLetter"]["index"] for letter in read_letters(path)]
            assert (outcome.index in kept) == (outcome.name == "rejected")
    assert names(by_index(outcomes)) == ["delivered", *["rejected"] * 4]
    by_place = {letter["deadLetter"]["index"]: letter for letter in read_letters(path)}
    assert set(by_place) == {1, 2, 3, 4}
    assert by_place[3].items() >= events[3].items()
    assert by_place[3]["deadLetter"]["outcome"] == "rejected"
    assert by_place[4]["deadLetter"]["line"] == "no JSON"


@pytest.mark.usefixtures("each_driver")
def test_a_line_is_parsed_once_and_read_once_whatever_becomes_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what Iterable itself refuses is parsed again, for its dead letter."""
    decode, read = json_codec.decode, SegmentEvent.__init__
    parsed: Counter[bytes] = Counter()
    times_read: Counter[Any] = Counter()

    def counts_parsed(text: bytes) -> Any:
        parsed[text] += 1
        return decode(text)

    def counts_read(self: SegmentEvent, raw: Any) -> None:
        times_read[raw["messageId"]] += 1
        read(self, raw)

    monkeypatch.setattr(records, "decode", counts_parsed)
    monkeypatch.setattr(SegmentEvent, "__init__", counts_read)
    events = [
        track(0),
        {"type": "group", "userId": "u-1", "messageId": "m-1"},
        {"type": "track", "userId": "u-1", "messageId": "m-2"},
        track(3, "forgotten"),
    ]
    lines = [*(json.dumps(event).encode() for event in events), b"no JSON"]
    path = tmp_path / "dead.jsonl"
    with (
        LocalIterable(Project(forgotten={"forgotten"})) as iterable,
        DeadLetters(path) as dead,
        delivering(iterable, dead_letters=dead) as to,
    ):
        outcomes = by_index(to.send_all(map(LineRecord, count(1), lines)))
    assert names(outcomes) == ["delivered", "skipped", "rejected", "rejected", "rejected"]
    assert [parsed[line] for line in lines] == [1, 1, 1, 2, 1]
    assert times_read == {"m-0": 1, "m-1": 1, "m-2": 1, "m-3": 1}
    kept = {letter["deadLetter"]["index"]: letter for letter in read_letters(path)}
    assert kept[2].items() >= events[2].items()
    assert kept[3].items() >= events[3].items()
    assert kept[4]["deadLetter"]["line"] == "no JSON"


@pytest.mark.usefixtures("each_driver")
def test_an_event_that_ends_unknown_is_a_dead_letter_and_a_retryable_one_is_none(
    tmp_path: Path,
) -> None:
    path = tmp_path / "dead.jsonl"
    lost = Script([faults.cut()] * 1_000, paths={endpoints.TRACK_PURCHASE.path})
    with (
        LocalIterable(faults=lost) as iterable,
        DeadLetters(path) as dead,
        delivering(iterable, dead_letters=dead, retry=RetryPolicy(deadline=0.0)) as to,
    ):
        outcomes = by_index(to.send_all([order(0), track(1)]))
    assert names(outcomes) == ["unknown", "retryable"]
    assert [letter["messageId"] for letter in read_letters(path)] == ["m-0"]


@pytest.mark.usefixtures("each_driver")
def test_dead_letters_can_be_sent_again_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"
    events = history(60, 6)
    with (
        LocalIterable(Project(forgotten={"u-2", "u-4"})) as iterable,
        DeadLetters(path) as dead,
        delivering(iterable, dead_letters=dead) as to,
    ):
        assert Counter(names(to.send_all(events))) == {"delivered": 40, "rejected": 20}
    letters = read_letters(path)
    with LocalIterable() as iterable, delivering(iterable) as to:
        assert set(names(to.send_all(letters))) == {"delivered"}
        assert inversions(iterable, ["u-2", "u-4"]) == []
    expected = [translate(event) for event in events if event["userId"] in {"u-2", "u-4"}]
    found = {letter["messageId"]: translate(letter) for letter in letters}
    assert found == {translation.message_id: translation for translation in expected}


@pytest.mark.usefixtures("each_driver")
def test_where_dead_letters_cannot_be_written_outcomes_are_retryable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "dead.jsonl"
    write = os.write

    def full(file: int, data: bytes) -> int:
        if os.path.samestat(os.fstat(file), path.stat()):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, data)

    with (
        LocalIterable(Project(forgotten={"u-1"})) as iterable,
        DeadLetters(path) as dead,
        delivering(iterable, dead_letters=dead) as to,
    ):
        with monkeypatch.context() as broken:
            broken.setattr(os, "write", full)
            outcomes = by_index(to.send_all([track(0, "u-0"), track(1), {}, track(3, "u-3")]))
            single = to.send(track(4))
        assert names(outcomes) == ["delivered", "retryable", "retryable", "delivered"]
        assert single.name == "retryable"
        for outcome in (outcomes[1], outcomes[2], single):
            assert isinstance(outcome.error, errors.UnwritableFile)
            assert os.strerror(errno.ENOSPC) in str(outcome.message)
        assert path.read_bytes() == b""
        assert "dead letters cannot be written" in caplog.text
        assert to.counters.outcomes == Counter(delivered=2, retryable=3)
        again = by_index(to.send_all([track(1), {}]))
        assert names(again) == ["rejected", "rejected"]
        assert to.counters.outcomes == Counter(delivered=2, retryable=3, rejected=2)
    assert len(read_letters(path)) == 2


# What a destination is made with -----------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"max_workers": 0},
        {"max_workers": 65},
        {"max_workers": -1},
        {"max_workers": 1.5},
        {"max_workers": True},
        {"max_pending": 0},
        {"max_pending": -5},
        {"max_pending": float("nan")},
    ],
)
def test_numbers_out_of_bounds_are_refused(options: dict[str, Any]) -> None:
    [name] = options
    bounds = {"max_workers": " from 1 to 64", "max_pending": ", at least 1"}[name]
    with pytest.raises(ValueError, match=f"^{name}: must be a whole number{bounds}$"):
        Destination(Settings(api_key="k"), **options)


@pytest.mark.parametrize("timeout", [-1, -0.001, float("nan")])
def test_a_timeout_below_0_is_refused(timeout: float) -> None:
    message = "^timeout: must be a number of seconds, at least 0, or None$"
    with Destination(Settings(api_key="k")) as to:
        with pytest.raises(ValueError, match=message):
            to.send_all([], timeout=timeout)
        to.start()
        with pytest.raises(ValueError, match=message):
            to.flush(timeout)
        with pytest.raises(ValueError, match=message):
            to.close(timeout)


@pytest.mark.parametrize("capacity", [0, -1, 1.5, float("nan")])
def test_a_capacity_below_1_is_refused(capacity: Any) -> None:
    with Destination(Settings(api_key="k")) as to, pytest.raises(ValueError, match="capacity: "):
        to.start(capacity=capacity)


@pytest.mark.parametrize("event", [track(0), "text", b"text"])
def test_a_single_event_is_no_iterable_of_events(event: Any) -> None:
    message = r"send_all\(\) takes an iterable of events; give a single event to send\(\)"
    with Destination(Settings(api_key="k")) as to, pytest.raises(TypeError, match=message):
        to.send_all(event)


def test_a_rate_for_a_path_that_no_request_goes_to_is_refused() -> None:
    message = "^/api/events/bulkTrack: no path that requests go to; the paths are /api/commerce/"
    with pytest.raises(ValueError, match=message):
        Destination(Settings(api_key="k"), rate_limits={"/api/events/bulkTrack": 5})


@pytest.mark.parametrize("rate", [0, -1.0, float("inf"), float("nan")])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="/api/users/update: must be a number above 0"):
        Destination(Settings(api_key="k"), rate_limits={"/api/users/update": rate})


@pytest.mark.usefixtures("each_driver")
def test_one_worker_and_a_window_of_one_are_enough() -> None:
    with LocalIterable() as iterable, delivering(iterable, max_workers=1, max_pending=1) as to:
        outcomes = list(to.send_all(history(40, 4)))
    assert [outcome.index for outcome in outcomes] == list(range(40))
    assert set(names(outcomes)) == {"delivered"}


def test_an_error_that_is_kept_keeps_no_connection_open() -> None:
    """Whoever keeps outcomes in a list must not run out of descriptors."""
    gc.collect()
    kept, before = [], Leaks().descriptors
    with LocalIterable(Project(forgotten={"u-1"})) as iterable:
        for _ in range(5):
            with delivering(iterable) as to:
                kept += list(to.send_all([order(0)]))
    gc.collect()
    assert names(kept) == ["rejected"] * 5
    assert Leaks().descriptors <= before


def test_nothing_is_left_open_after_many_destinations() -> None:
    """The fixture counts threads and descriptors."""
    with LocalIterable() as iterable:
        for _ in range(10):
            with Destination(settings_of(iterable), retry=QUICK, rate_limits=RATE_LIMITS) as to:
                assert set(names(to.send_all(history(30, 10)))) == {"delivered"}
