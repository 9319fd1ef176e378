"""A product of Segment's → an item of Iterable's.

What may live here: the table of an item's fields. It is written twice, as ``dataFields`` is:
:func:`_usual` takes a product whose every field is what it should be, at once, and is certain of
the result; :func:`_any` takes whatever comes and leaves the judgement to validation. A property
test holds the two to the same result.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, NamedTuple

from iterable_destination.calls import ItemPlace
from iterable_destination.data_fields import data_fields
from iterable_destination.events import Event, as_id, first_keys
from iterable_destination.plain import as_list, as_object, kind, scalar

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
_USED_UP: Final = frozenset({"category", "product_id"})

#: A number in a string, perhaps of dollars.
_NUMBER: Final = re.compile(r"\s*-?\$?(?:\d{1,300}(?:\.\d*)?|\.\d+)\s*", re.ASCII)


def items(event: Event, path: str, products: Any) -> tuple[list[dict[str, Any]], list[ItemPlace]]:
    """Return the items of a list of products, and those that are still to be judged.

    ``path`` is the list's place in the event. None is an empty list; what is no list is a problem
    of the event, as is a product that is no object. A product that is null is passed over.
    """
    translated: list[dict[str, Any]] = []
    unjudged: list[ItemPlace] = []
    elements = [] if products is None else as_list(products)
    if elements is None:
        event.refuse(path, f"must be a list of products, not {kind(products)}")
        return translated, unjudged
    for index, element in enumerate(elements):
        place = f"{path}[{index}]"
        product = element if type(element) is dict else _product(event, place, element)
        if product is not None:
            item = _usual(event, place, product)
            translated.append(item or _any(event, place, product, unjudged))
    return translated, unjudged


def _product(event: Event, path: str, element: Any) -> dict[Any, Any] | None:
    product = as_object(element)
    if element is None:
        event.note(path, "null, passed over")
    elif product is None:
        event.refuse(path, f"must be an object, not {kind(element)}")
    return product


def number(event: Event, path: str, value: Any) -> Any:
    """Return a numeric string as the number it says; anything else is left to validation."""
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        return value
    event.note(path, "a string, sent as the number it says")
    digits = value.strip().replace("$", "")
    return float(digits) if "." in digits else int(digits)


def whole_number(event: Event, path: str, value: Any) -> Any:
    """Return ``2.0`` and ``"2.0"`` as 2; what is no whole number is left to validation."""
    said = number(event, path, value)
    return int(said) if isinstance(said, float) and said.is_integer() else said


class _Usual(NamedTuple):
    """How to read a product at once, if all it says is of the usual types."""

    #: Reads the values: texts, the id first, then price and perhaps quantity.
    read: Callable[[dict[Any, Any]], tuple[Any, ...]]
    #: The item's keys for the values.
    names: tuple[str, ...]
    #: How many of the values are texts.
    texts: int
    #: The usual types of the values.
    types: frozenset[tuple[type, ...]]
    #: The product's keys that go to ``dataFields``.
    rest: tuple[str, ...]


@lru_cache(maxsize=1_000)
def _how(keys: tuple[Any, ...]) -> _Usual | None:
    """Plan how to read the products that have these keys; the same keys come again and again.

    There is no plan where a field has two sources, as the second counts if the first is null.
    """
    found = first_keys(keys, _NAMES)
    sources = {
        name: [found[folded] for folded in folded_names if folded in found]
        for name, folded_names in _SOURCES.items()
    }
    once = {name: candidates[0] for name, candidates in sources.items() if len(candidates) == 1}
    if len(once) < sum(map(bool, sources.values())) or not once.keys() >= _REQUIRED:
        return None
    if "categories" in found:
        return None
    numbers = [name for name in once if name in {"price", "quantity"}]
    texts = ["id", *(name for name in once if name not in {"id", *numbers})]
    text_types, whole_types = (str,) * len(texts), (int,) * (len(numbers) - 1)
    return _Usual(
        itemgetter(*(once[name] for name in texts + numbers)),
        (*texts, *numbers),
        len(texts),
        frozenset((*text_types, price, *whole_types) for price in (int, float)),
        tuple(key for key in keys if key not in once and key not in _USED_UP),
    )


_REQUIRED: Final = frozenset({"id", "name", "price"})


def _usual(event: Event, path: str, product: dict[Any, Any]) -> dict[str, Any] | None:
    """Return the item of a product that leaves no question open; None for any other."""
    how = _how(tuple(product))
    if how is None:
        return None
    values = how.read(product)
    if tuple(map(type, values)) not in how.types:
        return None
    count = how.texts
    texts = "".join(values[:count])
    in_bounds = -_SURELY_FINE < values[count] < _SURELY_FINE > values[-1] > -_SURELY_FINE
    if not values[0] or not in_bounds or not texts.isascii() or len(texts) > _SURELY_FINE:
        return None
    item = dict(zip(how.names, values, strict=False))  # as many, by the plan
    if "quantity" not in item:
        item["quantity"] = 1
    category = item.get("categories")
    item["categories"] = [category] if category else []
    rest = {key: product[key] for key in how.rest}
    item["dataFields"] = data_fields(rest, path, event.problems) if rest else rest
    return item


#: Numbers and lengths of text up to here are within every bound there is.
_SURELY_FINE: Final = 1_000_000


def _any(
    event: Event, path: str, product: dict[Any, Any], unjudged: list[ItemPlace]
) -> dict[str, Any]:
    """Return the item of any product, for validation to judge."""
    found = first_keys(product, _NAMES)
    item: dict[str, Any] = {}
    keys: dict[str, str] = {}
    for name in _SOURCES:
        key, value = _said(name, found, product)
        keys[name] = key
        sent = _READ.get(name, _as_it_is)(event, f"{path}.{key}", value)
        if sent is not None:
            item[name] = sent
    rest = {key: value for key, value in product.items() if key not in item.keys() | _USED_UP}
    item["dataFields"] = data_fields(rest, path, event.problems)
    unjudged.append(ItemPlace(item, path, keys))
    return item


def _said(name: str, found: dict[str, str], product: dict[Any, Any]) -> tuple[str, Any]:
    """Return the product's key that says something about a field, and what; or where to look."""
    nothing = (None, "") if name in _BLANK_SAYS_NOTHING else (None,)
    for folded in _SOURCES[name]:
        if folded in found:
            value = scalar(product[found[folded]])
            if value not in nothing:
                return found[folded], value
    return _FIRST_PLACES.get(name, name), None


def _as_it_is(_: Event, __: str, value: Any) -> Any:
    return value


def _id(event: Event, path: str, value: Any) -> Any:
    text = as_id(value)
    if text is not value:
        event.note(path, "a number, sent as a string")
    return text


def _quantity(event: Event, path: str, value: Any) -> Any:
    return 1 if value is None else whole_number(event, path, value)


def _categories(_: Event, __: str, value: Any) -> Any:
    """Wrap a lone category; a list stays one, and what is neither is left to validation."""
    if value is None or value == "":
        return []
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return [as_id(value)]
    categories = as_list(value)
    return value if categories is None else list(map(scalar, categories))


#: How the fields are read that are not sent as they are.
_READ: Final[dict[str, Callable[[Event, str, Any], Any]]] = {
    "id": _id,
    "name": _id,
    "sku": _id,
    "price": number,
    "quantity": _quantity,
    "categories": _categories,
}
