"""Every collection and every rule of the source has a golden case, and every case comes out."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from iterable_destination import InvalidWebhook
from iterable_destination.source import Ignored, SourceOptions, to_segment
from iterable_destination.source.collections import (
    CAMPAIGN_FIELDS,
    COLLECTIONS,
    COMMON_FIELDS,
    FREQUENT_FIELDS,
    SEND_SKIPS,
    Collection,
)
from tests.support.golden_cases import SOURCE, cases, describe_error

CASES = cases(SOURCE)

#: The rules that have golden cases. That the input is never changed cannot be shown by input and
#: output; it is a property test.
RULES = {
    *("collections", "names", "who", "properties", "link_url", "list_id", "context", "time"),
    *("messageId", "size", "integrations", "webhook"),
}


def build_line(webhook: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Return what became of a webhook, as one JSON object."""
    try:
        result = to_segment(webhook, SourceOptions(**options))
    except InvalidWebhook as error:
        return {"error": describe_error(error)}
    if isinstance(result, Ignored):
        return {"ignored": result.reason}
    notes = {"notes": [attrs.asdict(note) for note in result.notes]} if result.notes else {}
    return {"track": result.body()} | notes


@pytest.mark.parametrize("name", CASES)
def test_comes_out_as_the_golden_case_says(name: str) -> None:
    case = CASES[name]
    assert build_line(case["input"], case.get("options", {})) == case["output"]


def test_every_rule_has_a_case() -> None:
    assert {case["rule"] for case in CASES.values()} == RULES


@pytest.mark.parametrize("name", CASES)
def test_a_case_says_what_it_shows(name: str) -> None:
    assert CASES[name]["shows"].endswith(".")


@pytest.mark.parametrize("collection", COLLECTIONS, ids=lambda collection: collection.wire)
def test_every_collection_has_a_case_with_all_its_fields(collection: Collection) -> None:
    name = f"collection-{collection.name.lower().replace(' ', '-')}"
    case = CASES[name]
    fields = {*collection.fields, *COMMON_FIELDS}
    if collection.has_campaign:
        fields |= {*CAMPAIGN_FIELDS, *FREQUENT_FIELDS}
    assert case["input"]["eventName"] == collection.wire
    assert case["output"]["track"]["event"] == collection.name
    assert set(case["input"]["dataFields"]) == fields


@pytest.mark.parametrize("collection", SEND_SKIPS, ids=lambda collection: collection.wire)
def test_every_send_skip_has_a_case_with_it_on_and_off(collection: Collection) -> None:
    name = f"name-{collection.name.lower().replace(' ', '-')}"
    assert "ignored" in CASES[f"{name}-is-off"]["output"]
    assert CASES[f"{name}-when-asked-for"]["output"]["track"]["event"] == collection.name
