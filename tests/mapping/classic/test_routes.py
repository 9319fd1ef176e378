"""Which translator an event goes to, or why to none."""

from __future__ import annotations

from typing import Any

import pytest

from iterable_destination.errors import InvalidEvent
from iterable_destination.mapping.classic.routes import NOT_SUPPORTED
from iterable_destination.mapping.translate import translate
from iterable_destination.model.settings import Settings

USER: dict[str, Any] = {"userId": "u-1"}
PRODUCTS: dict[str, Any] = {"products": [], "total": 1}

TRACK, CART, PURCHASE = (
    "/api/events/track",
    "/api/commerce/updateCart",
    "/api/commerce/trackPurchase",
)

NAMES: list[tuple[str, str]] = [
    ("Product Added", CART),
    ("product added", CART),
    ("PRODUCT_ADDED", CART),
    ("ProductAdded", CART),
    ("_Product Added_", CART),
    (" product_added ", CART),
    ("_productadded", CART),
    ("productadded ", CART),
    ("Product Removed", CART),
    ("product_removed", CART),
    ("ProductRemoved_", CART),
    ("Added Product", CART),
    ("added_product", CART),
    ("AddedProduct", CART),
    (" Added Product", CART),
    ("_AddedProducts", CART),
    ("Added Product to Wishlist", CART),
    ("Added Product\nLater", CART),
    ("Removed Product", CART),
    ("removedproduct!", CART),
    ("Order Completed", PURCHASE),
    ("order_completed", PURCHASE),
    ("_ORDERCOMPLETED ", PURCHASE),
    ("Completed Order", PURCHASE),
    ("completed_order", PURCHASE),
    ("CompletedOrder", PURCHASE),
    (" Completed Orders", PURCHASE),
    ("Completed Order late", PURCHASE),
    ("Product Added To Wishlist", TRACK),
    ("Order Completed Late", TRACK),
    ("Products Added", TRACK),
    ("Product  Added", TRACK),
    ("Product _Added", TRACK),
    ("Product-Added", TRACK),
    ("Product\tAdded", TRACK),
    ("  Product Added", TRACK),
    (" _Product Added", TRACK),
    ("Product Added  ", TRACK),
    ("Product Added\n", TRACK),
    ("\nProduct Added", TRACK),
    ("  Added Product", TRACK),
    ("Added  Product", TRACK),
    ("Was Added Product", TRACK),
    ("My Order Completed", TRACK),
    ("Order Added", TRACK),
    ("Added Order", TRACK),
    ("Order Removed", TRACK),
    ("Product Completed", TRACK),
    ("Completed Product", TRACK),
    ("Added Order Completed", TRACK),
    ("Product", TRACK),
    ("Order Complete", TRACK),
    ("Product Viewed", TRACK),
    ("ordſer completed", TRACK),
    ("prodűct added", TRACK),
]


@pytest.mark.parametrize(("name", "path"), NAMES)
def test_the_name_of_a_track_says_whether_it_is_commerce(name: str, path: str) -> None:
    event = {"type": "track", "event": name, **USER, "properties": PRODUCTS}
    assert translate(event).calls[0].endpoint.path == path


@pytest.mark.parametrize("name", ["Product Added", "Removed Product now"])
@pytest.mark.parametrize(
    "products",
    [None, {}, "x", 5, {"0": {}}],
    ids=["null", "object", "text", "number", "array-like"],
)
def test_a_cart_without_a_list_is_an_ordinary_track(name: str, products: Any) -> None:
    event = {"type": "track", "event": name, **USER, "properties": {"products": products}}
    translation = translate(event)
    [call], [note] = translation.calls, translation.notes
    assert (call.endpoint.path, call.body()) == (
        TRACK,
        {"userId": "u-1", "eventName": name, "dataFields": {"products": products}},
    )
    said = "no list of products, so the cart is left as it is"
    assert (note.path, note.message) == ("properties.products", said)


def test_an_ordinary_track_needs_no_list_of_products() -> None:
    assert translate({"type": "track", "event": "Signed Up", **USER}).notes == ()


