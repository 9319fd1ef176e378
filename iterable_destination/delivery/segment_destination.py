"""The destination of Iterable's webhooks: a source in Segment, which gets track calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from iterable_destination.delivery.base import MAX_WORKERS, BaseDestination
from iterable_destination.delivery.engine.bulk import BulkEndpoint
from iterable_destination.delivery.engine.rate_limiter import RateLimiters
from iterable_destination.delivery.engine.retry import RetryPolicy
from iterable_destination.delivery.policies import Runtime
from iterable_destination.delivery.prepare import Header
from iterable_destination.errors import Note
from iterable_destination.io.dead_letters import DeadLetterStore
from iterable_destination.io.segment_client import AnalyticsClient, SegmentClient
from iterable_destination.model import endpoints
from iterable_destination.model.calls import EncodedCall, Identity
from iterable_destination.model.exchange import Exchange
from iterable_destination.model.segment_track import SegmentTrack, encode_track
from iterable_destination.model.translation import FailedSubscription
from iterable_destination.source import Ignored, SourceOptions, to_segment

#: Segment's batch endpoint, by the path of a single track call.
SEGMENT_BULK_ENDPOINTS: Final = {
    endpoints.SEGMENT_TRACK.path: BulkEndpoint(
        endpoints.SEGMENT_BATCH,
        b'{"batch":[',
        one_per_user=False,
        max_bytes=endpoints.MAX_SEGMENT_BATCH_BYTES,
        reports_items=False,
    ),
}
#: The paths that have rate limits.
SEGMENT_PATHS: Final = frozenset({endpoints.SEGMENT_TRACK.path, endpoints.SEGMENT_BATCH.path})


class SegmentDestination(BaseDestination):
    """A source in Segment that Iterable's webhooks are sent to, as track calls.

    It delivers as a :class:`Destination` does, with the same outcomes: a webhook that is ignored
    is skipped.
    """

    def __init__(  # noqa: PLR0913 - keywords, each with a default
        self,
        client: SegmentClient | AnalyticsClient,
        *,
        options: SourceOptions | None = None,
        retry: RetryPolicy | None = None,
        rate_limits: Mapping[str, float | None] | None = None,
        max_workers: int = MAX_WORKERS,
        max_pending: int = 10_000,
        dead_letters: DeadLetterStore | None = None,
        on_request: Callable[[Exchange], object] | None = None,
        _runtime: Runtime | None = None,
    ) -> None:
        """Make a destination; nothing is sent yet.

        ``client`` is closed with it. ``options`` are those of the source, None the default ones.
        ``rate_limits`` are requests per second for ``/v1/track`` and ``/v1/batch``, above 0; None
        is no limit. The others are as for :class:`Destination`. Raises :exc:`ValueError` for a
        number out of bounds or a path that is not known.
        """
        super().__init__(
            _SegmentSource(options),
            client,
            bulk_endpoints=SEGMENT_BULK_ENDPOINTS,
            retry=retry,
            rate_limiters=RateLimiters(rate_limits, SEGMENT_PATHS),
            max_workers=max_workers,
            max_pending=max_pending,
            stamp_ids=False,
            dead_letters=dead_letters,
            on_request=on_request,
            runtime=_runtime or Runtime(),
        )

    def __repr__(self) -> str:
        return f"SegmentDestination({self._client!r})"


@attrs.frozen
class _TranslatedWebhook:
    """The translation of a webhook."""

    message_id: str | None = None
    calls: tuple[SegmentTrack, ...] = ()
    skipped: str | None = None
    notes: tuple[Note, ...] = ()
    subscriptions: tuple[str, ...] = ()
    errors: tuple[FailedSubscription, ...] = ()
    identity: Identity | None = None


class _SegmentSource:
    """Segment as the target of delivery."""

    def __init__(self, options: SourceOptions | None) -> None:
        self._options: Final = options

    def translate(self, webhook: Any) -> _TranslatedWebhook:
        result = to_segment(webhook, self._options)
        if isinstance(result, Ignored):
            return _TranslatedWebhook(skipped=result.reason)
        return _TranslatedWebhook(result.message_id, (result,), notes=result.notes)

    def encode(self, track: SegmentTrack, _: str | None) -> EncodedCall:
        return encode_track(track)

    def read_header(self, _: Any) -> Header:
        """Return nothing: a webhook that is not sent need not be ordered."""
        return None, None
