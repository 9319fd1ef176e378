"""The command line as a process: what it writes where the locale or the disk is against it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SMILE = '{"messageId":"m-\U0001f600","type":"track","userId":"u-1","event":"Zoë"}\n'
FULL = Path("/dev/full")
COMMAND = (sys.executable, "-m", "iterable_destination")


def run(
    *arguments: str, redirected: str = "", text: str = SMILE, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command; ``redirected`` has its redirections."""
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {redirected}', "sh", *COMMAND, *arguments],
        input=text,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        env=os.environ | variables,
        check=False,
    )


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-16", "utf-8"])
@pytest.mark.parametrize("command", ["translate", "explain", "demo --all"])
def test_output_is_utf_8_whatever_the_locale_says(command: str, encoding: str) -> None:
    result = run(*command.split(), PYTHONIOENCODING=encoding)
    assert (result.returncode, result.stderr) == (0, "")
    assert ("À bientôt!" if command == "demo --all" else "m-\U0001f600") in result.stdout


def test_errors_are_utf_8_too() -> None:
    result = run("translate", "Zoë.jsonl", PYTHONIOENCODING="ascii")
    assert result.stderr == "Error: Zoë.jsonl: No such file or directory\n"


@pytest.mark.skipif(not FULL.exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("command", ["translate", "explain", "demo", "send", "--help", "--version"])
def test_a_full_disk_behind_standard_output_is_told(command: str) -> None:
    result = run(command, redirected=f"> {FULL}", ITERABLE_ENABLED="false")
    assert result.returncode == 2
    assert result.stderr.endswith("Error: standard output: No space left on device\n")
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(not FULL.exists(), reason="needs a device that is always full")
def test_where_nothing_can_be_said_the_status_says_it() -> None:
    assert run("translate", redirected=f"> {FULL} 2> {FULL}").returncode == 2


@pytest.mark.parametrize(("shell", "name"), [(">&-", "output"), ("<&-", "input")])
def test_a_stream_that_is_closed_is_told(shell: str, name: str) -> None:
    result = run("translate", redirected=shell)
    assert (result.returncode, result.stderr) == (2, f"Error: standard {name}: is closed\n")


def test_a_reader_that_is_gone_is_no_error_to_talk_about() -> None:
    result = run("translate", text=SMILE * 50_000, redirected="| head -n 1")
    assert result.stdout.count("\n") == 1
    assert result.stderr == ""
