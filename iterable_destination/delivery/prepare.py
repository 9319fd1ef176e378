"""Preparation: a record becomes an envelope, translated, with ids and ordering keys.

Nothing is sent here. An event is parsed once and read once, whether it is sent, skipped or
refused. Only for a dead letter of an event that was sent its bytes are parsed again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from math import inf
from typing import Any, Final, Protocol

from iterable_destination.delivery.engine.envelope import (
    DEADLINE_EXCEEDED,
    Envelope,
    Failed,
    Prepared,
    build_failed,
    outcome_fields,
)
from iterable_destination.delivery.engine.linked_keys import (
    HasIdentity,
    ordering_keys,
    outside_key,
)
from iterable_destination.delivery.failures import log_without_content, raise_from_outside
from iterable_destination.errors import (
    DropEvent,
    EventNotSupported,
    FunctionError,
    FunctionFailed,
    Invalid,
    InvalidEvent,
    InvalidJSON,
    Note,
    NotSent,
    RetryError,
)
from iterable_destination.model import endpoints
from iterable_destination.model.calls import WITH_ID, EncodedCall, Identity, UpdateEmail
from iterable_destination.model.json_copy import unreadable_problem
from iterable_destination.model.outcomes import Outcome, Rejected, Retryable, Skipped
from iterable_destination.model.records import EventRecord, Record, as_record
from iterable_destination.model.translation import FailedSubscription

_log: Final = logging.getLogger("iterable_destination.delivery")

#: An event's ``messageId`` and its identity, None for what is not known.
Header = tuple[str | None, Identity | None]


class Translated(Protocol):
    """A translation, such as :class:`~iterable_destination.Translation`."""

    @property
    def message_id(self) -> str | None:
        """The event's ``messageId``."""

    @property
    def calls(self) -> tuple[Any, ...]:
        """The calls, in order."""

    @property
    def skipped(self) -> str | None:
        """Why there are none."""

    @property
    def notes(self) -> tuple[Note, ...]:
        """What was changed or looks wrong."""

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """The subscription of each call."""

    @property
    def errors(self) -> tuple[FailedSubscription, ...]:
        """Subscriptions that failed."""

    @property
    def identity(self) -> Identity | None:
        """The identity of a skipped event."""


class Target(Protocol):
    """What a destination knows of the service that it delivers to."""

    def translate(self, event: Any) -> Translated:
        """Translate an event; raises :exc:`Invalid` or :exc:`FunctionError` if it refuses it."""

    def encode(self, call: Any, default_id: str | None) -> EncodedCall:
        """Encode a call, with an id if it has none of its own."""

    def read_header(self, event: Any) -> Header:
        """Return the ``messageId`` and identity of an event that is not translated."""


#: Returns the envelope of an event with this index, and the ordering keys of its user.
Prepare = Callable[[int, Any], Prepared]
#: Returns a key of an event by which it is ordered, or None.
OrderingKey = Callable[[Any], str | None]

_ONE_EVENT: Final = "send_all() takes an iterable of events; give a single event to send()"
_NO_FUNCTION: Final = "ordering_key: must be a function of an event, or None"


def check_input(events: Any, ordering_key: Any) -> None:
    """Raise :exc:`TypeError` for a single event, and for a key that is no function."""
    if isinstance(events, Mapping | str | bytes):
        raise TypeError(_ONE_EVENT)
    if ordering_key is not None and not callable(ordering_key):
        raise TypeError(_NO_FUNCTION)


