"""Put events on disk; another program can deliver them from there."""

from iterable_destination import Outbox

events = [
    {"messageId": "m-31", "type": "identify", "userId": "u-7", "traits": {"plan": "pro"}},
    {"messageId": "m-32", "type": "track", "userId": "u-7", "event": "Trial Started"},
]

with Outbox("events.outbox", capacity=1_000_000) as outbox:
    for event in events:
        number = outbox.add(event)
        print(f"{event['messageId']} is on disk, as number {number}")
