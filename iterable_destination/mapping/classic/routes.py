"""Route an event of the classic mapping to its translator, or say why it is skipped.

The routes are two tables: call types, and names of track events that mean commerce.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from iterable_destination.errors import Reason
from iterable_destination.mapping.classic.commerce import has_cart, track_purchase, update_cart
from iterable_destination.mapping.classic.identify import identify
from iterable_destination.mapping.classic.page import skip_reason, track_page
from iterable_destination.mapping.classic.track import track
from iterable_destination.model.calls import Call
from iterable_destination.model.remembered import BoundedCache
from iterable_destination.model.segment_event import INTEGRATION, SegmentEvent
from iterable_destination.model.settings import Settings
from iterable_destination.model.translation import ANONYMOUS
from iterable_destination.model.validation import PLACEHOLDER, PLACEHOLDER_IDS

Translator = Callable[[SegmentEvent, Settings], Call]


#: Names of track events that mean commerce: their two words, and the translator.
COMMERCE: Final[tuple[tuple[str, str, Translator], ...]] = (
    ("order", "completed", track_purchase),
    ("product", "added", update_cart),
    ("product", "removed", update_cart),
)

#: The names as one pattern with a group for each. In the new order of words nothing may follow
#: (``Order Completed``); in the older order any text may (``Completed Order…``).
_NAMES: Final = re.compile(
    "[ _]?(?:"
    + "|".join(
        f"({first}[ _]?{second}[ _]?\\Z|{second}[ _]?{first})" for first, second, _ in COMMERCE
    )
    + ")",
    re.ASCII | re.IGNORECASE,
)


def find_commerce_translator(name: str) -> Translator | None:
    """Return the translator for a track event's name that means commerce; None for any other."""
    found = _NAMES.match(name)
    return None if found is None else COMMERCE[(found.lastindex or 1) - 1][2]


_commerce_translators: Final = BoundedCache(find_commerce_translator)
_NO_CART: Final = Reason("no-cart", "no list of products, so the cart is left as it is")


def _route_track(event: SegmentEvent, settings: Settings) -> Call:
    name = event.get("event")
    translator = _commerce_translators[name] if isinstance(name, str) else None
    if translator is None:
        return track(event, settings)
    if translator is update_cart and not has_cart(event):
        event.add_note("properties.products", _NO_CART)
        return track(event, settings)
    return translator(event, settings)


#: Segment's call types that become calls, and their translators.
CALL_TYPES: Final[dict[str, Translator]] = {
    "identify": identify,
    "track": _route_track,
    "page": track_page,
    "screen": track_page,
}


#: Why Segment's other call types are skipped, and what can be done instead.
NOT_SUPPORTED: Final = {
    "group": "group calls are not supported: Iterable has no use for them",
    "alias": "alias calls are not supported: to change an email use updateEmail (update_email)",
    "delete": "delete calls are not supported: ask Iterable itself to forget or delete the user",
}


def translate(event: SegmentEvent, settings: Settings) -> Call | str:
    """Translate an event to its one call, or return the reason to skip it.

    Problems, notes and what Iterable would refuse are added to the event.
    """
    translator = CALL_TYPES.get(event.type)
    if translator is None:
        return NOT_SUPPORTED[event.type]
    reason, context = None, event.context
    if (
        event.integrations or INTEGRATION in context or "all" in context or "providers" in context
    ):  # as they seldom are
        reason = event.skip_reason()
    if reason is None and translator is track_page:
        reason = skip_reason(event, settings)
    if reason is not None:
        return reason
    call = translator(event, settings)
    if settings.skip_anonymous and call.identity.is_anonymous:
        return ANONYMOUS
    if settings.refuse_placeholder_ids:
        user_id = call.identity.user_id
        if type(user_id) is str and user_id in PLACEHOLDER_IDS:
            event.add_problem("userId", PLACEHOLDER)
    return call
