"""Envelopes (one event each), batches (one request each), and the outcomes they end with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import attrs

from iterable_destination.delivery.engine.bulk import BulkEndpoint, queue_name
from iterable_destination.delivery.engine.rate_limiter import Permit
from iterable_destination.delivery.engine.retry import Attempts
from iterable_destination.errors import ApiError, IterableDestinationError, Note
from iterable_destination.model.calls import EncodedCall, UpdateEmail
from iterable_destination.model.endpoints import Endpoint
from iterable_destination.model.outcomes import (
    Delivered,
    Failure,
    Outcome,
    Rejected,
    Retryable,
    Unknown,
)
from iterable_destination.model.records import Record
from iterable_destination.model.responses import ApiResponse

if TYPE_CHECKING:
    from iterable_destination.delivery.engine.endpoint_queue import EndpointQueue

_Error = TypeVar("_Error", bound=IterableDestinationError)

DEADLINE_EXCEEDED: Final = "not sent: deadline exceeded"


@attrs.define(eq=False)
class Envelope:
    """One event on its way, with the calls that it becomes."""

    index: int
    message_id: str | None
    notes: tuple[Note, ...] = ()
    #: The calls, in the order in which they are sent, one request each.
    calls: tuple[EncodedCall, ...] = ()
    #: The name of the subscription that each call comes from; empty if there are none.
    subscriptions: tuple[str, ...] = ()
    #: What failed already, while other calls go on.
    failures: tuple[Failed, ...] = ()
    #: The record that was handed in, for dead letters; None if it is not kept.
    record: Record | None = None
    #: The outcome that was known before anything was sent; None if there is something to send.
    outcome: Outcome | None = None
    #: The envelope's place in the order of arrival.
    sequence: int = 0
    #: Which call is the current one.
    call_index: int = 0
    #: Whether the current call must go singly although there is a bulk endpoint for it.
    single: bool = False
    #: The attempts so far; None before the first.
    attempts: Attempts | None = None
    #: Where it waits or waited; set when it is added.
    user_queue: UserQueue = attrs.field(init=False)

    @property
    def is_last_call(self) -> bool:
        """Whether no other call follows the current one."""
        return self.call_index + 1 >= len(self.calls)

    @property
    def item(self) -> bytes:
        """The body of the current call; empty if there is none."""
        return self.calls[self.call_index].body if self.calls else b""

    @property
    def queue(self) -> UserQueue:
        """The queue of its user as it is now: it may have been merged into another."""
        queue = self.user_queue
        while queue.merged_into is not None:
            queue = queue.merged_into
        return queue


class Failed(NamedTuple):
    """A call that failed, or a subscription that gave none."""

    subscription: str
    outcome: Outcome
    #: The path of the call; None if there is none.
    path: str | None = None


#: An envelope, and the ordering keys of its user.
Prepared = tuple[Envelope, set[str]]


class UserQueue:
    """One user's envelopes. The states are explained in the package's docstring."""

    __slots__ = (
        "batchable",
        "batchable_bytes",
        "endpoint_queue",
        "in_flight",
        "key",
        "merged_into",
        "paused",
        "waiting",
    )

    def __init__(self, key: str) -> None:
        #: The main one of the user's ordering keys.
        self.key = key
        #: Envelopes that wait, in order of arrival.
        self.waiting: list[Envelope] = []
        #: How many envelopes are in requests and not settled. While it is not 0, nothing else goes.
        self.in_flight = 0
        #: Whether an earlier event must be handed in again, so that no later one may go first.
        self.paused = False
        #: The queue that this one was merged into; None if it was not.
        self.merged_into: UserQueue | None = None
        #: The queue in which this one waits for a request to an endpoint; None if it does not.
        self.endpoint_queue: EndpointQueue | None = None
        #: How many of the waiting envelopes can go in one request there, and their bytes.
        self.batchable = 0
        self.batchable_bytes = 0

    @property
    def is_ready(self) -> bool:
        """Whether something waits, and nothing is in flight."""
        return not self.in_flight and bool(self.waiting)


@attrs.define(eq=False)
class Batch:
    """One request: a single call, or the items of a bulk request."""

    endpoint: Endpoint
    #: In the order in which they stand in the body. A user's stand together.
    envelopes: list[Envelope]
    attempts: Attempts
    #: None for a single call.
    bulk: BulkEndpoint | None = None
    #: The rate limiter's permit for the last attempt; set when that begins.
    permit: Permit = attrs.field(init=False, repr=False)
    #: What went wrong at the last attempt; None if nothing did yet.
    error: ApiError | None = None
    #: How often the items that Iterable blamed for refusing it were taken out.
    hints: int = 0
    #: Whether its envelopes are settled already, so that its response does not matter.
    is_abandoned: bool = False

    @property
    def queue_name(self) -> str:
        """The name of the endpoint queue where it waits for a retry."""
        return queue_name(self.endpoint, self.bulk)

    @property
    def calls(self) -> list[EncodedCall]:
        """The calls in it, one for each envelope."""
        return [envelope.calls[envelope.call_index] for envelope in self.envelopes]

    @property
    def is_conclusive(self) -> bool:
        """Whether its response alone decides how all of its events end."""
        return all(len(each.calls) == 1 and not each.failures for each in self.envelopes)

    def body(self) -> bytes:
        """Return the request's body, the same at each attempt."""
        if self.bulk is None:
            return self.envelopes[0].item
        return self.bulk.body([call.body for call in self.calls])

    def subset(self, envelopes: list[Envelope]) -> Batch:
        """Return a batch of some of the envelopes that goes on with the attempts of this one."""
        attempts = attrs.evolve(self.attempts)
        for envelope in envelopes:
            envelope.attempts = attempts
        return Batch(
            self.endpoint, envelopes, attempts, self.bulk, error=self.error, hints=self.hints
        )


