"""Places in an event as problems and notes name them: ``properties.products[0].price``."""

from __future__ import annotations

from typing import Any

import attrs

#: What leads to a value: the keys of objects, and the numbers of elements.
Keys = tuple[str | int, ...]


@attrs.frozen
class Found:
    """How much of a place there is in an event."""

    #: What leads there, as far as it exists; empty for the event itself.
    keys: Keys
    #: What stands there. It may be personal data.
    value: Any = attrs.field(repr=False)
    #: Whether all of the place exists; otherwise this is what it should be in.
    is_whole: bool


def find_place(event: Any, place: str) -> Found:
    """Return the value at a place, or the innermost one that exists on the way there.

    A key may have dots and brackets itself; of several ways that fit, the first whole one is
    taken, or else the longest. ``event`` is made of the values that JSON has.
    """
    best = Found((), event, is_whole=not place)
    if isinstance(event, dict):
        for key in event:
            if isinstance(key, str) and place.startswith(key):
                best = _better(best, key, event[key], place[len(key) :])
    elif isinstance(event, list) and place.startswith("["):
        number, bracket, rest = place[1:].partition("]")
        if bracket and number.isdecimal() and int(number) < len(event):
            best = _better(best, int(number), event[int(number)], rest)
    return best


def _better(best: Found, key: str | int, value: Any, rest: str) -> Found:
    """Return what is found by a key, if that is more than was found before."""
    if rest and not rest.startswith((".", "[")):
        return best
    inner = find_place(value, rest.removeprefix("."))
    keys = (key, *inner.keys)
    is_better = inner.is_whole or len(keys) > len(best.keys)
    return Found(keys, inner.value, inner.is_whole) if is_better and not best.is_whole else best
