"""The type of each field, which its first value decides for good.

Source: Iterable's API description ("Types of data fields must match the types sent in previous
requests, across all data fields in the project"; for events, among those of one name). Which types
Iterable distinguishes is not documented; here they are JSON's: string, number, boolean, object,
array. A date is a string, a whole number and a fraction are both numbers, and the elements of a
list are not checked. null fits every type and decides none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import attrs

from iterable_destination.testing.identity import Identity
from iterable_destination.testing.responses import refusal

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

#: The known types of one category: a dotted path → a type.
_Known = dict[str, str]

#: Fields that Iterable writes itself, whose types are known from the start.
_INITIAL: Final[Mapping[str, _Known]] = {USER: {"shoppingCartItems": "array"}}


@attrs.frozen
class FieldTypes:
    """The known types of one project's fields."""

    #: The initial types of a category.
    _initial_types: Callable[[str], _Known] = lambda category: _INITIAL.get(category, {})
    #: By category: ``user``, ``event:<name>``, ``purchase``.
    _known: dict[str, _Known] = attrs.field(factory=dict, init=False)

    def knows(self, category: str, fields: Mapping[str, Any]) -> bool:
        """Whether all fields are known, and each has its type.

        So there is nothing to check, nothing new, and nothing to learn.
        """
        return _knows(self._get_known(category), fields, "")

    def check(self, category: str, fields: Mapping[str, Any], who: Identity | None = None) -> None:
        """Raise Refusal (``RequestFieldsTypesMismatched``), naming every field of another type.

        ``who`` names the item in the response to a bulk; None refuses the whole bulk.
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
        """Remember the types of unknown fields."""
        known = self._get_known(category)
        for path, value in _walk(fields):
            known.setdefault(path, _TYPES[type(value)])

    def new(self, category: str, fields: Mapping[str, Any]) -> list[str]:
        """The top-level fields of unknown type, without those that are null."""
        known = self._get_known(category)
        return [name for name, value in fields.items() if value is not None and name not in known]

    def trial(self) -> FieldTypes:
        """A copy, whose new types do not change this one."""
        return FieldTypes(self._get_known)

    def _get_known(self, category: str) -> _Known:
        known = self._known.get(category)
        if known is None:
            known = self._known[category] = dict(self._initial_types(category))
        return known

    def _mismatches(
        self, category: str, fields: Mapping[str, Any]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        known = self._get_known(category)
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
