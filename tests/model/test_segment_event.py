"""Reading an event: folding, precedence, options, switches and identity."""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from decimal import Context, Decimal, Inexact, Rounded, localcontext
from enum import Enum, StrEnum
from typing import Any
from uuid import UUID

import pytest

from iterable_destination.errors import InvalidEvent
from iterable_destination.mapping.actions import MappedTranslator
from iterable_destination.mapping.translate import translate
from iterable_destination.model.calls import Identity
from iterable_destination.model.segment_event import (
    LOOKALIKE_EMAILS,
    LOOKALIKE_USER_IDS,
    as_id,
    looks_like_email,
    read_header,
    unreadable_event,
)
from iterable_destination.model.settings import Settings
from tests.support.lazy import Lazy, Unreadable, build_lazy_text

TRACK: dict[str, Any] = {"type": "track", "event": "Signed Up"}
IDENTIFY: dict[str, Any] = {"type": "identify", "userId": "u-1"}


class Call(Enum):
    IDENTIFY = "identify"


class Kind(StrEnum):
    TRACK = "track"


def build_body(event: Any) -> Any:
    return translate(event).calls[0].body()


def list_notes(event: Any) -> list[tuple[str, str]]:
    return [(note.path, note.message) for note in translate(event).notes]


def list_problems(event: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidEvent) as caught:
        translate(event)
    return [(problem.path, problem.message) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("user_id", "expected"),
    [
        ("a@b.c", True),
        ("my a@b.c!", True),
        ("a@@b.c", True),
        ("a@b..", True),
        ("@b.c", False),
        ("a@.c", False),
        ("a@b.", False),
        ("a@bc", False),
        ("a.b", False),
        ("", False),
        (None, False),
        (5, False),
        (["a@b.c"], False),
        ("a@b.c".rjust(999), True),
        ("a@b.c".rjust(1000), False),
    ],
)
def test_a_user_id_looks_like_an_email_or_not(user_id: Any, expected: bool) -> None:  # noqa: FBT001
    assert looks_like_email(user_id) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, "5"),
        (0, "0"),
        (-5, "-5"),
        (1.0, "1"),
        (100.0, "100"),
        (1.50, "1.5"),
        (0.1, "0.1"),
        (1e21, "1000000000000000000000"),
        (1e-7, "0.0000001"),
        (10**307, "1" + "0" * 307),
        (10**308 - 1, "9" * 308),
        (1 - 10**308, "-" + "9" * 308),
    ],
)
def test_a_number_becomes_its_decimal_string(value: Any, expected: str) -> None:
    assert as_id(value) == expected


def test_a_number_becomes_its_decimal_string_in_any_decimal_context() -> None:
    with localcontext(Context(prec=2, traps=[Inexact, Rounded])):
        assert as_id(0.1234567890123456) == "0.1234567890123456"


@pytest.mark.parametrize(
    "value",
    ["5", "", None, True, False, [], {}, math.inf, math.nan, 10**308, -(10**308), 10**5000],
    ids=lambda value: type(value).__name__,
)
def test_anything_else_is_no_number_to_become_a_string(value: Any) -> None:
    assert as_id(value) is value


# --- The event itself --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (None, "an event is an object, not null"),
        ("{}", "an event is an object, not a string"),
        (["type", "track"], "an event is an object, not a list"),
        (5, "an event is an object, not a number"),
        (True, "an event is an object, not a boolean"),
        (b"{}", "an event is an object, not a value of type bytes"),
        (object(), "an event is an object, not a value of type object"),
    ],
)
def test_an_event_is_an_object(event: Any, message: str) -> None:
    assert list_problems(event) == [("$", message)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "missing"),
        ({"type": None}, "missing"),
        ({"type": ""}, "missing"),
        ({"Type": "track"}, "missing"),
        ({"type": 5}, "must be a string, not a number"),
        ({"type": True}, "must be a string, not a boolean"),
        ({"type": ["track"]}, "must be a string, not a list"),
        ({"type": {}}, "must be a string, not an object"),
        ({"type": b"track"}, "must be a string, not a value of type bytes"),
        ({"type": math.nan}, "must be a string, not NaN"),
    ],
)
def test_an_event_has_a_type(given: dict[str, Any], message: str) -> None:
    assert list_problems({**given, "userId": "u-1", "integrations": {"All": False}}) == [
        ("type", message)
    ]


def test_the_type_may_be_an_enum() -> None:
    assert build_body({**TRACK, "type": Kind.TRACK, "userId": "u-1"})["eventName"] == "Signed Up"


