"""Scheduler: whatever Iterable does, each event is settled once, in its user's order."""

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
from iterable_destination.delivery.engine import scheduler
from iterable_destination.delivery.engine.bulk import ITERABLE_BULK_ENDPOINTS, BulkEndpoint
from iterable_destination.delivery.engine.circuit_breaker import CircuitBreaker
from iterable_destination.delivery.engine.counters import Counters
from iterable_destination.delivery.engine.envelope import Batch, Envelope
from iterable_destination.delivery.engine.linked_keys import LinkedKeys, ordering_keys
from iterable_destination.delivery.engine.policy import DeliveryPolicy
from iterable_destination.delivery.engine.rate_limiter import RateLimiters
from iterable_destination.delivery.engine.retry import RetryPolicy
from iterable_destination.delivery.engine.scheduler import Scheduler
from iterable_destination.model import endpoints
from iterable_destination.model.calls import (
    Call,
    Identity,
    TrackEvent,
    TrackPurchase,
    UpdateSubscription,
    UpdateUser,
    encode_call,
)
from iterable_destination.model.endpoints import MAX_BODY_BYTES, MAX_BULK_ITEMS
from iterable_destination.model.outcomes import Outcome, Rejected, Retryable, Skipped
from iterable_destination.model.records import EventRecord
from iterable_destination.model.responses import ApiResponse

BULK_UPDATE = endpoints.USERS_BULK_UPDATE.path
TRACK_BULK = endpoints.EVENTS_TRACK_BULK.path
UPDATE = endpoints.USERS_UPDATE.path
TRACK = endpoints.EVENTS_TRACK.path
PURCHASE = endpoints.TRACK_PURCHASE.path
NO_LIMITS: Mapping[str, float | None] = dict.fromkeys(
    [BULK_UPDATE, TRACK_BULK, UPDATE, TRACK, PURCHASE]
)

ACCEPTED = ApiResponse(200, {"msg": "ok", "code": "Success"}, "Success", "ok", "r-1")

Reply = ApiResponse | errors.ApiError


# --- Envelopes -----------------------------------------------------------------------------------


def build_identity(*names: str) -> Identity:
    """Return who has these names; one with an @ is an email."""
    emails = [name for name in names if "@" in name]
    user_ids = [name for name in names if "@" not in name]
    return Identity(emails[0] if emails else None, user_ids[0] if user_ids else None)


def track(*names: str, event: str = "Seen", **fields: Any) -> TrackEvent:
    return TrackEvent(build_identity(*names), event, fields)


def update(*names: str, **fields: Any) -> UpdateUser:
    return UpdateUser(build_identity(*names), fields)


def buy(*names: str) -> TrackPurchase:
    return TrackPurchase(build_identity(*names), [], 1.0)


def build_envelope(index: int, *calls: Call, size: int | None = None) -> Envelope:
    """Return the envelope of an event; ``size`` is that of its first item, if it matters."""
    first, *others = map(encode_call, calls)
    if size is not None:
        first = first._replace(body=b'"' + b"x" * (size - 2) + b'"')
    return Envelope(index, f"m-{index}", calls=(first, *others))


def build_ended_envelope(index: int, *names: str) -> tuple[Envelope, set[str]]:
    """Return an event of a user which ended before anything was sent."""
    outcome = Skipped(index=index, message="nothing to send")
    return Envelope(index, f"m-{index}", outcome=outcome), ordering_keys([build_identity(*names)])


def find_keys(envelope: Envelope) -> set[str]:
    return ordering_keys([each.identity for each in envelope.calls])


# --- The simulated Iterable ---------------------------------------------------------------------


def said(error: type[errors.ApiError], **about: Any) -> errors.ApiError:
    return error("It failed.", **about)


def build_bulk_response(batch: Batch, lost: Iterable[Envelope] = (), **changes: Any) -> ApiResponse:
    """Return the response to a bulk of which the items of some users are refused."""
    calls = [envelope.calls[envelope.call_index] for envelope in lost]
    body = {
        "successCount": len(batch.envelopes) - len(calls),
        "failCount": len(calls),
        "failedUpdates": {
            "invalidEmails": [call.identity.email for call in calls if call.identity.email],
            "invalidUserIds": [call.identity.user_id for call in calls if call.identity.user_id],
        },
    }
    return ApiResponse(200, {**body, **changes}, request_id="r-bulk")


def accept_all(batch: Batch) -> Reply:
    """Accept everything."""
    return ACCEPTED if batch.bulk is None else build_bulk_response(batch)


