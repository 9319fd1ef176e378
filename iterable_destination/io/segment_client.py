"""Segment's client: track calls out to Segment, one or a batch, and one answer or error back.

What may live here: what Segment's tracking API wants of a request, and nothing that decides whether
to send it again.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, ClassVar, Final, Protocol, Self

import attrs

from iterable_destination import errors
from iterable_destination.io.lifecycle import Closeable
from iterable_destination.io.transport import HttpTransport
from iterable_destination.model import endpoints
from iterable_destination.model import responses as answers
from iterable_destination.model.calls import Identity
from iterable_destination.model.endpoints import Endpoint
from iterable_destination.model.json_codec import decode, encode
from iterable_destination.model.responses import ApiResponse
from iterable_destination.model.segment_track import SegmentTrack
from iterable_destination.model.settings import Settings

_WORDS: Final[answers.Words] = {
    errors.ApiError: "no answer that Segment gives",
    errors.AmbiguousAnswer: "accepted, it seems, but the answer is no JSON object",
    errors.BadRequest: "the request breaks a rule of Segment's",
    errors.TooLarge: "the request is too large",
    errors.IdentityConflict: "the request breaks a rule of Segment's",
    errors.Unauthorized: "the write key is not known in this region",
    errors.Forbidden: "the write key may not be used for this",
    errors.WrongAddress: "this does not answer like Segment's API; check the address",
    errors.RateLimited: "more requests than Segment takes",
    errors.ServerError: "Segment failed",
}


@attrs.frozen(slots=False)
class SegmentCall:
    """One event that is to be sent to Segment."""

    endpoint: ClassVar[Endpoint] = endpoints.SEGMENT_TRACK

    #: Who it is about: the userId, and the email if it is known.
    identity: Identity
    #: The event as Segment takes it, alone or in a batch.
    event: dict[str, Any] = attrs.field(repr=False)

    def body(self) -> dict[str, Any]:
        """Return the request's body, a new ``dict``."""
        return dict(self.event)

    @classmethod
    def of_track(cls, track: SegmentTrack) -> Self:
        """Return the call that sends a track call."""
        return cls.of_body({"type": "track", **track.body()})

    @classmethod
    def of_body(cls, body: dict[str, Any]) -> Self:
        """Return the call that has this body."""
        email = body.get("context", {}).get("traits", {}).get("email", body.get("anonymousId"))
        return cls(Identity(email, body.get("userId")), body)


class Analytics(Protocol):
    """Whatever has the ``track`` of ``segment-analytics-python``."""

    def track(self, **call: Any) -> Any:
        """Take a track call; a pair that begins with False says that it was not taken."""


