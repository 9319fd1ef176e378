"""Send one event to the project that the environment names."""

from iterable_destination import Destination, Settings

event = {
    "messageId": "m-1001",
    "type": "identify",
    "userId": "u-7",
    "timestamp": "2023-02-05T20:42:10.123Z",
    "traits": {"email": "jane@example.com", "firstName": "Jane", "plan": "pro"},
}

with Destination(Settings.from_environment()) as destination:
    outcome = destination.send(event)

print(outcome.message_id, outcome.name)
