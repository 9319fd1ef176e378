"""Items: how each field of a product is read, and where a wrong one is."""

from __future__ import annotations

from typing import Any

import pytest

from iterable_destination.mapping.translate import translate
from tests.support.products import (
    INT64,
    LEAST,
    NO_NUMBER,
    build_cart,
    build_order,
    find_problems,
    list_notes,
)
from tests.support.strategies import Mixed


def build_item(product: dict[str, Any]) -> Any:
    """Return the item of a product, in a cart and in an order the same."""
    [in_cart] = translate(build_cart(product)).calls[0].body()["items"]
    [in_order] = translate(build_order(products=[product])).calls[0].body()["items"]
    assert in_cart == in_order
    return in_cart


WHOLE: dict[str, Any] = {
    "product_id": "p-1",
    "sku": "s-1",
    "name": "Go",
    "category": "Games",
    "price": 10.5,
    "quantity": 2,
    "description": "old",
    "image_url": "https://x.test/a.png",
    "url": "https://x.test/a",
    "colour": "black",
}


def test_a_whole_item() -> None:
    assert build_item(WHOLE) == {
        "id": "p-1",
        "sku": "s-1",
        "name": "Go",
        "categories": ["Games"],
        "price": 10.5,
        "quantity": 2,
        "description": "old",
        "imageUrl": "https://x.test/a.png",
        "url": "https://x.test/a",
        "dataFields": {"image_url": "https://x.test/a.png", "colour": "black"},
    }


def test_the_least_item() -> None:
    expected = {"id": "p-1", "name": "Go", "price": 1, "quantity": 1, "categories": []}
    assert build_item(LEAST) == {**expected, "dataFields": {}}