@pytest.fixture(autouse=True)
def _let_two_make_a_bulk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small bulks show what becomes of a bulk. How few are too few is tested by itself."""
    monkeypatch.setattr(scheduler, "_FEW", 1)
    monkeypatch.setattr(scheduler, "_SINGLE_RATE", 0)


@attrs.define
class World:
    """A scheduler in virtual time, an Iterable, and a ledger that checks each outcome.

    ``send`` returns what Iterable responds to a batch; ``takes`` how long that takes.
    """

    send: Callable[[Batch], Reply] = accept_all
    takes: Callable[[Batch], float] = lambda _: 0.1
    retry: RetryPolicy = attrs.field(factory=RetryPolicy)
    limits: Mapping[str, float | None] | None = None
    max_workers: int = 8
    max_pending: int = 100_000
    keeps_paused: bool = True
    stop_at: float = inf
    jitter: Callable[[float, float], float] = lambda low, high: (low + high) / 2
    linked_keys: LinkedKeys = attrs.field(factory=LinkedKeys)
    now: float = 1_000.0
    breaker: CircuitBreaker = attrs.field(init=False)
    counters: Counters = attrs.field(factory=Counters)
    retries: list[tuple[str, str, float]] = attrs.field(factory=list)
    scheduler: Scheduler = attrs.field(init=False)
    #: When each batch began, and what it carried then.
    batches: list[tuple[float, Batch, list[Envelope]]] = attrs.field(factory=list)
    outcomes: dict[int, Outcome] = attrs.field(factory=dict)
    settled_at: dict[int, float] = attrs.field(factory=dict)
    order: list[int] = attrs.field(factory=list)
    in_flight_until: list[tuple[float, int, Batch, Reply]] = attrs.field(factory=list)
    calls_out: int = 0

    def __attrs_post_init__(self) -> None:
        self.breaker = CircuitBreaker(self.retry.breaker_timeout)
        policy = DeliveryPolicy(
            retry=self.retry,
            rate_limiters=RateLimiters(self.limits),
            breaker=self.breaker,
            bulk_endpoints=ITERABLE_BULK_ENDPOINTS,
            counters=self.counters,
            jitter=self.jitter,
            on_retry=self._record_retry,
            max_pending=self.max_pending,
            stop_at=self.stop_at,
            keeps_paused=self.keeps_paused,
            linked_keys=self.linked_keys,
        )
        self.scheduler = Scheduler(policy)

    def _record_retry(
        self, endpoint: endpoints.Endpoint, error: errors.ApiError, wait: float
    ) -> None:
        self.retries.append((endpoint.path, type(error).__name__, wait))

    def add(self, envelope: Envelope, names: set[str] | None = None) -> bool:
        found = self.scheduler.add(
            envelope, find_keys(envelope) if names is None else names, self.now
        )
        self.collect()
        return found

    def ask(self) -> Batch | float | None:
        """Ask for the next batch, and record it if there is one."""
        found = self.scheduler.next(self.now)
        if isinstance(found, Batch):
            self.batches.append((self.now, found, list(found.envelopes)))
        self.collect()
        return found

    def batch(self) -> Batch:
        found = self.ask()
        assert isinstance(found, Batch), found
        return found

    def when(self) -> float:
        found = self.ask()
        assert isinstance(found, float), found
        return found

    def report(self, batch: Batch, reply: Reply) -> None:
        if isinstance(reply, ApiResponse):
            self.scheduler.on_response(batch, reply, self.now)
        else:
            self.scheduler.on_error(batch, reply, self.now)
        self.collect()

    def collect(self) -> None:
        while self.scheduler.settled:
            envelope, outcome = self.scheduler.settled.popleft()
            assert envelope.index not in self.outcomes, "settled twice"
            assert outcome.index == envelope.index
            self.outcomes[envelope.index] = outcome
            self.settled_at[envelope.index] = self.now
            self.order.append(envelope.index)

    def begin(self, batch: Batch) -> None:
        self.calls_out += 1
        end = self.now + self.takes(batch)
        heappush(self.in_flight_until, (end, self.calls_out, batch, self.send(batch)))

    def end_next(self) -> None:
        when, _, batch, reply = heappop(self.in_flight_until)
        self.now = max(self.now, when)
        self.report(batch, reply)

    def run(
        self, arrivals: Iterable[tuple[float, Envelope | str]] = (), deadline: float = inf
    ) -> None:
        """Advance the clock until everything is settled, or until a moment.

        An arrival may also be the name of a method to call: ``stop`` or ``abandon``.
        """
        coming = list(arrivals)[::-1]
        for _ in range(1_000_000):
            while coming and coming[-1][0] <= self.now:
                self.arrive(coming.pop()[1])
            self.scheduler.finished = self.scheduler.finished or not coming
            found: Batch | float | None = None
            while len(self.in_flight_until) < self.max_workers:
                found = self.ask()
                if not isinstance(found, Batch):
                    break
                self.begin(found)
            moments = [arrival[0] for arrival in coming[-1:]] + [
                each[0] for each in self.in_flight_until
            ]
            if isinstance(found, float):
                moments.append(found)
            if not self.scheduler.pending and not coming and not self.in_flight_until:
                return
            assert moments, "nothing will ever happen"
            if min(moments) > deadline:
                self.now = deadline
                return
            if self.in_flight_until and self.in_flight_until[0][0] <= min(moments):
                self.end_next()
            else:
                self.now = max(self.now, min(moments))
        raise AssertionError("it does not end")

    def arrive(self, what: Envelope | str) -> None:
        if isinstance(what, Envelope):
            self.add(what)
        else:
            getattr(self.scheduler, what)()
            self.collect()
            assert what == "stop" or not self.scheduler.pending

    @property
    def names(self) -> Counter[str]:
        return Counter(outcome.name for outcome in self.outcomes.values())

    def sent(self, path: str | None = None) -> list[list[int]]:
        """Return the indexes of the events in each request."""
        return [
            [envelope.index for envelope in envelopes]
            for _, batch, envelopes in self.batches
            if path in (None, batch.endpoint.path)
        ]


def build_world(*envelopes: Envelope, **policy: Any) -> World:
    """Return a world to which these were added; nothing more will come."""
    made = World(**policy)
    for envelope in envelopes:
        made.add(envelope)
    made.scheduler.finished = True
    return made


# --- The simulation ----------------------------------------------------------------------------


class Referee(World):
    """A world of chance that looks at every request and outcome as it happens."""

    def __init__(self, seed: int, **policy: Any) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - chance, not secrecy
        super().__init__(jitter=self.dice.uniform, **policy)
        self.people: dict[str, str] = {}
        self.envelopes: dict[int, Envelope] = {}
        self.envelopes_of: defaultdict[str, list[Envelope]] = defaultdict(list)
        #: Envelopes of two users who turned out to be one while either was under way, or later.
        self.strangers: set[frozenset[int]] = set()
        self.former_strangers: set[frozenset[int]] = set()
        #: Envelopes that once were in one request.
        self.together: set[frozenset[int]] = set()
        self.first_begun: dict[int, float] = {}
        self.requests: Counter[int] = Counter()
        self.attempts: Counter[tuple[int, int]] = Counter()
        self.server_errors: Counter[tuple[int, int]] = Counter()
        self.refusals: Counter[tuple[int, int]] = Counter()
        #: In the order in which Iterable applied them for the first time: event and call.
        self.applied: dict[tuple[int, int], None] = {}
        self.in_flight: list[Batch] = []
        self.result_step: dict[int, int] = {}

    # Who is who

    def person(self, name: str) -> str:
        while self.people.setdefault(name, name) != name:
            name = self.people[name]
        return name

    def person_of(self, envelope: Envelope) -> str:
        return self.person(min(find_keys(envelope) or {f"!{envelope.index}"}))

    def is_in_flight(self, envelope: Envelope) -> bool:
        return envelope.index in self.first_begun and envelope.index not in self.outcomes

    def add(self, envelope: Envelope, names: set[str] | None = None) -> bool:
        persons = sorted({self.person(name) for name in find_keys(envelope)})
        for one, other in combinations(persons, 2):
            for mine, yours in product(self.envelopes_of[one], self.envelopes_of[other]):
                pair = frozenset((mine.index, yours.index))
                if self.is_in_flight(mine) or self.is_in_flight(yours):
                    self.strangers.add(pair)
                if pair & set(self.first_begun):
                    self.former_strangers.add(pair)
        for other in persons[1:]:
            self.people[other] = persons[0]
            self.envelopes_of[persons[0]] += self.envelopes_of.pop(other, [])
        self.envelopes[envelope.index] = envelope
        self.envelopes_of[persons[0]].append(envelope)
        return super().add(envelope, names)

    # What goes out

    def begin(self, batch: Batch) -> None:
        body = batch.body()
        assert len(body) <= MAX_BODY_BYTES
        assert 1 <= len(batch.envelopes) <= MAX_BULK_ITEMS
        assert batch.bulk is not None or len(batch.envelopes) == 1
        indexes = [envelope.index for envelope in batch.envelopes]
        assert len(set(indexes)) == len(indexes)
        assert not set(indexes) & set(self.outcomes), "sent though it is settled"
        self.together |= set(map(frozenset, combinations(indexes[:50], 2)))
        inside = set(indexes)
        for envelope in batch.envelopes:
            self._check_turn(envelope, inside)
            self.first_begun.setdefault(envelope.index, self.now)
            latest = self.first_begun[envelope.index] + self.retry.deadline
            assert self.now <= latest + 1e-6, "begun after the deadline"
            self.requests[envelope.index] += 1
            self.attempts[envelope.index, envelope.call_index] += 1
        if batch.endpoint.path == BULK_UPDATE:
            for one, other in combinations(batch.envelopes, 2):
                if self.person_of(one) == self.person_of(other):
                    assert frozenset((one.index, other.index)) in self.strangers
        self._check_nobody_is_asked_about_twice(batch)
        self.in_flight.append(batch)
        super().begin(batch)

    def _check_turn(self, envelope: Envelope, inside: set[int]) -> None:
        for other in self.envelopes_of[self.person_of(envelope)]:
            index, outcome = other.index, self.outcomes.get(other.index)
            if outcome is None:
                in_turn = index >= envelope.index or index in inside
            else:
                overtakes = index < envelope.index and outcome.name in ("retryable", "unknown")
                in_turn = not (overtakes and self.keeps_paused)
            if not in_turn:
                assert frozenset((index, envelope.index)) in self.strangers, "out of turn"

    def _check_nobody_is_asked_about_twice(self, batch: Batch) -> None:
        mine = {self.person_of(envelope): envelope.index for envelope in batch.envelopes}
        for other in self.in_flight:
            for envelope in other.envelopes:
                index = mine.get(self.person_of(envelope))
                if index is not None:
                    pair = frozenset((index, envelope.index))
                    assert pair in self.strangers, "two requests for one user"

    # What comes back

    def report(self, batch: Batch, reply: Reply) -> None:
        self.in_flight.remove(batch)
        keys_then = [(envelope.index, envelope.call_index) for envelope in batch.envelopes]
        self.server_errors.update(keys_then if isinstance(reply, errors.ServerError) else ())
        self.refusals.update(keys_then if isinstance(reply, errors.RequestRefused) else ())
        super().report(batch, reply)

    def collect(self) -> None:
        before = len(self.order)
        super().collect()
        for index in self.order[before:]:
            self._check_outcome(self.envelopes[index], self.outcomes[index])

    def _check_outcome(self, envelope: Envelope, outcome: Outcome) -> None:
        index = envelope.index
        assert outcome.attempts == self.requests[index], "attempts are not what was sent"
        for other in self.envelopes_of[self.person_of(envelope)]:
            if other.index < index and other.index not in self.outcomes:
                pair = frozenset((other.index, index))
                assert pair in self.strangers, f"{index} is reported before {other.index}"
        done = [(index, call_index) in self.applied for call_index in range(len(envelope.calls))]
        if outcome.name == "delivered":
            assert all(done), "delivered, but not applied"
        elif outcome.name == "rejected":
            assert envelope.outcome is not None or not done[envelope.call_index], (
                "rejected, but applied"
            )
        elif outcome.name == "retryable":
            assert not done[envelope.call_index], "retryable, but applied"
        for call_index in range(len(envelope.calls)):
            # refusals of a whole bulk are not counted: those are how it is found out whom it is
            assert (
                self.attempts[index, call_index] - self.refusals[index, call_index]
                <= self.retry.max_attempts + 1
            )
            assert self.server_errors[index, call_index] <= self.retry.max_server_errors

    def check_end(self) -> None:
        assert set(self.outcomes) == set(self.envelopes)
        assert self.scheduler.pending == 0
        assert self.scheduler._bytes == 0
        assert not self.in_flight
        firsts = defaultdict(list)
        for index, _ in self.applied:
            firsts[self.person_of(self.envelopes[index])].append(index)
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
    max_bytes: int
    hints: str
    #: How truthful the lists of a bulk's answer are; the counts are always true.
    lists: str
    broken: tuple[float, float]

    def __call__(self, batch: Batch) -> Reply:
        dice = self.referee.dice
        if self.broken[0] <= self.referee.now < self.broken[1]:
            return said(errors.Unauthorized, status=401)
        if dice.random() < self.faults:
            return self._fault(batch)
        if len(batch.body()) > self.max_bytes:
            return said(errors.TooLarge, status=413)
        if any(envelope.index in self.bad for envelope in batch.envelopes):
            return said(errors.BadRequest, status=400, params=self._hints(batch))
        return self._single(batch) if batch.bulk is None else self._bulk(batch)

    def _fault(self, batch: Batch) -> Reply:
        dice = self.referee.dice
        kind = dice.choice(
            [errors.RateLimited, errors.ServerError, errors.NotConnected, errors.AmbiguousAnswer]
        )
        if kind is errors.AmbiguousAnswer and dice.random() < 0.5:
            self._accept(batch)
        retry_after = dice.choice([None, None, 3.0, 100.0]) if kind is errors.RateLimited else None
        return said(kind, retry_after=retry_after)

    def _accept(self, batch: Batch) -> None:
        if len(batch.body()) > self.max_bytes:
            return
        if not any(envelope.index in self.bad for envelope in batch.envelopes):
            self._apply(envelope for envelope in batch.envelopes if self._cause(envelope) is None)

    def _apply(self, envelopes: Iterable[Envelope]) -> None:
        for envelope in envelopes:
            self.referee.applied.setdefault((envelope.index, envelope.call_index))

    def _cause(self, envelope: Envelope) -> str | None:
        call = envelope.calls[envelope.call_index]
        if call.event_name in self.disallowed:
            return "disallowed"
        return "forgotten" if ordering_keys([call.identity]) & self.forgotten else None

    def _hints(self, batch: Batch) -> dict[str, Any] | None:
        places = [place for place, each in enumerate(batch.envelopes) if each.index in self.bad]
        if self.hints == "none":
            return None
        if self.hints == "wrong":
            places = [self.referee.dice.randrange(len(batch.envelopes) + 3)]
        elif self.hints == "some":
            places = places[:1]
        return {f"obj.events[{place}].dataFields": ["is wrong"] for place in places}

    def _single(self, batch: Batch) -> Reply:
        cause = self._cause(batch.envelopes[0])
        if cause == "disallowed":
            return said(errors.EventDisallowed, status=200)
        if cause == "forgotten":
            return said(errors.ForgottenUser, status=409)
        self._apply(batch.envelopes)
        return ACCEPTED

    def _bulk(self, batch: Batch) -> Reply:
        causes = {envelope.index: self._cause(envelope) for envelope in batch.envelopes}
        lost = [envelope for envelope in batch.envelopes if causes[envelope.index] is not None]
        self._apply(envelope for envelope in batch.envelopes if causes[envelope.index] is None)
        emails, user_ids, names = [], [], []
        for envelope in lost:
            if self.lists == "incomplete" and self.referee.dice.random() < 0.5:
                continue
            call = envelope.calls[envelope.call_index]
            if causes[envelope.index] == "disallowed" and call.event_name is not None:
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
            body |= {"successCount": len(batch.envelopes) - len(lost), "failCount": len(lost)}
        return ApiResponse(200, body)


NAMES = ["Ann@x.com", "ann", "bob@x.com", "Bob", "c@x.com", "cy", "d@x.com", "dee", "e@x.com"]


def arrivals(dice: random.Random, count: int, people: int) -> list[tuple[float, Envelope]]:
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
            coming.append((when, build_ended_envelope(index, *user)[0]))
            coming[-1][1].calls = (encode_call(call),)
        else:
            coming.append((when, build_envelope(index, *calls, size=size)))
        when += dice.uniform(0, gap)
    return coming


def play(seed: int) -> Referee:
    dice = random.Random(seed)  # noqa: S311 - chance, not secrecy
    count = dice.choice([5, 30, 100, 250])
    referee = Referee(
        seed,
        max_workers=dice.randint(1, 8),
        keeps_paused=dice.random() < 0.7,
        max_pending=dice.choice([10, 100, 100_000]),
        stop_at=dice.choice([inf, inf, inf, 1_000.0, 1_002.0, 1_020.0]),
        limits=dice.choice([None, NO_LIMITS, {TRACK_BULK: 2.0, BULK_UPDATE: 1.0}]),
        retry=dice.choice(
            [RetryPolicy(), RetryPolicy(deadline=5.0), RetryPolicy(breaker_timeout=0.5)]
        ),
    )
    slow = dice.choice([0.01, 1.0, 20.0])
    referee.takes = lambda _: dice.uniform(0, slow)
    bad = dice.choice([0, 0, 1, 8])
    outage = dice.choice([inf, inf, inf, 1_000.0, 1_003.0])
    referee.send = Moody(
        referee,
        faults=dice.choice([0.0, 0.1, 0.4, 0.8]),
        bad=frozenset(dice.sample(range(count), min(bad, count))),
        forgotten=dice.choice([frozenset(), frozenset({"@ann@x.com", "#Bob", "#u-3"})]),
        disallowed=dice.choice([frozenset(), frozenset({"Secret"})]),
        max_bytes=dice.choice([MAX_BODY_BYTES, 1_000_000, 2_000]),
        hints=dice.choice(["right", "wrong", "some", "none"]),
        lists=dice.choice(["complete", "complete", "incomplete", "no counts"]),
        broken=(outage, outage + dice.choice([1.0, 40.0])),
    )
    coming: list[tuple[float, Envelope | str]] = [
        *arrivals(dice, count, dice.choice([1, 3, 9, 60]))
    ]
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
def test_whatever_iterable_does_events_are_settled_once_in_order_and_truly(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if seed % 2:
        monkeypatch.undo()  # few calls go singly
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

    def __call__(self, batch: Batch) -> Reply:
        places = [place for place, each in enumerate(batch.envelopes) if each.index in self.bad]
        if places:
            blamed = self.blame(places, len(batch.envelopes))
            name = "users" if batch.endpoint.path == BULK_UPDATE else "events"
            params = {f"obj.{name}[{place}].dataFields": ["is wrong"] for place in blamed}
            return said(self.error, status=400, params=params or None)
        self.applied.update(envelope.index for envelope in batch.envelopes)
        return accept_all(batch)


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
    envelopes = [build_envelope(index, kind(f"u-{index}")) for index in range(1_000)]
    made = build_world(*envelopes, send=picky)
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
        made = build_world(
            *(build_envelope(index, track("ann")) for index in range(100)), send=picky
        )
        made.run()
        assert made.names == {"delivered": 99, "rejected": 1}
        assert made.outcomes[37].name == "rejected"
        assert made.order == list(range(100))
        assert list(picky.applied) == [index for index in range(100) if index != 37]


def test_a_blamed_item_goes_singly_with_all_of_its_user() -> None:
    picky = Picky(frozenset({2}), BLAME["right"])
    names = ["ann", "bob", "bob", "bob", "cy"]
    made = build_world(
        *(build_envelope(i, track(name)) for i, name in enumerate(names)), send=picky
    )
    made.run()
    assert made.sent(TRACK_BULK) == [[0, 1, 2, 3, 4], [0, 4]]
    assert made.sent(TRACK) == [[1], [2], [3]]
    assert made.names == {"delivered": 4, "rejected": 1}


def test_few_items_that_nobody_blames_go_singly_at_once() -> None:
    picky = Picky(frozenset({2}), BLAME["nothing"])
    made = build_world(*(build_envelope(i, track(f"u-{i}")) for i in range(8)), send=picky)
    made.run()
    assert sorted(made.sent(TRACK_BULK)) == [list(range(8))]
    assert sorted(made.sent(TRACK)) == [[index] for index in range(8)]


def test_nine_items_that_nobody_blames_go_in_halves_first() -> None:
    picky = Picky(frozenset({2}), BLAME["nothing"])
    made = build_world(*(build_envelope(i, track(f"u-{i}")) for i in range(9)), send=picky)
    made.run()
    assert made.sent(TRACK_BULK) == [list(range(9)), [0, 1, 2, 3], [4, 5, 6, 7, 8]]
    assert sorted(made.sent(TRACK)) == [[0], [1], [2], [3]]


def test_what_is_too_large_goes_in_halves_whatever_is_blamed() -> None:
    def server(batch: Batch) -> Reply:
        if len(batch.envelopes) > 300:
            return said(errors.TooLarge, status=413, params={"obj.events[0]": []})
        return accept_all(batch)

    made = build_world(*(build_envelope(i, track(f"u-{i}")) for i in range(1_000)), send=server)
    made.run()
    assert made.names == {"delivered": 1_000}
    assert [len(indexes) for indexes in made.sent()] == [1_000, 500, 500, 250, 250, 250, 250]


def test_a_single_one_that_is_too_large_is_rejected() -> None:
    def server(_: Batch) -> Reply:
        return said(errors.TooLarge, status=413)

    made = build_world(*(build_envelope(i, track(f"u-{i}")) for i in range(3)), send=server)
    made.run()
    assert made.names == {"rejected": 3}
    assert made.counters.requests == {TRACK_BULK: 1, TRACK: 3}


def test_changes_of_subscriptions_have_paths_of_their_own_and_one_queue() -> None:
    changes = [
        UpdateSubscription(build_identity(f"u-{number}"), "emailList", number, "subscribe")
        for number in range(1, 6)
    ]
    made = build_world(*(build_envelope(i, call) for i, call in enumerate(changes)))
    made.run()
    assert made.names == {"delivered": 5}
    assert [batch.endpoint for _, batch, _ in made.batches] == [call.endpoint for call in changes]
    assert {batch.queue_name for _, batch, _ in made.batches} == {endpoints.SUBSCRIPTIONS.name}
    assert made.counters.requests == {endpoints.SUBSCRIPTIONS.name: 5}


@pytest.mark.parametrize("count", [2, 20])
def test_a_whole_bulk_that_is_refused_after_the_deadline_rejects_nobody(count: int) -> None:
    made = build_world(
        *(build_envelope(i, track(f"u-{i}")) for i in range(count)),
        send=lambda _: said(errors.BadRequest, status=400),
        takes=lambda _: 61.0,
    )
    made.run()
    assert made.names == {"retryable": count}
    assert {type(outcome.error) for outcome in made.outcomes.values()} == {errors.BadRequest}


# --- What a bulk's response leaves open ----------------------------------------------------------


def test_what_an_answer_leaves_open_goes_singly() -> None:
    def server(batch: Batch) -> Reply:
        if batch.bulk is None:
            return said(errors.BadRequest) if batch.envelopes[0].index == 1 else ACCEPTED
        return build_bulk_response(batch, successCount=2, failCount=1)  # and lists none

    made = build_world(*(build_envelope(i, update(f"u-{i}")) for i in range(3)), send=server)
    made.run()
    assert made.sent(BULK_UPDATE) == [[0, 1, 2]]
    assert sorted(made.sent(UPDATE)) == [[0], [1], [2]]
    assert made.names == {"delivered": 2, "rejected": 1}
    assert made.outcomes[1].name == "rejected"
    assert made.outcomes[0].attempts == 2


def test_what_an_answer_left_open_and_nothing_settles_is_unknown() -> None:
    def server(batch: Batch) -> Reply:
        if batch.bulk is None:
            return said(errors.ServerError, status=500)
        return build_bulk_response(batch, successCount="many")

    made = build_world(
        build_envelope(0, update("ann")), build_envelope(1, update("bob")), send=server
    )
    made.run()
    assert made.names == {"unknown": 2}


def test_a_profile_that_only_a_bulk_can_update_is_unknown_if_its_own_leaves_it_open() -> None:
    calls = [
        UpdateUser(build_identity(name), {"plan": "free"}, update_only=True)
        for name in ("ann", "bob")
    ]
    made = build_world(
        *(build_envelope(index, call) for index, call in enumerate(calls)),
        send=lambda _: ApiResponse(200, {}),
    )
    made.run()
    assert made.sent() == [[0, 1], [0], [1]]
    assert made.names == {"unknown": 2}


def test_what_is_listed_is_rejected_and_the_rest_is_delivered() -> None:
    made = build_world(
        *(build_envelope(i, track(f"u-{i}@x.com")) for i in range(4)),
        send=lambda batch: build_bulk_response(batch, batch.envelopes[1:2]),
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
    """The first is neither listed nor counted, the second is listed; the first is settled first."""

    def server(batch: Batch) -> Reply:
        if batch.bulk is None:
            return ACCEPTED
        return ApiResponse(200, {"disallowedEventNames": ["Secret"]})

    made = build_world(
        build_envelope(0, track("ann")),
        build_envelope(1, track("ann", event="Secret")),
        send=server,
    )
    made.run()
    assert made.names == {"delivered": 1, "rejected": 1}
    assert made.order == [0, 1]


# --- Retries -------------------------------------------------------------------------------------


def test_a_request_whose_answer_was_lost_goes_out_again_as_it_was() -> None:
    made = World()
    for index in range(3):
        made.add(build_envelope(index, track(f"u-{index}")))
    made.scheduler.finished = True
    batch = made.batch()
    body = batch.body()
    made.report(batch, said(errors.AmbiguousAnswer))
    made.add(build_envelope(3, track("u-0")))
    made.add(build_envelope(4, track("u-new")))
    made.now += 31
    again = made.batch()
    assert again is batch
    assert again.body() == body
    made.report(again, build_bulk_response(again))
    made.run()
    assert made.names == {"delivered": 5}
    assert made.outcomes[0].attempts == 2
    assert made.outcomes[4].attempts == 1


def test_what_may_have_been_applied_ends_unknown_whoever_else_is_in_its_last_request() -> None:
    made = build_world(
        build_envelope(0, track("ann")), build_envelope(1, track("ann")), limits=NO_LIMITS
    )
    for kind in (errors.AmbiguousAnswer, errors.ServerError, errors.ServerError):
        made.report(made.batch(), said(kind))
        made.now += 1
    # From now on the first goes alone, and the second waits for it, still in doubt.
    made.add(build_envelope(2, track("bob"), track("bob")))
    made.now += 2
    batches = {batch.envelopes[0].index: batch for batch in (made.batch(), made.batch())}
    assert {index: len(batch.envelopes) for index, batch in batches.items()} == {0: 1, 2: 1}
    made.report(batches[2], build_bulk_response(batches[2]))
    made.report(batches[0], build_bulk_response(batches[0]))

    def server(batch: Batch) -> Reply:
        fails = any(envelope.index == 1 for envelope in batch.envelopes)
        return said(errors.ServerError) if fails else accept_all(batch)

    made.send = server
    made.run()
    assert made.names == {"delivered": 2, "unknown": 1}
    assert made.outcomes[1].name == "unknown"


def test_attempts_are_those_of_the_event_itself() -> None:
    made = build_world(build_envelope(0, update("ann"), track("ann")), limits=NO_LIMITS)
    batch = made.batch()
    made.report(batch, build_bulk_response(batch))
    made.add(build_envelope(1, track("bob")))
    made.run()
    assert [made.outcomes[index].attempts for index in range(2)] == [2, 1]


def test_a_new_event_has_all_its_time_whoever_else_is_in_its_request() -> None:
    made = World(limits=NO_LIMITS)
    made.add(build_envelope(0, update("ann"), track("ann")))
    made.scheduler.finished = True
    first = made.batch()
    made.now += 59.9
    made.add(build_envelope(1, track("bob")))
    made.report(first, build_bulk_response(first))
    second = made.batch()
    indexes = [each.index for each in second.envelopes]
    made.report(second, said(errors.NotConnected))
    made.run()
    assert 1 in indexes
    assert made.outcomes[1].name == "delivered"


def test_no_try_begins_after_the_deadline_however_long_the_endpoint_is_paused() -> None:
    made = build_world(build_envelope(0, buy("ann")), retry=RetryPolicy(deadline=10.0))
    one = made.batch()
    made.now += 9
    made.add(build_envelope(1, buy("bob")))
    two = made.batch()
    made.report(one, said(errors.NotConnected))
    made.report(two, said(errors.RateLimited, retry_after=8.0))
    made.run()
    assert max(when for when, _, [envelope] in made.batches if envelope.index == 0) <= 1_010.0
    assert made.outcomes[0].name == "retryable"
    assert made.outcomes[1].name == "delivered"


@pytest.mark.parametrize("call", [buy("ann"), track("ann")])
def test_a_deadline_of_no_time_lets_one_attempt_through(call: Call) -> None:
    made = build_world(build_envelope(0, call), retry=RetryPolicy(deadline=0.0))
    made.run()
    assert made.names == {"delivered": 1}


def test_a_bulk_that_iterable_fails_on_twice_goes_in_halves() -> None:
    made = build_world(
        *(build_envelope(i, track(f"u-{i}")) for i in range(4)),
        send=lambda _: said(errors.ServerError, status=500),
    )
    made.run()
    assert made.sent()[:2] == [[0, 1, 2, 3]] * 2
    assert made.sent()[2:4] == [[0, 1], [2, 3]]
    assert made.names == {"retryable": 4}
    assert {outcome.attempts for outcome in made.outcomes.values()} == {5}


def test_one_event_that_iterable_fails_on_costs_its_user_only() -> None:
    def server(batch: Batch) -> Reply:
        poisoned = any(envelope.index == 10 for envelope in batch.envelopes)
        return said(errors.ServerError, status=500) if poisoned else accept_all(batch)

    made = build_world(*(build_envelope(i, track(f"u-{i}")) for i in range(16)), send=server)
    made.run()
    assert made.outcomes[10].name == "retryable"
    assert made.names["delivered"] >= 12


def test_a_retry_is_told_and_counted() -> None:
    replies = [said(errors.RateLimited, retry_after=4.0), said(errors.NotConnected)]
    made = build_world(
        build_envelope(0, buy("ann")), send=lambda _: replies.pop(0) if replies else ACCEPTED
    )
    made.run()
    assert made.retries == [(PURCHASE, "RateLimited", 4.0), (PURCHASE, "NotConnected", 0.5)]
    assert made.counters.retries == {"RateLimited": 1, "NotConnected": 1}
    assert made.counters.waits == {"RateLimited": 4.0, "NotConnected": 0.5}
    assert made.counters.requests == {PURCHASE: 3}
    assert made.counters.outcomes == {"delivered": 1}
    assert made.outcomes[0].attempts == 3


def test_a_429_after_the_last_attempt_pauses_its_endpoint_for_a_second() -> None:
    made = build_world(build_envelope(0, buy("ann")), retry=RetryPolicy(max_attempts=1))
    made.report(made.batch(), said(errors.RateLimited))
    assert made.names == {"retryable": 1}
    made.add(build_envelope(1, buy("bob")))
    assert made.when() == pytest.approx(1_001.0, abs=0.02)


def test_a_429_pauses_its_endpoint_and_no_other() -> None:
    made = World()
    made.add(build_envelope(0, buy("ann")))
    made.scheduler.finished = True
    made.report(made.batch(), said(errors.RateLimited, retry_after=20.0))
    made.add(build_envelope(1, buy("bob")))
    assert made.when() == pytest.approx(1_020.0, abs=0.02)
    made.add(build_envelope(2, track("cy")))
    assert made.batch().endpoint.path == TRACK
    made.run(deadline=1_019.9)
    assert made.sent(PURCHASE) == [[0]]


# --- Users do not wait for each other ------------------------------------------------------------


@pytest.mark.parametrize("kind", [errors.ServerError, errors.NotConnected, errors.AmbiguousAnswer])
def test_other_users_do_not_wait_for_one_whose_requests_fail(kind: type[errors.ApiError]) -> None:
    def server(batch: Batch) -> Reply:
        return (
            said(kind)
            if any(envelope.index == 0 for envelope in batch.envelopes)
            else accept_all(batch)
        )

    calls: list[Call] = [buy("ann")]
    calls += [make(f"u-{i}") for i in range(50) for make in (buy, track, update)]
    made = build_world(
        *(build_envelope(index, call) for index, call in enumerate(calls)), send=server
    )
    made.run()
    assert made.outcomes.pop(0).name in ("retryable", "unknown")
    assert made.names == {"delivered": 150}
    assert max(when for index, when in made.settled_at.items() if index) < 1_000 + 3


def test_many_single_requests_do_not_keep_bulks_waiting() -> None:
    """Purchases have no known limit, so there is always one more of them that may go."""
    calls: list[Call] = [buy(f"u-{index}") for index in range(2_000)]
    calls += [track(f"v-{index}") for index in range(1_000)]
    made = build_world(*(build_envelope(index, call) for index, call in enumerate(calls)))
    made.run(deadline=1_005.0)
    assert made.sent(TRACK_BULK) != []


def test_a_user_has_one_request_at_a_time_and_others_go_on() -> None:
    made = build_world(
        *(build_envelope(i, buy("ann")) for i in range(3)), build_envelope(3, buy("bob"))
    )
    batch = made.batch()
    assert [each.index for each in batch.envelopes] == [0]
    assert [each.index for each in made.batch().envelopes] == [3]
    assert made.ask() is None
    made.report(batch, ACCEPTED)
    assert [each.index for each in made.batch().envelopes] == [1]


def test_a_bulk_update_has_one_item_of_a_user_and_a_track_bulk_all_of_them() -> None:
    calls = [update("ann"), update("Ann@x.com"), update("ann", "ann@X.com"), update("bob")]
    made = build_world(*(build_envelope(index, call) for index, call in enumerate(calls)))
    made.run()
    assert made.sent() == [[3, 0], [1], [2]] or made.sent() == [[0, 3], [1], [2]]
    tracks = build_world(*(build_envelope(index, track("ann")) for index in range(3)))
    tracks.run()
    assert tracks.sent() == [[0, 1, 2]]


def test_what_goes_elsewhere_ends_a_users_run_in_a_bulk() -> None:
    calls: list[Call] = [track("ann"), track("ann"), buy("ann"), track("ann")]
    made = build_world(*(build_envelope(index, call) for index, call in enumerate(calls)))
    made.run()
    assert made.sent() == [[0, 1], [2], [3]]


# --- A wrong key --------------------------------------------------------------------------------


@pytest.mark.parametrize("max_workers", [1, 2, 8, 64])
@pytest.mark.parametrize("kind", [track, update, buy])
@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_wrong_key_costs_ten_requests_at_most(
    kind: Callable[..., Call], max_workers: int, count: int
) -> None:
    made = build_world(
        *(build_envelope(index, kind(f"u-{index}")) for index in range(count)),
        send=lambda _: said(errors.Unauthorized, status=401),
        max_workers=max_workers,
        limits=NO_LIMITS,
    )
    made.run()
    assert len(made.batches) <= 10
    assert made.names == {"retryable": count}
    assert all(isinstance(each.error, errors.Unauthorized) for each in made.outcomes.values())


def broken() -> World:
    """Return a world whose breaker was opened at 1000, for 30 seconds."""
    made = build_world(build_envelope(0, track("ann")))
    made.report(made.batch(), said(errors.Forbidden, status=403))
    assert made.names == {"retryable": 1}
    return made


def test_nothing_is_sent_while_the_breaker_is_open() -> None:
    made = broken()
    made.now += 29.9
    assert made.add(build_envelope(1, buy("bob"))) is False
    assert made.outcomes[1].name == "retryable"
    assert isinstance(made.outcomes[1].error, errors.Forbidden)
    assert made.ask() is None


@pytest.mark.parametrize("reply", [ACCEPTED, said(errors.ServerError), said(errors.BadRequest)])
def test_one_request_finds_out_whether_the_breaker_may_close(reply: Reply) -> None:
    made = broken()
    made.now += 30
    for index in range(1, 4):
        made.add(build_envelope(index, buy(f"u-{index}")))
    batch = made.batch()
    assert made.ask() is None
    assert made.names == {"retryable": 3}
    made.report(batch, reply)
    made.add(build_envelope(4, buy("dee")))
    assert isinstance(made.ask(), Batch)


def test_the_breaker_opens_again_if_the_one_request_fails_too() -> None:
    made = broken()
    made.now += 30
    made.add(build_envelope(1, buy("bob")))
    batch = made.batch()
    made.now += 10
    made.report(batch, said(errors.Forbidden, status=403))
    made.now += 29
    made.add(build_envelope(2, buy("cy")))
    assert made.names == {"retryable": 3}
    made.now += 1
    made.add(build_envelope(3, buy("dee")))
    assert isinstance(made.ask(), Batch)


def test_eight_requests_at_most_go_before_the_first_answer() -> None:
    made = build_world(*(build_envelope(index, buy(f"u-{index}")) for index in range(20)))
    batches = [made.batch() for _ in range(8)]
    assert made.ask() is None
    made.report(batches[3], ACCEPTED)
    assert len([made.batch() for _ in range(12)]) == 12
    assert made.ask() is None


# --- The end ------------------------------------------------------------------------------------


def test_nothing_is_sent_from_the_end_of_the_time_on() -> None:
    made = World(stop_at=1_010.0)
    made.add(build_envelope(0, buy("ann")))
    made.add(build_envelope(1, buy("ann")))
    made.add(build_envelope(2, buy("bob")))
    batch = made.batch()
    made.now = 1_010.0
    assert made.ask() is None
    assert made.outcomes[2].message == "not sent: deadline exceeded"
    made.add(build_envelope(3, buy("cy")))
    made.report(batch, ACCEPTED)
    assert [made.outcomes[index].name for index in range(4)] == [
        "delivered",
        "retryable",
        "retryable",
        "retryable",
    ]
    assert made.outcomes[2].attempts == 0


def test_the_end_of_the_time_is_a_moment_to_ask_again() -> None:
    made = World(stop_at=1_010.0)
    made.add(build_envelope(0, buy("ann")))
    made.batch()
    assert made.when() == 1_010.0


def test_the_end_of_the_time_is_a_moment_to_ask_again_before_the_first_answer() -> None:
    made = World(stop_at=1_010.0)
    for index in range(20):
        made.add(build_envelope(index, buy(f"u-{index}")))
    for _ in range(8):
        made.batch()
    assert made.when() == 1_010.0


@pytest.mark.parametrize(
    "error", [said(errors.ServerError), said(errors.NotConnected), said(errors.RateLimited)]
)
def test_what_fails_after_a_stop_is_settled_and_not_kept_for_later(error: errors.ApiError) -> None:
    """The last one that reports a response need not ask for another batch."""
    made = build_world(*(build_envelope(index, buy("ann")) for index in range(2)))
    batch = made.batch()
    made.scheduler.stop()
    made.report(batch, error)
    assert made.names == {"retryable": 2}
    assert made.scheduler.pending == 0


def test_after_a_stop_what_is_under_way_is_awaited_and_nothing_is_sent() -> None:
    made = World()
    made.add(build_envelope(0, buy("ann")))
    made.add(build_envelope(1, buy("ann")))
    made.add(build_envelope(2, track("bob")))
    batch = made.batch()
    made.scheduler.stop()
    made.collect()
    assert made.order == [2]
    assert made.outcomes[2].message == "not sent: delivery was stopped"
    assert made.add(build_envelope(3, track("cy"))) is False
    assert made.ask() is None
    made.report(batch, ACCEPTED)
    assert made.names == {"delivered": 1, "retryable": 3}
    made.scheduler.stop()
    assert made.scheduler.pending == 0


def test_what_waits_to_be_sent_again_is_settled_by_a_stop() -> None:
    made = build_world(
        build_envelope(0, buy("ann")),
        build_envelope(1, buy("bob")),
        build_envelope(2, buy("ann")),
        limits={PURCHASE: 5},
    )
    made.report(made.batch(), said(errors.AmbiguousAnswer))
    made.now += 0.21
    made.report(made.batch(), said(errors.ServerError))
    made.now += 1.0
    made.batch()  # one of the two goes; the other could
    made.scheduler.stop()
    made.collect()
    assert made.order == [1]
    made.scheduler.abandon()
    made.collect()
    assert [made.outcomes[index].name for index in range(3)] == [
        "unknown",
        "retryable",
        "retryable",
    ]


def test_abandoning_settles_everything_at_once() -> None:
    made = World()
    for index in range(3):
        made.add(build_envelope(index, buy("ann")))
    made.add(build_envelope(3, track("bob")))
    made.batch()
    made.scheduler.abandon()
    made.collect()
    assert [made.outcomes[index].name for index in range(4)] == [
        "unknown",
        "retryable",
        "retryable",
        "retryable",
    ]
    assert made.scheduler.pending == 0
    assert made.outcomes[0].message == "deadline exceeded before the response came"


def end_by_failing(made: World) -> None:
    made.send = lambda _: said(errors.ServerError)
    made.run()


def end_by_a_deadline(made: World) -> None:
    """Let a bulk fail twice, so that its halves wait, and be gone until it is too late."""
    made.report(made.batch(), said(errors.ServerError))
    made.now += 30
    made.report(made.batch(), said(errors.ServerError))
    made.now += 60
    assert made.ask() is None


def end_by_a_stop(made: World) -> None:
    made.scheduler.stop()
    made.collect()


def end_by_a_stop_before_a_retry(made: World) -> None:
    made.report(made.batch(), said(errors.ServerError))
    end_by_a_stop(made)


def end_by_abandoning(made: World) -> None:
    made.batch()
    made.scheduler.abandon()
    made.collect()


def end_by_a_wrong_key(made: World) -> None:
    made.report(made.batch(), said(errors.Unauthorized))
    assert made.ask() is None


@pytest.mark.parametrize(
    "end",
    [
        *(end_by_failing, end_by_a_deadline, end_by_a_stop, end_by_a_stop_before_a_retry),
        *(end_by_abandoning, end_by_a_wrong_key),
    ],
)
def test_no_two_outcomes_have_one_error(end: Callable[[World], None]) -> None:
    made = build_world(
        *(build_envelope(index, update(name)) for index, name in enumerate(["ann", "bob"] * 2)),
        build_envelope(4, buy("ann")),
        build_envelope(5, buy("ann")),
        retry=RetryPolicy(max_server_errors=3),
    )
    end(made)
    found = [outcome.error for outcome in made.outcomes.values()]
    assert len(found) == 6
    assert None not in found
    assert len(set(map(id, found))) == len(found)


@pytest.mark.parametrize("reply", [ACCEPTED, said(errors.Unauthorized), said(errors.ServerError)])
def test_an_answer_that_was_abandoned_changes_nothing(reply: Reply) -> None:
    made = build_world(build_envelope(0, buy("ann")))
    batch = made.batch()
    made.scheduler.abandon()
    made.report(batch, reply)
    assert made.names == {"unknown": 1}
    assert made.breaker.error is None
    assert made.scheduler.pending == 0


# --- Capacity and batching delay -----------------------------------------------------------------


def is_full(made: World) -> bool:
    return made.scheduler.is_full


def test_the_window_bounds_how_many_are_taken() -> None:
    made = World(max_pending=3)
    for index in range(2):
        made.add(build_envelope(index, track(f"u-{index}")))
    assert is_full(made) is False
    made.add(build_envelope(2, track("u-2")))
    assert is_full(made) is True
    batch = made.batch()  # nothing is gained by waiting
    assert len(batch.envelopes) == 3
    made.report(batch, build_bulk_response(batch))
    assert is_full(made) is False


def test_outcomes_that_nobody_has_taken_count_for_the_window() -> None:
    made = World(max_pending=3)
    scheduler = made.scheduler
    for index in range(2):
        scheduler.add(*build_ended_envelope(index), made.now)
    assert (scheduler.pending, scheduler.is_full) == (0, False)
    scheduler.add(build_envelope(2, track("u-2")), {"#u-2"}, made.now)
    assert (scheduler.pending, scheduler.is_full) == (1, True)
    made.collect()
    assert (scheduler.pending, scheduler.is_full) == (1, False)


def test_bytes_bound_how_much_is_taken() -> None:
    made = World()
    for index in range(15):
        made.add(build_envelope(index, track("ann"), size=MAX_BODY_BYTES))
    made.add(build_envelope(15, track("ann"), size=MAX_BODY_BYTES - 1))
    assert is_full(made) is False
    made.add(build_envelope(16, track("ann"), size=2))
    assert is_full(made) is True
    made.run([(1_000.0, build_envelope(17, track("bob")))])
    assert made.names == {"delivered": 18}
    assert made.scheduler._bytes == 0


def test_what_does_not_fit_a_bulk_goes_singly() -> None:
    opening = len(b'{"events":[]}')
    made = build_world(
        build_envelope(0, track("ann"), size=MAX_BODY_BYTES - opening),
        build_envelope(1, track("bob"), size=MAX_BODY_BYTES - opening + 1),
        build_envelope(2, track("cy"), size=1_000),
        build_envelope(3, track("dan"), size=1_000),
    )
    made.run()
    assert made.sent(TRACK_BULK) == [[0], [2, 3]]
    assert made.sent(TRACK) == [[1]]


def test_a_bulk_waits_until_nothing_has_come_for_a_twentieth_of_a_second() -> None:
    made = World()
    assert made.add(build_envelope(0, track("ann"))) is True
    assert made.when() == pytest.approx(1_000.05)
    made.now += 0.04
    assert made.add(build_envelope(1, track("bob"))) is False
    assert made.when() == pytest.approx(1_000.09)
    made.now += 0.051
    assert len(made.batch().envelopes) == 2


def test_a_bulk_waits_a_second_at_most() -> None:
    made = World()
    for index in range(100):
        made.add(build_envelope(index, track(f"u-{index}")))
        assert made.when() == pytest.approx(min(made.now + 0.05, 1_001.0))
        made.now += 0.01
    made.now = 1_001.0
    assert len(made.batch().envelopes) == 100


def test_a_full_bulk_goes_at_once() -> None:
    made = World()
    for index in range(MAX_BULK_ITEMS):
        found = made.add(build_envelope(index, track(f"u-{index}")))
        assert found is (index in (0, MAX_BULK_ITEMS - 1))
    assert len(made.batch().envelopes) == MAX_BULK_ITEMS


def test_a_users_own_full_bulk_goes_at_once() -> None:
    made = World()
    for index in range(MAX_BULK_ITEMS + 5):
        found = made.add(build_envelope(index, track("ann")))
        assert found is (index == 0 or index >= MAX_BULK_ITEMS - 1)
    batch = made.batch()
    assert [each.index for each in batch.envelopes] == list(range(MAX_BULK_ITEMS))
    assert made.ask() is None
    made.report(batch, build_bulk_response(batch))
    made.run()
    assert made.order == list(range(MAX_BULK_ITEMS + 5))


def test_a_bulk_full_of_bytes_goes_at_once() -> None:
    made = World()
    made.add(build_envelope(0, track("ann"), size=3_000_000))
    assert made.when() > made.now
    assert made.add(build_envelope(1, track("bob"), size=1_500_000)) is True
    assert [each.index for each in made.batch().envelopes] == [0]


def test_a_bulk_goes_at_once_when_no_more_will_come() -> None:
    made = World()
    made.add(build_envelope(0, track("ann")))
    assert made.when() > made.now
    made.scheduler.finished = True
    assert made.batch().envelopes[0].index == 0


def test_a_single_call_goes_at_once() -> None:
    made = World()
    assert made.add(build_envelope(0, buy("ann"))) is True
    assert made.batch().endpoint.path == PURCHASE


def test_requests_keep_the_pace_of_their_endpoint() -> None:
    made = build_world(
        *(build_envelope(i, update(f"u-{i}")) for i in range(12_000)), takes=lambda _: 0.01
    )
    made.run()
    begun = [when for when, _, _ in made.batches]
    assert len(begun) == 12
    assert begun[-1] - begun[0] < 11 / 5 * 1.1
    assert all(late - early > 1.0 for early, late in zip(begun, begun[5:], strict=False))


# --- Events with two calls, with none, and paused users ------------------------------------------


def test_the_second_call_of_an_event_goes_after_the_first() -> None:
    made = build_world(
        build_envelope(0, update("ann"), track("ann"), buy("ann")), build_envelope(1, track("ann"))
    )
    made.run()
    paths = [batch.endpoint.path for _, batch, _ in made.batches]
    assert paths == [UPDATE, TRACK, PURCHASE, TRACK]
    assert made.sent() == [[0], [0], [0], [1]]
    assert made.order == [0, 1]
    assert made.outcomes[0].attempts == 3
    assert made.names == {"delivered": 2}


def test_an_event_whose_second_call_fails_is_not_delivered() -> None:
    def server(batch: Batch) -> Reply:
        is_refused = batch.endpoint.path == PURCHASE
        return said(errors.BadRequest) if is_refused else accept_all(batch)

    made = build_world(
        build_envelope(0, update("ann"), buy("ann")), build_envelope(1, track("ann"))
    )
    made.send = server
    made.run()
    assert [made.outcomes[index].name for index in range(2)] == ["rejected", "delivered"]


def test_a_second_call_has_tries_of_its_own() -> None:
    fails: Reply = said(errors.ServerError)
    replies: list[Reply] = [said(errors.AmbiguousAnswer), *[fails] * 4, ACCEPTED, *[fails] * 5]
    made = build_world(
        build_envelope(0, buy("ann"), buy("ann")),
        send=lambda _: replies.pop(0),
        retry=RetryPolicy(deadline=1_000),
    )
    made.run()
    assert (replies, made.outcomes[0].attempts) == ([], 11)
    assert made.outcomes[0].name == "retryable"  # the doubt was about the first call


def test_what_ended_before_is_told_in_its_users_turn() -> None:
    made = World()
    made.add(build_envelope(0, buy("ann")))
    made.add(*build_ended_envelope(1, "ann"))
    made.add(*build_ended_envelope(2, "bob"))
    made.add(build_envelope(3, buy("ann")))
    assert made.order == [2]
    batch = made.batch()
    made.report(batch, ACCEPTED)
    assert made.order == [2, 0, 1]
    assert made.outcomes[1].name == "skipped"
    made.run()
    assert made.order == [2, 0, 1, 3]


def test_what_ended_before_and_is_about_nobody_is_told_at_once() -> None:
    made = World()
    envelope, _ = build_ended_envelope(0)
    assert made.add(envelope, set()) is False
    assert made.outcomes[0].name == "skipped"
    made.add(Envelope(1, "m-1"), set())
    assert made.outcomes[1].name == "delivered"
    assert made.scheduler.pending == 0


def test_events_about_nobody_do_not_wait_for_each_other() -> None:
    made = World()
    for index in range(3):
        made.add(build_envelope(index, buy()), set())
    assert len([made.batch() for _ in range(3)]) == 3


def test_later_events_of_a_user_are_held_when_an_earlier_one_is_to_be_handed_in_again() -> None:
    made = build_world(
        build_envelope(0, buy("ann")), build_envelope(1, buy("ann")), build_envelope(2, buy("bob"))
    )
    made.send = lambda batch: (
        said(errors.ServerError) if batch.envelopes[0].index == 0 else accept_all(batch)
    )
    made.add(*build_ended_envelope(3, "ann"))
    made.run()
    assert made.names == {"retryable": 2, "delivered": 1, "skipped": 1}
    assert made.outcomes[1].message is not None
    assert "an earlier event for this user" in made.outcomes[1].message
    made.add(build_envelope(4, buy("ann")))
    assert made.outcomes[4].name == "retryable"
    assert made.outcomes[4].attempts == 0


@pytest.mark.parametrize("keeps_paused", [True, False])
def test_later_events_are_held_by_one_that_was_to_be_handed_in_again_from_the_beginning(
    *, keeps_paused: bool
) -> None:
    made = World(keeps_paused=keeps_paused)
    made.add(build_envelope(0, buy("ann")))
    retryable = Retryable(index=1, message="not now")
    made.add(Envelope(1, "m-1", outcome=retryable), ordering_keys([build_identity("ann")]))
    made.add(*build_ended_envelope(2, "ann"))
    made.add(build_envelope(3, buy("ann")))
    made.add(build_envelope(4, buy("bob")))
    made.run()
    outcomes = ["delivered", "retryable", "skipped", "retryable", "delivered"]
    assert [made.outcomes[index].name for index in range(5)] == outcomes
    assert [index for index in made.order if index != 4] == [0, 1, 2, 3]
    assert made.outcomes[1] is retryable
    assert type(made.outcomes[3].error) is errors.NotSent
    made.add(build_envelope(5, buy("ann")))
    made.run()
    assert made.outcomes[5].name == ("retryable" if keeps_paused else "delivered")


def test_a_user_who_is_not_held_for_good_goes_on_with_the_next_event() -> None:
    made = build_world(
        build_envelope(0, buy("ann")), build_envelope(1, buy("ann")), keeps_paused=False
    )
    made.send = lambda batch: (
        said(errors.ServerError) if batch.envelopes[0].index == 0 else accept_all(batch)
    )
    made.run()
    assert made.names == {"retryable": 2}
    made.add(build_envelope(2, buy("ann")))
    made.run()
    assert made.outcomes[2].name == "delivered"


def test_a_rejected_event_holds_nobody() -> None:
    made = build_world(build_envelope(0, buy("ann")), build_envelope(1, buy("ann")))
    made.send = lambda batch: said(errors.BadRequest) if batch.envelopes[0].index == 0 else ACCEPTED
    made.run()
    assert [made.outcomes[index].name for index in range(2)] == ["rejected", "delivered"]


def test_two_names_of_one_user_become_one_lane_in_order_of_arrival() -> None:
    made = World()
    made.add(build_envelope(0, track("ann")))
    made.add(build_envelope(1, track("ann@x.com")))
    made.add(build_envelope(2, track("ann")))
    made.add(build_envelope(3, track("ANN@x.com", "ann")))
    made.add(build_envelope(4, track("bob")))
    made.scheduler.finished = True
    made.run()
    [sent] = made.sent()
    assert [index for index in sent if index != 4] == [0, 1, 2, 3]


def test_the_names_of_a_user_whose_event_waits_are_not_forgotten_for_those_of_others() -> None:
    """An order is on its way while so many others pass that its user's names had no room."""
    made = World(linked_keys=LinkedKeys(10))
    made.add(build_envelope(0, buy("ann", "ann@x.com")))
    order = made.batch()
    for index in range(1, 101):
        made.add(build_envelope(index, buy(f"u-{index}", f"{index}@x.com")))
        other = made.batch()
        made.report(other, accept_all(other))
        if index == 50:
            made.add(build_envelope(101, buy("ann")))
            made.add(build_envelope(102, buy("ann@x.com")))
    made.report(order, accept_all(order))
    made.run()
    assert [each.index for _, _, [each] in made.batches][-2:] == [101, 102]
    assert len(made.linked_keys) <= 11


