"""The command line: lines in, lines out, and exit statuses."""

from __future__ import annotations

import functools
import gzip
import json
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EISDIR, ENOENT
from importlib.metadata import requires, version
from operator import itemgetter
from pathlib import Path
from typing import Any

import click.testing
import pytest

from iterable_destination import Destination, Outbox, RetryPolicy
from iterable_destination.__main__ import main
from iterable_destination.cli import main as cli
from iterable_destination.cli import options
from iterable_destination.testing import LocalIterable
from tests.support import faulty_server as faulty
from tests.support.faulty_server import Exchange, FaultyServer, Script

KEY = "the-key-of-no-project-0123456789"
BOM = b"\xef\xbb\xbf"


def to_json(event: Any) -> bytes:
    return json.dumps(event).encode()


TRACK = {"type": "track", "event": "Signed Up", "userId": "u-1", "messageId": "m-1"}
TRACKED = {
    "messageId": "m-1",
    "calls": [
        {
            "method": "POST",
            "path": "/api/events/track",
            "body": {"userId": "u-1", "eventName": "Signed Up", "dataFields": {}},
        }
    ],
}
GROUP = {"type": "group", "userId": "u-1", "messageId": "m-2"}
GROUP_SKIPPED = "group calls are not supported: Iterable has no use for them"
IDENTIFY = {"type": "identify", "userId": "u-1", "messageId": "m-4"}
INVALID = {"type": "track", "event": "Signed Up", "messageId": "m-3"}
NO_IDENTITY = "Must set either userId or email"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove from the environment what the command line reads."""
    for name in (
        "ITERABLE_API_KEY",
        "ITERABLE_DATA_CENTER",
        "ITERABLE_BASE_URL",
        "FORCE_COLOR",
        "TTY_COMPATIBLE",
        "TTY_INTERACTIVE",
        "http_proxy",
        "HTTP_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")


def run(*arguments: str, stdin: bytes = b"") -> click.testing.Result:
    result = click.testing.CliRunner().invoke(cli.command_line, arguments, input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def read_lines(result: click.testing.Result) -> list[Any]:
    lines = result.stdout_bytes.split(b"\n")
    assert lines.pop() == b""
    return [json.loads(line) for line in lines]


def translate(content: bytes, *arguments: str) -> list[Any]:
    """Translate standard input; fail unless the command succeeds."""
    result = run("translate", *arguments, stdin=content)
    assert (result.exit_code, result.stderr) == (0, "")
    return read_lines(result)


def read_outcomes(result: click.testing.Result) -> list[Any]:
    """Return the output of `send` in the order of the input; `send` prints in order of settling."""
    return sort_by_index(result.stdout_bytes)


def sort_by_index(written: bytes) -> list[Any]:
    return sorted(map(json.loads, written.splitlines()), key=itemgetter("index"))


def write_settings(folder: Path, content: Any) -> str:
    path = folder / "settings.json"
    path.write_bytes(content if isinstance(content, bytes) else to_json(content))
    return str(path)


# translate ---------------------------------------------------------------------------------------


def test_translate_writes_one_line_for_each_event_in_order() -> None:
    content = b"\n".join(
        [
            to_json(TRACK),
            to_json(GROUP),
            b"",
            to_json(INVALID),
            b"no JSON",
            b'{"type":"track","event":"\xff"}',
            b"[]",
            to_json(TRACK | {"userId": 5, "messageId": "m-9"}),
        ]
    )
    result = run("translate", stdin=content)
    assert result.exit_code == 1
    assert result.stderr == ""
    tracked, grouped, *others = read_lines(result)
    assert tracked == TRACKED
    assert set(grouped) == {"messageId", "skipped"}
    assert grouped["messageId"] == "m-2"
    assert others == [
        {
            "messageId": "m-3",
            "error": {
                "type": "InvalidEvent",
                "message": f"userId: {NO_IDENTITY}",
                "problems": [{"path": "userId", "message": NO_IDENTITY, "code": "no-user"}],
            },
        },
        *(
            {
                "line": line,
                "error": {
                    "type": "InvalidJSON",
                    "message": f"line {line}: {words}",
                    "problems": [],
                },
            }
            for line, words in [
                (5, "no JSON: Expecting value, at character 1"),
                (6, "no JSON: no UTF-8 at byte 26"),
                (7, "JSON, but no object"),
            ]
        ),
        {
            "messageId": "m-9",
            "calls": [
                {
                    "method": "POST",
                    "path": "/api/events/track",
                    "body": {"userId": "5", "eventName": "Signed Up", "dataFields": {}},
                }
            ],
            "notes": [
                {
                    "path": "userId",
                    "message": "a number, sent as a string",
                    "code": "sent-as-string",
                }
            ],
        },
    ]


def test_a_line_of_translate_is_compact_utf_8() -> None:
    result = run("translate", stdin=to_json(TRACK | {"event": "Größe 😀"}))
    assert (
        result.stdout_bytes
        == (
            '{"messageId":"m-1","calls":[{"method":"POST","path":"/api/events/track","body":'
            '{"userId":"u-1","eventName":"Größe 😀","dataFields":{}}}]}\n'
        ).encode()
    )


def test_translate_needs_no_key_and_adds_no_id() -> None:
    (line,) = translate(to_json(TRACK))
    assert "id" not in line["calls"][0]["body"]


LINE = to_json(TRACK)


@pytest.mark.parametrize(
    ("content", "events"),
    [
        (b"", 0),
        (b"\n\n", 0),
        (BOM, 0),
        (LINE, 1),
        (LINE + b"\n", 1),
        (BOM + LINE + b"\n", 1),
        (LINE + b"\r\n" + LINE + b"\r\n", 2),
        (b"\n \n" + LINE + b"\n\n" + LINE, 2),
    ],
)
@pytest.mark.parametrize("source", ["nothing", "-", "file", "gzip"])
def test_events_are_read_from_anywhere(
    source: str, content: bytes, events: int, tmp_path: Path
) -> None:
    plain, compressed = tmp_path / "events.jsonl", tmp_path / "events.jsonl.gz"
    plain.write_bytes(content)
    compressed.write_bytes(gzip.compress(content))
    arguments = {"nothing": (), "-": ("-",), "file": (str(plain),), "gzip": (str(compressed),)}
    result = run("translate", *arguments[source], stdin=content)
    assert (result.exit_code, result.stderr) == (0, "")
    assert read_lines(result) == [TRACKED] * events


def test_all_skipped_is_all_well() -> None:
    result = run("translate", stdin=to_json(GROUP))
    assert result.exit_code == 0


def test_settings_of_a_file_decide(tmp_path: Path) -> None:
    page = to_json({"type": "page", "name": "Home", "userId": "u-1"})
    chosen = {"mapAllPagesToSingleEventName": False, "track_all_pages": None}
    (line,) = translate(page, "--settings", write_settings(tmp_path, chosen))
    assert line["calls"][0]["body"]["eventName"] == "Home page"
    (line,) = translate(page)
    assert line["calls"][0]["body"]["eventName"] == "Loaded a Page"


def test_a_settings_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = write_settings(tmp_path, BOM + b'{"skip_anonymous":true}')
    (line,) = translate(to_json(INVALID), "--settings", path)
    assert set(line) == {"messageId", "skipped"}


# What cannot be read -----------------------------------------------------------------------------


CUT = "Compressed file ended before the end-of-stream marker was reached"


@pytest.mark.parametrize("command", ["translate", "send"])
@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("nothing.jsonl", None, os.strerror(ENOENT)),
        ("nothing.gz", None, os.strerror(ENOENT)),
        ("some.zip", b"PK\x03\x04....", "is a zip file: unpack it first"),
        (
            "cut.gz",
            gzip.compress(b"", mtime=0)[:-9],
            CUT,
        ),
    ],
)
def test_an_input_that_cannot_be_read_is_wrong_usage(
    *,
    command: str,
    name: str,
    content: bytes | None,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ITERABLE_API_KEY", KEY)
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    result = run(command, str(path))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"Error: {path}: {words}\n"


@pytest.mark.parametrize("command", ["translate", "send"])
def test_an_empty_directory_is_wrong_usage(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ITERABLE_API_KEY", KEY)
    result = run(command, str(tmp_path))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"Error: {tmp_path}: is a folder without files\n"


def test_what_was_read_before_the_input_broke_is_there(tmp_path: Path) -> None:
    path = tmp_path / "events.gz"
    path.write_bytes(gzip.compress(LINE + b"\n" + LINE + b"\n") + b"rest")
    result = run("translate", str(path))
    assert read_lines(result) == [TRACKED, TRACKED]
    assert result.exit_code == 2
    assert result.stderr == f"Error: {path}: Not a gzipped file (b're')\n"


def test_what_was_read_before_the_input_broke_is_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = b"".join(
        b'{"type":"track","event":"A","userId":"u-%d","messageId":"m-%d"}\n' % (n % 9, n)
        for n in range(45)
    )
    path = tmp_path / "events.gz"
    path.write_bytes(gzip.compress(events)[:-12])
    with LocalIterable() as iterable:
        monkeypatch.setenv("ITERABLE_API_KEY", str(iterable.api_key))
        result = run("send", str(path), "--base-url", iterable.url)
    assert result.exit_code == 2
    outcomes = [line["outcome"] for line in read_lines(result)]
    assert set(outcomes) == {"delivered"}
    assert len(outcomes) > 40
    assert result.stderr.endswith(f"Error: {path}: {CUT}\n")


def test_several_files_are_read_one_after_another(tmp_path: Path) -> None:
    plain, compressed = tmp_path / "a.jsonl", tmp_path / "b.GZ"
    plain.write_bytes(LINE)
    compressed.write_bytes(gzip.compress(b"no\n" + LINE))
    found = read_lines(run("translate", str(plain), str(compressed), str(tmp_path)))
    assert [each.get("line") for each in found] == [None, 2, None, None, 5, None]
    assert found[0] == TRACKED


def test_json_that_is_no_lines_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ITERABLE_API_KEY", KEY)
    monkeypatch.setenv("ITERABLE_ENABLED", "false")
    path = tmp_path / "events.json"
    path.write_bytes(b"[\n" + LINE + b"\n]\n")
    result = run("send", str(path))
    assert result.exit_code == 1
    assert len(read_lines(result)) == 3
    assert f"{path}: this looks like JSON over several lines" in result.stderr


def test_where_delivery_is_off_that_is_told_and_nothing_is_skipped_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ITERABLE_ENABLED", "0")
    off = "delivery is off: the setting enabled (ITERABLE_ENABLED) is false"
    result = run("send", stdin=LINE)
    assert (result.exit_code, [each["outcome"] for each in read_lines(result)]) == (0, ["skipped"])
    assert result.stderr.startswith(f"{off}; events are skipped\n")
    path, checkpoint = str(tmp_path / "outbox"), tmp_path / "done"
    with Outbox(path) as outbox:
        outbox.add({"type": "track"})
    (tmp_path / "events.jsonl").write_bytes(LINE)
    for arguments in (
        ("send", str(tmp_path / "events.jsonl"), "--checkpoint", str(checkpoint)),
        ("drain", path),
    ):
        result = run(*arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(f"Error: {off}; with a checkpoint, an outbox or")
    assert not checkpoint.exists()
    with Outbox(path) as outbox:
        assert len(outbox) == 1


def test_no_line_has_a_control_character() -> None:
    evil = "\x1b[2J\x7f\x80\x9b2J\x9f\xa0é\u2028"
    event = TRACK | {"messageId": evil, "properties": {evil: evil}}
    result = run("translate", stdin=to_json(event))
    [found] = read_lines(result)
    assert found["messageId"] == evil
    assert found["calls"][0]["body"]["dataFields"] == {evil: evil}
    text = result.stdout_bytes.decode()
    assert not [c for c in text if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160)]
    assert "\xa0é" in text


# Wrong settings ----------------------------------------------------------------------------------

SWITCH = "must be true or false, not"
URL = "must be https:// or http://, a host, and perhaps a port and a path"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"trackAllPages": "yes"}, f"trackAllPages: {SWITCH} a string"),
        ({"track_named_pages": 1}, f"track_named_pages: {SWITCH} a number"),
        (
            {"trackCategorizedPages": [], "skip_anonymous": {}},
            f"trackCategorizedPages: {SWITCH} a list; skip_anonymous: {SWITCH} an object",
        ),
        ({"apiKey": 5}, "apiKey: must be a string, not a number"),
        ({"apiKey": ""}, "apiKey: must be printable ASCII and not empty"),
        ({"api_key": f"{KEY} "}, "api_key: must not begin or end with a space"),
        ({"apiKey": f"{KEY}é"}, "apiKey: must be printable ASCII and not empty"),
        (
            {"dataCenterLocation": "mars"},
            "dataCenterLocation: must be US or EU (for Segment united_states or europe)",
        ),
        (
            {"data_center": 1},
            "data_center: must be US or EU (for Segment united_states or europe)",
        ),
        ({"base_url": "example.com"}, f"base_url: {URL}"),
        ({"base_url": "http://"}, f"base_url: {URL}"),
        ({"base_url": "http://ada:lovelace@example.com"}, f"base_url: {URL}"),
        ({"base_url": "http://example.com/?a=b"}, f"base_url: {URL}"),
        ({"base_url": "http://[::1"}, f"base_url: {URL}"),
        ({"base_url": 1}, "base_url: must be a string, not a number"),
        (
            {"trackAllPages": True, "track_all_pages": True},
            "track_all_pages: is given twice, under Segment's name and ours",
        ),
    ],
)
@pytest.mark.parametrize("command", ["translate", "send"])
def test_a_wrong_setting_is_wrong_usage(
    command: str, settings: dict[str, Any], words: str, tmp_path: Path
) -> None:
    path = write_settings(tmp_path, settings)
    result = run(command, "--settings", path, stdin=LINE)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"Error: {path}: {words}\n"
    assert KEY not in result.output


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[]", "must be a JSON object of settings"),
        (b"null", "must be a JSON object of settings"),
        (b'"text"', "must be a JSON object of settings"),
        (b"", "no JSON: Expecting value: line 1 column 1 (char 0)"),
        (
            f'{{"apiKey":"{KEY}"'.encode(),
            "no JSON: Expecting ',' delimiter: line 1 column 45 (char 44)",
        ),
        (
            f'{{"apiKey":"{KEY}\xff"}}'.encode("latin-1"),
            "no JSON: 'utf-8' codec can't decode byte 0xff in position 43: invalid start byte",
        ),
        (
            b"\xff\xfe" + f'{{"apiKey":"{KEY}"}}'.encode("utf-16-le"),
            "no JSON: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
        ),
        (b"[" * 100_000, "no JSON: nested too deeply to be read"),
    ],
    ids=["list", "null", "string", "empty", "cut", "no UTF-8", "UTF-16", "deep"],
)
def test_a_settings_file_that_is_no_json_object_is_wrong_usage(
    content: bytes, words: str, tmp_path: Path
) -> None:
    path = write_settings(tmp_path, content)
    result = run("translate", "--settings", path, stdin=LINE)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"Error: {path}: {words}\n"
    assert KEY not in result.output


def test_a_settings_file_that_cannot_be_read_is_wrong_usage(tmp_path: Path) -> None:
    for path, number in ((tmp_path, EISDIR), (tmp_path / "nothing", ENOENT)):
        result = run("translate", "--settings", str(path), stdin=LINE)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == f"Error: {path}: {os.strerror(number)}\n"


def test_unknown_settings_are_named_on_standard_error_and_passed_over(tmp_path: Path) -> None:
    chosen = {"apikey": KEY, "trackAllPages": True, "überall": 1}
    path = write_settings(tmp_path, chosen)
    result = run("translate", "--settings", path, stdin=LINE)
    assert result.exit_code == 0
    assert read_lines(result) == [TRACKED]
    assert result.stderr == (
        f"{path}: unknown setting 'apikey' is passed over\n"
        f"{path}: unknown setting 'überall' is passed over\n"
    )


def test_unknown_settings_are_named_even_if_another_is_wrong(tmp_path: Path) -> None:
    chosen = {"trackallpages": True, "trackAllPages": "yes", "apikey": KEY}
    path = write_settings(tmp_path, chosen)
    result = run("translate", "--settings", path, stdin=LINE)
    assert (result.exit_code, result.stdout) == (2, "")
    assert sorted(result.stderr.splitlines()) == [
        f"{path}: unknown setting 'apikey' is passed over",
        f"{path}: unknown setting 'trackallpages' is passed over",
        f"Error: {path}: trackAllPages: {SWITCH} a string",
    ]
    assert KEY not in result.output


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ITERABLE_API_KEY", f"{KEY}\n", "must be printable ASCII and not empty"),
        (
            "ITERABLE_DATA_CENTER",
            "mars",
            "must be US or EU (for Segment united_states or europe)",
        ),
        ("ITERABLE_BASE_URL", "example.com", URL),
        ("ITERABLE_BASE_URL", "http://ada:lovelace@example.com", URL),
    ],
)
@pytest.mark.parametrize("command", ["translate", "send"])
def test_a_wrong_variable_is_wrong_usage(
    command: str, name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    result = run(command, stdin=LINE)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"Error: {name}: {words}\n"


# send --------------------------------------------------------------------------------------------


def send(
    monkeypatch: pytest.MonkeyPatch, content: bytes, *scripts: Script, arguments: Any = ()
) -> tuple[click.testing.Result, FaultyServer]:
    """Send standard input to a server that follows these scripts."""
    monkeypatch.setenv("ITERABLE_API_KEY", KEY)
    hurried = functools.partial(Destination, retry=RetryPolicy(deadline=0.0))
    monkeypatch.setattr(options, "Destination", hurried)
    with FaultyServer(*scripts) as server:
        result = run("send", "--base-url", server.url, *arguments, stdin=content)
    return result, server


def make_api_response(status: int, code: str, msg: str, request_id: str = "") -> Script:
    headers = f"Iterable-Request-Id: {request_id}\r\n" if request_id else ""
    return faulty.answers(status, to_json({"msg": msg, "code": code, "params": None}), headers)


def read_rows(result: click.testing.Result) -> list[list[str]]:
    """Return the rows of the summary: an outcome and its number."""
    words = [line.replace("│", " ").split() for line in result.stderr.splitlines()]
    names = {"delivered", "skipped", "rejected", "retryable", "unknown"}
    return [row for row in words if row and row[0] in names]


ORDER = {
    "type": "track",
    "event": "Order Completed",
    "userId": "u-2",
    "messageId": "m-5",
    "properties": {"total": 1, "products": [{"product_id": "p", "name": "P", "price": 1}]},
}
CART = {
    "type": "track",
    "event": "Product Added",
    "userId": "u-4",
    "messageId": "m-7",
    "properties": {"products": [{"product_id": "p", "name": "P", "price": 1}]},
}


def test_send_writes_what_became_of_each_event(monkeypatch: pytest.MonkeyPatch) -> None:
    events = [ORDER, IDENTIFY | {"userId": "u-3"}, CART, TRACK | {"messageId": "m-8"}]
    content = b"\n".join(
        [to_json(TRACK), to_json(GROUP), b"", to_json(INVALID), b"no JSON", *map(to_json, events)]
    )
    result, server = send(
        monkeypatch,
        content,
        faulty.by_path(
            {
                "/api/commerce/trackPurchase": make_api_response(400, "BadParams", "Bad.", "r-1"),
                "/api/users/update": faulty.answers(429, b"Too Many Requests"),
                "/api/commerce/updateCart": faulty.resets_after_reading,
            }
        ),
    )
    assert result.exit_code == 1
    *lines, lost, last = read_outcomes(result)
    invalid, no_json = f"userId: {NO_IDENTITY}", "line 5: no JSON: Expecting value, at character 1"
    limit = "status 429: more requests than the project's limit"
    assert lines == [
        {"index": 0, "messageId": "m-1", "outcome": "delivered"},
        {"index": 1, "messageId": "m-2", "outcome": "skipped", "skipped": GROUP_SKIPPED},
        {
            "index": 3,
            "messageId": "m-3",
            "outcome": "rejected",
            "error": {
                "type": "InvalidEvent",
                "code": None,
                "message": invalid,
                "problems": [{"path": "userId", "message": NO_IDENTITY, "code": "no-user"}],
            },
        },
        {
            "index": 4,
            "messageId": None,
            "outcome": "rejected",
            "error": {"type": "InvalidJSON", "code": None, "message": no_json},
        },
        {
            "index": 5,
            "messageId": "m-5",
            "outcome": "rejected",
            "error": {
                "type": "BadRequest",
                "code": "BadParams",
                "message": "Bad.",
                "requestId": "r-1",
            },
        },
        {
            "index": 6,
            "messageId": "m-4",
            "outcome": "retryable",
            "error": {"type": "RateLimited", "code": None, "message": limit},
        },
    ]
    assert (lost["index"], lost["outcome"]) == (7, "unknown")
    assert lost["error"]["type"] == "AmbiguousAnswer"
    assert last == {"index": 8, "messageId": "m-8", "outcome": "delivered"}
    assert [line["index"] for line in read_lines(result) if line["index"] in {0, 1, 8}] == [0, 1, 8]
    assert "Events by outcome" in result.stderr
    assert read_rows(result) == [
        ["delivered", "2"],
        ["skipped", "1"],
        ["rejected", "3"],
        ["retryable", "1"],
        ["unknown", "1"],
    ]
    assert [
        request.json()["id"] for request in server.requests if request.target == "/api/events/track"
    ] == ["m-1", "m-8"]
    assert KEY not in result.output


def test_a_line_of_send_is_compact_json(monkeypatch: pytest.MonkeyPatch) -> None:
    result, _ = send(monkeypatch, LINE, faulty.accepts)
    assert result.stdout == '{"index":0,"messageId":"m-1","outcome":"delivered"}\n'


def test_all_delivered_or_skipped_is_all_well(monkeypatch: pytest.MonkeyPatch) -> None:
    content = to_json(TRACK) + b"\n" + to_json(GROUP)
    result, _ = send(monkeypatch, content, faulty.accepts)
    assert result.exit_code == 0
    assert read_rows(result) == [["delivered", "1"], ["skipped", "1"]]


@pytest.mark.parametrize("content", [b"", to_json(GROUP)], ids=["nothing", "skipped"])
def test_where_there_is_nothing_to_send_nothing_is_sent(
    content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, server = send(monkeypatch, content, faulty.accepts)
    assert result.exit_code == 0
    assert server.connections == 0


@pytest.mark.parametrize(
    "script",
    [
        make_api_response(401, "BadApiKey", "Invalid API key"),
        make_api_response(403, "Forbidden", "Not for you"),
        faulty.answers(404, b"<html>", "Content-Type: text/html\r\n"),
        faulty.answers(302, b"", "Location: /elsewhere\r\n"),
    ],
    ids=["401", "403", "404", "302"],
)
def test_a_wrong_key_or_address_is_wrong_usage(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, _ = send(monkeypatch, LINE + b"\n" + to_json(INVALID), script)
    assert result.exit_code == 2
    assert [line["outcome"] for line in read_outcomes(result)] == ["retryable", "rejected"]


def test_events_that_failed_make_the_status_1(monkeypatch: pytest.MonkeyPatch) -> None:
    for content, script in [
        (b"no JSON", faulty.accepts),
        (to_json(INVALID), faulty.accepts),
        (LINE, make_api_response(400, "BadParams", "Bad.")),
        (LINE, faulty.answers(503, b"")),
        (LINE, faulty.closes_after_reading),
    ]:
        result, _ = send(monkeypatch, content, script)
        assert result.exit_code == 1


def test_send_needs_a_key() -> None:
    result = run("send", stdin=LINE)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "Error: api_key: missing; set the variable ITERABLE_API_KEY\n"


def test_arguments_win_over_variables_and_these_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        FaultyServer(faulty.accepts) as of_file,
        FaultyServer(faulty.accepts) as of_variable,
        FaultyServer(faulty.accepts) as of_argument,
    ):
        chosen = {"apiKey": "key-of-the-file", "base_url": of_file.url, "data_center": "EU"}
        path = write_settings(tmp_path, chosen)
        assert run("send", "--settings", path, stdin=LINE).exit_code == 0
        monkeypatch.setenv("ITERABLE_API_KEY", "key-of-the-variable")
        monkeypatch.setenv("ITERABLE_BASE_URL", of_variable.url)
        assert run("send", "--settings", path, stdin=LINE).exit_code == 0
        arguments = ("--base-url", of_argument.url, "--data-center", "US")
        assert run("send", "--settings", path, *arguments, stdin=LINE).exit_code == 0
    keys = [
        [request.headers["api-key"] for request in server.requests]
        for server in (of_file, of_variable, of_argument)
    ]
    assert keys == [["key-of-the-file"], ["key-of-the-variable"], ["key-of-the-variable"]]


@pytest.mark.parametrize(
    "url",
    [
        "example.com",
        "ftp://example.com",
        "http://",
        "http://example.com:99999",
        "http://ada:lovelace@example.com",
        "https://example.com?key=a",
        "https://example.com/#a",
        "http://[::1",
    ],
)
def test_an_address_that_is_none_is_wrong_usage(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ITERABLE_API_KEY", KEY)
    result = run("send", "--base-url", url, stdin=LINE)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"Error: base_url: {URL}\n"


def test_an_address_that_only_a_request_shows_to_be_none_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ITERABLE_API_KEY", KEY)
    result = run("send", "--base-url", "http://a..b", stdin=LINE)
    assert result.exit_code == 2
    (line,) = read_lines(result)
    assert (line["outcome"], line["error"]["type"]) == ("retryable", "WrongAddress")


@pytest.mark.parametrize(
    "script",
    [
        faulty.echoes(400, "BadJsonBody"),
        faulty.echoes(400, "BadParams", in_params=True),
        faulty.echoes(401, "BadApiKey"),
        faulty.echoes(500, "GenericError"),
        faulty.echoes_as_text(200),
        faulty.echoes_as_text(404),
        faulty.resets_after_reading,
    ],
)
def test_the_key_is_never_written(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    result, server = send(monkeypatch, LINE, script)
    assert server.requests[0].headers["api-key"] == KEY
    assert result.exit_code in (1, 2)
    assert KEY not in result.stdout + result.stderr


# The command line as such ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("translate", "--nonsense"),
        ("translate", "a", "b"),
        ("translate", "--settings"),
        ("send", "--data-center", "mars"),
        ("send", "--api-key", KEY),
    ],
)
def test_wrong_arguments_are_wrong_usage(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: " in result.stderr


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("command", [(), ("translate",), ("send",)])
def test_help_is_given(command: tuple[str, ...], option: str) -> None:
    result = run(*command, option)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("Usage: ")


COMMANDS = [
    ("translate",),
    ("explain",),
    ("send",),
    ("drain",),
    ("outbox",),
    ("why",),
    ("check",),
    ("serve",),
    ("consume",),
    ("demo",),
    ("emulate",),
    ("playground",),
    *(("source", name) for name in ("translate", "send", "serve")),
    *(("conformance", name) for name in ("run", "serve")),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_has_examples_and_its_exit_statuses(
    command: tuple[str, ...],
) -> None:
    text = run(*command, "--help").stdout
    examples = re.findall(r"^    iterable-destination (.+)$", text, re.MULTILINE)
    assert 1 <= len(examples) <= 2
    for example in examples:
        group, words = cli.command_line, shlex.split(example.partition(" | ")[0])
        assert words[: len(command)] == list(command)
        for name in command[:-1]:
            group = group.commands[name]  # type: ignore[assignment]
        last = group.commands[command[-1]]
        with cli.command_line.make_context("", [], resilient_parsing=True) as parent:
            last.make_context(command[-1], words[len(command) :], parent=parent)
    assert re.search(r"^  Exit status: \d", text, re.MULTILINE)
    delivers = command[-1] in {"send", "drain"}
    assert ("130 after Ctrl-C, 143" in " ".join(text.split())) == delivers


def test_every_command_is_among_those() -> None:
    own = cli.command_line.commands
    groups = {name: group.commands for name, group in own.items() if isinstance(group, click.Group)}
    found: set[tuple[str, ...]] = {(name,) for name in own if name not in groups}
    found |= {(name, each) for name, commands in groups.items() for each in commands}
    assert found == set(COMMANDS)


def run_bash(script: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["/usr/bin/env", "bash", "--norc", "-c", script],
        cwd=folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_shell_completes_as_the_page_says(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs/reference/cli.md"
    [line] = re.findall(r"^eval .+=bash_source .+$", page.read_text("utf-8"), re.MULTILINE)
    (tmp_path / "events.jsonl").touch()

    def complete(*words: str) -> list[str]:
        typed = " ".join(f"'{word}'" for word in ("iterable-destination", *words))
        script = f"{line}\nCOMP_WORDS=({typed}); COMP_CWORD={len(words)}\n"
        script += "_iterable_destination_completion iterable-destination\n"
        return run_bash(f'{script}printf "%s\\n" "${{COMPREPLY[@]}}"', tmp_path).split()

    assert complete("se") == ["send", "serve"]
    assert complete("source", "t") == ["translate"]
    assert complete("send", "--only") == ["--only-problems"]
    assert complete("emulate", "--project-type", "h") == ["hybrid"]
    typed = "COMP_WORDS='iterable-destination send ev' COMP_CWORD=2"
    variable = "_ITERABLE_DESTINATION_COMPLETE=bash_complete"
    assert run_bash(f"{typed} {variable} iterable-destination", tmp_path) == "file,ev\n"


def test_the_version_is_the_packages() -> None:
    result = run("--version")
    assert result.exit_code == 0
    assert version("iterable-destination") in result.stdout


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_its_extra_the_command_line_says_what_it_needs(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in list(sys.modules):
        if name.split(".")[0] == missing:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    for name in [each for each in sys.modules if each.startswith("iterable_destination.cli")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("iterable_destination.cli", raising=False)
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert capsys.readouterr().err == (
        "The command line needs two more packages: pip install 'click>=8.1' 'rich>=13.7'\n"
    )


def test_the_packages_that_are_named_are_those_of_the_extra() -> None:
    needed = {
        requirement.partition(";")[0].strip()
        for requirement in requires("iterable-destination") or ()
        if re.search(r"extra == .cli.", requirement)
    }
    assert needed == {"click>=8.1", "rich>=13.7"}


# As a process of its own -------------------------------------------------------------------------

COMMAND = [sys.executable, "-m", "iterable_destination"]


@contextmanager
def start_process(*arguments: str, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Start the command line; kill it if it takes too long."""
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    running: subprocess.Popen[bytes]
    with subprocess.Popen([*COMMAND, *arguments], **(pipes | options)) as running:
        watch = threading.Timer(15, running.kill)
        watch.start()
        try:
            yield running
        finally:
            watch.cancel()


