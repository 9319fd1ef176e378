"""Origins: from where each field of a request came, in either mapping."""

from __future__ import annotations

import copy
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings

from iterable_destination import InvalidEvent, Settings, translate
from iterable_destination.mapping.actions import MappedTranslator, Subscription
from iterable_destination.mapping.origins import (
    MAX_TRIED,
    Origin,
    find_deciding_settings,
    origins,
)
from tests.support import strategies
from tests.support.examples import examples


def trace_fields(event: Any, *given: Any) -> dict[str, tuple[str, ...]]:
    return {origin.field: origin.places for origin in origins(event, *given)}


CONSTANT = (
    Subscription(
        "Fine",
        "trackEvent",
        'type = "page"',
        {"userId": {"@path": "$.userId"}, "eventName": "Fine"},
    ),
)
ASKING = (
    Subscription(
        "Events",
        "trackEvent",
        'type = "track" and event = "Signed Up"',
        {"userId": {"@path": "$.userId"}, "eventName": {"@path": "$.event"}},
    ),
    Subscription(
        "Plans",
        "updateUser",
        'properties.plan = "pro"',
        {
            "userId": {"@path": "$.userId"},
            "dataFields": {"plan": {"@path": "$.properties.plan"}, "constant": 1},
        },
    ),
)


def test_a_value_that_a_trigger_asks_for_is_a_place_too() -> None:
    event = {
        "type": "track",
        "userId": "u-1",
        "event": "Signed Up",
        "properties": {"plan": "pro", "x": 1},
    }
    mapped = Settings(mappings=ASKING, nan_as_null=True)
    for arguments in ((MappedTranslator(ASKING),), (translate, mapped)):
        found = {(each.call, each.field): each.places for each in origins(event, *arguments)}
        assert found == {
            (0, "userId"): ("userId",),
            (0, "eventName"): ("event",),
            (1, "userId"): ("userId",),
            (1, "dataFields.plan"): ("properties.plan",),
            (1, "dataFields.constant"): (),
        }


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
    assert trace_fields(page)["eventName"] == ("type",)
    assert trace_fields(page, translate, single)["eventName"] == ("type", "name")
    for chosen in (Settings(), single):
        by = {origin.field: origin.settings for origin in origins(page, translate, chosen)}
        assert by.pop("eventName") == ("map_all_pages_to_single_event_name",)
        assert set(by.values()) == {()}


def test_the_settings_that_send_a_page_are_found() -> None:
    both = {"type": "page", "name": "Home", "category": "c", "userId": "u"}
    categorized, named = "track_categorized_pages", "track_named_pages"
    assert find_deciding_settings(both) == (categorized, named)
    assert find_deciding_settings({"type": "page", "name": "Home", "userId": "u"}) == (named,)
    everything = Settings(track_all_pages=True, track_named_pages=False)
    assert find_deciding_settings(both, translate, everything) == ("track_all_pages", categorized)
    assert find_deciding_settings({"type": "identify", "userId": "u"}) == ()
    # without a user it is refused, whatever is asked for
    anonymous = {"type": "identify"}
    assert find_deciding_settings(anonymous, translate, Settings(skip_anonymous=True)) == ()


MOMENT = 1_675_629_730
DATES: tuple[Any, ...] = (
    *("2023-02-05T20:42:10Z", "2023-02-05T21:42:10.123+01:00", "2023-02-05 20:42:10", "2023-02-05"),
    *("20230205T204210Z", "2023-02", "2023", "Sun Feb 05 2023 21:42:10 GMT+0100 (CET)"),
    *("5 Feb 2023", "Sun, 05 Feb 2023 20:42:10 GMT", str(MOMENT), f"{MOMENT}.5", f"{MOMENT}123"),
    *(MOMENT, MOMENT + 0.5, MOMENT * 1000 + 123, MOMENT * 1000.0, 1, 12),
    *(datetime(2023, 2, 5, 20, 42, 10, 999_999, tzinfo=UTC), date(2023, 2, 5)),
    datetime(2023, 2, 5, 20, 42, tzinfo=timezone(timedelta(hours=-8))),
)


@pytest.mark.parametrize("moment", DATES)
def test_a_date_in_any_form_is_traced(moment: Any) -> None:
    track = {"type": "track", "event": "x", "userId": "u", "timestamp": moment}
    assert trace_fields(track)["createdAt"] == ("timestamp",)
    traits = {"created": moment}
    found = trace_fields({"type": "identify", "userId": "u", "traits": traits, "timestamp": moment})
    assert found["dataFields.met"] == found["dataFields.created"] == ("traits.created",)
    assert found["dataFields.profileUpdatedAt"] == ("timestamp",)


@pytest.mark.parametrize(
    ("value", "converted"),
    [("2.0", True), (2.0, True), ("2", True), (2, False), (2**31 - 1, False), ("$2", True)],
)
def test_a_number_in_any_form_is_traced(value: Any, converted: Any) -> None:
    product = {"product_id": "p", "name": "n", "price": 1, "quantity": value}
    order: Any = {"type": "track", "event": "Order Completed", "userId": "u"}
    order |= {"properties": {"total": 1, "products": [product]}}
    found = {origin.field: origin for origin in origins(order)}["items[0].quantity"]
    assert found.places == ("properties.products[0].quantity",)
    assert (found.given, found.is_converted) == ((value,), converted)


@pytest.mark.parametrize(
    "value", [1e300, 7, -7, 10**15, "a", "4722334455", " +47 22 33 44 55", "é"]
)
def test_ids_phones_and_lists_are_traced(value: Any) -> None:
    traits = {"phone": value, "list": [value, {"in": value}]}
    found = trace_fields({"type": "identify", "userId": "u", "traits": traits})
    assert found["dataFields.phoneNumber"] == ("traits.phone",)
    assert found["dataFields.list[0]"] == ("traits.list[0]",)
    assert found["dataFields.list[1].in"] == ("traits.list[1].in",)
    if isinstance(value, int | str) and str(value).isascii() and str(value) > "!":
        who = trace_fields({"type": "track", "event": "x", "userId": value})
        assert who["userId"] == ("userId",)


@pytest.mark.parametrize("word", [True, "true", "false"])
def test_a_boolean_as_text_is_traced(word: Any) -> None:
    event: Any = {"type": "identify", "userId": "u"}
    event |= {"integrations": {"Iterable": {"mergeNestedObjects": word}}}
    assert trace_fields(event)["mergeNestedObjects"] == (
        "integrations.Iterable.mergeNestedObjects",
    )


def test_a_field_has_its_value_and_those_of_its_places_which_are_not_shown() -> None:
    page = {"type": "page", "name": "Home", "userId": 7, "timestamp": MOMENT * 1000}
    found = {origin.field: origin for origin in origins(page)}
    assert (found["createdAt"].value, found["createdAt"].given) == (MOMENT, (MOMENT * 1000,))
    assert found["userId"].is_converted
    assert not found["dataFields.name"].is_converted
    assert "Home" not in repr(found)
    constant = {origin.field: origin for origin in origins(page, MappedTranslator(CONSTANT))}
    assert (constant["eventName"].value, constant["eventName"].is_converted) == ("Fine", False)


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
