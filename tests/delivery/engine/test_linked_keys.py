"""LinkedKeys: which ordering keys are one user's, checked against a slow model."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Iterable
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterable_destination.delivery.engine.linked_keys import LinkedKeys, ordering_keys, outside_key
from iterable_destination.model.calls import Identity

SHARED = "@info@x.com"


@attrs.define(eq=False)
class Users:
    """Users with something waiting, by their main keys, and what they were told."""

    mains: set[str] = attrs.field(factory=set)
    linked: list[tuple[str, set[str]]] = attrs.field(factory=list)

    def __contains__(self, main: object) -> bool:
        return main in self.mains

    def on_linked(self, main: str, others: Iterable[str]) -> None:
        self.linked.append((main, set(others)))


def are_one(links: LinkedKeys, *keys: str) -> bool:
    return len(set(map(links.find, keys))) == 1


def test_keys_are_emails_in_any_case_and_user_ids_as_they_are_written() -> None:
    identities = [Identity("Ann@X.com", "Ann"), Identity(None, "ann"), Identity("ann@x.com")]
    assert ordering_keys(identities) == {"@ann@x.com", "#Ann", "#ann"}
    assert ordering_keys([Identity()]) == set()
    assert ordering_keys([Identity(7, ["a"])]) == set()  # type: ignore[arg-type] # from a hand-made call


def test_an_email_is_no_user_id_that_looks_like_it() -> None:
    one, other = ordering_keys([Identity("a@x.com")]), ordering_keys([Identity(None, "a@x.com")])
    assert not one & other


@pytest.mark.parametrize("text", ["a@x.com", "#a@x.com", "@a@x.com", ""])
def test_a_key_from_outside_is_no_email_and_no_user_id_of_its_text(text: str) -> None:
    assert outside_key(text) not in ordering_keys([Identity(text, text)])
    assert outside_key(text) not in ordering_keys([Identity("a@x.com", "a@x.com")])


def test_keys_from_outside_are_linked_but_are_not_counted_as_names() -> None:
    reported: list[tuple[int, int]] = []
    links = LinkedKeys(on_many_keys=lambda emails, ids, _: reported.append((emails, ids)))
    for number in range(200):
        links.link({outside_key(str(number)), "#u-1"})
    assert reported == []
    assert are_one(links, "#u-1", *(outside_key(str(number)) for number in range(200)))
    for number in range(99):
        links.link({outside_key("0"), f"#u-{number + 2}"})
    assert reported == [(0, 100)]


@given(st.lists(st.sets(st.sampled_from("abcdefghij"), min_size=1, max_size=3), max_size=30))
def test_keys_are_linked_as_a_slow_model_has_them(events: list[set[str]]) -> None:
    links, recorder = LinkedKeys(), Users()
    links.register(recorder)
    users: list[set[str]] = [{key} for key in "abcdefghij"]
    for keys in events:
        known = [user for user in users if user & keys]
        mains_before = {links.find(next(iter(user))) for user in known}
        recorder.linked.clear()
        users = [user for user in users if user not in known] + [set().union(*known)]
        main = links.link(keys)
        if len(known) == 1:
            assert recorder.linked == []
            assert {main} == mains_before
        else:
            [(recorded, others)] = recorder.linked
            assert recorded == main
            assert {main, *others} == mains_before
            assert len(others) == len(known) - 1
        mains = [set(map(links.find, user)) for user in users]
        assert [len(each) for each in mains] == [1] * len(users)
        assert len(set().union(*mains)) == len(users)
        assert all(links.find(main) == main for each in mains for main in each)


def test_a_user_with_one_key_takes_no_memory() -> None:
    links = LinkedKeys()
    for number in range(100):
        assert links.link({f"#u-{number}"}) == f"#u-{number}"
    assert len(links) == 0


def test_no_more_keys_are_kept_than_asked_and_the_longest_unused_are_forgotten_first() -> None:
    links = LinkedKeys(3)
    for number in range(50):
        links.link({f"#{number}", f"@{number}"})
    assert len(links) == 3
    links.link({"#47", "@47"})
    links.link({"#new", "@new"})
    kept = [number for number in range(50) if are_one(links, f"#{number}", f"@{number}")]
    assert kept == [47, 49]


@given(st.integers(0, 2**64))
def test_keys_in_use_stay_linked_where_others_are_forgotten(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - chance, not secrecy
    links = LinkedKeys(20)
    links.link({"@a", "#a"})
    for number in range(200):
        links.link({f"#{number}", f"@{dice.randrange(50)}"})
        if number == 100:
            links.link({"@a", "#other"})
        if number % 5 == 0:
            assert are_one(links, "@a", "#a", *(["#other"] if number >= 100 else []))
    assert len(links) <= 20


def link_others(links: LinkedKeys, count: int) -> None:
    for number in range(count):
        links.link({f"#{number}", f"@{number}"})


def test_keys_of_users_with_something_waiting_are_forgotten_last() -> None:
    links = LinkedKeys(4)
    others, users = Users(), Users()
    links.register(others)
    links.register(users)
    users.mains = {links.link({"@a", "#a"})}
    link_others(links, 100)
    assert are_one(links, "@a", "#a")
    assert len(links) <= 5
    users.mains.clear()
    link_others(links, 100)
    assert not are_one(links, "@a", "#a")
    assert len(links) == 4


def test_they_are_forgotten_when_nobody_asks_for_them_any_more() -> None:
    links = LinkedKeys(4)
    users = Users({links.link({"@a", "#a"})})
    links.register(users)
    link_others(links, 100)
    assert are_one(links, "@a", "#a")
    del users
    gc.collect()
    link_others(links, 100)
    assert not are_one(links, "@a", "#a")


def test_a_key_is_kept_by_the_main_key_above_those_above_it() -> None:
    links = LinkedKeys(8)
    links.link({"@a", "#a"})
    links.link({"@b", "#b"})
    users = Users({links.link({"#a", "#b"})})
    links.register(users)
    link_others(links, 100)
    assert are_one(links, "@a", "#a", "@b", "#b")


def test_half_as_many_keys_as_there_is_room_for_are_all_kept() -> None:
    links = LinkedKeys(100)
    users = Users()
    links.register(users)
    for number in range(50):
        users.mains.add(links.link({f"#w-{number}", f"@w-{number}"}))
    link_others(links, 10_000)
    assert all(are_one(links, f"#w-{number}", f"@w-{number}") for number in range(50))
    assert len(links) < 200


def test_more_of_them_than_twice_the_room_are_forgotten_too() -> None:
    links = LinkedKeys(10)
    users = Users()
    links.register(users)
    for number in range(1_000):
        users.mains.add(links.link({outside_key(str(number)), "#u-1"}))
        assert len(links) <= 20
    assert are_one(links, "#u-1", outside_key("999"))
    assert len(links) == 20


def test_many_keys_cost_no_more_each_than_few() -> None:
    """Two hundred thousand took minutes when each had those before it copied."""
    links = LinkedKeys(10**6)
    began = time.process_time()
    for number in range(200_000):
        links.link({SHARED, f"#u-{number}"})
    assert time.process_time() - began < 20
    assert are_one(links, SHARED, "#u-0", "#u-199999")


def test_very_many_keys_of_one_user_are_reported_at_each_power_of_ten() -> None:
    reported: list[tuple[int, int]] = []
    links = LinkedKeys(on_many_keys=lambda emails, ids, _: reported.append((emails, ids)))
    for number in range(2_000):
        links.link({SHARED, f"#u-{number}"})
    assert reported == [(1, 100), (1, 1_000)]
    for number in range(3_000, 3_099):
        links.link({f"@{number}", "#u-1999"})
    assert reported == [(1, 100), (1, 1_000)]


def test_users_who_are_found_to_be_one_are_reported_together() -> None:
    reported: list[tuple[Any, ...]] = []
    links = LinkedKeys(on_many_keys=lambda *each: reported.append(each))
    for number in range(60):
        links.link({"@one", f"#a-{number}"})
        links.link({"@other", f"#b-{number}"})
    assert reported == []
    links.link({"@one", "@other"})
    assert reported == [(2, 120, {"@one", "@other"})]


@pytest.mark.parametrize("count", [1, 5])
def test_counts_of_users_are_bounded_too(count: int) -> None:
    links = LinkedKeys(count)
    for number in range(100):
        links.link({f"#{number}", f"@{number}"})
    assert len(links._counts) == len(links) == count


def test_a_key_whose_main_key_was_linked_to_another_is_found_there() -> None:
    links = LinkedKeys()
    for number in range(8):
        links.link({f"#{number}", f"@{number}"})
    for step in (1, 2, 4):  # two by two, so that each has several above it
        for number in range(0, 8, 2 * step):
            links.link({f"#{number}", f"#{number + step}"})
    everybody = [f"{kind}{number}" for kind in "#@" for number in range(8)]
    assert are_one(links, *everybody)
    assert are_one(links, *everybody)  # and the same by the shorter way
