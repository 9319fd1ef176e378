"""A worker that takes events from a queue, and acts on every outcome."""

from collections import deque
from typing import Any

from iterable_destination import (
    Delivered,
    Destination,
    Outcome,
    Rejected,
    Retryable,
    Settings,
    Skipped,
    Unknown,
)


def next_step(outcome: Outcome) -> str:
    """Return what to do with the event now."""
    match outcome:
        case Delivered():
            return "done"
        case Skipped(message=reason):
            return f"done, nothing to send: {reason}"
        case Rejected(message=reason):
            return f"set aside for a person: {reason}"
        case Retryable() | Unknown():
            return "put back in the queue"
    raise AssertionError(outcome)


queue: deque[dict[str, Any]] = deque(
    [
        {"messageId": "m-1", "type": "track", "userId": "u-7", "event": "Signed Up"},
        {"messageId": "m-2", "type": "page", "userId": "u-7", "properties": {"path": "/"}},
        {"messageId": "m-3", "type": "track", "anonymousId": "a-1", "event": "Signed Up"},
    ]
)

with Destination(Settings.from_environment()) as destination:
    while queue:
        event = queue.popleft()
        outcome = destination.send(event)
        print(f"{outcome.message_id} {outcome.name}: {next_step(outcome)}")
        if isinstance(outcome, Retryable | Unknown):
            queue.append(event)
