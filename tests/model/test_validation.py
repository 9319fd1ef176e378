"""Validation: every reason to refuse a call, with its place."""

from __future__ import annotations

import math
from typing import Any

import pytest

from iterable_destination.errors import Reason
from iterable_destination.model.calls import (
    Call,
    Identity,
    TrackEvent,
    TrackPurchase,
    UpdateCart,
    UpdateEmail,
    UpdateSubscription,
    UpdateUser,
)
from iterable_destination.model.validation import (
    email_problem,
    find_problems,
    missing_identity_problem,
    user_id_problem,
)

ADA = Identity("ada@example.com", "u-1")

NO_EMAIL = "not a valid email address (expected name@host.domain)"
NO_USER_ID = "must be printable ASCII, not empty, and not end with a space"
NO_NUMBER = "must be a number, or a string of digits with at most one dot"
HALF = "contains an unpaired surrogate (invalid Unicode)"
TOO_LONG = "is 4,000,001 characters long; a request has at most 4,000,000 bytes"
TOO_LARGE = "is a number too large for Iterable"
LONGEST = "x" * 4_000_000


def list_problems(call: Call) -> list[tuple[str, str]]:
    return [(problem.path, problem.message) for problem in find_problems(call)]


# --- Emails and userIds ------------------------------------------------------------------------

EMAILS = [
    "a@b.c",
    "ada@example.com",
    "a.b+c_d-e'f@sub.example.co.uk",
    "ADA@EXAMPLE.COM",
    "é@ü.de",
    '"quoted"@x.y',
    ".@...",
    "a@b..c",
    "a@.b.c",
    "a@b.c.",
    "a@-.-",
]
NO_EMAILS = [
    "",
    "a",
    "@",
    "a@",
    "@b.c",
    "a@b",
    "a@.c",
    "a@b.",
    "a.b",
    "a@@b.c",
    "a@b@c.d",
    "a@b.c@",
    " a@b.c",
    "a@b.c ",
    "a b@c.d",
    "a@b c.d",
    "a@b.c d",
    "a@b.c\n",
    "a\t@b.c",
    "a\x00@b.c",
    "a\x1f@b.c",
    "a\x7f@b.c",
    "a\x80@b.c",
    "a\x9f@b.c",
    "a@b\x00c.d",
    "a@b.c\x7f",
    "a\u00a0@b.c",
    "a\u2003@b.c",
    "Ada <a@b.c>",
]


@pytest.mark.parametrize("email", EMAILS)
def test_an_email_is_never_judged_more_strictly_than_by_iterable(email: str) -> None:
    assert email_problem(email) is None


@pytest.mark.parametrize("email", NO_EMAILS, ids=ascii)
def test_what_is_certainly_no_email_is_refused(email: str) -> None:
    assert email_problem(email) == Reason("invalid-email", NO_EMAIL)


@pytest.mark.parametrize(
    ("email", "message"),
    [
        (None, "must be a string, not null"),
        (5, "must be a string, not a number"),
        (True, "must be a string, not a boolean"),
        (["a@b.c"], "must be a string, not a list"),
        (math.nan, "must be a string, not NaN"),
        ("a\ud800@b.c", HALF),
        ("a" * 3_999_996 + "@b.c", None),
        ("a" * 3_999_997 + "@b.c", TOO_LONG),
    ],
    ids=["null", "number", "boolean", "list", "NaN", "surrogate", "longest", "too long"],
)
def test_an_email_is_a_text_that_can_be_sent(email: Any, message: str | None) -> None:
    problem = email_problem(email)
    assert (problem and problem.message) == message


@pytest.mark.parametrize(
    "user_id", ["u", "5", " u", "a b", "~!", "-", "@", "x" * 52, " " * 51 + "x"]
)
def test_a_user_id_has_1_to_52_printable_characters_of_ascii(user_id: str) -> None:
    assert user_id_problem(user_id) is None


@pytest.mark.parametrize(
    ("user_id", "message"),
    [
        ("", NO_USER_ID),
        (" ", NO_USER_ID),
        ("u ", NO_USER_ID),
        ("u\n", NO_USER_ID),
        ("\tu", NO_USER_ID),
        ("a\x1fb", NO_USER_ID),
        ("a\x7fb", NO_USER_ID),
        ("b\x7f", NO_USER_ID),
        ("ü", NO_USER_ID),
        ("aüb", NO_USER_ID),
        ("\ud800", NO_USER_ID),
        ("x" * 51 + " ", NO_USER_ID),
        ("x" * 53, "is 53 characters long; a userId has at most 52"),
        ("ü" * 1_000, "is 1,000 characters long; a userId has at most 52"),
        (None, "must be a string, not null"),
        (5, "must be a string, not a number"),
        (False, "must be a string, not a boolean"),
        ({}, "must be a string, not an object"),
    ],
    ids=ascii,
)
def test_what_is_no_user_id_is_refused(user_id: Any, message: str) -> None:
    problem = user_id_problem(user_id)
    assert (problem and problem.message) == message


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        (ADA, []),
        (Identity("ada@example.com"), []),
        (Identity(user_id="u-1"), []),
        (Identity(), [("userId", "Must set either userId or email")]),
        (Identity("x", "u-1"), [("email", NO_EMAIL)]),
        (Identity("a@b.c", ""), [("userId", NO_USER_ID)]),
        (Identity("", "ü"), [("email", NO_EMAIL), ("userId", NO_USER_ID)]),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "make",
    [
        lambda identity: UpdateUser(identity),  # noqa: PLW0108 - each reads like the next
        lambda identity: TrackEvent(identity, "x"),
        lambda identity: UpdateCart(identity, []),
        lambda identity: TrackPurchase(identity, [], 1),
    ],
    ids=["user", "event", "cart", "purchase"],
)
def test_every_call_is_about_somebody(
    make: Any, identity: Identity, expected: list[tuple[str, str]]
) -> None:
    assert list_problems(make(identity)) == expected


