"""A whole event: whatever is in it, it is sent, skipped or refused with its problems."""

from __future__ import annotations

import copy
import math
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

from iterable_destination.errors import InvalidEvent
from iterable_destination.mapping.classic import fast_path as ordinary
from iterable_destination.mapping.translate import translate
from iterable_destination.model import json_copy as data_fields
from iterable_destination.model.settings import Settings
from iterable_destination.model.translation import Translation
from tests.support.golden_cases import CLASSIC, cases

#: A text larger than any request.
HUGE_TEXT = "x" * 20_000_000
TOO_LONG = "is 20,000,000 characters long; a request has at most 4,000,000 bytes"
HALF = "has half of a surrogate pair, which is no Unicode character"

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
    start = time.perf_counter()
    with pytest.raises(InvalidEvent) as caught:
        translate(event, settings)
    assert time.perf_counter() - start < 2
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
    Field("properties.products[0].description", lambda value: cart(description=value), TEXT, TEXT),
    Field("properties.products[0].imageUrl", lambda value: cart(imageUrl=value), TEXT, TEXT),
    Field("properties.products[0].url", lambda value: cart(url=value), TEXT, TEXT),
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
    start = time.perf_counter()
    for text in (price * 5_000_000, price * 5_000_000 + "x"):
        with pytest.raises(InvalidEvent):
            translate(cart(price=text))
    assert time.perf_counter() - start < 2


def test_a_huge_message_id_is_kept_out_of_the_message() -> None:
    event = {**track(), "messageId": HUGE_TEXT}
    assert translate(event).message_id == HUGE_TEXT
    assert problems({**event, "event": ""}) == [("event", "missing")]


@pytest.mark.parametrize("call_type", [HUGE_TEXT, "y" * 41])
def test_a_long_type_is_cut(call_type: str) -> None:
    shown = translate({"type": call_type}).skipped
    assert shown == f"{call_type[:40]}… calls are not supported: Iterable has no use for them"


def test_a_type_of_40_characters_is_not_cut() -> None:
    shown = translate({"type": "y" * 40}).skipped
    assert shown == "y" * 40 + " calls are not supported: Iterable has no use for them"


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


