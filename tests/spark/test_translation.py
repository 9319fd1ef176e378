"""Requests and refusals of a DataFrame: each event is in one of the two."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from iterable_destination import InvalidSubscription, Settings, translate
from iterable_destination.mapping.actions import PRESETS_JSON
from iterable_destination.spark import translate_events
from tests.spark import history

IDENTIFY = {
    "messageId": "m-1",
    "type": "identify",
    "userId": "u-1",
    "traits": {"email": "a@example.com", "plan": "pro"},
}


def test_each_event_is_a_request_or_a_refusal(spark: SparkSession) -> None:
    lines = [*history.BAD, json.dumps(IDENTIFY), "", " \t", None]
    events = spark.createDataFrame([(line,) for line in lines], "value string")
    requests, refusals = translate_events(events)
    [request] = requests.collect()
    [call] = translate(IDENTIFY).calls
    assert (request.message_id, request.number) == ("m-1", 0)
    assert (request.method, request.path) == ("POST", call.endpoint.path)
    assert json.loads(request.body) == call.body()
    refused = {row.value: row for row in refusals.collect()}
    assert set(refused) == set(history.BAD)
    no_json, anonymous, alias, surrogate = (refused[line] for line in history.BAD)
    assert (no_json.error, no_json.message_id) == ("InvalidJSON", None)
    assert no_json.message.startswith("no JSON: ")
    assert [place.path for place in anonymous.problems] == ["userId"]
    assert (alias.outcome, alias.error) == ("skipped", None)
    assert (surrogate.outcome, surrogate.message_id) == ("rejected", "bad-\\ud800")


def test_bytes_are_read_as_text_is_and_bad_ones_refused(spark: SparkSession) -> None:
    values = [json.dumps(IDENTIFY).encode(), b'{"type": "\xff"}']
    events = spark.createDataFrame([(bytearray(each),) for each in values], "`my body` binary")
    requests, refusals = translate_events(events, column="my body")
    assert requests.count() == 1
    [refusal] = refusals.select("message").collect()
    assert refusal.message.startswith("no JSON: ")


def test_subscriptions_have_a_request_or_a_refusal_each(spark: SparkSession) -> None:
    event = json.dumps(
        {"type": "track", "event": "Order Completed", "userId": "u-1", "properties": {"total": "x"}}
    )
    events = spark.createDataFrame([(event,), (json.dumps(IDENTIFY),)], "value string")
    mappings = json.loads(json.dumps(PRESETS_JSON))
    requests, refusals = translate_events(events, Settings(mappings=mappings, enabled=False))
    [request] = requests.collect()
    assert request.subscription
    assert request.message_id == "m-1"
    assert refusals.count() > 0


def test_mistakes_in_mappings_are_raised_at_once(spark: SparkSession) -> None:
    with pytest.raises(InvalidSubscription):
        translate_events(spark.range(1), Settings(mappings=[{"name": 1}]))


def test_translating_is_lazy(spark: SparkSession, tmp_path: Path) -> None:
    def fail(*_: object) -> None:
        (tmp_path / "called").touch()
        raise ArithmeticError

    events = spark.createDataFrame([(json.dumps(IDENTIFY),)], "value string")
    requests, refusals = translate_events(events, translator=fail)  # type: ignore[arg-type]
    assert not (tmp_path / "called").exists()
    assert (requests.count(), refusals.count()) == (0, 1)
    assert (tmp_path / "called").exists()


def test_a_package_that_is_missing_is_named(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'pandas<3' 'pyspark\[sql\]>=3.5'"):
        translate_events(spark.range(1), column="id")
