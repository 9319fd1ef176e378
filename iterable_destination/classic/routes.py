"""The classic mapping's one decision: which translator an event goes to, or why to none.

What may live here: the table of call types, the table of commerce names, and the order in which
an event can be turned away.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from iterable_destination.calls import Call
from iterable_destination.classic.commerce import cart, has_cart, purchase
from iterable_destination.classic.identify import identify
from iterable_destination.classic.page import not_asked_for, page
from iterable_destination.classic.track import track
from iterable_destination.events import Event
from iterable_destination.settings import Settings

Translator = Callable[[Event, Settings], Call]


def _words(first: str, second: str) -> re.Pattern[str]:
    """Match ``Order Completed`` alone, and the older ``Completed Order`` with any text after it."""
    return re.compile(
        rf"[ _]?{first}[ _]?{second}[ _]?\Z|[ _]?{second}[ _]?{first}", re.ASCII | re.IGNORECASE
    )


#: Names of track events that mean commerce, and their translators.
COMMERCE: Final[tuple[tuple[re.Pattern[str], Translator], ...]] = (
    (_words("order", "completed"), purchase),
    (_words("product", "added"), cart),
    (_words("product", "removed"), cart),
)


def _track(event: Event, settings: Settings) -> Call:
    translator = _commerce(event.get("event")) or track
    if translator is cart and not has_cart(event):
        event.note("properties.products", "no list of products, so the cart is left as it is")
        translator = track
    return translator(event, settings)


def _commerce(name: Any) -> Translator | None:
    if isinstance(name, str):
        for words, translator in COMMERCE:
            if words.match(name):
                return translator
    return None


#: Segment's call types, and their translators. Iterable has no use for any other.
CALL_TYPES: Final[dict[str, Translator]] = {
    "identify": identify,
    "track": _track,
    "page": page,
    "screen": page,
}


def translate(event: Event, settings: Settings) -> Call | str:
    """Translate an event to its one call, or say why it is skipped.

    Problems and notes are left on the event; the call is still to be validated. Raises
    :exc:`~iterable_destination.errors.InvalidEvent` if the event has no type.
    """
    translator = CALL_TYPES.get(event.type)
    if translator is None:
        return f"{_shown(event.type)} calls are not supported: Iterable has no use for them"
    reason = event.switched_off()
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
    return call_type if len(call_type) <= longest else f"{call_type[:longest]}…"
