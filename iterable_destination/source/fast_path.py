"""The straight way for webhooks that leave no question open, as nearly all do.

What may live here: what makes a webhook an ordinary one, and how its track call is made; no rule
of its own. A webhook is an ordinary one if it is plain JSON, names its user, says when it happened,
and nothing in it is to be noted or refused. At the first doubt this gives up, and
:mod:`iterable_destination.source.translate` goes the careful way. A property test holds the two
to the same result.
"""

from __future__ import annotations

from functools import lru_cache
from types import NoneType
from typing import Any, Final, NoReturn

from iterable_destination.model.dates import read_as_iso
from iterable_destination.model.json_codec import is_usual, quickly_canonical
from iterable_destination.model.json_copy import MAX_NESTING, NOT_PLAIN, NotPlain
from iterable_destination.model.segment_track import SegmentTrack, message_id
from iterable_destination.source.names import Names
from iterable_destination.source.options import SourceOptions
from iterable_destination.source.properties import context, derive
from iterable_destination.source.size_limit import size, surely_fits


def fast_path(webhook: Any, options: SourceOptions) -> SegmentTrack | None:
    """Return the track call of an ordinary webhook; None if it may not be one."""
    if type(webhook) is not dict:
        return None
    try:
        return _track(webhook, options)
    except _DOUBTS:
        return None


#: What is raised for what is not plain, and where a key is missing, or was just forgotten.
_DOUBTS: Final = (*NOT_PLAIN, KeyError)
#: How many keys a webhook has without a userId.
_KEYS: Final = 3
#: Types of values that need no copy, and of which JSON takes all that can be encoded.
_FLAT: Final = frozenset({str, int, bool, NoneType})
#: Objects and lists inside each other: what is in a field stands two levels deep already.
_MAX_NESTING: Final = MAX_NESTING - 2


def _track(webhook: dict[Any, Any], options: SourceOptions) -> SegmentTrack | None:
    email, fields, wire = webhook["email"], webhook["dataFields"], webhook["eventName"]
    user_id = webhook.get("userId")
    if (
        len(webhook) != _KEYS + ("userId" in webhook)
        or type(fields) is not dict
        or type(wire) is not str
        or type(email) is not str
        or not email
        or (user_id is not None and (type(user_id) is not str or not user_id))
        or type(fields["createdAt"]) is not str
    ):
        return None
    event, names, timestamp = options.event(wire), options.names, _moment(fields["createdAt"])
    if event is None or timestamp is None:
        return None
    named = _named(fields, names)
    text = quickly_canonical(webhook)
    derive(named, names, _doubt, of_email=event.of_email)
    track = SegmentTrack(
        event.name,
        user_id,
        email if user_id is None else None,
        named,
        context(named, names, email, _doubt),
        timestamp,
        message_id(text),
        {"Iterable": False} if options.loop_guard else None,
    )
    most = options.max_bytes
    return track if surely_fits(len(text) + len(event.name), most) or size(track) <= most else None


def _named(fields: dict[str, Any], names: Names) -> dict[str, Any]:
    """Return a deep copy of the fields by their names."""
    known = names.known
    try:
        named = {known[key]: value for key, value in fields.items()}
    except KeyError:  # from now on it is known
        named = {names[key]: value for key, value in fields.items()}
    if len(named) < len(fields):
        raise NotPlain
    types = tuple(map(type, fields.values()))
    if nested := _nested[types] if types in _nested else _find_nested(types):
        order = [*named]
        for place in nested:
            name = order[place]
            named[name] = _copied(named[name], _MAX_NESTING)
    return named


#: The places of objects, lists and floats in a row of values of these types.
_nested: Final[dict[tuple[type, ...], tuple[int, ...]]] = {}
_MOST_LISTS: Final = 5_000
_LONGEST_LIST: Final = 200


def _find_nested(types: tuple[type, ...]) -> tuple[int, ...]:
    """Find the places of what is to be copied, and remember them for a list of a sane length."""
    places = tuple(place for place, its_type in enumerate(types) if its_type not in _FLAT)
    if not _COPIED.issuperset(types[place] for place in places):
        raise NotPlain
    if len(types) <= _LONGEST_LIST:
        if len(_nested) >= _MOST_LISTS:
            _nested.clear()
        _nested[types] = places
    return places


_COPIED: Final = frozenset({dict, list, float})


def _copied(value: Any, depth: int) -> Any:
    """Return a deep copy of any other value that is plain JSON; raise ``NotPlain`` if it is not."""
    its_type = type(value)
    if its_type is list and depth:
        return [inner if type(inner) in _FLAT else _copied(inner, depth - 1) for inner in value]
    if its_type is dict and depth:
        "".join(value)  # a TypeError unless all keys are texts
        return {
            key: inner if type(inner) in _FLAT else _copied(inner, depth - 1)
            for key, inner in value.items()
        }
    if its_type is float and is_usual(value):
        return value
    raise NotPlain


#: Many events have the same second in common.
_moment: Final = lru_cache(maxsize=1_000)(read_as_iso)


def _doubt(_: str, __: str) -> NoReturn:
    raise NotPlain
