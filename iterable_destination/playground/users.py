"""What the local Iterable has of one user, as its contact lookup shows it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from iterable_destination.model.json_codec import encode
from iterable_destination.testing import Project

#: The field of a profile that has the cart.
_CART: Final = "shoppingCartItems"
#: Fields that change with every update.
_ALWAYS_NEW: Final = frozenset({"profileUpdatedAt", "itblInternal"})
#: Names of users whose profiles are remembered, to mark what changed.
_MAX_REMEMBERED: Final = 1_000
#: The newest events, and purchases, that are shown.
_MAX_RECORDS: Final = 50


@attrs.frozen
class Field:
    """A field of a profile."""

    name: str
    #: Its value as JSON.
    value: str
    #: Whether the last change of the profile changed it.
    is_changed: bool


@attrs.frozen
class Record:
    """An event or a purchase."""

    #: When it happened: ``2026-03-04 09:24:50``, in UTC.
    time: str
    name: str
    #: What else it has, by name, as JSON.
    fields: tuple[tuple[str, str], ...]


@attrs.frozen
class UserView:
    """A user as the page shows them."""

    email: str | None
    user_id: str | None
    fields: tuple[Field, ...]
    #: The newest first.
    events: tuple[Record, ...]
    purchases: tuple[Record, ...]
    #: The items of the cart, each as JSON; None if the user never had one.
    cart: tuple[str, ...] | None

    @property
    def is_new(self) -> bool:
        """Whether nothing was known of the user before, so that every field is a change."""
        return all(field.is_changed for field in self.fields if field.name not in _ALWAYS_NEW)


class UserViews:
    """Shows the users of a project, and remembers their profiles to mark what changed.

    Safe to use from several threads.
    """

    def __init__(self, project: Project) -> None:
        self._project: Final = project
        self._lock: Final = threading.Lock()
        #: By each name of a user: the profile as it is, and as it was before that.
        self._seen: OrderedDict[tuple[str, Any], tuple[dict[str, Any], dict[str, Any]]] = (
            OrderedDict()
        )

    def show(self, email_or_user_id: str) -> UserView | None:
        """Return a user by email, in any case, or by userId; None if there is no such user."""
        user = self._project.user(email_or_user_id)
        if user is None:
            return None
        email, user_id = user.get("email"), user.get("userId")
        profile = user["dataFields"]
        names = [name for name in (("email", email), ("userId", user_id)) if name[1] is not None]
        before = self._remember(names, profile)
        cart = profile.get(_CART)
        return UserView(
            email,
            user_id,
            tuple(_list_fields(profile, before)),
            _list_records(self._project.events(email_or_user_id)),
            _list_records(self._project.purchases(email_or_user_id)),
            None if cart is None else tuple([_as_text(item) for item in cart]),
        )

    def _remember(self, names: list[tuple[str, Any]], profile: dict[str, Any]) -> dict[str, Any]:
        """Return the profile as it was before it was last changed; empty for a new user.

        It is kept by each name, for a user may get an email, or another, later.
        """
        with self._lock:
            found = [self._seen.pop(name) for name in names if name in self._seen]
            now, before = found[0] if found else ({}, {})
            if now != profile:
                now, before = profile, now
            self._seen.update(dict.fromkeys(names, (now, before)))
            while len(self._seen) > _MAX_REMEMBERED:
                self._seen.popitem(last=False)
            return before


def _list_fields(profile: Mapping[str, Any], before: Mapping[str, Any]) -> list[Field]:
    return [
        Field(
            name,
            _as_text(value),
            is_changed=name not in _ALWAYS_NEW and (name not in before or before[name] != value),
        )
        for name, value in sorted(profile.items())
        if name != _CART
    ]


def _list_records(records: list[dict[str, Any]]) -> tuple[Record, ...]:
    newest = sorted(records, key=lambda record: record["createdAt"], reverse=True)
    return tuple([_show_record(record) for record in newest[:_MAX_RECORDS]])


def _show_record(record: dict[str, Any]) -> Record:
    name = record.get("eventName") or f"purchase of {record.get('total')}"
    shown = {**record.get("dataFields", {})}
    if "items" in record:
        shown["items"] = record["items"]
    fields = tuple([(key, _as_text(value)) for key, value in shown.items()])
    return Record(_format_time(record["createdAt"]), name, fields)


def _format_time(seconds: float) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"
    except (OverflowError, ValueError, OSError):  # a time that no calendar has
        return str(seconds)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else encode(value).decode()
