"""The source on the command line: webhooks delivered to Segment, from a file or over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from iterable_destination.source import SegmentTrack, to_segment
from tests.cli.test_main import read_lines, run
from tests.cli.test_report import to_lines
from tests.delivery.test_segment_destination import webhook
from tests.support.delivering import wait_until
from tests.support.receiving import JSON, post, run_command, stop_command, to_json
from tests.support.segment_server import KEY, Segment, running_segment

TOKEN = "a-token-0123456789"
NOBODY = {"eventName": "emailOpen", "dataFields": {"createdAt": "2026-02-07 10:00:00 +00:00"}}
UNKNOWN = webhook(9, "somethingElse")


@pytest.fixture
def segment() -> Iterator[Segment]:
    with running_segment() as server:
        yield server


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the write key, and remove from the environment what else a command reads."""
    monkeypatch.setenv("SEGMENT_WRITE_KEY", KEY)
    monkeypatch.delenv("ITERABLE_WEBHOOK_TOKEN", raising=False)


def find_id(given: Any) -> str:
    found = to_segment(given)
    assert isinstance(found, SegmentTrack)
    return found.message_id


def read_ids(segment: Segment) -> list[str]:
    return [event["messageId"] for event in segment.events]


# source send --------------------------------------------------------------------------------------


def send(segment: Segment, *arguments: str, stdin: bytes = b"") -> Any:
    return run("source", "send", "--base-url", segment.url, *arguments, stdin=stdin)


def test_each_webhook_is_delivered_and_told(segment: Segment) -> None:
    result = send(segment, stdin=to_lines([webhook(1), UNKNOWN, webhook(2)]))
    lines = read_lines(result)
    by_index = {line["index"]: (line["messageId"], line["outcome"]) for line in lines}
    (reason,) = (line["skipped"] for line in lines if "skipped" in line)
    assert reason.startswith("somethingElse is no event of Segment's Iterable source")
    assert by_index == {
        0: (find_id(webhook(1)), "delivered"),
        1: (None, "skipped"),
        2: (find_id(webhook(2)), "delivered"),
    }
    assert sorted(read_ids(segment)) == sorted([find_id(webhook(1)), find_id(webhook(2))])
    assert (result.exit_code, "delivered" in result.stderr) == (0, True)


def test_a_webhook_that_is_refused_is_named_and_the_status_says_so(segment: Segment) -> None:
    result = send(segment, stdin=to_lines([NOBODY, webhook(1)]) + b"no JSON\n")
    by_index = {line["index"]: line["outcome"] for line in read_lines(result)}
    assert by_index == {0: "rejected", 1: "delivered", 2: "rejected"}
    assert result.exit_code == 1


def test_dead_letters_are_delivered_with_the_id_they_would_have_had(
    segment: Segment, tmp_path: Path
) -> None:
    letters = str(tmp_path / "letters")
    segment.answers = [400, 400]
    first = send(segment, "--dead-letters", letters, stdin=to_lines([webhook(1)]))
    assert [line["outcome"] for line in read_lines(first)] == ["rejected"]
    kept = json.loads(Path(letters).read_bytes())
    assert {key: kept[key] for key in webhook(1)} == webhook(1)
    segment.requests.clear()
    segment.answers = []
    again = send(segment, letters)
    assert [line["outcome"] for line in read_lines(again)] == ["delivered"]
    assert read_ids(segment) == [find_id(webhook(1))]
    assert "notes" not in json.dumps(segment.events)


def test_dead_letters_are_shown_as_they_are_delivered() -> None:
    letter = webhook(1) | {"deadLetter": {"outcome": "rejected"}}
    shown = [run("source", "translate", stdin=to_lines([each])) for each in (webhook(1), letter)]
    assert read_lines(shown[0]) == read_lines(shown[1])
    assert to_segment(MappingProxyType(letter)) == to_segment(webhook(1))


