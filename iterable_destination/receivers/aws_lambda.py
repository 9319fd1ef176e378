"""AWS Lambda: functions for what Segment's events come through in AWS.

What may live here: how AWS hands over events, and how it wants to be told which to keep. Nothing of
AWS is needed to run it.
"""

from __future__ import annotations

import time
from base64 import b64decode
from binascii import Error as NoBase64
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from iterable_destination.delivery.base import BaseDestination
from iterable_destination.errors import NotAccepted
from iterable_destination.model.json_codec import decode
from iterable_destination.model.records import LineRecord
from iterable_destination.receivers import acknowledgement as acceptance
from iterable_destination.receivers.acknowledgement import deliver_batch, is_acknowledged
from iterable_destination.receivers.http import HTTPError, Request, too_large
from iterable_destination.receivers.wsgi import WebhookApp


class LambdaHandler(Protocol):
    """What Lambda calls with what came in, and with its context, which says how much time is left.

    Without a context nothing sets a limit.
    """

    def __call__(self, event: Any, context: Any = None) -> Any:
        """Deliver what came in, and return what Lambda is to be told."""


#: Seconds that are left of a function's time when it stops, or this part of it if that is less.
_MARGIN: Final = 1.0
_PART: Final = 0.2


def sqs_handler(to: BaseDestination) -> LambdaHandler:
    """Make a function for a queue of SQS, standard or FIFO, with ``ReportBatchItemFailures``.

    A message's body is an event in JSON, or an array of events; what EventBridge or SNS put
    around it is taken off. It gives back the messages that SQS is to keep, to send them again or
    in the end move them to the queue's own dead-letter queue: those not delivered in time, and
    those that are refused unless the destination keeps dead letters. Of a FIFO queue it delivers
    one message after another, stops at the first that is to be kept, and gives back all from
    there on.

    The function raises :exc:`ValueError` if what came in is not of SQS.
    """

    def function(event: Any, context: Any = None) -> dict[str, Any]:
        records = _records(event, "aws:sqs")
        texts = [_text(record.get("body")) for record in records]
        until = _until(context)
        if any(str(record.get("eventSourceARN", "")).endswith(".fifo") for record in records):
            failed = _failed_in_order(to, texts, until)
        else:
            failed = _failed(to, texts, until)
        return _failures([records[index]["messageId"] for index in failed])

    return function


def kinesis_handler(to: BaseDestination) -> LambdaHandler:
    """Make a function for a stream of Kinesis, with ``ReportBatchItemFailures``.

    A record's data is an event in JSON, or an array of events. It gives back the first record
    that is to be kept: Lambda goes on from there, so that what came after it is sent twice, with
    the same ids. Bound the tries in Lambda, or let the destination keep dead letters: a record
    that is refused stops its shard otherwise.

    The function raises :exc:`ValueError` if what came in is not of Kinesis.
    """

    def function(event: Any, context: Any = None) -> dict[str, Any]:
        records = [record["kinesis"] for record in _records(event, "aws:kinesis")]
        texts = [b64decode(record["data"]) for record in records]
        failed = _failed(to, texts, _until(context))
        return _failures([records[index]["sequenceNumber"] for index in failed[:1]])

    return function


def eventbridge_handler(to: BaseDestination) -> LambdaHandler:
    """Make a function for a rule of EventBridge, to which Segment sends events one by one.

    It returns how many events ended how. If one is neither delivered nor kept as a dead letter
    it raises :exc:`~errors.NotAccepted`, so that Lambda tries again and in the end sends the event
    to the function's own destination for failures. Raises :exc:`ValueError` if what came in is
    not of EventBridge.
    """

    def function(event: Any, context: Any = None) -> dict[str, Any]:
        envelopes = event if isinstance(event, list) else [event]
        if not all(_is_of_eventbridge(each) for each in envelopes):
            raise ValueError("this is no event of EventBridge: it has no detail and detail-type")
        outcomes = deliver_batch(to, [each["detail"] for each in envelopes], _left(_until(context)))
        content = acceptance.summarize(outcomes)
        if not all(is_acknowledged(outcome, kept=to.keeps_dead_letters) for outcome in outcomes):
            raise NotAccepted(f"not all events were delivered: {content}")
        return content

    return function


