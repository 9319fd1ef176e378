"""Segment events in, Iterable requests out: Segment's Iterable destination as a library."""

from iterable_destination.answers import Answer
from iterable_destination.client import Client
from iterable_destination.counters import Counters
from iterable_destination.dead_letters import DeadLetters
from iterable_destination.delivery import Destination
from iterable_destination.errors import (
    ApiError,
    ConfigurationError,
    InvalidCall,
    InvalidEvent,
    InvalidJSON,
    InvalidSettings,
    InvalidSubscription,
    IterableDestinationError,
    NetworkError,
    Note,
    NotSent,
    OutboxError,
    Problem,
    QueueFull,
    RateLimited,
    RequestRefused,
    ServerError,
)
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
from iterable_destination.translation import Translation, translate

__all__ = [
    "Answer",
    "ApiError",
    "Client",
    "ConfigurationError",
    "Counters",
    "DeadLetters",
    "Delivered",
    "Destination",
    "InvalidCall",
    "InvalidEvent",
    "InvalidJSON",
    "InvalidSettings",
    "InvalidSubscription",
    "IterableDestinationError",
    "NetworkError",
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
    "Retryable",
    "ServerError",
    "Settings",
    "Skipped",
    "Translation",
    "Unknown",
    "translate",
]
