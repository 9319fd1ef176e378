"""A Cloud Run function (Google Cloud Functions) for Segment's webhooks. Its name is receive."""

import logging
import os

import functions_framework

from iterable_destination import Settings
from iterable_destination.receivers.cloud_functions import http_function
from iterable_destination.receivers.segment import webhook_app

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")

application = webhook_app(
    Settings.from_environment(),
    shared_secret=os.environ["SEGMENT_SHARED_SECRET"].split(),
    header_secrets={"X-Events-Secret": os.environ["SEGMENT_HEADER_SECRET"].split()},
)
receive = functions_framework.http(http_function(application))
