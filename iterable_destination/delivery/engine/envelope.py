"""Parcels: events on their way, the requests that carry them, and how they end.

What may live here: what is known of one event or one request while it is being delivered. What is
done with them is decided in :mod:`~iterable_destination.delivery.engine.scheduler`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol

import attrs

from iterable_destination.delivery.engine.bulk import Bulk, stop_name
from iterable_destination.delivery.engine.rate_limiter import Release
from iterable_destination.delivery.engine.retry import Tries
from iterable_destination.errors import ApiError, IterableDestinationError, Note
from iterable_destination.model.calls import Call, Mark, UpdateEmail
from iterable_destination.model.endpoints import Endpoint
from iterable_destination.model.outcomes import (
    Delivered,
    Failure,
    Outcome,
    Rejected,
    Retryable,
    Unknown,
)
from iterable_destination.model.responses import Answer

TIME_IS_UP: Final = "not sent: the time given ran out"


@attrs.define(eq=False)
class Parcel:
    """One event on its way."""

    index: int
    message_id: str | None
    notes: tuple[Note, ...] = ()
    #: The requests to make, in order.
    marks: tuple[Mark, ...] = ()
    #: The name of the subscription that each of them is of; empty if there are none.
    subscriptions: tuple[str, ...] = ()
    #: What failed of the event already, while others of its subscriptions go on.
    failures: tuple[tuple[str, Outcome], ...] = ()
    #: What was handed in, for dead letters; None if it is not kept.
    source: Any = None
    #: How it ended before anything was sent; None if there is something to send.
    outcome: Outcome | None = None
    #: In which order it came.
    serial: int = 0
    #: Which request is next.
    step: int = 0
    #: Whether it must go singly although there is a bulk for it.
    alone: bool = False
    #: What has been tried; None before the first try.
    tries: Tries | None = None
    #: Where it waits or waited; set when it begins to.
    lane: Lane = attrs.field(init=False)

    @property
    def is_at_its_last(self) -> bool:
        """Whether no other request follows the one that is next."""
        return self.step + 1 >= len(self.marks)

    @property
    def item(self) -> bytes:
        """The body of the request that is next; empty if there is none."""
        return self.marks[self.step].body if self.marks else b""

    @property
    def user(self) -> Lane:
        """The lane of its user as it is today, for it may have become a part of another."""
        lane = self.lane
        while lane.merged_into is not None:
            lane = lane.merged_into
        return lane


def next_after_failure(
    kinds: Sequence[type[Call]], subscriptions: Sequence[str], step: int
) -> int | None:
    """Return which request of an event is to be made though this one failed; None if none is.

    Subscriptions do not stop each other, but a new email waits for the profile it is of. Without
    subscriptions the first failure ends it.
    """
    if not subscriptions:
        return None
    following = step + 1
    if kinds[following : following + 1] == [UpdateEmail]:
        following += subscriptions[following] == subscriptions[step]
    return following if following < len(kinds) else None


#: How grave an outcome is: the event must be handed in again for the later ones.
_GRAVITY: Final = (Rejected.name, Retryable.name, Unknown.name)


def ended(parcel: Parcel, outcome: Outcome) -> Outcome:
    """Return how an event ends whose last request ended so: as the gravest of all failures."""
    failures = list(parcel.failures)
    if outcome.error is not None and parcel.subscriptions:
        failures.append((parcel.subscriptions[parcel.step], outcome))
    if not failures:
        return outcome
    failed_ones = [each for _, each in failures] + [outcome] * (outcome.error is not None)
    gravest = max(failed_ones, key=lambda each: _GRAVITY.index(each.name))
    told = [Failure(name, each.name, each.error) for name, each in failures if each.error]
    return attrs.evolve(
        gravest,
        calls=parcel.marks,
        failures=tuple(told),
        attempts=0 if parcel.tries is None else parcel.tries.attempts,
    )


#: A parcel, and the names of its user.
Addressed = tuple[Parcel, set[str]]


class Lane:
    """One user: what waits, and how much is under way."""

    __slots__ = ("flying", "held", "keys", "merged_into", "run", "run_bytes", "stop", "waiting")

    def __init__(self) -> None:
        self.keys: tuple[str, ...] = ()
        #: In order of arrival.
        self.waiting: list[Parcel] = []
        #: Parcels in requests that are not settled. While there are any nothing else may go.
        self.flying = 0
        #: Whether an earlier event is to be handed in again, so that no later one may go before.
        self.held = False
        #: The lane that this one has become a part of.
        self.merged_into: Lane | None = None
        #: Where it stands in line, and how many parcels and bytes of it can go in one request.
        self.stop: Any = None
        self.run = 0
        self.run_bytes = 0

    @property
    def is_ready(self) -> bool:
        """Whether something waits, and nothing is under way."""
        return not self.flying and bool(self.waiting)


@attrs.define(eq=False)
class Job:
    """A request that is to be made."""

    endpoint: Endpoint
    #: In the order in which they stand in the body. A user's stand together.
    parcels: list[Parcel]
    tries: Tries
    #: None for a single call.
    bulk: Bulk | None = None
    #: How it was let go the last time; None if it was not yet.
    release: Release | None = None
    #: What went wrong the last time; None if nothing did yet.
    error: ApiError | None = None
    #: How often it was followed whom Iterable blamed for refusing it.
    hints: int = 0
    #: Whether its parcels are settled already and its answer is of no interest.
    is_abandoned: bool = False

    @property
    def stop(self) -> str:
        """The name of the stop where it waits to be sent again."""
        return stop_name(self.endpoint, self.bulk)

    @property
    def marks(self) -> list[Mark]:
        """The marks of the calls in it."""
        return [parcel.marks[parcel.step] for parcel in self.parcels]

    @property
    def is_whole(self) -> bool:
        """Whether nothing else decides how its events end."""
        return all(len(each.marks) == 1 and not each.failures for each in self.parcels)

    def body(self) -> bytes:
        """Return the request's body, the same each time."""
        if self.bulk is None:
            return self.parcels[0].item
        return self.bulk.body([mark.body for mark in self.marks])

    def part(self, parcels: list[Parcel]) -> Job:
        """Return a job of some of the parcels, which goes on where this one ended."""
        tries = attrs.evolve(self.tries)
        for parcel in parcels:
            parcel.tries = tries
        return Job(self.endpoint, parcels, tries, self.bulk, error=self.error, hints=self.hints)


