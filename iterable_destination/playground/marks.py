"""Marks: problems and notes at the values of an event, which the editor shows at their lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import attrs

from iterable_destination.errors import Note, Problem
from iterable_destination.mapping.actions import Explanation, Subscription
from iterable_destination.mapping.explanation import EventExplanation
from iterable_destination.mapping.places import Keys, find_place

#: How the editor shows each.
_SEVERITIES: Final = {Problem: "error", Note: "warning"}


@attrs.frozen
class Mark:
    """What is said about one value of an event."""

    #: The keys and numbers that lead to the value; empty for the event itself.
    path: Keys
    message: str
    #: The code of the problem or note.
    code: str
    #: ``error`` for a problem, ``warning`` for a note.
    severity: str


def mark_event(
    event: Any, explanation: EventExplanation, subscriptions: Iterable[Subscription] = ()
) -> tuple[Mark, ...]:
    """Return the marks of an event, each at its value, or at what should have the value.

    ``subscriptions`` are those that the explanation is about.
    """
    marks = list(_mark_all(event, explanation.notes))
    by_name = {each.name: each for each in subscriptions}
    for each in explanation.subscriptions:
        marks += _mark_subscription(event, each, by_name[each.subscription])
    if not any(each.problems for each in explanation.subscriptions):  # else these are the same
        marks += _mark_all(event, explanation.problems)
    return tuple(dict.fromkeys(marks))


def mark_webhook(webhook: Any, found: Iterable[Note | Problem]) -> tuple[Mark, ...]:
    """Return the marks of a webhook, of its problems or of its notes."""
    return tuple(_mark_all(webhook, found))


def _mark_all(event: Any, found: Iterable[Note | Problem]) -> Iterator[Mark]:
    for each in found:
        keys = find_place(event, each.path).keys
        yield Mark(keys, f"{each.path}: {each.message}", each.code, _SEVERITIES[type(each)])


def _mark_subscription(
    event: Any, explanation: Explanation, subscription: Subscription
) -> Iterator[Mark]:
    found: tuple[Note | Problem, ...] = (*explanation.problems, *explanation.coercions)
    for each in found:
        keys = _find_source(event, subscription, each.path)
        words = f"{explanation.subscription}: {each.path}: {each.message}"
        yield Mark(keys, words, each.code, _SEVERITIES[type(each)])


def _find_source(event: Any, subscription: Subscription, place: str) -> Keys:
    """Return where a value of a payload comes from, if its mapping names one place."""
    source = _read_path(find_place(subscription.mapping, place).value)
    if source is not None:
        return find_place(event, source.removeprefix("$").removeprefix(".")).keys
    found = find_place(event, place)
    return found.keys if found.is_whole else ()


def _read_path(directive: Any) -> str | None:
    """Return the place in the event that a directive names, or whose elements it maps."""
    match directive:
        case {"@path": str(source)} | {"@arrayPath": [{"@path": str(source)}, *_]}:
            return source
    return None
