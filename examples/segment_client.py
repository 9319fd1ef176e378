"""Segment's own Python client, pointed at the receiver, without a Segment account."""

import os
import sys
from typing import Any

from segment import analytics


def lost(error: Exception, events: list[dict[str, Any]]) -> None:
    """Called in another thread, for events that the client gives up."""
    print(f"{len(events)} events were given up: {error}", file=sys.stderr)


analytics.write_key = os.environ["SEGMENT_WRITE_KEY"]
analytics.host = os.environ["EVENTS_URL"]  # https://events.example.com, without /v1
analytics.gzip = True
analytics.on_error = lost

analytics.identify("u-7", {"email": "jane@example.com", "plan": "pro"})
analytics.track("u-7", "Trial Started", {"plan": "pro"})
analytics.shutdown()  # sends the remaining events
