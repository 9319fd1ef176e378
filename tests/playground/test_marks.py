"""Problems and notes are marked at the values of the event that they are about."""

from __future__ import annotations

from typing import Any

import pytest

from iterable_destination import Settings
from iterable_destination.errors import Note, Problem
from iterable_destination.mapping.explanation import explain_event
from iterable_destination.playground.attempt import read_attempt
from iterable_destination.playground.marks import Mark, mark_event, mark_webhook
from tests.playground.asking import encode

WHO = {"userId": {"@path": "$.userId"}}


def mark(event: Any, **asked: Any) -> set[Mark]:
    attempt = read_attempt({"text": encode(event), **asked}, Settings())
    explanation = explain_event(attempt.event, attempt.translator, attempt.settings)
    return set(mark_event(attempt.event, explanation, attempt.subscriptions))


def subscribe(action: str, mapping: dict[str, Any], name: str = "Mine") -> dict[str, Any]:
    trigger = 'type = "track"'
    return {"name": name, "partnerAction": action, "subscribe": trigger, "mapping": mapping}


def test_a_problem_is_marked_at_its_value_and_a_note_too() -> None:
    event = {"type": "track", "event": "Order Completed", "userId": 7}
    event |= {"properties": {"total": 1, "products": [{"product_id": "p", "name": "n"}]}}
    assert mark(event) >= {
        Mark(
            ("properties", "products", 0),
            "properties.products[0].price: missing",
            "missing",
            "error",
        )
    }
    good = {**event, "properties": {"total": "9"}}
    assert mark(good) == {
        Mark(("userId",), "userId: a number, sent as a string", "sent-as-string", "warning"),
        Mark(
            ("properties", "total"),
            "properties.total: a string, sent as the number it says",
            "sent-as-number",
            "warning",
        ),
    }


def test_what_is_missing_is_marked_where_it_should_be() -> None:
    event = {"type": "track", "event": "Order Completed", "userId": "u-1", "properties": {}}
    assert mark(event) == {Mark(("properties",), "properties.total: missing", "missing", "error")}
    assert mark({"type": "track", "userId": "u-1"}) == {
        Mark((), "event: missing", "missing", "error")
    }


def test_what_a_subscription_says_is_marked_at_the_place_it_maps() -> None:
    mapping = {**WHO, "eventName": {"@path": "$.properties.name"}}
    event = {"type": "track", "event": "Seen", "userId": 7, "properties": {"name": None}}
    marks = mark(event, mappings=encode([subscribe("trackEvent", mapping)]))
    assert marks == {
        Mark(("userId",), "Mine: userId: a number, taken as a string", "sent-as-string", "warning"),
        Mark(("properties", "name"), "Mine: eventName: missing", "missing", "error"),
    }


def test_items_of_a_subscription_are_marked_at_their_list() -> None:
    items = {"@arrayPath": [{"@path": "$.properties.products"}, {"id": {"@path": "$.sku"}}]}
    mapping = {"user": WHO, "total": {"@path": "$.properties.total"}, "items": items}
    products = [{"sku": "s"}]
    event = {"type": "track", "event": "Seen", "userId": "u", "properties": {"products": products}}
    marks = mark(event, mappings=encode([subscribe("trackPurchase", mapping)]))
    assert {each.path for each in marks if "items" in each.message} == {("properties", "products")}
    assert {each.path for each in marks if "total" in each.message} == {("properties",)}


def test_what_comes_from_no_place_is_marked_at_the_event() -> None:
    mapping = {**WHO, "eventName": "Seen", "campaignId": "x"}
    event = {"type": "track", "event": "Seen", "userId": "u-1"}
    marks = mark(event, mappings=encode([subscribe("trackEvent", mapping)]))
    assert {each.path for each in marks} == {()}


def test_an_event_that_no_subscription_can_read_is_marked() -> None:
    marks = mark({"type": 7}, mappings="presets")
    assert marks == {
        Mark(("type",), "type: must be a string, not a number", "not-a-string", "error")
    }


@pytest.mark.parametrize(("kind", "severity"), [(Problem, "error"), (Note, "warning")])
def test_a_webhook_is_marked(kind: Any, severity: str) -> None:
    webhook = {"email": "x", "dataFields": {"createdAt": 5}}
    found = [kind("dataFields.createdAt", "bad", "mine")]
    path = ("dataFields", "createdAt")
    assert mark_webhook(webhook, found) == (
        Mark(path, "dataFields.createdAt: bad", "mine", severity),
    )
