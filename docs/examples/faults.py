"""Faults: an Iterable that fails in the way you choose."""

from collections.abc import Callable

from iterable_destination import Destination, Patience, Settings
from iterable_destination.testing import Answer, LocalIterable, Received


def down(_: Received, __: Callable[[], Answer]) -> Answer:
    """Fail without applying anything."""
    return Answer(503, {}, b"")


def garbled(_: Received, apply: Callable[[], Answer]) -> Answer:
    """Apply the request, and answer something that cannot be read."""
    apply()
    return Answer(200, {}, b"<html>")


event = {"messageId": "m-1", "type": "track", "userId": "u-7", "event": "Signed Up"}

for faults in (down, garbled):
    with LocalIterable(faults=faults) as iterable:
        settings = Settings(api_key=iterable.api_key, base_url=iterable.url)
        patience = Patience(deadline=0.2, first_wait=0.01)
        with Destination(settings, patience=patience) as destination:
            outcome = destination.send(event)
        stored = len(iterable.project.events("u-7"))
        print(f"{faults.__name__}: {outcome.name}, {stored} stored")
