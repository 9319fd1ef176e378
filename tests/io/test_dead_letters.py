"""Dead letters can be sent again as they are, and none is lost or broken, whatever happens."""

from __future__ import annotations

import errno
import fcntl
import json
import math
import os
import resource
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterable_destination.errors import (
    AmbiguousAnswer,
    BadRequest,
    InvalidEvent,
    InvalidJSON,
    IterableDestinationError,
    Problem,
    UnwritableFile,
)
from iterable_destination.io import dead_letters
from iterable_destination.io.dead_letter_lines import DeadLetter
from iterable_destination.io.dead_letters import DeadLetters
from iterable_destination.io.json_lines import open_lines
from iterable_destination.model import json_codec
from iterable_destination.model.outcomes import Rejected, Unknown
from iterable_destination.model.records import LineRecord
from tests.support import strategies
from tests.support.interrupting import Interruption, at_each_line, raise_interruption

NOW = datetime(2024, 5, 6, 7, 8, 9, 123_456, UTC)
TIME = "2024-05-06T07:08:09.123Z"
EVENT = {"type": "identify", "messageId": "m-1", "traits": {"name": "Zoë"}}
INVALID = InvalidEvent([Problem("userId", "missing", "missing")], "m-1")


def make_rejected(error: IterableDestinationError = INVALID, **about: Any) -> Rejected:
    return Rejected(message_id="m-1", message=str(error), error=error, **about)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dead.jsonl"


@pytest.fixture
def letters(path: Path) -> Iterator[DeadLetters]:
    with DeadLetters(path, secret="sec-ret", clock=lambda: NOW) as letters:
        yield letters


def events(path: Path) -> list[Any]:
    """Read a file as `send` does."""
    with open_lines(str(path)) as lines:
        return [line.event() for line in lines]


# --- What is in a line ---------------------------------------------------------------------------


def test_a_line_is_the_event_and_what_became_of_it(letters: DeadLetters, path: Path) -> None:
    letters.write([DeadLetter(make_rejected(index=3), EVENT)])
    about = {
        "outcome": "rejected",
        "index": 3,
        "error": {
            "type": "InvalidEvent",
            "code": None,
            "message": "userId: missing",
            "problems": [{"path": "userId", "message": "missing", "code": "missing"}],
        },
        "time": TIME,
    }
    assert events(path) == [EVENT | {"deadLetter": about}]
    assert path.read_bytes().count(b"\n") == 1
    assert "Zoë" in path.read_text("utf-8")


def test_an_outcome_without_an_error_has_none(letters: DeadLetters, path: Path) -> None:
    letters.write([DeadLetter(Unknown(), EVENT)])
    about = {"outcome": "unknown", "index": 0, "time": TIME}
    assert events(path) == [EVENT | {"deadLetter": about}]


def test_what_an_earlier_round_said_is_replaced(letters: DeadLetters, path: Path) -> None:
    letters.write([DeadLetter(make_rejected(index=1), EVENT | {"deadLetter": {"old": object()}})])
    [once] = events(path)
    assert once["deadLetter"].keys() == {"outcome", "index", "error", "time"}
    letters.write([DeadLetter(make_rejected(index=2), once)])
    [_, twice] = events(path)
    assert twice.pop("deadLetter")["index"] == 2
    assert twice == EVENT


def test_the_event_is_not_changed(letters: DeadLetters) -> None:
    event = EVENT | {"deadLetter": 1}
    letters.write([DeadLetter(make_rejected(), event)])
    assert event == EVENT | {"deadLetter": 1}


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b'{"a":\r\n', '{"a":'),
        (b"[1]", "[1]"),
        (b'{"a":"\xff"}\n', '{"a":"\\xff"}'),
        ("Zoë".encode(), "Zoë"),
    ],
)
def test_a_line_that_is_no_event_is_kept_as_text(
    letters: DeadLetters, path: Path, line: bytes, text: str
) -> None:
    with pytest.raises(InvalidJSON) as caught:
        LineRecord(7, line).event()
    letters.write([DeadLetter(make_rejected(caught.value, index=6), line=line)])
    [event] = events(path)
    assert event.keys() == {"deadLetter"}
    assert event["deadLetter"]["line"] == text
    assert event["deadLetter"]["error"]["type"] == "InvalidJSON"


