"""The demo and the emulator, end to end over HTTP."""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import subprocess
import sys
from collections import Counter
from operator import itemgetter
from pathlib import Path

import pytest
from click.testing import CliRunner

from iterable_destination import InvalidEvent, translate
from iterable_destination.cli import samples
from iterable_destination.cli.main import command_line

#: The events of the week that are wrong on purpose, and how many problems each has.
REFUSED = {
    "tue-1130-restock-visitor": 1,
    "tue-1500-signup-dmitri": 1,
    "wed-1605-order-chiara-no-total": 1,
    "thu-1040-order-grace-two-problems": 2,
    "thu-1400-profile-ada-typo": 1,
    "fri-1020-review-hiroshi-yesterday": 1,
    "fri-1100-order-fatima-one-product": 1,
}


@pytest.fixture(scope="module")
def shown() -> str:
    result = CliRunner().invoke(command_line, ["demo"])
    assert result.exit_code == 0
    return result.output


def section(text: str, title: str, after: str) -> str:
    return text.split(title, 1)[1].split(after, 1)[0]


def test_every_event_of_the_week_is_shown_with_its_outcome(shown: str) -> None:
    sent = section(shown, "What was sent where", "What was refused")
    ids = [str(event["messageId"]) for event in samples.week()]
    assert [
        line.split()[0] for line in sent.splitlines() if re.match(r"  \w{3}-\d{4}", line)
    ] == ids


def test_what_is_refused_is_shown_with_every_problem(shown: str) -> None:
    refused = section(shown, "What was refused, and why", "What was changed")
    rows = [line.split()[0] for line in refused.splitlines() if re.match(r"  \w{3}-\d{4}", line)]
    assert Counter(rows) == Counter(REFUSED)


def test_two_customers_are_shown_as_they_are_at_the_end_of_the_week(shown: str) -> None:
    ada = section(shown, "The profile of ada@example.com", "The event history of ada")
    assert re.search(r'settings +\{"theme": "light", "weekly_letter": true', ada)
    assert re.search(r"shoppingCartItems +\[\]", ada)
    bruno = section(shown, "The profile of bruno@example.com", "The event history of bruno")
    assert re.search(r'settings +\{"theme": "dark", "push": true\}', bruno)
    history = section(shown, "The event history of ada@example.com", "The profile of bruno")
    assert history.count("purchase of") == 2


def test_the_counts_add_up_to_the_week(shown: str) -> None:
    counts = re.findall(r"^  (delivered|skipped|rejected) +(\d+)", shown, re.MULTILINE)
    assert dict(counts) == {"delivered": "58", "skipped": "5", "rejected": "7"}


def test_the_week_is_refused_where_it_is_meant_to_be() -> None:
    problems = {}
    for event in samples.week():
        try:
            translate(event)
        except InvalidEvent as error:
            problems[error.message_id] = len(error.problems)
    assert problems == REFUSED


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
