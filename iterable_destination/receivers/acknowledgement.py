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
from iterable_destination.errors import Invalid
from iterable_destination.model.outcomes import Delivered, Outcome, Rejected, Skipped, Unknown

_log: Final = logging.getLogger("iterable_destination.receivers")

#: Outcomes that are acknowledged, and those that are if the destination keeps dead letters.
_SETTLED: Final = frozenset({Delivered.name, Skipped.name})
_DEAD_LETTERS: Final = frozenset({Rejected.name, Unknown.name})
#: Refused events that a response names, and problems of each.
_MAX_NAMED: Final = 5


def deliver_batch(
    to: BaseDestination, events: Sequence[Any], timeout: float | None
) -> list[Outcome]:
    """Deliver events within a timeout, and return their outcomes in the events' order.

    ``timeout`` is seconds; below 0 is 0, None is no limit.
    """
    seconds = None if timeout is None else max(timeout, 0.0)
    outcomes = list(to.send_all(events, timeout=seconds))
    outcomes.sort(key=lambda outcome: outcome.index)
    keeps = to.keeps_dead_letters
    are_acknowledged = all(is_acknowledged(each, keeps_dead_letters=keeps) for each in outcomes)
    level = logging.INFO if are_acknowledged else logging.WARNING
    _log.log(level, "%d events: %s", len(events), summarize(outcomes))
    return outcomes


def is_acknowledged(outcome: Outcome, *, keeps_dead_letters: bool) -> bool:
    """Whether the sender may forget the event.

    ``keeps_dead_letters`` is whether the destination keeps dead letters.
    """
    return outcome.name in _SETTLED or (keeps_dead_letters and outcome.name in _DEAD_LETTERS)


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


def _describe_problems(outcome: Outcome) -> dict[str, Any]:
    problems = outcome.error.problems if isinstance(outcome.error, Invalid) else ()
    return {
        "index": outcome.index,
        "problems": [attrs.asdict(problem) for problem in problems[:_MAX_NAMED]],
    }