class SegmentClient(Closeable):
    """A connection to one of Segment's sources. Safe to use from several threads."""

    def __init__(  # noqa: PLR0913 - keywords, each with a default
        self,
        write_key: str,
        *,
        region: str = "US",
        base_url: str | None = None,
        connect_timeout: float = 5.0,
        read_timeout: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a client; nothing is sent yet.

        ``write_key`` is that of the source in Segment. ``region`` is ``US`` or ``EU``, where the
        workspace is; ``base_url`` another server, None that of the region. Timeouts are seconds,
        as for :class:`Client`. Raises :exc:`~errors.InvalidSettings` for a wrong key, region or
        address, and :exc:`ValueError` for a timeout out of bounds.
        """
        settings = _settings(write_key, region, base_url)
        self._key: Final = write_key
        self._url: Final = settings.url
        credentials = b64encode(f"{write_key}:".encode()).decode()
        self._transport: Final = HttpTransport(
            settings.url,
            {"Authorization": f"Basic {credentials}"},
            secret=write_key,
            timeout=(connect_timeout, read_timeout),
            clock=clock,
        )

    def __repr__(self) -> str:
        return f"SegmentClient({self._url!r})"

    def __reduce__(self) -> Any:
        message = "a SegmentClient holds connections and the write key, and cannot be pickled"
        raise TypeError(message)

    def close(self) -> None:
        """Close the connections. The client can still be used, and opens them again."""
        self._transport.close()

    def send(self, call: SegmentCall | SegmentTrack) -> ApiResponse:
        """Send one event and return Segment's acceptance.

        Raises the :exc:`~errors.ApiError` that the answer, or the lack of one, means.
        """
        call = SegmentCall.of_track(call) if isinstance(call, SegmentTrack) else call
        return self.request(call.endpoint, encode(call.body()))

    def send_batch(self, tracks: Iterable[SegmentTrack]) -> ApiResponse:
        """Send several events in one request, and return Segment's acceptance of all of them.

        A batch has at most 500,000 bytes. Raises :exc:`~errors.TooLarge` for a larger one, which
        is not sent, and else as :meth:`send` does.
        """
        body = encode({"batch": [SegmentCall.of_track(track).body() for track in tracks]})
        if len(body) > endpoints.MAX_SEGMENT_BATCH_BYTES:
            raise errors.TooLarge("a batch has at most 500,000 bytes")
        return self.request(endpoints.SEGMENT_BATCH, body)

    def request(
        self,
        endpoint: Endpoint,
        body: bytes | None = None,
        *,
        timeout: float | None = None,
        expects_code: bool = False,  # noqa: ARG002 - Segment gives none
    ) -> ApiResponse:
        """Send a request with a JSON body and return what came back, as :meth:`Client.request`."""
        received = self._transport.send(endpoint, body, timeout)
        return answers.parse_response(
            received.status,
            received.text,
            secret=self._key,
            request_id=None,
            retry_after=received.retry_after,
            words=_WORDS,
        )


class AnalyticsClient(Closeable):
    """Hands events to a client of Segment's own instead, which sends them by and by.

    What it has taken counts as delivered; it is the client's own to lose. It is never closed.
    """

    def __init__(self, analytics: Analytics) -> None:
        self._analytics: Final = analytics

    def close(self) -> None:
        """Leave the client to its owner."""

    def send(self, call: SegmentCall) -> ApiResponse:
        """Hand over one event, as :meth:`request` does."""
        return self.request(call.endpoint, encode(call.body()))

    def request(
        self,
        endpoint: Endpoint,  # noqa: ARG002 - it has its own
        body: bytes | None = None,
        *,
        timeout: float | None = None,  # noqa: ARG002 - it takes no time
        expects_code: bool = False,  # noqa: ARG002 - there is none
    ) -> ApiResponse:
        """Hand over the event, or the events, of a body.

        Raises :exc:`~errors.RateLimited` if there is no room for one, and
        :exc:`~errors.BadRequest` for one that the client does not take.
        """
        value = decode(body or b"{}")
        for event in value.get("batch", [value]):
            self._hand_over(event)
        return ApiResponse(200, {})

    def _hand_over(self, event: dict[str, Any]) -> None:
        timestamp = event.get("timestamp")
        try:
            taken = self._analytics.track(
                user_id=event.get("userId"),
                anonymous_id=event.get("anonymousId"),
                event=event["event"],
                properties=event["properties"],
                context=event["context"],
                timestamp=timestamp and datetime.fromisoformat(timestamp),
                integrations=event.get("integrations"),
                message_id=event["messageId"],
            )
        except (AssertionError, TypeError, ValueError) as error:
            message = f"Segment's client does not take it: {type(error).__name__}"
            raise errors.BadRequest(message) from None
        if isinstance(taken, tuple) and taken and taken[0] is False:
            raise errors.RateLimited("Segment's client has no room for another event")


def _settings(write_key: str, region: str, base_url: str | None) -> Settings:
    """Return the key and the address as settings, which judge them."""
    if not write_key:
        raise errors.InvalidSettings("write_key: missing; without it nothing can be sent")
    if base_url is None and region not in endpoints.SEGMENT_URLS:
        raise errors.InvalidSettings("region: must be US or EU")
    try:
        return Settings(api_key=write_key, base_url=base_url or endpoints.SEGMENT_URLS[region])
    except errors.InvalidSettings as error:
        raise errors.InvalidSettings(str(error).replace("api_key", "write_key")) from None
