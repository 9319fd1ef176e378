"""Payloads: coerce a mapped payload, field by field, to the types that its fields have.

Nulls, empty strings and unknown keys are left out. Each value is checked as soon as it has its
field's type, by the functions of :mod:`~iterable_destination.model.validation`.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from iterable_destination.mapping.actions import coercion
from iterable_destination.mapping.actions.coercion import Coerce, Findings
from iterable_destination.model.json_values import SCALARS, scalar
from iterable_destination.model.reasons import MISSING
from iterable_destination.model.validation import FindProblem

#: Types of values that a field takes as they are, if they are short or small.
TEXT: Final = frozenset({str})
WHOLE: Final = frozenset({int})
NUMBER: Final = frozenset({int, float})
BOOLEAN: Final = frozenset({bool})
NONE: Final = frozenset[type]()

#: Shorter texts and smaller numbers are within every bound there is.
_SHORT: Final = 1_000
_SMALL: Final = 1_000_000_000


class Field(NamedTuple):
    """One field of an action."""

    name: str
    coerce: Coerce
    #: The exact types of values that need no coercion, as nearly all have.
    types: frozenset[type]
    #: Says why Iterable would refuse a value of the field's type; None if it takes each.
    find_problem: FindProblem | None = None
    required: bool = False
    #: Whether null is a value of its own; otherwise a null counts as absent.
    takes_null: bool = False

    @property
    def takes_empty(self) -> bool:
        """Whether ``""`` is a value inside an object; otherwise it counts as absent.

        An email or a userId that is empty names nobody.
        """
        return self.coerce is coercion.coerce_text and self.find_problem is None


def coerce_fields(
    fields: tuple[Field, ...], payload: dict[Any, Any], path: str, found: Findings
) -> dict[str, Any]:
    """Return the fields of a mapped payload, each coerced to its type.

    Problems and notes are added to ``found``; a field with a problem is None. ``path`` is the
    prefix of the fields' places.
    """
    result: dict[str, Any] = {}
    for field in fields:
        name, coerce, types, find_problem, required, takes_null = field  # quicker than by name
        value: Any = payload.get(name)
        its_type = type(value)
        if its_type in types and (
            0 < len(value) < _SHORT and value.isascii()
            if its_type is str
            else -_SMALL < value < _SMALL
        ):
            result[name] = value
        elif value is not None and not _is_absent(value, field, path):
            result[name] = value = coerce(value, path + name, found)
        else:
            if takes_null and name in payload and scalar(value) is None:
                result[name] = None
            elif required:
                found.add_problem(path + name, MISSING)
            continue
        if find_problem is not None and value is not None:
            problem = find_problem(value)
            if problem is not None:
                found.add_refusal(path + name, problem)
    return result


def _is_absent(value: Any, field: Field, path: str) -> bool:
    """Whether a value counts as none: null, and ``""`` but where a text stands inside an object."""
    plain = value if type(value) in PLAIN else scalar(value)
    return plain is None or (
        isinstance(plain, str) and not plain and not (path and field.takes_empty)
    )


#: Types that need no conversion by :func:`scalar`.
PLAIN: Final = SCALARS | {dict, list}
