"""A callback is told of each request that was made, and cannot disturb the delivery."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from iterable_destination import (
    Destination,
    Exchange,
    RetryPolicy,
    SegmentClient,
    SegmentDestination,
    Settings,
)
from iterable_destination.delivery.policies import Runtime
from iterable_destination.model.endpoints import Endpoint
from iterable_destination.model.responses import ApiResponse
from iterable_destination.testing import Fault, LocalIterable, RandomFaults, Script, faults
from tests.support.delivering import (
    delivering,
    history,
    identify,
    names,
    settings_of,
    together,
    track,
    wait_until,
)
from tests.support.segment_server import KEY, running_segment

TRACK = "/api/events/track"


@contextmanager
def watched(
    *script: Fault, **options: Any
) -> Iterator[tuple[LocalIterable, Destination, list[Exchange]]]:
    exchanges: list[Exchange] = []
    with (
        LocalIterable(faults=Script(script)) as iterable,
        delivering(iterable, on_request=exchanges.append, **options) as to,
    ):
        yield iterable, to, exchanges


def essence(exchange: Exchange) -> tuple[Any, ...]:
    """Return all of an exchange but its seconds."""
    return (
        exchange.endpoint,
        exchange.items,
        exchange.status,
        exchange.error,
        exchange.attempt,
    )


def test_each_attempt_of_an_event_is_told_with_its_number() -> None:
    with watched(faults.server_error(503), faults.rate_limited(0)) as (_, to, exchanges):
        assert to.send(track(1)).name == "delivered"
    assert [essence(each) for each in exchanges] == [
        (TRACK, 1, 503, "ServerError", 1),
        (TRACK, 1, 429, "RateLimited", 2),
        (TRACK, 1, 200, None, 3),
    ]


@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [
        (faults.reset(), None, "AmbiguousAnswer"),
        (faults.cut(), None, "AmbiguousAnswer"),
        (faults.not_json(), 200, "AmbiguousAnswer"),
        (faults.redirect(), 302, "WrongAddress"),
    ],
    ids=["reset", "cut", "not JSON", "redirect"],
)
def test_an_error_is_told_by_its_status_and_its_class(
    fault: Fault, status: int | None, error: str
) -> None:
    with watched(fault) as (_, to, exchanges):
        to.send(track(1))
    assert (exchanges[0].status, exchanges[0].error) == (status, error)


def test_a_request_that_finds_no_server_is_told() -> None:
    exchanges: list[Exchange] = []
    once = RetryPolicy(deadline=0)
    with LocalIterable() as iterable:
        settings = settings_of(iterable)
    with Destination(settings, retry=once, on_request=exchanges.append) as to:
        assert to.send(track(1)).name == "retryable"
    assert essence(exchanges[0]) == (TRACK, 1, None, "NotConnected", 1)


def test_a_bulk_is_one_request_with_its_items() -> None:
    with watched() as (_, to, exchanges):
        events = [track(n, f"u-{n}") for n in range(30)]
        assert set(names(to.send_all(together(to, events)))) == {"delivered"}
    assert [essence(each) for each in exchanges] == [("/api/events/trackBulk", 30, 200, None, 1)]


def test_the_seconds_are_those_of_the_request() -> None:
    with watched(faults.latency(0.2)) as (_, to, exchanges):
        to.send(track(1))
        to.send(track(2))
    slow, quick = (exchange.seconds for exchange in exchanges)
    assert 0.2 <= slow < 5
    assert 0 < quick < slow


def test_seconds_are_never_negative() -> None:
    now = 10.0

    class Client:
        def request(self, *_: Any, **__: Any) -> ApiResponse:
            nonlocal now
            now -= 1
            return ApiResponse(200, {}, "Success", "", None)

        def close(self) -> None:
            pass

    client: Any = Client()
    exchanges: list[Exchange] = []
    runtime = Runtime(clock=lambda: now)
    settings = Settings(api_key="k")
    with Destination(settings, client=client, on_request=exchanges.append, _runtime=runtime) as to:
        to.send(track(1))
    assert [exchange.seconds for exchange in exchanges] == [0.0]


def test_as_many_requests_are_told_as_are_counted() -> None:
    exchanges: list[Exchange] = []
    shares = {faults.server_error(503): 0.2, faults.reset(applied=True): 0.1}
    with (
        LocalIterable(faults=RandomFaults(shares, seed=3)) as iterable,
        delivering(iterable, on_request=exchanges.append) as to,
    ):
        assert len(list(to.send_all(history(400, 40)))) == 400
        counters = to.counters
    assert Counter(exchange.endpoint for exchange in exchanges) == counters.requests
    assert len(exchanges) > 10


def test_no_part_of_a_path_that_differs_is_told() -> None:
    change = {
        "subscription_group_type": "emailList",
        "subscription_group_id": 7,
        "action": "subscribe",
    }
    groups = {
        "name": "Groups",
        "partnerAction": "updateSubscriptions",
        "enabled": True,
        "subscribe": 'type = "track"',
        "mapping": {
            "identifier": {"userId": {"@path": "$.userId"}},
            "subscriptions": [change],
        },
    }
    with watched() as (iterable, classic, _):
        classic.send(identify(1))
        settings = Settings(api_key=iterable.api_key, base_url=iterable.url, mappings=[groups])
        exchanges: list[Exchange] = []
        with Destination(settings, on_request=exchanges.append) as to:
            outcome = to.send(track(1))
    assert outcome.name == "delivered", outcome
    assert [exchange.endpoint for exchange in exchanges] == [
        "/api/subscriptions/{subscriptionGroup}/{subscriptionGroupId}"
    ]


def test_requests_to_segment_are_told() -> None:
    exchanges: list[Exchange] = []
    webhook = {"email": "a@example.com", "eventName": "emailOpen", "dataFields": {"campaignId": 1}}
    with running_segment() as segment:
        client = SegmentClient(KEY, base_url=segment.url)
        with SegmentDestination(client, on_request=exchanges.append) as to:
            assert to.send(webhook).name == "delivered"
    assert [essence(each) for each in exchanges] == [("/v1/track", 1, 200, None, 1)]


def test_the_callback_may_ask_the_destination() -> None:
    found: list[tuple[int, int]] = []
    with LocalIterable() as iterable:

        def ask(_: Exchange) -> None:
            found.append((to.counters.requests.total(), to.waiting))

        with delivering(iterable, on_request=ask) as to:
            to.start()
            to.enqueue(track(1))
            assert to.flush(10) == 0
    assert found == [(1, 1)]


# --- what it raises


class Mine(Exception):
    """What a callback raises."""


def raising(error: BaseException, calls: list[Exchange]) -> Any:
    def on_request(exchange: Exchange) -> None:
        calls.append(exchange)
        raise error

    return on_request


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("error", [Mine("x"), SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_what_it_raises_in_a_worker_is_logged_once_and_changes_nothing(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[Exchange] = []
    script = Script([faults.server_error(503)] * 2)
    with (
        LocalIterable(faults=script) as iterable,
        delivering(iterable, on_request=raising(error, calls)) as to,
    ):
        assert set(names(to.send_all(history(100, 10)))) == {"delivered"}
        assert to.counters.requests.total() == len(calls) > 3
    [record] = warnings_of(caplog)
    assert record.getMessage() == "on_request raised; no more of it is logged"
    assert (record.levelname, record.name) == ("WARNING", "iterable_destination.delivery")
    assert vars(record)["iterable_error"] == type(error).__name__


def test_what_it_raises_in_send_is_logged_without_iterables_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls: list[Exchange] = []
    with (
        LocalIterable(faults=Script([faults.server_error(503)])) as iterable,
        delivering(iterable, on_request=raising(Mine("x"), calls)) as to,
    ):
        outcome = to.send(track(1))
    assert (outcome.name, outcome.attempts, len(calls)) == ("delivered", 2, 2)
    [record] = warnings_of(caplog)
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], Mine)
    assert record.exc_info[1].__context__ is None  # the error of the request is not logged


def test_what_interrupts_it_in_the_callers_thread_reaches_the_caller() -> None:
    with (
        LocalIterable() as iterable,
        delivering(iterable, on_request=raising(KeyboardInterrupt(), [])) as to,
        pytest.raises(KeyboardInterrupt),
    ):
        to.send(track(1))


def test_a_handler_of_the_log_that_raises_changes_nothing() -> None:
    class Broken(logging.Handler):
        def emit(self, _: logging.LogRecord) -> None:
            raise Mine("the log")

    log, broken = logging.getLogger("iterable_destination.delivery"), Broken()
    log.addHandler(broken)
    try:
        with (
            LocalIterable() as iterable,
            delivering(iterable, on_request=raising(Mine("x"), [])) as to,
        ):
            assert to.send(track(1)).name == "delivered"
    finally:
        log.removeHandler(broken)


def test_what_breaks_off_in_the_client_is_told_as_delivery_takes_it() -> None:
    class Client:
        def request(self, _: Endpoint, *__: Any, **___: Any) -> ApiResponse:
            raise ZeroDivisionError

        def close(self) -> None:
            pass

    client: Any = Client()
    exchanges: list[Exchange] = []
    with Destination(Settings(api_key="k"), client=client, on_request=exchanges.append) as to:
        assert to.send(track(1)).name == "unknown"
    assert essence(exchanges[0]) == (TRACK, 1, None, "AmbiguousAnswer", 1)


def test_it_is_called_in_the_thread_that_made_the_request() -> None:
    threads: list[str] = []

    def note(_: Exchange) -> None:
        threads.append(threading.current_thread().name)

    with LocalIterable() as iterable, delivering(iterable, on_request=note) as to:
        to.send(track(1))
        to.start()
        to.enqueue(track(2))
        to.flush(10)
        wait_until(lambda: len(threads) == 2)
    assert threads == [threading.current_thread().name, "iterable-worker"]
