"""The fast path: it agrees with the full path, and what it remembers is bounded."""

from __future__ import annotations

import math
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import pytest

from iterable_destination.errors import InvalidEvent
from iterable_destination.mapping.classic import fast_path
from iterable_destination.mapping.translate import translate
from iterable_destination.model import json_copy
from iterable_destination.model.settings import Settings
from tests.support.golden_cases import CLASSIC, cases
from tests.support.strategies import nest_deeply

NAMED_PAGES = Settings(map_all_pages_to_single_event_name=False)


class Plan(StrEnum):
    PRO = "pro"


GOLDEN = {
    name: case["input"] for name, case in cases(CLASSIC).items() if isinstance(case["input"], dict)
}

USUAL: dict[str, Any] = {
    "messageId": "m-1",
    "userId": "u-1",
    "timestamp": "2023-02-05T20:42:10.123Z",
    "context": {},
}


def translate_or_fail(event: Any, settings: Settings | None = None) -> Any:
    """Return the whole result of a translation, or its problems."""
    try:
        result = translate(event, settings)
    except InvalidEvent as error:
        return error.message_id, error.problems
    bodies = [(call.endpoint, call.body()) for call in result.calls]
    return result.message_id, result.skipped, bodies, result.notes


def complete(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event with all the fields that events usually have."""
    own: dict[str, Any] = {"traits" if event.get("type") == "identify" else "properties": {}}
    return own | {key: value for key, value in event.items() if key not in USUAL} | USUAL


@pytest.mark.parametrize("settings", [Settings(), NAMED_PAGES, Settings(track_all_pages=True)])
@pytest.mark.parametrize("name", GOLDEN)
def test_the_shortcut_comes_to_the_same_as_the_long_way(name: str, settings: Settings) -> None:
    event = GOLDEN[name]
    context = {"context": event.get("context", {})}
    for usual in (event, complete(event), complete(event) | context):
        full_path = MappingProxyType(usual)  # no dict is no ordinary event
        assert translate_or_fail(usual, settings) == translate_or_fail(full_path, settings)


TRACKED: dict[str, Any] = {**USUAL, "type": "track", "event": "Signed Up", "properties": {}}

IDENTIFIED: dict[str, Any] = {**USUAL, "type": "identify", "traits": {}}

PAGE: dict[str, Any] = {**USUAL, "type": "page", "name": "Home", "properties": {}}

PRODUCT: dict[str, Any] = {"product_id": "p-1", "name": "Go", "price": 9.5}


def buy_product(**product: Any) -> dict[str, Any]:
    properties = {"total": 5, "products": [PRODUCT | product]}
    return {**TRACKED, "event": "Order Completed", "properties": properties}


def with_context_traits(**traits: Any) -> dict[str, Any]:
    return {**TRACKED, "context": {"traits": traits}}


def list_values(*values: Any) -> tuple[Any, ...]:
    """Return values of any types."""
    return values


def with_key(key: Any) -> dict[Any, Any]:
    return {**TRACKED, key: 1}


#: What is just out of the ordinary.
EXTRAORDINARY: list[dict[str, Any]] = [
    *({**TRACKED, "messageId": value} for value in list_values(None, 5, "", "\ud800")),
    *(
        {**TRACKED, "userId": value}
        for value in list_values(None, "", 5, "ü", "u ", "x" * 53, "a@b.c")
    ),
    *(
        {**TRACKED, "timestamp": value}
        for value in list_values(None, 5, "", "2023-02-31", "2023-02-05")
    ),
    *(
        {**TRACKED, "timestamp": f"2023-02-05T{value}Z"}
        for value in list_values("24:00:00", "20:42:10.1")
    ),
    *({**TRACKED, "context": value} for value in list_values(None, [], "x", {"traits": 5})),
    *(
        {**TRACKED, "options": value}
        for value in list_values(None, {}, {"traits": {"email": "a@b.c"}})
    ),
    *(
        {**TRACKED, "integrations": value}
        for value in list_values(None, {}, {"All": False}, {"Iterable": 1}, {"Mixpanel": False})
    ),
    *(
        {**TRACKED, "event": value}
        for value in list_values(None, "", 5, "ü", "\ud800", "x" * 4_000_001)
    ),
    *(
        {**TRACKED, "properties": value}
        for value in list_values(None, [], "x", MappingProxyType({"a": 1}))
    ),
    *({**TRACKED, "properties": {key: "x"}} for key in ("Email", "mail", "user_id", "email")),
    *(
        {**TRACKED, "properties": {"email": value}}
        for value in list_values(None, "", 5, "é@ü.de", "a@b.c")
    ),
    *(
        {**TRACKED, "properties": {"x": value}}
        for value in list_values(math.nan, b"", 10**308, nest_deeply("mixed", 300))
    ),
    with_key(5),
    {**TRACKED, "userId": "u-1", "uid": "x"},
    *(with_context_traits(email=value) for value in list_values(None, "", "x", "a@b.c", 5)),
    *(
        {**with_context_traits(email=value), "properties": {"email": "a@b.c"}}
        for value in list_values(None, "", "x", "d@e.f")
    ),
    *(with_context_traits(**{key: "x"}) for key in ("mail", "user_id", "E-Mail")),
    *(
        buy_product(**{key: value})
        for key in PRODUCT
        for value in list_values(None, "", 0, True, "\ud800", "7")
    ),
    *(
        buy_product(quantity=value)
        for value in list_values(None, 0, 2, 2.0, "2", True, 10**6, 2**63)
    ),
    *(
        buy_product(price=value)
        for value in list_values(10**6, -(10**6), 999_999, math.nan, 10**308)
    ),
    *(buy_product(category=value) for value in list_values(None, "", "a", ["a"], 5)),
    *(buy_product(categories=value) for value in list_values(None, "", "a", ["a"], 5)),
    *(buy_product(category="a", categories=value) for value in list_values(None, "b")),
    *(buy_product(id=value) for value in list_values(None, "x")),
    *(buy_product(**{key: "x"}) for key in ("sku", "Name", "image_url", "imageurl", "dataFields")),
    *(buy_product(**{key: None}) for key in ("sku", "description", "image_url", "url")),
    *(buy_product(x=value) for value in list_values({}, "2023-02-05", math.nan)),
    *(
        {**buy_product(), "properties": buy_product()["properties"] | {key: value}}
        for key in ("total", "Total", "products", "Products", "campaignId", "templateId")
        for value in list_values(None, 0, "5", [], 10**6, [None], [5], True)
    ),
    *(
        {**buy_product(), "properties": {key: value, "total": 5, "products": [PRODUCT]}}
        for key, value in list_values(("Total", 6), ("Products", []), ("Products", None), ("x", 1))
    ),
    {**buy_product(), "event": "Product Added"},
    {**buy_product(), "event": "Added Product now"},
    {**TRACKED, "event": "Product Added"},
    {**TRACKED, "event": "Order Completed"},
    *(
        {**IDENTIFIED, "traits": value}
        for value in list_values(None, [], MappingProxyType({"a": 1}))
    ),
    *(
        {**IDENTIFIED, "traits": {key: value}}
        for key in ("phone", "Phone", "phones", "created", "createdAt", "met", "phoneNumber", "id")
        for value in list_values(
            None, "", "+1", "1", 5, ["+1"], "2023-02-05", "2023-02-05T20:42:10Z"
        )
    ),
    *(
        {**IDENTIFIED, "traits": {"created": value, "createdAt": "2023-02-05"}}
        for value in list_values(None, "2020-01-01", "x")
    ),
    {**IDENTIFIED, "traits": {"timestamp": "x", "id": 5, "a": None, "b": {"c": None}}},
    *(
        {**IDENTIFIED, "traits": dict.fromkeys(keys, "2023-02-05")}
        for keys in (["created_at"], ["created_at", "createdAt"], ["createdAt", "met"], ["Created"])
    ),
    {**IDENTIFIED, "traits": {"signupDate": "x"}},
    {**IDENTIFIED, "traits": {"signupDate": None}},
    *(
        {**IDENTIFIED, "traits": {"profileUpdatedAt": value}}
        for value in list_values(None, "x", math.nan)
    ),
    {**IDENTIFIED, "traits": {"ip": None}, "context": {"ip": "1", "timezone": "x", "os": "y"}},
    {**IDENTIFIED, "traits": {"timeZone": None, "timezone": 1}, "context": {"timezone": "x"}},
    {**IDENTIFIED, "context": {"ip": math.nan}},
    {**IDENTIFIED, "context": {"iterable": {"mergeNestedObjects": True}}},
    {**IDENTIFIED, "context": {"traits": {"email": "a@b.c"}}},
    {**IDENTIFIED, "traits": {"email": "a@b.c"}, "context": {"traits": {"email": "d@e.f"}}},
    *({**PAGE, "name": value} for value in list_values(None, "", 5, "2023-02-05", math.nan, ["a"])),
    *({**PAGE, "category": value} for value in list_values(None, "", 5, "2023-02-05", math.nan)),
    *({**PAGE, "name": None, "category": value} for value in list_values(None, "", "x")),
    {**PAGE, "properties": {"name": "other", "category": "c"}},
    {**PAGE, "properties": None},
    {**PAGE, "properties": {"email": 5}},
    {**PAGE, "type": "screen"},
    {**PAGE, "type": "group"},
    {**PAGE, "type": Plan.PRO},
]


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        NAMED_PAGES,
        Settings(track_named_pages=False),
        Settings(track_categorized_pages=False),
        Settings(track_all_pages=True, track_named_pages=False, track_categorized_pages=False),
        Settings(skip_anonymous=True),
    ],
    ids=["defaults", "own names", "not named", "not categorized", "all", "not anonymous"],
)
def test_the_shortcut_stops_where_the_ordinary_does(settings: Settings) -> None:
    for event in EXTRAORDINARY:
        full_path = MappingProxyType(event)
        assert translate_or_fail(event, settings) == translate_or_fail(full_path, settings)


@pytest.mark.parametrize(
    "event",
    [
        {**with_context_traits(email=False), "properties": {"email": "a@b.c"}},
        {**with_context_traits(email=0)},
        {**with_context_traits(email=None, mail="x")},
        {**IDENTIFIED, "context": {"traits": {"mail": "x"}}},
        {**TRACKED, "integrations": 0},
        {**TRACKED, "integrations": ""},
        {**PAGE, "category": []},
    ],
    ids=["false", "0", "lookalike", "of identify", "integrations 0", "integrations", "category"],
)
def test_the_shortcut_stops_where_something_is_to_be_refused_or_noted(
    event: dict[str, Any],
) -> None:
    assert translate_or_fail(event) == translate_or_fail(MappingProxyType(event))


def count_remembered() -> int:
    """Return how many keys, and sets of keys, are cached."""
    kept = (fast_path._TRAITS, fast_path._FIELDS, fast_path._plans, json_copy._good_keys)
    return sum(map(len, kept))


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limit the caches to a few entries."""
    for module in (fast_path, json_copy):
        monkeypatch.setattr(module, "_MOST_KEYS", 8)
    monkeypatch.setattr(fast_path, "_MOST_PLANS", 3)


@pytest.mark.usefixtures("forgetful")
def test_only_so_many_keys_are_remembered() -> None:
    for number in range(50):
        fields = {f"a{number}": {f"b{number}": 1}, "email": "a@b.c"}
        for event in (
            {**TRACKED, "properties": fields},
            {**IDENTIFIED, "traits": fields},
            buy_product(**{f"c{number}": {f"d{number}": None}}),
        ):
            assert translate_or_fail(event) == translate_or_fail(MappingProxyType(event))
        assert count_remembered() < 50


@pytest.mark.parametrize("key", ["k" * 4_000_000, "k" * 4_000_001, "k" * 2_000, "\ud800", Plan.PRO])
def test_a_key_that_is_long_or_odd_is_not_remembered(key: str) -> None:
    translate({**TRACKED, "properties": {"x": {"x": 1}, "n": None}})
    before = count_remembered()
    for event in (
        {**TRACKED, "properties": {key: 1}},
        {**IDENTIFIED, "traits": {key: 1}},
        buy_product(**{key: 1}),
    ):
        assert translate_or_fail(event) == translate_or_fail(MappingProxyType(event))
    assert count_remembered() - before <= 1


def test_what_is_remembered_is_no_value() -> None:
    event = buy_product(sku="s-1") | {
        "userId": "no one else",
        "context": {"traits": {"email": "a@b.c"}},
    }
    translate(event)
    kept = [fast_path._TRAITS, fast_path._FIELDS, fast_path._plans, json_copy._good_keys]
    assert not [word for word in ("no one else", "a@b.c", "s-1", "p-1") if word in repr(kept)]
