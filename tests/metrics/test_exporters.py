"""Both exporters give what really happened, and the same."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from iterable_destination import AsyncDestination, Exchange, Outbox, Settings, errors
from iterable_destination.delivery import outbox_worker as worker
from iterable_destination.metrics import names
from iterable_destination.model.endpoints import DELIVERY_PATHS
from iterable_destination.testing import (
    Fault,
    LocalIterable,
    RandomFaults,
    Received,
    Response,
    faults,
)
from tests.support.delivering import applied, delivering, history, track, wait_until
from tests.support.exporting import Export, OpenTelemetry, Prometheus, tee


class Ledger:
    """Faults by chance, and the requests that came in, whatever became of them."""

    def __init__(self) -> None:
        self.busy = faults.server_error(503)
        self.cut = faults.reset(applied=True)
        self.decide = RandomFaults({self.busy: 0.2, self.cut: 0.1}, seed=7)
        self.received: list[Received] = []

    def __call__(self, received: Received, apply: Callable[[], Response]) -> Response | Fault:
        self.received.append(received)
        return self.decide(received, apply)


def items_of(received: Received) -> int:
    """Return how many items a request has."""
    key = {"/api/events/trackBulk": "events", "/api/users/bulkUpdate": "users"}.get(received.path)
    return 1 if key is None else len(json.loads(received.body)[key])


def test_what_is_exported_is_what_the_ledger_has() -> None:
    prometheus, opentelemetry = Prometheus(), OpenTelemetry()
    exchanges: list[Exchange] = []
    ledger = Ledger()
    watching = tee(
        exchanges.append, prometheus.metrics.on_request, opentelemetry.metrics.on_request
    )
    with (
        LocalIterable(faults=ledger) as iterable,
        delivering(iterable, on_request=watching) as to,
    ):
        prometheus.metrics.watch(to)
        opentelemetry.metrics.watch(to)
        outcomes = Counter(outcome.name for outcome in to.send_all(history(400, 40)))
        outcomes["rejected"] += to.send({"type": "track"}).name == "rejected"
        exported, retries = prometheus.read(), to.counters.retries
        same(opentelemetry.read(), exported)

    requests = exported[names.REQUESTS.name]
    by_path = Counter(received.path for received in ledger.received)
    by_class: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for (endpoint, status, _), count in requests.items():
        by_class[status] += count
        found[endpoint] += count
    assert found == by_path
    faulted = ledger.decide.counts
    assert (by_class["5xx"], by_class["none"]) == (faulted[ledger.busy], faulted[ledger.cut])
    assert by_class["2xx"] == len(ledger.received) - sum(faulted.values()) > 10

    items: Counter[str] = Counter()
    for received in ledger.received:
        items[received.path] += items_of(received)
    assert exported[names.REQUEST_ITEMS.name] == {(path,): count for path, count in items.items()}

    durations = exported[names.REQUEST_DURATION.name]
    for path in by_path:
        total, buckets = durations[path,]
        seconds = [each.seconds for each in exchanges if each.endpoint == path]
        assert total == pytest.approx(sum(seconds))
        assert sum(buckets.values()) == len(seconds)
        for limit in names.BUCKETS:
            below = sum(count for high, count in buckets.items() if high <= limit)
            assert below == sum(each <= limit for each in seconds)

    told = {(name,): outcomes[name] for name in ("delivered", "rejected", "unknown", "skipped")}
    assert exported[names.OUTCOMES.name] == told | {("retryable",): outcomes["retryable"]}
    assert outcomes["rejected"] == 1
    assert exported[names.RETRIES.name] == {(name,): count for name, count in retries.items()}
    assert set(retries) == {"ServerError", "AmbiguousAnswer"}
    assert exported[names.WAITING.name] == {(): 0}


def same(found: Export, expected: Export) -> None:
    """Fail unless two exports are the same but for the rounding of sums of seconds."""
    histogram = names.REQUEST_DURATION.name
    assert {**found, histogram: {}} == {**expected, histogram: {}}
    assert found[histogram] == {
        labels: (pytest.approx(total), buckets)
        for labels, (total, buckets) in expected[histogram].items()
    }


def test_labels_have_no_value_of_an_event_and_are_bounded() -> None:
    prometheus = Prometheus()
    with (
        LocalIterable(faults=Ledger()) as iterable,
        delivering(iterable, on_request=prometheus.metrics.on_request) as to,
    ):
        prometheus.metrics.watch(to)
        list(to.send_all(history(200, 20)))
        exported = prometheus.read()
    allowed = {
        "endpoint": DELIVERY_PATHS,
        "status": {"2xx", "5xx", "none"},
        "error": {name for name in vars(errors) if name[0].isupper()} | {names.NO_ERROR},
        "outcome": {"delivered", "skipped", "rejected", "retryable", "unknown"},
    }
    for metric in names.METRICS:
        for labels in exported.get(metric.name, {}):
            for name, value in zip(metric.labels, labels, strict=True):
                assert value in allowed[name], (metric.name, name)


def test_levels_of_an_outbox_follow_what_happens_to_iterable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_INITIAL_BACKOFF", 0.02)
    monkeypatch.setattr(worker, "_MAX_BACKOFF", 0.05)
    is_down = threading.Event()
    is_down.set()

    def react(_: Received, apply: Callable[[], Response]) -> Response | Fault:
        return faults.reset() if is_down.is_set() else apply()

    prometheus, opentelemetry = Prometheus(), OpenTelemetry()
    watching = tee(prometheus.metrics.on_request, opentelemetry.metrics.on_request)
    old = (datetime.now(UTC) - timedelta(minutes=10)).isoformat()
    with (
        LocalIterable(faults=react) as iterable,
        Outbox(tmp_path / "outbox") as outbox,
        delivering(iterable, on_request=watching) as to,
    ):
        for metrics in (prometheus.metrics, opentelemetry.metrics):
            metrics.watch(to, outbox)
        to.start(outbox=outbox)
        for number in range(3):
            to.enqueue(track(number, timestamp=old))
        wait_until(lambda: to.counters.requests.total() > 2)
        down = [prometheus.read(), opentelemetry.read()]
        is_down.clear()
        assert to.flush(20) == 0
        up = [prometheus.read(), opentelemetry.read()]
        assert applied(iterable.project.effects) == [0, 1, 2]
    for export in down:
        assert export[names.OUTBOX_EVENTS.name] == export[names.WAITING.name] == {(): 3}
        assert 600 <= export[names.OUTBOX_OLDEST_AGE.name][()] < 700
        assert export[names.OUTCOMES.name]["delivered",] == 0
    for export in up:
        assert export[names.OUTBOX_EVENTS.name] == export[names.WAITING.name] == {(): 0}
        assert names.OUTBOX_OLDEST_AGE.name not in export
        assert export[names.OUTCOMES.name]["delivered",] == 3
    same(up[1], up[0])


def test_what_waits_in_memory_is_exported() -> None:
    prometheus = Prometheus()
    may_go = threading.Event()

    def react(_: Received, apply: Callable[[], Response]) -> Response | Fault:
        may_go.wait(20)
        return apply()

    with LocalIterable(faults=react) as iterable, delivering(iterable) as to:
        prometheus.metrics.watch(to)
        to.start()
        for number in range(5):
            to.enqueue(track(number))
        wait_until(lambda: prometheus.read()[names.WAITING.name] == {(): 5})
        may_go.set()
        assert to.flush(20) == 0
        assert prometheus.read()[names.WAITING.name] == {(): 0}


def test_another_destination_can_be_watched() -> None:
    prometheus = Prometheus()
    with LocalIterable() as iterable, delivering(iterable) as first, delivering(iterable) as to:
        for each in (first, to):
            prometheus.metrics.watch(each)
        first.send(track(1))
        assert prometheus.read()[names.OUTCOMES.name]["delivered",] == 0


# --- what is missing


@pytest.mark.parametrize(
    ("module", "package", "install"),
    [
        ("prometheus", "prometheus_client", "pip install 'prometheus-client>=0.20'"),
        ("opentelemetry", "opentelemetry", "pip install 'opentelemetry-api>=1.30'"),
    ],
)
def test_who_lacks_a_package_is_told_how_to_install_it(
    module: str, package: str, install: str
) -> None:
    program = f"""
