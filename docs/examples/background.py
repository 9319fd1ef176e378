"""Hand in events while a web request is answered, and have them sent in the background."""

from iterable_destination import Destination, Outcome, QueueFull, Settings


def report(outcome: Outcome) -> None:
    """Called in another thread, for every event."""
    print(outcome.index, outcome.message_id, outcome.name)


destination = Destination(Settings.from_environment()).start(report, capacity=5_000)

for message_id, name in (("m-1", "Signed Up"), ("m-2", "Trial Started")):
    event = {"messageId": message_id, "type": "track", "userId": "u-7", "event": name}
    try:
        destination.enqueue(event)
    except QueueFull:
        print(message_id, "was not taken: count it, log it, or answer 503")

left = destination.flush(timeout=10)
print(left, "left")
destination.close()
