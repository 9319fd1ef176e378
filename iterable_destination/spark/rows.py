"""Rows: how events come in, and how requests and outcomes go out. Schemas are those of Arrow.

pyspark and pyarrow are loaded where they are used, so that these modules can be read without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from iterable_destination.errors import Invalid, Note, Problem
from iterable_destination.model.outcomes import Outcome

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

#: What a row holds, by the names of its columns.
Row = dict[str, Any]
#: Makes rows of the rows of one partition.
MapRows = Callable[[Iterator[Row]], Iterator[Row]]

_INSTALL: Final = "Spark needs other packages: pip install 'pandas<3' 'pyspark[sql]>=3.5'"
#: Rows in one batch that goes back to Spark.
_BATCH: Final = 1_000

_PLACES: Final = [("path", "string"), ("message", "string"), ("code", "string")]
#: What an outcome says, as columns. A list of pairs is an array of structs.
REASON: Final[dict[str, Any]] = {
    "outcome": "string",
    "error": "string",
    "message": "string",
    "problems": _PLACES,
}
NOTES: Final[dict[str, Any]] = {"notes": _PLACES}


def make_schema(columns: dict[str, Any]) -> pa.Schema:
    """Return the schema of columns by their types: Arrow's names, or pairs for an array."""
    import pyarrow as pa  # noqa: PLC0415 - of the extra

    return pa.schema([(name, _make_type(kind)) for name, kind in columns.items()])


def _make_type(kind: Any) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - of the extra

    if isinstance(kind, str):
        return pa.type_for_alias(kind)
    if kind == [str]:
        return pa.list_(pa.string())
    return pa.list_(pa.struct([(name, _make_type(each)) for name, each in kind]))


def map_rows(events: DataFrame, change: MapRows, columns: dict[str, Any]) -> DataFrame:
    """Return what ``change`` makes of each partition's rows, lazily.

    Raises :exc:`ModuleNotFoundError` with what is to be installed.
    """
    try:
        from pyspark.sql.pandas.types import from_arrow_schema  # noqa: PLC0415 - of the extra

        schema = from_arrow_schema(make_schema(columns))
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(_INSTALL, name=error.name) from None

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = (row for batch in batches for row in batch.to_pylist())
        return _make_batches(change(rows), columns)

    return events.mapInArrow(run, schema)


def _make_batches(rows: Iterator[Row], columns: dict[str, Any]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa  # noqa: PLC0415 - of the extra

    schema = make_schema(columns)
    while chunk := list(islice(rows, _BATCH)):
        yield pa.RecordBatch.from_pylist(chunk, schema=schema)


def read_texts(events: DataFrame, column: str) -> DataFrame:
    """Return a column of texts as the bytes that they are, without blank ones and nulls."""
    name = f"`{column.replace('`', '``')}`"
    texts = events.selectExpr(f"cast({name} as string) as value")
    # not in SQL, where it depends on a setting what a backslash means
    return texts.where(texts["value"].rlike(r"\S")).selectExpr("cast(value as binary) as value")


def describe_reason(outcome: Outcome) -> Row:
    """Return the columns of :data:`REASON` for an outcome."""
    error = outcome.error
    message = outcome.message
    if message is not None:  # a row has no number
        message = as_text(message.removeprefix(f"line {outcome.index + 1}: "))
    return {
        "outcome": outcome.name,
        "error": None if error is None else type(error).__name__,
        "message": message,
        "problems": describe_places(error.problems if isinstance(error, Invalid) else ()),
    }


def describe_places(found: Iterable[Problem | Note]) -> list[Row]:
    """Return problems or notes as structs."""
    return [
        {"path": each.path, "message": as_text(each.message), "code": each.code} for each in found
    ]


def as_text(text: str) -> str:
    """Return a text that UTF-8 can hold: an unpaired surrogate is escaped."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def as_optional_text(text: str | None) -> str | None:
    """Return the same of a text that may be None."""
    return None if text is None else as_text(text)
