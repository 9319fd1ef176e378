"""What every outbox does: what was added is in it until it is removed, whatever happens."""

from __future__ import annotations

import gc
import math
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from iterable_destination.errors import InvalidEvent, OutboxError, OutboxInUse
from iterable_destination.mapping.translate import translate
from iterable_destination.model.records import OutboxRecord
from iterable_destination.model.serialization import serialize_event
from tests.support import strategies
from tests.support.delivering import held_by_a_thread
from tests.support.interrupting import Interruption, at_each_line, in_own_thread, raise_interruption
from tests.support.outboxes import AnOutbox, Place, delivering_soon, new_file, new_table

EVENT = {
    "type": "identify",
    "userId": "u-1",
    "traits": {"name": "Zoë"},
    "messageId": "m-1",
    "timestamp": "2026-02-07T10:00:00Z",
}


@pytest.fixture(params=["sqlite", "postgres"])
def make_place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Place]:
    """Return places of new outboxes."""
    if request.param == "sqlite":
        return lambda: new_file(tmp_path)
    cluster = request.getfixturevalue("postgres")
    return lambda: new_table(cluster)


@pytest.fixture
def place(make_place: Callable[[], Place]) -> Place:
    return make_place()


@pytest.fixture
def box(place: Place) -> Iterator[AnOutbox]:
    with place.open() as box:
        yield box


def record(number: int, event: Any) -> OutboxRecord:
    return OutboxRecord(number, serialize_event(event).encoded())


def numbers(box: AnOutbox) -> list[int]:
    return [entry.number for entry in box.read()]


# --- In and out ----------------------------------------------------------------------------------


def test_events_come_out_as_they_came_in_and_in_order(box: AnOutbox) -> None:
    events = [EVENT | {"n": n} for n in range(5)]
    records = [record(n + 1, event) for n, event in enumerate(events)]
    assert [box.add(event) for event in events] == [1, 2, 3, 4, 5]
    assert box.read() == records
    assert box.read(limit=2) == records[:2]
    assert list(box.read_all(2)) == [records[:2], records[2:4], records[4:]]
    assert len(box) == box.count() == 5


def test_what_is_added_and_removed_while_pages_are_read_is_seen(box: AnOutbox) -> None:
    box.add_all([EVENT] * 4)
    pages = box.read_all(2)
    assert [entry.number for entry in next(pages)] == [1, 2]
    box.remove([1, 2, 3])
    box.add(EVENT)
    assert [entry.number for entry in next(pages)] == [4, 5]
    box.add(EVENT)
    assert [entry.number for entry in next(pages)] == [6]
    assert list(pages) == []
    assert list(box.read_all(2)) == [box.read(limit=2), box.read()[2:]]


def test_many_are_added_at_once(box: AnOutbox) -> None:
    assert box.add_all(EVENT for _ in range(3)) == [1, 2, 3]
    assert box.add_all([]) == []
    assert box.add_all([EVENT]) == [4]
    assert len(box) == 4


def test_what_is_removed_is_gone_and_the_rest_is_there(box: AnOutbox) -> None:
    box.add_all([EVENT] * 5)
    box.remove([2, 4, 4, 99])
    box.remove([])
    box.remove(iter([1]))
    assert numbers(box) == [3, 5]
    assert len(box) == 2


def test_no_number_is_given_twice(place: Place) -> None:
    for expected in (1, 2, 3):
        with place.open() as box:
            assert box.add(EVENT) == expected
            box.remove([expected])


def test_events_are_there_when_the_file_is_opened_again(place: Place) -> None:
    for n in range(3):
        with place.open() as box:
            assert len(box) == n
            box.add(EVENT)


def test_an_empty_outbox_is_true(box: AnOutbox) -> None:
    assert box
    assert len(box) == 0


