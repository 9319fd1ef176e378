"""Which mapping an event goes through: the classic one, or that of the settings, everywhere."""

from __future__ import annotations

import pickle
import re
from typing import Any

import attrs
import pytest

from iterable_destination import Destination, DestinationFunction, Settings, translate
from iterable_destination.errors import InvalidEvent, InvalidSettings, InvalidSubscription
from iterable_destination.mapping.actions import (
    PRESETS,
    PRESETS_JSON,
    MappedTranslator,
    Subscription,
)
from iterable_destination.mapping.function import METHODS, Returned
from iterable_destination.mapping.translate import translator_for
from iterable_destination.model.calls import Call
from iterable_destination.testing import LocalIterable
from tests.support.golden_cases import CLASSIC, cases

MOVED = {
    "name": "Moved",
    "partnerAction": "trackEvent",
    "subscribe": 'type = "group" or type = "track"',
    "mapping": {"userId": {"@path": "$.userId"}, "eventName": "Moved"},
}
OWN = Settings(mappings=[MOVED])
SEEN = {"type": "track", "userId": "u-1", "messageId": "m-1", "event": "Seen"}
GROUP = {"type": "group", "userId": "u-1", "messageId": "m-2"}


CASES = cases(CLASSIC)


def names(calls: tuple[Call, ...]) -> list[Any]:
    return [call.body().get("eventName") for call in calls]


@pytest.mark.parametrize("name", CASES)
def test_settings_with_mappings_translate_as_these_do(name: str) -> None:
    event = CASES[name]["input"]
    settings, mapped = Settings(mappings=PRESETS_JSON), MappedTranslator(PRESETS)
    try:
        expected = mapped(event, settings)
    except InvalidEvent as error:
        with pytest.raises(InvalidEvent, match=f"^{re.escape(str(error))}$"):
            translate(event, settings)
    else:
        assert translate(event, settings) == expected


def test_subscriptions_may_be_read_already() -> None:
    read = Subscription.from_json(MOVED)
    assert names(translate(GROUP, Settings(mappings=[read])).calls) == ["Moved"]
    assert translate(GROUP, Settings(mappings=(read, MOVED))).subscriptions == ("Moved", "Moved")


def test_no_mappings_at_all_are_a_mapped_destination_too() -> None:
    assert translate(SEEN, Settings(mappings=[])).skipped is not None
    assert names(translate(SEEN, Settings(mappings=None)).calls) == ["Seen"]


def test_other_settings_count_for_mappings_too() -> None:
    nobody = {"type": "track", "event": "Seen"}
    with pytest.raises(InvalidEvent, match=r"^Moved: "):
        translate(nobody, OWN)
    assert "anonymous" in str(translate(nobody, attrs.evolve(OWN, skip_anonymous=True)).skipped)


def test_a_destination_takes_its_mappings_from_its_settings() -> None:
    with LocalIterable() as iterable:
        settings = attrs.evolve(OWN, api_key=iterable.api_key, base_url=iterable.url)
        with Destination(settings) as to:
            assert [to.send(SEEN).name, *(each.name for each in to.send_all([GROUP]))] == [
                "delivered"
            ] * 2
        assert [each["eventName"] for each in iterable.project.events("u-1")] == ["Moved"] * 2


def test_a_translator_that_is_handed_in_wins_over_the_mappings() -> None:
    with LocalIterable() as iterable:
        settings = attrs.evolve(OWN, api_key=iterable.api_key, base_url=iterable.url)
        classic = attrs.evolve(settings, mappings=None)
        with Destination(settings, translator=lambda event, _: translate(event, classic)) as to:
            to.send(SEEN)
        assert [each["eventName"] for each in iterable.project.events("u-1")] == ["Seen"]


WRONG = [MOVED, MOVED | {"partnerAction": "nope", "subscribe": "type ="}]
PROBLEMS = (
    r"^mappings\[1\]\.partnerAction: no such action; .*; mappings\[1\]\.subscribe: at character 7: "
)


@pytest.mark.parametrize("translator", [None, DestinationFunction()])
def test_wrong_mappings_are_found_before_there_is_an_event(translator: Any) -> None:
    with pytest.raises(InvalidSubscription, match=PROBLEMS):
        Destination(Settings(api_key="k", mappings=WRONG), translator=translator)


def test_wrong_mappings_are_found_by_translate_each_time() -> None:
    for _ in range(2):
        with pytest.raises(InvalidSubscription, match=PROBLEMS):
            translate(SEEN, Settings(mappings=WRONG))
    with pytest.raises(InvalidSubscription, match=r"^mappings: 51 subscriptions; "):
        translate(SEEN, Settings(mappings=[MOVED] * 51))


@pytest.mark.parametrize("given", ["[]", {"0": MOVED}, 1, True])
def test_mappings_are_a_list(given: Any) -> None:
    with pytest.raises(InvalidSettings, match=r"^mappings: must be a list, not "):
        Settings(mappings=given)
    with pytest.raises(InvalidSettings, match=r"^mappings: must be a list, not "):
        Settings.from_mapping({"mappings": given})


