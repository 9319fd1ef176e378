"""`why` says what became of an event, by whatever file has it, and by Iterable."""

from __future__ import annotations

import gzip
import json
import os
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from iterable_destination import DeadLetters, Destination, Outbox, Settings
from iterable_destination.cli.findings import EventReader, find_in_file
from iterable_destination.errors import BadRequest, InvalidEvent, Problem
from iterable_destination.io.dead_letter_lines import DeadLetter
from iterable_destination.io.outbox import read_waiting
from iterable_destination.mapping.translate import translate
from iterable_destination.model.outcomes import Failure, Rejected
from iterable_destination.testing import LocalIterable, Project
from tests.cli.test_main import run

TRACKED = "translates to POST /api/events/track"
HALF = "the subscription Plans is rejected"
HALF_AT = f"{HALF} at /api/users/update"
UNASKED = "no setting asks for this page: track_all_pages would send it"
SEEN = {"messageId": "m-1", "type": "track", "userId": "u-1", "event": "Seen"}
OTHER = SEEN | {"messageId": "m-2"}
PAGE = {"messageId": "m-1", "type": "page", "userId": "u-1"}
BROKEN = {"messageId": "m-1", "type": "track", "userId": "u-1", "properties": {"email": "a@b.no"}}
KEY = "the-key-of-no-project-0123456789"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ITERABLE_API_KEY", "ITERABLE_DATA_CENTER", "ITERABLE_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def write(name: str, *values: Any) -> str:
    lines = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in values]
    Path(name).write_bytes(b"\n".join(lines) + b"\n")
    return name


def why(*arguments: str, status: int = 0, told: str = "") -> list[str]:
    result = run("why", *arguments)
    assert (result.exit_code, result.stderr) == (status, told)
    return result.stdout.splitlines()


# files -------------------------------------------------------------------------------------------


def test_events_of_the_input_are_translated() -> None:
    anonymous = {"messageId": "m-1", "type": "identify"}
    write("events.jsonl", OTHER, SEEN, PAGE, BROKEN, b"no JSON", anonymous)
    assert why("m-1", "events.jsonl") == [
        "events.jsonl:2: is there; translates to POST /api/events/track",
        f"events.jsonl:3: is there; skipped: {UNASKED}",
        "events.jsonl:4: is there; refused: event: missing",
        "events.jsonl:6: is there; refused: userId: Must set either userId or email",
    ]


def test_settings_and_mappings_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    write("events.jsonl", PAGE)
    monkeypatch.setenv("ITERABLE_TRACK_ALL_PAGES", "true")
    assert why("m-1", "events.jsonl") == [
        "events.jsonl:1: is there; translates to POST /api/events/track"
    ]
    half = {
        "enabled": True,
        "partnerAction": "trackEvent",
        "subscribe": 'type = "page"',
        "mapping": {"userId": {"@path": "$.userId"}},
    }
    whole = half | {"name": "Whole", "mapping": half["mapping"] | {"eventName": "Seen"}}  # type: ignore[operator]
    write("mappings.json", [half | {"name": "Half"}, whole])
    assert why("m-1", "events.jsonl", "--mappings", "mappings.json") == [
        f"events.jsonl:1: is there; {TRACKED}; the subscription Half is refused: eventName: missing"
    ]


def test_events_are_found_in_any_form() -> None:
    Path("pretty.json").write_text(json.dumps([OTHER, SEEN], indent=2))
    Path("packed.jsonl.gz").write_bytes(gzip.compress(json.dumps(SEEN).encode()))
    write("escaped.jsonl", b'{"messageId": "\\u006d-1", "type": "page"}')
    write("number.jsonl", {"messageId": 17, "type": "group"})
    found = why("m-1", "pretty.json", "packed.jsonl.gz", "escaped.jsonl")
    assert [each.partition(": ")[0] for each in found] == [
        "pretty.json:8",
        "packed.jsonl.gz:1",
        "escaped.jsonl:1",
    ]
    assert why("17", "number.jsonl")[0].startswith("number.jsonl:1: is there; skipped: group")
    assert sorted(why("m-1", ".")) == sorted(found)


def test_standard_input_is_read_without_a_file() -> None:
    result = run("why", "m-1", stdin=json.dumps(SEEN, indent=1).encode())
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == ("standard input:1: is there; translates to POST /api/events/track\n")


