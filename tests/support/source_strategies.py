"""Hypothesis strategies for webhooks, most of them nearly valid."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from iterable_destination.source.collections import COLLECTIONS, SEND_SKIPS
from tests.support.strategies import (
    anything,
    dates,
    emails,
    nest,
    numbers,
    read,
    scalars,
    sendable,
    spoil,
)

Strategy = st.SearchStrategy[Any]

wires: Strategy = st.sampled_from([each.wire for each in COLLECTIONS + SEND_SKIPS])
created: Strategy = st.datetimes().map(lambda moment: f"{moment:%Y-%m-%d %H:%M:%S} +00:00")
ids: Strategy = st.integers(0, 10**12) | sendable | st.none() | numbers | st.just([1])
urls: Strategy = st.sampled_from(["https://shop.example/", "", None, 7])
values = nest(scalars, sendable, max_leaves=4)

#: Fields that Iterable sends, and fields with the same names.
known: Strategy = st.fixed_dictionaries(
    {},
    optional={
        "campaignId": ids,
        "campaign_id": ids,
        "emailId": ids,
        "linkId": ids,
        "listId": ids,
        "emailListIds": st.lists(ids, max_size=2) | st.none(),
        "linkUrl": urls,
        "url": urls,
        "clickedUrl": urls,
        "clicked_url": urls,
        "ip": st.sampled_from(["198.51.100.7", "", None, 7]),
        "userAgent": st.sampled_from(["Mozilla/5.0", "", None, ["x"]]),
        "email": emails | st.none(),
        "transactionalData": values,
        "inAppBody": sendable,
        "labels": st.lists(sendable, max_size=2),
        "hrefIndex": st.integers(),
        "price": st.floats(allow_nan=False, allow_infinity=False),
    },
)
fields: Strategy = st.builds(
    lambda some, more, when: {**more, **some, **when},
    known,
    st.dictionaries(sendable, values, max_size=3),
    st.fixed_dictionaries({"createdAt": created}) | st.fixed_dictionaries({"createdAt": dates}),
)
#: Webhooks as Iterable sends them; nearly all are valid.
webhooks: Strategy = st.fixed_dictionaries(
    {
        "email": emails | st.just("u-1@placeholder.email"),
        "eventName": wires,
        "dataFields": fields,
    },
    optional={"userId": st.sampled_from(["u-1", "", None, 17, 1.5]), "campaign": values},
)
#: Webhooks with at most two bad values: of JSON, and of Python.
read_webhooks: Strategy = spoil(read, webhooks)
python_webhooks: Strategy = spoil(anything, webhooks)
