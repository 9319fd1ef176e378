"""What was added to the outbox is in it until it is removed, whatever happens."""

from __future__ import annotations

import errno
import gc
import math
import os
import random
import re
import resource
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from iterable_destination.errors import (
    InvalidEvent,
    IterableDestinationError,
    OutboxError,
    OutboxInUse,
    QueueFull,
)
from iterable_destination.io import file_lock, outbox
from iterable_destination.io.outbox import Outbox
from iterable_destination.mapping.translate import translate
from iterable_destination.model.records import OutboxRecord
from iterable_destination.model.serialization import serialize_event
from tests.support import strategies
from tests.support.delivering import Leaks, held_by_a_thread
from tests.support.interrupting import Interruption, at_each_line, in_own_thread, raise_interruption

EVENT = {
    "type": "identify",
    "userId": "u-1",
    "traits": {"name": "Zoë"},
    "messageId": "m-1",
    "timestamp": "2026-02-07T10:00:00Z",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


@pytest.fixture
def box(path: Path) -> Iterator[Outbox]:
    with Outbox(path, lock_timeout=0.1) as box:
        yield box


@contextmanager
def opened(box: Outbox) -> Iterator[sqlite3.Connection]:
    """Yield the connection of an outbox."""
    with box.lock:
        yield box._ensure_open()


def record(number: int, event: Any) -> OutboxRecord:
    return OutboxRecord(number, serialize_event(event).encoded())


def numbers(box: Outbox, after: int = 0) -> list[int]:
    return [entry.number for entry in box.read(after)]


# --- In and out ----------------------------------------------------------------------------------


def test_events_come_out_as_they_came_in_and_in_order(box: Outbox) -> None:
    events = [EVENT | {"n": n} for n in range(5)]
    assert [box.add(event) for event in events] == [1, 2, 3, 4, 5]
    assert box.read() == [record(n + 1, event) for n, event in enumerate(events)]
    assert box.read(after=3) == [record(4, events[3]), record(5, events[4])]
    assert box.read(after=1, limit=2) == [record(2, events[1]), record(3, events[2])]
    assert box.read(after=5) == []
    assert len(box) == 5


def test_many_are_added_at_once(box: Outbox) -> None:
    assert box.add_all(EVENT for _ in range(3)) == [1, 2, 3]
    assert box.add_all([]) == []
    assert box.add_all([EVENT]) == [4]
    assert len(box) == 4


def test_what_is_removed_is_gone_and_the_rest_is_there(box: Outbox) -> None:
    box.add_all([EVENT] * 5)
    box.remove([2, 4, 4, 99])
    box.remove([])
    box.remove(iter([1]))
    assert numbers(box) == [3, 5]
    assert len(box) == 2


def test_no_number_is_given_twice(path: Path) -> None:
    for expected in (1, 2, 3):
        with Outbox(path) as box:
            assert box.add(EVENT) == expected
            box.remove([expected])


def test_events_are_there_when_the_file_is_opened_again(path: Path) -> None:
    for n in range(3):
        with Outbox(path) as box:
            assert len(box) == n
            box.add(EVENT)


def test_an_empty_outbox_is_true(box: Outbox) -> None:
    assert box
    assert len(box) == 0


class Model(RuleBasedStateMachine):
    """An outbox does what a list would do, also when it is closed and opened again."""

    def __init__(self) -> None:
        super().__init__()
        self._directory = TemporaryDirectory()
        self._path = Path(self._directory.name) / "outbox.db"
        self._box = Outbox(self._path, capacity=20)
        self._rows: list[OutboxRecord] = []
        self._next = 1

    @rule(count=st.integers(0, 8))
    def add(self, count: int) -> None:
        events = [EVENT | {"n": self._next + offset} for offset in range(count)]
        if len(self._rows) + count > 20:
            with pytest.raises(QueueFull):
                self._box.add_all(events)
            return
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
        self._box = Outbox(self._path, capacity=20)

    @rule(after=st.integers(0, 60), limit=st.integers(1, 30))
    def read(self, after: int, limit: int) -> None:
        expected = [entry for entry in self._rows if entry.number > after][:limit]
        assert self._box.read(after, limit) == expected

    @invariant()
    def as_many(self) -> None:
        assert len(self._box) == len(self._rows)

    def teardown(self) -> None:
        self._box.close()
        self._directory.cleanup()


TestModel = Model.TestCase


# --- Events --------------------------------------------------------------------------------------


@given(st.lists(strategies.python_events | strategies.anything, max_size=5))
def test_any_event_is_taken(tmp_path_factory: pytest.TempPathFactory, events: list[Any]) -> None:
    with Outbox(tmp_path_factory.mktemp("outbox") / "outbox.db") as box:
        expected = list(range(1, len(events) + 1))
        assert box.add_all(events) == numbers(box) == expected


def test_values_of_python_come_out_as_they_are_sent(box: Outbox) -> None:
    event = EVENT | {"timestamp": datetime(2023, 2, 5, tzinfo=UTC), "traits": {"tags": ("a",)}}
    box.add(event)
    [entry] = box.read()
    assert translate(entry.event()) == translate(event)


def test_a_copy_of_an_event_has_the_id_and_the_time_that_it_lacks(box: Outbox) -> None:
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


def test_events_can_be_added_as_they_are(path: Path) -> None:
    event = {"type": "track", "userId": "u-1", "event": "Seen"}
    with Outbox(path, stamp_missing=False) as box:
        box.add(event)
        assert [entry.event() for entry in box.read()] == [event]


def test_an_event_that_cannot_be_sent_is_taken_and_refused_later(box: Outbox) -> None:
    for bad in (b"abc", math.nan, object()):
        box.add(EVENT | {"traits": {"a": bad}})
    for entry in box.read():
        with pytest.raises(InvalidEvent, match=r"traits\.a.*NaN"):
            translate(entry.event())


def test_a_row_that_was_damaged_stops_no_other(box: Outbox, path: Path) -> None:
    box.add_all([EVENT] * 3)
    with sqlite3.connect(path) as other:
        other.execute("UPDATE events SET event = x'7bff' WHERE number = 1")
        other.execute("UPDATE events SET event = 'text' WHERE number = 2")
    other.close()
    assert [entry.event() for entry in box.read()] == [b"{\xff", b"text", EVENT]
    with pytest.raises(InvalidEvent):
        translate(box.read()[0].event())


def test_the_events_show_in_no_repr(box: Outbox, path: Path) -> None:
    box.add(EVENT)
    assert repr(box.read()) == "[OutboxRecord(number=1)]"
    assert repr(box) == f"Outbox({str(path)!r})"


# --- Capacity ------------------------------------------------------------------------------------


def test_a_full_outbox_takes_nothing_more(path: Path) -> None:
    with Outbox(path, capacity=3) as box:
        box.add(EVENT)
        with pytest.raises(QueueFull) as caught:
            box.add_all([EVENT] * 3)
        assert str(caught.value) == f"{path}: has no room, its capacity is 3"
        assert len(box) == 1
        box.add_all([EVENT] * 2)
        with pytest.raises(QueueFull):
            box.add(EVENT)
        box.remove([1])
        box.add(EVENT)
        assert len(box) == 3


def test_capacity_is_shared_with_others_who_use_the_file(path: Path, box: Outbox) -> None:
    with Outbox(path, capacity=2) as other:
        box.add_all([EVENT] * 2)
        with pytest.raises(QueueFull):
            other.add(EVENT)


@pytest.mark.parametrize("capacity", [0, -1, 1.5, float("nan")])
def test_a_capacity_is_at_least_one(path: Path, capacity: Any) -> None:
    with pytest.raises(ValueError, match=r"^capacity: must be a whole number, at least 1$"):
        Outbox(path, capacity=capacity)
    assert not path.exists()


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_a_lock_timeout_is_a_number_of_seconds(path: Path, seconds: float) -> None:
    with pytest.raises(ValueError, match=r"^lock_timeout: must be a number of seconds, finite"):
        Outbox(path, lock_timeout=seconds)
    assert not path.exists()
    assert not path.exists()


# --- The file ------------------------------------------------------------------------------------


def test_the_files_are_for_their_owner_alone(box: Outbox, path: Path) -> None:
    box.add(EVENT)
    with box.delivering():
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    names = ["outbox.db", "outbox.db-deliverer", "outbox.db-shm", "outbox.db-wal"]
    assert modes == dict.fromkeys(names, 0o600)


def test_what_is_added_is_synced(box: Outbox) -> None:
    with opened(box) as connection:
        [[log], [synchronous]] = (
            connection.execute(f"PRAGMA {name}").fetchone()
            for name in ("journal_mode", "synchronous")
        )
    assert (log, synchronous) == ("wal", 2)


def test_an_empty_file_becomes_an_outbox(path: Path) -> None:
    path.touch()
    with Outbox(path) as box:
        assert box.add(EVENT) == 1


def refused(path: Path) -> str:
    with pytest.raises(OutboxError) as caught:
        Outbox(path, lock_timeout=0.1)
    assert isinstance(caught.value, IterableDestinationError)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.write_bytes(b'{"type":"identify"}\n' * 100)
    assert refused(path) == "file is not a database"
    assert path.read_bytes() == b'{"type":"identify"}\n' * 100


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE mine (x)", "PRAGMA application_id = 7", "CREATE TABLE events (x)"]
)
def test_another_database_is_refused_and_left_alone(path: Path, statement: str) -> None:
    other = sqlite3.connect(path)
    other.execute(statement)
    other.close()
    before = path.read_bytes()
    assert refused(path) == "is an SQLite file, but no outbox"
    assert path.read_bytes() == before


