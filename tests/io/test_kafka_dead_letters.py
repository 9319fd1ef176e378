"""Dead letters in a topic of Kafka have the lines that a file would have."""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from iterable_destination import InvalidSettings
from iterable_destination.errors import ServerError, UnwritableFile
from iterable_destination.io.dead_letter_lines import DeadLetter
from iterable_destination.io.dead_letters import DeadLetters
from iterable_destination.io.kafka_dead_letters import KafkaDeadLetters
from iterable_destination.model.outcomes import Rejected, Unknown
from tests.support.kafka import PRODUCE, Cluster

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECRET = "the-api-key"
TOO_LARGE = 10


@pytest.fixture
def topic(cluster: Cluster) -> str:
    return cluster.create_topic(1)


def open_letters(cluster: Cluster, topic: str, **options: Any) -> KafkaDeadLetters:
    config = {"bootstrap.servers": cluster.address, **options.pop("config", {})}
    return KafkaDeadLetters(topic, config, clock=lambda: NOW, **options)


def letter(number: int, **event: Any) -> DeadLetter:
    return DeadLetter(Rejected(index=number), event={"messageId": f"m-{number}", **event})


def test_a_message_is_the_line_that_a_file_has(
    cluster: Cluster, topic: str, tmp_path: Path
) -> None:
    error = ServerError(f"Iterable says {SECRET}", status=500)
    letters = [
        letter(0, text="Größe", key=SECRET),
        DeadLetter(Unknown(index=1, error=error, message=str(error)), event={"type": "track"}),
        DeadLetter(Rejected(index=2), line=b"no JSON\n"),
    ]
    open_letters(cluster, topic, secret=SECRET).write(letters)
    with DeadLetters(tmp_path / "dead", secret=SECRET, clock=lambda: NOW) as file:
        file.write(letters)
    lines = (tmp_path / "dead").read_bytes().splitlines()
    assert cluster.read(topic, 1) == lines
    assert [SECRET.encode() in line for line in lines] == [True, False, False]


def test_nothing_to_write_is_no_message(cluster: Cluster, topic: str) -> None:
    with cluster.away():
        open_letters(cluster, topic).write([])
    assert cluster.read(topic, 1) == []


def test_threads_may_write_at_once(cluster: Cluster, topic: str) -> None:
    letters = open_letters(cluster, topic)

    def write(number: int) -> None:
        for _ in range(3):
            letters.write([letter(number), letter(number)])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    found = [json.loads(value or b"")["messageId"] for value in cluster.read(topic, 1)]
    assert sorted(found) == sorted(f"m-{n}" for n in range(8) for _ in range(6))


def test_brokers_that_are_away_make_it_unwritable_and_nothing_is_sent_later(
    cluster: Cluster, topic: str, capfd: pytest.CaptureFixture[str]
) -> None:
    letters = open_letters(cluster, topic, timeout=2)
    letters.write([letter(0)])
    with cluster.away():
        began = time.monotonic()
        with pytest.raises(UnwritableFile) as caught:
            letters.write([letter(1), letter(2)])
        assert time.monotonic() - began < 7
    assert str(caught.value) == f"topic {topic}: _MSG_TIMED_OUT: Local: Message timed out"
    letters = open_letters(cluster, topic)
    letters.write([letter(3)])
    found = [json.loads(value or b"")["messageId"] for value in cluster.read(topic, 1)]
    assert found == ["m-0", "m-3"]
    assert re.findall(r"\[thrd:.*", capfd.readouterr().err) == []


def test_it_writes_again_when_the_brokers_are_back(cluster: Cluster, topic: str) -> None:
    letters = open_letters(cluster, topic, timeout=1)
    with cluster.away(), pytest.raises(UnwritableFile):
        letters.write([letter(0)])
    deadline = time.monotonic() + 20
    while True:
        try:
            letters.write([letter(1)])
        except UnwritableFile:
            assert time.monotonic() < deadline
        else:
            break
    assert json.loads(cluster.read(topic, 1)[-1] or b"")["messageId"] == "m-1"


def test_what_the_brokers_refuse_is_told(cluster: Cluster, topic: str) -> None:
    letters = open_letters(cluster, topic)
    cluster.fail_requests(PRODUCE, TOO_LARGE)
    with pytest.raises(UnwritableFile) as caught:
        letters.write([letter(0)])
    assert str(caught.value) == (
        f"topic {topic}: MSG_SIZE_TOO_LARGE: Broker: Message size too large"
    )


def test_a_letter_that_is_too_large_is_told(cluster: Cluster, topic: str) -> None:
    letters = open_letters(cluster, topic, config={"message.max.bytes": 2_000})
    with pytest.raises(UnwritableFile) as caught:
        letters.write([letter(0, text="x" * 3_000)])
    assert "MSG_SIZE_TOO_LARGE: Unable to produce message" in str(caught.value)
    letters.write([letter(1)])


def test_its_name_is_that_of_the_topic(cluster: Cluster, topic: str) -> None:
    assert repr(open_letters(cluster, topic)) == f"KafkaDeadLetters({topic!r})"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "bootstrap.servers: must be a text that is not empty"),
        (
            {"bootstrap.servers": "a:1", "group.id": None},
            "group.id: must be a text, a number, true or false",
        ),
        (
            {"bootstrap.servers": "a:1", "sasl.password": SECRET, "nonsense": "1"},
            'No such configuration property: "nonsense"',
        ),
    ],
)
def test_settings_that_are_wrong_are_told(config: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        KafkaDeadLetters("dead", config)
    assert str(caught.value) == f"config: {message}"


@pytest.mark.parametrize("timeout", [-1, float("nan"), float("inf")])
def test_a_timeout_out_of_bounds_is_told(timeout: float) -> None:
    with pytest.raises(ValueError, match=r"^timeout: must be a number of seconds"):
        KafkaDeadLetters("dead", {"bootstrap.servers": "a:1"}, timeout=timeout)