def test_what_another_scheduler_learns_of_a_users_names_lets_nothing_overtake() -> None:
    links = LinkedKeys()
    made, other = World(linked_keys=links), World(linked_keys=links)
    made.add(build_envelope(0, buy("ann")))
    order = made.batch()
    for index, email in enumerate(["a@x.com", "b@x.com", "ann@x.com"]):
        other.add(build_envelope(index, buy("ann", email)))
    assert links.find("#ann") != "#ann"
    made.add(build_envelope(1, buy("ann")))
    assert made.ask() is None
    made.report(order, accept_all(order))
    made.run()
    assert made.names == {"delivered": 2}


def test_who_turns_out_to_be_one_user_waits_for_both_requests() -> None:
    made = World()
    made.add(build_envelope(0, buy("ann")))
    made.add(build_envelope(1, buy("ann@x.com")))
    batches = [made.batch(), made.batch()]
    made.add(build_envelope(2, buy("ann", "ann@x.com")))
    assert made.ask() is None
    made.report(batches[1], ACCEPTED)
    assert made.ask() is None
    made.report(batches[0], ACCEPTED)
    assert made.batch().envelopes[0].index == 2


def test_a_callers_record_and_notes_come_back_with_the_outcome() -> None:
    note = errors.Note("a", "b")
    envelope = Envelope(
        7, "m-7", (note,), (encode_call(buy("ann")),), record=EventRecord(7, "kept")
    )
    made = build_world(envelope)
    made.run()
    assert made.outcomes[7].notes == (note,)
    assert made.outcomes[7].message_id == "m-7"
    assert envelope.record == EventRecord(7, "kept")