import sys
sys.modules[{package!r}] = None
import iterable_destination.metrics, iterable_destination.metrics.names
try:
    import iterable_destination.metrics.{module}
except ModuleNotFoundError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    title = {"prometheus": "Prometheus", "opentelemetry": "OpenTelemetry"}[module]
    assert done.stdout == f"metrics for {title} need one more package: {install}\n"


def test_a_destination_of_an_event_loop_is_watched_likewise() -> None:
    prometheus, opentelemetry = Prometheus(), OpenTelemetry()

    async def deliver(settings: Settings) -> tuple[Export, Export]:
        watching = tee(prometheus.metrics.on_request, opentelemetry.metrics.on_request)
        async with AsyncDestination(settings, on_request=watching) as to:
            prometheus.metrics.watch(to)
            opentelemetry.metrics.watch(to)
            to.start()
            to.enqueue(track(0))
            waiting = await asyncio.to_thread(prometheus.read)  # a server of metrics has a thread
            await to.flush()
            same(opentelemetry.read(), prometheus.read())
            return waiting, prometheus.read()

    with LocalIterable() as iterable:
        before, after = asyncio.run(
            deliver(Settings(api_key=iterable.api_key, base_url=iterable.url))
        )
    assert (before[names.WAITING.name][()], after[names.WAITING.name][()]) == (1, 0)
    assert after[names.OUTCOMES.name]["delivered",] == 1
    assert sum(after[names.REQUESTS.name].values()) == 1
