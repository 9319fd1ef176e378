"""Translate orders and carts: ``POST /api/commerce/trackPurchase`` and ``updateCart``."""

from __future__ import annotations

from typing import Any, Final

from iterable_destination.mapping.classic.items import build_items, parse_number, parse_whole_number
from iterable_destination.model.calls import TrackPurchase, UpdateCart
from iterable_destination.model.dates import read_as_unix_seconds
from iterable_destination.model.json_copy import data_fields
from iterable_destination.model.json_values import as_list, scalar
from iterable_destination.model.segment_event import SegmentEvent
from iterable_destination.model.settings import Settings

#: Properties of an order that the request has at its top, and so not in its ``dataFields``.
_TOP_LEVEL: Final = frozenset({"total", "products", "campaignId", "templateId"})


def has_cart(event: SegmentEvent) -> bool:
    """Whether the event carries a list of products, without which there is no cart to send."""
    return as_list(_find_products(event)) is not None


def update_cart(event: SegmentEvent, _: Settings) -> UpdateCart:
    """Translate Product Added or Product Removed: its products are the whole cart."""
    event.timestamp(read_as_unix_seconds)  # it is not sent; what is not a date is a problem
    return UpdateCart(
        event.identity(), *build_items(event, event.source("products"), _find_products(event))
    )


def track_purchase(event: SegmentEvent, _: Settings) -> TrackPurchase:
    """Translate Order Completed."""
    translated, places = build_items(event, event.source("products"), _find_products(event))
    rest = {key: value for key, value in event.fields.items() if key not in _TOP_LEVEL}
    total_source = event.source("total")
    return TrackPurchase(
        event.identity(),
        translated,
        parse_number(event, total_source, event.find("total")),
        data_fields(rest, "properties", event.problems),
        event.timestamp(read_as_unix_seconds),
        _read_whole_number(event, "campaignId"),
        _read_whole_number(event, "templateId"),
        sources={
            "total": total_source,
            "campaignId": "properties.campaignId",
            "templateId": "properties.templateId",
        },
        places=places,
    )


def _find_products(event: SegmentEvent) -> Any:
    key = event.keys.get("products")
    return None if key is None else event.fields[key]


def _read_whole_number(event: SegmentEvent, key: str) -> Any:
    value = event.fields.get(key)
    return None if value is None else parse_whole_number(event, f"properties.{key}", scalar(value))
