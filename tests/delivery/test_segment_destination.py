"""SegmentDestination: webhooks arrive in Segment in order, or their outcome says why not."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from iterable_destination import Delivered, InvalidSettings, Rejected, Retryable, Skipped, errors
from iterable_destination.delivery.engine.retry import RetryPolicy
from iterable_destination.delivery.segment_destination import SegmentDestination
from iterable_destination.io.outbox import Outbox
from iterable_destination.io.segment_client import AnalyticsClient, SegmentClient
from iterable_destination.source import SegmentTrack, to_segment
from tests.support.delivering import QUICK, by_index, names, wait_until
from tests.support.segment_server import AUTHORIZATION, KEY, Segment, running_segment


@pytest.fixture
def segment() -> Iterator[Segment]:
    with running_segment() as running:
        yield running


def webhook(number: int, name: str = "emailOpen", **fields: Any) -> dict[str, Any]:
    return {
        "email": f"user-{number % 3}@example.com",
        "userId": f"u-{number % 3}",
        "eventName": name,
        "dataFields": {"campaignId": number, "createdAt": "2026-02-07 10:00:00 +00:00", **fields},
    }


def track(number: int, **fields: Any) -> SegmentTrack:
    result = to_segment(webhook(number, **fields))
    assert isinstance(result, SegmentTrack)
    return result


def delivering(segment: Segment, key: str = KEY, **options: Any) -> SegmentDestination:
    client = SegmentClient(key, base_url=segment.url)
    return SegmentDestination(client, **({"retry": QUICK} | options))


def test_one_event_goes_to_the_track_endpoint(segment: Segment) -> None:
    with SegmentClient(KEY, base_url=segment.url) as client:
        assert client.send(track(1)).status == 200
    expected = {"type": "track", **track(1).body()}
    assert segment.requests == [("/v1/track", AUTHORIZATION, expected)]


def test_several_events_go_in_a_batch(segment: Segment) -> None:
    with SegmentClient(KEY, base_url=segment.url) as client:
        client.send_batch([track(1), track(2)])
    expected = [{"type": "track", **track(number).body()} for number in (1, 2)]
    assert segment.requests == [("/v1/batch", AUTHORIZATION, {"batch": expected})]


def test_a_batch_that_is_too_large_is_not_sent(segment: Segment) -> None:
    large = [track(number, subject="x" * 31_000) for number in range(17)]
    with SegmentClient(KEY, base_url=segment.url) as client:
        with pytest.raises(errors.TooLarge, match="a batch has at most 500,000 bytes"):
            client.send_batch(large)
        client.send_batch(large[:15])
    assert len(segment.events) == 15


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (400, errors.BadRequest, "status 400: the request breaks a rule of Segment's"),
        (401, errors.Unauthorized, "status 401: the write key is not known in this region"),
        (413, errors.TooLarge, "status 413: the request is too large"),
        (429, errors.RateLimited, "status 429: more requests than Segment takes"),
        (500, errors.ServerError, "status 500: Segment failed"),
        (302, errors.WrongAddress, "status 302: this does not answer like Segment's API"),
    ],
)
def test_an_answer_means_what_it_means_from_iterable_in_words_about_segment(
    segment: Segment, status: int, error: type[Exception], words: str
) -> None:
    segment.answers = [status]
    with (
        SegmentClient(KEY, base_url=segment.url) as client,
        pytest.raises(error, match=words),
    ):
        client.send(track(1))


def test_the_write_key_shows_nowhere(segment: Segment) -> None:
    with SegmentClient(KEY, base_url=segment.url) as client:
        assert repr(client) == f"SegmentClient('{segment.url}')"
        assert repr(SegmentDestination(client)) == f"SegmentDestination({client!r})"
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(client)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"write_key": ""}, "write_key: missing; without it nothing can be sent"),
        ({"write_key": "k", "region": "UK"}, "region: must be US or EU"),
        ({"write_key": "a key\n"}, "write_key: "),
        ({"write_key": "k", "base_url": "segment"}, "base_url: "),
    ],
)
def test_a_client_of_nothing_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSettings, match=message):
        SegmentClient(**arguments)


def test_the_region_says_which_server_it_is() -> None:
    urls = [repr(SegmentClient("k", region=region)) for region in ("US", "EU")]
    assert urls == [
        "SegmentClient('https://api.segment.io')",
        "SegmentClient('https://events.eu1.segmentapis.com')",
    ]


def test_webhooks_with_an_equal_ordering_key_arrive_in_their_order(segment: Segment) -> None:
    webhooks = [webhook(number) for number in range(30)]
    with delivering(segment) as to:
        outcomes = list(to.send_all(webhooks, ordering_key=lambda _: "k-1"))
    assert [outcome.index for outcome in outcomes] == list(range(30))
    campaigns = [event["properties"]["campaign_id"] for event in segment.events]
    assert campaigns == list(map(str, range(30)))


def test_webhooks_are_delivered_in_batches_and_a_users_in_order(segment: Segment) -> None:
    webhooks = [webhook(number) for number in range(300)]
    with delivering(segment) as to:
        outcomes = by_index(to.send_all(iter(webhooks)))
    assert names(outcomes) == ["delivered"] * 300
    assert {path for path, _, _ in segment.requests} == {"/v1/batch"}
    for user in range(3):
        theirs = [
            e["properties"]["campaign_id"] for e in segment.events if e["userId"] == f"u-{user}"
        ]
        assert theirs == [str(number) for number in range(user, 300, 3)]


def test_no_batch_is_larger_than_segment_takes(segment: Segment) -> None:
    webhooks = [webhook(number, subject="x" * 30_000) for number in range(60)]
    with delivering(segment) as to:
        assert names(to.send_all(webhooks)) == ["delivered"] * 60
    sizes = [len(json.dumps(body, separators=(",", ":"))) for _, _, body in segment.requests]
    assert max(sizes) <= 500_000
    assert len(segment.events) == 60


def test_every_webhook_has_the_outcome_that_an_event_would_have(segment: Segment) -> None:
    handed: list[Any] = [webhook(0), webhook(1, "inAppDelete"), {"eventName": "emailOpen"}, 7]
    with delivering(segment) as to:
        found = [to.send(each) for each in handed]
        again = by_index(to.send_all(handed))
    assert [type(each) for each in found] == [Delivered, Skipped, Rejected, Rejected]
    assert names(again) == names(found)
    assert found[0].message_id == track(0).message_id
    assert [call.body() for call in again[0].calls] == [track(0).body()]
    assert type(found[2].error).__name__ == "InvalidWebhook"


def test_a_fault_is_borne_as_for_iterable(segment: Segment) -> None:
    segment.answers = [500, 429, 200]
    with delivering(segment) as to:
        outcome = to.send(webhook(1))
    assert (outcome.name, outcome.attempts) == ("delivered", 3)


def test_a_wrong_key_leaves_webhooks_to_be_handed_in_again(segment: Segment) -> None:
    with delivering(segment, key="another") as to:
        outcomes = list(to.send_all(webhook(number) for number in range(100)))
    assert {type(each) for each in outcomes} == {Retryable}
    assert len(segment.requests) <= 8


def test_a_batch_that_is_refused_is_taken_apart(segment: Segment) -> None:
    segment.answers = [400, *[200] * 5, 400]
    with delivering(segment, max_workers=1) as to:
        outcomes = by_index(to.send_all(webhook(number) for number in range(6)))
    assert sorted(names(outcomes)) == ["delivered"] * 5 + ["rejected"]


@pytest.mark.slow
def test_webhooks_wait_in_an_outbox_until_segment_takes_them(
    segment: Segment, tmp_path: Any
) -> None:
    segment.answers = [500, 500]
    retry = RetryPolicy(max_server_errors=1, initial_backoff=0.01)
    with (
        Outbox(tmp_path / "outbox.db") as outbox,
        delivering(segment, retry=retry) as to,
    ):
        to.start(outbox=outbox)
        to.enqueue(webhook(1))
        wait_until(lambda: len(outbox) == 0)
    assert len(segment.events) == 3


@attrs.define
class Recorder:
    """What has the ``track`` of Segment's own client."""

    taken: list[dict[str, Any]] = attrs.field(factory=list)
    accepted: list[dict[str, Any]] = attrs.field(factory=list)
    answers: list[Any] = attrs.field(factory=list)

    def track(self, **call: Any) -> Any:
        answer = self.answers.pop(0) if self.answers else (True, call)
        if isinstance(answer, Exception):
            raise answer
        self.taken.append(call)
        if answer is None or answer[0]:
            self.accepted.append(call)
        return answer


