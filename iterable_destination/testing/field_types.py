"""The type that each field has for good, from the first value that was seen in it.

What may live here: the types a project remembers. Source: Iterable's API description ("Types of
data fields must match the types sent in previous requests, across all data fields in the project";
for events, among those of one name). Which types Iterable tells apart is documented nowhere; here
they are JSON's: string, number, boolean, object, array. A date is a string, a whole number and a
fraction are both numbers, and the elements of a list are not looked at. null fits every type and
decides none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import attrs

from iterable_destination.testing.answers import refusal
from iterable_destination.testing.identity import Identity

#: The category of the fields of users, which are one set for the whole project.
USER: Final = "user"

_TYPES: Final = {
    str: "string",
    bool: "boolean",
    int: "number",
    float: "number",
    dict: "object",
    list: "array",
}

#: What is known of one category: a dotted path → a type.
_Known = dict[str, str]

#: Fields that Iterable writes itself, and whose type is known from the start.
_FROM_THE_START: Final[Mapping[str, _Known]] = {USER: {"shoppingCartItems": "array"}}


@attrs.frozen
class FieldTypes:
    """What is known of the types of one project's fields."""

    #: What a category begins with.
    _begin_with: Callable[[str], _Known] = lambda category: _FROM_THE_START.get(category, {})
    #: By category: ``user``, ``event:<name>``, ``purchase``.
    _known: dict[str, _Known] = attrs.field(factory=dict, init=False)

    def knows(self, category: str, fields: Mapping[str, Any]) -> bool:
        """Whether all fields are known, and each has its type.

        So there is nothing to check, nothing new, and nothing to learn.
        """
        return _knows(self._of(category), fields, "")

    def check(self, category: str, fields: Mapping[str, Any], who: Identity | None = None) -> None:
        """Raise Refusal (``RequestFieldsTypesMismatched``), naming every field of another type.

        ``who`` names the item in a bulk answer; None refuses the whole bulk.
        """
        found = dict(self._mismatches(category, fields))
        if not found:
            return
        raise refusal(
            "RequestFieldsTypesMismatched",
            "The request has fields of other types than earlier requests had",
            params={"validationErrors": found},
            failed=None if who is None else who.failed("invalidData"),
        )

    def learn(self, category: str, fields: Mapping[str, Any]) -> None:
        """Remember the types of fields that were not known before."""
        known = self._of(category)
        for path, value in _walk(fields):
            known.setdefault(path, _TYPES[type(value)])

    def new(self, category: str, fields: Mapping[str, Any]) -> list[str]:
        """The top-level fields whose type is not known yet; one that is null is none."""
        known = self._of(category)
        return [name for name, value in fields.items() if value is not None and name not in known]

    def trial(self) -> FieldTypes:
        """A copy that learns for itself: what it learns is lost with it."""
        return FieldTypes(self._of)

    def _of(self, category: str) -> _Known:
        known = self._known.get(category)
        if known is None:
            known = self._known[category] = dict(self._begin_with(category))
        return known

    def _mismatches(
        self, category: str, fields: Mapping[str, Any]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        known = self._of(category)
        for path, value in _walk(fields):
            incoming = _TYPES[type(value)]
            expected = known.get(path, incoming)
            if incoming != expected:
                yield (
                    path,
                    {
                        "category": category.partition(":")[0],
                        "expectedType": expected,
                        "incomingTypes": [incoming],
                        "offendingValue": value,
                        "_type": "UnexpectedType",
                    },
                )


def _knows(known: Mapping[str, str], fields: Mapping[str, Any], prefix: str) -> bool:
    for name, value in fields.items():
        if value is None:
            continue
        path = prefix + name
        if known.get(path) != _TYPES[type(value)]:
            return False
        if type(value) is dict and not _knows(known, value, path + "."):
            return False
    return True


def _walk(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every field that is not null, by its dotted path; an object comes before its fields."""
    for name, value in fields.items():
        if value is None:
            continue
        yield prefix + name, value
        if isinstance(value, dict):
            yield from _walk(value, f"{prefix}{name}.")