def test_a_pipe_is_read_once() -> None:
    os.mkfifo("pipe")
    writer = threading.Thread(target=write, args=("pipe", SEEN), daemon=True)
    writer.start()
    assert why("m-1", "pipe") == [f"pipe:1: is there; {TRACKED}"]
    writer.join(5)


def test_a_line_that_is_no_json_may_be_the_reason() -> None:
    write("events.jsonl", SEEN, b'{"messageId": "m-1"', b"m-11", {"messageId": "m-11"}, b"\\")
    named = "is named there; refused: no JSON"
    assert why("m-1", "events.jsonl")[1:] == [
        f"events.jsonl:2: {named}: Expecting ',' delimiter, at character 21",
        f"events.jsonl:3: {named}: Expecting value, at character 1",
    ]


def test_lines_of_send_are_told() -> None:
    missing = {"type": "InvalidEvent", "code": None, "message": "properties.total: missing"}
    refused = {
        "type": "BadRequest",
        "code": "RequestFieldsTypesMismatched",
        "message": "ada@example.com has the wrong type",
        "requestId": "r-7",
    }
    not_sent = {"type": "NotSent", "code": None, "message": "not sent: deadline exceeded"}
    own = {"type": "FunctionFailed", "code": None, "message": "ada@example.com"}
    failure = {
        "subscription": "Plans",
        "outcome": "rejected",
        "type": "InvalidEvent",
        "message": "",
    }
    at_path = {"path": "/api/users/update", "type": "NotSent"}
    line = {"index": 0, "messageId": "m-1", "outcome": "rejected"}
    write(
        "outcomes.jsonl",
        line | {"messageId": "m-2"},
        line | {"outcome": "delivered"},
        line | {"error": missing},
        line | {"error": refused},
        line | {"outcome": "retryable", "error": not_sent},
        line | {"error": own, "failures": [failure, 5, failure | at_path]},
        line | {"outcome": 5, "error": {"type": None}, "failures": 5},
        line | {"outcome": "skipped", "skipped": "dropped by the function"},
        line | {"outcome": "skipped", "skipped": 5},
    )
    assert why("m-1", "outcomes.jsonl") == [
        "outcomes.jsonl:2: delivered",
        "outcomes.jsonl:3: rejected: properties.total: missing",
        "outcomes.jsonl:4: rejected: BadRequest, RequestFieldsTypesMismatched, request r-7",
        "outcomes.jsonl:5: retryable: NotSent: not sent: deadline exceeded",
        f"outcomes.jsonl:6: rejected: FunctionFailed; {HALF}: InvalidEvent; {HALF_AT}: NotSent",
        "outcomes.jsonl:7: ?: ?",
        "outcomes.jsonl:8: skipped: dropped by the function",
        "outcomes.jsonl:9: skipped",
    ]


def test_dead_letters_are_told() -> None:
    problem = InvalidEvent([Problem("properties.total", "missing")], "m-1")
    refused = BadRequest("ada@example.com", status=400, code="BadParams", request_id="r-1")
    outcomes = [
        Rejected(message_id="m-1", message=str(problem), error=problem),
        Rejected(
            message_id="m-1",
            message=str(refused),
            code=refused.code,
            request_id="r-1",
            error=refused,
            failures=(Failure("Plans", "rejected", refused),),
        ),
    ]
    with DeadLetters("dead.jsonl", clock=lambda: datetime(2026, 2, 5, tzinfo=UTC)) as letters:
        letters.write([DeadLetter(each, BROKEN) for each in outcomes])
        letters.write([DeadLetter(outcomes[0], line=b"m-1")])
    at = "rejected at 2026-02-05T00:00:00.000Z"
    assert why("m-1", "dead.jsonl") == [
        f"dead.jsonl:1: {at}: properties.total: missing",
        f"dead.jsonl:2: {at}: BadRequest, BadParams, request r-1; {HALF}: BadRequest",
    ]


def test_lines_of_translate_are_no_events() -> None:
    write(
        "translated.jsonl", {"messageId": "m-1", "calls": []}, {"messageId": "m-1", "skipped": ""}
    )
    assert why("m-1", "translated.jsonl", status=1) == ["not found in 1 file"]


def test_what_is_not_found_is_status_1() -> None:
    write("events.jsonl", SEEN)
    write("empty.jsonl", b"")
    Outbox("events.outbox").close()
    assert why("m-9", "events.jsonl", "empty.jsonl", "events.outbox", status=1) == [
        "not found in 3 files"
    ]
    assert why("m-9", "*.jsonl", status=1) == ["not found in 2 files"]
    assert why("", "events.jsonl", status=1) == ["not found in 1 file"]


