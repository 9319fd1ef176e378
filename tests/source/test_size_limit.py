"""The size limit: what surely fits does fit, and what is left out otherwise."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterable_destination import InvalidWebhook
from iterable_destination.model.json_codec import canonical, encode
from iterable_destination.source import SegmentTrack, SourceOptions, to_segment
from iterable_destination.source.size_limit import size, surely_fits
from tests.support.source_strategies import webhooks
from tests.support.webhooks import build_webhook, translate_or_none

OPTIONS = SourceOptions(send_skips=True)


@given(webhooks)
def test_what_surely_fits_fits(webhook: Any) -> None:
    try:
        track = to_segment(webhook, OPTIONS)
    except InvalidWebhook:
        return
    assert isinstance(track, SegmentTrack)
    length = len(canonical(webhook)) + len(track.event)
    assert surely_fits(length, 6 * length + 3_000)
    assert not surely_fits(length, 6 * length + 2_999)
    assert size(track) <= 6 * length + 3_000


@pytest.mark.parametrize("letter", ["A", "aB", "İ", "é", "\n", "🛒"])
def test_a_webhook_of_odd_keys_and_long_texts_fits(letter: str) -> None:
    webhook = {
        "email": letter * 500,
        "eventName": "emailOpen",
        "dataFields": {
            "createdAt": "2016-12-02 20:21:04 +00:00",
            "url": letter * 500,
            "emailListIds": [letter * 500],
            "campaignId": 1e300,
            **{f"{letter * 20}{number}": number for number in range(20)},
        },
    }
    track = to_segment(webhook)
    assert isinstance(track, SegmentTrack)
    assert size(track) == len(encode({"type": "track", **track.body()}))
    assert size(track) <= 6 * len(canonical(webhook)) + 3_000


@given(webhooks, st.integers(1, 3_000))
def test_a_track_is_never_larger_than_is_taken(webhook: Any, most: int) -> None:
    track = translate_or_none(webhook, SourceOptions(max_bytes=most))
    if track is not None:
        assert len(encode({"type": "track", **track.body()})) <= most


def test_a_very_large_field_that_can_go_is_left_out() -> None:
    track = translate_or_none(build_webhook(inAppBody="x" * 5_000_000))
    assert track is not None
    assert [note.path for note in track.notes] == ["dataFields.inAppBody"]
