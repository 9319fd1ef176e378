"""What became of an event is one JSON object."""

from __future__ import annotations

from iterable_destination.errors import InvalidEvent, InvalidJSON, Note, Problem
from iterable_destination.model.calls import Identity, TrackEvent
from iterable_destination.model.lines import describe_error, describe_translation
from iterable_destination.model.translation import FailedSubscription, Translation

CALL = TrackEvent(Identity(None, "u-1"), "Seen")
WRITTEN = {"method": "POST", "path": "/api/events/track", "body": CALL.body()}
PROBLEM = Problem("event", "missing", "missing")
FOUND = {"path": "event", "message": "missing", "code": "missing"}


def test_calls_are_described_with_their_subscriptions_and_what_failed_beside_them() -> None:
    failed = FailedSubscription("Two", (PROBLEM,))
    translation = Translation("m-1", (CALL,), subscriptions=("One",), errors=(failed,))
    assert describe_translation(translation) == {
        "messageId": "m-1",
        "calls": [WRITTEN | {"subscription": "One"}],
        "errors": [{"subscription": "Two", "problems": [FOUND]}],
    }


def test_notes_stand_beside_calls_only_if_there_are_any() -> None:
    noted = Translation(None, (CALL,), notes=(Note("event", "missing", "missing"),))
    described = {"messageId": None, "calls": [WRITTEN]}
    assert describe_translation(noted) == described | {"notes": [FOUND]}
    assert describe_translation(Translation(None, (CALL,))) == described


def test_what_is_skipped_has_its_reason() -> None:
    translation = Translation("m-1", skipped="so")
    assert describe_translation(translation) == {"messageId": "m-1", "skipped": "so"}


def test_an_error_has_its_problems() -> None:
    assert describe_error(InvalidEvent([PROBLEM])) == {
        "type": "InvalidEvent",
        "message": "event: missing",
        "problems": [FOUND],
    }
    assert describe_error(InvalidJSON("no JSON"))["problems"] == []
