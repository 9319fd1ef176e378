"""The properties of a track call, and those of them that move to its context."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from iterable_destination.errors import Reason
from iterable_destination.model.json_values import describe_type, is_blank
from iterable_destination.model.segment_event import as_id
from iterable_destination.source.names import Names

#: Properties by their names.
Named = dict[str, Any]
#: Adds a note: takes the name of a property, and the reason.
TakesNote = Callable[[str, Reason], None]

#: The end of the emails that Iterable generates for users who have none.
_PLACEHOLDER: Final = "@placeholder.email"


def derive(named: Named, names: Names, note: TakesNote, *, of_email: bool) -> None:
    """Add the properties that Segment has one name for; make the ids of an email event strings."""
    link = named.get(names.link)
    if link is None or link == "":
        _add_link(named, names)
    if names.lists in named:
        _add_list(named, names)
    if of_email:
        for name in names.ids:
            value = named.get(name)
            if value is None or type(value) is str:
                continue
            if type(value) is int or type(value) is float:
                named[name] = as_id(value)
            else:
                kind = describe_type(value)
                words = f"left as it is: an id is a string or a number, not {kind}"
                note(name, Reason("not-a-string", words))


def _add_link(named: Named, names: Names) -> None:
    """Add the URL of a link from the first field that has one."""
    for name in names.links:
        link = named.get(name)
        if type(link) is str and link:
            named[names.link] = link
            break


def _add_list(named: Named, names: Names) -> None:
    """Add the id of the list if there is exactly one list, and no id of a list yet."""
    ids = named[names.lists]
    if type(ids) is list and len(ids) == 1 and is_blank(named.get(names.list)):
        its_type = type(ids[0])
        if its_type is int or its_type is float or (its_type is str and ids[0]):
            named[names.list] = ids[0]


def context(named: Named, names: Names, email: str | None, note: TakesNote) -> dict[str, Any]:
    """Return the context; remove the properties that move there."""
    found: dict[str, Any] = {}
    if email is not None and email[-len(_PLACEHOLDER) :].lower() != _PLACEHOLDER:
        found["traits"] = {"email": email}
    for key, name in names.context_fields:
        value = named.get(name)
        if type(value) is str and value:
            found[key] = named.pop(name)
        elif value is not None and value != "":
            words = f"left where it is: the context needs a string, not {describe_type(value)}"
            note(name, Reason("not-a-string", words))
    found["integration"] = {"name": "iterable", "version": "1.0.0"}
    return found
