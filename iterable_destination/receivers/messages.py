"""Messages of a queue or a stream: the events in them, their delivery, and which are to be kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from iterable_destination.delivery.base import BaseDestination
from iterable_destination.model.json_codec import decode
from iterable_destination.model.outcomes import Outcome
from iterable_destination.model.records import LineRecord
from iterable_destination.receivers.acknowledgement import deliver_batch, find_unacknowledged


def _as_it_is(value: Any) -> Any:
    return value


@attrs.frozen
class Message:
    """A message or a record, as its host hands it over."""

    #: An event in JSON, or an array of events.
    text: bytes = attrs.field(repr=False)
    #: The ordering key of all its events; None if they have none.
    key: str | None = attrs.field(default=None, repr=False)
    #: Takes the events out of what a host puts around them. Raises :exc:`ValueError` if that is
    #: broken.
    unwrap: Callable[[Any], Any] = attrs.field(default=_as_it_is, eq=False, repr=False)

    def events(self) -> list[Any]:
        """Return the events. Raises :exc:`ValueError` if the text is no event and no array."""
        value = self.unwrap(decode(self.text))
        if isinstance(value, list):
            return value
        if isinstance(value, dict):
            return [value]
        raise ValueError


@attrs.frozen
class DeliveredMessages:
    """What became of messages."""

    #: The outcomes of all events, in their order.
    outcomes: list[Outcome]
    #: For each event the index of its message.
    owners: list[int]
    #: The indexes of the messages that their host must keep, ascending.
    to_keep: list[int]


def deliver_messages(
    to: BaseDestination,
    messages: Sequence[Message],
    timeout: float | None,
    *,
    log_message_ids: bool = False,
) -> DeliveredMessages:
    """Deliver the events of messages within a timeout, in the order of the messages.

    A text that is no event is refused like one. ``timeout`` and ``log_message_ids`` are as in
    :func:`~iterable_destination.receivers.acknowledgement.deliver_batch`. A message is to be kept
    if an event of it is not acknowledged.
    """
    events: list[Any] = []
    owners: list[int] = []
    for index, message in enumerate(messages):
        events += _read_events(message, len(events))
        owners += [index] * (len(events) - len(owners))
    outcomes = deliver_batch(
        to,
        events,
        timeout,
        log_message_ids=log_message_ids,
        ordering_keys=[messages[index].key for index in owners],
    )
    to_keep = {owners[index] for index in find_unacknowledged(to, outcomes)}
    return DeliveredMessages(outcomes, owners, sorted(to_keep))


def _read_events(message: Message, before: int) -> list[Any]:
    """Return the events of a message, which ``before`` events precede.

    A text that is none becomes a record that the destination refuses, with its line number.
    """
    try:
        return message.events()
    except ValueError:
        return [LineRecord(before + 1, message.text)]
