"""Bulk endpoints: what fits in one request, and which result its response means for each item.

Iterable's response to a bulk request names no item: it lists the emails, userIds and event names
that failed, and counts. Several items may have one name, and one that failed may not be listed. So
an item counts as accepted, or as refused, only if no other reading fits the response.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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
_DISALLOWED: Final = "disallowedEventNames"
#: How the keys end under which a response lists what failed.
_LISTS: Final = (_DISALLOWED, "UserIds", "Emails")
#: A name by which a response lists an item: one of these, and an event name, userId or email.
_Name = tuple[str, str]


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
    #: The endpoint's name, or another where there are several for one.
    name: str = attrs.field(init=False)
    #: How many bytes the items and the commas between them may have together.
    capacity: int = attrs.field(init=False)

    @name.default
    def _name(self) -> str:
        suffix = f" {self.opening!r} {self.max_items}"
        return self.endpoint.name if self.has_single_endpoint else self.endpoint.name + suffix

    @capacity.default
    def _capacity(self) -> int:
        return self.max_bytes - len(self.opening) - len(_CLOSING)

    def body(self, items: Sequence[bytes]) -> bytes:
        """Return the body of a request with these items, each in JSON."""
        return self.opening + b",".join(items) + _CLOSING


def queue_name(endpoint: Endpoint, bulk: BulkEndpoint | None) -> str:
    """Return the name of the queue for a bulk endpoint, or for single calls if that is None."""
    return endpoint.name if bulk is None else bulk.name


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

    A listed name says that at least one of the items with this name failed, and the counts say how
    many failed in all. An item is accepted, or refused, only if it is so in every way that fits.
    """
    failed, succeeded = (_read_count(response.body, key) for key in ("failCount", "successCount"))
    listed = _list_failures(response.body)
    if not listed and failed == 0 and succeeded == len(sent):
        return [None] * len(sent)
    doubt = AmbiguousAnswer(_DOUBT, status=response.status, request_id=response.request_id)
    results: list[ApiError | None] = [doubt] * len(sent)
    names = _find_listed(sent, listed)
    refused: dict[int, str] = {}  # failed for certain, and the key that says why
    have_all_failed = succeeded == 0 and failed == len(sent)
    for name, items in names.items():
        for item in items if len(items) == 1 or have_all_failed else ():
            refused.setdefault(item, listed[name])
    if failed is not None and succeeded == len(sent) - failed and not have_all_failed:
        # One item of each of these failed too, and it is open which.
        in_doubt = [items for items in names.values() if refused.keys().isdisjoint(items)]
        fewest = len(refused) + _count_disjoint(in_doubt)
        if failed < fewest:  # it contradicts itself
            return results
        if failed == fewest:  # nothing else failed
            doubted = {item for items in in_doubt for item in items}
            results = [doubt if item in doubted else None for item in range(len(sent))]
    for item, key in refused.items():
        results[item] = _build_error(_error_kind(key), key, response)
    return results


def _find_listed(sent: Sequence[SentItem], listed: Mapping[_Name, str]) -> dict[_Name, list[int]]:
    """Return for each listed name the items that have it; a name that none has is left out."""
    found: dict[_Name, list[int]] = {}
    for index, item in enumerate(sent):
        for name in _names_of(item):
            if name in listed:
                found.setdefault(name, []).append(index)
    return found


def _count_disjoint(groups: Iterable[Collection[int]]) -> int:
    """Return a number of groups that share no item, so that as many items failed at least."""
    taken: set[int] = set()
    count = 0
    for group in sorted(groups, key=len):
        if taken.isdisjoint(group):
            taken.update(group)
            count += 1
    return count


_DOUBT: Final = "the response to a bulk request does not say what became of each item"


def _read_count(body: Mapping[str, Any], key: str) -> int | None:
    count = body.get(key)
    return count if type(count) is int and count >= 0 else None


def _list_failures(body: Mapping[str, Any]) -> dict[_Name, str]:
    """Return the names that a response lists as failed, and the key that each is listed under."""
    failed = body.get("failedUpdates")
    places = [*(failed.items() if isinstance(failed, Mapping) else ())]
    places += [(key, body.get(key)) for key in ("invalidEmails", "invalidUserIds")]
    places.append((_DISALLOWED, body.get(_DISALLOWED)))
    listed: dict[_Name, str] = {}
    for key, values in places:
        kind = next((kind for kind in _LISTS if key.endswith(kind)), None)
        if kind is not None:
            for value in _strings(values):
                name = value.lower() if kind == "Emails" else value
                listed.setdefault((kind, name), key)
    return listed


def _names_of(item: SentItem) -> list[_Name]:
    """Return the names by which a response may list an item; the first says most of the cause."""
    email, user_id = item.identity.email, item.identity.user_id
    return [
        *([(_DISALLOWED, item.event_name)] if item.event_name is not None else []),
        *([("UserIds", user_id)] if user_id is not None else []),
        *([("Emails", email.lower())] if email is not None else []),
    ]


def _strings(values: Any) -> Iterator[str]:
    if isinstance(values, Sequence) and not isinstance(values, str):
        yield from (value for value in values if isinstance(value, str))


def _error_kind(key: str) -> type[RequestRefused]:
    if key == _DISALLOWED:
        return EventDisallowed
    if key.startswith("forgotten"):
        return ForgottenUser
    return IdentityConflict if key.startswith("conflict") else BadRequest


def _build_error(kind: type[RequestRefused], key: str, response: ApiResponse) -> ApiError:
    return kind(_describe_list(key), status=response.status, request_id=response.request_id)


def _describe_list(key: str) -> str:
    return f"the response to a bulk request lists it under {key}"


#: The codes of single requests, and our messages for items of a bulk, that mean an unknown user.
_UNKNOWN_USER: Final = frozenset(
    {
        "UnknownEmailError",
        "UnknownUserIdError",
        _describe_list("notFoundEmails"),
        _describe_list("notFoundUserIds"),
    }
)


def is_unknown_user(error: ApiError) -> bool:
    """Whether Iterable refused a call, or an item of a bulk, for a user that it does not know."""
    is_named = error.code in _UNKNOWN_USER or error.message in _UNKNOWN_USER
    return isinstance(error, RequestRefused) and is_named


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
