"""A Lambda function behind API Gateway or a Function URL. Lambda calls lambda_http.function."""

import logging
import os

from iterable_destination import Settings
from iterable_destination.receivers.aws_lambda import http_handler
from iterable_destination.receivers.segment import webhook_app

logging.getLogger("iterable_destination").setLevel(logging.INFO)

application = webhook_app(
    Settings.from_environment(),
    shared_secret=os.environ["SEGMENT_SHARED_SECRET"].split(),
    header_secrets={"X-Events-Secret": os.environ["SEGMENT_HEADER_SECRET"].split()},
)
function = http_handler(application)
