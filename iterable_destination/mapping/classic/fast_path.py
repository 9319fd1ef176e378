"""The ordinary event, translated at once.

What may live here: a shortcut, and no rule of its own. This is the hot place of the package. Most
events leave no question open: they are plain JSON, their dates are written the usual way, their
user is known, nothing in them is to be noted, coerced or refused. :func:`ordinary` makes sure of
that in a straight line, with as few steps as it can, and makes the call. At the first thing out
of the ordinary it gives up, and the event goes through :mod:`~iterable_destination.mapping.classic`
and :mod:`~iterable_destination.model.validation`, where the rules are written and nothing is
hurried.

Property tests hold that both ways come to the same call, and that the other way finds nothing to
note or to refuse in any event that is taken here.

What can be known from a key alone is found out once for each key, or for each set of a product's
keys, and remembered: the same keys come again and again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, NamedTuple

from iterable_destination.mapping.classic import commerce, identify, items, page, routes, track
from iterable_destination.model.calls import (
    Call,
    Identity,
    TrackEvent,
    TrackPurchase,
    UpdateCart,
    UpdateUser,
)
from iterable_destination.model.dates import unix_seconds, usual_date
from iterable_destination.model.endpoints import MANAGED_FIELDS, MAX_USER_ID_LENGTH
from iterable_destination.model.json_copy import NOT_PLAIN, finish, text_problem
from iterable_destination.model.segment_event import LOOKALIKE_EMAILS, fold
from iterable_destination.model.settings import Settings

#: Lengths of text and sizes of numbers up to here are within every bound there is.
_SURELY_FINE: Final = 1_000_000
_LONGEST_NAME: Final = 200
#: Longer ones may be good, but a pattern must not be tried on text of any length.
_LONGEST_EMAIL: Final = 320
#: Good ids of printable ASCII without spaces: a userId that cannot be an email too, and an email.
_USER_ID: Final = re.compile(rf"[!-?A-~]{{1,{MAX_USER_ID_LENGTH}}}")
_EMAIL: Final = re.compile(r"[!-?A-~]+@[!-?A-~]+\.[!-?A-~]+")


def fast_path(event: Any, settings: Settings) -> Call | None:
    """Return the call of an ordinary event, sure to be valid; None for any other event."""
    if type(event) is not dict:
        return None
    try:
        its_type, user_id, context = event["type"], event["userId"], event["context"]
        integrations = event.get("integrations")
        if (
            type(its_type) is not str
            or type(user_id) is not str
            or type(context) is not dict
            or type(event["messageId"]) is not str
            or type(event["timestamp"]) is not str
            or "options" in event
            or not _USER_ID.fullmatch(user_id)
            or not (integrations is None or type(integrations) is dict)
            or (integrations and not _FIELDS.cover(integrations))  # they speak of this destination
        ):
            return None
        "".join(event)  # a TypeError unless all keys are strings
        return _CALL_TYPES[its_type](event, user_id, context, settings)
    except _NOT_ORDINARY:
        return None


#: What is raised where something is missing or is no plain JSON.
_NOT_ORDINARY: Final = (KeyError, *NOT_PLAIN)


# --- Keys --------------------------------------------------------------------------------------


class _PlainKeys(set[str]):
    """The keys known to be plain: good texts that mean what they say, as nearly all do.

    What is looked up is plain under its usual key. Another key that folds to the same may stand
    for it too, and of some names there is more to know; such keys are not plain.
    """

    def __init__(self, looked_up: set[str], *names: str) -> None:
        super().__init__(looked_up)
        self._looked_up = looked_up
        self._not_plain = LOOKALIKE_EMAILS.union(names, map(fold, looked_up))

    def cover(self, keys: dict[Any, Any]) -> bool:
        """Whether all keys of an object are plain."""
        return self.issuperset(keys) or all(map(self._covers, keys))

    def _covers(self, key: Any) -> bool:
        """Whether a key is plain; it is remembered if it is."""
        if key in self:
            return True
        if type(key) is not str or len(key) > _LONGEST_KEY or text_problem(key):
            return False
        if key in self._not_plain or fold(key) in self._not_plain:
            return False
        if len(self) >= _MOST_KEYS:
            self.clear()
            self.update(self._looked_up)
        self.add(key)
        return True


_MOST_KEYS: Final = 10_000
_LONGEST_KEY: Final = 100

_CREATED: Final = ("createdAt", "created_at")
_TRAITS: Final = _PlainKeys(
    {"email", "phone", *_CREATED}, "created", "phones", "profileUpdatedAt", *MANAGED_FIELDS
)
_FIELDS: Final = _PlainKeys({"email", "products", "total"}, "all", "iterable")


# --- Call types --------------------------------------------------------------------------------


def _identify(
    event: dict[Any, Any], user_id: str, context: dict[Any, Any], _: Settings
) -> Call | None:
    traits, when = event["traits"], event["timestamp"]
    if type(traits) is not dict or not _TRAITS.cover(traits) or not _FIELDS.cover(context):
        return None
    identity = _identity(user_id, traits, None)
    if identity is None or (identity.email is None and "traits" in context):
        return None  # it may stand there under another name
    profile = _laid_over(context, traits)
    profile["profileUpdatedAt"] = when
    if finish(profile):
        for key in [key for key, value in profile.items() if value is None]:
            del profile[key]
    if profile["profileUpdatedAt"] == when or not _moved(profile, traits):
        return None  # not converted, so no usual date
    return UpdateUser(identity, profile)


def _laid_over(context: dict[Any, Any], traits: dict[Any, Any]) -> dict[str, Any]:
    """Lay the traits over what goes on the profile from the context."""
    profile = {}
    for key in identify.FROM_CONTEXT:
        if key in context:
            profile[key] = context[key]
    if "timezone" in profile:
        profile["timeZone"] = profile.pop("timezone")
    profile |= traits
    for key in identify.LEFT_OUT:
        if key in profile:
            del profile[key]
    return profile


def _moved(profile: dict[str, Any], traits: dict[Any, Any]) -> bool:
    """Move the phone and add since when the user is known; whether both were ordinary."""
    for key in _CREATED:
        if key in profile:
            created = profile[key]
            if type(created) is not str or created == traits[key] or "met" in profile:
                return False  # not converted, so no usual date; or there are two
            profile["met"] = created
    if "phone" in profile:
        phone = profile.pop("phone")
        if type(phone) is not str or phone[:1] != "+":
            return False
        profile["phoneNumber"] = phone
    return True


def _identity(user_id: str, fields: dict[Any, Any], traits: Any) -> Identity | None:
    """Return a user whose email is a good one, or not there; else None.

    ``fields`` are the event's own, ``traits`` those of the context.
    """
    email = None
    if traits is not None:
        if type(traits) is not dict or not _FIELDS.cover(traits):
            return None
        email = traits.get("email")
    if email is None:
        email = fields.get("email")
    if email is None or (
        type(email) is str and len(email) <= _LONGEST_EMAIL and _EMAIL.fullmatch(email)
    ):
        return Identity(email, user_id)
    return None


def _track(
    event: dict[Any, Any], user_id: str, context: dict[Any, Any], _: Settings
) -> Call | None:
    name, properties, moment = event["event"], event["properties"], usual_date(event["timestamp"])
    if (
        moment is None
        or type(name) is not str
        or not 0 < len(name) <= _LONGEST_NAME
        or type(properties) is not dict
        or not _FIELDS.cover(properties)
    ):
        return None
    translate = _translator(name)
    identity = _identity(user_id, properties, context.get("traits"))
    if translate is None or identity is None:
        return None
    if translate is track.track:
        fields = properties.copy()
        finish(fields)
        return TrackEvent(identity, name, fields, unix_seconds(moment))
    products = properties["products"]
    usual = _items(products) if type(products) is list else None
    if usual is None:
        return None
    if translate is commerce.update_cart:
        return UpdateCart(identity, usual)
    return _purchase(identity, usual, properties, moment)


@lru_cache(maxsize=1_000)
def _translator(name: str) -> routes.Translator | None:
    """Return which translator an event of this name goes to; None if it cannot be sent."""
    return None if text_problem(name) else routes.find_commerce_translator(name) or track.track


def _purchase(
    identity: Identity, usual: list[dict[str, Any]], properties: dict[Any, Any], moment: datetime
) -> Call | None:
    fields = properties.copy()
    total: Any = fields.pop("total")
    del fields["products"]
    if type(total) not in _NUMBERS or not -_SURELY_FINE < total < _SURELY_FINE:
        return None
    if "campaignId" in fields or "templateId" in fields:
        return None
    finish(fields)
    return TrackPurchase(identity, usual, total, fields, unix_seconds(moment))


_NUMBERS: Final = frozenset({int, float})


def _page(
    event: dict[Any, Any], user_id: str, context: dict[Any, Any], settings: Settings
) -> Call | None:
    properties, moment = event["properties"], usual_date(event["timestamp"])
    name, category = event.get("name"), event.get("category")
    if (
        moment is None
        or type(name) not in _TEXT_OR_NONE
        or type(category) not in _TEXT_OR_NONE
        or type(properties) is not dict
        or not _FIELDS.cover(properties)
        or not settings.map_all_pages_to_single_event_name
        or not (
            settings.track_all_pages
            or (name and settings.track_named_pages)
            or (category and settings.track_categorized_pages)
        )
    ):
        return None
    identity = _identity(user_id, properties, context.get("traits"))
    if identity is None:
        return None
    fields = properties.copy()
    if category:
        fields["category"] = category
    if name:
        fields["name"] = name
    finish(fields)
    return TrackEvent(identity, page.SINGLE_NAMES[event["type"]], fields, unix_seconds(moment))


_TEXT_OR_NONE: Final = frozenset({str, type(None)})

_CALL_TYPES: Final[dict[Any, Callable[..., Call | None]]] = {
    "identify": _identify,
    "track": _track,
    "page": _page,
    "screen": _page,
}


# --- Products ----------------------------------------------------------------------------------


class _Plan(NamedTuple):
    """How to read the products that have the same keys, if all they say is of the usual types."""

    #: Reads the values: texts, the id first, then price and perhaps quantity.
    read: Callable[[dict[Any, Any]], tuple[Any, ...]]
    #: The item's keys for the values.
    names: tuple[str, ...]
    #: How many of the values are texts.
    texts: int
    #: The usual types of the values.
    types: tuple[list[type], ...]
    #: The product's keys that go to ``dataFields``.
    rest: tuple[str, ...]


_MOST_PLANS: Final = 1_000
_LONGEST_KEYS: Final = 1_000
#: The plans for products with certain keys, in that order; None where there is none.
_plans: Final[dict[tuple[Any, ...], _Plan | None]] = {}


def _plan(keys: tuple[Any, ...]) -> _Plan | None:
    """Plan how to read products with these keys, and remember it if they are of a sane length."""
    together = "".join(keys)
    if text_problem(together) or any(type(key) is not str for key in keys):
        return None
    plan = _new_plan(keys)
    if len(together) <= _LONGEST_KEYS:
        if len(_plans) >= _MOST_PLANS:
            _plans.clear()
        _plans[keys] = plan
    return plan


def _new_plan(keys: tuple[Any, ...]) -> _Plan | None:
    """Plan how to read products with these keys; None where a field may have two sources."""
    sources = items.find_sources(keys)
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
        tuple([*text_types, price, *whole_types] for price in (float, int)),
        tuple(key for key in keys if key not in once and key not in items.USED_UP),
    )


def _items(products: list[Any]) -> list[dict[str, Any]] | None:
    """Return the items of usual products; None if any is not."""
    usual = []
    last_keys = plan = None
    for product in products:
        if type(product) is not dict:
            return None
        keys = tuple(product)
        if keys != last_keys:
            last_keys = keys
            plan = _plans[keys] if keys in _plans else _plan(keys)  # a KeyError if just cleared
        if plan is None:
            return None
        read, names, texts, types, rest = plan
        values = read(product)
        text, price, last = "".join(values[:texts]), values[texts], values[-1]
        if (
            [*map(type, values)] not in types
            or not values[0]
            or not text.isascii()
            or len(text) > _SURELY_FINE
            or not (-_SURELY_FINE < price < _SURELY_FINE > last > -_SURELY_FINE)
        ):
            return None
        item: dict[str, Any] = {"quantity": 1}
        for name, value in zip(names, values):  # noqa: B905 - as many, by the plan
            item[name] = value  # noqa: PERF403 - quicker
        category = item.get("categories")
        item["categories"] = [category] if category else []
        item["dataFields"] = fields = {}
        if rest:
            for key in rest:
                fields[key] = product[key]
            finish(fields)
        usual.append(item)
    return usual
