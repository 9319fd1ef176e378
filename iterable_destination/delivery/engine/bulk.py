"""Bulk endpoints: what fits in one request, and which result its response means for each item.

Iterable's response to a bulk request names no item: it lists the emails, userIds and event names
that failed, and counts. So an item counts as accepted only if it is not listed and the counts leave
no doubt.
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
    """How many calls of one endpoint go in one request."""

    endpoint: Endpoint
    #: The body up to its first item. An item is the body of a single call.
    opening: bytes
    #: Whether a user may have one item only: of two, a response does not tell which failed.
    one_per_user: bool
    #: The largest body, in bytes.
    max_bytes: int = MAX_BODY_BYTES
    #: The most items.
    max_items: int = MAX_BULK_ITEMS
    #: Whether an item may also go alone, to the endpoint of single calls.
    has_single_endpoint: bool = True
    #: Whether a response reports single items; else one that accepts the request accepts them all.
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
    """Return the name of the queue for a bulk endpoint, or for single calls if that is None."""
    return endpoint.path if bulk is None else bulk.name


#: Iterable's bulk endpoints, by the path of the single calls.
ITERABLE_BULK_ENDPOINTS: Final = {
    endpoints.USERS_UPDATE.path: BulkEndpoint(
        endpoints.USERS_BULK_UPDATE, b'{"users":[', one_per_user=True
    ),
    endpoints.EVENTS_TRACK.path: BulkEndpoint(
        endpoints.EVENTS_TRACK_BULK, b'{"events":[', one_per_user=False
    ),
}


#: The bulk endpoints of profiles with ``updateOnly``, which only a bulk request can say: one for
#: many items, and one for an item that must go alone. By ``update_only`` and whether it is alone.
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
    """The items and bytes that still fit in one bulk request."""

    def __init__(self, bulk: BulkEndpoint) -> None:
        self._items = bulk.max_items
        self._bytes = bulk.capacity + 1  # the last item has no comma after it

    def take(self, item: bytes) -> bool:
        """Take the bytes that an item needs; False, taking none, if there are too few."""
        size = len(item) + 1
        if not self._items or size > self._bytes:
            return False
        self._items -= 1
        self._bytes -= size
        return True


class SentItem(Protocol):
    """The fields of an item by which it is found in a response."""

    @property
    def identity(self) -> Identity:
        """The user."""

    @property
    def event_name(self) -> str | None:
        """The event's name; None for calls other than custom events."""


def item_results(response: ApiResponse, sent: Sequence[SentItem]) -> list[ApiError | None]:
    """Return for each item of a bulk its error, or None if it was accepted.

    An :exc:`~errors.AmbiguousAnswer` means that the response leaves it open: the item must be
    sent singly to find out. ``sent`` are the items of the request, in any order.
    """
    listed = _list_failures(response.body)
    failures: list[ApiError | None] = [None] * len(sent)
    if listed:
        failures = [_find_error(item, listed, response) for item in sent]
    failed = len(sent) - failures.count(None)
    succeeded, not_succeeded = (
        _read_count(response.body, "successCount"),
        _read_count(response.body, "failCount"),
    )
    if succeeded is not None and not_succeeded is not None:
        if not_succeeded == failed and succeeded >= len(sent) - failed and _is_clear(sent, listed):
            return failures
        # If fewer failed than are listed, some that are listed were accepted, and others failed.
        in_doubt = not_succeeded < failed
    else:
        in_doubt = False
    doubt = AmbiguousAnswer(_DOUBT, status=response.status, request_id=response.request_id)
    return [doubt if failure is None or in_doubt else failure for failure in failures]


def _is_clear(sent: Sequence[SentItem], listed: _ListedFailures) -> bool:
    """Whether each listed name stands for the items of one user only.

    If it stands for more, some of these may have been accepted, and then others have failed that
    the counts do not show.
    """
    meanings: dict[tuple[str, str], tuple[str | None, str | None]] = {}
    for item in sent if listed else ():
        email, user_id = item.identity.email, item.identity.user_id
        names = (email.lower() if email is not None else None, user_id)
        for kind, name, failed in zip("@#", names, (listed.emails, listed.user_ids), strict=True):
            if name in failed and meanings.setdefault((kind, name), names) != names:
                return False
    return True


_DOUBT: Final = "the response to a bulk request does not say what became of each item"


def _read_count(body: Mapping[str, Any], key: str) -> int | None:
    count = body.get(key)
    return count if type(count) is int and count >= 0 else None


@attrs.frozen
class _ListedFailures:
    """What a response lists as failed, each with the key it is listed under."""

    emails: dict[str, str] = attrs.field(factory=dict)
    user_ids: dict[str, str] = attrs.field(factory=dict)
    event_names: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.emails or self.user_ids or self.event_names)


def _list_failures(body: Mapping[str, Any]) -> _ListedFailures:
    failed = body.get("failedUpdates")
    places = [*(failed.items() if isinstance(failed, Mapping) else ())]
    places += [(key, body.get(key)) for key in ("invalidEmails", "invalidUserIds")]
    listed = _ListedFailures(event_names=frozenset(_strings(body.get("disallowedEventNames"))))
    for key, values in places:
        if key.endswith("Emails"):
            for email in _strings(values):
                listed.emails.setdefault(email.lower(), key)
        elif key.endswith("UserIds"):
            for user_id in _strings(values):
                listed.user_ids.setdefault(user_id, key)
    return listed


def _strings(values: Any) -> Iterator[str]:
    if isinstance(values, Sequence) and not isinstance(values, str):
        yield from (value for value in values if isinstance(value, str))


def _find_error(item: SentItem, listed: _ListedFailures, response: ApiResponse) -> ApiError | None:
    if item.event_name in listed.event_names:
        return _build_error(EventDisallowed, "disallowedEventNames", response)
    key = None
    if listed.user_ids and item.identity.user_id is not None:
        key = listed.user_ids.get(item.identity.user_id)
    if key is None and listed.emails and item.identity.email is not None:
        key = listed.emails.get(item.identity.email.lower())
    return None if key is None else _build_error(_error_kind(key), key, response)


def _error_kind(key: str) -> type[RequestRefused]:
    if key.startswith("forgotten"):
        return ForgottenUser
    return IdentityConflict if key.startswith("conflict") else BadRequest


def _build_error(kind: type[RequestRefused], key: str, response: ApiResponse) -> ApiError:
    message = f"the response to a bulk request lists it under {key}"
    return kind(message, status=response.status, request_id=response.request_id)


#: A place in the body of a bulk request, as a key of ``params`` names it: ``obj.events[3].id``.
_PLACE: Final = re.compile(r"(?:obj\.)?(?:events|users)\[(\d{1,6})\]")


def blamed_items(error: ApiError, count: int) -> frozenset[int]:
    """Return which of ``count`` items Iterable's error blames for refusing a whole bulk.

    They are only hints: Iterable has blamed wrong items. Empty if it blames none, or none that
    was sent.
    """
    places = (_PLACE.match(key) for key in error.params or ())
    named = {int(place[1]) for place in places if place}
    return frozenset(index for index in named if index < count)