#: A product besides the least; the item's fields that it changes, and its dataFields.
PRODUCTS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    # the id
    ({"id": "x"}, {"id": "p-1"}, {}),
    ({"product_id": None, "id": "x"}, {"id": "x"}, {}),
    ({"product_id": "", "id": "x"}, {"id": "x"}, {}),
    ({"product_id": "", "productId": "y", "id": "x"}, {"id": "x"}, {"productId": "y"}),
    ({"productId": "y"}, {"id": "p-1"}, {"productId": "y"}),
    ({"product_id": 507}, {"id": "507"}, {}),
    ({"product_id": 507.0, "id": 6}, {"id": "507"}, {}),
    ({"product_id": None, "id": 6.50}, {"id": "6.5"}, {}),
    ({"product_id": 0, "id": 6}, {"id": "0"}, {}),
    ({"product_id": "2023-02-05"}, {"id": "2023-02-05"}, {}),
    # texts
    ({"name": 5}, {"name": "5"}, {}),
    ({"name": ""}, {"name": ""}, {}),
    ({"name": "2023-02-05"}, {"name": "2023-02-05"}, {}),
    ({"sku": 5}, {"sku": "5"}, {}),
    ({"sku": ""}, {"sku": ""}, {}),
    ({"sku": None}, {}, {"sku": None}),
    ({"SKU": "s"}, {"sku": "s"}, {"SKU": "s"}),
    ({"description": ""}, {"description": ""}, {}),
    ({"description": None}, {}, {"description": None}),
    ({"url": "2023-02-05"}, {"url": "2023-02-05"}, {}),
    ({"url": None}, {}, {"url": None}),
    ({"imageUrl": "i"}, {"imageUrl": "i"}, {}),
    ({"imageUrl": None}, {}, {"imageUrl": None}),
    ({"image_url": "i", "imageUrl": "j"}, {"imageUrl": "i"}, {"image_url": "i"}),
    ({"imageUrl": "j", "image_url": "i"}, {"imageUrl": "j"}, {"image_url": "i"}),
    ({"image_url": None, "imageUrl": "j"}, {}, {"image_url": None, "imageUrl": "j"}),
    # categories
    ({"category": "a"}, {"categories": ["a"]}, {}),
    ({"category": 5}, {"categories": ["5"]}, {}),
    ({"category": 5.5}, {"categories": ["5.5"]}, {}),
    ({"category": ["a", "b"]}, {"categories": ["a", "b"]}, {}),
    ({"category": ("a",)}, {"categories": ["a"]}, {}),
    ({"category": [5, "a", 5.0]}, {"categories": ["5", "a", "5"]}, {}),
    ({"category": ["", "a", None]}, {"categories": ["a"]}, {}),
    ({"categories": [None, Mixed.NOTHING]}, {"categories": []}, {}),
    ({"description": 5}, {"description": "5"}, {}),
    ({"url": 5.5}, {"url": "5.5"}, {}),
    ({"imageUrl": 5.0}, {"imageUrl": "5"}, {}),
    ({"image_url": 5}, {"imageUrl": "5"}, {"image_url": 5}),
    ({"category": []}, {"categories": []}, {}),
    ({"category": ["2023-02-05"]}, {"categories": ["2023-02-05"]}, {}),
    ({"category": ""}, {"categories": []}, {}),
    ({"category": None}, {"categories": []}, {}),
    ({"categories": "a"}, {"categories": ["a"]}, {}),
    ({"categories": 5}, {"categories": ["5"]}, {}),
    ({"categories": ["a"]}, {"categories": ["a"]}, {}),
    ({"categories": ""}, {"categories": []}, {}),
    ({"categories": None}, {"categories": []}, {}),
    ({"category": "a", "categories": ["b"]}, {"categories": ["a"]}, {}),
    ({"category": [], "categories": ["b"]}, {"categories": []}, {}),
    ({"category": "", "categories": ["b"]}, {"categories": ["b"]}, {}),
    ({"category": None, "categories": "b"}, {"categories": ["b"]}, {}),
    ({"Category": "a"}, {"categories": ["a"]}, {"Category": "a"}),
    ({"Category": "a", "category": "b"}, {"categories": ["a"]}, {"Category": "a"}),
    # what else
    ({"dataFields": 1}, {}, {"dataFields": 1}),
    (
        {"x": None, "y": {"z": "2023-02-05"}},
        {},
        {"x": None, "y": {"z": "2023-02-05 00:00:00 +00:00"}},
    ),
    ({"total": 1, "email": "e", "Name": 1}, {}, {"total": 1, "email": "e", "Name": 1}),
    # quantities
    ({"quantity": 2**63 - 1}, {"quantity": 2**63 - 1}, {}),
    ({"quantity": -(2**63)}, {"quantity": -(2**63)}, {}),
    ({"quantity": 2.0}, {"quantity": 2}, {}),
    ({"quantity": 0}, {"quantity": 0}, {}),
    ({"quantity": None}, {"quantity": 1}, {}),
    ({"quantity": Mixed.NOTHING}, {"quantity": 1}, {}),
    ({"category": Mixed.NOTHING}, {"categories": []}, {}),
    ({"sku": Mixed.NOTHING}, {}, {"sku": None}),
    ({"quantity": "3"}, {"quantity": 3}, {}),
    ({"quantity": " 2.0 "}, {"quantity": 2}, {}),
    # prices
    ({"price": 0}, {"price": 0}, {}),
    ({"price": -1.5}, {"price": -1.5}, {}),
    ({"price": 10**308 - 1}, {"price": 10**308 - 1}, {}),
]


