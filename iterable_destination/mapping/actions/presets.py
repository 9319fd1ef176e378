"""Presets: the subscriptions that Segment proposes, in Segment's own JSON form.

They are no defaults: a field that a mapping leaves out is absent from the request.
"""

from __future__ import annotations

from typing import Any, Final

Mapping = dict[str, Any]


def _path(path: str) -> Mapping:
    return {"@path": path}


_EMAIL: Final = {
    "@if": {
        "exists": _path("$.properties.email"),
        "then": _path("$.properties.email"),
        "else": _path("$.context.traits.email"),
    }
}
_USER_ID: Final = _path("$.userId")
_USER: Final = {
    "email": _EMAIL,
    "userId": _USER_ID,
    "dataFields": _path("$.context.traits"),
    "phoneNumber": _path("$.context.traits.phone"),
    "mergeNestedObjects": False,
}
_ITEMS: Final = {
    "@arrayPath": [
        "$.properties.products",
        {
            "id": _path("product_id"),
            "sku": _path("sku"),
            "categories": _path("category"),
            "name": _path("name"),
            "price": _path("price"),
            "quantity": _path("quantity"),
            "url": _path("url"),
            "imageUrl": _path("image_url"),
            "description": _path("description"),
        },
    ]
}
_ATTRIBUTION: Final = {
    "createdAt": _path("$.timestamp"),
    "campaignId": _path("$.properties.campaignId"),
    "templateId": _path("$.properties.templateId"),
}
_BATCHING: Final = {"enable_batching": True, "batch_size": 1001}
_SUBSCRIBER: Final = {
    "identifier": {"email": _path("$.properties.email"), "userId": _USER_ID},
    "user_identifier_preference": "email",
    "enable_batching": True,
    "batch_size": 1000,
}

#: The mapping that each action proposes, by its slug. Those of subscriptions lack the groups.
DEFAULT_MAPPINGS: Final[dict[str, Mapping]] = {
    "trackEvent": {
        "email": _EMAIL,
        "userId": _USER_ID,
        "eventName": _path("$.event"),
        "dataFields": _path("$.properties"),
        "id": _path("$.messageId"),
        **_ATTRIBUTION,
        **_BATCHING,
    },
    "updateUser": {
        "email": _path("$.traits.email"),
        "userId": _USER_ID,
        "dataFields": _path("$.traits"),
        "phoneNumber": _path("$.traits.phone"),
        "mergeNestedObjects": False,
        **_BATCHING,
    },
    "updateCart": {"user": _USER, "items": _ITEMS},
    "trackPurchase": {
        "id": _path("$.properties.order_id"),
        "user": _USER,
        "items": _ITEMS,
        "dataFields": _path("$.properties"),
        "total": _path("$.properties.total"),
        **_ATTRIBUTION,
    },
    "updateSubscriptions": _SUBSCRIBER,
    "updateSubscription": _SUBSCRIBER,
}


def _build_preset(name: str, action: str, trigger: str) -> Mapping:
    mapping = DEFAULT_MAPPINGS[action]
    return {
        "name": name,
        "enabled": True,
        "partnerAction": action,
        "subscribe": trigger,
        "mapping": mapping,
    }


#: The four presets. Do not change them in place: change a copy.
PRESETS_JSON: Final = (
    _build_preset(
        "Track Calls",
        "trackEvent",
        'type = "track" and event != "Order Completed" and event != "Cart Updated"',
    ),
    _build_preset("Identify Calls", "updateUser", 'type = "identify"'),
    _build_preset("Update Cart Calls", "updateCart", 'type = "track" and event = "Cart Updated"'),
    _build_preset(
        "Order Completed Calls", "trackPurchase", 'type = "track" and event = "Order Completed"'
    ),
)
