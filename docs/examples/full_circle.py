"""A Segment event goes in, an email is "sent", and what the user does with it comes back out."""

from typing import Any

from iterable_destination import Destination, Settings
from iterable_destination.delivery.segment_destination import SegmentDestination
from iterable_destination.io.segment_client import AnalyticsClient
from iterable_destination.receivers.dev_server import serve
from iterable_destination.receivers.iterable import source_app
from iterable_destination.testing import LocalIterable


class Printer:
    """Stands in for Segment's own client, ``segment.analytics.Client``."""

    def track(self, **call: Any) -> None:
        """Print a track call."""
        print(call["user_id"], call["event"], call["properties"].get("campaign_name"))


with (
    LocalIterable() as iterable,
    Destination(Settings(api_key=iterable.api_key, base_url=iterable.url)) as destination,
    SegmentDestination(AnalyticsClient(Printer())) as segment,
    serve(source_app(segment, tokens="a-token"), "127.0.0.1", 0) as address,
):
    destination.send({"type": "identify", "userId": "u-7", "traits": {"email": "ada@example.com"}})
    for event_name in ("emailSend", "emailOpen", "emailClick"):
        status = iterable.emit(address, event_name, "u-7", headers={"Authorization": "a-token"})
        print(event_name, "was answered", status)