def test_the_type_may_be_an_enum_that_is_no_string() -> None:
    event = {**IDENTIFY, "type": Call.IDENTIFY, "traits": {"plan": "pro"}}
    assert build_body(event) == build_body({**event, "type": "identify"})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("m-1", "m-1"),
        ("", None),
        (5, "5"),
        (1.0, "1"),
        (Decimal(7), "7"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Kind.TRACK, "track"),
        (None, None),
        (True, None),
        (math.nan, None),
        ([], None),
        (b"m", None),
        (10**5000, None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_message_id_is_a_string_or_none_whatever_becomes_of_the_event(
    given: Any, expected: str | None
) -> None:
    event = {**TRACK, "userId": "u-1", "messageId": given}
    assert translate(event).message_id == expected
    assert translate({**event, "type": "group"}).message_id == expected
    for wrong in ({**event, "event": ""}, {**event, "type": ""}):
        with pytest.raises(InvalidEvent) as caught:
            translate(wrong)
        assert caught.value.message_id == expected


def test_what_is_no_event_has_no_message_id() -> None:
    with pytest.raises(InvalidEvent) as caught:
        translate([])  # type: ignore[arg-type]
    assert caught.value.message_id is None


@pytest.mark.parametrize("key", [5, None, b"type", ("a",), 1.5], ids=repr)
def test_a_key_at_the_top_that_is_no_string_is_refused(key: Any) -> None:
    expected = [("$", "has a key that is no string, as JSON's keys are")]
    assert list_problems({**TRACK, "userId": "u-1", key: 1}) == expected


@pytest.mark.parametrize(
    ("value", "words"),
    [([1], "a list"), ("x", "a string"), (0, "a number"), (False, "a boolean"), ("", "a string")],
)
@pytest.mark.parametrize(
    ("event", "key"), [(IDENTIFY, "traits"), (TRACK, "properties")], ids=["identify", "track"]
)
def test_traits_and_properties_are_objects(
    event: dict[str, Any], key: str, value: Any, words: str
) -> None:
    expected = [(key, f"must be an object, not {words}")]
    assert list_problems({**event, "userId": "u-1", key: value}) == expected


@pytest.mark.parametrize("key", ["context", "options", "integrations"])
@pytest.mark.parametrize(("value", "words"), [([{}], "a list"), ("x", "a string"), (0, "a number")])
def test_other_objects_that_are_none_are_passed_over(key: str, value: Any, words: str) -> None:
    event = {**TRACK, "userId": "u-1", key: value}
    expected = [(key, f"passed over: must be an object, not {words}")]
    assert (build_body(event)["userId"], list_notes(event)) == ("u-1", expected)


@pytest.mark.parametrize("key", ["context", "options", "integrations", "properties"])
@pytest.mark.parametrize("value", [[], (), Lazy([])], ids=repr)
def test_an_empty_list_is_an_empty_object_as_php_writes_it(key: str, value: Any) -> None:
    event = {**TRACK, "userId": "u-1", key: value}
    expected = [(key, "an empty list, taken as an empty object")]
    assert (build_body(event)["userId"], list_notes(event)) == ("u-1", expected)


@pytest.mark.parametrize("key", ["context", "options", "integrations", "properties", "traits"])
def test_null_is_as_if_absent(key: str) -> None:
    event = {**TRACK, "userId": "u-1", key: None}
    assert (build_body(event)["userId"], list_notes(event)) == ("u-1", [])


@pytest.mark.parametrize("key", ["context", "options"])
def test_traits_of_the_context_that_are_no_object_are_passed_over(key: str) -> None:
    event = {**TRACK, "userId": "u-1", key: {"traits": ["x"]}}
    expected = [(f"{key}.traits", "passed over: must be an object, not a list")]
    assert list_notes(event) == expected


# --- Switches ----------------------------------------------------------------------------------

SAID_OFF = "{} is false and integrations.Iterable is absent"
ALL_OFF = "integrations.{} is false and integrations.Iterable is absent"


@pytest.mark.parametrize(
    ("integrations", "expected"),
    [
        ({}, None),
        ({"All": True}, None),
        ({"All": None}, None),
        ({"All": 0}, None),
        ({"All": "false"}, None),
        ({"Other": False}, None),
        ({"All": False}, ALL_OFF.format("All")),
        ({"all": False}, ALL_OFF.format("all")),
        ({"all": True, "All": False}, None),
        ({"All": False, "all": True}, ALL_OFF.format("All")),
        ({"Other": True, "All": False}, ALL_OFF.format("All")),
        ({5: True, "All": False}, ALL_OFF.format("All")),
        ({"All": False, "iterable": True}, ALL_OFF.format("All")),
        ({"All": False, "Iterable": True}, None),
        ({"All": False, "Iterable": {}}, None),
        ({"All": False, "Iterable": "x"}, None),
        ({"All": True, "Iterable": False}, "integrations.Iterable is false"),
        ({"Iterable": False}, "integrations.Iterable is false"),
        ({"iterable": False}, None),
        ({"ITERABLE": False}, None),
        ({"Iterable": 0}, None),
        ({"Iterable": None}, None),
    ],
    ids=str,
)
def test_integrations_switch_the_event_off_or_not(
    integrations: dict[Any, Any], expected: str | None
) -> None:
    event = {**TRACK, "userId": "u-1", "integrations": integrations}
    assert translate(event).skipped == expected


OFF = {"Iterable": False}
OLD: list[tuple[dict[str, Any], str | None]] = [
    ({"integrations": {"providers": OFF}}, "integrations.providers.Iterable is false"),
    ({"integrations": {"providers": OFF, "Iterable": True}}, None),
    ({"integrations": {"providers": {"Iterable": True}, "All": False}}, None),
    ({"integrations": {"providers": "x"}}, None),
    ({"context": OFF}, "context.Iterable is false"),
    ({"options": OFF}, "options.Iterable is false"),
    ({"context": OFF, "integrations": {}}, None),
    ({"context": {"Iterable": {"mergeNestedObjects": True}, "all": False}}, None),
    ({"context": {"providers": OFF}}, "context.providers.Iterable is false"),
    ({"context": {"providers": OFF}, "integrations": None}, "context.providers.Iterable is false"),
    ({"context": {"providers": OFF}, "integrations": {"All": True}}, None),
    ({"context": {"providers": {"Iterable": True}, "all": False}}, None),
    ({"context": {"providers": {"Iterable": Lazy(False)}}}, "context.providers.Iterable is false"),
    ({"context": {"providers": {}, **OFF}}, "context.Iterable is false"),
    ({"context": {"all": False}}, SAID_OFF.format("context.all")),
    ({"context": {"all": False}, "integrations": {"All": True}}, SAID_OFF.format("context.all")),
    ({"context": {"all": True}, "integrations": {"All": False}}, ALL_OFF.format("All")),
    ({"context": {"all": False}, "integrations": {"Iterable": {}}}, None),
    ({"context": {"all": 0, "providers": {"Other": False}}}, None),
    ({"context": {"providers": {"all": False}}}, SAID_OFF.format("context.providers.all")),
]


@pytest.mark.parametrize(("event", "expected"), OLD, ids=str)
def test_switches_of_older_libraries_are_obeyed(
    event: dict[str, Any], expected: str | None
) -> None:
    assert translate({**TRACK, "userId": "u-1", **event}).skipped == expected


# --- Options -----------------------------------------------------------------------------------

MERGE = {"mergeNestedObjects": True}
NO_MERGE = {"mergeNestedObjects": False}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({}, None),
        ({"integrations": {"Iterable": MERGE}}, True),
        ({"integrations": {"iterable": MERGE}}, True),
        ({"integrations": {"ITERABLE": MERGE}}, True),
        ({"integrations": {"Iterable": True}}, None),
        ({"integrations": {"Other": MERGE}}, None),
        ({"integrations": {5: MERGE, "Iterable": MERGE}}, True),
        ({"integrations": {"iterable": NO_MERGE, "Iterable": MERGE}}, True),
        ({"integrations": {"Iterable": NO_MERGE, "iterable": MERGE}}, False),
        ({"integrations": {"iterable": MERGE, "Iterable": True}}, True),
        pytest.param({"integrations": {"Iterable": True, "iterable": MERGE}}, True),
        ({"context": {"Iterable": MERGE}}, True),
        ({"context": {"iterable": MERGE}}, True),
        ({"options": {"Iterable": MERGE}}, True),
        ({"integrations": {"Iterable": NO_MERGE}, "context": {"Iterable": MERGE}}, False),
        ({"integrations": {"Iterable": MERGE}, "context": {"Iterable": NO_MERGE}}, True),
        ({"integrations": {"Iterable": True}, "context": {"Iterable": MERGE}}, True),
        ({"integrations": {"Other": {}}, "context": {"Iterable": MERGE}}, True),
        ({"options": {"Iterable": NO_MERGE}, "context": {"Iterable": MERGE}}, False),
        ({"traits": {"Iterable": MERGE}}, None),
    ],
    ids=str,
)
def test_options_are_found(event: dict[str, Any], expected: bool | None) -> None:  # noqa: FBT001
    assert build_body({**IDENTIFY, **event}).get("mergeNestedObjects") is expected