def test_an_outbox_of_a_newer_version_is_refused(path: Path) -> None:
    Outbox(path).close()
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 2")
    other.close()
    assert refused(path) == "was written by a newer version of this program"


def test_a_directory_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path) == "unable to open database file"


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert refused(tmp_path / "no" / "where") == os.strerror(errno.ENOENT)


def test_a_closed_outbox_is_told(box: Outbox) -> None:
    box.close()
    box.close()
    with pytest.raises(OutboxError, match="the outbox is closed"):
        box.add(EVENT)


def test_a_file_that_is_gone_or_replaced_takes_nothing(box: Outbox, path: Path) -> None:
    box.add(EVENT)
    path.rename(path.with_suffix(".old"))
    with pytest.raises(OutboxError, match=os.strerror(errno.ENOENT)):
        box.add(EVENT)
    path.touch()
    with pytest.raises(OutboxError, match="was replaced while it was in use"):
        box.add(EVENT)
    path.with_suffix(".old").replace(path)
    assert box.add(EVENT) == 2


def test_neither_the_file_nor_its_log_grows_for_ever(box: Outbox, path: Path) -> None:
    sizes = []
    for _ in range(30):
        added = box.add_all([{"x": "y" * 1_000}] * 1_000)
        box.remove(added)
        sizes.append(sum(each.stat().st_size for each in path.parent.iterdir()))
    assert max(sizes) < 2 * max(sizes[:5])


