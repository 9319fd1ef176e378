"""A product of Segment's → an item of Iterable's.

What may live here: the table of an item's fields, and how each of them is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from iterable_destination.model.calls import ItemPlace
from iterable_destination.model.json_copy import data_fields
from iterable_destination.model.json_values import (
    as_list,
    as_object,
    describe_type,
    is_blank,
    scalar,
)
from iterable_destination.model.segment_event import SegmentEvent, as_id, first_keys

#: An item's keys, and the product's that they are read from: folded, the first that says
#: something. ``""`` says nothing for an id or a category, null for none of them.
_SOURCES: Final = {
    "id": ("productid", "id"),
    "name": ("name",),
    "price": ("price",),
    "quantity": ("quantity",),
    "sku": ("sku",),
    "categories": ("category", "categories"),
    "description": ("description",),
    "imageUrl": ("imageurl",),
    "url": ("url",),
}
_NAMES: Final = frozenset(name for names in _SOURCES.values() for name in names)
_BLANK_SAYS_NOTHING: Final = frozenset({"id", "categories"})
#: Where to look for a field that is nowhere.
_FIRST_PLACES: Final = {"id": "product_id", "categories": "category"}
#: Keys of a product that go nowhere else, besides those that the item has too.
USED_UP: Final = frozenset({"category", "product_id"})

#: A number in a string, perhaps of dollars.
_NUMBER: Final = re.compile(r"\s*-?\$?(?:\d{1,300}(?:\.\d*)?|\.\d+)\s*", re.ASCII)


def items(
    event: SegmentEvent, path: str, products: Any
) -> tuple[list[dict[str, Any]], list[ItemPlace]]:
    """Return the items of a list of products, and their places in the event.

    ``path`` is the list's place. None is an empty list; what is no list is a problem of the
    event, as is a product that is no object. A product that is null is passed over.
    """
    places: list[ItemPlace] = []
    elements = [] if products is None else as_list(products)
    if elements is None:
        event.add_problem(path, f"must be a list of products, not {describe_type(products)}")
        elements = []
    for index, element in enumerate(elements):
        product = _product(event, f"{path}[{index}]", element)
        if product is not None:
            places.append(_item(event, f"{path}[{index}]", product))
    return [place.item for place in places], places


def _product(event: SegmentEvent, path: str, element: Any) -> dict[Any, Any] | None:
    product = as_object(element)
    if element is None:
        event.add_note(path, "null, passed over")
    elif product is None:
        event.add_problem(path, f"must be an object, not {describe_type(element)}")
    return product


def number(event: SegmentEvent, path: str, value: Any) -> Any:
    """Return a numeric string as the number it says; anything else is left to validation."""
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        return value
    event.add_note(path, "a string, sent as the number it says")
    digits = value.strip().replace("$", "")
    return float(digits) if "." in digits else int(digits)


def whole_number(event: SegmentEvent, path: str, value: Any) -> Any:
    """Return ``2.0`` and ``"2.0"`` as 2; what is no whole number is left to validation."""
    said = number(event, path, value)
    return int(said) if isinstance(said, float) and said.is_integer() else said


def sources(keys: Iterable[Any]) -> dict[str, list[str]]:
    """Return, for each of an item's keys, those of a product that it is read from, in order."""
    found = first_keys(keys, _NAMES)
    return {
        name: [found[folded] for folded in folded_names if folded in found]
        for name, folded_names in _SOURCES.items()
    }


def _item(event: SegmentEvent, path: str, product: dict[Any, Any]) -> ItemPlace:
    """Return the item of a product, for validation to judge."""
    item: dict[str, Any] = {}
    keys: dict[str, str] = {}
    for name, candidates in sources(product).items():
        key, value = _said(name, candidates, product)
        keys[name] = key
        sent = _READ.get(name, _as_it_is)(event, f"{path}.{key}", value)
        if sent is not None:
            item[name] = sent
    rest = {key: value for key, value in product.items() if key not in item.keys() | USED_UP}
    item["dataFields"] = data_fields(rest, path, event.problems)
    return ItemPlace(item, path, keys)


def _said(name: str, candidates: list[str], product: dict[Any, Any]) -> tuple[str, Any]:
    """Return the key that says something about a field, and what; or where one would look."""
    for key in candidates:
        value = scalar(product[key])
        blank = is_blank(value) if name in _BLANK_SAYS_NOTHING else value is None
        if not blank:
            return key, value
    return _FIRST_PLACES.get(name, name), None


def _as_it_is(_: SegmentEvent, __: str, value: Any) -> Any:
    return value


def _id(event: SegmentEvent, path: str, value: Any) -> Any:
    text = as_id(value)
    if text is not value:
        event.add_note(path, "a number, sent as a string")
    return text


def _quantity(event: SegmentEvent, path: str, value: Any) -> Any:
    return 1 if value is None else whole_number(event, path, value)


def _categories(_: SegmentEvent, __: str, value: Any) -> Any:
    """Wrap a lone category; a list stays one, and what is neither is left to validation."""
    if is_blank(value):
        return []
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return [as_id(value)]
    categories = as_list(value)
    return value if categories is None else list(map(scalar, categories))


#: How the fields are read that are not sent as they are.
_READ: Final[dict[str, Callable[[SegmentEvent, str, Any], Any]]] = {
    "id": _id,
    "name": _id,
    "sku": _id,
    "price": number,
    "quantity": _quantity,
    "categories": _categories,
}
