"""Every collection and every rule of the source has a case, and every case comes out."""

from __future__ import annotations

import pytest

from iterable_destination.conformance import answer
from iterable_destination.source.collections import (
    CAMPAIGN_FIELDS,
    COLLECTIONS,
    COMMON_FIELDS,
    FREQUENT_FIELDS,
    SEND_SKIPS,
    Collection,
)
from tests.support.conformance_cases import by_id

CASES = by_id("source")

#: The rules that have cases. That the input is never changed cannot be shown by input and output;
#: it is a property test.
RULES = {
    *("collections", "names", "who", "properties", "link_url", "list_id", "context", "time"),
    *("messageId", "size", "integrations", "webhook"),
}


@pytest.mark.parametrize("name", CASES)
def test_comes_out_as_the_case_says_word_for_word(name: str) -> None:
    assert answer(CASES[name].request) == CASES[name].output


def test_every_rule_has_a_case() -> None:
    assert {case.rule for case in CASES.values()} == RULES


@pytest.mark.parametrize("collection", COLLECTIONS, ids=lambda collection: collection.wire)
def test_every_collection_has_a_case_with_all_its_fields(collection: Collection) -> None:
    name = f"collection-{collection.name.lower().replace(' ', '-')}"
    case = CASES[name]
    fields = {*collection.fields, *COMMON_FIELDS}
    if collection.has_campaign:
        fields |= {*CAMPAIGN_FIELDS, *FREQUENT_FIELDS}
    assert case.input["eventName"] == collection.wire
    assert case.output["track"]["event"] == collection.name
    assert set(case.input["dataFields"]) == fields


@pytest.mark.parametrize("collection", SEND_SKIPS, ids=lambda collection: collection.wire)
def test_every_send_skip_has_a_case_with_it_on_and_off(collection: Collection) -> None:
    name = f"name-{collection.name.lower().replace(' ', '-')}"
    assert "ignored" in CASES[f"{name}-is-off"].output
    assert CASES[f"{name}-when-asked-for"].output["track"]["event"] == collection.name
