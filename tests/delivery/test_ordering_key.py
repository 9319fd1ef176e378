"""An ordering key that the caller gives: events with an equal one are applied in their order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterable_destination import Destination, Outcome, RetryPolicy
from iterable_destination.model import endpoints
from iterable_destination.model.records import LineRecord
from iterable_destination.testing import (
    Fault,
    LocalIterable,
    RandomFaults,
    Received,
    Response,
    Script,
    faults,
)
from tests.support.delivering import (
    KINDS,
    WAIT_SECONDS,
    Leaks,
    applied,
    by_index,
    cart,
    collect,
    delivering,
    every_fault,
    identify,
    names,
    order,
    track,
    wait_until,
)

Apply = Callable[[], Response]
Make = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def _no_leaks() -> Iterator[None]:
    leaks = Leaks()
    yield
    leaks.check()


def by_email(make: Make, number: int, email: str = "a@example.com") -> dict[str, Any]:
    """Return an event of a user who is known by the email alone."""
    event = make(number) | {"userId": None}
    if event["type"] == "identify":
        return event | {"traits": event["traits"] | {"email": email}}
    return event | {"context": {"traits": {"email": email}}}


def with_key(event: dict[str, Any], key: str | None) -> dict[str, Any]:
    """Return an event that :func:`read_key` reads this key of, and nobody else."""
    return event | {"kafkaKey": key}


def read_key(event: Any) -> str | None:
    key: str | None = event["kafkaKey"]
    return key


def failing_orders(times: int = 2) -> Script:
    path = endpoints.TRACK_PURCHASE.path
    return Script([faults.server_error()] * times, paths={path})


def send(to: Destination, events: list[dict[str, Any]]) -> list[Outcome]:
    return list(to.send_all(events, ordering_key=read_key))


# What waits for what ------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "expected"), [("k-1", [1, 2]), (None, [2, 1])])
def test_with_an_equal_key_no_event_overtakes_one_under_another_name(
    key: str | None, expected: list[int]
) -> None:
    events = [with_key(by_email(order, 1), key), with_key(track(2), key)]
    with LocalIterable(faults=failing_orders()) as iterable, delivering(iterable) as to:
        outcomes = send(to, events)
        assert names(outcomes) == ["delivered"] * 2
        assert [outcome.index + 1 for outcome in outcomes] == expected
        assert applied(iterable.project.effects) == expected


def test_what_another_process_has_learned_of_the_names_is_not_needed() -> None:
    """The identify that has both names was delivered by a destination that is gone."""
    both = identify(0, traits={"n": 0, "email": "a@example.com"})
    later = [with_key(by_email(order, 1), "k-1"), with_key(track(2), "k-1")]
    with LocalIterable(faults=failing_orders()) as iterable:
        with delivering(iterable) as first:
            assert names(send(first, [with_key(both, "k-1")])) == ["delivered"]
        with delivering(iterable) as second:
            assert names(send(second, later)) == ["delivered"] * 2
        assert applied(iterable.project.effects) == [0, 1, 2]


def test_names_that_one_key_has_brought_together_are_one_user_in_later_calls() -> None:
    with LocalIterable(faults=failing_orders()) as iterable, delivering(iterable) as to:
        send(to, [with_key(by_email(cart, 0), "k-1"), with_key(cart(1), "k-1")])
        send(to, [with_key(by_email(order, 2), None), with_key(track(3), None)])
        assert applied(iterable.project.effects) == [0, 1, 2, 3]


def test_keys_of_one_name_are_one_user_too() -> None:
    events = [
        with_key(cart(0), "k-1"),
        with_key(cart(1), "k-2"),
        with_key(by_email(order, 2), "k-1"),
        with_key(track(3, "u-2"), "k-2"),
    ]
    with LocalIterable(faults=failing_orders()) as iterable, delivering(iterable) as to:
        assert names(send(to, events)) == ["delivered"] * 4
        assert applied(iterable.project.effects) == [0, 1, 2, 3]


@pytest.mark.parametrize("text", ["u-1", "a@example.com", "#u-1", "@a@example.com", "!1", ""])
def test_a_key_is_no_name_of_the_same_text(text: str) -> None:
    first = with_key(order(1, "u-9"), text)
    others = [with_key(track(2), None), with_key(by_email(track, 3), None)]
    with LocalIterable(faults=failing_orders()) as iterable, delivering(iterable) as to:
        send(to, [first, *others])
        assert applied(iterable.project.effects)[-1] == 1


def test_an_empty_key_is_a_key() -> None:
    events = [with_key(by_email(order, 1), ""), with_key(track(2), "")]
    with LocalIterable(faults=failing_orders()) as iterable, delivering(iterable) as to:
        send(to, events)
        assert applied(iterable.project.effects) == [1, 2]


def test_what_has_nothing_but_a_key_has_its_turn() -> None:
    refused = with_key({"type": "track", "event": "Seen", "messageId": "m-2"}, "k-1")
    events = [with_key(by_email(order, 1), "k-1"), refused]
    with LocalIterable(faults=failing_orders()) as iterable, delivering(iterable) as to:
        outcomes = send(to, events)
    assert [(each.index, each.name) for each in outcomes] == [(0, "delivered"), (1, "rejected")]


def test_after_an_event_that_may_be_handed_in_again_those_with_its_key_wait_too() -> None:
    events = [with_key(by_email(order, 0), "k-1"), with_key(track(1), "k-1")]
    events.append(with_key(track(2, "u-2"), "k-2"))
    with LocalIterable(faults=failing_orders(5)) as iterable, delivering(iterable) as to:
        outcomes = by_index(send(to, events))
        assert names(outcomes) == ["retryable", "retryable", "delivered"]
        assert applied(iterable.project.effects) == [2]
        assert names(send(to, events[:2])) == ["delivered"] * 2
        assert applied(iterable.project.effects) == [2, 0, 1]


def test_events_with_unequal_keys_go_side_by_side() -> None:
    """Eight requests, of eight keys, wait until all of them are there."""
    meeting = threading.Barrier(8, timeout=WAIT_SECONDS)

    def meets(received: Received, apply: Apply) -> Response | Fault:
        if received.path == endpoints.TRACK_PURCHASE.path:
            meeting.wait()
        return apply()

    events = [with_key(order(n, f"u-{n}"), f"k-{n % 8}") for n in range(16)]
    with LocalIterable(faults=meets) as iterable, delivering(iterable) as to:
        assert names(send(to, events)) == ["delivered"] * 16
        assert not meeting.broken


def test_events_with_unequal_keys_share_bulk_requests() -> None:
    events = [with_key(identify(n, f"u-{n}"), f"k-{n}") for n in range(200)]
    with LocalIterable() as iterable, delivering(iterable) as to:
        assert set(names(send(to, events))) == {"delivered"}
        assert len(iterable.project.requests) <= 3


def test_profiles_with_one_key_go_one_after_another() -> None:
    events = [with_key(identify(n, f"u-{n}"), "k-1") for n in range(20)]
    with LocalIterable() as iterable, delivering(iterable) as to:
        assert set(names(send(to, events))) == {"delivered"}
        assert applied(iterable.project.effects) == list(range(20))
        assert len(iterable.project.requests) == 20


# The function -------------------------------------------------------------------------------------


def test_the_function_is_called_once_for_each_event_with_what_was_handed_in() -> None:
    events: list[Any] = [track(0), LineRecord(2, b"no JSON"), None, track(3)]
    seen: list[Any] = []
    with LocalIterable() as iterable, delivering(iterable) as to:
        outcomes = by_index(to.send_all(iter(events), ordering_key=seen.append))
    assert all(found is given for found, given in zip(seen, events, strict=True))
    assert names(outcomes) == ["delivered", "rejected", "rejected", "delivered"]


def test_it_is_called_for_what_is_read_too_late_as_well() -> None:
    events = [with_key(by_email(track, 0), "k-1"), with_key(track(1), "k-1")]
    with LocalIterable() as iterable, delivering(iterable) as to:
        outcomes = list(to.send_all(events, timeout=0, ordering_key=read_key))
    assert [(each.index, each.name) for each in outcomes] == [(0, "retryable"), (1, "retryable")]


class Broken(Exception):
    pass


@pytest.mark.parametrize("raised", [Broken, StopIteration])
@pytest.mark.parametrize("timeout", [None, WAIT_SECONDS])
def test_what_the_function_raises_comes_after_the_outcomes_of_all_that_was_read(
    raised: type[Exception], timeout: float | None
) -> None:
    """Also what would end an iterator in silence."""

    def key_of(event: dict[str, Any]) -> str:
        if event["messageId"] == "m-5":
            raise raised("no key")
        return str(event["userId"])

    outcomes: list[Outcome] = []
    with LocalIterable() as iterable, delivering(iterable) as to:
        events = (track(n, f"u-{n}") for n in range(10))
        running = to.send_all(events, timeout=timeout, ordering_key=key_of)
        with pytest.raises(Broken if raised is Broken else RuntimeError):
            collect(running, outcomes)
        assert applied(iterable.project.effects) == [0, 1, 2, 3, 4]
    assert names(by_index(outcomes)) == ["delivered"] * 5


@pytest.mark.parametrize(
    ("value", "name"), [(7, "int"), (b"k-1", "bytes"), (["k-1"], "list"), (True, "bool")]
)
def test_a_key_that_is_no_text_is_named(value: Any, name: str) -> None:
    message = f"ordering_key: must return a str, or None for no key; for event 1 it returned {name}"
    outcomes: list[Outcome] = []
    with LocalIterable() as iterable, delivering(iterable) as to:
        keys = iter(["k-1", value])
        running = to.send_all([track(0), track(1)], ordering_key=lambda _: next(keys))
        with pytest.raises(TypeError) as caught:
            collect(running, outcomes)
    assert str(caught.value) == message
    assert names(outcomes) == ["delivered"]


def test_what_is_no_function_is_refused_before_anything_is_read() -> None:
    with LocalIterable() as iterable, delivering(iterable) as to, pytest.raises(TypeError) as found:
        to.send_all([track(0)], ordering_key="userId")  # type: ignore[arg-type]
    assert str(found.value) == "ordering_key: must be a function of an event, or None"


# Memory -------------------------------------------------------------------------------------------


def test_no_more_keys_are_remembered_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("iterable_destination.delivery.policies.MAX_KEYS", 50)
    events = (with_key(track(n, f"u-{n % 7}"), f"k-{n}") for n in range(3_000))
    with LocalIterable() as iterable, delivering(iterable, max_pending=5) as to:
        assert set(names(to.send_all(events, ordering_key=read_key))) == {"delivered"}
        assert len(to._policy.linked_keys) <= 100


def test_an_event_that_waits_is_not_overtaken_however_many_users_come_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("iterable_destination.delivery.policies.MAX_KEYS", 50)
    others_are_through = threading.Event()

    def waits(received: Received, apply: Apply) -> Response | Fault:
        if received.path == endpoints.TRACK_PURCHASE.path:
            assert others_are_through.wait(WAIT_SECONDS)
        return apply()

    def events() -> Iterator[dict[str, Any]]:
        yield with_key(by_email(order, 0), "k")
        yield from (with_key(track(n, f"u-{n}"), f"k-{n}") for n in range(2, 1_000))
        yield with_key(track(1), "k")
        yield with_key(track(1_000, "u-1000"), "k-1000")
        wait_until(lambda: 1_000 in applied(iterable.project.effects))
        others_are_through.set()

    with LocalIterable(faults=waits) as iterable, delivering(iterable, max_pending=5) as to:
        assert set(names(to.send_all(events(), ordering_key=read_key))) == {"delivered"}
        there = applied(iterable.project.effects)
    assert there.index(0) < there.index(1)
    assert len(there) == 1_001


# Any history --------------------------------------------------------------------------------------

SHARES = every_fault(0.08, latency=0.01)
#: The kind of an event, its key, and its name: an email or a userId.
drawn = st.tuples(st.sampled_from(KINDS), st.sampled_from([None, "a", "b", "c"]), st.integers(0, 7))


def build(number: int, make: Make, key: str | None, name: int) -> dict[str, Any]:
    event = by_email(make, number, f"{name}@x.com") if name % 2 else make(number, f"u-{name}")
    return with_key(event, key)


@given(st.lists(st.lists(drawn, max_size=25), min_size=1, max_size=3), st.integers(0, 2**32))
def test_in_any_history_events_with_an_equal_key_are_applied_in_their_order(
    calls: list[list[tuple[Make, str | None, int]]], seed: int
) -> None:
    """Also under faults, in several calls, and where the names of a key are those of another."""
    handed: list[tuple[Make, str | None, int]] = []
    retry = RetryPolicy(initial_backoff=0.005, max_backoff=0.01, breaker_timeout=0.01)
    with (
        LocalIterable(faults=RandomFaults(SHARES, seed=seed)) as iterable,
        delivering(iterable, retry=retry) as to,
    ):
        for call in calls:
            first = len(handed)
            handed += call
            left = [build(first + n, *drawn_one) for n, drawn_one in enumerate(call)]
            while left:
                outcomes = by_index(send(to, left))
                left = [left[each.index] for each in outcomes if each.name != "delivered"]
        there = applied(iterable.project.effects)
    assert sorted(there) == list(range(len(handed)))
    keys, users = ([each[place] for each in handed] for place in (1, 2))
    for of_each, values in ((keys, "abc"), (users, range(8))):
        for value in values:
            in_order = [number for number in there if of_each[number] == value]
            assert in_order == sorted(in_order)
