"""A webhook, and helpers that change it and translate it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st

from iterable_destination import InvalidWebhook
from iterable_destination.source import Ignored, SegmentTrack, SourceOptions, to_segment

FIELDS: dict[str, Any] = {"campaignId": 7, "createdAt": "2016-12-02 20:21:04 +00:00"}

WEBHOOK: dict[str, Any] = {
    "email": "jane@example.com",
    "eventName": "emailOpen",
    "dataFields": FIELDS,
}

EACH_OPTIONS = [
    SourceOptions(send_skips=True),
    SourceOptions(send_skips=True, keep_spelling=True, loop_guard=True),
    SourceOptions(send_skips=True, max_bytes=500),
    SourceOptions(extra_names={"emailOpen": "Opened"}),
]
options = st.sampled_from(EACH_OPTIONS)


def build_webhook(**fields: Any) -> dict[str, Any]:
    return {**WEBHOOK, "dataFields": {**FIELDS, **fields}}


def translate_or_none(webhook: Any, chosen: SourceOptions | None = None) -> SegmentTrack | None:
    """Return the track call of a webhook, or None if there is none for a good reason."""
    try:
        result = to_segment(webhook, chosen)
    except InvalidWebhook as error:
        return None if error.problems else pytest.fail("an error without a problem")
    if isinstance(result, Ignored):
        assert result.reason
        return None
    return result


def find_problems(webhook: Any) -> list[str]:
    with pytest.raises(InvalidWebhook) as caught:
        to_segment(webhook)
    return list(map(str, caught.value.problems))


def nest(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value