@pytest.mark.parametrize("event", [None, 5, "text", [EVENT]])
def test_what_is_no_object_is_kept_inside(letters: DeadLetters, path: Path, event: Any) -> None:
    letters.write([DeadLetter(make_rejected(), event)])
    [line] = events(path)
    assert line.keys() == {"deadLetter"}
    assert line["deadLetter"]["event"] == event


def test_the_secret_is_taken_out_of_what_is_added_and_of_nothing_else(
    letters: DeadLetters, path: Path
) -> None:
    error = BadRequest("key sec-ret is odd", status=400)
    event = EVENT | {"traits": {"sec-ret": "sec-ret"}}
    letters.write(
        [DeadLetter(make_rejected(error), event), DeadLetter(make_rejected(), line=b"sec-ret")]
    )
    [first, second] = events(path)
    assert first["traits"] == {"sec-ret": "sec-ret"}
    assert first["deadLetter"]["error"]["message"] == "key [api key] is odd"
    assert second["deadLetter"]["line"] == "[api key]"


@pytest.mark.parametrize("secret", [None, ""])
def test_there_may_be_no_secret(path: Path, secret: str | None) -> None:
    with DeadLetters(path, secret=secret) as letters:
        letters.write([DeadLetter(make_rejected(), EVENT)])
    assert events(path)[0]["deadLetter"]["error"]["message"] == "userId: missing"


def test_what_json_cannot_hold_is_named(letters: DeadLetters, path: Path) -> None:
    letters.write([DeadLetter(make_rejected(), EVENT | {"traits": {"a": b"abc", "when": NOW}})])
    [event] = events(path)
    assert event["traits"]["a"][0] == "is a value of type bytes, which JSON cannot hold: b'abc'"
    assert event["traits"]["when"] == "2024-05-06T07:08:09.123456Z"
    [problem] = event["deadLetter"]["notJSON"]
    assert problem == {
        "path": "traits.a",
        "message": "is a value of type bytes, which JSON cannot hold",
        "code": "not-json",
    }


def test_not_all_of_very_many_problems_are_named(letters: DeadLetters, path: Path) -> None:
    letters.write([DeadLetter(make_rejected(), {"type": "x", "many": [b""] * 1_000})])
    [event] = events(path)
    assert (len(event["deadLetter"]["notJSON"]), len(event["many"])) == (20, 1_000)


def test_not_a_number_is_kept_as_it_is(letters: DeadLetters, path: Path) -> None:
    letters.write([DeadLetter(make_rejected(), {"type": "x", "a": float("nan")})])
    assert b'"a":NaN' in path.read_bytes()
    assert "notJSON" not in events(path)[0]["deadLetter"]


class Broken(Mapping[str, Any]):
    def __getitem__(self, key: str) -> Any:
        raise RuntimeError("broken")

    def __iter__(self) -> Iterator[str]:
        return iter(["a"])

    def __len__(self) -> int:
        return 1


def test_an_event_that_cannot_be_read_leaves_a_trace(letters: DeadLetters, path: Path) -> None:
    letters.write(
        [DeadLetter(make_rejected(index=5), Broken()), DeadLetter(make_rejected(), EVENT)]
    )
    [broken, other] = events(path)
    assert broken["deadLetter"]["notJSON"] == [
        {"path": "$", "message": "cannot be read: RuntimeError", "code": "unreadable"}
    ]
    assert other["type"] == "identify"


@given(event=strategies.python_events | strategies.anything, line=st.none() | st.binary())
def test_every_letter_is_one_line_that_is_an_event(
    tmp_path_factory: pytest.TempPathFactory, event: Any, line: bytes | None
) -> None:
    path = tmp_path_factory.mktemp("letters") / "dead.jsonl"
    with DeadLetters(path) as letters:
        letters.write([DeadLetter(make_rejected(index=4), event, line)])
    [read] = events(path)
    assert read["deadLetter"]["index"] == 4


