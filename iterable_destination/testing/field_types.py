"""The type that each field has for good, from the first value that was seen in it.

What may live here: the types a project remembers. Source: Iterable's API description ("Types of
data fields must match the types sent in previous requests, across all data fields in the project";
for events, among those of one name). Which types Iterable tells apart is documented nowhere; here
they are JSON's: string, number, boolean, object, array. A date is a string, a whole number and a
fraction are both numbers, and the elements of a list are not looked at. null fits every type and
decides none.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping, MutableMapping
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

_Key = tuple[str, str]

#: Fields that Iterable writes itself, and whose type is known from the start.
_FROM_THE_START: Final[Mapping[_Key, str]] = {(USER, "shoppingCartItems"): "array"}


@attrs.frozen
class FieldTypes:
    """What is known of the types of one project's fields."""

    #: By category (``user``, ``event:<name>``, ``purchase``) and dotted path.
    known: MutableMapping[_Key, str] = attrs.field(factory=lambda: dict(_FROM_THE_START))

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
        for path, value in _walk(fields):
            self.known.setdefault((category, path), _TYPES[type(value)])

    def new(self, category: str, fields: Mapping[str, Any]) -> list[str]:
        """The top-level fields whose type is not known yet; one that is null is none."""
        return [
            name
            for name, value in fields.items()
            if value is not None and (category, name) not in self.known
        ]

    def trial(self) -> FieldTypes:
        """A copy that learns for itself: what it learns is lost with it."""
        return FieldTypes(ChainMap({}, self.known))

    def _mismatches(
        self, category: str, fields: Mapping[str, Any]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        for path, value in _walk(fields):
            incoming = _TYPES[type(value)]
            expected = self.known.get((category, path), incoming)
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


def _walk(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every field that is not null, by its dotted path; an object comes before its fields."""
    for name, value in fields.items():
        if value is None:
            continue
        yield prefix + name, value
        if isinstance(value, dict):
            yield from _walk(value, f"{prefix}{name}.")
