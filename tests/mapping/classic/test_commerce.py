"""Carts and orders: the call of each, and its products."""

from __future__ import annotations

from typing import Any

import pytest

from iterable_destination.mapping.translate import translate
from tests.support.products import (
    LEAST,
    NO_NUMBER,
    build_cart,
    build_order,
    find_problems,
    list_notes,
)
from tests.support.strategies import Mixed


@pytest.mark.parametrize(
    ("products", "words"),
    [("x", "a string"), (5, "a number"), ({}, "an object"), (False, "a boolean")],
)
def test_the_products_of_an_order_are_a_list(products: Any, words: str) -> None:
    expected = [("properties.products", f"must be a list of products, not {words}")]
    assert find_problems(build_order(products=products)) == expected


def test_the_products_of_an_order_are_named_as_found() -> None:
    expected = [("properties.Products", "must be a list of products, not a number")]
    assert find_problems(build_order(Products=5)) == expected
    assert find_problems(build_order(Products=[5])) == [
        ("properties.Products[0]", "must be an object, not a number")
    ]


@pytest.mark.parametrize("properties", [{}, {"products": None}, {"products": []}, {"": [LEAST]}])
def test_an_order_may_have_no_products(properties: dict[str, Any]) -> None:
    assert translate(build_order(**properties)).calls[0].body()["items"] == []


@pytest.mark.parametrize("key", ["product_id", "productId", "sku"])
@pytest.mark.parametrize("products", [{}, {"products": None}], ids=str)
def test_a_product_in_the_properties_of_an_order_is_noted(key: str, products: Any) -> None:
    said = "a product in these is no item: items are in products"
    assert list_notes(translate(build_order(**products, **{key: "p-1"}))) == [("properties", said)]
    assert list_notes(translate(build_order(products=[], **{key: "p-1"}))) == []


def test_a_list_of_products_under_another_name_is_noted() -> None:
    expected = [("properties.line_items", "not read as items: these are in products")]
    order = build_order(line_items=[LEAST], tags=["a"], empty=[], one=LEAST)
    assert list_notes(translate(order)) == expected
    assert list_notes(translate(build_order(line_items=[LEAST], products=[]))) == []


@pytest.mark.parametrize("key", ["revenue", "Revenue", "value", "order_total"])
def test_what_may_be_meant_for_the_total_is_named(key: str) -> None:
    order = build_order(**{key: 25, "total": None})
    said = f"missing (not read in its place: properties.{key})"
    assert find_problems(order) == [("properties.total", said)]
    assert find_problems({**order, "properties": {key: None}}) == [("properties.total", "missing")]


def test_a_key_of_no_letters_is_no_list_of_products() -> None:
    event = {**build_cart(), "properties": {"": [LEAST]}}
    assert translate(event).calls[0].endpoint.path == "/api/events/track"


# --- Carts -------------------------------------------------------------------------------------


def test_a_whole_cart() -> None:
    event = build_cart(LEAST, email="ada@example.com", cart_id="c-1", total="x")
    body = translate({**event, "timestamp": 0}).calls[0].body()
    assert body == {
        "user": {"email": "ada@example.com", "userId": "u-1"},
        "items": [
            {
                "id": "p-1",
                "name": "Go",
                "price": 1,
                "quantity": 1,
                "categories": [],
                "dataFields": {},
            }
        ],
    }


def test_an_empty_list_is_an_empty_cart() -> None:
    assert translate(build_cart()).calls[0].body() == {"user": {"userId": "u-1"}, "items": []}


def test_any_sequence_is_a_list_of_products() -> None:
    event = {**build_cart(), "properties": {"Products": (LEAST,)}}
    assert len(translate(event).calls[0].body()["items"]) == 1


# --- Orders ------------------------------------------------------------------------------------


def test_a_whole_order() -> None:
    event = build_order(
        email="ada@example.com",
        products=[LEAST],
        campaignId=5,
        templateId="6",
        order_id="o-1",
        coupon=None,
        at="2023-02-05",
    )
    body = translate({**event, "timestamp": 0}).calls[0].body()
    assert (body.pop("items")[0]["id"], body) == (
        "p-1",
        {
            "user": {"email": "ada@example.com", "userId": "u-1"},
            "total": 5,
            "createdAt": 0,
            "campaignId": 5,
            "templateId": 6,
            "dataFields": {
                "email": "ada@example.com",
                "order_id": "o-1",
                "coupon": None,
                "at": "2023-02-05 00:00:00 +00:00",
            },
        },
    )


def test_what_is_lifted_goes_by_its_exact_spelling() -> None:
    properties = {"Total": 5, "CampaignId": 1, "Products": [], "template_id": 2}
    body = translate({**build_order(), "properties": properties}).calls[0].body()
    assert body == {
        "user": {"userId": "u-1"},
        "items": [],
        "total": 5,
        "dataFields": {**properties},
    }


def test_what_is_lifted_is_judged_once() -> None:
    lifted = {"total": b"", "products": b"", "campaignId": b"", "templateId": b""}
    assert [path for path, _ in find_problems(build_order(**lifted))] == [
        "properties.products",
        "properties.total",
        "properties.campaignId",
        "properties.templateId",
    ]


@pytest.mark.parametrize(
    ("total", "expected"), [("$5.50", 5.5), ("0", 0), (0, 0), (-1, -1), ("5", 5), (5.0, 5.0)]
)
def test_the_total_is_a_number(total: Any, expected: float) -> None:
    translation = translate(build_order(total=total))
    assert translation.calls[0].body()["total"] == expected
    said = [("properties.total", "a string, sent as the number it says")]
    assert list_notes(translation) == (said if isinstance(total, str) else [])


@pytest.mark.parametrize(
    ("properties", "path", "message"),
    [
        ({"total": None}, "properties.total", "missing"),
        ({"Total": None}, "properties.Total", "missing"),
        ({}, "properties.total", "missing"),
        ({"total": None, "Total": 5}, "properties.total", "missing"),
        ({"total": "x"}, "properties.total", NO_NUMBER),
        ({"Total": "1e3"}, "properties.Total", NO_NUMBER),
    ],
    ids=str,
)
def test_an_order_has_a_total(properties: dict[str, Any], path: str, message: str) -> None:
    event = {**build_order(), "properties": properties}
    assert find_problems(event) == [(path, message)]


@pytest.mark.parametrize("key", ["campaignId", "templateId"])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((5, 5), (5.0, 5), ("5", 5), ("5.0", 5), (0, 0), (2**31 - 1, 2**31 - 1)),
        *((None, None), (Mixed.NOTHING, None)),
    ],
    ids=repr,
)
def test_a_campaign_is_a_whole_number_or_left_out(key: str, value: Any, expected: Any) -> None:
    translation = translate(build_order(**{key: value}))
    body = translation.calls[0].body()
    assert (body.get(key), key in body, body["dataFields"]) == (expected, expected is not None, {})
    said = [(f"properties.{key}", "a string, sent as the number it says")]
    assert list_notes(translation) == (said if isinstance(value, str) else [])


@pytest.mark.parametrize("key", ["campaignId", "templateId"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (2**31, "must be between -2,147,483,648 and 2,147,483,647"),
        ("2147483648", "must be between -2,147,483,648 and 2,147,483,647"),
        (1.5, "must be a whole number"),
        ("", NO_NUMBER),
        ("x", NO_NUMBER),
        (False, "must be a number, not a boolean"),
    ],
    ids=repr,
)
def test_what_is_no_campaign_is_refused(key: str, value: Any, message: str) -> None:
    assert find_problems(build_order(**{key: value})) == [(f"properties.{key}", message)]
