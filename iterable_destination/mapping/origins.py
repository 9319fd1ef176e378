"""Origins: from which place in an event each field of a request came, found out by trying.

Each value of the event is changed in turn, and each setting; the fields of the requests that change
came from there. So this holds for any translator, whatever its rules are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

import attrs

from iterable_destination.errors import InvalidEvent
from iterable_destination.mapping.translate import (
    Translate,
    fix_subscriptions,
    translate,
    translator_for,
)
from iterable_destination.model.dates import TEXTS_STAY, read_date, usual_date
from iterable_destination.model.json_copy import data_fields
from iterable_destination.model.json_values import as_object
from iterable_destination.model.settings import Settings
from iterable_destination.model.translation import Translation

#: Values of an event that are tried; those after them are not.
MAX_TRIED: Final = 1_000

#: The settings that are switched on or off.
_SWITCHES: Final = tuple(
    field.name for field in attrs.fields(Settings) if isinstance(field.default, bool)
)
#: Texts that are another word where each stands.
_OTHER_WORDS: Final[Mapping[str, str]] = {
    "page": "screen",
    "screen": "page",
    "true": "false",
    "false": "true",
}
#: Digits of a longer text, in characters, are not tried one by one: it is no date.
_LONGEST_DATE: Final = 100

#: The fields of the requests: which request, which field, and its value.
_Fields = dict[tuple[int, str], Any]
#: A value of the event: its place, and the object or list and the key under which it stands.
_Leaf = tuple[str, Any, Any]


@attrs.frozen
class Origin:
    """One field of a request, and the places in the event that it came from."""

    #: Which of the event's requests, from 0.
    call: int
    #: The field's place in the request's body: ``dataFields.address.city``.
    field: str
    #: Places in the event: ``("traits.address.city",)``. Empty if it came from none, such as a
    #: constant of a mapping.
    places: tuple[str, ...]
    #: The names of the settings that make it what it is, such as
    #: ``map_all_pages_to_single_event_name``.
    settings: tuple[str, ...] = ()
    #: The field's value. It may be personal data.
    value: Any = attrs.field(default=None, eq=False, repr=False)
    #: The values at the places, as JSON. They may be personal data.
    given: tuple[Any, ...] = attrs.field(default=(), eq=False, repr=False)

    @property
    def is_converted(self) -> bool:
        """Whether the field has another value than each of its places, or one of another type."""
        pairs = [(type(each), each) for each in self.given]
        return bool(pairs) and (type(self.value), self.value) not in pairs


def origins(
    event: Any,
    translator: Translate = translate,
    settings: Settings | None = None,
) -> tuple[Origin, ...]:
    """Return from where each field of an event's requests came, in the order of the bodies.

    A place is where a change changes the field, in whatever form its value is written; so an option
    of the event that makes a field what it is counts too. The first 1,000 values of the event are
    tried. Where what JSON cannot hold decides which requests there are, no field has a place. The
    event is never changed.

    Raises :exc:`~iterable_destination.errors.InvalidEvent` if the event cannot be sent.
    """
    chosen = settings or Settings()
    translation = translator(event, chosen)
    fields = _fields(translation)  # what is wrong with it is not in the copy
    by_settings = translator_for(chosen) if translator is translate else translator
    translator = fix_subscriptions(by_settings, translation)
    copy = data_fields(as_object(event) or {}, "", [], TEXTS_STAY)
    before = _fields(translator(copy, chosen))
    if before.keys() != fields.keys():
        return tuple([Origin(*key, (), value=value) for key, value in fields.items()])
    places: dict[tuple[int, str], dict[str, Any]] = {key: {} for key in before}
    for place, container, key in list(_leaves(copy))[:MAX_TRIED]:
        for field in _changed_by_value(container, key, before, partial(translator, copy, chosen)):
            places[field][place] = container[key]
    switches: dict[tuple[int, str], list[str]] = {key: [] for key in before}
    for name in _SWITCHES:
        for field in _changed(before, partial(translator, copy, _switch(chosen, name))):
            switches[field].append(name)
    return tuple(
        [
            Origin(
                *key, tuple(places[key]), tuple(switches[key]), value, tuple(places[key].values())
            )
            for key, value in fields.items()
        ]
    )


def find_deciding_settings(
    event: Any,
    translator: Translate = translate,
    settings: Settings | None = None,
) -> tuple[str, ...]:
    """Return the names of the settings because of which an event is sent, and not skipped.

    Any of them would do alone, such as ``track_named_pages``; none if it is sent anyway. The event
    is one that is not skipped.
    """
    chosen = settings or Settings()
    switched_off: dict[str, Any] = dict.fromkeys(_SWITCHES, False)
    off = attrs.evolve(chosen, **switched_off)
    if not _is_skipped(translator, event, off):
        return ()
    return tuple(
        [
            name
            for name in _SWITCHES
            if getattr(chosen, name) and not _is_skipped(translator, event, _switch(off, name))
        ]
    )


def _switch(settings: Settings, name: str) -> Settings:
    switched: dict[str, Any] = {name: not getattr(settings, name)}
    return attrs.evolve(settings, **switched)


def _is_skipped(translator: Translate, event: Any, settings: Settings) -> bool:
    try:
        return translator(event, settings).skipped is not None
    except InvalidEvent:
        return False


def _leaves(container: Any, path: str = "") -> Iterator[_Leaf]:
    pairs = container.items() if isinstance(container, dict) else enumerate(container)
    for key, value in pairs:
        dotted = f"{path}.{key}" if path else str(key)
        place = dotted if isinstance(container, dict) else f"{path}[{key}]"
        if isinstance(value, dict | list):
            yield from _leaves(value, place)
        else:
            yield place, container, key


def _fields(translation: Translation) -> _Fields:
    """Return the single values of the bodies."""
    return {
        (index, place): inside[key]
        for index, call in enumerate(translation.calls)
        for place, inside, key in _leaves(call.body())
    }


def _changed_by_value(
    container: Any, key: Any, before: _Fields, again: Callable[[], Translation]
) -> set[tuple[int, str]]:
    """Return the fields that are others when a value of the event is another one."""
    value = container[key]
    found = set[tuple[int, str]]()
    try:
        for other in _others(value):
            container[key] = other
            found |= _changed(before, again)
    finally:
        container[key] = value
    return found


def _changed(before: _Fields, again: Callable[[], Translation]) -> set[tuple[int, str]]:
    """Return the fields that are others now."""
    try:
        after = _fields(again())
    except InvalidEvent:  # it must be as it is, and so it is no field
        return set()
    if after.keys() != before.keys():  # it says which request this is
        return set()
    return {field for field, value in before.items() if value != after[field]}


def _others(value: Any) -> Iterator[Any]:
    """Yield other values of the same kind.

    One is near, because a far one may be out of bounds; one is far, for where a near one becomes
    the same, as a moment a millisecond later does. For a date one of them is another date.
    """
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from (value + 1, value // 2 if isinstance(value, int) else value / 2)
    elif not isinstance(value, str) or not value:
        yield "x"
    elif usual_date(value) is not None:
        yield _replace_character(value, 0)
    else:
        if value.lower() in _OTHER_WORDS:
            yield _OTHER_WORDS[value.lower()]
        yield _replace_character(value, len(value) - 1)
        digits = [place for place, each in enumerate(value) if "0" <= each <= "9"]
        is_date = len(value) <= _LONGEST_DATE and read_date(value) is not None
        for place in digits if is_date else digits[:1]:
            yield _replace_character(value, place)


def _replace_character(text: str, place: int) -> str:
    return text[:place] + ("1" if text[place] != "1" else "2") + text[place + 1 :]
