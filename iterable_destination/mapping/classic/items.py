"""Translate Segment's products to Iterable's commerce items, by one table of their fields."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from iterable_destination.errors import Problem, Reason
from iterable_destination.model.field_names import FieldNames, find_folded
from iterable_destination.model.json_values import (
    as_list,
    as_object,
    describe_type,
    is_blank,
    scalar,
)
from iterable_destination.model.reasons import NULL_PASSED_OVER, SENT_AS_STRING, not_an_object
from iterable_destination.model.segment_event import SegmentEvent, as_id
from iterable_destination.model.validation import ITEM_FIELDS, REQUIRED_ITEM_FIELDS, missing_problem

#: The fields of a product that an item is made of.
PRODUCT_NAMES: Final = FieldNames(
    (
        *("product_id", "id", "name", "price", "quantity", "sku"),
        *("category", "categories", "description", "image_url", "url"),
    )
)
_TEXT: Final = frozenset({str})
#: An item's keys, in the order in which they are read; the product's keys, folded, that each is
#: read from: the first that has a value, or None; and the types that are sent as they are. Null is
#: not a value; for an id and a category, ``""`` is not one either.
_FIELDS: Final[tuple[tuple[str, str, str | None, frozenset[type]], ...]] = (
    ("id", "productid", "id", _TEXT),
    ("name", "name", None, _TEXT),
    ("price", "price", None, frozenset({int, float})),
    ("quantity", "quantity", None, frozenset({int})),
    ("categories", "category", "categories", _TEXT),
    ("sku", "sku", None, _TEXT),
    ("description", "description", None, _TEXT),
    ("imageUrl", "imageurl", None, _TEXT),
    ("url", "url", None, _TEXT),
)
_BLANK_IS_ABSENT: Final = frozenset({"id", "categories"})
#: Fields that are a problem if they have no value; a missing quantity is 1.
_NECESSARY: Final = REQUIRED_ITEM_FIELDS - {"quantity"}
#: The key that a problem names if none of a field's keys has a value; elsewhere the item's own.
_FIRST_PLACES: Final = {"id": "product_id", "categories": "category"}
#: Keys of a product that are not sent in the item's ``dataFields``, besides the item's own keys.
USED_UP: Final = frozenset({"category", "product_id"})
#: Keys of a product that may be meant for a field that is missing, folded; not read as one.
_SIMILAR: Final = {
    "id": frozenset({"sku", "itemid", "variantid", "productcode", "code"}),
    "name": frozenset({"title", "productname", "itemname"}),
    "price": frozenset({"unitprice", "productprice", "itemprice", "amount", "cost", "value"}),
}
#: Shorter texts and smaller numbers are within every bound there is.
_SHORT: Final = 1_000
_SMALL: Final = 1_000_000_000

_STRING_AS_NUMBER: Final = Reason("sent-as-number", "a string, sent as the number it says")
#: A number in a string, with or without a dollar sign.
_NUMBER: Final = re.compile(r"\s*-?\$?(?:\d{1,300}(?:\.\d*)?|\.\d+)\s*", re.ASCII)


def build_items(
    event: SegmentEvent, path: str, products: Any
) -> tuple[list[dict[str, Any]], list[Problem]]:
    """Build the items of a list of products; return them, and what Iterable would refuse in them.

    ``path`` is the list's place. ``products`` None is an empty list. Anything else that is not a
    list is a problem of the event, as is a product that is not an object. A product that is null
    is left out, with a note.
    """
    elements = [] if products is None else as_list(products)
    if elements is None:
        words = f"must be a list of products, not {describe_type(products)}"
        event.add_problem(path, Reason("not-a-list", words))
        elements = []
    builder = _ItemBuilder(event, path)
    items = []
    for index, element in enumerate(elements):
        product = element
        if type(element) is not dict:
            product = _read_product(event, f"{path}[{index}]", element)
        if product is not None:
            items.append(builder.build(index, product))
    return items, builder.refusals


def _read_product(event: SegmentEvent, path: str, element: Any) -> dict[Any, Any] | None:
    product = as_object(element)
    if scalar(element) is None:
        event.add_note(path, NULL_PASSED_OVER)
    elif product is None:
        event.add_problem(path, not_an_object(element))
    return product


def parse_number(event: SegmentEvent, path: str, value: Any) -> Any:
    """Parse a numeric string, with a note; any other value is returned for validation to check."""
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        return value
    event.add_note(path, _STRING_AS_NUMBER)
    digits = value.strip().replace("$", "")
    return float(digits) if "." in digits else int(digits)


def parse_whole_number(event: SegmentEvent, path: str, value: Any) -> Any:
    """Return ``2.0`` and ``"2.0"`` as 2; any other value is returned for validation to check."""
    number = parse_number(event, path, value)
    return int(number) if isinstance(number, float) and number.is_integer() else number


class _ItemBuilder:
    """Builds the items of the products in the list that stands at ``path``."""

    __slots__ = ("_event", "_path", "refusals")

    def __init__(self, event: SegmentEvent, path: str) -> None:
        self._event: Final = event
        self._path: Final = path
        #: What Iterable would refuse in the items built so far.
        self.refusals: Final[list[Problem]] = []

    def build(self, index: int, product: dict[Any, Any]) -> dict[str, Any]:
        """Build an item; only a value of an unusual type or size is looked at closely."""
        keys = PRODUCT_NAMES.find_keys(product)
        get = product.get
        item: dict[str, Any] = {}
        for name, first, second, types in _FIELDS:
            value: Any = get(keys[first])
            if value is None and second is not None:
                value = get(keys[second])
            its_type = type(value)
            if its_type in types and (
                0 < len(value) < _SHORT and (value.isascii() or value.isprintable())
                if its_type is str
                else -_SMALL < value < _SMALL
            ):
                item[name] = value
            elif value is not None or name in _NECESSARY:
                candidates = [keys[source] for source in (first, second) if source is not None]
                sent = self._read_field(index, product, name, candidates)
                if sent is not None:
                    item[name] = sent
        item.setdefault("quantity", 1)
        categories = item.get("categories", [])
        item["categories"] = [categories] if type(categories) is str else categories
        rest = {key: value for key, value in product.items() if key not in item}
        for key in USED_UP:
            rest.pop(key, None)
        if rest:
            rest = self._event.copier.copy_object(rest, (self._path, index))
        item["dataFields"] = rest
        return item

    def _read_field(
        self, index: int, product: dict[Any, Any], name: str, candidates: list[str]
    ) -> Any:
        """Return a field of a product as it is sent; None if it has no value."""
        key, value = _find_value(name, candidates, product)
        path = f"{self._path}[{index}].{key}"
        sent = _READERS[name](self._event, path, value)
        if sent is not None or name in REQUIRED_ITEM_FIELDS:
            problem = ITEM_FIELDS[name](sent)
            if sent is None:
                similar = find_folded(product, _SIMILAR.get(name, frozenset()))
                problem = missing_problem(f"{self._path}[{index}].{each}" for each in similar)
            if problem is not None:
                self.refusals.append(problem.problem_at(path))
        return sent


def _find_value(name: str, candidates: list[str], product: dict[Any, Any]) -> tuple[str, Any]:
    """Find the first key that has a value for a field.

    Return the key and its value. If no key has one, return the key to name in a problem, and None.
    """
    for key in candidates:
        value = scalar(product.get(key))
        blank = is_blank(value) if name in _BLANK_IS_ABSENT else value is None
        if not blank:
            return key, value
    return _FIRST_PLACES.get(name, name), None


def _read_id(event: SegmentEvent, path: str, value: Any) -> Any:
    text = as_id(value)
    if text is not value:
        event.add_note(path, SENT_AS_STRING)
    return text


def _read_quantity(event: SegmentEvent, path: str, value: Any) -> Any:
    return 1 if value is None else parse_whole_number(event, path, value)


def _read_categories(_: SegmentEvent, __: str, value: Any) -> Any:
    """Return the categories as strings: a single one as a list of one, without empty ones.

    Validation checks what is no category.
    """
    if is_blank(value):
        return []
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return [as_id(value)]
    categories = as_list(value)
    if categories is None:
        return value
    return [as_id(category) for category in map(scalar, categories) if not is_blank(category)]


#: The functions that read an item's fields.
_READERS: Final[dict[str, Callable[[SegmentEvent, str, Any], Any]]] = {
    "id": _read_id,
    "name": _read_id,
    "sku": _read_id,
    "description": _read_id,
    "imageUrl": _read_id,
    "url": _read_id,
    "price": parse_number,
    "quantity": _read_quantity,
    "categories": _read_categories,
}
