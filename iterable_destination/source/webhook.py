"""A webhook of Iterable's, read once: who, what, and what is wrong with it.

What may live here: the keys at the top of a webhook, and every rule of precedence between them.
A webhook is never changed.
"""

from __future__ import annotations

from typing import Any, Final

from iterable_destination.errors import InvalidWebhook, Note, Problem
from iterable_destination.model.dates import read_as_iso
from iterable_destination.model.json_copy import PlainCopy
from iterable_destination.model.json_values import as_object, describe_type, is_blank, scalar
from iterable_destination.model.segment_event import as_id
from iterable_destination.model.serialization import DEAD_LETTER
from iterable_destination.source.names import Names

#: The keys of a webhook.
_KEYS: Final = frozenset({"email", "userId", "eventName", "dataFields"})


def as_webhook(raw: Any) -> dict[Any, Any]:
    """Return a webhook as a ``dict``; raises :exc:`InvalidWebhook` if it is no object.

    What a dead letter says besides the webhook is left out: it is not Iterable's.
    """
    body = as_object(raw)
    if body is None:
        raise InvalidWebhook([Problem("$", f"a webhook is an object, not {describe_type(raw)}")])
    if DEAD_LETTER in body:
        return {key: value for key, value in body.items() if key != DEAD_LETTER}
    return body


def event_name(body: dict[Any, Any]) -> str | None:
    """Return the ``eventName``; None if there is none, or something else in its place."""
    name = scalar(body.get("eventName"))
    return name if isinstance(name, str) and name else None


class Webhook:
    """One webhook and what was noticed while reading it."""

    __slots__ = (
        *("body", "email", "fields"),
        *("notes", "problems", "timestamp", "user_id"),
    )

    def __init__(self, body: dict[Any, Any]) -> None:
        #: What makes the webhook invalid, found so far.
        self.problems: list[Problem] = []
        #: What was changed or looks wrong, found so far.
        self.notes: list[Note] = []
        #: A deep copy of the webhook as plain JSON.
        self.body = PlainCopy(self.problems).of(body, "")
        self._text("eventName", required=True)
        #: What the event carries; empty if that is no object.
        self.fields: dict[str, Any] = self._fields()
        #: The user's own id, or None.
        self.user_id = self._user_id()
        #: The user's email, or None.
        self.email = self._email()
        if not _KEYS.issuperset(self.body):
            for key in self.body:
                if key not in _KEYS:
                    self.add_note(key, "passed over: no part of a webhook of Iterable's")
        #: When it happened, in ISO 8601; None if it does not say.
        self.timestamp = self._timestamp()

    def add_problem(self, path: str, message: str) -> None:
        """Add a problem, unless something in the same place was refused already."""
        if not self._is_refused(path):
            self.problems.append(Problem(path, message))

    def _is_refused(self, path: str) -> bool:
        inside = (f"{path}.", f"{path}[")
        return any(
            problem.path == path or problem.path.startswith(inside) for problem in self.problems
        )

    def add_note(self, path: str, message: str) -> None:
        """Add a note."""
        self.notes.append(Note(path, message))

    def named(self, names: Names) -> dict[str, Any]:
        """Return the fields by their names; of two that go by the same name the first is kept."""
        keys: dict[str, str] = {}
        for key in self.fields:
            first = keys.setdefault(names[key], key)
            if first != key:
                message = f"left out: dataFields.{first} goes by the same name"
                self.add_note(f"dataFields.{key}", message)
        return {name: self.fields[key] for name, key in keys.items()}

    def note_field(self, name: str, names: Names, message: str) -> None:
        """Add a note about the field that goes by this name."""
        key = next(key for key in self.fields if names[key] == name)
        self.add_note(f"dataFields.{key}", message)

    def _text(self, key: str, *, required: bool = False) -> str | None:
        """Return a field at the top; None if it says nothing. Anything but a text is refused."""
        value = self.body.get(key)
        if type(value) is str and value:
            return value
        if not is_blank(value):
            self.add_problem(key, f"must be a string, not {describe_type(value)}")
        elif required:
            self.add_problem(key, "missing")
        return None

    def _fields(self) -> dict[str, Any]:
        fields = self.body.get("dataFields")
        if type(fields) is dict:
            return fields
        wrong = f"must be an object, not {describe_type(fields)}"
        self.add_problem("dataFields", "missing" if fields is None else wrong)
        return {}

    def _user_id(self) -> str | None:
        number = self.body.get("userId")
        if type(number) is int or type(number) is float:
            self.add_note("userId", "a number, sent as a string")
            return str(as_id(number))
        return self._text("userId")

    def _email(self) -> str | None:
        """Return the email; that of the fields stands in for one that is not there."""
        email = self._text("email")
        if email is not None:
            return email
        stand_in = self.fields.get("email")
        if type(stand_in) is str and stand_in:
            return stand_in
        if self.user_id is None:
            self._refuse_nobody(stand_in)
        return None

    def _refuse_nobody(self, stand_in: Any) -> None:
        if not is_blank(stand_in):
            self.add_problem("dataFields.email", f"must be a string, not {describe_type(stand_in)}")
        elif not any(map(self._is_refused, ("email", "userId", "dataFields.email"))):
            self.add_problem("email", "missing, and there is no userId: nobody is named")

    def _timestamp(self) -> str | None:
        created = self.fields.get("createdAt")
        if is_blank(created):
            self.add_note("dataFields.createdAt", "missing, so Segment takes the time of receipt")
            return None
        moment = read_as_iso(created)
        if moment is None:
            message = "is no date: give ISO 8601, or unix seconds or milliseconds"
            self.add_problem("dataFields.createdAt", message)
        return moment
