"""The command ``consume``: the events of Kafka's topics."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click.testing
import pytest

from iterable_destination.cli import main as cli
from iterable_destination.cli.consume import _Lines
from iterable_destination.delivery.iterable_project import DELIVERY_IS_OFF
from iterable_destination.errors import Unauthorized
from iterable_destination.model.outcomes import (
    Delivered,
    Outcome,
    Rejected,
    Retryable,
    Skipped,
    Unknown,
)
from iterable_destination.receivers.kafka import Position
from iterable_destination.testing import Fault, LocalIterable, RandomFaults, Received, faults
from tests.support.delivering import (
    WAIT_SECONDS,
    applied,
    doubled_ids,
    every_fault,
    history,
    inversions,
    track,
    wait_until,
)
from tests.support.kafka import Cluster
from tests.support.receiving import stop_command

KEY = "local-iterable-api-key"
PASSWORD = "secret-of-the-test"
REFUSED = {"type": "track", "event": "Nobody's", "messageId": "m-refused"}


@pytest.fixture
def kafka(config: dict[str, Any], tmp_path: Path) -> str:
    return write_config(tmp_path, config)


def write_config(folder: Path, config: Any) -> str:
    path = folder / "kafka.json"
    path.write_text(json.dumps(config))
    return str(path)


Process = subprocess.Popen[str]


@contextmanager
def start(
    iterable: LocalIterable | None, *arguments: str, to: int = subprocess.PIPE, **variables: str
) -> Iterator[Process]:
    """Run the command until the block ends, which may have ended it already.

    ``to`` is where its outputs go.
    """
    ours = ("ITERABLE_", "SEGMENT_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    url = {} if iterable is None else {"ITERABLE_BASE_URL": iterable.url}
    with subprocess.Popen(
        [sys.executable, "-m", "iterable_destination", "consume", *arguments],
        env=kept | {"ITERABLE_API_KEY": KEY} | url | variables,
        stdout=to,
        stderr=to,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def run(*arguments: str) -> tuple[int, str, str]:
    """Run the command, which ends by itself."""
    with start(None, *arguments) as process:
        output, errors = process.communicate(timeout=WAIT_SECONDS)
    return process.returncode, output, errors


def read_line(process: Process) -> dict[str, Any]:
    assert process.stdout is not None
    line: dict[str, Any] = json.loads(process.stdout.readline())
    return line


# What it prints -----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_delivers_prints_lines_and_ends_when_told_to(
    cluster: Cluster, topic: str, config: dict[str, Any], kafka: str, number: int
) -> None:
    cluster.produce(topic, [track(1), {"type": "alias", "messageId": "m-2"}], partition=2)
    with LocalIterable() as iterable, start(iterable, topic, "--kafka", kafka) as process:
        place = {"topic": topic, "partition": 2}
        first, second = read_line(process), read_line(process)
        assert first == place | {"offset": 0, "messageId": "m-1", "outcome": "delivered"}
        assert (second["offset"], second["outcome"]) == (1, "skipped")
        status, output, errors = stop_command(process, number)
    assert (status, output) == (0, "")
    assert errors.lstrip().startswith("Events by outcome")
    assert re.search(r"2 events in [\d.]+ s, \d+ a second\n$", errors)
    assert cluster.committed(topic, config["group.id"]) == [0, 0, 2, 0]
    assert applied(iterable.project.effects) == [1]


def test_a_refused_event_is_tried_again_and_makes_status_1(
    cluster: Cluster, topic: str, config: dict[str, Any], kafka: str
) -> None:
    cluster.produce(topic, [track(1), REFUSED], partition=0)
    arguments = (topic, "--kafka", kafka, "--only-problems")
    with LocalIterable() as iterable, start(iterable, *arguments) as process:
        lines = [read_line(process), read_line(process)]
        status, _, errors = stop_command(process)
    assert [(line["offset"], line["outcome"]) for line in lines] == [(1, "rejected")] * 2
    assert status == 1
    assert re.search(r"^  delivered +1 *$", errors, re.MULTILINE)
    assert cluster.committed(topic, config["group.id"])[0] == 1


@pytest.mark.parametrize("has_topic", [True, False])
def test_with_dead_letters_its_partition_goes_on(
    cluster: Cluster,
    topic: str,
    config: dict[str, Any],
    kafka: str,
    tmp_path: Path,
    *,
    has_topic: bool,
) -> None:
    cluster.produce(topic, [REFUSED, track(1)], partition=0)
    dead, path = cluster.create_topic(1), tmp_path / "dead"
    option = ("--dead-letters-topic", dead) if has_topic else ("--dead-letters", str(path))
    with (
        LocalIterable() as iterable,
        start(iterable, topic, "--kafka", kafka, *option) as process,
    ):
        outcomes = [read_line(process)["outcome"] for _ in range(2)]
        status, _, errors = stop_command(process)
    assert (outcomes, status) == (["rejected", "delivered"], 1)
    assert cluster.committed(topic, config["group.id"])[0] == 2
    lines = cluster.read(dead, 1) if has_topic else path.read_bytes().splitlines()
    [letter] = [json.loads(line or b"") for line in lines]
    assert (letter["messageId"], letter["deadLetter"]["outcome"]) == ("m-refused", "rejected")
    assert "rdkafka" not in errors


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        ([Delivered(index=0), Skipped(index=1), Retryable(index=2)], 0),
        ([Delivered(index=0), Rejected(index=1)], 1),
        ([Unknown(index=0)], 1),
        ([Retryable(index=0, error=Unauthorized("no", status=401)), Rejected(index=1)], 2),
    ],
)
def test_the_status_says_what_became_of_events_and_not_what_waits(
    outcomes: list[Outcome], status: int
) -> None:
    lines = _Lines(only_problems=False)
    for number, outcome in enumerate(outcomes):
        lines.write(Position("events", 0, number), outcome)
    assert lines.status == status


def test_a_key_that_iterable_does_not_know_makes_status_2(
    cluster: Cluster, topic: str, kafka: str
) -> None:
    cluster.produce(topic, [track(1)], partition=0)
    with (
        LocalIterable() as iterable,
        start(iterable, topic, "--kafka", kafka, ITERABLE_API_KEY="wrong") as process,
    ):
        assert read_line(process)["error"]["type"] == "Unauthorized"
        assert stop_command(process)[0] == 2


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_signal_does_not_let_the_batch_end(
    cluster: Cluster, topic: str, config: dict[str, Any], kafka: str, number: int, expected: int
) -> None:
    cluster.produce(topic, [track(1)], partition=0)
    has_begun = threading.Event()

    def stuck(_: Received, __: object) -> Fault:
        has_begun.set()
        return faults.stall()

    with (
        LocalIterable(faults=stuck) as iterable,
        start(iterable, topic, "--kafka", kafka) as process,
    ):
        assert has_begun.wait(WAIT_SECONDS)
        process.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        status, _, errors = stop_command(process, number)
    assert (status, "Traceback" in errors) == (expected, False)
    assert cluster.committed(topic, config["group.id"])[0] == 0


def test_brokers_that_are_not_there_are_told_once(topic: str, tmp_path: Path) -> None:
    config = {
        "bootstrap.servers": "127.0.0.1:1",
        "group.id": "g",
        "reconnect.backoff.max.ms": 50,
        "reconnect.backoff.ms": 10,
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "u",
        "sasl.password": PASSWORD,
    }
    with (
        LocalIterable() as iterable,
        start(iterable, topic, "--kafka", write_config(tmp_path, config)) as process,
    ):
        time.sleep(3)
        status, output, errors = stop_command(process)
    assert (status, output) == (0, "")
    assert errors.count("Connect to ") == 1
    assert PASSWORD not in errors


# Wrong usage --------------------------------------------------------------------------------------

TEXT = "must be a text that is not empty"
SKIPPED_FOR_GOOD = "with a checkpoint, an outbox or Kafka events would be skipped for good"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ([], "must be a JSON object of librdkafka's settings"),
        ({}, f"bootstrap.servers: {TEXT}"),
        ({"bootstrap.servers": "a:1"}, f"group.id: {TEXT}"),
        (
            {"bootstrap.servers": "a:1", "group.id": "g", "sasl.password": PASSWORD, "wrong": 1},
            'No such configuration property: "wrong"',
        ),
        (
            {"bootstrap.servers": "a:1", "group.id": "g", "client.id": [PASSWORD]},
            "client.id: must be a text, a number, true or false",
        ),
        (
            {"bootstrap.servers": "a:1", "group.id": "g", "stats_cb": PASSWORD},
            "expected stats_cb property as a callable function",
        ),
    ],
)
def test_settings_of_kafka_that_are_wrong_are_told(
    topic: str, tmp_path: Path, config: Any, message: str
) -> None:
    path = write_config(tmp_path, config)
    status, output, errors = run(topic, "--kafka", path)
    assert (status, output) == (2, "")
    assert f"Error: {path}: {message}\n" in errors
    assert PASSWORD not in errors


def test_a_topic_that_is_not_there_is_told(kafka: str) -> None:
    status, output, errors = run("nothing", "--kafka", kafka)
    assert (status, output) == (2, "")
    assert "Error: UNKNOWN_TOPIC_OR_PART: Subscribed topic not available: nothing" in errors


def run_here(*arguments: str) -> tuple[int, str]:
    """Run what ends before it watches for signals."""
    result = click.testing.CliRunner().invoke(cli.command_line, ["consume", *arguments])
    assert result.stdout == ""
    return result.exit_code, result.stderr


def test_other_wrong_usage_is_told(
    topic: str, kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ITERABLE_API_KEY", KEY)
    letters = ("--dead-letters", str(tmp_path / "dead"), "--dead-letters-topic", "dead")
    assert run_here(topic, "--kafka", kafka, *letters) == (
        2,
        "Error: --dead-letters and --dead-letters-topic: give only one of them\n",
    )
    assert run_here(topic, "--kafka", kafka, "--dead-letters", kafka) == (
        2,
        f"Error: {kafka}: is the file of --dead-letters and of --kafka\n",
    )
    assert run_here(topic)[0] == 2
    assert run_here("--kafka", kafka)[0] == 2
    assert run_here(topic, "--kafka", kafka, "--begin-at", "now")[0] == 2
    monkeypatch.setenv("ITERABLE_ENABLED", "false")
    status, errors = run_here(topic, "--kafka", kafka)
    assert status == 2
    assert errors == f"Error: {DELIVERY_IS_OFF}; {SKIPPED_FOR_GOOD}\n"


def test_without_a_key_nothing_is_consumed(
    topic: str, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ITERABLE_API_KEY", raising=False)
    assert run_here(topic, "--kafka", kafka) == (
        2,
        "Error: api_key: missing; set the variable ITERABLE_API_KEY\n",
    )


def test_without_its_package_it_says_what_it_needs(
    topic: str, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(sys.modules):
        if re.match(r"confluent_kafka\b|iterable_destination\.(io|receivers)\.kafka", name):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    for package, name in (("io", "kafka_clients"), ("io", "kafka_dead_letters")):
        monkeypatch.delattr(f"iterable_destination.{package}.{name}", raising=False)
    monkeypatch.delattr("iterable_destination.receivers.kafka", raising=False)
    assert run_here(topic, "--kafka", kafka) == (
        2,
        "Error: consume needs another package: pip install 'confluent-kafka>=2.3'\n",
    )


# Kills and groups ---------------------------------------------------------------------------------

SHARES = every_fault(0.02, latency=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["range,roundrobin", "cooperative-sticky"])
def test_kills_and_rebalances_lose_nothing_double_nothing_and_let_nothing_overtake(
    cluster: Cluster, topic: str, config: dict[str, Any], tmp_path: Path, strategy: str
) -> None:
    """Two workers, of which one is killed and started again, several times; then both go on."""
    chance = random.Random(strategy)  # noqa: S311 - no secrecy
    # The mock drops a member that has not joined again a second before this; Kafka waits for as
    # long as max.poll.interval.ms. So a batch must not take longer.
    config |= {"session.timeout.ms": 10_000, "partition.assignment.strategy": strategy}
    path = write_config(tmp_path, config)
    count, part = 750, 150
    events = history(count, 60)
    keys = [event["userId"] for event in events]
    arguments = (topic, "--kafka", path, "--rate-limits", "none", "--only-problems")

    def count_applied() -> int:
        return len(applied(iterable.project.effects))

    with (
        LocalIterable(faults=RandomFaults(SHARES, seed=7)) as iterable,
        ExitStack() as others,
    ):
        others.enter_context(start(iterable, *arguments, to=subprocess.DEVNULL))
        for first in range(0, count, part):
            here = slice(first, first + part)
            cluster.produce(topic, events[here], keys=keys[here])
            with start(iterable, *arguments, to=subprocess.DEVNULL) as worker:
                time.sleep(2 + 2 * chance.random())
                worker.kill()
        others.enter_context(start(iterable, *arguments, to=subprocess.DEVNULL))
        wait_until(lambda: count_applied() == count, 150)
        wait_until(lambda: cluster.committed(topic, config["group.id"]) == cluster.ends(topic), 30)
        assert doubled_ids(iterable) == []
        assert inversions(iterable, set(keys)) == []
