"""Translate one event, and look at the request that would be made."""

import json

from iterable_destination import translate

event = {
    "messageId": "m-1001",
    "type": "track",
    "userId": "u-7",
    "event": "Trial Started",
    "timestamp": "2023-02-05T20:42:10.123Z",
    "context": {"traits": {"email": "jane@example.com"}},
    "properties": {"plan": "pro", "ends": "2023-03-05T00:00:00Z"},
}

translation = translate(event)

for call in translation.calls:
    print(call.endpoint.method, call.endpoint.path)
    print(json.dumps(call.body(), indent=2))
