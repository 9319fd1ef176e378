"""See every request: how much was in it, and how it ended."""

from iterable_destination import Destination, Exchange, RetryPolicy, Settings
from iterable_destination.testing import LocalIterable, Script, faults


def report(exchange: Exchange) -> None:
    """Called in the thread that made the request: be quick."""
    assert exchange.seconds < 30
    print(
        f"{exchange.endpoint}, attempt {exchange.attempt}:"
        f" items {exchange.items}, status {exchange.status}, error {exchange.error}"
    )


event = {"messageId": "m-1", "type": "track", "userId": "u-7", "event": "Signed Up"}

with LocalIterable(faults=Script([faults.reset(), faults.server_error(503)])) as iterable:
    settings = Settings(api_key=iterable.api_key, base_url=iterable.url)
    policy = RetryPolicy(initial_backoff=0)
    with Destination(settings, retry=policy, on_request=report) as destination:
        destination.send(event)
