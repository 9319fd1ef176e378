"""Rules: which page of the documentation says why a field of a request is what it is."""

from __future__ import annotations

from typing import Final

from iterable_destination.model.calls import Call
from iterable_destination.model.endpoints import (
    EVENTS_TRACK,
    SUBSCRIPTIONS,
    TRACK_PURCHASE,
    UPDATE_CART,
)

#: Where the documentation can be read.
DOCS_URL: Final = "https://github.com/iterable-destination/iterable_destination/blob/main/docs/"

_PAGES: Final = frozenset({"page", "screen"})
_IDENTITY: Final = frozenset({"email", "userId", "user"})


def find_rule(call: Call, field: str, *, event_type: str, is_mapped: bool) -> str:
    """Return the page, and the place in it, of the rule for a field of a request.

    ``field`` is its place in the body, such as ``items[0].price``; ``event_type`` the type of the
    event. The page is named from the folder of the documentation: ``reference/track.md``.
    """
    if is_mapped:
        is_of_lists = call.endpoint.name == SUBSCRIPTIONS.name
        return f"reference/mappings.md#{'subscriptions-of-users' if is_of_lists else 'actions'}"
    root = field.partition(".")[0].partition("[")[0]
    if root in _IDENTITY:
        return "reference/identity.md"
    if root == "createdAt":
        return "reference/reading.md#timestamp"
    if call.endpoint in {TRACK_PURCHASE, UPDATE_CART}:
        return f"reference/commerce.md#{_commerce_part(call, root)}"
    if call.endpoint == EVENTS_TRACK:
        return "reference/pages.md" if event_type in _PAGES else "reference/track.md"
    return "reference/identify.md"


def _commerce_part(call: Call, root: str) -> str:
    if root == "items":
        return "items"
    return "orders" if call.endpoint == TRACK_PURCHASE else "carts"
