"""What the page asks for is read, or it is said what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest

from iterable_destination import Settings
from iterable_destination.mapping.actions import PRESETS
from iterable_destination.playground.attempt import SWITCHES, WrongAttempt, read_attempt
from tests.playground.asking import encode

EVENT = {"type": "track", "event": "Seen", "userId": "u-1"}
MINE = {
    "name": "Mine",
    "partnerAction": "trackEvent",
    "subscribe": 'type = "track"',
    "mapping": {"userId": "u-1", "eventName": "Mine"},
}


def read(settings: Settings | None = None, **asked: Any) -> Any:
    return read_attempt({"text": encode(EVENT), **asked}, settings or Settings())


def test_an_event_is_read_as_it_was_typed() -> None:
    attempt = read()
    assert (attempt.event, attempt.settings, attempt.subscriptions) == (EVENT, Settings(), ())


def test_what_the_page_does_not_say_is_as_in_the_settings() -> None:
    settings = Settings(track_all_pages=True, mappings=[MINE])
    attempt = read(settings)
    assert attempt.settings == settings
    assert [each.name for each in attempt.subscriptions] == ["Mine"]
    assert read(settings, mappings=None).subscriptions == ()


@pytest.mark.parametrize("name", SWITCHES)
def test_each_switch_switches_its_setting(name: str) -> None:
    for value in (True, False):
        assert getattr(read(switches={name: value}).settings, name) is value


def test_the_presets_and_subscriptions_of_ones_own_are_read() -> None:
    assert read(mappings="presets").subscriptions == PRESETS
    assert [each.name for each in read(mappings=encode([MINE])).subscriptions] == ["Mine"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"text": None}, "there is no event"),
        ({"text": " \n"}, "there is no event"),
        ({"text": "{"}, "no JSON: Expecting property name enclosed in double quotes"),
        ({"text": "[1]"}, "JSON, but no object"),
        ({"text": "[" * 100_000}, "no JSON: nested too deeply to be read"),
        ({"text": "\ud800"}, "no JSON: no UTF-8 at byte 1"),
        ({"switches": [1]}, "switches: must be an object"),
        ({"switches": {"track_all_pages": 1}}, "track_all_pages: must be true or false"),
        ({"mappings": "["}, "mappings: no JSON: "),
        ({"mappings": "{}"}, "mappings: must be a JSON list of subscriptions"),
        ({"mappings": 5}, "mappings: must be a JSON list of subscriptions"),
        ({"mappings": "\ud800"}, "mappings: no JSON: "),
        ({"mappings": "[5]"}, "mappings[0]: a subscription is an object, not a number"),
    ],
)
def test_what_is_wrong_is_said(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(WrongAttempt) as caught:
        read(**asked)
    assert str(caught.value).startswith(words)


def test_settings_that_the_page_has_no_switch_for_are_not_switched() -> None:
    assert read(switches={"api_key": "a-key", "enabled": False}).settings == Settings()
