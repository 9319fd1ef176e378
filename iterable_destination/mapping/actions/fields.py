"""Fields: the names and types of what each action takes, as a table."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from iterable_destination.mapping.actions import coercion
from iterable_destination.mapping.actions.coercion import Findings
from iterable_destination.mapping.actions.items import coerce_items
from iterable_destination.mapping.actions.mapping_kit.directive_options import is_directive
from iterable_destination.mapping.actions.payload import (
    BOOLEAN,
    NONE,
    NUMBER,
    TEXT,
    WHOLE,
    Field,
    coerce_fields,
)
from iterable_destination.mapping.actions.subscription_changes import coerce_changes
from iterable_destination.model.validation import (
    FindProblem,
    choice_problem,
    event_name_problem,
    int32_problem,
    int64_problem,
    number_problem,
    required_text_problem,
    user_id_problem,
)


def _coerce_user(value: Any, path: str, found: Findings) -> dict[str, Any] | None:
    fields = coercion.coerce_object(value, path, found)
    return None if fields is None else coerce_fields(_USER, fields, f"{path}.", found)


def _coerce_identifier(value: Any, path: str, found: Findings) -> dict[str, Any] | None:
    fields = coercion.coerce_object(value, path, found)
    return None if fields is None else coerce_fields(_IDENTIFIER, fields, f"{path}.", found)


_EMAIL: Final = Field("email", coercion.coerce_email, NONE, required_text_problem)
_USER_ID: Final = Field("userId", coercion.coerce_text, TEXT, user_id_problem)
_DATA_FIELDS: Final = Field("dataFields", coercion.coerce_object, NONE)
_PHONE: Final = Field("phoneNumber", coercion.coerce_text, TEXT, takes_null=True)
_MERGES: Final = Field("mergeNestedObjects", coercion.coerce_boolean, BOOLEAN)
_ID: Final = Field("id", coercion.coerce_text, TEXT)
_CREATED_AT: Final = Field("createdAt", coercion.coerce_date, NONE)

#: The user of a cart or of a purchase.
_USER: Final = (_EMAIL, _USER_ID, _DATA_FIELDS, _PHONE, _MERGES)
_THE_USER: Final = Field("user", _coerce_user, NONE, required=True)
_THE_ITEMS: Final = Field("items", coerce_items, NONE, required=True)
#: Whether requests may be batched, and how many. They are not sent: delivery has its own limits.
_BATCHING: Final = (
    Field("enable_batching", coercion.coerce_boolean, BOOLEAN),
    Field("batch_size", coercion.coerce_integer, WHOLE),
)

#: A user of whom only one name is sent, so that the other may be one that Iterable would refuse.
_IDENTIFIER: Final = (_EMAIL, Field("userId", coercion.coerce_text, TEXT))
_PREFERENCE: Final = Field(
    "user_identifier_preference",
    coercion.coerce_text,
    TEXT,
    partial(choice_problem, ("email", "userId")),
)
#: Segment's action, once for several groups and once for a single one, in all the forms there are.
_SUBSCRIPTION_CHANGES: Final = (
    Field("identifier", _coerce_identifier, NONE),
    *_IDENTIFIER,
    _PREFERENCE,
    Field("subscriptions", coerce_changes, NONE),
    Field("subscription", coerce_changes, NONE),
    *_BATCHING,
)


def _attribution(find_problem: FindProblem) -> tuple[Field, Field]:
    """Return the fields of what a custom event or a purchase is attributed to."""
    return (
        Field("campaignId", coercion.coerce_integer, WHOLE, find_problem),
        Field("templateId", coercion.coerce_integer, WHOLE, find_problem),
    )


#: The fields of each action, by its slug.
FIELDS: Final[dict[str, tuple[Field, ...]]] = {
    "trackEvent": (
        _EMAIL,
        _USER_ID,
        Field("eventName", coercion.coerce_text, TEXT, event_name_problem, required=True),
        _DATA_FIELDS,
        _ID,
        _CREATED_AT,
        *_attribution(int64_problem),
        *_BATCHING,
    ),
    "updateUser": (
        _EMAIL,
        _USER_ID,
        Field("newEmail", coercion.coerce_email, NONE, required_text_problem),
        _DATA_FIELDS,
        _PHONE,
        _MERGES,
        Field("updateOnly", coercion.coerce_boolean, BOOLEAN),
        *_BATCHING,
    ),
    "updateCart": (_THE_USER, _THE_ITEMS),
    "trackPurchase": (
        _ID,
        _THE_USER,
        _THE_ITEMS,
        _DATA_FIELDS,
        Field("total", coercion.coerce_number, NUMBER, number_problem, required=True),
        _CREATED_AT,
        *_attribution(int32_problem),
    ),
    "updateSubscriptions": _SUBSCRIPTION_CHANGES,
    "updateSubscription": _SUBSCRIPTION_CHANGES,
}


def select_fields(action: str, mapping: dict[str, Any]) -> tuple[Field, ...]:
    """Return the fields of an action that this mapping can fill, and those that it must fill.

    Batching fields are left out if they are valid constants: they are no part of a call, so
    nothing needs to check them for every event.
    """
    if is_directive(mapping):
        return FIELDS[action]
    return tuple([field for field in FIELDS[action] if _is_relevant(field, mapping)])


def _is_relevant(field: Field, mapping: dict[str, Any]) -> bool:
    if field.name not in mapping:
        return field.required
    return field not in _BATCHING or not _is_valid_constant(field, mapping[field.name])


def _is_valid_constant(field: Field, value: Any) -> bool:
    """Whether a value of a mapping needs neither a note nor a refusal."""
    found = Findings()
    field.coerce(value, field.name, found)
    return not found.problems and not found.notes
