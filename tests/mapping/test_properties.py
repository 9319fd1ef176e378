"""Properties that hold for every event, tested with generated events."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from iterable_destination.errors import InvalidEvent, Problem
from iterable_destination.mapping.translate import translate
from iterable_destination.model import json_codec
from iterable_destination.model.dates import iterable_date, read_date
from iterable_destination.model.field_names import fold
from iterable_destination.model.json_copy import data_fields
from iterable_destination.model.settings import Settings
from tests.support import strategies
from tests.support.request_schema import violations

all_settings = st.builds(
    Settings,
    map_all_pages_to_single_event_name=st.booleans(),
    track_all_pages=st.booleans(),
    track_categorized_pages=st.booleans(),
    track_named_pages=st.booleans(),
    skip_anonymous=st.booleans(),
    refuse_placeholder_ids=st.booleans(),
)

Outcome = tuple[str, Any, list[str]]


def translate_to_outcome(event: Any, settings: Settings | None = None) -> Outcome:
    """Translate an event; return whether it is sent, what is sent, and its problems or notes."""
    try:
        result = translate(event, settings)
    except InvalidEvent as error:
        return "invalid", error.message_id, sorted(map(str, error.problems))
    notes = sorted(f"{note.path}: {note.message}" for note in result.notes)
    if result.skipped is not None:
        return "skipped", (result.message_id, result.skipped), notes
    bodies = [(call.endpoint.path, call.body()) for call in result.calls]
    return "sent", (result.message_id, bodies), notes


def iterate_containers(value: Any) -> Iterator[Any]:
    """Yield every object and list in a value, however deep."""
    waiting, seen = [value], set[int]()
    while waiting:
        value = waiting.pop()
        if id(value) not in seen and isinstance(value, Mapping | list | tuple):
            seen.add(id(value))
            yield value
            waiting.extend(value.values() if isinstance(value, Mapping) else value)


def take_snapshot(value: Any) -> list[tuple[int, list[int]]]:
    """Return the identities of all containers and their contents, to detect a change."""
    return [
        (
            id(container),
            [
                id(part)
                for entry in (container.items() if isinstance(container, Mapping) else container)
                for part in (entry if isinstance(container, Mapping) else [entry])
            ],
        )
        for container in iterate_containers(value)
    ]


# --- Every event -------------------------------------------------------------------------------


@given(strategies.python_events | strategies.read_events | strategies.anything, all_settings)
def test_no_event_raises_anything_but_invalid_event(event: Any, settings: Settings) -> None:
    ended, _, reports = translate_to_outcome(event, settings)
    assert ended in ("sent", "skipped") or reports


@given(strategies.date_like)
def test_no_text_in_place_of_a_date_raises_anything_but_invalid_event(text: str) -> None:
    for its_type, key in (("track", "properties"), ("identify", "traits"), ("page", "properties")):
        event = {"type": its_type, "userId": "u-1", "event": "Order Completed", "name": "Home"}
        fields = {"created": text, "total": text, "products": [{"price": text, "quantity": text}]}
        ended, _, reports = translate_to_outcome({**event, "timestamp": text, key: fields})
        assert ended == "sent" or reports


@given(strategies.python_events | strategies.read_events, all_settings)
def test_no_event_is_changed(event: Any, settings: Settings) -> None:
    before = take_snapshot(event)
    translate_to_outcome(event, settings)
    assert take_snapshot(event) == before


@given(strategies.json_events, all_settings)
def test_nothing_that_comes_out_is_shared_with_the_event(event: Any, settings: Settings) -> None:
    before = copy.deepcopy(event)
    ended, sent, _ = translate_to_outcome(event, settings)
    assume(ended == "sent")
    for container in list(iterate_containers(sent)):
        if isinstance(container, dict | list):
            container.clear()
    assert event == before


@given(strategies.python_events | strategies.json_events, all_settings)
def test_what_is_sent_has_the_documented_schema(event: Any, settings: Settings) -> None:
    ended, sent, _ = translate_to_outcome(event, settings)
    assume(ended == "sent")
    [(path, body)] = sent[1]
    assert violations(path, body) == []


@given(strategies.json_events, all_settings)
def test_an_event_gives_the_same_every_time(event: Any, settings: Settings) -> None:
    assert translate_to_outcome(event, settings) == translate_to_outcome(
        copy.deepcopy(event), settings
    )


@given(strategies.json_events, all_settings)
def test_an_event_that_was_json_gives_the_same(event: Any, settings: Settings) -> None:
    again = json_codec.decode(json_codec.encode(event))
    assert translate_to_outcome(again, settings) == translate_to_outcome(event, settings)


def wrap(value: Any) -> Any:
    """Return the same content in types that are not those of JSON."""
    if isinstance(value, dict):
        return MappingProxyType({key: wrap(item) for key, item in value.items()})
    if isinstance(value, list):
        return tuple(wrap(item) for item in value)
    return strategies.Name(value) if isinstance(value, str) else value


@given(strategies.json_events, all_settings)
def test_the_types_that_hold_an_event_do_not_matter(event: Any, settings: Settings) -> None:
    assert translate_to_outcome(wrap(event), settings) == translate_to_outcome(event, settings)


@given(strategies.json_events | strategies.read_events | strategies.python_events, all_settings)
def test_the_shortcut_comes_to_the_same_as_the_long_way(event: Any, settings: Settings) -> None:
    the_long_way = MappingProxyType(event)  # no dict is no ordinary event
    assert translate_to_outcome(event, settings) == translate_to_outcome(the_long_way, settings)


@st.composite
def shuffled_events(draw: st.DrawFn) -> tuple[Any, Any]:
    """Draw an event, and the same with the keys of all its objects in another order.

    No two keys of an object stand for one field: there the order decides.
    """

    def distinct(value: Any) -> Any:
        if isinstance(value, dict):
            one_each = {fold(key): key for key in reversed(value)}
            return {key: distinct(value[key]) for key in reversed(one_each.values())}
        return [distinct(item) for item in value] if isinstance(value, list) else value

    def shuffle(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: shuffle(value[key]) for key in draw(st.permutations(list(value)))}
        return [shuffle(item) for item in value] if isinstance(value, list) else value

    event = distinct(draw(strategies.json_events))
    return event, shuffle(event)


@given(shuffled_events())
def test_the_order_of_unrelated_keys_does_not_matter(events: tuple[Any, Any]) -> None:
    event, other = events
    assert translate_to_outcome(other) == translate_to_outcome(event)


PRODUCT: dict[str, Any] = {
    "product_id": "p-1",
    "sku": "s-1",
    "name": "Go",
    "price": 10.5,
    "quantity": 2,
    "category": "Games",
    "description": "old",
    "image_url": "https://x.test/a.png",
    "url": "https://x.test/a",
}
ITEM: dict[str, Any] = {
    "id": "p-1",
    "sku": "s-1",
    "name": "Go",
    "price": 10.5,
    "quantity": 2,
    "categories": ["Games"],
    "description": "old",
    "imageUrl": "https://x.test/a.png",
    "url": "https://x.test/a",
}


@given(st.fixed_dictionaries({key: strategies.spell(key) for key in PRODUCT}))
def test_the_fields_of_a_product_fold(spelling: dict[str, str]) -> None:
    product = {spelling[key]: value for key, value in PRODUCT.items()}
    event = {
        "type": "track",
        "event": "Product Added",
        "userId": "u-1",
        "properties": {"products": [product]},
    }
    item = translate(event).calls[0].body()["items"][0]
    del item["dataFields"]
    assert item == ITEM


@given(strategies.spell("email"), strategies.spell("total"), strategies.spell("products"))
def test_the_fields_of_an_order_fold(email: str, total: str, products: str) -> None:
    properties = {email: "ada@example.com", total: 5, products: [PRODUCT]}
    event = {"type": "track", "event": "Order Completed", "properties": properties}
    body = translate(event).calls[0].body()
    expected = ({"email": "ada@example.com"}, 5, "p-1")
    assert (body["user"], body["total"], body["items"][0]["id"]) == expected


# --- Dates -------------------------------------------------------------------------------------


def read_slowly(text: str) -> str:
    """Read a date exactly as the specification says, one part after the other."""
    match = re.fullmatch(
        r"""([0-9]{4}) - ([0-9]{2}) - ([0-9]{2})
            (?: [T\ ] ([0-9]{2}) :? ([0-9]{2}) (?: :? ([0-9]{2}) (?: [.,] [0-9]+ )? )?
                (?: Z | ([+-]) ([0-9]{2}) (?: :? ([0-9]{2}) )? )?
            )?""",
        text,
        re.VERBOSE,
    )
    if match is None:
        return text
    year, month, day, hour, minute, second, zone_hours, zone_minutes = (
        int(match[group] or 0) for group in (1, 2, 3, 4, 5, 6, 8, 9)
    )
    if zone_minutes > 59 or zone_hours > 23:
        return text
    ahead = timedelta(hours=zone_hours, minutes=zone_minutes)
    try:
        local = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - by the book
        utc = local + ahead if match[7] == "-" else local - ahead
    except (ValueError, OverflowError):
        return text
    return f"{utc.isoformat(' ')} +00:00"


@given(strategies.dates)
def test_dates_are_those_of_an_independent_reading(text: str) -> None:
    assert iterable_date(text) == read_slowly(text)


@given(strategies.texts)
def test_a_date_is_converted_once(text: str) -> None:
    once = iterable_date(text)
    assert iterable_date(once) == once


@given(strategies.dates)
def test_what_is_a_date_anywhere_is_one_as_a_single_field(text: str) -> None:
    converted = iterable_date(text)
    assume(converted != text)
    moment = read_date(text)
    assert moment is not None
    assert moment.isoformat(" ", "seconds") == converted.replace(" +", "+")


@given(st.text() | strategies.dates | strategies.anything)
def test_anything_read_as_a_date_is_a_moment_in_utc_or_none(value: Any) -> None:
    moment = read_date(value)
    assert moment is None or moment.tzinfo is UTC


@given(st.lists(st.sampled_from([*"0123456789:-/.,+() ", "Jan", "am", "GMT", "Z", "1e9", "Sat"])))
def test_anything_that_reads_like_a_date_is_a_moment_in_utc_or_none(parts: list[str]) -> None:
    moment = read_date("".join(parts))
    assert moment is None or moment.tzinfo is UTC


# --- The copy ----------------------------------------------------------------------------------


def copy_fields(fields: Any) -> tuple[Any, list[Problem]]:
    problems: list[Problem] = []
    return data_fields(fields, "traits", problems), problems


@given(st.dictionaries(strategies.sendable, strategies.plain))
def test_the_quick_and_the_careful_copy_agree(fields: dict[str, Any]) -> None:
    careful = copy_fields({key: wrap(value) for key, value in fields.items()})
    assert copy_fields(fields) == careful


@given(st.dictionaries(strategies.wild_texts, strategies.read))
def test_the_quick_and_the_careful_copy_agree_on_what_is_wrong(fields: dict[str, Any]) -> None:
    careful = copy_fields({key: wrap(value) for key, value in fields.items()})
    assert copy_fields(fields) == careful


@given(st.dictionaries(strategies.keys_of_python, strategies.anything))
def test_what_was_copied_is_copied_as_it_is(fields: dict[Any, Any]) -> None:
    once, _ = copy_fields(fields)
    assert copy_fields(once) == (once, [])


# --- JSON --------------------------------------------------------------------------------------

literals = st.sampled_from(
    [
        *(b"-0", b"1e400", b"-1E400", b"1e-400", b"123456789012345678", b"1234567890123456789"),
        *(
            b"12345678901234567890",
            b"1" * 400,
            b"0.1e1",
            b"1.0",
            b"NaN",
            b"-Infinity",
            b"01",
            b"1.",
        ),
        *(
            rb'"\ud800"',
            rb'"\ud83d\ude00"',
            rb'"\u0000"',
            rb'"\/"',
            b'"\x7f"',
            b'"\x00"',
            b'"\xff"',
        ),
        *(b"true", b"nul", b"", b" ", b"\xef\xbb\xbf", b"\t\n"),
    ]
)
numerals = st.from_regex(
    rb"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True
)
written_values = st.builds(
    lambda value, ascii_only, indent: json.dumps(
        value, ensure_ascii=ascii_only, indent=indent
    ).encode("utf-8", "surrogatepass"),
    strategies.read,
    st.booleans(),
    st.none() | st.just(1),
)
json_texts = st.recursive(
    literals | numerals | written_values,
    lambda inner: (
        st.builds(lambda items: b"[" + b",".join(items) + b"]", st.lists(inner, max_size=3))
        | st.builds(
            lambda items: (
                b"{" + b",".join(b'"k%d":' % n + item for n, item in enumerate(items)) + b"}"
            ),
            st.lists(inner, max_size=3),
        )
        | st.builds(
            lambda item, levels: b"[" * levels + item + b"]" * levels, inner, st.integers(1, 300)
        )
    ),
    max_leaves=6,
)


def with_library(name: str, function: Any, value: Any) -> Any:
    """Decode or encode with one of the libraries; return the result, or that there is none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_codec, "HAS_ORJSON", name == "orjson")
        try:
            return function(value)
        except ValueError:
            return ValueError


needs_orjson = pytest.mark.skipif(not json_codec.HAS_ORJSON, reason="orjson is not installed")


@needs_orjson
@given(json_texts | st.binary(max_size=20))
def test_both_libraries_read_the_same(text: bytes) -> None:
    expected = repr(with_library("json", json_codec.decode, text))
    assert repr(with_library("orjson", json_codec.decode, text)) == expected


@given(strategies.plain)
def test_what_is_written_is_read_the_same_by_both_libraries(value: Any) -> None:
    libraries = ["json", "orjson"] if json_codec.HAS_ORJSON else ["json"]
    written = [with_library(name, json_codec.encode, value) for name in libraries]
    read = [with_library(name, json_codec.decode, text) for name in libraries for text in written]
    assert [repr(again) for again in read] == [repr(value)] * len(read)
