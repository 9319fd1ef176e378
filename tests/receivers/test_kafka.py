"""The events of Kafka's topics are delivered, and what is done with is committed."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, Self

import confluent_kafka
import pytest

from iterable_destination import Destination, InvalidSettings, Outcome, Settings
from iterable_destination.errors import UnreadableInput, UnwritableFile
from iterable_destination.io.dead_letters import DeadLetters
from iterable_destination.io.kafka_dead_letters import KafkaDeadLetters
from iterable_destination.model import endpoints
from iterable_destination.receivers import kafka
from iterable_destination.receivers.kafka import Position, consume
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
    WAIT_SECONDS,
    applied,
    delivering,
    doubled_ids,
    every_fault,
    history,
    inversions,
    order,
    track,
    wait_until,
)
from tests.support.kafka import OFFSET_COMMIT, Cluster

#: No offset is committed.
NONE = -1001
#: An error of Kafka's protocol.
NO_AUTHORIZATION = 30
REFUSED = {"type": "track", "event": "Nobody's"}


@pytest.fixture
def iterable() -> Iterator[LocalIterable]:
    with LocalIterable() as started:
        yield started


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "_POLL", 0.05)
    monkeypatch.setattr(kafka, "_FIRST_WAIT", 0.05)
    monkeypatch.setattr(kafka, "_LONGEST_WAIT", 0.2)


def run(
    to: Destination,
    topic: str,
    config: dict[str, Any],
    until: Callable[[], object],
    **options: Any,
) -> None:
    """Consume until a condition holds; fail if it does not in time."""
    deadline = time.monotonic() + WAIT_SECONDS

    def is_stopped() -> bool:
        assert time.monotonic() < deadline, "the condition did not hold in time"
        return bool(until())

    consume(to, [topic], config, is_stopped=is_stopped, **options)


def run_for(
    to: Destination, topic: str, config: dict[str, Any], seconds: float, **options: Any
) -> None:
    end = time.monotonic() + seconds
    run(to, topic, config, lambda: time.monotonic() >= end, **options)


def committed(cluster: Cluster, topic: str, config: dict[str, Any]) -> list[int]:
    return cluster.committed(topic, config["group.id"])


def keys_of(events: Sequence[dict[str, Any]]) -> list[str]:
    return [event["userId"] for event in events]


class Told:
    """What ``on_outcome`` was called with, and when."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[Position, Outcome]] = []
        self.times: list[float] = []

    def __call__(self, at: Position, outcome: Outcome) -> None:
        self.outcomes.append((at, outcome))
        self.times.append(time.monotonic())

    @property
    def names(self) -> list[str]:
        return [outcome.name for _, outcome in self.outcomes]


# What is delivered --------------------------------------------------------------------------------


def test_all_is_delivered_and_committed_once(
    cluster: Cluster, topic: str, config: dict[str, Any], iterable: LocalIterable
) -> None:
    events = history(400, 20)
    cluster.produce(topic, events, keys=keys_of(events))
    told = Told()
    with delivering(iterable) as to:
        run(to, topic, config, lambda: len(told.outcomes) >= 400, on_outcome=told)
        assert committed(cluster, topic, config) == cluster.ends(topic)
        again = Told()
        run_for(to, topic, config, 0.3, on_outcome=again)
    assert sorted(applied(iterable.project.effects)) == list(range(400))
    assert (set(told.names), len(told.outcomes), again.outcomes) == ({"delivered"}, 400, [])
    assert inversions(iterable, keys_of(events)) == []


def test_an_outcome_comes_with_the_place_of_its_message(
    cluster: Cluster, topic: str, config: dict[str, Any], iterable: LocalIterable
) -> None:
    cluster.produce(topic, [[track(0), track(1)], track(2)], partition=3)
    told = Told()
    with delivering(iterable) as to:
        run(to, topic, config, lambda: len(told.outcomes) >= 3, on_outcome=told)
    assert [(at, each.message_id) for at, each in told.outcomes] == [
        (Position(topic, 3, 0), "m-0"),
        (Position(topic, 3, 0), "m-1"),
        (Position(topic, 3, 1), "m-2"),
    ]
    assert told.outcomes[0][0].in_partition == (topic, 3)


SHARES = every_fault(0.08)


def under_other_names(number: int, user: int) -> dict[str, Any]:
    """Return an event of a user who is known by an email in one event, by a userId in another."""
    if number % 3:
        return order(number, f"u-{user}")
    return order(number) | {"userId": None, "context": {"traits": {"email": f"{user}@x.com"}}}


