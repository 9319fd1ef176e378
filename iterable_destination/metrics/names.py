"""The metrics: their names, units and labels, the same for every exporter.

The values of labels are bounded: endpoints as Iterable documents them, classes of statuses, names
of errors' classes and of outcomes.
"""

from __future__ import annotations

from typing import Final, Literal

import attrs

from iterable_destination.model.exchange import Exchange

#: The label ``error`` of a request that was accepted.
NO_ERROR: Final = "none"
#: The upper bounds of the histogram's buckets, in seconds: from a quick response to the longest
#: that a client waits for.
BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@attrs.frozen
class Metric:
    """A metric."""

    #: Its name for OpenTelemetry.
    name: str
    kind: Literal["counter", "histogram", "gauge"]
    #: Its unit by the Unified Code for Units of Measure, as OpenTelemetry has it.
    unit: str
    description: str
    labels: tuple[str, ...] = ()

    @property
    def family(self) -> str:
        """Its name for Prometheus, without the ending that a counter has there.

        It is what OpenTelemetry's own exporters for Prometheus make of :attr:`name`.
        """
        name = self.name.replace(".", "_")
        return f"{name}_seconds" if self.unit == "s" else name

    @property
    def series(self) -> tuple[str, ...]:
        """The names by which Prometheus is asked for it."""
        if self.kind == "histogram":
            return tuple(f"{self.family}_{part}" for part in ("bucket", "count", "sum"))
        return (f"{self.family}_total" if self.kind == "counter" else self.family,)


REQUESTS: Final = Metric(
    "iterable_destination.requests",
    "counter",
    "{request}",
    "HTTP requests that were made, repeats included",
    ("endpoint", "status", "error"),
)
REQUEST_DURATION: Final = Metric(
    "iterable_destination.request.duration",
    "histogram",
    "s",
    "Seconds that a request took",
    ("endpoint",),
)
REQUEST_ITEMS: Final = Metric(
    "iterable_destination.request.items",
    "counter",
    "{item}",
    "Items that requests carried, repeats included",
    ("endpoint",),
)
RETRIES: Final = Metric(
    "iterable_destination.retries",
    "counter",
    "{retry}",
    "Requests that are sent again, by what was wrong",
    ("error",),
)
OUTCOMES: Final = Metric(
    "iterable_destination.outcomes",
    "counter",
    "{event}",
    "Events by the name of their outcome; of an outbox, every attempt",
    ("outcome",),
)
WAITING: Final = Metric(
    "iterable_destination.waiting",
    "gauge",
    "{event}",
    "Events that were handed to enqueue and have no outcome yet",
)
OUTBOX_EVENTS: Final = Metric(
    "iterable_destination.outbox.events", "gauge", "{event}", "Events in the outbox"
)
OUTBOX_OLDEST_AGE: Final = Metric(
    "iterable_destination.outbox.oldest_age",
    "gauge",
    "s",
    "Seconds since the first event in the outbox happened",
)
#: All of them, in the order in which they are shown.
METRICS: Final = (
    REQUESTS,
    REQUEST_DURATION,
    REQUEST_ITEMS,
    RETRIES,
    OUTCOMES,
    WAITING,
    OUTBOX_EVENTS,
    OUTBOX_OLDEST_AGE,
)


def label_request(exchange: Exchange) -> tuple[str, str, str]:
    """Return the values of the labels of :data:`REQUESTS`, in their order."""
    return exchange.endpoint, exchange.status_class, exchange.error or NO_ERROR
