"""Validation: finds all problems of a call at once.

The rules are those of Iterable's documented schema, and never stricter than Iterable is. A problem
names the place in the event that a value came from.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isfinite
from typing import Any, Final

from iterable_destination.errors import Problem, shortened
from iterable_destination.model import endpoints
from iterable_destination.model.calls import (
    Call,
    Identity,
    ItemPlace,
    TrackEvent,
    TrackPurchase,
    UpdateCart,
    UpdateEmail,
    UpdateUser,
)
from iterable_destination.model.json_copy import text_problem
from iterable_destination.model.json_values import TOO_LARGE, describe_type, is_blank

_SPACE_OR_CONTROL: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")
USER_ID: Final = re.compile(rf"[ -~]{{0,{endpoints.MAX_USER_ID_LENGTH - 1}}}[!-~]")

_NO_NUMBER: Final = "must be a number, or a string of digits with at most one dot"

NO_IDENTITY: Final = "Must set either userId or email"


def find_problems(call: Call) -> list[Problem]:
    """Return every reason why Iterable would refuse the call; none if it would take it."""
    found: list[Problem] = []
    _check_identity(call.identity, found)
    found += _CHECKS[type(call)](call)
    return found


def _check_identity(identity: Identity, found: list[Problem]) -> None:
    email, user_id = identity.email, identity.user_id
    if email is None and user_id is None:
        hint = ", ".join(map(shortened, identity.lookalikes))
        message = f"{NO_IDENTITY} (these are not read as one: {hint})" if hint else NO_IDENTITY
        found.append(Problem(identity.user_id_source, message))
    if email is not None and (problem := email_problem(email)):
        found.append(Problem(identity.email_source, problem))
    if user_id is not None and (problem := user_id_problem(user_id)):
        found.append(Problem(identity.user_id_source, problem))


def _check_user(call: UpdateUser) -> list[Problem]:
    merge: object = call.merge_nested_objects
    if merge is None or isinstance(merge, bool):
        return []
    source = call.sources.get("mergeNestedObjects", "mergeNestedObjects")
    return [Problem(source, f"must be true or false, not {describe_type(merge)}")]


def _check_event(call: TrackEvent) -> list[Problem]:
    message = "missing" if is_blank(call.event_name) else _text_problem(call.event_name)
    found = _check_attribution(call, endpoints.INT64)
    if message is not None:
        found.insert(0, Problem(call.sources.get("eventName", "eventName"), message))
    return found


def _check_attribution(call: TrackEvent | TrackPurchase, bounds: range) -> list[Problem]:
    """Check the campaign and the template that a call is attributed to."""
    return [
        Problem(call.sources.get(name, name), problem)
        for name, value in (("campaignId", call.campaign_id), ("templateId", call.template_id))
        if value is not None and (problem := _whole_number_problem(value, bounds))
    ]


def _check_cart(call: UpdateCart) -> list[Problem]:
    return [problem for place in _item_places(call) for problem in _check_item(place)]


def _check_purchase(call: TrackPurchase) -> list[Problem]:
    found = []
    if problem := _number_problem(call.total):
        found.append(Problem(call.sources.get("total", "total"), problem))
    found += _check_attribution(call, endpoints.INT32)
    for place in _item_places(call):
        found += _check_item(place)
    return found


def _check_email_change(call: UpdateEmail) -> list[Problem]:
    problem = email_problem(call.new_email)
    return [Problem("newEmail", problem)] if problem else []


_CHECKS: Final[dict[type, Callable[[Any], list[Problem]]]] = {
    UpdateUser: _check_user,
    TrackEvent: _check_event,
    UpdateCart: _check_cart,
    TrackPurchase: _check_purchase,
    UpdateEmail: _check_email_change,
}


def _item_places(call: UpdateCart | TrackPurchase) -> list[ItemPlace]:
    if call.places is not None:
        return call.places
    return [ItemPlace(item, f"items[{index}]") for index, item in enumerate(call.items)]


def _check_item(place: ItemPlace) -> list[Problem]:
    item = place.item.get
    checked = {
        "id": _text_problem(item("id")),
        "name": _text_problem(item("name")),
        "price": _number_problem(item("price")),
        "quantity": _whole_number_problem(item("quantity"), endpoints.INT64),
        "categories": _categories_problem(item("categories", [])),
    }
    for key in _OPTIONAL_TEXTS:
        checked[key] = None if item(key) is None else _text_problem(item(key))
    return [
        Problem(place.source(key), message)
        for key, message in checked.items()
        if message is not None
    ]


_OPTIONAL_TEXTS: Final = ("sku", "description", "imageUrl", "url")


def email_problem(value: Any) -> str | None:
    """Return why a value cannot be an email, or None if it may be one."""
    if not isinstance(value, str):
        return f"must be a string, not {describe_type(value)}"
    if not reads_like_email(value):
        return "not a valid email address (expected name@host.domain)"
    return text_problem(value)


def reads_like_email(text: str) -> bool:
    """Whether a text has one ``@``, something before it, and a dot inside what is after it.

    There may be no spaces and no control characters. Iterable checks everything else about an
    email.
    """
    name, _, host = text.partition("@")
    return bool(
        name and "." in host[1:-1] and "@" not in host and not _SPACE_OR_CONTROL.search(text)
    )


def user_id_problem(value: Any) -> str | None:
    """Return why a value cannot be a userId, or None if it can."""
    if not isinstance(value, str):
        return f"must be a string, not {describe_type(value)}"
    if USER_ID.fullmatch(value):
        return None
    if len(value) > endpoints.MAX_USER_ID_LENGTH:
        most = endpoints.MAX_USER_ID_LENGTH
        return f"is {len(value):,} characters long; a userId has at most {most}"
    return "must be printable ASCII, not empty, and not end with a space"


def _text_problem(value: Any) -> str | None:
    if isinstance(value, str):
        return text_problem(value)
    return "missing" if value is None else f"must be a string, not {describe_type(value)}"


def _number_problem(value: Any) -> str | None:
    if value is None:
        return "missing"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return (
            _NO_NUMBER
            if isinstance(value, str)
            else f"must be a number, not {describe_type(value)}"
        )
    if -TOO_LARGE < value < TOO_LARGE:
        return None
    if isinstance(value, float) and not isfinite(value):
        return f"must be a number, not {describe_type(value)}"
    return "is a number too large for Iterable"


def _whole_number_problem(value: Any, bounds: range) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return _number_problem(value) or "must be a whole number"
    if value not in bounds:
        return f"must be between {bounds.start:,} and {bounds.stop - 1:,}"
    return None


def _categories_problem(value: Any) -> str | None:
    if isinstance(value, list) and all(isinstance(category, str) for category in value):
        return next(filter(None, map(text_problem, value)), None)
    return f"must be a string or a list of strings, not {describe_type(value)}"
