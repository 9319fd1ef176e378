"""Dead letters in a topic of Kafka."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from confluent_kafka import KafkaException, Producer

from iterable_destination.errors import UnwritableFile
from iterable_destination.io.dead_letter_lines import DeadLetter, LetterEncoder
from iterable_destination.model.bounds import check_seconds


class KafkaDeadLetters:
    """Dead letters as messages of a topic, each with the line that a file would have.

    Such a message can be read by ``consume`` as it is. Several threads may write.
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
        """Make the producer; ``config`` are settings of librdkafka, such as ``bootstrap.servers``.

        ``secret`` is removed from ``deadLetter``, not from the event; None removes nothing.
        ``clock`` returns the time in UTC. ``timeout`` is how many seconds, at least 0, the brokers
        have to acknowledge. Raises :exc:`confluent_kafka.KafkaException` for settings that are
        wrong, and :exc:`ValueError` for a number out of bounds.
        """
        check_seconds("timeout", timeout)
        self._topic: Final = topic
        self._encoder: Final = LetterEncoder(secret)
        self._clock: Final = clock
        self._timeout: Final = timeout
        self._producer: Final = Producer({"enable.idempotence": True, **config})

    def __repr__(self) -> str:
        return f"KafkaDeadLetters({self._topic!r})"

    def write(self, letters: Iterable[DeadLetter]) -> None:
        """Produce dead letters, and return when the brokers have acknowledged all of them.

        Raises :exc:`UnwritableFile` if they have not in time, or refuse one. Some may be there.
        """
        now = self._clock()
        results: list[Any] = []
        lines = [self._encoder.encode(letter, now) for letter in letters]
        try:
            for line in lines:
                self._producer.produce(
                    self._topic, line, on_delivery=lambda error, _: results.append(error)
                )
        except (KafkaException, BufferError) as error:
            raise self._unwritable(str(error)) from error
        self._producer.flush(self._timeout)
        if len(results) < len(lines):
            raise self._unwritable("not acknowledged in time")
        failed = next(filter(None, results), None)
        if failed is not None:
            raise self._unwritable(f"{failed.name()}: {failed.str()}")

    def _unwritable(self, reason: str) -> UnwritableFile:
        return UnwritableFile(f"topic {self._topic}: {reason}")
