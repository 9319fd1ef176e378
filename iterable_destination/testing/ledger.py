"""The two ledgers of a project: its requests, and the effects of each.

An entry is never changed. It is made without copying, and shares its parts with the request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from iterable_destination.testing import schema
from iterable_destination.testing.profiles import User


@attrs.frozen
class Request:
    """One request as the project received it, without the key."""

    #: The HTTP method.
    method: str
    #: The path with its query, as it was sent.
    path: str
    #: The bytes of the body; empty also for a body that is larger than Iterable accepts.
    content: bytes = attrs.field(repr=False)
    #: The status of the response.
    status: int
    #: 0 for the first request, then 1, 2, …: the index in ``Project.requests``, as long as all are
    #: kept there.
    number: int = 0

    @property
    def body(self) -> Any:
        """The decoded body, decoded anew at each access; None if it is empty or not JSON."""
        try:
            return schema.decode(self.content)
        except ValueError:
            return None


@attrs.frozen
class Effect:
    """One change that was applied: a user's update, an event, a purchase, a cart, a device.

    Its values are as they were sent and are not copied: do not change them.
    """

    #: 0 for the first effect of the project, then 1, 2, …
    number: int
    #: The ``number`` of its request.
    request: int
    #: The path of the endpoint, such as ``/api/events/trackBulk``, without a query.
    path: str
    #: Whether it created something. An event or a purchase: False if it updated the one of the same
    #: ``id``. Otherwise: whether the user was new.
    created: bool
    #: The number that the project gave the user, which no other user has.
    user: int = attrs.field(repr=False)
    #: The JSON object that was sent: the whole body, or one item of a bulk.
    body: Mapping[str, Any]

    @property
    def email(self) -> str | None:
        """The email, in the case it was sent in (updateEmail: the current one); None for none."""
        email: str | None = self._who.get("email", self._who.get("currentEmail"))
        return email

    @property
    def user_id(self) -> str | None:
        """The userId (updateEmail: the current one); None for none."""
        user_id: str | None = self._who.get("userId", self._who.get("currentUserId"))
        return user_id

    @property
    def id(self) -> str | None:
        """The ``id`` of an event or a purchase; None if none was sent."""
        return self.body.get("id")

    @property
    def name(self) -> str | None:
        """The ``eventName``; None for other effects than events."""
        return self.body.get("eventName")

    @property
    def data_fields(self) -> Mapping[str, Any]:
        """The ``dataFields`` of a user, an event or a purchase; empty if none were sent."""
        fields: Mapping[str, Any] = self.body.get("dataFields", {})
        return fields

    @property
    def items(self) -> Sequence[Mapping[str, Any]]:
        """The items of a cart or a purchase; empty for other effects."""
        items: Sequence[Mapping[str, Any]] = self.body.get("items", ())
        return items

    @property
    def created_at(self) -> int | None:
        """The ``createdAt``, in unix seconds or as it was sent; None if none was sent."""
        return self.body.get("createdAt")

    @property
    def _who(self) -> Mapping[str, Any]:
        who: Mapping[str, Any] = self.body.get("user", self.body)
        return who


@attrs.define
class Effects:
    """The ledger of effects, in order of application."""

    #: How many are kept, the newest ones; None is all.
    keep: int | None = None
    #: The number of all effects, kept or not.
    count: int = attrs.field(default=0, init=False)
    kept: list[Effect] = attrs.field(factory=list, init=False)

    def add(
        self, request: int, path: str, body: Mapping[str, Any], user: User, *, created: bool
    ) -> None:
        """Record one effect."""
        if self.keep != 0:
            effect = Effect(self.count, request, path, created, user.number, body)
            self.kept.append(effect)
        self.count += 1


def trim_ledger(ledger: list[Any], keep: int | None) -> None:
    """Remove the oldest entries until no more than ``keep`` are left; None is all."""
    if keep is not None and len(ledger) > keep:
        del ledger[: len(ledger) - keep]
