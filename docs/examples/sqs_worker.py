"""Deliver the events of an SQS queue, each message one event in JSON."""

import json
import os
from typing import Any

from iterable_destination import DeadLetters, Destination, Settings

#: What is done with. A rejected event is kept as a dead letter; another one comes again.
DONE = {"delivered", "skipped", "rejected"}


def read_event(message: Any) -> Any:
    """Return the event of a message; what is no JSON is rejected as it is."""
    try:
        return json.loads(message.body)
    except ValueError:
        return message.body


def deliver_batch(queue: Any, destination: Destination) -> int:
    """Receive at most ten messages, deliver them, and delete those that are done with."""
    messages = queue.receive_messages(
        MaxNumberOfMessages=10,
        WaitTimeSeconds=20,
        AttributeNames=["MessageGroupId"],
    )
    groups = iter([(message.attributes or {}).get("MessageGroupId") for message in messages])
    is_ordered = queue.url.endswith(".fifo")  # else a group is there for fairness
    outcomes = destination.send_all(
        [read_event(message) for message in messages],
        timeout=20,  # less than the visibility timeout of the queue
        ordering_key=(lambda _: next(groups)) if is_ordered else None,
    )
    done = [messages[outcome.index] for outcome in outcomes if outcome.name in DONE]
    if done:
        queue.delete_messages(
            Entries=[
                {"Id": str(number), "ReceiptHandle": message.receipt_handle}
                for number, message in enumerate(done)
            ]
        )
    return len(done)


def main() -> None:
    """Deliver until the process is ended."""
    import boto3  # noqa: PLC0415 - only here is it needed

    queue = boto3.resource("sqs").Queue(os.environ["QUEUE_URL"])
    with (
        DeadLetters("sqs-dead.jsonl") as dead,
        Destination(Settings.from_environment(), dead_letters=dead) as destination,
    ):
        while True:
            deliver_batch(queue, destination)


if __name__ == "__main__":
    main()
