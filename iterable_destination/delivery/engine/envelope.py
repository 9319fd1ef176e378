"""Envelopes: events on their way, the requests that carry them, and how they end.

What may live here: what is known of one event or one request while it is being delivered. What is
done with them is decided in :mod:`~iterable_destination.delivery.engine.scheduler`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol

import attrs

from iterable_destination.delivery.engine.bulk import BulkEndpoint, queue_name
from iterable_destination.delivery.engine.rate_limiter import Permit
from iterable_destination.delivery.engine.retry import Attempts
from iterable_destination.errors import ApiError, IterableDestinationError, Note
from iterable_destination.model.calls import Call, EncodedCall, UpdateEmail
from iterable_destination.model.endpoints import Endpoint
from iterable_destination.model.outcomes import (
    Delivered,
    Failure,
    Outcome,
    Rejected,
    Retryable,
    Unknown,
)
from iterable_destination.model.responses import ApiResponse

DEADLINE_EXCEEDED: Final = "not sent: the time given ran out"


@attrs.define(eq=False)
class Envelope:
    """One event on its way."""

    index: int
    message_id: str | None
    notes: tuple[Note, ...] = ()
    #: The requests to make, in order.
    calls: tuple[EncodedCall, ...] = ()
    #: The name of the subscription that each of them is of; empty if there are none.
    subscriptions: tuple[str, ...] = ()
    #: What failed of the event already, while others of its subscriptions go on.
    failures: tuple[tuple[str, Outcome], ...] = ()
    #: What was handed in, for dead letters; None if it is not kept.
    source: Any = None
    #: How it ended before anything was sent; None if there is something to send.
    outcome: Outcome | None = None
    #: In which order it came.
    sequence: int = 0
    #: Which request is next.
    call_index: int = 0
    #: Whether it must go singly although there is a bulk for it.
    single: bool = False
    #: What has been tried; None before the first try.
    attempts: Attempts | None = None
    #: Where it waits or waited; set when it begins to.
    queue: UserQueue = attrs.field(init=False)

    @property
    def is_last_call(self) -> bool:
        """Whether no other request follows the one that is next."""
        return self.call_index + 1 >= len(self.calls)

    @property
    def item(self) -> bytes:
        """The body of the request that is next; empty if there is none."""
        return self.calls[self.call_index].body if self.calls else b""

    @property
    def user(self) -> UserQueue:
        """The user queue of its user as it is today, for it may have become a part of another."""
        queue = self.queue
        while queue.merged_into is not None:
            queue = queue.merged_into
        return queue


def next_call_after_failure(
    kinds: Sequence[type[Call]], subscriptions: Sequence[str], call_index: int
) -> int | None:
    """Return which request of an event is to be made though this one failed; None if none is.

    Subscriptions do not stop each other, but a new email waits for the profile it is of. Without
    subscriptions the first failure ends it.
    """
    if not subscriptions:
        return None
    following = call_index + 1
    if kinds[following : following + 1] == [UpdateEmail]:
        following += subscriptions[following] == subscriptions[call_index]
    return following if following < len(kinds) else None


#: How grave an outcome is: the event must be handed in again for the later ones.
_GRAVITY: Final = (Rejected.name, Retryable.name, Unknown.name)


def build_final(envelope: Envelope, outcome: Outcome) -> Outcome:
    """Return how an event ends whose last request ended so: as the gravest of all failures."""
    failures = list(envelope.failures)
    if outcome.error is not None and envelope.subscriptions:
        failures.append((envelope.subscriptions[envelope.call_index], outcome))
    if not failures:
        return outcome
    failed_ones = [each for _, each in failures] + [outcome] * (outcome.error is not None)
    gravest = max(failed_ones, key=lambda each: _GRAVITY.index(each.name))
    told = [Failure(name, each.name, each.error) for name, each in failures if each.error]
    return attrs.evolve(
        gravest,
        calls=envelope.calls,
        failures=tuple(told),
        attempts=0 if envelope.attempts is None else envelope.attempts.total,
    )


#: An envelope, and the names of its user.
Prepared = tuple[Envelope, set[str]]


class UserQueue:
    """One user: what waits, and how much is under way."""

    __slots__ = (
        "batchable",
        "batchable_bytes",
        "endpoint_queue",
        "in_flight",
        "keys",
        "merged_into",
        "paused",
        "waiting",
    )

    def __init__(self) -> None:
        self.keys: tuple[str, ...] = ()
        #: In order of arrival.
        self.waiting: list[Envelope] = []
        #: Envelopes in requests that are not settled. While there are any nothing else may go.
        self.in_flight = 0
        #: Whether an earlier event is to be handed in again, so that no later one may go before.
        self.paused = False
        #: The user queue that this one has become a part of.
        self.merged_into: UserQueue | None = None
        #: Where it stands in line, and how many envelopes and bytes of it can go in one request.
        self.endpoint_queue: Any = None
        self.batchable = 0
        self.batchable_bytes = 0

    @property
    def is_ready(self) -> bool:
        """Whether something waits, and nothing is under way."""
        return not self.in_flight and bool(self.waiting)


@attrs.define(eq=False)
class Batch:
    """A request that is to be made."""

    endpoint: Endpoint
    #: In the order in which they stand in the body. A user's stand together.
    envelopes: list[Envelope]
    attempts: Attempts
    #: None for a single call.
    bulk: BulkEndpoint | None = None
    #: How it was let go the last time; None if it was not yet.
    release: Permit | None = None
    #: What went wrong the last time; None if nothing did yet.
    error: ApiError | None = None
    #: How often it was followed whom Iterable blamed for refusing it.
    hints: int = 0
    #: Whether its envelopes are settled already and its answer is of no interest.
    is_abandoned: bool = False

    @property
    def queue_name(self) -> str:
        """The name of the stop where it waits to be sent again."""
        return queue_name(self.endpoint, self.bulk)

    @property
    def calls(self) -> list[EncodedCall]:
        """The marks of the calls in it."""
        return [envelope.calls[envelope.call_index] for envelope in self.envelopes]

    @property
    def is_whole(self) -> bool:
        """Whether nothing else decides how its events end."""
        return all(len(each.calls) == 1 and not each.failures for each in self.envelopes)

    def body(self) -> bytes:
        """Return the request's body, the same each time."""
        if self.bulk is None:
            return self.envelopes[0].item
        return self.bulk.body([mark.body for mark in self.calls])

    def subset(self, envelopes: list[Envelope]) -> Batch:
        """Return a batch of some of the envelopes, which goes on where this one ended."""
        attempts = attrs.evolve(self.attempts)
        for envelope in envelopes:
            envelope.attempts = attempts
        return Batch(
            self.endpoint, envelopes, attempts, self.bulk, error=self.error, hints=self.hints
        )


