"""Nulls that are written as NaN, as pandas writes an empty cell."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from iterable_destination.errors import Note, Reason, add_note
from iterable_destination.model.json_copy import MAX_NESTING

_NULL: Final = Reason("nan-as-null", "NaN, taken as null")
#: An event that is nested deeper is refused: its own fields are a level below it.
_MAX_DEPTH: Final = MAX_NESTING + 2
#: Pandas' names for an empty cell that is no number.
_OF_PANDAS: Final = frozenset({"NaTType", "NAType"})


def replace_nan(event: Any, notes: list[Note]) -> Any:
    """Return an event in which each NaN, and pandas' ``NaT`` and ``NA``, is None.

    It is the event itself, or a copy of its ``dict`` and ``list`` objects; it is never changed.
    Each replaced value has a note, with its place.
    """
    return _Replacing(notes).copy(event, "")


class _Replacing:
    def __init__(self, notes: list[Note]) -> None:
        self._notes: Final = notes
        #: Copies by the identity of their originals, which may contain themselves.
        self._copies: Final[dict[int, Any]] = {}

    def copy(self, value: Any, path: str, depth: int = 0) -> Any:
        kind = type(value)
        if kind is dict or kind is list:
            if id(value) not in self._copies and depth <= _MAX_DEPTH:
                self._copy_container(value, path, depth + 1)
            return self._copies.get(id(value), value)
        if not _is_nan(value):
            return value
        add_note(self._notes, path or "$", _NULL)
        return None

    def _copy_container(self, value: Any, path: str, depth: int) -> None:
        copied: Any
        if type(value) is list:
            copied = self._copies[id(value)] = []
            copied += [self.copy(each, f"{path}[{n}]", depth) for n, each in enumerate(value)]
            return
        copied = self._copies[id(value)] = {}
        for key, each in value.items():
            name = key if type(key) is str else "?"
            copied[key] = self.copy(each, f"{path}.{name}" if path else name, depth)


def _is_nan(value: Any) -> bool:
    if isinstance(value, float):
        return value != value  # noqa: PLR0124 - nothing else is not itself
    if isinstance(value, Decimal):
        return value.is_nan()
    kind = type(value)
    return kind.__name__ in _OF_PANDAS and kind.__module__.startswith("pandas.")