@pytest.mark.parametrize("seed", [1, 2])
def test_events_of_one_key_stay_in_order_under_faults(
    cluster: Cluster, topic: str, config: dict[str, Any], seed: int
) -> None:
    """Also where nothing but the key says that they are one user's."""
    events = [under_other_names(n, n % 8) for n in range(160)]
    cluster.produce(topic, events, keys=[f"k-{n % 8}" for n in range(160)])
    with (
        LocalIterable(faults=RandomFaults(SHARES, seed=seed)) as iterable,
        delivering(iterable) as to,
    ):
        ends = cluster.ends(topic)
        run(
            to,
            topic,
            config,
            lambda: len(applied(iterable.project.effects)) == 160,
            max_messages=50,
        )
        there = applied(iterable.project.effects)
        assert doubled_ids(iterable) == []
        assert committed(cluster, topic, config) == ends
    for user in range(8):
        in_order = [number for number in there if number % 8 == user]
        assert in_order == sorted(in_order)


def test_without_order_by_key_the_key_says_nothing(
    cluster: Cluster, topic: str, config: dict[str, Any]
) -> None:
    script = Script([faults.server_error()] * 2, paths={endpoints.TRACK_PURCHASE.path})
    cluster.produce(topic, [order(1, "u-1"), track(2, "u-2")], key="k", partition=0)
    with LocalIterable(faults=script) as iterable, delivering(iterable) as to:
        done = lambda: iterable.project.effect_count == 2  # noqa: E731
        run(to, topic, config, done, order_by_key=False)
        assert applied(iterable.project.effects) == [2, 1]


def test_ids_and_times_of_events_without_them_stay_the_same(
    cluster: Cluster, topic: str, iterable: LocalIterable
) -> None:
    """The second group delivers the same messages again, and makes no second event."""
    event = {"type": "track", "event": "Seen", "userId": "u-1"}
    own = event | {"messageId": "own", "timestamp": "2026-01-02T03:04:05Z"}
    written = [event, [event, own, event]]
    cluster.produce(topic, written, partition=1, timestamp=1_700_000_000_123)
    with delivering(iterable) as to:
        for number in (1, 2):
            done = lambda number=number: iterable.project.effect_count == 4 * number  # noqa: E731
            run(to, topic, cluster.config(), done)
    effects = iterable.project.effects
    first, second = effects[:4], effects[4:]
    name = f"kafka-{topic}-1"
    assert {(each.id, each.created_at) for each in first} == {
        (f"{name}-0-1700000000123", 1_700_000_000),
        (f"{name}-1-1700000000123-0", 1_700_000_000),
        ("own", 1_767_323_045),
        (f"{name}-1-1700000000123-2", 1_700_000_000),
    }
    assert {each.id: each.body for each in first} == {each.id: each.body for each in second}
    assert [each.created for each in effects] == [True] * 4 + [False] * 4


@pytest.mark.parametrize("milliseconds", [2**62, 253_402_300_800_000])
def test_a_time_that_is_no_date_does_not_stop_its_message(
    cluster: Cluster,
    topic: str,
    config: dict[str, Any],
    iterable: LocalIterable,
    milliseconds: int,
) -> None:
    event = {"type": "track", "event": "Seen", "userId": "u-1"}
    cluster.produce(topic, [event], timestamp=milliseconds)
    with delivering(iterable) as to:
        run(to, topic, config, lambda: iterable.project.effect_count)
    [effect] = iterable.project.effects
    assert str(effect.id).endswith(f"-0-{milliseconds}")
    assert abs(float(effect.created_at or 0) - time.time()) < 60


