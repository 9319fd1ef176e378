"""Translate Segment's products to Iterable's commerce items, by one table of their fields."""

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

#: An item's keys, and the product's keys, folded, that each is read from: the first that has a
#: value. Null is not a value; for an id and a category, ``""`` is not one either.
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
_BLANK_IS_ABSENT: Final = frozenset({"id", "categories"})
#: The key that a problem names if none of a field's keys has a value; elsewhere the item's own.
_FIRST_PLACES: Final = {"id": "product_id", "categories": "category"}
#: Keys of a product that are not sent in the item's ``dataFields``, besides the item's own keys.
USED_UP: Final = frozenset({"category", "product_id"})

#: A number in a string, with or without a dollar sign.
_NUMBER: Final = re.compile(r"\s*-?\$?(?:\d{1,300}(?:\.\d*)?|\.\d+)\s*", re.ASCII)


def build_items(
    event: SegmentEvent, path: str, products: Any
) -> tuple[list[dict[str, Any]], list[ItemPlace]]:
    """Build the items of a list of products; return them, and their places in the event.

    ``path`` is the list's place. ``products`` None is an empty list. Anything else that is not a
    list is a problem of the event, as is a product that is not an object. A product that is null
    is left out, with a note.
    """
    places: list[ItemPlace] = []
    elements = [] if products is None else as_list(products)
    if elements is None:
        event.add_problem(path, f"must be a list of products, not {describe_type(products)}")
        elements = []
    for index, element in enumerate(elements):
        product = _read_product(event, f"{path}[{index}]", element)
        if product is not None:
            places.append(_build_item(event, f"{path}[{index}]", product))
    return [place.item for place in places], places


def _read_product(event: SegmentEvent, path: str, element: Any) -> dict[Any, Any] | None:
    product = as_object(element)
    if element is None:
        event.add_note(path, "null, passed over")
    elif product is None:
        event.add_problem(path, f"must be an object, not {describe_type(element)}")
    return product


def parse_number(event: SegmentEvent, path: str, value: Any) -> Any:
    """Parse a numeric string, with a note; any other value is returned for validation to check."""
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        return value
    event.add_note(path, "a string, sent as the number it says")
    digits = value.strip().replace("$", "")
    return float(digits) if "." in digits else int(digits)


def parse_whole_number(event: SegmentEvent, path: str, value: Any) -> Any:
    """Return ``2.0`` and ``"2.0"`` as 2; any other value is returned for validation to check."""
    number = parse_number(event, path, value)
    return int(number) if isinstance(number, float) and number.is_integer() else number


def find_sources(keys: Iterable[Any]) -> dict[str, list[str]]:
    """Find, for each of an item's keys, the product's keys that it is read from, in order."""
    keys_by_name = first_keys(keys, _NAMES)
    return {
        name: [keys_by_name[folded] for folded in folded_names if folded in keys_by_name]
        for name, folded_names in _SOURCES.items()
    }


def _build_item(event: SegmentEvent, path: str, product: dict[Any, Any]) -> ItemPlace:
    """Build the item of a product; validation checks it later."""
    item: dict[str, Any] = {}
    keys: dict[str, str] = {}
    for name, candidates in find_sources(product).items():
        key, value = _find_value(name, candidates, product)
        keys[name] = key
        sent = _READERS.get(name, _keep)(event, f"{path}.{key}", value)
        if sent is not None:
            item[name] = sent
    rest = {key: value for key, value in product.items() if key not in item.keys() | USED_UP}
    item["dataFields"] = data_fields(rest, path, event.problems)
    return ItemPlace(item, path, keys)


def _find_value(name: str, candidates: list[str], product: dict[Any, Any]) -> tuple[str, Any]:
    """Find the first key that has a value for a field.

    Return the key and its value. If no key has one, return the key to name in a problem, and None.
    """
    for key in candidates:
        value = scalar(product[key])
        blank = is_blank(value) if name in _BLANK_IS_ABSENT else value is None
        if not blank:
            return key, value
    return _FIRST_PLACES.get(name, name), None


def _keep(_: SegmentEvent, __: str, value: Any) -> Any:
    return value


def _read_id(event: SegmentEvent, path: str, value: Any) -> Any:
    text = as_id(value)
    if text is not value:
        event.add_note(path, "a number, sent as a string")
    return text


def _read_quantity(event: SegmentEvent, path: str, value: Any) -> Any:
    return 1 if value is None else parse_whole_number(event, path, value)


def _read_categories(_: SegmentEvent, __: str, value: Any) -> Any:
    """Return a single category as a list of one; validation checks what is no category."""
    if is_blank(value):
        return []
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return [as_id(value)]
    categories = as_list(value)
    return value if categories is None else list(map(scalar, categories))


#: The functions that read an item's fields. A field without one is sent unchanged.
_READERS: Final[dict[str, Callable[[SegmentEvent, str, Any], Any]]] = {
    "id": _read_id,
    "name": _read_id,
    "sku": _read_id,
    "price": parse_number,
    "quantity": _read_quantity,
    "categories": _read_categories,
}
