"""A Segment event, read once: who, when, for whom, with which options.

What may live here: Segment's paths, and every rule of precedence between them. Nothing here
knows what Iterable's JSON looks like. An event is never changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from math import isfinite
from typing import Any, Final, NamedTuple

from iterable_destination.calls import Identity
from iterable_destination.dates import read_date
from iterable_destination.errors import InvalidEvent, Note, Problem
from iterable_destination.plain import TOO_LARGE, as_object, kind, scalar

#: The name under which an event's ``integrations`` speak of this destination.
INTEGRATION: Final = "Iterable"

#: Keys that look like a mistaken email or userId, folded: Iterable only ever sees the right ones.
LOOKALIKE_EMAILS: Final = frozenset(
    {"customeremail", "useremail", "contactemail", "emailaddress", "mail"}
)
LOOKALIKE_USER_IDS: Final = frozenset({"userid", "uid", "customerid"})

_LOOKS_LIKE_EMAIL: Final = re.compile(r".+@.+\..+")
#: No identity is longer, see ``endpoints``; and this many characters cannot be slow to search.
_LONGEST_IDENTITY: Final = 1_000


class Spellings(dict[Any, str | None]):
    """The keys that stand for one of a few fields, in any case and with any punctuation.

    Maps a key as it is spelled (``image_url``, ``Image URL``) to its folded name (``imageurl``)
    if that is one of the fields asked for, else to None. What was seen is remembered, up to a
    bound, because the same keys come again and again.
    """

    _MOST: Final = 10_000
    _LONGEST: Final = 100

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__()
        self._names = frozenset(names)

    def __missing__(self, key: Any) -> str | None:
        name = fold(key) if isinstance(key, str) else None
        if name not in self._names:
            name = None
        if len(self) < self._MOST and isinstance(key, str) and len(key) <= self._LONGEST:
            self[key] = name
        return name

    def first_keys(self, fields: Mapping[Any, Any]) -> dict[str, str]:
        """Return, for each field that is there, the first key in order that stands for it."""
        keys: dict[str, str] = {}
        for key in fields:
            name = self[key]
            if name is not None and name not in keys:
                keys[name] = key
        return keys


def fold(key: str) -> str:
    """Return a key without case and punctuation; a dot stays, as it does in Segment."""
    return _PUNCTUATION.sub("", key).lower()


_PUNCTUATION: Final = re.compile(r"[^a-zA-Z0-9.]+")
_SPELLINGS: Final = Spellings(
    {"email", "phone", "phones", "created", "createdat", "products", "total"}
    | LOOKALIKE_EMAILS
    | LOOKALIKE_USER_IDS
)


class Fields(NamedTuple):
    """An object of an event: its traits, its properties or its context's traits."""

    #: The object's place in the event.
    path: str
    values: dict[str, Any]
    #: The keys of the single fields that are looked up, by folded name.
    keys: dict[str, str]

    @classmethod
    def of(cls, path: str, values: dict[str, Any]) -> Fields:
        """Find the single fields of an object."""
        return cls(path, values, _SPELLINGS.first_keys(values) if values else {})

    def get(self, name: str) -> Any:
        """Return the field of this folded name as a JSON scalar, or None."""
        key = self.keys.get(name)
        return None if key is None else scalar(self.values[key])

    def source(self, name: str) -> str:
        """Return the field's place in the event; the place to look at if it is not there."""
        return f"{self.path}.{self.keys.get(name, name)}"


