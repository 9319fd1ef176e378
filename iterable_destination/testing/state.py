"""What one project holds and what every action on it shares.

What may live here: the state, its settings, and the steps that several endpoints have in common:
who is meant, which fields are taken, how a user is updated. No routes, no JSON text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from iterable_destination.testing import identity
from iterable_destination.testing.field_types import USER, FieldTypes
from iterable_destination.testing.identity import Identity, ProjectType
from iterable_destination.testing.profiles import Profiles, User, stored
from iterable_destination.testing.records import Record, Records


@attrs.frozen
class Call:
    """A request whose key, route and shape are already found good."""

    #: The decoded body; empty for a request without one.
    body: dict[str, Any]
    #: The last part of the path where the route takes one, percent-decoded; else empty.
    part: str
    #: The query, percent-decoded; of a repeated name, the last.
    query: Mapping[str, str]
    #: When the request came, in unix seconds.
    now: float


@attrs.frozen
class Fields:
    """The top-level fields of an update, sorted by what becomes of them."""

    taken: dict[str, Any]
    #: Taken, and never seen before.
    created: list[str]
    #: Never seen before and left out, because ``createNewFields`` is false.
    filtered_out: list[str]


@attrs.define
class State:
    """Everything that one project knows."""

    profiles: Profiles
    #: Emails (in lower case) and userIds of users who were forgotten.
    forgotten: frozenset[str]
    disallowed_events: frozenset[str]
    #: Webhooks by id, as ``ApiWebhookResponse``.
    webhooks: dict[int, dict[str, Any]]
    types: FieldTypes = attrs.field(factory=FieldTypes, init=False)
    events: Records = attrs.field(factory=lambda: Records("event"), init=False)
    purchases: Records = attrs.field(factory=lambda: Records("purchase"), init=False)
    _arrived: int = attrs.field(default=0, init=False)

    @property
    def project_type(self) -> ProjectType:
        """How the project tells users apart."""
        return self.profiles.project_type

    def next_number(self) -> int:
        """The place of the next event or purchase in the order of arrival."""
        self._arrived += 1
        return self._arrived

    def check_who(self, who: Identity) -> None:
        """Raise Refusal for an identity that is missing, malformed or forgotten."""
        identity.check_present(who, self.project_type)
        identity.check_form(who)
        self.check_not_forgotten(who)

    def check_not_forgotten(self, who: Identity) -> None:
        """Raise Refusal (409) naming what is forgotten of an identity."""
        gone = Identity(
            who.email if who.email in self.forgotten else None,
            who.user_id if who.user_id in self.forgotten else None,
        )
        if gone != Identity():
            raise identity.forgotten(gone)

    def fields(
        self,
        category: str,
        data_fields: Mapping[str, Any],
        *,
        create: bool,
        who: Identity | None = None,
    ) -> Fields:
        """Check the types of fields and sort them. Raises Refusal as ``FieldTypes.check``."""
        self.types.check(category, data_fields, who)
        new = self.types.new(category, data_fields)
        if create:
            return Fields(dict(data_fields), new, [])
        left_out = set(new)
        taken = {name: value for name, value in data_fields.items() if name not in left_out}
        return Fields(taken, [], new)

    def update_user(
        self, body: Mapping[str, Any], now: float, *, create: bool = True
    ) -> tuple[User, Fields]:
        """Update or create the user of an ``ApiUserUpdateRequest`` or ``OptionalApiUser``.

        ``create`` is ``createNewFields``. Everything is checked before anything is changed.
        """
        data_fields = body.get("dataFields", {})
        named = identity.of_body(body)
        identity.check_present(named, self.project_type)
        who = named.completed(identity.in_data_fields(data_fields))
        self.check_who(who)
        fields = self.fields(USER, stored(data_fields), create=create, who=named)
        prefer = body.get("preferUserId", False)
        user = self.user_to_write(who, now, prefer_user_id=prefer)
        self.types.learn(USER, fields.taken)
        merged = _merged(user, fields.taken) if body.get("mergeNestedObjects") else fields.taken
        return self.profiles.write(user, merged, now, who), fields

    def user_to_write(self, who: Identity, now: float, *, prefer_user_id: bool) -> User:
        """The user that an update is for, created where there is none. Raises Refusal."""
        user = self.profiles.claim(who)
        if user is not None:
            return user
        new = self.profiles.identity_of_new(who, prefer_user_id=prefer_user_id)
        return self.profiles.create(new, now)

    def user_of_event(self, who: Identity, now: float) -> User:
        """The user that an event belongs to, created where there is none.

        An event changes no identity, so it conflicts with none (a choice: the API description
        knows no conflict for events). Raises Refusal (``UnknownUserIdError``) for an unknown
        userId in an email-based project.
        """
        user = self.profiles.find(who)
        if user is not None:
            return user
        new = self.profiles.identity_of_new(who, prefer_user_id=False)
        return self.profiles.create(new, now)

    def records_of(self, user: User) -> Iterable[Record]:
        """A user's events and purchases, the oldest arrival first."""
        both = [*self.events.of_user(user.number), *self.purchases.of_user(user.number)]
        return sorted(both, key=lambda record: record.number)

    def delete(self, user: User) -> None:
        """Delete a user with all records."""
        self.profiles.delete(user)
        self.events.delete_of(user.number)
        self.purchases.delete_of(user.number)


def _merged(user: User, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _merge(user.data_fields.get(name), new) for name, new in fields.items()}


def _merge(old: object, new: object) -> object:
    return {**old, **new} if isinstance(old, dict) and isinstance(new, dict) else new
