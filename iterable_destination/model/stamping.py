"""Ids and times of events that come without them, and times by a clock that is wrong.

An event that waits needs both before: by its id a repeat is known, and without a time it would
get that of its delivery. Nothing here reads a clock. Events are never changed, only copied.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from iterable_destination.model.dates import iso_moment, read_date
from iterable_destination.model.interruptions import raise_interruption
from iterable_destination.model.json_values import as_object, scalar
from iterable_destination.model.segment_event import read_message_id

_MILLISECOND: Final = timedelta(milliseconds=1)
#: Differences below are the network's, and Iterable's times are whole seconds.
_LEAST_SHIFT: Final = timedelta(seconds=1)
#: A ``sentAt`` further away is no time of a clock that is wrong: 1970 stands for none.
_MOST_SHIFT: Final = timedelta(days=366)
_NO_SHIFT: Final = timedelta()


def stamp(event: Any, now: datetime, make_id: Callable[[], str]) -> Any:
    """Return an event with a ``messageId`` and a time: itself, or a copy with what was missing.

    The copy is a ``dict`` with the event's own values. A ``messageId`` that is none (missing, null,
    blank, or neither text nor number) becomes what ``make_id`` returns. If ``timestamp`` and
    ``originalTimestamp`` are missing or null, ``timestamp`` becomes ``now``, a moment in UTC, in
    ISO 8601 with milliseconds.

    What is no object, a webhook of Iterable's, and an event whose reading raises are returned as
    they are. What a value raises is not raised, unless a signal handler raised it.
    """
    try:
        body = event if type(event) is dict else as_object(event)
        if body is None or _is_webhook(body):
            return event
        missing = {}
        message_id = body.get("messageId")
        if message_id is None or read_message_id(message_id) is None:
            missing["messageId"] = make_id()
        if scalar(body.get("timestamp")) is None and scalar(body.get("originalTimestamp")) is None:
            missing["timestamp"] = iso_moment(now, "milliseconds")
    except BaseException as error:  # noqa: BLE001 - values may raise anything
        raise_interruption(error)
        return event
    return {**body, **missing} if missing else event


def _is_webhook(body: dict[Any, Any]) -> bool:
    """Whether an object is a webhook of Iterable's, whose id is made of all that is in it."""
    return "eventName" in body and "type" not in body


def clock_shift(sent_at: Any, received_at: datetime) -> timedelta:
    """Return what to add to times of a client's clock, by when it says that it sent them.

    ``sent_at`` may be any value. Zero, if it is no date, is less than a second off, or more than
    366 days. Whole milliseconds.
    """
    sent = read_date(sent_at)
    if sent is None:
        return _NO_SHIFT
    shift = received_at - sent
    if not _LEAST_SHIFT <= abs(shift) <= _MOST_SHIFT:
        return _NO_SHIFT
    return shift // _MILLISECOND * _MILLISECOND


def shift_time(event: Any, shift: timedelta) -> Any:
    """Return an event with its ``timestamp`` moved: itself, or a copy.

    The copy has the ``timestamp`` that it had as its ``originalTimestamp``, as Segment gives it. An
    event that has an ``originalTimestamp`` or a ``receivedAt`` came through Segment, which has
    moved it already; that, an event without a ``timestamp`` that is a date, and what is no ``dict``
    are returned as they are.
    """
    if not shift or type(event) is not dict:
        return event
    if event.get("originalTimestamp") is not None or event.get("receivedAt") is not None:
        return event
    own = event.get("timestamp")
    moment = read_date(own)
    if moment is None:
        return event
    try:
        moved = moment + shift
    except OverflowError:  # it leaves the years 1 to 9999
        return event
    return {**event, "timestamp": iso_moment(moved), "originalTimestamp": own}