def test_a_change_of_email_has_other_keys_for_who_it_is_about() -> None:
    assert list_problems(UpdateEmail(Identity(), "a@b.c")) == [
        ("currentUserId", "Must set either userId or email")
    ]
    assert list_problems(UpdateEmail(Identity("x", "ü"), "a@b.c")) == [
        ("currentEmail", NO_EMAIL),
        ("currentUserId", NO_USER_ID),
    ]


def test_of_a_subscription_only_the_name_that_is_sent_counts() -> None:
    def list_of(identity: Identity, *, by_id: bool = False) -> list[tuple[str, str]]:
        return list_problems(UpdateSubscription(identity, "emailList", 1, "subscribe", by_id))

    assert list_of(Identity()) == [("usersByUserId[0]", "Must set either userId or email")]
    assert list_of(Identity("x", "ü")) == [("users[0]", NO_EMAIL)]
    assert list_of(Identity("x", "ü"), by_id=True) == [("usersByUserId[0]", NO_USER_ID)]
    assert list_of(Identity("a@b.c", "ü")) == []


@pytest.mark.parametrize(
    ("group_type", "group_id", "action", "expected"),
    [
        ("emailList", 1, "subscribe", []),
        ("messageChannel", 2**63 - 1, "unsubscribe", []),
        (
            "list",
            0,
            "leave",
            [
                ("subscriptionGroup", "must be emailList, messageType or messageChannel"),
                (
                    "subscriptionGroupId",
                    "must be between 1 and 9,223,372,036,854,775,807",
                ),
                ("action", "must be subscribe or unsubscribe"),
            ],
        ),
        (
            None,
            "1",
            5,
            [
                ("subscriptionGroup", "missing"),
                ("subscriptionGroupId", NO_NUMBER),
                ("action", "must be a string, not a number"),
            ],
        ),
    ],
)
def test_a_subscription_names_a_group_and_an_action(
    group_type: Any, group_id: Any, action: Any, expected: list[tuple[str, str]]
) -> None:
    call = UpdateSubscription(ADA, group_type, group_id, action)
    assert list_problems(call) == expected


# --- Fields ------------------------------------------------------------------------------------

TEXTS: list[tuple[Any, str | None]] = [
    ("x", None),
    (LONGEST, None),
    (LONGEST + "x", TOO_LONG),
    ("\udfff", HALF),
    (5, "must be a string, not a number"),
    (True, "must be a string, not a boolean"),
    (["x"], "must be a string, not a list"),
    ({}, "must be a string, not an object"),
]
NUMBERS: list[tuple[Any, str | None]] = [
    (0, None),
    (-1.5, None),
    (10**308 - 1, None),
    (1 - 10**308, None),
    (9.9e307, None),
    (10**308, TOO_LARGE),
    (-(10**308), TOO_LARGE),
    (9.99e307, None),
    (10**5000, TOO_LARGE),
    (None, "missing"),
    ("x", NO_NUMBER),
    ("", NO_NUMBER),
    (True, "must be a number, not a boolean"),
    ([1], "must be a number, not a list"),
    (math.nan, "must be a number, not NaN"),
    (math.inf, "must be a number, not infinity"),
]


def whole(bits: int) -> list[tuple[Any, str | None]]:
    least, most = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    outside = f"must be between {least:,} and {most:,}"
    return [
        (0, None),
        (least, None),
        (most, None),
        (least - 1, outside),
        (most + 1, outside),
        (10**5000, outside),
        (1.5, "must be a whole number"),
        (9.99e307, "must be a whole number"),
        ("x", NO_NUMBER),
        (True, "must be a number, not a boolean"),
        ([1], "must be a number, not a list"),
        (math.nan, "must be a number, not NaN"),
        (math.inf, "must be a number, not infinity"),
    ]


def ids(cases: list[Any]) -> list[str]:
    return [f"{type(case[-2]).__name__}-{str(case[-1])[:20]}" for case in cases]


EVENT_NAMES = [*TEXTS, ("", "missing"), (None, "missing"), (math.nan, "must be a string, not NaN")]


@pytest.mark.parametrize(("name", "message"), EVENT_NAMES, ids=ids(EVENT_NAMES))
def test_an_event_has_a_name(name: Any, message: str | None) -> None:
    expected = [] if message is None else [("eventName", message)]
    assert list_problems(TrackEvent(ADA, name)) == expected


