"""Translation of a DataFrame: the requests of its events, and those that have none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import attrs

from iterable_destination.delivery.engine.envelope import Envelope
from iterable_destination.mapping.translate import Translate, translator_for
from iterable_destination.model.settings import Settings
from iterable_destination.spark.events import make_preparer, read_record
from iterable_destination.spark.rows import (
    NOTES,
    REASON,
    Row,
    as_optional_text,
    describe_places,
    describe_reason,
    map_rows,
    read_texts,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_REQUEST: Final = {
    "number": "int32",
    "method": "string",
    "path": "string",
    "body": "string",
    "subscription": "string",
}
_REFUSAL: Final = {**REASON, "subscription": "string"}
_COLUMNS: Final[dict[str, Any]] = {
    "value": "binary",
    "message_id": "string",
    "requests": list(_REQUEST.items()),
    "refusals": list(_REFUSAL.items()),
    **NOTES,
}


def translate_events(
    df: DataFrame,
    settings: Settings | None = None,
    *,
    column: str = "value",
    translator: Translate | None = None,
) -> tuple[DataFrame, DataFrame]:
    """Return the requests of events, and the refusals, both lazily: nothing is sent.

    ``column`` has an event in JSON in each row, as text or bytes; blank ones and nulls are no
    events. ``settings`` None is the default settings. ``translator`` None is the classic mapping,
    or the ``mappings`` of the settings; another one is pickled.

    Requests have the columns ``message_id``, ``number`` (which of the event's it is, from 0),
    ``method``, ``path``, ``body`` (JSON), ``subscription`` (of a mapped destination, else null) and
    ``notes``. Refusals have ``message_id``, ``outcome`` (``skipped``, ``rejected`` or
    ``retryable``), ``error``, ``message``, ``problems``, ``subscription``, ``notes`` and ``value``,
    the event as it came. Notes and problems are arrays of ``path``, ``message``
    and ``code``.

    Each event is in one of the two; in both only if some subscriptions of a mapped destination gave
    requests and others failed. An event without a ``messageId`` gets one made of its text. What is
    returned is computed at each use, each of the two on its own.

    Raises :exc:`~iterable_destination.errors.InvalidSubscription` for mistakes in ``mappings``.
    """
    chosen = settings or Settings()
    translator_for(chosen)  # raises for mistakes in the mappings, here and not on an executor
    attempt = _TranslateRows(attrs.evolve(chosen, enabled=True), translator)
    rows = map_rows(read_texts(df, column), attempt, _COLUMNS)
    requests = rows.selectExpr("message_id", "inline(requests)", "notes")
    refusals = rows.selectExpr(
        "message_id", "inline(refusals)", "notes", "cast(value as string) as value"
    )
    return requests, refusals


@attrs.frozen
class _TranslateRows:
    """Translates the events of one partition."""

    settings: Settings
    translator: Translate | None

    def __call__(self, rows: Iterator[Row]) -> Iterator[Row]:
        """Yield a row with the requests and the refusals of each event."""
        prepare = make_preparer(self.settings, self.translator).prepare
        for index, row in enumerate(rows):
            envelope, _ = prepare(index, read_record(index, row["value"]))
            yield {
                "value": row["value"],
                "message_id": as_optional_text(envelope.message_id),
                "requests": list(_describe_requests(envelope)),
                "refusals": list(_describe_refusals(envelope)),
                "notes": describe_places(envelope.notes),
            }


def _describe_requests(envelope: Envelope) -> Iterator[Row]:
    subscriptions = envelope.subscriptions or (None,) * len(envelope.calls)
    for number, (call, name) in enumerate(zip(envelope.calls, subscriptions, strict=True)):
        yield {
            "number": number,
            "method": call.endpoint.method,
            "path": call.endpoint.path,
            "body": call.body.decode(),
            "subscription": as_optional_text(name),
        }


def _describe_refusals(envelope: Envelope) -> Iterator[Row]:
    if envelope.outcome is not None:
        yield {**describe_reason(envelope.outcome), "subscription": None}
    for failed in envelope.failures:
        reason = describe_reason(failed.outcome)
        yield {**reason, "subscription": as_optional_text(failed.subscription)}
