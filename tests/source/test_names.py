"""Names: how keys are spelled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterable_destination.source.collections import CAMPAIGN_FIELDS, COLLECTIONS
from iterable_destination.source.names import SNAKE_CASE, UNCHANGED, to_snake_case

SPELLED = {
    "campaignId": "campaign_id",
    "fromSMSSenderId": "from_sms_sender_id",
    "userAgentDevice": "user_agent_device",
    "isBot": "is_bot",
    "ip": "ip",
    "IP": "ip",
    "HTMLBody": "html_body",
    "utm2Source": "utm2_source",
    "already_in_snake": "already_in_snake",
    "Half_done": "half_done",
    "Order ID": "order_id",
    "order - date.utc": "order_date_utc",
    "_private": "_private",
    "naïveÉtat": "naïveétat",
    "": "",
}


@pytest.mark.parametrize(("key", "name"), SPELLED.items())
def test_a_key_is_spelled_in_snake_case(key: str, name: str) -> None:
    assert to_snake_case(key) == SNAKE_CASE[key] == name


@given(st.text())
def test_what_is_in_snake_case_stays_so(key: str) -> None:
    name = to_snake_case(key)
    assert to_snake_case(name) == name


@given(st.from_regex(r"[a-z]{1,5}([A-Z][a-z]{1,5}){0,4}", fullmatch=True))
def test_camel_case_becomes_small_letters_and_underscores(key: str) -> None:
    name = to_snake_case(key)
    assert name.replace("_", "") == key.lower()
    assert name.count("_") == sum(map(str.isupper, key))


@given(st.text())
def test_iterables_spelling_is_the_key_itself(key: str) -> None:
    assert UNCHANGED[key] == key


def test_no_two_fields_of_iterables_go_by_one_name() -> None:
    for collection in COLLECTIONS:
        keys = {*collection.fields, *CAMPAIGN_FIELDS}
        assert len({to_snake_case(key) for key in keys}) == len(keys)
