"""Dispatch: whatever Iterable does, each event is settled once, in its user's order, as it was."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from heapq import heappop, heappush
from itertools import combinations, product
from math import inf
from typing import Any

import attrs
import pytest

from iterable_destination import errors
from iterable_destination.delivery.engine.circuit_breaker import Breaker
from iterable_destination.delivery.engine.counters import Counters
from iterable_destination.delivery.engine.envelope import Job, Parcel, keys_of
from iterable_destination.delivery.engine.rate_limiter import Rates
from iterable_destination.delivery.engine.retry import Patience
from iterable_destination.delivery.engine.scheduler import Dispatcher, Rules
from iterable_destination.model import endpoints
from iterable_destination.model.calls import (
    Call,
    Identity,
    TrackEvent,
    TrackPurchase,
    UpdateUser,
    mark,
)
from iterable_destination.model.endpoints import MAX_BODY_BYTES, MAX_BULK_ITEMS
from iterable_destination.model.outcomes import Outcome, Rejected, Retryable, Skipped
from iterable_destination.model.responses import Answer

BULK_UPDATE = endpoints.USERS_BULK_UPDATE.path
TRACK_BULK = endpoints.EVENTS_TRACK_BULK.path
UPDATE = endpoints.USERS_UPDATE.path
TRACK = endpoints.EVENTS_TRACK.path
PURCHASE = endpoints.TRACK_PURCHASE.path
NO_LIMITS: Mapping[str, float | None] = dict.fromkeys(
    [BULK_UPDATE, TRACK_BULK, UPDATE, TRACK, PURCHASE]
)

ACCEPTED = Answer(200, {"msg": "ok", "code": "Success"}, "Success", "ok", "r-1")

Reply = Answer | errors.ApiError


# --- Parcels -----------------------------------------------------------------------------------


def who(*names: str) -> Identity:
    """Return who has these names; one with an @ is an email."""
    emails = [name for name in names if "@" in name]
    user_ids = [name for name in names if "@" not in name]
    return Identity(emails[0] if emails else None, user_ids[0] if user_ids else None)


def track(*names: str, event: str = "Seen", **fields: Any) -> TrackEvent:
    return TrackEvent(who(*names), event, fields)


def update(*names: str, **fields: Any) -> UpdateUser:
    return UpdateUser(who(*names), fields)


def buy(*names: str) -> TrackPurchase:
    return TrackPurchase(who(*names), [], 1.0)


def parcel_of(index: int, *calls: Call, size: int | None = None) -> Parcel:
    """Return the parcel of an event; ``size`` is that of its first item, if it matters."""
    first, *others = map(mark, calls)
    if size is not None:
        first = first._replace(body=b'"' + b"x" * (size - 2) + b'"')
    return Parcel(index, f"m-{index}", marks=(first, *others))


def ended(index: int, *names: str) -> tuple[Parcel, set[str]]:
    """Return an event of a user which ended before anything was sent."""
    outcome = Skipped(index=index, message="nothing to send")
    return Parcel(index, f"m-{index}", outcome=outcome), keys_of([who(*names)])


def keys(parcel: Parcel) -> set[str]:
    return keys_of([each.identity for each in parcel.marks])


# --- Iterable, and the world -------------------------------------------------------------------


def said(error: type[errors.ApiError], **about: Any) -> errors.ApiError:
    return error("It failed.", **about)


def bulk_answer(job: Job, lost: Iterable[Parcel] = (), **changes: Any) -> Answer:
    """Return the true answer to a bulk of which some items are refused for who they are about."""
    calls = [parcel.marks[parcel.step] for parcel in lost]
    body = {
        "successCount": len(job.parcels) - len(calls),
        "failCount": len(calls),
        "failedUpdates": {
            "invalidEmails": [call.identity.email for call in calls if call.identity.email],
            "invalidUserIds": [call.identity.user_id for call in calls if call.identity.user_id],
        },
    }
    return Answer(200, {**body, **changes}, request_id="r-bulk")


def plain(job: Job) -> Reply:
    """Accept everything."""
    return ACCEPTED if job.bulk is None else bulk_answer(job)


@attrs.define
class World:
    """A dispatcher in virtual time, an Iterable, and a ledger that referees.

    ``perform`` gives what Iterable answers to a job; ``takes`` how long that takes.
    """

    perform: Callable[[Job], Reply] = plain
    takes: Callable[[Job], float] = lambda _: 0.1
    patience: Patience = attrs.field(factory=Patience)
    limits: Mapping[str, float | None] | None = None
    workers: int = 8
    window: int = 100_000
    holds: bool = True
    stop_at: float = inf
    chance: Callable[[float, float], float] = lambda low, high: (low + high) / 2
    now: float = 1_000.0
    breaker: Breaker = attrs.field(init=False)
    counters: Counters = attrs.field(factory=Counters)
    retries: list[tuple[str, str, float]] = attrs.field(factory=list)
    dispatcher: Dispatcher = attrs.field(init=False)
    #: When each job began, and what it carried then.
    jobs: list[tuple[float, Job, list[Parcel]]] = attrs.field(factory=list)
    outcomes: dict[int, Outcome] = attrs.field(factory=dict)
    settled_at: dict[int, float] = attrs.field(factory=dict)
    order: list[int] = attrs.field(factory=list)
    under_way: list[tuple[float, int, Job, Reply]] = attrs.field(factory=list)
    calls_out: int = 0

    def __attrs_post_init__(self) -> None:
        self.breaker = Breaker(self.patience.breaker)
        rules = Rules(
            patience=self.patience,
            rates=Rates(self.limits),
            breaker=self.breaker,
            counters=self.counters,
            chance=self.chance,
            on_retry=self._retried,
            window=self.window,
            stop_at=self.stop_at,
            holds=self.holds,
        )
        self.dispatcher = Dispatcher(rules)

    def _retried(self, endpoint: endpoints.Endpoint, error: errors.ApiError, wait: float) -> None:
        self.retries.append((endpoint.path, type(error).__name__, wait))

    def add(self, parcel: Parcel, names: set[str] | None = None) -> bool:
        found = self.dispatcher.add(parcel, keys(parcel) if names is None else names, self.now)
        self.collect()
        return found

    def ask(self) -> Job | float | None:
        """Ask for the next job; it is noted if there is one."""
        found = self.dispatcher.next(self.now)
        if isinstance(found, Job):
            self.jobs.append((self.now, found, list(found.parcels)))
        self.collect()
        return found

    def job(self) -> Job:
        found = self.ask()
        assert isinstance(found, Job), found
        return found

    def when(self) -> float:
        found = self.ask()
        assert isinstance(found, float), found
        return found

    def answer(self, job: Job, reply: Reply) -> None:
        if isinstance(reply, Answer):
            self.dispatcher.answered(job, reply, self.now)
        else:
            self.dispatcher.failed(job, reply, self.now)
        self.collect()

    def collect(self) -> None:
        while self.dispatcher.settled:
            parcel, outcome = self.dispatcher.settled.popleft()
            assert parcel.index not in self.outcomes, "settled twice"
            assert outcome.index == parcel.index
            self.outcomes[parcel.index] = outcome
            self.settled_at[parcel.index] = self.now
            self.order.append(parcel.index)

    def begin(self, job: Job) -> None:
        self.calls_out += 1
        end = self.now + self.takes(job)
        heappush(self.under_way, (end, self.calls_out, job, self.perform(job)))

    def end_next(self) -> None:
        when, _, job, reply = heappop(self.under_way)
        self.now = max(self.now, when)
        self.answer(job, reply)

    def run(self, arrivals: Iterable[tuple[float, Parcel | str]] = (), until: float = inf) -> None:
        """Let time pass until everything is settled, or until a moment.

        What arrives may also be the name of something to do: ``stop`` or ``abandon``.
        """
        coming = list(arrivals)[::-1]
        for _ in range(1_000_000):
            while coming and coming[-1][0] <= self.now:
                self.arrive(coming.pop()[1])
            self.dispatcher.finished = self.dispatcher.finished or not coming
            found: Job | float | None = None
            while len(self.under_way) < self.workers:
                found = self.ask()
                if not isinstance(found, Job):
                    break
                self.begin(found)
            moments = [arrival[0] for arrival in coming[-1:]] + [each[0] for each in self.under_way]
            if isinstance(found, float):
                moments.append(found)
            if not self.dispatcher.pending and not coming and not self.under_way:
                return
            assert moments, "nothing will ever happen"
            if min(moments) > until:
                self.now = until
                return
            if self.under_way and self.under_way[0][0] <= min(moments):
                self.end_next()
            else:
                self.now = max(self.now, min(moments))
        raise AssertionError("it does not end")

    def arrive(self, what: Parcel | str) -> None:
        if isinstance(what, Parcel):
            self.add(what)
        else:
            getattr(self.dispatcher, what)()
            self.collect()
            assert what == "stop" or not self.dispatcher.pending

    @property
    def names(self) -> Counter[str]:
        return Counter(outcome.name for outcome in self.outcomes.values())

    def sent(self, path: str | None = None) -> list[list[int]]:
        """Return the indexes of the events in each request."""
        return [
            [parcel.index for parcel in parcels]
            for _, job, parcels in self.jobs
            if path in (None, job.endpoint.path)
        ]


def world(*parcels: Parcel, **rules: Any) -> World:
    """Return a world to which these were added; nothing more will come."""
    made = World(**rules)
    for parcel in parcels:
        made.add(parcel)
    made.dispatcher.finished = True
    return made


# --- The simulation ----------------------------------------------------------------------------


class Referee(World):
    """A world of chance that looks at every request and outcome as it happens."""

    def __init__(self, seed: int, **rules: Any) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - chance, not secrecy
        super().__init__(chance=self.dice.uniform, **rules)
        self.people: dict[str, str] = {}
        self.parcels: dict[int, Parcel] = {}
        self.parcels_of: defaultdict[str, list[Parcel]] = defaultdict(list)
        #: Parcels of two users who turned out to be one while either was under way, or later.
        self.strangers: set[frozenset[int]] = set()
        self.former_strangers: set[frozenset[int]] = set()
        #: Parcels that once were in one request.
        self.together: set[frozenset[int]] = set()
        self.first_begun: dict[int, float] = {}
        self.requests: Counter[int] = Counter()
        self.tries: Counter[tuple[int, int]] = Counter()
        self.server_errors: Counter[tuple[int, int]] = Counter()
        self.refusals: Counter[tuple[int, int]] = Counter()
        #: In the order in which Iterable applied them for the first time: event and call.
        self.applied: dict[tuple[int, int], None] = {}
        self.flying: list[Job] = []
        self.verdict_step: dict[int, int] = {}

    # Who is who

    def person(self, name: str) -> str:
        while self.people.setdefault(name, name) != name:
            name = self.people[name]
        return name

    def person_of(self, parcel: Parcel) -> str:
        return self.person(min(keys(parcel) or {f"!{parcel.index}"}))

    def is_under_way(self, parcel: Parcel) -> bool:
        return parcel.index in self.first_begun and parcel.index not in self.outcomes

    def add(self, parcel: Parcel, names: set[str] | None = None) -> bool:
        persons = sorted({self.person(name) for name in keys(parcel)})
        for one, other in combinations(persons, 2):
            for mine, yours in product(self.parcels_of[one], self.parcels_of[other]):
                pair = frozenset((mine.index, yours.index))
                if self.is_under_way(mine) or self.is_under_way(yours):
                    self.strangers.add(pair)
                if pair & set(self.first_begun):
                    self.former_strangers.add(pair)
        for other in persons[1:]:
            self.people[other] = persons[0]
            self.parcels_of[persons[0]] += self.parcels_of.pop(other, [])
        self.parcels[parcel.index] = parcel
        self.parcels_of[persons[0]].append(parcel)
        return super().add(parcel, names)

    # What goes out

    def begin(self, job: Job) -> None:
        body = job.body()
        assert len(body) <= MAX_BODY_BYTES
        assert 1 <= len(job.parcels) <= MAX_BULK_ITEMS
        assert job.bulk is not None or len(job.parcels) == 1
        indexes = [parcel.index for parcel in job.parcels]
        assert len(set(indexes)) == len(indexes)
        assert not set(indexes) & set(self.outcomes), "sent though it is settled"
        self.together |= set(map(frozenset, combinations(indexes[:50], 2)))
        inside = set(indexes)
        for parcel in job.parcels:
            self._check_turn(parcel, inside)
            self.first_begun.setdefault(parcel.index, self.now)
            latest = self.first_begun[parcel.index] + self.patience.deadline
            assert self.now <= latest + 1e-6, "begun after the deadline"
            self.requests[parcel.index] += 1
            self.tries[parcel.index, parcel.step] += 1
        if job.endpoint.path == BULK_UPDATE:
            for one, other in combinations(job.parcels, 2):
                if self.person_of(one) == self.person_of(other):
                    assert frozenset((one.index, other.index)) in self.strangers
        self._check_nobody_is_asked_about_twice(job)
        self.flying.append(job)
        super().begin(job)

    def _check_turn(self, parcel: Parcel, inside: set[int]) -> None:
        for other in self.parcels_of[self.person_of(parcel)]:
            index, outcome = other.index, self.outcomes.get(other.index)
            if outcome is None:
                in_turn = index >= parcel.index or index in inside
            else:
                overtakes = index < parcel.index and outcome.name in ("retryable", "unknown")
                in_turn = not (overtakes and self.holds)
            if not in_turn:
                assert frozenset((index, parcel.index)) in self.strangers, "out of turn"

    def _check_nobody_is_asked_about_twice(self, job: Job) -> None:
        mine = {self.person_of(parcel): parcel.index for parcel in job.parcels}
        for other in self.flying:
            for parcel in other.parcels:
                index = mine.get(self.person_of(parcel))
                if index is not None:
                    pair = frozenset((index, parcel.index))
                    assert pair in self.strangers, "two requests for one user"

    # What comes back

    def answer(self, job: Job, reply: Reply) -> None:
        self.flying.remove(job)
        keys_then = [(parcel.index, parcel.step) for parcel in job.parcels]
        self.server_errors.update(keys_then if isinstance(reply, errors.ServerError) else ())
        self.refusals.update(keys_then if isinstance(reply, errors.RequestRefused) else ())
        super().answer(job, reply)

    def collect(self) -> None:
        before = len(self.order)
        super().collect()
        for index in self.order[before:]:
            self._check_outcome(self.parcels[index], self.outcomes[index])

    def _check_outcome(self, parcel: Parcel, outcome: Outcome) -> None:
        index = parcel.index
        assert outcome.attempts == self.requests[index], "attempts are not what was sent"
        for other in self.parcels_of[self.person_of(parcel)]:
            if other.index < index and other.index not in self.outcomes:
                pair = frozenset((other.index, index))
                assert pair in self.strangers, f"{index} is told before {other.index}"
        done = [(index, step) in self.applied for step in range(len(parcel.marks))]
        if outcome.name == "delivered":
            assert all(done), "delivered, but not applied"
        elif outcome.name == "rejected":
            assert parcel.outcome is not None or not done[parcel.step], "rejected, but applied"
        elif outcome.name == "retryable":
            assert not done[parcel.step], "retryable, but applied"
        for step in range(len(parcel.marks)):
            # refusals of a whole bulk are not counted: those are how it is found out whom it is
            assert self.tries[index, step] - self.refusals[index, step] <= self.patience.tries + 1
            assert self.server_errors[index, step] <= self.patience.server_errors

    def check_end(self) -> None:
        assert set(self.outcomes) == set(self.parcels)
        assert self.dispatcher.pending == 0
        assert self.dispatcher._bytes == 0
        assert not self.flying
        firsts = defaultdict(list)
        for index, _ in self.applied:
            firsts[self.person_of(self.parcels[index])].append(index)
        for applied in firsts.values():
            for one, other in combinations(applied, 2):
                pair = frozenset((one, other))
                is_excused = pair in self.former_strangers or pair in self.together
                assert one <= other or is_excused, f"{other} was applied after {one}"


@attrs.define
class Moody:
    """An Iterable with faults. What it refuses it always refuses; the rest is chance."""

    referee: Referee
    faults: float
    bad: frozenset[int]
    forgotten: frozenset[str]
    disallowed: frozenset[str]
    most_bytes: int
    hints: str
    #: How truthful the lists of a bulk's answer are; the counts are always true.
    lists: str
    broken: tuple[float, float]

    def __call__(self, job: Job) -> Reply:
        dice = self.referee.dice
        if self.broken[0] <= self.referee.now < self.broken[1]:
            return said(errors.Unauthorized, status=401)
        if dice.random() < self.faults:
            return self._fault(job)
        if len(job.body()) > self.most_bytes:
            return said(errors.TooLarge, status=413)
        if any(parcel.index in self.bad for parcel in job.parcels):
            return said(errors.BadRequest, status=400, params=self._hints(job))
        return self._single(job) if job.bulk is None else self._bulk(job)

    def _fault(self, job: Job) -> Reply:
        dice = self.referee.dice
        kind = dice.choice(
            [errors.RateLimited, errors.ServerError, errors.NotConnected, errors.AmbiguousAnswer]
        )
        if kind is errors.AmbiguousAnswer and dice.random() < 0.5:
            self._accept(job)
        retry_after = dice.choice([None, None, 3.0, 100.0]) if kind is errors.RateLimited else None
        return said(kind, retry_after=retry_after)

    def _accept(self, job: Job) -> None:
        if len(job.body()) > self.most_bytes:
            return
        if not any(parcel.index in self.bad for parcel in job.parcels):
            self._apply(parcel for parcel in job.parcels if self._cause(parcel) is None)

    def _apply(self, parcels: Iterable[Parcel]) -> None:
        for parcel in parcels:
            self.referee.applied.setdefault((parcel.index, parcel.step))

    def _cause(self, parcel: Parcel) -> str | None:
        call = parcel.marks[parcel.step]
        if call.event_name in self.disallowed:
            return "disallowed"
        return "forgotten" if keys_of([call.identity]) & self.forgotten else None

    def _hints(self, job: Job) -> dict[str, Any] | None:
        places = [place for place, each in enumerate(job.parcels) if each.index in self.bad]
        if self.hints == "none":
            return None
        if self.hints == "wrong":
            places = [self.referee.dice.randrange(len(job.parcels) + 3)]
        elif self.hints == "some":
            places = places[:1]
        return {f"obj.events[{place}].dataFields": ["is wrong"] for place in places}

    def _single(self, job: Job) -> Reply:
        cause = self._cause(job.parcels[0])
        if cause == "disallowed":
            return said(errors.EventDisallowed, status=200)
        if cause == "forgotten":
            return said(errors.ForgottenUser, status=409)
        self._apply(job.parcels)
        return ACCEPTED

    def _bulk(self, job: Job) -> Reply:
        causes = {parcel.index: self._cause(parcel) for parcel in job.parcels}
        lost = [parcel for parcel in job.parcels if causes[parcel.index] is not None]
        self._apply(parcel for parcel in job.parcels if causes[parcel.index] is None)
        emails, user_ids, names = [], [], []
        for parcel in lost:
            if self.lists == "incomplete" and self.referee.dice.random() < 0.5:
                continue
            call = parcel.marks[parcel.step]
            if causes[parcel.index] == "disallowed" and call.event_name is not None:
                names.append(call.event_name)
            elif f"@{call.identity.email or ''}".lower() in self.forgotten:
                emails.append(str(call.identity.email).lower())
            else:
                user_ids.append(call.identity.user_id)
        body: dict[str, Any] = {
            "failedUpdates": {"forgottenEmails": emails, "forgottenUserIds": user_ids},
            "disallowedEventNames": names,
        }
        if self.lists != "no counts":
            body |= {"successCount": len(job.parcels) - len(lost), "failCount": len(lost)}
        return Answer(200, body)


NAMES = ["Ann@x.com", "ann", "bob@x.com", "Bob", "c@x.com", "cy", "d@x.com", "dee", "e@x.com"]


def arrivals(dice: random.Random, count: int, people: int) -> list[tuple[float, Parcel]]:
    names = NAMES[:people] + [f"u-{number}" for number in range(max(people - len(NAMES), 0))]
    gap = dice.choice([0, 0.0001, 0.01, 0.3])
    coming, when = [], 1_000.0
    for index in range(count):
        name = dice.choice(names)
        place = names.index(name)
        both = (place ^ 1) < min(len(names), len(NAMES)) and dice.random() < 0.15
        user = (names[place], names[place ^ 1]) if both else (name,)
        event = dice.choice(["Seen", "Seen", "Secret"])
        choices: list[Call] = [track(*user, event=event), track(*user), update(*user)]
        call = dice.choice(choices)
        kind = dice.random()
        calls: tuple[Call, ...] = (call,)
        if kind < 0.1:
            calls = (buy(*user),)
        elif kind < 0.2:
            calls = (call, track(*user, event=event), buy(*user))[: dice.randint(2, 3)]
        size = dice.choice([900_000, 4_000_000]) if dice.random() < 0.02 else None
        if dice.random() < 0.05:
            coming.append((when, ended(index, *user)[0]))
            coming[-1][1].marks = (mark(call),)
        else:
            coming.append((when, parcel_of(index, *calls, size=size)))
        when += dice.uniform(0, gap)
    return coming


def play(seed: int) -> Referee:
    dice = random.Random(seed)  # noqa: S311 - chance, not secrecy
    count = dice.choice([5, 30, 100, 250])
    referee = Referee(
        seed,
        workers=dice.randint(1, 8),
        holds=dice.random() < 0.7,
        window=dice.choice([10, 100, 100_000]),
        stop_at=dice.choice([inf, inf, inf, 1_000.0, 1_002.0, 1_020.0]),
        limits=dice.choice([None, NO_LIMITS, {TRACK_BULK: 2.0, BULK_UPDATE: 1.0}]),
        patience=dice.choice([Patience(), Patience(deadline=5.0), Patience(breaker=0.5)]),
    )
    slow = dice.choice([0.01, 1.0, 20.0])
    referee.takes = lambda _: dice.uniform(0, slow)
    bad = dice.choice([0, 0, 1, 8])
    outage = dice.choice([inf, inf, inf, 1_000.0, 1_003.0])
    referee.perform = Moody(
        referee,
        faults=dice.choice([0.0, 0.1, 0.4, 0.8]),
        bad=frozenset(dice.sample(range(count), min(bad, count))),
        forgotten=dice.choice([frozenset(), frozenset({"@ann@x.com", "#Bob", "#u-3"})]),
        disallowed=dice.choice([frozenset(), frozenset({"Secret"})]),
        most_bytes=dice.choice([MAX_BODY_BYTES, 1_000_000, 2_000]),
        hints=dice.choice(["right", "wrong", "some", "none"]),
        lists=dice.choice(["complete", "complete", "incomplete", "no counts"]),
        broken=(outage, outage + dice.choice([1.0, 40.0])),
    )
    coming: list[tuple[float, Parcel | str]] = [*arrivals(dice, count, dice.choice([1, 3, 9, 60]))]
    for what in ("stop", "abandon"):
        if dice.random() < 0.1:
            place = dice.randrange(count)
            coming.insert(place, (coming[place][0], what))
    if dice.random() < 0.2:
        coming.append((coming[-1][0] + dice.uniform(0, 20), dice.choice(["stop", "abandon"])))
    referee.run(coming)
    referee.check_end()
    return referee


@pytest.mark.parametrize("seed", range(250))
def test_whatever_iterable_does_events_are_settled_once_in_order_and_truly(seed: int) -> None:
    play(seed)


# --- One bad item spoils no others -------------------------------------------------------------

BLAME: dict[str, Callable[[list[int], int], list[int]]] = {
    "right": lambda places, _: places,
    "first": lambda places, _: places[:1],
    "wrong": lambda places, count: sorted(set(range(count)) - set(places))[:1],
    "nothing": lambda _, __: [],
    "too far": lambda _, count: [count, count + 1],
}


@attrs.define
class Picky:
    """An Iterable that refuses a bulk with a bad item in it, and a bad item alone."""

    bad: frozenset[int]
    blame: Callable[[list[int], int], list[int]]
    error: type[errors.RequestRefused] = errors.BadRequest
    applied: Counter[int] = attrs.field(factory=Counter)

    def __call__(self, job: Job) -> Reply:
        places = [place for place, each in enumerate(job.parcels) if each.index in self.bad]
        if places:
            blamed = self.blame(places, len(job.parcels))
            name = "users" if job.endpoint.path == BULK_UPDATE else "events"
            params = {f"obj.{name}[{place}].dataFields": ["is wrong"] for place in blamed}
            return said(self.error, status=400, params=params or None)
        self.applied.update(parcel.index for parcel in job.parcels)
        return plain(job)


#: Kind of call, bad items of 1,000, hints, and the most bulk and single requests it may take.
POISON = [
    (track, 1, "right", 2, 1),
    (track, 3, "right", 2, 3),
    (track, 50, "right", 2, 50),
    (update, 50, "right", 2, 50),
    (track, 3, "first", 4, 3),
    (track, 1, "wrong", 20, 30),
    (track, 3, "wrong", 60, 60),
    (track, 50, "wrong", 400, 600),
    (update, 3, "wrong", 60, 60),
    (track, 1, "nothing", 16, 8),
    (track, 3, "nothing", 45, 24),
    (track, 50, "nothing", 350, 400),
    (update, 3, "nothing", 45, 24),
    (track, 1, "too far", 16, 8),
]


@pytest.mark.parametrize(("kind", "count", "hints", "most_bulks", "most_singles"), POISON)
def test_bad_items_are_found_in_few_requests_and_the_others_delivered(
    kind: Callable[..., Call], count: int, hints: str, most_bulks: int, most_singles: int
) -> None:
    dice = random.Random(count)  # noqa: S311 - chance, not secrecy
    bad = frozenset(dice.sample(range(1_000), count))
    picky = Picky(bad, BLAME[hints])
    parcels = [parcel_of(index, kind(f"u-{index}")) for index in range(1_000)]
    made = world(*parcels, perform=picky)
    made.run()
    assert {index for index, outcome in made.outcomes.items() if outcome.name != "delivered"} == bad
    assert made.names == {"delivered": 1_000 - count, "rejected": count}
    assert set(picky.applied) == set(range(1_000)) - bad
    assert set(picky.applied.values()) == {1}
    bulks = made.counters.requests[BULK_UPDATE] + made.counters.requests[TRACK_BULK]
    singles = made.counters.requests[UPDATE] + made.counters.requests[TRACK]
    assert (bulks <= most_bulks, singles <= most_singles) == (True, True), (bulks, singles)


def test_a_bad_item_of_a_user_with_many_is_found_and_their_order_kept() -> None:
    for hints in ("right", "nothing"):
        picky = Picky(frozenset({37}), BLAME[hints])
        made = world(*(parcel_of(index, track("ann")) for index in range(100)), perform=picky)
        made.run()
        assert made.names == {"delivered": 99, "rejected": 1}
        assert made.outcomes[37].name == "rejected"
        assert made.order == list(range(100))
        assert list(picky.applied) == [index for index in range(100) if index != 37]


def test_a_blamed_item_goes_singly_with_all_of_its_user() -> None:
    picky = Picky(frozenset({2}), BLAME["right"])
    names = ["ann", "bob", "bob", "bob", "cy"]
    made = world(*(parcel_of(i, track(name)) for i, name in enumerate(names)), perform=picky)
    made.run()
    assert made.sent(TRACK_BULK) == [[0, 1, 2, 3, 4], [0, 4]]
    assert made.sent(TRACK) == [[1], [2], [3]]
    assert made.names == {"delivered": 4, "rejected": 1}


def test_few_items_that_nobody_blames_go_singly_at_once() -> None:
    picky = Picky(frozenset({2}), BLAME["nothing"])
    made = world(*(parcel_of(i, track(f"u-{i}")) for i in range(8)), perform=picky)
    made.run()
    assert sorted(made.sent(TRACK_BULK)) == [list(range(8))]
    assert sorted(made.sent(TRACK)) == [[index] for index in range(8)]


def test_nine_items_that_nobody_blames_go_in_halves_first() -> None:
    picky = Picky(frozenset({2}), BLAME["nothing"])
    made = world(*(parcel_of(i, track(f"u-{i}")) for i in range(9)), perform=picky)
    made.run()
    assert made.sent(TRACK_BULK) == [list(range(9)), [0, 1, 2, 3], [4, 5, 6, 7, 8]]
    assert sorted(made.sent(TRACK)) == [[0], [1], [2], [3]]


def test_what_is_too_large_goes_in_halves_whatever_is_blamed() -> None:
    def server(job: Job) -> Reply:
        if len(job.parcels) > 300:
            return said(errors.TooLarge, status=413, params={"obj.events[0]": []})
        return plain(job)

    made = world(*(parcel_of(i, track(f"u-{i}")) for i in range(1_000)), perform=server)
    made.run()
    assert made.names == {"delivered": 1_000}
    assert [len(indexes) for indexes in made.sent()] == [1_000, 500, 500, 250, 250, 250, 250]


def test_a_single_one_that_is_too_large_is_rejected() -> None:
    def server(_: Job) -> Reply:
        return said(errors.TooLarge, status=413)

    made = world(*(parcel_of(i, track(f"u-{i}")) for i in range(3)), perform=server)
    made.run()
    assert made.names == {"rejected": 3}
    assert made.counters.requests == {TRACK_BULK: 1, TRACK: 3}


def test_a_whole_bulk_that_is_refused_after_the_deadline_rejects_nobody() -> None:
    refusal = said(errors.BadRequest, status=400)
    made = world(
        *(parcel_of(i, track(f"u-{i}")) for i in range(20)),
        perform=lambda _: refusal,
        takes=lambda _: 61.0,
    )
    made.run()
    assert made.names == {"retryable": 20}
    assert made.outcomes[0].error is refusal


# --- What a bulk's answer leaves open -----------------------------------------------------------


def test_what_an_answer_leaves_open_goes_singly() -> None:
    def server(job: Job) -> Reply:
        if job.bulk is None:
            return said(errors.BadRequest) if job.parcels[0].index == 1 else ACCEPTED
        return bulk_answer(job, successCount=2, failCount=1)  # and lists none

    made = world(*(parcel_of(i, update(f"u-{i}")) for i in range(3)), perform=server)
    made.run()
    assert made.sent(BULK_UPDATE) == [[0, 1, 2]]
    assert sorted(made.sent(UPDATE)) == [[0], [1], [2]]
    assert made.names == {"delivered": 2, "rejected": 1}
    assert made.outcomes[1].name == "rejected"
    assert made.outcomes[0].attempts == 2


def test_what_an_answer_left_open_and_nothing_settles_is_unknown() -> None:
    def server(job: Job) -> Reply:
        if job.bulk is None:
            return said(errors.ServerError, status=500)
        return bulk_answer(job, successCount="many")

    made = world(parcel_of(0, update("ann")), perform=server)
    made.run()
    assert made.names == {"unknown": 1}


def test_what_is_listed_is_rejected_and_the_rest_is_delivered() -> None:
    made = world(
        *(parcel_of(i, track(f"u-{i}@x.com")) for i in range(4)),
        perform=lambda job: bulk_answer(job, job.parcels[1:2]),
    )
    made.run()
    assert made.counters.requests == {TRACK_BULK: 1}
    assert made.order == [0, 1, 2, 3]
    assert [made.outcomes[index].name for index in range(4)] == [
        "delivered",
        "rejected",
        "delivered",
        "delivered",
    ]
    assert made.outcomes[1].request_id == made.outcomes[0].request_id == "r-bulk"


def test_outcomes_of_a_user_wait_for_what_an_answer_left_open() -> None:
    """The first is neither listed nor counted, the second is listed; the first is told first."""

    def server(job: Job) -> Reply:
        if job.bulk is None:
            return ACCEPTED
        return Answer(200, {"disallowedEventNames": ["Secret"]})

    made = world(
        parcel_of(0, track("ann")), parcel_of(1, track("ann", event="Secret")), perform=server
    )
    made.run()
    assert made.names == {"delivered": 1, "rejected": 1}
    assert made.order == [0, 1]


# --- What is tried again ------------------------------------------------------------------------


def test_a_request_whose_answer_was_lost_goes_out_again_as_it_was() -> None:
    made = World()
    for index in range(3):
        made.add(parcel_of(index, track(f"u-{index}")))
    made.dispatcher.finished = True
    job = made.job()
    body = job.body()
    made.answer(job, said(errors.AmbiguousAnswer))
    made.add(parcel_of(3, track("u-0")))
    made.add(parcel_of(4, track("u-new")))
    made.now += 31
    again = made.job()
    assert again is job
    assert again.body() == body
    made.answer(again, bulk_answer(again))
    made.run()
    assert made.names == {"delivered": 5}
    assert made.outcomes[0].attempts == 2
    assert made.outcomes[4].attempts == 1


def test_what_may_have_been_applied_ends_unknown_whoever_else_is_in_its_last_request() -> None:
    made = world(parcel_of(0, track("ann")), parcel_of(1, track("ann")), limits=NO_LIMITS)
    for kind in (errors.AmbiguousAnswer, errors.ServerError, errors.ServerError):
        made.answer(made.job(), said(kind))
        made.now += 1
    # From now on the first goes alone, and the second waits for it, still in doubt.
    made.add(parcel_of(2, track("bob"), track("bob")))
    made.now += 2
    jobs = {job.parcels[0].index: job for job in (made.job(), made.job())}
    assert {index: len(job.parcels) for index, job in jobs.items()} == {0: 1, 2: 1}
    made.answer(jobs[2], bulk_answer(jobs[2]))
    made.answer(jobs[0], bulk_answer(jobs[0]))

    def server(job: Job) -> Reply:
        fails = any(parcel.index == 1 for parcel in job.parcels)
        return said(errors.ServerError) if fails else plain(job)

    made.perform = server
    made.run()
    assert made.names == {"delivered": 2, "unknown": 1}
    assert made.outcomes[1].name == "unknown"


def test_attempts_are_those_of_the_event_itself() -> None:
    made = world(parcel_of(0, update("ann"), track("ann")), limits=NO_LIMITS)
    job = made.job()
    made.answer(job, bulk_answer(job))
    made.add(parcel_of(1, track("bob")))
    made.run()
    assert [made.outcomes[index].attempts for index in range(2)] == [2, 1]


def test_a_new_event_has_all_its_time_whoever_else_is_in_its_request() -> None:
    made = World(limits=NO_LIMITS)
    made.add(parcel_of(0, update("ann"), track("ann")))
    made.dispatcher.finished = True
    first = made.job()
    made.now += 59.9
    made.add(parcel_of(1, track("bob")))
    made.answer(first, bulk_answer(first))
    second = made.job()
    indexes = [each.index for each in second.parcels]
    made.answer(second, said(errors.NotConnected))
    made.run()
    assert 1 in indexes
    assert made.outcomes[1].name == "delivered"


def test_no_try_begins_after_the_deadline_however_long_the_endpoint_is_paused() -> None:
    made = world(parcel_of(0, buy("ann")), patience=Patience(deadline=10.0))
    one = made.job()
    made.now += 9
    made.add(parcel_of(1, buy("bob")))
    two = made.job()
    made.answer(one, said(errors.NotConnected))
    made.answer(two, said(errors.RateLimited, retry_after=8.0))
    made.run()
    assert max(when for when, _, [parcel] in made.jobs if parcel.index == 0) <= 1_010.0
    assert made.outcomes[0].name == "retryable"
    assert made.outcomes[1].name == "delivered"


def test_a_bulk_that_iterable_fails_on_twice_goes_in_halves() -> None:
    made = world(
        *(parcel_of(i, track(f"u-{i}")) for i in range(4)),
        perform=lambda _: said(errors.ServerError, status=500),
    )
    made.run()
    assert made.sent()[:2] == [[0, 1, 2, 3]] * 2
    assert made.sent()[2:4] == [[0, 1], [2, 3]]
    assert made.names == {"retryable": 4}
    assert {outcome.attempts for outcome in made.outcomes.values()} == {5}


def test_one_event_that_iterable_fails_on_costs_its_user_only() -> None:
    def server(job: Job) -> Reply:
        poisoned = any(parcel.index == 10 for parcel in job.parcels)
        return said(errors.ServerError, status=500) if poisoned else plain(job)

    made = world(*(parcel_of(i, track(f"u-{i}")) for i in range(16)), perform=server)
    made.run()
    assert made.outcomes[10].name == "retryable"
    assert made.names["delivered"] >= 12


def test_a_retry_is_told_and_counted() -> None:
    replies = [said(errors.RateLimited, retry_after=4.0), said(errors.NotConnected)]
    made = world(
        parcel_of(0, buy("ann")), perform=lambda _: replies.pop(0) if replies else ACCEPTED
    )
    made.run()
    assert made.retries == [(PURCHASE, "RateLimited", 4.0), (PURCHASE, "NotConnected", 0.5)]
    assert made.counters.retries == {"RateLimited": 1, "NotConnected": 1}
    assert made.counters.waits == {"RateLimited": 4.0, "NotConnected": 0.5}
    assert made.counters.requests == {PURCHASE: 3}
    assert made.counters.outcomes == {"delivered": 1}
    assert made.outcomes[0].attempts == 3


def test_a_429_pauses_its_endpoint_and_no_other() -> None:
    made = World()
    made.add(parcel_of(0, buy("ann")))
    made.dispatcher.finished = True
    made.answer(made.job(), said(errors.RateLimited, retry_after=20.0))
    made.add(parcel_of(1, buy("bob")))
    assert made.when() == pytest.approx(1_020.0, abs=0.02)
    made.add(parcel_of(2, track("cy")))
    assert made.job().endpoint.path == TRACK_BULK
    made.run(until=1_019.9)
    assert made.sent(PURCHASE) == [[0]]


# --- Nobody waits for somebody else -------------------------------------------------------------


@pytest.mark.parametrize("kind", [errors.ServerError, errors.NotConnected, errors.AmbiguousAnswer])
def test_other_users_do_not_wait_for_one_whose_requests_fail(kind: type[errors.ApiError]) -> None:
    def server(job: Job) -> Reply:
        return said(kind) if any(parcel.index == 0 for parcel in job.parcels) else plain(job)

    calls: list[Call] = [buy("ann")]
    calls += [make(f"u-{i}") for i in range(50) for make in (buy, track, update)]
    made = world(*(parcel_of(index, call) for index, call in enumerate(calls)), perform=server)
    made.run()
    assert made.outcomes.pop(0).name in ("retryable", "unknown")
    assert made.names == {"delivered": 150}
    assert max(when for index, when in made.settled_at.items() if index) < 1_000 + 3


def test_many_single_requests_do_not_keep_bulks_waiting() -> None:
    """Purchases have no known limit, so there is always one more of them that may go."""
    calls: list[Call] = [buy(f"u-{index}") for index in range(2_000)]
    calls += [track(f"v-{index}") for index in range(1_000)]
    made = world(*(parcel_of(index, call) for index, call in enumerate(calls)))
    made.run(until=1_005.0)
    assert made.sent(TRACK_BULK) != []


def test_a_user_has_one_request_at_a_time_and_others_go_on() -> None:
    made = world(*(parcel_of(i, buy("ann")) for i in range(3)), parcel_of(3, buy("bob")))
    job = made.job()
    assert [each.index for each in job.parcels] == [0]
    assert [each.index for each in made.job().parcels] == [3]
    assert made.ask() is None
    made.answer(job, ACCEPTED)
    assert [each.index for each in made.job().parcels] == [1]


def test_a_bulk_update_has_one_item_of_a_user_and_a_track_bulk_all_of_them() -> None:
    calls = [update("ann"), update("Ann@x.com"), update("ann", "ann@X.com"), update("bob")]
    made = world(*(parcel_of(index, call) for index, call in enumerate(calls)))
    made.run()
    assert made.sent() == [[3, 0], [1], [2]] or made.sent() == [[0, 3], [1], [2]]
    tracks = world(*(parcel_of(index, track("ann")) for index in range(3)))
    tracks.run()
    assert tracks.sent() == [[0, 1, 2]]


def test_what_goes_elsewhere_ends_a_users_run_in_a_bulk() -> None:
    calls: list[Call] = [track("ann"), track("ann"), buy("ann"), track("ann")]
    made = world(*(parcel_of(index, call) for index, call in enumerate(calls)))
    made.run()
    assert made.sent() == [[0, 1], [2], [3]]


# --- A wrong key --------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2, 8, 64])
@pytest.mark.parametrize("kind", [track, update, buy])
def test_a_wrong_key_costs_ten_requests_at_most(kind: Callable[..., Call], workers: int) -> None:
    made = world(
        *(parcel_of(index, kind(f"u-{index}")) for index in range(10_000)),
        perform=lambda _: said(errors.Unauthorized, status=401),
        workers=workers,
        limits=NO_LIMITS,
    )
    made.run()
    assert len(made.jobs) <= 10
    assert made.names == {"retryable": 10_000}
    assert all(isinstance(each.error, errors.Unauthorized) for each in made.outcomes.values())


def broken() -> World:
    """Return a world whose breaker was opened at 1000, for 30 seconds."""
    made = world(parcel_of(0, track("ann")))
    made.answer(made.job(), said(errors.Forbidden, status=403))
    assert made.names == {"retryable": 1}
    return made


def test_nothing_is_sent_while_the_breaker_is_open() -> None:
    made = broken()
    made.now += 29.9
    assert made.add(parcel_of(1, buy("bob"))) is False
    assert made.outcomes[1].name == "retryable"
    assert isinstance(made.outcomes[1].error, errors.Forbidden)
    assert made.ask() is None


@pytest.mark.parametrize("reply", [ACCEPTED, said(errors.ServerError), said(errors.BadRequest)])
def test_one_request_finds_out_whether_the_breaker_may_close(reply: Reply) -> None:
    made = broken()
    made.now += 30
    for index in range(1, 4):
        made.add(parcel_of(index, buy(f"u-{index}")))
    job = made.job()
    assert made.ask() is None
    assert made.names == {"retryable": 3}
    made.answer(job, reply)
    made.add(parcel_of(4, buy("dee")))
    assert isinstance(made.ask(), Job)


def test_the_breaker_opens_again_if_the_one_request_fails_too() -> None:
    made = broken()
    made.now += 30
    made.add(parcel_of(1, buy("bob")))
    job = made.job()
    made.now += 10
    made.answer(job, said(errors.Forbidden, status=403))
    made.now += 29
    made.add(parcel_of(2, buy("cy")))
    assert made.names == {"retryable": 3}
    made.now += 1
    made.add(parcel_of(3, buy("dee")))
    assert isinstance(made.ask(), Job)


def test_eight_requests_at_most_go_before_the_first_answer() -> None:
    made = world(*(parcel_of(index, buy(f"u-{index}")) for index in range(20)))
    jobs = [made.job() for _ in range(8)]
    assert made.ask() is None
    made.answer(jobs[3], ACCEPTED)
    assert len([made.job() for _ in range(12)]) == 12
    assert made.ask() is None


# --- The end ------------------------------------------------------------------------------------


def test_nothing_is_sent_from_the_end_of_the_time_on() -> None:
    made = World(stop_at=1_010.0)
    made.add(parcel_of(0, buy("ann")))
    made.add(parcel_of(1, buy("ann")))
    made.add(parcel_of(2, buy("bob")))
    job = made.job()
    made.now = 1_010.0
    assert made.ask() is None
    assert made.outcomes[2].message == "not sent: the time given ran out"
    made.add(parcel_of(3, buy("cy")))
    made.answer(job, ACCEPTED)
    assert [made.outcomes[index].name for index in range(4)] == [
        "delivered",
        "retryable",
        "retryable",
        "retryable",
    ]
    assert made.outcomes[2].attempts == 0


def test_the_end_of_the_time_is_a_moment_to_ask_again() -> None:
    made = World(stop_at=1_010.0)
    made.add(parcel_of(0, buy("ann")))
    made.job()
    assert made.when() == 1_010.0


def test_the_end_of_the_time_is_a_moment_to_ask_again_before_the_first_answer() -> None:
    made = World(stop_at=1_010.0)
    for index in range(20):
        made.add(parcel_of(index, buy(f"u-{index}")))
    for _ in range(8):
        made.job()
    assert made.when() == 1_010.0


@pytest.mark.parametrize(
    "error", [said(errors.ServerError), said(errors.NotConnected), said(errors.RateLimited)]
)
def test_what_fails_after_a_stop_is_settled_and_not_kept_for_later(error: errors.ApiError) -> None:
    """The last one to be told of an answer need not ask for another job."""
    made = world(*(parcel_of(index, buy("ann")) for index in range(2)))
    job = made.job()
    made.dispatcher.stop()
    made.answer(job, error)
    assert made.names == {"retryable": 2}
    assert made.dispatcher.pending == 0


def test_after_a_stop_what_is_under_way_is_awaited_and_nothing_is_sent() -> None:
    made = World()
    made.add(parcel_of(0, buy("ann")))
    made.add(parcel_of(1, buy("ann")))
    made.add(parcel_of(2, track("bob")))
    job = made.job()
    made.dispatcher.stop()
    made.collect()
    assert made.order == [2]
    assert made.outcomes[2].message == "not sent: delivery was stopped"
    assert made.add(parcel_of(3, track("cy"))) is False
    assert made.ask() is None
    made.answer(job, ACCEPTED)
    assert made.names == {"delivered": 1, "retryable": 3}
    made.dispatcher.stop()
    assert made.dispatcher.pending == 0


def test_what_waits_to_be_sent_again_is_settled_by_a_stop() -> None:
    made = world(
        parcel_of(0, buy("ann")),
        parcel_of(1, buy("bob")),
        parcel_of(2, buy("ann")),
        limits={PURCHASE: 5},
    )
    made.answer(made.job(), said(errors.AmbiguousAnswer))
    made.now += 0.21
    made.answer(made.job(), said(errors.ServerError))
    made.now += 1.0
    made.job()  # one of the two goes; the other could
    made.dispatcher.stop()
    made.collect()
    assert made.order == [1]
    made.dispatcher.abandon()
    made.collect()
    assert [made.outcomes[index].name for index in range(3)] == [
        "unknown",
        "retryable",
        "retryable",
    ]


def test_abandoning_settles_everything_at_once() -> None:
    made = World()
    for index in range(3):
        made.add(parcel_of(index, buy("ann")))
    made.add(parcel_of(3, track("bob")))
    made.job()
    made.dispatcher.abandon()
    made.collect()
    assert [made.outcomes[index].name for index in range(4)] == [
        "unknown",
        "retryable",
        "retryable",
        "retryable",
    ]
    assert made.dispatcher.pending == 0
    assert made.outcomes[0].message == "the time given ran out before the answer came"


@pytest.mark.parametrize("reply", [ACCEPTED, said(errors.Unauthorized), said(errors.ServerError)])
def test_an_answer_that_was_abandoned_changes_nothing(reply: Reply) -> None:
    made = world(parcel_of(0, buy("ann")))
    job = made.job()
    made.dispatcher.abandon()
    made.answer(job, reply)
    assert made.names == {"unknown": 1}
    assert made.breaker.error is None
    assert made.dispatcher.pending == 0


# --- How much, and when -------------------------------------------------------------------------


def is_full(made: World) -> bool:
    return made.dispatcher.is_full


def test_the_window_bounds_how_many_are_taken() -> None:
    made = World(window=3)
    for index in range(2):
        made.add(parcel_of(index, track(f"u-{index}")))
    assert is_full(made) is False
    made.add(parcel_of(2, track("u-2")))
    assert is_full(made) is True
    job = made.job()  # nothing is gained by waiting
    assert len(job.parcels) == 3
    made.answer(job, bulk_answer(job))
    assert is_full(made) is False


def test_bytes_bound_how_much_is_taken() -> None:
    made = World()
    for index in range(15):
        made.add(parcel_of(index, track("ann"), size=MAX_BODY_BYTES))
    made.add(parcel_of(15, track("ann"), size=MAX_BODY_BYTES - 1))
    assert is_full(made) is False
    made.add(parcel_of(16, track("ann"), size=2))
    assert is_full(made) is True
    made.run([(1_000.0, parcel_of(17, track("bob")))])
    assert made.names == {"delivered": 18}
    assert made.dispatcher._bytes == 0


def test_what_does_not_fit_a_bulk_goes_singly() -> None:
    opening = len(b'{"events":[]}')
    made = world(
        parcel_of(0, track("ann"), size=MAX_BODY_BYTES - opening),
        parcel_of(1, track("bob"), size=MAX_BODY_BYTES - opening + 1),
    )
    made.run()
    assert (made.sent(TRACK_BULK), made.sent(TRACK)) == ([[0]], [[1]])


def test_a_bulk_waits_until_nothing_has_come_for_a_twentieth_of_a_second() -> None:
    made = World()
    assert made.add(parcel_of(0, track("ann"))) is True
    assert made.when() == pytest.approx(1_000.05)
    made.now += 0.04
    assert made.add(parcel_of(1, track("bob"))) is False
    assert made.when() == pytest.approx(1_000.09)
    made.now += 0.051
    assert len(made.job().parcels) == 2


def test_a_bulk_waits_a_second_at_most() -> None:
    made = World()
    for index in range(100):
        made.add(parcel_of(index, track(f"u-{index}")))
        assert made.when() == pytest.approx(min(made.now + 0.05, 1_001.0))
        made.now += 0.01
    made.now = 1_001.0
    assert len(made.job().parcels) == 100


def test_a_full_bulk_goes_at_once() -> None:
    made = World()
    for index in range(MAX_BULK_ITEMS):
        found = made.add(parcel_of(index, track(f"u-{index}")))
        assert found is (index in (0, MAX_BULK_ITEMS - 1))
    assert len(made.job().parcels) == MAX_BULK_ITEMS


def test_a_users_own_full_bulk_goes_at_once() -> None:
    made = World()
    for index in range(MAX_BULK_ITEMS + 5):
        found = made.add(parcel_of(index, track("ann")))
        assert found is (index == 0 or index >= MAX_BULK_ITEMS - 1)
    job = made.job()
    assert [each.index for each in job.parcels] == list(range(MAX_BULK_ITEMS))
    assert made.ask() is None
    made.answer(job, bulk_answer(job))
    made.run()
    assert made.order == list(range(MAX_BULK_ITEMS + 5))


def test_a_bulk_full_of_bytes_goes_at_once() -> None:
    made = World()
    made.add(parcel_of(0, track("ann"), size=3_000_000))
    assert made.when() > made.now
    assert made.add(parcel_of(1, track("bob"), size=1_500_000)) is True
    assert [each.index for each in made.job().parcels] == [0]


def test_a_bulk_goes_at_once_when_no_more_will_come() -> None:
    made = World()
    made.add(parcel_of(0, track("ann")))
    assert made.when() > made.now
    made.dispatcher.finished = True
    assert made.job().parcels[0].index == 0


def test_a_single_call_goes_at_once() -> None:
    made = World()
    assert made.add(parcel_of(0, buy("ann"))) is True
    assert made.job().endpoint.path == PURCHASE


def test_requests_keep_the_pace_of_their_endpoint() -> None:
    made = world(*(parcel_of(i, update(f"u-{i}")) for i in range(12_000)), takes=lambda _: 0.01)
    made.run()
    begun = [when for when, _, _ in made.jobs]
    assert len(begun) == 12
    assert begun[-1] - begun[0] < 11 / 5 * 1.1
    assert all(late - early > 1.0 for early, late in zip(begun, begun[5:], strict=False))


# --- Events with two calls, with none, and what is held -----------------------------------------


def test_the_second_call_of_an_event_goes_after_the_first() -> None:
    made = world(parcel_of(0, update("ann"), track("ann"), buy("ann")), parcel_of(1, track("ann")))
    made.run()
    paths = [job.endpoint.path for _, job, _ in made.jobs]
    assert paths == [BULK_UPDATE, TRACK_BULK, PURCHASE, TRACK_BULK]
    assert made.sent() == [[0], [0], [0], [1]]
    assert made.order == [0, 1]
    assert made.outcomes[0].attempts == 3
    assert made.names == {"delivered": 2}


def test_an_event_whose_second_call_fails_is_not_delivered() -> None:
    def server(job: Job) -> Reply:
        return said(errors.BadRequest) if job.bulk is None else plain(job)

    made = world(parcel_of(0, update("ann"), buy("ann")), parcel_of(1, track("ann")))
    made.perform = server
    made.run()
    assert [made.outcomes[index].name for index in range(2)] == ["rejected", "delivered"]


def test_a_second_call_has_tries_of_its_own() -> None:
    fails: Reply = said(errors.ServerError)
    replies: list[Reply] = [said(errors.AmbiguousAnswer), *[fails] * 4, ACCEPTED, *[fails] * 5]
    made = world(
        parcel_of(0, buy("ann"), buy("ann")),
        perform=lambda _: replies.pop(0),
        patience=Patience(deadline=1_000),
    )
    made.run()
    assert (replies, made.outcomes[0].attempts) == ([], 11)
    assert made.outcomes[0].name == "retryable"  # the doubt was about the first call


def test_what_ended_before_is_told_in_its_users_turn() -> None:
    made = World()
    made.add(parcel_of(0, buy("ann")))
    made.add(*ended(1, "ann"))
    made.add(*ended(2, "bob"))
    made.add(parcel_of(3, buy("ann")))
    assert made.order == [2]
    job = made.job()
    made.answer(job, ACCEPTED)
    assert made.order == [2, 0, 1]
    assert made.outcomes[1].name == "skipped"
    made.run()
    assert made.order == [2, 0, 1, 3]


def test_what_ended_before_and_is_about_nobody_is_told_at_once() -> None:
    made = World()
    parcel, _ = ended(0)
    assert made.add(parcel, set()) is False
    assert made.outcomes[0].name == "skipped"
    made.add(Parcel(1, "m-1"), set())
    assert made.outcomes[1].name == "delivered"
    assert made.dispatcher.pending == 0


def test_events_about_nobody_do_not_wait_for_each_other() -> None:
    made = World()
    for index in range(3):
        made.add(parcel_of(index, buy()), set())
    assert len([made.job() for _ in range(3)]) == 3


def test_later_events_of_a_user_are_held_when_an_earlier_one_is_to_be_handed_in_again() -> None:
    made = world(parcel_of(0, buy("ann")), parcel_of(1, buy("ann")), parcel_of(2, buy("bob")))
    made.perform = lambda job: said(errors.ServerError) if job.parcels[0].index == 0 else plain(job)
    made.add(*ended(3, "ann"))
    made.run()
    assert made.names == {"retryable": 2, "delivered": 1, "skipped": 1}
    assert made.outcomes[1].message is not None
    assert "an earlier event of this user" in made.outcomes[1].message
    made.add(parcel_of(4, buy("ann")))
    assert made.outcomes[4].name == "retryable"
    assert made.outcomes[4].attempts == 0


@pytest.mark.parametrize("holds", [True, False])
def test_later_events_are_held_by_one_that_was_to_be_handed_in_again_from_the_beginning(
    *, holds: bool
) -> None:
    made = World(holds=holds)
    made.add(parcel_of(0, buy("ann")))
    retryable = Retryable(index=1, message="not now")
    made.add(Parcel(1, "m-1", outcome=retryable), keys_of([who("ann")]))
    made.add(*ended(2, "ann"))
    made.add(parcel_of(3, buy("ann")))
    made.add(parcel_of(4, buy("bob")))
    made.run()
    outcomes = ["delivered", "retryable", "skipped", "retryable", "delivered"]
    assert [made.outcomes[index].name for index in range(5)] == outcomes
    assert [index for index in made.order if index != 4] == [0, 1, 2, 3]
    assert made.outcomes[1] is retryable
    assert type(made.outcomes[3].error) is errors.NotSent
    made.add(parcel_of(5, buy("ann")))
    made.run()
    assert made.outcomes[5].name == ("retryable" if holds else "delivered")


def test_a_user_who_is_not_held_for_good_goes_on_with_the_next_event() -> None:
    made = world(parcel_of(0, buy("ann")), parcel_of(1, buy("ann")), holds=False)
    made.perform = lambda job: said(errors.ServerError) if job.parcels[0].index == 0 else plain(job)
    made.run()
    assert made.names == {"retryable": 2}
    made.add(parcel_of(2, buy("ann")))
    made.run()
    assert made.outcomes[2].name == "delivered"


def test_a_rejected_event_holds_nobody() -> None:
    made = world(parcel_of(0, buy("ann")), parcel_of(1, buy("ann")))
    made.perform = lambda job: said(errors.BadRequest) if job.parcels[0].index == 0 else ACCEPTED
    made.run()
    assert [made.outcomes[index].name for index in range(2)] == ["rejected", "delivered"]


def test_two_names_of_one_user_become_one_lane_in_order_of_arrival() -> None:
    made = World()
    made.add(parcel_of(0, track("ann")))
    made.add(parcel_of(1, track("ann@x.com")))
    made.add(parcel_of(2, track("ann")))
    made.add(parcel_of(3, track("ANN@x.com", "ann")))
    made.add(parcel_of(4, track("bob")))
    made.dispatcher.finished = True
    made.run()
    [sent] = made.sent()
    assert [index for index in sent if index != 4] == [0, 1, 2, 3]


def test_who_turns_out_to_be_one_user_waits_for_both_requests() -> None:
    made = World()
    made.add(parcel_of(0, buy("ann")))
    made.add(parcel_of(1, buy("ann@x.com")))
    jobs = [made.job(), made.job()]
    made.add(parcel_of(2, buy("ann", "ann@x.com")))
    assert made.ask() is None
    made.answer(jobs[1], ACCEPTED)
    assert made.ask() is None
    made.answer(jobs[0], ACCEPTED)
    assert made.job().parcels[0].index == 2


def test_a_callers_source_and_notes_come_back_with_the_outcome() -> None:
    note = errors.Note("a", "b")
    parcel = Parcel(7, "m-7", (note,), (mark(buy("ann")),), source="kept")
    made = world(parcel)
    made.run()
    assert made.outcomes[7].notes == (note,)
    assert made.outcomes[7].message_id == "m-7"
    assert parcel.source == "kept"


def test_rejected_is_what_iterable_refused() -> None:
    made = world(parcel_of(0, buy("ann")))
    refusal = said(errors.ForgottenUser, status=409, code="ForgottenUserError", request_id="r-9")
    made.answer(made.job(), refusal)
    outcome = made.outcomes[0]
    assert isinstance(outcome, Rejected)
    assert (outcome.code, outcome.request_id) == ("ForgottenUserError", "r-9")
    assert outcome.error is refusal
