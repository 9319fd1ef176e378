"""Handlers of AWS Lambda deliver events, and return those that AWS must keep."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

from iterable_destination import Destination
from iterable_destination.conformance import answer
from iterable_destination.io.dead_letters import DeadLetters
from iterable_destination.model import endpoints
from iterable_destination.receivers import aws_lambda
from iterable_destination.receivers.segment import webhook_app
from iterable_destination.receivers.wsgi import WebhookApp
from iterable_destination.testing import LocalIterable, Script, faults
from tests.support.conformance_cases import by_id
from tests.support.delivering import (
    applied,
    delivering,
    number_of,
    order,
    settings_of,
    track,
)

CASES = by_id("hosts")


@attrs.frozen
class Context:
    """The part of a Lambda context that handlers use."""

    seconds: float

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


def application(iterable: LocalIterable, to: Destination) -> WebhookApp:
    return webhook_app(
        settings_of(iterable),
        shared_secret="shh",
        write_keys="write-key",
        max_body=2_000,
        destination=to,
    )


def function(name: str, iterable: LocalIterable, to: Destination) -> aws_lambda.LambdaHandler:
    if name == "http":
        return aws_lambda.http_handler(application(iterable, to))
    made: Callable[[Destination], aws_lambda.LambdaHandler] = getattr(aws_lambda, f"{name}_handler")
    return made(to)


@pytest.fixture
def iterable() -> Iterator[LocalIterable]:
    with LocalIterable() as started:
        yield started


def list_delivered(iterable: LocalIterable) -> list[int]:
    return sorted(number_of(effect) for effect in iterable.project.effects)


@pytest.mark.parametrize("name", CASES)
def test_what_aws_hands_over_is_answered_as_its_case_says_word_for_word(name: str) -> None:
    assert answer(CASES[name].request) == CASES[name].output


def messages(*bodies: Any, queue: str = "segment") -> dict[str, Any]:
    arn = f"arn:aws:sqs:us-east-2:123456789012:{queue}"
    return {
        "Records": [
            {
                "messageId": str(number),
                "body": json.dumps(body),
                "eventSource": "aws:sqs",
                "eventSourceARN": arn,
            }
            for number, body in enumerate(bodies)
        ]
    }


def read_failures(answer: Any) -> list[str]:
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


@pytest.mark.parametrize("seconds", [0.6, pytest.param(3.0, marks=pytest.mark.slow)])
def test_a_slow_iterable_leaves_time_to_give_messages_back(
    seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = faults.latency(inf)
    given: list[float] = []
    send_all = Destination.send_all

    def noting(to: Destination, events: Any, *, timeout: float, **options: Any) -> Any:
        given.append(timeout)
        return send_all(to, events, timeout=timeout, **options)

    monkeypatch.setattr(Destination, "send_all", noting)
    with (
        LocalIterable(faults=Script([slow] * 9)) as iterable,
        delivering(iterable) as to,
    ):
        run = aws_lambda.sqs_handler(to)
        answer = run(messages(track(1), track(2, "u-2")), Context(seconds))
        assert [timeout for timeout in given if timeout < seconds - 0.1] == given != []
        assert read_failures(answer) == ["0", "1"]


def test_a_message_is_given_back_if_iterable_fails_on_it(iterable: LocalIterable) -> None:
    with delivering(iterable, key="wrong") as to:
        assert read_failures(aws_lambda.sqs_handler(to)(messages(track(1)))) == ["0"]
    assert list_delivered(iterable) == []


def test_messages_of_a_fifo_queue_go_one_after_another_whosever_they_are() -> None:
    broken = [faults.server_error()] * 5
    with (
        LocalIterable(faults=Script([None, *broken])) as iterable,
        delivering(iterable) as to,
    ):
        run = aws_lambda.sqs_handler(to)
        handed = messages(*(track(n, f"u-{n}") for n in range(4)), queue="segment.fifo")
        assert read_failures(run(handed)) == ["1", "2", "3"]
        assert list_delivered(iterable) == [0]
        assert read_failures(run(handed)) == []
        assert {effect.id for effect in iterable.project.effects} == {"m-0", "m-1", "m-2", "m-3"}


def test_what_is_refused_can_be_kept_as_a_dead_letter_instead(
    iterable: LocalIterable, tmp_path: Path
) -> None:
    path = tmp_path / "dead.jsonl"
    with DeadLetters(path) as letters, delivering(iterable, dead_letters=letters) as to:
        answer = aws_lambda.sqs_handler(to)(messages({"type": "track", "userId": "u"}, "text"))
    assert read_failures(answer) == []
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    errors = [line["deadLetter"]["error"]["type"] for line in lines]
    assert errors == ["InvalidEvent", "InvalidJSON"]


def test_many_messages_go_in_bulks(iterable: LocalIterable) -> None:
    with delivering(iterable) as to:
        aws_lambda.sqs_handler(to)(messages(*(track(n, f"u-{n}") for n in range(50))))
    assert len(iterable.project.requests) == 1
    assert list_delivered(iterable) == list(range(50))


def test_ids_are_logged_if_asked_for(
    iterable: LocalIterable, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    expected = {"delivered": [track(1)["messageId"]]}
    with delivering(iterable) as to:
        aws_lambda.sqs_handler(to)(messages(track(1)))
        aws_lambda.sqs_handler(to, log_message_ids=True)(messages(track(1)))
    ids = [vars(record).get("iterable_message_ids") for record in caplog.records]
    assert ids == [None, expected]


# The key that the host has ------------------------------------------------------------------------

#: An order of a user known by the email, and a track of the same one, known by the userId.
ONE_AND_THE_SAME = [
    order(1) | {"userId": None, "context": {"traits": {"email": "a@example.com"}}},
    track(2),
]


def failing_orders(times: int = 2) -> Script:
    path = endpoints.TRACK_PURCHASE.path
    return Script([faults.server_error()] * times, paths={path})


def records(*bodies: Any, key: Any = "k-1") -> dict[str, Any]:
    """Return what Kinesis hands over, with one partition key."""
    return {
        "Records": [
            {
                "eventSource": "aws:kinesis",
                "kinesis": {
                    "sequenceNumber": str(number),
                    "data": b64encode(json.dumps(body).encode()).decode(),
                    "partitionKey": key,
                },
            }
            for number, body in enumerate(bodies)
        ]
    }


def group(handed: dict[str, Any], attributes: Any) -> dict[str, Any]:
    """Return what SQS hands over, with these attributes of each message."""
    return {"Records": [each | {"attributes": attributes} for each in handed["Records"]]}


@pytest.mark.parametrize(
    ("key", "options", "expected"),
    [
        ("k-1", {}, [1, 2]),
        ("k-1", {"order_by_key": True}, [1, 2]),
        ("k-1", {"order_by_key": False}, [2, 1]),
        (None, {}, [2, 1]),
        (7, {}, [2, 1]),
    ],
)
def test_records_with_one_partition_key_are_delivered_in_their_order(
    key: Any, options: dict[str, bool], expected: list[int]
) -> None:
    with LocalIterable(faults=failing_orders()) as iterable, delivering(iterable) as to:
        run = aws_lambda.kinesis_handler(to, **options)
        assert read_failures(run(records(*ONE_AND_THE_SAME, key=key))) == []
        assert applied(iterable.project.effects) == expected


def test_the_first_record_to_be_kept_is_returned_and_later_ones_of_its_key_were_not_sent() -> None:
    handed = records(*ONE_AND_THE_SAME)
    handed["Records"] += records(track(3, "u-3"), key="k-3")["Records"]
    with LocalIterable(faults=failing_orders(5)) as iterable, delivering(iterable) as to:
        run = aws_lambda.kinesis_handler(to)
        assert read_failures(run(handed)) == ["0"]
        assert applied(iterable.project.effects) == [3]
        assert read_failures(run(handed)) == []
        assert applied(iterable.project.effects) == [3, 1, 2]


@pytest.mark.parametrize(
    ("queue", "attributes", "options", "expected"),
    [
        ("segment.fifo", {"MessageGroupId": "k-1"}, {}, [1, 2]),
        ("segment.fifo", {"MessageGroupId": "k-1"}, {"order_by_key": False}, [2, 1]),
        ("segment.fifo", {"MessageGroupId": 7}, {}, [2, 1]),
        ("segment.fifo", {}, {}, [2, 1]),
        ("segment.fifo", None, {}, [2, 1]),
        ("segment", {"MessageGroupId": "k-1"}, {}, [2, 1]),
    ],
)
def test_events_in_a_message_are_delivered_in_their_order_if_a_fifo_queue_has_a_group(
    queue: str, attributes: Any, options: dict[str, bool], expected: list[int]
) -> None:
    handed = group(messages(ONE_AND_THE_SAME, queue=queue), attributes)
    with LocalIterable(faults=failing_orders()) as iterable, delivering(iterable) as to:
        assert read_failures(aws_lambda.sqs_handler(to, **options)(handed)) == []
        assert applied(iterable.project.effects) == expected


def test_each_event_has_the_key_of_its_own_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a record has several events, none, or something else."""
    seen: list[tuple[Any, str | None]] = []
    send_all = Destination.send_all

    def noting(to: Destination, events: Any, *, ordering_key: Any, **options: Any) -> Any:
        def note(event: Any) -> Any:
            key = ordering_key(event)
            seen.append((event, key))
            return key

        return send_all(to, events, ordering_key=note, **options)

    monkeypatch.setattr(Destination, "send_all", noting)
    handed = records([track(0), track(1)], key="k-0")
    handed["Records"] += records([], key="k-1")["Records"]
    handed["Records"] += records("text", key="k-2")["Records"]
    handed["Records"] += records(track(3), key="k-3")["Records"]
    with LocalIterable() as iterable, delivering(iterable) as to:
        answer = aws_lambda.kinesis_handler(to)(handed)
    assert read_failures(answer) == ["0"]  # of the text, which is the first of its call
    assert [key for _, key in seen] == ["k-0", "k-0", "k-2", "k-3"]


