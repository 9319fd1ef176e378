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
    assert [each.get("line") for each in found] == [1, 2, None]
    assert found[-1] == TRACKED
    explained = run("explain", str(one), str(two)).stdout
    assert "line 3, track m-1" in explained


def test_a_broken_line_has_the_number_and_the_error_that_it_had() -> None:
    text = b'{"type": "track",\n' + json.dumps(GROUP).encode()
    broken, group = read_lines(run("translate", stdin=text))
    assert (broken["line"], broken["error"]["type"]) == (1, "InvalidJSON")
    assert broken["error"]["message"].startswith("line 1: no JSON: ")
    assert group == BOTH[1]


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
