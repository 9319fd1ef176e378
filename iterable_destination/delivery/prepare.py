"""Intake: whatever is handed in for delivery, made ready to be sent or known not to be.

What may live here: translating, ids, and who an event is about. Nothing is sent here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, Final

import attrs

from iterable_destination.delivery.engine.envelope import (
    DEADLINE_EXCEEDED,
    Envelope,
    Prepared,
    build_failed,
    ordering_keys,
    outcome_fields,
)
from iterable_destination.errors import (
    DropEvent,
    EventNotSupported,
    FunctionError,
    FunctionFailed,
    Invalid,
    InvalidEvent,
    InvalidJSON,
    InvalidWebhook,
    NotSent,
    RetryError,
)
from iterable_destination.io.json_lines import LineRecord
from iterable_destination.io.outbox import OutboxRecord
from iterable_destination.mapping.translate import Translator, fast_path_call, translate
from iterable_destination.model import endpoints
from iterable_destination.model.calls import WITH_ID, Call, Identity, UpdateEmail, encode_call
from iterable_destination.model.json_codec import decode
from iterable_destination.model.outcomes import Outcome, Rejected, Retryable, Skipped
from iterable_destination.model.segment_event import SegmentEvent
from iterable_destination.model.serialization import serialize_event
from iterable_destination.model.settings import Settings
from iterable_destination.model.translation import Translation

_log: Final = logging.getLogger("iterable_destination.delivery.destination")

#: What says that an event can never be sent, or not now, or need not be.
_Ending = Invalid | InvalidJSON | FunctionError | NotSent


@attrs.frozen
class Kept:
    """An event as it was when it was handed in, in its plain form."""

    text: bytes = attrs.field(repr=False)


class Preparer:
    """Makes envelopes of events, of lines that have events in JSON, and of entries of an outbox.

    ``keeps_sources`` is whether an envelope keeps what was handed in, for dead letters.
    """

    def __init__(
        self, settings: Settings, translator: Translator, *, stamp_ids: bool, keeps_sources: bool
    ) -> None:
        self._settings: Final = settings
        self._translator: Final = translator
        self._is_classic: Final = translator is translate and settings.mappings is None
        self._stamp_ids: Final = stamp_ids
        self._keeps_sources: Final = keeps_sources

    def calls(self, index: int, event: Any) -> tuple[Envelope, tuple[Call, ...]]:
        """Return an event's envelope, and its calls as they are to be sent.

        The envelope has its outcome if nothing is to be sent.
        """
        envelope, calls, its_id = self._read(index, event)
        envelope.source = event
        if its_id is not None:
            calls = tuple(map(_with_id, calls, _ids(calls, its_id)))
        return envelope, calls

    def prepare(self, index: int, source: Any) -> Prepared:
        """Return an envelope of whatever was handed in, and the names of its user.

        The index of a line, or of what comes from an outbox, is its own. What was handed in may
        be changed afterwards.
        """
        if isinstance(source, LineRecord):
            if self._is_classic and (ordinary := self._ordinary(source)) is not None:
                return ordinary
            index = source.number - 1
        elif isinstance(source, OutboxRecord):
            index = source.number
        envelope, calls, its_id = self._read(index, source)
        if self._keeps_sources:
            envelope.source = _kept(source)
        if not calls:
            return envelope, _names(source)
        if len(calls) == 1 and not isinstance(calls[0], UpdateEmail):  # as nearly always
            envelope.calls = (encode_call(calls[0], its_id),)
            return envelope, ordering_keys(envelope.calls)
        envelope.calls = tuple(map(encode_call, calls, _ids(calls, its_id)))
        return envelope, ordering_keys([*envelope.calls, *_new_names(calls)])

    def late(self, index: int, source: Any) -> Prepared:
        """Return the envelope of an event for which no time is left, and the names of its user."""
        error = NotSent(DEADLINE_EXCEEDED)
        envelope = Envelope(source.number - 1 if isinstance(source, LineRecord) else index, None)
        envelope.message_id = _message_id(source, error)
        envelope.outcome = build_failed(Retryable, envelope, error)
        return envelope, _names(source)

    def _read(self, index: int, source: Any) -> tuple[Envelope, tuple[Call, ...], str | None]:
        """Return an envelope without marks, its calls, and the id that they are to have if any."""
        try:
            translation = self._translator(event_of(source), self._settings)
        except (Invalid, InvalidJSON, FunctionError) as error:
            return _ended(index, source, error), (), None
        message_id = translation.message_id
        envelope = Envelope(index, message_id, translation.notes)
        if translation.subscriptions or translation.errors:
            _subscribed(envelope, translation)
        if translation.skipped is not None:
            envelope.outcome = Skipped(**outcome_fields(envelope), message=translation.skipped)
        return envelope, translation.calls, self._its_id(message_id)

    def _ordinary(self, line: LineRecord) -> Prepared | None:
        """Do the same as :meth:`addressed`, but quickly; None for a line that has to be read."""
        found = fast_path_call(line.text, self._settings)
        if found is None:
            return None
        message_id, call = found
        calls = (encode_call(call, self._its_id(message_id)),)
        source = line if self._keeps_sources else None
        return Envelope(line.number - 1, message_id, (), calls, source=source), ordering_keys(calls)

    def _its_id(self, message_id: str | None) -> str | None:
        """Return the id that the calls of an event with this ``messageId`` are to have, if any."""
        return message_id if self._stamp_ids and _is_id(message_id) else None


def _subscribed(envelope: Envelope, translation: Translation) -> None:
    """Put down which subscriptions an event's calls are of, and which failed already."""
    if len(translation.subscriptions) == len(translation.calls):  # no function added a call
        envelope.subscriptions = translation.subscriptions
    for each in translation.errors:
        error = InvalidEvent(each.problems, envelope.message_id)
        envelope.failures += ((each.subscription, build_failed(Rejected, envelope, error)),)


