"""Translations: the calls of one event, or why there are none, whatever the mapping."""

from __future__ import annotations

from typing import Final

import attrs

from iterable_destination.errors import Note, Problem
from iterable_destination.model.calls import Call, Identity

#: Why an event without email and userId is skipped.
ANONYMOUS: Final = "anonymous: neither email nor userId, and skip_anonymous is on"


@attrs.frozen
class FailedSubscription:
    """A subscription that applies to an event and fails, beside others that give calls."""

    #: The subscription's name.
    subscription: str
    #: Why it failed, with places in its mapped payload. Never empty.
    problems: tuple[Problem, ...]


@attrs.frozen(slots=False)  # quick to make
class Translation:
    """The translation of one event that has no problem."""

    #: The event's ``messageId``, or None if it has none.
    message_id: str | None
    #: The requests to make, in order; the classic mapping makes one or none. Each is sent
    #: whatever the results of the others, except an ``UpdateEmail``, which is sent only when the
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
    #: The identity of a skipped event, which keeps its outcome in order; None if it was not read,
    #: or if there are calls, which have identities of their own.
    identity: Identity | None = attrs.field(default=None, eq=False, repr=False)