def http_handler(application: WebhookApp) -> LambdaHandler:
    """Make a function for API Gateway (both versions), a Function URL or a load balancer.

    It answers what the application would, which :func:`~webhook.webhook_app` makes.
    """

    def function(event: Any, context: Any = None) -> dict[str, Any]:
        until = min(time.monotonic() + application.time_limit, _until(context) or float("inf"))
        reply = application.answer(_request(event), until)
        headers = {"Content-Type": "application/json", **reply.headers}
        body = reply.body().decode()
        return {"statusCode": reply.status, "headers": headers, "body": body}

    return function


# Time ----------------------------------------------------------------------------------------


def _until(context: Any) -> float | None:
    """Return when to stop, on the monotonic clock; None if nothing sets a limit."""
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    if remaining is None:
        return None
    seconds: float = remaining() / 1000
    return time.monotonic() + seconds - min(_MARGIN, _PART * seconds)


def _left(until: float | None) -> float | None:
    return None if until is None else until - time.monotonic()


# Records -------------------------------------------------------------------------------------


def _records(event: Any, source: str) -> list[Any]:
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list) or any(
        each.get("eventSource", source) != source for each in records
    ):
        raise ValueError(f"this is no event of {source}: it has no Records of it")
    return records


def _text(body: Any) -> bytes:
    return body.encode(errors="surrogatepass") if isinstance(body, str) else b""


def _failed(to: BaseDestination, texts: Sequence[bytes], until: float | None) -> list[int]:
    """Deliver what these texts hold; return the indexes of those that are to be kept, ascending."""
    sources: list[Any] = []
    owners: list[int] = []
    for index, text in enumerate(texts):
        sources += _sources(text, len(sources))
        owners += [index] * (len(sources) - len(owners))
    outcomes = deliver_batch(to, sources, _left(until))
    return sorted(
        {
            owners[each.index]
            for each in outcomes
            if not is_acknowledged(each, kept=to.keeps_dead_letters)
        }
    )


def _failed_in_order(to: BaseDestination, texts: Sequence[bytes], until: float | None) -> list[int]:
    """Deliver one text after another; return the index of the first to be kept, and all after."""
    for index, text in enumerate(texts):
        if _failed(to, [text], until):
            return list(range(index, len(texts)))
    return []


def _sources(text: bytes, before: int) -> list[Any]:
    """Return the events of a text; if it is no JSON, the text, which is refused by its place."""
    try:
        value = _unwrapped(decode(text))
    except ValueError:
        value = None
    if isinstance(value, list):
        return value
    return [value if isinstance(value, dict) else LineRecord(before + 1, text)]


def _unwrapped(value: Any) -> Any:
    """Return a message without what EventBridge or SNS put around it."""
    if isinstance(value, dict) and value.get("Type") == "Notification":
        return _unwrapped(decode(_text(value.get("Message"))))
    return value["detail"] if _is_of_eventbridge(value) else value


def _is_of_eventbridge(value: Any) -> bool:
    return isinstance(value, Mapping) and "detail" in value and "detail-type" in value


def _failures(identifiers: Sequence[str]) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": each} for each in identifiers]}


# HTTP ----------------------------------------------------------------------------------------


def _request(event: Any) -> Request:
    context = event.get("requestContext") or {}
    http = context.get("http") or {}
    headers = {
        **{name: values[-1] for name, values in (event.get("multiValueHeaders") or {}).items()},
        **(event.get("headers") or {}),
    }
    return Request(
        http.get("method") or event.get("httpMethod", ""),
        _path(event, context),
        {name.lower(): value for name, value in headers.items()},
        lambda limit: _body(event, limit),
    )


def _path(event: Any, context: Any) -> str:
    """Return the path without the stage, which is in it for version 2 only."""
    path = event.get("rawPath")
    if path is None:
        return str(event.get("path", ""))
    first, _, rest = str(path).removeprefix("/").partition("/")
    return f"/{rest}" if first == context.get("stage") else str(path)


def _body(event: Any, limit: int) -> bytes:
    try:
        body = _text(event.get("body"))
        if event.get("isBase64Encoded"):
            body = b64decode(body, validate=True)
    except (NoBase64, UnicodeEncodeError):
        raise HTTPError(400, "the body is not what it says it is") from None
    if len(body) > limit:
        raise too_large(limit)
    return body
