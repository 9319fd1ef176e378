"""identify: the profile."""

from __future__ import annotations

from typing import Any

import pytest

from iterable_destination.errors import InvalidEvent
from iterable_destination.mapping.translate import translate
from iterable_destination.model.endpoints import MANAGED_FIELDS

IDENTIFY: dict[str, Any] = {"type": "identify", "userId": "u-1"}
FROM_CONTEXT = ["app", "device", "ip", "locale", "location", "page", "timezone", "userAgent"]


def profile(traits: Any, **event: Any) -> Any:
    return translate({**IDENTIFY, "traits": traits, **event}).calls[0].body()["dataFields"]


def notes(traits: Any, **event: Any) -> list[tuple[str, str]]:
    result = translate({**IDENTIFY, "traits": traits, **event})
    return [(note.path, note.message) for note in result.notes]


@pytest.mark.parametrize("name", ["context", "options"])
def test_some_fields_of_the_context_go_on_the_profile(name: str) -> None:
    context = {key: f"my {key}" for key in [*FROM_CONTEXT, "library", "timeZone", "campaign", "os"]}
    expected = {key: f"my {key}" for key in FROM_CONTEXT if key != "timezone"}
    assert profile({}, **{name: context}) == expected | {"timeZone": "my timezone"}


@pytest.mark.parametrize("key", FROM_CONTEXT)
@pytest.mark.parametrize("value", ["own", None, "", 0], ids=repr)
def test_a_trait_hides_the_field_of_the_context(key: str, value: Any) -> None:
    name = "timeZone" if key == "timezone" else key
    expected = {} if value is None else {name: value}
    assert profile({name: value}, context={key: "context's"}) == expected


def test_a_hidden_field_of_the_context_is_not_judged() -> None:
    assert profile({"page": "own"}, context={"page": object()}) == {"page": "own"}


@pytest.mark.parametrize("key", ["timeZone", "time_zone", "TimeZone", "TIMEZONE", "time zone"])
def test_the_time_zone_has_other_spellings(key: str) -> None:
    context = {key: "Europe/Oslo", "locale": "nb-NO"}
    assert profile({}, context=context) == {"timeZone": "Europe/Oslo", "locale": "nb-NO"}
    assert profile({"timeZone": "own"}, context={key: "x"}) == {"timeZone": "own"}
    both = {key: "x", "timezone": "Europe/Oslo"}
    assert profile({}, context=both) == {"timeZone": "Europe/Oslo"}


def test_a_created_that_can_be_two_dates_gives_no_met() -> None:
    said = "can be read as two dates, so it gives no met"
    assert profile({"created": "05/02/2023"}) == {"created": "05/02/2023"}
    assert notes({"createdAt": "05/02/2023"}) == [("traits.createdAt", said)]
    assert profile({"created": "15/02/2023"})["met"] == "2023-02-15 00:00:00 +00:00"


def test_a_trait_timezone_hides_nothing() -> None:
    expected = {"timezone": "own", "timeZone": "context's"}
    assert profile({"timezone": "own"}, context={"timezone": "context's"}) == expected


def test_nulls_are_dropped_at_the_top_only() -> None:
    empty: dict[str, Any] = {"e": "", "f": 0, "g": False, "h": []}
    traits = {"a": None, "b": {"c": None, "d": [None]}, **empty}
    context = {"ip": None, "page": {"path": None}}
    assert profile(traits, context=context) == {
        "page": {"path": None},
        "b": {"c": None, "d": [None]},
        **empty,
    }


def test_some_traits_are_left_out_by_exact_spelling() -> None:
    traits = {"id": 5, "timestamp": "2023-02-05", "ID": 6, "Timestamp": "x", "email": "a@b.c"}
    assert profile(traits) == {"ID": 6, "Timestamp": "x", "email": "a@b.c"}