@pytest.mark.parametrize(
    ("event", "path"),
    [
        ({"integrations": {"Iterable": {"mergeNestedObjects": 1}}}, "integrations.Iterable"),
        ({"integrations": {"iterable": {"mergeNestedObjects": 1}}}, "integrations.iterable"),
        ({"context": {"ITERABLE": {"mergeNestedObjects": 1}}}, "context.ITERABLE"),
        ({"options": {"Iterable": {"mergeNestedObjects": 1}}}, "options.Iterable"),
    ],
)
def test_a_bad_option_is_named_as_found(event: dict[str, Any], path: str) -> None:
    expected = [(f"{path}.mergeNestedObjects", "must be true or false, not a number")]
    assert list_problems({**IDENTIFY, **event}) == expected


# --- Context and options -----------------------------------------------------------------------


def email_path(event: dict[str, Any]) -> str:
    """Return where an event's email stands, by spoiling one email after another."""
    text = json.dumps(event)
    for email in set(re.findall(r"[a-z]+@[a-z.]+", text)):
        spoilt = json.loads(text.replace(f'"{email}"', '"@"'))
        with suppress(InvalidEvent):
            translate(spoilt)
            continue
        paths = [path for path, message in list_problems(spoilt) if "email" in message]
        if paths:
            return paths[0]
    return "userId"  # where it is no email any more when it is spoilt


