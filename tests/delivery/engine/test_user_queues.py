"""Lanes: who is one user, and in which order what they wait for goes, as a slow model has it."""

from __future__ import annotations

import random
from collections.abc import Iterable

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iterable_destination.delivery.engine.envelope import Lane, Parcel, keys_of
from iterable_destination.delivery.engine.user_queues import Lanes
from iterable_destination.model.calls import Identity, TrackEvent, mark

NAMES = ["@a@x.com", "#a", "@b@x.com", "#b", "#c", "#d", "#e"]


def parcel_of(serial: int) -> Parcel:
    return Parcel(serial, None, marks=(mark(TrackEvent(Identity("a"), "Seen")),), serial=serial)


def take(lane: Lane, count: int) -> list[Parcel]:
    """Let so many of a lane's parcels be under way, as a stop does."""
    taken = [lane.waiting.pop(0) for _ in range(count)]
    lane.flying += count
    return taken


@attrs.define(eq=False)
class Person:
    """The model of a user: names, and what waits and is under way, by serial."""

    names: set[str]
    waiting: set[int] = attrs.field(factory=set)
    flying: set[int] = attrs.field(factory=set)
    held: bool = False

    @property
    def is_idle(self) -> bool:
        return not self.waiting and not self.flying


class Model:
    """Lanes, and beside them what is obvious: persons are sets of names, order is by serial."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - chance, not secrecy
        self.holds = self.dice.random() < 0.5
        self.lanes = Lanes(holds=self.holds)
        self.persons: list[Person] = []
        self.parcels: dict[int, Parcel] = {}

    def person_of(self, serial: int) -> Person:
        [person] = [each for each in self.persons if serial in each.waiting | each.flying]
        return person

    def lane_of(self, person: Person) -> Lane:
        return self.parcels[min(person.waiting | person.flying)].user

    def forget(self) -> None:
        """Forget whom nothing waits of, but for two names of one, and whoever is held."""
        for person in self.persons:
            if person.is_idle:
                person.held = person.held and self.holds
        self.persons = [
            each for each in self.persons if not each.is_idle or len(each.names) > 1 or each.held
        ]

    # What can happen

    def add(self) -> None:
        serial = len(self.parcels) + 1
        names = set(self.dice.sample(NAMES, self.dice.choice([1, 1, 1, 2, 2, 3])))
        known = [person for person in self.persons if person.names & names]
        parcel = self.parcels[serial] = parcel_of(serial)
        lane, merged = self.lanes.add(parcel, names)
        assert len(merged) == max(len(known) - 1, 0)
        assert all(each.merged_into is lane for each in merged)
        assert lane.merged_into is None
        person = Person(names)
        for each in known:
            person.names |= each.names
            person.waiting |= each.waiting
            person.flying |= each.flying
            person.held |= each.held
        person.waiting.add(serial)
        self.persons = [each for each in self.persons if each not in known] + [person]

    def send(self) -> None:
        """Send some of what waits of a user of whom nothing is under way."""
        ready = [each for each in self.persons if each.waiting and not each.flying]
        if ready:
            person = self.dice.choice(ready)
            first = sorted(person.waiting)[: self.dice.randint(1, len(person.waiting))]
            taken = take(self.lane_of(person), len(first))
            assert [parcel.serial for parcel in taken] == first
            person.waiting -= set(first)
            person.flying |= set(first)

    def settle(self) -> None:
        flying = [serial for person in self.persons for serial in person.flying]
        if flying:
            serial = self.dice.choice(flying)
            person = self.person_of(serial)
            lane = self.parcels[serial].user
            if self.dice.random() < 0.2:
                person.held = lane.held = True
            ready = self.lanes.settled(self.parcels[serial])
            person.flying.remove(serial)
            assert ready is (lane if person.waiting and not person.flying else None)
            if person.is_idle:
                self.forget()

    def send_back(self) -> None:
        """Put back some that were under way, of several users at once, in the order of arrival."""
        flying = [serial for person in self.persons for serial in person.flying]
        back = sorted(self.dice.sample(flying, self.dice.randint(0, len(flying))))
        ready = list(self.lanes.back([self.parcels[serial] for serial in back]))
        expected = set()
        for serial in back:
            person = self.person_of(serial)
            person.flying.remove(serial)
            person.waiting.add(serial)
            expected.add(person)
        ready_ones = [self.lane_of(each) for each in expected if not each.flying]
        assert len(ready) == len(ready_ones)
        assert set(ready) == set(ready_ones)

    def check(self) -> None:
        lanes = set()
        for person in self.persons:
            if person.is_idle:
                continue
            lane = self.lane_of(person)
            lanes.add(lane)
            assert {self.parcels[each].user for each in person.waiting | person.flying} == {lane}
            assert [parcel.serial for parcel in lane.waiting] == sorted(person.waiting)
            assert lane.flying == len(person.flying)
            assert set(lane.keys) == person.names
            assert lane.held == person.held
            assert lane.is_ready == bool(person.waiting and not person.flying)
        assert len(lanes) == sum(not person.is_idle for person in self.persons)
        assert len(self.lanes) == sum(len(person.names) for person in self.persons)


@given(st.integers(0, 2**64), st.integers(1, 60))
@settings(max_examples=400)
def test_lanes_are_as_a_slow_model_has_them(seed: int, steps: int) -> None:
    model = Model(seed)
    for _ in range(steps):
        happens = model.dice.choice(
            [model.add, model.add, model.send, model.send, model.settle, model.send_back]
        )
        happens()
        model.check()
    for _ in range(10_000):
        if all(person.is_idle for person in model.persons):
            break
        model.send()
        model.settle()
        model.check()
    else:
        raise AssertionError("something waits for ever")


def users(lanes: Lanes, *names_of: Iterable[str]) -> list[Parcel]:
    """Let one parcel of each user come, go and be settled."""
    parcels = []
    for serial, names in enumerate(names_of, 1):
        parcel = parcel_of(serial)
        lane, _ = lanes.add(parcel, set(names))
        take(lane, 1)
        lanes.settled(parcel)
        parcels.append(parcel)
    return parcels


def test_users_with_one_name_are_forgotten_when_nothing_of_them_waits() -> None:
    lanes = Lanes(holds=True)
    users(lanes, *([f"#{number}"] for number in range(100)))
    assert len(lanes) == 0


def test_two_names_of_a_user_are_remembered() -> None:
    lanes = Lanes(holds=True)
    users(lanes, ["#a", "@a"])
    assert len(lanes) == 2
    one, _ = lanes.add(parcel_of(2), {"#a"})
    other, merged = lanes.add(parcel_of(3), {"@a"})
    assert one is other
    assert merged == []


def test_no_more_are_remembered_than_asked_and_the_oldest_are_forgotten_first() -> None:
    lanes = Lanes(holds=True, remembered=3)
    users(lanes, *([f"#{number}", f"@{number}"] for number in range(50)))
    assert len(lanes) == 6
    users(lanes, ["#47"])  # seen again: now the youngest
    users(lanes, ["#new", "@new"])
    kept = [number for number in range(50) if is_one(lanes, f"#{number}", f"@{number}")]
    assert kept == [47, 49]


def is_one(lanes: Lanes, *names: str) -> bool:
    return len({id(lanes._lanes.get(name, name)) for name in names}) == 1


def test_a_user_who_waits_is_never_forgotten() -> None:
    lanes = Lanes(holds=True, remembered=1)
    waiting, _ = lanes.add(parcel_of(1), {"#a", "@a"})
    users(lanes, *([f"#{number}", f"@{number}"] for number in range(5)))
    found, _ = lanes.add(parcel_of(9), {"@a"})
    assert found is waiting
    assert len(found.waiting) == 2


@pytest.mark.parametrize("holds", [True, False])
def test_who_is_held_stays_so_only_if_that_is_asked_for(holds: bool) -> None:  # noqa: FBT001
    lanes = Lanes(holds=holds)
    parcel = parcel_of(1)
    lane, _ = lanes.add(parcel, {"#a"})
    take(lane, 1)
    lane.held = True
    lanes.settled(parcel)
    again, _ = lanes.add(parcel_of(2), {"#a"})
    assert again.held is holds


def test_names_are_emails_in_any_case_and_user_ids_as_they_are_written() -> None:
    identities = [Identity("Ann@X.com", "Ann"), Identity(None, "ann"), Identity("ann@x.com")]
    assert keys_of(identities) == {"@ann@x.com", "#Ann", "#ann"}
    assert keys_of([Identity()]) == set()
    assert keys_of([Identity(7, ["a"])]) == set()  # type: ignore[arg-type] # from a hand-made call


def test_an_email_is_no_user_id_that_looks_like_it() -> None:
    one, other = keys_of([Identity("a@x.com")]), keys_of([Identity(None, "a@x.com")])
    assert not one & other
