"""Translate orders and carts: ``POST /api/commerce/trackPurchase`` and ``updateCart``."""

from __future__ import annotations

from typing import Any, Final

from iterable_destination.errors import Reason
from iterable_destination.mapping.classic.items import (
    PRODUCT_NAMES,
    build_items,
    parse_number,
    parse_whole_number,
)
from iterable_destination.model.calls import TrackPurchase, UpdateCart
from iterable_destination.model.dates import read_as_unix_seconds
from iterable_destination.model.field_names import find_folded
from iterable_destination.model.json_values import as_list, scalar
from iterable_destination.model.segment_event import SegmentEvent
from iterable_destination.model.settings import Settings
from iterable_destination.model.validation import int32_problem, missing_problem, number_problem

#: Properties of an order that the request has at its top, and so not in its ``dataFields``.
_TOP_LEVEL: Final = frozenset({"total", "products", "campaignId", "templateId"})

#: Properties of an order that may be meant for its total, folded; they are not read as one.
_NO_TOTALS: Final = frozenset(
    {"revenue", "value", "amount", "subtotal", "ordertotal", "grandtotal"}
)

_PRODUCT: Final = Reason("misplaced", "a product in these is no item: items are in products")
_LIST: Final = Reason("misplaced", "not read as items: these are in products")


def has_cart(event: SegmentEvent) -> bool:
    """Whether the event carries a list of products, without which there is no cart to send."""
    return as_list(_find_products(event)) is not None


def update_cart(event: SegmentEvent, _: Settings) -> UpdateCart:
    """Translate Product Added or Product Removed: its products are the whole cart."""
    event.timestamp(read_as_unix_seconds)  # it is not sent; what is not a date is a problem
    identity = event.identity()
    items, refusals = build_items(event, event.source("products"), _find_products(event))
    event.refusals += refusals
    return UpdateCart(identity, items)


def track_purchase(event: SegmentEvent, _: Settings) -> TrackPurchase:
    """Translate Order Completed."""
    products = _find_products(event)
    items, refusals = build_items(event, event.source("products"), products)
    if products is None:
        _note_products_elsewhere(event)
    rest = {key: value for key, value in event.fields.items() if key not in _TOP_LEVEL}
    identity = event.identity()
    total_source = event.source("total")
    total = parse_number(event, total_source, event.find("total"))
    problem = number_problem(total)
    if total is None:
        problem = missing_problem(
            f"{event.path}.{key}" for key in find_folded(event.fields, _NO_TOTALS)
        )
    event.check(total_source, problem)
    purchase = TrackPurchase(
        identity,
        items,
        total,
        event.copier.copy_object(rest, "properties"),
        event.timestamp(read_as_unix_seconds),
        _read_whole_number(event, "campaignId"),
        _read_whole_number(event, "templateId"),
    )
    event.refusals += refusals
    return purchase


def _find_products(event: SegmentEvent) -> Any:
    products = event.fields.get(event.keys["products"])
    return products if type(products) is list else scalar(products)


def _note_products_elsewhere(event: SegmentEvent) -> None:
    """Add a note for an order without products that seems to have some in another place."""
    keys = PRODUCT_NAMES.find_keys(event.fields)
    if any(keys[name] in event.fields for name in ("productid", "sku")):
        event.add_note("properties", _PRODUCT)
    for key, value in event.fields.items():
        if type(value) is list and value and type(value[0]) is dict:
            event.add_note(f"properties.{key}", _LIST)


def _read_whole_number(event: SegmentEvent, key: str) -> Any:
    value = scalar(event.fields.get(key))
    if value is None:
        return None
    path = f"properties.{key}"
    number = parse_whole_number(event, path, value)
    event.check(path, int32_problem(number))
    return number