def test_a_file_that_was_large_becomes_small_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_FEW_PAGES", 100)
    with Outbox(path) as box:
        box.add_all([{"x": "y" * 1_000}] * 5_000)
        large = path.stat().st_size
        while entries := box.read(limit=100):
            box.remove(entry.number for entry in entries)
        for _ in range(20):
            box.remove([box.add(EVENT)])
    assert path.stat().st_size < 1_000_000 < large


def test_free_pages_of_a_file_that_is_mostly_in_use_are_kept(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_FEW_PAGES", 10)
    with Outbox(path) as box:
        box.add_all([{"x": "y" * 1_000}] * 1_000)
        pages = []
        for numbers in (range(1), range(1, 401)):
            box.remove(numbers)
            with opened(box) as connection:
                pages += connection.execute("PRAGMA page_count").fetchone()
    assert pages[0] == pages[1] > 200


def test_a_log_that_was_large_is_cut_to_8_mb(box: Outbox) -> None:
    with opened(box) as connection:
        assert connection.execute("PRAGMA journal_size_limit").fetchone() == (8_388_608,)


def test_a_new_file_is_made_known_to_its_directory_and_an_old_one_is_not_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    monkeypatch.setattr(outbox, "fsync_directory", flushed.append)
    for _ in range(2):
        Outbox(path).close()
    assert flushed == [os.path.realpath(path)]


# --- Faults of the disk --------------------------------------------------------------------------


def test_a_full_disk_is_told_and_what_was_there_stays(box: Outbox, path: Path) -> None:
    box.add(EVENT)
    with opened(box) as connection:
        connection.execute("PRAGMA max_page_count = 20")
    with pytest.raises(OutboxError) as caught:
        box.add_all([{"x": "y" * 1_000}] * 1_000)
    assert str(caught.value) == f"{path}: database or disk is full"
    assert isinstance(caught.value.__cause__, sqlite3.Error)
    assert (box.add(EVENT), len(box), numbers(box)) == (2, 2, [1, 2])


def test_a_log_that_cannot_grow_is_told(box: Outbox, path: Path) -> None:
    box.add(EVENT)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OutboxError, match="disk"):
            box.add_all([{"x": "y" * 1_000}] * 1_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert numbers(box) == [1]
    with Outbox(path) as other:
        assert numbers(other) == [1]
        assert other.add(EVENT) == 2


def test_a_file_that_others_write_to_all_the_time_is_told(box: Outbox, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(OutboxError) as caught:
        box.add(EVENT)
    assert str(caught.value) == f"{path}: database is locked"
    assert box.read() == []
    other.execute("COMMIT")
    other.close()
    assert box.add(EVENT) == 1


@pytest.mark.parametrize("timeout", [-1.0, 0.0, 0.2])
def test_others_are_waited_for_no_longer_than_there_is_time(path: Path, timeout: float) -> None:
    with Outbox(path, lock_timeout=3_600) as box:
        box.add(EVENT)
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(OutboxError) as caught:
            box.add_all([EVENT], timeout=timeout)
        assert time.monotonic() - began >= timeout - 0.1
        assert str(caught.value) == f"{path}: database is locked"
        threading.Timer(0.5, other.close).start()  # as patient as ever when nothing is said
        assert box.add(EVENT) == 2


@pytest.mark.parametrize("is_locked", [True, False])
def test_a_short_wait_is_that_of_one_write_only(path: Path, *, is_locked: bool) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    with Outbox(path, lock_timeout=20) as box:
        if is_locked:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(OutboxError):
                box.add_all([EVENT], timeout=0)
        else:
            assert box.add_all([EVENT], timeout=0) == [1]
        with opened(box) as connection:
            assert connection.execute("PRAGMA busy_timeout").fetchone() == (20_000,)
    other.close()


def test_a_longer_wait_for_one_write_is_cut_to_the_lock_timeout(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    with Outbox(path, lock_timeout=0.1) as box:
        monkeypatch.setattr(outbox, "_set_timeout", lambda _, seconds: waits.append(seconds))
        assert box.add_all([EVENT], timeout=20) == [1]
    assert max(waits) <= 0.1


def test_other_threads_are_waited_for_no_longer_than_there_is_time(path: Path) -> None:
    with Outbox(path, lock_timeout=3_600) as box:
        began = time.monotonic()
        with held_by_a_thread(box), pytest.raises(OutboxError) as caught:
            box.add_all([EVENT], timeout=0.2)
        words = "other threads of this process do not let go of it"
        assert str(caught.value) == f"{path}: {words}"
        assert time.monotonic() - began >= 0.1
        assert box.add_all([EVENT], timeout=0) == [1]


def test_a_log_that_others_do_not_let_begin_is_told(path: Path) -> None:
    Outbox(path).close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA journal_mode = DELETE")
    other.execute("BEGIN IMMEDIATE")
    assert refused(path) == "database is locked"
    other.execute("ROLLBACK")
    other.close()
    with Outbox(path) as box:
        assert box.add(EVENT) == 1


def test_a_broken_file_is_told(path: Path) -> None:
    with Outbox(path) as box:
        box.add_all([{"x": "y" * 1_000}] * 100)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4_096)
        file.write(b"\xff" * (size - 4_096))
    with Outbox(path) as box, pytest.raises(OutboxError, match=r"outbox\.db: .*malformed"):
        box.read()


def damage(path: Path, part: float) -> None:
    """Overwrite the page of the file that stands there among those of its events."""
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    content = bytearray(path.read_bytes())
    pages = [at for at in range(4_096, len(content), 4_096) if content[at] == LEAF]
    at = pages[int((len(pages) - 1) * part)]
    content[at : at + 200] = b"\xff" * 200
    path.write_bytes(content)


#: How a page of SQLite begins that has rows of a table.
LEAF = 13
SAVING = """\
sqlite3 events.outbox .dump | sed 's/^ROLLBACK.*/COMMIT;/' | sqlite3 saved.outbox
sqlite3 saved.outbox 'UPDATE counted SET events = (SELECT count(*) FROM events);
    PRAGMA application_id = 1766092642; PRAGMA user_version = 1'
"""


def find_damaged(message: str) -> range:
    """Return the numbers that an error says cannot be read."""
    found = re.fullmatch(r".*: is damaged: numbers ([\d,]+) to ([\d,]+) cannot be read", message)
    assert found is not None, message
    first, last = (int(each.replace(",", "")) for each in found.groups())
    return range(first, last + 1)


@pytest.mark.parametrize("part", [0.1, 0.5, 1])
def test_events_in_a_damaged_part_of_the_file_are_named_and_the_others_can_be_saved(
    part: float, tmp_path: Path
) -> None:
    path = tmp_path / "events.outbox"
    with Outbox(path) as box:
        numbers = box.add_all([EVENT | {"messageId": "m" * 100}] * 3_000)
    damage(path, part)
    with Outbox(path) as box:
        with pytest.raises(OutboxError) as caught:
            box.read(0, 5_000)
        damaged = find_damaged(str(caught.value))
        assert 1 < len(damaged) < 50
        assert isinstance(caught.value.__cause__, sqlite3.DatabaseError)
        readable = [number for number in numbers if number not in damaged]
        before, behind = damaged[0] - 1, damaged[-1] + 1
        assert [each.number for each in box.read(0, before)] == readable[:before]
        if behind < numbers[-1]:
            assert [each.number for each in box.read(behind, 5_000)] == readable[before + 1 :]
        for number in (before, damaged[0], damaged[-1]):
            with pytest.raises(OutboxError, match=f"numbers .* to {damaged[-1]:,} cannot be read"):
                box.read(number, 1)
    assert SAVING in Path("docs/howto/backend.md").read_text("utf-8")
    if shutil.which("sqlite3") is not None:
        subprocess.run(["/bin/sh", "-c", SAVING], cwd=tmp_path, check=True, capture_output=True)
        with Outbox(tmp_path / "saved.outbox") as box:
            assert [each.number for each in box.read(0, 5_000)] == readable
            assert len(box) == len(readable)
            assert box.add(EVENT) == 3_001


def test_giving_space_back_is_not_worth_an_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Any) -> None:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(outbox, "_shrink", broken)
    with Outbox(path) as box:
        box.remove([box.add(EVENT)])
        assert len(box) == 0


def test_an_event_that_breaks_while_it_is_read_adds_nothing(box: Outbox) -> None:
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


def test_an_event_that_cannot_be_read_keeps_no_other_out(box: Outbox) -> None:
    assert box.add_all([EVENT, Broken(), EVENT]) == [1, 2, 3]
    first, broken, last = [each.event() for each in box.read()]
    assert (first, last) == (EVENT, EVENT)
    with pytest.raises(InvalidEvent):
        translate(broken)


def test_a_row_whose_text_is_gone_stops_no_other(box: Outbox, path: Path) -> None:
    box.add_all([EVENT] * 3)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, ' NOT NULL)', ')')")
        connection.commit()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE events SET event = NULL WHERE number = 2")
        connection.commit()
    with Outbox(path) as other:
        assert [each.event() for each in other.read()] == [EVENT, b"", EVENT]
    with pytest.raises(InvalidEvent):
        translate(b"")  # type: ignore[arg-type]


