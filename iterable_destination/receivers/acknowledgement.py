"""Deliver a batch of events, and acknowledge it to its sender.

A sender keeps every event that is not acknowledged. So an event is acknowledged only if it is
delivered, skipped, or stored as a dead letter.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

import attrs

from iterable_destination.delivery.base import BaseDestination
from iterable_destination.errors import Invalid, shortened
from iterable_destination.model.outcomes import Delivered, Outcome, Rejected, Skipped, Unknown

_log: Final = logging.getLogger("iterable_destination.receivers")

#: Outcomes that are acknowledged, and those that are if the destination keeps dead letters.
_SETTLED: Final = frozenset({Delivered.name, Skipped.name})
_DEAD_LETTERS: Final = frozenset({Rejected.name, Unknown.name})
#: Refused events that a response names, and problems of each.
_MAX_NAMED: Final = 5


def deliver_batch(
    to: BaseDestination,
    events: Sequence[Any],
    timeout: float | None,
    *,
    log_message_ids: bool = False,
    ordering_keys: Iterable[str | None] | None = None,
) -> list[Outcome]:
    """Deliver events within a timeout, and return their outcomes in the events' order.

    ``timeout`` is seconds; below 0 is 0, None is no limit. ``log_message_ids`` puts the ids of the
    events into the log record, by the name of their outcome. ``ordering_keys`` has one for each
    event, None where it has none; None gives no event a key.
    """
    seconds = None if timeout is None else max(timeout, 0.0)
    options: dict[str, Any] = {}
    if ordering_keys is not None:
        keys = iter(ordering_keys)
        options["ordering_key"] = lambda _: next(keys)
    outcomes = list(to.send_all(events, timeout=seconds, **options))
    outcomes.sort(key=lambda outcome: outcome.index)
    keeps = to.keeps_dead_letters
    are_acknowledged = all(is_acknowledged(each, keeps_dead_letters=keeps) for each in outcomes)
    level = logging.INFO if are_acknowledged else logging.WARNING
    summary = summarize(outcomes)
    fields = {"iterable_events": len(events), **_name_fields(summary)}
    if log_message_ids:
        fields["iterable_message_ids"] = _list_message_ids(outcomes)
    message = "%d event: %s" if len(events) == 1 else "%d events: %s"
    _log.log(level, message, len(events), describe(summary), extra=fields)
    return outcomes


def is_acknowledged(outcome: Outcome, *, keeps_dead_letters: bool) -> bool:
    """Whether the sender may forget the event.

    ``keeps_dead_letters`` is whether the destination keeps dead letters.
    """
    return outcome.name in _SETTLED or (keeps_dead_letters and outcome.name in _DEAD_LETTERS)


def find_unacknowledged(to: BaseDestination, outcomes: Iterable[Outcome]) -> list[int]:
    """Return the indexes of the events that their sender must keep, in the outcomes' order."""
    keeps = to.keeps_dead_letters
    return [each.index for each in outcomes if not is_acknowledged(each, keeps_dead_letters=keeps)]


def http_status(outcomes: Iterable[Outcome], *, keeps_dead_letters: bool) -> int:
    """Return the HTTP status that tells a sender what to do with the events.

    200: nothing. 503: send all of them again. 400: do not, some are refused for good.
    """
    names = {
        outcome.name
        for outcome in outcomes
        if not is_acknowledged(outcome, keeps_dead_letters=keeps_dead_letters)
    }
    if not names:
        return 200
    return 400 if names == {Rejected.name} else 503


def summarize(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """Return the number of events by outcome, and the problems of the first refused events.

    Errors are counted by their names. Iterable's messages are left out: they may repeat values of
    an event.
    """
    outcomes = list(outcomes)
    counts: dict[str, Any] = dict(Counter(outcome.name for outcome in outcomes))
    errors = Counter(type(outcome.error).__name__ for outcome in outcomes if outcome.error)
    if errors:
        counts["errors"] = dict(errors)
    refused = [outcome for outcome in outcomes if isinstance(outcome.error, Invalid)]
    if refused:
        counts["problems"] = [_describe_problems(outcome) for outcome in refused[:_MAX_NAMED]]
    return counts


def describe(summary: dict[str, Any]) -> str:
    """Return what :func:`summarize` returns as words, such as ``38 delivered, 2 rejected``."""
    counts = _count_outcomes(summary)
    parts = [_join_counts(counts) or "no outcome"]
    if "errors" in summary:
        parts.append(f"errors: {_join_counts(summary['errors'])}")
    for event in summary.get("problems", ()):
        problems = ", ".join(f"{each['path']}: {each['message']}" for each in event["problems"])
        parts.append(f"event {event['index']}: {problems}")
    # A path has keys of the event, and a line break in one would begin another line of the log.
    return "".join(map(_escape, "; ".join(parts)))


def _count_outcomes(summary: dict[str, Any]) -> dict[str, int]:
    return {name: count for name, count in summary.items() if isinstance(count, int)}


def _join_counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def _escape(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def _name_fields(summary: dict[str, Any]) -> dict[str, Any]:
    """Return what :func:`summarize` returns as fields of a log record."""
    return {
        "iterable_outcomes": _count_outcomes(summary),
        "iterable_errors": summary.get("errors", {}),
        "iterable_problems": summary.get("problems", []),
    }


def _list_message_ids(outcomes: Iterable[Outcome]) -> dict[str, list[str]]:
    """Return the ids of events by the names of their outcomes; of long ids both ends."""
    ids: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.message_id is not None:
            ids.setdefault(outcome.name, []).append(shortened(outcome.message_id))
    return ids


def _describe_problems(outcome: Outcome) -> dict[str, Any]:
    problems = outcome.error.problems if isinstance(outcome.error, Invalid) else ()
    return {
        "index": outcome.index,
        "problems": [attrs.asdict(problem) for problem in problems[:_MAX_NAMED]],
    }
