"""Clients of Kafka's: their settings, and the words of their errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from confluent_kafka import KafkaException

from iterable_destination.errors import InvalidSettings

_Client = TypeVar("_Client")
#: What librdkafka would take as its text, or not survive.
_UNUSABLE: Final = (type(None), bytes, dict, list, set, tuple)


def make_client(
    make: Callable[[dict[str, Any]], _Client],
    config: Mapping[str, Any],
    defaults: Mapping[str, Any],
    *required: str,
) -> _Client:
    """Make a client from settings of librdkafka; ``defaults`` hold where ``config`` says nothing.

    ``required`` are names that ``config`` must have, with a text. Raises :exc:`InvalidSettings`
    for settings that are wrong, in words without their values.
    """
    for name in required:
        if not (isinstance(config.get(name), str) and config[name]):
            raise InvalidSettings(f"config: {name}: must be a text that is not empty")
    for name, value in config.items():
        if isinstance(value, _UNUSABLE):
            raise InvalidSettings(f"config: {name}: must be a text, a number, true or false")
    try:
        return make({**defaults, **config})
    except KafkaException as error:
        reason = str(error.args[0].str())
    except (TypeError, ValueError) as error:
        reason = str(error)
    raise InvalidSettings(f"config: {reason}")


def describe_kafka_error(error: Any) -> str:
    """Return what an error of Kafka's is: its name and its words, without a value of a message."""
    return f"{error.name()}: {error.str()}"
