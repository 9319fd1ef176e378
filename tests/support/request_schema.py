"""Iterable's documented request bodies, written down by hand from its API description.

Shares no line with the package: what the package sends is held against this.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

#: A check takes a value and its place, and yields what is wrong.
Check = Callable[[Any, str], Iterator[str]]

PRINTABLE = re.compile(r"[\x20-\x7e]{1,52}", re.ASCII)


def string(value: Any, place: str) -> Iterator[str]:
    if type(value) is not str:
        yield f"{place}: no string"
    elif any(0xD800 <= ord(character) <= 0xDFFF for character in value):
        yield f"{place}: half of a surrogate pair"


def identifier(value: Any, place: str) -> Iterator[str]:
    yield from string(value, place)
    if type(value) is str and len(value.encode("utf-8", "surrogatepass")) > 512:
        yield f"{place}: longer than 512 bytes"


def user_id(value: Any, place: str) -> Iterator[str]:
    yield from string(value, place)
    if type(value) is str and (not PRINTABLE.fullmatch(value) or value.endswith(" ")):
        yield f"{place}: not 1 to 52 printable ASCII characters without a space at the end"


def boolean(value: Any, place: str) -> Iterator[str]:
    if type(value) is not bool:
        yield f"{place}: no boolean"


def number(value: Any, place: str) -> Iterator[str]:
    if type(value) not in (int, float) or not abs(value) < 1.8e308:
        yield f"{place}: no number of type double"


def integer(bits: int) -> Check:
    def check(value: Any, place: str) -> Iterator[str]:
        if type(value) is not int or not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
            yield f"{place}: no int{bits}"

    return check


def free_object(value: Any, place: str) -> Iterator[str]:
    """Any JSON object, at any depth of plain JSON."""
    if type(value) is not dict:
        yield f"{place}: no object"
    else:
        yield from json_value(value, place)


def json_value(value: Any, place: str) -> Iterator[str]:
    if type(value) is dict:
        for key, inner in value.items():
            yield from string(key, f"{place} key")
            yield from json_value(inner, f"{place}.{key}")
    elif type(value) is list:
        for index, inner in enumerate(value):
            yield from json_value(inner, f"{place}[{index}]")
    elif type(value) is str:
        yield from string(value, place)
    elif type(value) is float:
        if not math.isfinite(value):
            yield f"{place}: not finite"
    elif value is not None and type(value) not in (int, bool):
        yield f"{place}: no JSON"


def list_of(check: Check) -> Check:
    def check_all(value: Any, place: str) -> Iterator[str]:
        if type(value) is not list:
            yield f"{place}: no list"
            return
        for index, element in enumerate(value):
            yield from check(element, f"{place}[{index}]")

    return check_all


def structure(fields: dict[str, Check], *required: str) -> Check:
    """Check an object of these fields; the names that are required and no others must be there."""

    def check(value: Any, place: str) -> Iterator[str]:
        if type(value) is not dict:
            yield f"{place}: no object"
            return
        yield from (f"{place}.{name}: missing" for name in required if name not in value)
        for name, inner in value.items():
            if name in fields:
                yield from fields[name](inner, f"{place}.{name}")
            else:
                yield f"{place}.{name}: not documented"

    return check


def somebody(check: Check) -> Check:
    """Check an object that also has to say who it is about."""

    def check_who(value: Any, place: str) -> Iterator[str]:
        yield from check(value, place)
        if type(value) is dict and "email" not in value and "userId" not in value:
            yield f"{place}: neither email nor userId"

    return check_who


API_USER = somebody(
    structure(
        {
            "createNewFields": boolean,
            "dataFields": free_object,
            "email": string,
            "mergeNestedObjects": boolean,
            "preferUserId": boolean,
            "userId": user_id,
        }
    )
)
COMMERCE_ITEM = structure(
    {
        "categories": list_of(string),
        "dataFields": free_object,
        "description": string,
        "id": string,
        "imageUrl": string,
        "name": string,
        "price": number,
        "quantity": integer(64),
        "sku": string,
        "url": string,
    },
    "id",
    "name",
    "price",
    "quantity",
)


def subscribers(value: Any, place: str) -> Iterator[str]:
    """A list of users by email or by userId; ours have one user."""
    yield from structure({"users": list_of(string), "usersByUserId": list_of(user_id)})(
        value, place
    )
    if type(value) is dict and [len(users) for users in value.values()] != [1]:
        yield f"{place}: not one user"


BODIES: dict[str, Check] = {
    "/api/users/update": API_USER,
    "/api/users/updateEmail": structure(
        {"currentEmail": string, "currentUserId": user_id, "newEmail": string}, "newEmail"
    ),
    "/api/events/track": somebody(
        structure(
            {
                "campaignId": integer(64),
                "createNewFields": boolean,
                "createdAt": integer(64),
                "dataFields": free_object,
                "email": string,
                "eventName": string,
                "id": identifier,
                "templateId": integer(64),
                "userId": user_id,
            },
            "eventName",
        )
    ),
    "/api/subscriptions/{subscriptionGroup}/{subscriptionGroupId}": subscribers,
    "/api/commerce/updateCart": structure(
        {"items": list_of(COMMERCE_ITEM), "user": API_USER}, "items", "user"
    ),
    "/api/commerce/trackPurchase": structure(
        {
            "campaignId": integer(32),
            "createdAt": integer(64),
            "dataFields": free_object,
            "id": identifier,
            "items": list_of(COMMERCE_ITEM),
            "templateId": integer(32),
            "total": number,
            "user": API_USER,
        },
        "items",
        "total",
        "user",
    ),
}


def violations(path: str, body: Any) -> list[str]:
    """Return everything in a body that the documented schema of its endpoint does not allow."""
    return list(BODIES[path](body, "body"))
