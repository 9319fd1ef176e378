"""Export what delivery does to Prometheus."""

from iterable_destination import Destination, RetryPolicy, Settings
from iterable_destination.metrics.prometheus import PrometheusMetrics
from iterable_destination.testing import LocalIterable, Script, faults
from prometheus_client import CollectorRegistry, generate_latest

registry = CollectorRegistry()  # or prometheus_client.REGISTRY, the global one
metrics = PrometheusMetrics()
registry.register(metrics)

event = {"messageId": "m-1", "type": "track", "userId": "u-7", "event": "Signed Up"}

with LocalIterable(faults=Script([faults.server_error(503)])) as iterable:
    settings = Settings(api_key=iterable.api_key, base_url=iterable.url)
    policy = RetryPolicy(initial_backoff=0)
    with Destination(settings, retry=policy, on_request=metrics.on_request) as destination:
        metrics.watch(destination)  # and the outbox, if it delivers from one
        destination.send(event)
        text = generate_latest(registry).decode()

for line in text.splitlines():
    if "_bucket" not in line and "_sum" not in line and not line.startswith("#"):
        print(line)
