"""The command ``serve``: a receiver for development."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click.testing
import pytest

from iterable_destination import Outbox
from iterable_destination.cli import main as cli
from iterable_destination.testing import Fault, LocalIterable, Received, Response, Script, faults
from tests.support.delivering import track, wait_until
from tests.support.receiving import (
    JSON,
    SECRET,
    WRITE_KEY,
    make_client_request,
    post,
    run_command,
    sign_request,
    stop_command,
    to_json,
)

KEY = "local-iterable-api-key"
ANYBODY = (
    "Error: set the variable SEGMENT_SHARED_SECRET or SEGMENT_WRITE_KEY, or let anybody send events"
    " with --without-authentication\n"
)
NAMES = (
    "ITERABLE_API_KEY",
    "ITERABLE_DATA_CENTER",
    "ITERABLE_BASE_URL",
    "SEGMENT_SHARED_SECRET",
    "SEGMENT_WRITE_KEY",
)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove from the environment what the command reads."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def fail_to_serve(
    monkeypatch: pytest.MonkeyPatch, *arguments: str, **variables: str
) -> tuple[int, str]:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = click.testing.CliRunner().invoke(cli.command_line, ["serve", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.stdout == ""
    return result.exit_code, result.stderr


@contextmanager
def start_server(
    iterable: LocalIterable, *arguments: str, **variables: str
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run the command, and yield the address that it prints, and its process."""
    to = {"ITERABLE_API_KEY": KEY, "ITERABLE_BASE_URL": iterable.url}
    with run_command("serve", *arguments, **to, **variables) as begun:
        yield begun


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_its_address_delivers_and_ends_when_told_to(number: int) -> None:
    with (
        LocalIterable() as iterable,
        start_server(iterable, SEGMENT_SHARED_SECRET=f"old {SECRET}") as (url, process),
    ):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        assert post(url, *sign_request(track(1))).result == (200, {"delivered": 1})
        assert post(url, *make_client_request(track(2)), "/v1/track").status == 404
        assert [effect.id for effect in iterable.project.effects] == ["m-1"]
        words = "A server for development. Stop it with Ctrl-C.\n"
        assert stop_command(process, number) == (0, "", words)


def test_a_write_key_opens_segments_api_alone() -> None:
    with (
        LocalIterable() as iterable,
        start_server(iterable, SEGMENT_WRITE_KEY=WRITE_KEY) as (url, _),
    ):
        assert post(url, *make_client_request(track(1)), "/v1/track").result == (
            200,
            {"delivered": 1},
        )
        assert post(url, *sign_request(track(2))).status == 404


def test_anybody_may_send_if_that_was_said() -> None:
    with (
        LocalIterable() as iterable,
        start_server(iterable, "--without-authentication") as (url, _),
    ):
        assert post(url, to_json(track(1)), JSON).result == (200, {"delivered": 1})


def test_dead_letters_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "letters"
    event: dict[str, Any] = {"type": "track", "event": "A", "messageId": "m-9"}
    with (
        LocalIterable() as iterable,
        start_server(iterable, "--dead-letters", str(path), SEGMENT_SHARED_SECRET=SECRET) as (
            url,
            _,
        ),
    ):
        assert post(url, *sign_request(event)).status == 200
    assert json.loads(path.read_bytes())["messageId"] == "m-9"


