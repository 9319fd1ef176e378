"""Kafka: deliver the events of topics, and commit what is done with.

A message's value is an event in JSON, or an array of events; its key is their ordering key. An
offset is committed only when every event before it in its partition is done with: delivered,
skipped, or kept as a dead letter. So a kill or a rebalance loses nothing, and what is delivered
again has the same ids.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Literal, get_args

import attrs
from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka import Message as KafkaMessage

from iterable_destination.delivery.base import BaseDestination
from iterable_destination.errors import UnreadableInput
from iterable_destination.io.kafka_clients import describe_kafka_error, make_client
from iterable_destination.io.kafka_dead_letters import KafkaDeadLetters
from iterable_destination.model.bounds import check_count
from iterable_destination.model.outcomes import Outcome
from iterable_destination.model.stamping import stamp
from iterable_destination.receivers.messages import Message, deliver_messages

__all__ = ["Beginning", "KafkaDeadLetters", "OnOutcome", "Position", "consume"]

_log: Final = logging.getLogger("iterable_destination.receivers")
#: What librdkafka has to say.
_librdkafka_log: Final = logging.getLogger("iterable_destination.receivers.librdkafka")

#: Where a group begins that has committed nothing yet.
Beginning = Literal["earliest", "latest"]

#: What a user may not choose: by these offsets are committed here, and nothing is jumped over.
_SETTINGS: Final[Mapping[str, Any]] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
}
_INTERVAL: Final = "max.poll.interval.ms"
#: Its default, in milliseconds.
_DEFAULT_INTERVAL: Final = 300_000
#: The part of it within which a batch is delivered, so that the consumer stays in its group.
_DELIVERY_SHARE: Final = 0.6
#: Seconds that one look for messages waits, and so how soon it is seen that it is to stop.
_POLL: Final = 0.5
#: Seconds that the brokers have to say where a group begins.
_BROKER_TIMEOUT: Final = 30.0
#: Seconds after which messages that are kept are tried again, at first and at most.
_FIRST_WAIT: Final = 1.0
_LONGEST_WAIT: Final = 30.0

#: A topic and a partition.
_Partition = tuple[str, int]


@attrs.frozen
class Position:
    """Where a message is."""

    topic: str
    partition: int
    offset: int

    @property
    def in_partition(self) -> tuple[str, int]:
        """The topic and the partition."""
        return self.topic, self.partition


#: Is told what became of each event, with the place of its message.
OnOutcome = Callable[[Position, Outcome], object]


def consume(  # noqa: PLR0913 - keywords
    to: BaseDestination,
    topics: Sequence[str],
    config: Mapping[str, Any],
    *,
    is_stopped: Callable[[], bool] = lambda: False,
    begin_at: Beginning = "earliest",
    max_messages: int = 1_000,
    order_by_key: bool = True,
    on_outcome: OnOutcome | None = None,
    log_message_ids: bool = False,
) -> None:
    """Deliver the events of topics until ``is_stopped`` returns True.

    It is asked after each batch, and twice a second while there is none. ``config`` are settings
    of librdkafka, at least ``bootstrap.servers`` and ``group.id``; those of committing are set
    here. ``begin_at`` is where a group begins that has committed nothing. A batch has up to
    ``max_messages`` messages, at least 1; it is delivered within 0.6 of ``max.poll.interval.ms``,
    and what is not done with by then is kept. ``order_by_key`` True makes a message's key, in
    UTF-8, the ``ordering_key`` of its events, as in ``send_all``. An event without a ``messageId``
    gets one from its topic, partition, offset and time, and one without a time that of its message,
    so that a repeat is known. A message without a value has no event.

    A message with an event that is not done with stays, as all after it in its partition, and is
    tried again after a second, then after two, up to thirty; other partitions go on. So let the
    destination keep dead letters, or an event that is refused stops its partition.

    ``on_outcome`` is called with each outcome and the place of its message, before anything is
    committed; what it raises ends this. ``log_message_ids`` True puts the ids of the events into
    the log record of each batch.

    Raises :exc:`~errors.UnreadableInput` if a topic cannot be read, or what comes next is no longer
    there: then nothing is jumped over in silence. Raises :exc:`~errors.InvalidSettings` for a
    ``config`` that is wrong, :exc:`ValueError` for another value out of bounds, and
    :exc:`TypeError` for topics that are one text.
    """
    check_count("max_messages", max_messages)
    if begin_at not in get_args(Beginning):
        raise ValueError("begin_at: must be earliest or latest")
    if isinstance(topics, str):
        raise TypeError("topics: must be a list of names")
    consumption = _Consumption(to, config, begin_at)
    consumption.order_by_key = order_by_key
    consumption.on_outcome = on_outcome
    consumption.log_message_ids = log_message_ids
    try:
        consumption.subscribe(topics)
        while not is_stopped():
            consumption.deliver_next(max_messages)
    finally:
        consumption.close()


@attrs.define
class _Pause:
    """A partition that waits before what was kept is tried again."""

    seconds: float
    #: When it is tried again, on the monotonic clock.
    until: float
    #: Whether it is being tried again.
    is_over: bool = False


class _Consumption:
    """One consumer, and the partitions that wait."""

    order_by_key = True
    on_outcome: OnOutcome | None = None
    log_message_ids = False

    def __init__(self, to: BaseDestination, config: Mapping[str, Any], begin_at: Beginning) -> None:
        self._to: Final = to
        self._begin_at: Final = begin_at
        self._consumer: Final = make_client(
            Consumer,
            {**config, **_SETTINGS},
            {"logger": _librdkafka_log},
            "bootstrap.servers",
            "group.id",
        )
        interval = int(config.get(_INTERVAL, _DEFAULT_INTERVAL)) / 1_000
        self._timeout: Final = interval * _DELIVERY_SHARE
        strategy = str(config.get("partition.assignment.strategy", ""))
        self._is_incremental: Final = (
            "cooperative" in strategy or config.get("group.protocol") == "consumer"
        )
        self._pauses: Final[dict[_Partition, _Pause]] = {}
        #: What is done with, where committing has failed, as it does while a group is changing.
        self._uncommitted: Final[dict[_Partition, int]] = {}

    def subscribe(self, topics: Sequence[str]) -> None:
        """Join the group for these topics."""
        self._consumer.subscribe(
            list(topics),
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Begin where the group has committed.

        Where it has committed nothing, the beginning that was asked for is committed at once: else
        another consumer that takes over could begin elsewhere, and jump over what came meanwhile.
        """
        try:
            begins = consumer.committed(partitions, timeout=_BROKER_TIMEOUT)
            new = [each for each in begins if each.error is None and each.offset < 0]
            for each in new:
                each.offset = self._find_beginning(each)
        except KafkaException as error:
            raise UnreadableInput(describe_kafka_error(error.args[0])) from error
        self._commit({(each.topic, each.partition): each.offset for each in new})
        if self._is_incremental:
            consumer.incremental_assign(begins)
        else:
            consumer.assign(begins)

    def _find_beginning(self, partition: TopicPartition) -> int:
        first, end = self._consumer.get_watermark_offsets(partition, timeout=_BROKER_TIMEOUT)
        return end if self._begin_at == "latest" else first

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Commit what could not be committed before, and give partitions away."""
        self._commit({})
        self._on_lost(consumer, partitions)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Forget partitions that are another consumer's now."""
        for each in partitions:
            partition = each.topic, each.partition
            self._uncommitted.pop(partition, None)
            if self._pauses.pop(partition, None) is not None:
                with suppress(KafkaException):  # it would be paused still when it comes back
                    consumer.resume([TopicPartition(*partition)])

    def deliver_next(self, max_messages: int) -> None:
        """Deliver the next messages, and commit those that are done with."""
        self._resume()
        found = self._consumer.consume(max_messages, timeout=_POLL)
        messages = [message for message in found if _has_value(message)]
        kept: set[Position] = set()
        if messages:
            delivered = deliver_messages(
                self._to,
                [self._read(message) for message in messages],
                self._timeout,
                log_message_ids=self.log_message_ids,
            )
            kept = {_position(messages[index]) for index in delivered.to_keep}
            if self.on_outcome is not None:
                for outcome, owner in zip(delivered.outcomes, delivered.owners, strict=True):
                    self.on_outcome(_position(messages[owner]), outcome)
        self._settle([_position(message) for message in found if message.error() is None], kept)

    def _read(self, message: KafkaMessage) -> Message:
        key = message.key() if self.order_by_key else None
        text = key.decode("utf-8", "surrogateescape") if isinstance(key, bytes) else key
        return Message(bytes(message.value() or b""), text, partial(_stamp_events, message))

    def _settle(self, positions: Sequence[Position], kept: Iterable[Position]) -> None:
        """Commit up to the first message of each partition that is kept, and go on there later."""
        stops: dict[_Partition, int] = {}
        for each in kept:
            stop = stops.setdefault(each.in_partition, each.offset)
            stops[each.in_partition] = min(stop, each.offset)
        ends: dict[_Partition, int] = {}
        for each in positions:
            ends[each.in_partition] = max(ends.get(each.in_partition, 0), each.offset + 1)
        self._commit(ends | stops)
        for partition in ends:
            if partition in stops:
                self._pause(partition, stops[partition])
            else:
                self._pauses.pop(partition, None)

    def _commit(self, offsets: Mapping[_Partition, int]) -> None:
        """Commit offsets, and those whose commit has failed. What fails again is logged."""
        self._uncommitted.update(offsets)
        wanted = [TopicPartition(*partition, at) for partition, at in self._uncommitted.items()]
        if not wanted:
            return
        try:
            done = self._consumer.commit(offsets=wanted, asynchronous=False)
        except KafkaException as error:
            self._log_failed_commit(error.args[0])
            return
        for each in done:
            if each.error is None:
                self._uncommitted.pop((each.topic, each.partition), None)
            else:
                self._log_failed_commit(each.error)

    def _log_failed_commit(self, error: Any) -> None:
        _log.warning(
            "offsets cannot be committed, their events may come again: %s",
            describe_kafka_error(error),
            extra={"iterable_error": error.name()},
        )

    def _pause(self, partition: _Partition, offset: int) -> None:
        """Let a partition wait at an offset, each time for twice as long."""
        before = self._pauses.get(partition)
        seconds = _FIRST_WAIT if before is None else min(2 * before.seconds, _LONGEST_WAIT)
        self._pauses[partition] = _Pause(seconds, time.monotonic() + seconds)
        self._consumer.pause([TopicPartition(*partition)])
        self._consumer.seek(TopicPartition(*partition, offset))

    def _resume(self) -> None:
        now = time.monotonic()
        for partition, pause in self._pauses.items():
            if not pause.is_over and pause.until <= now:
                pause.is_over = True
                with suppress(KafkaException):  # it is another consumer's now
                    self._consumer.resume([TopicPartition(*partition)])


