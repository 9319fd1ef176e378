"""Acceptance: what a sender is told of the events that it handed over together.

What may live here: outcomes as one answer. A sender keeps what it is not told to be done with, so
nothing is called done that is neither delivered nor kept in another place.
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

#: Outcomes of events that are done with, and of those that are if they are kept as dead letters.
_DONE: Final = frozenset({Delivered.name, Skipped.name})
_KEPT: Final = frozenset({Rejected.name, Unknown.name})
#: Refused events that an answer names, and problems of each.
_NAMED: Final = 5
#: The smallest bulk: somebody waits, and fewer calls have their turn sooner if they go singly.
MIN_BULK_SIZE: Final = 9


def deliver_batch(
    to: BaseDestination, events: Sequence[Any], timeout: float | None
) -> list[Outcome]:
    """Deliver events, in the time given, and return their outcomes in the events' order.

    ``timeout`` is seconds; below 0 is 0, None is as long as it takes.
    """
    seconds = None if timeout is None else max(timeout, 0.0)
    outcomes = list(to.send_all(events, timeout=seconds, min_bulk_size=MIN_BULK_SIZE))
    outcomes.sort(key=lambda outcome: outcome.index)
    are_done = all(is_acknowledged(outcome, kept=to.keeps_dead_letters) for outcome in outcomes)
    level = logging.INFO if are_done else logging.WARNING
    _log.log(level, "%d events: %s", len(events), summarize(outcomes))
    return outcomes


def is_acknowledged(outcome: Outcome, *, kept: bool) -> bool:
    """Whether an event need not be handed over again, nor be kept by its sender.

    ``kept`` is whether dead letters are kept.
    """
    return outcome.name in _DONE or (kept and outcome.name in _KEPT)


def http_status(outcomes: Iterable[Outcome], *, kept: bool) -> int:
    """Return the HTTP status that says what a sender is to do with the events.

    200 nothing more; 503 send all of them again; 400 do not, some are refused for good.
    """
    left = {outcome.name for outcome in outcomes if not is_acknowledged(outcome, kept=kept)}
    if not left:
        return 200
    return 400 if left == {Rejected.name} else 503


def summarize(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """Return what became of events in numbers, and what is wrong with the first of those refused.

    Errors are counted by their names. What Iterable said is left out: it may repeat what is in an
    event.
    """
    outcomes = list(outcomes)
    counts: dict[str, Any] = dict(Counter(outcome.name for outcome in outcomes))
    errors = Counter(type(outcome.error).__name__ for outcome in outcomes if outcome.error)
    if errors:
        counts["errors"] = dict(errors)
    refused = [outcome for outcome in outcomes if isinstance(outcome.error, Invalid)]
    if refused:
        counts["problems"] = [_problems(outcome) for outcome in refused[:_NAMED]]
    return counts


def _problems(outcome: Outcome) -> dict[str, Any]:
    found = outcome.error.problems if isinstance(outcome.error, Invalid) else ()
    return {
        "index": outcome.index,
        "problems": [attrs.asdict(problem) for problem in found[:_NAMED]],
    }