ADA = {"traits": {"email": "ada@example.com"}}
BOB = {"traits": {"email": "bob@example.com"}}


@pytest.mark.parametrize(
    ("event", "email", "path"),
    [
        ({"context": ADA}, "ada@example.com", "context.traits.email"),
        ({"options": ADA}, "ada@example.com", "options.traits.email"),
        ({"options": ADA, "context": BOB}, "ada@example.com", "options.traits.email"),
        ({"options": None, "context": BOB}, "bob@example.com", "context.traits.email"),
        ({"options": {"x": 1}, "context": BOB}, None, "properties.email"),
        ({"options": {}, "context": BOB}, None, "properties.email"),
    ],
    ids=str,
)
def test_options_wins_over_context(event: dict[str, Any], email: str | None, path: str) -> None:
    call = translate({**TRACK, "userId": "u-1", **event}).calls[0]
    assert call.body().get("email") == email
    assert email is None or email_path({**TRACK, "userId": "u-1", **event}) == path


# --- Identity ----------------------------------------------------------------------------------

SOURCES: list[tuple[dict[str, Any], dict[str, str], str]] = [
    # an identify
    (
        {**IDENTIFY, "traits": {"email": "a@b.c"}, "userId": "x@y.z"},
        {"email": "a@b.c", "userId": "x@y.z"},
        "traits.email",
    ),
    (
        {**IDENTIFY, "traits": {"E-Mail": "a@b.c", "email": "d@e.f"}},
        {"email": "a@b.c", "userId": "u-1"},
        "traits.E-Mail",
    ),
    ({**IDENTIFY, "userId": "x@y.z"}, {"email": "x@y.z", "userId": "x@y.z"}, "userId"),
    (
        {**IDENTIFY, "userId": "x@y.z", "traits": {"email": ""}},
        {"email": "x@y.z", "userId": "x@y.z"},
        "userId",
    ),
    ({**IDENTIFY, "context": ADA, "traits": {"a": 1}}, {"userId": "u-1"}, "traits.email"),
    ({"type": "identify", "traits": {"email": "a@b.c"}}, {"email": "a@b.c"}, "traits.email"),
    (
        {"type": "identify", "traits": {"email": "a@b.c"}, "userId": ""},
        {"email": "a@b.c"},
        "traits.email",
    ),
    # every other call
    (
        {**TRACK, "context": ADA, "properties": {"email": "p@q.r"}, "userId": "x@y.z"},
        {"email": "ada@example.com", "userId": "x@y.z"},
        "context.traits.email",
    ),
    (
        {**TRACK, "context": {"traits": {"email": None}}, "properties": {"Email": "p@q.r"}},
        {"email": "p@q.r"},
        "properties.Email",
    ),
    (
        {**TRACK, "context": {"traits": {"email": ""}}, "properties": {"email": "p@q.r"}},
        {"email": "p@q.r"},
        "properties.email",
    ),
    (
        {**TRACK, "context": {"traits": {}}, "properties": {"email": None}, "userId": "x@y.z"},
        {"email": "x@y.z", "userId": "x@y.z"},
        "userId",
    ),
    (
        {**TRACK, "properties": {"email": "a@b.c", "Email": "d@e.f"}, "userId": 5},
        {"email": "a@b.c", "userId": "5"},
        "properties.email",
    ),
    ({**TRACK, "userId": UUID(int=1)}, {"userId": str(UUID(int=1))}, "properties.email"),
    ({**TRACK, "userId": Kind.TRACK}, {"userId": "track"}, "properties.email"),
    ({**TRACK, "traits": {"email": "a@b.c"}, "userId": "u"}, {"userId": "u"}, "properties.email"),
]


