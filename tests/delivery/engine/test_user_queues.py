"""UserQueues: which events are one user's, and their order, checked against a slow model."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iterable_destination.delivery.engine.envelope import Envelope, UserQueue
from iterable_destination.delivery.engine.linked_keys import LinkedKeys
from iterable_destination.delivery.engine.user_queues import UserQueues
from iterable_destination.model.calls import Identity, TrackEvent, encode_call
from tests.support.examples import examples

NAMES = ["@a@x.com", "#a", "@b@x.com", "#b", "#c", "#d", "#e"]


def build_envelope(sequence: int) -> Envelope:
    return Envelope(
        sequence, None, calls=(encode_call(TrackEvent(Identity("a"), "Seen")),), sequence=sequence
    )


def take(queue: UserQueue, count: int) -> list[Envelope]:
    """Take so many envelopes out of a user queue, as an endpoint queue does."""
    taken = [queue.waiting.pop(0) for _ in range(count)]
    queue.in_flight += count
    return taken


@attrs.define(eq=False)
class Person:
    """The model of a user: names, and what waits and is in flight, by sequence."""

    names: set[str]
    waiting: set[int] = attrs.field(factory=set)
    in_flight: set[int] = attrs.field(factory=set)
    paused: bool = False

    @property
    def is_idle(self) -> bool:
        return not self.waiting and not self.in_flight

    @property
    def has_queue(self) -> bool:
        return not self.is_idle or self.paused


class Model:
    """User queues, and beside them a simple model: persons are sets of names."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - chance, not secrecy
        self.keeps_paused = self.dice.random() < 0.5
        self.queues = UserQueues(keeps_paused=self.keeps_paused)
        self.links = LinkedKeys()
        self.links.register(self.queues)
        self.persons: list[Person] = []
        self.envelopes: dict[int, Envelope] = {}

    def person_of(self, sequence: int) -> Person:
        [person] = [each for each in self.persons if sequence in each.waiting | each.in_flight]
        return person

    def queue_of(self, person: Person) -> UserQueue:
        return self.envelopes[min(person.waiting | person.in_flight)].queue

    def forget(self) -> None:
        """Forget idle persons, except those with two names and paused ones."""
        for person in self.persons:
            if person.is_idle:
                person.paused = person.paused and self.keeps_paused
        self.persons = [
            each for each in self.persons if not each.is_idle or len(each.names) > 1 or each.paused
        ]

    # What can happen

    def add(self) -> None:
        sequence = len(self.envelopes) + 1
        names = set(self.dice.sample(NAMES, self.dice.choice([1, 1, 1, 2, 2, 3])))
        known = [person for person in self.persons if person.names & names]
        envelope = self.envelopes[sequence] = build_envelope(sequence)
        queue, merged = self.queues.add(envelope, self.links.link(names))
        assert len(merged) == max(sum(each.has_queue for each in known) - 1, 0)
        assert all(each.merged_into is queue for each in merged)
        assert queue.merged_into is None
        person = Person(names)
        for each in known:
            person.names |= each.names
            person.waiting |= each.waiting
            person.in_flight |= each.in_flight
            person.paused |= each.paused
        person.waiting.add(sequence)
        self.persons = [each for each in self.persons if each not in known] + [person]

    def send(self) -> None:
        """Send some of what waits of a user with nothing in flight."""
        ready = [each for each in self.persons if each.waiting and not each.in_flight]
        if ready:
            person = self.dice.choice(ready)
            first = sorted(person.waiting)[: self.dice.randint(1, len(person.waiting))]
            taken = take(self.queue_of(person), len(first))
            assert [envelope.sequence for envelope in taken] == first
            person.waiting -= set(first)
            person.in_flight |= set(first)

    def settle(self) -> None:
        in_flight = [sequence for person in self.persons for sequence in person.in_flight]
        if in_flight:
            sequence = self.dice.choice(in_flight)
            person = self.person_of(sequence)
            queue = self.envelopes[sequence].queue
            if self.dice.random() < 0.2:
                person.paused = queue.paused = True
            ready = self.queues.on_settled(self.envelopes[sequence])
            person.in_flight.remove(sequence)
            assert ready is (queue if person.waiting and not person.in_flight else None)
            if person.is_idle:
                self.forget()

    def requeue(self) -> None:
        """Put back some that were in flight, of several users at once, in the order of arrival."""
        in_flight = [sequence for person in self.persons for sequence in person.in_flight]
        back = sorted(self.dice.sample(in_flight, self.dice.randint(0, len(in_flight))))
        ready = list(self.queues.requeue([self.envelopes[sequence] for sequence in back]))
        expected = set()
        for sequence in back:
            person = self.person_of(sequence)
            person.in_flight.remove(sequence)
            person.waiting.add(sequence)
            expected.add(person)
        ready_ones = [self.queue_of(each) for each in expected if not each.in_flight]
        assert len(ready) == len(ready_ones)
        assert set(ready) == set(ready_ones)

    def check(self) -> None:
        queues = set()
        for person in self.persons:
            if person.is_idle:
                continue
            queue = self.queue_of(person)
            queues.add(queue)
            assert {self.envelopes[each].queue for each in person.waiting | person.in_flight} == {
                queue
            }
            assert [envelope.sequence for envelope in queue.waiting] == sorted(person.waiting)
            assert queue.in_flight == len(person.in_flight)
            assert {queue.key} == set(map(self.links.find, person.names))
            assert queue.paused == person.paused
            assert queue.is_ready == bool(person.waiting and not person.in_flight)
        assert len(queues) == sum(not person.is_idle for person in self.persons)
        assert len(self.queues) == sum(person.has_queue for person in self.persons)