def test_rejected_is_what_iterable_refused() -> None:
    made = build_world(build_envelope(0, buy("ann")))
    refusal = said(errors.ForgottenUser, status=409, code="ForgottenUserError", request_id="r-9")
    made.report(made.batch(), refusal)
    outcome = made.outcomes[0]
    assert isinstance(outcome, Rejected)
    assert (outcome.code, outcome.request_id) == ("ForgottenUserError", "r-9")
    assert outcome.error is refusal


def test_thousands_of_retries_whose_deadline_passed_while_the_process_was_frozen_are_given_up() -> (
    None
):
    count = 2_000
    made = build_world(*(build_envelope(n, buy(f"u-{n}")) for n in range(count)))
    for _ in range(count):
        made.report(made.batch(), errors.AmbiguousAnswer("reset"))
    made.now += 10 * made.retry.deadline
    assert made.ask() is None
    assert {outcome.name for outcome in made.outcomes.values()} == {"unknown"}
    assert len(made.outcomes) == count


# --- Subscriptions go on after each other's failures ---------------------------------------------


def envelope_with_subscriptions(index: int, subscriptions: Iterable[str], *calls: Call) -> Envelope:
    """Return the envelope of an event whose calls come from these subscriptions."""
    envelope = build_envelope(index, *calls)
    envelope.subscriptions = tuple(subscriptions)
    return envelope