@pytest.mark.parametrize(("event", "who", "source"), SOURCES, ids=str)
def test_who_an_event_is_about(event: dict[str, Any], who: dict[str, str], source: str) -> None:
    identity = translate(event).calls[0].identity
    assert identity.body() == who
    assert "email" not in who or email_path(event) == source


@pytest.mark.parametrize("user_id", [5, 5.0, Decimal(5)], ids=repr)
def test_a_number_as_user_id_is_noted(user_id: Any) -> None:
    expected = [("userId", "a number, sent as a string")]
    assert list_notes({**TRACK, "userId": user_id}) == expected


@pytest.mark.parametrize(
    ("event", "path"),
    [
        ({**TRACK, "context": {"traits": {"EMAIL": "x"}}}, "context.traits.EMAIL"),
        ({**TRACK, "options": {"traits": {"email": "x"}}}, "options.traits.email"),
        ({**TRACK, "properties": {"e_mail": "x"}}, "properties.e_mail"),
        ({**IDENTIFY, "traits": {"email": "x"}}, "traits.email"),
    ],
)
def test_a_bad_email_is_named_as_found(event: dict[str, Any], path: str) -> None:
    said = "not a valid email address (expected name@host.domain)"
    assert list_problems({**event, "userId": "u-1"}) == [(path, said)]


@pytest.mark.parametrize("email", [False, 0, 5, [], {}], ids=repr)
def test_only_null_and_the_empty_string_are_no_email(email: Any) -> None:
    said = list_problems({**TRACK, "userId": "a@b.c", "properties": {"email": email}})
    assert [path for path, _ in said] == ["properties.email"]


@pytest.mark.parametrize("user_id", [None, ""])
@pytest.mark.parametrize("event", [TRACK, {"type": "identify"}], ids=["track", "identify"])
def test_nobody_is_refused(event: dict[str, Any], user_id: Any) -> None:
    expected = [("userId", "Must set either userId or email")]
    assert list_problems({**event, "userId": user_id, "anonymousId": "a-1"}) == expected


# --- Look-alikes -------------------------------------------------------------------------------


def test_the_lookalikes_are_those_documented() -> None:
    emails = {"customeremail", "useremail", "contactemail", "emailaddress", "mail"}
    user_ids = {"userid", "uid", "customerid"}
    assert (set(LOOKALIKE_EMAILS), set(LOOKALIKE_USER_IDS)) == (emails, user_ids)


EMAIL_KEYS = ["customerEmail", "user_email", "Contact Email", "EMAILADDRESS", "mail"]
ID_KEYS = ["user_id", "UID", "customerId"]
EMAIL_NOTE = "looks like the email, which is only read from 'email'"
ID_NOTE = "looks like the userId, which is only read from 'userId'"


def hint(*paths: str) -> list[tuple[str, str]]:
    said = f"Must set either userId or email (these are not read as one: {', '.join(paths)})"
    return [("userId", said)]


@pytest.mark.parametrize("key", [*EMAIL_KEYS, *ID_KEYS, "userId"])
def test_a_lookalike_in_the_fields_of_nobody_is_in_the_error(key: str) -> None:
    fields = {key: "x"}
    assert list_problems({"type": "identify", "traits": fields}) == hint(f"traits.{key}")
    assert list_problems({**TRACK, "properties": fields}) == hint(f"properties.{key}")
    assert list_problems({**TRACK, "context": {"traits": fields}}) == hint(f"context.traits.{key}")
    assert list_problems({**TRACK, "options": {"traits": fields}}) == hint(f"options.traits.{key}")


@pytest.mark.parametrize("key", ID_KEYS)
def test_a_lookalike_of_a_user_id_at_the_top_is_in_the_error(key: str) -> None:
    assert list_problems({**TRACK, key: "x"}) == hint(key)


@pytest.mark.parametrize("key", EMAIL_KEYS)
def test_a_lookalike_of_an_email_at_the_top_is_none(key: str) -> None:
    assert list_problems({**TRACK, key: "x"}) == [("userId", "Must set either userId or email")]


