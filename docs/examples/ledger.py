"""The ledger: what was applied, and how often."""

from iterable_destination import Destination, RetryPolicy, Settings
from iterable_destination.testing import LocalIterable, RandomFaults, faults

shares = {faults.reset(applied=True): 0.1, faults.cut(): 0.1, faults.server_error(): 0.1}

with LocalIterable(faults=RandomFaults(shares, seed=7)) as iterable:
    settings = Settings(api_key=iterable.api_key, base_url=iterable.url)
    with Destination(settings, retry=RetryPolicy(initial_backoff=0.001)) as destination:
        for number in range(100):
            event = {"messageId": f"m-{number}", "type": "track", "userId": "u-7", "event": "Seen"}
            assert destination.send(event).name == "delivered"

effects = iterable.project.effects
print(len({effect.id for effect in effects}), "events were applied", len(effects), "times")

ambiguous = {number for number, fault in iterable.faulted.items() if fault.ambiguous}
print(len(ambiguous), "times no answer said so")
doubtful = {effect.id for effect in effects if effect.request in ambiguous}
assert all(effect.created or effect.id in doubtful for effect in effects)

print(len(iterable.project.events("u-7")), "events are stored, for each has an id")
