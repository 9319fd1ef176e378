"""A Segment event, read once: its identity, time, integrations and options.

Every rule of precedence between Segment's paths is here, and nothing of Iterable's JSON. The event
itself is never changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from typing import Any, Final, TypeVar

from iterable_destination.errors import InvalidEvent, Note, Problem, shortened
from iterable_destination.model.calls import Identity
from iterable_destination.model.json_values import (
    TOO_LARGE,
    as_object,
    describe_type,
    is_blank,
    scalar,
)

T = TypeVar("T")

#: The name of the classic destination in an event's ``integrations``.
INTEGRATION: Final = "Iterable"
#: The names of the mapped destination there; the first that is there counts. The last is that of
#: the classic one.
MAPPED_INTEGRATIONS: Final = ("Iterable (Actions)", "Actions Iterable", INTEGRATION)

#: Folded keys that look like a mistaken email or userId. They are not sent as an identity.
LOOKALIKE_EMAILS: Final = frozenset(
    {"customeremail", "useremail", "contactemail", "emailaddress", "mail"}
)
LOOKALIKE_USER_IDS: Final = frozenset({"userid", "uid", "customerid"})

_LOOKS_LIKE_EMAIL: Final = re.compile(r".+@.+\..+")
#: Longer texts are not searched for an email: the search stays quick. See ``endpoints`` for the
#: limits of an identity.
_LONGEST_IDENTITY: Final = 1_000


def fold(key: str) -> str:
    """Return a key without case and punctuation; a dot stays, as it does in Segment."""
    return _PUNCTUATION.sub("", key).lower()


_PUNCTUATION: Final = re.compile(r"[^a-zA-Z0-9.]+")


def first_keys(keys: Iterable[Any], names: frozenset[str]) -> dict[str, str]:
    """Return, for each folded name that is there, the first key in order that stands for it."""
    found: dict[str, str] = {}
    for key in keys:
        name = fold(key) if isinstance(key, str) else ""
        if name in names:
            found.setdefault(name, key)
    return found


#: The fields that are looked up, folded: of traits and properties, and of the integrations.
_NAMES: Final = frozenset(
    {"email", "phone", "phones", "created", "createdat", "products", "total", "all", "iterable"}
    | LOOKALIKE_EMAILS
    | LOOKALIKE_USER_IDS
)


@lru_cache(maxsize=500)
def names_of(keys: tuple[Any, ...]) -> dict[str, str]:
    """Find the fields that are looked up among the keys of an object.

    Cached, because most events of a source have the same keys.
    """
    return first_keys(keys, _NAMES)


class EventHeader:
    """The type and the ``messageId`` of an event, which every mapping reads."""

    __slots__ = ("message_id", "raw", "type")

    def __init__(self, raw: Any) -> None:
        """Read an event; raises :exc:`InvalidEvent` if it is no object or has no type."""
        body = as_object(raw)
        if body is None:
            raise InvalidEvent([Problem("$", f"an event is an object, not {describe_type(raw)}")])
        #: The event, as a ``dict``.
        self.raw: dict[Any, Any] = body
        message_id = body.get("messageId")
        if type(message_id) is not str:
            message_id = as_id(scalar(message_id))
        #: The event's ``messageId`` as a string, or None.
        self.message_id: str | None = message_id if isinstance(message_id, str) else None
        its_type = body.get("type")
        #: The call type; it may be unknown.
        self.type: str = its_type if type(its_type) is str and its_type else self._read_type()

    def _read_type(self) -> str:
        its_type = self.get("type")
        if isinstance(its_type, str) and its_type:
            return its_type
        wrong = f"must be a string, not {describe_type(its_type)}"
        message = "missing" if is_blank(its_type) else wrong
        raise InvalidEvent([Problem("type", message)], self.message_id)

    def get(self, key: str) -> Any:
        """Return a field at the top of the event as a JSON scalar, or None."""
        return scalar(self.raw.get(key))

    def mapped_skip_reason(self) -> str | None:
        """Return why the event is not for a mapped destination, or None if it is."""
        integrations = self.raw.get("integrations")
        if not integrations:
            return None
        choices = as_object(integrations) or {}
        for name in MAPPED_INTEGRATIONS:
            if name in choices:
                return f"integrations.{name} is false" if scalar(choices[name]) is False else None
        for name in ("All", "all"):
            if scalar(choices.get(name)) is False:
                own_name = MAPPED_INTEGRATIONS[0]
                return f"integrations.{name} is false and integrations.{own_name} is absent"
        return None


class SegmentEvent(EventHeader):
    """One Segment event, with the notes and problems found while reading it."""

    __slots__ = (
        "context",
        "context_path",
        "fields",
        "integrations",
        "keys",
        "notes",
        "path",
        "problems",
    )

    def __init__(self, raw: Any) -> None:
        """Read an event; raises :exc:`InvalidEvent` if it is no object or has no type."""
        super().__init__(raw)
        body = self.raw
        #: What makes the event invalid, found so far.
        self.problems: list[Problem] = []
        #: What was changed or looks wrong, found so far.
        self.notes: list[Note] = []
        try:
            "".join(body)  # a TypeError unless all are strings
        except TypeError:
            self.add_problem("$", "has a key that is no string, as JSON's keys are")
        #: The place of the event's own fields: ``traits`` of an identify, else ``properties``.
        self.path = "traits" if self.type == "identify" else "properties"
        #: The event's own fields; empty if there are none.
        self.fields = self._own_fields()
        #: The keys of those own fields that are looked up, by folded name. Not to be changed.
        self.keys = names_of(tuple(self.fields))
        #: Which destinations the event is for, and their options; empty if there are none.
        self.integrations = self._read_object("integrations", body.get("integrations"))
        #: The name under which :attr:`context` was found.
        self.context_path = "context" if body.get("options") is None else "options"
        #: The context, which older libraries call ``options``; empty if there is none.
        self.context = self._read_object(self.context_path, body.get(self.context_path))

    def _own_fields(self) -> dict[Any, Any]:
        value = self.raw.get(self.path)
        fields = as_object(value)
        if fields is None and value is not None:
            self.add_problem(self.path, f"must be an object, not {describe_type(value)}")
        return fields or {}

    def _read_object(self, path: str, value: Any) -> dict[Any, Any]:
        fields = as_object(value)
        if fields is None and value is not None:
            self.add_note(path, f"passed over: must be an object, not {describe_type(value)}")
        return fields or {}

    def add_problem(self, path: str, message: str) -> None:
        """Add a problem."""
        self.problems.append(Problem(path, message))

    def add_note(self, path: str, message: str) -> None:
        """Add a note."""
        self.notes.append(Note(path, message))

    def find(self, name: str) -> Any:
        """Return the own field of this folded name as a JSON scalar, or None."""
        key = self.keys.get(name)
        return None if key is None else scalar(self.fields[key])

    def source(self, name: str) -> str:
        """Return the place of an own field; the place to look at if it is not there."""
        return f"{self.path}.{self.keys.get(name, name)}"

    def skip_reason(self) -> str | None:
        """Return why the event is not for the classic destination, or None if it is."""
        integrations = self.integrations
        if INTEGRATION in integrations:
            off = scalar(integrations[INTEGRATION]) is False
            return f"integrations.{INTEGRATION} is false" if off else None
        key = names_of(tuple(integrations)).get("all")
        if key is None or scalar(integrations[key]) is not False:
            return None
        return f"integrations.{shortened(key)} is false and integrations.{INTEGRATION} is absent"

    def option(self, name: str) -> tuple[Any, str]:
        """Return one of the event's options for Iterable and its place; None if it is not set."""
        for path, values in (
            ("integrations", self.integrations),
            (self.context_path, self.context),
        ):
            if "iterable" in names_of(tuple(values)):
                spellings = [key for key in values if isinstance(key, str)]
                folded = [key for key in spellings if fold(key) == "iterable"]
                for key in (INTEGRATION, *folded):
                    options = as_object(values.get(key))
                    if options is not None:
                        return scalar(options.get(name)), f"{path}.{key}.{name}"
        return None, ""

    def timestamp(self, read: Callable[[Any], T | None]) -> T | None:
        """Return when the event happened, as ``read`` reads it; None if it has no ``timestamp``.

        Adds a problem for a ``timestamp`` that is no date.
        """
        value = self.raw.get("timestamp")
        if value is None:
            return None
        moment = read(value)
        if moment is None:
            self.add_problem(
                "timestamp", "not a date; use ISO 8601, or Unix seconds or milliseconds"
            )
        return moment

    def identity(self) -> Identity:
        """Return the identity, with the email from the first place that has one."""
        user_id = as_id(raw_id := self.get("userId"))
        if user_id is not raw_id:
            self.add_note("userId", "a number, sent as a string")
        email = None
        if self.path != "traits" and "traits" in self.context:
            traits = self._context_traits()
            key = names_of(tuple(traits)).get("email")
            if key is not None:
                email, source = _read_name(traits[key]), f"{self.context_path}.traits.{key}"
        if email is None:
            email, source = _read_name(self.find("email")), self.source("email")
        if email is None and looks_like_email(user_id):
            email, source = user_id, "userId"
        if is_blank(user_id):
            user_id = None
        if email is None or user_id is None:
            return self._note_lookalikes(email, source, user_id)
        return Identity(email, user_id, source)

    def _context_traits(self) -> dict[Any, Any]:
        return self._read_object(f"{self.context_path}.traits", self.context.get("traits"))

    def _note_lookalikes(self, email: Any, source: str, user_id: Any) -> Identity:
        """Return an identity without an email or a userId, and add notes about lookalikes."""
        lookalikes = tuple(self._find_lookalikes(email, user_id))
        if email is not None or user_id is not None:
            right = "email" if email is None else "userId"
            for path in lookalikes:
                self.add_note(path, f"looks like the {right}, which is only read from {right!r}")
        return Identity(email, user_id, source, lookalikes=lookalikes)

    def _find_lookalikes(self, email: Any, user_id: Any) -> Iterator[str]:
        names = frozenset[str]()
        if email is None:
            names |= LOOKALIKE_EMAILS
        if user_id is None:
            names |= LOOKALIKE_USER_IDS
            top = (key for key in self.raw if key != "userId")
            yield from first_keys(top, LOOKALIKE_USER_IDS).values()
        yield from _find_places(self.path, self.keys, names)
        traits = as_object(self.context.get("traits"))
        if traits:
            yield from _find_places(f"{self.context_path}.traits", names_of(tuple(traits)), names)


