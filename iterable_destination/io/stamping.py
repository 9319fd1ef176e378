"""The present moment and a fresh id, for events that are handed in without them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from iterable_destination.model.stamping import stamp


def stamp_now(event: Any) -> Any:
    """Return an event with an id and a time, as ``model.stamping.stamp`` does, of this moment."""
    return stamp(event, datetime.now(UTC), make_message_id)


def make_message_id() -> str:
    """Return a fresh ``messageId``, which is random."""
    return str(uuid.uuid4())
