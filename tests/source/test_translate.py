"""to_segment: what holds of every webhook, whatever is in it."""

from __future__ import annotations

import copy
import json
import math
import pickle
from collections import UserDict
from collections.abc import Iterator
from random import Random
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterable_destination import InvalidWebhook
from iterable_destination.errors import Note, Problem
from iterable_destination.model.json_codec import encode
from iterable_destination.source import Ignored, SegmentTrack, SourceOptions, to_segment
from iterable_destination.source.fast_path import fast_path
from iterable_destination.source.names import to_snake_case
from iterable_destination.source.translate import _carefully
from tests.support.source_strategies import python_webhooks, read_webhooks, webhooks
from tests.support.strategies import anything, read

FIELDS: dict[str, Any] = {"campaignId": 7, "createdAt": "2016-12-02 20:21:04 +00:00"}
WEBHOOK: dict[str, Any] = {
    "email": "jane@example.com",
    "eventName": "emailOpen",
    "dataFields": FIELDS,
}
OPTIONS = [
    SourceOptions(send_skips=True),
    SourceOptions(send_skips=True, keep_spelling=True, loop_guard=True),
    SourceOptions(send_skips=True, max_bytes=500),
    SourceOptions(extra_names={"emailOpen": "Opened"}),
]
options = st.sampled_from(OPTIONS)


def opened(**fields: Any) -> dict[str, Any]:
    return {**WEBHOOK, "dataFields": {**FIELDS, **fields}}


def made(webhook: Any, chosen: SourceOptions | None = None) -> SegmentTrack | None:
    """Return the track call of a webhook, or None if there is none for a good reason."""
    try:
        result = to_segment(webhook, chosen)
    except InvalidWebhook as error:
        return None if error.problems else pytest.fail("an error without a problem")
    if isinstance(result, Ignored):
        assert result.reason
        return None
    return result


def problems(webhook: Any) -> list[str]:
    with pytest.raises(InvalidWebhook) as caught:
        to_segment(webhook)
    return list(map(str, caught.value.problems))


def mutable_parts(value: Any) -> Iterator[int]:
    """Yield the identity of every object and list in a value."""
    if isinstance(value, dict | list):
        yield id(value)
        for inner in value.values() if isinstance(value, dict) else value:
            yield from mutable_parts(inner)


def shuffled(value: Any, rng: Random) -> Any:
    """Return a value with the keys of every object in another order."""
    if isinstance(value, dict):
        keys = list(value)
        rng.shuffle(keys)
        return {key: shuffled(value[key], rng) for key in keys}
    return [shuffled(inner, rng) for inner in value] if isinstance(value, list) else value


@given(read | read_webhooks, options)
def test_arbitrary_json_is_a_track_or_ignored_or_invalid(webhook: Any, chosen: Any) -> None:
    track = made(webhook, chosen)
    if track is not None:
        json.dumps(track.body(), allow_nan=False).encode()


@given(anything | python_webhooks, options)
def test_arbitrary_python_is_a_track_or_ignored_or_invalid(webhook: Any, chosen: Any) -> None:
    track = made(webhook, chosen)
    if track is not None:
        json.dumps(track.body(), allow_nan=False).encode()


@given(read_webhooks, options)
def test_a_webhook_is_never_changed(webhook: Any, chosen: Any) -> None:
    before = copy.deepcopy(webhook)
    made(webhook, chosen)
    assert repr(webhook) == repr(before)


@given(webhooks, options)
def test_a_track_shares_nothing_with_its_webhook(webhook: Any, chosen: Any) -> None:
    track = made(webhook, chosen)
    if track is not None:
        assert set(mutable_parts(webhook)).isdisjoint(mutable_parts(track.body()))


@given(webhooks)
def test_two_tracks_of_a_webhook_share_nothing(webhook: Any) -> None:
    first, second = (made(webhook, SourceOptions(loop_guard=True)) for _ in range(2))
    if first is not None and second is not None:
        assert set(mutable_parts(first.body())).isdisjoint(mutable_parts(second.body()))


