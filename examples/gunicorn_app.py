"""Segment's webhooks, under gunicorn: gunicorn --threads 16 gunicorn_app:application."""

import logging
import os

from iterable_destination import DeadLetters, Settings
from iterable_destination.receivers.segment import webhook_app

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")

settings = Settings.from_environment()
path = os.environ.get("DEAD_LETTERS")  # a file on a permanent disk; none on Cloud Run
application = webhook_app(
    settings,
    shared_secret=os.environ["SEGMENT_SHARED_SECRET"].split(),
    header_secrets={"X-Events-Secret": os.environ["SEGMENT_HEADER_SECRET"].split()},
    dead_letters=DeadLetters(path, secret=settings.api_key) if path else None,
)
