"""Segment events in, Iterable requests out: Segment's Iterable destination as a library.

The public names are loaded at their first use. So a program that only translates loads neither
``requests`` nor ``sqlite3``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from iterable_destination.delivery.async_destination import AsyncDestination
    from iterable_destination.delivery.destination import Destination
    from iterable_destination.delivery.engine.counters import Counters
    from iterable_destination.delivery.engine.retry import RetryPolicy
    from iterable_destination.delivery.segment_destination import SegmentDestination
    from iterable_destination.errors import (
        ApiError,
        ConfigurationError,
        DropEvent,
        EventNotSupported,
        FunctionError,
        FunctionFailed,
        InvalidCall,
        InvalidEvent,
        InvalidEventPayload,
        InvalidJSON,
        InvalidSettings,
        InvalidSubscription,
        InvalidWebhook,
        IterableDestinationError,
        NetworkError,
        NotAccepted,
        Note,
        NotSent,
        OutboxError,
        Problem,
        QueueFull,
        RateLimited,
        RequestRefused,
        RetryError,
        ServerError,
        ValidationError,
    )
    from iterable_destination.io.async_client import AsyncClient
    from iterable_destination.io.dead_letter_lines import DeadLetter
    from iterable_destination.io.dead_letters import DeadLetters, DeadLetterStore
    from iterable_destination.io.iterable_client import Client
    from iterable_destination.io.outbox import Outbox
    from iterable_destination.io.postgres_outbox import PostgresOutbox
    from iterable_destination.io.segment_client import AnalyticsClient, SegmentClient
    from iterable_destination.mapping.function import DestinationFunction
    from iterable_destination.mapping.origins import Origin, origins
    from iterable_destination.mapping.translate import translate
    from iterable_destination.model.calls import (
        Call,
        Identity,
        Profile,
        TrackEvent,
        TrackPurchase,
        UpdateCart,
        UpdateEmail,
        UpdateSubscription,
        UpdateUser,
    )
    from iterable_destination.model.endpoints import Endpoint
    from iterable_destination.model.exchange import Exchange
    from iterable_destination.model.outcomes import (
        Delivered,
        Failure,
        Outcome,
        Rejected,
        Retryable,
        Skipped,
        Unknown,
    )
    from iterable_destination.model.records import OutboxRecord
    from iterable_destination.model.responses import ApiResponse
    from iterable_destination.model.settings import Settings
    from iterable_destination.model.translation import FailedSubscription, Translation

__version__ = "0.2.0"

__all__ = [
    "AnalyticsClient",
    "ApiError",
    "ApiResponse",
    "AsyncClient",
    "AsyncDestination",
    "Call",
    "Client",
    "ConfigurationError",
    "Counters",
    "DeadLetter",
    "DeadLetterStore",
    "DeadLetters",
    "Delivered",
    "Destination",
    "DestinationFunction",
    "DropEvent",
    "Endpoint",
    "EventNotSupported",
    "Exchange",
    "FailedSubscription",
    "Failure",
    "FunctionError",
    "FunctionFailed",
    "Identity",
    "InvalidCall",
    "InvalidEvent",
    "InvalidEventPayload",
    "InvalidJSON",
    "InvalidSettings",
    "InvalidSubscription",
    "InvalidWebhook",
    "IterableDestinationError",
    "NetworkError",
    "NotAccepted",
    "NotSent",
    "Note",
    "Origin",
    "Outbox",
    "OutboxError",
    "OutboxRecord",
    "Outcome",
    "PostgresOutbox",
    "Problem",
    "Profile",
    "QueueFull",
    "RateLimited",
    "Rejected",
    "RequestRefused",
    "RetryError",
    "RetryPolicy",
    "Retryable",
    "SegmentClient",
    "SegmentDestination",
    "ServerError",
    "Settings",
    "Skipped",
    "TrackEvent",
    "TrackPurchase",
    "Translation",
    "Unknown",
    "UpdateCart",
    "UpdateEmail",
    "UpdateSubscription",
    "UpdateUser",
    "ValidationError",
    "origins",
    "translate",
]

#: The module of each public name.
_MODULES: Final = {
    "AnalyticsClient": "io.segment_client",
    "ApiError": "errors",
    "ApiResponse": "model.responses",
    "AsyncClient": "io.async_client",
    "AsyncDestination": "delivery.async_destination",
    "Call": "model.calls",
    "Client": "io.iterable_client",
    "ConfigurationError": "errors",
    "Counters": "delivery.engine.counters",
    "DeadLetter": "io.dead_letter_lines",
    "DeadLetterStore": "io.dead_letters",
    "DeadLetters": "io.dead_letters",
    "Delivered": "model.outcomes",
    "Destination": "delivery.destination",
    "DestinationFunction": "mapping.function",
    "DropEvent": "errors",
    "Endpoint": "model.endpoints",
    "EventNotSupported": "errors",
    "Exchange": "model.exchange",
    "FailedSubscription": "model.translation",
    "Failure": "model.outcomes",
    "FunctionError": "errors",
    "FunctionFailed": "errors",
    "Identity": "model.calls",
    "InvalidCall": "errors",
    "InvalidEvent": "errors",
    "InvalidEventPayload": "errors",
    "InvalidJSON": "errors",
    "InvalidSettings": "errors",
    "InvalidSubscription": "errors",
    "InvalidWebhook": "errors",
    "IterableDestinationError": "errors",
    "NetworkError": "errors",
    "NotAccepted": "errors",
    "NotSent": "errors",
    "Note": "errors",
    "Origin": "mapping.origins",
    "Outbox": "io.outbox",
    "OutboxError": "errors",
    "OutboxRecord": "model.records",
    "Outcome": "model.outcomes",
    "PostgresOutbox": "io.postgres_outbox",
    "Problem": "errors",
    "Profile": "model.calls",
    "QueueFull": "errors",
    "RateLimited": "errors",
    "Rejected": "model.outcomes",
    "RequestRefused": "errors",
    "RetryError": "errors",
    "RetryPolicy": "delivery.engine.retry",
    "Retryable": "model.outcomes",
    "SegmentClient": "io.segment_client",
    "SegmentDestination": "delivery.segment_destination",
    "ServerError": "errors",
    "Settings": "model.settings",
    "Skipped": "model.outcomes",
    "TrackEvent": "model.calls",
    "TrackPurchase": "model.calls",
    "Translation": "model.translation",
    "Unknown": "model.outcomes",
    "UpdateCart": "model.calls",
    "UpdateEmail": "model.calls",
    "UpdateSubscription": "model.calls",
    "UpdateUser": "model.calls",
    "ValidationError": "errors",
    "origins": "mapping.origins",
    "translate": "mapping.translate",
}


if not TYPE_CHECKING:  # for type checkers, any other name is a mistake

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
