"""Shards part an input: each event has exactly one, and a user's events all have the same."""

from __future__ import annotations

import itertools
import json
import random
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterable_destination import Destination, Settings
from iterable_destination.delivery.shards import MAX_SHARDS, Shard, assign_lines, assign_shards
from iterable_destination.model.records import LineRecord

NAMES = st.sampled_from([f"#{number}" for number in range(12)] + [f"@{n}" for n in range(12)])
EVENTS = st.lists(st.sets(NAMES, max_size=3), max_size=40)
COUNTS = st.integers(1, MAX_SHARDS)


def shards_of(events: list[set[str]], count: int) -> list[int]:
    return list(assign_shards(enumerate(events), count))


def users_of(events: list[set[str]]) -> list[int]:
    """Return a number for each event, which those of one user have in common; slowly."""
    users = list(range(len(events)))
    changed = True
    while changed:
        changed = False
        for (one, keys), (other, others) in itertools.combinations(enumerate(events), 2):
            if keys & others and users[one] != users[other]:
                users[one] = users[other] = min(users[one], users[other])
                changed = True
    return users


@given(EVENTS, COUNTS)
def test_every_event_has_one_shard_and_a_user_is_never_split(
    events: list[set[str]], count: int
) -> None:
    found = shards_of(events, count)
    assert len(found) == len(events)
    assert set(found) <= set(range(1, count + 1))
    by_user: dict[int, set[int]] = {}
    for user, shard in zip(users_of(events), found, strict=True):
        by_user.setdefault(user, set()).add(shard)
    assert all(len(shards) == 1 for shards in by_user.values())


@given(EVENTS, COUNTS, st.randoms(use_true_random=False))
def test_a_users_shard_depends_on_no_order(
    events: list[set[str]], count: int, chance: random.Random
) -> None:
    places = list(range(len(events)))
    chance.shuffle(places)
    before = shards_of(events, count)
    after = list(assign_shards(((place, events[place]) for place in places), count))
    assert after == [before[place] for place in places]


@given(st.integers(2, 60), st.integers(2, 20), st.randoms(use_true_random=False))
def test_a_chain_of_links_is_one_user_in_any_order(
    length: int, count: int, chance: random.Random
) -> None:
    events = [{f"#{number}", f"#{number + 1}"} for number in range(length)]
    chance.shuffle(events)
    smallest = min(crc32(f"#{number}".encode()) for number in range(length + 1))
    assert set(shards_of(events, count)) == {smallest % count + 1}


def test_a_user_with_one_name_has_the_shard_of_its_crc32() -> None:
    events = [{f"#u-{number}"} for number in range(100)]
    assert shards_of(events, 7) == [crc32(f"#u-{n}".encode()) % 7 + 1 for n in range(100)]


def test_events_of_nobody_are_spread_by_their_lines() -> None:
    assert shards_of([set()] * 6, 3) == [1, 2, 3, 1, 2, 3]


def test_shards_have_about_as_much() -> None:
    events = [{f"#u-{number}", f"@u-{number}@example.com"} for number in range(4_000)]
    found = shards_of(events, 4)
    assert all(900 < found.count(shard) < 1_100 for shard in range(1, 5))


def test_a_name_that_is_no_unicode_has_a_shard_too() -> None:
    assert shards_of([{"#\ud800"}, {"#\ud800", "@a"}], 2)[0] in {1, 2}


#: Events of one person, who has five names, and whom no event shows whole.
PERSON = [
    {"type": "track", "event": "Seen", "userId": "u-1"},
    {"type": "track", "event": "Seen", "context": {"traits": {"email": "New@Example.com"}}},
    {"type": "identify", "userId": "u-2", "traits": {"email": "old@example.com"}},
    {"type": "track", "event": "", "userId": "u-2"},
    {"type": "group", "userId": "u-1"},
    {"type": "identify", "userId": "u-1", "traits": {"email": "new@example.com"}},
    {"type": "alias", "previousId": "old@example.com", "userId": "new@example.com"},
]


def test_lines_are_parted_as_delivery_orders_their_events() -> None:
    lines = [
        LineRecord(number, json.dumps(event).encode()) for number, event in enumerate(PERSON, 1)
    ]
    lines += [LineRecord(8, b"no JSON"), LineRecord(11, b"[]")]
    with Destination(Settings(api_key="none")) as to:
        prepared = [to._preparer.prepare(0, line)[1] for line in lines]
        found = [list(assign_lines(lines, to, count)) for count in range(1, 30)]
    assert prepared[-2:] == [set(), set()]
    for count, shards in enumerate(found, 1):
        expected = assign_shards(zip([line.index for line in lines], prepared, strict=True), count)
        assert shards == list(expected)
        assert shards[-2:] == [7 % count + 1, 10 % count + 1]
    named = [keys for keys in prepared if keys]
    assert len(named) >= 6
    users = users_of(named)
    for shards in found:
        by_user = dict(zip(users, shards, strict=False))
        assert [by_user[user] for user in users] == shards[: len(users)]


@pytest.mark.parametrize(
    ("rate", "share"), [(None, None), (5, 1.25), (0.5, 0.125), (5e-324, 5e-324)]
)
def test_a_rate_is_shared_and_stays_above_0(rate: float | None, share: float | None) -> None:
    assert Shard(1, 4).share(rate) == share
