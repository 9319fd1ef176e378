"""What people paste into `translate` and `explain` is read, in whatever form of JSON it is."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from iterable_destination.cli import options
from tests.cli.test_main import GROUP, TRACK, TRACKED, read_lines, run, start_process

SKIPPED = "group calls are not supported: Iterable has no use for them"
BOTH = [TRACKED, {"messageId": "m-2", "skipped": SKIPPED}]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(TRACK, indent=2) + "\n" + json.dumps(GROUP, indent=2),
        json.dumps(TRACK) + json.dumps(GROUP),
        json.dumps([TRACK, GROUP]),
        json.dumps([TRACK, GROUP], indent=4),
        "\ufeff" + json.dumps([TRACK, GROUP], indent=4).replace("\n", "\r\n"),
    ],
)
def test_events_are_read_in_any_form(text: str, tmp_path: Path) -> None:
    result = run("translate", stdin=text.encode())
    assert (result.exit_code, result.stderr, read_lines(result)) == (0, "", BOTH)
    path = tmp_path / "events.json"
    path.write_text(text, "utf-8")
    result = run("explain", str(path), str(path))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.count("track m-1") == result.stdout.count("group m-2") == 2


def test_no_value_goes_from_one_file_into_the_next(tmp_path: Path) -> None:
    one, two = tmp_path / "1.json", tmp_path / "2.json"
    one.write_bytes(b'{\n"a":\n')
    two.write_text(json.dumps(TRACK, indent=1))
    found = read_lines(run("translate", str(one), str(two)))
    assert [each.get("line") for each in found] == [1, None]
    assert found[-1] == TRACKED
    explained = run("explain", str(one), str(two)).stdout
    assert "line 3, track m-1" in explained


def test_a_broken_line_has_the_number_and_the_error_that_it_had() -> None:
    text = b'{"type": "track",\n' + json.dumps(GROUP).encode()
    broken, group = read_lines(run("translate", stdin=text))
    assert (broken["line"], broken["error"]["type"]) == (1, "InvalidJSON")
    assert broken["error"]["message"].startswith("line 1: no JSON: ")
    assert group == BOTH[1]


PRETTY = json.dumps(TRACK | {"properties": {"list": [1, {"a": "b"}], "n": 1}}, indent=2)
#: Line 3 has no comma, so line 4 breaks it.
BROKEN = "\n".join(
    line.rstrip(",") if number == 3 else line for number, line in enumerate(PRETTY.split("\n"), 1)
)


def test_a_broken_value_over_several_lines_is_one_error() -> None:
    text = f"\n{BROKEN}\n{json.dumps(GROUP)}\n{BROKEN}\n{PRETTY}".encode()
    lines = BROKEN.count("\n") + 1
    first, group, second, tracked = read_lines(run("translate", stdin=text))
    reason = "no JSON: Expecting ',' delimiter, in line 5, at character 3"
    assert first == {
        "line": 2,
        "error": {"type": "InvalidJSON", "message": f"line 2: {reason}", "problems": []},
    }
    assert (group, second["line"], tracked["messageId"]) == (BOTH[1], lines + 3, "m-1")
    explained = run("explain", stdin=text).stdout
    assert explained.startswith(f"line 2: {reason}\n  refused\nline {lines + 2}, group m-2\n")
    assert explained.count("refused") == 2


def test_why_names_the_broken_value_in_which_an_event_is() -> None:
    text = json.dumps(GROUP) + "\n" + BROKEN
    reason = "no JSON: Expecting ',' delimiter, in line 5, at character 3"
    told = run("why", "m-1", stdin=text.encode()).stdout
    assert told == f"standard input:2: is named there; refused: {reason}\n"


def paste(*arguments: str) -> tuple[bytes, bytes]:
    """Run with standard input on a terminal, and return both outputs."""
    ours, theirs = pty.openpty()
    pipes: dict[str, Any] = {"stdin": theirs, "stderr": subprocess.PIPE}
    with start_process(*arguments, **pipes) as running:
        os.write(ours, json.dumps(TRACK, indent=2).encode() + b"\n\x04")
        written, told = running.communicate(timeout=60)
    os.close(theirs)
    os.close(ours)
    return written, told


def test_a_terminal_is_told_to_paste(tmp_path: Path) -> None:
    written, told = paste("translate")
    assert json.loads(written) == TRACKED
    assert told == b"Paste events, then press Ctrl-D.\n"
    path = tmp_path / "events.jsonl"
    path.write_text(json.dumps(TRACK))
    assert paste("explain", str(path))[1] == b""


class Terminal(io.TextIOWrapper):
    """Standard input on a terminal where nothing is typed."""

    def isatty(self) -> bool:
        return True


def test_windows_has_another_end(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(sys, "stdin", Terminal(io.BytesIO()))
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(click, "echo", lambda words, **_: told.append(words))
    with options.open_input(["-"]) as lines:
        assert list(lines) == []
    assert told == ["Paste events, then press Ctrl-Z and Enter."]