class Model(RuleBasedStateMachine):
    """An outbox does what a list would do, also when it is closed and opened again."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place
        self._box = place.open()
        self._rows: list[OutboxRecord] = []
        self._next = 1

    @rule(count=st.integers(0, 8))
    def add(self, count: int) -> None:
        events = [EVENT | {"n": self._next + offset} for offset in range(count)]
        found = self._box.add_all(events)
        assert found == list(range(self._next, self._next + count))
        self._rows += map(record, found, events)
        self._next += count

    @rule(chosen=st.sets(st.integers(1, 60)))
    def remove(self, chosen: set[int]) -> None:
        self._box.remove(chosen)
        self._rows = [entry for entry in self._rows if entry.number not in chosen]

    @rule()
    def open_again(self) -> None:
        self._box.close()
        self._box = self._place.open()

    @rule(limit=st.integers(1, 30))
    def read(self, limit: int) -> None:
        assert self._box.read(limit=limit) == self._rows[:limit]

    @rule(page_size=st.integers(1, 30))
    def read_all(self, page_size: int) -> None:
        pages = list(self._box.read_all(page_size))
        assert [entry for page in pages for entry in page] == self._rows
        assert all(len(page) == page_size for page in pages[:-1])

    @invariant()
    def as_many(self) -> None:
        assert len(self._box) == len(self._rows)

    def teardown(self) -> None:
        self._box.close()


def test_it_does_what_a_list_would_do(make_place: Callable[[], Place]) -> None:
    few = settings(stateful_step_count=20)
    make_model: Any = lambda: Model(make_place())  # noqa: E731 - it stands for a class
    run_state_machine_as_test(make_model, settings=few)


# --- Events --------------------------------------------------------------------------------------


def test_any_event_is_taken(make_place: Callable[[], Place]) -> None:
    @given(st.lists(strategies.python_events | strategies.anything, max_size=5))
    def holds(events: list[Any]) -> None:
        with make_place().open() as box:
            expected = list(range(1, len(events) + 1))
            assert box.add_all(events) == numbers(box) == expected

    holds()


def test_values_of_python_come_out_as_they_are_sent(box: AnOutbox) -> None:
    event = EVENT | {"timestamp": datetime(2023, 2, 5, tzinfo=UTC), "traits": {"tags": ("a",)}}
    box.add(event)
    [entry] = box.read()
    assert translate(entry.event()) == translate(event)


def test_a_copy_of_an_event_has_the_id_and_the_time_that_it_lacks(box: AnOutbox) -> None:
    event = {"type": "track", "userId": "u-1", "event": "Seen"}
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    box.add(event)
    box.add_all([event, MappingProxyType(event), EVENT])
    kept = [entry.event() for entry in box.read()]
    assert event == {"type": "track", "userId": "u-1", "event": "Seen"}
    assert len({each["messageId"] for each in kept}) == 4
    assert kept[3] == EVENT
    for each in kept[:3]:
        assert each == event | {key: each[key] for key in ("messageId", "timestamp")}
        assert before <= datetime.fromisoformat(each["timestamp"]) <= datetime.now(UTC)


def test_events_can_be_added_as_they_are(place: Place) -> None:
    event = {"type": "track", "userId": "u-1", "event": "Seen"}
    with place.open(stamp_missing=False) as box:
        box.add(event)
        assert [entry.event() for entry in box.read()] == [event]


def test_an_event_that_cannot_be_sent_is_taken_and_refused_later(box: AnOutbox) -> None:
    for bad in (b"abc", math.nan, object()):
        box.add(EVENT | {"traits": {"a": bad}})
    for entry in box.read():
        with pytest.raises(InvalidEvent, match=r"traits\.a.*NaN"):
            translate(entry.event())


def test_a_closed_outbox_is_told(box: AnOutbox) -> None:
    box.close()
    box.close()
    with pytest.raises(OutboxError, match="the outbox is closed"):
        box.add(EVENT)


def test_other_threads_are_waited_for_no_longer_than_there_is_time(place: Place) -> None:
    with place.open() as box:
        began = time.monotonic()
        with held_by_a_thread(box), pytest.raises(OutboxError) as caught:
            box.add_all([EVENT], timeout=0.2)
        words = "other threads of this process do not let go of it"
        assert str(caught.value) == f"{place.name}: {words}"
        assert time.monotonic() - began >= 0.1
        assert box.add_all([EVENT], timeout=5) == [1]


def test_an_event_that_breaks_while_it_is_read_adds_nothing(box: AnOutbox) -> None:
    def events() -> Iterator[Any]:
        yield EVENT
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        box.add_all(events())
    assert len(box) == 0


class Broken(Mapping[str, Any]):
    """An event that cannot be read."""

    def __getitem__(self, key: str) -> Any:
        raise ZeroDivisionError

    def __iter__(self) -> Iterator[str]:
        raise ZeroDivisionError

    def __len__(self) -> int:
        raise ZeroDivisionError


def test_an_event_that_cannot_be_read_keeps_no_other_out(box: AnOutbox) -> None:
    assert box.add_all([EVENT, Broken(), EVENT]) == [1, 2, 3]
    first, broken, last = [each.event() for each in box.read()]
    assert (first, last) == (EVENT, EVENT)
    with pytest.raises(InvalidEvent):
        translate(broken)


# --- Delivering ----------------------------------------------------------------------------------


def test_one_delivers_at_a_time(box: AnOutbox, place: Place) -> None:
    with box.delivering():
        with pytest.raises(OutboxInUse) as caught, box.delivering():
            pass
        assert str(caught.value) == f"{place.name}: someone else delivers from it already"
        with place.open() as other, pytest.raises(OutboxInUse), other.delivering():
            pass
        assert box.add(EVENT) == 1
    with box.delivering():
        pass


def test_the_right_is_given_back_after_an_error(box: AnOutbox) -> None:
    with pytest.raises(RuntimeError), box.delivering():
        raise RuntimeError
    with box.delivering():
        pass


# --- Others --------------------------------------------------------------------------------------


def test_several_threads_may_use_one_outbox(place: Place) -> None:
    found: list[int] = []
    with place.open() as box:

        def work() -> None:
            found.extend(box.add(EVENT) for _ in range(25))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(found) == numbers(box) == list(range(1, 101))


def start(code: str, *arguments: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


ADD = """
import sys
from tests.support.outboxes import open_outbox