def test_the_event_of_a_letter_shows_in_no_repr(letters: DeadLetters, path: Path) -> None:
    letter = DeadLetter(Unknown(), {"email": "ada@x.test"}, b"ada@x.test")
    assert "ada" not in repr(letter)
    assert repr(letters) == f"DeadLetters({str(path)!r})"


# --- The file ------------------------------------------------------------------------------------


def test_letters_are_added_to_what_is_there(path: Path) -> None:
    for index in range(3):
        with DeadLetters(path) as letters:
            letters.write([DeadLetter(make_rejected(index=index), EVENT)] * 2)
    assert [event["deadLetter"]["index"] for event in events(path)] == [0, 0, 1, 1, 2, 2]


def test_the_file_is_there_before_anything_is_written_and_for_its_owner_alone(path: Path) -> None:
    with DeadLetters(path):
        assert path.read_bytes() == b""
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_rights_of_a_file_that_was_there_are_left_alone(path: Path) -> None:
    path.touch(0o640)
    path.chmod(0o640)
    DeadLetters(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_nothing_to_write_writes_nothing(path: Path) -> None:
    path.write_bytes(b"broken")
    with DeadLetters(path) as letters:
        letters.write([])
    assert path.read_bytes() == b"broken"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", os.strerror(errno.EISDIR)),
        ("no/where", os.strerror(errno.ENOENT)),
        ("pipe", "no ordinary file"),
    ],
)
def test_a_bad_path_is_told_at_once(tmp_path: Path, name: str, words: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnwritableFile) as caught:
        DeadLetters(tmp_path / name)
    assert str(caught.value) == f"{tmp_path / name}: {words}"
    assert isinstance(caught.value.__cause__, OSError)
    assert isinstance(caught.value, IterableDestinationError)


