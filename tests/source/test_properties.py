"""Properties: every field of a webhook becomes one, with its value."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from iterable_destination.source.names import to_snake_case
from tests.support.source_strategies import webhooks
from tests.support.strategies import date_like
from tests.support.webhooks import WEBHOOK, build_webhook, translate_or_none


@given(webhooks)
def test_every_field_is_a_property_in_snake_case_or_reported(webhook: Any) -> None:
    track = translate_or_none(webhook)
    if track is None:
        return
    left_out = {note.path for note in track.notes if note.message.startswith("left out")}
    found = {*track.properties, *map(to_snake_case, track.context)}
    for key in webhook["dataFields"]:
        assert to_snake_case(key) in found or f"dataFields.{key}" in left_out


@given(date_like)
def test_no_text_in_place_of_a_date_raises_anything_but_invalid_webhook(text: str) -> None:
    translate_or_none(build_webhook(createdAt=text))


@pytest.mark.parametrize("number", [2**63, 2**64, -(2**70), 10**307, 1e16, 1e-5, -0.0, 1e300])
def test_odd_numbers_are_sent_as_they_are(number: float) -> None:
    track = translate_or_none(build_webhook(hrefIndex=number))
    assert track is not None
    assert repr(track.properties["href_index"]) == repr(number)


def test_an_id_is_written_without_an_exponent() -> None:
    track = translate_or_none(build_webhook(campaignId=1e20))
    assert track is not None
    assert track.properties["campaign_id"] == "100000000000000000000"


@pytest.mark.parametrize(
    ("email", "traits"),
    [
        ("u-7@placeholder.email", None),
        ("U-7@PLACEHOLDER.EMAIL", None),
        ("u-7@Placeholder.Email", None),
        ("u-7@placeholder.email.org", {"email": "u-7@placeholder.email.org"}),
        ("u-7@myplaceholder.email", {"email": "u-7@myplaceholder.email"}),
    ],
)
def test_an_email_that_iterable_generated_is_no_trait_in_any_case(email: str, traits: Any) -> None:
    track = translate_or_none({**WEBHOOK, "email": email})
    assert track is not None
    assert track.context.get("traits") == traits
