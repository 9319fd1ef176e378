"""Handlers for AWS Lambda: SQS, Kinesis, EventBridge and HTTP.

A handler reads events in the form in which AWS delivers them, and returns what AWS expects, such as
the messages to keep. It needs no library of AWS.
"""

from __future__ import annotations

import time
from base64 import b64decode
from binascii import Error as NoBase64
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from iterable_destination.delivery.base import BaseDestination
from iterable_destination.errors import NotAccepted
from iterable_destination.model.json_codec import decode
from iterable_destination.model.json_values import as_object
from iterable_destination.receivers.acknowledgement import (
    deliver_batch,
    describe,
    find_unacknowledged,
    summarize,
)
from iterable_destination.receivers.http import HTTPError, Request, too_large
from iterable_destination.receivers.messages import Message, deliver_messages
from iterable_destination.receivers.wsgi import WebhookApp

__all__ = [
    "LambdaHandler",
    "eventbridge_handler",
    "http_handler",
    "kinesis_handler",
    "sqs_handler",
]


class LambdaHandler(Protocol):
    """What Lambda calls with an event of AWS, and with a context, which knows the time left.

    Without a context there is no time limit.
    """

    def __call__(self, event: Any, context: Any = None) -> Any:
        """Deliver what is in the event, and return the response for Lambda."""


_NO_REQUEST: Final = "this is no HTTP request: it has no method"
#: A handler stops this many seconds before its time ends, or at this share of it, if that is less.
_MARGIN: Final = 1.0
_MARGIN_SHARE: Final = 0.2


def sqs_handler(
    to: BaseDestination, *, log_message_ids: bool = False, order_by_key: bool = True
) -> LambdaHandler:
    """Make a handler for an SQS queue, standard or FIFO, with ``ReportBatchItemFailures``.

    A message's body is an event in JSON, or an array of events; the envelopes of EventBridge and
    SNS are removed. The handler returns the messages that SQS must keep: those not delivered in
    time, and those that are refused, unless the destination keeps dead letters. SQS sends them
    again, and in the end moves them to the queue's own dead-letter queue. The messages of a FIFO
    queue are delivered one after another. At the first that must be kept the handler stops, and
    returns it and all after it.

    ``order_by_key`` True makes the group of a FIFO queue's message the ``ordering_key`` of its
    events, as in ``send_all``; the groups of a standard queue are no order. False
    is for groups of many users. ``log_message_ids`` True puts the ids of the events into the log
    record of each batch. The handler raises :exc:`ValueError` for an event that is not from SQS.
    """

    def handler(event: Any, context: Any = None) -> dict[str, Any]:
        records = _read_records(event, "aws:sqs", _is_message)
        is_fifo = any(str(each.get("eventSourceARN", "")).endswith(".fifo") for each in records)
        has_keys = is_fifo and order_by_key
        messages = [
            _read_message(
                _encode_text(record.get("body")),
                _read_key(record.get("attributes"), "MessageGroupId") if has_keys else None,
            )
            for record in records
        ]
        deliver = _make_delivery(to, _read_deadline(context), log_message_ids=log_message_ids)
        failed = _deliver_in_order(deliver, messages) if is_fifo else deliver(messages)
        return _build_failures([records[index]["messageId"] for index in failed])

    return handler


def kinesis_handler(
    to: BaseDestination, *, log_message_ids: bool = False, order_by_key: bool = True
) -> LambdaHandler:
    """Make a handler for a Kinesis stream, with ``ReportBatchItemFailures``.

    A record's data is an event in JSON, or an array of events. The handler returns the first
    record that must be kept. Lambda resumes there, so the records after it are sent twice, with
    the same ids. Limit the retries in Lambda, or let the destination keep dead letters: otherwise
    a record that is refused stops its shard.

    ``order_by_key`` True makes a record's partition key the ``ordering_key`` of its events, as in
    ``send_all``; False is for keys of many users. ``log_message_ids`` True puts
    the ids of the events into the log record of each batch. The handler raises :exc:`ValueError`
    for an event that is not from Kinesis.
    """

    def handler(event: Any, context: Any = None) -> dict[str, Any]:
        records = [
            record["kinesis"] for record in _read_records(event, "aws:kinesis", _is_from_stream)
        ]
        messages = [
            _read_message(
                _decode_data(record["data"]),
                _read_key(record, "partitionKey") if order_by_key else None,
            )
            for record in records
        ]
        deliver = _make_delivery(to, _read_deadline(context), log_message_ids=log_message_ids)
        failed = deliver(messages)
        return _build_failures([records[index]["sequenceNumber"] for index in failed[:1]])

    return handler


def eventbridge_handler(to: BaseDestination, *, log_message_ids: bool = False) -> LambdaHandler:
    """Make a handler for an EventBridge rule, to which Segment sends events one by one.

    The handler returns the number of events by outcome. If an event is not acknowledged, it raises
    :exc:`~errors.NotAccepted`, so that Lambda retries and in the end sends the event to the
    function's own destination for failures. It raises :exc:`ValueError` for an event that is not
    from EventBridge. ``log_message_ids`` True puts the event's id into the log record.
    """

    def handler(event: Any, context: Any = None) -> dict[str, Any]:
        envelopes = event if isinstance(event, list) else [event]
        if not all(_is_from_eventbridge(each) for each in envelopes):
            raise ValueError("this is no event of EventBridge: it has no detail and detail-type")
        details = [each["detail"] for each in envelopes]
        timeout = _remaining(_read_deadline(context))
        outcomes = deliver_batch(to, details, timeout, log_message_ids=log_message_ids)
        content = summarize(outcomes)
        if find_unacknowledged(to, outcomes):
            raise NotAccepted(f"not all events were delivered: {describe(content)}")
        return content

    return handler


