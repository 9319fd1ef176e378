"""Outcomes: what became of an event that was handed in for delivery, one of five kinds.

The classes have no slots, because a frozen class without them is quicker to make.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

import attrs

from iterable_destination.errors import ApiError, Invalid, IterableDestinationError, Note
from iterable_destination.model.calls import Call, EncodedCall

#: The names of the five kinds of outcome.
OutcomeName = Literal["delivered", "skipped", "rejected", "retryable", "unknown"]
#: Calls, or encoded calls, which are decoded when somebody asks.
Calls = tuple[Call, ...] | tuple[EncodedCall, ...]


def _decode_calls(calls: Calls) -> tuple[Call, ...]:
    return tuple(call.call() if isinstance(call, EncodedCall) else call for call in calls)


@attrs.frozen
class Failure:
    """A call of a subscription that was not accepted, or a subscription that gave none."""

    #: The subscription's name.
    subscription: str
    #: The name of the outcome it would have alone.
    outcome: str
    #: What went wrong.
    error: IterableDestinationError = attrs.field(repr=False)
    #: The endpoint's path of the call that was not accepted, with the query if there is one; None
    #: if the event could not be translated to a call.
    path: str | None = None

    def summary(self) -> dict[str, Any]:
        """Return it as the command line prints it."""
        path = {} if self.path is None else {"path": self.path}
        return {
            "subscription": self.subscription,
            **path,
            "outcome": self.outcome,
            "type": type(self.error).__name__,
            "message": str(self.error),
        }


@attrs.frozen(kw_only=True, slots=False)
class BaseOutcome:
    """What all outcomes have in common. Each is one of the five subclasses."""

    #: ``delivered``, ``skipped``, ``rejected``, ``retryable`` or ``unknown``.
    name: ClassVar[OutcomeName]

    #: The event's ``messageId``, or None if it has none.
    message_id: str | None = None
    #: Which event it was of those handed in, from 0; the command line counts lines.
    index: int = 0
    _calls: Calls = attrs.field(default=(), repr=False, eq=_decode_calls)
    #: What was changed, passed over or looks wrong.
    notes: tuple[Note, ...] = ()
    #: How many requests were sent, repeats included.
    attempts: int = 0
    #: Iterable's ``code``; None if it gave none.
    code: str | None = None
    #: Iterable's ``msg``, or our own words; None if there is nothing to say.
    message: str | None = None
    #: The name of Iterable's answer, for its support; None if it gave none.
    request_id: str | None = None
    #: What went wrong; None if nothing did.
    error: IterableDestinationError | None = attrs.field(default=None, repr=False)
    #: The subscriptions that failed, of which the gravest failure is the outcome; empty for an
    #: event that was translated without any.
    failures: tuple[Failure, ...] = ()

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Self:
        """Return the outcome that has these fields, all of them, by the names they are kept under.

        ``fields`` becomes its own. This takes a third of the time that a constructor takes, for
        there is one outcome for each event.
        """
        outcome = cls.__new__(cls)
        object.__setattr__(outcome, "__dict__", fields)  # it is frozen
        return outcome

    @property
    def calls(self) -> tuple[Call, ...]:
        """The requests that were made or were to be made."""
        return _decode_calls(self._calls)

    def summary(self) -> dict[str, Any]:
        """Return the outcome as the command line prints it, without the calls."""
        summary: dict[str, Any] = {
            "index": self.index,
            "messageId": self.message_id,
            "outcome": self.name,
        }
        if self.error is not None:
            summary["error"] = self._error()
        if self.failures:
            summary["failures"] = [failure.summary() for failure in self.failures]
        return summary

    def _error(self) -> dict[str, Any]:
        error: dict[str, Any] = {
            "type": type(self.error).__name__,
            "code": self.code,
            "message": self.message,
        }
        if isinstance(self.error, Invalid):
            error["problems"] = [attrs.asdict(problem) for problem in self.error.problems]
        if isinstance(self.error, ApiError) and self.request_id is not None:
            error["requestId"] = self.request_id
        return error


@attrs.frozen(kw_only=True, slots=False)
class Delivered(BaseOutcome):
    """Iterable accepted every call."""

    name: ClassVar[Literal["delivered"]] = "delivered"


@attrs.frozen(kw_only=True, slots=False)
class Skipped(BaseOutcome):
    """There was nothing to send; ``message`` says why."""

    name: ClassVar[Literal["skipped"]] = "skipped"

    def summary(self) -> dict[str, Any]:
        """Return the outcome as the command line prints it: with the reason, if there is one."""
        summary = super().summary()
        return summary if self.message is None else summary | {"skipped": self.message}


@attrs.frozen(kw_only=True, slots=False)
class Rejected(BaseOutcome):
    """It will never be accepted as it is: refused here (:exc:`InvalidEvent`) or by Iterable."""

    name: ClassVar[Literal["rejected"]] = "rejected"


@attrs.frozen(kw_only=True, slots=False)
class Retryable(BaseOutcome):
    """It was not accepted, but may be later: hand it in again."""

    name: ClassVar[Literal["retryable"]] = "retryable"


@attrs.frozen(kw_only=True, slots=False)
class Unknown(BaseOutcome):
    """It may have been accepted or not: no answer could be read, and time ran out."""

    name: ClassVar[Literal["unknown"]] = "unknown"


#: What became of one event: one of the five, so that a type checker knows when a ``match`` is
#: complete.
Outcome = Delivered | Skipped | Rejected | Retryable | Unknown