def list_failures(outcome: Outcome) -> list[tuple[str, str]]:
    return [(failure.subscription, failure.outcome) for failure in outcome.failures]


def test_a_refused_item_does_not_stop_other_subscriptions() -> None:
    event = envelope_with_subscriptions(
        0, ("Profile", "Seen", "Bought"), update("ann"), track("ann"), buy("ann")
    )
    made = build_world(event, build_envelope(1, track("ann")), build_envelope(2, update("bob")))
    made.send = lambda batch: (
        build_bulk_response(batch, batch.envelopes[:1])
        if batch.endpoint.path == BULK_UPDATE
        else accept_all(batch)
    )
    made.run()
    assert [batch.endpoint.path for _, batch, _ in made.batches] == [
        *(BULK_UPDATE, TRACK, PURCHASE, TRACK)
    ]
    assert made.sent() == [[0, 2], [0], [0], [1]]
    assert made.order == [2, 0, 1]
    assert [made.outcomes[index].name for index in range(2)] == ["rejected", "delivered"]
    assert made.outcomes[0].attempts == 3
    message = "the response to a bulk request lists it under invalidUserIds"
    assert made.outcomes[0].message == message
    assert list_failures(made.outcomes[0]) == [("Profile", "rejected")]
    assert made.scheduler._bytes == 0


