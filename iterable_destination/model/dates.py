"""Dates: recognise them, and write them as Iterable does.

Iterable can segment a field by date only if it is written ``yyyy-MM-dd HH:mm:ss ZZ``; event times
are unix seconds. No other module knows how a date is written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any, Final, NamedTuple

import dateutil.parser

from iterable_destination.model.json_values import scalar

#: ISO 8601 as Segment reads it. The date may be shortened or without dashes only where a single
#: field is read as a date; inside ``dataFields`` :func:`iterable_date` requires the dashes.
_ISO: Final = re.compile(
    r"(?P<year>\d{4})(?:-?(?P<month>\d\d)(?:-?(?P<day>\d\d))?)?"
    r"(?:[T ](?P<hour>\d\d):?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:[.,]\d+)?)?"
    r"(?:Z|(?P<sign>[+-])(?P<zone_hours>\d\d)(?::?(?P<zone_minutes>\d\d))?)?)?",
    re.ASCII,
)
_UNIX_SECONDS: Final = re.compile(r"\d{10}(?:\.\d+)?", re.ASCII)
_UNIX_MILLISECONDS: Final = re.compile(r"\d{13}", re.ASCII)

#: Numbers below are unix seconds, others milliseconds: 1 January 1971 in milliseconds.
_FIRST_MILLISECONDS: Final = 31_557_600_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

#: The longest text that is parsed as a date, in characters, so that no text takes long to parse.
_LONGEST_DATE: Final = 100

#: JavaScript writes ``GMT+0100 (CET)`` for one hour *ahead* of UTC, which dateutil would read the
#: POSIX way round.
_ZONE_NAME_BEFORE_OFFSET: Final = re.compile(r"\b(?:GMT|UTC|UT)\s*(?=[+-]\d)", re.IGNORECASE)
_ZONE_COMMENT: Final = re.compile(r"\s*\([^()]*\)\s*$")
_ZONES: Final = {
    "UTC": 0, "GMT": 0, "UT": 0, "Z": 0,
    "EST": -5, "EDT": -4, "CST": -6, "CDT": -5,
    "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
}  # fmt: skip
#: The beginning of a text whose numbers have one order: a year first, or the name of a month.
_ONE_ORDER: Final = re.compile(
    r"\D*(?:\d{4}|\d{8})(?!\d)|.*(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)",
    re.ASCII | re.DOTALL | re.IGNORECASE,
)
#: In which orders numbers are read, as dateutil is told: whether the day is first, or the year.
_ORDERS: Final = ((False, False), (True, False), (False, True))
#: Two days that share nothing but the day of the month: a text that gives two different dates
#: with them does not say its year or its month itself.
_DEFAULTS: Final = (datetime(2000, 1, 1), datetime(2001, 2, 1))  # noqa: DTZ001 - a zone is read


def iterable_date(text: str) -> str:
    """Return a full ISO 8601 date as Iterable's ``yyyy-MM-dd HH:mm:ss ZZ`` in UTC.

    Anything else is returned as it is: shorter and other forms, impossible dates, and dates that
    leave the years 1 to 9999 in UTC. Fractions of a second are cut. No zone means UTC.
    """
    usual = usual_date(text)
    if usual is not None:
        return _write_usual(text, usual) or text
    read = _read_iso(text) if text[4:8:3] == "--" else None
    return text if read is None else to_iterable(read)


def iterable_moment(text: str) -> str:
    """Return a full ISO 8601 date with a time as :func:`iterable_date` does; a day alone stays."""
    return text if len(text) == _DAY_ALONE else iterable_date(text)


def day_or_moment(moment: date) -> str:
    """Return a ``datetime`` as :func:`to_iterable` does, and a ``date`` as ``yyyy-MM-dd``."""
    return to_iterable(moment) if isinstance(moment, datetime) else moment.isoformat()


class DateForm(NamedTuple):
    """How the dates inside an object are written."""

    #: Returns a text as it is to be sent.
    text: Callable[[str], str]
    #: Returns a ``date`` or ``datetime`` as it is to be sent.
    moment: Callable[[date], str]


def read_as_iterable(value: Any) -> str | None:
    """Read a single field that should be a date, and return it as Iterable's; None if it is none.

    What is taken is what :func:`read_date` takes.
    """
    usual = usual_date(value) if type(value) is str and len(value) <= _LONGEST_DATE else None
    if usual is not None:
        return _write_usual(value, usual)
    moment = read_date(value)
    return None if moment is None else to_iterable(moment)


def _write_usual(text: str, moment: datetime) -> str | None:
    """Return the moment that :func:`usual_date` read from a text as :func:`to_iterable` does.

    Nearly all are in UTC, so that the parts can be cut from the text. None if the moment leaves
    the years 1 to 9999 in UTC.
    """
    if moment.tzinfo is UTC or moment.tzinfo is None:
        return f"{text[:10]} {text[11:19] or '00:00:00'} +00:00"
    try:
        return f"{str(moment.astimezone(UTC))[:19]} +00:00"
    except OverflowError:
        return None


def read_as_iso(value: Any) -> str | None:
    """Read a single field that should be a date as ``yyyy-MM-ddTHH:mm:ssZ``, in UTC; or None.

    What is taken is what :func:`read_date` takes. Fractions are cut towards the past.
    """
    if (
        type(value) is str
        and value[19:] == " +00:00"
        and value[4:17:3] == "-- ::"
        and value[11:13] != "24"  # some Pythons take it
    ):
        try:
            _parse(value[:19])
        except ValueError:
            return None
        return f"{value[:10]}T{value[11:19]}Z"
    moment = read_date(value)
    return None if moment is None else f"{moment.isoformat('T', 'seconds')[:19]}Z"


def iso_moment(moment: datetime, precision: str | None = None) -> str:
    """Return a ``datetime`` in UTC as ``yyyy-MM-ddTHH:mm:ss.fffZ``.

    ``precision`` is a ``timespec`` of :meth:`datetime.isoformat`. None is milliseconds, or
    microseconds where there are some.
    """
    precision = precision or ("microseconds" if moment.microsecond % 1000 else "milliseconds")
    return f"{moment.isoformat('T', precision)[:-6]}Z"


def read_as_unix_seconds(value: Any) -> int | None:
    """Read a single field that should be a date as whole seconds since 1970-01-01 UTC, or None.

    What is taken is what :func:`read_date` takes. Fractions are cut towards the past.
    """
    moment = read_date(value)
    return None if moment is None else unix_seconds(moment)


def unix_seconds(moment: datetime) -> int:
    """Return a moment as whole seconds since 1970-01-01 UTC; a naive one is UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    passed = moment - _EPOCH
    return passed.days * 86_400 + passed.seconds


