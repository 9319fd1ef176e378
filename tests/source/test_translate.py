"""to_segment: what holds for every webhook."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Iterator
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from iterable_destination.source import Ignored, SourceOptions, to_segment
from tests.support.source_strategies import python_webhooks, read_webhooks, webhooks
from tests.support.strategies import anything, read
from tests.support.webhooks import WEBHOOK, build_webhook, options, translate_or_none


def mutable_parts(value: Any) -> Iterator[int]:
    """Yield the identity of every object and list in a value."""
    if isinstance(value, dict | list):
        yield id(value)
        for inner in value.values() if isinstance(value, dict) else value:
            yield from mutable_parts(inner)


def shuffle(value: Any, rng: Random) -> Any:
    """Return a value with the keys of every object in another order."""
    if isinstance(value, dict):
        keys = list(value)
        rng.shuffle(keys)
        return {key: shuffle(value[key], rng) for key in keys}
    return [shuffle(inner, rng) for inner in value] if isinstance(value, list) else value


@given(read | read_webhooks, options)
def test_arbitrary_json_is_a_track_or_ignored_or_invalid(webhook: Any, chosen: Any) -> None:
    track = translate_or_none(webhook, chosen)
    if track is not None:
        json.dumps(track.body(), allow_nan=False).encode()


@given(anything | python_webhooks, options)
def test_arbitrary_python_is_a_track_or_ignored_or_invalid(webhook: Any, chosen: Any) -> None:
    track = translate_or_none(webhook, chosen)
    if track is not None:
        json.dumps(track.body(), allow_nan=False).encode()


@given(read_webhooks, options)
def test_a_webhook_is_never_changed(webhook: Any, chosen: Any) -> None:
    before = copy.deepcopy(webhook)
    translate_or_none(webhook, chosen)
    assert repr(webhook) == repr(before)


@given(webhooks, options)
def test_a_track_shares_nothing_with_its_webhook(webhook: Any, chosen: Any) -> None:
    track = translate_or_none(webhook, chosen)
    if track is not None:
        assert set(mutable_parts(webhook)).isdisjoint(mutable_parts(track.body()))


@given(webhooks)
def test_two_tracks_of_a_webhook_share_nothing(webhook: Any) -> None:
    first, second = (translate_or_none(webhook, SourceOptions(loop_guard=True)) for _ in range(2))
    if first is not None and second is not None:
        assert set(mutable_parts(first.body())).isdisjoint(mutable_parts(second.body()))


@given(read_webhooks, options, st.integers())
def test_the_order_of_keys_does_not_matter_to_the_message_id(
    webhook: Any, chosen: Any, seed: int
) -> None:
    again = shuffle(webhook, Random(seed))  # noqa: S311 - any order will do
    first, second = translate_or_none(webhook, chosen), translate_or_none(again, chosen)
    if first is not None and second is not None:
        assert first.message_id == second.message_id


@given(webhooks, st.sampled_from(["campaignName", "x"]), st.text("ab", min_size=1))
def test_another_webhook_has_another_message_id(webhook: Any, key: str, text: str) -> None:
    fields = webhook["dataFields"]
    other = {**webhook, "dataFields": {**fields, key: f"{fields.get(key)}{text}"}}
    first, second = translate_or_none(webhook), translate_or_none(other)
    if first is not None and second is not None:
        assert first.message_id != second.message_id


@given(webhooks, options)
def test_there_are_never_both_ids_and_never_none(webhook: Any, chosen: Any) -> None:
    track = translate_or_none(webhook, chosen)
    if track is not None:
        assert len({"userId", "anonymousId"} & track.body().keys()) == 1


def test_an_ignored_event_says_which_and_why() -> None:
    name = "é" * 50
    assert to_segment({"eventName": name}) == Ignored(
        name,
        f"{'é' * 40}… is no event of Segment's Iterable source: extra_names can give it a name",
    )
    odd = to_segment({"eventName": "\ud800"})
    assert isinstance(odd, Ignored)
    assert odd.reason.startswith(r"\ud800 is no event")


def test_people_are_kept_out_of_a_repr() -> None:
    track = translate_or_none({**build_webhook(ip="198.51.100.7"), "userId": "user-17"})
    assert track is not None
    for secret in ("jane@example.com", "198.51.100.7", "user-17", "campaign"):
        assert secret not in repr(track)


def test_a_track_survives_a_pickle() -> None:
    track = translate_or_none(WEBHOOK)
    assert pickle.loads(pickle.dumps(track)) == track  # noqa: S301 - our own