def test_a_refused_single_call_does_not_stop_other_subscriptions() -> None:
    made = build_world(envelope_with_subscriptions(0, ("Bought", "Seen"), buy("ann"), track("ann")))
    made.send = lambda batch: (
        said(errors.BadRequest) if batch.endpoint.path == PURCHASE else accept_all(batch)
    )
    made.run()
    assert [batch.endpoint.path for _, batch, _ in made.batches] == [PURCHASE, TRACK]
    assert type(made.outcomes[0]) is Rejected
    assert list_failures(made.outcomes[0]) == [("Bought", "rejected")]


def test_each_subscription_has_attempts_of_its_own_and_the_gravest_failure_counts() -> None:
    made = build_world(
        envelope_with_subscriptions(0, ("Bought", "Seen"), buy("ann"), track("ann")),
        build_envelope(1, buy("ann")),
    )
    made.send = lambda batch: said(
        errors.ServerError if batch.endpoint.path == PURCHASE else errors.BadRequest
    )
    made.run()
    assert made.sent() == [[0]] * 6
    assert made.order == [0, 1]
    assert made.outcomes[0].attempts == 6
    assert type(made.outcomes[0].error) is errors.ServerError
    assert list_failures(made.outcomes[0]) == [("Bought", "retryable"), ("Seen", "rejected")]
    assert made.names == {"retryable": 2}
    assert (
        made.outcomes[1].message == "not sent: an earlier event for this user must be retried first"
    )


