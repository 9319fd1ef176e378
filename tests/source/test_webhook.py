"""Webhooks: which are refused, and for which problems."""

from __future__ import annotations

import math
from collections import UserDict
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given

from iterable_destination import InvalidWebhook
from iterable_destination.errors import Note, Problem
from iterable_destination.source import to_segment
from tests.support.source_strategies import webhooks
from tests.support.webhooks import (
    FIELDS,
    WEBHOOK,
    build_webhook,
    find_problems,
    nest,
    translate_or_none,
)


@pytest.mark.parametrize(
    "webhook",
    [
        UserDict(WEBHOOK),
        MappingProxyType({**WEBHOOK, "dataFields": UserDict(FIELDS)}),
        {**WEBHOOK, "dataFields": MappingProxyType(FIELDS)},
    ],
    ids=lambda webhook: type(webhook).__name__,
)
def test_any_mapping_is_taken(webhook: Any) -> None:
    assert to_segment(webhook) == to_segment(WEBHOOK)


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)

HOSTILE: list[tuple[Any, list[str]]] = [
    (build_webhook(a=math.nan), ["dataFields.a: is NaN, which JSON cannot hold"]),
    (build_webhook(a=[-math.inf]), ["dataFields.a[0]: is infinity, which JSON cannot hold"]),
    (build_webhook(a=10**400), ["dataFields.a: is a number too large for a double"]),
    (
        build_webhook(a={"b": b"x"}),
        ["dataFields.a.b: is a value of type bytes, which JSON cannot hold"],
    ),
    (
        build_webhook(a={1: 2}),
        ["dataFields.a: has a key that is a number; JSON's keys are strings"],
    ),
    ({**WEBHOOK, 1: 2}, ["$: has a key that is a number; JSON's keys are strings"]),
    (
        build_webhook(a=nest(130)),
        [f"dataFields.a{'[0]' * 29}[…]{'[0]' * 33}: is nested more than 128 levels deep"],
    ),
    (build_webhook(a=CIRCLE), ["dataFields.a[0]: contains itself"]),
    (
        build_webhook(a="\ud800", createdAt="x"),
        [
            "dataFields.a: contains an unpaired surrogate (invalid Unicode)",
            "dataFields.createdAt: not a date; use ISO 8601, or Unix seconds or milliseconds",
        ],
    ),
    (
        {**WEBHOOK, "email": math.nan},
        ["email: is NaN, which JSON cannot hold"],
    ),
    (
        {**WEBHOOK, "eventName": b"emailOpen"},
        ["eventName: is a value of type bytes, which JSON cannot hold"],
    ),
    (
        {**WEBHOOK, "email": [math.nan], "dataFields": CIRCLE},
        [
            "email[0]: is NaN, which JSON cannot hold",
            "dataFields[0]: contains itself",
        ],
    ),
    ({**WEBHOOK, "dataFields": None}, ["dataFields: missing"]),
    ({**WEBHOOK, "eventName": ""}, ["eventName: missing"]),
    (
        build_webhook(createdAt=True),
        ["dataFields.createdAt: not a date; use ISO 8601, or Unix seconds or milliseconds"],
    ),
]


@pytest.mark.parametrize(
    ("webhook", "expected"), HOSTILE, ids=[expected[0][:40] for _, expected in HOSTILE]
)
def test_what_cannot_be_sent_is_named_with_its_place(webhook: Any, expected: list[str]) -> None:
    assert find_problems(webhook) == expected


def test_a_note_names_the_key_as_it_was_spelled() -> None:
    track = translate_or_none({**WEBHOOK, "dataFields": {**FIELDS, "User-Agent": 5}})
    assert track is not None
    message = "left where it is: the context needs a string, not a number"
    assert track.notes == (Note("dataFields.User-Agent", message, "not-a-string"),)


def test_an_invalid_webhook_has_no_message_id() -> None:
    with pytest.raises(InvalidWebhook) as caught:
        to_segment([])
    assert caught.value.message_id is None
    assert caught.value.problems == (
        Problem("$", "a webhook is an object, not a list", "not-an-object"),
    )


@given(webhooks)
def test_a_dead_letter_is_its_webhook(webhook: Any) -> None:
    letter = webhook | {"deadLetter": {"outcome": "rejected"}}
    assert (
        translate_or_none(letter)
        == translate_or_none(MappingProxyType(letter))
        == translate_or_none(webhook)
    )


def test_a_dead_letter_is_refused_for_what_its_webhook_is() -> None:
    webhook = {"eventName": "emailOpen", "dataFields": {"createdAt": "soon"}}
    assert find_problems(webhook | {"deadLetter": None}) == find_problems(webhook)
    assert (
        translate_or_none(WEBHOOK | {"deadLetter": None}) == translate_or_none(WEBHOOK) is not None
    )
