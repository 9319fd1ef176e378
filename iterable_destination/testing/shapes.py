"""The types of JSON values that the tables of :mod:`.schema` use, and their checks.

Error names are those of the framework that Iterable's responses show (``error.path.missing`` and
others).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Protocol

import attrs

from iterable_destination.model.endpoints import INT32, INT64

#: A place in the body (``obj.events[0].eventName``) and the name of what is wrong there.
Found = tuple[str, str]

MISSING: Final = "error.path.missing"


class Type(Protocol):
    """The type of a field."""

    def problems(self, value: object, path: str) -> Iterable[Found]:
        """Everything wrong with ``value``, which is at ``path``."""


@attrs.frozen
class Scalar:
    """A type that one value is checked against."""

    #: As in the API description: ``string``, ``integer (int32)``, …
    name: str
    #: The name of the error in a value, or None if it fits.
    error: Callable[[Any], str | None]

    def problems(self, value: object, path: str) -> Iterable[Found]:
        """One problem, or none."""
        error = self.error(value)
        return () if error is None else ((path, error),)


@attrs.frozen
class ListOf:
    """A JSON array whose elements are all of one type."""

    item: Type

    def problems(self, value: object, path: str) -> Iterable[Found]:
        """The problems of all elements, each at ``path[index]``."""
        if not isinstance(value, list):
            return ((path, "error.expected.jsarray"),)
        return self._check_elements(value, path)

    def _check_elements(self, value: list[object], path: str) -> Iterator[Found]:
        for index, element in enumerate(value):
            yield from self.item.problems(element, f"{path}[{index}]")


@attrs.frozen
class Field:
    """One field of a definition."""

    name: str
    type: Type
    required: bool = False


@attrs.frozen
class Definition:
    """One of the API description's definitions: an object with known fields."""

    name: str
    fields: tuple[Field, ...]
    #: The names of the fields.
    names: frozenset[str] = attrs.field(init=False, repr=False)

    @names.default
    def _list_names(self) -> frozenset[str]:
        return frozenset(field.name for field in self.fields)

    def problems(self, value: object, path: str) -> Iterable[Found]:
        """The problems of all fields, in the table's order."""
        if not isinstance(value, dict):
            return ((path, "error.expected.jsobject"),)
        return self._check_fields(value, path)

    def _check_fields(self, value: Mapping[str, object], path: str) -> Iterator[Found]:
        for field in self.fields:
            if field.name in value:
                yield from field.type.problems(value[field.name], f"{path}.{field.name}")
            elif field.required:
                yield f"{path}.{field.name}", MISSING

    def select_known(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """``value`` without the keys that are not in the table."""
        return {name: value[name] for name in value if name in self.names}


def _check_instance(kind: type, error: str) -> Callable[[Any], str | None]:
    return lambda value: None if isinstance(value, kind) else error


def _check_number(value: object) -> str | None:
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    return None if fits else "error.expected.jsnumber"


def _check_integer(bounds: range, error: str) -> Callable[[Any], str | None]:
    def check(value: object) -> str | None:
        if not isinstance(value, int):
            return _check_number(value) or error
        return _check_number(value) or (None if value in bounds else error)

    return check


def one_of(*values: str) -> Scalar:
    """Make the type of a string that is one of ``values``."""
    allowed = frozenset(values)

    def check(value: object) -> str | None:
        if not isinstance(value, str):
            return "error.expected.jsstring"
        return None if value in allowed else "error.expected.validenumvalue"

    return Scalar("string (enum)", check)


STRING: Final = Scalar("string", _check_instance(str, "error.expected.jsstring"))
BOOLEAN: Final = Scalar("boolean", _check_instance(bool, "error.expected.jsboolean"))
OBJECT: Final = Scalar("object", _check_instance(dict, "error.expected.jsobject"))
DOUBLE: Final = Scalar("number (double)", _check_number)
INTEGER32: Final = Scalar("integer (int32)", _check_integer(INT32, "error.expected.int"))
INTEGER64: Final = Scalar("integer (int64)", _check_integer(INT64, "error.expected.long"))
