"""Settings with the user's own mappings, good and wrong ones, and events for them."""

from __future__ import annotations

from typing import Any

from iterable_destination import Settings
from iterable_destination.model.calls import Call

MOVED = {
    "name": "Moved",
    "partnerAction": "trackEvent",
    "subscribe": 'type = "group" or type = "track"',
    "mapping": {"userId": {"@path": "$.userId"}, "eventName": "Moved"},
}

OWN = Settings(mappings=[MOVED])

SEEN = {"type": "track", "userId": "u-1", "messageId": "m-1", "event": "Seen"}

GROUP = {"type": "group", "userId": "u-1", "messageId": "m-2"}

WRONG = [MOVED, MOVED | {"partnerAction": "nope", "subscribe": "type ="}]

PROBLEMS = (
    r"^mappings\[1\]\.partnerAction: no such action; .*; mappings\[1\]\.subscribe: at character 7: "
)


def event_names(calls: tuple[Call, ...]) -> list[Any]:
    return [call.body().get("eventName") for call in calls]
