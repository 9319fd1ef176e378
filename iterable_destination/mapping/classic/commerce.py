"""Orders and carts → ``POST /api/commerce/trackPurchase`` and ``updateCart``."""

from __future__ import annotations

from typing import Any, Final

from iterable_destination.mapping.classic.items import items, number, whole_number
from iterable_destination.model.calls import TrackPurchase, UpdateCart
from iterable_destination.model.dates import read_as_unix_seconds
from iterable_destination.model.json_copy import data_fields
from iterable_destination.model.json_values import as_list, scalar
from iterable_destination.model.segment_event import SegmentEvent
from iterable_destination.model.settings import Settings

#: Properties of an order that are not repeated in its ``dataFields``.
LIFTED: Final = frozenset({"total", "products", "campaignId", "templateId"})


def has_cart(event: SegmentEvent) -> bool:
    """Whether the event carries a list of products, without which there is no cart to send."""
    return as_list(_products(event)) is not None


def cart(event: SegmentEvent, _: Settings) -> UpdateCart:
    """Translate Product Added or Removed: its products are the whole cart as it is now."""
    event.timestamp(read_as_unix_seconds)  # not sent, but to be a date all the same
    return UpdateCart(event.identity(), *items(event, event.source("products"), _products(event)))


def purchase(event: SegmentEvent, _: Settings) -> TrackPurchase:
    """Translate Order Completed."""
    translated, places = items(event, event.source("products"), _products(event))
    rest = {key: value for key, value in event.fields.items() if key not in LIFTED}
    total_source = event.source("total")
    return TrackPurchase(
        event.identity(),
        translated,
        number(event, total_source, event.find("total")),
        data_fields(rest, "properties", event.problems),
        event.timestamp(read_as_unix_seconds),
        _lifted(event, "campaignId"),
        _lifted(event, "templateId"),
        sources={
            "total": total_source,
            "campaignId": "properties.campaignId",
            "templateId": "properties.templateId",
        },
        places=places,
    )


def _products(event: SegmentEvent) -> Any:
    key = event.keys.get("products")
    return None if key is None else event.fields[key]


def _lifted(event: SegmentEvent, key: str) -> Any:
    value = event.fields.get(key)
    return None if value is None else whole_number(event, f"properties.{key}", scalar(value))