with open_outbox(sys.argv[1]) as box:
    print("open", flush=True)
    for number in range(int(sys.argv[2])):
        print(box.add({"n": number}), flush=True)
"""


def test_several_processes_make_and_fill_one_outbox(place: Place) -> None:
    processes = [start(ADD, place.text, 50) for _ in range(4)]
    outputs = [process.communicate(timeout=60)[0].split()[1:] for process in processes]
    added = [int(number) for output in outputs for number in output]
    with place.open() as box:
        assert sorted(added) == sorted(numbers(box)) == list(range(1, 201))


def test_a_kill_loses_nothing_that_was_added(place: Place) -> None:
    added: set[int] = set()
    for _ in range(4):
        with start(ADD, place.text, 1_000_000) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"open\n"
            for _ in range(random.randrange(60)):  # noqa: S311 - any moment
                added.add(int(process.stdout.readline()))
            process.kill()
            added |= set(map(int, process.stdout.read().split()))
        with place.open() as box:
            found = set(numbers(box))
            assert added <= found
            assert len(found - added) <= 1, "only what was not told yet"
            assert len(box) == len(found)
            added = found


MOVE = """
import sys, time
from tests.support.outboxes import delivering_soon, open_outbox

with open_outbox(sys.argv[1]) as box, delivering_soon(box):
    print("open", flush=True)
    while entries := box.read(limit=3):
        for entry in entries:
            print(entry.event()["n"], flush=True)
        box.remove(entry.number for entry in entries)
        time.sleep(0.003)
print("end", flush=True)
"""


def test_a_kill_while_delivering_skips_nothing_and_frees_the_right(place: Place) -> None:
    with place.open() as box:
        box.add_all({"n": number} for number in range(400))
    delivered: list[int] = []
    for _ in range(3):
        with start(MOVE, place.text) as process, place.open() as box:
            assert process.stdout is not None
            assert process.stdout.readline() == b"open\n"
            some = range(random.randrange(1, 60))  # noqa: S311 - any moment
            delivered += [int(process.stdout.readline()) for _ in some]
            process.kill()
            delivered += [int(text) for text in process.stdout.read().split() if text != b"end"]
    output = start(MOVE, place.text).communicate(timeout=60)[0].split()
    assert output[-1] == b"end"
    assert {*delivered, *map(int, output[1:-1])} == set(range(400))


DELIVER = """
import sys
from tests.support.outboxes import open_outbox