def test_every_lookalike_is_in_the_error() -> None:
    event = {
        **TRACK,
        "userId": "",
        "uid": "x",
        "context": {"traits": {"mail": "x", "user_id": "x"}},
        "properties": {"plan": "pro", "customer_email": "x"},
    }
    with pytest.raises(InvalidEvent) as caught:
        translate(event)
    _, _, listed = str(caught.value).partition(" one: ")
    assert sorted(listed.rstrip(")").split(", ")) == [
        "context.traits.mail",
        "context.traits.user_id",
        "properties.customer_email",
        "uid",
    ]


@pytest.mark.parametrize("key", EMAIL_KEYS)
def test_a_lookalike_of_an_email_beside_a_user_id_is_a_note(key: str) -> None:
    event = {**TRACK, "userId": "u-1", "properties": {key: "x"}}
    assert list_notes(event) == [(f"properties.{key}", EMAIL_NOTE)]


@pytest.mark.parametrize("key", ID_KEYS)
def test_a_lookalike_of_a_user_id_beside_an_email_is_a_note(key: str) -> None:
    event = {**TRACK, "properties": {"email": "a@b.c", key: "x"}, key: "y"}
    assert sorted(list_notes(event)) == sorted([(key, ID_NOTE), (f"properties.{key}", ID_NOTE)])


def test_a_lookalike_of_what_is_known_is_nothing_to_note() -> None:
    user_ids = dict.fromkeys(ID_KEYS, "x")
    emails = dict.fromkeys(EMAIL_KEYS, "x")
    known = {"userId": "u-1", "properties": {"email": "a@b.c", **user_ids, **emails}}
    assert list_notes({**TRACK, **known, **user_ids}) == []
    assert list_notes({**TRACK, "userId": "u-1", "properties": user_ids, **user_ids}) == []
    assert list_notes({**TRACK, "properties": {"email": "a@b.c", **emails}}) == []


def test_a_key_beside_that_is_no_string_is_no_lookalike() -> None:
    assert list_notes({**TRACK, "userId": "u-1", "context": {"traits": {5: "x"}}}) == []


@pytest.mark.parametrize("message_id", ["", " ", "\t\n", Lazy("")], ids=repr)
def test_an_empty_message_id_is_none(message_id: Any) -> None:
    event = {**TRACK, "userId": "u-1", "messageId": message_id}
    assert (translate(event).message_id, read_header(event)[0]) == (None, None)


# --- Ids that are none -------------------------------------------------------------------------

NO_ID = ("userId", "looks like no id: such a text is sent for many users, who become one")


@pytest.mark.parametrize(
    "user_id",
    [
        *("undefined", "UNDEFINED", "null", "NULL", "None", "none", "nil", "NaN", "nan", "(null)"),
        *("[object Object]", "anonymous", "Anonymous", "false", "0", "000", "0" * 52),
        *("00000000-0000-0000-0000-000000000000", UUID(int=0), 0, 0.0, Lazy("null")),
    ],
    ids=str,
)
def test_an_id_that_looks_like_none_is_noted_or_refused(user_id: Any) -> None:
    for event in (IDENTIFY, TRACK, {"type": "page", "name": "Home"}):
        assert NO_ID in list_notes({**event, "userId": user_id})
        with pytest.raises(InvalidEvent) as caught:
            translate({**event, "userId": user_id}, Settings(refuse_placeholder_ids=True))
        assert [(each.path, each.message) for each in caught.value.problems] == [NO_ID]


@pytest.mark.parametrize("user_id", ["u-0", "01", "nobody", "-0", "undefined1", "a null", 10])
def test_any_other_id_is_one(user_id: Any) -> None:
    event = {**TRACK, "userId": user_id}
    assert NO_ID not in list_notes(event)
    assert translate(event, Settings(refuse_placeholder_ids=True)).calls == translate(event).calls


# --- Emails where none is read -----------------------------------------------------------------

READ_BY_TRACK = "not read: an email is read from context.traits, then properties"
READ_BY_IDENTIFY = "not read: an email is read from traits"
AT = {"email": "a@b.c"}
ELSEWHERE: list[tuple[dict[str, Any], list[str]]] = [
    ({**TRACK, **AT}, ["email"]),
    ({**TRACK, "traits": AT}, ["traits.email"]),
    ({**TRACK, "traits": {"E-Mail": "a@b.c"}}, ["traits.E-Mail"]),
    ({**TRACK, "context": AT}, ["context.email"]),
    ({**TRACK, "options": AT, "context": ADA}, ["options.email"]),
    ({"type": "page", "name": "Home", **AT, "traits": AT}, ["email", "traits.email"]),
    ({"type": "identify", **AT}, ["email"]),
    ({"type": "identify", "properties": AT}, ["properties.email"]),
    ({"type": "identify", "traits": {"a": 1}, "context": ADA}, ["context.traits.email"]),
    ({"type": "identify", "options": {"traits": AT}, "traits": {"a": 1}}, ["options.traits.email"]),
]


