"""Deliver the events of a topic. A small cluster that librdkafka has for tests stands in."""

import json
from typing import Any

from confluent_kafka import Producer
from iterable_destination import Destination, Outcome, Settings
from iterable_destination.receivers.kafka import KafkaDeadLetters, Position, consume

EVENTS: list[dict[str, Any]] = [
    {"messageId": "m-1", "type": "identify", "userId": "u-7", "traits": {"plan": "pro"}},
    {"messageId": "m-2", "type": "track", "event": "Trial Started"},  # whose?
    {"messageId": "m-3", "type": "track", "event": "Trial Started", "userId": "u-7"},
]

cluster = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "none", "log_level": 0})
[broker] = cluster.list_topics(timeout=10).brokers.values()
servers = {"bootstrap.servers": f"{broker.host}:{broker.port}"}

producer = Producer({**servers, "log_level": 0})
for event in EVENTS:
    producer.produce("events", json.dumps(event), key="u-7")
producer.flush(10)

told: list[Outcome] = []


def tell(at: Position, outcome: Outcome) -> None:
    """Print what became of an event."""
    told.append(outcome)
    print(f"{at.topic}, offset {at.offset}: {outcome.message_id} {outcome.name}")


settings = Settings.from_environment()
letters = KafkaDeadLetters("events.dead", servers, secret=settings.api_key)
with Destination(settings, dead_letters=letters) as destination:
    consume(
        destination,
        ["events"],
        {**servers, "group.id": "iterable"},
        on_outcome=tell,
        is_stopped=lambda: len(told) == len(EVENTS),
    )
