"""Stamping: what waits has its id and its time from when it was handed in, whatever comes then."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterable_destination import Destination, Outbox, Outcome, RetryPolicy, Settings
from iterable_destination.delivery import outbox_worker
from iterable_destination.delivery.iterable_project import IterableProject
from iterable_destination.delivery.prepare import Preparer
from iterable_destination.delivery.segment_destination import SegmentDestination
from iterable_destination.io.segment_client import SegmentClient
from iterable_destination.io.stamping import stamp_now
from iterable_destination.mapping.translate import translator_for
from iterable_destination.source import SegmentTrack, to_segment
from iterable_destination.testing import (
    Fault,
    LocalIterable,
    Project,
    Received,
    Response,
    Script,
    faults,
)
from tests.support import strategies
from tests.support.delivering import WAIT_SECONDS, delivering, wait_until
from tests.support.lazy import Lazy, Unreadable, UnreadableMapping
from tests.support.segment_server import KEY, running_segment

EVENT: Final = {"type": "track", "userId": "u-1", "event": "Seen"}
ONCE: Final = RetryPolicy(max_attempts=1)


@pytest.fixture(params=["in memory", "on disk"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Yield a function that starts a destination, with a callback for outcomes."""
    outboxes: list[Outbox] = []

    def start(to: Destination, told: Callable[[Outcome], None], **options: Any) -> None:
        if request.param == "on disk":
            outboxes.append(Outbox(tmp_path / "outbox", **options))
            to.start(told, outbox=outboxes[-1])
        else:
            to.start(told, **options)

    yield start
    for outbox in outboxes:
        outbox.close()


def sent_marks(iterable: LocalIterable) -> list[tuple[str | None, int | None]]:
    """Return the id and the time of each single event that was requested."""
    bodies = [request.body for request in iterable.project.requests]
    return [(body.get("id"), body.get("createdAt")) for body in bodies]


def test_an_event_has_an_id_and_the_time_at_which_it_was_handed_in(start: Any) -> None:
    told: list[Outcome] = []
    event = dict(EVENT)
    with LocalIterable() as iterable, delivering(iterable) as to:
        start(to, told.append)
        before = int(datetime.now(UTC).timestamp())
        to.enqueue(event)
        after = int(datetime.now(UTC).timestamp())
        assert to.flush(WAIT_SECONDS) == 0
        [effect] = iterable.project.effects
    assert event == EVENT
    assert effect.id is not None
    assert [outcome.message_id for outcome in told] == [effect.id]
    assert before <= effect.body["createdAt"] <= after


def test_what_an_event_has_stays(start: Any) -> None:
    with LocalIterable() as iterable, delivering(iterable) as to:
        start(to, lambda _: None)
        to.enqueue(MappingProxyType(EVENT | {"messageId": "m-1", "timestamp": 1_700_000_000}))
        assert to.flush(WAIT_SECONDS) == 0
        assert sent_marks(iterable) == [("m-1", 1_700_000_000)]


def test_events_can_be_taken_as_they_are(start: Any) -> None:
    told: list[Outcome] = []
    with LocalIterable() as iterable, delivering(iterable) as to:
        start(to, told.append, stamp_missing=False)
        to.enqueue(EVENT)
        assert to.flush(WAIT_SECONDS) == 0
        assert sent_marks(iterable) == [(None, None)]
    assert [outcome.message_id for outcome in told] == [None]


def test_a_retry_has_the_same_id_and_time(start: Any) -> None:
    """Also where the response was lost and seconds pass: one record, of when it was handed in."""
    down = Script([faults.server_error(503), faults.cut()])
    with LocalIterable(faults=down) as iterable, delivering(iterable) as to:
        start(to, lambda _: None)
        to.enqueue(EVENT)
        assert to.flush(WAIT_SECONDS) == 0
        seen = [(effect.id, effect.body["createdAt"]) for effect in iterable.project.effects]
    assert len(seen) == 2
    assert len(set(seen)) == 1