@pytest.mark.parametrize(("event", "places"), ELSEWHERE, ids=str)
def test_an_email_where_none_is_read_is_named(event: dict[str, Any], places: list[str]) -> None:
    said = f"Must set either userId or email (these are not read as one: {', '.join(places)})"
    assert list_problems(event) == [("userId", said)]
    words = READ_BY_IDENTIFY if event["type"] == "identify" else READ_BY_TRACK
    assert list_notes({**event, "userId": "u-1"}) == [(place, words) for place in places]


@pytest.mark.parametrize("email", [None, "", Lazy(None)], ids=str)
def test_no_email_is_nothing_to_name(email: Any) -> None:
    event = {**TRACK, "traits": {"email": email}, "email": email, "context": {"email": email}}
    assert list_problems(event) == [("userId", "Must set either userId or email")]


def test_an_email_that_is_known_is_not_looked_for() -> None:
    assert list_notes({**TRACK, "context": ADA, "traits": AT, "email": "x"}) == []


# --- Traits in the context ---------------------------------------------------------------------

TAKEN = ("context.traits", "taken as the traits, of which the event has none")


@pytest.mark.parametrize("traits", [{}, None, []], ids=str)
def test_an_identify_without_traits_has_those_of_the_context(traits: Any) -> None:
    own = {"plan": "pro", "id": 5, "userId": "u-1", "anonymousId": "a-1", "timestamp": "soon"}
    event = {**IDENTIFY, "traits": traits, "context": {"traits": {**own, **ADA["traits"]}}}
    assert build_body(event) == {
        "email": "ada@example.com",
        "userId": "u-1",
        "dataFields": {"plan": "pro", "email": "ada@example.com"},
    }
    assert TAKEN in list_notes(event)


def test_their_problems_and_notes_have_their_place() -> None:
    traits = {"a": math.nan, "phone": "22", "signupDate": 1}
    event = {**IDENTIFY, "context": {"traits": traits}}
    assert list_problems(event) == [("context.traits.a", "is NaN, which JSON cannot hold")]
    del traits["a"]
    assert [path for path, _ in list_notes(event)] == [
        "context.traits",
        "context.traits.phone",
        "context.traits.signupDate",
    ]


def test_they_are_left_behind_where_there_are_traits() -> None:
    event = {**IDENTIFY, "traits": {"a": 1}, "context": {"traits": {"b": 1}}}
    assert (build_body(event)["dataFields"], list_notes(event)) == ({"a": 1}, [])


def test_they_make_nobody_known_who_is_not() -> None:
    event = {"type": "identify", "anonymousId": "a-1", "context": ADA}
    said = "Must set either userId or email (these are not read as one: context.traits.email)"
    assert list_problems(event) == [("userId", said)]


def test_an_email_of_theirs_that_cannot_be_sent_is_left_behind() -> None:
    event = {**IDENTIFY, "context": {"traits": {"Email": "ada", "mail": "x"}}}
    assert build_body(event) == {"userId": "u-1", "dataFields": {"mail": "x"}}
    assert list_notes(event)[1:] == [
        ("context.traits.mail", "looks like the email, which is only read from 'email'"),
        ("context.traits.Email", READ_BY_IDENTIFY),
    ]


@pytest.mark.parametrize("traits", [{}, None, [], {"userId": "u-1"}], ids=str)
def test_the_context_may_have_no_traits_either(traits: Any) -> None:
    event = {**IDENTIFY, "context": {"traits": traits}}
    assert build_body(event)["dataFields"] == {}
    assert TAKEN not in list_notes(event)


# --- Time --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    [
        IDENTIFY,
        TRACK,
        {**TRACK, "event": "Product Added", "properties": {"products": []}},
        {**TRACK, "event": "Order Completed", "properties": {"total": 1}},
        {"type": "page", "name": "Home"},
    ],
    ids=["identify", "track", "cart", "order", "page"],
)
@pytest.mark.parametrize(
    "timestamp", ["", "soon", "2023-02-31", True, math.nan, [], {}, b"2023", 10**5000], ids=type
)
def test_a_timestamp_that_is_no_date_is_invalid(event: dict[str, Any], timestamp: Any) -> None:
    said = "not a date; use ISO 8601, or Unix seconds or milliseconds"
    assert list_problems({**event, "userId": "u-1", "timestamp": timestamp}) == [
        ("timestamp", said)
    ]