class Preparer:
    """Makes envelopes of events and of records that carry them.

    ``stamp_ids`` gives calls the event's ``messageId`` as their id; ``keeps_records`` keeps the
    record with its envelope, for dead letters.
    """

    def __init__(self, target: Target, *, stamp_ids: bool, keeps_records: bool) -> None:
        self._target: Final = target
        self._stamp_ids: Final = stamp_ids
        self._keeps_records: Final = keeps_records

    def prepare(self, index: int, source: Any) -> Prepared:
        """Return the envelope of an event, and the ordering keys of its user.

        ``source`` is the event, which the caller may change afterwards, or a record, which has an
        index of its own. The envelope has its outcome already if nothing is to be sent.
        """
        record = _as_record(index, source)
        try:
            return self._prepare(record)
        except BaseException as error:  # noqa: BLE001 - it is the event's outcome
            raise_from_outside(error)
            return self._reject_unreadable(record, error)

    def _prepare(self, record: Record) -> Prepared:
        try:
            event = record.event()
        except InvalidJSON as error:
            return self._refuse(record, error, (None, None))
        try:
            translation = self._target.translate(event)
        except BaseException as error:  # noqa: BLE001 - it is the event's outcome
            raise_from_outside(error)
            refusal = _as_refusal(error)
            header = self._find_header(EventRecord(record.index, event), refusal)
            return self._refuse(record, refusal, header, event)
        envelope = Envelope(
            record.index, translation.message_id, translation.notes, record=self._keep(record)
        )
        if translation.subscriptions or translation.errors:
            _add_subscriptions(envelope, translation)
        if translation.skipped is not None:
            envelope.outcome = Skipped(**outcome_fields(envelope), message=translation.skipped)
        if translation.calls:
            return envelope, self._encode(envelope, translation.calls)
        identity = translation.identity or self._target.read_header(event)[1]
        return envelope, ordering_keys([identity] if identity else [])

    def prepare_late(self, index: int, source: Any) -> Prepared:
        """Return the envelope of an event for which no time is left: it is not translated."""
        record = _as_record(index, source)
        header = self._read_header(record)
        envelope, keys = self._open(record, header)
        envelope.outcome = build_failed(Retryable, envelope, NotSent(DEADLINE_EXCEEDED))
        return envelope, keys

    def until(self, stop_at: float, clock: Callable[[], float]) -> Prepare:
        """Return what prepares an event; one that is read too late is not translated."""
        if stop_at == inf:
            return self.prepare

        def prepare(index: int, event: Any) -> Prepared:
            return (self.prepare_late if clock() >= stop_at else self.prepare)(index, event)

        return prepare

    def _encode(self, envelope: Envelope, calls: tuple[Any, ...]) -> set[str]:
        """Give an envelope its encoded calls, and return the ordering keys of its user."""
        call_id, encode = self._call_id(envelope.message_id), self._target.encode
        if len(calls) == 1 and not isinstance(calls[0], UpdateEmail):  # as nearly always
            envelope.calls = (encode(calls[0], call_id),)
            return ordering_keys(envelope.calls)
        envelope.calls = tuple(map(encode, calls, _number_ids(calls, call_id)))
        return ordering_keys([*envelope.calls, *_new_identities(calls)])

    def _refuse(
        self,
        record: Record,
        error: Invalid | InvalidJSON | FunctionError,
        header: Header,
        event: Any = None,
    ) -> Prepared:
        """Return the envelope of an event that has no translation, with its outcome.

        ``event`` None means that the record has none that could be read.
        """
        envelope, keys = self._open(record, header, event)
        if isinstance(error, FunctionFailed):
            with suppress(Exception):  # a handler of the caller's
                fields = {"iterable_error": type(error).__name__}
                _log.debug("%s", error, exc_info=error.__cause__, extra=fields)
        if isinstance(error, DropEvent | EventNotSupported):
            envelope.outcome = Skipped(**outcome_fields(envelope), message=str(error))
        else:
            kind = Retryable if isinstance(error, RetryError) else Rejected
            envelope.outcome = build_failed(kind, envelope, error)
        return envelope, keys

    def _reject_unreadable(self, record: Record, error: BaseException) -> Prepared:
        """Return the envelope of an event of which a value, or its reading, raised something."""
        log_without_content("reading an event raised %s at %s", error)
        envelope = Envelope(record.index, None, record=record if self._keeps_records else None)
        keys: set[str] = set()
        message_id, identity = self._read_header(record)
        with suppress(Exception):  # without keys it has no turn to wait for
            keys = ordering_keys([] if identity is None else [identity])
            envelope.message_id = message_id
        problem = unreadable_problem(error).problem_at("$")
        refusal = InvalidEvent([problem], envelope.message_id)
        envelope.outcome = build_failed(Rejected, envelope, refusal)
        return envelope, keys

    def _open(self, record: Record, header: Header, event: Any = None) -> Prepared:
        """Return an envelope without calls, and the ordering keys of its user."""
        message_id, identity = header
        envelope = Envelope(record.index, message_id, record=self._keep(record, event))
        return envelope, ordering_keys([] if identity is None else [identity])

    def _keep(self, record: Record, refused: Any = None) -> Record | None:
        """Return what a dead letter would be made of; None if none are kept.

        A refused event that was parsed here is kept as it is, so that it is not parsed again. One
        that is sent is kept as bytes, which take less memory; few of them become dead letters.
        """
        if not self._keeps_records:
            return None
        if refused is None or isinstance(record, EventRecord):
            return record.snapshot()
        return EventRecord(record.index, refused)

    def _find_header(self, record: Record, error: Invalid | FunctionError) -> Header:
        """Return the header of a refused event: from its error, else from the event itself."""
        if error.identity is not None:
            return error.message_id, error.identity
        message_id, identity = self._read_header(record)
        return error.message_id or message_id, identity

    def _read_header(self, record: Record) -> Header:
        """Return the header of an event; of one that cannot be read nothing is known."""
        try:
            return self._target.read_header(record.event())
        except Exception as error:  # noqa: BLE001 - values may raise anything
            raise_from_outside(error)
            return None, None

    def _call_id(self, message_id: str | None) -> str | None:
        """Return the id that the calls of an event with this ``messageId`` are to have, if any."""
        return message_id if self._stamp_ids and _is_id(message_id) else None