@pytest.mark.parametrize(
    ("traits", "expected"),
    [
        ({"phone": "+1"}, {"phoneNumber": "+1"}),
        ({"phone": ""}, {"phoneNumber": ""}),
        ({"phone": 5}, {"phoneNumber": "5"}),
        ({"phone": 4722334455.0}, {"phoneNumber": "4722334455"}),
        ({"phone": True}, {"phoneNumber": True}),
        ({"phones": [5]}, {"phones": [5], "phoneNumber": "5"}),
        ({"phoneNumber": 5}, {"phoneNumber": "5"}),
        ({"phoneNumber": ""}, {"phoneNumber": ""}),
        ({"phone": "", "phones": ["+2"]}, {"phoneNumber": "+2", "phones": ["+2"]}),
        ({"phone": "", "phones": [""]}, {"phoneNumber": "", "phones": [""]}),
        ({"phone": "", "phones": [None]}, {"phoneNumber": "", "phones": [None]}),
        ({"phone": "", "phoneNumber": "+2"}, {"phoneNumber": "+2"}),
        (
            {"phone": None, "phones": [""], "phoneNumber": "+2"},
            {"phoneNumber": "+2", "phones": [""]},
        ),
        ({"phone": None}, {}),
        ({"phone": "+1", "phoneNumber": "+2"}, {"phoneNumber": "+1"}),
        ({"phone": None, "phoneNumber": "+2"}, {"phoneNumber": "+2"}),
        ({"phone": "+1", "phones": ["+2"]}, {"phoneNumber": "+1", "phones": ["+2"]}),
        ({"phone": None, "phones": ["+2", "+3"]}, {"phoneNumber": "+2", "phones": ["+2", "+3"]}),
        ({"phones": ["+2", "+3"]}, {"phoneNumber": "+2", "phones": ["+2", "+3"]}),
        ({"Phones": ("+2",)}, {"phoneNumber": "+2", "Phones": ["+2"]}),
        ({"phones": [""]}, {"phoneNumber": "", "phones": [""]}),
        ({"phones": [None, "+3"]}, {"phones": [None, "+3"]}),
        ({"phones": []}, {"phones": []}),
        ({"phones": "+2"}, {"phones": "+2"}),
        ({"phones": {"0": "+2"}}, {"phones": {"0": "+2"}}),
        ({"phones": ["+2"], "phoneNumber": "+9"}, {"phones": ["+2"], "phoneNumber": "+2"}),
        ({"Phone": "+1"}, {"Phone": "+1", "phoneNumber": "+1"}),
        ({"Phone": "+1", "phone": "+2"}, {"Phone": "+1", "phoneNumber": "+1"}),
        ({"": "+1"}, {"": "+1"}),
        ({"": ["+1"]}, {"": ["+1"]}),
        ({"": ["+1"], "phone": None}, {"": ["+1"]}),
        ({"": "+1", "phones": []}, {"": "+1", "phones": []}),
    ],
    ids=str,
)
def test_the_phone_moves(traits: dict[str, Any], expected: dict[str, Any]) -> None:
    assert profile(traits) == expected


@pytest.mark.parametrize(
    ("traits", "path"),
    [
        ({"phone": "0123"}, "traits.phone"),
        ({"PHONE": "0123"}, "traits.PHONE"),
        ({"phones": ["0123"]}, "traits.phones[0]"),
        ({"phone": None, "Phones": ["0123"]}, "traits.Phones[0]"),
        ({"phone": "+123"}, None),
        ({"phone": ""}, None),
        ({"phoneNumber": "0123"}, "traits.phoneNumber"),
        ({"phoneNumber": "+123"}, None),
        ({"phone": True}, None),
        ({"phones": ["+1", "0123"]}, None),
    ],
    ids=str,
)
def test_a_phone_without_a_country_code_is_noted(traits: dict[str, Any], path: str | None) -> None:
    said = "Iterable shows a phone number only with + and country code"
    assert notes(traits) == ([] if path is None else [(path, said)])


@pytest.mark.parametrize(
    ("traits", "path"),
    [
        ({"phone": 123}, "traits.phone"),
        ({"phones": [123]}, "traits.phones[0]"),
        ({"phoneNumber": 123.0}, "traits.phoneNumber"),
    ],
    ids=str,
)
def test_a_phone_that_is_a_number_is_noted(traits: dict[str, Any], path: str) -> None:
    said = "a number, sent as a string; write it with + and country code"
    assert notes(traits) == [(path, said)]