def outcome_fields(envelope: Envelope) -> dict[str, Any]:
    """Return what every outcome of an event says. Its calls are made when they are asked for."""
    return {
        "index": envelope.index,
        "message_id": envelope.message_id,
        "notes": envelope.notes,
        "calls": envelope.calls,
        "attempts": envelope.attempts.total if envelope.attempts else 0,
    }


def build_delivered(envelope: Envelope, answer: ApiResponse | None) -> Outcome:
    """Return the outcome of an event whose last call had this answer; None if it had no calls."""
    if answer is None:
        return Delivered(**outcome_fields(envelope))
    attempts = envelope.attempts
    return Delivered.of(
        {
            "message_id": envelope.message_id,
            "index": envelope.index,
            "_calls": envelope.calls,
            "notes": envelope.notes,
            "attempts": 0 if attempts is None else attempts.total,
            "code": answer.code,
            "message": answer.message,
            "request_id": answer.request_id,
            "error": None,
            "failures": (),
        }
    )


def undelivered_kind(attempts: Attempts | None) -> type[Outcome]:
    """Return the outcome of what is sent no more, after these tries."""
    return Unknown if attempts is not None and attempts.is_ambiguous else Retryable


def build_failed(
    kind: type[Outcome], envelope: Envelope, error: IterableDestinationError
) -> Outcome:
    """Return the outcome of an event that ended with an error."""
    if isinstance(error, ApiError):
        return kind(
            **outcome_fields(envelope),
            code=error.code,
            message=error.message,
            request_id=error.request_id,
            error=error,
        )
    return kind(**outcome_fields(envelope), message=str(error), error=error)


class HasIdentity(Protocol):
    """Whatever has the names of a user, an identity or a call's mark."""

    @property
    def email(self) -> Any:
        """The email; what is no text is none."""

    @property
    def user_id(self) -> Any:
        """The userId; what is no text is none."""


def ordering_keys(users: Iterable[HasIdentity]) -> set[str]:
    """Return the names that users go by: emails in any case, userIds as they are written."""
    keys = set()
    for user in users:
        email, user_id = user.email, user.user_id
        if isinstance(user_id, str):
            keys.add("#" + user_id)
        if isinstance(email, str):
            keys.add("@" + email.lower())
    return keys
