"""Explanations: why each subscription fired or did not, and the calls it makes of an event.

This module decides nothing: it reports what the translator decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import attrs

from iterable_destination.errors import Note, Problem, list_notes, list_problems
from iterable_destination.mapping.actions.apply import (
    ANONYMOUS,
    Mapped,
    apply_subscription,
    too_deep,
)
from iterable_destination.mapping.actions.paths import NOTHING
from iterable_destination.mapping.actions.subscriptions import PRESETS, Subscription
from iterable_destination.model.calls import Call
from iterable_destination.model.dates import TEXTS_STAY
from iterable_destination.model.json_copy import data_fields
from iterable_destination.model.segment_event import EventHeader
from iterable_destination.model.settings import Settings

_OFF: Final = "it is switched off"


@attrs.frozen
class Explanation:
    """What one subscription made of an event, and why."""

    #: The subscription's name.
    subscription: str
    #: Whether it fired.
    fired: bool
    #: The part of the trigger that decided whether it fired, as written; or another reason.
    because: str
    #: The mapped payload before coercion; None if the subscription did not fire. A value that
    #: JSON cannot hold is None in it.
    payload: Any = attrs.field(default=None, repr=False)
    #: Which values were coerced or left out, by their places in the payload.
    coercions: tuple[Note, ...] = ()
    #: The calls of the subscription; empty if there are problems.
    calls: tuple[Call, ...] = ()
    #: Why there are no calls.
    problems: tuple[Problem, ...] = ()
    #: Why nothing is sent although there are no problems; None otherwise.
    skipped: str | None = None


def explain(
    event: Any,
    subscriptions: Iterable[Subscription] = PRESETS,
    settings: Settings | None = None,
) -> tuple[Explanation, ...]:
    """Explain what each subscription makes of an event, in their order.

    The calls are those that a ``MappedTranslator`` returns. Raises
    :exc:`~iterable_destination.errors.InvalidEvent` if the event cannot be read.
    """
    header = EventHeader(event)
    try:
        return tuple([_explain_one(each, header, settings or Settings()) for each in subscriptions])
    except RecursionError:  # the caller is deep in calls itself
        raise too_deep(header) from None


def _explain_one(
    subscription: Subscription, header: EventHeader, settings: Settings
) -> Explanation:
    name = subscription.name
    reason = header.mapped_skip_reason()
    if reason is not None or not subscription.enabled:
        return Explanation(name, fired=False, because=reason or _OFF)
    fired, part = subscription.condition.evaluate(header.raw)
    because = subscription.trigger[part.start : part.end]
    if not fired:
        return Explanation(name, fired, because)
    return _build_explanation(name, because, apply_subscription(subscription, header.raw, settings))


def _build_explanation(name: str, because: str, made: Mapped) -> Explanation:
    mapped_payload = None if made.payload is NOTHING else made.payload
    payload = data_fields({"payload": mapped_payload}, "", [], TEXTS_STAY)["payload"]
    return Explanation(
        name,
        True,  # noqa: FBT003 - it fired
        because,
        payload,
        list_notes(made.notes),
        made.calls,
        list_problems(made.problems),
        ANONYMOUS if made.is_anonymous else None,
    )