def _find_places(path: str, keys: dict[str, str], names: frozenset[str]) -> Iterator[str]:
    return (f"{path}.{key}" for name, key in keys.items() if name in names)


def _read_name(value: Any) -> Any:
    """Return an email or userId as a JSON scalar; ``""`` is none."""
    name = scalar(value)
    return None if is_blank(name) else name


def looks_like_email(user_id: Any) -> bool:
    """Whether a userId serves as the email too, by the loose pattern that Segment uses."""
    return (
        isinstance(user_id, str)
        and len(user_id) < _LONGEST_IDENTITY
        and _LOOKS_LIKE_EMAIL.search(user_id) is not None
    )


def as_id(value: Any) -> Any:
    """Return a number as its decimal string (``1.0`` as ``"1"``), anything else as it is."""
    if type(value) is float and isfinite(value):
        return format(Decimal(repr(value)).normalize(), "f") if value else "0"
    if type(value) is int and -TOO_LARGE < value < TOO_LARGE:
        return str(value)
    return value


def read_header(event: Any) -> tuple[str | None, Identity | None]:
    """Return the ``messageId`` and the identity of an event, None for what cannot be read."""
    try:
        segment_event = SegmentEvent(event)
    except InvalidEvent as error:
        return error.message_id, None
    return segment_event.message_id, segment_event.identity()