def test_no_subscription_goes_on_when_nothing_more_may_be_sent() -> None:
    made = build_world(envelope_with_subscriptions(0, ("Bought", "Seen"), buy("ann"), track("ann")))
    made.report(made.batch(), said(errors.Unauthorized))
    assert made.ask() is None
    assert made.names == {"retryable": 1}
    assert list_failures(made.outcomes[0]) == [("Bought", "retryable")]
    assert made.outcomes[0].attempts == 1


def test_a_bulk_goes_on_with_the_subscriptions_of_some_of_its_events() -> None:
    made = build_world(
        envelope_with_subscriptions(0, ("Seen", "Bought"), track("ann"), buy("ann")),
        envelope_with_subscriptions(1, ("Seen", "Bought"), track("bob"), buy("bob")),
        build_envelope(2, track("cy")),
    )
    made.send = lambda batch: (
        ACCEPTED if batch.bulk is None else build_bulk_response(batch, [batch.envelopes[0]])
    )
    made.run()
    assert (made.sent(TRACK_BULK), made.sent(PURCHASE)) == ([[0, 1, 2]], [[0], [1]])
    assert [made.outcomes[index].name for index in range(3)] == [
        *("rejected", "delivered", "delivered")
    ]


def test_an_unknown_outcome_that_had_to_wait_for_its_turn_holds_later_events_of_the_user() -> None:
    """Two users turn out to be one; of the second one's event a subscription ended unknown."""
    two = ("Bought", "Seen")
    made = build_world(
        envelope_with_subscriptions(0, two, buy("ann@x.com"), track("ann@x.com")),
        envelope_with_subscriptions(1, two, buy("ann"), track("ann")),
        retry=RetryPolicy(max_attempts=1),
    )
    first, second = made.batch(), made.batch()
    made.add(build_envelope(2, track("ann@x.com", "ann")))
    made.report(first, ACCEPTED)
    made.report(second, said(errors.AmbiguousAnswer))
    both = made.batch()
    assert made.sent(TRACK_BULK) == [[0, 1]]
    made.report(both, ApiResponse(200, {"invalidUserIds": ["ann"]}))  # and leaves the other open
    made.run()
    assert made.sent() == [[0], [1], [0, 1], [0]]
    assert made.order == [0, 1, 2]
    assert made.outcomes[0].name == "delivered"
    assert list_failures(made.outcomes[1]) == [("Bought", "unknown"), ("Seen", "rejected")]
    assert made.outcomes[1].name == "unknown"
    assert made.outcomes[2].name == "retryable"


# --- Other bulk endpoints ------------------------------------------------------------------------


def update_only(name: str, *, value: bool) -> UpdateUser:
    return UpdateUser(build_identity(name), update_only=value)


def test_profiles_with_update_only_go_in_bulks_of_their_own() -> None:
    made = build_world(
        build_envelope(0, update_only("ann", value=True)),
        build_envelope(1, update_only("bob", value=False)),
        build_envelope(2, update("cy")),
        build_envelope(3, update_only("dan", value=True)),
        build_envelope(4, update("eve")),
    )
    made.run()
    assert made.names == {"delivered": 5}
    assert {batch.endpoint.path for _, batch, _ in made.batches} == {BULK_UPDATE}
    ann, dan = (b'{"userId":"%b","dataFields":{}}' % name for name in (b"ann", b"dan"))
    assert [batch.body() for _, batch, _ in made.batches] == [
        b'{"updateOnly":true,"users":[' + ann + b"," + dan + b"]}",
        b'{"updateOnly":false,"users":[{"userId":"bob","dataFields":{}}]}',
        b'{"users":[{"userId":"cy","dataFields":{}},{"userId":"eve","dataFields":{}}]}',
    ]


def test_profiles_with_update_only_go_singly_in_bulks_of_one() -> None:
    made = build_world(*(build_envelope(n, update_only(f"u-{n}", value=True)) for n in range(2)))
    made.send = lambda batch: (
        build_bulk_response(batch, failCount=1)
        if "u-0" in {call.user_id for call in batch.calls}
        else accept_all(batch)
    )
    made.run()
    assert made.sent(BULK_UPDATE) == [[0, 1], [0], [1]]
    assert made.batches[2][1].body() == (
        b'{"updateOnly":true,"users":[{"userId":"u-1","dataFields":{}}]}'
    )
    assert [made.outcomes[index].name for index in range(2)] == ["unknown", "delivered"]


