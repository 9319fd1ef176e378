"""What comes of a webhook: a track call for Segment, or nothing, by name.

What may live here: the keys of Segment's tracking API, and nothing about where a value came from.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import attrs

from iterable_destination.errors import Note


@attrs.frozen(slots=False)  # quick to make
class SegmentTrack:
    """A track call to be made. What is said of a person does not show in a ``repr``."""

    #: The event's name, such as ``Email Delivered``.
    event: str
    #: The user's own id; None if Iterable knows none.
    user_id: str | None = attrs.field(repr=False)
    #: The email of a user without an id of their own; None if there is an id. Never both.
    anonymous_id: str | None = attrs.field(repr=False)
    properties: dict[str, Any] = attrs.field(repr=False)
    context: dict[str, Any] = attrs.field(repr=False)
    #: When it happened, as ``2016-12-02T20:21:04Z``; None is the time of receipt.
    timestamp: str | None
    #: The same for the same webhook, however its keys are ordered, and for no other.
    message_id: str
    #: Which destinations it is for; None is all of them.
    integrations: dict[str, Any] | None = None
    #: What was changed, left out or looks wrong.
    notes: tuple[Note, ...] = ()

    def body(self) -> dict[str, Any]:
        """Return the body for ``POST /v1/track``, a new ``dict``.

        In a batch an event needs ``"type": "track"`` as well.
        """
        body: dict[str, Any] = {"event": self.event}
        if self.user_id is not None:
            body["userId"] = self.user_id
        if self.anonymous_id is not None:
            body["anonymousId"] = self.anonymous_id
        body |= {"properties": self.properties, "context": self.context}
        if self.timestamp is not None:
            body["timestamp"] = self.timestamp
        body["messageId"] = self.message_id
        if self.integrations is not None:
            body["integrations"] = self.integrations
        return body


@attrs.frozen
class Ignored:
    """A webhook of which no track call is made, and why."""

    #: Its ``eventName``, as it was spelled.
    name: str
    #: Why, in one sentence.
    reason: str


def message_id(canonical: bytes) -> str:
    """Return the id of the event of a webhook, whose canonical JSON this is.

    Never ``dataFields.messageId``, which a send, its opens and its clicks have in common.
    """
    return f"iterable-{sha256(canonical).hexdigest()}"
