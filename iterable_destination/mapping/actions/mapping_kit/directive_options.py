"""Options: the value of a directive, checked while it is read.

This module knows the forms that an option can have, and the messages for one in another form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from iterable_destination.errors import Reason
from iterable_destination.mapping.actions.paths import NOTHING
from iterable_destination.model.json_values import describe_type
from iterable_destination.model.reasons import (
    MISSING,
    not_a_boolean,
    not_a_string,
    not_an_object,
)

#: Resolves a part of a mapping for an event; may return :data:`~paths.NOTHING`.
Resolve = Callable[[Any], Any]

#: A key that tools write beside a directive or its options; it is ignored.
METADATA: Final = "_metadata"


class Unmappable(Exception):
    """A mapping cannot be resolved for this event."""

    def __init__(self, reason: Reason, place: str = "mapping") -> None:
        super().__init__(reason.message)
        self.reason: Final = reason
        #: The place of what is wrong, as problems name it.
        self.place: Final = place


class Reader(Protocol):
    """What a directive needs of the mapping compiler."""

    def read(self, value: Any, path: str) -> Resolve:
        """Return the function that resolves a part of the mapping."""

    def add_problem(self, path: str, reason: Reason) -> None:
        """Add a problem."""


def resolve_nothing(_: Any) -> Any:
    """Resolve to nothing for every event."""
    return NOTHING


class Options:
    """The value of one directive, and its place."""

    def __init__(self, reader: Reader, name: str, value: Any, path: str) -> None:
        self._reader = reader
        self.name: Final = name
        self.value: Final = value
        self.path: Final = path

    @property
    def _fields(self) -> dict[str, Any]:
        return self.value if isinstance(self.value, dict) else {}

    @property
    def begins_with_directive(self) -> bool:
        """Whether the value is a list whose first element is a directive."""
        return isinstance(self.value, list) and any(map(is_directive, self.value[:1]))

    def add_problem(self, reason: Reason, place: str = "") -> None:
        """Add a problem at the directive, or at a place below it."""
        self._reader.add_problem(f"{self.path}{place}", reason)

    def read_whole(self) -> Resolve:
        """Read the value as a part of the mapping."""
        return self._reader.read(self.value, self.path)

    def read_text_or_directive(self) -> Resolve:
        """Read the value as a part of the mapping; add a problem if it is no text or directive."""
        if not isinstance(self.value, str) and not is_directive(self.value):
            self.add_problem(not_a_directive(self.value))
        return self.read_whole()

    def require_object(self, *known: str) -> None:
        """Add a problem if the value is no object, and one for each key other than these."""
        if not isinstance(self.value, dict):
            self.add_problem(not_an_object(self.value))
        for key in self._fields:
            if key not in {*known, METADATA}:
                words = f"unknown; there are {', '.join(known)}"
                self.add_problem(Reason("unknown-key", words), f".{key}")

    def has(self, key: str) -> bool:
        """Whether an option is given."""
        return key in self._fields

    def get(self, key: str) -> Any:
        """Return an option unread, or None."""
        return self._fields.get(key)

    def read_part(self, key: str, *, required: bool = False) -> Resolve:
        """Read an option as a part of the mapping; one that is absent resolves to nothing."""
        if key in self._fields:
            return self._reader.read(self._fields[key], f"{self.path}.{key}")
        if required:
            self.add_problem(MISSING, f".{key}")
        return resolve_nothing

    def read_element(self, index: int) -> Resolve:
        """Read an element of the value, a list, as a part of the mapping."""
        return self._reader.read(self.value[index], f"{self.path}[{index}]")

    def read_choice(self, key: str, choices: Sequence[str]) -> str:
        """Return an option that must be one of these choices; add a problem if it is not."""
        value = self._fields.get(key)
        if isinstance(value, str) and value in choices:
            return value
        self.add_problem(Reason("invalid-choice", f"must be {' or '.join(choices)}"), f".{key}")
        return choices[0]

    def read_text(self, key: str, default: str | None = None) -> str:
        """Return an option that must be a text; without a default it must not be empty.

        Otherwise add a problem, and return ``""``.
        """
        value = self._fields.get(key, default)
        if isinstance(value, str) and (value or default is not None):
            return value
        empty = value is None or value == ""
        self.add_problem(MISSING if empty else not_a_string(value), f".{key}")
        return ""

    def read_flag(self, key: str, *, default: bool) -> bool:
        """Return an option that must be true or false; add a problem if it is not."""
        value = self._fields.get(key, default)
        if not isinstance(value, bool):
            self.add_problem(not_a_boolean(value), f".{key}")
        return value is True


def not_a_directive(value: Any) -> Reason:
    """Return what is wrong with a value that is neither a string nor a directive."""
    return Reason("not-a-string", f"must be a string or a directive, not {describe_type(value)}")


#: Builds the function that resolves one directive.
DirectiveBuilder = Callable[[Options], Resolve]


def is_directive(value: Any) -> bool:
    """Whether a part of a mapping is a directive."""
    return isinstance(value, dict) and any(key.startswith("@") for key in value)
