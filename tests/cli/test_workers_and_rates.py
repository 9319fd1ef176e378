"""The options `--workers` and `--rate-limits` of the commands that deliver."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click.testing
import pytest

from iterable_destination.cli import main as cli
from iterable_destination.cli import options, source
from iterable_destination.delivery.destination import Destination
from iterable_destination.delivery.segment_destination import SegmentDestination
from iterable_destination.io.outbox import Outbox
from iterable_destination.model.endpoints import DELIVERY_PATHS

BULK = "/api/users/bulkUpdate"
BATCH = "/v1/batch"
ITERABLE_COMMANDS = [("send",), ("drain", "events.outbox"), ("serve",)]
SOURCE_COMMANDS = [("source", "send"), ("source", "serve")]
EVERY_COMMAND = ITERABLE_COMMANDS + SOURCE_COMMANDS


class Opened(Exception):
    """Ends a command where its destination is made, and carries the destination's options."""


@pytest.fixture(autouse=True)
def _no_delivery(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ITERABLE_API_KEY", "0" * 32)
    monkeypatch.setenv("SEGMENT_WRITE_KEY", "w")
    monkeypatch.chdir(tmp_path)
    Outbox("events.outbox").close()

    def opening(kind: Callable[..., Any]) -> Callable[..., Any]:
        def open_it(*arguments: Any, **keywords: Any) -> Any:
            kind(*arguments, **keywords).close()
            raise Opened(keywords)

        return open_it

    monkeypatch.setattr(options, "Destination", opening(Destination))
    monkeypatch.setattr(source, "SegmentDestination", opening(SegmentDestination))


def run(*arguments: str) -> click.testing.Result:
    return click.testing.CliRunner().invoke(cli.command_line, arguments)


def open_with(*arguments: str) -> Mapping[str, Any]:
    """Return the options of the destination that a command opens."""
    result = run(*arguments)
    assert isinstance(result.exception, Opened), result.output
    options: Mapping[str, Any] = result.exception.args[0]
    return options


@pytest.mark.parametrize("command", EVERY_COMMAND)
def test_without_them_the_defaults_hold(command: tuple[str, ...]) -> None:
    opened = open_with(*command)
    assert (opened["max_workers"], opened["rate_limits"]) == (64, None)


@pytest.mark.parametrize("command", EVERY_COMMAND)
@pytest.mark.parametrize("number", [1, 64])
def test_workers_reach_the_destination(command: tuple[str, ...], number: int) -> None:
    assert open_with(*command, "--workers", str(number))["max_workers"] == number


@pytest.mark.parametrize("command", EVERY_COMMAND)
@pytest.mark.parametrize("number", ["0", "65", "-1", "1.5", "many"])
def test_another_number_of_workers_is_wrong_usage(command: tuple[str, ...], number: str) -> None:
    result = run(*command, f"--workers={number}")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: Invalid value for '--workers': " in result.stderr


@pytest.mark.parametrize(
    ("commands", "limits"),
    [
        (ITERABLE_COMMANDS, {BULK: 2.5, "/api/events/trackBulk": None, "/api/users/update": 10}),
        (SOURCE_COMMANDS, {BATCH: 3, "/v1/track": 0.5}),
    ],
)
def test_rate_limits_reach_the_destination(
    commands: list[tuple[str, ...]], limits: dict[str, float | None]
) -> None:
    text = json.dumps(limits)
    Path("limits.json").write_text(f" \n{text}")
    for command in commands:
        for value in (text, f" {text}", "limits.json"):
            assert open_with(*command, "--rate-limits", value)["rate_limits"] == limits


def test_with_none_no_path_has_a_limit() -> None:
    for command in ITERABLE_COMMANDS:
        opened = open_with(*command, "--rate-limits", "none")
        assert opened["rate_limits"] == dict.fromkeys(DELIVERY_PATHS)
    for command in SOURCE_COMMANDS:
        opened = open_with(*command, "--rate-limits", "none")
        assert opened["rate_limits"] == {"/v1/track": None, BATCH: None}


@pytest.mark.parametrize("command", EVERY_COMMAND)
@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("{", "no JSON: Expecting property name enclosed in double quotes"),
        ("2.5", "2.5: No such file or directory"),
        (".", ".: Is a directory"),
        ("list.json", "must be a JSON object of requests per second by path"),
        ("bytes.json", "no JSON: 'utf-8' codec can't decode byte 0xff"),
        ('{"/api/\\u001b": 1}', "/api/\\x1b: no path that requests go to; the paths are /"),
    ],
)
def test_wrong_rate_limits_are_wrong_usage(
    command: tuple[str, ...], value: str, words: str
) -> None:
    Path("list.json").write_text("[]")
    Path("bytes.json").write_bytes(b"{\xff}")
    result = run(*command, "--rate-limits", value)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"Error: Invalid value for '--rate-limits': {words}" in result.stderr


@pytest.mark.parametrize("command", EVERY_COMMAND)
@pytest.mark.parametrize(
    "limit",
    ["0", "-1", "true", '"5"', "[]", "NaN", "Infinity", "1000001", "1e400", "1" + "0" * 400],
)
def test_a_rate_that_is_none_is_wrong_usage(command: tuple[str, ...], limit: str) -> None:
    path = BATCH if command in SOURCE_COMMANDS else BULK
    result = run(*command, "--rate-limits", f'{{"{path}": {limit}}}')
    assert (result.exit_code, result.stdout) == (2, "")
    words = f"{path}: must be a number above 0, at most 1,000,000, or null (None)"
    assert result.stderr.endswith(f"Error: Invalid value for '--rate-limits': {words}\n")


@pytest.mark.parametrize("command", EVERY_COMMAND)
def test_the_help_names_them(command: tuple[str, ...]) -> None:
    text = " ".join(run(*command, "--help").stdout.split())
    assert "--workers INTEGER RANGE" in text
    assert "[default: 64; 1<=x<=64]" in text
    assert "--rate-limits JSON|FILE|none" in text
