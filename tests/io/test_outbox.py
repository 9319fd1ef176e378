"""What was added to the outbox is in it until it is removed, whatever happens."""

from __future__ import annotations

import errno
import gc
import os
import re
import resource
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from iterable_destination.errors import (
    InvalidEvent,
    IterableDestinationError,
    OutboxError,
    QueueFull,
)
from iterable_destination.io import file_lock, outbox
from iterable_destination.io.outbox import Outbox
from iterable_destination.mapping.translate import translate
from iterable_destination.model.records import OutboxRecord
from iterable_destination.model.serialization import serialize_event
from tests.support.delivering import Leaks
from tests.support.interrupting import Interruption, at_each_line, raise_interruption

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


# --- Events --------------------------------------------------------------------------------------


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


def test_a_right_that_cannot_be_taken_is_told(
    box: Outbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(file_lock, "_acquire", take)
    with pytest.raises(OutboxError) as caught, box.delivering():
        pass
    assert str(caught.value) == f"{path}-deliverer: No locks available"


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