@given(read_webhooks, options, st.integers())
def test_the_order_of_keys_does_not_matter_to_the_message_id(
    webhook: Any, chosen: Any, seed: int
) -> None:
    again = shuffled(webhook, Random(seed))  # noqa: S311 - any order will do
    first, second = made(webhook, chosen), made(again, chosen)
    if first is not None and second is not None:
        assert first.message_id == second.message_id


@given(webhooks, st.sampled_from(["campaignName", "x"]), st.text("ab", min_size=1))
def test_another_webhook_has_another_message_id(webhook: Any, key: str, text: str) -> None:
    fields = webhook["dataFields"]
    other = {**webhook, "dataFields": {**fields, key: f"{fields.get(key)}{text}"}}
    first, second = made(webhook), made(other)
    if first is not None and second is not None:
        assert first.message_id != second.message_id


@given(webhooks, options)
def test_there_are_never_both_ids_and_never_none(webhook: Any, chosen: Any) -> None:
    track = made(webhook, chosen)
    if track is not None:
        assert len({"userId", "anonymousId"} & track.body().keys()) == 1


@given(webhooks, st.integers(1, 3_000))
def test_a_track_is_never_larger_than_is_taken(webhook: Any, most: int) -> None:
    track = made(webhook, SourceOptions(max_bytes=most))
    if track is not None:
        assert len(encode({"type": "track", **track.body()})) <= most


@given(webhooks)
def test_every_field_is_a_property_in_snake_case_or_reported(webhook: Any) -> None:
    track = made(webhook)
    if track is None:
        return
    left_out = {note.path for note in track.notes if note.message.startswith("left out")}
    found = {*track.properties, *map(to_snake_case, track.context)}
    for key in webhook["dataFields"]:
        assert to_snake_case(key) in found or f"dataFields.{key}" in left_out


@given(read_webhooks | python_webhooks, options)
def test_the_straight_way_gives_what_the_careful_one_gives(webhook: Any, chosen: Any) -> None:
    track = fast_path(webhook, chosen)
    if track is not None:
        careful = _carefully(webhook, chosen)
        assert careful == track
        assert repr(track.body()) == repr(careful.body())
        assert track.notes == ()


