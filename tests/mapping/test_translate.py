"""A whole event: whatever is in it, it is sent, skipped or refused with its problems."""

from __future__ import annotations

import copy
import math
import pickle
import re
import sys
import time
from collections import ChainMap, UserDict, UserList
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

import attrs
import pytest

from iterable_destination import Destination, DestinationFunction
from iterable_destination.errors import InvalidEvent, InvalidSettings, InvalidSubscription
from iterable_destination.mapping.actions import (
    PRESETS,
    PRESETS_JSON,
    MappedTranslator,
    Subscription,
)
from iterable_destination.mapping.translate import translate, translator_for
from iterable_destination.model.settings import Settings
from iterable_destination.model.translation import Translation
from iterable_destination.testing import LocalIterable
from tests.support.conformance_cases import by_id
from tests.support.lazy import Unreadable, UnreadableMapping
from tests.support.own_mappings import GROUP, MOVED, OWN, PROBLEMS, SEEN, WRONG, event_names
from tests.support.strategies import nest_deeply

#: A text larger than any request.
HUGE_TEXT = "x" * 20_000_000
TOO_LONG = "is 20,000,000 characters long; a request has at most 4,000,000 bytes"
HALF = "contains an unpaired surrogate (invalid Unicode)"

NAMED_PAGES = Settings(map_all_pages_to_single_event_name=False)


class Plan(StrEnum):
    PRO = "pro"


class Size(IntEnum):
    LARGE = 3


class Colour(Enum):
    RED = "red"


class Name(str):
    __slots__ = ()


class Point(NamedTuple):
    x: int
    y: int


class Endless(Mapping[str, Any]):
    """An object that has itself anew for every look at it."""

    def __getitem__(self, key: str) -> Any:
        return Endless()

    def __iter__(self) -> Iterator[str]:
        return iter(("type",))

    def __len__(self) -> int:
        return 1


