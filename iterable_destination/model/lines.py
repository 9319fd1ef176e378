"""What became of an event or a webhook, as one JSON object: a line of output, or of a test case."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from iterable_destination.errors import Invalid, InvalidJSON, Note, Problem
from iterable_destination.model.segment_track import SegmentTrack
from iterable_destination.model.translation import Translation


def describe_translation(translation: Translation) -> dict[str, Any]:
    """Return the calls of an event, or why it is skipped."""
    described: dict[str, Any] = {"messageId": translation.message_id}
    if translation.skipped is not None:
        return described | {"skipped": translation.skipped}
    described["calls"] = [
        {"method": call.endpoint.method, "path": call.endpoint.path, "body": call.body()}
        for call in translation.calls
    ]
    for call, name in zip(described["calls"], translation.subscriptions, strict=False):
        call["subscription"] = name
    if translation.errors:
        described["errors"] = [
            {"subscription": each.subscription, "problems": _describe_all(each.problems)}
            for each in translation.errors
        ]
    return described | _describe_notes(translation.notes)


def describe_track(track: SegmentTrack) -> dict[str, Any]:
    """Return the track call of a webhook."""
    return {"track": track.body()} | _describe_notes(track.notes)


def describe_error(error: Invalid | InvalidJSON) -> dict[str, Any]:
    """Return an error with its problems."""
    problems = error.problems if isinstance(error, Invalid) else ()
    return {
        "type": type(error).__name__,
        "message": str(error),
        "problems": _describe_all(problems),
    }


def _describe_notes(notes: Iterable[Note]) -> dict[str, Any]:
    described = _describe_all(notes)
    return {"notes": described} if described else {}


def _describe_all(found: Iterable[Problem | Note]) -> list[dict[str, Any]]:
    return [attrs.asdict(each) for each in found]
