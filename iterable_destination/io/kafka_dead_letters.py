"""Dead letters in a topic of Kafka."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from confluent_kafka import KafkaException, Producer

from iterable_destination.errors import UnwritableFile
from iterable_destination.io.dead_letter_lines import DeadLetter, LetterEncoder
from iterable_destination.io.kafka_clients import describe_kafka_error, make_client
from iterable_destination.model.bounds import check_seconds

#: Seconds after which librdkafka has given up at last what it was to give up before.
_GRACE: Final = 5.0


class KafkaDeadLetters:
    """Dead letters as messages of a topic, each with the line that a file would have.

    Such a message can be read by ``consume`` as it is. Several threads may write. A child process
    that is forked needs one of its own.
    """

    def __init__(
        self,
        topic: str,
        config: Mapping[str, Any],
        *,
        secret: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        timeout: float = 30.0,
    ) -> None:
        """Make the producer; ``config`` are settings of librdkafka, at least ``bootstrap.servers``.

        ``secret`` is removed from ``deadLetter``, not from the event; None removes nothing.
        ``clock`` returns the time in UTC. ``timeout`` is how many seconds, at least 0, the brokers
        have to acknowledge. Raises :exc:`InvalidSettings` for a ``config`` that is wrong, and
        :exc:`ValueError` for a number out of bounds.
        """
        check_seconds("timeout", timeout)
        self._topic: Final = topic
        self._encoder: Final = LetterEncoder(secret)
        self._clock: Final = clock
        self._timeout: Final = timeout
        self._lock: Final = threading.Lock()
        defaults = {
            "enable.idempotence": True,
            "linger.ms": 0,
            "log_level": 2,  # every failure is told below; librdkafka repeats it without end
            # What is given up here must not be sent later: the event is tried again.
            "message.timeout.ms": max(int(timeout * 1_000), 1),
        }
        self._producer: Final = make_client(Producer, config, defaults, "bootstrap.servers")

    def __repr__(self) -> str:
        return f"KafkaDeadLetters({self._topic!r})"

    def write(self, letters: Iterable[DeadLetter]) -> None:
        """Produce dead letters, and return when the brokers have acknowledged all of them.

        Raises :exc:`UnwritableFile` if they have not in time, or refuse one. Some may be there.
        """
        now = self._clock()
        lines = [self._encoder.encode(letter, now) for letter in letters]
        if lines:
            with self._lock:
                self._produce(lines)

    def _produce(self, lines: Sequence[bytes]) -> None:
        results: list[Any] = []
        try:
            for line in lines:
                self._producer.produce(
                    self._topic, line, on_delivery=lambda error, _: results.append(error)
                )
        except KafkaException as error:
            raise self._make_unwritable(describe_kafka_error(error.args[0])) from error
        except BufferError as error:
            raise self._make_unwritable(str(error)) from error
        self._producer.flush(self._timeout + _GRACE)
        failed = next(filter(None, results), None)
        if failed is not None:
            raise self._make_unwritable(describe_kafka_error(failed))
        if len(results) < len(lines):
            raise self._make_unwritable("not acknowledged in time")

    def _make_unwritable(self, reason: str) -> UnwritableFile:
        return UnwritableFile(f"topic {self._topic}: {reason}")