def with_ordering_key(prepare: Prepare, ordering_key: OrderingKey) -> Prepare:
    """Return what prepares an event, with the ordering key that is given for it."""

    def prepare_with_key(index: int, event: Any) -> Prepared:
        key: Any = ordering_key(event)  # of the caller's
        if not isinstance(key, str | None):
            message = (
                "ordering_key: must return a str, or None for no key; for event "
                f"{index} it returned {type(key).__name__}"
            )
            raise TypeError(message)
        envelope, keys = prepare(index, event)
        return envelope, keys if key is None else keys | {outside_key(key)}

    return prepare_with_key


def _as_record(index: int, source: Any) -> Record:
    """Return a record; a value that raises when it is asked for its type is an event."""
    try:
        return as_record(index, source)
    except Exception as error:  # noqa: BLE001 - such as a proxy without an object
        raise_from_outside(error)
        return EventRecord(index, source)


def _as_refusal(error: BaseException) -> Invalid | FunctionError:
    """Return why an event is refused for which the translator raised this."""
    if isinstance(error, Invalid | FunctionError):
        return error
    log_without_content("translating an event raised %s at %s", error)
    refusal = FunctionFailed(f"the translator failed with {type(error).__name__}")
    refusal.__cause__ = error
    return refusal


def _add_subscriptions(envelope: Envelope, translation: Translated) -> None:
    """Record which subscription each call comes from, and which subscriptions failed already."""
    if len(translation.subscriptions) == len(translation.calls):  # no function added a call
        envelope.subscriptions = translation.subscriptions
    for each in translation.errors:
        error = InvalidEvent(each.problems, envelope.message_id)
        outcome: Outcome = build_failed(Rejected, envelope, error)
        envelope.failures += (Failed(each.subscription, outcome),)


def _new_identities(calls: tuple[Any, ...]) -> Iterator[HasIdentity]:
    """Yield the identities that calls give to users, so that later events under them wait."""
    return (Identity(call.new_email) for call in calls if isinstance(call, UpdateEmail))


def _number_ids(calls: tuple[Any, ...], call_id: str | None) -> Iterator[str | None]:
    """Yield an id for each call: two of one event must not be one record in Iterable."""
    count = 0
    for call in calls:
        count += isinstance(call, WITH_ID)
        numbered = call_id if call_id is None or count < 2 else f"{call_id}#{count}"  # noqa: PLR2004
        yield numbered if _is_id(numbered) else None


def _is_id(message_id: str | None) -> bool:
    """Whether Iterable takes a messageId as an id."""
    if not message_id or message_id.isspace():
        return False
    if message_id.isascii():
        return len(message_id) <= endpoints.MAX_ID_BYTES
    try:
        return len(message_id.encode()) <= endpoints.MAX_ID_BYTES
    except UnicodeEncodeError:  # an unpaired surrogate, which cannot be sent
        return False