def test_what_a_message_may_be(
    cluster: Cluster, topic: str, config: dict[str, Any], iterable: LocalIterable, tmp_path: Path
) -> None:
    """Nothing of it stops what comes after it, if dead letters are kept."""
    values = [
        *(None, [], [track(0), "no event"], "no JSON", "5", b"\xff", b"", '"text"'),
        track(1),
    ]
    keys: list[str | bytes | None] = [b"\xff\xfe", "", None, *["k"] * 5, b"\xff\xfe"]
    cluster.produce(topic, values, keys=keys, partition=2)
    told = Told()
    with (
        DeadLetters(tmp_path / "dead") as letters,
        delivering(iterable, dead_letters=letters) as to,
    ):
        run(to, topic, config, lambda: len(told.outcomes) >= 8, on_outcome=told)
        assert committed(cluster, topic, config) == [0, 0, len(values), 0]
    assert [(at.offset, each.name) for at, each in told.outcomes] == [
        *[(2, "delivered"), (2, "rejected")],
        *[(offset, "rejected") for offset in (3, 4, 5, 6, 7)],
        (8, "delivered"),
    ]
    assert applied(iterable.project.effects) == [0, 1]
    lines = (tmp_path / "dead").read_text().splitlines()
    assert [json.loads(each)["deadLetter"].get("line") for each in lines] == [
        *('"no event"', "no JSON", "5", "\\xff", "", '"text"')
    ]


def test_messages_without_events_are_committed(
    cluster: Cluster, topic: str, config: dict[str, Any], iterable: LocalIterable
) -> None:
    cluster.produce(topic, [None, "[]", None], partition=0)
    with delivering(iterable) as to:
        run(to, topic, config, lambda: committed(cluster, topic, config)[0] == 3)
    assert iterable.project.requests == []


def test_where_delivery_is_off_events_are_skipped_and_committed(
    cluster: Cluster, topic: str, config: dict[str, Any]
) -> None:
    cluster.produce(topic, [track(0)], partition=0)
    told = Told()
    with Destination(Settings(enabled=False)) as to:
        run(to, topic, config, lambda: told.outcomes, on_outcome=told)
    assert told.names == ["skipped"]
    assert committed(cluster, topic, config)[0] == 1


# What is not done with ----------------------------------------------------------------------------


def test_a_refused_event_stops_its_partition_only_and_is_tried_again_ever_later(
    cluster: Cluster, topic: str, config: dict[str, Any], iterable: LocalIterable
) -> None:
    cluster.produce(topic, [track(0), REFUSED, track(1)], partition=0)
    refused = Told()

    def note(at: Position, outcome: Outcome) -> None:
        if outcome.name == "rejected":
            refused(at, outcome)
            cluster.produce(topic, [track(9 + len(refused.outcomes), "u-2")], partition=1)

    with delivering(iterable) as to:
        run(to, topic, config, lambda: len(refused.outcomes) >= 5, on_outcome=note)
    assert {at for at, _ in refused.outcomes} == {Position(topic, 0, 1)}
    waits = [b - a for a, b in zip(refused.times, refused.times[1:], strict=False)]
    shortest = [0.05, 0.1, 0.2, 0.2]
    assert all(least <= wait for least, wait in zip(shortest, waits, strict=True))
    first, other, *_ = committed(cluster, topic, config)
    assert (first, other >= 3) == (1, True)
    assert {10, 11, 12} <= set(applied(iterable.project.effects))


def test_the_waits_begin_anew_after_what_was_kept_is_done_with(
    cluster: Cluster, topic: str, config: dict[str, Any], iterable: LocalIterable
) -> None:
    store, told = Unwritable(), Told()
    seconds: list[float] = []
    cluster.produce(topic, [REFUSED], partition=0)
    with delivering(iterable, dead_letters=store) as to:
        consumption = kafka._Consumption(to, config, "earliest")
        consumption.on_outcome = told
        try:
            consumption.subscribe([topic])
            while len(seconds) < 4:
                consumption.deliver_next(10)
                if len(told.outcomes) > len(seconds):
                    seconds += [each.seconds for each in consumption._pauses.values()] or [0]
                    store.is_writable = len(seconds) == 2
                    if len(seconds) == 3:
                        cluster.produce(topic, [REFUSED], partition=0)
        finally:
            consumption.close()
    assert told.names == ["retryable", "retryable", "rejected", "retryable"]
    assert seconds == [0.05, 0.1, 0, 0.05]


def test_after_what_was_kept_nothing_is_jumped_over(
    cluster: Cluster, topic: str, config: dict[str, Any]
) -> None:
    """Many messages wait in librdkafka's own queue when their partition is set back."""
    count = 2_000
    events = [track(n, f"u-{n % 50}") for n in range(count)]
    cluster.produce(topic, events, partition=0)
    with (
        LocalIterable(faults=RandomFaults({faults.server_error(): 0.5}, seed=3)) as iterable,
        delivering(iterable) as to,
    ):
        done = lambda: len(applied(iterable.project.effects)) == count  # noqa: E731
        run(to, topic, config, done, max_messages=300)
        assert committed(cluster, topic, config)[0] == count
        assert inversions(iterable, [f"u-{n}" for n in range(50)]) == []


