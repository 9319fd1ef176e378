"""A checkpoint calls nothing settled that is not, is never half written, and is held by one."""

from __future__ import annotations

import errno
import json
import os
import random
import stat
import subprocess
import sys
from datetime import UTC, datetime
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterable_destination.errors import (
    CheckpointInUse,
    InvalidCheckpoint,
    IterableDestinationError,
    UnwritableFile,
)
from iterable_destination.io.checkpoint import MAX_RANGES, Checkpoint, IndexSet

NOW = datetime(2024, 5, 6, 7, 8, 9, 123_456, UTC)
LINE = b'{"type":"identify"}\n'


# --- IndexSet -------------------------------------------------------------------------------------


def make_set(indexes: Any) -> IndexSet:
    settled = IndexSet()
    for index in indexes:
        settled.add(index)
    return settled


@given(st.lists(st.integers(0, 40)))
def test_settled_is_a_set_of_indexes(indexes: list[int]) -> None:
    settled, expected = IndexSet(), set[int]()
    for index in indexes:
        settled.add(index)
        expected.add(index)
        assert [number for number in range(-2, 43) if number in settled] == sorted(expected)
        assert len(settled) == len(expected)


@given(st.sets(st.integers(0, 40)))
def test_ranges_are_ascending_and_never_touch(indexes: set[int]) -> None:
    ranges = make_set(indexes).ranges()
    assert [index for start, end in ranges for index in range(start, end)] == sorted(indexes)
    assert all(start < end for start, end in ranges)
    assert all(one[1] < other[0] for one, other in pairwise(ranges))
    assert IndexSet(ranges).ranges() == ranges


@given(st.sets(st.integers(0, 100)), st.integers(0, 60))
def test_the_first_ranges_are_those_nearest_to_the_start(indexes: set[int], most: int) -> None:
    settled = make_set(indexes)
    assert settled.ranges(most) == settled.ranges()[:most]


@pytest.mark.parametrize(
    "ranges", [[(1, 1)], [(2, 1)], [(-1, 2)], [(0, 2), (2, 3)], [(3, 4), (0, 1)], [(0, 5), (1, 2)]]
)
def test_other_ranges_are_refused(ranges: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="ascending"):
        IndexSet(ranges)


def test_an_index_is_not_negative() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        IndexSet().add(-1)


def test_millions_in_nearly_ascending_order_stay_few_ranges() -> None:
    order = list(range(300_000))
    for start in range(0, len(order), 100):
        order[start : start + 100] = reversed(order[start : start + 100])
    settled, most = IndexSet(), 0
    for index in order:
        settled.add(index)
        most = max(most, len(settled._starts))
    assert (settled.ranges(), most) == ([(0, 300_000)], 2)


def test_settled_shows_a_few_ranges() -> None:
    assert repr(make_set([0, 1, 5])) == "IndexSet([(0, 2), (5, 6)])"
    assert repr(make_set(range(0, 100, 2))).endswith("(18, 19)], …)")


# --- The file ------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "done.json"


def write_checkpoint(path: Path, indexes: Any, line: bytes = LINE) -> None:
    with Checkpoint(path, clock=lambda: NOW) as checkpoint:
        checkpoint.check_input(line)
        for index in indexes:
            checkpoint.settled.add(index)
        checkpoint.write()


def ranges(path: Path) -> list[tuple[int, int]]:
    with Checkpoint(path) as checkpoint:
        return checkpoint.settled.ranges()


def test_a_checkpoint_is_read_as_it_was_written(path: Path) -> None:
    assert ranges(path) == []
    assert not path.exists()
    write_checkpoint(path, [0, 1, 2, 7])
    assert ranges(path) == [(0, 3), (7, 8)]
    write_checkpoint(path, [3])
    assert ranges(path) == [(0, 4), (7, 8)]