with open_outbox(sys.argv[1]) as box, box.delivering():
    print("mine", flush=True)
    sys.stdin.read()
"""


def test_one_process_delivers_until_it_dies(box: AnOutbox, place: Place) -> None:
    with start(DELIVER, place.text) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"mine\n"
        with pytest.raises(OutboxInUse), box.delivering():
            pass
        process.kill()
        process.wait(60)
        with delivering_soon(box):
            pass


FORK = """
import os, signal, sys, threading
from iterable_destination.errors import OutboxInUse
from tests.support.outboxes import open_outbox

box = open_outbox(sys.argv[1])
threads = [
    threading.Thread(target=lambda: [box.add({"thread": 1}) for _ in range(100)]) for _ in range(2)
]
for thread in threads:
    thread.start()
with box.delivering():
    for _ in range(5):
        child = os.fork()
        if not child:
            connection = box._open
            for number in range(10):
                box.add({"child": number})
            assert connection is None and box._open is not None
            try:
                with box.delivering():
                    os._exit(3)
            except OutboxInUse:
                box.close()
                os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    for thread in threads:
        thread.join()
    print(len(box), flush=True)
    if os.fork() == 0:
        print("ready", flush=True)
        sys.stdin.read()
        os._exit(0)
    signal.pause()
"""


def test_children_of_forks_use_connections_of_their_own(box: AnOutbox, place: Place) -> None:
    with start(FORK, place.text) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == [b"250\n", b"ready\n"]
        with pytest.raises(OutboxInUse), box.delivering():
            pass
        process.kill()
        process.wait(60)
        with delivering_soon(box):  # the last child lives on, without the right
            assert len(box) == 250
            assert sorted(numbers(box)) == list(range(1, 251))


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # what has no name is closed all the same
def test_an_exception_at_any_line_gives_the_right_to_deliver_back(box: AnOutbox) -> None:
    def deliver() -> None:
        with box.delivering():
            pass

    def interrupt_each_line() -> None:
        for interrupter in at_each_line(raise_interruption):
            with suppress(Interruption), interrupter:
                deliver()
            sys.settrace(None)
            gc.collect(1)
            deliver()

    in_own_thread(interrupt_each_line)


# --- How old the first is ------------------------------------------------------------------------


def ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


def test_the_age_is_that_of_the_event_that_was_added_first(place: Place) -> None:
    with place.open() as box:
        assert box.oldest_age() is None
        first = box.add(EVENT | {"timestamp": ago(100)})
        box.add(EVENT | {"timestamp": ago(1_000)})
        age = box.oldest_age()
        assert age is not None
        assert 100 <= age < 200
        box.remove([first])
        age = box.oldest_age()
        assert age is not None
        assert 1_000 <= age < 1_100


def test_the_age_of_an_event_without_a_time_is_since_it_was_added(place: Place) -> None:
    with place.open() as box:
        box.add({"type": "track", "userId": "u-1", "event": "Seen"})
        age = box.oldest_age()
    assert age is not None
    assert 0 <= age < 60


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"timestamp": "soon", "originalTimestamp": 50, "sentAt": 500}, 50),
        ({"sentAt": 50, "receivedAt": 500}, 50),
        ({"receivedAt": 50}, 50),
        ({"timestamp": -3_600}, 0),
        ({"timestamp": "soon"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_the_age_is_by_the_first_time_that_is_a_date(
    place: Place, times: dict[str, int | str], expected: float | None
) -> None:
    event = {key: value if isinstance(value, str) else ago(value) for key, value in times.items()}
    with place.open(stamp_missing=False) as box:
        box.add(event)
        age = box.oldest_age()
    if age is None or expected is None:
        assert age is expected
    else:
        assert expected <= age < expected + 30


def test_what_is_no_object_has_no_age(place: Place) -> None:
    value: Any = [1]
    with place.open() as box:
        box.add(value)
        assert box.oldest_age() is None


def test_the_age_of_an_outbox_that_a_thread_holds_is_not_waited_for(place: Place) -> None:
    with place.open() as box, held_by_a_thread(box), pytest.raises(OutboxError):
        box.oldest_age(0.01)