@pytest.mark.parametrize("call_type", ["identify", "track", "page", "screen"])
def test_four_types_of_calls_are_translated(call_type: str) -> None:
    event = {"type": call_type, "event": "x", "name": "x", **USER}
    assert len(translate(event).calls) == 1


OFF = {"integrations": {"All": False}}
SAID_OFF = "integrations.All is false and integrations.Iterable is absent"


@pytest.mark.parametrize("call_type", ["group", "alias", "delete", "Group", "ALIAS"])
def test_segments_other_types_are_skipped_by_name_whatever_else_is_in_them(call_type: str) -> None:
    skipped = translate({"type": call_type, "properties": 5, "timestamp": "soon"}).skipped
    assert skipped == NOT_SUPPORTED[call_type.lower()]


@pytest.mark.parametrize("call_type", ["Track", "TRACK", "tRACK"])
def test_a_type_in_another_case_is_taken_with_a_note(call_type: str) -> None:
    event = {"event": "Seen", "properties": {"a": 1}, "integrations": {"All": True}, **USER}
    translation = translate({"type": call_type, **event})
    assert translation.calls == translate({"type": "track", **event}).calls
    [note] = translation.notes
    assert (note.path, note.message) == ("type", "taken as track, as Segment writes it")


ALL_TYPES = "identify, track, page, screen, group, alias, delete"
LIKELY = {
    " track": "track",
    "trak": "track",
    "tracks": "track",
    "tracking": "track",
    "identity": "identify",
    "Identified": "identify",
    "pageview": "page",
    "page_view": "page",
    "screenView": "screen",
    "groups": "group",
    "aliases": "alias",
    "deleted": "delete",
    "heartbeat": ALL_TYPES,
    "x": ALL_TYPES,
}


@pytest.mark.parametrize("call_type", LIKELY)
def test_any_other_type_is_refused_with_the_likely_one_named(call_type: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        translate({"messageId": "m-1", "type": call_type, "properties": 5, **OFF})
    said = f"{call_type} is none of Segment's call types (perhaps: {LIKELY[call_type]})"
    assert (str(caught.value), caught.value.message_id) == (f"type: {said}", "m-1")


@pytest.mark.parametrize(
    ("event", "settings", "expected"),
    [
        ({"type": "group", **OFF}, Settings(), "group calls are not supported"),
        ({"type": "track", **OFF}, Settings(), SAID_OFF),
        ({"type": "page", **OFF}, Settings(), SAID_OFF),
        ({"type": "page", "userId": "ü"}, Settings(), "no setting asks for this page"),
        ({"type": "page"}, Settings(skip_anonymous=True), "no setting asks for this page"),
        ({"type": "page", "name": "x"}, Settings(skip_anonymous=True), "anonymous: neither"),
        ({"type": "track", "event": ""}, Settings(skip_anonymous=True), "anonymous: neither"),
        ({"type": "identify"}, Settings(skip_anonymous=True), "anonymous: neither"),
    ],
    ids=["type", "integrations", "before pages", "pages", "page", "nobody", "event", "identify"],
)
def test_an_event_is_turned_away_in_order(
    event: dict[str, Any], settings: Settings, expected: str
) -> None:
    assert (translate(event, settings).skipped or "").startswith(expected)


@pytest.mark.parametrize("who", [{"userId": "u"}, {"traits": {"email": "a@b.c"}}], ids=str)
def test_who_is_known_is_not_anonymous(who: dict[str, Any]) -> None:
    event = {"type": "identify", **who}
    assert translate(event, Settings(skip_anonymous=True)).skipped is None


def test_an_anonymous_event_is_refused_unless_it_is_to_be_skipped() -> None:
    event = {"type": "track", "event": "x", "anonymousId": "a"}
    with pytest.raises(InvalidEvent) as caught:
        translate(event)
    assert str(caught.value) == "userId: Must set either userId or email"
    said = "anonymous: neither email nor userId, and skip_anonymous is on"
    assert translate(event, Settings(skip_anonymous=True)).skipped == said


def test_an_event_without_a_type_is_refused_before_anything_else() -> None:
    with pytest.raises(InvalidEvent) as caught:
        translate({**OFF, "messageId": "m-1"}, Settings(skip_anonymous=True))
    assert (str(caught.value), caught.value.message_id) == ("type: missing", "m-1")