@pytest.mark.parametrize(("product", "fields", "rest"), PRODUCTS, ids=str)
def test_an_item_is_what_its_product_says(
    product: dict[str, Any], fields: dict[str, Any], rest: dict[str, Any]
) -> None:
    least = {"id": "p-1", "name": "Go", "price": 1, "quantity": 1, "categories": []}
    expected = {**least, **fields, "dataFields": rest}
    sent = build_item({**LEAST, **product})
    assert sent == expected
    assert type(sent["quantity"]) is int


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("9", 9),
        ("0", 0),
        ("007", 7),
        ("9.99", 9.99),
        ("9.", 9.0),
        (".5", 0.5),
        ("-5", -5),
        ("$5", 5),
        ("-$5.50", -5.5),
        (" 5 ", 5),
        ("\t5\n", 5),
        ("9" * 300, int("9" * 300)),
        ("9" * 300 + ".5", float("9" * 300)),
    ],
)
def test_a_numeric_string_is_the_number_it_says(text: str, number: float) -> None:
    translation = translate(build_cart({**LEAST, "price": text}))
    price = translation.calls[0].body()["items"][0]["price"]
    assert (type(price), price) == (type(number), number)
    said = "a string, sent as the number it says"
    assert list_notes(translation) == [("properties.products[0].price", said)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ".",
        "-",
        "$",
        "1,000",
        "1e3",
        "1.5.0",
        "1 000",
        "$ 5",
        "$-5",
        "$$5",
        "5$",
        "€5",
        "+5",
        "- 5",
        "--5",
        "0x5",
        "1_0",
        "٥",
        "²",
        "NaN",
        "Infinity",
        "9" * 301,
        "x",
    ],
)
def test_any_other_string_is_no_number(text: str) -> None:
    assert find_problems(build_cart({**LEAST, "price": text})) == [
        ("properties.products[0].price", NO_NUMBER)
    ]


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"quantity": 2**63}, "quantity", INT64),
    ({"quantity": -(2**63) - 1}, "quantity", INT64),
    ({"quantity": 1.5}, "quantity", "must be a whole number"),
    ({"quantity": "1.5"}, "quantity", "must be a whole number"),
    ({"quantity": "1e3"}, "quantity", NO_NUMBER),
    ({"quantity": ""}, "quantity", NO_NUMBER),
    ({"Quantity": True}, "Quantity", "must be a number, not a boolean"),
    ({"price": 10**308}, "price", "is a number too large for Iterable"),
    ({"price": None}, "price", "missing"),
    ({"price": [1]}, "price", "must be a number, not a list"),
    ({"product_id": None}, "product_id", "missing"),
    ({"product_id": ""}, "product_id", "missing"),
    ({"product_id": None, "id": ""}, "product_id", "missing"),
    ({"product_id": None, "id": None}, "product_id", "missing"),
    ({"product_id": True, "id": "x"}, "product_id", "must be a string, not a boolean"),
    ({"product_id": "", "id": []}, "id", "must be a string, not a list"),
    ({"name": None}, "name", "missing"),
    ({"name": False}, "name", "must be a string, not a boolean"),
    ({"sku": {}}, "sku", "must be a string, not an object"),
    ({"description": True}, "description", "must be a string, not a boolean"),
    ({"url": [5]}, "url", "must be a string, not a list"),
    ({"image_url": {}}, "image_url", "must be a string, not an object"),
    ({"category": True}, "category", "must be a string or a list of strings, not a boolean"),
    ({"category": {}}, "category", "must be a string or a list of strings, not an object"),
    ({"category": [True]}, "category", "must be a string or a list of strings, not a list"),
    ({"categories": [["a"]]}, "categories", "must be a string or a list of strings, not a list"),
    ({"Categories": {}}, "Categories", "must be a string or a list of strings, not an object"),
]


@pytest.mark.parametrize(("product", "key", "message"), WRONG, ids=str)
def test_what_an_item_cannot_be_is_named_as_found(
    product: dict[str, Any], key: str, message: str
) -> None:
    products = [{**LEAST, **product}]
    expected = [(f"properties.products[0].{key}", message)]
    assert find_problems(build_cart(*products)) == expected
    assert find_problems(build_order(products=products)) == expected


def test_what_an_item_needs_is_named_where_it_is_first_looked_for() -> None:
    expected = [
        ("properties.products[0].product_id", "missing"),
        ("properties.products[0].name", "missing"),
        ("properties.products[0].price", "missing"),
    ]
    assert find_problems(build_cart({})) == expected


@pytest.mark.parametrize(
    ("missing", "key"),
    [
        *(("product_id", key) for key in ("sku", "SKU", "item_id", "variantId")),
        *(("name", key) for key in ("title", "productName")),
        *(("price", key) for key in ("unit_price", "amount")),
    ],
)
def test_what_may_be_meant_for_a_missing_field_is_named(missing: str, key: str) -> None:
    product = {name: value for name, value in {**LEAST, key: "x"}.items() if name != missing}
    said = f"missing (not read in its place: properties.products[0].{key})"
    expected = [(f"properties.products[0].{missing}", said)]
    assert (
        find_problems(build_cart({**product, 5: 6}))
        == [
            *expected,
            ("properties.products[0]", "has a key that is a number; JSON's keys are strings"),
        ][::-1]
    )
    assert find_problems(build_cart(product)) == expected


