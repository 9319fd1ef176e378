"""The end of each event: its dead letter is kept before its outcome is told."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Final

from iterable_destination.delivery.engine.counters import Counters
from iterable_destination.delivery.engine.envelope import Envelope
from iterable_destination.errors import InvalidJSON, UnwritableFile
from iterable_destination.io.dead_letter_lines import DeadLetter
from iterable_destination.io.dead_letters import DeadLetterStore
from iterable_destination.model.interruptions import raise_interruption
from iterable_destination.model.outcomes import Outcome, Rejected, Retryable, Unknown
from iterable_destination.model.records import LineRecord

_log: Final = logging.getLogger("iterable_destination.delivery")

#: Envelopes with their outcomes.
Results = list[tuple[Envelope, Outcome]]

#: The outcomes of events that are kept as dead letters.
DEAD: Final = frozenset({Rejected.name, Unknown.name})


class Concluder:
    """Makes outcomes of results: writes dead letters, and counts what could not be written.

    ``dead_letters`` None keeps none. ``lock`` guards ``counters``.
    """

    def __init__(
        self, dead_letters: DeadLetterStore | None, counters: Counters, lock: threading.RLock
    ) -> None:
        self._dead_letters: Final = dead_letters
        self._counters: Final = counters
        self._lock: Final = lock

    @property
    def keeps_dead_letters(self) -> bool:
        """Whether events are kept as dead letters."""
        return self._dead_letters is not None

    def conclude(self, results: Results, dead: frozenset[str] = DEAD) -> list[Outcome]:
        """Write dead letters, and return the outcomes of results.

        Events whose outcome is named in ``dead`` are kept as dead letters. If they cannot be
        written, these outcomes become retryable.
        """
        outcomes = [outcome for _, outcome in results]
        if self._dead_letters is None:
            return outcomes
        return self._give_back(outcomes, _write(self._dead_letters, results, dead), dead)

    async def conclude_in_loop(self, results: Results) -> list[Outcome]:
        """Do the same in an event loop: what is written is written in another thread.

        If it is cancelled that goes on, and still logs what it cannot write.
        """
        outcomes = [outcome for _, outcome in results]
        if self._dead_letters is None or not any(each.name in DEAD for each in outcomes):
            return outcomes
        write = partial(copy_context().run, _write, self._dead_letters, results, DEAD)
        try:
            loop = asyncio.get_running_loop()
            failure = await asyncio.shield(loop.run_in_executor(None, write))
        except Exception as error:  # noqa: BLE001 - such as that there is no thread
            failure = _log_failure(error)
        return self._give_back(outcomes, failure, DEAD)

    def _give_back(
        self, outcomes: list[Outcome], failure: UnwritableFile | None, dead: frozenset[str]
    ) -> list[Outcome]:
        """Return outcomes, retryable where their dead letters could not be written."""
        if failure is None:
            return outcomes
        return [
            self._make_retryable(each, failure) if each.name in dead else each for each in outcomes
        ]

    def _make_retryable(self, outcome: Outcome, error: UnwritableFile) -> Outcome:
        """Return an outcome in place of one whose dead letter could not be written."""
        with self._lock:
            self._counters.outcomes[outcome.name] -= 1
            self._counters.outcomes[Retryable.name] += 1
        return Retryable(
            index=outcome.index,
            message_id=outcome.message_id,
            calls=outcome.calls,
            notes=outcome.notes,
            attempts=outcome.attempts,
            message=str(error),
            error=error,
            failures=outcome.failures,
        )


def _write(
    dead_letters: DeadLetterStore, results: Results, dead: frozenset[str]
) -> UnwritableFile | None:
    """Write dead letters, and return why they could not be written, if so."""
    try:
        dead_letters.write([_build_dead_letter(*each) for each in results if each[1].name in dead])
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - outcomes must be told
        return _log_failure(error)
    return None


def _log_failure(error: BaseException) -> UnwritableFile:
    if not isinstance(error, asyncio.CancelledError):  # of the store's own: it waits for nothing
        raise_interruption(error)
    failure = (
        error
        if isinstance(error, UnwritableFile)
        else UnwritableFile(f"writing it broke off with {type(error).__name__}")
    )
    with suppress(Exception):
        fields = {"iterable_error": type(failure).__name__}
        _log.error("dead letters cannot be written: %s", failure, extra=fields)
    return failure


def _build_dead_letter(envelope: Envelope, outcome: Outcome) -> DeadLetter:
    record = envelope.record
    line = record.text if isinstance(record, LineRecord) else None
    if isinstance(outcome.error, InvalidJSON):
        return DeadLetter(outcome, line=line)
    try:
        return DeadLetter(outcome, event=None if record is None else record.event())
    except InvalidJSON:  # the value that was handed in is no object
        return DeadLetter(outcome, line=line)