def test_an_interrupt_adds_nothing_and_leaves_nothing_open(
    box: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(box, "_capacity", 5)
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "_count", interrupted)
        with pytest.raises(KeyboardInterrupt):
            box.add(EVENT)
    assert box.add(EVENT) == 1


# --- Delivering ----------------------------------------------------------------------------------


def test_one_delivers_at_a_time(box: Outbox, path: Path) -> None:
    with box.delivering():
        with pytest.raises(OutboxInUse) as caught, box.delivering():
            pass
        assert str(caught.value) == f"{path}: someone else delivers from it already"
        with Outbox(path) as other, pytest.raises(OutboxInUse), other.delivering():
            pass
        assert box.add(EVENT) == 1
    with box.delivering():
        pass


def test_the_right_is_given_back_after_an_error(box: Outbox) -> None:
    with pytest.raises(RuntimeError), box.delivering():
        raise RuntimeError
    with box.delivering():
        pass


def test_a_right_that_cannot_be_taken_is_told(
    box: Outbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(file_lock, "_acquire", take)
    with pytest.raises(OutboxError) as caught, box.delivering():
        pass
    assert str(caught.value) == f"{path}-deliverer: No locks available"


# --- Others --------------------------------------------------------------------------------------


def test_several_threads_may_use_one_outbox(path: Path) -> None:
    found: list[int] = []
    with Outbox(path) as box:

        def work() -> None:
            found.extend(box.add(EVENT) for _ in range(25))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(found) == numbers(box) == list(range(1, 101))


ADD = """
import sys
from iterable_destination.io.outbox import Outbox

with Outbox(sys.argv[1]) as box:
    print("open", flush=True)
    for number in range(int(sys.argv[2])):
        print(box.add({"n": number}), flush=True)
"""


def start(code: str, *arguments: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_several_processes_make_and_fill_one_outbox(path: Path) -> None:
    processes = [start(ADD, path, 50) for _ in range(4)]
    outputs = [process.communicate(timeout=60)[0].split()[1:] for process in processes]
    added = [int(number) for output in outputs for number in output]
    with Outbox(path) as box:
        assert sorted(added) == numbers(box) == list(range(1, 201))


def test_a_kill_loses_nothing_that_was_added(path: Path) -> None:
    added: set[int] = set()
    for _ in range(4):
        with start(ADD, path, 1_000_000) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"open\n"
            for _ in range(random.randrange(60)):  # noqa: S311 - any moment
                added.add(int(process.stdout.readline()))
            process.kill()
            added |= set(map(int, process.stdout.read().split()))
        with Outbox(path) as box:
            found = set(numbers(box))
            assert added <= found
            assert len(found - added) <= 1, "only what was not told yet"
            assert len(box) == len(found)
            added = found


MOVE = """
import sys
from iterable_destination.io.outbox import Outbox

with Outbox(sys.argv[1]) as box, box.delivering():
    print("open", flush=True)
    while entries := box.read(limit=3):
        for entry in entries:
            print(entry.event()["n"], flush=True)
        box.remove(entry.number for entry in entries)
print("end", flush=True)
"""


def test_a_kill_while_delivering_skips_nothing_and_frees_the_right(path: Path) -> None:
    with Outbox(path) as box:
        box.add_all({"n": number} for number in range(400))
    delivered: list[int] = []
    for _ in range(3):
        with start(MOVE, path) as process, Outbox(path) as box:
            assert process.stdout is not None
            assert process.stdout.readline() == b"open\n"
            some = range(random.randrange(1, 60))  # noqa: S311 - any moment
            delivered += [int(process.stdout.readline()) for _ in some]
            process.kill()
            delivered += [int(text) for text in process.stdout.read().split() if text != b"end"]
    output = start(MOVE, path).communicate(timeout=60)[0].split()
    assert output[-1] == b"end"
    assert {*delivered, *map(int, output[1:-1])} == set(range(400))


DELIVER = """
import sys
from iterable_destination.io.outbox import Outbox

with Outbox(sys.argv[1]) as box, box.delivering():
    print("mine", flush=True)
    sys.stdin.read()
"""


def test_one_process_delivers_until_it_dies(box: Outbox, path: Path) -> None:
    with start(DELIVER, path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"mine\n"
        with pytest.raises(OutboxInUse), box.delivering():
            pass
        process.kill()
        process.wait(60)
        with box.delivering():
            pass


FORK = """
import os, signal, sys, threading
from iterable_destination.errors import OutboxInUse
from iterable_destination.io.outbox import Outbox

box = Outbox(sys.argv[1])
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


def test_children_of_forks_use_connections_of_their_own(box: Outbox, path: Path) -> None:
    with start(FORK, path) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == [b"250\n", b"ready\n"]
        with pytest.raises(OutboxInUse), box.delivering():
            pass
        process.kill()
        process.wait(60)
        with box.delivering():  # the last child lives on, without the right
            assert len(box) == 250
            assert numbers(box) == list(range(1, 251))


# --- Interruptions -------------------------------------------------------------------------------


def is_free(box: Outbox, path: Path) -> bool:
    """Whether others may write to the file, and others of this process use the outbox."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")
    return not box.lock._is_owned()  # type: ignore[attr-defined]


METHODS: dict[str, Callable[[Outbox], Any]] = {
    "add": lambda box: box.add(EVENT),
    "read": lambda box: box.read(),
    "remove": lambda box: box.remove([1]),
    "count": len,
}


@pytest.mark.parametrize("method", METHODS)
def test_an_exception_at_any_line_leaves_nothing_open(method: str, path: Path) -> None:
    with Outbox(path, lock_timeout=0.1) as box:
        box.add(EVENT)
        for interrupter in at_each_line(raise_interruption):
            with suppress(Interruption), interrupter:
                METHODS[method](box)
            sys.settrace(None)
            assert is_free(box, path)
        assert box.add(EVENT) > 1
        with Outbox(path, lock_timeout=0.1) as other:
            assert len(other) == len(box) == len(box.read(0, 10_000))


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # what has no name is closed all the same
def test_an_exception_at_any_line_of_opening_it_leaves_no_file_open(path: Path) -> None:
    leaks = Leaks()
    for interrupter in at_each_line(raise_interruption):
        path.unlink(missing_ok=True)
        with suppress(Interruption), interrupter:
            Outbox(path).close()
        sys.settrace(None)
    gc.collect()
    leaks.check()
    with Outbox(path) as box:
        assert box.add(EVENT) == 1


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # what has no name is closed all the same
def test_an_exception_at_any_line_gives_the_right_to_deliver_back(box: Outbox) -> None:
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


@pytest.mark.parametrize("inner", METHODS)
def test_a_handler_may_call_it_or_is_told_that_it_cannot(inner: str, path: Path) -> None:
    """What it interrupts is done all the same."""
    refused: list[str] = []
    box: Outbox

    def call() -> None:
        try:
            METHODS[inner](box)
        except OutboxError as error:
            refused.append(str(error))

    with Outbox(path, lock_timeout=0.1) as box:
        for interrupter in at_each_line(call):
            before = len(box)
            with interrupter:
                number = box.add(EVENT)
            sys.settrace(None)
            assert box.read(number - 1)[0].number == number
            assert len(box) in {before, before + 1, before + 2}
            assert is_free(box, path)
    if inner in {"add", "remove"}:
        assert refused
        assert {each.rpartition(": ")[2] for each in refused} == {outbox._INTERRUPTED}
    else:
        assert not refused


# --- how old the first is


def ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


def test_the_age_is_that_of_the_event_that_was_added_first(path: Path) -> None:
    with Outbox(path) as box:
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


def test_the_age_of_an_event_without_a_time_is_since_it_was_added(path: Path) -> None:
    with Outbox(path) as box:
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
    path: Path, times: dict[str, int | str], expected: float | None
) -> None:
    event = {key: value if isinstance(value, str) else ago(value) for key, value in times.items()}
    with Outbox(path, stamp_missing=False) as box:
        box.add(event)
        age = box.oldest_age()
    if age is None or expected is None:
        assert age is expected
    else:
        assert expected <= age < expected + 30


def test_what_is_no_object_has_no_age(path: Path) -> None:
    value: Any = [1]
    with Outbox(path) as box:
        box.add(value)
        assert box.oldest_age() is None


def test_the_age_of_an_outbox_that_a_thread_holds_is_not_waited_for(path: Path) -> None:
    with Outbox(path) as box, held_by_a_thread(box), pytest.raises(OutboxError):
        box.oldest_age(0.01)
