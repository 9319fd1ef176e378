"""The instruments for OpenTelemetry: their units, and without an SDK."""

from __future__ import annotations

import subprocess
import sys

from iterable_destination import Exchange
from iterable_destination.metrics import names
from iterable_destination.testing import LocalIterable
from tests.support.delivering import delivering, track
from tests.support.exporting import OpenTelemetry

EXCHANGE = Exchange(endpoint="/v1/track", items=1, seconds=1, status=200, error=None, attempt=1)


def test_instruments_have_their_units_and_the_version() -> None:
    opentelemetry = OpenTelemetry()
    with (
        LocalIterable() as iterable,
        delivering(iterable, on_request=opentelemetry.metrics.on_request) as to,
    ):
        opentelemetry.metrics.watch(to)
        to.send(track(1))
        data = opentelemetry.reader.get_metrics_data()
    assert data is not None
    [resource] = data.resource_metrics
    [scope] = resource.scope_metrics
    assert scope.scope.name == "iterable_destination"
    known = {each.name: (each.unit, each.description) for each in names.METRICS}
    found = {each.name: (each.unit, each.description) for each in scope.metrics}
    missing = {names.RETRIES.name, names.OUTBOX_EVENTS.name, names.OUTBOX_OLDEST_AGE.name}
    assert found == {name: about for name, about in known.items() if name not in missing}


def test_the_buckets_are_those_of_prometheus() -> None:
    opentelemetry = OpenTelemetry()
    opentelemetry.metrics.on_request(EXCHANGE)
    _, buckets = opentelemetry.read()[names.REQUEST_DURATION.name]["/v1/track",]
    assert tuple(buckets) == (*names.BUCKETS, float("inf"))
    assert buckets[1.0] == 1


def test_without_an_sdk_nothing_happens() -> None:
    program = """
import sys
sys.modules["opentelemetry.sdk"] = None
from iterable_destination import Exchange
from iterable_destination.metrics.opentelemetry import OpenTelemetryMetrics
metrics = OpenTelemetryMetrics()
metrics.on_request(
    Exchange(endpoint="/v1/track", items=1, seconds=1, status=200, error=None, attempt=1)
)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
