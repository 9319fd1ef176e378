"""Origins: from which place in an event each field of a request came, found out by trying.

Each value of the event is changed in turn; the fields of the requests that change came from there.
So this holds for any translator, whatever its rules are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import attrs

from iterable_destination.errors import InvalidEvent
from iterable_destination.mapping.translate import Translate, translate
from iterable_destination.model.dates import TEXTS_STAY, usual_date
from iterable_destination.model.json_copy import data_fields
from iterable_destination.model.json_values import as_object
from iterable_destination.model.settings import Settings
from iterable_destination.model.translation import Translation

#: Values of an event that are tried; those after them are not.
MAX_TRIED: Final = 1_000

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


def origins(
    event: Any,
    translator: Translate = translate,
    settings: Settings | None = None,
) -> tuple[Origin, ...]:
    """Return from where each field of an event's requests came, in the order of the bodies.

    A place is where a change changes the field; so an option of the event that makes a field what
    it is counts too. A date that is not written the usual way may have no place. The first 1,000
    values of the event are tried. Where what JSON cannot hold decides which requests there are, no
    field has a place. The event is never changed.

    Raises :exc:`~iterable_destination.errors.InvalidEvent` if the event cannot be sent.
    """
    chosen = settings or Settings()
    fields = _fields(translator(event, chosen))  # what is wrong with it is not in the copy
    copy = data_fields(as_object(event) or {}, "", [], TEXTS_STAY)
    before = _fields(translator(copy, chosen))
    if before.keys() != fields.keys():
        return tuple([Origin(*key, ()) for key in fields])
    found: dict[tuple[int, str], list[str]] = {key: [] for key in before}
    for place, container, key in list(_leaves(copy))[:MAX_TRIED]:
        for field in _changed(container, key, before, lambda: translator(copy, chosen)):
            found[field].append(place)
    return tuple([Origin(*key, tuple(places)) for key, places in found.items()])


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


def _changed(
    container: Any, key: Any, before: _Fields, again: Callable[[], Translation]
) -> list[tuple[int, str]]:
    """Return the fields that are others when a value of the event is another one."""
    value = container[key]
    try:
        container[key] = _another(value)
        after = _fields(again())
    except InvalidEvent:  # it must be as it is, and so it is no field
        return []
    finally:
        container[key] = value
    if after.keys() != before.keys():  # it says which request this is
        return []
    return [field for field in before if before[field] != after[field]]


def _another(value: Any) -> Any:
    """Return another value of the same kind, and for a date another date."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if not isinstance(value, str) or not value:
        return "x"
    if usual_date(value) is not None:
        return ("1" if value[0] != "1" else "2") + value[1:]
    return value[:-1] + ("1" if value[-1] != "1" else "2")
