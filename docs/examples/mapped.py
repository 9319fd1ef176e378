"""Translate an event as subscriptions of your own say."""

import json
from pathlib import Path

from iterable_destination.mapping.actions import MappedTranslator, subscriptions_from_json

written = json.loads(Path("subscriptions.json").read_text("utf-8"))
translate = MappedTranslator(subscriptions_from_json(written))

event = {
    "messageId": "m-1001",
    "type": "track",
    "userId": "u-7",
    "event": "Trial Started",
    "properties": {"plan": "pro", "ends": "2023-03-05"},
}

translation = translate(event)

for call, name in zip(translation.calls, translation.subscriptions, strict=True):
    print(name, call.endpoint.path)
    print(json.dumps(call.body()))