def run_process(*arguments: str, stdin: bytes = b"", **env: str) -> tuple[int, bytes, bytes]:
    """Run the command line, and return its exit status, standard output and standard error."""
    with start_process(*arguments, env=os.environ | env) as running:
        written, told = running.communicate(stdin)
    return running.returncode, written, told


def test_a_pipe_gets_the_lines_and_nothing_else() -> None:
    status, written, told = run_process("translate", stdin=LINE + b"\n" + to_json(GROUP))
    assert (status, told, written.count(b"\n")) == (0, b"", 2)


def test_the_exit_statuses_of_the_process(tmp_path: Path) -> None:
    assert run_process("translate", stdin=b"no JSON")[0] == 1
    message = f"Error: {tmp_path}/nothing: {os.strerror(ENOENT)}\n".encode()
    assert run_process("translate", str(tmp_path / "nothing")) == (2, b"", message)


def test_the_process_sends_and_sums_up_on_standard_error() -> None:
    refused = {"/api/users/update": faulty.echoes(400, "BadJsonBody")}
    with FaultyServer(faulty.by_path(refused)) as server:
        env = {"ITERABLE_API_KEY": KEY, "ITERABLE_BASE_URL": server.url}
        status, written, told = run_process("send", stdin=LINE + b"\r\n" + to_json(IDENTIFY), **env)
    assert status == 1
    assert [line["outcome"] for line in sort_by_index(written)] == ["delivered", "rejected"]
    assert b"Events by outcome" in told
    assert b"/api/users/update" in told
    assert b"\x1b" not in written + told
    assert KEY.encode() not in written + told


