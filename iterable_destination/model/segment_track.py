"""What a webhook becomes: a track call to Segment, or nothing, by name."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, ClassVar, Self

import attrs

from iterable_destination.errors import Note
from iterable_destination.model import endpoints
from iterable_destination.model.calls import EncodedCall, Identity
from iterable_destination.model.endpoints import Endpoint
from iterable_destination.model.json_codec import encode_to_fit


@attrs.frozen(slots=False)  # quick to make
class SegmentTrack:
    """A track call to Segment. Nothing personal shows in its ``repr``."""

    endpoint: ClassVar[Endpoint] = endpoints.SEGMENT_TRACK

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

        An item of a batch needs its type as well: see :meth:`batch_item`.
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

    def batch_item(self) -> dict[str, Any]:
        """Return the event as an item of a batch, a new ``dict``."""
        return {"type": "track", **self.body()}

    @property
    def identity(self) -> Identity:
        """Who it is about: the userId, and the email where it is known."""
        email = self.context.get("traits", {}).get("email", self.anonymous_id)
        return Identity(email, self.user_id)

    @classmethod
    def of_body(cls, body: dict[str, Any]) -> Self:
        """Return the track call that has this body, or is this item of a batch."""
        return cls(
            body["event"],
            body.get("userId"),
            body.get("anonymousId"),
            body["properties"],
            body["context"],
            body.get("timestamp"),
            body["messageId"],
            body.get("integrations"),
        )


def encode_track(track: SegmentTrack) -> EncodedCall:
    """Encode a track call as it is sent, alone or in a batch."""
    identity, body = track.identity, encode_to_fit(track.batch_item())
    return EncodedCall(SegmentTrack, identity.email, identity.user_id, None, body)


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
