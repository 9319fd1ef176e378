"""The fast path: it agrees with the full path, and what it remembers is bounded."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given

from iterable_destination.source import SourceOptions, fast_path, to_segment
from iterable_destination.source.fast_path import fast_path as translate_fast
from iterable_destination.source.translate import _carefully
from tests.support.source_strategies import python_webhooks, read_webhooks
from tests.support.webhooks import (
    FIELDS,
    WEBHOOK,
    build_webhook,
    find_problems,
    nest,
    options,
)

OPTIONS = SourceOptions()

pytestmark = pytest.mark.usefixtures("each_json_library")

ORDINARY: list[dict[str, Any]] = [
    WEBHOOK,
    {**WEBHOOK, "userId": "u-7"},
    {**WEBHOOK, "userId": None},
    {**WEBHOOK, "eventName": "SMSCLICK"},
    build_webhook(url="https://shop.example/", emailListIds=[5], labels=[], ip="198.51.100.7"),
    build_webhook(transactionalData={"a": [1.5, {"b": None, "é": "ë"}], "c": True}, price=2.5),
    {**WEBHOOK, "email": "U-7@PLACEHOLDER.EMAIL"},
]


@pytest.mark.parametrize("options", [OPTIONS, SourceOptions(keep_spelling=True, loop_guard=True)])
@pytest.mark.parametrize("webhook", ORDINARY)
def test_an_ordinary_webhook_goes_it(webhook: dict[str, Any], options: SourceOptions) -> None:
    track = translate_fast(webhook, options)
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
    build_webhook(createdAt="soon"),
    build_webhook(createdAt=1_480_710_064),
    build_webhook(campaign_id=8),
    build_webhook(emailId=[1]),
    build_webhook(ip=7),
    build_webhook(a=(1, 2)),
    build_webhook(a=[(1, 2)]),
    build_webhook(a={1: 2}),
    build_webhook(a=math.nan),
    build_webhook(a=1e-7),
    build_webhook(a=2**70),
    build_webhook(a="\ud800"),
    {**WEBHOOK, "dataFields": {**FIELDS, 5: 6}},
    build_webhook(inAppBody="x" * 40_000),
]


@pytest.mark.parametrize("options", [OPTIONS, SourceOptions(keep_spelling=True, max_bytes=9_000)])
@pytest.mark.parametrize("webhook", ODD, ids=range(len(ODD)))
def test_an_odd_webhook_does_not(webhook: Any, options: SourceOptions) -> None:
    if not options.keep_spelling or "campaign_id" not in str(webhook):
        assert translate_fast(webhook, options) is None


def test_a_long_list_of_fields_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    remembered: dict[Any, Any] = {}
    monkeypatch.setattr(fast_path, "_nested", remembered)
    assert (
        translate_fast(build_webhook(**{f"field{number}": 1 for number in range(300)}), OPTIONS)
        is not None
    )
    assert remembered == {}


def test_only_so_many_lists_of_types_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    remembered: dict[Any, Any] = {}
    monkeypatch.setattr(fast_path, "_nested", remembered)
    monkeypatch.setattr(fast_path, "_MOST_LISTS", 3)
    for number in range(8):
        fields = {f"field{each}": [each] for each in range(number)}
        for _ in range(2):
            track = translate_fast(build_webhook(**fields), OPTIONS)
            assert track is not None
            assert track.properties.keys() >= fields.keys()
        assert len(remembered) <= 3


@given(read_webhooks | python_webhooks, options)
def test_the_straight_way_gives_what_the_careful_one_gives(webhook: Any, chosen: Any) -> None:
    track = translate_fast(webhook, chosen)
    if track is not None:
        careful = _carefully(webhook, chosen)
        assert careful == track
        assert repr(track.body()) == repr(careful.body())
        assert track.notes == ()


@pytest.mark.parametrize("wire", ["emailOpen", "emailClick", "pushSend", "smsSend", "inAppOpen"])
def test_an_ordinary_webhook_goes_the_straight_way(wire: str) -> None:
    webhook = {
        **build_webhook(labels=[], url="https://shop.example/", price=1.5),
        "eventName": wire,
    }
    assert (
        translate_fast(webhook, SourceOptions())
        == to_segment(webhook)
        == _carefully(webhook, SourceOptions())
    )


def test_both_ways_take_128_levels_and_no_more() -> None:
    deepest = build_webhook(a=nest(125))
    assert translate_fast(deepest, SourceOptions()) == _carefully(deepest, SourceOptions())
    assert translate_fast(build_webhook(a=nest(126)), SourceOptions()) is None
    assert len(find_problems(build_webhook(a=nest(126)))) == 1


def test_an_event_near_the_limit_goes_the_straight_way() -> None:
    chosen = SourceOptions()
    assert translate_fast(build_webhook(inAppBody="x" * 20_000), chosen) is not None
    assert translate_fast(build_webhook(inAppBody="x" * 40_000), chosen) is None
