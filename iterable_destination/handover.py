"""Handover: events that came together, delivered in the time there is.

What may live here: what all hosts have in common that wait for an answer.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final

from iterable_destination import acceptance
from iterable_destination.delivery import Destination
from iterable_destination.outcomes import Outcome

_log: Final = logging.getLogger("iterable_destination.receivers")

#: Calls that are sent singly: somebody waits, and a bulk may have to wait for its turn.
_FEW: Final = 8


def deliver(to: Destination, events: Sequence[Any], within: float | None) -> list[Outcome]:
    """Deliver events, in the time given, and return their outcomes in the events' order.

    ``within`` is seconds; below 0 is 0, None is as long as it takes.
    """
    seconds = None if within is None else max(within, 0.0)
    outcomes = list(to.send_all(events, within=seconds, few=_FEW))
    outcomes.sort(key=lambda outcome: outcome.index)
    are_done = all(is_done(outcome, to) for outcome in outcomes)
    level = logging.INFO if are_done else logging.WARNING
    _log.log(level, "%d events: %s", len(events), acceptance.content(outcomes))
    return outcomes


def is_done(outcome: Outcome, to: Destination) -> bool:
    """Whether who handed over an event can forget it."""
    return acceptance.is_done(outcome, kept=to.keeps_dead_letters)
