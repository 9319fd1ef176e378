"""See what is repeated and why: in the log, and in numbers."""

import logging
import sys

from iterable_destination import Destination, RetryPolicy, Settings
from iterable_destination.testing import LocalIterable, Script, faults

logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(name)s %(message)s")
logging.getLogger("iterable_destination").setLevel(logging.INFO)

event = {"messageId": "m-1", "type": "track", "userId": "u-7", "event": "Signed Up"}

with LocalIterable(faults=Script([faults.server_error(503)])) as iterable:
    settings = Settings(api_key=iterable.api_key, base_url=iterable.url)
    with Destination(settings, retry=RetryPolicy(initial_backoff=0)) as destination:
        destination.send(event)
        counters = destination.counters

print("events", dict(counters.outcomes))
print("requests", dict(counters.requests))
print("sent again", dict(counters.retries))
print("seconds waited", counters.waits)
