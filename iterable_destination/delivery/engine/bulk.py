"""Batching: calls into the bodies of bulk requests, and bulk answers into a verdict for each call.

What may live here: Iterable's two bulk endpoints and Segment's one, what fits in one request, and
how Iterable's answer is read. It names no item: it lists emails, userIds and event names that
failed, and counts. So an item is accepted only if it is not listed and the counts leave no room
for doubt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

import attrs

from iterable_destination.errors import (
    AmbiguousAnswer,
    ApiError,
    BadRequest,
    EventDisallowed,
    ForgottenUser,
    IdentityConflict,
    RequestRefused,
)
from iterable_destination.model import endpoints
from iterable_destination.model.calls import Identity
from iterable_destination.model.endpoints import MAX_BODY_BYTES, MAX_BULK_ITEMS, Endpoint
from iterable_destination.model.responses import ApiResponse

_CLOSING: Final = b"]}"


@attrs.frozen
class BulkEndpoint:
    """How the calls of one endpoint are sent many at a time."""

    endpoint: Endpoint
    #: The body up to its first item. An item is what would be sent alone.
    opening: bytes
    #: Whether a user may have one item only: if two went and one failed, nothing tells which.
    one_per_user: bool
    #: The largest body, in bytes.
    max_bytes: int = MAX_BODY_BYTES
    #: The most items.
    max_items: int = MAX_BULK_ITEMS
    #: Whether an item may also go alone, to the endpoint of single calls.
    has_single_endpoint: bool = True
    #: Whether an answer tells of items; else one that accepts the request accepts them all.
    reports_items: bool = True
    #: The endpoint's path, or another name where there are several for one.
    name: str = attrs.field(init=False)
    #: How many bytes the items and the commas between them may have together.
    capacity: int = attrs.field(init=False)

    @name.default
    def _name(self) -> str:
        suffix = f" {self.opening!r} {self.max_items}"
        return self.endpoint.path if self.has_single_endpoint else self.endpoint.path + suffix

    @capacity.default
    def _capacity(self) -> int:
        return self.max_bytes - len(self.opening) - len(_CLOSING)

    def body(self, items: Sequence[bytes]) -> bytes:
        """Return the body of a request with these items, each in JSON."""
        return self.opening + b",".join(items) + _CLOSING


def queue_name(endpoint: Endpoint, bulk: BulkEndpoint | None) -> str:
    """Return the name of the place where calls wait that go in this bulk, or singly."""
    return endpoint.path if bulk is None else bulk.name


#: The bulk for the calls of an endpoint; other calls are sent singly.
BULK_ENDPOINTS: Final = {
    endpoints.USERS_UPDATE.path: BulkEndpoint(
        endpoints.USERS_BULK_UPDATE, b'{"users":[', one_per_user=True
    ),
    endpoints.EVENTS_TRACK.path: BulkEndpoint(
        endpoints.EVENTS_TRACK_BULK, b'{"events":[', one_per_user=False
    ),
    endpoints.SEGMENT_TRACK.path: BulkEndpoint(
        endpoints.SEGMENT_BATCH,
        b'{"batch":[',
        one_per_user=False,
        max_bytes=endpoints.MAX_SEGMENT_BATCH_BYTES,
        reports_items=False,
    ),
}


#: The bulks of profiles that say whether they may make users, which only a bulk can say; one for
#: many, and one for an item that must go alone.
UPDATE_ONLY_ENDPOINTS: Final = {
    (only, single): BulkEndpoint(
        endpoints.USERS_BULK_UPDATE,
        b'{"updateOnly":%b,"users":[' % (b"true" if only else b"false"),
        one_per_user=True,
        max_items=1 if single else MAX_BULK_ITEMS,
        has_single_endpoint=False,
    )
    for only in (True, False)
    for single in (True, False)
}


class BatchCapacity:
    """What still fits in the body of one bulk request."""

    def __init__(self, bulk: BulkEndpoint) -> None:
        self._items = bulk.max_items
        self._bytes = bulk.capacity + 1  # the last item has no comma after it

    def take(self, item: bytes) -> bool:
        """Take the room that an item needs; False, taking none, if there is not enough."""
        size = len(item) + 1
        if not self._items or size > self._bytes:
            return False
        self._items -= 1
        self._bytes -= size
        return True


class SentItem(Protocol):
    """What is to be known of an item to find it in an answer."""

    @property
    def identity(self) -> Identity:
        """Who it is about."""

    @property
    def event_name(self) -> str | None:
        """The event's name; None for what is no event."""


