"""Clients of Segment: each sends a track call, or a batch of them, in one request.

``SegmentClient`` sends to Segment's HTTP API, ``AnalyticsClient`` passes events to Segment's own
client library. Neither retries.
"""

from __future__ import annotations

import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final, Protocol

from iterable_destination import errors
from iterable_destination.io.lifecycle import Closeable
from iterable_destination.io.transport import HttpTransport
from iterable_destination.model import endpoints
from iterable_destination.model.endpoints import Endpoint
from iterable_destination.model.json_codec import decode, encode
from iterable_destination.model.responses import ApiResponse, Words, parse_response
from iterable_destination.model.segment_track import SegmentTrack
from iterable_destination.model.settings import DataCenter, check_key, check_url

_WORDS: Final[Words] = {
    errors.ApiError: "no response that Segment gives",
    errors.AmbiguousAnswer: "accepted, it seems, but the response is no JSON object",
    errors.BadRequest: "the request breaks a rule of Segment's",
    errors.TooLarge: "the request is too large",
    errors.IdentityConflict: "the request breaks a rule of Segment's",
    errors.Unauthorized: "the write key is not known in this region",
    errors.Forbidden: "the write key may not be used for this",
    errors.WrongAddress: "this does not answer like Segment's API; check the address",
    errors.RateLimited: "more requests than Segment takes",
    errors.ServerError: "Segment failed",
}


#: Events of batches that were not taken whole; an id has some 40 bytes.
_MAX_REMEMBERED: Final = 100_000


class Analytics(Protocol):
    """An object with the ``track`` of ``segment.analytics.Client``."""

    @property
    def track(self) -> Callable[..., Any]:
        """Accepts a track call; returns a pair that begins with False if its queue is full."""


class SegmentClient(Closeable):
    """A connection to one of Segment's sources. Safe to use from several threads."""

    def __init__(  # noqa: PLR0913 - keywords, each with a default
        self,
        write_key: str,
        *,
        region: DataCenter = "US",
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
        self._url: Final = _resolve_url(write_key, region, base_url)
        self._key: Final = write_key
        credentials = b64encode(f"{write_key}:".encode()).decode()
        self._transport: Final = HttpTransport(
            self._url,
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

    def send(self, track: SegmentTrack) -> ApiResponse:
        """Send one event and return Segment's acceptance.

        Raises the :exc:`~errors.ApiError` that the response, or the lack of one, means.
        """
        return self.request(track.endpoint, encode(track.batch_item()))

    def send_batch(self, tracks: Iterable[SegmentTrack]) -> ApiResponse:
        """Send several events in one request, and return Segment's acceptance of all of them.

        A batch has at most 500,000 bytes. Raises :exc:`~errors.TooLarge` for a larger one, which
        is not sent, and else as :meth:`send` does.
        """
        body = encode({"batch": [track.batch_item() for track in tracks]})
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
        """Send a request with a JSON body, and return the response, as :meth:`Client.request`."""
        response = self._transport.send(endpoint, body, timeout)
        return parse_response(
            response.status,
            response.text,
            secret=self._key,
            request_id=None,
            retry_after=response.retry_after,
            words=_WORDS,
            has_codes=False,
        )


class AnalyticsClient(Closeable):
    """Passes events to Segment's own client library, which sends them later.

    An event that it has taken counts as delivered, although it can still lose it. If it takes only
    some events of a batch, those are not passed to it again with the others. It is never closed
    here.
    """

    def __init__(self, analytics: Analytics) -> None:
        self._analytics: Final = analytics
        self._lock: Final = threading.Lock()
        #: The ids of events that were taken, of batches that were not taken whole.
        self._taken: Final[set[str]] = set()

    def close(self) -> None:
        """Do nothing: the owner of Segment's client closes it."""

    def send(self, track: SegmentTrack) -> ApiResponse:
        """Pass on one event, as :meth:`request` does."""
        return self.request(track.endpoint, encode(track.batch_item()))

    def request(
        self,
        endpoint: Endpoint,  # noqa: ARG002 - it has its own
        body: bytes | None = None,
        *,
        timeout: float | None = None,  # noqa: ARG002 - it takes no time
        expects_code: bool = False,  # noqa: ARG002 - there is none
    ) -> ApiResponse:
        """Pass on the event, or the events, of a body.

        Raises :exc:`~errors.RateLimited` if the client's queue is full, and
        :exc:`~errors.BadRequest` for an event that the client does not take.
        """
        value = decode(body or b"{}")
        taken: list[str] = []
        try:
            for event in value.get("batch", [value]):
                if not self._was_taken(event["messageId"]):
                    self._pass_on(event)
                taken.append(event["messageId"])
        except errors.ApiError:
            self._remember(taken)
            raise
        return ApiResponse(200, {})

    def _was_taken(self, message_id: str) -> bool:
        """Whether an event was taken before, and its batch comes again; forgets it."""
        with self._lock:
            if message_id not in self._taken:
                return False
            self._taken.remove(message_id)
            return True

    def _remember(self, message_ids: list[str]) -> None:
        with self._lock:
            if len(self._taken) + len(message_ids) > _MAX_REMEMBERED:
                self._taken.clear()  # batches that never came again
            self._taken.update(message_ids)

    def _pass_on(self, event: dict[str, Any]) -> None:
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


def _resolve_url(write_key: Any, region: Any, base_url: Any) -> str:
    """Return the address to send to; raises :exc:`InvalidSettings` for a wrong value."""
    if not write_key:
        raise errors.InvalidSettings("write_key: missing; without it nothing can be sent")
    check_key("write_key", write_key)
    if base_url is not None:
        check_url("base_url", base_url)
        return str(base_url).rstrip("/")
    if region not in endpoints.SEGMENT_URLS:
        raise errors.InvalidSettings("region: must be US or EU")
    return endpoints.SEGMENT_URLS[region]
