"""The output of `send` and `drain`, checkpoints and dead letters, after an end or a kill."""

from __future__ import annotations

import errno
import functools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from random import Random
from typing import Any

import click.testing
import pytest

from iterable_destination import Destination, RetryPolicy
from iterable_destination.cli import main as cli
from iterable_destination.cli import options, report
from iterable_destination.errors import NotSent
from iterable_destination.io.checkpoint import Checkpoint, IndexSet
from iterable_destination.io.outbox import Outbox
from iterable_destination.model.outcomes import Delivered, Failure, Outcome, Skipped
from iterable_destination.testing import (
    Fault,
    LocalIterable,
    Project,
    Received,
    Response,
    Script,
    faults,
)
from tests.support.delivering import (
    RATE_LIMITS,
    WAIT_SECONDS,
    applied,
    doubled_ids,
    history,
    identify,
    inversions,
    number_of,
    order,
    track,
)

Apply = Callable[[], Response]


def to_lines(events: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def write_lines(path: Path, events: list[dict[str, Any]]) -> str:
    path.write_bytes(to_lines(events))
    return str(path)


def parse_lines(text: bytes) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def read_settled(path: Path) -> set[int]:
    """Return the settled indexes of a checkpoint; none if there is no file."""
    if not path.exists():
        return set()
    ranges = json.loads(path.read_bytes())["settled"]
    return {index for start, end in ranges for index in range(start, end)}


class Faulty:
    """Chooses a fault by the text of a request; can be changed while the server runs."""

    def __init__(self, **by_text: Fault) -> None:
        self.by_text = by_text

    def __call__(self, received: Received, apply: Apply) -> Response | Fault:
        for text, fault in self.by_text.items():
            if f'"{text.replace("_", "-")}"'.encode() in received.body:
                return fault
        return apply()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., click.testing.Result]:
    """Run a command against a server, with short timeouts."""
    hurried = functools.partial(
        Destination, retry=RetryPolicy(deadline=0.0), rate_limits=RATE_LIMITS
    )
    monkeypatch.setattr(options, "Destination", hurried)

    def run(
        iterable: LocalIterable, command: str, *arguments: str, stdin: bytes = b""
    ) -> click.testing.Result:
        monkeypatch.setenv("ITERABLE_API_KEY", iterable.api_key)
        monkeypatch.setenv("ITERABLE_BASE_URL", iterable.url)
        runner = click.testing.CliRunner()
        result = runner.invoke(cli.command_line, [command, *arguments], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


Run = Callable[..., click.testing.Result]


def read_outcomes(result: click.testing.Result) -> dict[int, str]:
    """Return the outcome of each index."""
    lines = parse_lines(result.stdout_bytes)
    assert len({line["index"] for line in lines}) == len(lines)
    return {line["index"]: line["outcome"] for line in lines}


# Checkpoints -------------------------------------------------------------------------------------


def test_what_is_retryable_is_sent_again_and_what_is_settled_is_not(
    run: Run, tmp_path: Path
) -> None:
    faulty = Faulty(u_1=faults.server_error(503))
    project = Project(forgotten={"u-2"})
    events = [
        identify(0, "u-0"),
        order(1, "u-1"),
        track(2, "u-2"),
        {"type": "group", "messageId": "m-3"},
        track(4, "u-1"),
        {"type": "track", "messageId": "m-5"},
    ]
    path, checkpoint = write_lines(tmp_path / "events.jsonl", events), tmp_path / "done.json"
    with LocalIterable(project, faults=faulty) as iterable:
        first = run(iterable, "send", path, "--checkpoint", str(checkpoint))
        assert read_outcomes(first) == {
            0: "delivered",
            1: "retryable",
            2: "rejected",
            3: "skipped",
            4: "retryable",
            5: "rejected",
        }
        assert (first.exit_code, read_settled(checkpoint)) == (1, {0, 2, 3, 5})
        faulty.by_text = {}
        requests = len(project.requests)
        second = run(iterable, "send", path, "--checkpoint", str(checkpoint))
        assert read_outcomes(second) == {1: "delivered", 4: "delivered"}
        assert (second.exit_code, read_settled(checkpoint)) == (0, set(range(6)))
        assert len(project.requests) == requests + 2
        third = run(iterable, "send", path, "--checkpoint", str(checkpoint))
        assert (third.exit_code, third.stdout_bytes) == (0, b"")
        assert third.stderr == f"everything in {path} is done (6 lines); nothing was sent\n"
        assert len(project.requests) == requests + 2
    assert Counter(map(number_of, project.effects)) == {0: 1, 1: 1, 4: 1}


@pytest.mark.parametrize("keeps", [True, False])
def test_what_ended_unknown_is_sent_again_unless_it_is_a_dead_letter(
    *, keeps: bool, run: Run, tmp_path: Path
) -> None:
    faulty = Faulty(u_1=faults.cut())
    checkpoint, letters = tmp_path / "done.json", tmp_path / "dead.jsonl"
    path = write_lines(tmp_path / "events.jsonl", [order(0, "u-1"), order(1, "u-2")])
    arguments = [path, "--checkpoint", str(checkpoint)]
    arguments += ["--dead-letters", str(letters)] if keeps else []
    with LocalIterable(faults=faulty) as iterable:
        assert read_outcomes(run(iterable, "send", *arguments)) == {0: "unknown", 1: "delivered"}
        faulty.by_text = {}
        again = run(iterable, "send", *arguments)
    assert read_outcomes(again) == ({} if keeps else {0: "delivered"})
    if keeps:
        assert [letter["messageId"] for letter in parse_lines(letters.read_bytes())] == ["m-0"]


def test_blank_lines_are_settled_with_what_stands_between_them(run: Run, tmp_path: Path) -> None:
    content = b"\n\n" + to_lines([track(0)]) + b" \n\n" + to_lines([track(1)]) + b"\n"
    checkpoint, path = tmp_path / "done.json", tmp_path / "events.jsonl"
    path.write_bytes(content)
    with LocalIterable() as iterable:
        result = run(iterable, "send", str(path), "--checkpoint", str(checkpoint))
    assert read_outcomes(result) == {2: "delivered", 5: "delivered"}
    assert read_settled(checkpoint) == {0, 1, 2, 3, 4, 5}


def test_standard_input_can_be_gone_on_with_too(run: Run, tmp_path: Path) -> None:
    checkpoint = tmp_path / "done.json"
    content = to_lines(history(20, 4))
    with LocalIterable() as iterable:
        assert run(iterable, "send", "--checkpoint", str(checkpoint), stdin=content).exit_code == 0
        more = content + to_lines([track(20)])
        result = run(iterable, "send", "-", "--checkpoint", str(checkpoint), stdin=more)
    assert read_outcomes(result) == {20: "delivered"}


def test_an_input_that_is_done_is_named_in_one_line(run: Run, tmp_path: Path) -> None:
    checkpoint = str(tmp_path / "done.json")
    content = to_lines(history(1_200, 4))
    with LocalIterable() as iterable:
        run(iterable, "send", "--checkpoint", checkpoint, stdin=content)
        again = run(iterable, "send", "--checkpoint", checkpoint, stdin=content)
        words = "everything in standard input is done (1,200 lines); nothing was sent\n"
        assert (again.exit_code, again.stdout, again.stderr) == (0, "", words)
        files = [write_lines(tmp_path / name, [track(n)]) for n, name in enumerate("ab")]
        both = [*files, "--checkpoint", str(tmp_path / "both.json")]
        run(iterable, "send", *both)
        words = "everything in 2 files is done (2 lines); nothing was sent\n"
        assert run(iterable, "send", *both).stderr == words
        one = [files[0], "--checkpoint", str(tmp_path / "one.json")]
        assert run(iterable, "send", *one).stderr.splitlines()[-1].startswith("1 event in ")
        words = f"everything in {files[0]} is done (1 line); nothing was sent\n"
        assert run(iterable, "send", *one).stderr == words
        nothing = run(iterable, "send", "--checkpoint", str(tmp_path / "new.json"))
    assert "is done" not in nothing.stderr


def test_a_checkpoint_of_another_input_is_refused(run: Run, tmp_path: Path) -> None:
    checkpoint = tmp_path / "done.json"
    one = write_lines(tmp_path / "one.jsonl", [track(0)])
    another = write_lines(tmp_path / "another.jsonl", [track(1)])
    with LocalIterable() as iterable:
        assert run(iterable, "send", one, "--checkpoint", str(checkpoint)).exit_code == 0
        before = checkpoint.read_bytes()
        result = run(iterable, "send", another, "--checkpoint", str(checkpoint))
        assert len(iterable.project.requests) == 1
    assert (result.exit_code, result.stdout) == (2, "")
    words = "belongs to another input, whose first line is a different one"
    assert result.stderr == f"Error: {checkpoint}: {words}\n"
    assert json.loads(checkpoint.read_bytes())["input"] == json.loads(before)["input"]
    assert read_settled(checkpoint) == {0}


def test_what_is_no_checkpoint_is_refused_and_left_alone(run: Run, tmp_path: Path) -> None:
    checkpoint = tmp_path / "done.json"
    checkpoint.write_text("something of mine")
    path = write_lines(tmp_path / "events.jsonl", [track(0)])
    with LocalIterable() as iterable:
        result = run(iterable, "send", path, "--checkpoint", str(checkpoint))
        assert iterable.project.requests == []
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"Error: {checkpoint}: is no checkpoint of this program\n"
    assert checkpoint.read_text() == "something of mine"


def test_a_checkpoint_is_for_one_at_a_time(run: Run, tmp_path: Path) -> None:
    checkpoint = tmp_path / "done.json"
    path = write_lines(tmp_path / "events.jsonl", [track(0)])
    with LocalIterable() as iterable:
        with Checkpoint(checkpoint):
            result = run(iterable, "send", path, "--checkpoint", str(checkpoint))
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == f"Error: {checkpoint}: is in use by another process\n"
        assert iterable.project.requests == []
        assert run(iterable, "send", path, "--checkpoint", str(checkpoint)).exit_code == 0


@pytest.mark.parametrize("option", ["--checkpoint", "--dead-letters"])
def test_a_place_that_cannot_be_written_is_wrong_usage(
    option: str, run: Run, tmp_path: Path
) -> None:
    path = write_lines(tmp_path / "events.jsonl", [track(0)])
    place = tmp_path / "nowhere" / "file"
    with LocalIterable() as iterable:
        result = run(iterable, "send", path, option, str(place))
        assert iterable.project.requests == []
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"Error: {place}: {os.strerror(errno.ENOENT)}\n"


# Dead letters and summary ------------------------------------------------------------------------


def test_dead_letters_are_kept_and_can_be_sent(run: Run, tmp_path: Path) -> None:
    letters = tmp_path / "dead.jsonl"
    content = to_lines(history(40, 40)) + b"no JSON\n"
    forgotten = {f"u-{number}" for number in range(3, 40, 4)}
    with LocalIterable(Project(forgotten=forgotten)) as iterable:
        first = run(iterable, "send", "--dead-letters", str(letters), stdin=content)
    assert first.exit_code == 1
    assert Counter(read_outcomes(first).values()) == {"delivered": 30, "rejected": 11}
    kept = parse_lines(letters.read_bytes())
    assert [letter["deadLetter"]["index"] for letter in kept if "type" in letter] == list(
        range(3, 40, 4)
    )
    assert [letter["deadLetter"]["line"] for letter in kept if "type" not in letter] == ["no JSON"]
    with LocalIterable() as iterable:
        second = run(iterable, "send", str(letters))
        assert applied(iterable.project.effects) == list(range(3, 40, 4))
    assert Counter(read_outcomes(second).values()) == {"delivered": 10, "rejected": 1}


def test_where_dead_letters_cannot_be_kept_nothing_is_settled(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters, checkpoint = tmp_path / "dead.jsonl", tmp_path / "done.json"
    path = write_lines(tmp_path / "events.jsonl", [track(0), {"type": "track", "messageId": "m-1"}])
    arguments = [path, "--checkpoint", str(checkpoint), "--dead-letters", str(letters)]
    write = os.write

    def full(file: int, data: bytes) -> int:
        if letters.exists() and os.path.samestat(os.fstat(file), letters.stat()):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, data)

    with LocalIterable() as iterable:
        with monkeypatch.context() as broken:
            broken.setattr(os, "write", full)
            first = run(iterable, "send", *arguments)
        assert read_outcomes(first) == {0: "delivered", 1: "retryable"}
        assert (first.exit_code, read_settled(checkpoint)) == (1, {0})
        second = run(iterable, "send", *arguments)
    assert read_outcomes(second) == {1: "rejected"}
    assert [letter["messageId"] for letter in parse_lines(letters.read_bytes())] == ["m-1"]


def test_the_summary_stands_on_standard_error(run: Run) -> None:
    faulty = Faulty(u_1=faults.server_error(503))
    events = [order(0, "u-0"), track(1, "u-0"), order(2, "u-1"), {}]
    with LocalIterable(faults=faulty) as iterable:
        result = run(iterable, "send", stdin=to_lines(events))
    rows = [line.split() for line in result.stderr.splitlines()]
    for row in (
        ["delivered", "2"],
        ["rejected", "1"],
        ["retryable", "1"],
        ["/api/commerce/trackPurchase", "2"],
        ["/api/events/track", "1"],
    ):
        assert row in rows
    assert result.stderr.splitlines()[-1].startswith("4 events in ")
    assert len(parse_lines(result.stdout_bytes)) == 4


def test_only_problems_are_printed_if_that_is_asked_for(run: Run, tmp_path: Path) -> None:
    faulty = Faulty(u_1=faults.server_error(503), u_2=faults.cut())
    events = [track(0, "u-0"), order(1, "u-1"), order(2, "u-2"), {"type": "group"}, {}]
    with LocalIterable(faults=faulty) as iterable:
        sent = run(iterable, "send", "--only-problems", stdin=to_lines(events))
        with Outbox(tmp_path / "outbox") as outbox:
            outbox.add_all(events)
            drained = run(iterable, "drain", str(tmp_path / "outbox"), "--only-problems")
    for result, first in ((sent, 0), (drained, 1)):
        outcomes = {index - first: name for index, name in read_outcomes(result).items()}
        assert outcomes == {1: "retryable", 2: "unknown", 4: "rejected"}
        assert result.exit_code == 1
        rows = [line.split() for line in result.stderr.splitlines()]
        assert ["delivered", "1"] in rows
        assert ["skipped", "1"] in rows


def test_an_event_with_a_subscription_that_failed_is_a_problem() -> None:
    failure = Failure("Plans", "skipped", NotSent("why"))
    outcomes: list[Outcome] = [
        Delivered(index=0),
        Delivered(index=1, failures=(failure,)),
        Skipped(index=2),
    ]
    assert [each.index for each in filter(report.is_problem, outcomes)] == [1]


# drain -------------------------------------------------------------------------------------------


def test_drain_delivers_what_is_in_an_outbox(run: Run, tmp_path: Path) -> None:
    path, letters = tmp_path / "outbox", tmp_path / "dead.jsonl"
    faulty = Faulty(u_1=faults.server_error(503), u_2=faults.cut())
    events = [track(0, "u-0"), order(1, "u-1"), order(2, "u-2"), {"type": "group"}, {}]
    with Outbox(path) as outbox:
        numbers = outbox.add_all(events)
        with LocalIterable(faults=faulty) as iterable:
            first = run(iterable, "drain", str(path), "--dead-letters", str(letters))
            names = ["delivered", "retryable", "unknown", "skipped", "rejected"]
            assert read_outcomes(first) == dict(zip(numbers, names, strict=True))
            lines = sorted(parse_lines(first.stdout_bytes), key=itemgetter("index"))
            assert lines[0] == {"index": numbers[0], "messageId": "m-0", "outcome": "delivered"}
            assert lines[1]["error"]["type"] == "ServerError"
            assert first.exit_code == 1
            assert "Events by outcome" in first.stderr
            # what ended unknown stays too: nobody but the outbox would know of it
            assert [entry.number for entry in outbox.read()] == numbers[1:3]
            assert len(parse_lines(letters.read_bytes())) == 1
            faulty.by_text = {}
            second = run(iterable, "drain", str(path))
            assert read_outcomes(second) == dict.fromkeys(numbers[1:3], "delivered")
            assert (second.exit_code, len(outbox)) == (0, 0)
            third = run(iterable, "drain", str(path))
            assert (third.exit_code, third.stdout) == (0, "")


def test_drain_makes_no_file_that_is_missing(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "nothing"
    with LocalIterable() as iterable:
        result = run(iterable, "drain", str(path))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"Error: {path}: there is no such file\n"
    assert not path.exists()


@pytest.mark.parametrize("text", ["something of mine " * 100, "", "{}\n", "SQLite"])
def test_drain_refuses_what_is_no_outbox(text: str, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text(text)
    with LocalIterable() as iterable:
        result = run(iterable, "drain", str(path))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"Error: {path}: is no outbox\n"
    assert path.read_text() == text


def test_drain_waits_for_no_pipe_and_refuses_a_folder(run: Run, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with LocalIterable() as iterable:
        for path in (tmp_path / "pipe", tmp_path):
            result = run(iterable, "drain", str(path))
            assert (result.exit_code, result.stderr) == (2, f"Error: {path}: no ordinary file\n")
        long = run(iterable, "drain", "x" * 300)
    assert long.stderr == f"Error: {'x' * 300}: {os.strerror(errno.ENAMETOOLONG)}\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_drain_ends_at_a_signal_and_what_is_not_delivered_stays(
    number: signal.Signals, tmp_path: Path
) -> None:
    path, met, go = tmp_path / "outbox", threading.Event(), threading.Event()

    def stall(_: Received, apply: Apply) -> Response:
        met.set()
        go.wait(WAIT_SECONDS)
        return apply()

    with Outbox(path) as outbox, LocalIterable(faults=stall) as iterable:
        outbox.add(order(0))
        with start_send(iterable, "drain", str(path)) as running:
            assert met.wait(WAIT_SECONDS)
            running.send_signal(number)
            threading.Timer(0.5, go.set).start()
            assert running.wait(10) == 128 + number
            assert running.stderr is not None
            told = running.stderr.read().decode()
            assert "Traceback" not in told
            assert "Events by outcome" in told
            assert told.endswith(
                "\nInterrupted. Run the same command again: what is not delivered is in the outbox"
                " still.\n"
            )
        assert len(outbox) == 1


def test_drain_leaves_an_outbox_to_whoever_delivers_from_it(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "outbox"
    with Outbox(path) as outbox, LocalIterable() as iterable:
        outbox.add(track(0))
        with outbox.delivering():
            result = run(iterable, "drain", str(path))
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == f"Error: {path}: someone else delivers from it already\n"
        assert (len(outbox), iterable.project.requests) == (1, [])


#: What is said at an interruption, with a checkpoint and without.
GO_ON = "Interrupted. Run the same command again: it goes on where it stopped."
BEGIN_AGAIN = (
    "Interrupted. The same command sends everything again, also what was delivered: run it with"
    " --checkpoint FILE from the beginning, and it goes on where it stopped."
)

# As a process of its own -------------------------------------------------------------------------

#: The command line with a checkpoint that is written often.
EAGER = """
import sys
from iterable_destination.cli import report
from iterable_destination.__main__ import main
report._CHECKPOINT_INTERVAL = 0.02
sys.argv[0] = "iterable-destination"
main()
"""


@contextmanager
def start_send(iterable: LocalIterable, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start the command line; kill it if it takes too long."""
    environment = {"ITERABLE_API_KEY": iterable.api_key, "ITERABLE_BASE_URL": iterable.url}
    with subprocess.Popen(
        [sys.executable, "-c", EAGER, *arguments],
        env=os.environ | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        watch = threading.Timer(WAIT_SECONDS, running.kill)
        watch.start()
        try:
            yield running
            running.wait(WAIT_SECONDS)
        finally:
            watch.cancel()
            running.kill()


@pytest.mark.slow
@pytest.mark.parametrize("times", [3, 10])
def test_killed_at_any_moment_and_gone_on_with_nothing_is_skipped(
    tmp_path: Path, times: int
) -> None:
    events = history(1_200, 60)
    path, checkpoint = write_lines(tmp_path / "events.jsonl", events), tmp_path / "done.json"
    arguments = ["send", path, "--checkpoint", str(checkpoint)]
    jitter, told, kills = Random(7), set[int](), 0  # noqa: S311 - moments, no secrets
    slow = Script([faults.latency(0.02)] * 100_000)
    with LocalIterable(faults=slow) as iterable:
        for _ in range(times):
            with start_send(iterable, *arguments) as running:
                assert running.stdout is not None
                seen = [running.stdout.readline() for _ in range(jitter.randrange(0, 200))]
                running.kill()
                seen += running.stdout.readlines()
            kills += running.returncode == -signal.SIGKILL
            whole = [line for line in seen if line.endswith(b"\n")]
            lines = [json.loads(line) for line in whole]
            assert {line["outcome"] for line in lines} <= {"delivered"}
            told |= {line["index"] for line in lines}
            assert read_settled(checkpoint) <= told
        assert kills >= times - 2
        with start_send(iterable, *arguments) as running:
            rest, _ = running.communicate()
        assert running.returncode == 0
        told |= {line["index"] for line in parse_lines(rest)}
        assert told == read_settled(checkpoint) == set(range(1_200))
        assert sorted(applied(iterable.project.effects)) == list(range(1_200))
        assert doubled_ids(iterable) == []
        assert inversions(iterable, [f"u-{n}" for n in range(60)]) == []
        requests = len(iterable.project.requests)
        with start_send(iterable, *arguments) as running:
            assert running.communicate()[0] == b""
        assert (running.returncode, len(iterable.project.requests)) == (0, requests)


def test_a_pipe_that_stays_open_gets_its_outcomes_in_time() -> None:
    with LocalIterable() as iterable, start_send(iterable, "send") as running:
        assert running.stdin is not None
        assert running.stdout is not None
        got: list[Any] = []
        for n in range(3):
            running.stdin.write(to_lines([track(n)]))
            running.stdin.flush()
            reading = threading.Thread(target=lambda: got.append(running.stdout.readline()))  # type: ignore[union-attr]
            reading.start()
            reading.join(10 if n == 0 else 2)  # the first one includes the start
            assert [json.loads(line)["index"] for line in got] == list(range(n + 1))
        running.stdin.close()
        assert running.stdout.read() == b""
    assert running.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("stalls", [True, False])
@pytest.mark.parametrize("has_checkpoint", [True, False])
def test_ctrl_c_and_sigterm_end_it_soon_with_totals_and_what_to_do_next(
    *, has_checkpoint: bool, stalls: bool, number: signal.Signals, tmp_path: Path
) -> None:
    checkpoint, met = tmp_path / "done.json", threading.Event()

    def stall_u_1(received: Received, apply: Apply) -> Response | Fault:
        if b'"u-1"' in received.body:
            met.set()
            return faults.stall(30)
        return apply()

    events = [track(n, "u-0") for n in range(5)] + [order(5, "u-1")] * stalls
    with (
        LocalIterable(faults=stall_u_1) as iterable,
        start_send(
            iterable, "send", *(["--checkpoint", str(checkpoint)] if has_checkpoint else [])
        ) as running,
    ):
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdin.write(to_lines(events))
        running.stdin.flush()
        first = [json.loads(running.stdout.readline()) for _ in range(5)]
        if stalls:
            assert met.wait(WAIT_SECONDS)
        running.send_signal(number)
        assert running.wait(5) == 128 + number
        rest, told = parse_lines(running.stdout.read()), running.stderr.read().decode()
    assert {line["outcome"] for line in first} == {"delivered"}
    assert [line["outcome"] for line in rest] == ["unknown"] * stalls
    assert read_settled(checkpoint) == ({0, 1, 2, 3, 4} if has_checkpoint else set())
    *_, total, advice = told.splitlines()
    assert "Traceback" not in told
    assert ["delivered", "5"] in [line.split() for line in told.splitlines()]
    assert total.startswith(f"{5 + stalls} events in ")
    assert advice == (GO_ON if has_checkpoint else BEGIN_AGAIN)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_was_interrupted_is_gone_on_with(number: signal.Signals, tmp_path: Path) -> None:
    path, checkpoint = tmp_path / "events.jsonl", tmp_path / "done.json"
    write_lines(path, history(400, 40))
    arguments = ["send", str(path), "--checkpoint", str(checkpoint)]
    with LocalIterable(faults=Script([faults.latency(0.05)] * 400)) as iterable:
        with start_send(iterable, *arguments) as running:
            assert running.stdout is not None
            running.stdout.readline()
            running.send_signal(number)
            running.communicate()
        assert running.returncode == 128 + number
        with start_send(iterable, *arguments) as running:
            running.communicate()
        assert running.returncode == 0
        assert read_settled(checkpoint) == set(range(400))
        assert sorted(set(applied(iterable.project.effects))) == list(range(400))


def test_ctrl_c_during_a_translation_has_its_status_too(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with (
        LocalIterable() as iterable,
        start_send(iterable, "translate", str(path)) as running,
        path.open("wb"),
    ):
        time.sleep(0.2)
        running.send_signal(signal.SIGINT)
        _, told = running.communicate()
    assert (running.returncode, told) == (130, b"")


@pytest.mark.parametrize("events", [3, 3_000])
def test_a_reader_of_outcomes_that_has_had_enough_is_no_reason_to_complain(
    events: int, tmp_path: Path
) -> None:
    path, checkpoint = write_lines(tmp_path / "events.jsonl", history(events, 3)), tmp_path / "done"
    go = threading.Event()

    def waits(_: Received, apply: Apply) -> Response:
        go.wait(WAIT_SECONDS)
        return apply()

    with (
        LocalIterable(faults=waits) as iterable,
        start_send(iterable, "send", path, "--checkpoint", str(checkpoint)) as running,
    ):
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        go.set()
        told = running.stderr.read()
    assert running.returncode not in {0, -signal.SIGKILL}
    assert b"Traceback" not in told
    assert read_settled(checkpoint) == set()


def test_settled_and_the_file_agree(tmp_path: Path) -> None:
    """The tests above read the same indexes as the checkpoint itself."""
    path = tmp_path / "done.json"
    with Checkpoint(path) as checkpoint:
        checkpoint.check_input(b"{}")
        checkpoint.settled = IndexSet([(0, 3), (5, 6)])
        checkpoint.write()
    assert read_settled(path) == {0, 1, 2, 5}