def next_call_after_failure(
    kinds: Sequence[type], subscriptions: Sequence[str], call_index: int
) -> int | None:
    """Return which call of an event is sent although this one failed; None if none is.

    Subscriptions do not stop each other, but an ``UpdateEmail`` depends on the profile before it.
    Without subscriptions the first failure is the end of the event.
    """
    if not subscriptions:
        return None
    following = call_index + 1
    if kinds[following : following + 1] == [UpdateEmail]:
        following += subscriptions[following] == subscriptions[call_index]
    return following if following < len(kinds) else None


def outcome_fields(envelope: Envelope) -> dict[str, Any]:
    """Return the fields that all outcomes of an event have. Its calls are decoded when needed."""
    return {
        "index": envelope.index,
        "message_id": envelope.message_id,
        "notes": envelope.notes,
        "calls": envelope.calls,
        "attempts": envelope.attempts.total if envelope.attempts else 0,
    }


def build_delivered(envelope: Envelope, response: ApiResponse | None) -> Outcome:
    """Build the outcome of an event whose last call had this response; None if it has no calls."""
    if response is None:
        return Delivered(**outcome_fields(envelope))
    attempts = envelope.attempts
    return Delivered.of(
        {
            "message_id": envelope.message_id,
            "index": envelope.index,
            "_calls": envelope.calls,
            "notes": envelope.notes,
            "attempts": 0 if attempts is None else attempts.total,
            "code": response.code,
            "message": response.message,
            "request_id": response.request_id,
            "error": None,
            "failures": (),
        }
    )


def undelivered_kind(attempts: Attempts | None) -> type[Outcome]:
    """Return the kind of outcome of an event that is given up after these attempts."""
    return Unknown if attempts is not None and attempts.is_ambiguous else Retryable


def build_failed(
    kind: type[Outcome], envelope: Envelope, error: IterableDestinationError
) -> Outcome:
    """Build the outcome, of this kind, of an event that ends with an error."""
    if isinstance(error, ApiError):
        return kind(
            **outcome_fields(envelope),
            code=error.code,
            message=error.message,
            request_id=error.request_id,
            error=error,
        )
    return kind(**outcome_fields(envelope), message=str(error), error=error)


def copy_error(error: _Error) -> _Error:
    """Return a copy of an error that ends several events, for one of them.

    Each time that an exception is raised its traceback grows, so none is in two outcomes. No
    ``__init__`` is called, since that of a subclass may ask for something else.
    """
    copy = type(error).__new__(type(error))
    copy.args = error.args
    copy.__dict__.update(error.__dict__)
    if error.__cause__ is not None:
        copy.__cause__ = error.__cause__
    return copy


def describe_failure(envelope: Envelope, outcome: Outcome) -> Failed:
    """Return what failed: the current call of an event with subscriptions, with this outcome."""
    place = envelope.call_index
    return Failed(envelope.subscriptions[place], outcome, envelope.calls[place].endpoint.path)


#: From the mildest failure to the gravest: the event must be handed in again for the later ones.
_GRAVITY: Final = (Rejected.name, Retryable.name, Unknown.name)


def build_final(envelope: Envelope, outcome: Outcome) -> Outcome:
    """Build the outcome of an event whose last call had this one: the gravest of all failures."""
    failures = envelope.failures
    if outcome.error is not None and envelope.subscriptions:
        failures += (describe_failure(envelope, outcome),)
    if not failures:
        return outcome
    failed_ones = [each.outcome for each in failures] + [outcome] * (outcome.error is not None)
    gravest = max(failed_ones, key=lambda each: _GRAVITY.index(each.name))
    listed = [
        Failure(name, each.name, each.error, path) for name, each, path in failures if each.error
    ]
    return attrs.evolve(
        gravest,
        calls=envelope.calls,
        failures=tuple(listed),
        attempts=0 if envelope.attempts is None else envelope.attempts.total,
    )
