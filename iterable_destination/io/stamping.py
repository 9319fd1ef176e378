"""The present moment and a fresh id, for events that are handed in without them."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from iterable_destination.model.stamping import stamp


def stamp_now(event: Any) -> Any:
    """Return an event with an id and a time, as ``model.stamping.stamp`` does, of this moment."""
    return stamp(event, datetime.now(UTC), make_message_id)


def make_message_id() -> str:
    """Return a fresh ``messageId``: a UUID of version 4, which is random."""
    text = os.urandom(16).hex()  # uuid4() takes twice as long; the 4 and the a say what it is
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"