def deep(kind: str, levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        as_list = kind == "lists" or (kind == "mixed" and level % 2)
        value = [value] if as_list else {"a": value}
    return value


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
    said = problems(FREE[path](deep(kind, 10_000)))
    assert [message for _, message in said] == ["is nested more than 128 levels deep"] * len(said)


@pytest.mark.parametrize("kind", ["objects", "lists", "mixed"])
@EACH_FIELD
def test_what_is_nested_too_deeply_is_refused_as_a_single_field(field: Field, kind: str) -> None:
    assert field.path in [path for path, _ in problems(field.event(deep(kind, 10_000)))]


@pytest.mark.parametrize(
    "key",
    ["context", "options", "integrations", "messageId", "anonymousId", "somethingElse"],
)
@pytest.mark.parametrize("kind", ["objects", "lists", "mixed"])
def test_what_is_not_sent_may_nest_as_deeply_as_it_likes(key: str, kind: str) -> None:
    event = {**track(), key: deep(kind, 10_000)}
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
    problems(track(x=deep("objects", 10_000), y=10**5000))
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
    assert attrs.astuple(translation) == ("m-1", (), None, (), (), ())
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


# --- The shortcut ------------------------------------------------------------------------------

GOLDEN = {
    name: case["input"] for name, case in cases(CLASSIC).items() if isinstance(case["input"], dict)
}
USUAL: dict[str, Any] = {
    "messageId": "m-1",
    "userId": "u-1",
    "timestamp": "2023-02-05T20:42:10.123Z",
    "context": {},
}


def became(event: Any, settings: Settings | None = None) -> Any:
    """Return all that becomes of an event."""
    try:
        result = translate(event, settings)
    except InvalidEvent as error:
        return error.message_id, error.problems
    bodies = [(call.endpoint, call.body()) for call in result.calls]
    return result.message_id, result.skipped, bodies, result.notes


def usually(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event with all that events usually have, and the rest as it was."""
    own: dict[str, Any] = {"traits" if event.get("type") == "identify" else "properties": {}}
    return own | {key: value for key, value in event.items() if key not in USUAL} | USUAL


@pytest.mark.parametrize("settings", [Settings(), NAMED_PAGES, Settings(track_all_pages=True)])
@pytest.mark.parametrize("name", GOLDEN)
def test_the_shortcut_comes_to_the_same_as_the_long_way(name: str, settings: Settings) -> None:
    event = GOLDEN[name]
    context = {"context": event.get("context", {})}
    for usual in (event, usually(event), usually(event) | context):
        the_long_way = MappingProxyType(usual)  # no dict is no ordinary event
        assert became(usual, settings) == became(the_long_way, settings)


TRACKED: dict[str, Any] = {**USUAL, "type": "track", "event": "Signed Up", "properties": {}}
IDENTIFIED: dict[str, Any] = {**USUAL, "type": "identify", "traits": {}}
PAGE: dict[str, Any] = {**USUAL, "type": "page", "name": "Home", "properties": {}}
PRODUCT: dict[str, Any] = {"product_id": "p-1", "name": "Go", "price": 9.5}


def bought(**product: Any) -> dict[str, Any]:
    properties = {"total": 5, "products": [PRODUCT | product]}
    return {**TRACKED, "event": "Order Completed", "properties": properties}


def knows(**traits: Any) -> dict[str, Any]:
    return {**TRACKED, "context": {"traits": traits}}


def these(*values: Any) -> tuple[Any, ...]:
    """Return values of any types."""
    return values


def with_key(key: Any) -> dict[Any, Any]:
    return {**TRACKED, key: 1}


#: What is just out of the ordinary.
EXTRAORDINARY: list[dict[str, Any]] = [
    *({**TRACKED, "messageId": value} for value in these(None, 5, "", "\ud800")),
    *({**TRACKED, "userId": value} for value in these(None, "", 5, "ü", "u ", "x" * 53, "a@b.c")),
    *({**TRACKED, "timestamp": value} for value in these(None, 5, "", "2023-02-31", "2023-02-05")),
    *(
        {**TRACKED, "timestamp": f"2023-02-05T{value}Z"}
        for value in these("24:00:00", "20:42:10.1")
    ),
    *({**TRACKED, "context": value} for value in these(None, [], "x", {"traits": 5})),
    *({**TRACKED, "options": value} for value in these(None, {}, {"traits": {"email": "a@b.c"}})),
    *(
        {**TRACKED, "integrations": value}
        for value in these(None, {}, {"All": False}, {"Iterable": 1}, {"Mixpanel": False})
    ),
    *({**TRACKED, "event": value} for value in these(None, "", 5, "ü", "\ud800", "x" * 4_000_001)),
    *(
        {**TRACKED, "properties": value}
        for value in these(None, [], "x", MappingProxyType({"a": 1}))
    ),
    *({**TRACKED, "properties": {key: "x"}} for key in ("Email", "mail", "user_id", "email")),
    *(
        {**TRACKED, "properties": {"email": value}}
        for value in these(None, "", 5, "é@ü.de", "a@b.c")
    ),
    *(
        {**TRACKED, "properties": {"x": value}}
        for value in these(math.nan, b"", 10**308, deep("mixed", 300))
    ),
    with_key(5),
    {**TRACKED, "userId": "u-1", "uid": "x"},
    *(knows(email=value) for value in these(None, "", "x", "a@b.c", 5)),
    *(
        {**knows(email=value), "properties": {"email": "a@b.c"}}
        for value in these(None, "", "x", "d@e.f")
    ),
    *(knows(**{key: "x"}) for key in ("mail", "user_id", "E-Mail")),
    *(
        bought(**{key: value})
        for key in PRODUCT
        for value in these(None, "", 0, True, "\ud800", "7")
    ),
    *(bought(quantity=value) for value in these(None, 0, 2, 2.0, "2", True, 10**6, 2**63)),
    *(bought(price=value) for value in these(10**6, -(10**6), 999_999, math.nan, 10**308)),
    *(bought(category=value) for value in these(None, "", "a", ["a"], 5)),
    *(bought(categories=value) for value in these(None, "", "a", ["a"], 5)),
    *(bought(category="a", categories=value) for value in these(None, "b")),
    *(bought(id=value) for value in these(None, "x")),
    *(bought(**{key: "x"}) for key in ("sku", "Name", "image_url", "imageurl", "dataFields")),
    *(bought(**{key: None}) for key in ("sku", "description", "image_url", "url")),
    *(bought(x=value) for value in these({}, "2023-02-05", math.nan)),
    *(
        {**bought(), "properties": bought()["properties"] | {key: value}}
        for key in ("total", "Total", "products", "Products", "campaignId", "templateId")
        for value in these(None, 0, "5", [], 10**6, [None], [5], True)
    ),
    *(
        {**bought(), "properties": {key: value, "total": 5, "products": [PRODUCT]}}
        for key, value in these(("Total", 6), ("Products", []), ("Products", None), ("x", 1))
    ),
    {**bought(), "event": "Product Added"},
    {**bought(), "event": "Added Product now"},
    {**TRACKED, "event": "Product Added"},
    {**TRACKED, "event": "Order Completed"},
    *({**IDENTIFIED, "traits": value} for value in these(None, [], MappingProxyType({"a": 1}))),
    *(
        {**IDENTIFIED, "traits": {key: value}}
        for key in ("phone", "Phone", "phones", "created", "createdAt", "met", "phoneNumber", "id")
        for value in these(None, "", "+1", "1", 5, ["+1"], "2023-02-05", "2023-02-05T20:42:10Z")
    ),
    *(
        {**IDENTIFIED, "traits": {"created": value, "createdAt": "2023-02-05"}}
        for value in these(None, "2020-01-01", "x")
    ),
    {**IDENTIFIED, "traits": {"timestamp": "x", "id": 5, "a": None, "b": {"c": None}}},
    *(
        {**IDENTIFIED, "traits": dict.fromkeys(keys, "2023-02-05")}
        for keys in (["created_at"], ["created_at", "createdAt"], ["createdAt", "met"], ["Created"])
    ),
    {**IDENTIFIED, "traits": {"signupDate": "x"}},
    {**IDENTIFIED, "traits": {"signupDate": None}},
    *(
        {**IDENTIFIED, "traits": {"profileUpdatedAt": value}}
        for value in these(None, "x", math.nan)
    ),
    {**IDENTIFIED, "traits": {"ip": None}, "context": {"ip": "1", "timezone": "x", "os": "y"}},
    {**IDENTIFIED, "traits": {"timeZone": None, "timezone": 1}, "context": {"timezone": "x"}},
    {**IDENTIFIED, "context": {"ip": math.nan}},
    {**IDENTIFIED, "context": {"iterable": {"mergeNestedObjects": True}}},
    {**IDENTIFIED, "context": {"traits": {"email": "a@b.c"}}},
    {**IDENTIFIED, "traits": {"email": "a@b.c"}, "context": {"traits": {"email": "d@e.f"}}},
    *({**PAGE, "name": value} for value in these(None, "", 5, "2023-02-05", math.nan, ["a"])),
    *({**PAGE, "category": value} for value in these(None, "", 5, "2023-02-05", math.nan)),
    *({**PAGE, "name": None, "category": value} for value in these(None, "", "x")),
    {**PAGE, "properties": {"name": "other", "category": "c"}},
    {**PAGE, "properties": None},
    {**PAGE, "properties": {"email": 5}},
    {**PAGE, "type": "screen"},
    {**PAGE, "type": "group"},
    {**PAGE, "type": Plan.PRO},
]


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        NAMED_PAGES,
        Settings(track_named_pages=False),
        Settings(track_categorized_pages=False),
        Settings(track_all_pages=True, track_named_pages=False, track_categorized_pages=False),
        Settings(skip_anonymous=True),
    ],
    ids=["defaults", "own names", "not named", "not categorized", "all", "not anonymous"],
)
def test_the_shortcut_stops_where_the_ordinary_does(settings: Settings) -> None:
    for event in EXTRAORDINARY:
        the_long_way = MappingProxyType(event)
        assert became(event, settings) == became(the_long_way, settings)


@pytest.mark.parametrize(
    "event",
    [
        {**knows(email=False), "properties": {"email": "a@b.c"}},
        {**knows(email=0)},
        {**knows(email=None, mail="x")},
        {**IDENTIFIED, "context": {"traits": {"mail": "x"}}},
        {**TRACKED, "integrations": 0},
        {**TRACKED, "integrations": ""},
        {**PAGE, "category": []},
    ],
    ids=["false", "0", "lookalike", "of identify", "integrations 0", "integrations", "category"],
)
def test_the_shortcut_stops_where_something_is_to_be_refused_or_noted(
    event: dict[str, Any],
) -> None:
    assert became(event) == became(MappingProxyType(event))


@pytest.mark.parametrize("call_type", [[], {}, {1}], ids=["list", "object", "set"])
def test_a_type_that_cannot_be_looked_up_is_refused(call_type: Any) -> None:
    assert [path for path, _ in problems({"type": call_type})] == ["type"]


# --- What the shortcut remembers ---------------------------------------------------------------


def remembered() -> int:
    """Return how many keys, and sets of keys, are remembered."""
    kept = (ordinary._TRAITS, ordinary._FIELDS, ordinary._plans, data_fields._good_keys)
    return sum(map(len, kept))


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let very little be remembered."""
    for module in (ordinary, data_fields):
        monkeypatch.setattr(module, "_MOST_KEYS", 8)
    monkeypatch.setattr(ordinary, "_MOST_PLANS", 3)


@pytest.mark.usefixtures("forgetful")
def test_only_so_many_keys_are_remembered() -> None:
    for number in range(50):
        fields = {f"a{number}": {f"b{number}": 1}, "email": "a@b.c"}
        for event in (
            {**TRACKED, "properties": fields},
            {**IDENTIFIED, "traits": fields},
            bought(**{f"c{number}": {f"d{number}": None}}),
        ):
            assert became(event) == became(MappingProxyType(event))
        assert remembered() < 50


@pytest.mark.parametrize("key", ["k" * 4_000_000, "k" * 4_000_001, "k" * 2_000, "\ud800", Plan.PRO])
def test_a_key_that_is_long_or_odd_is_not_remembered(key: str) -> None:
    translate({**TRACKED, "properties": {"x": {"x": 1}, "n": None}})
    before = remembered()
    for event in (
        {**TRACKED, "properties": {key: 1}},
        {**IDENTIFIED, "traits": {key: 1}},
        bought(**{key: 1}),
    ):
        assert became(event) == became(MappingProxyType(event))
    assert remembered() - before <= 1


def test_what_is_remembered_is_no_value() -> None:
    event = bought(sku="s-1") | {"userId": "no one else", "context": {"traits": {"email": "a@b.c"}}}
    translate(event)
    kept = [ordinary._TRAITS, ordinary._FIELDS, ordinary._plans, data_fields._good_keys]
    assert not [word for word in ("no one else", "a@b.c", "s-1", "p-1") if word in repr(kept)]