@pytest.mark.parametrize(
    ("traits", "met"),
    [
        ({"created": "2023-02-05"}, "2023-02-05 00:00:00 +00:00"),
        ({"Created": 1_675_555_200}, "2023-02-05 00:00:00 +00:00"),
        ({"createdAt": "2023-02-05"}, "2023-02-05 00:00:00 +00:00"),
        ({"created_at": 1_675_555_200_000}, "2023-02-05 00:00:00 +00:00"),
        ({"created": "2023-02-05", "createdAt": "2024-01-01"}, "2023-02-05 00:00:00 +00:00"),
        ({"createdAt": "2024-01-01", "created": "2023-02-05"}, "2023-02-05 00:00:00 +00:00"),
        ({"created": None, "createdAt": "2023-02-05"}, "2023-02-05 00:00:00 +00:00"),
        ({"created": "x", "createdAt": "2023-02-05"}, None),
        ({"created": "x"}, None),
        ({"created": None}, None),
        ({"created": "x", "met": "then"}, "then"),
        ({"met": "then"}, "then"),
        ({"created": "2023-02-05", "met": "then"}, "2023-02-05 00:00:00 +00:00"),
    ],
    ids=str,
)
def test_the_user_is_known_since_created(traits: dict[str, Any], met: str | None) -> None:
    assert profile(traits).get("met") == met


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        ("2023-02-05T20:42:10.123+02:00", "2023-02-05 18:42:10 +00:00"),
        (0, "1970-01-01 00:00:00 +00:00"),
        (None, None),
    ],
)
def test_the_profile_is_updated_when_it_happened(timestamp: Any, expected: str | None) -> None:
    traits = {"timestamp": "2020-01-01"}
    assert profile(traits, timestamp=timestamp).get("profileUpdatedAt") == expected


def test_what_the_event_says_outweighs_the_trait_of_that_name() -> None:
    traits = {"profileUpdatedAt": "then"}
    assert profile(traits) == {"profileUpdatedAt": "then"}
    expected = {"profileUpdatedAt": "1970-01-01 00:00:00 +00:00"}
    assert profile(traits, timestamp=0) == expected


def test_fields_that_iterable_keeps_itself_are_sent_and_noted() -> None:
    traits: dict[str, Any] = dict.fromkeys(sorted(MANAGED_FIELDS, reverse=True), "x")
    traits["other"] = 1
    assert profile(traits) == traits
    said = "is a field that Iterable keeps itself"
    assert notes(traits) == [(f"traits.{key}", said) for key in sorted(MANAGED_FIELDS)]
    assert notes({"profileUpdatedAt": "x", "signupDate": None}) == []


@pytest.mark.parametrize(
    ("given", "expected", "noted"),
    [
        (True, True, None),
        (False, False, None),
        ("true", True, 'the string "true", taken as true'),
        ("false", False, 'the string "false", taken as false'),
        (None, None, None),
    ],
)
def test_nested_objects_are_merged_as_the_event_says(
    given: Any,
    expected: bool | None,  # noqa: FBT001
    noted: str | None,
) -> None:
    integrations = {"Iterable": {"mergeNestedObjects": given}}
    result = translate({**IDENTIFY, "integrations": integrations})
    path = "integrations.Iterable.mergeNestedObjects"
    assert result.calls[0].body().get("mergeNestedObjects") is expected
    assert [(note.path, note.message) for note in result.notes] == (
        [] if noted is None else [(path, noted)]
    )


@pytest.mark.parametrize("given", ["True", "yes", "", 1, 0, []], ids=repr)
def test_nested_objects_are_merged_or_not_and_nothing_else(given: Any) -> None:
    integrations = {"Iterable": {"mergeNestedObjects": given}}
    with pytest.raises(InvalidEvent) as caught:
        translate({**IDENTIFY, "integrations": integrations})
    [problem] = caught.value.problems
    assert problem.path == "integrations.Iterable.mergeNestedObjects"


def test_a_whole_identify() -> None:
    event = {
        "type": "identify",
        "userId": "u-1",
        "timestamp": "2023-02-05T20:42:10Z",
        "traits": {"email": "ada@example.com", "phone": "+1", "createdAt": "2020-01-01"},
        "context": {"ip": "8.8.8.8", "timezone": "Europe/Berlin"},
    }
    assert translate(event).calls[0].body() == {
        "email": "ada@example.com",
        "userId": "u-1",
        "dataFields": {
            "ip": "8.8.8.8",
            "timeZone": "Europe/Berlin",
            "email": "ada@example.com",
            "createdAt": "2020-01-01 00:00:00 +00:00",
            "phoneNumber": "+1",
            "profileUpdatedAt": "2023-02-05 20:42:10 +00:00",
            "met": "2020-01-01 00:00:00 +00:00",
        },
    }


@pytest.mark.parametrize("created", [[], {}, ["2023-02-05"], "soon", True, "2023-02-31"], ids=repr)
def test_a_created_that_is_no_date_is_not_replaced_by_created_at(created: Any) -> None:
    traits = {"created": created, "createdAt": "2023-02-05"}
    assert "met" not in profile(traits)


@pytest.mark.parametrize("created", [None, "", 0, False], ids=repr)
def test_a_created_that_says_nothing_leaves_it_to_created_at(created: Any) -> None:
    traits = {"created": created, "createdAt": "2023-02-05"}
    assert profile(traits)["met"] == "2023-02-05 00:00:00 +00:00"
