"""The documented shape of every request body, and the check of a body against it.

Source: the definitions in Iterable's API description (api.iterable.com/api/docs), transcribed by
hand; ``updateOnly`` is not in it, but in the requests of Segment's actions.

Choices, where the description is silent: ``null`` fits no type, so a field without a value must be
absent; an integer has neither fraction nor exponent (``2.0`` is none); unknown keys are ignored.
"""

from __future__ import annotations

import json
from math import isfinite
from typing import Any, Final

from iterable_destination.testing.shapes import (
    BOOLEAN,
    DOUBLE,
    INTEGER32,
    INTEGER64,
    OBJECT,
    STRING,
    Definition,
    Field,
    ListOf,
    one_of,
)

#: Levels of objects and lists in a body: a choice, Iterable documents no limit.
MAX_DEPTH: Final = 200
_NESTING: Final = frozenset({dict, list})
_TOO_DEEP: Final = f"nested deeper than {MAX_DEPTH} levels"

_WHO: Final = (Field("email", STRING), Field("userId", STRING))
_USER: Final = (
    *_WHO,
    Field("dataFields", OBJECT),
    Field("mergeNestedObjects", BOOLEAN),
    Field("preferUserId", BOOLEAN),
)

USER_UPDATE: Final = Definition("ApiUserUpdateRequest", (*_USER, Field("createNewFields", BOOLEAN)))
OPTIONAL_USER: Final = Definition("OptionalApiUser", _USER)
BULK_UPDATE_USERS: Final = Definition(
    "BulkUpdateUsersRequest",
    (
        Field("users", ListOf(OPTIONAL_USER), required=True),
        Field("createNewFields", BOOLEAN),
        Field("updateOnly", BOOLEAN),
    ),
)
UPDATE_EMAIL: Final = Definition(
    "UpdateEmailRequest",
    (
        Field("currentEmail", STRING),
        Field("currentUserId", STRING),
        Field("newEmail", STRING, required=True),
    ),
)
TRACK: Final = Definition(
    "TrackRequest",
    (
        *_WHO,
        Field("eventName", STRING, required=True),
        Field("id", STRING),
        Field("createdAt", INTEGER64),
        Field("dataFields", OBJECT),
        Field("campaignId", INTEGER64),
        Field("templateId", INTEGER64),
        Field("createNewFields", BOOLEAN),
    ),
)
BULK_TRACK: Final = Definition("BulkTrackRequest", (Field("events", ListOf(TRACK), required=True),))
COMMERCE_ITEM: Final = Definition(
    "CommerceItem",
    (
        Field("id", STRING, required=True),
        Field("sku", STRING),
        Field("name", STRING, required=True),
        Field("categories", ListOf(STRING)),
        Field("price", DOUBLE, required=True),
        Field("quantity", INTEGER64, required=True),
        Field("description", STRING),
        Field("imageUrl", STRING),
        Field("url", STRING),
        Field("dataFields", OBJECT),
    ),
)
_ITEMS: Final = Field("items", ListOf(COMMERCE_ITEM), required=True)
TRACK_PURCHASE: Final = Definition(
    "TrackPurchaseRequest",
    (
        Field("user", USER_UPDATE, required=True),
        _ITEMS,
        Field("total", DOUBLE, required=True),
        Field("id", STRING),
        Field("createdAt", INTEGER64),
        Field("dataFields", OBJECT),
        Field("campaignId", INTEGER32),
        Field("templateId", INTEGER32),
    ),
)
UPDATE_CART: Final = Definition(
    "UpdateCartRequest", (Field("user", USER_UPDATE, required=True), _ITEMS)
)
SUBSCRIPTION_CHANGE: Final = Definition(
    "BulkSubscriptionActionRequest",
    (Field("users", ListOf(STRING)), Field("usersByUserId", ListOf(STRING))),
)
DEVICE: Final = Definition(
    "Device",
    (
        Field("token", STRING, required=True),
        Field("platform", one_of("APNS", "APNS_SANDBOX", "GCM"), required=True),
        Field("applicationName", STRING, required=True),
        Field("dataFields", OBJECT),
    ),
)
REGISTER_DEVICE_TOKEN: Final = Definition(
    "RegisterDeviceTokenRequest",
    (*_WHO, Field("preferUserId", BOOLEAN), Field("device", DEVICE, required=True)),
)
LINK_PARAM: Final = Definition(
    "LinkParam", (Field("key", STRING, required=True), Field("value", STRING, required=True))
)
WEBHOOK: Final = Definition(
    "ApiWebhookModel",
    (
        Field("id", INTEGER64, required=True),
        Field("endpoint", STRING),
        Field("enabled", BOOLEAN),
        Field("blastSendEnabled", BOOLEAN),
        Field("triggeredSendEnabled", BOOLEAN),
        Field("authType", one_of("NoAuth", "Basic", "OAuth2")),
        Field("authToken", STRING),
        Field("headers", ListOf(LINK_PARAM)),
    ),
)


def problems(definition: Definition, body: object) -> dict[str, list[str]]:
    """Everything wrong with a decoded body, as the ``params`` of a 400 ``BadJsonBody``.

    Empty when the body fits: ``{"obj.events[0].eventName": ["error.path.missing"]}`` else.
    """
    return {path: [error] for path, error in definition.problems(body, "obj")}


def decode(body: bytes) -> Any:
    """The JSON in ``body``, parsed strictly.

    Raises ValueError for anything that is not JSON in UTF-8: also for NaN and Infinity, a number
    that no double can hold, and (a choice) more than :data:`MAX_DEPTH` levels.
    """
    try:
        value = _DECODER.decode(body.decode("utf-8"))
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    _check_depth(value)
    return value


def _check_depth(value: Any) -> None:
    level = [value] if type(value) in _NESTING else []
    for _ in range(MAX_DEPTH + 2):
        if not level:
            return
        level = [
            child
            for parent in level
            for child in (parent.values() if type(parent) is dict else parent)
            if type(child) in _NESTING
        ]
    raise ValueError(_TOO_DEEP)


def _parse_finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError("a number out of range")
    return number


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


_DECODER: Final = json.JSONDecoder(parse_float=_parse_finite, parse_constant=_refuse_constant)
