"""Hand what delivery does to OpenTelemetry."""

from iterable_destination import Destination, Settings
from iterable_destination.metrics.opentelemetry import OpenTelemetryMetrics
from iterable_destination.testing import LocalIterable
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

reader = InMemoryMetricReader()  # a service has one that exports, such as over OTLP
provider = MeterProvider([reader])
metrics = OpenTelemetryMetrics(provider)  # without an argument: the global provider

event = {"messageId": "m-1", "type": "track", "userId": "u-7", "event": "Signed Up"}

with LocalIterable() as iterable:
    settings = Settings(api_key=iterable.api_key, base_url=iterable.url)
    with Destination(settings, on_request=metrics.on_request) as destination:
        metrics.watch(destination)  # and the outbox, if it delivers from one
        destination.send(event)
        data = reader.get_metrics_data()

[scope] = data.resource_metrics[0].scope_metrics
for metric in scope.metrics:
    for point in metric.data.data_points:
        figure = point.count if hasattr(point, "count") else point.value
        print(metric.name, dict(point.attributes), figure)
provider.shutdown()
