"""Items: which products of a cart or a purchase are refused, and where."""

from __future__ import annotations

from typing import Any

import pytest

from iterable_destination.mapping.actions import (
    Subscription,
)
from tests.support.subscription_strategies import (
    EVENT,
    find_problems,
)


def test_other_keys_of_an_item_are_judged_at_their_place() -> None:
    item = {"id": "p", "name": "n", "quantity": 1, "price": 1, "x": {"y": float("nan")}}
    mapping = {"user": {"userId": "u"}, "items": [{"@path": "$.properties"}]}
    cart = Subscription("Mine", "updateCart", 'type = "track"', mapping)
    assert find_problems({**EVENT, "properties": item}, cart) == [
        ("Mine: items[0].x.y", "is NaN, which JSON cannot hold")
    ]


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ("x", [("Mine: items[0]", "must be an object, not a string")]),
        (["x"], [("Mine: items[0]", "must be an object, not a string")]),
        ([[]], [("Mine: items[0]", "must be an object, not a list")]),
        (
            [{"id": "p", "name": "n", "quantity": 2**63, "price": 1}],
            [
                (
                    "Mine: items[0].quantity",
                    "must be between -9,223,372,036,854,775,808 and 9,223,372,036,854,775,807",
                )
            ],
        ),
        (
            [{"id": "p", "name": "n", "quantity": 1, "price": 1, "categories": [1]}],
            [
                (
                    "Mine: items[0].categories",
                    "must be a string or a list of strings, not a list",
                )
            ],
        ),
        (
            [{"id": "p", "name": "n", "quantity": 1, "price": 1, "categories": {}}],
            [("Mine: items[0].categories", "must be a string, not an object")],
        ),
    ],
)
def test_a_bad_item_is_named(items: Any, expected: list[tuple[str, str]]) -> None:
    mapping = {"user": {"userId": "u"}, "items": items}
    cart = Subscription("Mine", "updateCart", 'type = "track"', mapping)
    assert find_problems(EVENT, cart) == expected
