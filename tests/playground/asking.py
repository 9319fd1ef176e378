"""What the tests of the playground ask it."""

from __future__ import annotations

import json
from typing import Any, Self

import requests

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


class Page:
    """A browser of few words: it asks a server on this machine."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def get(self, path: str, headers: dict[str, str] | None = None) -> requests.Response:
        return self._session.get(self._url + path, headers=headers, timeout=30)

    def stream(self, path: str) -> requests.Response:
        return self._session.get(self._url + path, stream=True, timeout=30)

    def post(
        self,
        path: str,
        json: Any = None,
        content: bytes | str | None = None,
        headers: dict[str, str] | None = None,
    ) -> requests.Response:
        return self._session.post(
            self._url + path, data=content, json=json, headers=headers, timeout=30
        )
