"""A Segment event, read once: its identity, time, integrations and options.

Every rule of precedence between Segment's paths is here, and nothing of Iterable's JSON. The event
itself is never changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Context, Decimal
from difflib import get_close_matches
from math import isfinite
from typing import Any, Final, TypeVar

from iterable_destination.errors import (
    InvalidEvent,
    Note,
    Problem,
    Reason,
    add_note,
    add_problem,
    shortened,
)
from iterable_destination.model.calls import Identity
from iterable_destination.model.dates import TEXTS_STAY, WITH_TIME, is_ambiguous
from iterable_destination.model.field_names import FieldNames, fold, fold_all
from iterable_destination.model.json_copy import DataFieldsCopier, is_unreadable, unreadable_problem
from iterable_destination.model.json_values import (
    TOO_LARGE,
    as_list,
    as_object,
    describe_type,
    is_blank,
    scalar,
)
from iterable_destination.model.reasons import (
    EMPTY_LIST,
    MISSING,
    NOT_A_DATE,
    SENT_AS_STRING,
    not_a_string,
    not_an_object,
)
from iterable_destination.model.validation import (
    PLACEHOLDER,
    PLACEHOLDER_IDS,
    email_problem,
    missing_identity_problem,
    user_id_problem,
)

T = TypeVar("T")

#: Segment's call types, in the order in which a mistaken one is compared with them.
CALL_TYPES: Final = ("identify", "track", "page", "screen", "group", "alias", "delete")
#: Where the event's own fields are, by its type.
_PATHS: Final = dict.fromkeys(CALL_TYPES, "properties") | {"identify": "traits"}
_OWN_PATHS: Final = frozenset(_PATHS.values())
#: Of a type that is none, so much is shown.
_LONGEST_TYPE: Final = 40

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

#: Traits in the context that say who the user is, and are no traits of theirs.
_NO_TRAITS: Final = frozenset({"id", "userid", "anonymousid", "timestamp"})
_LOOKS_LIKE_EMAIL: Final = re.compile(r".+@.+\..+")
#: Longer texts are not searched for an email: the search stays quick. See ``endpoints`` for the
#: limits of an identity.
_LONGEST_IDENTITY: Final = 1_000

#: More digits than a float has, whatever the caller's own decimal context is set to.
_EXACT: Final = Context(prec=20)

_TWO_DATES: Final = Reason(
    "ambiguous-date", "can be read as two dates; use ISO 8601, or Unix seconds or milliseconds"
)
_NO_TIME: Final = Reason("not-a-date", "not a date, or two: no time is sent")
_TRAITS_OF_CONTEXT: Final = Reason(
    "traits-of-context", "taken as the traits, of which the event has none"
)

#: The fields that are looked up: in traits and properties, and in integrations and the context.
_FIELDS: Final = FieldNames(
    (
        *("email", "phone", "phones", "created", "createdAt", "products", "total"),
        *("All", INTEGRATION),
    ),
    LOOKALIKE_EMAILS | LOOKALIKE_USER_IDS,
)
_USUAL_KEYS: Final = _FIELDS.usual


class EventHeader:
    """The type and the ``messageId`` of an event, which every mapping reads."""

    __slots__ = ("message_id", "notes", "raw", "type")

    def __init__(self, raw: Any) -> None:
        """Read an event.

        Raises :exc:`InvalidEvent` if it is no object, has no type, or one that Segment has not.
        """
        body = raw if type(raw) is dict else as_object(raw)
        if body is None:
            raise InvalidEvent([not_an_event(raw).problem_at("$")])
        #: The event, as a ``dict``.
        self.raw: dict[Any, Any] = body
        message_id = body.get("messageId")
        if type(message_id) is not str or message_id < "!":  # one begins with a space, or is empty
            message_id = read_message_id(message_id)
        #: The event's ``messageId`` as a string, or None; an empty one is none.
        self.message_id: str | None = message_id
        #: What was changed or looks wrong, found so far.
        self.notes: list[Note] = []
        its_type = body.get("type")
        #: The call type, one of :data:`CALL_TYPES`.
        self.type: str = (
            its_type if type(its_type) is str and its_type in _PATHS else self._read_unusual_type()
        )

    def _read_unusual_type(self) -> str:
        """Return a type of an unusual kind or in another case; raises :exc:`InvalidEvent`."""
        its_type = self.get("type")
        if is_blank(its_type):
            raise InvalidEvent([MISSING.problem_at("type")], self.message_id)
        if not isinstance(its_type, str):
            raise InvalidEvent([not_a_string(its_type).problem_at("type")], self.message_id)
        name = its_type.lower()
        if name not in CALL_TYPES:
            raise InvalidEvent([_unknown_type(its_type).problem_at("type")], self.message_id)
        if name != its_type:
            self.add_note("type", Reason("type-case", f"taken as {name}, as Segment writes it"))
        return name

    def add_note(self, path: str, reason: Reason) -> None:
        """Add a note."""
        add_note(self.notes, path, reason)

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
        "path",
        "problems",
        "refusals",
    )

    def __init__(self, raw: Any) -> None:
        """Read an event; raises :exc:`InvalidEvent` as :class:`EventHeader` does."""
        super().__init__(raw)
        body = self.raw
        #: What makes the event invalid, found so far.
        self.problems: list[Problem] = []
        #: What Iterable would refuse in the call of the event, found so far.
        self.refusals: list[Problem] = []
        path = _PATHS[self.type]
        try:
            "".join(body)  # a TypeError unless all are strings
        except TypeError:
            words = "has a key that is no string, as JSON's keys are"
            self.add_problem("$", Reason("invalid-key", words))
        #: The place of the event's own fields: ``traits`` of an identify, else ``properties``; of
        #: an identify whose traits stand in the context only, their place there.
        self.path = path
        fields = body.get(path)
        #: The event's own fields; empty if there are none.
        self.fields: dict[Any, Any] = fields if type(fields) is dict else self._own_fields(fields)
        integrations = body.get("integrations")
        if type(integrations) is not dict:  # which it nearly always is
            integrations = self._read_object("integrations", integrations)
        #: Which destinations the event is for, and their options; empty if there are none.
        self.integrations: dict[Any, Any] = integrations
        #: The name under which :attr:`context` was found.
        self.context_path = "context" if body.get("options") is None else "options"
        context = body.get(self.context_path)
        if type(context) is not dict:  # likewise
            context = self._read_object(self.context_path, context)
        #: The context, which older libraries call ``options``; empty if there is none.
        self.context: dict[Any, Any] = context
        if not self.fields and path == "traits" and "traits" in self.context:
            self._take_context_traits()
        #: The keys of those own fields that are looked up, by folded name; the usual keys of
        #: fields that are not there. Not to be changed.
        self.keys = _FIELDS.find_keys(self.fields)
        #: Copies what is in the event.
        self.copier = DataFieldsCopier(self.problems, WITH_TIME)

    def _own_fields(self, value: Any) -> dict[Any, Any]:
        if value is None:
            return {}
        fields = as_object(value)
        if fields is None and not self._is_empty(self.path, value):
            self.add_problem(self.path, not_an_object(value))
        return fields or {}

    def _read_object(self, path: str, value: Any) -> dict[Any, Any]:
        if type(value) is dict:
            return value
        if value is None:
            return {}
        fields = as_object(value)
        if fields is None and not self._is_empty(path, value):
            words = f"passed over: must be an object, not {describe_type(value)}"
            self.add_note(path, Reason("not-an-object", words))
        return fields or {}

    def _is_empty(self, path: str, value: Any) -> bool:
        """Whether what is no object is null, or the empty list that PHP writes for one."""
        if as_list(value) == []:
            self.add_note(path, EMPTY_LIST)
            return True
        return scalar(value) is None

    def _take_context_traits(self) -> None:
        """Take the traits of the context for those of an identify that has none of its own.

        An email is among them only if it can be sent.
        """
        path, traits = f"{self.context_path}.traits", self._context_traits()
        names = fold_all(list(traits))
        fields = {
            key: value
            for (key, value), name in zip(traits.items(), names, strict=True)
            if name not in _NO_TRAITS and (name != "email" or not email_problem(scalar(value)))
        }
        if fields:
            self.fields, self.path = fields, path
            self.add_note(path, _TRAITS_OF_CONTEXT)

    def add_problem(self, path: str, reason: Reason) -> None:
        """Add a problem."""
        add_problem(self.problems, path, reason)

    def check(self, path: str, problem: Reason | None) -> None:
        """Add a problem of what would be sent; None is none."""
        if problem is not None:
            add_problem(self.refusals, path, problem)

    def find(self, name: str) -> Any:
        """Return the own field of this folded name as a JSON scalar, or None."""
        value = self.fields.get(self.keys[name])
        return value if type(value) is str else scalar(value)

    def source(self, name: str) -> str:
        """Return the place of an own field; the place to look at if it is not there."""
        return f"{self.path}.{self.keys[name]}"

    def skip_reason(self) -> str | None:
        """Return why the event is not for the classic destination, or None if it is."""
        context, integrations = self.context, self.integrations
        if INTEGRATION in integrations:
            off = scalar(integrations[INTEGRATION]) is False
            return f"integrations.{INTEGRATION} is false" if off else None
        if (
            "all" in context
            or "providers" in context
            or INTEGRATION in context
            or "providers" in integrations
        ):
            return self._read_old_switches()
        return _read_all_switch("integrations", integrations)

    def _read_old_switches(self) -> str | None:
        """Return the same for an event that may have switches where older libraries put them."""
        providers = as_object(self.context.get("providers")) or {}
        places = [("integrations", self.integrations)]
        if self.raw.get("integrations") is None:
            places = [(f"{self.context_path}.providers", providers)]
            if not providers:
                places = [(self.context_path, self.context)]
        path, switches = places[0]
        places.append((f"{path}.providers", as_object(switches.get("providers")) or {}))
        for path, switches in places:
            if INTEGRATION in switches:
                off = scalar(switches[INTEGRATION]) is False
                return f"{path}.{INTEGRATION} is false" if off else None
        return (
            _read_all_switch("integrations", self.integrations)
            or _read_all_switch(self.context_path, self.context)
            or _read_all_switch(f"{self.context_path}.providers", providers)
        )

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
        """Return when the event happened, as ``read`` reads it; None if it does not say.

        That is its ``timestamp``, else its ``originalTimestamp``. Adds a problem for the former,
        and a note for the latter, if it is no date.
        """
        value = self.raw.get("timestamp")
        if type(value) is not str:
            value = scalar(value)
        if value is None:
            return self._read_original_timestamp(read)
        moment = read(value)
        if moment is None:
            self.add_problem("timestamp", _TWO_DATES if is_ambiguous(value) else NOT_A_DATE)
        return moment

    def _read_original_timestamp(self, read: Callable[[Any], T | None]) -> T | None:
        """Return the time that the source gave the event, which Segment then corrects."""
        value = self.get("originalTimestamp")
        if value is None:
            return None
        moment = read(value)
        if moment is None:
            self.add_note("originalTimestamp", _NO_TIME)
        return moment

    def identity(self) -> Identity:
        """Return the identity, with the email from the first place that has one."""
        user_id = self.raw.get("userId")
        if type(user_id) is not str:
            user_id = self._read_user_id(user_id)
        elif user_id in PLACEHOLDER_IDS:
            self.add_note("userId", PLACEHOLDER)
        email, path, key = self._find_email()
        if email is None or not user_id:
            return self._incomplete_identity(email, f"{path}.{key}", user_id)
        if problem := email_problem(email):
            self.check(f"{path}.{key}", problem)
        if problem := user_id_problem(user_id):
            self.check("userId", problem)
        return Identity(email, user_id)

    def _read_user_id(self, value: Any) -> Any:
        """Return a userId of an unusual kind as a string, if it is one."""
        user_id = as_id(raw_id := scalar(value))
        if user_id is not raw_id:
            self.add_note("userId", SENT_AS_STRING)
        if isinstance(user_id, str) and user_id in PLACEHOLDER_IDS:
            self.add_note("userId", PLACEHOLDER)
        return user_id

    def _find_email(self) -> tuple[Any, str, str]:
        """Return the email or None, and the path of its object and its key there."""
        path = self.path
        if path == "properties" and "traits" in self.context:
            traits = self._context_traits()
            key = _FIELDS.find_keys(traits)["email"]
            email = _read_name(traits.get(key))
            if email is not None:
                return email, f"{self.context_path}.traits", key
        key = self.keys["email"]
        if path not in _OWN_PATHS and is_blank(self.get("userId")):
            return None, path, key  # the library remembers it, and the event says of nobody
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
        if email is not None or user_id is not None:
            right = "email" if email is None else "userId"
            words = f"looks like the {right}, which is only read from {right!r}"
            for path in self._find_lookalikes(email, user_id):
                self.add_note(path, Reason("lookalike", words))
            raw, context = self.raw, self.context
            if email is None and (
                "email" in raw
                or "email" in context
                or (
                    "properties" in raw or "traits" in context
                    if self.type == "identify"
                    else "traits" in raw
                )
            ):  # as these are seldom there, and to look for other spellings takes longer
                places = "traits" if self.type == "identify" else "context.traits, then properties"
                for path in self._find_emails_elsewhere():
                    words = f"not read: an email is read from {places}"
                    self.add_note(path, Reason("misplaced", words))
        else:
            found = self._find_lookalikes(email, user_id) + self._find_emails_elsewhere()
            self.check("userId", missing_identity_problem(found))

    def _find_lookalikes(self, email: Any, user_id: Any) -> list[str]:
        """Return the places of fields that look like the email, or the userId, that is missing."""
        places: list[str] = []
        names = LOOKALIKE_EMAILS if email is None else frozenset[str]()
        if user_id is None:
            names |= LOOKALIKE_USER_IDS
            top = {key: None for key in self.raw if key != "userId"}
            places += _find_places("", _FIELDS.find_keys(top), LOOKALIKE_USER_IDS)
        if self.keys is not _USUAL_KEYS:
            places += _find_places(f"{self.path}.", self.keys, names)
        traits = self.context.get("traits")
        if traits is not None and self.path in _OWN_PATHS:
            keys = _FIELDS.find_keys(as_object(traits) or {})
            if keys is not _USUAL_KEYS:
                places += _find_places(f"{self.context_path}.traits.", keys, names)
        return places

    def _find_emails_elsewhere(self) -> list[str]:
        """Return the places of emails where none is read."""
        objects = [("", self.raw), (f"{self.context_path}.", self.context)]
        other = "properties" if self.type == "identify" else "traits"
        objects.append((f"{other}.", as_object(self.raw.get(other)) or {}))
        if self.type == "identify":
            traits = as_object(self.context.get("traits")) or {}
            objects.append((f"{self.context_path}.traits.", traits))
        keys = [(prefix, _FIELDS.find_keys(fields)["email"], fields) for prefix, fields in objects]
        return [
            prefix + key
            for prefix, key, fields in keys
            if key in fields and not is_blank(scalar(fields[key]))
        ]


def not_an_event(value: Any) -> Reason:
    """Say what is wrong with an event that is no object."""
    return Reason("not-an-object", f"an event is an object, not {describe_type(value)}")


def _unknown_type(its_type: str) -> Reason:
    """Say what is wrong with a type that is none of Segment's, and which it may be."""
    shown = its_type[:_LONGEST_TYPE] + "…" * (len(its_type) > _LONGEST_TYPE)
    found = get_close_matches(its_type[:_LONGEST_TYPE].lower(), CALL_TYPES, 1)
    likely = found[0] if found else ", ".join(CALL_TYPES)
    words = f"{shortened(shown)} is none of Segment's call types (perhaps: {likely})"
    return Reason("unknown-type", words)


