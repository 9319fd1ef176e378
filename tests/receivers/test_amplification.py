"""A small request makes no large answer, dead letter or log line, whatever is wrong in it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iterable_destination import DeadLetters, InvalidEvent, translate
from iterable_destination.errors import Invalid, Note, Problem
from iterable_destination.mapping.actions import MappedTranslator, Subscription
from iterable_destination.model.settings import Settings
from iterable_destination.source import to_segment
from iterable_destination.testing import LocalIterable
from tests.support.receiving import ask, run_receiver, sign_request

MANY = 40_000
ORDER: dict[str, Any] = {
    "type": "track",
    "event": "Order Completed",
    "userId": "u-1",
    "messageId": "m-1",
    "properties": {"products": [{}] * MANY},
}
#: Each is an event that has far more problems, or notes, than are listed.
EVENTS: dict[str, dict[str, Any]] = {
    "empty products": ORDER,
    "products that are none": {**ORDER, "properties": {"total": 1, "products": [1] * MANY}},
    "values that JSON cannot hold": {
        "type": "identify",
        "userId": "u-1",
        "traits": {"a": [float("nan")] * MANY},
    },
    "keys that look like an identity": {
        "type": "track",
        "event": "A",
        **{
            "".join(c.upper() if n >> i & 1 else c for i, c in enumerate("user_id")): "u"
            for n in range(128)
        },
    },
    "numbers that are strings": {
        **ORDER,
        "properties": {
            "total": 1,
            "products": [{"product_id": 5, "name": 5, "price": "1", "quantity": "1"}] * MANY,
        },
    },
}


def list_findings(act: Callable[[], Any]) -> tuple[Problem | Note, ...]:
    """Return the problems of what an action raises, or else the notes of what it returns."""
    try:
        notes: tuple[Note, ...] = act().notes
    except Invalid as error:
        return error.problems
    return notes


@pytest.mark.parametrize("name", EVENTS)
def test_what_is_said_about_an_event_is_bounded(name: str) -> None:
    found = list_findings(lambda: translate(EVENTS[name]))
    assert 0 < len(found) <= 101
    assert sum(len(each.path) + len(each.message) for each in found) < 50_000


def test_so_it_is_with_a_mapped_destination() -> None:
    mapping = {"userId": {"@path": "$.userId"}, "total": 1, "items": {"@path": "$.products"}}
    subscription = Subscription("Orders", "trackPurchase", 'type = "track"', mapping)
    event = {**ORDER, "products": [{}] * MANY}
    with pytest.raises(InvalidEvent) as caught:
        MappedTranslator([subscription])(event, Settings())
    assert len(caught.value.problems) == 101
    assert caught.value.problems[-1].message.endswith(" more problems")


def test_so_it_is_with_a_webhook_of_iterables() -> None:
    fields = {f"f-{n}": float("nan") for n in range(MANY)}
    webhook = {"email": "ada@example.com", "eventName": "emailOpen", "dataFields": fields}
    assert 0 < len(list_findings(lambda: to_segment(webhook))) <= 101


def test_the_answer_the_log_and_the_dead_letter_are_bounded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "letters"
    with (
        LocalIterable() as iterable,
        DeadLetters(path) as letters,
        run_receiver(iterable, dead_letters=letters) as app,
    ):
        found = ask(app, *sign_request(ORDER))
    assert found.status == 200
    assert len(found.text) < 2_000
    assert len(caplog.text) < 10_000
    letter = json.loads(path.read_bytes())["deadLetter"]
    assert len(json.dumps(letter)) < 50_000
    assert letter["error"]["message"].endswith(f"and {3 * MANY + 1 - 100:,} more problems")
