"""Iterable's webhooks to Segment, under gunicorn: gunicorn --threads 16 source_app:application."""

import os

from iterable_destination.delivery.segment_destination import SegmentDestination
from iterable_destination.io.segment_client import SegmentClient
from iterable_destination.receivers.iterable import source_app
from iterable_destination.source import SourceOptions

client = SegmentClient(
    os.environ["SEGMENT_WRITE_KEY"],
    region=os.environ.get("SEGMENT_REGION", "US"),
    base_url=os.environ.get("SEGMENT_BASE_URL"),  # for tests: another server than Segment's
)
destination = SegmentDestination(client, options=SourceOptions(loop_guard=True))
application = source_app(destination, tokens=os.environ["ITERABLE_WEBHOOK_TOKEN"].split())
