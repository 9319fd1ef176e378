"""A webhook's deep copy as plain JSON.

What may live here: the one place where every value of a webhook is looked at. What JSON can hold
is copied as it is; what it cannot is named with its place.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Any

from iterable_destination.data_fields import (
    MAX_NESTING,
    NOT_PLAIN,
    CarefulCopy,
    NotPlain,
    surrogate_problem,
)
from iterable_destination.errors import Problem
from iterable_destination.json_codec import is_usual
from iterable_destination.plain import SCALARS, TOO_LARGE, kind


def plain_copy(body: dict[Any, Any], problems: list[Problem]) -> tuple[dict[str, Any], bool]:
    """Return a deep copy of a webhook as JSON, and whether all of it is of the usual kind.

    What JSON cannot hold is added to ``problems`` with its place, and is None in the copy.
    """
    try:
        copy = body.copy()
        _finish(copy, MAX_NESTING)
    except NOT_PLAIN:
        return _Careful(problems).of(body, ""), False
    return copy, True


def _finish(copy: Any, depth: int) -> None:  # noqa: C901 - the hot path
    """Make the shallow copy of an object or list a deep one; leave it if something is unusual.

    Copying the whole and overwriting the few values that are copied in turn is far quicker than
    building it anew, and exact types are quicker to ask for than ``isinstance``.
    """
    if not depth:
        raise NotPlain
    entries: Iterable[tuple[Any, Any]] = enumerate(copy)
    if type(copy) is dict:
        "".join(copy).encode()  # an error unless all are texts
        entries = copy.items()
    for key, value in entries:
        its_type = type(value)
        if its_type is str:
            if not value.isascii():
                value.encode()
        elif its_type is dict or its_type is list:
            copy[key] = inner = value.copy()
            _finish(inner, depth - 1)
        elif its_type is int:
            if not -TOO_LARGE < value < TOO_LARGE:
                raise NotPlain
        elif its_type is float:
            if not is_usual(value):
                raise NotPlain
        elif value is not None and its_type is not bool:
            raise NotPlain


class _Careful(CarefulCopy):
    """Copies any Python value as it is; a date is no JSON."""

    def problem(self, value: Any) -> str | None:
        if isinstance(value, str):
            return surrogate_problem(value)
        if type(value) not in SCALARS or (isinstance(value, float) and not isfinite(value)):
            return f"is {kind(value)}, which JSON cannot hold"
        if isinstance(value, int) and not -TOO_LARGE < value < TOO_LARGE:
            return "is a number too large for a double"
        return None

    def converted(self, value: Any) -> Any:
        return value