def run_updates(
    monkeypatch: pytest.MonkeyPatch,
    users: int,
    each: int,
    limits: Mapping[str, float | None] | None = None,
) -> tuple[Counter[str], float]:
    """Deliver updates of users; return how many requests there were by path, and the seconds."""
    monkeypatch.undo()  # the true sizes
    made = World(max_workers=64, limits=limits)
    for index in range(users * each):
        made.add(build_envelope(index, update(f"u-{index % users}")))
    made.scheduler.finished = True
    had_more, began = made.scheduler.has_more, made.now
    made.run()
    assert (had_more, made.scheduler.has_more) == (True, False)
    assert made.names == {"delivered": users * each}
    for user in range(users):
        own = [index for index in made.order if index % users == user]
        assert own == sorted(own)
    return Counter(batch.endpoint.path for _, batch, _ in made.batches), made.now - began


@pytest.mark.parametrize("count", [1, 2, 8])
def test_few_calls_go_singly(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    paths, _ = run_updates(monkeypatch, count, 1)
    assert paths == {UPDATE: count}


@pytest.mark.parametrize("count", [9, 100, 1_000])
def test_more_calls_go_in_a_bulk(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    paths, _ = run_updates(monkeypatch, count, 1)
    assert paths == {BULK_UPDATE: 1}


def test_few_calls_go_in_a_bulk_where_that_has_as_high_a_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paths, _ = run_updates(monkeypatch, 8, 1, {UPDATE: 10.0, BULK_UPDATE: 10.0})
    assert paths == {BULK_UPDATE: 1}
    paths, _ = run_updates(monkeypatch, 1, 1, {UPDATE: 10.0, BULK_UPDATE: None})
    assert paths == {UPDATE: 1}


@pytest.mark.parametrize(("users", "each"), [(1, 100), (5, 40), (30, 20), (45, 10)])
def test_many_updates_of_few_users_do_not_wait_for_bulks_that_hold_little(
    users: int, each: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes 0.1 seconds, and a user's wait for each other. A bulk goes 5 times a second."""
    paths, seconds = run_updates(monkeypatch, users, each)
    assert seconds < max(each * 0.1, users * each / 480) * 1.3 + 0.3
    assert paths[UPDATE] > 0.7 * users * each


def test_many_updates_of_many_users_go_in_bulks(monkeypatch: pytest.MonkeyPatch) -> None:
    paths, seconds = run_updates(monkeypatch, 1_000, 10)
    assert paths[UPDATE] <= 200
    assert paths[BULK_UPDATE] <= 12
    assert seconds < 3


@pytest.mark.parametrize(("reports_items", "requests"), [(False, [[0, 1]]), (True, [[0, 1], [0]])])
def test_a_bulk_endpoint_that_does_not_report_items_accepts_all_or_none(
    *, reports_items: bool, requests: list[list[int]]
) -> None:
    made = World()
    bulk = BulkEndpoint(
        endpoints.EVENTS_TRACK_BULK, b'{"batch":[', one_per_user=False, reports_items=reports_items
    )
    policy = attrs.evolve(made.scheduler._policy, bulk_endpoints={TRACK: bulk})
    made.scheduler = Scheduler(policy)
    for index, name in enumerate(("ann", "bob")):
        made.add(build_envelope(index, track(name)))
    made.scheduler.finished = True
    made.report(made.batch(), ApiResponse(200, {"success": True}))
    if reports_items:  # the response says nothing of them, so each is sent again
        made.batch()
    assert made.sent() == requests
    assert made.names == ({} if reports_items else {"delivered": 2})


# --- Users that Iterable does not know yet -----------------------------------------------------


@attrs.define
class Slow:
    """An Iterable that knows a user only so many seconds after the first update."""

    seconds: float
    world: World = attrs.field(init=False)
    #: What refuses a single event.
    code: str = "UnknownUserIdError"
    known_at: dict[str, float] = attrs.field(factory=dict)

    def __call__(self, batch: Batch) -> Reply:
        now = self.world.now
        if batch.calls[0].kind is UpdateUser:
            for call in batch.calls:
                self.known_at.setdefault(str(call.user_id), now + self.seconds)
            return accept_all(batch)
        lost = [
            envelope
            for envelope, call in zip(batch.envelopes, batch.calls, strict=True)
            if now < self.known_at.get(str(call.user_id), inf)
        ]
        if batch.bulk is None:
            return said(errors.BadRequest, code=self.code, status=400) if lost else ACCEPTED
        names = [envelope.calls[envelope.call_index].user_id for envelope in lost]
        response = build_bulk_response(batch, lost)
        return attrs.evolve(
            response, body={**response.body, "failedUpdates": {"notFoundUserIds": names}}
        )


def play_slow(
    *envelopes: Envelope, seconds: float = 7.0, code: str = "UnknownUserIdError", **options: Any
) -> World:
    server = Slow(seconds, code=code)
    made = World(send=server, **options)
    server.world = made
    for envelope in envelopes:
        made.add(envelope)
    made.scheduler.finished = True
    made.run()
    return made


@pytest.mark.parametrize("kind", [track, buy])
@pytest.mark.parametrize("code", ["UnknownUserIdError", "UnknownEmailError"])
def test_a_call_right_after_its_users_first_update_waits_until_the_user_is_known(
    kind: Callable[..., Call], code: str
) -> None:
    made = play_slow(
        build_envelope(0, update("ann")),
        build_envelope(1, kind("ann")),
        build_envelope(2, kind("ann")),
        code=code,
    )
    assert made.names == {"delivered": 3}
    assert made.order == [0, 1, 2]
    assert 7.0 < made.settled_at[1] - 1_000 < 30
    assert made.retries


def test_in_a_bulk_only_those_wait_whom_iterable_does_not_know_yet() -> None:
    known = [build_envelope(index, track(f"old-{index}")) for index in range(20)]
    new = [
        envelope
        for index in range(20, 60, 2)
        for envelope in (
            build_envelope(index, update(f"new-{index}")),
            build_envelope(index + 1, track(f"new-{index}")),
        )
    ]
    server = Slow(7.0, known_at={f"old-{index}": 0.0 for index in range(20)})
    made = World(send=server)
    server.world = made
    for envelope in [*new, *known]:
        made.add(envelope)
    made.scheduler.finished = True
    made.run()
    assert made.names == {"delivered": 60}
    assert max(made.settled_at[index] for index in range(20)) < 1_002
    assert min(made.settled_at[index] for index in range(21, 60, 2)) > 1_007


def test_a_user_whom_this_process_did_not_identify_is_rejected_at_once() -> None:
    made = play_slow(build_envelope(0, track("ann")))
    assert made.names == {"rejected": 1}
    assert made.now < 1_001


def test_another_refusal_is_final_however_new_the_user_is() -> None:
    made = play_slow(
        build_envelope(0, update("ann")), build_envelope(1, buy("ann")), code="BadParams"
    )
    assert made.names == {"delivered": 1, "rejected": 1}
    assert made.now < 1_001


def test_a_user_who_stays_unknown_is_rejected_after_a_minute() -> None:
    made = play_slow(
        build_envelope(0, update("ann")),
        build_envelope(1, buy("ann")),
        seconds=inf,
        retry=RetryPolicy(deadline=200.0, max_backoff=10.0),
    )
    assert made.names == {"delivered": 1, "rejected": 1}
    assert 60 < made.now - 1_000 < 75


@pytest.mark.parametrize("kind", [track, buy])
@pytest.mark.parametrize("count", [1, 30])
def test_if_time_runs_out_before_the_user_is_known_it_is_retryable(
    kind: Callable[..., Call], count: int
) -> None:
    updates = [build_envelope(index, update(f"u-{index}")) for index in range(count)]
    events = [build_envelope(count + index, kind(f"u-{index}")) for index in range(count)]
    made = play_slow(*updates, *events, seconds=inf, retry=RetryPolicy(deadline=5.0))
    assert made.names == {"delivered": count, "retryable": count}
    made = play_slow(*map(copy_envelope, updates + events), seconds=inf, stop_at=1_003.0)
    assert made.names == {"delivered": count, "retryable": count}


def copy_envelope(envelope: Envelope) -> Envelope:
    return Envelope(envelope.index, envelope.message_id, calls=envelope.calls)


@pytest.mark.parametrize("seed", range(20))
def test_order_holds_while_users_are_not_known_yet(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - chance, not secrecy
    people = [f"u-{number}" for number in range(dice.choice([1, 4, 30]))]
    envelopes = [build_envelope(index, update(name)) for index, name in enumerate(people)]
    users = list(people)
    for index in range(len(people), 150):
        users.append(dice.choice(people))
        kinds: list[Callable[..., Call]] = [track, track, update, buy]
        envelopes.append(build_envelope(index, dice.choice(kinds)(users[-1])))
    made = play_slow(*envelopes, seconds=dice.choice([0.5, 3.0, 20.0]))
    assert made.names == {"delivered": 150}
    for name in people:
        own = [index for index in made.order if users[index] == name]
        assert own == sorted(own)


def test_events_of_a_new_user_that_are_refused_in_one_bulk_go_in_their_order() -> None:
    made = World()
    made.add(build_envelope(0, update("ann")))
    made.run()
    for index in (1, 2, 3):
        made.add(build_envelope(index, track("ann")))
    made.scheduler.finished = True
    lists = {"failedUpdates": {"notFoundUserIds": ["ann"]}}
    made.report(made.batch(), ApiResponse(200, {"successCount": 0, "failCount": 3, **lists}))
    made.run()
    assert made.sent(TRACK_BULK) == [[1, 2, 3], [1]]
    assert made.sent(TRACK) == [[2], [3]]
    assert made.order == [0, 1, 2, 3]
    assert made.names == {"delivered": 4}
