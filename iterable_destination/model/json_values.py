"""Python values as JSON values: conversions of single values, and names for their types."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from enum import Enum
from numbers import Integral, Real
from types import NoneType
from typing import Any, Final
from uuid import UUID

#: JSON's scalars, by exact type.
SCALARS: Final = frozenset({str, int, float, bool, NoneType})

#: Whole numbers from here on do not fit in a double, and those of some thousand digits cannot be
#: converted to text either.
TOO_LARGE: Final = 10**308


def scalar(value: Any) -> Any:
    """Return the JSON scalar that a Python value stands for; others are returned as they are.

    An ``Enum`` stands for its value, ``Decimal`` and other numbers for a number, ``UUID`` and
    subclasses of ``str`` for their text, and so does what has all of the methods of ``str``, such
    as a lazy text of Django's. A lazy value, which says that it is of another class than it is,
    stands for what it says: an object of Python's own class.

    Raises whatever reading the value raises.
    """
    if type(value) in SCALARS:
        return value
    if value.__class__ is not type(value):
        read = _read_lazy(value)
        return value if read is value else scalar(read)
    if isinstance(value, Enum):
        return scalar(value.value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, UUID):
        return str(value)
    if _is_like_text(value):
        return scalar(str(value))
    return _number(value)


def is_blank(value: Any) -> bool:
    """Whether a value is null or ``""``. Its ``__eq__`` is not called."""
    return value is None or (isinstance(value, str) and not value)


def as_object(value: Any) -> dict[Any, Any] | None:
    """Return any ``Mapping`` as a ``dict`` (a ``dict`` itself, uncopied); None if it is none."""
    if type(value) is dict:
        return value
    if type(value) in SCALARS:  # quicker than to ask for a Mapping
        return None
    if value.__class__ is not type(value):
        value = scalar(value)
    return dict(value) if isinstance(value, Mapping) else None


def as_list(value: Any) -> list[Any] | None:
    """Return any sequence but text and bytes as a ``list`` (a ``list`` itself), else None."""
    if type(value) is list:
        return value
    if value.__class__ is not type(value):
        value = scalar(value)
    if not isinstance(value, Sequence) or isinstance(value, str | bytes | bytearray | memoryview):
        return None
    return None if _is_like_text(value) else list(value)


def describe_type(value: Any) -> str:
    """Name the JSON type of a value without repeating the value: ``a list``, ``null``."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "infinity"
    for of_kind, words in _KINDS:
        if isinstance(value, of_kind):
            return words
    return f"a value of type {type(value).__name__}"


_KINDS: Final = (
    (str, "a string"),
    (int, "a number"),
    (float, "a number"),
    (Mapping, "an object"),
    ((list, tuple), "a list"),
)


def _is_like_text(value: Any) -> bool:
    """Whether a value that is no ``str`` has all of its methods: nothing else has."""
    kind = type(value)
    return hasattr(kind, "casefold") and all(hasattr(kind, name) for name in _TEXT_METHODS)


_TEXT_METHODS: Final = tuple(name for name in vars(str) if not name.startswith("_"))


def _read_lazy(value: Any) -> Any:
    """Return what a lazy value stands for; the value itself where that is nothing in JSON.

    The methods are asked of the value, and not of its type, since a lazy value need not have them
    itself, but only hand on what is asked of it.
    """
    its_class = value.__class__
    return next((read(value) for kind, read in _LAZY if issubclass(its_class, kind)), value)


def _read_lazy_text(value: Any) -> str:
    if "__str__" not in {name for kind in type(value).__mro__[:-1] for name in vars(kind)}:
        raise TypeError("no text, but says so")
    return str(value)


#: How a lazy value is read, by the class that it says it is of; the first that fits counts.
_LAZY: Final[tuple[tuple[Any, Callable[[Any], Any]], ...]] = (
    (NoneType, lambda _: None),
    (bool, lambda value: value.__bool__()),
    (Enum, lambda value: value.value),
    (str, _read_lazy_text),
    (int, lambda value: value.__int__()),
    (float, lambda value: value.__float__()),
    (Decimal, lambda value: Decimal(str(value))),
    (UUID, str),
    (date, lambda value: value.replace()),
    (Mapping, lambda value: dict(value.items())),
    ((bytes, bytearray, memoryview), lambda value: value),
    (Sequence, lambda value: list(value.__iter__())),
)


def _real(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _number(value: Any) -> Any:
    """Return the number that a value of one of Python's other kinds stands for, or the value."""
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, Integral):
        return int(value)
    return _real(value) if isinstance(value, Real) else value


def _decimal(value: Decimal) -> int | float:
    if value.is_nan():
        return math.nan
    number = float(value)
    whole = math.isfinite(number) and value.as_tuple().exponent == 0
    return int(value) if whole else number
