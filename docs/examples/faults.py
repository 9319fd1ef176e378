"""Faults: an Iterable that fails in the way you choose."""

from collections.abc import Callable
from itertools import repeat

from iterable_destination import Destination, RetryPolicy, Settings
from iterable_destination.testing import Fault, LocalIterable, Received, Response, Script, faults


def down_for_u_7(received: Received, apply: Callable[[], Response]) -> Response | Fault:
    """Fail for one user, and do what is asked for all others."""
    return faults.server_error(503) if b'"u-7"' in received.body else apply()


event = {"messageId": "m-1", "type": "track", "userId": "u-7", "event": "Signed Up"}

for title, chosen in {
    "down for a moment": Script([faults.server_error(502, html=True), faults.reset()]),
    "the answer is lost once": Script([faults.reset(applied=True)]),
    "no answer is ever whole": Script(repeat(faults.cut()), paths={"/api/events/track"}),
    "down for this user": down_for_u_7,
}.items():
    with LocalIterable(faults=chosen) as iterable:
        settings = Settings(api_key=iterable.api_key, base_url=iterable.url)
        retry = RetryPolicy(deadline=0.5, initial_backoff=0.01)
        with Destination(settings, retry=retry) as destination:
            outcome = destination.send(event)
        stored = len(iterable.project.events("u-7"))
        print(f"{title}: {outcome.name}, {stored} stored")
