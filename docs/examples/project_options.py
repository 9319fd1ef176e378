"""Projects that refuse: choose what yours does."""

from typing import Any

from iterable_destination import Destination, Settings
from iterable_destination.testing import LocalIterable, Project

EVENTS: list[dict[str, Any]] = [
    {"messageId": "m-1", "type": "identify", "userId": "u-7"},
    {"messageId": "m-2", "type": "identify", "userId": "gone@example.com"},
    {"messageId": "m-3", "type": "track", "userId": "jane@example.com", "event": "Heartbeat"},
]
project = Project(
    project_type="email",
    forgotten={"gone@example.com"},
    disallowed_events={"Heartbeat"},
)

with LocalIterable(project) as iterable:
    settings = Settings(api_key=iterable.api_key, base_url=iterable.url)
    with Destination(settings) as destination:
        for event in EVENTS:
            outcome = destination.send(event)
            print(outcome.message_id, outcome.name, type(outcome.error).__name__)
