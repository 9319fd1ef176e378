"""Hypothesis strategies for events, most of them nearly valid, in JSON and in Python's types."""

from __future__ import annotations

import copy
from collections import ChainMap, UserDict
from collections.abc import Iterator
from datetime import timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType
from typing import Any

from hypothesis import strategies as st

Strategy = st.SearchStrategy[Any]


class Plan(StrEnum):
    FREE = "free"
    PRO = "pro"


class Size(IntEnum):
    SMALL = 1
    LARGE = 3


class Mixed(Enum):
    NOTHING = None
    TEXT = "2023-02-05"
    NUMBERS = (1, 2)


class Name(str):
    """A subclass of ``str``."""

    __slots__ = ()


# --- Texts -------------------------------------------------------------------------------------

#: Texts that can be sent.
sendable: st.SearchStrategy[str] = st.text(
    st.characters(exclude_categories=["Cs"]), max_size=20
) | st.sampled_from(["Ada", "Zoë 🛒", "x" * 60, " ", "null", "1.50", "\x00"])


def digits(least: int, most: int, width: int = 2) -> st.SearchStrategy[str]:
    return st.integers(least, most).map(lambda number: f"{number:0{width}}")


def join_pieces(*parts: Any) -> st.SearchStrategy[str]:
    """Join strategies and texts to texts; a list stands for one of its elements."""
    chosen = [st.sampled_from(part) if isinstance(part, list) else part for part in parts]
    return st.tuples(*chosen).map("".join)


#: ISO dates of every form, valid and invalid, and texts that are almost one.
days = join_pieces(
    digits(0, 9999, 4), ["-", "-", "-", ""], digits(0, 13), ["-", "-", ""], digits(0, 32)
)
fractions = join_pieces([".", ","], st.text("0123456789", max_size=9))
clocks = join_pieces(
    ["T", " ", "T", "t", "  "],
    digits(0, 25),
    [":", ":", ""],
    digits(0, 61),
    st.just("") | join_pieces([":", ":", ""], digits(0, 61), st.just("") | fractions),
)
zones = st.sampled_from(["", "Z", "z"]) | join_pieces(
    ["+", "-"], digits(0, 25), st.just("") | join_pieces([":", ""], digits(0, 61))
)
written = (
    days | join_pieces(days, clocks) | join_pieces(days, clocks, zones) | join_pieces(days, zones)
)


@st.composite
def misspell(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> str:
    """Change, insert or remove one character of a text."""
    text = draw(texts)
    place = draw(st.integers(0, len(text)))
    width = draw(st.integers(0, 1))
    other = draw(st.sampled_from([*"0159-:.,+TZ W٣", ""]))
    return f"{text[:place]}{other}{text[place + width :]}"


#: Dates as most libraries write them.
usual_dates = st.datetimes().map(lambda moment: moment.isoformat("T", "milliseconds") + "Z")
#: Pieces of dates in any order, and numbers that are far too long for one.
date_like: st.SearchStrategy[str] = st.lists(
    st.sampled_from(
        [
            *"-/:.,+TZ hmse_(\n٣",
            *("2023", "12", "05", "24", "1" * 29, "9" * 40, "Jan", "Mon", "PM", "GMT", "EST"),
            *("+0100", "(CET)", "nan", "inf", "1e999", "\ud800", "ad", "of", "and"),
        ]
    )
    | st.text(max_size=3),
    max_size=12,
).map("".join)
dates = usual_dates | written | misspell(usual_dates) | misspell(written)

texts: st.SearchStrategy[str] = sendable | dates
#: Texts with halves of surrogate pairs as well.
wild_texts: st.SearchStrategy[str] = texts | st.text(max_size=5) | st.just("\ud800")

# --- Values ------------------------------------------------------------------------------------

numbers: Strategy = (
    st.integers()
    | st.sampled_from([0, 1, 2**31 - 1, 2**31, 2**63 - 1, 2**63, -(2**63), 10**307, 1e307, -0.0])
    | st.floats(allow_nan=False, allow_infinity=False)
)
too_large: Strategy = st.sampled_from([10**308, -(10**308), 10**400])
scalars: Strategy = st.none() | st.booleans() | numbers | texts


def nest(leaves: Strategy, keys: Strategy, max_leaves: int = 12) -> Strategy:
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=max_leaves,
    )


