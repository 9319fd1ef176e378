"""Marks: problems and notes at the values of an event, as the editor shows them beside its lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import attrs

from iterable_destination.errors import Note, Problem
from iterable_destination.mapping.actions import Explanation, Subscription
from iterable_destination.mapping.explanation import EventExplanation
from iterable_destination.mapping.places import Keys, find_place

_PROBLEM: Final = "error"
_NOTE: Final = "warning"
#: How a directive names a place in the event.
_PATH: Final = "@path"


@attrs.frozen
class Mark:
    """What is said about one value of an event."""

    #: The keys and numbers that lead to the value; empty for the event itself.
    path: Keys
    message: str
    #: ``error`` for a problem, ``warning`` for a note.
    severity: str


def mark_event(
    event: Any, explanation: EventExplanation, subscriptions: Iterable[Subscription] = ()
) -> tuple[Mark, ...]:
    """Return the marks of an event, each at its value, or at what should have the value.

    ``subscriptions`` are those that the explanation is about.
    """
    marks = list(_mark_all(event, explanation.notes, _NOTE))
    by_name = {each.name: each for each in subscriptions}
    for each in explanation.subscriptions:
        marks += _mark_subscription(event, each, by_name[each.subscription])
    if not any(each.problems for each in explanation.subscriptions):  # else these are the same
        marks += _mark_all(event, explanation.problems, _PROBLEM)
    return tuple(dict.fromkeys(marks))


def mark_webhook(webhook: Any, found: Iterable[Note | Problem]) -> tuple[Mark, ...]:
    """Return the marks of a webhook, of its problems or of its notes."""
    severities = {Problem: _PROBLEM, Note: _NOTE}
    return tuple(
        [each for one in found for each in _mark_all(webhook, [one], severities[type(one)])]
    )


def _mark_all(event: Any, found: Iterable[Note | Problem], severity: str) -> Iterator[Mark]:
    for each in found:
        keys = find_place(event, each.path).keys
        yield Mark(keys, f"{each.path}: {each.message}", severity)


def _mark_subscription(
    event: Any, explanation: Explanation, subscription: Subscription
) -> Iterator[Mark]:
    for severity, found in ((_PROBLEM, explanation.problems), (_NOTE, explanation.coercions)):
        for each in found:
            keys = _find_source(event, subscription, each.path)
            words = f"{explanation.subscription}: {each.path}: {each.message}"
            yield Mark(keys, words, severity)


def _find_source(event: Any, subscription: Subscription, place: str) -> Keys:
    """Return where a value of a payload comes from, if its mapping names one place."""
    directive = find_place(subscription.mapping, place).value
    source = directive.get(_PATH) if isinstance(directive, dict) else None
    if isinstance(source, str):
        return find_place(event, source.removeprefix("$").removeprefix(".")).keys
    found = find_place(event, place)
    return found.keys if found.is_whole else ()