@pytest.mark.parametrize(
    ("merge", "message"),
    [
        (None, None),
        (True, None),
        (False, None),
        (1, "must be true or false, not a number"),
        ("true", "must be true or false, not a string"),
        ([], "must be true or false, not a list"),
    ],
)
def test_nested_objects_are_merged_or_not(merge: Any, message: str | None) -> None:
    expected = [] if message is None else [("mergeNestedObjects", message)]
    assert list_problems(UpdateUser(ADA, {}, merge)) == expected


@pytest.mark.parametrize(("total", "message"), NUMBERS, ids=ids(NUMBERS))
def test_a_purchase_has_a_total(total: Any, message: str | None) -> None:
    expected = [] if message is None else [("total", message)]
    assert list_problems(TrackPurchase(ADA, [], total)) == expected


@pytest.mark.parametrize("value", [1e308, -1e308])
def test_a_float_may_be_too_large(value: float) -> None:
    item = {**LEAST, "price": value, "quantity": value}
    assert list_problems(TrackPurchase(ADA, [item], value)) == [
        ("total", TOO_LARGE),
        ("items[0].price", TOO_LARGE),
        ("items[0].quantity", TOO_LARGE),
    ]


INT32 = [*whole(32), (None, None)]


@pytest.mark.parametrize(("value", "message"), INT32, ids=ids(INT32))
@pytest.mark.parametrize(
    ("name", "argument"), [("campaignId", "campaign_id"), ("templateId", "template_id")]
)
def test_a_campaign_and_a_template_are_numbers_of_32_bits(
    name: str, argument: str, value: Any, message: str | None
) -> None:
    arguments: dict[str, Any] = {argument: value}
    expected = [] if message is None else [(name, message)]
    assert list_problems(TrackPurchase(ADA, [], 1, **arguments)) == expected


@pytest.mark.parametrize(
    ("email", "message"), [("new@example.com", None), ("x", NO_EMAIL), ("", NO_EMAIL)]
)
def test_a_new_email_is_an_email(email: str, message: str | None) -> None:
    expected = [] if message is None else [("newEmail", message)]
    assert list_problems(UpdateEmail(ADA, email)) == expected


# --- Items -------------------------------------------------------------------------------------

LEAST: dict[str, Any] = {"id": "p-1", "name": "Go", "price": 1, "quantity": 1}
NO_CATEGORIES = "must be a string or a list of strings, not {}"
ITEM_FIELDS: list[tuple[str, Any, str | None]] = [
    *(
        (name, value, said)
        for name in ("id", "name")
        for value, said in [*TEXTS, (None, "missing")]
    ),
    *(
        (name, value, said)
        for name in ("sku", "description", "imageUrl", "url")
        for value, said in [*TEXTS, (None, None), ("", None)]
    ),
    *(("price", value, said) for value, said in NUMBERS),
    *(("quantity", value, said) for value, said in [*whole(64), (None, "missing")]),
    ("categories", [], None),
    ("categories", ["a", ""], None),
    ("categories", ["a", LONGEST], None),
    ("categories", ["a", LONGEST + "x"], TOO_LONG),
    ("categories", ["\ud800", "a"], HALF),
    ("categories", ["a", 5], NO_CATEGORIES.format("a list")),
    ("categories", [None], NO_CATEGORIES.format("a list")),
    ("categories", [["a"]], NO_CATEGORIES.format("a list")),
    ("categories", "a", NO_CATEGORIES.format("a string")),
    ("categories", True, NO_CATEGORIES.format("a boolean")),
    ("categories", {}, NO_CATEGORIES.format("an object")),
]


@pytest.mark.parametrize(("name", "value", "message"), ITEM_FIELDS, ids=ids(ITEM_FIELDS))
def test_an_item_is_as_documented(name: str, value: Any, message: str | None) -> None:
    items = [LEAST, {**LEAST, name: value}]
    expected = [] if message is None else [(f"items[1].{name}", message)]
    assert list_problems(UpdateCart(ADA, items)) == expected
    assert list_problems(TrackPurchase(ADA, items, 1)) == expected


def test_every_problem_of_a_call_is_listed() -> None:
    call = TrackPurchase(
        Identity("x", ""),
        [{}, {"id": 5}],
        total="x",  # type: ignore[arg-type]
        campaign_id=True,
        template_id=2**31,
    )
    assert [path for path, _ in list_problems(call)] == [
        "email",
        "userId",
        "total",
        "campaignId",
        "templateId",
        "items[0].id",
        "items[0].name",
        "items[0].price",
        "items[0].quantity",
        "items[1].id",
        "items[1].name",
        "items[1].price",
        "items[1].quantity",
    ]


def test_of_very_many_lookalikes_the_first_are_named() -> None:
    said = missing_identity_problem(f"k{number}" for number in range(12))
    assert said.message.endswith("k8, k9, …)")
    assert missing_identity_problem(["a"]).message.endswith("as one: a)")
    assert said.code == missing_identity_problem([]).code == "no-user"
