"""Every row of the tables of the reference has a case that shows it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from iterable_destination.conformance import Case, cases
from tests.support.reference_rows import PAGES, WITHOUT_CASES, Row, list_rows

ROWS = {row.id: row for row in list_rows()}
CASES = cases()


def list_values(value: Any) -> Iterator[Any]:
    """Yield every key and every value in a JSON value."""
    yield value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from list_values(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from list_values(inner)


def has_value(case: Case, value: Any) -> bool:
    """Whether the input of a case has this value, of this type, somewhere in it."""
    return any(type(each) is type(value) and each == value for each in list_values(case.input))


def test_every_row_has_a_case_or_a_reason_why_it_has_none() -> None:
    shown = {row for case in CASES for row in case.rows}
    assert shown | set(WITHOUT_CASES) == set(ROWS)
    assert shown & set(WITHOUT_CASES) == set()


def test_no_two_rows_have_one_name_and_every_page_has_some() -> None:
    assert len(ROWS) == len(list_rows()) > 300
    assert {row.page for row in ROWS.values()} == set(PAGES)


#: The tables whose first cell is a value that is given, as a text or as JSON.
VALUES: dict[str, Callable[[str], Any]] = {
    "dates.md#in-datafields": str,
    "commerce.md#numbers": json.loads,
    "reading.md#values": json.loads,
}
GIVEN = [row for row in ROWS.values() if row.place in VALUES and row.id not in WITHOUT_CASES]


@pytest.mark.parametrize("row", GIVEN, ids=lambda row: row.id)
def test_a_case_of_a_value_has_that_value(row: Row) -> None:
    value = VALUES[row.place](row.name)
    showing = [case for case in CASES if row.id in case.rows]
    assert showing
    assert [case.id for case in showing if not has_value(case, value)] == []


def test_a_case_shows_only_rows_of_its_system() -> None:
    systems = {"mappings": "mapped", "source": "source"}
    wrong = [
        (case.id, row)
        for case in CASES
        for row in case.rows
        if systems.get(ROWS[row].page, "classic") != case.system
    ]
    assert wrong == []


def test_every_row_where_segments_own_differs_has_a_departure() -> None:
    place = "mappings.md#where-segments-own-differs"
    departing = {row for case in CASES if case.departure is not None for row in case.rows}
    assert {row.id for row in ROWS.values() if row.place == place} <= departing
