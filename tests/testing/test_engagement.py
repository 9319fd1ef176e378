"""The local Iterable tells what users do with messages, as Iterable does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from iterable_destination.source import SegmentTrack, to_segment
from iterable_destination.source.collections import COLLECTIONS
from iterable_destination.testing import LocalIterable
from iterable_destination.testing.engagement import EVENTS
from tests.support.delivering import delivering, identify


@pytest.fixture
def iterable() -> Iterator[LocalIterable]:
    with LocalIterable(clock=lambda: 1_770_458_400.0) as started, delivering(started) as to:
        to.send(identify(1, traits={"email": "ada@example.com"}))
        yield started


def test_a_webhook_is_about_the_user_as_the_project_knows_them(iterable: LocalIterable) -> None:
    webhook = iterable.webhook("emailSubscribe", "u-1", signupSource="Import")
    assert webhook == {
        "email": "ada@example.com",
        "userId": "u-1",
        "eventName": "emailSubscribe",
        "dataFields": {
            "email": "ada@example.com",
            "emailListIds": [17],
            "channelIds": [3],
            "messageTypeIds": [4],
            "signupSource": "Import",
            "messageId": "message-1",
            "createdAt": "2026-02-07 10:00:00 +00:00",
        },
    }


def test_nobody_does_nothing(iterable: LocalIterable) -> None:
    with pytest.raises(ValueError, match="the project knows no such user"):
        iterable.webhook("emailOpen", "somebody@example.com")


def test_every_event_of_the_source_can_be_told(iterable: LocalIterable) -> None:
    tracks = [to_segment(iterable.webhook(name, "u-1")) for name in EVENTS]
    names = [track.event for track in tracks if isinstance(track, SegmentTrack)]
    assert sorted(names) == sorted(collection.name for collection in COLLECTIONS)
    assert [track.notes for track in tracks if isinstance(track, SegmentTrack)] == [()] * 22
    ids = {track.message_id for track in tracks if isinstance(track, SegmentTrack)}
    assert len(ids) == 22


def test_an_event_that_is_not_known_has_what_all_have_in_common(iterable: LocalIterable) -> None:
    assert "campaignId" in iterable.webhook("journeyExit", "u-1")["dataFields"]