def test_a_file_that_cannot_be_read_does_not_end_the_search() -> None:
    Path("a.zip").write_bytes(b"PK\x03\x04")
    Path("b.sqlite").write_bytes(b"SQLite format 3\x00" + bytes(1_000))
    write("c.jsonl", SEEN)
    files = ("a.zip", "b.sqlite", "c.jsonl")
    result = run("why", "m-1", *files)
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 1)
    assert result.stderr.startswith(
        "Error: a.zip: is a zip file: unpack it first\nError: b.sqlite: "
    )
    assert run("why", "m-9", *files).exit_code == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told() -> None:
    write("a.jsonl", SEEN)
    Path("a.jsonl").chmod(0)
    assert run("why", "m-1", ".").exit_code == 2


def test_a_file_that_is_gone_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    write("a.jsonl", SEEN)

    def is_gone(*_: Any) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr("iterable_destination.cli.findings._is_sqlite", is_gone)
    result = run("why", "m-1", "a.jsonl")
    assert (result.exit_code, result.stderr) == (2, "Error: a.jsonl: No such file or directory\n")


def test_a_file_that_is_not_there_hides_no_other() -> None:
    write("a.jsonl", SEEN)
    told = "Error: gone: No such file or directory\nError: x*: no file matches\n"
    found = ["a.jsonl:1: is there; translates to POST /api/events/track"]
    assert why("m-1", "gone", "a.jsonl", "x*", told=told) == found
    assert why("m-9", "gone", "a.jsonl", "x*", status=2, told=told) == ["not found in 1 file"]


def test_nothing_moves_a_terminal() -> None:
    write("a.jsonl", {"messageId": "m-1", "outcome": "\x1b[2J", "error": {"type": "\x9b"}})
    assert why("m-1", "a.jsonl") == ["a.jsonl:1: \\x1b[2J: \\x9b"]


# an outbox ---------------------------------------------------------------------------------------


def test_what_waits_in_an_outbox_is_told_and_nothing_is_changed() -> None:
    with Outbox("events.outbox") as outbox:
        events: list[Any] = [OTHER, SEEN, 5, SEEN]
        outbox.add_all(events)
        outbox.remove([1])
        (before, beside) = (Path("events.outbox").read_bytes(), sorted(os.listdir()))  # noqa: PTH208
        expected = ["events.outbox: waits, number 2", "events.outbox: waits, number 4"]
        with outbox.delivering():
            assert why("m-1", "events.outbox") == expected
            assert sorted(os.listdir()) == [*beside[:1], "events.outbox-deliverer", *beside[1:]]  # noqa: PTH208
            assert why("m-1", ".") == expected
        outbox.remove([2])
        assert Path("events.outbox").read_bytes() == before
    beside = sorted(os.listdir())  # noqa: PTH208
    assert why("m-1", "events.outbox") == expected[1:]
    assert sorted(os.listdir()) == beside  # noqa: PTH208


def test_reading_an_outbox_blocks_nobody() -> None:
    with Outbox("events.outbox", lock_timeout=0) as outbox:
        outbox.add_all([{"messageId": f"m-{number}"} for number in range(2_500)])
        with closing(read_waiting("events.outbox")) as waiting:  # type: ignore[type-var]
            assert next(waiting).number == 1
            outbox.add(SEEN)
            outbox.remove(range(1, 1_001))
            numbers = [record.number for record in waiting]
    assert numbers == list(range(2, 2_502))


def test_an_empty_file_is_no_outbox_yet() -> None:
    Path("empty").touch()
    assert list(read_waiting("empty")) == []


# Iterable ----------------------------------------------------------------------------------------


@pytest.fixture
def iterable(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalIterable]:
    monkeypatch.setenv("ITERABLE_API_KEY", KEY)
    with LocalIterable(Project(api_key=KEY)) as running:
        monkeypatch.setenv("ITERABLE_BASE_URL", running.url)
        settings = Settings(api_key=KEY, base_url=running.url)
        who = {"type": "identify", "userId": "u-1", "traits": {"email": "a+b@example.com"}}
        with Destination(settings) as destination:
            assert destination.send(who).name == "delivered"
            assert destination.send(SEEN).name == "delivered"
        yield running


HAS = "Iterable: has it"
HAS_NOT = "Iterable: has it not among the user's last events, of which it returned 1"


