"""The names of metrics: one form for both exporters, and labels that are bounded."""

from __future__ import annotations

import re

import pytest

from iterable_destination import Exchange
from iterable_destination.metrics import names
from iterable_destination.metrics.names import METRICS, Metric, label_request


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_name_is_one_that_both_take(metric: Metric) -> None:
    assert re.fullmatch(r"[a-z][a-z_.]+", metric.name)
    assert re.fullmatch(r"[a-z][a-z_]+", metric.family)
    assert metric.unit == "s" or re.fullmatch(r"\{[a-z]+\}", metric.unit)
    assert metric.family.endswith("_seconds") == (metric.unit == "s")


def test_no_name_stands_twice() -> None:
    series = [name for metric in METRICS for name in metric.series]
    assert len(series) == len(set(series))
    assert len({metric.name for metric in METRICS}) == len(METRICS)


@pytest.mark.parametrize(
    ("metric", "series"),
    [
        (names.REQUESTS, ("iterable_destination_requests_total",)),
        (names.OUTBOX_OLDEST_AGE, ("iterable_destination_outbox_oldest_age_seconds",)),
        (
            names.REQUEST_DURATION,
            (
                "iterable_destination_request_duration_seconds_bucket",
                "iterable_destination_request_duration_seconds_count",
                "iterable_destination_request_duration_seconds_sum",
            ),
        ),
    ],
    ids=["counter", "gauge", "histogram"],
)
def test_prometheus_asks_for_a_metric_by_these(metric: Metric, series: tuple[str, ...]) -> None:
    assert metric.series == series


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (200, None, ("2xx", "none")),
        (429, "RateLimited", ("4xx", "RateLimited")),
        (None, "NotConnected", ("none", "NotConnected")),
    ],
)
def test_a_request_has_the_class_of_its_status(
    status: int | None, error: str | None, expected: tuple[str, str]
) -> None:
    exchange = Exchange(
        endpoint="/v1/track", items=1, seconds=0, status=status, error=error, attempt=1
    )
    assert label_request(exchange) == ("/v1/track", *expected)
