"""A scheduler that goes on after a fault of its own: what both kinds of workers drive."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Final

from iterable_destination.delivery.conclusion import Results
from iterable_destination.delivery.engine.envelope import (
    Batch,
    Envelope,
    build_failed,
    build_final,
)
from iterable_destination.delivery.engine.policy import DeliveryPolicy
from iterable_destination.delivery.engine.scheduler import Scheduler
from iterable_destination.delivery.failures import log_without_content
from iterable_destination.errors import AmbiguousAnswer, ApiError, NotSent
from iterable_destination.model.interruptions import raise_interruption
from iterable_destination.model.outcomes import Outcome, Retryable, Unknown
from iterable_destination.model.responses import ApiResponse

_IN_ORDER: Final = attrgetter("sequence")

_PAUSED: Final = "not sent: an earlier event for this user must be retried first"


class SafeScheduler:
    """A scheduler, and what is known of its envelopes without it.

    After an exception that nobody expected in the scheduler, such as :exc:`MemoryError`, all that
    is under way is settled, and a new scheduler goes on; then ``on_recovered`` is called. It has no
    lock: whoever uses it in several threads holds one.
    """

    def __init__(self, policy: DeliveryPolicy, on_recovered: Callable[[], object]) -> None:
        self._policy: Final = policy
        self._on_recovered: Final = on_recovered
        self._scheduler = Scheduler(policy)
        self._is_stopped = False
        #: What was added and has no result that was taken, with its ordering keys.
        self._open: Final[dict[Envelope, set[str]]] = {}
        #: What is being sent, with the scheduler that it is of.
        self._in_flight: Final[dict[Batch, Scheduler]] = {}
        #: The main ordering keys of users who stay paused since a fault.
        self._paused: Final[set[str]] = set()

    @property
    def pending(self) -> int:
        """How many envelopes have no outcome yet."""
        return self._scheduler.pending

    @property
    def is_full(self) -> bool:
        """Whether no more envelopes should be added for now."""
        return self._scheduler.is_full

    @property
    def has_results(self) -> bool:
        """Whether there are results to take."""
        return bool(self._scheduler.settled)

    @property
    def has_more(self) -> bool:
        """Whether anything waits to be sent, now or later."""
        return self._scheduler.has_more

    @property
    def finished(self) -> bool:
        """Whether no more envelopes come for now."""
        return self._scheduler.finished

    @finished.setter
    def finished(self, finished: bool) -> None:
        self._scheduler.finished = finished

    def add(self, envelope: Envelope, keys: set[str], now: float) -> bool:
        """Add an envelope of the user with these ordering keys.

        Returns whether there may be a batch to send because of it.
        """
        self._open[envelope] = keys
        try:
            if self._paused and self._settle_paused(envelope, keys):
                return False
            scheduler = self._scheduler
            return scheduler.add(envelope, keys, now) or scheduler.is_full
        except Exception as error:  # noqa: BLE001 - this envelope is settled with the others
            raise_interruption(error)
            self.recover(error)
            return False

    def _settle_paused(self, envelope: Envelope, keys: set[str]) -> bool:
        """Settle an envelope of a user who has been paused since a fault; return whether it is."""
        users = self._find_users(keys)
        if self._paused.isdisjoint(users):
            return False
        self._paused.update(users)
        self._settle(envelope, envelope.outcome or _build_unsent(envelope, NotSent(_PAUSED)))
        return True

    def _find_users(self, keys: set[str]) -> set[str]:
        """Return the main keys of the users with these ordering keys."""
        return set(map(self._policy.linked_keys.find, keys))

    def next(self, now: float) -> Batch | float | None:
        """Return what :meth:`Scheduler.next` does; the end of a batch is to be reported."""
        step = self._scheduler.next(now)
        if isinstance(step, Batch):
            self._in_flight[step] = self._scheduler
        return step

    def on_response(self, batch: Batch, response: ApiResponse, now: float) -> None:
        """Settle, or go on with, the envelopes of a batch that has a response."""
        self._report(batch, lambda scheduler: scheduler.on_response(batch, response, now))

    def on_error(self, batch: Batch, error: ApiError, now: float) -> None:
        """Retry, split or give up a batch whose response is an error, or missing."""
        self._report(batch, lambda scheduler: scheduler.on_error(batch, error, now))

    def _report(self, batch: Batch, report: Callable[[Scheduler], None]) -> None:
        """Report the end of a batch to its scheduler. From then on it may be in flight again."""
        scheduler = self._in_flight.pop(batch)
        try:
            report(scheduler)
        except Exception as error:  # noqa: BLE001 - all is settled
            raise_interruption(error)
            if scheduler is self._scheduler:
                self.recover(error)

    def take(self) -> Results:
        """Take what was settled since the last call."""
        settled = list(self._scheduler.settled)
        self._scheduler.settled.clear()
        for envelope, _ in settled:
            self._open.pop(envelope, None)
        return settled

    def stop(self) -> None:
        """Send nothing more; what is in flight still ends by its response."""
        self._is_stopped = True
        try:
            self._scheduler.stop()
        except Exception as error:  # noqa: BLE001 - this settles everything too
            self.recover(error)

    def abandon(self) -> None:
        """Settle everything at once."""
        try:
            self._scheduler.abandon()
        except Exception as error:  # noqa: BLE001 - this settles everything too
            self.recover(error)

    # After a fault -------------------------------------------------------------------------------

    def recover(self, error: BaseException) -> None:
        """Settle all that has no outcome, and go on with a new scheduler."""
        log_crash(error)
        old, new = self._scheduler, Scheduler(self._policy)
        new.finished = old.finished
        new.settled.extend(old.settled)
        for batch in self._in_flight:
            batch.is_abandoned = True  # its response does not matter any more
        has_outcome = {envelope for envelope, _ in old.settled}
        self._scheduler = new
        for envelope in sorted(self._open, key=_IN_ORDER):
            if envelope not in has_outcome:
                if self._policy.keeps_paused:
                    self._paused.update(self._find_users(self._open[envelope]))
                self._settle(envelope, build_interrupted(envelope, error))
        if self._is_stopped:
            new.stop()
        self._on_recovered()

    def _settle(self, envelope: Envelope, outcome: Outcome) -> None:
        self._policy.counters.outcomes[outcome.name] += 1
        self._scheduler.settled.append((envelope, outcome))


def log_crash(error: BaseException) -> None:
    """Log what nobody expected, after which delivery goes on."""
    log_without_content("delivery goes on after %s at %s", error)


def _build_unsent(envelope: Envelope, error: NotSent) -> Outcome:
    return build_final(envelope, build_failed(Retryable, envelope, error))


def build_interrupted(envelope: Envelope, error: BaseException) -> Outcome:
    """Build the outcome of an envelope that was under way when a fault came."""
    if envelope.outcome is not None:
        return envelope.outcome
    fault = f"interrupted by {type(error).__name__}"
    if envelope.attempts is None:
        return _build_unsent(envelope, NotSent(f"not sent: {fault}"))
    outcome = build_failed(Unknown, envelope, AmbiguousAnswer(fault))
    return build_final(envelope, outcome)