names_of_events = st.sets(st.sampled_from(NAMES), min_size=1, max_size=3)


@given(st.lists(st.tuples(st.booleans(), names_of_events), max_size=40))
def test_envelopes_with_a_name_in_common_wait_in_one_queue_whatever_others_link(
    events: list[tuple[bool, set[str]]],
) -> None:
    queues, links = UserQueues(keeps_paused=True), LinkedKeys()
    links.register(queues)
    added: list[tuple[Envelope, set[str]]] = []
    for sequence, (is_here, names) in enumerate(events):
        key = links.link(names)
        if is_here:
            envelope = build_envelope(sequence)
            queue, _ = queues.add(envelope, key)
            added.append((envelope, names))
            assert all(each.queue is queue for each, others in added if names & others)
            waiting = [each.sequence for each in queue.waiting]
            assert waiting == sorted(waiting)
            assert len({each.queue for each, _ in added}) == len(queues)


def test_a_queue_goes_on_under_the_main_key_that_other_queues_have_found() -> None:
    queues = UserQueues(keeps_paused=True)
    queue, _ = queues.add(build_envelope(1), "#a")
    queues.on_linked("@a", ["#a", "#b"])
    assert "#a" not in queues
    assert queues.add(build_envelope(2), "@a") == (queue, [])
    assert [each.sequence for each in queue.waiting] == [1, 2]


def test_two_queues_that_others_find_to_be_one_users_are_merged_by_the_next_envelope() -> None:
    queues = UserQueues(keeps_paused=True)
    queue, _ = queues.add(build_envelope(1), "#a")
    queues.add(build_envelope(3), "#a")
    other, _ = queues.add(build_envelope(2), "@a")
    queues.on_linked("@a", ["#a"])
    queues.on_linked("@b", ["@a"])  # and these have another main key before it comes
    assert "@a" not in queues
    assert queues.add(build_envelope(4), "@b") == (queue, [other])
    assert [each.sequence for each in queue.waiting] == [1, 2, 3, 4]
    assert queues.add(build_envelope(5), "@b") == (queue, [])


@pytest.mark.parametrize("ended", [["#a"], ["@a"], ["#a", "@a"]])
def test_of_two_queues_that_are_to_be_merged_each_may_end_before(ended: list[str]) -> None:
    queues = UserQueues(keeps_paused=True)
    both = {
        key: queues.add(build_envelope(number), key)[0] for number, key in enumerate(["#a", "@a"])
    }
    queues.on_linked("@a", ["#a"])
    for key in ended:
        queues.release(both.pop(key))
    queue, merged = queues.add(build_envelope(3), "@a")
    assert merged == []
    assert [queue] == list(both.values()) or not both
    assert len(queues) == 1


