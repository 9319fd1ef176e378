"""The collector for Prometheus, in a registry and in several threads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from iterable_destination import Exchange
from iterable_destination.metrics import names
from iterable_destination.metrics.prometheus import PrometheusMetrics
from tests.support.exporting import Prometheus


def exchange(seconds: float = 0.2, **more: object) -> Exchange:
    fields = {"endpoint": "/v1/track", "items": 2, "status": 200, "error": None, "attempt": 1}
    return Exchange(**fields | {"seconds": seconds} | more)  # type: ignore[arg-type]


def test_a_registry_knows_the_names_before_there_is_anything() -> None:
    registry = CollectorRegistry()
    registry.register(PrometheusMetrics())
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        registry.register(PrometheusMetrics())


def test_what_is_exported_as_text_has_the_series_that_are_named() -> None:
    prometheus = Prometheus()
    prometheus.metrics.on_request(exchange())
    text = generate_latest(prometheus.registry).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert set(families) == {metric.family for metric in names.METRICS}
    for metric in names.METRICS:
        assert (families[metric.family].type, families[metric.family].documentation) == (
            metric.kind,
            metric.description,
        )
        assert {sample.name for sample in families[metric.family].samples} <= set(metric.series)


@pytest.mark.parametrize(
    ("seconds", "limit"),
    [(0, 0.01), (0.01, 0.01), (0.010001, 0.025), (60, 60), (60.1, float("inf"))],
)
def test_a_bucket_has_what_is_not_above_its_limit(seconds: float, limit: float) -> None:
    prometheus = Prometheus()
    prometheus.metrics.on_request(exchange(seconds))
    total, buckets = prometheus.read()[names.REQUEST_DURATION.name]["/v1/track",]
    assert total == seconds
    assert [high for high, count in buckets.items() if count] == [limit]


def test_threads_count_together() -> None:
    prometheus = Prometheus()

    def count() -> None:
        for _ in range(2_000):
            prometheus.metrics.on_request(exchange(0.5))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        prometheus.read()
    for thread in threads:
        thread.join()
    exported = prometheus.read()
    assert exported[names.REQUESTS.name] == {("/v1/track", "2xx", "none"): 8_000}
    assert exported[names.REQUEST_ITEMS.name] == {("/v1/track",): 16_000}
    assert exported[names.REQUEST_DURATION.name]["/v1/track",][0] == 4_000.0


def test_a_signal_handler_that_interrupts_it_can_count_and_collect() -> None:
    prometheus = Prometheus()

    class Interrupted(str):
        """Interrupts, once, whoever looks it up while he holds the lock."""

        __slots__ = ()
        is_over = False

        def __hash__(self) -> int:
            if not Interrupted.is_over and prometheus.metrics.lock._is_owned():  # type: ignore[attr-defined]
                Interrupted.is_over = True
                prometheus.metrics.on_request(exchange(endpoint="/other"))
                prometheus.read()
            return super().__hash__()

    prometheus.metrics.on_request(exchange(endpoint=Interrupted("/v1/track")))
    assert Interrupted.is_over
    assert prometheus.read()[names.REQUEST_ITEMS.name] == {("/v1/track",): 2, ("/other",): 2}


FORK = """
import os, sys, threading, warnings
warnings.filterwarnings("ignore", ".* is multi-threaded, use of fork", DeprecationWarning)
from iterable_destination import Exchange
from iterable_destination.metrics.prometheus import PrometheusMetrics
metrics = PrometheusMetrics()
exchange = Exchange(endpoint="/", items=1, seconds=1, status=200, error=None, attempt=1)
is_over = threading.Event()
def count():
    while not is_over.is_set():
        metrics.on_request(exchange)
threads = [threading.Thread(target=count) for _ in range(3)]
for thread in threads:
    thread.start()
for _ in range(20):
    child = os.fork()
    if child == 0:
        metrics.on_request(exchange)
        os._exit(len(list(metrics.collect())))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
is_over.set()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_fork_while_threads_count_leaves_the_child_able_to_count() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORK], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == [str(len(names.METRICS))] * 20
