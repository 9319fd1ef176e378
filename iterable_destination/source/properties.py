"""The properties of a track call, and what is taken from them for its context.

What may live here: what becomes of each field of ``dataFields``. Fields are asked for by
Iterable's key, and found under the name that it goes by.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from iterable_destination.errors import Note
from iterable_destination.events import as_id
from iterable_destination.json_codec import encode
from iterable_destination.plain import kind, says_nothing
from iterable_destination.source.webhook import Webhook

#: Ids that Segment's email spec makes strings.
_EMAIL_IDS: Final = ("campaignId", "emailId", "linkId", "listId")
#: Where the address of a link is looked for, in this order.
_LINKS: Final = ("linkUrl", "url", "clickedUrl")
#: What moves from the properties to the context, under the same key.
_MOVED: Final = ("ip", "userAgent")
#: What Segment calls an integration that an event comes from.
_INTEGRATION: Final = {"name": "iterable", "version": "1.0.0"}
#: The emails that Iterable makes up for users who have none.
_PLACEHOLDER: Final = "@placeholder.email"


class Properties:
    """The properties of one webhook, under the names that were chosen."""

    __slots__ = ("_names", "_webhook", "named")

    def __init__(self, webhook: Webhook, names: Mapping[str, str]) -> None:
        self._webhook = webhook
        self._names = names
        fields = webhook.fields
        #: The properties themselves.
        self.named: dict[str, Any] = {names[key]: value for key, value in fields.items()}
        if len(self.named) < len(fields):
            self._take_the_first()

    def _take_the_first(self) -> None:
        """Of two fields that go by the same name the first is kept."""
        names, taken = self._names, dict[str, str]()
        self.named = {}
        for key, value in self._webhook.fields.items():
            first = taken.setdefault(names[key], key)
            if first is key:
                self.named[names[key]] = value
            else:
                message = f"left out: dataFields.{first} goes by the same name"
                self._webhook.note(f"dataFields.{key}", message)

    def get(self, key: str) -> Any:
        """Return the property that goes by the name of this key of Iterable's, or None."""
        return self.named.get(self._names[key])

    def has(self, key: str) -> bool:
        """Whether there is a property that goes by the name of this key."""
        return self._names[key] in self.named

    def size(self, key: str) -> int:
        """Return how many bytes of JSON the value of a property has."""
        return len(encode(self.get(key)))

    def leave_out(self, key: str, message: str) -> None:
        """Take a property out, and say so."""
        self.note(key, message)
        del self.named[self._names[key]]

    @property
    def notes(self) -> tuple[Note, ...]:
        """What was noticed so far."""
        return tuple(self._webhook.notes)

    def place(self, key: str) -> str:
        """Return where in the webhook the property that goes by this key's name stands."""
        name = self._names[key]
        return f"dataFields.{next(key for key in self._webhook.fields if self._names[key] == name)}"

    def note(self, key: str, message: str) -> None:
        """Add a note about a property."""
        self._webhook.note(self.place(key), message)

    def add_link(self) -> None:
        """Add the address of a link, unless there is something under its name already."""
        if says_nothing(self.get("linkUrl")):
            for key in _LINKS:
                link = self.get(key)
                if type(link) is str and link:
                    self.named[self._names["linkUrl"]] = link
                    break

    def add_list(self) -> None:
        """Add the id of the list if there is exactly one, unless there is something already."""
        ids = self.get("emailListIds")
        if type(ids) is list and len(ids) == 1 and says_nothing(self.get("listId")):
            its_type = type(ids[0])
            if (its_type is str and ids[0]) or its_type is int or its_type is float:
                self.named[self._names["listId"]] = ids[0]

    def write_ids(self) -> None:
        """Make the ids of an email event strings."""
        for key in _EMAIL_IDS:
            name = self._names[key]
            if name in self.named:
                value = self.named[name]
                if type(value) is int or type(value) is float:
                    self.named[name] = as_id(value)
                elif value is not None and type(value) is not str:
                    self.note(key, f"left as it is: an id is a string or a number, not {kind(value)}")

    def context(self) -> dict[str, Any]:
        """Return the context, and take out of the properties what belongs there."""
        context: dict[str, Any] = {}
        email = self._webhook.email
        if email is not None and email[-len(_PLACEHOLDER) :].lower() != _PLACEHOLDER:
            context["traits"] = {"email": email}
        for key in _MOVED:
            name = self._names[key]
            value = self.named.get(name)
            if type(value) is str and value:
                context[key] = self.named.pop(name)
            elif not says_nothing(value):
                self.note(key, f"left where it is: the context needs a string, not {kind(value)}")
        context["integration"] = _INTEGRATION.copy()
        return context