def test_a_client_of_segments_own_can_be_handed_the_events() -> None:
    recorder = Recorder()
    with SegmentDestination(AnalyticsClient(recorder)) as to:
        outcomes = [to.send(webhook(1)), *to.send_all([webhook(2), webhook(3)])]
    assert names(outcomes) == ["delivered"] * 3
    expected = track(1)
    assert recorder.taken[0] == {
        "user_id": expected.user_id,
        "anonymous_id": None,
        "event": "Email Opened",
        "properties": expected.properties,
        "context": expected.context,
        "timestamp": datetime(2026, 2, 7, 10, tzinfo=UTC),
        "integrations": None,
        "message_id": expected.message_id,
    }


def test_nothing_is_passed_on_twice_where_a_batch_was_not_taken_whole() -> None:
    full: Any = (False, {})
    no = AssertionError("no")
    for answers in ([None, full, None], [None, None, no], [None, full, None, full, full, None]):
        recorder = Recorder(answers=list(answers))
        with SegmentDestination(AnalyticsClient(recorder), retry=QUICK) as to:
            outcomes = list(to.send_all([webhook(n) for n in range(1, 5)]))
        ids = [call["message_id"] for call in recorder.accepted]
        delivered = [each.message_id for each in outcomes if each.name == "delivered"]
        assert sorted(ids) == sorted(set(ids)) == sorted(filter(None, delivered))
        assert len(delivered) >= 3


def test_an_event_that_is_sent_again_on_purpose_is_passed_on_again() -> None:
    recorder = Recorder()
    with SegmentDestination(AnalyticsClient(recorder)) as to:
        assert [to.send(webhook(1)).name for _ in range(2)] == ["delivered"] * 2
    assert len(recorder.taken) == 2


def test_what_segments_own_client_does_not_take_is_not_called_delivered() -> None:
    recorder = Recorder(answers=[AssertionError("no")])
    with SegmentDestination(AnalyticsClient(recorder), retry=QUICK) as to:
        outcome = to.send(webhook(1))
        assert (outcome.name, outcome.message) == (
            "rejected",
            "Segment's client does not take it: AssertionError",
        )
        recorder.answers = [(False, {}), (True, {})]
        assert to.send(webhook(1)).attempts == 2
        recorder.answers = [None]
        assert to.send(webhook(1)).name == "delivered"