class Event:
    """One Segment event and what was noticed while reading it."""

    def __init__(self, raw: Any) -> None:
        """Take an event; raises :exc:`InvalidEvent` if it is no object."""
        body = as_object(raw)
        if body is None:
            raise InvalidEvent([Problem("$", f"an event is an object, not {kind(raw)}")])
        self.raw: dict[str, Any] = body
        #: What makes the event invalid, found so far.
        self.problems: list[Problem] = []
        #: What was changed or looks wrong, found so far.
        self.notes: list[Note] = []
        if not all(isinstance(key, str) for key in body):
            self.refuse("$", "has a key that is no string, as JSON's keys are")

    def refuse(self, path: str, message: str) -> None:
        """Add a problem."""
        self.problems.append(Problem(path, message))

    def note(self, path: str, message: str) -> None:
        """Add a note."""
        self.notes.append(Note(path, message))

    def get(self, key: str) -> Any:
        """Return a field at the top of the event as a JSON scalar, or None."""
        return scalar(self.raw.get(key))

    @property
    def type(self) -> str:
        """The call type, whatever it says; raises :exc:`InvalidEvent` if it says nothing."""
        its_type = self.get("type")
        if not isinstance(its_type, str) or not its_type:
            missing = its_type is None or its_type == ""
            message = "missing" if missing else f"must be a string, not {kind(its_type)}"
            raise InvalidEvent([Problem("type", message)], self.message_id)
        return its_type

    @property
    def message_id(self) -> str | None:
        """The event's ``messageId`` as a string, or None."""
        message_id = as_id(self.get("messageId"))
        return message_id if isinstance(message_id, str) else None

    @cached_property
    def traits(self) -> Fields:
        """The event's traits; empty if absent, a problem if they are no object."""
        return self._required_object("traits")

    @cached_property
    def properties(self) -> Fields:
        """The event's properties; empty if absent, a problem if they are no object."""
        return self._required_object("properties")

    def _required_object(self, name: str) -> Fields:
        values = as_object(self.raw.get(name))
        if values is None:
            if self.raw.get(name) is not None:
                self.refuse(name, f"must be an object, not {kind(self.raw[name])}")
            values = {}
        return Fields.of(name, values)

    @cached_property
    def context(self) -> dict[Any, Any]:
        """The context, which older libraries call ``options``; empty if there is none."""
        return self._passable("options") or self._passable("context") or {}

    @cached_property
    def context_path(self) -> str:
        """The name under which :attr:`context` was found."""
        return "context" if as_object(self.raw.get("options")) is None else "options"

    def context_traits(self) -> Fields:
        """Return the traits that the context carries along; empty if there are none."""
        traits = self.context.get("traits")
        values = as_object(traits)
        path = f"{self.context_path}.traits"
        if values is None:
            if traits is not None:
                self.note(path, f"passed over: must be an object, not {kind(traits)}")
            values = {}
        return Fields.of(path, values)

    @cached_property
    def integrations(self) -> dict[Any, Any]:
        """Which destinations the event is for, and their options; empty if it does not say."""
        return self._passable("integrations") or {}

    def _passable(self, name: str) -> dict[Any, Any] | None:
        values = as_object(self.raw.get(name))
        if values is None and self.raw.get(name) is not None:
            self.note(name, f"passed over: must be an object, not {kind(self.raw[name])}")
        return values

    def switched_off(self) -> str | None:
        """Say why the event is not for Iterable, or None if it is."""
        if INTEGRATION in self.integrations:
            off = scalar(self.integrations[INTEGRATION]) is False
            return f"integrations.{INTEGRATION} is false" if off else None
        for key, value in self.integrations.items():
            if isinstance(key, str) and fold(key) == "all":
                off = scalar(value) is False
                reason = f"integrations.{key} is false and integrations.{INTEGRATION} is absent"
                return reason if off else None
        return None

    def option(self, name: str) -> tuple[Any, str]:
        """Return one of the event's options for Iterable and its place; None if it is not set."""
        places = ((self.integrations, "integrations"), (self.context, self.context_path))
        for values, path in places:
            for key in sorted(values, key=lambda key: key != INTEGRATION):
                options = as_object(values[key])
                if isinstance(key, str) and fold(key) == fold(INTEGRATION) and options is not None:
                    return scalar(options.get(name)), f"{path}.{key}.{name}"
        return None, f"integrations.{INTEGRATION}.{name}"

    def timestamp(self) -> datetime | None:
        """Return when it happened, or None if the event does not say; else it is a problem."""
        value = self.get("timestamp")
        if value is None:
            return None
        moment = read_date(value)
        if moment is None:
            self.refuse("timestamp", "is no date: give ISO 8601, or unix seconds or milliseconds")
        return moment

    def identity(self, *places: Fields) -> Identity:
        """Return who the event is about, with the email from the first place that has one."""
        user_id = as_id(given := self.get("userId"))
        if user_id is not given:
            self.note("userId", "a number, sent as a string")
        email, source = None, places[0].source("email")
        for fields in places:
            found = fields.get("email")
            if found is not None and found != "":
                email, source = found, fields.source("email")
                break
        if email is None and looks_like_email(user_id):
            email, source = user_id, "userId"
        user_id = None if user_id == "" else user_id
        if email is not None and user_id is not None:
            return Identity(email, user_id, source)
        lookalikes = tuple(self._lookalikes(email, user_id, places))
        if email is not None or user_id is not None:
            for path in lookalikes:
                right = "email" if email is None else "userId"
                self.note(path, f"looks like the {right}, which is only read from {right!r}")
        return Identity(email, user_id, source, lookalikes=lookalikes)

    def _lookalikes(self, email: Any, user_id: Any, places: Iterable[Fields]) -> Iterable[str]:
        names = frozenset[str]()
        if email is None:
            names |= LOOKALIKE_EMAILS
        if user_id is None:
            names |= LOOKALIKE_USER_IDS
            keys = _SPELLINGS.first_keys({key: None for key in self.raw if key != "userId"})
            yield from (key for name, key in keys.items() if name in LOOKALIKE_USER_IDS)
        for fields in places:
            yield from (fields.source(name) for name in fields.keys if name in names)


def looks_like_email(user_id: Any) -> bool:
    """Whether a userId serves as the email too, as loosely as Segment judges it."""
    return (
        isinstance(user_id, str)
        and len(user_id) < _LONGEST_IDENTITY
        and _LOOKS_LIKE_EMAIL.search(user_id) is not None
    )


def as_id(value: Any) -> Any:
    """Return a number as its decimal string (``1.0`` as ``"1"``), anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if isinstance(value, float):
        return format(Decimal(repr(value)).normalize(), "f") if isfinite(value) else value
    return str(value) if -TOO_LARGE < value < TOO_LARGE else value
