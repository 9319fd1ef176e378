"""An event is explained as values, and each field's rule is a place in the documentation."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iterable_destination import Settings
from iterable_destination.conformance import Case
from iterable_destination.errors import Note, Problem
from iterable_destination.mapping.actions import PRESETS
from iterable_destination.mapping.explanation import (
    EventExplanation,
    describe_field,
    describe_problem,
    explain_event,
    shorten_value,
)
from iterable_destination.mapping.translate import translator_for
from tests.support.conformance_cases import by_id

DOCS = Path(__file__).parents[2] / "docs"
CASES = {
    name: case
    for name, case in by_id("classic", "mapped").items()
    if "messageId" in case.output  # of the others the subscriptions are refused
}


def explain(event: Any, **settings: Any) -> EventExplanation:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some mappings of the cases are warned of
        chosen = Settings(**settings)
        return explain_event(event, translator_for(chosen), chosen)


def explain_case(case: Case) -> EventExplanation:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a case may have an unknown setting
        settings = list_settings(Settings.from_mapping(case.settings))
    return explain(case.input, **settings | {"mappings": case.subscriptions})


def list_settings(settings: Settings) -> dict[str, Any]:
    return settings.__getstate__()


def list_places(page: Path) -> Iterator[str]:
    """Yield how a page of the documentation is linked to, as a whole and by its headings."""
    name = page.relative_to(DOCS).as_posix()
    yield name
    for heading in re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE):
        yield f"{name}#{re.sub(r'[^a-z0-9 -]', '', heading.lower()).replace(' ', '-')}"


PLACES = {place for page in DOCS.glob("reference/*.md") for place in list_places(page)}


@pytest.mark.parametrize("name", CASES)
def test_each_field_of_a_case_has_a_rule_in_the_documentation(name: str) -> None:
    explanation, output = explain_case(CASES[name]), CASES[name].output
    assert explanation.is_refused == bool("error" in output or "errors" in output)
    assert explanation.skipped == output.get("skipped")
    assert [each.call.body() for each in explanation.requests] == [
        call["body"] for call in output.get("calls", ())
    ]
    rules = [field.rule for each in explanation.requests for field in each.fields]
    assert set(rules) <= PLACES
    assert set(rules) == {rule for each in explanation.requests for rule in each.rules}


@pytest.mark.parametrize(
    ("event", "rules"),
    [
        (
            {"type": "track", "event": "Order Completed", "properties": {"total": 1, "tax": 2}},
            ("identity.md", "commerce.md#orders"),
        ),
        (
            {"type": "track", "event": "Order Completed", "timestamp": "2026-01-02T03:04:05Z"}
            | {
                "properties": {
                    "total": 1,
                    "products": [{"product_id": "p", "name": "n", "price": 1, "quantity": 1}],
                }
            },
            ("identity.md", "commerce.md#items", "commerce.md#orders", "reading.md#timestamp"),
        ),
        (
            {"type": "track", "event": "Product Added"}
            | {
                "properties": {
                    "products": [{"product_id": "p", "name": "n", "price": 1, "quantity": 1}]
                }
            },
            ("identity.md", "commerce.md#items"),
        ),
        (
            {"type": "identify", "traits": {"plan": "pro"}},
            ("identity.md", "identify.md"),
        ),
        ({"type": "Screen", "name": "Home"}, ("identity.md", "pages.md")),
        ({"type": "track", "event": "Seen"}, ("identity.md", "track.md")),
    ],
)
def test_the_classic_rules_of_a_request_are_named(event: Any, rules: tuple[str, ...]) -> None:
    [request] = explain({"userId": "u-1", **event}).requests
    assert {f"reference/{rule}" for rule in rules} == set(request.rules)


def test_what_subscriptions_say_is_with_them_and_not_said_again() -> None:
    mapping = {"userId": {"@path": "$.userId"}, "eventName": "Seen"}
    subscription = {"name": "Mine", "partnerAction": "trackEvent", "enabled": True}
    subscription |= {"subscribe": 'type = "track"', "mapping": mapping}
    event = {"type": "Track", "event": "Seen", "userId": 7}
    explanation = explain(event, mappings=[subscription])
    [one] = explanation.subscriptions
    assert [note.path for note in one.coercions] == ["userId"]
    assert [note.path for note in explanation.notes] == ["type"]
    assert explanation.requests[0].subscription == "Mine"


def test_a_refused_event_keeps_what_its_subscriptions_say() -> None:
    explanation = explain({"type": "track", "event": "Seen"}, mappings=PRESETS)
    assert explanation.subscriptions
    assert explanation.problems
    assert explanation.is_refused


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("userId", 'userId: bad; the value is "u-1 "'),
        ("properties.total", "properties.total: bad; the value is nan"),
        ("properties", "properties: bad"),
        ("properties.tax", "properties.tax: bad"),
        ("", ": bad"),
    ],
)
def test_a_value_that_is_refused_is_shown(place: str, words: str) -> None:
    event = {"userId": "u-1 ", "properties": {"total": float("nan")}}
    assert describe_problem(Problem(place, "bad"), event) == words
    assert describe_problem(Note(place, "bad"), event) == words


def test_a_field_says_what_it_is_and_from_where() -> None:
    event = {"userId": 7, "type": "page", "name": "Home"}
    [request] = explain(event).requests
    told = {field.origin.field: (field.value, field.source) for field in request.fields}
    setting = "the setting map_all_pages_to_single_event_name"
    assert told["userId"] == ('"7"', "userId: 7")
    assert told["eventName"] == ('"Loaded a Page"', f'type: "page", {setting}')


def test_a_field_is_described_by_its_places_and_its_value() -> None:
    event = {"userId": 7, "type": "track", "event": "Seen"}
    mapping = {"userId": {"@path": "$.userId"}, "eventName": "Page"}
    subscription = {"name": "Mine", "partnerAction": "trackEvent", "enabled": True}
    subscription |= {"subscribe": 'type = "track"', "mapping": mapping}
    [request] = explain(event, mappings=[subscription]).requests
    assert list(map(describe_field, request.fields)) == [
        'userId from userId: 7, converted to "7"',
        'eventName from no single place in the event: "Page"',
    ]
    [classic] = explain(event).requests
    assert [describe_field(field) for field in classic.fields][1:] == [
        'eventName from event: "Seen"'
    ]


def test_a_long_value_is_cut() -> None:
    assert shorten_value("x" * 58) == f'"{"x" * 58}"'
    assert shorten_value("x" * 59) == f'"{"x" * 58}…'
