"""Hand in events, and have them sent from disk, by this process or the next."""

from iterable_destination import Destination, Outbox, Outcome, Settings


def report(outcome: Outcome) -> None:
    """Called in another thread, for every attempt of an event."""
    print(outcome.index, outcome.message_id, outcome.name)


outbox = Outbox("background.outbox")
destination = Destination(Settings.from_environment()).start(report, outbox=outbox)

number = destination.enqueue(
    {"messageId": "m-1", "type": "track", "userId": "u-7", "event": "Signed Up"}
)
left = destination.close(timeout=10)
print(f"number {number}: {left} left on disk")
outbox.close()
