"""Payloads: coerce a mapped payload, field by field, to the types that its fields have.

Nulls, empty strings and unknown keys are left out.

Most values have their field's type already and cannot be invalid. :data:`Ordinary` recognises them
by exact type. Only the other values are coerced, and only calls that have such values are checked
by :mod:`~iterable_destination.model.validation`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from iterable_destination.mapping.actions import coercion
from iterable_destination.mapping.actions.coercion import Coerce, Findings
from iterable_destination.model import endpoints
from iterable_destination.model.json_values import SCALARS, scalar
from iterable_destination.model.validation import USER_ID

#: For each exact type, a function that returns whether a value is sure to be valid. None: any
#: value of this type is.
Ordinary = Mapping[type, Callable[[Any], Any] | None]


def is_small(number: float) -> bool:
    """Whether a number is within every bound that applies to numbers."""
    return -_SMALL < number < _SMALL


_SMALL: Final = 1_000_000

#: Whether a text is short and ASCII. Others may be valid too, but need closer checks. None of
#: these patterns backtracks far.
is_short: Final = re.compile(r"[\x00-\x7f]{0,1000}").fullmatch
TEXT: Final[Ordinary] = {str: is_short}
NAME: Final[Ordinary] = {str: re.compile(r"[\x00-\x7f]{1,1000}").fullmatch}
ID: Final[Ordinary] = {str: re.compile(rf"[\x00-\x7f]{{0,{endpoints.MAX_ID_BYTES}}}").fullmatch}
EMAIL: Final[Ordinary] = {
    str: re.compile(r"[!-?A-~]{1,100}@[!-?A-~]{1,100}\.[!-?A-~]{1,100}").fullmatch
}
USER: Final[Ordinary] = {str: USER_ID.fullmatch}
WHOLE: Final[Ordinary] = {int: is_small}
NUMBER: Final[Ordinary] = {int: is_small, float: is_small}
BOOLEAN: Final[Ordinary] = {bool: None}
OBJECT: Final[Ordinary] = {dict: None}
#: Every value needs closer checks.
NONE: Final[Ordinary] = {}


class Field(NamedTuple):
    """One field of an action."""

    name: str
    coerce: Coerce
    ordinary: Ordinary
    required: bool = False
    #: Whether null is a value of its own; otherwise a null counts as absent.
    takes_null: bool = False
    #: Whether a coerced value needs no validation: it cannot be invalid, or the coercion checks it.
    settles: bool = False

    def is_ordinary(self, value: Any) -> bool:
        """Whether a value has the field's type and is sure to be valid."""
        is_fine: Callable[[Any], Any] | None = self.ordinary.get(type(value), _is_never_ordinary)
        return is_fine is None or bool(is_fine(value))

    @property
    def takes_empty(self) -> bool:
        """Whether ``""`` is a value; otherwise it counts as absent."""
        return self.coerce in _TEXTS


_TEXTS: Final = (coercion.coerce_text, coercion.coerce_email)


def coerce_fields(
    fields: tuple[Field, ...], payload: dict[Any, Any], path: str, found: Findings
) -> dict[str, Any]:
    """Return the fields of a mapped payload, each coerced to its type.

    Problems and notes are added to ``found``; a field with a problem is None. ``path`` is the
    prefix of the fields' places.
    """
    result: dict[str, Any] = {}
    for field in fields:
        name, coerce, ordinary, required, takes_null, settles = field  # quicker than by name
        value = payload.get(name)
        if value is not None:
            is_fine: Callable[[Any], Any] | None = ordinary.get(type(value), _is_never_ordinary)
            if is_fine is None or is_fine(value):
                result[name] = value
                continue
            if not _is_absent(value, field):
                found.is_ordinary &= settles
                result[name] = coerce(value, path + name, found)
                continue
        if takes_null and name in payload:
            result[name] = None
        elif required:
            found.add_problem(path + name, "missing")
    return result


def _is_never_ordinary(_: Any) -> bool:
    return False


def _is_absent(value: Any, field: Field) -> bool:
    plain = value if type(value) in PLAIN else scalar(value)
    return plain is None or (isinstance(plain, str) and not plain and not field.takes_empty)


#: Types that need no conversion by :func:`scalar`.
PLAIN: Final = SCALARS | {dict, list}
