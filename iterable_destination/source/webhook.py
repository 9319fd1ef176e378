"""A webhook of Iterable's, read once: its user, its fields, its time, and its problems.

This module knows the top-level keys of a webhook, and the rules of precedence between them. A
webhook is never changed.
"""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

from iterable_destination.errors import (
    MAX_LISTED,
    InvalidWebhook,
    Note,
    Problem,
    Reason,
    add_note,
    add_problem,
)
from iterable_destination.model.dates import read_as_iso
from iterable_destination.model.json_copy import JsonCopier, Place
from iterable_destination.model.json_values import as_object, describe_type, is_blank, scalar
from iterable_destination.model.reasons import (
    MISSING,
    NOT_A_DATE,
    SENT_AS_STRING,
    not_a_string,
    not_an_object,
)
from iterable_destination.model.segment_event import as_id
from iterable_destination.model.serialization import DEAD_LETTER
from iterable_destination.source.names import Names

#: The keys of a webhook.
_KEYS: Final = frozenset({"email", "userId", "eventName", "dataFields"})

_UNKNOWN_KEY: Final = Reason("unknown-key", "passed over: no part of a webhook of Iterable's")
_NOBODY: Final = Reason("no-user", "missing, and there is no userId: nobody is named")
_NO_TIME: Final = Reason("missing", "missing, so Segment takes the time of receipt")


def as_webhook(raw: Any) -> dict[Any, Any]:
    """Return a webhook as a ``dict``; raises :exc:`InvalidWebhook` if it is no object.

    The key that a dead letter adds to its webhook is left out.
    """
    body = as_object(raw)
    if body is None:
        reason = Reason("not-an-object", f"a webhook is an object, not {describe_type(raw)}")
        raise InvalidWebhook([reason.problem_at("$")])
    if DEAD_LETTER in body:
        return {key: value for key, value in body.items() if key != DEAD_LETTER}
    return body


def event_name(body: dict[Any, Any]) -> str | None:
    """Return the ``eventName``; None if it is missing, empty or no string."""
    name = scalar(body.get("eventName"))
    return name if isinstance(name, str) and name else None


class _WebhookCopier(JsonCopier):
    """Copies a webhook, and sees whether all JSON libraries write its numbers alike."""

    __slots__ = ("has_unusual_number",)

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(problems)
        #: Whether there is a number of more than 64 bits, or one that is written with an exponent.
        self.has_unusual_number = False

    def convert(self, value: Any, place: Place) -> Any:
        """Return a value as it is; the numbers that come here are the unusual ones."""
        self.has_unusual_number |= isinstance(value, int | float)
        return super().convert(value, place)


class Webhook:
    """One webhook, with the problems and notes found while reading it."""

    __slots__ = (
        *("body", "email", "fields", "has_unusual_number"),
        *("notes", "problems", "timestamp", "user_id"),
    )

    def __init__(self, body: dict[Any, Any]) -> None:
        #: The problems found so far. A webhook with one is invalid.
        self.problems: list[Problem] = []
        #: The notes made so far: what was changed or looks wrong.
        self.notes: list[Note] = []
        copier = _WebhookCopier(self.problems)
        #: A deep copy of the webhook as plain JSON.
        self.body = copier.copy_object(body, "")
        #: Whether JSON libraries may write one of its numbers differently.
        self.has_unusual_number = copier.has_unusual_number
        self._read_text("eventName", required=True)
        #: The event's ``dataFields``; empty if these are no object.
        self.fields: dict[str, Any] = self._read_fields()
        #: The user's own id, or None.
        self.user_id = self._read_user_id()
        #: The user's email, or None.
        self.email = self._read_email()
        if not _KEYS.issuperset(self.body):
            for key in self.body:
                if key not in _KEYS:
                    self.add_note(key, _UNKNOWN_KEY)
        #: The time of the event in ISO 8601; None if the webhook has none.
        self.timestamp = self._read_timestamp()

    def add_problem(self, path: str, reason: Reason) -> None:
        """Add a problem, unless the same place, or one inside it, has one already."""
        if not self._has_problem(path):
            add_problem(self.problems, path, reason)

    def _has_problem(self, path: str) -> bool:
        inside = (f"{path}.", f"{path}[")
        listed = islice(self.problems, MAX_LISTED)
        return any(problem.path == path or problem.path.startswith(inside) for problem in listed)

    def add_note(self, path: str, reason: Reason) -> None:
        """Add a note."""
        add_note(self.notes, path, reason)

    def name_fields(self, names: Names) -> dict[str, Any]:
        """Return the fields by their names; of two with the same name only the first."""
        named = {names[key]: value for key, value in self.fields.items()}
        if len(named) == len(self.fields):  # as nearly always
            return named
        keys: dict[str, str] = {}
        for key in self.fields:
            first = keys.setdefault(names[key], key)
            if first != key:
                words = f"left out: dataFields.{first} goes by the same name"
                self.add_note(f"dataFields.{key}", Reason("same-name", words))
        return {name: self.fields[key] for name, key in keys.items()}

    def note_field(self, name: str, names: Names, reason: Reason) -> None:
        """Add a note about the field with this name."""
        key = next(key for key in self.fields if names[key] == name)
        self.add_note(f"dataFields.{key}", reason)

    def _read_text(self, key: str, *, required: bool = False) -> str | None:
        """Return a top-level field; None if it is blank. Anything but a string is a problem."""
        value = self.body.get(key)
        if type(value) is str and value:
            return value
        if not is_blank(value):
            self.add_problem(key, not_a_string(value))
        elif required:
            self.add_problem(key, MISSING)
        return None

    def _read_fields(self) -> dict[str, Any]:
        fields = self.body.get("dataFields")
        if type(fields) is dict:
            return fields
        self.add_problem("dataFields", MISSING if fields is None else not_an_object(fields))
        return {}

    def _read_user_id(self) -> str | None:
        number = self.body.get("userId")
        if type(number) is int or type(number) is float:
            self.add_note("userId", SENT_AS_STRING)
            return str(as_id(number))
        return self._read_text("userId")

    def _read_email(self) -> str | None:
        """Return the email; if there is none, that of the fields."""
        email = self._read_text("email")
        if email is not None:
            return email
        fallback = self.fields.get("email")
        if type(fallback) is str and fallback:
            return fallback
        if self.user_id is None:
            self._add_identity_problem(fallback)
        return None

    def _add_identity_problem(self, fallback: Any) -> None:
        if not is_blank(fallback):
            self.add_problem("dataFields.email", not_a_string(fallback))
        elif not any(map(self._has_problem, ("email", "userId", "dataFields.email"))):
            self.add_problem("email", _NOBODY)

    def _read_timestamp(self) -> str | None:
        created = self.fields.get("createdAt")
        if is_blank(created):
            self.add_note("dataFields.createdAt", _NO_TIME)
            return None
        moment = read_as_iso(created)
        if moment is None:
            self.add_problem("dataFields.createdAt", NOT_A_DATE)
        return moment
