"""The setting ``nan_as_null``, for both mappings."""

from __future__ import annotations

from typing import Any

import pytest

from iterable_destination import (
    Destination,
    DestinationFunction,
    InvalidEvent,
    Note,
    Settings,
    translate,
)
from iterable_destination.mapping.translate import translator_for

NAN = float("nan")
MAPPINGS = [
    {
        "name": "Mine",
        "partnerAction": "updateUser",
        "subscribe": 'type = "identify"',
        "mapping": {"userId": {"@path": "$.userId"}, "dataFields": {"@path": "$.traits"}},
    }
]
WAYS = pytest.mark.parametrize("mappings", [None, MAPPINGS], ids=["classic", "mapped"])


def event() -> dict[str, Any]:
    return {"type": "identify", "userId": "u-1", "traits": {"plan": NAN, "seats": 3}}


@WAYS
def test_nan_is_null_if_that_is_asked_for(mappings: Any) -> None:
    settings = Settings(nan_as_null=True, mappings=mappings)
    translation = translate(event(), settings)
    assert translation.notes == (Note("traits.plan", "NaN, taken as null", "nan-as-null"),)
    fields = translation.calls[0].body()["dataFields"]
    assert fields == {"seats": 3} | ({} if mappings is None else {"plan": None})
    assert translate(event() | {"traits": {}}, settings).notes == ()


@WAYS
def test_else_it_is_refused(mappings: Any) -> None:
    with pytest.raises(InvalidEvent, match="plan: is NaN"):
        translate(event(), Settings(mappings=mappings))


def test_what_is_wrong_besides_is_refused_all_the_same() -> None:
    with pytest.raises(InvalidEvent, match=r"^userId: Must set either userId or email$"):
        translate(event() | {"userId": NAN}, Settings(nan_as_null=True))


def test_explanations_and_reasons_are_those_of_the_mapping() -> None:
    settings = Settings(nan_as_null=True, mappings=MAPPINGS)
    translator = translator_for(settings)
    [explained] = translator.explain(event(), settings)
    assert explained.fired
    assert explained.payload["dataFields"] == {"plan": None, "seats": 3}
    skipped = event() | {"integrations": {"Iterable": False}}
    assert translator(skipped, settings).skipped is not None


def test_a_destination_obeys_it() -> None:
    with Destination(Settings(enabled=False, nan_as_null=True)) as to:
        outcome = to.send(event())
        assert (outcome.name, len(outcome.notes)) == ("skipped", 1)


@WAYS
def test_a_function_skips_what_the_mapping_skips(mappings: Any) -> None:
    class Function(DestinationFunction):
        def on_identify(self, *_: Any) -> None:
            raise AssertionError("it is switched off")

    settings = Settings(nan_as_null=True, mappings=mappings)
    skipped = event() | {"integrations": {"Iterable": False}}
    assert Function()(skipped, settings).skipped == "integrations.Iterable is false"