def _ended(index: int, source: Any, error: _Ending) -> Envelope:
    """Return the envelope of an event of which nothing is sent, with its outcome."""
    envelope = Envelope(index, _message_id(source, error))
    envelope.outcome = _outcome(envelope, error)
    if isinstance(error, FunctionFailed):
        _log.debug("%s", error, exc_info=error.__cause__)
    return envelope


def _outcome(envelope: Envelope, error: _Ending) -> Outcome:
    if isinstance(error, DropEvent | EventNotSupported):
        return Skipped(**outcome_fields(envelope), message=str(error))
    return build_failed(Retryable if isinstance(error, RetryError) else Rejected, envelope, error)


def _message_id(source: Any, error: _Ending) -> str | None:
    if isinstance(error, Invalid) and error.message_id is not None:
        return error.message_id
    if isinstance(error, InvalidWebhook):  # no event, whatever it has under that name
        return None
    try:
        return SegmentEvent(event_of(source)).message_id
    except InvalidEvent as unreadable:
        return unreadable.message_id
    except InvalidJSON:
        return None


def _new_names(calls: tuple[Call, ...]) -> Iterator[Identity]:
    """Yield who users become by calls, so that later events under the new name wait for them."""
    return (Identity(call.new_email) for call in calls if isinstance(call, UpdateEmail))


def _ids(calls: tuple[Call, ...], its_id: str | None) -> Iterator[str | None]:
    """Yield the ids that calls are given: two of one event must not be one record in Iterable."""
    count = 0
    for call in calls:
        count += isinstance(call, WITH_ID)
        again = its_id if its_id is None or count < 2 else f"{its_id}#{count}"  # noqa: PLR2004
        yield again if _is_id(again) else None


def _is_id(message_id: str | None) -> bool:
    """Whether Iterable takes a messageId as an id."""
    if not message_id:
        return False
    if message_id.isascii():
        return len(message_id) <= endpoints.MAX_ID_BYTES
    try:
        return len(message_id.encode()) <= endpoints.MAX_ID_BYTES
    except UnicodeEncodeError:  # half of a surrogate pair: no text that can be sent
        return False


def _with_id(call: Call, its_id: str | None) -> Call:
    if isinstance(call, WITH_ID) and call.id is None:
        return attrs.evolve(call, id=its_id)
    return call


def _kept(source: Any) -> Any:
    """Return what can be kept of what was handed in: an event of the caller's may be changed."""
    if isinstance(source, LineRecord | OutboxRecord):
        return source
    try:
        return Kept(serialize_event(source).encoded())
    except RecursionError:  # it is refused in any case
        return source


def event_of(source: Any) -> Any:
    """Return the event of whatever was handed in; raises :exc:`InvalidJSON` for a bad line."""
    if isinstance(source, LineRecord):
        return source.event()
    if isinstance(source, Kept):
        return decode(source.text)
    return source.event if isinstance(source, OutboxRecord) else source


def _names(source: Any) -> set[str]:
    """Return the names of the user of an event that is not sent, so that it is told in its turn."""
    try:
        return ordering_keys([SegmentEvent(event_of(source)).identity()])
    except (InvalidEvent, InvalidJSON):
        return set()