def test_a_user_with_something_waiting_or_in_flight_and_a_paused_one_have_a_queue() -> None:
    queues = UserQueues(keeps_paused=True)
    envelope = build_envelope(1)
    queue, _ = queues.add(envelope, "#a")
    assert "#a" in queues
    take(queue, 1)
    assert "#a" in queues
    assert queues.on_settled(envelope) is None
    assert "#a" not in queues
    queue, _ = queues.add(build_envelope(2), "#a")
    queue.paused = True
    queues.release(queue)
    assert "#a" in queues
    assert "#b" not in queues


@given(st.integers(0, 2**64), st.integers(1, 60))
@settings(max_examples=examples(400))
def test_lanes_are_as_a_slow_model_has_them(seed: int, steps: int) -> None:
    model = Model(seed)
    for _ in range(steps):
        happens = model.dice.choice(
            [model.add, model.add, model.send, model.send, model.settle, model.requeue]
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


def pass_through(queues: UserQueues, keys: Iterable[str], *, paused: bool = False) -> None:
    """Let one envelope of each user come, go and be settled."""
    for sequence, key in enumerate(keys, 1):
        envelope = build_envelope(sequence)
        queue, _ = queues.add(envelope, key)
        take(queue, 1)
        queue.paused = paused
        queues.on_settled(envelope)


def test_users_are_forgotten_when_nothing_of_them_waits() -> None:
    queues = UserQueues(keeps_paused=True)
    pass_through(queues, (f"#{number}" for number in range(100)))
    assert len(queues) == 0


def test_no_more_paused_users_are_kept_than_asked_and_the_oldest_are_forgotten_first() -> None:
    queues = UserQueues(keeps_paused=True, max_idle=3)
    pass_through(queues, [f"#{number}" for number in [*range(50), 47]], paused=True)
    assert len(queues) == 3
    pass_through(queues, ["#new"], paused=True)
    kept = [number for number in range(50) if queues.add(build_envelope(1), f"#{number}")[0].paused]
    assert kept == [47, 49]


@pytest.mark.slow
def test_twenty_thousand_paused_users_are_kept() -> None:
    queues = UserQueues(keeps_paused=True)
    pass_through(queues, (f"#{number}" for number in range(20_001)), paused=True)
    assert len(queues) == 20_000


def test_a_user_who_waits_is_never_forgotten() -> None:
    queues = UserQueues(keeps_paused=True, max_idle=1)
    waiting, _ = queues.add(build_envelope(1), "#a")
    pass_through(queues, (f"#{number}" for number in range(5)), paused=True)
    found, _ = queues.add(build_envelope(9), "#a")
    assert found is waiting
    assert len(found.waiting) == 2


@pytest.mark.parametrize("keeps_paused", [True, False])
def test_who_is_held_stays_so_only_if_that_is_asked_for(keeps_paused: bool) -> None:  # noqa: FBT001
    queues = UserQueues(keeps_paused=keeps_paused)
    pass_through(queues, ["#a"], paused=True)
    again, _ = queues.add(build_envelope(2), "#a")
    assert again.paused is keeps_paused


def test_users_who_turn_out_to_be_one_cost_no_more_each_the_more_they_are() -> None:
    queues, links = UserQueues(keeps_paused=True), LinkedKeys()
    links.register(queues)
    count = 40_000
    began = time.process_time()
    for sequence in range(1, count + 1):
        queues.add(build_envelope(sequence), links.link({f"#u-{sequence}"}))
    for sequence in range(1, count + 1):
        key = links.link({"@info@x.com", f"#u-{sequence}"})
        queue, _ = queues.add(build_envelope(count + sequence), key)
    assert time.process_time() - began < 20
    assert [envelope.sequence for envelope in queue.waiting] == list(range(1, 2 * count + 1))
