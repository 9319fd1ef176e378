"""Deliver what subscriptions of your own make, and see which of them failed."""

import json
from pathlib import Path

from iterable_destination import Destination, Settings

mapped = Settings(mappings=json.loads(Path("subscriptions.json").read_text("utf-8")))
settings = Settings.from_environment(base=mapped)

event = {
    "messageId": "m-1002",
    "type": "track",
    "userId": "u-7",
    "event": "Trial Started",
    "properties": {"plan": "pro", "email": "no email"},
}

with Destination(settings) as destination:
    outcome = destination.send(event)

print(outcome.name)
for failure in outcome.failures:
    print(failure.subscription, failure.outcome, "-", failure.error)
