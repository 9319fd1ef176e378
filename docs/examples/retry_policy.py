"""Give up after two seconds: a web request is waiting."""

from iterable_destination import Destination, RetryPolicy, Settings

settings = Settings.from_environment()

with Destination(settings, retry=RetryPolicy(deadline=2.0)) as destination:
    outcome = destination.send({"type": "track", "userId": "u-7", "event": "Signed Up"})

print(outcome.name)
