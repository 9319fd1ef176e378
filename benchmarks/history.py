"""Events whose delivery can be checked: each has its number in the order of all.

Makes the events, and compares them with the local Iterable's ledger.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs

from iterable_destination import Outcome
from iterable_destination.testing import Effect

Json = dict[str, Any]


def person(index: int, users: int, seed: int) -> int:
    """Return whose event this is: the first ones are one of each user."""
    if index < users:
        return index
    return random.Random(f"{seed}-{index}").randrange(users)


def history(count: int, users: int, seed: int) -> Iterator[Json]:
    """Make so many events of so many users, named by userId, by email, or by both.

    A user's first event names both, so that all of theirs belong together.
    """
    for index in range(count):
        dice = random.Random(f"{seed}+{index}")
        user = person(index, users, seed)
        event: Json = {"messageId": f"m-{seed}-{index}", "timestamp": "2026-11-20T10:00:00.000Z"}
        names = "both" if index < users else dice.choice(("both", "id", "id", "email"))
        own: Json = {"place": index}
        if names != "email":
            event["userId"] = f"u-{user}"
        if names != "id":
            own["email"] = dice.choice((f"user{user}@example.com", f"User{user}@Example.com"))
        yield event | _what(dice, own, first=index < users)


def _what(dice: random.Random, own: Json, *, first: bool) -> Json:
    kind = 0.0 if first else dice.random()
    if kind < 0.25:
        return {"type": "identify", "traits": own}
    if kind < 0.9:
        return {"type": "track", "event": "Thing Seen", "properties": own}
    product = {"product_id": f"p-{own['place']}", "name": "A thing", "price": 5, "quantity": 1}
    name = "Order Completed" if kind < 0.96 else "Product Added"
    return {"type": "track", "event": name, "properties": own | {"total": 5, "products": [product]}}


@attrs.frozen
class Findings:
    """What a ledger says of a delivery. All but the first two must be 0."""

    outcomes: Counter[str]
    effects: int
    without_outcome: int
    reported_twice: int
    #: Delivered by their outcome, but not in the ledger.
    lost: int
    #: Records of one id that were made more than once.
    doubled_ids: int
    #: First applied after a later event of the same user.
    inversions: int
    #: Events that were reported after a later event of the same user.
    reported_out_of_order: int
    #: Rejected or retryable by their outcome, but in the ledger.
    applied_all_the_same: int

    @property
    def is_good(self) -> bool:
        """Whether everything that must not be found was not."""
        return not any(attrs.astuple(self, recurse=False)[2:])


def findings(
    outcomes: Sequence[Outcome], effects: Iterable[Effect], count: int, users: int, seed: int
) -> Findings:
    """Compare outcomes with what was really applied.

    An outcome is of the event whose place its id ends with: an index may count otherwise.
    """
    places = [place_of_outcome(outcome) for outcome in outcomes]
    reports = Counter(places)
    applied: dict[int, int] = {}
    ids: Counter[str] = Counter()
    number = 0
    for number, effect in enumerate(effects, 1):
        applied.setdefault(place(effect), number)
        if effect.id is not None and effect.created:
            ids[effect.id] += 1
    names = {index: outcome.name for index, outcome in zip(places, outcomes, strict=True)}
    people = [person(index, users, seed) for index in range(count)]
    return Findings(
        Counter(names.values()),
        number,
        count - len(reports),
        len(outcomes) - len(reports),
        sum(name == "delivered" and index not in applied for index, name in names.items()),
        sum(times - 1 for times in ids.values()),
        _backwards(sorted(applied, key=applied.__getitem__), people),
        _backwards(places, people),
        sum(
            name in {"rejected", "retryable"} and index in applied for index, name in names.items()
        ),
    )


def place_of_outcome(outcome: Outcome) -> int:
    """Return which event an outcome is of."""
    return int((outcome.message_id or "").rpartition("-")[2])


def place(effect: Effect) -> int:
    """Return which event an effect is of."""
    if effect.items:
        return int(effect.items[0]["id"].partition("-")[2])
    return int(effect.data_fields["place"])


def _backwards(places: Iterable[int], people: list[int]) -> int:
    latest: defaultdict[int, int] = defaultdict(lambda: -1)
    count = 0
    for each in places:
        count += latest[people[each]] > each
        latest[people[each]] = max(latest[people[each]], each)
    return count