class Array:
    """A value that cannot be asked what it equals, nor whether it is true, as NumPy has them."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, _: object) -> Any:
        return self

    def __ne__(self, _: object) -> Any:
        return self

    def __bool__(self) -> bool:
        message = "the truth value of an array is ambiguous"
        raise ValueError(message)


def problems(event: Any, settings: Settings | None = None) -> list[tuple[str, str]]:
    """Return why an event is refused; it has to be, and quickly, and no text may be repeated."""
    start = time.process_time()
    with pytest.raises(InvalidEvent) as caught:
        translate(event, settings)
    assert time.process_time() - start < 2
    assert len(str(caught.value)) < 2_000
    return [(problem.path, problem.message) for problem in caught.value.problems]


def track(**properties: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Signed Up", "userId": "u-1", "properties": properties}


def identify(**traits: Any) -> dict[str, Any]:
    return {"type": "identify", "userId": "u-1", "traits": traits}


def order(**properties: Any) -> dict[str, Any]:
    whole = {"total": 1, "products": []} | properties
    return {"type": "track", "event": "Order Completed", "userId": "u-1", "properties": whole}


def cart(**product: Any) -> dict[str, Any]:
    whole = {"product_id": "p-1", "name": "Go", "price": 1} | product
    properties = {"products": [whole]}
    return {"type": "track", "event": "Product Added", "userId": "u-1", "properties": properties}


def page(**fields: Any) -> dict[str, Any]:
    return {"type": "page", "userId": "u-1", "name": "Home"} | fields


#: Where any JSON may stand, by its path.
FREE: dict[str, Callable[[Any], dict[str, Any]]] = {
    "properties.x": lambda value: track(x=value),
    "properties.x.y": lambda value: track(x={"y": value}),
    "properties.x[1]": lambda value: track(x=[0, value]),
    "properties.products[0].x": lambda value: cart(x=value),
    "properties.products[0].x.y": lambda value: cart(x={"y": value}),
    "properties.y": lambda value: order(y=value),
    "properties.z": lambda value: page(properties={"z": value}),
    "traits.x": lambda value: identify(x=value),
    "traits.phone": lambda value: identify(phone=value),
    "traits.phones[0]": lambda value: identify(phones=[value]),
    "context.page": lambda value: {**identify(), "context": {"page": value}},
    "options.locale": lambda value: {**identify(), "options": {"locale": value}},
}

#: What cannot stand anywhere, and why.
UNSENDABLE: list[tuple[Any, str]] = [
    (math.nan, "is NaN, which JSON cannot hold"),
    (math.inf, "is infinity, which JSON cannot hold"),
    (Decimal("NaN"), "is NaN, which JSON cannot hold"),
    (Decimal("sNaN"), "is NaN, which JSON cannot hold"),
    (Decimal("-Infinity"), "is infinity, which JSON cannot hold"),
    (Decimal("1E+1000000"), "is infinity, which JSON cannot hold"),
    (10**5000, "is a number too large for Iterable"),
    (-(10**308), "is a number too large for Iterable"),
    (b"x", "is a value of type bytes, which JSON cannot hold"),
    ({1, 2}, "is a value of type set, which JSON cannot hold"),
    (1j, "is a value of type complex, which JSON cannot hold"),
    (object(), "is a value of type object, which JSON cannot hold"),
    (Array(), "is a value of type Array, which JSON cannot hold"),
    ((each for each in [1]), "is a value of type generator, which JSON cannot hold"),
    (print, "is a value of type builtin_function_or_method, which JSON cannot hold"),
    ("\ud800", HALF),
    (HUGE_TEXT, TOO_LONG),
    ({5: 1}, "has a key that is a number; JSON's keys are strings"),
    ({"\udfff": 1}, f"has a key that {HALF}"),
    (
        MappingProxyType({HUGE_TEXT: 1}),
        "has a key that is 20,000,000 characters long; a request has at most 4,000,000 bytes",
    ),
]
NAMES_OF_UNSENDABLE = [message for _, message in UNSENDABLE]


@pytest.mark.parametrize(("value", "message"), UNSENDABLE, ids=NAMES_OF_UNSENDABLE)
@pytest.mark.parametrize("path", FREE)
def test_what_cannot_be_sent_is_refused_where_any_json_may_stand(
    path: str, value: Any, message: str
) -> None:
    assert (path, message) in problems(FREE[path](value))


@pytest.mark.parametrize("name", ["context", "options"])
def test_the_time_zone_is_refused_where_it_stands(name: str) -> None:
    said = problems({**identify(), name: {"timezone": b""}})
    assert said == [(f"{name}.timezone", "is a value of type bytes, which JSON cannot hold")]


class Field(NamedTuple):
    """A single field of a certain type."""

    path: str
    event: Callable[[Any], dict[str, Any]]
    #: What is said of a value that is no number, of NaN and of a text.
    wrong: str
    #: What is said of a number; None if it may be one.
    number: str | None = None


TEXT = "must be a string, not {}"
NUMBER = "must be a number, not {}"
LIST = "must be a string or a list of strings, not {}"

FIELDS = [
    Field("event", lambda value: {**track(), "event": value}, TEXT, TEXT),
    Field("userId", lambda value: {**track(), "userId": value}, TEXT),
    Field("traits.email", lambda value: identify(email=value), TEXT, TEXT),
    Field("properties.email", lambda value: order(email=value), TEXT, TEXT),
    Field(
        "context.traits.email",
        lambda value: {**track(), "context": {"traits": {"email": value}}},
        TEXT,
        TEXT,
    ),
    Field("properties.total", lambda value: order(total=value), NUMBER),
    Field("properties.campaignId", lambda value: order(campaignId=value), NUMBER),
    Field("properties.templateId", lambda value: order(templateId=value), NUMBER),
    Field("properties.products[0].product_id", lambda value: cart(product_id=value), TEXT),
    Field("properties.products[0].name", lambda value: cart(name=value), TEXT),
    Field("properties.products[0].sku", lambda value: cart(sku=value), TEXT),
    Field("properties.products[0].price", lambda value: cart(price=value), NUMBER),
    Field("properties.products[0].quantity", lambda value: cart(quantity=value), NUMBER),
    Field("properties.products[0].description", lambda value: cart(description=value), TEXT),
    Field("properties.products[0].imageUrl", lambda value: cart(imageUrl=value), TEXT),
    Field("properties.products[0].url", lambda value: cart(url=value), TEXT),
    Field("properties.products[0].category", lambda value: cart(category=value), LIST),
]
EACH_FIELD = pytest.mark.parametrize("field", FIELDS, ids=[field.path for field in FIELDS])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, "a boolean"),
        ({"a": 1}, "an object"),
        (b"x", "a value of type bytes"),
        ({1}, "a value of type set"),
        (1j, "a value of type complex"),
        (object(), "a value of type object"),
        (Array(), "a value of type Array"),
        ((each for each in [1]), "a value of type generator"),
        (Endless(), "an object"),
    ],
    ids=lambda value: type(value).__name__,
)
@EACH_FIELD
def test_a_field_of_another_type_is_refused_where_it_stands(
    field: Field, value: Any, words: str
) -> None:
    assert (field.path, field.wrong.format(words)) in problems(field.event(value))


@EACH_FIELD
def test_a_field_that_is_a_list_is_refused_where_it_stands(field: Field) -> None:
    elements: list[Any] = [["a"], {"b": 1}]
    assert (field.path, field.wrong.format("a list")) in problems(field.event(elements))


@pytest.mark.parametrize("value", [math.nan, Decimal("sNaN")], ids=["float", "Decimal"])
@EACH_FIELD
def test_a_field_that_is_nan_is_refused_where_it_stands(field: Field, value: Any) -> None:
    assert field.path in [path for path, _ in problems(field.event(value))]


@pytest.mark.parametrize("value", [math.inf, -math.inf, Decimal("1E+1000000")], ids=str)
@EACH_FIELD
def test_a_field_that_is_infinite_is_refused_where_it_stands(field: Field, value: Any) -> None:
    assert field.path in [path for path, _ in problems(field.event(value))]


@pytest.mark.parametrize("value", [10**5000, -(10**5000), 10**308], ids=["huge", "minus", "least"])
@EACH_FIELD
def test_a_field_that_is_a_huge_number_is_refused_where_it_stands(field: Field, value: int) -> None:
    assert field.path in [path for path, _ in problems(field.event(value))]


@EACH_FIELD
def test_a_field_with_half_a_surrogate_pair_is_refused_where_it_stands(field: Field) -> None:
    assert field.path in [path for path, _ in problems(field.event("a\ud800@b.c"))]


@EACH_FIELD
def test_a_field_that_is_a_huge_text_is_refused_where_it_stands_and_at_once(field: Field) -> None:
    assert field.path in [path for path, _ in problems(field.event(HUGE_TEXT))]


@pytest.mark.parametrize("field", [field for field in FIELDS if field.number], ids=lambda f: f.path)
def test_a_text_field_that_is_a_number_is_refused_where_it_stands(field: Field) -> None:
    assert (field.path, TEXT.format("a number")) in problems(field.event(5))


@pytest.mark.parametrize("key", ["name", "category"])
@pytest.mark.parametrize("value", [math.nan, b"x", HUGE_TEXT, "\ud800"], ids=lambda v: str(v)[:9])
def test_what_cannot_be_sent_as_a_pages_own_field_is_refused_where_it_stands(
    key: str, value: Any
) -> None:
    assert [path for path, _ in problems(page(**{key: value}))] == [key]


@pytest.mark.parametrize("value", [b"x", "\ud800", ["a"], True], ids=repr)
def test_what_cannot_name_an_event_is_refused_as_the_name_of_a_page(value: Any) -> None:
    assert "name" in [path for path, _ in problems(page(name=value), NAMED_PAGES)]


def test_a_huge_number_is_refused_as_the_name_of_a_page() -> None:
    try:
        problems(page(name=10**5000), NAMED_PAGES)
    except InvalidEvent:
        pytest.fail("expected by problems()")


@pytest.mark.parametrize(
    "event",
    [
        track(x=Fraction(10**400)),
        {**track(), "userId": Fraction(10**400)},
        cart(price=Fraction(10**400)),
    ],
    ids=["properties", "userId", "price"],
)
def test_a_huge_fraction_is_refused(event: dict[str, Any]) -> None:
    assert len(problems(event)) == 1


@pytest.mark.parametrize(
    "email",
    [
        "@" * 20_000_000,
        "a@" + "b" * 20_000_000,
        "a" * 20_000_000 + "@b.c ",
        pytest.param("a@" + "." * 20_000 + " "),
    ],
    ids=["only signs", "no dot", "a space at the end", "only dots"],
)
def test_a_long_text_that_is_no_email_is_refused_at_once(email: str) -> None:
    assert {path for path, _ in problems(identify(email=email))} == {"traits.email"}


@pytest.mark.parametrize(
    "user_id", ["@" * 20_000_000, "@" * 998, "@." * 499], ids=["huge", "@", "@."]
)
def test_a_long_text_that_is_no_user_id_is_refused_at_once(user_id: str) -> None:
    assert "userId" in [path for path, _ in problems({**track(), "userId": user_id})]


@pytest.mark.parametrize("name", [" " * 20_000_000, "_" * 20_000_000, "order" * 4_000_000])
def test_a_huge_event_name_is_refused_at_once(name: str) -> None:
    assert problems({**track(), "event": name}) == [("event", TOO_LONG)]


@pytest.mark.parametrize("price", [" ", "1", "0.", ".0"])
def test_a_huge_text_in_place_of_a_number_is_judged_at_once(price: str) -> None:
    start = time.process_time()
    for text in (price * 5_000_000, price * 5_000_000 + "x"):
        with pytest.raises(InvalidEvent):
            translate(cart(price=text))
    assert time.process_time() - start < 2


def test_a_huge_message_id_is_kept_out_of_the_message() -> None:
    event = {**track(), "messageId": HUGE_TEXT}
    assert translate(event).message_id == HUGE_TEXT
    assert problems({**event, "event": ""}) == [("event", "missing")]


@pytest.mark.parametrize("call_type", [HUGE_TEXT, "y" * 41])
def test_a_long_type_is_cut(call_type: str) -> None:
    [(path, message)] = problems({"type": call_type})
    assert path == "type"
    assert message.startswith(f"{call_type[:40]}… is none of Segment's")


def test_a_type_of_40_characters_is_not_cut() -> None:
    [(_, message)] = problems({"type": "y" * 40})
    assert message.startswith(
        "y" * 40 + " is none of Segment's call types (perhaps: identify, track"
    )


@pytest.mark.parametrize(
    "event",
    [
        {**track(), "integrations": {"a" + "-" * 20_000 + "ll": False}},
        track(**{"m" + "-" * 20_000 + "ail": "x"}),
        {**track(email="a@b.c", **{"u" + "-" * 20_000 + "id": "x"}), "userId": None},
    ],
    ids=["switch", "email", "user id"],
)
def test_a_huge_key_is_not_repeated(event: dict[str, Any]) -> None:
    translation = translate(event)
    said = f"{translation.skipped}{translation.notes}"
    assert len(said) < 2_000


@pytest.mark.parametrize(
    "key",
    ["type", "event", "userId", "timestamp", "properties", "products", "name", "category"],
)
def test_no_value_is_asked_what_it_equals(key: str) -> None:
    for event in (track(), page(), order()):
        for fields in ({**event, key: Array()}, {**event, "properties": {key: Array()}}):
            try:
                became = [str(translate(fields, chosen)) for chosen in (Settings(), NAMED_PAGES)]
            except InvalidEvent as error:
                became = [str(error)]
            assert became


@pytest.mark.parametrize("key", ["messageId", "context", "integrations", "options"])
def test_no_value_that_is_not_sent_is_asked_what_it_equals(key: str) -> None:
    assert (
        translate({**track(), key: Array()}).calls[0].body() == translate(track()).calls[0].body()
    )


# --- Structures --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        "objects",
        "mixed",
        "lists",
    ],
)
@pytest.mark.parametrize("path", FREE)
def test_what_is_nested_too_deeply_is_refused_where_any_json_may_stand(
    path: str, kind: str
) -> None:
    said = problems(FREE[path](nest_deeply(kind, 10_000)))
    assert [message for _, message in said] == ["is nested more than 128 levels deep"] * len(said)


@pytest.mark.parametrize("kind", ["objects", "lists", "mixed"])
@EACH_FIELD
def test_what_is_nested_too_deeply_is_refused_as_a_single_field(field: Field, kind: str) -> None:
    assert field.path in [path for path, _ in problems(field.event(nest_deeply(kind, 10_000)))]


@pytest.mark.parametrize(
    "key",
    ["context", "options", "integrations", "messageId", "anonymousId", "somethingElse"],
)
@pytest.mark.parametrize("kind", ["objects", "lists", "mixed"])
def test_what_is_not_sent_may_nest_as_deeply_as_it_likes(key: str, kind: str) -> None:
    event = {**track(), key: nest_deeply(kind, 10_000)}
    assert translate(event).calls[0].body() == translate(track()).calls[0].body()


def test_an_event_that_contains_itself_is_refused_only_where_it_is_sent() -> None:
    event = track()
    event["context"] = {"page": event, "traits": event}
    event["self"] = event
    assert translate(event).skipped is None
    event["properties"]["all"] = event
    assert problems(event) == [
        ("properties.all.properties", "contains itself"),
        ("properties.all.context.page", "contains itself"),
        ("properties.all.context.traits", "contains itself"),
        ("properties.all.self", "contains itself"),
    ]


def test_a_product_that_contains_itself_is_refused() -> None:
    event = cart()
    product = event["properties"]["products"][0]
    product["x"] = product
    [(path, message)] = problems(event)
    assert (path, message) == ("properties.products[0].x.x", "contains itself")


def test_products_that_contain_themselves_are_refused() -> None:
    products: list[Any] = []
    products.append(products)
    assert problems(order(products=products)) == [
        ("properties.products[0]", "must be an object, not a list")
    ]


def test_an_event_that_never_ends_is_refused() -> None:
    assert problems(Endless()) == [("type", "must be a string, not an object")]
    assert len(problems(track(x=Endless()))) == 1


def test_translating_leaves_pythons_own_bounds_alone() -> None:
    before = (sys.getrecursionlimit(), sys.get_int_max_str_digits())
    problems(track(x=nest_deeply("objects", 10_000), y=10**5000))
    assert (sys.getrecursionlimit(), sys.get_int_max_str_digits()) == before


# --- What backends hand over -------------------------------------------------------------------

ID = UUID("12345678-1234-5678-1234-567812345678")


def test_an_event_in_pythons_own_types_is_translated() -> None:
    event = MappingProxyType(
        {
            "type": Name("track"),
            "event": Name("Order Completed"),
            "messageId": ID,
            "userId": ID,
            "timestamp": datetime(2023, 2, 5, 20, 42, 10, tzinfo=UTC),
            "context": ChainMap({"traits": UserDict({"email": Name("ada@example.com")})}),
            "properties": UserDict(
                {
                    "total": Decimal("20.00"),
                    "campaignId": Size.LARGE,
                    "plan": Plan.PRO,
                    "colours": (Colour.RED,),
                    "at": Point(1, 2),
                    "on": date(2023, 2, 5),
                    "share": Fraction(1, 4),
                    "products": UserList(
                        [
                            MappingProxyType(
                                {
                                    "product_id": ID,
                                    "name": Plan.PRO,
                                    "price": Decimal(10),
                                    "quantity": Decimal("2.0"),
                                    "sku": Decimal("5.50"),
                                    "category": Colour.RED,
                                    "url": Name("https://x.test"),
                                }
                            )
                        ]
                    ),
                }
            ),
        }
    )
    translation = translate(event)
    assert translation.message_id == str(ID)
    assert translation.calls[0].body() == {
        "user": {"email": "ada@example.com", "userId": str(ID)},
        "items": [
            {
                "id": str(ID),
                "name": "pro",
                "price": 10,
                "quantity": 2,
                "sku": "5.5",
                "categories": ["red"],
                "url": "https://x.test",
                "dataFields": {},
            }
        ],
        "total": 20.0,
        "createdAt": 1_675_629_730,
        "campaignId": 3,
        "dataFields": {
            "plan": "pro",
            "colours": ["red"],
            "at": [1, 2],
            "on": "2023-02-05 00:00:00 +00:00",
            "share": 0.25,
        },
    }


@pytest.mark.parametrize("created", [date(2023, 2, 5), datetime(2023, 2, 5), 1_675_555_200.0])  # noqa: DTZ001
def test_created_may_be_a_moment(created: Any) -> None:
    profile = translate(identify(created=created)).calls[0].body()["dataFields"]
    assert profile["met"] == "2023-02-05 00:00:00 +00:00"


# --- What comes out ----------------------------------------------------------------------------

WHOLE = [
    identify(a={"b": [{"c": []}]}, phones=[["x"]], tags=["a"]),
    {**identify(), "context": {"page": {"path": ["/"]}, "device": {"ids": []}}},
    track(a={"b": [{"c": []}]}),
    cart(category=["a", "b"], a={"b": [{"c": []}]}),
    cart(categories=["a", "b"], a=[[]]),
    order(products=[{"id": 1, "name": "x", "price": 2, "a": {}, "category": ["q"]}], a=[{}]),
    page(properties={"a": {"b": []}}, category="Docs"),
    {**page(category={"a": ["b"]})},
]


def clear(value: Any) -> int:
    """Empty every object and list; return how many there were."""
    inner: list[Any] = []
    if isinstance(value, dict):
        inner = list(value.values())
    elif isinstance(value, list):
        inner = list(value)
    else:
        return 0
    value.clear()
    return 1 + sum(map(clear, inner))


@pytest.mark.parametrize("event", WHOLE, ids=lambda event: str(event["type"]))
def test_what_comes_out_can_be_changed_and_the_event_stays(event: dict[str, Any]) -> None:
    before = copy.deepcopy(event)
    call = translate(event).calls[0]
    assert event == before
    assert clear(call.body()) + clear(getattr(call, "data_fields", {})) > 1
    assert event == before


def test_the_event_can_be_changed_and_what_comes_out_stays() -> None:
    event = copy.deepcopy(WHOLE[3])
    body = translate(event).calls[0].body()
    expected = copy.deepcopy(body)
    clear(event)
    assert body == expected


def test_a_translation_is_immutable_and_has_defaults() -> None:
    translation = Translation("m-1")
    assert attrs.astuple(translation) == ("m-1", (), None, (), (), (), None)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        translation.skipped = "x"  # type: ignore[misc]


def test_without_settings_the_defaults_hold() -> None:
    event = {"type": "page", "userId": "u-1", "name": "Home"}
    assert translate(event) == translate(event, None) == translate(event, Settings())


def test_a_skipped_event_keeps_its_notes() -> None:
    skipped = translate({"type": "group", "messageId": "m-1", "integrations": "x"})
    assert (skipped.message_id, skipped.calls) == ("m-1", ())
    event = {**track(), "userId": None, "context": {"traits": "x"}, "messageId": 5}
    skipped = translate(event, Settings(skip_anonymous=True))
    said = "anonymous: neither email nor userId, and skip_anonymous is on"
    assert (skipped.message_id, skipped.skipped) == ("5", said)
    assert [(note.path, note.message) for note in skipped.notes] == [
        ("context.traits", "passed over: must be an object, not a string")
    ]


def test_every_problem_is_listed_those_of_the_event_first() -> None:
    event = {
        **order(total="x", y=math.nan, products=[{"price": "1,000"}, 5]),
        "userId": " ",
        "timestamp": "soon",
    }
    assert sorted(path for path, _ in problems(event)) == sorted(
        [
            "properties.products[1]",
            "properties.y",
            "timestamp",
            "userId",
            "properties.total",
            "properties.products[0].product_id",
            "properties.products[0].name",
            "properties.products[0].price",
        ]
    )


@pytest.mark.parametrize("call_type", [[], {}, {1}], ids=["list", "object", "set"])
def test_a_type_that_cannot_be_looked_up_is_refused(call_type: Any) -> None:
    assert [path for path, _ in problems({"type": call_type})] == ["type"]


# --- Which mapping it is -----------------------------------------------------------------------


CASES = by_id("classic")


@pytest.mark.parametrize("name", CASES)
def test_settings_with_mappings_translate_as_these_do(name: str) -> None:
    event = CASES[name].input
    settings, mapped = Settings(mappings=PRESETS_JSON), MappedTranslator(PRESETS)
    try:
        expected = mapped(event, settings)
    except InvalidEvent as error:
        with pytest.raises(InvalidEvent, match=f"^{re.escape(str(error))}$"):
            translate(event, settings)
    else:
        assert translate(event, settings) == expected


def test_subscriptions_may_be_read_already() -> None:
    read = Subscription.from_json(MOVED)
    assert event_names(translate(GROUP, Settings(mappings=[read])).calls) == ["Moved"]
    assert translate(GROUP, Settings(mappings=(read, MOVED))).subscriptions == ("Moved", "Moved")


def test_no_mappings_at_all_are_a_mapped_destination_too() -> None:
    assert translate(SEEN, Settings(mappings=[])).skipped is not None
    assert event_names(translate(SEEN, Settings(mappings=None)).calls) == ["Seen"]


def test_other_settings_count_for_mappings_too() -> None:
    nobody = {"type": "track", "event": "Seen"}
    with pytest.raises(InvalidEvent, match=r"^Moved: "):
        translate(nobody, OWN)
    assert "anonymous" in str(translate(nobody, attrs.evolve(OWN, skip_anonymous=True)).skipped)


def test_a_destination_takes_its_mappings_from_its_settings() -> None:
    with LocalIterable() as iterable:
        settings = attrs.evolve(OWN, api_key=iterable.api_key, base_url=iterable.url)
        with Destination(settings) as to:
            assert [to.send(SEEN).name, *(each.name for each in to.send_all([GROUP]))] == [
                "delivered"
            ] * 2
        assert [each["eventName"] for each in iterable.project.events("u-1")] == ["Moved"] * 2


def test_a_translator_that_is_handed_in_wins_over_the_mappings() -> None:
    with LocalIterable() as iterable:
        settings = attrs.evolve(OWN, api_key=iterable.api_key, base_url=iterable.url)
        classic = attrs.evolve(settings, mappings=None)
        with Destination(settings, translator=lambda event, _: translate(event, classic)) as to:
            to.send(SEEN)
        assert [each["eventName"] for each in iterable.project.events("u-1")] == ["Seen"]


@pytest.mark.parametrize("translator", [None, DestinationFunction()])
def test_wrong_mappings_are_found_before_there_is_an_event(translator: Any) -> None:
    with pytest.raises(InvalidSubscription, match=PROBLEMS):
        Destination(Settings(api_key="k", mappings=WRONG), translator=translator)


def test_wrong_mappings_are_found_by_translate_each_time() -> None:
    for _ in range(2):
        with pytest.raises(InvalidSubscription, match=PROBLEMS):
            translate(SEEN, Settings(mappings=WRONG))
    with pytest.raises(InvalidSubscription, match=r"^mappings: 51 subscriptions; "):
        translate(SEEN, Settings(mappings=[MOVED] * 51))


@pytest.mark.parametrize("given", ["[]", {"0": MOVED}, 1, True])
def test_mappings_are_a_list(given: Any) -> None:
    with pytest.raises(InvalidSettings, match=r"^mappings: must be a list, not "):
        Settings(mappings=given)
    with pytest.raises(InvalidSettings, match=r"^mappings: must be a list, not "):
        Settings.from_mapping({"mappings": given})


def test_mappings_are_settings_like_others() -> None:
    assert Settings.from_mapping({"mappings": [MOVED]}) == OWN
    assert Settings.from_mapping({"mappings": None}) == Settings()
    assert OWN != Settings(mappings=[]) != Settings()
    assert len({OWN, Settings(mappings=[MOVED]), Settings(mappings=[]), Settings()}) == 3
    assert "mappings=[...]" in repr(OWN)
    assert pickle.loads(pickle.dumps(OWN)) == OWN  # noqa: S301 - our own
    read = Settings(mappings=PRESETS)
    assert pickle.loads(pickle.dumps(read)) == read  # noqa: S301 - our own


@pytest.mark.parametrize("values", [(True, 1, 1.0), (0, False, -0.0), (5, 5.0)], ids=str)
def test_mappings_that_are_equal_to_python_are_not_taken_for_each_other(values: Any) -> None:
    for value in values:
        mapping = {"userId": "u-1", "eventName": "Moved", "dataFields": {"v": value}}
        [call] = translate(SEEN, Settings(mappings=[MOVED | {"mapping": mapping}])).calls
        assert repr(call.body()["dataFields"]) == repr({"v": value})
    translate(SEEN, OWN)
    with pytest.raises(InvalidSubscription, match=r"^mappings\[0\]\.enabled: must be true or fal"):
        translate(SEEN, Settings(mappings=[MOVED | {"enabled": 1}]))


def test_mappings_are_read_once_for_each_settings() -> None:
    many = [Settings(mappings=[MOVED]) for _ in range(100)]
    read = [translator_for(settings) for settings in many]
    assert [translator_for(settings) for settings in many] == read
    assert len(set(map(id, read))) == 100
    copies = [attrs.evolve(many[0]), pickle.loads(pickle.dumps(many[0]))]  # noqa: S301 - our own
    for each in copies:
        assert event_names(translate(SEEN, each).calls) == ["Moved"]


# --- Values that cannot be read ------------------------------------------------------------------

KEYS = ("type", "userId", "event", "timestamp", "properties", "context", "options", "integrations")
SEEN_BY_ADA = {"messageId": "m-1", "type": "track", "userId": "u-1", "event": "Seen"}


@pytest.mark.parametrize("key", KEYS)
def test_a_value_that_cannot_be_read_is_a_problem_of_its_event(key: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        translate({**SEEN_BY_ADA, key: Unreadable()})
    assert str(caught.value) == f"{key}: cannot be read: LookupError"
    assert caught.value.message_id == "m-1"
    assert isinstance(caught.value.__cause__, LookupError)


def test_so_is_the_id_of_an_event_that_is_skipped() -> None:
    with pytest.raises(InvalidEvent, match=r"\AuserId: cannot be read: LookupError\Z"):
        translate({"type": "page", "userId": Unreadable()})


@pytest.mark.parametrize("key", ["properties", "context", "options", "integrations"])
def test_so_is_a_mapping_that_raises(key: str) -> None:
    with pytest.raises(InvalidEvent, match=rf"\A{key}: cannot be read: OSError\Z"):
        translate({**SEEN_BY_ADA, key: UnreadableMapping()})


def test_so_it_is_for_a_mapped_destination() -> None:
    for event in ({**SEEN, "userId": Unreadable()}, {**SEEN, "properties": UnreadableMapping()}):
        with pytest.raises(InvalidEvent, match="cannot be read"):
            translate(event, Settings(mappings=PRESETS_JSON))


def test_every_value_that_cannot_be_read_is_named() -> None:
    fields = {"total": Unreadable(), "products": [Unreadable(), {"id": UnreadableMapping()}]}
    with pytest.raises(InvalidEvent) as caught:
        translate({**SEEN_BY_ADA, "event": "Order Completed", "properties": fields})
    assert [problem.path for problem in caught.value.problems] == [
        "properties.total",
        "properties.products[0]",
        "properties.products[1].id",
    ]


def test_an_event_that_cannot_be_read_at_all_is_one_problem() -> None:
    with pytest.raises(InvalidEvent, match=r"\A\$: cannot be read: OSError\Z"):
        translate(UnreadableMapping())


# --- The mapping that settings choose ------------------------------------------------------------


def test_the_classic_mapping_has_no_subscriptions_to_explain() -> None:
    assert translator_for(Settings()).explain(SEEN, Settings()) == ()


def test_mappings_are_read_anew_once_too_many_are_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = sys.modules[translator_for.__module__]
    monkeypatch.setattr(module, "_mapped", {})
    monkeypatch.setattr(module, "_MAX_REMEMBERED", 2)
    first, second, third = (Settings(mappings=[MOVED]) for _ in range(3))
    earlier = [translator_for(first), translator_for(second)]
    assert [translator_for(first), translator_for(second)] == earlier
    latest = translator_for(third)
    assert translator_for(first) not in earlier
    assert translator_for(third) is latest
    assert event_names(translate(SEEN, first).calls) == ["Moved"]
