"""A Lambda function for a queue of SQS, standard or FIFO. Lambda calls lambda_sqs.function."""

import logging

from iterable_destination import Destination, Settings
from iterable_destination.receivers.aws_lambda import sqs_function

logging.getLogger("iterable_destination").setLevel(logging.INFO)

destination = Destination(
    Settings.from_environment(),
    rates={"/api/events/trackBulk": 5, "/api/users/bulkUpdate": 2.5},  # half: two run at a time
)
function = sqs_function(destination)