def test_with_an_outbox_events_are_taken_while_iterable_is_down(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    is_up = threading.Event()

    def down(_: Received, apply: Callable[[], Response]) -> Response | Fault:
        return apply() if is_up.is_set() else faults.close()

    with (
        LocalIterable(faults=down) as iterable,
        start_server(iterable, "--outbox", str(path), SEGMENT_SHARED_SECRET=SECRET) as (
            url,
            process,
        ),
        Outbox(path) as outbox,
    ):
        assert post(url, *sign_request([track(1), track(2)])).result == (200, {"kept": 2})
        assert [entry.event()["messageId"] for entry in outbox.read()] == ["m-1", "m-2"]
        is_up.set()
        wait_until(lambda: not len(outbox))
        assert {effect.id for effect in iterable.project.effects} == {"m-1", "m-2"}
        assert stop_command(process)[0] == 0


@pytest.mark.parametrize(
    "command", ["serve", "source serve", "emulate", "emulate --page", "playground"]
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_as_soon_as_the_address_is_there_ends_it_in_order(
    command: str, number: int
) -> None:
    variables = {
        "ITERABLE_API_KEY": KEY,
        "SEGMENT_SHARED_SECRET": SECRET,
        "SEGMENT_WRITE_KEY": WRITE_KEY,
        "ITERABLE_WEBHOOK_TOKEN": "token",
    }
    with run_command(*command.split(), **variables) as (url, process):
        assert url.startswith("http://127.0.0.1:")
        status, output, stderr = stop_command(process, number)
    assert (status, output) == (0, "")
    assert stderr.endswith("Stop it with Ctrl-C.\n")
    assert "Traceback" not in stderr


def test_what_is_on_disk_is_delivered_before_the_end(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    slow = Script([faults.latency(0.5)])
    with (
        LocalIterable(faults=slow) as iterable,
        start_server(iterable, "--outbox", str(path), SEGMENT_SHARED_SECRET=SECRET) as (
            url,
            process,
        ),
    ):
        assert post(url, *sign_request([track(1), track(2)])).result == (200, {"kept": 2})
        assert stop_command(process)[0] == 0
        assert {effect.id for effect in iterable.project.effects} == {"m-1", "m-2"}
    with Outbox(path) as outbox:
        assert outbox.read() == []


@pytest.mark.slow
def test_the_end_does_not_wait_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    stuck = Script([faults.stall()] * 100)
    with (
        LocalIterable(faults=stuck) as iterable,
        start_server(iterable, "--outbox", str(path), SEGMENT_SHARED_SECRET=SECRET) as (
            url,
            process,
        ),
    ):
        assert post(url, *sign_request([track(1), track(2)])).result == (200, {"kept": 2})
        status, _, stderr = stop_command(process)
    assert (status, "Traceback" in stderr) == (0, False)
    with Outbox(path) as outbox:
        assert [entry.event()["messageId"] for entry in outbox.read()] == ["m-1", "m-2"]


def test_without_any_secret_it_refuses_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fail_to_serve(monkeypatch, ITERABLE_API_KEY=KEY) == (2, ANYBODY)
    blank = {"SEGMENT_SHARED_SECRET": " ", "SEGMENT_WRITE_KEY": ""}
    assert fail_to_serve(monkeypatch, ITERABLE_API_KEY=KEY, **blank) == (2, ANYBODY)


def test_without_a_key_it_refuses_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    status, stderr = fail_to_serve(monkeypatch, SEGMENT_SHARED_SECRET=SECRET)
    assert (status, stderr.endswith("; set the variable ITERABLE_API_KEY\n")) == (2, True)


def test_a_port_that_is_taken_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = fail_to_serve(
            monkeypatch, "--port", port, ITERABLE_API_KEY=KEY, SEGMENT_SHARED_SECRET=SECRET
        )
    assert result == (2, f"Error: 127.0.0.1, port {port}: Address already in use\n")


@pytest.mark.parametrize("command", ["serve", "emulate", "source serve", "playground"])
@pytest.mark.parametrize("port", ["-1", "65536", "70000"])
def test_a_port_that_is_none_is_wrong_usage(command: str, port: str) -> None:
    arguments = [*command.split(), "--port", port]
    result = click.testing.CliRunner().invoke(cli.command_line, arguments)
    assert result.exit_code == 2
    assert f"'--port': {port} is not in the range 0<=x<=65535." in result.stderr


def test_an_outbox_that_is_none_is_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "outbox.db"
    path.write_bytes(b"no database, whatever it says" * 100)
    variables = {"ITERABLE_API_KEY": KEY, "SEGMENT_SHARED_SECRET": SECRET}
    status, stderr = fail_to_serve(monkeypatch, "--outbox", str(path), **variables)
    assert (status, stderr) == (2, f"Error: {path}: file is not a database\n")


@pytest.mark.parametrize("key", ["größe", "good größe"])
def test_a_write_key_that_no_header_can_hold_is_told(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = fail_to_serve(monkeypatch, ITERABLE_API_KEY=KEY, SEGMENT_WRITE_KEY=key)
    words = "SEGMENT_WRITE_KEY: must be printable ASCII, without spaces at its ends"
    assert result == (2, f"Error: {words}\n")