def about(parcel: Parcel) -> dict[str, Any]:
    """Return what every outcome of an event says. Its calls are made when they are asked for."""
    return {
        "index": parcel.index,
        "message_id": parcel.message_id,
        "notes": parcel.notes,
        "calls": parcel.marks,
        "attempts": parcel.tries.attempts if parcel.tries else 0,
    }


def delivered(parcel: Parcel, answer: Answer | None) -> Outcome:
    """Return the outcome of an event whose last call had this answer; None if it had no calls."""
    if answer is None:
        return Delivered(**about(parcel))
    tries = parcel.tries
    return Delivered.of(
        {
            "message_id": parcel.message_id,
            "index": parcel.index,
            "_calls": parcel.marks,
            "notes": parcel.notes,
            "attempts": 0 if tries is None else tries.attempts,
            "code": answer.code,
            "message": answer.message,
            "request_id": answer.request_id,
            "error": None,
            "failures": (),
        }
    )


def in_doubt(tries: Tries | None) -> type[Outcome]:
    """Return the outcome of what is sent no more, after these tries."""
    return Unknown if tries is not None and tries.is_ambiguous else Retryable


def failed(kind: type[Outcome], parcel: Parcel, error: IterableDestinationError) -> Outcome:
    """Return the outcome of an event that ended with an error."""
    if isinstance(error, ApiError):
        return kind(
            **about(parcel),
            code=error.code,
            message=error.message,
            request_id=error.request_id,
            error=error,
        )
    return kind(**about(parcel), message=str(error), error=error)


class Named(Protocol):
    """Whatever has the names of a user, an identity or a call's mark."""

    @property
    def email(self) -> Any:
        """The email; what is no text is none."""

    @property
    def user_id(self) -> Any:
        """The userId; what is no text is none."""


def keys_of(users: Iterable[Named]) -> set[str]:
    """Return the names that users go by: emails in any case, userIds as they are written."""
    keys = set()
    for user in users:
        email, user_id = user.email, user.user_id
        if isinstance(user_id, str):
            keys.add("#" + user_id)
        if isinstance(email, str):
            keys.add("@" + email.lower())
    return keys
