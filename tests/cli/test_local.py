"""The commands that run a local Iterable: the emulator, and the page over one."""

from __future__ import annotations

import builtins
import errno
import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from iterable_destination import testing
from iterable_destination.cli import local
from iterable_destination.cli.main import command_line
from iterable_destination.playground import app
from iterable_destination.testing import LocalIterable, Project
from tests.support.receiving import run_command, stop_command


@pytest.mark.parametrize(("key", "status"), [("the key", 1), ("another", 2)])
def test_the_emulator_takes_the_key_it_is_given(key: str, status: int, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    events.write_text(json.dumps({"type": "track", "event": "A", "userId": "u1"}) + "\n{}\n")
    run = [sys.executable, "-m", "iterable_destination"]
    environment = os.environ | {"ITERABLE_API_KEY": "the key"}
    with subprocess.Popen(
        [*run, "emulate", "--port", "0"], env=environment, stdout=subprocess.PIPE, text=True
    ) as emulator:
        try:
            assert emulator.stdout is not None
            url = emulator.stdout.readline().strip()
            sent = subprocess.run(
                [*run, "send", "--base-url", url, str(events)],
                env=environment | {"ITERABLE_API_KEY": key},
                capture_output=True,
                check=False,
                timeout=60,
            )
        finally:
            emulator.terminate()
    lines = sorted(map(json.loads, sent.stdout.splitlines()), key=itemgetter("index"))
    outcomes = [line["outcome"] for line in lines]
    assert (sent.returncode, outcomes) == (
        status,
        ["delivered" if key == "the key" else "retryable", "rejected"],
    )


def test_the_emulator_says_so_if_the_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(command_line, ["emulate", "--port", str(port)])
    words = os.strerror(errno.EADDRINUSE)
    assert (result.exit_code, result.stderr) == (2, f"Error: port {port}: {words}\n")


# The emulator's lines ----------------------------------------------------------------------------


@contextmanager
def emulate(*arguments: str) -> Iterator[tuple[str, list[str]]]:
    """Run the emulator; yield its address, and a list that has what it wrote at the end."""
    command = [sys.executable, "-m", "iterable_destination", "emulate", *arguments]
    told: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as emulator:
        try:
            assert emulator.stdout is not None
            yield emulator.stdout.readline().strip(), told
        finally:
            emulator.terminate()
            told += emulator.communicate(timeout=30)[1].splitlines()


def ask(url: str, path: str, body: Any = None) -> Any:
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310 - to this machine
        url + path, content, {"Api-Key": "the-secret-key", "Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - likewise
            return json.load(response)
    except urllib.error.HTTPError as error:
        return error.code


EVENT = {"email": "ada@example.com", "eventName": "Secret Plan"}


def test_the_emulator_prints_a_line_for_each_request_without_its_contents() -> None:
    with emulate() as (url, told):
        ask(url, "/api/events/track", EVENT)
        ask(url, "/api/events/track", {"eventName": "Secret Plan"})
        ask(url, "/api/users/getByEmail?email=ada@example.com&api_key=the-secret-key")
        assert ask(url, "/nowhere%1b") == 404
    told.remove("Stop it with Ctrl-C.")  # which may come after the first request
    assert told == [
        "POST /api/events/track 200",
        "POST /api/events/track 400",
        "GET /api/users/getByEmail 200",
        "GET /nowhere%1b 404",
    ]


def test_the_emulator_is_quiet_if_it_is_told_to_be() -> None:
    with emulate("--quiet") as (url, told):
        assert ask(url, "/api/events/track", EVENT)["code"] == "Success"
    assert told == ["Stop it with Ctrl-C."]


def test_the_emulator_keeps_the_newest_events() -> None:
    with emulate("--keep", "2", "--quiet") as (url, _):
        for number in range(5):
            ask(url, "/api/events/track", EVENT | {"id": str(number)})
        events = ask(url, "/api/events/ada@example.com")["events"]
    assert [event["id"] for event in events] == ["3", "4"]


def test_the_emulator_keeps_a_bounded_number_of_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Project] = []

    def start(project: Project, **_: Any) -> Any:
        made.append(project)
        raise OSError(errno.EACCES, "not now")

    monkeypatch.setattr(testing, "LocalIterable", start)
    assert CliRunner().invoke(command_line, ["emulate"]).exit_code == 2
    [project] = made
    kept = (project.keep_requests, project.keep_effects, project.keep_records)
    assert kept == (0, 0, 100_000)


# The page ----------------------------------------------------------------------------------------


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as response:  # noqa: S310 - of this machine
        content: bytes = response.read()
        return content.decode()


def test_the_page_is_served_over_a_local_iterable() -> None:
    with run_command("playground") as (url, process):
        assert "mon-0901-signup-ada" in get(f"{url}/samples")
        status, _, told = stop_command(process)
    assert status == 0
    first, last = told.splitlines()
    assert first.startswith("The local Iterable is http://127.0.0.1:")
    assert last == "Stop it with Ctrl-C."


def test_the_emulator_shows_a_page_if_it_is_asked_to() -> None:
    with run_command("emulate", "--page", "--quiet") as (url, process):
        ask(url, "/api/events/track", EVENT)
        assert process.stderr is not None
        page = process.stderr.readline().split()[-1]
        assert "Secret Plan" in next_change(page)
        assert stop_command(process)[0] == 0


def next_change(page: str) -> str:
    with urllib.request.urlopen(f"{page}/changes", timeout=30) as lines:  # noqa: S310 - likewise
        found: bytes = next(line for line in lines if line.startswith(b"data: "))
        return found.decode()


@pytest.mark.parametrize("name", ["jinja2", "starlette", "uvicorn"])
@pytest.mark.parametrize("command", ["playground", "emulate --page"])
def test_what_is_not_installed_is_named(
    command: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    importing = builtins.__import__

    def refuse(module: str, *arguments: Any) -> Any:
        if module.startswith("iterable_destination.playground"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return importing(module, *arguments)

    monkeypatch.setattr(builtins, "__import__", refuse)
    result = CliRunner().invoke(command_line, command.split())
    assert result.exit_code == 2
    assert result.stderr == f"Error: {local._INSTALL}\n"


def test_another_module_that_is_missing_is_no_excuse(monkeypatch: pytest.MonkeyPatch) -> None:
    importing = builtins.__import__

    def refuse(module: str, *arguments: Any) -> Any:
        if module.startswith("iterable_destination.playground"):
            raise ModuleNotFoundError("No module named 'other'", name="other")
        return importing(module, *arguments)

    monkeypatch.setattr(builtins, "__import__", refuse)
    assert isinstance(
        CliRunner().invoke(command_line, ["playground"]).exception, ModuleNotFoundError
    )


@pytest.mark.parametrize("option", ["--port", "--iterable-port"])
def test_a_port_of_the_page_that_is_taken_is_wrong_usage(option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(command_line, ["playground", option, str(port)])
    words = os.strerror(errno.EADDRINUSE)
    assert (result.exit_code, result.stderr) == (2, f"Error: port {port}: {words}\n")


def test_wrong_mappings_and_addresses_are_wrong_usage(tmp_path: Path) -> None:
    mappings = tmp_path / "mappings.json"
    mappings.write_text("[5]")
    result = CliRunner().invoke(command_line, ["playground", "--mappings", str(mappings)])
    assert (result.exit_code, "is an object, not a number" in result.stderr) == (2, True)
    result = CliRunner().invoke(command_line, ["playground", "--receiver", "nowhere"])
    assert (result.exit_code, result.stderr.startswith("Error: --receiver: must be ")) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "is_seen", "opens"),
    [(["--no-browser"], "seen", ""), ([], "seen", "opens"), ([], "", "")],
)
def test_the_page_opens_where_it_is_seen(
    arguments: list[str], is_seen: str, opens: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages: list[str] = []

    @contextmanager
    def stop_at_once() -> Iterator[Any]:
        yield lambda: None

    monkeypatch.setattr(webbrowser, "open", pages.append)
    monkeypatch.setattr(local, "catch_interrupts", stop_at_once)
    monkeypatch.setattr(local, "_has_browser", lambda: bool(is_seen))
    result = CliRunner().invoke(command_line, ["playground", "--port", "0", *arguments])
    assert result.exit_code == 0
    assert pages == ([result.stdout.strip()] if opens else [])


@pytest.mark.parametrize(
    ("variable", "output", "has_browser"),
    [
        ("DISPLAY", "terminal", True),
        ("WAYLAND_DISPLAY", "terminal", True),
        ("DISPLAY", "pipe", False),
        ("OTHER", "terminal", False),
    ],
)
def test_a_browser_is_there_if_something_shows_it(
    variable: str, output: str, *, has_browser: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, ":0")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: output == "terminal")
    assert local._has_browser() is has_browser


def test_the_page_begins_with_the_settings_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[dict[str, Any]] = []

    def make(iterable: LocalIterable, **options: Any) -> Any:
        made.append({"project": iterable.project, **options})
        raise SystemExit

    monkeypatch.setattr(app, "playground_app", make)
    monkeypatch.setenv("ITERABLE_API_KEY", "the key of a real project")
    settings = tmp_path / "settings.json"
    settings.write_text('{"trackAllPages": true}')
    options = ["--project-type", "email", "--receiver", "http://127.0.0.1:1/x"]
    CliRunner().invoke(command_line, ["playground", "--settings", str(settings), *options])
    [given] = made
    assert given["settings"].track_all_pages is True
    assert given["receiver"] == "http://127.0.0.1:1/x"
    assert len(list(given["samples"])) > 50
    project = given["project"]
    assert (project.project_type, project.api_key) == ("email", None)
    kept = (project.keep_requests, project.keep_effects, project.keep_records)
    assert kept == (0, 1_000, 10_000)