class Unwritable:
    """Dead letters that cannot be stored, until they can."""

    def __init__(self) -> None:
        self.is_writable = False
        self.kept: list[Any] = []

    def write(self, letters: Any) -> None:
        if not self.is_writable:
            raise UnwritableFile("the disk is full")
        self.kept += letters


def test_a_dead_letter_that_cannot_be_stored_stays_until_it_can(
    cluster: Cluster, topic: str, config: dict[str, Any], iterable: LocalIterable
) -> None:
    cluster.produce(topic, [REFUSED, track(1)], partition=0)
    store, told = Unwritable(), Told()

    def note(at: Position, outcome: Outcome) -> None:
        told(at, outcome)
        if len(told.outcomes) == 2:
            assert committed(cluster, topic, config)[0] == 0
        store.is_writable = len(told.outcomes) >= 4

    with delivering(iterable, dead_letters=store) as to:
        run(to, topic, config, lambda: store.kept, on_outcome=note)
    assert told.names[0] == "retryable"
    assert told.names[-2:] == ["rejected", "delivered"]
    assert len(store.kept) == 1
    assert committed(cluster, topic, config)[0] == 2


def test_dead_letters_in_a_topic_have_the_event_which_can_be_consumed_again(
    cluster: Cluster, topic: str, config: dict[str, Any], iterable: LocalIterable
) -> None:
    letters = KafkaDeadLetters(
        dead := cluster.create_topic(1), {"bootstrap.servers": cluster.address}
    )
    cluster.produce(topic, [REFUSED | {"messageId": "m-1"}, track(1)], partition=0)
    with delivering(iterable, dead_letters=letters) as to:
        run(to, topic, config, lambda: iterable.project.effect_count)
    assert committed(cluster, topic, config)[0] == 2
    [line] = [json.loads(value or b"") for value in cluster.read(dead, 1)]
    assert (line["messageId"], line["deadLetter"]["outcome"]) == ("m-1", "rejected")
    told = Told()
    with delivering(iterable) as to:
        run(to, dead, cluster.config(), lambda: told.outcomes, on_outcome=told)
    assert [each.message_id for _, each in told.outcomes] == ["m-1"]


def test_while_iterable_is_down_nothing_is_committed_and_nothing_is_lost(
    cluster: Cluster, topic: str, config: dict[str, Any]
) -> None:
    is_up = threading.Event()

    def down(_: Received, apply: Callable[[], Response]) -> Response | Fault:
        return apply() if is_up.is_set() else faults.close()

    events = history(60, 6)
    told = Told()

    def note(at: Position, outcome: Outcome) -> None:
        told(at, outcome)
        if len(told.outcomes) == 150:
            assert set(told.names) <= {"retryable", "unknown"}
            assert set(committed(cluster, topic, config)) == {0}
            is_up.set()

    cluster.produce(topic, events, keys=keys_of(events))
    with LocalIterable(faults=down) as iterable, delivering(iterable) as to:
        done = lambda: len(applied(iterable.project.effects)) == 60  # noqa: E731
        run(to, topic, config, done, on_outcome=note)
        assert inversions(iterable, keys_of(events)) == []
        assert committed(cluster, topic, config) == cluster.ends(topic)


def test_a_batch_is_delivered_in_time_and_the_rest_of_it_stays(
    cluster: Cluster, topic: str, config: dict[str, Any]
) -> None:
    cluster.produce(topic, [order(n, f"u-{n}") for n in range(3)], partition=0)
    settings = config | {"max.poll.interval.ms": "1000", "session.timeout.ms": 1_000}
    told = Told()
    slow = Script([None, faults.latency(5), faults.latency(5)])
    with LocalIterable(faults=slow) as iterable, delivering(iterable, max_workers=1) as to:
        began = time.monotonic()
        run(to, topic, settings, lambda: told.outcomes, on_outcome=told)
        assert told.times[0] - began < 3
    assert sorted(told.names) != ["delivered"] * 3
    assert committed(cluster, topic, config)[0] < 3


# Where it begins ----------------------------------------------------------------------------------