def test_what_is_retryable_goes_out_of_an_outbox_with_the_same_id_and_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_worker, "_INITIAL_BACKOFF", 1.5)
    until = time.monotonic() + 1
    bodies: list[bytes] = []

    def fails(received: Received, apply: Callable[[], Response]) -> Response | Fault:
        bodies.append(received.body)
        return faults.server_error(503) if time.monotonic() < until else apply()

    told: list[Outcome] = []
    with (
        Outbox(tmp_path / "outbox") as outbox,
        LocalIterable(faults=fails) as iterable,
        delivering(iterable, retry=ONCE) as to,
    ):
        to.start(told.append, outbox=outbox)
        to.enqueue(EVENT)
        wait_until(lambda: not len(outbox))
    assert [outcome.name for outcome in told] == ["retryable", "delivered"]
    assert len({outcome.message_id for outcome in told}) == 1
    assert len(set(bodies)) == 1


PROCESS: Final = """
import sys
from iterable_destination import Destination, Outbox, Settings
with Outbox(sys.argv[2]) as outbox:
    to = Destination(Settings(api_key="k", base_url=sys.argv[1])).start(outbox=outbox)
    to.enqueue({"type": "track", "userId": "u-1", "event": "Seen"})
    print("taken", flush=True)
    to.flush()
"""


def test_after_a_kill_the_next_process_sends_the_same_id_and_time(tmp_path: Path) -> None:
    path = tmp_path / "outbox"
    bodies: list[bytes] = []

    def stalls_first(received: Received, apply: Callable[[], Response]) -> Response | Fault:
        bodies.append(received.body)
        return faults.stall(applied=True) if len(bodies) == 1 else apply()

    with LocalIterable(Project(api_key=None), faults=stalls_first) as iterable:
        running = subprocess.Popen(
            [sys.executable, "-c", PROCESS, iterable.url, str(path)], stdout=subprocess.PIPE
        )
        assert running.stdout is not None
        assert running.stdout.readline() == b"taken\n"
        wait_until(lambda: len(bodies) == 1)
        running.send_signal(signal.SIGKILL)
        assert running.wait(WAIT_SECONDS) == -signal.SIGKILL
        running.stdout.close()
        time.sleep(1.1)  # times are whole seconds
        with Outbox(path) as outbox, delivering(iterable) as to:
            assert [outcome.name for outcome in to.drain(outbox)] == ["delivered"]
        created = [effect.created for effect in iterable.project.effects]
    assert len(bodies) == 2
    assert len(set(bodies)) == 1
    assert created == [True, False]


def test_an_event_that_cannot_be_read_is_rejected_and_nothing_is_raised(start: Any) -> None:
    told: list[Outcome] = []
    events: list[Any] = [
        *(Unreadable(), UnreadableMapping(), EVENT | {"timestamp": Unreadable()}),
        *(None, b"{}", [EVENT]),
    ]
    with LocalIterable() as iterable, delivering(iterable) as to:
        start(to, told.append)
        for event in events:
            to.enqueue(event)
        lazy: Any = Lazy(EVENT)
        to.enqueue(lazy)
        assert to.flush(WAIT_SECONDS) == 0
    assert sorted(outcome.name for outcome in told) == ["delivered"] + ["rejected"] * len(events)


@given(strategies.python_events, st.sets(st.sampled_from(["messageId", "timestamp"])))
def test_the_outcome_of_a_stamped_event_has_its_id(event: Any, without: set[str]) -> None:
    for key in without:
        event.pop(key, None)
    stamped = stamp_now(event)
    chosen = Settings()
    project = IterableProject(chosen, translator_for(chosen))
    preparer = Preparer(project, stamp_ids=True, keeps_records=False)
    envelope, _ = preparer.prepare(1, stamped)
    if stamped is not event and "messageId" in without:
        assert envelope.message_id == stamped["messageId"]


def test_webhooks_of_iterables_are_left_as_they_are(start: Any) -> None:
    webhook = {"email": "a@example.com", "eventName": "emailOpen", "dataFields": {"campaignId": 1}}
    expected = to_segment(webhook)
    assert isinstance(expected, SegmentTrack)
    with running_segment() as segment:
        client = SegmentClient(KEY, base_url=segment.url)
        with SegmentDestination(client) as to:
            start(to, lambda _: None)
            to.enqueue(webhook)
            assert to.flush(WAIT_SECONDS) == 0
        [event] = segment.events
    assert event["messageId"] == expected.message_id
    assert "timestamp" not in event