def test_all_letters_are_brought_to_disk_at_once(
    letters: DeadLetters, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    really = os.fsync

    def fsync(file: int) -> None:
        sizes.append(path.stat().st_size)
        really(file)

    monkeypatch.setattr(os, "fsync", fsync)
    letters.write(DeadLetter(make_rejected(index=index), EVENT) for index in range(100))
    assert sizes == [path.stat().st_size]


@pytest.mark.parametrize("left", [b'{"type":"ide', b"\xff", b"{}"])
def test_after_a_broken_line_a_new_one_is_begun(path: Path, left: bytes) -> None:
    path.write_bytes(b"{}\n" + left)
    with DeadLetters(path) as letters:
        letters.write([DeadLetter(make_rejected(), EVENT)])
    start, cut, line, end = path.read_bytes().split(b"\n")
    assert (start, cut, end) == (b"{}", left, b"")
    assert json.loads(line)["type"] == "identify"


def test_a_file_that_was_moved_away_is_begun_anew(letters: DeadLetters, path: Path) -> None:
    letters.write([DeadLetter(make_rejected(index=1), EVENT)])
    path.rename(path.with_suffix(".1"))
    letters.write([DeadLetter(make_rejected(index=2), EVENT)])
    path.unlink()
    letters.write([DeadLetter(make_rejected(index=3), EVENT)])
    assert [event["deadLetter"]["index"] for event in events(path)] == [3]
    assert [event["deadLetter"]["index"] for event in events(path.with_suffix(".1"))] == [1]


def test_closing_twice_is_fine_and_writing_opens_again(letters: DeadLetters, path: Path) -> None:
    letters.close()
    letters.close()
    letters.write([DeadLetter(make_rejected(), EVENT)])
    assert len(events(path)) == 1


# --- Faults of the disk --------------------------------------------------------------------------


def test_a_disk_that_takes_little_at_a_time_is_written_whole(
    letters: DeadLetters, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = os.write
    monkeypatch.setattr(os, "write", lambda file, text: really(file, text[:7]))
    letters.write([DeadLetter(make_rejected(), EVENT)] * 3)
    assert len(events(path)) == 3


@contextmanager
def limit_disk(size: int = 5_000) -> Iterator[None]:
    """Let no file grow beyond so many bytes: what is longer is written in part, then refused.

    It must be over before pytest itself writes, perhaps to a file that is longer already.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_does_not_fit_is_told_and_taken_back(letters: DeadLetters, path: Path) -> None:
    with limit_disk():
        letters.write([DeadLetter(make_rejected(), EVENT)])
        before = path.read_bytes()
        with pytest.raises(UnwritableFile) as caught:
            letters.write([DeadLetter(make_rejected(), EVENT)] * 50)
        assert str(caught.value) == f"{path}: {os.strerror(errno.EFBIG)}"
        assert path.read_bytes() == before
        letters.write([DeadLetter(make_rejected(), EVENT)])
        assert path.read_bytes() == before * 2


def test_what_cannot_be_taken_back_spoils_no_other_line(
    letters: DeadLetters, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ftruncate(*_: int) -> None:
        raise OSError(errno.EIO, "really broken")

    with monkeypatch.context() as patch, limit_disk():
        patch.setattr(os, "ftruncate", ftruncate)
        with pytest.raises(UnwritableFile, match=os.strerror(errno.EFBIG)):
            letters.write([DeadLetter(make_rejected(), EVENT)] * 50)
    letters.write([DeadLetter(make_rejected(index=9), EVENT)])
    *_, broken, last, end = path.read_bytes().split(b"\n")
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json_codec.decode(broken)
    assert (json_codec.decode(last)["deadLetter"]["index"], end) == (9, b"")


def test_letters_that_may_not_be_on_disk_are_told(
    letters: DeadLetters, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(_: int) -> None:
        raise OSError(errno.EIO, "broken")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(UnwritableFile, match=r"dead\.jsonl: broken"):
            letters.write([DeadLetter(make_rejected(), EVENT)])
    assert path.read_bytes() == b""


# --- Others --------------------------------------------------------------------------------------


def test_several_threads_write_whole_lines(letters: DeadLetters, path: Path) -> None:
    def work(number: int) -> None:
        for _ in range(20):
            letters.write([DeadLetter(make_rejected(index=number), {"x": "y" * 5_000})] * 2)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(event["deadLetter"]["index"] for event in events(path)) == sorted(
        [*range(4)] * 40
    )


WRITE = """
import sys
from iterable_destination.io.dead_letter_lines import DeadLetter
from iterable_destination.io.dead_letters import DeadLetters
from iterable_destination.model.outcomes import Unknown

with DeadLetters(sys.argv[1]) as letters:
    for number in range(int(sys.argv[2])):
        letters.write(DeadLetter(Unknown(index=number), {"x": "y" * 3_000}) for _ in range(3))
        print(number, flush=True)
"""


def start(path: Path, batches: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WRITE, str(path), str(batches)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def test_several_processes_write_whole_lines(path: Path) -> None:
    processes = [start(path, 30) for _ in range(3)]
    for process in processes:
        process.communicate(timeout=60)
    indexes = [event["deadLetter"]["index"] for event in events(path)]
    assert sorted(indexes) == sorted([*range(30)] * 9)


FORK = """
import os, sys
from iterable_destination.io.dead_letter_lines import DeadLetter
from iterable_destination.io.dead_letters import DeadLetters
from iterable_destination.model.outcomes import Unknown

with DeadLetters(sys.argv[1]) as letters:
    child = os.fork()
    for _ in range(50):
        letters.write([DeadLetter(Unknown(index=int(child == 0)), {"x": "y" * 3_000})])
    if child:
        assert os.waitpid(child, 0)[1] == 0
"""


def test_a_child_of_a_fork_may_write_too(path: Path) -> None:
    subprocess.run([sys.executable, "-c", FORK, str(path)], check=True, timeout=60)
    indexes = [event["deadLetter"]["index"] for event in events(path)]
    assert sorted(indexes) == [0] * 50 + [1] * 50


@pytest.mark.parametrize("batches", [1, 17, 39])
def test_a_kill_loses_nothing_that_was_written(path: Path, batches: int) -> None:
    with start(path, 100_000) as process:
        assert process.stdout is not None
        for _ in range(batches):
            last = int(process.stdout.readline())
        process.kill()
    with DeadLetters(path) as letters:
        letters.write([DeadLetter(Unknown(index=-1), EVENT)])
    *found, end = path.read_bytes().split(b"\n")
    indexes = []
    for number, line in enumerate(found):
        try:
            indexes.append(json_codec.decode(line)["deadLetter"]["index"])
        except ValueError:
            assert number == len(found) - 2, "only the last before the kill may be broken"
    assert end == b""
    assert indexes.pop() == -1
    assert [indexes.count(number) for number in range(last + 1)] == [3] * (last + 1)
    assert indexes == sorted(indexes)


def test_an_answer_that_was_lost_is_told_in_the_line(letters: DeadLetters, path: Path) -> None:
    error = AmbiguousAnswer("cut off")
    letters.write([DeadLetter(Unknown(message="cut off", error=error, request_id="r-1"), EVENT)])
    assert events(path)[0]["deadLetter"]["error"] == {
        "type": "AmbiguousAnswer",
        "code": None,
        "message": "cut off",
        "requestId": "r-1",
    }


def test_a_new_file_is_made_known_to_its_directory_and_an_old_one_is_not_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    monkeypatch.setattr(dead_letters, "fsync_directory", flushed.append)
    for _ in range(2):
        DeadLetters(path).close()
    assert flushed == [os.path.realpath(path)]


def test_others_are_locked_out_while_lines_are_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    monkeypatch.setattr(dead_letters, "lock_file", lambda *_: steps.append("locked"))
    monkeypatch.setattr(dead_letters, "unlock_file", lambda _: steps.append("released"))
    monkeypatch.setattr(dead_letters, "_append", lambda *_: steps.append("written"))
    with DeadLetters(path) as letters:
        letters.write([DeadLetter(make_rejected(), EVENT)])
    assert steps[:3] == ["locked", "written", "released"]


def test_others_who_do_not_let_go_are_waited_for_no_longer_than_there_is_time(path: Path) -> None:
    with DeadLetters(path, lock_timeout=0.05) as letters, path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(UnwritableFile, match=r"dead\.jsonl: locked by another process"):
            letters.write([DeadLetter(make_rejected(), EVENT)])
        fcntl.flock(other, fcntl.LOCK_UN)
        letters.write([DeadLetter(make_rejected(), EVENT)])
    assert len(events(path)) == 1


def test_threads_are_waited_for_no_longer_than_there_is_time(path: Path) -> None:
    is_held, may_end = threading.Event(), threading.Event()
    letters: DeadLetters

    def hold() -> None:
        with letters.lock:
            is_held.set()
            may_end.wait(20)

    with DeadLetters(path, lock_timeout=0.05) as letters:
        thread = threading.Thread(target=hold)
        thread.start()
        assert is_held.wait(20)
        with pytest.raises(UnwritableFile):
            letters.write([DeadLetter(make_rejected(), EVENT)])
        may_end.set()
        thread.join()


@pytest.mark.parametrize("seconds", [-1, math.nan, math.inf])
def test_a_lock_timeout_is_a_number_of_seconds(path: Path, seconds: float) -> None:
    with pytest.raises(ValueError, match="lock_timeout"):
        DeadLetters(path, lock_timeout=seconds)


def test_an_exception_at_any_line_leaves_the_file_whole_and_free(path: Path) -> None:
    with DeadLetters(path, lock_timeout=0.05) as letters, path.open("rb") as other:
        for interrupter in at_each_line(raise_interruption):
            with suppress(Interruption), interrupter:
                letters.write([DeadLetter(make_rejected(), EVENT)])
            sys.settrace(None)
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(other, fcntl.LOCK_UN)
            before = len(events(path))
            letters.write([DeadLetter(make_rejected(), EVENT)])
            assert len(events(path)) == before + 1