def test_numbers_that_are_sent_as_strings_are_noted() -> None:
    product = {**LEAST, "product_id": 1, "name": 2, "sku": 3}
    said = "a number, sent as a string"
    expected = [(f"properties.products[0].{key}", said) for key in ("name", "product_id", "sku")]
    assert sorted(list_notes(translate(build_cart(product)))) == expected


def test_an_id_that_is_taken_instead_is_noted_as_found() -> None:
    product = {**LEAST, "product_id": "", "ID": 1}
    expected = [("properties.products[0].ID", "a number, sent as a string")]
    assert list_notes(translate(build_cart(product))) == expected


def test_products_that_are_alike_are_each_their_own() -> None:
    products = [{**WHOLE, "product_id": f"p-{n}", "price": n, "colour": n} for n in range(3)]
    items = translate(build_cart(*products)).calls[0].body()["items"]
    assert [(each["id"], each["price"], each["dataFields"]["colour"]) for each in items] == [
        ("p-0", 0, 0),
        ("p-1", 1, 1),
        ("p-2", 2, 2),
    ]


def test_products_with_the_same_keys_are_each_judged() -> None:
    products = [LEAST, {**LEAST, "price": "x"}, {**LEAST, "name": None}, {**LEAST, "price": True}]
    assert [path for path, _ in find_problems(build_cart(*products))] == [
        "properties.products[1].price",
        "properties.products[2].name",
        "properties.products[3].price",
    ]


@pytest.mark.parametrize("price", [float("nan"), float("inf"), 10**308, -(10**308), 1e308])
def test_a_price_is_a_number_even_if_all_else_is_as_usual(price: float) -> None:
    assert [path for path, _ in find_problems(build_cart({**LEAST, "price": price}))] == [
        "properties.products[0].price"
    ]


@pytest.mark.parametrize("key", ["product_id", "name", "sku", "description", "url", "imageUrl"])
@pytest.mark.parametrize("text", ["\ud800", "x" * 4_000_001], ids=["surrogate", "too long"])
def test_a_text_can_be_sent_even_if_all_else_is_as_usual(key: str, text: str) -> None:
    said = [path for path, _ in find_problems(build_cart({**LEAST, key: text}))]
    assert said == [f"properties.products[0].{key}"]


def test_texts_of_an_item_are_long_only_one_by_one() -> None:
    half = "x" * 3_000_000
    sent = build_item({**LEAST, "name": half, "description": half, "category": half})
    assert (len(sent["name"]), len(sent["description"])) == (3_000_000, 3_000_000)


def test_what_is_no_key_is_refused_in_an_item() -> None:
    said = "has a key that is a number; JSON's keys are strings"
    assert find_problems(build_cart({**LEAST, 5: 1})) == [("properties.products[0]", said)]


def test_null_products_are_passed_over_and_counted() -> None:
    translation = translate(build_cart(None, LEAST, None))
    assert len(translation.calls[0].body()["items"]) == 1
    said = "null, passed over"
    expected = [("properties.products[0]", said), ("properties.products[2]", said)]
    assert list_notes(translation) == expected
    assert find_problems(build_cart(None, {**LEAST, "price": None})) == [
        ("properties.products[1].price", "missing")
    ]


@pytest.mark.parametrize(
    ("product", "words"),
    [
        ("x", "a string"),
        (5, "a number"),
        (False, "a boolean"),
        ([], "a list"),
        (b"", "a value of type bytes"),
    ],
)
def test_a_product_is_an_object(product: Any, words: str) -> None:
    expected = [("properties.products[1]", f"must be an object, not {words}")]
    assert find_problems(build_cart(LEAST, product)) == expected
    assert find_problems(build_order(products=[LEAST, product])) == expected
