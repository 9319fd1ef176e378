"""A Lambda function for an EventBridge rule. Lambda calls lambda_eventbridge.function."""

import logging

from iterable_destination import Destination, Settings
from iterable_destination.receivers.aws_lambda import eventbridge_handler

logging.getLogger("iterable_destination").setLevel(logging.INFO)

destination = Destination(Settings.from_environment())
function = eventbridge_handler(destination)
