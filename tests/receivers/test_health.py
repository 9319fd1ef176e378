"""Load balancers ask whether a receiver is alive, without a secret or a line in the log."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from iterable_destination import Outbox, RetryPolicy
from iterable_destination.receivers.wsgi import WebhookApp
from iterable_destination.testing import LocalIterable, Script, faults
from tests.support.delivering import track, wait_until
from tests.support.receiving import WRITE_KEY, ask, run_receiver, sign_request

ALIVE = (200, {"status": "ok"})
NOT_STORED = (503, {"error": "the events cannot be stored now"})
PATHS = ["", "/", "/health", "/healthz", "/livez", "/readyz"]


@pytest.fixture(scope="module")
def app() -> Iterator[WebhookApp]:
    with LocalIterable() as iterable, run_receiver(iterable, write_keys=WRITE_KEY) as made:
        yield made


@pytest.mark.parametrize("path", PATHS)
def test_a_receiver_says_that_it_is_alive(
    path: str, app: WebhookApp, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert ask(app, b"", {}, path, method="GET").result == ALIVE
    head = ask(app, b"", {}, path, method="HEAD")
    assert (head.status, head.text) == (200, b"")
    assert not caplog.records


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_only_get_and_head_ask_for_health(method: str, app: WebhookApp) -> None:
    assert ask(app, b"{}", {}, "/health", method=method).status in {405, 415}


@pytest.mark.parametrize("path", ["/v1/health", "/health/", "/Health", "/hook"])
def test_no_other_path_does(path: str, app: WebhookApp) -> None:
    assert ask(app, b"", {}, path, method="GET").status == 405


def test_with_an_outbox_it_says_whether_events_can_be_stored(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with (
        Outbox(path) as outbox,
        run_receiver("http://127.0.0.1:9", outbox=outbox, time_limit=0.4) as app,
    ):
        assert ask(app, b"", {}, "/", method="GET").result == ALIVE
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert ask(app, b"", {}, "/", method="GET").result == NOT_STORED
        assert ask(app, b"", {}, "/", method="GET").result == ALIVE
        assert len(outbox) == 0
        path.rename(tmp_path / "moved")
        assert ask(app, b"", {}, "/health", method="GET").result == NOT_STORED
        (tmp_path / "moved").rename(path)


# If it is asked for ------------------------------------------------------------------------------


def health(app: WebhookApp) -> Any:
    status, content = ask(app, b"", {}, "/health", method="GET").result
    assert (status, content.pop("status")) == (200, "ok")
    return content


def test_it_says_what_delivery_saw_of_the_key_last() -> None:
    script = Script([None, faults.server_error(), None])
    once = RetryPolicy(max_attempts=1, breaker_timeout=0)
    with (
        LocalIterable(faults=script) as iterable,
        run_receiver(iterable, retry=once, health_details=True) as app,
    ):
        states = [health(app)]
        key, iterable.project.api_key = iterable.project.api_key, "another"
        for number in range(3):
            ask(app, *sign_request(track(number)))
            states.append(health(app))
            if number == 1:
                iterable.project.api_key = key
    assert states == [{"key": key} for key in ("unknown", "refused", "refused", "works")]


def test_a_failing_server_says_nothing_of_the_key() -> None:
    once = RetryPolicy(max_attempts=1)
    with (
        LocalIterable(faults=Script([faults.server_error()])) as iterable,
        run_receiver(iterable, retry=once, health_details=True) as app,
    ):
        assert ask(app, *sign_request(track(1))).status == 503
        assert health(app) == {"key": "unknown"}


def test_it_says_how_many_wait(tmp_path: Path) -> None:
    with (
        LocalIterable() as iterable,
        Outbox(tmp_path / "outbox.db") as outbox,
        run_receiver(
            iterable, outbox=outbox, health_details=True, retry=RetryPolicy(breaker_timeout=0)
        ) as app,
    ):
        key, iterable.project.api_key = iterable.project.api_key, "another"
        assert health(app) == {"key": "unknown", "waiting": 0}
        assert ask(app, *sign_request([track(1), track(2)])).result == (200, {"kept": 2})
        wait_until(lambda: health(app)["key"] == "refused")
        assert health(app) == {"key": "refused", "waiting": 2}
        iterable.project.api_key = key
        wait_until(lambda: health(app) == {"key": "works", "waiting": 0})
