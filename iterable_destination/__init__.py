"""Segment events in, Iterable requests out: Segment's Iterable destination as a library."""

from iterable_destination.client import Client
from iterable_destination.delivery import Destination, Patience
from iterable_destination.errors import (
    ApiError,
    InvalidEvent,
    InvalidJSON,
    InvalidSettings,
    IterableDestinationError,
    Note,
    Problem,
)
from iterable_destination.outcomes import (
    Delivered,
    Outcome,
    Rejected,
    Retryable,
    Skipped,
    Unknown,
)
from iterable_destination.settings import Settings
from iterable_destination.translation import Translation, translate

__all__ = [
    "ApiError",
    "Client",
    "Delivered",
    "Destination",
    "InvalidEvent",
    "InvalidJSON",
    "InvalidSettings",
    "IterableDestinationError",
    "Note",
    "Outcome",
    "Patience",
    "Problem",
    "Rejected",
    "Retryable",
    "Settings",
    "Skipped",
    "Translation",
    "Unknown",
    "translate",
]
