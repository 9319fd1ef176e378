"""Dates: which values are dates, and how they are written."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given

from iterable_destination.model.dates import (
    in_utc,
    is_ambiguous,
    iterable_date,
    read_as_iso,
    read_as_iterable,
    read_as_unix_seconds,
    read_date,
    to_iterable,
    unix_seconds,
    usual_date,
)
from tests.support.strategies import date_like

NAIVE = datetime(2023, 2, 5, 20, 42, 10, 999_999)  # noqa: DTZ001 - what is naive is shown
AHEAD = datetime(2023, 2, 5, 20, 42, 10, 999_999, timezone(timedelta(hours=2)))


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run every test where the clocks show another time than UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Kathmandu")
        time.tzset()
        yield
    time.tzset()


CONVERTED = {
    "2023-02-05": "2023-02-05 00:00:00 +00:00",
    "0001-01-01": "0001-01-01 00:00:00 +00:00",
    "9999-12-31": "9999-12-31 00:00:00 +00:00",
    "2024-02-29": "2024-02-29 00:00:00 +00:00",
    "2023-02-05T20:42": "2023-02-05 20:42:00 +00:00",
    "2023-02-05 20:42": "2023-02-05 20:42:00 +00:00",
    "2023-02-05T2042": "2023-02-05 20:42:00 +00:00",
    "2023-02-05T20:42:10": "2023-02-05 20:42:10 +00:00",
    "2023-02-05 20:42:10": "2023-02-05 20:42:10 +00:00",
    "2023-02-05T204210": "2023-02-05 20:42:10 +00:00",
    "2023-02-05T20:4210": "2023-02-05 20:42:10 +00:00",
    "2023-02-05T2042:10": "2023-02-05 20:42:10 +00:00",
    "2023-02-05T00:00:00Z": "2023-02-05 00:00:00 +00:00",
    "2023-02-05T23:59:59Z": "2023-02-05 23:59:59 +00:00",
    "2023-02-05T23:59:59.999Z": "2023-02-05 23:59:59 +00:00",
    "2023-02-05 23:59:59.999Z": "2023-02-05 23:59:59 +00:00",
    "2023-02-05T23:59:59,999Z": "2023-02-05 23:59:59 +00:00",
    "2023-02-05T23:59:59.9Z": "2023-02-05 23:59:59 +00:00",
    "2023-02-05T23:59:59.999999999Z": "2023-02-05 23:59:59 +00:00",
    "2023-02-05T235959.9Z": "2023-02-05 23:59:59 +00:00",
    "2023-02-05T20:42Z": "2023-02-05 20:42:00 +00:00",
    "2023-02-05T20:42+02": "2023-02-05 18:42:00 +00:00",
    "2023-02-05T20:42-02": "2023-02-05 22:42:00 +00:00",
    "2023-02-05T20:42:10+0230": "2023-02-05 18:12:10 +00:00",
    "2023-02-05T20:42:10-0230": "2023-02-05 23:12:10 +00:00",
    "2023-02-05T20:42:10+02:30": "2023-02-05 18:12:10 +00:00",
    "2023-02-05T20:42:10-02:30": "2023-02-05 23:12:10 +00:00",
    "2023-02-05T20:42:10.123+02:00": "2023-02-05 18:42:10 +00:00",
    "2023-02-05T20:42:10+23:59": "2023-02-04 20:43:10 +00:00",
    "2023-02-05T20:42:10-23:59": "2023-02-06 20:41:10 +00:00",
    "2023-02-05T20:42:10-00:00": "2023-02-05 20:42:10 +00:00",
    "0001-01-01T00:00-00:01": "0001-01-01 00:01:00 +00:00",
    "9999-12-31T23:59+00:01": "9999-12-31 23:58:00 +00:00",
}

UNTOUCHED = [
    "",
    "2",
    "2023",
    "2023-",
    "2023-02",
    "2023-02-",
    "2023-02-0",
    "20230205",
    "202302-05",
    "2023-0205",
    "2023-2-5",
    "2023-02-5",
    "2023-2-05",
    "2023-W05-3",
    "2023-W05-7T20:42:10Z",
    "2023-036",
    "23-02-05",
    "02023-02-05",
    "2023-02-05x",
    "x2023-02-05",
    " 2023-02-05",
    "2023-02-05 ",
    "2023-02-05\n",
    "2023-02-05T",
    "2023-02-05T20",
    "2023-02-05T20:",
    "2023-02-05T20:4",
    "2023-02-05Z",
    "2023-02-05+02:00",
    "2023-02-05T20Z",
    "2023-02-05  20:42",
    "2023-02-05t20:42",
    "2023-02-05_20:42:10Z",
    "2023-02-05T20:42:10z",
    "2023-02-05T20:42:10 Z",
    "2023-02-05T20:42:10.Z",
    "2023-02-05T20:42:10,Z",
    "2023-02-05T20:42.5",
    "2023-02-05T20:42:1",
    "2023-02-05T20:42:10.12xZ",
    "2023-02-05T20:42:10Z123Z",
    "2023-02-05T20:42:10ZZ",
    "2023-02-05T20-42-10Z",
    "2023-02-05T20:42-10Z",
    "2023-02-05T20:42:10+2",
    "2023-02-05T20:42:10+02:0",
    "2023-02-05T20:42:10+020",
    "2023-02-05T20:42:10+02:60",
    "2023-02-05T20:42:10+0099",
    "2023-02-05T20:42:10+24:00",
    "2023-02-05T20:42:10-24",
    "2023-02-05T20:42:10+99:59",
    "2023-02-05T20:42:10+02:00:00",
    "2023-02-05 18:42:10 +00:00",
    "0000-01-01",
    "2023-00-05",
    "2023-13-05",
    "2023-02-00",
    "2023-02-29",
    "2023-02-31",
    "2023-02-31T20:42:10Z",
    "2023-13-05T20:42:10.123Z",
    "2023-02-05T24:00",
    "2023-02-05T24:00:00Z",
    "2023-02-05T24:00:00.000Z",
    "2023-02-05T25:00:00Z",
    "2023-02-05T20:60:00Z",
    "2023-02-05T20:42:60Z",
    "0001-01-01T00:00+00:01",
    "9999-12-31T23:59:59-00:01",
    "20:42:10",
    "05/02/2023",
    "1675629730",
    "٢٠٢٣-٠٢-٠٥",
    "2023-02-0٥",
    "2023-02-05T20:42:1٠Z",
    "2023/02-05T20:42:10Z",
    "2023-02/05T20:42:10Z",
    "2023-02-05T20.42:10Z",
    "2023-02-05T20:42.10Z",
    "2023-02-05T20:42:10:Z23Z",
    "abcd-ef-gh",
    "tick-to-ck",
]


@pytest.mark.parametrize("text", CONVERTED)
def test_a_full_iso_date_is_written_as_iterable_does(text: str) -> None:
    assert iterable_date(text) == CONVERTED[text]


USUAL = {
    "2023-02-05": 1_675_555_200,
    "2023-02-05T20:42:10Z": 1_675_629_730,
    "2023-02-05T20:42:10.999Z": 1_675_629_730,
    "2023-02-05 20:42:10,999": 1_675_629_730,
    "2023-02-05T20:42:10.999999999+0200": 1_675_622_530,
    "2023-02-05T20:42:10-02:00": 1_675_636_930,
    "2023-02-05T20:42:10+02": 1_675_622_530,
    "0001-01-01T00:00:00Z": -62_135_596_800,
    "9999-12-31T23:59:59.999Z": 253_402_300_799,
}


def test_dates_to_the_second_and_days_are_usual() -> None:
    full = [text for text in CONVERTED if re.fullmatch(r"[^T ]+([T ]..:..:...*)?", text)]
    usual = [text for text in [*CONVERTED, *UNTOUCHED] if usual_date(text)]
    beyond = [text for text in usual if text not in full]
    assert [text for text in usual if text in full] == full
    assert [iterable_date(text) for text in beyond] == beyond  # they leave the years 1 to 9999


@pytest.mark.parametrize("text", USUAL)
def test_a_usual_date_is_read_at_once(text: str) -> None:
    moment = usual_date(text)
    assert moment is not None
    assert unix_seconds(moment) == USUAL[text]


@pytest.mark.parametrize("text", UNTOUCHED)
def test_any_other_text_is_returned_as_it_is(text: str) -> None:
    assert iterable_date(text) is text


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (NAIVE, "2023-02-05 20:42:10 +00:00"),
        (AHEAD, "2023-02-05 18:42:10 +00:00"),
        (AHEAD.replace(tzinfo=UTC), "2023-02-05 20:42:10 +00:00"),
        (date(2023, 2, 5), "2023-02-05 00:00:00 +00:00"),
        (date(33, 2, 5), "0033-02-05 00:00:00 +00:00"),
        (datetime.min.replace(tzinfo=UTC), "0001-01-01 00:00:00 +00:00"),
        (datetime.max.replace(tzinfo=UTC), "9999-12-31 23:59:59 +00:00"),
    ],
)
def test_a_moment_is_written_in_utc_with_its_fraction_cut(moment: date, expected: str) -> None:
    assert to_iterable(moment) == expected


@pytest.mark.parametrize(
    "moment",
    [
        datetime.min.replace(tzinfo=timezone(timedelta(minutes=1))),
        datetime.max.replace(tzinfo=timezone(timedelta(minutes=-1))),
    ],
)
def test_a_moment_that_leaves_the_calendar_in_utc_is_an_overflow(moment: datetime) -> None:
    with pytest.raises(OverflowError):
        to_iterable(moment)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (NAIVE, NAIVE.replace(tzinfo=UTC)),
        (AHEAD, datetime(2023, 2, 5, 18, 42, 10, 999_999, UTC)),
        (date(2023, 2, 5), datetime(2023, 2, 5, tzinfo=UTC)),
    ],
)
def test_in_utc_a_naive_moment_is_utc_and_a_date_its_midnight(
    moment: date, expected: datetime
) -> None:
    result = in_utc(moment)
    assert (result, result.tzinfo) == (expected, UTC)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(1970, 1, 1, 0, 0, 0, 999_999, UTC), 0),
        (datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC), -1),
        (datetime(1970, 1, 2, 0, 0, 1, tzinfo=UTC), 86_401),
        (datetime(2023, 2, 5, 20, 42, 10, 5, UTC), 1_675_629_730),
        (AHEAD, 1_675_629_730 - 7_200),
        (datetime.min.replace(tzinfo=UTC), -62_135_596_800),
        (datetime.max.replace(tzinfo=UTC), 253_402_300_799),
    ],
)
def test_unix_seconds_are_whole_and_cut_towards_the_past(moment: datetime, expected: int) -> None:
    assert read_as_unix_seconds(moment) == expected


READ: list[tuple[Any, datetime]] = [
    # ISO 8601, also shortened and without dashes
    ("2023", datetime(2023, 1, 1, tzinfo=UTC)),
    ("2023-02", datetime(2023, 2, 1, tzinfo=UTC)),
    ("202302", datetime(2023, 2, 1, tzinfo=UTC)),
    ("2023-02-05", datetime(2023, 2, 5, tzinfo=UTC)),
    ("20230205", datetime(2023, 2, 5, tzinfo=UTC)),
    ("2023-02-05T20:42:10Z", datetime(2023, 2, 5, 20, 42, 10, tzinfo=UTC)),
    ("2023-02-05T20:42:10+02:30", datetime(2023, 2, 5, 18, 12, 10, tzinfo=UTC)),
    ("2023-02-05T20:42:10-02:30", datetime(2023, 2, 5, 23, 12, 10, tzinfo=UTC)),
    ("20230205T204210Z", datetime(2023, 2, 5, 20, 42, 10, tzinfo=UTC)),
    ("20230205 2042-01", datetime(2023, 2, 5, 21, 42, tzinfo=UTC)),
    ("2023T20:42", datetime(2023, 1, 1, 20, 42, tzinfo=UTC)),
    ("2023-02 20:42", datetime(2023, 2, 1, 20, 42, tzinfo=UTC)),
    # numbers
    (0, datetime(1970, 1, 1, tzinfo=UTC)),
    (-1, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
    (-0.5, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
    (1_675_629_730, datetime(2023, 2, 5, 20, 42, 10, tzinfo=UTC)),
    (1_675_629_730.999, datetime(2023, 2, 5, 20, 42, 10, tzinfo=UTC)),
    (1_675_629_730_999, datetime(2023, 2, 5, 20, 42, 10, tzinfo=UTC)),
    (1_675_629_730_999.9, datetime(2023, 2, 5, 20, 42, 10, tzinfo=UTC)),
    (31_557_599_999, datetime(2970, 1, 7, 23, 59, 59, tzinfo=UTC)),
    (31_557_600_000, datetime(1971, 1, 1, 6, tzinfo=UTC)),
    (31_557_600_999, datetime(1971, 1, 1, 6, tzinfo=UTC)),
    (31_557_601_000, datetime(1971, 1, 1, 6, 0, 1, tzinfo=UTC)),
    (-62_135_596_800, datetime(1, 1, 1, tzinfo=UTC)),
    (253_402_300_799_999, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    # digits
    ("1675629730", datetime(2023, 2, 5, 20, 42, 10, tzinfo=UTC)),
    ("1675629730.999", datetime(2023, 2, 5, 20, 42, 10, tzinfo=UTC)),
    ("0000000001", datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
    ("9999999999", datetime(2286, 11, 20, 17, 46, 39, tzinfo=UTC)),
    ("1675629730999", datetime(2023, 2, 5, 20, 42, 10, tzinfo=UTC)),
    ("9999999999999", datetime(2286, 11, 20, 17, 46, 39, tzinfo=UTC)),
    # Python's
    (NAIVE, NAIVE.replace(tzinfo=UTC)),
    (AHEAD, datetime(2023, 2, 5, 18, 42, 10, 999_999, UTC)),
    (date(2023, 2, 5), datetime(2023, 2, 5, tzinfo=UTC)),
    # other texts
    ("Sat Jan 12 2013 10:00:00 GMT+0100", datetime(2013, 1, 12, 9, tzinfo=UTC)),
    ("Sat Jan 12 2013 10:00:00 GMT+0100 (CET)", datetime(2013, 1, 12, 9, tzinfo=UTC)),
    ("Sat Jan 12 2013 10:00:00 GMT-0130 (any words) ", datetime(2013, 1, 12, 11, 30, tzinfo=UTC)),
    ("Sat Jan 12 2013 10:00:00 utc +01:00", datetime(2013, 1, 12, 9, tzinfo=UTC)),
    ("Sat Jan 12 2013 10:00:00 UT+1", datetime(2013, 1, 12, 9, tzinfo=UTC)),
    ("Sat, 12 Jan 2013 10:00:00 +0100", datetime(2013, 1, 12, 9, tzinfo=UTC)),
    ("Sat, 12 Jan 2013 10:00:00 GMT", datetime(2013, 1, 12, 10, tzinfo=UTC)),
    ("Jan 12 2013 10:00 UTC", datetime(2013, 1, 12, 10, tzinfo=UTC)),
    ("Jan 12 2013 10:00 UT", datetime(2013, 1, 12, 10, tzinfo=UTC)),
    ("Jan 12 2013 10:00 Z", datetime(2013, 1, 12, 10, tzinfo=UTC)),
    ("Jan 12 2013 10:00 EST", datetime(2013, 1, 12, 15, tzinfo=UTC)),
    ("Jul 12 2013 10:00 EDT", datetime(2013, 7, 12, 14, tzinfo=UTC)),
    ("Jan 12 2013 10:00 CST", datetime(2013, 1, 12, 16, tzinfo=UTC)),
    ("Jul 12 2013 10:00 CDT", datetime(2013, 7, 12, 15, tzinfo=UTC)),
    ("Jan 12 2013 10:00 MST", datetime(2013, 1, 12, 17, tzinfo=UTC)),
    ("Jul 12 2013 10:00 MDT", datetime(2013, 7, 12, 16, tzinfo=UTC)),
    ("Jan 12 2013 10:00 PST", datetime(2013, 1, 12, 18, tzinfo=UTC)),
    ("Jul 12 2013 10:00 PDT", datetime(2013, 7, 12, 17, tzinfo=UTC)),
    ("2023-02-05 18:42:10 +00:00", datetime(2023, 2, 5, 18, 42, 10, tzinfo=UTC)),
]

#: Other texts that say no zone, which is UTC everywhere else.
WITHOUT_ZONE: list[tuple[str, datetime]] = [
    ("Sat, 12 Jan 2013 10:00:00", datetime(2013, 1, 12, 10, tzinfo=UTC)),
    ("02/15/2023", datetime(2023, 2, 15, tzinfo=UTC)),
    ("15/02/2023", datetime(2023, 2, 15, tzinfo=UTC)),
    ("05.05.2023", datetime(2023, 5, 5, tzinfo=UTC)),
    ("31.12.2023 10:00", datetime(2023, 12, 31, 10, tzinfo=UTC)),
    ("12/2023", datetime(2023, 12, 1, tzinfo=UTC)),
    ("5. Feb. 2023", datetime(2023, 2, 5, tzinfo=UTC)),
    ("2023/2/5 10:20:30 PM", datetime(2023, 2, 5, 22, 20, 30, tzinfo=UTC)),
    ("20230205 10:20:30 PM", datetime(2023, 2, 5, 22, 20, 30, tzinfo=UTC)),
    ("5 February 2023", datetime(2023, 2, 5, tzinfo=UTC)),
    ("Feb 2023", datetime(2023, 2, 1, tzinfo=UTC)),
    ("2023-2-5", datetime(2023, 2, 5, tzinfo=UTC)),
    ("2023-02-05T20", datetime(2023, 2, 5, 20, tzinfo=UTC)),
    (" 2023-02-05 ", datetime(2023, 2, 5, tzinfo=UTC)),
]

NO_DATES: list[Any] = [
    "",
    " ",
    "soon",
    "0000",
    "2023-13",
    "2023-02-30",
    "20230230",
    "2023-02-05T20:42:10+24:00",
    "2023-02-05T20:42:10+00:60",
    "0001-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59-01:00",
    "10:00",
    "Saturday",
    f"{'1' * 29}h",  # dateutil raises decimal.InvalidOperation
    f"10:{'1' * 29}",
    f"10h{'1' * 29}m",
    "12 January",  # which year?
    "12 January 10:00 GMT",
    "20 2013",  # which month?
    "20 2013 10:00 GMT",
    "10:00 GMT",
    "Saturday 10:00 GMT",
    "Feb 29",
    "Feb 30 2020",
    "Jan 12 2013 10:00 CET",
    "Jan 12 2013 10:00 XYZ",
    "Jan 12 2013 10:00 +9999",
    "Dec 31 9999 23:00 GMT-0200",
    "123456789",
    "12345678901",
    "123456789012",
    "12345678901234",
    "1675629730999.5",
    "1675629730.",
    "-1675629730",
    "١٦٧٥٦٢٩٧٣٠",
    float("nan"),
    float("inf"),
    float("-inf"),
    10**5_000,
    -(10**5_000),
    -62_135_596_801,
    253_402_300_800_000,
    datetime.min.replace(tzinfo=timezone(timedelta(minutes=1))),
    True,
    False,
    None,
    [],
    {},
    b"2023-02-05",
    object(),
]


@pytest.mark.parametrize(("value", "expected"), READ, ids=[repr(value) for value, _ in READ])
def test_a_single_field_is_read_as_a_date_in_utc(value: Any, expected: datetime) -> None:
    moment = read_date(value)
    assert (moment, moment and moment.tzinfo) == (expected, UTC)


@pytest.mark.parametrize(("value", "expected"), READ, ids=[repr(value) for value, _ in READ])
def test_a_single_field_is_written_as_iterable_does_or_as_unix_seconds(
    value: Any, expected: datetime
) -> None:
    written = f"{expected:%Y-%m-%d %H:%M:%S} +00:00".rjust(26, "0")
    seconds = (expected - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    assert (read_as_iterable(value), read_as_unix_seconds(value)) == (written, seconds)


@pytest.mark.parametrize(("text", "expected"), WITHOUT_ZONE)
def test_another_text_without_a_zone_is_read_in_utc(text: str, expected: datetime) -> None:
    assert read_date(text) == expected


@pytest.mark.parametrize("value", NO_DATES, ids=lambda value: str(type(value)))
def test_a_single_field_of_any_other_kind_is_no_date(value: Any) -> None:
    read = (read_date(value), read_as_iterable(value), read_as_unix_seconds(value))
    assert read == (None, None, None)


@given(date_like)
def test_whatever_a_text_says_reading_it_as_a_date_raises_nothing(text: str) -> None:
    moment = read_date(text)
    read = (read_as_iterable(text), read_as_unix_seconds(text), read_as_iso(text))
    assert [each is None for each in read] == [moment is None] * 3
    assert iterable_date(text) in {text, read_as_iterable(text)}


class Broken(datetime):
    """A moment that cannot be read."""

    def utcoffset(self) -> timedelta:
        raise LookupError("no zone")


def test_a_moment_that_cannot_be_read_is_no_date() -> None:
    assert read_date(Broken(2023, 2, 5)) is None


def test_a_text_of_more_than_100_characters_is_no_date() -> None:
    longest = "Jan 12 2013 10:00 GMT".ljust(100)
    assert read_date(longest) == datetime(2013, 1, 12, 10, tzinfo=UTC)
    assert read_date(f"{longest} ") is None


class NotATime(datetime):
    """A moment that is none, as pandas has one: it is not even equal to itself."""

    __hash__ = datetime.__hash__

    def __eq__(self, _: object) -> bool:
        return False

    def __ne__(self, _: object) -> bool:
        return True


def test_a_moment_that_is_not_equal_to_itself_is_no_date() -> None:
    moment = NotATime(2023, 2, 5, tzinfo=UTC)
    assert read_date(moment) is None
    with pytest.raises(ValueError, match=r"\Anot a time\Z"):
        to_iterable(moment)


TWO_DATES = [
    "05/02/2023",
    "05.02.2023",
    "5-2-2023 10:00",
    "05 02 2023",
    "Sun 05/02/2023 10:00:00 GMT",
    "10:00 05/02/2023",
    "05/02/23",
    "10-11-12",
    "23/01/05",
]


@pytest.mark.parametrize("text", TWO_DATES)
def test_a_text_that_can_be_two_dates_is_none(text: str) -> None:
    assert (is_ambiguous(text), read_date(text)) == (True, None)


@pytest.mark.parametrize("value", [*READ, *WITHOUT_ZONE], ids=str)
def test_a_date_is_not_two(value: tuple[Any, datetime]) -> None:
    assert is_ambiguous(value[0]) is False


@pytest.mark.parametrize("value", ["", "soon", "13/13/2023", "5" * 101, None, 5])
def test_no_date_is_not_two_either(value: Any) -> None:
    assert is_ambiguous(value) is False


def test_a_very_long_text_is_no_date_at_once() -> None:
    assert read_date("1" * 20_000_000) is None


def test_13_digits_are_milliseconds_however_few_they_are() -> None:
    assert read_date("0000000001999") == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2016-12-02 20:21:04 +00:00", "2016-12-02T20:21:04Z"),
        ("2016-12-02 20:21:04 -08:00", "2016-12-03T04:21:04Z"),
        ("2016-12-02T20:21:04.999Z", "2016-12-02T20:21:04Z"),
        ("0001-01-01 00:00:00 +00:00", "0001-01-01T00:00:00Z"),
        ("2016-12-02", "2016-12-02T00:00:00Z"),
        (1_480_710_064, "2016-12-02T20:21:04Z"),
        (1_480_710_064_999, "2016-12-02T20:21:04Z"),
        (AHEAD, "2023-02-05T18:42:10Z"),
        ("2016-13-02 20:21:04 +00:00", None),
        ("2016-12-02 24:00:00 +00:00", None),
        ("2016-12-02 23:59:60 +00:00", None),
        ("2016-W48-5 20:21:04 +00:00", None),
        ("2016-12-02 20:21:0x +00:00", None),
        ("٢٠١٦-12-02 20:21:04 +00:00", None),
        ("", None),
        (None, None),
        (True, None),
        ([], None),
    ],
)
def test_a_single_date_is_read_as_iso(value: Any, expected: str | None) -> None:
    assert read_as_iso(value) == expected