@pytest.mark.parametrize("begin_at", ["earliest", "latest"])
def test_a_group_begins_where_it_is_told_to_once(
    cluster: Cluster, topic: str, config: dict[str, Any], iterable: LocalIterable, begin_at: str
) -> None:
    """What comes while no consumer is there is delivered by the next, also after `latest`."""
    cluster.produce(topic, [track(0)], partition=0)
    with delivering(iterable) as to:
        begun = lambda: min(committed(cluster, topic, config)) >= 0  # noqa: E731
        run(to, topic, config, begun, begin_at=begin_at)
        cluster.produce(topic, [track(1)], partition=0)
        cluster.produce(topic, [track(2)], partition=1)
        run(
            to,
            topic,
            config,
            lambda: {1, 2} <= set(applied(iterable.project.effects)),
            begin_at=begin_at,
        )
    assert (0 in applied(iterable.project.effects)) == (begin_at == "earliest")


@pytest.mark.parametrize("begin_at", ["earliest", "latest"])
def test_what_comes_next_and_is_gone_is_told(
    cluster: Cluster, topic: str, config: dict[str, Any], iterable: LocalIterable, begin_at: str
) -> None:
    cluster.produce(topic, [track(0)], partition=0)
    with delivering(iterable) as to:
        run(to, topic, config, lambda: iterable.project.effect_count)
        cluster.produce(topic, [track(1), track(2)], partition=0)
        cluster.delete_before(topic, 0, 2)
        with pytest.raises(UnreadableInput) as caught:
            run(to, topic, config, lambda: False, begin_at=begin_at)
    assert str(caught.value).startswith(f"{topic} [0]: _AUTO_OFFSET_RESET: ")
    assert committed(cluster, topic, config)[0] == 1
    assert applied(iterable.project.effects) == [0]


def test_a_topic_that_is_not_there_is_told(config: dict[str, Any], iterable: LocalIterable) -> None:
    with delivering(iterable) as to, pytest.raises(UnreadableInput) as caught:
        run(to, "nothing", config, lambda: False)
    assert str(caught.value).startswith("UNKNOWN_TOPIC_OR_PART: Subscribed topic not available: ")


# Groups -------------------------------------------------------------------------------------------


class Worker(threading.Thread):
    """A consumer in a thread of its own."""

    def __init__(self, iterable: LocalIterable, topic: str, config: dict[str, Any]) -> None:
        super().__init__()
        self._iterable = iterable
        self._topic = topic
        self._config = config
        self.told = Told()
        self.is_to_stop = False

    def run(self) -> None:
        with delivering(self._iterable) as to:
            consume(
                to,
                [self._topic],
                self._config,
                is_stopped=lambda: self.is_to_stop,
                on_outcome=self.told,
                max_messages=100,
            )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_to_stop = True
        self.join(WAIT_SECONDS)