@pytest.mark.parametrize("wire", ["emailOpen", "emailClick", "pushSend", "smsSend", "inAppOpen"])
def test_an_ordinary_webhook_goes_the_straight_way(wire: str) -> None:
    webhook = {**opened(labels=[], url="https://shop.example/", price=1.5), "eventName": wire}
    assert (
        fast_path(webhook, SourceOptions())
        == to_segment(webhook)
        == _carefully(webhook, SourceOptions())
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


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)
HOSTILE: list[tuple[Any, list[str]]] = [
    (opened(a=math.nan), ["dataFields.a: is NaN, which JSON cannot hold"]),
    (opened(a=[-math.inf]), ["dataFields.a[0]: is infinity, which JSON cannot hold"]),
    (opened(a=10**400), ["dataFields.a: is a number too large for a double"]),
    (opened(a={"b": b"x"}), ["dataFields.a.b: is a value of type bytes, which JSON cannot hold"]),
    (
        opened(a={1: 2}),
        ["dataFields.a: has a key that is a number; JSON's keys are strings"],
    ),
    ({**WEBHOOK, 1: 2}, ["$: has a key that is a number; JSON's keys are strings"]),
    (
        opened(a=nested(130)),
        [f"dataFields.a{'[0]' * 29}[…]{'[0]' * 33}: is nested more than 128 levels deep"],
    ),
    (opened(a=CIRCLE), ["dataFields.a[0]: contains itself"]),
    (
        opened(a="\ud800", createdAt="x"),
        [
            "dataFields.a: has half of a surrogate pair, which is no Unicode character",
            "dataFields.createdAt: is no date: give ISO 8601, or unix seconds or milliseconds",
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
        opened(createdAt=True),
        ["dataFields.createdAt: is no date: give ISO 8601, or unix seconds or milliseconds"],
    ),
]


@pytest.mark.parametrize(
    ("webhook", "expected"), HOSTILE, ids=[expected[0][:40] for _, expected in HOSTILE]
)
def test_what_cannot_be_sent_is_named_with_its_place(webhook: Any, expected: list[str]) -> None:
    assert problems(webhook) == expected


def test_both_ways_take_128_levels_and_no_more() -> None:
    deepest = opened(a=nested(125))
    assert fast_path(deepest, SourceOptions()) == _carefully(deepest, SourceOptions())
    assert fast_path(opened(a=nested(126)), SourceOptions()) is None
    assert len(problems(opened(a=nested(126)))) == 1


@pytest.mark.parametrize("number", [2**63, 2**64, -(2**70), 10**307, 1e16, 1e-5, -0.0, 1e300])
def test_odd_numbers_are_sent_as_they_are(number: float) -> None:
    track = made(opened(hrefIndex=number))
    assert track is not None
    assert repr(track.properties["href_index"]) == repr(number)


def test_an_id_is_written_without_an_exponent() -> None:
    track = made(opened(campaignId=1e20))
    assert track is not None
    assert track.properties["campaign_id"] == "100000000000000000000"


def test_an_ignored_event_says_which_and_why() -> None:
    name = "é" * 50
    assert to_segment({"eventName": name}) == Ignored(
        name,
        f"{'é' * 40}… is no event of Segment's Iterable source: extra_names can give it a name",
    )
    odd = to_segment({"eventName": "\ud800"})
    assert isinstance(odd, Ignored)
    assert odd.reason.startswith(r"\ud800 is no event")


def test_a_note_names_the_key_as_it_was_spelled() -> None:
    track = made({**WEBHOOK, "dataFields": {**FIELDS, "User-Agent": 5}})
    assert track is not None
    message = "left where it is: the context needs a string, not a number"
    assert track.notes == (Note("dataFields.User-Agent", message),)


def test_a_very_large_field_that_can_go_is_left_out() -> None:
    track = made(opened(inAppBody="x" * 5_000_000))
    assert track is not None
    assert [note.path for note in track.notes] == ["dataFields.inAppBody"]


def test_an_event_near_the_limit_goes_the_straight_way() -> None:
    chosen = SourceOptions()
    assert fast_path(opened(inAppBody="x" * 20_000), chosen) is not None
    assert fast_path(opened(inAppBody="x" * 40_000), chosen) is None


def test_people_are_kept_out_of_a_repr() -> None:
    track = made({**opened(ip="198.51.100.7"), "userId": "user-17"})
    assert track is not None
    for secret in ("jane@example.com", "198.51.100.7", "user-17", "campaign"):
        assert secret not in repr(track)


def test_a_track_survives_a_pickle() -> None:
    track = made(WEBHOOK)
    assert pickle.loads(pickle.dumps(track)) == track  # noqa: S301 - our own


def test_an_invalid_webhook_has_no_message_id() -> None:
    with pytest.raises(InvalidWebhook) as caught:
        to_segment([])
    assert caught.value.message_id is None
    assert caught.value.problems == (Problem("$", "a webhook is an object, not a list"),)


@given(webhooks)
def test_a_dead_letter_is_its_webhook(webhook: Any) -> None:
    letter = webhook | {"deadLetter": {"outcome": "rejected"}}
    assert made(letter) == made(MappingProxyType(letter)) == made(webhook)


def test_a_dead_letter_is_refused_for_what_its_webhook_is() -> None:
    webhook = {"eventName": "emailOpen", "dataFields": {"createdAt": "soon"}}
    assert problems(webhook | {"deadLetter": None}) == problems(webhook)
    assert made(WEBHOOK | {"deadLetter": None}) == made(WEBHOOK) is not None
