"""A Lambda function for an SQS queue, standard or FIFO. Lambda calls lambda_sqs.function."""

import logging

from iterable_destination import Destination, Settings
from iterable_destination.receivers.aws_lambda import sqs_handler

logging.getLogger("iterable_destination").setLevel(logging.INFO)

destination = Destination(
    Settings.from_environment(),
    rate_limits={
        "/api/events/trackBulk": 5,
        "/api/users/bulkUpdate": 2.5,
    },  # half: two run at a time
)
function = sqs_handler(destination)
