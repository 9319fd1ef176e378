"""A user is shown with what changed, the newest events first, purchases and the cart."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from iterable_destination import Destination, Settings
from iterable_destination.playground import users
from iterable_destination.playground.users import UserViews
from iterable_destination.testing import LocalIterable
from tests.playground.asking import CART, ORDER, PROFILE


@pytest.fixture(scope="module")
def iterable() -> Iterator[LocalIterable]:
    with LocalIterable() as running:
        yield running


@pytest.fixture
def views(iterable: LocalIterable) -> UserViews:
    return UserViews(iterable.project)


def send(iterable: LocalIterable, *events: object) -> None:
    with Destination(Settings(api_key=iterable.api_key, base_url=iterable.url)) as destination:
        for event in events:
            assert destination.send(event).name == "delivered"  # type: ignore[arg-type]


def test_a_user_is_shown_as_a_contact_lookup_does(
    iterable: LocalIterable, views: UserViews
) -> None:
    seen = {**ORDER, "event": "Seen", "properties": {"plan": "pro"}, "messageId": "m-0"}
    later = {**seen, "event": "Seen Again", "timestamp": "2026-03-05T00:00:00Z", "messageId": "m-2"}
    send(iterable, PROFILE, later, seen, CART)
    user = views.show("ADA@example.com")
    assert user is not None
    assert (user.email, user.user_id) == ("ada@example.com", "u-1")
    assert {each.name: each.value for each in user.fields}["plan"] == "pro"
    assert [(each.time, each.name) for each in user.events] == [
        ("2026-03-05 00:00:00", "Seen Again"),
        ("2026-03-04 09:24:50", "Seen"),
    ]
    assert user.events[1].fields == (("plan", "pro"),)
    assert user.cart is not None
    assert '"name":"Uno"' in user.cart[0]
    send(iterable, ORDER)
    user = views.show("u-1")
    assert user is not None
    assert [(each.name, each.fields) for each in user.purchases] == [
        ("purchase of 27.5", (("order_id", "o-1"), ("items", "[]")))
    ]
    assert user.cart == ()


def test_what_the_last_change_changed_is_marked(iterable: LocalIterable, views: UserViews) -> None:
    def changed() -> set[str]:
        user = views.show("u-2")
        assert user is not None
        assert "shoppingCartItems" not in {each.name for each in user.fields}
        return {each.name for each in user.fields if each.is_changed}

    first = {"type": "identify", "userId": "u-2", "traits": {"plan": "pro", "city": "Oslo"}}
    send(iterable, first)
    assert {"plan", "city", "userId"} <= changed()
    send(iterable, {**first, "traits": {"plan": "team", "city": "Oslo", "pets": 2}})
    assert changed() == {"plan", "pets"}
    assert changed() == {"plan", "pets"}  # it stays, when it is looked at again


def test_who_is_not_there_is_not_shown(views: UserViews) -> None:
    assert views.show("nobody") is None


def test_a_user_without_a_cart_has_none(iterable: LocalIterable, views: UserViews) -> None:
    send(iterable, {"type": "identify", "userId": "u-3", "traits": {}})
    user = views.show("u-3")
    assert user is not None
    assert (user.email, user.cart) == (None, None)


def test_a_time_that_no_calendar_has_is_shown_as_it_is(
    iterable: LocalIterable, views: UserViews
) -> None:
    body = b'{"userId": "u-4", "eventName": "Far", "createdAt": 999999999999999}'
    headers = {"Api-Key": iterable.api_key}
    iterable.project.handle("POST", "/api/events/track", headers, body, 0.0)
    user = views.show("u-4")
    assert user is not None
    assert user.events[0].time == "999999999999999"


def test_only_so_many_profiles_are_remembered(
    iterable: LocalIterable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(users, "_MAX_REMEMBERED", 1)
    views = UserViews(iterable.project)
    names = ("u-5", "u-6")
    for name in names:
        send(iterable, {"type": "identify", "userId": name, "traits": {"plan": "pro"}})
        views.show(name)
    send(iterable, {"type": "identify", "userId": "u-5", "traits": {"plan": "team"}})
    user = views.show("u-5")
    assert user is not None
    assert {each.name for each in user.fields if each.is_changed} >= {"plan", "userId"}
