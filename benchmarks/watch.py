"""What it costs to watch delivery, as ratios of delivery that nobody watches.

Run ``python benchmarks/watch.py``. Orders go to a server in a process of its own that accepts
everything, one request for each, which is where a callback after each request costs most. Each
slice that is watched is held against those before and after it, which nobody watches.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from statistics import median
from typing import Any, Final

from bare_server import running
from corpora import CORPORA, call_kind
from deliver import deliver, of_many_users, on_one_core, settings_at
from measure import machine
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from iterable_destination.metrics.opentelemetry import OpenTelemetryMetrics
from iterable_destination.metrics.prometheus import PrometheusMetrics

_CORPUS: Final = "spec"
_EVENTS_FOR_AN_ORDER: Final = 40


def make_callbacks(provider: MeterProvider) -> dict[str, Callable[[Any], object]]:
    """Return what is called after each request, by its name."""
    return {
        "a function that does nothing": lambda _: None,
        "Prometheus": PrometheusMetrics().on_request,
        "OpenTelemetry, with its SDK": OpenTelemetryMetrics(provider).on_request,
    }


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--orders", type=int, default=500, help="in a slice")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    events = CORPORA[_CORPUS](_EVENTS_FOR_AN_ORDER * arguments.orders, 1)
    orders = [each for each in events if call_kind(each) == "order"][: arguments.orders]
    lines = of_many_users(orders)
    provider = MeterProvider([InMemoryMetricReader()])
    callbacks = make_callbacks(provider)
    ratios: dict[str, list[float]] = {name: [] for name in callbacks}
    alone = []
    with running() as url, on_one_core():
        settings = settings_at(url, _CORPUS)
        deliver(settings, lines)
        alone.append(deliver(settings, lines)[0])
        for name, callback in [*callbacks.items()] * arguments.rounds:
            watched, _ = deliver(settings, lines, on_request=callback)
            alone.append(deliver(settings, lines)[0])
            ratios[name].append(2 * watched / (alone[-2] + alone[-1]))
    provider.shutdown()
    print(f"{len(lines):,} orders in a slice; {machine()}\n")
    print(f"nobody watches: {1e6 * median(alone) / len(lines):.0f} µs an order")
    for name, found in ratios.items():
        low, high = min(found), max(found)
        print(f"{name}: {median(found):.2f} of that ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
