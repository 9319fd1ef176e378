"""What the exporters of metrics give, in one form that can be compared."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from prometheus_client import CollectorRegistry

from iterable_destination import Exchange
from iterable_destination.metrics.names import METRICS, Metric
from iterable_destination.metrics.opentelemetry import OpenTelemetryMetrics
from iterable_destination.metrics.prometheus import PrometheusMetrics

#: By the labels of a metric, in its order: a number, or of a histogram the sum and the buckets.
Values = dict[tuple[str, ...], Any]
#: By the name of a metric.
Export = dict[str, Values]


class Prometheus:
    """The collector in a registry of its own."""

    def __init__(self) -> None:
        self.metrics = PrometheusMetrics()
        self.registry = CollectorRegistry()
        self.registry.register(self.metrics)

    def read(self) -> Export:
        families = {family.name: family for family in self.registry.collect()}
        found = {metric.name: self._values(families[metric.family], metric) for metric in METRICS}
        return {name: values for name, values in found.items() if values}

    @staticmethod
    def _values(family: Any, metric: Metric) -> Values:
        if metric.kind != "histogram":
            return {_in_order(each.labels, metric): each.value for each in family.samples}
        sums: Values = {}
        buckets: dict[tuple[str, ...], dict[float, float]] = {}
        for each in family.samples:
            labels = _in_order(each.labels, metric)
            if each.name.endswith("_sum"):
                sums[labels] = each.value
            elif each.name.endswith("_bucket"):
                buckets.setdefault(labels, {0.0: 0.0})[float(each.labels["le"])] = each.value
        return {
            labels: (
                sums[labels],
                {high: counts[high] - counts[low] for low, high in pairwise(sorted(counts))},
            )
            for labels, counts in buckets.items()
        }


class OpenTelemetry:
    """The instruments, with an SDK that keeps what it gets in memory."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader], shutdown_on_exit=False)
        self.metrics = OpenTelemetryMetrics(self.provider)

    def read(self) -> Export:
        data = self.reader.get_metrics_data()
        if data is None:
            return {}
        found = {
            each.name: each.data.data_points
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for each in scope.metrics
        }
        labels = {metric.name: metric for metric in METRICS}
        return {
            name: {_in_order(each.attributes or {}, labels[name]): _value(each) for each in points}
            for name, points in found.items()
        }


def _value(point: Any) -> Any:
    if isinstance(point, HistogramDataPoint):
        limits = (*point.explicit_bounds, math.inf)
        return point.sum, dict(zip(limits, point.bucket_counts, strict=True))
    return point.value


def _in_order(labels: Mapping[str, Any], metric: Metric) -> tuple[str, ...]:
    assert set(labels) - {"le"} == set(metric.labels)
    return tuple(labels[name] for name in metric.labels)


def tee(*callbacks: Callable[[Exchange], object]) -> Callable[[Exchange], None]:
    """Return a callback that calls each of these."""

    def call(exchange: Exchange) -> None:
        for callback in callbacks:
            callback(exchange)

    return call
