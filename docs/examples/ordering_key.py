"""An order by email takes its time; the same person's next event, by userId, waits for it."""

from collections.abc import Callable
from typing import Any

from iterable_destination import Destination, Settings
from iterable_destination.testing import LocalIterable, Script, faults

EVENTS: list[dict[str, Any]] = [
    {
        "messageId": "m-1",
        "type": "track",
        "event": "Order Completed",
        "context": {"traits": {"email": "ada@example.com"}},
        "properties": {"total": 9, "products": [{"product_id": "1", "name": "A", "price": 9}]},
    },
    {"messageId": "m-2", "type": "track", "event": "Survey Answered", "userId": "u-7"},
]
#: Whose names these are, as your program knows it.
PERSONS = {"ada@example.com": "person-1", "u-7": "person-1"}


def person(event: dict[str, Any]) -> str | None:
    """Return whose event it is; None for somebody who is not known."""
    name = event.get("userId") or event["context"]["traits"]["email"]
    return PERSONS.get(name)


def send(ordering_key: Callable[[Any], str | None] | None) -> list[str | None]:
    """Send all; return the ids in the order in which Iterable took them."""
    slow = Script([faults.latency(1)], paths={"/api/commerce/trackPurchase"})
    with LocalIterable(faults=slow) as iterable:
        settings = Settings(api_key=iterable.api_key, base_url=iterable.url)
        with Destination(settings) as destination:
            for outcome in destination.send_all(EVENTS, ordering_key=ordering_key):
                assert outcome.name == "delivered"
        return [effect.id for effect in iterable.project.effects]


print("without a key:", send(None))
print("with a key:   ", send(person))