def http_handler(application: WebhookApp) -> LambdaHandler:
    """Make a handler for API Gateway (both versions), a Function URL or a load balancer.

    It returns the response of an application, such as :func:`~receivers.segment.webhook_app` makes.
    The handler raises :exc:`ValueError` for an event that is no HTTP request.
    """

    def handler(event: Any, context: Any = None) -> dict[str, Any]:
        limit = time.monotonic() + application.time_limit
        deadline = min(limit, _read_deadline(context) or float("inf"))
        request = _read_request(event)
        response = application.handle(request, deadline)
        headers = {"Content-Type": "application/json", **response.headers}
        body = "" if request.method == "HEAD" else response.body().decode()
        return {"statusCode": response.status, "headers": headers, "body": body}

    return handler


# Time ----------------------------------------------------------------------------------------


def _read_deadline(context: Any) -> float | None:
    """Return when to stop, on the monotonic clock; None if there is no limit."""
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    if remaining is None:
        return None
    seconds: float = remaining() / 1000
    return time.monotonic() + seconds - min(_MARGIN, _MARGIN_SHARE * seconds)


def _remaining(deadline: float | None) -> float | None:
    return None if deadline is None else deadline - time.monotonic()


# Records -------------------------------------------------------------------------------------


def _read_records(
    event: Any, source: str, is_whole: Callable[[Mapping[str, Any]], bool]
) -> list[Any]:
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list) or not all(
        isinstance(each, Mapping) and each.get("eventSource", source) == source and is_whole(each)
        for each in records
    ):
        raise ValueError(f"this is no event of {source}: it has no Records of it")
    return records


def _is_message(record: Mapping[str, Any]) -> bool:
    """Whether a record of SQS can be answered for."""
    return isinstance(record.get("messageId"), str)


def _is_from_stream(record: Mapping[str, Any]) -> bool:
    """Whether a record of Kinesis can be read and answered for."""
    data = record.get("kinesis")
    return (
        isinstance(data, Mapping)
        and isinstance(data.get("sequenceNumber"), str)
        and isinstance(data.get("data"), str)
    )


def _decode_data(data: str) -> bytes:
    """Return the bytes of a record of Kinesis; nothing, which is refused, if it is no base64."""
    try:
        return b64decode(data)
    except ValueError:
        return b""


def _encode_text(body: Any) -> bytes:
    return body.encode(errors="surrogatepass") if isinstance(body, str) else b""


def _read_key(data: Any, name: str) -> str | None:
    """Return the key that stands under a name; None if there is none."""
    key = (as_object(data) or {}).get(name)
    return key if isinstance(key, str) else None


#: Delivers the events in messages, and returns the indexes of the messages to keep, ascending.
_Deliver = Callable[[Sequence[Message]], list[int]]


def _make_delivery(
    to: BaseDestination, deadline: float | None, *, log_message_ids: bool
) -> _Deliver:
    def deliver(messages: Sequence[Message]) -> list[int]:
        delivered = deliver_messages(
            to, messages, _remaining(deadline), log_message_ids=log_message_ids
        )
        return delivered.to_keep

    return deliver


def _deliver_in_order(deliver: _Deliver, messages: Sequence[Message]) -> list[int]:
    """Deliver one message after another; return the first one's index to keep, and all after it."""
    for index, message in enumerate(messages):
        if deliver([message]):
            return list(range(index, len(messages)))
    return []


def _read_message(text: bytes, key: str | None) -> Message:
    return Message(text, key, _unwrap)


def _unwrap(value: Any) -> Any:
    """Return a message without the envelopes of EventBridge and SNS."""
    if isinstance(value, dict) and value.get("Type") == "Notification":
        return _unwrap(decode(_encode_text(value.get("Message"))))
    return value["detail"] if _is_from_eventbridge(value) else value


def _is_from_eventbridge(value: Any) -> bool:
    return isinstance(value, Mapping) and "detail" in value and "detail-type" in value


def _build_failures(identifiers: Sequence[str]) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": each} for each in identifiers]}


# HTTP ----------------------------------------------------------------------------------------


def _read_request(event: Any) -> Request:
    """Return the request of an event; raises :exc:`ValueError` if it is none."""
    given = event if isinstance(event, Mapping) else {}
    context = as_object(given.get("requestContext")) or {}
    http = as_object(context.get("http")) or {}
    method = http.get("method") or given.get("httpMethod")
    if not (method and isinstance(method, str)):
        raise ValueError(_NO_REQUEST)  # A response would tell another sender that it was taken.
    headers = {
        **{name: values[-1] for name, values in (event.get("multiValueHeaders") or {}).items()},
        **(event.get("headers") or {}),
    }
    return Request(
        method,
        _read_path(event, context),
        {name.lower(): value for name, value in headers.items()},
        lambda limit: _read_body(event, limit),
    )


def _read_path(event: Any, context: Any) -> str:
    """Return the path without the stage, which version 2 alone puts in it."""
    path = event.get("rawPath")
    if path is None:
        return str(event.get("path", ""))
    first, _, rest = str(path).removeprefix("/").partition("/")
    return f"/{rest}" if first == context.get("stage") else str(path)


def _read_body(event: Any, limit: int) -> bytes:
    try:
        body = _encode_text(event.get("body"))
        if event.get("isBase64Encoded"):
            body = b64decode(body, validate=True)
    except (NoBase64, UnicodeEncodeError):
        raise HTTPError(400, "the body is not what it says it is") from None
    if len(body) > limit:
        raise too_large(limit)
    return body