#: JSON that can be sent.
plain = nest(scalars, sendable)
plain_objects: st.SearchStrategy[dict[str, Any]] = st.dictionaries(sendable, plain, max_size=5)
#: JSON that was read, of which some cannot be sent.
read = nest(scalars | too_large | wild_texts, wild_texts)
fixed_zones = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
of_python: Strategy = st.one_of(
    st.decimals(),
    st.sampled_from([Decimal("sNaN"), Decimal("1E+1000000"), Decimal("20.00"), Decimal(7)]),
    st.fractions(),
    st.uuids(),
    st.datetimes(),
    st.datetimes(timezones=fixed_zones),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.sampled_from([*Plan, *Size, *Mixed]),
    texts.map(Name),
    st.binary(max_size=4),
    st.complex_numbers(),
    st.floats(),
    st.builds(object),
    st.frozensets(st.integers(), max_size=2),
    st.sampled_from([range(3), print, int, Ellipsis, NotImplemented]),
)


def wrap_containers(inner: Strategy, keys: Strategy) -> Strategy:
    objects = st.dictionaries(keys, inner, max_size=4)
    lists = st.lists(inner, max_size=4)
    return st.one_of(
        objects,
        objects.map(MappingProxyType),
        objects.map(UserDict),
        objects.map(lambda fields: ChainMap({}, fields)),
        lists,
        lists.map(tuple),
    )


#: Any value that a backend may pass.
keys_of_python: Strategy = wild_texts | st.integers(0, 3) | st.none() | st.sampled_from(Plan)
anything: Strategy = st.recursive(
    scalars | too_large | wild_texts | of_python,
    lambda inner: wrap_containers(inner, keys_of_python),
    max_leaves=12,
)

# --- Spellings ---------------------------------------------------------------------------------

separators = st.text("_- /,;!ë", max_size=2)


@st.composite
def spell(draw: st.DrawFn, name: str) -> str:
    """Spell a name in some case, with some punctuation."""
    letters = [letter.upper() if draw(st.booleans()) else letter.lower() for letter in name]
    return draw(separators) + "".join(letter + draw(separators) for letter in letters)


# --- Events ------------------------------------------------------------------------------------

emails: Strategy = st.sampled_from(
    ["ada@example.com", "a.b+c@x.co.uk", "ADA@EXAMPLE.COM", "é@ü.de"]
)
user_ids: Strategy = st.sampled_from(["u-1", "5", "x" * 52, "a b", "ada@example.com"])
event_names: Strategy = st.sampled_from(
    [
        *("Product Added", "product_removed", " Added Product X", "Order Completed"),
        *("completed order", "OrderCompleted", "Signed Up", "Product Viewed"),
    ]
)
timestamps: Strategy = usual_dates | st.integers(0, 2_000_000_000_000) | st.none()
prices: Strategy = (
    st.integers(0, 10_000)
    | st.floats(0, 1e6)
    | st.sampled_from(["9.99", "$5", " 7 ", "0", ".5", "1."])
)
quantities: Strategy = st.integers(0, 2**63 - 1) | st.sampled_from(["2", "2.0", 2.0, None])
whole: Strategy = st.sampled_from([5, "6", 7.0, None])

extras: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    sendable, nest(scalars, sendable, max_leaves=4), max_size=2
)


def objects(required: dict[str, Strategy], optional: dict[str, Strategy]) -> Strategy:
    """Return objects of these fields and a few others."""
    fields = st.fixed_dictionaries(required, optional=optional)
    return st.builds(lambda known, unknown: {**unknown, **known}, fields, extras)