@pytest.mark.parametrize("event", [None, {}, {"Records": {}}, {"Records": [{"eventSource": "x"}]}])
@pytest.mark.parametrize("source", ["sqs", "kinesis"])
def test_what_is_of_another_source_is_no_success(
    iterable: LocalIterable, event: Any, source: str
) -> None:
    with delivering(iterable) as to, pytest.raises(ValueError, match="it has no Records of it"):
        function(source, iterable, to)(event, None)


def test_eventbridge_may_hand_over_several(iterable: LocalIterable) -> None:
    events = [{"detail-type": "track", "detail": track(n)} for n in range(2)]
    with delivering(iterable) as to:
        assert aws_lambda.eventbridge_handler(to)(events, None) == {"delivered": 2}


@pytest.mark.parametrize(("left", "used"), [(300.0, 299.0), (5.0, 4.0), (1.0, 0.8), (0.5, 0.4)])
def test_a_handler_stops_a_second_or_a_fifth_of_its_time_before_its_end(
    left: float, used: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_lambda, "time", SimpleNamespace(monotonic=lambda: 100.0))
    assert aws_lambda._read_deadline(Context(left)) == pytest.approx(100.0 + used)


# What is from something else ---------------------------------------------------------------------

SNS = {"EventSource": "aws:sns", "Sns": {"MessageId": "m-1", "Message": json.dumps(track(1))}}


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "text",
        {},
        {"Records": None},
        {"Records": [1]},
        {"Records": [None]},
        {"Records": ["text"]},
        {"Records": [SNS]},
        {"Records": [{"eventSource": "aws:s3", "s3": {}}]},
        {"Records": [{"eventSource": "aws:kinesis"}]},
        {"Records": [{"eventSource": "aws:kinesis", "kinesis": 1}]},
        {"Records": [{"eventSource": "aws:kinesis", "kinesis": {"data": "e30="}}]},
        {"Records": [{"eventSource": "aws:sqs", "body": "{}"}]},
        {"requestContext": "text", "httpMethod": ""},
    ],
)
@pytest.mark.parametrize("name", ["sqs", "kinesis", "eventbridge", "http"])
def test_what_is_from_something_else_is_refused_in_a_sentence(
    name: str, event: Any, iterable: LocalIterable
) -> None:
    with delivering(iterable) as to:
        handle = function(name, iterable, to)
        if name == "eventbridge" and event == []:
            assert handle(event) == {}  # a batch of none
            return
        with pytest.raises(ValueError, match=r"\Athis is no (event of|HTTP request)"):
            handle(event)
    assert list_delivered(iterable) == []


def test_a_record_of_kinesis_that_is_no_base64_is_kept_and_the_others_arrive(
    iterable: LocalIterable,
) -> None:
    texts = [b64encode(json.dumps(track(1)).encode()).decode(), "no base64!", "é"]
    records = [
        {"eventSource": "aws:kinesis", "kinesis": {"sequenceNumber": f"n-{n}", "data": text}}
        for n, text in enumerate(texts)
    ]
    with delivering(iterable) as to:
        handle = function("kinesis", iterable, to)
        assert handle({"Records": records}) == {"batchItemFailures": [{"itemIdentifier": "n-1"}]}
    assert list_delivered(iterable) == [1]


def test_a_head_request_has_no_body(iterable: LocalIterable) -> None:
    with delivering(iterable) as to:
        handle = function("http", iterable, to)
        found = handle({"httpMethod": "HEAD", "path": "/"})
    assert (found["statusCode"], found["body"]) == (200, "")