STRATEGIES = [
    pytest.param("range,roundrobin", marks=pytest.mark.slow),
    "cooperative-sticky",
]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_consumers_of_a_group_share_the_partitions(
    cluster: Cluster, topic: str, config: dict[str, Any], iterable: LocalIterable, strategy: str
) -> None:
    config["partition.assignment.strategy"] = strategy
    sent = 0

    def produce() -> None:
        nonlocal sent
        for partition in range(4):
            cluster.produce(topic, [track(sent, f"u-{partition}")], partition=partition)
            sent += 1

    def both() -> bool:
        produce()
        time.sleep(0.05)
        return all(len(each.told.outcomes) >= 4 for each in (first, second))

    with Worker(iterable, topic, config) as first:
        produce()
        wait_until(lambda: first.told.outcomes)
        with Worker(iterable, topic, config) as second:
            wait_until(both)
        count = len(first.told.outcomes)
        produce()
        wait_until(lambda: len(first.told.outcomes) >= count + 4)
        wait_until(lambda: len(applied(iterable.project.effects)) == sent)
        wait_until(lambda: committed(cluster, topic, config) == cluster.ends(topic))
    assert inversions(iterable, [f"u-{n}" for n in range(4)]) == []
    assert doubled_ids(iterable) == []


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_was_kept_is_tried_again_after_a_rebalance(
    cluster: Cluster,
    topic: str,
    config: dict[str, Any],
    iterable: LocalIterable,
    strategy: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A partition that waits, goes to another consumer and comes back, waits no longer."""
    monkeypatch.setattr(kafka, "_FIRST_WAIT", 60.0)
    monkeypatch.setattr(kafka, "_LONGEST_WAIT", 60.0)
    config["partition.assignment.strategy"] = strategy
    for partition in range(4):
        cluster.produce(topic, [REFUSED], partition=partition)
    everywhere = {Position(topic, number, 0) for number in range(4)}
    with Worker(iterable, topic, config) as first:
        wait_until(lambda: len(first.told.outcomes) >= 4)
        with Worker(iterable, topic, config) as second:
            wait_until(lambda: len(second.told.outcomes) >= 2)
            moved = {at for at, _ in second.told.outcomes}
            count = len(first.told.outcomes)
        wait_until(lambda: moved <= {at for at, _ in first.told.outcomes[count:]})
    assert moved < everywhere
    assert committed(cluster, topic, config) == [0, 0, 0, 0]


@pytest.mark.slow
def test_a_consumer_that_took_too_long_joins_again(
    cluster: Cluster,
    topic: str,
    config: dict[str, Any],
    iterable: LocalIterable,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = config | {"max.poll.interval.ms": 1_000, "session.timeout.ms": 1_000}
    cluster.produce(topic, [track(0)], partition=0)
    told = Told()

    def note(at: Position, outcome: Outcome) -> None:
        told(at, outcome)
        if len(told.outcomes) == 1:
            cluster.produce(topic, [track(1)], partition=0)
            time.sleep(2.5)

    with delivering(iterable) as to:
        run(to, topic, settings, lambda: committed(cluster, topic, config)[0] == 2, on_outcome=note)
    assert "the group's partitions are handed out again: _MAX_POLL_EXCEEDED" in caplog.text
    assert applied(iterable.project.effects) == [0, 1]


def then_refuse_a_commit(told: Told, cluster: Cluster) -> Callable[[Position, Outcome], None]:
    """Return what notes an outcome, and lets the next commit fail."""

    def note(at: Position, outcome: Outcome) -> None:
        told(at, outcome)
        cluster.fail_requests(OFFSET_COMMIT, NO_AUTHORIZATION)

    return note


def test_a_commit_that_fails_is_logged_and_made_again(
    cluster: Cluster,
    topic: str,
    config: dict[str, Any],
    iterable: LocalIterable,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cluster.produce(topic, [track(0)], partition=0)
    told = Told()
    note = then_refuse_a_commit(told, cluster)
    with delivering(iterable) as to:
        run(to, topic, config, lambda: committed(cluster, topic, config)[0] == 1, on_outcome=note)
    failures = [record for record in caplog.records if "cannot be committed" in record.message]
    assert [record.iterable_error for record in failures] == ["GROUP_AUTHORIZATION_FAILED"]  # type: ignore[attr-defined]
    assert told.names == ["delivered"]


def test_what_could_not_be_committed_is_at_the_end(
    cluster: Cluster, topic: str, config: dict[str, Any], iterable: LocalIterable
) -> None:
    cluster.produce(topic, [track(0)], partition=0)
    told = Told()
    note = then_refuse_a_commit(told, cluster)
    with delivering(iterable) as to:
        run(to, topic, config, lambda: told.outcomes, on_outcome=note)
    assert committed(cluster, topic, config)[0] == 1


def test_brokers_that_are_away_for_a_while_stop_nothing_for_good(
    cluster: Cluster,
    topic: str,
    config: dict[str, Any],
    iterable: LocalIterable,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for partition in range(4):
        cluster.produce(topic, [track(0)], partition=partition)
    with Worker(iterable, topic, config) as worker:
        wait_until(lambda: len(worker.told.outcomes) == 4)
        with cluster.away():
            time.sleep(0.5)
        cluster.produce(topic, [track(1)], partition=0)
        wait_until(lambda: applied(iterable.project.effects) == [0, 1])
        wait_until(lambda: committed(cluster, topic, config) == [2, 1, 1, 1])
    loggers = {record.name for record in caplog.records if "Connect to" in record.message}
    assert loggers == {"iterable_destination.receivers.librdkafka"}
    assert "rdkafka#consumer" not in capfd.readouterr().err


# How it ends --------------------------------------------------------------------------------------


class Broken(Exception):
    pass


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Note each consumer that is closed."""
    noted: list[bool] = []

    class Noting(confluent_kafka.Consumer):
        def close(self) -> None:
            noted.append(True)
            super().close()

    monkeypatch.setattr(kafka, "Consumer", Noting)
    return noted


def test_what_on_outcome_raises_ends_it_with_nothing_committed_after(
    cluster: Cluster,
    topic: str,
    config: dict[str, Any],
    iterable: LocalIterable,
    closed: list[bool],
) -> None:
    def break_off(_: Position, outcome: Outcome) -> NoReturn:
        raise Broken(outcome.name)

    cluster.produce(topic, [track(0)], partition=0)
    with delivering(iterable) as to, pytest.raises(Broken, match="delivered"):
        run(to, topic, config, lambda: False, on_outcome=break_off)
    assert committed(cluster, topic, config)[0] == 0
    assert closed == [True]


def test_it_is_closed_when_it_is_stopped(
    topic: str, config: dict[str, Any], iterable: LocalIterable, closed: list[bool]
) -> None:
    with delivering(iterable) as to:
        consume(to, [topic], config, is_stopped=lambda: True)
    assert closed == [True]


@pytest.mark.parametrize("raised", [Broken, KeyboardInterrupt])
def test_it_is_closed_whatever_is_raised(
    topic: str,
    config: dict[str, Any],
    iterable: LocalIterable,
    closed: list[bool],
    raised: type[BaseException],
) -> None:
    def is_stopped() -> NoReturn:
        raise raised

    with delivering(iterable) as to, pytest.raises(raised):
        consume(to, [topic], config, is_stopped=is_stopped)
    assert closed == [True]


def test_it_is_closed_if_a_topic_cannot_be_read(
    config: dict[str, Any], iterable: LocalIterable, closed: list[bool]
) -> None:
    with delivering(iterable) as to, pytest.raises(UnreadableInput):
        run(to, "nothing", config, lambda: False)
    assert closed == [True]


# Settings -----------------------------------------------------------------------------------------

PASSWORD = "secret-of-the-test"
TEXT = "must be a text that is not empty"
PLAIN = "must be a text, a number, true or false"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"group.id": None}, f"config: group.id: {TEXT}"),
        ({"group.id": ""}, f"config: group.id: {TEXT}"),
        ({"bootstrap.servers": ["a:9092"]}, f"config: bootstrap.servers: {TEXT}"),
        ({"client.id": None}, f"config: client.id: {PLAIN}"),
        ({"client.id": ["a"]}, f"config: client.id: {PLAIN}"),
        ({"nonsense": 1}, 'config: No such configuration property: "nonsense"'),
        (
            {"max.poll.interval.ms": "abc"},
            'config: Invalid value for configuration property "max.poll.interval.ms"',
        ),
        ({"error_cb": 1}, "config: expected error_cb property as a callable function"),
    ],
)
def test_settings_that_are_wrong_are_told_without_their_values(
    topic: str, config: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    with (
        Destination(Settings(enabled=False)) as to,
        pytest.raises(InvalidSettings) as caught,
    ):
        consume(to, [topic], config | {"sasl.password": PASSWORD} | change)
    assert str(caught.value) == message


@pytest.mark.parametrize("missing", ["bootstrap.servers", "group.id"])
def test_settings_that_are_missing_are_told(
    topic: str, config: dict[str, Any], missing: str
) -> None:
    del config[missing]
    with (
        Destination(Settings(enabled=False)) as to,
        pytest.raises(InvalidSettings) as caught,
    ):
        consume(to, [topic], config)
    assert str(caught.value) == f"config: {missing}: {TEXT}"


def test_arguments_that_are_wrong_are_told(config: dict[str, Any]) -> None:
    with Destination(Settings(enabled=False)) as to:
        with pytest.raises(TypeError, match=r"^topics: must be a list of names$"):
            consume(to, "events", config)
        with pytest.raises(ValueError, match=r"^begin_at: must be earliest or latest$"):
            consume(to, ["events"], config, begin_at="now")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"^max_messages: must be a whole number, at least 1$"):
            consume(to, ["events"], config, max_messages=0)


def test_the_ids_of_events_are_in_the_log_if_that_is_wanted(
    cluster: Cluster,
    topic: str,
    config: dict[str, Any],
    iterable: LocalIterable,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "iterable_destination.receivers")
    cluster.produce(topic, [track(0)], partition=0)
    with delivering(iterable) as to:
        done = lambda: iterable.project.effect_count  # noqa: E731
        run(to, topic, config, done, log_message_ids=True)
    [record] = [each for each in caplog.records if "1 event" in each.message]
    assert record.iterable_message_ids == {"delivered": ["m-0"]}  # type: ignore[attr-defined]