def item_results(answer: ApiResponse, sent: Sequence[SentItem]) -> list[ApiError | None]:
    """Return for each item of a bulk what is wrong with it, or None if it was accepted.

    An :exc:`~errors.AmbiguousAnswer` says that the answer leaves it open: the item is to be sent
    singly, to see. ``sent`` are those of the request, in any order.
    """
    listed = _listed(answer.body)
    failures: list[ApiError | None] = [None] * len(sent)
    if listed:
        failures = [_failure(item, listed, answer) for item in sent]
    failed = len(sent) - failures.count(None)
    succeeded, not_succeeded = _count(answer.body, "successCount"), _count(answer.body, "failCount")
    if succeeded is not None and not_succeeded is not None:
        if not_succeeded == failed and succeeded >= len(sent) - failed and _is_clear(sent, listed):
            return failures
        # If fewer failed than are listed, some that are listed were accepted, and others failed.
        in_doubt = not_succeeded < failed
    else:
        in_doubt = False
    doubt = AmbiguousAnswer(_DOUBT, status=answer.status, request_id=answer.request_id)
    return [doubt if failure is None or in_doubt else failure for failure in failures]


def _is_clear(sent: Sequence[SentItem], listed: _Listed) -> bool:
    """Whether each name that is listed stands for one user's items only.

    If it stands for more, some of these may have been accepted, and so others have failed that
    the counts would not tell of.
    """
    meant: dict[tuple[str, str], tuple[str | None, str | None]] = {}
    for item in sent if listed else ():
        email, user_id = item.identity.email, item.identity.user_id
        names = (email.lower() if email is not None else None, user_id)
        for kind, name, failed in zip("@#", names, (listed.emails, listed.user_ids), strict=True):
            if name in failed and meant.setdefault((kind, name), names) != names:
                return False
    return True


_DOUBT: Final = "the answer to a bulk request does not say what became of each item"


def _count(body: Mapping[str, Any], key: str) -> int | None:
    count = body.get(key)
    return count if type(count) is int and count >= 0 else None


@attrs.frozen
class _Listed:
    """What an answer says has failed, each with the key it is listed under."""

    emails: dict[str, str] = attrs.field(factory=dict)
    user_ids: dict[str, str] = attrs.field(factory=dict)
    event_names: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.emails or self.user_ids or self.event_names)


def _listed(body: Mapping[str, Any]) -> _Listed:
    failed = body.get("failedUpdates")
    places = [*(failed.items() if isinstance(failed, Mapping) else ())]
    places += [(key, body.get(key)) for key in ("invalidEmails", "invalidUserIds")]
    listed = _Listed(event_names=frozenset(_texts(body.get("disallowedEventNames"))))
    for key, values in places:
        if key.endswith("Emails"):
            for email in _texts(values):
                listed.emails.setdefault(email.lower(), key)
        elif key.endswith("UserIds"):
            for user_id in _texts(values):
                listed.user_ids.setdefault(user_id, key)
    return listed


def _texts(values: Any) -> Iterator[str]:
    if isinstance(values, Sequence) and not isinstance(values, str):
        yield from (value for value in values if isinstance(value, str))


def _failure(item: SentItem, listed: _Listed, answer: ApiResponse) -> ApiError | None:
    if item.event_name in listed.event_names:
        return _error(EventDisallowed, "disallowedEventNames", answer)
    key = None
    if listed.user_ids and item.identity.user_id is not None:
        key = listed.user_ids.get(item.identity.user_id)
    if key is None and listed.emails and item.identity.email is not None:
        key = listed.emails.get(item.identity.email.lower())
    return None if key is None else _error(_meaning(key), key, answer)


def _meaning(key: str) -> type[RequestRefused]:
    if key.startswith("forgotten"):
        return ForgottenUser
    return IdentityConflict if key.startswith("conflict") else BadRequest


def _error(kind: type[RequestRefused], key: str, answer: ApiResponse) -> ApiError:
    message = f"the answer to a bulk request lists it under {key}"
    return kind(message, status=answer.status, request_id=answer.request_id)


#: A place in the body of a bulk request, as a key of ``params`` names it: ``obj.events[3].id``.
_PLACE: Final = re.compile(r"(?:obj\.)?(?:events|users)\[(\d{1,6})\]")


def blamed_items(error: ApiError, count: int) -> frozenset[int]:
    """Return which of so many items an error of Iterable's blames for refusing a whole bulk.

    They are hints, and have been wrong. Empty if it blames none, or none that was sent.
    """
    places = (_PLACE.match(key) for key in error.params or ())
    named = {int(place[1]) for place in places if place}
    return frozenset(index for index in named if index < count)
