"""Origins: from where each field of a request came, in either mapping."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings

from iterable_destination import InvalidEvent, Settings, translate
from iterable_destination.mapping.actions import MappedTranslator, Subscription
from iterable_destination.mapping.origins import MAX_TRIED, Origin, origins
from tests.support import strategies
from tests.support.examples import examples


def trace_fields(event: Any, *given: Any) -> dict[str, tuple[str, ...]]:
    return {origin.field: origin.places for origin in origins(event, *given)}


IDENTIFY: dict[str, Any] = {
    "type": "identify",
    "userId": "u-1",
    "timestamp": "2023-02-05T20:42:10.123Z",
    "context": {"ip": "203.0.113.7", "timezone": "Europe/Oslo"},
    "integrations": {"Iterable": {"mergeNestedObjects": False}},
    "traits": {
        "email": "ada@example.com",
        "phone": "+47",
        "createdAt": datetime(2022, 12, 2, tzinfo=UTC),
        "logins": 3,
        "vip": True,
        "note": "",
        "address": {"city": None, "lines": ["a", 1.5]},
        "gone": None,
        "timezone": "x",
    },
}


def test_the_fields_of_a_profile_are_traced() -> None:
    assert trace_fields(IDENTIFY) == {
        "email": ("traits.email",),
        "userId": ("userId",),
        "mergeNestedObjects": ("integrations.Iterable.mergeNestedObjects",),
        "dataFields.ip": ("context.ip",),
        "dataFields.timeZone": ("context.timezone",),
        "dataFields.timezone": ("traits.timezone",),
        "dataFields.email": ("traits.email",),
        "dataFields.phoneNumber": ("traits.phone",),
        "dataFields.createdAt": ("traits.createdAt",),
        "dataFields.met": ("traits.createdAt",),
        "dataFields.profileUpdatedAt": ("timestamp",),
        "dataFields.logins": ("traits.logins",),
        "dataFields.vip": ("traits.vip",),
        "dataFields.note": ("traits.note",),
        "dataFields.address.city": ("traits.address.city",),
        "dataFields.address.lines[0]": ("traits.address.lines[0]",),
        "dataFields.address.lines[1]": ("traits.address.lines[1]",),
    }


def test_the_fields_of_an_order_are_traced() -> None:
    product = {"product_id": "p1", "name": "Uno", "price": "5.50", "category": "Lamps", "sku": "1"}
    properties = {"Total": 6, "products": [None, product]}
    order = {"type": "track", "event": "Order Completed", "userId": "u", "properties": properties}
    assert trace_fields(order) == {
        "user.userId": ("userId",),
        "total": ("properties.Total",),
        "items[0].id": ("properties.products[1].product_id",),
        "items[0].name": ("properties.products[1].name",),
        "items[0].price": ("properties.products[1].price",),
        "items[0].quantity": (),
        "items[0].sku": ("properties.products[1].sku",),
        "items[0].categories[0]": ("properties.products[1].category",),
        "dataFields.Total": ("properties.Total",),
    }


def test_a_mapped_destination_is_traced_too() -> None:
    event = {"type": "track", "event": "Seen", "userId": "u", "messageId": "m1"}
    assert origins(event, MappedTranslator()) == (
        Origin(0, "userId", ("userId",)),
        Origin(0, "eventName", ("event",)),
        Origin(0, "id", ("messageId",)),
    )


def test_places_are_left_out_where_a_copy_of_the_event_makes_other_requests() -> None:
    event = {"type": "track", "event": "Order Completed", "userId": "u", "properties": {"total": 1}}
    subscriptions = (
        Subscription("Half", "trackEvent", 'type = "track"', {"@path": "$.context.half"}),
        Subscription(
            "Fine",
            "trackEvent",
            'type = "track"',
            {"userId": {"@path": "$.userId"}, "eventName": "Fine"},
        ),
    )
    half = {"half": {"userId": "u", "eventName": "Half", "dataFields": {"\ud800": 1}}}
    assert origins(event | {"context": half}, MappedTranslator(subscriptions)) == (
        Origin(0, "userId", ()),
        Origin(0, "eventName", ()),
    )


def test_an_event_that_is_skipped_has_no_fields() -> None:
    assert origins({"type": "group"}) == ()


def test_an_event_that_cannot_be_sent_is_refused() -> None:
    with pytest.raises(InvalidEvent, match="an event is an object"):
        origins(None)
    with pytest.raises(InvalidEvent, match="Must set either userId or email"):
        origins({"type": "identify"})


def test_settings_count() -> None:
    page = {"type": "page", "name": "Home", "userId": "u"}
    single = Settings(map_all_pages_to_single_event_name=False)
    assert trace_fields(page)["eventName"] == ()
    assert trace_fields(page, translate, single)["eventName"] == ("name",)


@pytest.mark.slow
def test_values_beyond_the_bound_are_not_tried() -> None:
    traits = {f"t{number}": number for number in range(MAX_TRIED)}
    found = trace_fields({"type": "identify", "userId": "u", "traits": traits})
    assert found[f"dataFields.t{MAX_TRIED - 3}"] == (f"traits.t{MAX_TRIED - 3}",)
    assert found[f"dataFields.t{MAX_TRIED - 2}"] == ()


@settings(max_examples=examples(25))
@given(strategies.json_events)
def test_every_field_is_told_and_no_event_is_changed(event: Any) -> None:
    before = copy.deepcopy(event)
    try:
        found = origins(event)
    except InvalidEvent:
        found = ()
    assert event == before
    assert len({(origin.call, origin.field) for origin in found}) == len(found)