@pytest.mark.parametrize(
    ("address", "key"), [("ftp://x", KEY), ("http://127.0.0.1:1", "key\nof two lines")]
)
def test_what_is_wrong_is_said_and_no_more(
    address: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGMENT_WRITE_KEY", key)
    result = run("source", "send", "--base-url", address, stdin=to_lines([webhook(1)]))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "SEGMENT_WRITE_KEY" not in result.stderr


def test_a_refused_webhook_has_no_id_whatever_it_has_under_that_name(segment: Segment) -> None:
    (line,) = read_lines(send(segment, stdin=to_lines([NOBODY | {"messageId": "m-1"}])))
    assert (line["messageId"], line["outcome"]) == (None, "rejected")


def test_with_a_checkpoint_nothing_is_sent_twice(segment: Segment, tmp_path: Path) -> None:
    file, checkpoint = tmp_path / "webhooks.jsonl", str(tmp_path / "checkpoint")
    file.write_bytes(to_lines([webhook(1)]))
    assert send(segment, str(file), "--checkpoint", checkpoint).exit_code == 0
    with file.open("ab") as more:
        more.write(to_lines([webhook(2)]))
    assert send(segment, str(file), "--checkpoint", checkpoint).exit_code == 0
    assert read_ids(segment) == [find_id(webhook(1)), find_id(webhook(2))]


def test_options_count(segment: Segment, tmp_path: Path) -> None:
    options = tmp_path / "options.json"
    options.write_text('{"extra_names": {"somethingElse": "Something Else"}}')
    assert send(segment, "--options", str(options), stdin=to_lines([UNKNOWN])).exit_code == 0
    assert [event["event"] for event in segment.events] == ["Something Else"]


def test_a_wrong_write_key_is_not_our_fault_and_said_so(
    segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGMENT_WRITE_KEY", "another")
    result = send(segment, stdin=to_lines([webhook(1)]))
    (line,) = read_lines(result)
    assert (line["outcome"], line["error"]["type"]) == ("retryable", "Unauthorized")
    assert result.exit_code == 2


@pytest.mark.parametrize("command", ["send", "serve"])
def test_without_a_write_key_nothing_begins(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SEGMENT_WRITE_KEY")
    letters = tmp_path / "letters"
    result = run("source", command, "--dead-letters", str(letters), stdin=to_lines([webhook(1)]))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "set the variable SEGMENT_WRITE_KEY" in result.stderr


# source serve -------------------------------------------------------------------------------------


def serve(segment: Segment, *arguments: str) -> Any:
    """Run the command, and yield the address that it prints, and its process."""
    words = ("source", "serve", "--base-url", segment.url, *arguments)
    return run_command(*words, ITERABLE_WEBHOOK_TOKEN=f"old {TOKEN}")


def post_webhook(url: str, given: Any, token: str = TOKEN) -> tuple[int, Any]:
    return post(url, to_json(given), JSON | {"Authorization": f"Bearer {token}"}).result


def test_a_server_sends_webhooks_on_and_ends_when_told_to(segment: Segment) -> None:
    with serve(segment) as (url, process):
        assert post_webhook(url, webhook(1)) == (200, {"delivered": 1})
        assert post_webhook(url, UNKNOWN) == (200, {"skipped": 1})
        assert post_webhook(url, webhook(2), "another")[0] == 401
        assert post_webhook(url, NOBODY)[0] == 400
        status, output, stderr = stop_command(process)
    assert (status, output) == (0, "")
    words, refused, *more = stderr.splitlines()
    assert words == "A server for development. Stop it with Ctrl-C."
    assert ("InvalidWebhook" in refused, more) == (True, [])
    assert read_ids(segment) == [find_id(webhook(1))]


def test_a_server_keeps_what_is_refused_and_what_it_took(segment: Segment, tmp_path: Path) -> None:
    letters, outbox = tmp_path / "letters", tmp_path / "outbox"
    files = ("--dead-letters", str(letters), "--outbox", str(outbox))
    with serve(segment, *files) as (url, _):
        assert post_webhook(url, webhook(1)) == (200, {"kept": 1})
        assert post_webhook(url, NOBODY)[0] == 200
        wait_until(lambda: bool(letters.read_bytes()) and bool(segment.events))
    assert read_ids(segment) == [find_id(webhook(1))]
    assert json.loads(letters.read_bytes())["dataFields"] == NOBODY["dataFields"]


def test_a_server_without_a_token_does_not_begin() -> None:
    result = run("source", "serve")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "set the variable ITERABLE_WEBHOOK_TOKEN" in result.stderr


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("größe", "Error: ITERABLE_WEBHOOK_TOKEN: must be printable ASCII, without spaces"),
        (" ", "Error: set the variable ITERABLE_WEBHOOK_TOKEN"),
    ],
)
def test_a_token_that_no_header_can_hold_is_told(
    token: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ITERABLE_WEBHOOK_TOKEN", token)
    result = run("source", "serve")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(words)
