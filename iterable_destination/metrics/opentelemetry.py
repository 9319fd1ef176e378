"""Metrics for OpenTelemetry: instruments over a destination and an outbox.

It needs the package ``opentelemetry-api``, which the extra ``[metrics]`` installs. An SDK, which
the program sets up, sends them somewhere; without one nothing happens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from iterable_destination import __version__
from iterable_destination.io.outbox_protocol import AnyOutbox
from iterable_destination.metrics import names
from iterable_destination.metrics.names import BUCKETS, Metric, label_request
from iterable_destination.metrics.readings import Readings, Watched
from iterable_destination.model.exchange import Exchange

try:
    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation, get_meter
except ModuleNotFoundError as error:
    if error.name is None or error.name.partition(".")[0] != "opentelemetry":
        raise
    needed = (
        "metrics for OpenTelemetry need one more package: pip install 'opentelemetry-api>=1.30'"
    )
    raise ModuleNotFoundError(needed, name=error.name) from None

__all__ = ["OpenTelemetryMetrics"]


class OpenTelemetryMetrics:
    """The instruments of all metrics of one destination.

    Hand :meth:`on_request` to the destination, and the destination to :meth:`watch`. Safe to use
    from several threads, but not in a signal handler: the locks of OpenTelemetry's SDK would wait
    for the thread that it interrupts.
    """

    def __init__(self, meter_provider: MeterProvider | None = None) -> None:
        """Make the instruments; nothing is counted yet.

        ``meter_provider`` None is the global one.
        """
        self._readings: Final = Readings()
        meter = get_meter("iterable_destination", __version__, meter_provider)
        self._requests: Final = meter.create_counter(**_describe(names.REQUESTS))
        self._items: Final = meter.create_counter(**_describe(names.REQUEST_ITEMS))
        self._seconds: Final = meter.create_histogram(
            **_describe(names.REQUEST_DURATION), explicit_bucket_boundaries_advisory=BUCKETS
        )
        for metric in (names.RETRIES, names.OUTCOMES):
            meter.create_observable_counter(**self._observe_counts(metric))
        for metric in (names.WAITING, names.OUTBOX_EVENTS, names.OUTBOX_OLDEST_AGE):
            meter.create_observable_gauge(**self._observe_level(metric))

    def on_request(self, exchange: Exchange) -> None:
        """Count a request: for the argument ``on_request`` of a destination."""
        labels = zip(names.REQUESTS.labels, label_request(exchange), strict=True)
        self._requests.add(1, dict(labels))
        endpoint = {"endpoint": exchange.endpoint}
        self._items.add(exchange.items, endpoint)
        self._seconds.record(exchange.seconds, endpoint)

    def watch(self, destination: Watched, outbox: AnyOutbox | None = None) -> None:
        """Observe the outcomes, the retries and the levels of these from now on.

        ``outbox`` is the one that the destination delivers from; None has no metrics of one. A
        second call watches others instead.
        """
        self._readings.watch(destination, outbox)

    def _observe_counts(self, metric: Metric) -> dict[str, Any]:
        [label] = metric.labels

        def observe(_: CallbackOptions) -> Iterator[Observation]:
            for value, count in self._readings.counts(metric).items():
                yield Observation(count, {label: value})

        return _describe(metric) | {"callbacks": [observe]}

    def _observe_level(self, metric: Metric) -> dict[str, Any]:
        def observe(_: CallbackOptions) -> Iterable[Observation]:
            level = self._readings.level(metric)
            return [] if level is None else [Observation(level)]

        return _describe(metric) | {"callbacks": [observe]}


def _describe(metric: Metric) -> dict[str, Any]:
    """Return what each instrument is made with."""
    return {"name": metric.name, "unit": metric.unit, "description": metric.description}