def _read_all_switch(path: str, switches: dict[Any, Any]) -> str | None:
    """Return which key there switches all destinations off, or None if none does."""
    key = _FIELDS.find_keys(switches)["all"]
    if scalar(switches.get(key)) is not False:
        return None
    return f"{path}.{shortened(key)} is false and integrations.{INTEGRATION} is absent"


def read_message_id(value: Any) -> str | None:
    """Return a ``messageId`` of any kind as text; None for one that is blank or no id."""
    text = as_id(scalar(value))
    return text if isinstance(text, str) and text.strip() else None


def _find_places(prefix: str, keys: dict[str, str], names: frozenset[str]) -> list[str]:
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
        return format(Decimal(repr(value)).normalize(_EXACT), "f") if value else "0"
    if type(value) is int and -TOO_LARGE < value < TOO_LARGE:
        return str(value)
    return value


def read_header(event: Any) -> tuple[str | None, Identity | None]:
    """Return the ``messageId`` and the identity of an event, None for what cannot be read."""
    try:
        segment_event = SegmentEvent(event)
        return segment_event.message_id, segment_event.identity()
    except InvalidEvent as error:
        return error.message_id, None
    except Exception:  # noqa: BLE001 - a value may raise anything where it is read
        return None, None


def unreadable_event(event: Any, error: Exception) -> InvalidEvent:
    """Return the error for an event with a value that raised one where it was read.

    It names each such value with its place; ``$`` if the value raises nothing any more.
    """
    found: list[Problem] = []
    try:
        copy = DataFieldsCopier(found, TEXTS_STAY).copy(event, "")
    except Exception:  # noqa: BLE001 - a value may raise what is not caught there, such as MemoryError
        copy = None
    problems = [problem for problem in found if is_unreadable(problem)]
    problems = problems or [unreadable_problem(error).problem_at("$")]
    return InvalidEvent(problems, *read_header(copy))
