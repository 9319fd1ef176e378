"""Segment's calls, delivered to Iterable by this process, from disk."""

from typing import Any

from iterable_destination import Outbox, analytics


def lost(error: Exception, events: list[dict[str, Any]]) -> None:
    """Called in another thread, for an event that cannot be sent."""
    print(events[0]["messageId"], error)


outbox = Outbox("events.outbox")
analytics.outbox = outbox  # left out, events wait in memory
analytics.on_error = lost

analytics.identify("u-7", {"email": "jane@example.com", "plan": "pro"})
analytics.track("u-7", "Trial Started", {"plan": "pro"})
analytics.track(None, "Trial Started", message_id="m-3")
analytics.shutdown()  # waits until all is delivered
outbox.close()
