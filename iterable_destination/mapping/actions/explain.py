"""Explanations: why each subscription fired or did not, and the calls it makes of an event.

This module decides nothing: it reports what the translator decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import attrs

from iterable_destination.errors import Note, Problem, list_notes, list_problems
from iterable_destination.mapping.actions.apply import (
    Mapped,
    apply_subscription,
    event_of,
    fail_trigger,
    read_header,
    too_deep,
)
from iterable_destination.mapping.actions.paths import NOTHING
from iterable_destination.mapping.actions.subscriptions import PRESETS, Subscription
from iterable_destination.model.calls import Call
from iterable_destination.model.dates import TEXTS_STAY
from iterable_destination.model.json_copy import data_fields
from iterable_destination.model.settings import Settings
from iterable_destination.model.translation import ANONYMOUS

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
    header, reason = read_header(event)
    body, chosen = event_of(header), settings or Settings()
    try:
        return tuple([_explain_one(each, body, reason, chosen) for each in subscriptions])
    except RecursionError:  # the caller is deep in calls itself
        raise too_deep(header) from None


def _explain_one(
    subscription: Subscription, event: dict[Any, Any], reason: str | None, settings: Settings
) -> Explanation:
    name = subscription.name
    if reason is not None or not subscription.enabled:
        return Explanation(name, fired=False, because=reason or _OFF)
    try:
        fired, part = subscription.condition.evaluate(event)
    except RecursionError:
        raise
    except Exception as error:  # noqa: BLE001 - a value may do and raise anything
        problems = tuple(fail_trigger(subscription, error).problems)
        return Explanation(name, fired=False, because=subscription.trigger, problems=problems)
    because = subscription.trigger[part.start : part.end]
    if not fired:
        return Explanation(name, fired, because)
    return _build_explanation(name, because, apply_subscription(subscription, event, settings))


def _build_explanation(name: str, because: str, made: Mapped) -> Explanation:
    return Explanation(
        name,
        True,  # noqa: FBT003 - it fired
        because,
        _copy_payload(made.payload),
        list_notes(made.notes),
        made.calls,
        list_problems(made.problems),
        ANONYMOUS if made.is_anonymous else None,
    )


def _copy_payload(payload: Any) -> Any:
    """Return a copy of a mapped payload as JSON; None if one of its values raises an exception."""
    try:
        mapped = None if payload is NOTHING else payload
        return data_fields({"payload": mapped}, "", [], TEXTS_STAY)["payload"]
    except Exception:  # noqa: BLE001 - a value may do and raise anything; a problem says so
        return None
