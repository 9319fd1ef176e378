"""Metrics for Prometheus: a collector over a destination and an outbox.

It needs the package ``prometheus-client``, which the extra ``[metrics]`` installs.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Final

from iterable_destination.io.lifecycle import ForkSafe
from iterable_destination.io.outbox_protocol import AnyOutbox
from iterable_destination.metrics import names
from iterable_destination.metrics.names import BUCKETS, Metric, label_request
from iterable_destination.metrics.readings import Readings, Watched
from iterable_destination.model.exchange import Exchange

try:
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )
    from prometheus_client.core import Metric as Family
except ModuleNotFoundError as error:
    if error.name is None or error.name.partition(".")[0] != "prometheus_client":
        raise
    needed = "metrics for Prometheus need one more package: pip install 'prometheus-client>=0.20'"
    raise ModuleNotFoundError(needed, name=error.name) from None

__all__ = ["PrometheusMetrics"]

#: The limits of the buckets as Prometheus writes them.
_LIMITS: Final = (*map(str, BUCKETS), "+Inf")


class PrometheusMetrics(ForkSafe):
    """A collector of all metrics of one destination, for a registry of ``prometheus_client``.

    Hand :meth:`on_request` to the destination, the destination to :meth:`watch`, and the collector
    to ``REGISTRY.register``. Safe to use from several threads. In the multiprocess mode of
    ``prometheus_client`` no custom collector works, and this is one.
    """

    def __init__(self) -> None:
        """Make a collector; nothing is counted yet."""
        self._readings: Final = Readings()
        #: Requests by their labels; items by endpoint.
        self._requests: Final[Counter[tuple[str, ...]]] = Counter()
        self._items: Final[Counter[tuple[str, ...]]] = Counter()
        #: By endpoint: requests in each bucket, without those in smaller ones, and all seconds.
        self._buckets: Final[dict[str, list[int]]] = {}
        self._seconds: Final[dict[str, float]] = {}
        super().__init__()

    def after_fork(self) -> None:
        """Do nothing: a child process goes on counting from what its parent had."""

    def on_request(self, exchange: Exchange) -> None:
        """Count a request: for the argument ``on_request`` of a destination."""
        endpoint, seconds = exchange.endpoint, exchange.seconds
        with self.lock:
            self._requests[label_request(exchange)] += 1
            self._items[endpoint,] += exchange.items
            buckets = self._buckets.setdefault(endpoint, [0] * len(_LIMITS))
            buckets[bisect_left(BUCKETS, seconds)] += 1
            self._seconds[endpoint] = self._seconds.get(endpoint, 0.0) + seconds

    def watch(self, destination: Watched, outbox: AnyOutbox | None = None) -> None:
        """Collect the outcomes, the retries and the levels of these from now on.

        ``outbox`` is the one that the destination delivers from; None has no metrics of one. A
        second call watches others instead.
        """
        self._readings.watch(destination, outbox)

    def describe(self) -> Iterator[Family]:
        """Yield every metric without values, so that a registry knows their names."""
        yield from map(_make_family, names.METRICS)

    def collect(self) -> Iterator[Family]:
        """Yield every metric with its values at this moment."""
        with self.lock:
            requests, items = dict(self._requests), dict(self._items)
            durations = {
                endpoint: (list(buckets), self._seconds[endpoint])
                for endpoint, buckets in self._buckets.items()
            }
        yield _make_counter(names.REQUESTS, requests)
        yield _make_histogram(names.REQUEST_DURATION, durations)
        yield _make_counter(names.REQUEST_ITEMS, items)
        for metric in (names.RETRIES, names.OUTCOMES):
            counts = self._readings.counts(metric)
            yield _make_counter(metric, {(label,): count for label, count in counts.items()})
        for metric in (names.WAITING, names.OUTBOX_EVENTS, names.OUTBOX_OLDEST_AGE):
            yield _make_gauge(metric, self._readings.level(metric))


def _make_family(metric: Metric) -> Family:
    if metric.kind == "counter":
        return _make_counter(metric, {})
    return _make_histogram(metric, {}) if metric.kind == "histogram" else _make_gauge(metric, None)


def _make_counter(metric: Metric, values: Mapping[tuple[str, ...], int]) -> Family:
    family = CounterMetricFamily(metric.family, metric.description, labels=metric.labels)
    for labels, value in sorted(values.items()):
        family.add_metric(labels, value)
    return family


def _make_histogram(metric: Metric, values: Mapping[str, tuple[list[int], float]]) -> Family:
    family = HistogramMetricFamily(metric.family, metric.description, labels=metric.labels)
    for label, (buckets, total) in sorted(values.items()):
        counts = zip(_LIMITS, map(float, accumulate(buckets)), strict=True)
        family.add_metric([label], list(counts), total)
    return family


def _make_gauge(metric: Metric, value: float | None) -> Family:
    family = GaugeMetricFamily(metric.family, metric.description)
    if value is not None:
        family.add_metric([], value)
    return family
