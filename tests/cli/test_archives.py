"""Archives in a store are sent as local files are, and in shards by several processes."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from array import array
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click.testing
import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from iterable_destination.cli import main as cli
from iterable_destination.cli import options
from iterable_destination.delivery.shards import assign_lines
from iterable_destination.model.endpoints import DELIVERY_RATES
from iterable_destination.testing import LocalIterable, Project
from tests.cli.test_workers_and_rates import Opened
from tests.support.segment_server import KEY, running_segment

BULK = "/api/users/bulkUpdate"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, local_iterable: LocalIterable) -> None:
    monkeypatch.setenv("ITERABLE_API_KEY", local_iterable.api_key)
    monkeypatch.setenv("ITERABLE_BASE_URL", local_iterable.url)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(MemoryFileSystem, "store", {})
    monkeypatch.setattr(MemoryFileSystem, "pseudo_dirs", [""])


def run(*arguments: str, stdin: bytes = b"") -> click.testing.Result:
    result = click.testing.CliRunner().invoke(cli.command_line, arguments, input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def track(number: int, **fields: Any) -> bytes:
    event = {"messageId": f"m-{number}", "type": "track", "event": "Seen", "userId": f"u-{number}"}
    return json.dumps(event | fields).encode() + b"\n"


def put(name: str, *numbers: int) -> None:
    content = gzip.compress(b"".join(map(track, numbers)))
    fsspec.filesystem("memory").pipe(f"/bucket/{name}", content)


def put_archive() -> None:
    put("segment-logs/1675296000000/1.gz", 0, 1, 2)
    put("segment-logs/1675296000000/2.gz", 3, 4)
    put("segment-logs/1675382400000/1.gz", 5, 6, 7)


def indexes(result: click.testing.Result) -> list[int]:
    return sorted(json.loads(line)["index"] for line in result.stdout.splitlines())


def sent(iterable: LocalIterable) -> list[str]:
    return sorted(str(effect.id) for effect in iterable.project.effects)


# A store ----------------------------------------------------------------------------------------


def test_an_archive_is_sent_and_its_lines_are_counted_through(
    local_iterable: LocalIterable,
) -> None:
    put_archive()
    result = run("send", "memory://bucket/segment-logs")
    assert (result.exit_code, indexes(result)) == (0, list(range(8)))
    assert sent(local_iterable) == [f"m-{number}" for number in range(8)]


@pytest.mark.parametrize("command", [("translate",), ("explain",), ("source", "translate")])
def test_commands_that_send_nothing_read_it_too(command: tuple[str, ...]) -> None:
    put_archive()
    remote = run(*command, "memory://bucket/segment-logs/*/*.gz")
    local = run(*command, stdin=b"".join(map(track, range(8))))
    assert remote.stdout == local.stdout
    assert remote.stdout.count("m-") + remote.stdout.count('"error"') >= 8


def test_why_names_the_place_in_it() -> None:
    put_archive()
    result = run("why", "m-5", "memory://bucket/segment-logs")
    place = "memory://bucket/segment-logs/1675382400000/1.gz:1: is there; "
    assert (result.exit_code, result.stdout[: len(place)]) == (0, place)


def test_source_send_reads_it_too_and_has_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"campaignId": 9, "createdAt": "2026-02-07 10:00:00 +00:00"}
    webhooks = [
        {"email": f"u-{number}@example.com", "eventName": "emailOpen", "dataFields": fields}
        for number in range(8)
    ]
    text = "\n".join(map(json.dumps, webhooks)).encode()
    fsspec.filesystem("memory").pipe("/bucket/w.jsonl", text)
    monkeypatch.setenv("SEGMENT_WRITE_KEY", KEY)
    with running_segment() as segment:
        command = ("source", "send", "memory://bucket", "--base-url", segment.url)
        shards = [run(*command, "--shard", f"{number}/2") for number in (1, 2)]
    assert [shard.exit_code for shard in shards] == [0, 0]
    found = [index for shard in shards for index in indexes(shard)]
    assert (sorted(found), len(segment.events)) == (list(range(8)), 8)


def test_a_file_that_is_cut_goes_on_by_the_checkpoint(
    tmp_path: Path, local_iterable: LocalIterable
) -> None:
    put_archive()
    files = fsspec.filesystem("memory")
    path = "/bucket/segment-logs/1675382400000/1.gz"
    whole = files.cat(path)
    files.pipe(path, whole[:-9])
    command = ("send", "memory://bucket/segment-logs", "--checkpoint", str(tmp_path / "done"))
    first = run(*command)
    assert first.exit_code == 2
    assert first.stderr.splitlines()[-1] == (
        "Error: memory://bucket/segment-logs/1675382400000/1.gz: Compressed file ended before the"
        " end-of-stream marker was reached"
    )
    files.pipe(path, whole)
    second = run(*command)
    assert second.exit_code == 0
    assert sorted(indexes(first) + indexes(second)) == list(range(8))
    assert sent(local_iterable) == [f"m-{number}" for number in range(8)]
    third = run(*command)
    assert "everything in 3 files is done" in third.stderr


@pytest.mark.parametrize("name", ["1675296000000/2.gz", "1675296000000/3.gz"])
def test_a_checkpoint_of_other_files_is_refused(name: str, tmp_path: Path) -> None:
    put_archive()
    command = ("send", "memory://bucket/segment-logs", "--checkpoint", str(tmp_path / "done"))
    assert run(*command).exit_code == 0
    put(f"segment-logs/{name}", 8, 9, 10)
    refused = run(*command)
    assert (refused.exit_code, refused.stdout) == (2, "")
    words = "done: belongs to other files, or to these with other contents"
    assert words in refused.stderr


# Shards -----------------------------------------------------------------------------------------

EVENTS = [
    *(track(number, userId=f"u-{number % 7}") for number in range(20)),
    track(20, userId="u-1", context={"traits": {"email": "a@example.com"}}),
    track(21, userId="u-2", context={"traits": {"email": "A@example.com"}}),
    b"\n",
    track(23, userId=None),
    b"no JSON\n",
]
INDEXES = [*range(22), 23, 24]


@pytest.fixture
def events(tmp_path: Path) -> str:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(EVENTS))
    return str(path)


@pytest.mark.parametrize("count", [1, 2, 3, 10])
def test_shards_part_the_lines_and_split_no_user(
    count: int, events: str, local_iterable: LocalIterable
) -> None:
    shards = [run("send", events, "--shard", f"{i}/{count}") for i in range(1, count + 1)]
    assert sorted(index for shard in shards for index in indexes(shard)) == INDEXES
    assert sent(local_iterable) == sorted(f"m-{number}" for number in range(22))
    linked = {number for number in range(22) if number % 7 in {1, 2}} - {15, 16} | {15, 16, 20, 21}
    holders = [bool(linked & set(indexes(shard))) for shard in shards]
    assert sum(holders) == 1
    assert shards[holders.index(True)].exit_code in {0, 1}


def test_each_shard_goes_on_by_its_own_checkpoint(events: str, tmp_path: Path) -> None:
    for shard in ("1/2", "2/2"):
        command = ("send", events, "--shard", shard, "--checkpoint", str(tmp_path / shard[0]))
        assert indexes(run(*command))
        assert "; nothing was sent" in run(*command).stderr
        content = json.loads((tmp_path / shard[0]).read_bytes())
        assert content["input"]["shard"] == shard


@pytest.mark.parametrize(
    ("first", "then", "words"),
    [
        ("1/2", "2/2", "belongs to shard 1/2, not to shard 2/2"),
        ("1/2", "1/3", "belongs to shard 1/2, not to shard 1/3"),
        ("1/2", None, "belongs to shard 1/2, not to the whole input"),
        (None, "1/2", "belongs to the whole input, not to shard 1/2"),
    ],
)
def test_a_checkpoint_of_another_shard_is_refused(
    first: str | None, then: str | None, words: str, events: str, tmp_path: Path
) -> None:
    def send(shard: str | None) -> click.testing.Result:
        given = () if shard is None else ("--shard", shard)
        return run("send", events, "--checkpoint", str(tmp_path / "done"), *given)

    assert indexes(send(first))
    refused = send(then)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == f"Error: {tmp_path}/done: {words}\n"


def test_a_shard_of_an_input_that_grew_is_refused(events: str, tmp_path: Path) -> None:
    command = ("send", events, "--shard", "1/2", "--checkpoint", str(tmp_path / "done"))
    assert indexes(run(*command))
    with Path(events).open("ab") as file:
        file.write(track(99, userId="u-1"))
    assert "belongs to other files, or to these with other contents" in run(*command).stderr


def test_a_shard_whose_lines_are_others_by_other_settings_is_refused(
    events: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("send", events, "--shard", "1/2", "--checkpoint", str(tmp_path / "done"))
    owners = array("B", [1] * len(INDEXES))
    monkeypatch.setattr(options, "assign_lines", lambda *_: owners)
    assert indexes(run(*command)) == INDEXES
    owners[-1] = 2
    assert "belongs to other files, or to these with other contents" in run(*command).stderr


def test_an_input_that_changes_while_it_is_read_is_refused(
    events: str, monkeypatch: pytest.MonkeyPatch, local_iterable: LocalIterable
) -> None:
    def assign_and_append(*arguments: Any) -> Any:
        owners = assign_lines(*arguments)
        with Path(events).open("ab") as file:
            file.write(track(99))
        return owners

    monkeypatch.setattr(options, "assign_lines", assign_and_append)
    result = run("send", events, "--shard", "1/1")
    assert result.exit_code == 2
    assert result.stderr.endswith("Error: line 26: the input changed while it was read\n")
    assert "m-99" not in sent(local_iterable)


def test_a_file_that_is_cut_is_sent_by_no_shard(
    tmp_path: Path, local_iterable: LocalIterable
) -> None:
    path = tmp_path / "events.gz"
    path.write_bytes(gzip.compress(b"".join(EVENTS))[:-9])
    result = run("send", str(path), "--shard", "1/2")
    assert (result.exit_code, result.stdout) == (2, "")
    assert sent(local_iterable) == []


def test_standard_input_has_no_shards() -> None:
    result = run("send", "--shard", "1/2", stdin=track(1))
    words = (
        "--shard: reads the input twice; standard input, and what else has no size, can be read"
        " once"
    )
    assert (result.exit_code, result.stderr) == (2, f"Error: {words}\n")


@pytest.mark.parametrize("value", ["0/2", "3/2", "1/0", "1/101", "1", "1/2/3", "a/b", "-1/2"])
@pytest.mark.parametrize("command", [("send",), ("source", "send")])
def test_another_share_is_wrong_usage(value: str, command: tuple[str, ...]) -> None:
    result = run(*command, f"--shard={value}")
    assert result.exit_code == 2
    words = "must be I/N, such as 1/2, with I from 1 to N, and N at most 100"
    assert f"Error: Invalid value for '--shard': {words}\n" in result.stderr


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((), {path: rate and rate / 4 for path, rate in DELIVERY_RATES.items()}),
        (("--rate-limits", "none"), dict.fromkeys(DELIVERY_RATES)),
        (
            ("--rate-limits", '{"/api/users/bulkUpdate": 2}'),
            {path: rate and rate / 4 for path, rate in DELIVERY_RATES.items()} | {BULK: 0.5},
        ),
    ],
)
def test_a_shard_has_its_part_of_the_rates(
    given: Sequence[str], expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_it(*_: Any, **keywords: Any) -> Any:
        raise Opened(keywords)

    monkeypatch.setattr(options, "Destination", open_it)
    with pytest.raises(Opened) as opened:
        run("send", "--shard", "2/4", *given)
    assert opened.value.args[0]["rate_limits"] == expected


def test_two_processes_at_once_lose_double_and_overtake_nothing(tmp_path: Path) -> None:
    users, count = 300, 6_000
    path = tmp_path / "events.jsonl.gz"
    lines = []
    for number in range(count):
        user = number * 31 % users
        names = number // users % 3  # the email alone, then both names, then the userId alone
        named = {"userId": f"u-{user}" if names else None}
        email = {} if names == 2 else {"email": f"u-{user}@example.com"}
        fields = (
            {"type": "identify", "event": None, "traits": email | {"n": number}}
            if number % 5 == 0
            else {"context": {"traits": email}, "properties": {"n": number}}
        )
        lines.append(track(number, **named, **fields))
    path.write_bytes(gzip.compress(b"".join(lines)))
    with LocalIterable(Project(rate_limits=True)) as iterable:
        command = [sys.executable, "-m", "iterable_destination", "send", str(path)]
        command += ["--base-url", iterable.url]
        running = [
            subprocess.Popen([*command, "--shard", f"{number}/2"], stdout=subprocess.PIPE)
            for number in (1, 2)
        ]
        outcomes = [process.communicate(timeout=120)[0].splitlines() for process in running]
        effects = iterable.project.effects
    assert [process.returncode for process in running] == [0, 0]
    assert all(len(lines) > count / 4 for lines in outcomes)
    found = [json.loads(line)["index"] for lines in outcomes for line in lines]
    assert sorted(found) == list(range(count))
    numbers = [effect.body["dataFields"]["n"] for effect in effects]
    assert Counter(numbers) == Counter(range(count))
    last = dict.fromkeys(range(users), -1)
    for number in numbers:
        user = number * 31 % users
        assert last[user] < number
        last[user] = number
