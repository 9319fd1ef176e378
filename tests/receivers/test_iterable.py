"""Webhooks of Iterable arrive in Segment, or Iterable is asked to send them again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from iterable_destination import InvalidSettings
from iterable_destination.delivery.segment_destination import SegmentDestination
from iterable_destination.io.dead_letters import DeadLetters
from iterable_destination.io.outbox import Outbox
from iterable_destination.io.segment_client import SegmentClient
from iterable_destination.receivers.dev_server import serve
from iterable_destination.receivers.http import Request
from iterable_destination.receivers.iterable import source_app
from iterable_destination.testing import LocalIterable
from tests.support.delivering import QUICK, delivering, identify, wait_until
from tests.support.segment_server import KEY, Segment, running_segment

WEBHOOK = {"email": "ada@example.com", "eventName": "emailOpen", "dataFields": {"campaignId": 1}}
JSON = {"content-type": "application/json"}
TOKEN = {"authorization": "Bearer token"}


@pytest.fixture
def segment() -> Iterator[Segment]:
    with running_segment() as running:
        yield running


@contextmanager
def destination(segment: Segment, key: str = KEY, **options: Any) -> Iterator[SegmentDestination]:
    client = SegmentClient(key, base_url=segment.url)
    with SegmentDestination(client, retry=QUICK, **options) as to:
        yield to


def handle(
    to: SegmentDestination,
    body: Any = WEBHOOK,
    headers: dict[str, str] = TOKEN,
    method: str = "POST",
    **options: Any,
) -> tuple[int, Any]:
    """Return the status and content of the response to a body, as bytes or as JSON."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    with source_app(to, **({"tokens": "token"} | options)) as application:
        request = Request(method, "/hook", JSON | headers, lambda _: text)
        response = application.handle(request, float("inf"))
    return response.status, response.content


def test_a_webhook_arrives_in_segment(segment: Segment) -> None:
    with destination(segment) as to:
        assert handle(to) == (200, {"delivered": 1})
    assert [event["event"] for event in segment.events] == ["Email Opened"]


def test_what_segment_has_no_use_for_is_taken_and_ignored(segment: Segment) -> None:
    with destination(segment) as to:
        assert handle(to, WEBHOOK | {"eventName": "inAppDelete"}) == (200, {"skipped": 1})
    assert segment.requests == []


@pytest.mark.parametrize(
    "authorization", ["Bearer token", "Basic token", "token", "Token  token", "bearer other"]
)
def test_the_token_may_come_alone_or_after_its_type(segment: Segment, authorization: str) -> None:
    with destination(segment) as to:
        found = handle(to, headers={"authorization": authorization}, tokens=["token", "other"])
    assert found == (200, {"delivered": 1})


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer wrong", "tok", "Bearer token x"])
def test_a_token_that_does_not_fit_is_refused(segment: Segment, authorization: str) -> None:
    with destination(segment) as to:
        found = handle(to, headers={"authorization": authorization})
    assert found == (401, {"error": "invalid token"})
    assert segment.requests == []


def test_headers_of_the_users_own_must_be_there_too(segment: Segment) -> None:
    with destination(segment) as to:
        secrets = {"X-Secret": "shh"}
        assert handle(to, header_secrets=secrets)[0] == 401
        assert handle(to, header_secrets=secrets, headers=TOKEN | {"x-secret": "shh"})[0] == 200
        alone = handle(to, tokens=None, header_secrets=secrets, headers={"x-secret": "shh"})
        assert alone[0] == 200


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "invalid JSON body"),
        (b"[]", "the body must be a webhook of Iterable's, a JSON object"),
        (b"7", "the body must be a webhook of Iterable's, a JSON object"),
    ],
)
def test_what_is_no_webhook_is_refused(segment: Segment, body: bytes, message: str) -> None:
    with destination(segment) as to:
        assert handle(to, body) == (400, {"error": message})


def test_a_webhook_that_is_invalid_is_refused_with_every_problem(segment: Segment) -> None:
    with destination(segment) as to:
        status, content = handle(to, {"eventName": "emailOpen"})
    assert status == 400
    places = [problem["path"] for problem in content["problems"][0]["problems"]]
    assert (content["rejected"], places) == (1, ["dataFields", "email"])


def test_only_post_is_taken(segment: Segment) -> None:
    with destination(segment) as to:
        assert handle(to, method="GET")[0] == 405


def test_iterable_is_to_post_again_what_segment_does_not_take(segment: Segment) -> None:
    segment.answers = [500] * 5
    with destination(segment) as to:
        assert handle(to) == (503, {"retryable": 1, "errors": {"ServerError": 1}})
        assert handle(to) == (200, {"delivered": 1})
    with destination(segment, key="wrong") as to:
        assert handle(to) == (503, {"retryable": 1, "errors": {"Unauthorized": 1}})


def test_what_is_refused_can_be_kept_instead(segment: Segment, tmp_path: Path) -> None:
    with (
        DeadLetters(tmp_path / "dead.jsonl") as letters,
        destination(segment, dead_letters=letters) as to,
    ):
        assert handle(to, {"eventName": "emailOpen"})[0] == 200
    kept = json.loads((tmp_path / "dead.jsonl").read_bytes())
    assert kept["deadLetter"]["error"]["type"] == "InvalidWebhook"


def test_with_an_outbox_it_is_answered_as_soon_as_the_webhook_is_on_disk(
    segment: Segment, tmp_path: Path
) -> None:
    with Outbox(tmp_path / "outbox.db") as outbox, destination(segment) as to:
        assert handle(to, outbox=outbox) == (200, {"kept": 1})
        wait_until(lambda: len(segment.events) == 1)


def test_it_does_not_start_for_anybody_unless_told_so(segment: Segment) -> None:
    with destination(segment) as to:
        with pytest.raises(InvalidSettings, match="tokens: missing, and header_secrets too"):
            source_app(to)
        found = handle(to, tokens=None, without_authentication=True, headers={})
    assert found == (200, {"delivered": 1})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tokens": []}, "tokens: must be a string that is not empty, or a list of them"),
        ({"tokens": ""}, "tokens: must be a string that is not empty, or a list of them"),
        ({"tokens": " token"}, "tokens: must be printable ASCII, without spaces at its ends"),
    ],
)
def test_a_token_that_is_none_is_refused(
    segment: Segment, options: dict[str, Any], message: str
) -> None:
    with destination(segment) as to, pytest.raises(InvalidSettings) as caught:
        source_app(to, without_authentication=True, **options)
    assert str(caught.value) == message


def test_the_full_circle_over_http(segment: Segment) -> None:
    """An event goes in, an email is "sent", and what the user does with it comes back out."""
    with (
        LocalIterable() as iterable,
        delivering(iterable) as into_iterable,
        destination(segment) as into_segment,
        serve(source_app(into_segment, tokens="token"), "127.0.0.1", 0) as address,
    ):
        into_iterable.send(identify(1, traits={"email": "ada@example.com"}))
        for name in ("emailSend", "emailOpen", "emailClick"):
            assert iterable.emit(address, name, "u-1", headers=TOKEN) == 200
        assert iterable.emit(address, "emailOpen", "u-1") == 401
    assert [(event["userId"], event["event"]) for event in segment.events] == [
        ("u-1", "Email Delivered"),
        ("u-1", "Email Opened"),
        ("u-1", "Email Link Clicked"),
    ]
