"""Items: which products of a cart or a purchase are refused, and where."""

from __future__ import annotations

from typing import Any

import pytest

from iterable_destination import InvalidEvent, Note
from iterable_destination.mapping.actions import (
    MappedTranslator,
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
        ([[1]], [("Mine: items[0]", "must be an object, not a list")]),
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
            [{"id": "p", "name": "n", "quantity": 1, "price": 1, "categories": [{}]}],
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


ITEM = {"id": "p", "name": "n", "quantity": 1, "price": 1}


def build_cart(items: Any) -> MappedTranslator:
    mapping = {"user": {"userId": "u"}, "items": items}
    return MappedTranslator([Subscription("Mine", "updateCart", 'type = "track"', mapping)])


@pytest.mark.parametrize(
    ("categories", "sent", "notes"),
    [
        ("", None, 0),
        (None, None, 0),
        ("a", ["a"], 0),
        (5, ["5"], 1),
        ([5], ["5"], 1),
        (["a", 5, 1e21, True], ["a", "5", "1e+21", "true"], 3),
        ([""], [""], 0),
        ([], [], 0),
    ],
)
def test_categories_are_a_list_of_texts(categories: Any, sent: Any, notes: int) -> None:
    result = build_cart([{**ITEM, "categories": categories}])(EVENT)
    [item] = result.calls[0].body()["items"]
    assert item.get("categories") == sent
    assert [note.message.endswith(", taken as a string") for note in result.notes] == [True] * notes


@pytest.mark.parametrize(
    "items",
    [
        [None, ITEM],
        {"@arrayPath": ["$.properties.products", {key: {"@path": key} for key in ITEM}]},
        {"@arrayPath": ["$.properties.products", {**ITEM, "sku": {"@path": "sku"}}]},
        {"@path": "$.properties.products"},
    ],
)
def test_a_null_product_is_passed_over_with_a_note(items: Any) -> None:
    result = build_cart(items)({**EVENT, "properties": {"products": [None, ITEM]}})
    assert result.calls[0].body()["items"] == [{**ITEM, "dataFields": {}}]
    assert result.notes == (Note("Mine: items[0]", "null, passed over", "null-passed-over"),)


def test_an_empty_product_is_none_of_these() -> None:
    shape = {key: {"@path": key} for key in ITEM}
    with pytest.raises(InvalidEvent, match=r"Mine: items\[0\].id: missing"):
        build_cart({"@arrayPath": ["$.properties.products", shape]})(
            {**EVENT, "properties": {"products": [{}, ITEM]}}
        )