def to_iterable(moment: date) -> str:
    """Return a ``datetime`` (a naive one is UTC) or ``date`` as ``yyyy-MM-dd HH:mm:ss +00:00``.

    Raises :exc:`OverflowError` if it leaves the years 1 to 9999 in UTC.
    """
    return f"{str(in_utc(moment))[:19]} +00:00"


def in_utc(moment: date) -> datetime:
    """Return a ``datetime`` in UTC; a naive one is UTC already, a ``date`` is its midnight.

    Raises :exc:`OverflowError` if it leaves the years 1 to 9999 in UTC, and :exc:`ValueError` if
    it is no date at all.
    """
    if type(moment) is datetime and moment.tzinfo is UTC:  # as nearly always
        return moment
    if moment != moment:  # noqa: PLR0124 - pandas' NaT is a datetime, and none
        raise ValueError("not a time")
    if not isinstance(moment, datetime):
        return datetime.combine(moment, time(), UTC)
    if moment.utcoffset() is None:
        return moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC)


#: A day alone is its midnight in UTC: the classic mapping.
WITH_TIME: Final = DateForm(iterable_date, to_iterable)
#: A day alone stays one: mapped destinations.
DAYS_STAY: Final = DateForm(iterable_moment, day_or_moment)
#: Texts stay as they are.
TEXTS_STAY: Final = DateForm(str, day_or_moment)


