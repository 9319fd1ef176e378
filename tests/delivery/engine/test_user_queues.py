"""UserQueues: which events are one user's, and their order, checked against a slow model."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iterable_destination.delivery.engine import user_queues
from iterable_destination.delivery.engine.envelope import Envelope, UserQueue
from iterable_destination.delivery.engine.user_queues import MAX_KEYS, UserQueues, ordering_keys
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


class Model:
    """User queues, and beside them a simple model: persons are sets of names."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - chance, not secrecy
        self.keeps_paused = self.dice.random() < 0.5
        self.queues = UserQueues(keeps_paused=self.keeps_paused)
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
        queue, merged = self.queues.add(envelope, names)
        assert len(merged) == max(len(known) - 1, 0)
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
            assert set(queue.keys) == person.names
            assert queue.paused == person.paused
            assert queue.is_ready == bool(person.waiting and not person.in_flight)
        assert len(queues) == sum(not person.is_idle for person in self.persons)
        assert len(self.queues) == sum(len(person.names) for person in self.persons)


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


def users(queues: UserQueues, *names_of: Iterable[str]) -> list[Envelope]:
    """Let one envelope of each user come, go and be settled."""
    envelopes = []
    for sequence, names in enumerate(names_of, 1):
        envelope = build_envelope(sequence)
        queue, _ = queues.add(envelope, set(names))
        take(queue, 1)
        queues.on_settled(envelope)
        envelopes.append(envelope)
    return envelopes


def test_users_with_one_name_are_forgotten_when_nothing_of_them_waits() -> None:
    queues = UserQueues(keeps_paused=True)
    users(queues, *([f"#{number}"] for number in range(100)))
    assert len(queues) == 0


def test_two_names_of_a_user_are_remembered() -> None:
    queues = UserQueues(keeps_paused=True)
    users(queues, ["#a", "@a"])
    assert len(queues) == 2
    one, _ = queues.add(build_envelope(2), {"#a"})
    other, merged = queues.add(build_envelope(3), {"@a"})
    assert one is other
    assert merged == []


def test_no_more_are_remembered_than_asked_and_the_oldest_are_forgotten_first() -> None:
    queues = UserQueues(keeps_paused=True, max_idle=3)
    users(queues, *([f"#{number}", f"@{number}"] for number in range(50)))
    assert len(queues) == 6
    users(queues, ["#47"])  # seen again: now the youngest
    users(queues, ["#new", "@new"])
    kept = [number for number in range(50) if is_one(queues, f"#{number}", f"@{number}")]
    assert kept == [47, 49]


@pytest.mark.slow
def test_twenty_thousand_idle_users_are_remembered() -> None:
    queues = UserQueues(keeps_paused=True)
    users(queues, *([f"#{number}", f"@{number}"] for number in range(20_001)))
    assert len(queues) == 2 * 20_000


def is_one(queues: UserQueues, *names: str) -> bool:
    return len({id(queues._by_key.get(name, name)) for name in names}) == 1


def test_a_user_who_waits_is_never_forgotten() -> None:
    queues = UserQueues(keeps_paused=True, max_idle=1)
    waiting, _ = queues.add(build_envelope(1), {"#a", "@a"})
    users(queues, *([f"#{number}", f"@{number}"] for number in range(5)))
    found, _ = queues.add(build_envelope(9), {"@a"})
    assert found is waiting
    assert len(found.waiting) == 2


@pytest.mark.parametrize("keeps_paused", [True, False])
def test_who_is_held_stays_so_only_if_that_is_asked_for(keeps_paused: bool) -> None:  # noqa: FBT001
    queues = UserQueues(keeps_paused=keeps_paused)
    envelope = build_envelope(1)
    queue, _ = queues.add(envelope, {"#a"})
    take(queue, 1)
    queue.paused = True
    queues.on_settled(envelope)
    again, _ = queues.add(build_envelope(2), {"#a"})
    assert again.paused is keeps_paused


def test_names_are_emails_in_any_case_and_user_ids_as_they_are_written() -> None:
    identities = [Identity("Ann@X.com", "Ann"), Identity(None, "ann"), Identity("ann@x.com")]
    assert ordering_keys(identities) == {"@ann@x.com", "#Ann", "#ann"}
    assert ordering_keys([Identity()]) == set()
    assert ordering_keys([Identity(7, ["a"])]) == set()  # type: ignore[arg-type] # from a hand-made call


def test_an_email_is_no_user_id_that_looks_like_it() -> None:
    one, other = ordering_keys([Identity("a@x.com")]), ordering_keys([Identity(None, "a@x.com")])
    assert not one & other


# --- Many names of one user --------------------------------------------------------------------

SHARED = "@info@x.com"