def test_people_can_read_it(path: Path) -> None:
    write_checkpoint(path, [0, 1, 5])
    assert json.loads(path.read_bytes()) == {
        "version": 1,
        "time": "2024-05-06T07:08:09Z",
        "input": {"firstLine": sha256(LINE.strip()).hexdigest()},
        "settled": [[0, 2], [5, 6]],
    }
    assert path.read_bytes().endswith(b"\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_of_very_many_ranges_the_first_are_written(path: Path) -> None:
    write_checkpoint(path, range(0, 4 * MAX_RANGES, 2))
    assert ranges(path) == [(index, index + 1) for index in range(0, 2 * MAX_RANGES, 2)]
    assert path.stat().st_size < 250_000


def test_the_same_input_may_lose_its_line_break(path: Path) -> None:
    write_checkpoint(path, [0])
    with Checkpoint(path) as checkpoint:
        checkpoint.check_input(LINE)
        checkpoint.check_input(LINE.rstrip() + b"\r\n")
        checkpoint.check_input(LINE.rstrip())


def test_another_input_is_refused(path: Path) -> None:
    write_checkpoint(path, [0])
    with Checkpoint(path) as checkpoint, pytest.raises(InvalidCheckpoint) as caught:
        checkpoint.check_input(b'{"type":"track"}')
    assert str(caught.value).startswith(f"{path}: belongs to another input")
    assert isinstance(caught.value, IterableDestinationError)


def test_a_new_checkpoint_is_that_of_the_first_input(path: Path) -> None:
    with Checkpoint(path) as checkpoint:
        checkpoint.check_input(LINE)
        with pytest.raises(InvalidCheckpoint):
            checkpoint.check_input(b"{}")


def test_nothing_is_settled_of_an_input_that_was_not_seen(path: Path) -> None:
    with Checkpoint(path) as checkpoint:
        checkpoint.write()
        checkpoint.settled.add(0)
        with pytest.raises(ValueError, match="check_input"):
            checkpoint.write()
    write_checkpoint(path, [])


@pytest.mark.parametrize("content", [b"", b"\n", b" \n\t"])
def test_an_empty_file_is_a_new_checkpoint(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert ranges(path) == []


GOOD = {"version": 1, "input": {"firstLine": "ab"}, "settled": [[0, 2]]}
WRONG: list[dict[str, Any]] = [
    {"version": 0},
    {"version": "1"},
    {"version": True},
    {"version": None},
    {"input": None},
    {"input": {}},
    {"input": {"firstLine": 5}},
    {"input": {"firstLine": None}},
    {"settled": None},
    {"settled": 5},
    {"settled": [[0]]},
    {"settled": [[0, 1, 2]]},
    {"settled": [0, 1]},
    {"settled": [["0", "1"]]},
    {"settled": ["01"]},
    {"settled": [[0, 1.0]]},
    {"settled": [[False, True]]},
    {"settled": [[2, 1]]},
    {"settled": [[-1, 1]]},
    {"settled": [[0, 2], [1, 3]]},
]


@pytest.mark.parametrize(
    "content",
    [
        b"text",
        b'{"version":1',
        b"\xff",
        b"null",
        b"[]",
        b"5",
        b"{}",
        *(json.dumps(GOOD | wrong).encode() for wrong in WRONG),
    ],
)
def test_what_is_no_checkpoint_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    for _ in range(2):  # the lock is not kept
        with pytest.raises(InvalidCheckpoint) as caught:
            Checkpoint(path)
        assert str(caught.value) == f"{path}: is no checkpoint of this program"
    assert path.read_bytes() == content


def test_the_pattern_of_what_is_refused_is_a_good_one(path: Path) -> None:
    path.write_text(json.dumps(GOOD | {"more": "is passed over"}))
    assert ranges(path) == [(0, 2)]


def test_a_newer_version_is_refused(path: Path) -> None:
    path.write_text(json.dumps({"version": 2}))
    with pytest.raises(InvalidCheckpoint, match="by a newer version"):
        Checkpoint(path)


def test_a_directory_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(InvalidCheckpoint) as caught:
        Checkpoint(tmp_path)
    assert str(caught.value) == f"{tmp_path}: {os.strerror(errno.EISDIR)}"


def test_a_directory_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "no" / "where"
    with pytest.raises(UnwritableFile) as caught:
        Checkpoint(path)
    assert str(caught.value) == f"{path}: {os.strerror(errno.ENOENT)}"


def test_a_pipe_is_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(InvalidCheckpoint) as caught:
        Checkpoint(path)
    assert str(caught.value) == f"{path}: no ordinary file"


def test_a_name_that_is_too_long_is_told(tmp_path: Path) -> None:
    for length in (251, 255, 300):  # with ".lock" each is more than 255
        path = tmp_path / ("x" * length)
        with pytest.raises(UnwritableFile) as caught:
            Checkpoint(path)
        assert str(caught.value) == f"{path}: {os.strerror(errno.ENAMETOOLONG)}"


def test_nothing_is_written_where_a_link_in_place_of_the_temporary_file_leads(
    path: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.write_text("something of mine")
    (tmp_path / "done.json.tmp").symlink_to(other)
    write_checkpoint(path, [0])
    assert other.read_text() == "something of mine"
    assert ranges(path) == [(0, 1)]
    assert not (tmp_path / "done.json.tmp").is_symlink()


def test_a_lock_that_is_a_link_is_refused(path: Path, tmp_path: Path) -> None:
    (tmp_path / "done.json.lock").symlink_to(tmp_path / "other")
    with pytest.raises(UnwritableFile) as caught:
        Checkpoint(path)
    assert str(caught.value) == f"{path}: {os.strerror(errno.ELOOP)}"
    assert not (tmp_path / "other").exists()


def test_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(path)
    write_checkpoint(link, [0])
    assert link.is_symlink()
    assert ranges(path) == [(0, 1)]


# --- Faults --------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["write", "fsync"])
def test_a_write_that_fails_leaves_the_file_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    write_checkpoint(path, [0])
    before = path.read_bytes()

    def broken(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "disk full")

    with Checkpoint(path) as checkpoint:
        checkpoint.settled.add(1)
        with monkeypatch.context() as patch:
            patch.setattr(os, step, broken)
            with pytest.raises(UnwritableFile) as caught:
                checkpoint.write()
        assert str(caught.value) == f"{path}: disk full"
        assert path.read_bytes() == before
        checkpoint.write()
    assert ranges(path) == [(0, 2)]


def test_half_a_checkpoint_takes_no_place_of_a_whole_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_checkpoint(path, [0])
    before = path.read_bytes()
    really, room = os.write, [200]

    def write(file: int, text: bytes) -> int:
        if not room[0]:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        size = really(file, text[: room[0]])
        room[0] -= size
        return size

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(UnwritableFile, match=os.strerror(errno.EFBIG)):
        write_checkpoint(path, range(0, 100, 2))
    assert room == [0]
    assert path.read_bytes() == before
    assert not (path.parent / "done.json.tmp").exists()


def test_a_disk_that_takes_little_at_a_time_is_written_whole(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = os.write
    monkeypatch.setattr(os, "write", lambda file, text: really(file, text[:7]))
    write_checkpoint(path, range(0, 10, 2))
    assert ranges(path) == [(index, index + 1) for index in range(0, 10, 2)]


def test_everything_is_on_disk_before_it_takes_its_place_and_after(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def watched_fsync(file: int) -> None:
        steps.append("directory" if stat.S_ISDIR(os.fstat(file).st_mode) else "file")
        fsync(file)

    def watched_replace(self: Path, target: str) -> Path:
        steps.append("replace")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(Path, "replace", watched_replace)
    write_checkpoint(path, [0])
    assert steps == ["file", "replace", "directory"]


# --- Others --------------------------------------------------------------------------------------


def test_two_cannot_have_it_at_once(path: Path) -> None:
    with Checkpoint(path):
        with pytest.raises(CheckpointInUse) as caught:
            Checkpoint(path)
        assert str(caught.value) == f"{path}: is in use by another process"
        assert isinstance(caught.value, IterableDestinationError)
    checkpoint = Checkpoint(path)
    checkpoint.close()
    checkpoint.close()
    assert repr(checkpoint) == f"Checkpoint({str(path)!r})"


SETTLE = """
import sys
from iterable_destination.io.checkpoint import Checkpoint

with Checkpoint(sys.argv[1]) as checkpoint:
    checkpoint.check_input(b"{}")
    (*_, (_, first)) = [(0, 0), *checkpoint.settled.ranges(1)]
    print(first, flush=True)
    for number in range(first, 1_000_000):
        checkpoint.settled.add(number)
        checkpoint.settled.add(2_000_000 + 2 * number)
        checkpoint.write()
        print(number, flush=True)
"""


def start(path: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", SETTLE, str(path)], stdout=subprocess.PIPE)


def test_a_kill_at_any_moment_leaves_a_whole_checkpoint(path: Path) -> None:
    last = -1
    for _ in range(4):
        with start(path) as process:
            assert process.stdout is not None
            assert int(process.stdout.readline()) in (last + 1, last + 2)
            for _ in range(random.randrange(1, 50)):  # noqa: S311 - any moment
                last = int(process.stdout.readline())
            with pytest.raises(CheckpointInUse):
                Checkpoint(path)
            process.kill()
            last = max([last, *map(int, process.stdout.read().split())])
        with Checkpoint(path) as checkpoint:
            assert checkpoint.settled.ranges(1) in ([(0, last + 1)], [(0, last + 2)])
    assert {each.name for each in path.parent.iterdir()} <= {
        "done.json",
        "done.json.lock",
        "done.json.tmp",
    }


FORK = """
import os, signal, sys
from iterable_destination.io.checkpoint import Checkpoint

checkpoint = Checkpoint(sys.argv[1])
if os.fork() == 0:
    checkpoint.close()
    print("ready", flush=True)
    sys.stdin.read()
    os._exit(0)
signal.pause()
"""


def test_a_child_of_a_fork_neither_keeps_the_lock_nor_drops_it(path: Path) -> None:
    command = [sys.executable, "-c", FORK, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"ready\n"
        with pytest.raises(CheckpointInUse):
            Checkpoint(path)
        process.kill()
        process.wait(60)  # the child lives on
        assert ranges(path) == []
