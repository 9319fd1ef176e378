"""The straight way: what it remembers, and where it gives up."""

from __future__ import annotations

import math
from typing import Any

import pytest

from iterable_destination.source import SourceOptions, to_segment
from iterable_destination.source import fast_path as ordinary
from iterable_destination.source.fast_path import fast_path as straight

FIELDS: dict[str, Any] = {"campaignId": 7, "createdAt": "2016-12-02 20:21:04 +00:00"}
WEBHOOK: dict[str, Any] = {
    "email": "jane@example.com",
    "eventName": "emailOpen",
    "dataFields": FIELDS,
}
OPTIONS = SourceOptions()


pytestmark = pytest.mark.usefixtures("each_json_library")


def opened(**fields: Any) -> dict[str, Any]:
    return {**WEBHOOK, "dataFields": {**FIELDS, **fields}}


ORDINARY: list[dict[str, Any]] = [
    WEBHOOK,
    {**WEBHOOK, "userId": "u-7"},
    {**WEBHOOK, "userId": None},
    {**WEBHOOK, "eventName": "SMSCLICK"},
    opened(url="https://shop.example/", emailListIds=[5], labels=[], ip="198.51.100.7"),
    opened(transactionalData={"a": [1.5, {"b": None, "é": "ë"}], "c": True}, price=2.5),
    {**WEBHOOK, "email": "U-7@PLACEHOLDER.EMAIL"},
]


@pytest.mark.parametrize("options", [OPTIONS, SourceOptions(keep_spelling=True, loop_guard=True)])
@pytest.mark.parametrize("webhook", ORDINARY)
def test_an_ordinary_webhook_goes_it(webhook: dict[str, Any], options: SourceOptions) -> None:
    track = straight(webhook, options)
    assert track is not None
    assert track == to_segment(dict(webhook), options)


ODD: list[Any] = [
    None,
    [],
    {},
    {**WEBHOOK, "campaign": 1},
    {**WEBHOOK, "email": ""},
    {**WEBHOOK, "email": None},
    {**WEBHOOK, "userId": 7},
    {**WEBHOOK, "userId": ""},
    {**WEBHOOK, "eventName": "journeyExit"},
    {**WEBHOOK, "eventName": 7},
    {**WEBHOOK, "dataFields": []},
    {**WEBHOOK, "dataFields": {}},
    opened(createdAt="soon"),
    opened(createdAt=1_480_710_064),
    opened(campaign_id=8),
    opened(emailId=[1]),
    opened(ip=7),
    opened(a=(1, 2)),
    opened(a=[(1, 2)]),
    opened(a={1: 2}),
    opened(a=math.nan),
    opened(a=1e-7),
    opened(a=2**70),
    opened(a="\ud800"),
    {**WEBHOOK, "dataFields": {**FIELDS, 5: 6}},
    opened(inAppBody="x" * 40_000),
]


@pytest.mark.parametrize("options", [OPTIONS, SourceOptions(keep_spelling=True, max_bytes=9_000)])
@pytest.mark.parametrize("webhook", ODD, ids=range(len(ODD)))
def test_an_odd_webhook_does_not(webhook: Any, options: SourceOptions) -> None:
    if not options.keep_spelling or "campaign_id" not in str(webhook):
        assert straight(webhook, options) is None


def test_a_long_list_of_fields_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    remembered: dict[Any, Any] = {}
    monkeypatch.setattr(ordinary, "_nested", remembered)
    assert straight(opened(**{f"field{number}": 1 for number in range(300)}), OPTIONS) is not None
    assert remembered == {}


def test_only_so_many_lists_of_types_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    remembered: dict[Any, Any] = {}
    monkeypatch.setattr(ordinary, "_nested", remembered)
    monkeypatch.setattr(ordinary, "_MOST_LISTS", 3)
    for number in range(8):
        fields = {f"field{each}": [each] for each in range(number)}
        for _ in range(2):
            track = straight(opened(**fields), OPTIONS)
            assert track is not None
            assert track.properties.keys() >= fields.keys()
        assert len(remembered) <= 3
