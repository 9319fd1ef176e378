"""The state of one project, and the steps that several endpoints share.

These are: which user is meant, which fields are stored, and how a user is updated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from iterable_destination.testing import identity
from iterable_destination.testing.field_types import USER, FieldTypes
from iterable_destination.testing.identity import Identity, ProjectType
from iterable_destination.testing.ledger import Effects
from iterable_destination.testing.profiles import Profiles, User, select_stored
from iterable_destination.testing.records import Record, Records


@attrs.frozen
class Call:
    """A request whose key, route and shape are valid."""

    #: The decoded body; empty for a request without one.
    body: dict[str, Any]
    #: The parts of the path that the route has in braces, percent-decoded.
    parts: tuple[str, ...]
    #: The query, percent-decoded; of a repeated name, the last.
    query: Mapping[str, str]
    #: When the request arrived, in unix seconds.
    now: float
    #: The path, without its query.
    path: str
    #: The number of the request in the ledger.
    number: int

    @property
    def part(self) -> str:
        """The last of the parts; empty if there is none."""
        return self.parts[-1] if self.parts else ""


@attrs.frozen
class Fields:
    """The top-level fields of an update, by their treatment."""

    #: The fields to store.
    taken: Mapping[str, Any]
    #: Stored fields that are new to the project.
    created: Sequence[str]
    #: New fields that are left out, because ``createNewFields`` is false.
    filtered_out: Sequence[str]
    #: Whether their types are all known, to the innermost: then there is nothing to learn.
    known: bool = False


@attrs.frozen
class Written:
    """The result of an update."""

    user: User
    fields: Fields
    #: Whether the user was new.
    created: bool


@attrs.define
class State:
    """The state of one project."""

    profiles: Profiles
    #: Emails (in lower case) and userIds of users who were forgotten.
    forgotten: frozenset[str]
    disallowed_events: frozenset[str]
    #: Webhooks by id, as ``ApiWebhookResponse``.
    webhooks: dict[int, dict[str, Any]]
    #: The ledger of effects.
    effects: Effects
    #: Whether ``dataFields`` of events, purchases and effects are kept.
    keep_data_fields: bool = True
    #: Whether the project has the endpoint of subscriptions.
    has_subscriptions: bool = True
    #: The numbers of the lists, message types and channels that exist; None is any.
    subscription_groups: frozenset[int] | None = None
    #: How many events, and how many purchases, are kept; None is all.
    keep_records: int | None = None
    types: FieldTypes = attrs.field(factory=FieldTypes, init=False)
    events: Records = attrs.field(init=False)
    purchases: Records = attrs.field(init=False)
    _arrived: int = attrs.field(default=0, init=False)

    @events.default
    def _make_events(self) -> Records:
        return Records("event", self.keep_records)

    @purchases.default
    def _make_purchases(self) -> Records:
        return Records("purchase", self.keep_records)

    @property
    def project_type(self) -> ProjectType:
        """How the project identifies users."""
        return self.profiles.project_type

    def next_number(self) -> int:
        """The place of the next event or purchase in the order of arrival."""
        self._arrived += 1
        return self._arrived

    def record_effect(
        self, call: Call, body: Mapping[str, Any], user: User, *, created: bool
    ) -> None:
        """Record that a request, or one item of its bulk, is applied. ``body`` is as it was sent.

        ``created`` is as in ``Effect``.
        """
        if not self.keep_data_fields:
            body = {name: value for name, value in body.items() if name != "dataFields"}
        self.effects.add(call.number, call.path, body, user, created=created)

    def check_who(self, who: Identity) -> None:
        """Raise Refusal for an identity that is missing, malformed or forgotten."""
        identity.check_present(who, self.project_type)
        identity.check_form(who)
        self.check_not_forgotten(who)

    def check_not_forgotten(self, who: Identity) -> None:
        """Raise Refusal (409), with the forgotten parts of an identity."""
        if not self.forgotten:
            return
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
        if self.types.knows(category, data_fields):
            return Fields(data_fields, (), (), known=True)
        self.types.check(category, data_fields, who)
        new = self.types.new(category, data_fields)
        if create:
            return Fields(data_fields, new, ())
        left_out = set(new)
        taken = {name: value for name, value in data_fields.items() if name not in left_out}
        return Fields(taken, (), new)

    def learn(self, category: str, fields: Fields) -> None:
        """Remember the types of stored fields."""
        if not fields.known:
            self.types.learn(category, fields.taken)

    def update_user(self, body: Mapping[str, Any], now: float, *, create: bool = True) -> Written:
        """Update or create the user of an ``ApiUserUpdateRequest`` or ``OptionalApiUser``.

        ``create`` is ``createNewFields``. Everything is checked before anything is changed.
        """
        who, fields = self._check_update(body, create=create)
        prefer = body.get("preferUserId", False)
        user, created = self.user_to_write(who, now, prefer_user_id=prefer)
        self.learn(USER, fields)
        merged = (
            _merge_fields(user, fields.taken) if body.get("mergeNestedObjects") else fields.taken
        )
        return Written(self.profiles.write(user, merged, now, who), fields, created)

    def has_user_for(self, body: Mapping[str, Any], *, create: bool = True) -> bool:
        """Whether :meth:`update_user` would find a user to update. Raises Refusal as it does."""
        who, _ = self._check_update(body, create=create)
        return self.profiles.claim(who) is not None

    def _check_update(self, body: Mapping[str, Any], *, create: bool) -> tuple[Identity, Fields]:
        """Return whom an update is for, and its fields. Raises Refusal."""
        data_fields = body.get("dataFields", {})
        named = identity.read_identity(body)
        identity.check_present(named, self.project_type)
        who = identity.complete_identity(named, data_fields)
        self.check_who(who)
        return who, self.fields(USER, select_stored(data_fields), create=create, who=named)

    def user_to_write(
        self, who: Identity, now: float, *, prefer_user_id: bool
    ) -> tuple[User, bool]:
        """The user that an update is for, and whether it is new. Raises Refusal."""
        user = self.profiles.claim(who)
        if user is not None:
            return user, False
        new = self.profiles.identity_of_new(who, prefer_user_id=prefer_user_id)
        return self.profiles.create(new, now), True

    def user_of_event(self, who: Identity, now: float) -> User:
        """The user that an event belongs to, created if there is none.

        An event changes no identity, so it conflicts with none (a choice: the API description
        knows no conflict for events). Raises Refusal (``UnknownUserIdError``) for an unknown
        userId in an email-based project.
        """
        user = self.profiles.find(who)
        if user is not None:
            return user
        new = self.profiles.identity_of_new(who, prefer_user_id=False)
        return self.profiles.create(new, now)

    def list_records(self, user: User) -> Iterable[Record]:
        """A user's events and purchases, the oldest arrival first."""
        both = [*self.events.list_of_user(user.number), *self.purchases.list_of_user(user.number)]
        return sorted(both, key=lambda record: record.number)

    def delete(self, user: User) -> None:
        """Delete a user with all records."""
        self.profiles.delete(user)
        self.events.delete_of(user.number)
        self.purchases.delete_of(user.number)


def _merge_fields(user: User, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _merge(user.data_fields.get(name), new) for name, new in fields.items()}


def _merge(old: object, new: object) -> object:
    return {**old, **new} if isinstance(old, dict) and isinstance(new, dict) else new