@pytest.mark.parametrize("who", [("--user-id", "u-1"), ("--email", "a+b@example.com")])
def test_iterable_is_asked_for_a_user(who: tuple[str, ...], iterable: LocalIterable) -> None:
    assert why("m-1", "--ask-iterable", *who) == [HAS]
    assert why("m-9", "--ask-iterable", *who, status=1) == [HAS_NOT]
    asked = iterable.project.requests[-1]
    assert (asked.method, asked.path.partition("/events/")[2] != "") == ("GET", True)


def test_the_user_is_that_of_the_event_that_is_found(iterable: LocalIterable) -> None:
    assert iterable.project.effects
    write("events.jsonl", SEEN, OTHER)
    with Outbox("events.outbox") as outbox:
        outbox.add(OTHER | {"messageId": "m-3"})
    assert why("m-1", "events.jsonl", "--ask-iterable")[1:] == [HAS]
    assert why("m-2", "events.jsonl", "--ask-iterable")[1:] == [HAS_NOT]
    assert why("m-3", "events.outbox", "--ask-iterable")[1:] == [HAS_NOT]
    write("refused.jsonl", BROKEN)
    assert why("m-1", "refused.jsonl", "--ask-iterable")[1:] == [HAS]
    write("skipped.jsonl", PAGE)
    assert why("m-1", "skipped.jsonl", "--ask-iterable")[1:] == [HAS]


def test_what_changes_a_profile_alone_is_no_event_of_iterables(iterable: LocalIterable) -> None:
    before = len(iterable.project.requests)
    write("events.jsonl", {"messageId": "m-1", "type": "identify", "userId": "u-1"})
    assert why("m-1", "events.jsonl", "--ask-iterable")[1:] == [
        "Iterable: keeps no such event, for it changes only a profile"
    ]
    assert len(iterable.project.requests) == before


def test_only_the_last_events_of_a_user_are_asked_for(iterable: LocalIterable) -> None:
    settings = Settings(api_key=KEY, base_url=iterable.url)
    with Destination(settings) as destination:
        events = [SEEN | {"messageId": f"n-{number}"} for number in range(210)]
        assert {each.name for each in destination.send_all(events)} == {"delivered"}
    assert why("m-9", "--ask-iterable", "--user-id", "u-1", status=1) == [
        HAS_NOT.replace("returned 1", "returned 200")
    ]


def test_without_a_user_or_a_key_iterable_is_not_asked(
    iterable: LocalIterable, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("events.jsonl", {"messageId": "m-1", "type": "identify"})
    nobody = "Error: --ask-iterable: no file says whose event it is; give --email or --user-id\n"
    assert why("m-1", "events.jsonl", "--ask-iterable")[1:] == [
        "Iterable: not asked, for the event names no user"
    ]
    assert len(why("m-9", "events.jsonl", "--ask-iterable", status=2, told=nobody)) == 1
    assert why("m-1", "--ask-iterable", status=2, told=nobody) == []
    for option in ("--email", "--user-id"):
        unasked = "Error: --email and --user-id: are for --ask-iterable alone\n"
        assert why("m-1", option, "x", status=2, told=unasked) == []
    monkeypatch.delenv("ITERABLE_API_KEY")
    no_key = "Error: api_key: missing; set the variable ITERABLE_API_KEY\n"
    assert why("m-1", "--ask-iterable", "--user-id", "u", status=2, told=no_key) == []
    assert iterable.project.requests[-1].path == "/api/events/track"


def test_a_wrong_key_or_no_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ITERABLE_API_KEY", KEY)
    arguments = ("why", "m-1", "--ask-iterable", "--user-id", "u-1", "--base-url")
    with LocalIterable(Project(api_key="another")) as iterable:
        url = iterable.url
        wrong = run(*arguments, url)
    gone = run(*arguments, url)
    assert (wrong.exit_code, gone.exit_code) == (2, 1)
    assert wrong.stderr.startswith(f"Error: {url}: Unauthorized: ")
    assert gone.stderr.startswith(f"Error: {url}: NotConnected: ")
    assert KEY not in wrong.stderr + gone.stderr


# the parts ---------------------------------------------------------------------------------------


def test_a_finding_shows_no_event() -> None:
    write("events.jsonl", BROKEN)
    [found] = find_in_file("events.jsonl", "m-1", EventReader(translate, Settings()))
    assert found.event == BROKEN
    assert "a@b.no" not in repr(found)


def test_wrong_usage_is_status_2() -> None:
    assert run("why").exit_code == 2
    assert run("why", "m-1", "nowhere.jsonl").exit_code == 2
