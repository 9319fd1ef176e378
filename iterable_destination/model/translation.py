"""Translations: what one event becomes in Iterable, or why nothing, whatever the mapping."""

from __future__ import annotations

import attrs

from iterable_destination.errors import Note, Problem
from iterable_destination.model.calls import Call, Identity


@attrs.frozen
class FailedSubscription:
    """A subscription that an event fired and that gives no call, beside others that do."""

    #: The subscription's name.
    subscription: str
    #: Why, with places in its mapped payload. Never empty.
    problems: tuple[Problem, ...]


@attrs.frozen(slots=False)  # quick to make
class Translation:
    """What became of one event that is not refused."""

    #: The event's ``messageId``, or None if it has none.
    message_id: str | None
    #: The requests to make, in order; the classic mapping makes one or none. Each can be made
    #: whatever becomes of the others, but for an ``UpdateEmail``, which goes out only when the
    #: ``UpdateUser`` just before it was accepted.
    calls: tuple[Call, ...] = ()
    #: Why there are no calls, or None if there are.
    skipped: str | None = None
    #: What was changed, passed over or looks wrong.
    notes: tuple[Note, ...] = ()
    #: The name of the subscription that each call comes from, one for each call; empty in the
    #: classic mapping.
    subscriptions: tuple[str, ...] = ()
    #: Subscriptions that failed beside those that did not; empty in the classic mapping.
    errors: tuple[FailedSubscription, ...] = ()
    #: Who a skipped event is about, so that its outcome has its turn; None if that was not read, or
    #: if there are calls, which say it themselves.
    identity: Identity | None = attrs.field(default=None, eq=False, repr=False)