def share(count: int, *, waits: int = 0, **options: Any) -> UserQueues:
    """Let events come that share an email and have a userId each; the last ones still wait."""
    queues = UserQueues(keeps_paused=True, **options)
    for sequence in range(1, count + 1):
        envelope = build_envelope(sequence)
        queue, _ = queues.add(envelope, {SHARED, f"#u-{sequence}"})
        if sequence > waits:
            queues.on_settled(take(queue, 1)[0])
    return queues


@pytest.mark.parametrize("waits", [0, 1, 500])
def test_the_names_of_one_user_are_bounded(waits: int) -> None:
    queues = share(20_000, waits=waits)
    assert len(queues) <= 2 * MAX_KEYS + waits
    assert is_one(queues, SHARED, "#u-20000", "#u-19999")


def test_a_name_of_an_event_that_waits_is_kept() -> None:
    queues = UserQueues(keeps_paused=True)
    envelopes = [build_envelope(sequence) for sequence in range(1, 5 * MAX_KEYS)]
    for envelope in envelopes:
        queues.add(envelope, {SHARED, f"#u-{envelope.sequence}"})
    for settled in range(1, len(envelopes)):
        queues.on_settled(take(envelopes[0].queue, 1)[0])
        assert is_one(queues, SHARED, f"#u-{settled + 1}", f"#u-{len(envelopes)}")
        assert len(queues) <= max(2 * MAX_KEYS, len(envelopes) - settled) + 2


def test_many_names_cost_no_more_each_than_few() -> None:
    """Two hundred thousand took minutes when each had the names before it copied."""
    began = time.process_time()
    share(200_000)
    assert time.process_time() - began < 20


def test_users_who_turn_out_to_be_one_cost_no_more_each_the_more_they_are() -> None:
    queues = UserQueues(keeps_paused=True)
    count = 40_000
    began = time.process_time()
    for sequence in range(1, count + 1):
        queues.add(build_envelope(sequence), {f"#u-{sequence}"})
    for sequence in range(1, count + 1):
        queue, _ = queues.add(build_envelope(count + sequence), {SHARED, f"#u-{sequence}"})
    assert time.process_time() - began < 20
    assert [envelope.sequence for envelope in queue.waiting] == list(range(1, 2 * count + 1))


def test_idle_users_with_many_names_are_forgotten_sooner() -> None:
    queues = UserQueues(keeps_paused=True, max_idle=10)
    users(queues, *([f"#{number}-{name}" for name in range(15)] for number in range(5)))
    assert len(queues) == 30
    users(queues, [f"#{name}" for name in range(100)])
    assert len(queues) == 100  # the last one is kept in any case


def test_very_many_names_of_one_user_are_reported_at_each_power_of_ten() -> None:
    reported: list[tuple[int, int]] = []
    queues = share(2_000, on_many_keys=lambda emails, ids, _: reported.append((emails, ids)))
    assert reported == [(1, 100), (1, 1_000)]
    for sequence in range(3_000, 3_099):
        queues.add(build_envelope(sequence), {f"@{sequence}", "#u-2000"})
    assert reported == [(1, 100), (1, 1_000)]


def test_users_who_are_found_to_be_one_are_reported_together() -> None:
    reported: list[tuple[int, int, set[str]]] = []
    queues = UserQueues(keeps_paused=True, on_many_keys=lambda *each: reported.append(each))
    for number in range(60):
        queues.add(build_envelope(number), {"@one", f"#a-{number}"})
        queues.add(build_envelope(number), {"@other", f"#b-{number}"})
    assert reported == []
    queues.add(build_envelope(200), {"@one", "@other"})
    assert reported == [(2, 120, {"@one", "@other"})]


@given(st.integers(0, 2**64))
@settings(max_examples=examples(200))
def test_what_waits_or_is_in_flight_of_a_name_is_in_one_queue_though_old_names_are_forgotten(
    seed: int,
) -> None:
    dice = random.Random(seed)  # noqa: S311 - chance, not secrecy
    queues = UserQueues(keeps_paused=dice.random() < 0.5, max_idle=2)
    names = [f"{kind}{number}" for kind in "@#" for number in range(6)]
    pending: dict[str, list[Envelope]] = {name: [] for name in names}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(user_queues, "MAX_KEYS", 1)
        for sequence in range(1, 80):
            envelope, own = build_envelope(sequence), set(dice.sample(names, dice.choice([1, 2])))
            queues.add(envelope, own)
            for name in own:
                pending[name].append(envelope)
            ready = [each for each in {queues._by_key[name] for name in own} if each.is_ready]
            for queue in ready if dice.random() < 0.7 else ():
                for taken in take(queue, dice.randint(1, len(queue.waiting))):
                    queues.on_settled(taken)
                    for waiting in pending.values():
                        if taken in waiting:
                            assert waiting[0] is taken  # in its order
                            waiting.remove(taken)
            for name, waiting in pending.items():
                found = {each.queue for each in waiting}
                assert found <= {queues._by_key.get(name)}
