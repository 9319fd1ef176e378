"""Segment's calling convention: its signatures, and what becomes of each call."""

from __future__ import annotations

import copy
import datetime as dt
import inspect
import json
import logging
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from segment.analytics.client import Client as SegmentsOwnClient  # type: ignore[import-untyped]

from iterable_destination import Destination, InvalidEvent, InvalidSettings, Outbox
from iterable_destination import analytics as module
from iterable_destination.analytics import Analytics
from iterable_destination.testing import LocalIterable
from tests.support.delivering import WAIT_SECONDS, applied, delivering, settings_of, wait_until

CALLS = ["identify", "track", "alias", "group", "page", "screen"]
ENDS = ["flush", "join", "shutdown"]


@pytest.fixture
def iterable() -> Iterator[LocalIterable]:
    with LocalIterable() as iterable:
        yield iterable


@pytest.fixture(autouse=True)
def _default_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("settings", "send", "on_error", "outbox", "max_queue_size"):
        monkeypatch.setattr(module, name, getattr(module, name))
    yield
    for made in module._made:
        made.join()
    module._made.clear()


def shape(function: Any) -> list[tuple[str, Any, Any]]:
    parameters = inspect.signature(function).parameters.values()
    return [(each.name, each.kind, each.default) for each in parameters if each.name != "self"]


# As Segment's library -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*CALLS, *ENDS])
def test_signatures_are_those_of_segments_library(name: str) -> None:
    its = shape(getattr(SegmentsOwnClient, name))
    assert shape(getattr(Analytics, name)) == its
    assert shape(getattr(module, name)) == its


GIVEN: dict[str, dict[str, Any]] = {
    "identify": {"user_id": "u-1", "traits": {"a": 1}, "anonymous_id": "a-1"},
    "track": {"user_id": 7, "event": "Seen", "properties": {"a": 1}},
    "alias": {"previous_id": "u-0", "user_id": "u-1"},
    "group": {"user_id": "u-1", "group_id": 5, "traits": {"a": 1}},
    "page": {"user_id": "u-1", "category": "c", "name": "n", "properties": {"a": 1}},
    "screen": {"user_id": "u-1", "name": "n"},
}
COMMON = {
    "context": {"locale": "nb"},
    "integrations": {"All": True},
    "timestamp": dt.datetime(2026, 3, 4, 5, 6, 7, 8_900, tzinfo=dt.UTC),
    "message_id": "m-1",
}


def without_nulls(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if value is not None}


@pytest.mark.parametrize("name", CALLS)
def test_events_are_those_of_segments_library(name: str) -> None:
    given = GIVEN[name] | COMMON
    _, ours = getattr(Analytics(send=False), name)(**given)
    of_segment = SegmentsOwnClient("key", send=False)
    _, its = getattr(of_segment, name)(**copy.deepcopy(given))
    assert its["context"].pop("library")["name"] == "analytics-python"
    assert ours == without_nulls(its)


@pytest.mark.parametrize(
    ("given", "written"),
    [
        (dt.datetime(2026, 3, 4, 5, 6, 7, tzinfo=dt.UTC), "2026-03-04T05:06:07.000+00:00"),
        (dt.datetime(2020, 3, 4, 5, 6, 7, 89), "2020-03-04T05:06:07.000+00:00"),  # noqa: DTZ001
        ("2026-03-04T05:06:07+01:00", "2026-03-04T05:06:07+01:00"),
    ],
)
def test_a_time_has_a_zone(given: Any, written: str) -> None:
    _, event = Analytics(send=False).track("u-1", "Seen", timestamp=given)
    assert event["timestamp"] == written


def test_a_time_of_now_is_of_the_machines_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "tzlocal", lambda: dt.timezone(dt.timedelta(hours=5)))
    now = dt.datetime.now().isoformat(timespec="milliseconds")  # noqa: DTZ005
    given = dt.datetime.fromisoformat(now)
    _, event = Analytics(send=False).track("u-1", "Seen", timestamp=given)
    assert event["timestamp"] == f"{now}+05:00"


def test_each_call_has_an_id_and_a_time_of_its_own() -> None:
    to = Analytics(send=False)
    before = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)
    events = [to.track("u-1", "Seen")[1] for _ in range(20)]
    assert len({uuid.UUID(event["messageId"]) for event in events}) == 20
    for event in events:
        assert before <= dt.datetime.fromisoformat(event["timestamp"]) <= dt.datetime.now(dt.UTC)


# Delivery -----------------------------------------------------------------------------------------


def test_what_is_handed_in_is_delivered_with_its_id_and_time(iterable: LocalIterable) -> None:
    with delivering(iterable) as destination:
        to = Analytics(destination)
        to.identify("u-1", {"email": "a@example.com", "plan": "pro"})
        taken, event = to.track("u-1", "Seen", {"n": 0}, timestamp="2026-03-04T05:06:07Z")
        to.page("u-1", name="Pricing")
        to.flush()
        profile = iterable.project.user("a@example.com")
        to.shutdown()
    assert taken
    assert profile is not None
    assert profile["dataFields"]["plan"] == "pro"
    [seen] = [each for each in iterable.project.effects if each.body.get("eventName") == "Seen"]
    assert seen.body["id"] == event["messageId"]
    assert seen.body["createdAt"] == 1_772_600_767


