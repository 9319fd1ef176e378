"""The ordinary event, translated at once.

What may live here: a shortcut, and no rule of its own. This is the hot place of the package. Most
events leave no question open: they are plain JSON, their dates are written the usual way, their
user is known, nothing in them is to be noted, coerced or refused. :func:`ordinary` makes sure of
that in a straight line, with as few steps as it can, and makes the call. At the first thing out
of the ordinary it gives up, and the event goes through :mod:`~iterable_destination.classic` and
:mod:`~iterable_destination.validation`, where the rules are written and nothing is hurried.

Property tests hold that both ways come to the same call, and that the other way finds nothing to
note or to refuse in any event that is taken here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, NamedTuple

from iterable_destination.calls import (
    Call,
    Identity,
    TrackEvent,
    TrackPurchase,
    UpdateCart,
    UpdateUser,
)
from iterable_destination.classic import commerce, identify, items, page, routes
from iterable_destination.data_fields import NOT_PLAIN, quick_copy
from iterable_destination.dates import is_usual, usual_to_iterable, usual_to_unix_seconds
from iterable_destination.endpoints import MANAGED_FIELDS, MAX_USER_ID_LENGTH
from iterable_destination.events import LOOKALIKE_EMAILS, names_of
from iterable_destination.settings import Settings

#: Lengths of text and sizes of numbers up to here are within every bound there is.
_SURELY_FINE: Final = 1_000_000
_LONGEST_NAME: Final = 1_000
#: Longer ones may be good, but a pattern must not be tried on text of any length.
_LONGEST_EMAIL: Final = 320
#: Good ids of printable ASCII: a userId that cannot be an email too, and an email.
_USER_ID: Final = re.compile(rf"[ -?A-~]{{0,{MAX_USER_ID_LENGTH - 1}}}[!-?A-~]")
_EMAIL: Final = re.compile(r"[!-?A-~]+@[!-?A-~]+\.[!-?A-~]+")


def ordinary(event: Any, settings: Settings) -> Call | None:
    """Return the call of an ordinary event, sure to be valid; None for any other event."""
    if type(event) is not dict:
        return None
    its_type = event.get("type")
    make = _CALL_TYPES.get(its_type) if type(its_type) is str else None
    user_id, when, context = event.get("userId"), event.get("timestamp"), event.get("context")
    integrations = event.get("integrations")
    if (
        make is None
        or type(user_id) is not str
        or type(when) is not str
        or type(event.get("messageId")) is not str
        or type(context) is not dict
        or not (integrations is None or type(integrations) is dict)
        or "options" in event
        or not _USER_ID.fullmatch(user_id)
        or not is_usual(when)
        or (integrations and not _say_nothing(integrations))
    ):
        return None
    try:
        "".join(event)  # a TypeError unless all keys are strings
        return make(event, user_id, when, context, settings)
    except NOT_PLAIN:
        return None


def _say_nothing(integrations: dict[Any, Any]) -> bool:
    """Whether integrations speak of other destinations only."""
    return names_of(tuple(integrations)).keys().isdisjoint(("all", "iterable"))


def _identity(
    user_id: str, fields: dict[Any, Any], keys: dict[str, str], traits: Any
) -> Identity | None:
    """Return a user whose email is a good one, or not there under any name; else None.

    ``fields`` are the event's own, ``keys`` where single fields stand in them, ``traits`` those
    of the context.
    """
    email = fields[keys["email"]] if "email" in keys else None
    if traits is not None:
        if type(traits) is not dict:
            return None
        around = names_of(tuple(traits))
        if "email" in around:
            email = traits[around["email"]]
            if type(email) is not str:
                return None
        elif email is None and not LOOKALIKE_EMAILS.isdisjoint(around):
            return None
    if email is None:
        return Identity(None, user_id) if LOOKALIKE_EMAILS.isdisjoint(keys) else None
    if type(email) is str and len(email) <= _LONGEST_EMAIL and _EMAIL.fullmatch(email):
        return Identity(email, user_id)
    return None


def _identify(
    event: dict[Any, Any], user_id: str, when: str, context: dict[Any, Any], _: Settings
) -> Call | None:
    traits = event.get("traits")
    if type(traits) is not dict or "iterable" in names_of(tuple(context)):
        return None
    keys = names_of(tuple(traits))
    identity = _identity(user_id, traits, keys, None)
    if identity is None or not keys.keys() <= _ORDINARY_TRAITS:
        return None
    if identity.email is None and "traits" in context:  # where it may stand under another name
        return None
    profile = {key: context[key] for key in identify.FROM_CONTEXT if key in context}
    if "timezone" in profile:
        profile["timeZone"] = profile.pop("timezone")
    profile = quick_copy(profile | traits)
    profile["profileUpdatedAt"] = usual_to_iterable(when)
    if keys and not _moved(profile, traits, keys):
        return None
    for key in identify.LEFT_OUT:
        if key in profile:
            del profile[key]
    if None in profile.values():
        for key in [key for key, value in profile.items() if value is None]:
            del profile[key]
    return UpdateUser(identity, profile) if MANAGED_FIELDS.isdisjoint(profile) else None


def _moved(profile: dict[str, Any], traits: dict[Any, Any], keys: dict[str, str]) -> bool:
    """Move the phone and add since when the user is known; whether both were ordinary."""
    created, phone = keys.get("createdat"), keys.get("phone")
    if created is not None:
        date = profile[created]
        if type(date) is not str or date == traits[created]:  # not converted, so no usual date
            return False
        profile["met"] = date
    if phone is not None:
        number = profile.pop(phone)
        if phone != "phone" or type(number) is not str or number[:1] != "+":
            return False
        profile["phoneNumber"] = number
    return True


#: The traits that are looked up which leave no question open.
_ORDINARY_TRAITS: Final = frozenset({"email", "phone", "createdat"})


def _track(
    event: dict[Any, Any], user_id: str, when: str, context: dict[Any, Any], _: Settings
) -> Call | None:
    name, properties = event.get("event"), event.get("properties")
    if type(name) is not str or type(properties) is not dict:
        return None
    if not name or len(name) > _LONGEST_NAME or not name.isascii():
        return None
    keys = names_of(tuple(properties))
    identity = _identity(user_id, properties, keys, context.get("traits"))
    if identity is None:
        return None
    translator = routes.commerce(name)
    if translator is None:
        return TrackEvent(identity, name, quick_copy(properties), usual_to_unix_seconds(when))
    products = properties.get("products")
    if type(products) is not list or keys["products"] != "products":
        return None
    usual = []
    for product in products:
        item = _item(product)
        if item is None:
            return None
        usual.append(item)
    if translator is commerce.cart:
        return UpdateCart(identity, usual)
    return _purchase(identity, usual, properties, keys, when)


def _purchase(
    identity: Identity,
    usual: list[dict[str, Any]],
    properties: dict[Any, Any],
    keys: dict[str, str],
    when: str,
) -> Call | None:
    total: Any = properties.get("total")
    if type(total) not in _NUMBERS or not -_SURELY_FINE < total < _SURELY_FINE:
        return None
    if keys["total"] != "total" or "campaignId" in properties or "templateId" in properties:
        return None
    rest = {key: properties[key] for key in properties if key not in commerce.LIFTED}
    return TrackPurchase(identity, usual, total, quick_copy(rest), usual_to_unix_seconds(when))


_NUMBERS: Final = frozenset({int, float})


def _page(
    event: dict[Any, Any], user_id: str, when: str, context: dict[Any, Any], settings: Settings
) -> Call | None:
    properties, name, category = event.get("properties"), event.get("name"), event.get("category")
    if type(name) not in _TEXT_OR_NONE or type(category) not in _TEXT_OR_NONE:
        return None
    asked_for = (
        settings.track_all_pages
        or (name and settings.track_named_pages)
        or (category and settings.track_categorized_pages)
    )
    if type(properties) is not dict or not asked_for:
        return None
    if not settings.map_all_pages_to_single_event_name:
        return None
    keys = names_of(tuple(properties))
    identity = _identity(user_id, properties, keys, context.get("traits"))
    if identity is None:
        return None
    fields = properties.copy()
    if category:
        fields["category"] = category
    if name:
        fields["name"] = name
    single_name = page.SINGLE_NAMES[event["type"]]
    return TrackEvent(identity, single_name, quick_copy(fields), usual_to_unix_seconds(when))


_TEXT_OR_NONE: Final = frozenset({str, type(None)})

_CALL_TYPES: Final[dict[Any, Callable[..., Call | None]]] = {
    "identify": _identify,
    "track": _track,
    "page": _page,
    "screen": _page,
}


class _Plan(NamedTuple):
    """How to read the products that have the same keys, if all they say is of the usual types."""

    #: Reads the values: texts, the id first, then price and perhaps quantity.
    read: Callable[[dict[Any, Any]], tuple[Any, ...]]
    #: The item's keys for the values.
    names: tuple[str, ...]
    #: How many of the values are texts.
    texts: int
    #: The usual types of the values.
    types: frozenset[tuple[type, ...]]
    #: The product's keys that go to ``dataFields``.
    rest: tuple[str, ...]


@lru_cache(maxsize=1_000)
def _plan(keys: tuple[Any, ...]) -> _Plan | None:
    """Plan how to read products with these keys; None where a field may have two sources."""
    sources = items.sources(keys)
    once = {name: candidates[0] for name, candidates in sources.items() if len(candidates) == 1}
    if len(once) < sum(map(bool, sources.values())) or not once.keys() >= {"id", "name", "price"}:
        return None
    numbers = [name for name in once if name in {"price", "quantity"}]
    texts = ["id", *(name for name in once if name not in {"id", *numbers})]
    text_types, whole_types = (str,) * len(texts), (int,) * (len(numbers) - 1)
    return _Plan(
        itemgetter(*(once[name] for name in texts + numbers)),
        (*texts, *numbers),
        len(texts),
        frozenset((*text_types, price, *whole_types) for price in (int, float)),
        tuple(key for key in keys if key not in once and key not in items.USED_UP),
    )


def _item(product: Any) -> dict[str, Any] | None:
    """Return the item of a usual product; None for any other."""
    plan = _plan(tuple(product)) if type(product) is dict else None
    if plan is None:
        return None
    values = plan.read(product)
    if tuple(map(type, values)) not in plan.types:
        return None
    texts = "".join(values[: plan.texts])
    price, last = values[plan.texts], values[-1]
    if (
        not values[0]
        or not texts.isascii()
        or len(texts) > _SURELY_FINE
        or not (-_SURELY_FINE < price < _SURELY_FINE > last > -_SURELY_FINE)
    ):
        return None
    item: dict[str, Any] = dict(zip(plan.names, values, strict=False))  # as many, by the plan
    if "quantity" not in item:
        item["quantity"] = 1
    category = item.get("categories")
    item["categories"] = [category] if category else []
    item["dataFields"] = quick_copy({key: product[key] for key in plan.rest}) if plan.rest else {}
    return item
