"""A webhook's deep copy as plain JSON.

What may live here: what of a webhook can be sent, and what cannot. Values are copied as they are.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

from iterable_destination.data_fields import CarefulCopy, surrogate_problem
from iterable_destination.plain import SCALARS, TOO_LARGE, kind


class PlainCopy(CarefulCopy):
    """Copies any Python value as it is, and writes down every problem with its place."""

    def problem(self, value: Any) -> str | None:
        """Say why JSON cannot hold a value that is no object and no list; None if it can."""
        if isinstance(value, str):
            return surrogate_problem(value)
        if type(value) not in SCALARS or (isinstance(value, float) and not isfinite(value)):
            return f"is {kind(value)}, which JSON cannot hold"
        if isinstance(value, int) and not -TOO_LARGE < value < TOO_LARGE:
            return "is a number too large for a double"
        return None

    def converted(self, value: Any) -> Any:
        """Return such a value as it is."""
        return value
