"""Subscription changes: coerce the groups that a user joins or leaves.

Two forms are in use. Segment's action defines ``subscription_group_type`` in each change; other
mappings have ``group_type``. A single object counts as a list of one.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from iterable_destination.errors import Reason
from iterable_destination.mapping.actions import coercion
from iterable_destination.mapping.actions.coercion import Findings
from iterable_destination.mapping.actions.mapping_kit.object_directives import ShapedNull
from iterable_destination.mapping.actions.payload import PLAIN, TEXT, WHOLE, Field, coerce_fields
from iterable_destination.model.json_values import as_list, as_object, describe_type, scalar
from iterable_destination.model.reasons import MISSING, NULL_PASSED_OVER
from iterable_destination.model.validation import (
    group_id_problem,
    group_type_problem,
    subscription_action_problem,
)

#: Changes of one event (Segment's action).
MAX_CHANGES: Final = 6

#: A number without a sign, as short as one of 64 bits.
_DIGITS: Final = re.compile(r"[0-9]{1,19}")
_NOT_WHOLE: Final = Reason("not-a-whole-number", "must be a whole number, or a string of digits")


class Change(NamedTuple):
    """One group that a user joins or leaves. A field with a problem is None."""

    group_type: Any
    group_id: Any
    action: Any


def _coerce_group_id(value: Any, path: str, found: Findings) -> int | None:
    """Return a group's number. It may be a text of digits, as Segment writes it."""
    plain = scalar(value)
    if isinstance(plain, str) and _DIGITS.fullmatch(plain):
        return int(plain)
    if isinstance(plain, int) and not isinstance(plain, bool):
        return plain
    if isinstance(plain, float) and plain.is_integer():
        return int(plain)
    found.add_problem(path, _NOT_WHOLE)
    return None


_ID_AND_ACTION: Final = (
    Field("subscription_group_id", _coerce_group_id, WHOLE, group_id_problem, required=True),
    Field("action", coercion.coerce_text, TEXT, subscription_action_problem, required=True),
)
_TYPE: Final = "subscription_group_type"
_SHORT_TYPE: Final = "group_type"
#: The fields of a change, by the name of its first.
_FIELDS: Final = {
    name: (
        Field(name, coercion.coerce_text, TEXT, group_type_problem, required=True),
        *_ID_AND_ACTION,
    )
    for name in (_TYPE, _SHORT_TYPE)
}


def coerce_changes(value: Any, path: str, found: Findings) -> list[Change]:
    """Return the changes of a list, or of a single object. Nulls are passed over with a note."""
    plain = value if type(value) in PLAIN else scalar(value)
    if as_object(plain) is not None:
        return [_coerce_change(plain, path, found)]
    elements = as_list(plain)
    if elements is None:
        words = f"must be a list of objects, or one object, not {describe_type(plain)}"
        found.add_problem(path, Reason("not-a-list", words))
        return []
    changes = []
    for index, element in enumerate(elements):
        if element is None or type(element) is ShapedNull:
            found.add_note(f"{path}[{index}]", NULL_PASSED_OVER)
        else:
            changes.append(_coerce_change(element, f"{path}[{index}]", found))
    if not changes:
        found.add_problem(path, MISSING)
    elif len(changes) > MAX_CHANGES:
        words = f"{len(changes):,} changes; an event has at most {MAX_CHANGES}"
        found.add_problem(path, Reason("too-many", words))
    return changes


def _coerce_change(value: Any, path: str, found: Findings) -> Change:
    fields = coercion.coerce_object(value, path, found)
    if fields is None:
        return Change(None, None, None)
    name = _SHORT_TYPE if _TYPE not in fields and _SHORT_TYPE in fields else _TYPE
    change = coerce_fields(_FIELDS[name], fields, f"{path}.", found)
    return Change(change.get(name), change.get("subscription_group_id"), change.get("action"))
