"""Segment events in, Iterable requests out: Segment's Iterable destination as a library."""

from iterable_destination.answers import Answer
from iterable_destination.client import Client
from iterable_destination.counters import Counters
from iterable_destination.dead_letters import DeadLetters
from iterable_destination.delivery import Destination
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
from iterable_destination.functions import DestinationFunction
from iterable_destination.outbox import Outbox
from iterable_destination.outcomes import (
    Delivered,
    Outcome,
    Rejected,
    Retryable,
    Skipped,
    Unknown,
)
from iterable_destination.patience import Patience
from iterable_destination.settings import Settings
from iterable_destination.translation import Translation
from iterable_destination.translators import translate

__all__ = [
    "Answer",
    "ApiError",
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
    "Patience",
    "Problem",
    "QueueFull",
    "RateLimited",
    "Rejected",
    "RequestRefused",
    "RetryError",
    "Retryable",
    "ServerError",
    "Settings",
    "Skipped",
    "Translation",
    "Unknown",
    "ValidationError",
    "translate",
]
