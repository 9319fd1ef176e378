"""track: everything in the properties, as it is."""

from __future__ import annotations

from typing import Any

import pytest

from iterable_destination.errors import InvalidEvent
from iterable_destination.mapping.translate import translate

TRACK: dict[str, Any] = {"type": "track", "event": "Signed Up", "userId": "u-1"}


@pytest.mark.parametrize("key", ["name", "eventName", "event_name"])
def test_what_may_be_meant_for_the_name_is_named(key: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        translate({"type": "track", "userId": "u-1", key: "Signed Up"})
    assert str(caught.value) == f"event: missing (not read in its place: {key})"


def test_a_whole_track() -> None:
    properties = {
        "email": "ada@example.com",
        "campaignId": 5,
        "templateId": "6",
        "revenue": 9.5,
        "total": None,
        "products": "none",
        "id": 7,
        "phone": "1",
        "timestamp": "2023-02-05",
    }
    event = {**TRACK, "timestamp": 1_675_629_730_999, "properties": properties}
    assert translate(event).calls[0].body() == {
        "email": "ada@example.com",
        "userId": "u-1",
        "eventName": "Signed Up",
        "createdAt": 1_675_629_730,
        "dataFields": {**properties, "timestamp": "2023-02-05 00:00:00 +00:00"},
    }


def test_the_least_track() -> None:
    expected = {"userId": "u-1", "eventName": "Signed Up", "dataFields": {}}
    assert translate(TRACK).calls[0].body() == expected


def test_the_moment_zero_is_a_moment() -> None:
    assert translate({**TRACK, "timestamp": 0}).calls[0].body()["createdAt"] == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (None, "missing"),
        ("", "missing"),
        (5, "must be a string, not a number"),
        (["x"], "must be a string, not a list"),
    ],
)
def test_the_name_is_needed_where_segment_has_it(name: Any, message: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        translate({**TRACK, "event": name})
    assert str(caught.value) == f"event: {message}"
