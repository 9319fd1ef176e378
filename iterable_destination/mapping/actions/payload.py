"""Payloads: what a mapping gave, field by field, in the types that the fields have.

What may live here: what becomes of a mapped payload before it is made a call. Nulls and empty texts
go, unknown keys go, and each value gets its field's type.

Most values have that type already, and are such that nothing can be wrong with them. What such
values are is told by exact type, see :data:`Ordinary`; only others are coerced, and only then are
the calls looked at again by :mod:`~iterable_destination.model.validation`.
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

#: Tells of a value of each exact type whether nothing can be wrong with it; None: never.
Ordinary = Mapping[type, Callable[[Any], Any] | None]


def is_small(number: float) -> bool:
    """Whether a number is within every bound there is."""
    return -_SMALL < number < _SMALL


_SMALL: Final = 1_000_000

#: Whether a text is short and plain; others may be good too, but are looked at more closely. None
#: of these patterns looks back far.
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
#: Every value is looked at more closely.
NONE: Final[Ordinary] = {}


class Field(NamedTuple):
    """One field of an action."""

    name: str
    coerce: Coerce
    ordinary: Ordinary
    required: bool = False
    #: Whether null is a value of its own; elsewhere it is as if nothing were there.
    takes_null: bool = False
    #: Whether nothing can be wrong any more with what was coerced, or that was found out inside.
    settles: bool = False

    def is_ordinary(self, value: Any) -> bool:
        """Whether a value is of the field's type, and nothing can be wrong with it."""
        is_fine: Callable[[Any], Any] | None = self.ordinary.get(type(value), _is_never_ordinary)
        return is_fine is None or bool(is_fine(value))

    @property
    def takes_empty(self) -> bool:
        """Whether ``""`` is a value; elsewhere it is as if nothing were there."""
        return self.coerce in _TEXTS


_TEXTS: Final = (coercion.coerce_text, coercion.coerce_email)


def coerce_fields(
    fields: tuple[Field, ...], payload: dict[Any, Any], path: str, found: Findings
) -> dict[str, Any]:
    """Return the fields of a mapped payload, each in its type.

    What is wrong is added to what is ``found``; such a field is None. ``path`` is put before the
    fields' names.
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


#: Types that stand for themselves.
PLAIN: Final = SCALARS | {dict, list}