def read_date(value: Any) -> datetime | None:
    """Read a single field that should be a date, such as ``timestamp``; None if it is none.

    Taken are ISO 8601 (also shortened: ``2023-02``), numbers (below 31,557,600,000 unix seconds,
    else milliseconds), texts of 10 digits (seconds) and 13 digits (milliseconds), ``datetime``,
    ``date``, and other texts that name a year and a month (``Sat Jan 12 2013 10:00 GMT+0100``).
    Raises nothing: whatever is raised by what reads the value, or by the value, it is no date.
    """
    try:
        value = value if type(value) is str else scalar(value)
        if isinstance(value, str):
            return _read_text(value)
        if isinstance(value, date):
            return in_utc(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return _read_number(value)
    except Exception:  # noqa: BLE001 - dateutil raises more than it documents
        return None
    return None


def usual_date(text: str) -> datetime | None:
    """Read a date that is written the usual way, quickly; None if it is not, or impossible.

    That is ``2023-02-05T20:42:10.123Z``, ``2023-02-05 20:42:10+02:00`` and the like, to the second
    or closer, or ``2023-02-05``, as nearly all dates are. A pattern holds their form to what ISO
    8601 has in this place, and ``datetime.fromisoformat`` checks the numbers. What has no zone is
    naive.
    """
    if not _USUAL.fullmatch(text):
        return None
    try:
        return _parse(text)
    except ValueError:
        return None


#: Some Pythons take the hour 24, and more than 59 minutes of a zone.
_USUAL: Final = re.compile(
    r"....-..-..(?:[T ](?!24)..:..:..(?:[.,]\d+)?(?:Z|[+-]\d\d(?::?[0-5]\d)?)?)?", re.ASCII
)
_DAY_ALONE: Final = len("2023-02-05")
_parse: Final = datetime.fromisoformat


def _read_number(value: float) -> datetime:
    seconds = value if value < _FIRST_MILLISECONDS else value / 1000
    return _EPOCH + timedelta(seconds=math.floor(seconds))


def _read_text(text: str) -> datetime | None:
    if len(text) > _LONGEST_DATE:
        return None
    usual = usual_date(text)
    if usual is not None:
        return in_utc(usual)
    if _ISO.fullmatch(text):
        return _read_iso(text)
    if _UNIX_SECONDS.fullmatch(text):
        return _EPOCH + timedelta(seconds=math.floor(float(text)))
    if _UNIX_MILLISECONDS.fullmatch(text):
        return _EPOCH + timedelta(seconds=int(text) // 1000)
    return _read_leniently(text)


def _read_iso(text: str) -> datetime | None:
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    part = match.groupdict(default="0")
    minutes = int(part["zone_minutes"])
    if minutes >= 60:  # noqa: PLR2004 - minutes in an hour
        return None
    offset = timedelta(hours=int(part["zone_hours"]), minutes=minutes)
    try:
        return datetime(
            int(part["year"]),
            int(match["month"] or 1),
            int(match["day"] or 1),
            int(part["hour"]),
            int(part["minute"]),
            int(part["second"]),
            tzinfo=timezone(-offset if part["sign"] == "-" else offset),
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _read_leniently(text: str) -> datetime | None:
    if is_ambiguous(text):
        return None
    first, second = (_parse_leniently(text, default) for default in _DEFAULTS)
    return in_utc(first) if first == second else None


def is_ambiguous(value: Any) -> bool:
    """Whether a value is a text that is two dates, by the order of its numbers: ``05/02/2023``.

    A text that begins with the year has one order, and so has one that names the month.
    """
    if type(value) is not str or len(value) > _LONGEST_DATE or _ONE_ORDER.match(value):
        return False
    found = set[datetime]()
    for order in _ORDERS:
        with suppress(Exception):  # it raises more than it documents where it finds no date
            found.add(_parse_leniently(value, _DEFAULTS[0], order))
    return len(found) > 1


def _parse_leniently(
    text: str, default: datetime, order: tuple[bool, bool] = _ORDERS[0]
) -> datetime:
    text = _ZONE_NAME_BEFORE_OFFSET.sub("", _ZONE_COMMENT.sub("", text))
    day_first, year_first = order
    return in_utc(
        dateutil.parser.parse(
            text, default=default, tzinfos=_zone, dayfirst=day_first, yearfirst=year_first
        )
    )


def _zone(name: str | None, offset: int | None) -> timezone:
    if offset is not None:
        return timezone(timedelta(seconds=offset))
    if name is None:
        return UTC
    if name not in _ZONES:
        raise ValueError("an unknown time zone")
    return timezone(timedelta(hours=_ZONES[name]))
