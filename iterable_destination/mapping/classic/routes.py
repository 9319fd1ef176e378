"""The classic mapping's one decision: which translator an event goes to, or why to none.

What may live here: the table of call types, the table of commerce names, and the order in which
an event can be turned away.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from iterable_destination.errors import shortened
from iterable_destination.mapping.classic.commerce import cart, has_cart, purchase
from iterable_destination.mapping.classic.identify import identify
from iterable_destination.mapping.classic.page import not_asked_for, page
from iterable_destination.mapping.classic.track import track
from iterable_destination.model.calls import Call
from iterable_destination.model.segment_event import SegmentEvent
from iterable_destination.model.settings import Settings

Translator = Callable[[SegmentEvent, Settings], Call]


#: Names of track events that mean commerce: their words, and the translator.
COMMERCE: Final[tuple[tuple[str, str, Translator], ...]] = (
    ("order", "completed", purchase),
    ("product", "added", cart),
    ("product", "removed", cart),
)

#: The names as one pattern with a group for each: alone in the new order of words (``Order
#: Completed``), or in the older order with any text after them (``Completed Order…``).
_NAMES: Final = re.compile(
    "[ _]?(?:"
    + "|".join(
        f"({first}[ _]?{second}[ _]?\\Z|{second}[ _]?{first})" for first, second, _ in COMMERCE
    )
    + ")",
    re.ASCII | re.IGNORECASE,
)


def commerce(name: str) -> Translator | None:
    """Return the translator of a track event's name that means commerce; None for others."""
    found = _NAMES.match(name)
    return None if found is None else COMMERCE[(found.lastindex or 1) - 1][2]


def _track(event: SegmentEvent, settings: Settings) -> Call:
    name = event.get("event")
    translator = commerce(name) if isinstance(name, str) else None
    if translator is None:
        return track(event, settings)
    if translator is cart and not has_cart(event):
        event.add_note("properties.products", "no list of products, so the cart is left as it is")
        return track(event, settings)
    return translator(event, settings)


#: Segment's call types, and their translators. Iterable has no use for any other.
CALL_TYPES: Final[dict[str, Translator]] = {
    "identify": identify,
    "track": _track,
    "page": page,
    "screen": page,
}


def translate(event: SegmentEvent, settings: Settings) -> Call | str:
    """Translate an event to its one call, or say why it is skipped.

    Problems and notes are left on the event; the call is still to be validated. Raises
    :exc:`~iterable_destination.errors.InvalidEvent` if the event has no type.
    """
    translator = CALL_TYPES.get(event.type)
    if translator is None:
        return f"{_shown(event.type)} calls are not supported: Iterable has no use for them"
    reason = event.skip_reason() if event.integrations else None
    if reason is None and translator is page:
        reason = not_asked_for(event, settings)
    if reason is not None:
        return reason
    call = translator(event, settings)
    if settings.skip_anonymous and call.identity.is_anonymous:
        return "anonymous: neither email nor userId, and skip_anonymous is on"
    return call


def _shown(call_type: str) -> str:
    longest = 40
    cut = call_type if len(call_type) <= longest else f"{call_type[:longest]}…"
    return shortened(cut)
