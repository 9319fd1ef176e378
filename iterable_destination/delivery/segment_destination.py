"""Segment: Iterable's webhooks delivered to Segment, as track calls.

What may live here: what is different from delivering to Iterable, which is whom it goes to and how
it is translated. Bulks, order, patience and outcomes are the same.
"""

from __future__ import annotations

from typing import Any, Final, cast

from iterable_destination.delivery.background import CLOSE_TIMEOUT
from iterable_destination.delivery.destination import Destination
from iterable_destination.io.segment_client import AnalyticsClient, SegmentCall, SegmentClient
from iterable_destination.mapping.translate import Translator
from iterable_destination.model.settings import Settings
from iterable_destination.model.translation import Translation
from iterable_destination.source import Ignored, SourceOptions, to_segment


class SegmentDestination(Destination):
    """One of Segment's sources, that webhooks of Iterable's can be handed to.

    It delivers as a :class:`Destination` does, with the same outcomes: a webhook that is ignored
    is skipped.
    """

    def __init__(
        self,
        client: SegmentClient | AnalyticsClient,
        *,
        options: SourceOptions | None = None,
        **delivery: Any,
    ) -> None:
        """Make a destination; nothing is sent yet.

        ``client`` is closed with it. ``options`` are those of the source, None the default ones.
        The others are as for :class:`Destination`, but for ``client``, ``translator`` and
        ``stamp_ids``. Raises :exc:`ValueError` for a number out of bounds.
        """
        self._sender: Final = client
        super().__init__(
            Settings(),
            client=cast("Any", client),
            translator=_translator(options),
            stamp_ids=False,
            **delivery,
        )

    def __repr__(self) -> str:
        return f"SegmentDestination({self._sender!r})"

    def close(self, timeout: float | None = CLOSE_TIMEOUT) -> int:
        """Deliver what waits in the background, and close the connections.

        The rest is as for :meth:`Destination.close`.
        """
        left = super().close(timeout)
        self._sender.close()
        return left


def _translator(options: SourceOptions | None) -> Translator:
    def translator(webhook: Any, _: Settings) -> Translation:
        result = to_segment(webhook, options)
        if isinstance(result, Ignored):
            return Translation(None, skipped=result.reason)
        # Of a call delivery wants to know what all calls have, whoever they are for.
        call = cast("Any", SegmentCall.of_track(result))
        return Translation(result.message_id, (call,), notes=result.notes)

    return translator
