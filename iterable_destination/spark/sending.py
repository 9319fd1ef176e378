"""Sending a DataFrame: its executors deliver, and write one row of outcome for each event."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs

from iterable_destination.delivery.destination import Destination
from iterable_destination.delivery.engine.rate_limiter import RateLimiters
from iterable_destination.delivery.engine.retry import RetryPolicy
from iterable_destination.delivery.shards import MAX_SHARDS, Shard
from iterable_destination.errors import InvalidSettings
from iterable_destination.mapping.translate import Translate, translator_for
from iterable_destination.model.bounds import check_count, check_timeout
from iterable_destination.model.endpoints import DELIVERY_PATHS, DELIVERY_RATES
from iterable_destination.model.outcomes import Delivered, Outcome, Skipped
from iterable_destination.model.records import Record
from iterable_destination.model.settings import Settings
from iterable_destination.spark.events import ORDERED, ReadNames, read_record
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
from iterable_destination.spark.users import add_users

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, DataFrameWriter

_API_KEY: Final = "ITERABLE_API_KEY"
_NO_KEY: Final = (
    "there is no key on the executor: set ITERABLE_API_KEY in its environment, or give api_key"
)
_SPECULATION: Final = (
    "spark.speculation: must be false, or Spark sends the events of a slow task twice at once"
)
#: The outcomes after which nobody needs the event any more.
_DONE: Final = frozenset({Delivered.name, Skipped.name})
_COLUMNS: Final[dict[str, Any]] = {
    "message_id": "string",
    **REASON,
    "code": "string",
    "request_id": "string",
    "attempts": "int32",
    **NOTES,
    "failures": [
        *(("subscription", "string"), ("outcome", "string"), ("path", "string")),
        ("message", "string"),
    ],
    "value": "binary",
}
_BUT_VALUE: Final = tuple(name for name in _COLUMNS if name != "value")


def send_to_iterable(  # noqa: PLR0913 - keywords
    df: DataFrame,
    settings: Settings,
    outcomes: Callable[[DataFrameWriter], object],
    *,
    column: str = "value",
    senders: int = 2,
    timeout: float | None = 3_600.0,
    links: str | None = None,
    api_key: Callable[[], str] | None = None,
    translator: Translate | None = None,
    retry: RetryPolicy | None = None,
    rate_limits: Mapping[str, float | None] | None = None,
) -> None:
    """Deliver events, each user's in order of time, and write one row of outcome for each.

    ``column`` has an event in JSON in each row, as text or bytes; blank ones and nulls are no
    events. ``outcomes`` is given a writer of Spark's, and writes with it once:
    ``lambda writer: writer.mode("append").saveAsTable("outcomes")``. That sends: nothing is sent
    if it writes nothing, and all again if it writes twice.

    The columns are ``message_id``, ``outcome``, ``error``, ``message``, ``problems``, ``code``,
    ``request_id``, ``attempts``, ``notes``, ``failures``, as in
    :class:`~iterable_destination.Outcome`, and ``value``: the event as it came, null if it was
    delivered or skipped.

    ``senders`` tasks send at once, 1 to 100, each the events of its own users with its share of the
    rates. ``timeout`` is seconds that each of them has, at least 0: what is left then is retryable,
    or unknown if it may have been applied; None sets no bound. ``links`` is a folder in which names
    that stood together are kept for the next call, as the batches of a stream need them; None
    forgets them. ``api_key`` is called on the executors and is pickled with what it refers to; None
    reads ``ITERABLE_API_KEY`` there. ``translator``, ``retry`` and ``rate_limits``, those of the
    whole project, are as in :class:`~iterable_destination.Destination`.

    A user's events are sorted by ``timestamp``, or else ``originalTimestamp`` or ``receivedAt``;
    then by ``receivedAt``, then by ``messageId``; those without any time come last. An event
    without a ``messageId`` gets one made of its text. Before anything is sent, the events are in
    the directory for checkpoints, which must be set (``SparkContext.setCheckpointDir``): so an
    executor that is lost takes no other task with it.

    Raises :exc:`~iterable_destination.errors.InvalidSettings` if speculation is on,
    :exc:`~iterable_destination.errors.InvalidSubscription` for mistakes in ``mappings``,
    :exc:`ValueError` for a number out of bounds or a path that is not known, and whatever Spark
    raises; then some events may be sent that have no row. Do the same again: they have the same
    ids.
    """
    check_count("senders", senders, MAX_SHARDS)
    check_timeout(timeout)
    RateLimiters(rate_limits, DELIVERY_PATHS)  # raises for a wrong one, here and not on an executor
    translator_for(settings)  # likewise
    if str(df.sparkSession.conf.get("spark.speculation", "false")).lower() == "true":
        raise InvalidSettings(_SPECULATION)
    shard = Shard(1, senders)
    limits = {**DELIVERY_RATES, **(rate_limits or {})}
    send = _SendRows(
        settings,
        api_key,
        translator,
        retry,
        {path: shard.share(limit) for path, limit in limits.items()},
        timeout,
    )
    texts = read_texts(df, column)
    events = map_rows(texts, ReadNames(settings, translator), ORDERED).persist()
    try:
        rows = _stage(add_users(events, links), senders)
        sent = map_rows(rows, send, _COLUMNS)
        outcomes(sent.selectExpr(*_BUT_VALUE, "cast(value as string) as value").write)
    finally:
        events.unpersist()


def _stage(events: DataFrame, senders: int) -> DataFrame:
    """Return events in one partition for each sender, in order, from files that stay.

    If an executor is lost that has parts of a shuffle, Spark runs the stage that reads them again,
    and also those of its tasks that still run elsewhere: two would send the same events at once.
    What is read from a checkpoint depends on no shuffle.
    """
    owned = events.selectExpr("*", "coalesce(main, cast(value as string)) as owner")
    parts = owned.repartition(senders, "owner")
    ordered = parts.sortWithinPartitions("time", "received", "message_id", "value")
    return ordered.select("value", "main").checkpoint()


@attrs.frozen
class _SendRows:
    """Sends the events of one partition. It is pickled, and the settings leave their key behind."""

    settings: Settings
    api_key: Callable[[], str] | None
    translator: Translate | None
    retry: RetryPolicy | None
    #: This sender's share.
    rate_limits: Mapping[str, float | None]
    timeout: float | None

    def __call__(self, rows: Iterator[Row]) -> Iterator[Row]:
        """Yield a row of outcome for each event."""
        waiting: dict[int, Row] = {}

        def read_records() -> Iterator[Record]:
            for index, row in enumerate(rows):
                waiting[index] = row
                yield read_record(index, row["value"])

        def find_user(record: Record) -> str | None:
            user: str | None = waiting[record.index]["main"]
            return user

        with Destination(
            self._add_key(),
            translator=self.translator,
            retry=self.retry,
            rate_limits=self.rate_limits,
        ) as to:
            for outcome in to.send_all(
                read_records(), timeout=self.timeout, ordering_key=find_user
            ):
                row = waiting.pop(outcome.index)
                yield _describe_outcome(outcome, row["value"])

    def _add_key(self) -> Settings:
        if not self.settings.enabled:
            return self.settings
        key = os.environ.get(_API_KEY) if self.api_key is None else self.api_key()
        if not key:
            raise InvalidSettings(_NO_KEY)
        return attrs.evolve(self.settings, api_key=key)


def _describe_outcome(outcome: Outcome, text: bytes) -> Row:
    return {
        "message_id": as_optional_text(outcome.message_id),
        **describe_reason(outcome),
        "code": as_optional_text(outcome.code),
        "request_id": as_optional_text(outcome.request_id),
        "attempts": outcome.attempts,
        "notes": describe_places(outcome.notes),
        "failures": [
            {
                "subscription": as_optional_text(failure.subscription),
                "outcome": failure.outcome,
                "path": failure.path,
                "message": as_optional_text(str(failure.error)),
            }
            for failure in outcome.failures
        ],
        "value": None if outcome.name in _DONE else text,
    }
