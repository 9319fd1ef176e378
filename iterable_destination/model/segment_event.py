"""A Segment event, read once: its identity, time, integrations and options.

Every rule of precedence between Segment's paths is here, and nothing of Iterable's JSON. The event
itself is never changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from math import isfinite
from typing import Any, Final, TypeVar

from iterable_destination.errors import (
    InvalidEvent,
    Note,
    Problem,
    add_note,
    add_problem,
    shortened,
)
from iterable_destination.model.calls import Identity
from iterable_destination.model.dates import WITH_TIME
from iterable_destination.model.field_names import FieldNames, fold
from iterable_destination.model.json_copy import DataFieldsCopier
from iterable_destination.model.json_values import (
    TOO_LARGE,
    as_object,
    describe_type,
    is_blank,
    scalar,
)
from iterable_destination.model.validation import (
    email_problem,
    missing_identity_problem,
    user_id_problem,
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


#: The fields that are looked up: in traits and properties, and in integrations and the context.
_FIELDS: Final = FieldNames(
    (
        *("email", "phone", "phones", "created", "createdAt", "products", "total"),
        *("All", INTEGRATION),
    ),
    LOOKALIKE_EMAILS | LOOKALIKE_USER_IDS,
)


class EventHeader:
    """The type and the ``messageId`` of an event, which every mapping reads."""

    __slots__ = ("message_id", "raw", "type")

    def __init__(self, raw: Any) -> None:
        """Read an event; raises :exc:`InvalidEvent` if it is no object or has no type."""
        body = raw if type(raw) is dict else as_object(raw)
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
        value = self.raw.get(key)
        return value if type(value) is str else scalar(value)

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
        "copier",
        "fields",
        "integrations",
        "keys",
        "notes",
        "path",
        "problems",
        "refusals",
    )

    def __init__(self, raw: Any) -> None:
        """Read an event; raises :exc:`InvalidEvent` if it is no object or has no type."""
        super().__init__(raw)
        body = self.raw
        #: What makes the event invalid, found so far.
        self.problems: list[Problem] = []
        #: What Iterable would refuse in the call of the event, found so far.
        self.refusals: list[Problem] = []
        #: What was changed or looks wrong, found so far.
        self.notes: list[Note] = []
        try:
            "".join(body)  # a TypeError unless all are strings
        except TypeError:
            self.add_problem("$", "has a key that is no string, as JSON's keys are")
        #: The place of the event's own fields: ``traits`` of an identify, else ``properties``.
        self.path = "traits" if self.type == "identify" else "properties"
        fields = body.get(self.path)
        #: The event's own fields; empty if there are none.
        self.fields: dict[Any, Any] = fields if type(fields) is dict else self._own_fields(fields)
        #: The keys of those own fields that are looked up, by folded name; the usual keys of
        #: fields that are not there. Not to be changed.
        self.keys = _FIELDS.find_keys(self.fields)
        #: Which destinations the event is for, and their options; empty if there are none.
        self.integrations = self._read_object("integrations", body.get("integrations"))
        #: The name under which :attr:`context` was found.
        self.context_path = "context" if body.get("options") is None else "options"
        #: The context, which older libraries call ``options``; empty if there is none.
        self.context = self._read_object(self.context_path, body.get(self.context_path))
        #: Copies what is in the event.
        self.copier = DataFieldsCopier(self.problems, WITH_TIME)

    def _own_fields(self, value: Any) -> dict[Any, Any]:
        fields = as_object(value)
        if fields is None and value is not None:
            self.add_problem(self.path, f"must be an object, not {describe_type(value)}")
        return fields or {}

    def _read_object(self, path: str, value: Any) -> dict[Any, Any]:
        if type(value) is dict:
            return value
        fields = as_object(value)
        if fields is None and value is not None:
            self.add_note(path, f"passed over: must be an object, not {describe_type(value)}")
        return fields or {}

    def add_problem(self, path: str, message: str) -> None:
        """Add a problem."""
        add_problem(self.problems, path, message)

    def check(self, path: str, problem: str | None) -> None:
        """Add a problem of what would be sent; None is none."""
        if problem is not None:
            add_problem(self.refusals, path, problem)

    def add_note(self, path: str, message: str) -> None:
        """Add a note."""
        add_note(self.notes, path, message)

    def find(self, name: str) -> Any:
        """Return the own field of this folded name as a JSON scalar, or None."""
        value = self.fields.get(self.keys[name])
        return value if type(value) is str else scalar(value)

    def source(self, name: str) -> str:
        """Return the place of an own field; the place to look at if it is not there."""
        return f"{self.path}.{self.keys[name]}"

    def skip_reason(self) -> str | None:
        """Return why the event is not for the classic destination, or None if it is."""
        integrations = self.integrations
        if INTEGRATION in integrations:
            off = scalar(integrations[INTEGRATION]) is False
            return f"integrations.{INTEGRATION} is false" if off else None
        key = _FIELDS.find_keys(integrations)["all"]
        if scalar(integrations.get(key)) is not False:
            return None
        return f"integrations.{shortened(key)} is false and integrations.{INTEGRATION} is absent"

    def option(self, name: str) -> tuple[Any, str]:
        """Return one of the event's options for Iterable and its place; None if it is not set."""
        found = self._find_option("integrations", self.integrations, name)
        return found or self._find_option(self.context_path, self.context, name) or (None, "")

    def _find_option(self, path: str, values: dict[Any, Any], name: str) -> tuple[Any, str] | None:
        if _FIELDS.find_keys(values)["iterable"] not in values:
            return None
        folded = [key for key in values if isinstance(key, str) and fold(key) == "iterable"]
        for key in (INTEGRATION, *folded):
            options = as_object(values.get(key))
            if options is not None:
                return scalar(options.get(name)), f"{path}.{key}.{name}"
        return None

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
        user_id = self.raw.get("userId")
        if type(user_id) is not str:
            user_id = as_id(raw_id := scalar(user_id))
            if user_id is not raw_id:
                self.add_note("userId", "a number, sent as a string")
        email, path, key = self._find_email()
        if email is None or not user_id:
            return self._incomplete_identity(email, f"{path}.{key}", user_id)
        if problem := email_problem(email):
            self.check(f"{path}.{key}", problem)
        if problem := user_id_problem(user_id):
            self.check("userId", problem)
        return Identity(email, user_id)

    def _find_email(self) -> tuple[Any, str, str]:
        """Return the email or None, and the path of its object and its key there."""
        path = self.path
        if path != "traits" and "traits" in self.context:
            traits = self._context_traits()
            key = _FIELDS.find_keys(traits)["email"]
            email = _read_name(traits.get(key))
            if email is not None:
                return email, f"{self.context_path}.traits", key
        key = self.keys["email"]
        return _read_name(self.fields.get(key)), path, key

    def _context_traits(self) -> dict[Any, Any]:
        return self._read_object(f"{self.context_path}.traits", self.context.get("traits"))

    def _incomplete_identity(self, email: Any, source: str, user_id: Any) -> Identity:
        """Return an identity that lacks an email or a userId, with notes about lookalikes."""
        if email is None and looks_like_email(user_id):
            email, source = user_id, "userId"
        if is_blank(user_id):
            user_id = None
        if email is None or user_id is None:
            self._report_lookalikes(email, user_id)
        if email is not None:
            self.check(source, email_problem(email))
        if user_id is not None:
            self.check("userId", user_id_problem(user_id))
        return Identity(email, user_id)

    def _report_lookalikes(self, email: Any, user_id: Any) -> None:
        lookalikes = self._find_lookalikes(email, user_id)
        if email is not None or user_id is not None:
            right = "email" if email is None else "userId"
            for path in lookalikes:
                self.add_note(path, f"looks like the {right}, which is only read from {right!r}")
        else:
            self.check("userId", missing_identity_problem(lookalikes))

    def _find_lookalikes(self, email: Any, user_id: Any) -> list[str]:
        """Return the places of fields that look like the email, or the userId, that is missing."""
        places: list[str] = []
        names = LOOKALIKE_EMAILS if email is None else frozenset[str]()
        if user_id is None:
            names |= LOOKALIKE_USER_IDS
            top = {key: None for key in self.raw if key != "userId"}
            places += _find_places("", _FIELDS.find_keys(top), LOOKALIKE_USER_IDS)
        places += _find_places(f"{self.path}.", self.keys, names)
        traits = as_object(self.context.get("traits"))
        if traits:
            prefix = f"{self.context_path}.traits."
            places += _find_places(prefix, _FIELDS.find_keys(traits), names)
        return places


def _find_places(prefix: str, keys: dict[str, str], names: frozenset[str]) -> list[str]:
    if names.isdisjoint(keys):  # as nearly always
        return []
    return [prefix + key for name, key in keys.items() if name in names]


def _read_name(value: Any) -> Any:
    """Return an email or userId as a JSON scalar; ``""`` is none."""
    name = value if type(value) is str else scalar(value)
    return None if is_blank(name) else name


def looks_like_email(user_id: Any) -> bool:
    """Whether a userId serves as the email too, by the loose pattern that Segment uses."""
    return (
        isinstance(user_id, str)
        and "@" in user_id
        and len(user_id) < _LONGEST_IDENTITY
        and _LOOKS_LIKE_EMAIL.search(user_id) is not None
    )


def as_id(value: Any) -> Any:
    """Return a number as its decimal string (``1.0`` as ``"1"``), anything else as it is."""
    if type(value) is str:  # as nearly always
        return value
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