person: dict[str, Strategy] = {
    "email": emails,
    "E-mail": emails,
    "user_id": user_ids,
    "customerEmail": emails,
}
products: Strategy = objects(
    {"product_id": st.sampled_from(["sku-1", 507, 1.0]), "name": texts, "price": prices},
    {
        "id": st.just("other"),
        "sku": st.sampled_from(["S", 5]),
        "quantity": quantities,
        "category": st.sampled_from(["", "Games", 7, ["a", "b"], None]),
        "categories": st.sampled_from([[], ["a"], "b", None]),
        "description": texts,
        "image_url": texts,
        "imageUrl": texts,
        "url": texts,
        "sold_at": dates,
    },
)
merges: Strategy = st.fixed_dictionaries(
    {}, optional={"mergeNestedObjects": st.sampled_from([True, False, "true", "false", None])}
)
contexts: Strategy = objects(
    {},
    {
        "traits": objects({}, person),
        "ip": st.just("8.8.8.8"),
        "page": extras,
        "timezone": st.just("Europe/Berlin"),
        "Iterable": merges,
    },
)
fields_of_any_event: dict[str, Strategy] = {
    "messageId": st.sampled_from(["m-1", 5]),
    "timestamp": timestamps,
    "context": contexts,
    "options": contexts,
    "integrations": st.fixed_dictionaries(
        {}, optional={"All": st.just(value=True), "Iterable": st.just(value=True) | merges}
    ),
    "anonymousId": st.just("a-1"),
    "customer_id": user_ids,
}
who: dict[str, Strategy] = {"userId": user_ids | st.integers(0, 99)}


def calls(call_type: str, own: dict[str, Strategy], **optional: Strategy) -> Strategy:
    required = {"type": st.just(call_type), **who, **own}
    return st.fixed_dictionaries(required, optional=fields_of_any_event | optional)


identifies: Strategy = calls(
    "identify",
    {},
    traits=objects(
        {},
        {
            **person,
            "id": user_ids,
            "phone": st.sampled_from(["+491234", "0123", "", None]),
            "phones": st.sampled_from([["+491234"], [], None]),
            "created": timestamps,
            "createdAt": timestamps,
            "timestamp": dates,
        },
    ),
)
order: dict[str, Strategy] = {"total": prices, "products": st.lists(products, max_size=3)}
carts_and_orders: Strategy = calls(
    "track",
    {
        "event": event_names,
        "properties": objects(order, {**person, "campaignId": whole, "templateId": whole}),
    },
)
tracks: Strategy = calls("track", {"event": event_names | texts}, properties=objects({}, person))
pages: Strategy = st.sampled_from(["page", "screen"]).flatmap(
    lambda call_type: calls(
        call_type,
        {"name": st.sampled_from(["Home", "", "2023-02-05", 7])},
        category=st.sampled_from(["Docs", "", None]),
        properties=objects({}, person),
    )
)


@st.composite
def good_events(draw: st.DrawFn) -> dict[str, Any]:
    """Draw an event in JSON; nearly all can be sent. It shares no object with other events."""
    event: dict[str, Any] = draw(identifies | carts_and_orders | tracks | pages)
    return copy.deepcopy(event)


@st.composite
def ordinary_events(draw: st.DrawFn) -> dict[str, Any]:
    """Draw an event with all fields that events usually have."""
    event = draw(good_events())
    for unusual in ("options", "integrations"):
        event.pop(unusual, None)
    usual = {
        "messageId": "m-1",
        "userId": draw(st.sampled_from(["u-1", "5"])),
        "timestamp": draw(usual_dates),
    }
    own = "traits" if event["type"] == "identify" else "properties"
    return {"context": {}, own: {}} | event | usual


#: Events in JSON, nearly all of them good.
json_events: Strategy = good_events() | ordinary_events()


@st.composite
def spoil(draw: st.DrawFn, bad: Strategy, good: Strategy = json_events) -> Any:
    """Draw an event, and replace at most two of its values by bad ones."""
    event = copy.deepcopy(draw(good))
    for _ in range(draw(st.integers(0, 2))):
        place, key = draw(st.sampled_from(list(places(event))))
        place[key] = draw(bad)
    return event


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every object or list in a value with each of its keys or indexes."""
    entries: Any = ()
    if isinstance(value, dict):
        entries = value.items()
    elif isinstance(value, list):
        entries = enumerate(value)
    for key, inner in entries:
        yield value, key
        yield from places(inner)


#: Events that were read from JSON, with any JSON values.
read_events: Strategy = spoil(read)
#: Events that a backend built, with any Python values.
python_events: Strategy = spoil(anything)


def nest_deeply(kind: str, levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        as_list = kind == "lists" or (kind == "mixed" and level % 2)
        value = [value] if as_list else {"a": value}
    return value
