"""The properties of a track call, and what is taken from them for its context.

What may live here: what becomes of each field of ``dataFields``. A field is asked for by Iterable's
key, and found under the name that this key goes by; ``note`` takes the key and a message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from iterable_destination.events import as_id
from iterable_destination.plain import kind, says_nothing
from iterable_destination.source.collections import is_email
from iterable_destination.source.track import INTEGRATION

Named = dict[str, Any]
Names = Mapping[str, str]
TakesNote = Callable[[str, str], None]

#: Ids that Segment's email spec makes strings.
_EMAIL_IDS: Final = ("campaignId", "emailId", "linkId", "listId")
#: The emails that Iterable makes up for users who have none.
_PLACEHOLDER: Final = "@placeholder.email"


def first_of_each(fields: dict[str, Any], names: Names, note: TakesNote) -> Named:
    """Return all fields under their names; of two that go by the same name the first is kept."""
    keys: dict[str, str] = {}
    for key in fields:
        first = keys.setdefault(names[key], key)
        if first != key:
            note(key, f"left out: dataFields.{first} goes by the same name")
    return {name: fields[key] for name, key in keys.items()}


def derive(named: Named, names: Names, note: TakesNote, wire: str) -> None:
    """Add what Segment has one name for, and write the ids of an email event as strings."""
    link = named.get(names["linkUrl"])
    if link is None or link == "":
        _add_link(named, names)
    if names["emailListIds"] in named:
        _add_list(named, names)
    if is_email(wire):
        for key in _EMAIL_IDS:
            value = named.get(names[key])
            if type(value) is int or type(value) is float:
                named[names[key]] = as_id(value)
            elif value is not None and type(value) is not str:
                note(key, f"left as it is: an id is a string or a number, not {kind(value)}")


def _add_link(named: Named, names: Names) -> None:
    """Add where a link leads: ``url``, else ``clickedUrl``."""
    for key in ("url", "clickedUrl"):
        link = named.get(names[key])
        if type(link) is str and link:
            named[names["linkUrl"]] = link
            break


def _add_list(named: Named, names: Names) -> None:
    """Add the id of the list if there is exactly one, and nothing under its name already."""
    ids = named[names["emailListIds"]]
    if type(ids) is list and len(ids) == 1 and says_nothing(named.get(names["listId"])):
        its_type = type(ids[0])
        if its_type is int or its_type is float or (its_type is str and ids[0]):
            named[names["listId"]] = ids[0]


def context(named: Named, names: Names, email: str | None, note: TakesNote) -> dict[str, Any]:
    """Return the context, and take out of the properties what belongs there."""
    found = traits(email)
    for key in ("ip", "userAgent"):
        value = named.get(names[key])
        if type(value) is str and value:
            found[key] = named.pop(names[key])
        elif not says_nothing(value):
            note(key, f"left where it is: the context needs a string, not {kind(value)}")
    found["integration"] = INTEGRATION.copy()
    return found


def traits(email: str | None) -> dict[str, Any]:
    """Return a context that says the email, unless it is one that Iterable made up."""
    if email is None or email[-len(_PLACEHOLDER) :].lower() == _PLACEHOLDER:
        return {}
    return {"traits": {"email": email}}
