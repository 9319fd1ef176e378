"""A Lambda function for a Kinesis stream. Lambda calls lambda_kinesis.function."""

import logging

from iterable_destination import Destination, Settings
from iterable_destination.receivers.aws_lambda import kinesis_handler

logging.getLogger("iterable_destination").setLevel(logging.INFO)

destination = Destination(
    Settings.from_environment(),
    rate_limits={"/api/events/trackBulk": 5, "/api/users/bulkUpdate": 2.5},  # half: two shards
)
function = kinesis_handler(destination)
