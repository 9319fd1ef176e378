"""Orders and carts → ``POST /api/commerce/trackPurchase`` and ``updateCart``."""

from __future__ import annotations

import re
from typing import Any, Final

import attrs

from iterable_destination.calls import Item, TrackPurchase, UpdateCart
from iterable_destination.classic.track import created_at
from iterable_destination.data_fields import data_fields
from iterable_destination.events import Event, Fields, Spellings, as_id
from iterable_destination.plain import as_list, as_object, kind, scalar
from iterable_destination.settings import Settings

#: A product's fields, folded, and the item's. What is not here goes to the item's ``dataFields``.
_ITEM_FIELDS: Final = {
    "productid": "id",
    "id": "id",
    "sku": "sku",
    "name": "name",
    "category": "categories",
    "categories": "categories",
    "price": "price",
    "quantity": "quantity",
    "description": "description",
    "imageurl": "imageUrl",
    "url": "url",
}
_SPELLINGS: Final = Spellings(_ITEM_FIELDS)
#: Properties of an order that are not repeated in its ``dataFields``.
_LIFTED: Final = ("total", "products", "campaignId", "templateId")
#: A number in a string, perhaps of dollars.
_NUMBER: Final = re.compile(r"\s*-?\$?(?:\d{1,300}(?:\.\d*)?|\.\d+)\s*", re.ASCII)


def has_cart(event: Event) -> bool:
    """Whether the event carries a list of products, without which there is no cart to send."""
    return as_list(_products(event.properties)) is not None


def cart(event: Event, _: Settings) -> UpdateCart:
    """Translate Product Added or Removed: its products are the whole cart as it is now."""
    event.timestamp()  # not sent, but to be a date all the same
    return UpdateCart(event.identity(event.context_traits(), event.properties), _items(event))


def purchase(event: Event, _: Settings) -> TrackPurchase:
    """Translate Order Completed."""
    properties = event.properties
    rest = {key: value for key, value in properties.values.items() if key not in _LIFTED}
    return TrackPurchase(
        event.identity(event.context_traits(), properties),
        _items(event),
        _number(event, properties.source("total"), properties.get("total")),
        data_fields(rest, properties.path, event.problems),
        created_at(event),
        campaign_id=_lifted(event, "campaignId"),
        template_id=_lifted(event, "templateId"),
        sources={
            "total": properties.source("total"),
            "campaignId": f"{properties.path}.campaignId",
            "templateId": f"{properties.path}.templateId",
        },
    )


def _products(properties: Fields) -> Any:
    return properties.values.get(properties.keys.get("products", ""))


def _lifted(event: Event, key: str) -> Any:
    properties = event.properties
    return _whole(event, f"{properties.path}.{key}", scalar(properties.values.get(key)))


def _items(event: Event) -> list[Item]:
    path, products = event.properties.source("products"), _products(event.properties)
    elements = [] if products is None else as_list(products)
    if elements is None:
        event.refuse(path, f"must be a list of products, not {kind(products)}")
        return []
    return [
        _item(event, f"{path}[{index}]", product)
        for index, element in enumerate(elements)
        if (product := _product(event, f"{path}[{index}]", element)) is not None
    ]


def _product(event: Event, path: str, element: Any) -> dict[str, Any] | None:
    product = as_object(element)
    if element is None:
        event.note(path, "null, passed over")
    elif product is None:
        event.refuse(path, f"must be an object, not {kind(element)}")
    return product


def _item(event: Event, path: str, product: dict[str, Any]) -> Item:
    keys = _SPELLINGS.first_keys(product)
    found = {field: scalar(product[key]) for field, key in keys.items()}
    sources = {_ITEM_FIELDS[field]: key for field, key in keys.items()}

    def place(field: str) -> str:
        return f"{path}.{keys.get(field, field)}"

    id_field = "id" if found.get("productid") in (None, "") else "productid"
    item_id = _id(event, place(id_field), found.get(id_field))
    sources["id"] = "product_id" if item_id in (None, "") else keys[id_field]
    list_field = "categories" if found.get("category") in (None, "") else "category"
    sources["categories"] = keys.get(list_field, list_field)
    quantity = found.get("quantity")
    item = Item(
        id=None if item_id == "" else item_id,
        name=_id(event, place("name"), found.get("name")),
        price=_number(event, place("price"), found.get("price")),
        quantity=1 if quantity is None else _whole(event, place("quantity"), quantity),
        sku=_id(event, place("sku"), found.get("sku")),
        categories=_categories(found.get(list_field)),
        description=found.get("description"),
        image_url=found.get("imageurl"),
        url=found.get("url"),
        source=path,
        keys=sources,
    )
    own = {"category", "product_id", *item.body()} - {"dataFields"}
    rest = {key: value for key, value in product.items() if key not in own}
    return attrs.evolve(item, data_fields=data_fields(rest, path, event.problems))


def _id(event: Event, path: str, value: Any) -> Any:
    text = as_id(value)
    if text is not value:
        event.note(path, "a number, sent as a string")
    return text


def _number(event: Event, path: str, value: Any) -> Any:
    """Return a numeric string as the number it says; anything else is left to validation."""
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        return value
    event.note(path, "a string, sent as the number it says")
    digits = value.strip().replace("$", "")
    return float(digits) if "." in digits else int(digits)


def _whole(event: Event, path: str, value: Any) -> Any:
    number = _number(event, path, value)
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _categories(value: Any) -> Any:
    """Wrap a lone category; a list stays one, and what is neither is left to validation."""
    if value is None or value == "":
        return []
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return [as_id(value)]
    categories = as_list(value)
    return value if categories is None else list(map(scalar, categories))
