"""A cluster of Kafka's in this process: the mock of librdkafka, which other processes can use too.

It has one broker, groups, rebalances and commits. It can be told to fail, to be away, and to drop
old messages, as retention does.
"""

from __future__ import annotations

import ctypes
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Self

from confluent_kafka import Consumer, Producer, TopicPartition, cimpl

_BROKER: Final = 1
_POINTER: Final = ctypes.c_void_p
#: Seconds that the cluster has to answer a test.
_TIMEOUT: Final = 10.0
#: The requests that a test can let fail, by Kafka's protocol.
PRODUCE: Final = 0
OFFSET_COMMIT: Final = 8
_NAMES: Final = itertools.count()


class Cluster:
    """A cluster; a ``with`` block stops it."""

    def __init__(self) -> None:
        self._library: Final = ctypes.CDLL(cimpl.__file__)
        names = ("rd_kafka_new", "rd_kafka_mock_cluster_new")
        for name in names:
            getattr(self._library, name).restype = _POINTER
        self._call_text = self._library.rd_kafka_mock_cluster_bootstraps
        self._call_text.restype = ctypes.c_char_p
        settings = _POINTER(self._conf())
        self._handle: Final = _POINTER(
            self._library.rd_kafka_new(ctypes.c_int(0), settings, None, ctypes.c_size_t(0))
        )
        self._cluster: Final = _POINTER(
            self._library.rd_kafka_mock_cluster_new(self._handle, ctypes.c_int(1))
        )
        self.address: Final[str] = self._call_text(self._cluster).decode()
        self._tell("group_initial_rebalance_delay_ms", ctypes.c_int32(0))
        self._producer: Final = Producer(
            {"bootstrap.servers": self.address, "linger.ms": 0, "log_level": 0}
        )

    def _conf(self) -> int:
        """Return settings with which librdkafka writes nothing on standard error."""
        new = self._library.rd_kafka_conf_new
        new.restype = _POINTER
        conf: int = new()
        self._library.rd_kafka_conf_set_log_cb(_POINTER(conf), None)
        return conf

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._producer.flush(_TIMEOUT)
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._handle)

    def _tell(self, name: str, *arguments: Any) -> None:
        getattr(self._library, f"rd_kafka_mock_{name}")(self._cluster, *arguments)

    def create_topic(self, partitions: int = 4) -> str:
        """Create a topic, and return its name, which no other has."""
        name = f"events-{next(_NAMES)}"
        self._tell("topic_create", name.encode(), ctypes.c_int(partitions), ctypes.c_int(1))
        return name

    def delete_before(self, topic: str, partition: int, offset: int) -> None:
        """Delete the messages before an offset, as retention does."""
        self._tell(
            "partition_delete_records",
            topic.encode(),
            ctypes.c_int32(partition),
            ctypes.c_int64(offset),
        )

    def fail_requests(self, kind: int, *codes: int) -> None:
        """Answer the next requests of a kind with these errors, one after another."""
        self._tell(
            "push_request_errors",
            ctypes.c_int16(kind),
            ctypes.c_size_t(len(codes)),
            *map(ctypes.c_int, codes),
        )

    @contextmanager
    def away(self) -> Iterator[None]:
        """Let the broker answer nothing, and refuse connections."""
        self._tell("broker_set_down", ctypes.c_int32(_BROKER))
        try:
            yield
        finally:
            self._tell("broker_set_up", ctypes.c_int32(_BROKER))

    def config(self, group: str | None = None, **more: Any) -> dict[str, Any]:
        """Return settings of a consumer; a group of its own if none is named.

        Underscores in the names of further settings are dots.
        """
        return {
            "bootstrap.servers": self.address,
            "group.id": group or f"group-{next(_NAMES)}",
            "heartbeat.interval.ms": 100,
            "session.timeout.ms": 2_000,
            **{name.replace("_", "."): value for name, value in more.items()},
        }

    def produce(
        self,
        topic: str,
        values: Iterable[Any],
        *,
        key: str | bytes | None = None,
        keys: Iterable[str | bytes | None] | None = None,
        partition: int | None = None,
        **options: Any,
    ) -> None:
        """Produce messages: texts, bytes and None as they are, other values as JSON."""
        to: dict[str, Any] = {} if partition is None else {"partition": partition}
        for value, own in zip(values, keys or itertools.repeat(key), strict=keys is not None):
            text = value if isinstance(value, str | bytes | None) else json.dumps(value)
            self._producer.produce(topic, text, own, **to, **options)
        assert self._producer.flush(_TIMEOUT) == 0

    def committed(self, topic: str, group: str, partitions: int = 4) -> list[int]:
        """Return the offsets that a group has committed, -1001 where it has none."""
        asking = Consumer({"bootstrap.servers": self.address, "group.id": group})
        try:
            asked = [TopicPartition(topic, number) for number in range(partitions)]
            return [each.offset for each in asking.committed(asked, timeout=_TIMEOUT)]
        finally:
            asking.close()

    def ends(self, topic: str, partitions: int = 4) -> list[int]:
        """Return the offsets after the last messages."""
        asking = Consumer({"bootstrap.servers": self.address, "group.id": "asks"})
        try:
            asked = [TopicPartition(topic, number) for number in range(partitions)]
            return [asking.get_watermark_offsets(each, timeout=_TIMEOUT)[1] for each in asked]
        finally:
            asking.close()

    def read(self, topic: str, partitions: int = 4) -> Sequence[bytes | None]:
        """Return the values of all messages of a topic, partition by partition."""
        found: list[bytes | None] = []
        reading = Consumer({"bootstrap.servers": self.address, "group.id": "reads"})
        try:
            for partition, end in enumerate(self.ends(topic, partitions)):
                reading.assign([TopicPartition(topic, partition, 0)])
                messages = reading.consume(end, timeout=_TIMEOUT) if end else []
                found += [message.value() for message in messages]
        finally:
            reading.close()
        return found
