"""Segment events in, Iterable requests out: Segment's Iterable destination as a library."""

from iterable_destination.delivery.destination import Destination
from iterable_destination.delivery.engine.counters import Counters
from iterable_destination.delivery.engine.retry import RetryPolicy
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
from iterable_destination.io.dead_letters import DeadLetters
from iterable_destination.io.iterable_client import Client
from iterable_destination.io.outbox import Outbox
from iterable_destination.mapping.function import DestinationFunction
from iterable_destination.mapping.translate import translate
from iterable_destination.model.outcomes import (
    Delivered,
    Outcome,
    Rejected,
    Retryable,
    Skipped,
    Unknown,
)
from iterable_destination.model.responses import ApiResponse
from iterable_destination.model.settings import Settings
from iterable_destination.model.translation import Translation

__all__ = [
    "ApiError",
    "ApiResponse",
    "Client",
    "ConfigurationError",
    "Counters",
    "DeadLetters",
    "Delivered",
    "Destination",
    "DestinationFunction",
    "DropEvent",
    "EventNotSupported",
    "FunctionError",
    "FunctionFailed",
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
    "Outbox",
    "OutboxError",
    "Outcome",
    "Problem",
    "QueueFull",
    "RateLimited",
    "Rejected",
    "RequestRefused",
    "RetryError",
    "RetryPolicy",
    "Retryable",
    "ServerError",
    "Settings",
    "Skipped",
    "Translation",
    "Unknown",
    "ValidationError",
    "translate",
]