@pytest.mark.parametrize("timestamp", ["12/01/2023", "12.05.2023 10:00"])
def test_a_timestamp_that_can_be_two_dates_is_invalid(timestamp: str) -> None:
    said = "can be read as two dates; use ISO 8601, or Unix seconds or milliseconds"
    event = {**TRACK, "userId": "u-1", "timestamp": timestamp}
    assert list_problems(event) == [("timestamp", said)]


@pytest.mark.parametrize("given", [{}, {"timestamp": None}, {"timestamp": Lazy(None)}], ids=str)
def test_an_original_timestamp_stands_in_for_a_missing_one(given: dict[str, Any]) -> None:
    original = {"originalTimestamp": "2023-02-05T20:42:10.999Z", **given}
    assert build_body({**TRACK, "userId": "u-1", **original})["createdAt"] == 1_675_629_730
    fields = build_body({**IDENTIFY, **original})["dataFields"]
    assert fields == {"profileUpdatedAt": "2023-02-05 20:42:10 +00:00"}
    event = {**TRACK, "userId": "u-1", **original, "timestamp": 5}
    assert build_body(event)["createdAt"] == 5


@pytest.mark.parametrize("original", ["soon", "", "12/01/2023", True])
def test_an_original_timestamp_that_is_no_date_is_noted(original: Any) -> None:
    event = {**TRACK, "userId": "u-1", "originalTimestamp": original}
    assert "createdAt" not in build_body(event)
    said = "not a date, or two: no time is sent"
    assert list_notes(event) == [("originalTimestamp", said)]


# --- The header --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            {**IDENTIFY, "messageId": "m-1", "traits": {"email": "a@x.com"}},
            ("m-1", Identity("a@x.com", "u-1")),
        ),
        ({"type": "track", "messageId": 5}, ("5", Identity())),
        ({"messageId": "m-2", "userId": "u-1"}, ("m-2", None)),
        ("an event", (None, None)),
        ({**IDENTIFY, "userId": Unreadable()}, (None, None)),
    ],
    ids=["whole", "anonymous", "no type", "no object", "unreadable"],
)
def test_a_header_is_read_from_any_event(
    event: Any, expected: tuple[str | None, Identity | None]
) -> None:
    assert read_header(event) == expected


# --- Lazy values -------------------------------------------------------------------------------


def test_a_lazy_event_is_read_as_what_it_stands_for() -> None:
    products = Lazy([Lazy({"id": Lazy("p"), "name": Lazy("A"), "price": Lazy(1)}), Lazy(None)])
    event = Lazy(
        {
            "messageId": Lazy("m-1"),
            "type": Lazy("track"),
            "userId": Lazy("u-1"),
            "event": Lazy("Order Completed"),
            "timestamp": Lazy(None),
            "integrations": Lazy(None),
            "context": Lazy({"traits": Lazy({"email": Lazy("a@b.c")})}),
            "properties": Lazy({"total": Lazy(5), "campaignId": Lazy(None), "products": products}),
        }
    )
    item = {"id": "p", "name": "A", "price": 1, "quantity": 1, "categories": [], "dataFields": {}}
    assert build_body(event) == {
        "user": {"email": "a@b.c", "userId": "u-1"},
        "items": [item],
        "total": 5,
        "dataFields": {},
    }
    assert list_notes(event) == [("properties.products[1]", "null, passed over")]


def test_a_lazy_text_of_djangos_is_read_as_the_text_it_stands_for() -> None:
    event = {
        "type": "track",
        "userId": build_lazy_text(lambda: "u-1"),
        "event": build_lazy_text(lambda: "Signed Up"),
        "properties": {"plan": build_lazy_text(lambda: "pro")},
    }
    expected = {"userId": "u-1", "eventName": "Signed Up", "dataFields": {"plan": "pro"}}
    assert build_body(event) == expected
    [mapped] = MappedTranslator()(event).calls
    assert mapped.body() == expected


@pytest.mark.parametrize("key", ["context", "integrations", "properties", "timestamp", "userId"])
def test_a_lazy_null_is_missing(key: str) -> None:
    event = {**TRACK, "properties": {"email": "a@b.c"}, key: Lazy(None), "context": ADA}
    assert list_notes(event) == []


def test_a_lazy_false_switches_off() -> None:
    event = {**TRACK, "userId": "u-1", "integrations": {"All": Lazy(False)}}
    assert translate(event).skipped is not None


def test_what_was_unreadable_once_is_named_as_the_event() -> None:
    error = unreadable_event({"messageId": "m-1", **IDENTIFY}, LookupError("gone"))
    assert (str(error), error.message_id, error.identity) == (
        "$: cannot be read: LookupError",
        "m-1",
        Identity(None, "u-1"),
    )
