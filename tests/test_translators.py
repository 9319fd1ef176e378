"""Which mapping an event goes through: the classic one, or that of the settings, everywhere."""

from __future__ import annotations

import pickle
import re
from typing import Any

import attrs
import pytest

from iterable_destination import Destination, DestinationFunction, Settings, translate
from iterable_destination.actions import PRESETS, PRESETS_JSON, MappedTranslator, Subscription
from iterable_destination.calls import Call
from iterable_destination.errors import InvalidEvent, InvalidSettings, InvalidSubscription
from iterable_destination.functions import METHODS, Returned
from iterable_destination.testing import LocalIterable
from tests.golden_cases import CLASSIC, cases

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


def test_a_function_may_choose_the_mapping_itself() -> None:
    class Own(Twice):
        def translate(self, event: dict[str, Any], settings: Settings, /) -> Any:
            return MappedTranslator([Subscription.from_json(MOVED)])(event, settings)

    assert names(Own()(SEEN, Settings()).calls) == ["Moved", "Moved"]
    assert names(Own()(GROUP, Settings()).calls) == ["Moved"]
