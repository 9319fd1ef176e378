"""A place that a problem names is found in the event, or what it should be in."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterable_destination.mapping.places import Found, find_place

EVENT: dict[str, Any] = {
    "userId": "u-1",
    "properties": {
        "total": None,
        "products": [{"price": 1}, {"price": "x", "sizes": [[3]]}],
        "a.b": {"c[0]": 5, "c": [6, 8]},
        "a": {"b": {"d": 7}},
    },
}


@pytest.mark.parametrize(
    ("place", "keys", "value"),
    [
        ("", (), EVENT),
        ("userId", ("userId",), "u-1"),
        ("properties.total", ("properties", "total"), None),
        ("properties.products[1].price", ("properties", "products", 1, "price"), "x"),
        ("properties.products[1].sizes[0][0]", ("properties", "products", 1, "sizes", 0, 0), 3),
        ("properties.a.b.c[0]", ("properties", "a.b", "c[0]"), 5),
        ("properties.a.b.c[1]", ("properties", "a.b", "c", 1), 8),
        ("properties.a.b.d", ("properties", "a", "b", "d"), 7),
    ],
)
def test_a_place_that_exists_is_found_with_its_value(place: str, keys: Any, value: Any) -> None:
    assert find_place(EVENT, place) == Found(keys, value, is_whole=True)


@pytest.mark.parametrize(
    ("place", "keys"),
    [
        ("event", ()),
        ("user", ()),
        ("userIds", ()),
        ("userId.x", ("userId",)),
        ("properties.quantity", ("properties",)),
        ("properties.products[0].quantity", ("properties", "products", 0)),
        ("properties.products[2].price", ("properties", "products")),
        ("properties.products[x]", ("properties", "products")),
        ("properties.products[0", ("properties", "products")),
        ("properties.products.price", ("properties", "products")),
        ("properties.a.b.e", ("properties", "a", "b")),
    ],
)
def test_of_a_place_that_is_missing_what_it_should_be_in_is_found(place: str, keys: Any) -> None:
    found = find_place(EVENT, place)
    assert (found.keys, found.is_whole) == (keys, False)


def test_what_is_no_object_has_no_places() -> None:
    assert find_place(5, "a") == Found((), 5, is_whole=False)


_KEYS = st.text("ab.[]0", min_size=1, max_size=4)


@given(
    st.recursive(
        st.integers(), lambda each: st.lists(each, max_size=3) | st.dictionaries(_KEYS, each)
    ).filter(lambda value: isinstance(value, dict)),
    st.data(),
)
def test_every_place_of_an_event_is_found(event: Any, data: st.DataObject) -> None:
    value, place = event, ""
    while isinstance(value, dict | list) and value and data.draw(st.booleans()):
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = data.draw(st.sampled_from(keys))
        dotted = f"{place}.{key}" if place else str(key)
        place = dotted if isinstance(value, dict) else f"{place}[{key}]"
        value = value[key]
    found = find_place(event, place)
    assert found.is_whole
    inside = event
    for key in found.keys:
        inside = inside[key]
    assert inside is found.value