def test_the_default_is_made_of_the_variables_at_the_first_call(
    iterable: LocalIterable,
) -> None:
    lost: list[Any] = []
    module.settings = settings_of(iterable)
    module.on_error = lambda error, events: lost.append((error, events))
    module.track("u-1", "Seen", {"n": 0})
    module.track(None, "Seen", message_id="m-2")
    module.flush()
    assert applied(iterable.project.effects) == [0]
    [(error, [event])] = lost
    assert isinstance(error, InvalidEvent)
    assert (event["messageId"], event["event"]) == ("m-2", "Seen")
    module.shutdown()


def test_the_default_takes_its_settings_from_the_environment(
    iterable: LocalIterable, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidSettings, match="ITERABLE_API_KEY"):
        module.track("u-1", "Seen")
    monkeypatch.setenv("ITERABLE_API_KEY", iterable.api_key)
    monkeypatch.setenv("ITERABLE_BASE_URL", iterable.url)
    module.track("u-1", "Seen", {"n": 0})
    module.shutdown()
    assert applied(iterable.project.effects) == [0]


def test_many_threads_make_one_default(iterable: LocalIterable) -> None:
    module.settings = settings_of(iterable)
    begin = threading.Barrier(8)

    def hand_in(number: int) -> None:
        begin.wait()
        module.track(f"u-{number}", "Seen", {"n": number})

    threads = [threading.Thread(target=hand_in, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    module.flush()
    assert sorted(applied(iterable.project.effects)) == list(range(8))


def test_nothing_is_sent_where_send_is_false() -> None:
    module.send = False  # and no key is needed
    taken, event = module.track("u-1", "Seen")
    assert (taken, event["event"]) == (True, "Seen")
    module.shutdown()


def test_what_does_not_fit_is_not_taken(
    iterable: LocalIterable, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Outbox(tmp_path / "outbox", capacity=1) as outbox, delivering(iterable) as destination:
        with outbox.delivering():  # nobody else delivers meanwhile
            to = Analytics(destination, outbox=outbox)
            assert [to.track("u-1", "Seen", {"n": n})[0] for n in range(2)] == [True, False]
            assert "the queue is full" in caplog.text
        to.shutdown()
    assert applied(iterable.project.effects) == [0]


def test_an_error_without_a_callback_is_logged_without_what_is_in_the_event(
    iterable: LocalIterable, caplog: pytest.LogCaptureFixture
) -> None:
    with delivering(iterable, key="another") as destination:
        to = Analytics(destination)
        to.track(None, "Secret", message_id="m-1")
        to.track("secret@example.com", "Secret", message_id="m-2")
        to.shutdown()
    lines = [each.getMessage() for each in caplog.records if "is lost" in each.getMessage()]
    assert lines == [
        "an event is lost, rejected: userId: Must set either userId or email",
        "an event is lost, retryable: Unauthorized",
    ]
    assert "ecret" not in caplog.text


def test_with_an_outbox_only_what_is_refused_is_told(
    iterable: LocalIterable, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    lost: list[Any] = []
    with (
        Outbox(tmp_path / "outbox") as outbox,
        Destination(settings_of(iterable, "another")) as destination,
    ):
        to = Analytics(
            destination,
            outbox=outbox,
            on_error=lambda error, events: lost.append((type(error), events)),
        )
        to.track(None, "Seen", message_id="m-1")
        to.track("u-1", "Seen", message_id="m-2")
        wait_until(lambda: lost)
        destination.close(0.5)
        assert len(outbox) == 1
    assert lost == [(InvalidEvent, [{"messageId": "m-1"}])]


def test_with_an_outbox_a_shutdown_waits_no_longer_than_the_end_of_a_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[str] = []
    with Outbox(tmp_path / "outbox") as outbox:
        destination = Destination(settings_of("http://127.0.0.1:9"))
        to = Analytics(destination, outbox=outbox)
        to.track("u-1", "Seen")
        with monkeypatch.context() as patch:
            for name in ("close", "flush"):
                patch.setattr(destination, name, partial(waits.append, name))
            to.shutdown()
        destination.close(0.1)
        assert (waits, len(outbox)) == (["close"], 1)


PROGRAM = """
import sys
from iterable_destination import Outbox, Settings, analytics

analytics.settings = Settings(api_key=sys.argv[1], base_url=sys.argv[2])
analytics.outbox = Outbox(sys.argv[3])
for number in range(50):
    analytics.track(f"u-{number}", "Seen", {"n": number})
import os
os.kill(os.getpid(), 9)
"""


def test_with_an_outbox_a_kill_loses_and_doubles_nothing(
    iterable: LocalIterable, tmp_path: Path
) -> None:
    path = str(tmp_path / "outbox")
    command = [sys.executable, "-c", PROGRAM, iterable.api_key, iterable.url, path]
    assert subprocess.run(command, timeout=WAIT_SECONDS, check=False).returncode == -9
    with Outbox(path) as outbox, delivering(iterable) as destination:
        list(destination.drain(outbox))
        assert len(outbox) == 0
    by_id = {effect.body["id"]: effect for effect in iterable.project.effects}
    assert sorted(applied(by_id.values())) == list(range(50))


def test_what_waits_is_not_kept_once_it_is_told(iterable: LocalIterable) -> None:
    with delivering(iterable) as destination:
        to = Analytics(destination)
        for number in range(100):
            to.track(f"u-{number}", "Seen", {"n": number})
        to.shutdown()
        assert to._waiting == {}
    assert json.dumps(sorted(applied(iterable.project.effects))) == json.dumps(list(range(100)))