def test_an_outcome_is_written_as_soon_as_it_is_settled() -> None:
    seen = threading.Event()

    def waits(exchange: Exchange) -> None:
        request = exchange.read()
        seen.wait(4)
        exchange.send(faulty.acceptance(request))

    with FaultyServer(faulty.by_path({"/api/users/update": waits})) as server:
        env = os.environ | {"ITERABLE_API_KEY": KEY, "ITERABLE_BASE_URL": server.url}
        with start_process("send", env=env, stderr=subprocess.DEVNULL) as running:
            assert running.stdin is not None
            assert running.stdout is not None
            running.stdin.write(LINE + b"\n" + to_json(IDENTIFY) + b"\n")
            running.stdin.close()
            first = running.stdout.readline()
            assert not seen.is_set()
            seen.set()
            rest = running.stdout.read()
    assert running.returncode == 0
    assert json.loads(first) == {"index": 0, "messageId": "m-1", "outcome": "delivered"}
    assert json.loads(rest) == {"index": 1, "messageId": "m-4", "outcome": "delivered"}


def test_a_reader_that_has_had_enough_is_no_reason_to_complain(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes((LINE + b"\n") * 5_000)
    with start_process("translate", str(path), stdin=subprocess.DEVNULL) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert json.loads(running.stdout.readline()) == TRACKED
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 1


def run_on_terminal(
    *arguments: str, pipe: bytes | None = None, **options: Any
) -> tuple[int, bytes, bytes]:
    """Run with standard error on a terminal; return the exit status and both outputs."""
    ours, theirs = pty.openpty()
    shown = bytearray()

    def look() -> None:
        try:
            while data := os.read(ours, 65_536):
                shown.extend(data)
        except OSError:  # the other side is gone
            pass

    stdin = subprocess.DEVNULL if pipe is None else subprocess.PIPE
    with start_process(*arguments, stdin=stdin, stderr=theirs, **options) as running:
        os.close(theirs)
        looking = threading.Thread(target=look)
        looking.start()
        written, _ = running.communicate(pipe)
        looking.join(5)
    os.close(ours)
    return running.returncode, written, bytes(shown)


def test_a_terminal_shows_progress_and_the_lines_stay_clean(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes((LINE + b"\n") * 1_000)
    status, written, shown = run_on_terminal("translate", str(path))
    assert status == 0
    assert [json.loads(line) for line in written.splitlines()] == [TRACKED] * 1_000
    assert b"1,000 events" in shown
    assert b"%" in shown


def test_a_terminal_counts_what_comes_through_a_pipe() -> None:
    status, written, shown = run_on_terminal("translate", pipe=(LINE + b"\n") * 1_001)
    assert (status, written.count(b"\n")) == (0, 1_001)
    assert b"1,001 events" in shown
    assert b"events/s" in shown
    assert b"%" not in shown


@pytest.mark.parametrize("is_file", [True, False])
def test_the_bar_is_gone_when_the_summary_comes(*, is_file: bool, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes((LINE + b"\n") * 3)
    with FaultyServer(faulty.accepts) as server:
        env = os.environ | {"ITERABLE_API_KEY": KEY, "ITERABLE_BASE_URL": server.url}
        source = {"pipe": None} if is_file else {"pipe": path.read_bytes()}
        arguments = ["send", str(path)] if is_file else ["send"]
        status, written, shown = run_on_terminal(*arguments, env=env, **source)
    assert (status, written.count(b"\n")) == (0, 3)
    bar, summary = shown.split(b"Events by outcome")
    assert b"3 events" in bar
    assert b"\x1b[1A\x1b[2K" in bar[-20:]  # one line up, and what stands there is erased
    assert b"events/s" not in summary


def test_a_terminal_shows_progress_of_a_named_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    content = (LINE + b"\n") * 500
    writer = threading.Thread(target=path.write_bytes, args=(content,), daemon=True)
    writer.start()
    status, written, shown = run_on_terminal("translate", str(path))
    writer.join(5)
    assert (status, written.count(b"\n")) == (0, 500)
    assert b"events" in shown


def test_colour_that_is_forced_makes_no_terminal_of_a_pipe() -> None:
    _, _, told = run_process("translate", stdin=LINE, FORCE_COLOR="1")
    assert told == b""