def test_mappings_are_settings_like_others() -> None:
    assert Settings.from_mapping({"mappings": [MOVED]}) == OWN
    assert Settings.from_mapping({"mappings": None}) == Settings()
    assert OWN != Settings(mappings=[]) != Settings()
    assert len({OWN, Settings(mappings=[MOVED]), Settings(mappings=[]), Settings()}) == 3
    assert "mappings=[...]" in repr(OWN)
    assert pickle.loads(pickle.dumps(OWN)) == OWN  # noqa: S301 - our own
    read = Settings(mappings=PRESETS)
    assert pickle.loads(pickle.dumps(read)) == read  # noqa: S301 - our own


@pytest.mark.parametrize("values", [(True, 1, 1.0), (0, False, -0.0), (5, 5.0)], ids=str)
def test_mappings_that_are_equal_to_python_are_not_taken_for_each_other(values: Any) -> None:
    for value in values:
        mapping = {"userId": "u-1", "eventName": "Moved", "dataFields": {"v": value}}
        [call] = translate(SEEN, Settings(mappings=[MOVED | {"mapping": mapping}])).calls
        assert repr(call.body()["dataFields"]) == repr({"v": value})
    translate(SEEN, OWN)
    with pytest.raises(InvalidSubscription, match=r"^mappings\[0\]\.enabled: must be true or fal"):
        translate(SEEN, Settings(mappings=[MOVED | {"enabled": 1}]))


def test_mappings_are_read_once_for_each_settings() -> None:
    many = [Settings(mappings=[MOVED]) for _ in range(100)]
    read = [translator_for(settings) for settings in many]
    assert [translator_for(settings) for settings in many] == read
    assert len(set(map(id, read))) == 100
    copies = [attrs.evolve(many[0]), pickle.loads(pickle.dumps(many[0]))]  # noqa: S301 - our own
    for each in copies:
        assert names(translate(SEEN, each).calls) == ["Moved"]


# A function around mappings -----------------------------------------------------------------------


class Twice(DestinationFunction):
    """Sends what is tracked a second time."""

    def on_track(self, event: dict[str, Any], settings: Settings, /) -> Returned:
        return list(self.translate(event, settings).calls) * 2


@pytest.mark.parametrize("its_type", sorted(METHODS))
def test_a_function_that_does_nothing_is_the_mapping(its_type: str) -> None:
    event = SEEN | {"type": its_type}
    assert DestinationFunction()(event, OWN) == translate(event, OWN)
    assert DestinationFunction()(event, Settings()) == translate(event, Settings())


def test_a_function_may_stand_around_mappings() -> None:
    assert names(Twice()(SEEN, OWN).calls) == ["Moved", "Moved"]
    assert names(Twice()(SEEN, Settings()).calls) == ["Seen", "Seen"]


@pytest.mark.parametrize(
    ("integrations", "count"),
    [
        ({"Iterable (Actions)": False}, 0),
        ({"All": False}, 0),
        ({"All": False, "Iterable (Actions)": True}, 2),
        ({"Iterable": True, "Actions Iterable": False}, 0),
    ],
)
def test_what_is_switched_off_for_a_mapped_destination_comes_to_no_function(
    integrations: dict[str, bool], count: int
) -> None:
    assert len(Twice()(SEEN | {"integrations": integrations}, OWN).calls) == count


PROFILE = MOVED | {
    "name": "Profile",
    "partnerAction": "updateUser",
    "mapping": {"userId": {"@path": "$.userId"}, "dataFields": {"a": 1}},
}
BAD = MOVED | {"name": "Bad", "mapping": {"userId": {"@path": "$.userId"}}}


class Chosen(DestinationFunction):
    """Sends calls of the mapping as it likes."""

    def __init__(self, choose: Any) -> None:
        self._choose = choose

    def on_track(self, event: dict[str, Any], settings: Settings, /) -> Returned:
        returned: Returned = self._choose(self.translate(event, settings))
        return returned


@pytest.mark.parametrize(
    "choose",
    [
        lambda made: list(made.calls),
        lambda made: made.calls[::-1],
        lambda made: [*made.calls, made.calls[0]],
        lambda made: made.calls[0],
    ],
    ids=["all", "reversed", "more", "one"],
)
def test_calls_that_a_function_chose_are_of_no_subscriptions(choose: Any) -> None:
    made = Chosen(choose)(SEEN, Settings(mappings=[MOVED, PROFILE, BAD]))
    assert (made.subscriptions, made.errors, made.message_id) == ((), (), "m-1")
    assert made.calls


def test_a_translation_that_a_function_returns_keeps_its_subscriptions() -> None:
    settings = Settings(mappings=[MOVED, PROFILE, BAD])
    assert Chosen(lambda made: made)(SEEN, settings) == translate(SEEN, settings)
    assert translate(SEEN, settings).subscriptions == ("Moved", "Profile")


@pytest.mark.parametrize("function", [DestinationFunction(), Twice(), Chosen(lambda made: made)])
def test_mistakes_in_mappings_are_not_called_the_functions(function: Any) -> None:
    with pytest.raises(InvalidSubscription, match=PROBLEMS):
        function(SEEN, Settings(mappings=WRONG))


def test_a_function_may_choose_the_mapping_itself() -> None:
    class Own(Twice):
        def translate(self, event: dict[str, Any], settings: Settings, /) -> Any:
            return MappedTranslator([Subscription.from_json(MOVED)])(event, settings)

    assert names(Own()(SEEN, Settings()).calls) == ["Moved", "Moved"]
    assert names(Own()(GROUP, Settings()).calls) == ["Moved"]