def _has_value(message: KafkaMessage) -> bool:
    """Whether a message has an event. Raises :exc:`UnreadableInput` if reading cannot go on."""
    error = message.error()
    if error is None:
        return message.value() is not None
    if error.code() == KafkaError._MAX_POLL_EXCEEDED:  # noqa: SLF001 - its name
        _log.warning(
            "a batch took too long, the group's partitions are handed out again: %s",
            describe_kafka_error(error),
            extra={"iterable_error": error.name()},
        )
    elif error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - its name
        reason = describe_kafka_error(error)
        offset = message.offset()
        has_place = offset is not None and offset >= 0
        place = f"{message.topic()} [{message.partition()}]: " if has_place else ""
        raise UnreadableInput(f"{place}{reason}")
    return False


def _position(message: KafkaMessage) -> Position:
    return Position(str(message.topic()), int(message.partition() or 0), int(message.offset() or 0))


def _stamp_events(message: KafkaMessage, value: Any) -> Any:
    """Return the events of a message with ids and times of its own where they have none."""
    at = _position(message)
    kind, milliseconds = message.timestamp()
    name = f"kafka-{at.topic}-{at.partition}-{at.offset}"
    if kind != TIMESTAMP_NOT_AVAILABLE:  # of another topic of the same name, it is another one
        name = f"{name}-{milliseconds}"
    now = _read_time(kind, milliseconds)
    if isinstance(value, list):
        ids = (f"{name}-{index}" for index in range(len(value)))
        return [stamp(each, now, partial(str, own)) for each, own in zip(value, ids, strict=True)]
    return stamp(value, now, partial(str, name))


def _read_time(kind: int, milliseconds: int) -> datetime:
    """Return the time of a message; the present one if it has none, or one that is no date."""
    if kind != TIMESTAMP_NOT_AVAILABLE:
        with suppress(ValueError, OverflowError, OSError):
            return datetime.fromtimestamp(milliseconds / 1_000, UTC)
    return datetime.now(UTC)
