"""Carts and orders of a few products, and what their translation reports."""

from __future__ import annotations

from typing import Any

import pytest

from iterable_destination.errors import InvalidEvent
from iterable_destination.mapping.translate import translate
from iterable_destination.model.translation import Translation

LEAST: dict[str, Any] = {"product_id": "p-1", "name": "Go", "price": 1}

NO_NUMBER = "must be a number, or a string of digits with at most one dot"

INT64 = "must be between -9,223,372,036,854,775,808 and 9,223,372,036,854,775,807"


def build_cart(*products: Any, **properties: Any) -> dict[str, Any]:
    return {
        "type": "track",
        "event": "Product Added",
        "userId": "u-1",
        "properties": {"products": list(products), **properties},
    }


def build_order(**properties: Any) -> dict[str, Any]:
    return {
        "type": "track",
        "event": "Order Completed",
        "userId": "u-1",
        "properties": {"total": 5, **properties},
    }


def list_notes(translation: Translation) -> list[tuple[str, str]]:
    return [(note.path, note.message) for note in translation.notes]


def find_problems(event: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(InvalidEvent) as caught:
        translate(event)
    return [(problem.path, problem.message) for problem in caught.value.problems]
