"""What the tests of the playground ask it."""

from __future__ import annotations

import json
from typing import Any

ORDER = {
    "messageId": "m-1",
    "type": "track",
    "event": "Order Completed",
    "userId": "u-1",
    "timestamp": "2026-03-04T09:24:50Z",
    "properties": {"total": 27.5, "order_id": "o-1"},
}
CART = {
    "type": "track",
    "event": "Product Added",
    "userId": "u-1",
    "properties": {
        "products": [{"product_id": "p-1", "name": "Uno", "price": 12.5, "quantity": 2}]
    },
}
PROFILE = {
    "type": "identify",
    "userId": "u-1",
    "traits": {"email": "Ada@example.com", "plan": "pro"},
}


def encode(value: Any) -> str:
    return json.dumps(value, indent=2)
