"""Fields: what each of the four actions takes, as a table.

What may live here: the fields' names and types.
"""

from __future__ import annotations

from typing import Any, Final

from iterable_destination.mapping.actions import coercion
from iterable_destination.mapping.actions.coercion import Findings
from iterable_destination.mapping.actions.items import items
from iterable_destination.mapping.actions.mapping_kit.directive_options import is_directive
from iterable_destination.mapping.actions.payload import (
    BOOLEAN,
    EMAIL,
    ID,
    NAME,
    NONE,
    NUMBER,
    OBJECT,
    TEXT,
    USER,
    WHOLE,
    Field,
    coerced,
)


def _user(value: Any, path: str, found: Findings) -> dict[str, Any] | None:
    fields = coercion.an_object(value, path, found)
    return None if fields is None else coerced(_USER, fields, f"{path}.", found)


_EMAIL: Final = Field("email", coercion.email, EMAIL)
_USER_ID: Final = Field("userId", coercion.text, USER)
_DATA_FIELDS: Final = Field("dataFields", coercion.an_object, OBJECT, settles=True)
_PHONE: Final = Field("phoneNumber", coercion.text, TEXT, takes_null=True)
_MERGES: Final = Field("mergeNestedObjects", coercion.boolean, BOOLEAN)
_ID: Final = Field("id", coercion.text, ID)

#: The user of a cart or of a purchase.
_USER: Final = (_EMAIL, _USER_ID, _DATA_FIELDS, _PHONE, _MERGES)
_THE_USER: Final = Field("user", _user, NONE, required=True, settles=True)
_THE_ITEMS: Final = Field("items", items, NONE, required=True, settles=True)
#: Of a custom event and of a purchase.
_ATTRIBUTION: Final = (
    Field("createdAt", coercion.moment, NONE, settles=True),
    Field("campaignId", coercion.integer, WHOLE),
    Field("templateId", coercion.integer, WHOLE),
)
#: Whether requests may go together, and how many: for delivery to say, and not sent.
_BATCHING: Final = (
    Field("enable_batching", coercion.boolean, BOOLEAN, settles=True),
    Field("batch_size", coercion.integer, WHOLE, settles=True),
)

#: The fields of each action, by its slug.
FIELDS: Final[dict[str, tuple[Field, ...]]] = {
    "trackEvent": (
        _EMAIL,
        _USER_ID,
        Field("eventName", coercion.text, NAME, required=True),
        _DATA_FIELDS,
        _ID,
        *_ATTRIBUTION,
        *_BATCHING,
    ),
    "updateUser": (
        _EMAIL,
        _USER_ID,
        Field("newEmail", coercion.email, EMAIL),
        _DATA_FIELDS,
        _PHONE,
        _MERGES,
        Field("updateOnly", coercion.boolean, BOOLEAN),
        *_BATCHING,
    ),
    "updateCart": (_THE_USER, _THE_ITEMS),
    "trackPurchase": (
        _ID,
        _THE_USER,
        _THE_ITEMS,
        _DATA_FIELDS,
        Field("total", coercion.number, NUMBER, required=True),
        *_ATTRIBUTION,
    ),
}


def fields_of(action: str, mapping: dict[str, Any]) -> tuple[Field, ...]:
    """Return the fields of an action that this mapping can fill, and those that it must.

    How requests go together is no part of a call, so it is left out where it is a constant that is
    sure to be fine: nobody has to look at it again for every event.
    """
    if is_directive(mapping):
        return FIELDS[action]
    return tuple([field for field in FIELDS[action] if _matters(field, mapping)])


def _matters(field: Field, mapping: dict[str, Any]) -> bool:
    if field.name not in mapping:
        return field.required
    value = mapping[field.name]
    return field not in _BATCHING or not field.is_ordinary(value)
