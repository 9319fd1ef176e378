"""Items: coerce the products of a cart or a purchase to Iterable's commerce items."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

from iterable_destination.mapping.actions import coercion
from iterable_destination.mapping.actions.coercion import Findings
from iterable_destination.mapping.actions.payload import (
    NUMBER,
    PLAIN,
    TEXT,
    WHOLE,
    Field,
    coerce_fields,
    is_short,
    is_small,
)
from iterable_destination.model.dates import DAYS_STAY
from iterable_destination.model.json_copy import data_fields
from iterable_destination.model.json_values import as_list, as_object, scalar

#: The fields of an item. All its other keys are sent in its ``dataFields``.
_FIELDS: Final = (
    Field("id", coercion.coerce_text, TEXT, required=True),
    Field("name", coercion.coerce_text, TEXT, required=True),
    Field("quantity", coercion.coerce_integer, WHOLE, required=True),
    Field("price", coercion.coerce_number, NUMBER, required=True),
    Field("sku", coercion.coerce_text, TEXT),
    Field("url", coercion.coerce_text, TEXT),
    Field("imageUrl", coercion.coerce_text, TEXT),
    Field("description", coercion.coerce_text, TEXT),
)
_REQUIRED: Final = {field.name for field in _FIELDS if field.required}
_SENT: Final = frozenset({field.name for field in _FIELDS} | {"categories"})
#: Keys of an item that are not sent in its ``dataFields``.
_NOT_DATA: Final = _SENT | {"product_id", "category", "image_url"}


def coerce_items(value: Any, path: str, found: Findings) -> list[dict[str, Any]]:
    """Return a list of items. A single object counts as a list of one; nulls are left out."""
    plain = value if type(value) in PLAIN else scalar(value)
    elements = as_list(plain) if as_object(plain) is None else [plain]
    if elements is None:
        coercion.coerce_object(plain, f"{path}[0]", found)
        return []
    return [
        _complete_item(element)
        if _is_ordinary(element)
        else _coerce_item(element, f"{path}[{index}]", found)
        for index, element in enumerate(elements)
        if element is not None
    ]


def _is_ordinary(item: Any) -> bool:
    """Whether an item has all required fields, no unknown keys, and only valid values."""
    texts = _build_text_getter(tuple(item)) if type(item) is dict else None
    if texts is None:
        return False
    price, quantity = item["price"], item["quantity"]
    if type(quantity) is not int or type(price) not in _NUMBERS:
        return False
    try:
        together = "".join(texts(item))
    except TypeError:  # one of them is no text
        return False
    return is_small(price) and is_small(quantity) and is_short(together) is not None


_NUMBERS: Final = (float, int)


@lru_cache(maxsize=500)
def _build_text_getter(keys: tuple[Any, ...]) -> Callable[[Any], tuple[str, ...]] | None:
    """Return a function that gets an item's texts; None if a key is missing or unknown.

    It is cached, because items of one source have the same keys.
    """
    if not _REQUIRED.issubset(keys) or not _SENT.issuperset(keys):
        return None
    return itemgetter(*[key for key in keys if key not in {"price", "quantity"}])


def _complete_item(fields: dict[str, Any]) -> dict[str, Any]:
    item = fields.copy()
    if "categories" in item:
        item["categories"] = [item["categories"]]
    item["dataFields"] = {}
    return item


def _coerce_item(value: Any, path: str, found: Findings) -> dict[str, Any]:
    """Coerce an item to the form that Iterable takes."""
    found.is_ordinary = False
    fields = coercion.coerce_object(value, path, found)
    if fields is None:
        return {}
    item = coerce_fields(_FIELDS, fields, f"{path}.", found)
    categories = scalar(fields.get("categories"))
    if categories is not None:
        item["categories"] = _coerce_categories(categories, f"{path}.categories", found)
    rest = {key: value for key, value in fields.items() if key not in _NOT_DATA}
    item["dataFields"] = data_fields(rest, path, found.problems, DAYS_STAY)
    return item


def _coerce_categories(value: Any, path: str, found: Findings) -> list[Any]:
    """Return a single category as a list of one, and a list as it is."""
    elements = as_list(value)
    if elements is None:
        return [coercion.coerce_text(value, path, found)]
    return list(map(scalar, elements))
