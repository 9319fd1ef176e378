"""One user's profile fails for now: that user's later event waits, nobody else does."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from iterable_destination import Destination, RetryPolicy, Settings
from iterable_destination.testing import Fault, LocalIterable, Received, Response, faults

EVENTS: list[dict[str, Any]] = [
    {"messageId": "m-1", "type": "identify", "userId": "u-7", "traits": {"plan": "pro"}},
    {"messageId": "m-2", "type": "identify", "userId": "u-8", "traits": {"plan": "free"}},
    {"messageId": "m-3", "type": "track", "userId": "u-7", "event": "Trial Started"},
    {"messageId": "m-4", "type": "track", "userId": "u-8", "event": "Trial Started"},
]
down = True


def fails_for_u_7(received: Received, apply: Callable[[], Response]) -> Response | Fault:
    """Fail whenever this user's profile is in the request, as long as it is down."""
    in_it = b'"u-7"' in received.body and received.path.startswith("/api/users/")
    return faults.server_error(503) if down and in_it else apply()


with LocalIterable(faults=fails_for_u_7) as iterable:
    settings = Settings(api_key=iterable.api_key, base_url=iterable.url)
    with Destination(settings, retry=RetryPolicy(initial_backoff=0.01)) as destination:
        outcomes = sorted(destination.send_all(EVENTS), key=attrgetter("index"))
        for outcome in outcomes:
            print(outcome.message_id, outcome.name, outcome.message or "")

        down = False
        names = {"retryable", "unknown"}
        again = [EVENTS[outcome.index] for outcome in outcomes if outcome.name in names]
        for outcome in destination.send_all(again):
            print(outcome.message_id, outcome.name, "the second time")
