"""page and screen: which are sent, and by which name."""

from __future__ import annotations

from typing import Any

import pytest

from iterable_destination.errors import InvalidEvent
from iterable_destination.mapping.translate import translate
from iterable_destination.model.settings import Settings

BY_OWN_NAME = Settings(map_all_pages_to_single_event_name=False, track_all_pages=True)
NONE = Settings(track_categorized_pages=False, track_named_pages=False)
CATEGORIZED = Settings(track_named_pages=False)
NAMED = Settings(track_categorized_pages=False)
ALL = Settings(track_all_pages=True, track_categorized_pages=False, track_named_pages=False)


def page(**fields: Any) -> dict[str, Any]:
    return {"type": "page", "userId": "u-1", **fields}


@pytest.mark.parametrize("call_type", ["page", "screen"])
@pytest.mark.parametrize(
    ("fields", "settings", "would_send"),
    [
        ({}, Settings(), "track_all_pages"),
        ({}, ALL, None),
        ({"name": "x"}, Settings(), None),
        ({"category": "x"}, Settings(), None),
        ({"name": "x"}, NAMED, None),
        ({"category": "x"}, CATEGORIZED, None),
        ({"name": "x"}, CATEGORIZED, "track_named_pages or track_all_pages"),
        ({"category": "x"}, NAMED, "track_categorized_pages or track_all_pages"),
        ({"name": "x", "category": "x"}, NAMED, None),
        ({"name": "x", "category": "x"}, CATEGORIZED, None),
        (
            {"name": "x", "category": "x"},
            NONE,
            "track_categorized_pages or track_named_pages or track_all_pages",
        ),
        ({"name": "x", "category": "x"}, ALL, None),
        ({"name": "", "category": None}, Settings(), "track_all_pages"),
        ({"properties": {"name": "x", "category": "x"}}, Settings(), "track_all_pages"),
    ],
)
def test_a_page_is_sent_if_a_setting_asks_for_it(
    call_type: str, fields: dict[str, Any], settings: Settings, would_send: str | None
) -> None:
    said = f"no setting asks for this {call_type}: {would_send} would send it"
    expected = None if would_send is None else said
    assert translate({**page(**fields), "type": call_type}, settings).skipped == expected


@pytest.mark.parametrize(
    ("call_type", "fields", "settings", "name"),
    [
        ("page", {"name": "Home", "category": "Docs"}, ALL, "Loaded a Page"),
        ("screen", {"name": "Home", "category": "Docs"}, ALL, "Loaded a Screen"),
        ("page", {"name": "Home", "category": "Docs"}, BY_OWN_NAME, "Home page"),
        ("screen", {"name": "Home", "category": "Docs"}, BY_OWN_NAME, "Home screen"),
        ("page", {"category": "Docs"}, BY_OWN_NAME, "Docs page"),
        ("screen", {"name": "", "category": "Docs"}, BY_OWN_NAME, "Docs screen"),
        ("page", {"name": 404}, BY_OWN_NAME, "404 page"),
        ("page", {}, BY_OWN_NAME, "Loaded a Page"),
        ("screen", {"name": "", "category": ""}, BY_OWN_NAME, "Loaded a Screen"),
        ("page", {"properties": {"name": "x"}}, BY_OWN_NAME, "Loaded a Page"),
        ("page", {"name": "2023-02-05"}, BY_OWN_NAME, "2023-02-05 page"),
    ],
)
def test_a_page_is_named(
    call_type: str, fields: dict[str, Any], settings: Settings, name: str
) -> None:
    event = {**page(**fields), "type": call_type}
    assert translate(event, settings).calls[0].body()["eventName"] == name


@pytest.mark.parametrize("key", ["name", "category"])
@pytest.mark.parametrize(
    ("value", "words"), [(["a"], "a list"), ({"a": 1}, "an object"), (True, "a boolean")]
)
def test_what_names_a_page_is_a_text(key: str, value: Any, words: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        translate(page(**{key: value}), BY_OWN_NAME)
    assert str(caught.value) == f"{key}: must be a string, not {words}"


def test_what_does_not_name_a_page_may_be_any_json() -> None:
    body = translate(page(name=["a"], category={"b": "2023-02-05"})).calls[0].body()
    expected = {"name": ["a"], "category": {"b": "2023-02-05 00:00:00 +00:00"}}
    assert body["dataFields"] == expected


def test_the_fields_are_the_properties_and_the_calls_own() -> None:
    event = page(
        name="Home",
        category="Docs",
        timestamp="2023-02-05T20:42:10Z",
        context={"traits": {"email": "ada@example.com"}},
        properties={"name": "other", "url": "/", "title": None},
    )
    assert translate(event).calls[0].body() == {
        "email": "ada@example.com",
        "userId": "u-1",
        "eventName": "Loaded a Page",
        "createdAt": 1_675_629_730,
        "dataFields": {"name": "Home", "url": "/", "title": None, "category": "Docs"},
    }


def test_an_empty_name_does_not_hide_the_property() -> None:
    event = page(name="", category=None, properties={"name": "other", "category": "kept"})
    fields = translate(event, ALL).calls[0].body()["dataFields"]
    assert fields == {"name": "other", "category": "kept"}
