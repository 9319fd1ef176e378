"""The store of users, and the rules by which an update finds or creates one.

Sources: Iterable's API description and its guide on identifying users. Choices, where no source
says:

* An email belongs to one user of the project and so does a userId, in every type of project.
* An update with both looks the user up by the project's own kind of identity (email in an
  email-based project, else userId). Found: the other identity is changed to that of the request.
  Not found: the user of the other identity is taken if it lacks the first (or has a placeholder
  email). An identity that belongs to someone else is a conflict.
* ``email`` and ``userId`` inside ``dataFields`` are used if the top level lacks them.
* ``mergeNestedObjects`` merges one level: an object inside a merged object is replaced.
* Fields that Iterable manages are ignored in an update, ``profileUpdatedAt`` and ``devices`` too
  (``emailListIds`` is stored).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

import attrs

from iterable_destination.model.endpoints import MANAGED_FIELDS
from iterable_destination.testing import identity
from iterable_destination.testing.identity import Identity, ProjectType
from iterable_destination.testing.responses import Refusal, refusal

#: Fields of an update's ``dataFields`` that are not stored from there.
NOT_STORED: Final = MANAGED_FIELDS - {"emailListIds"} | {
    "email",
    "userId",
    "profileUpdatedAt",
    "devices",
}
#: The domain of an email that is generated for a userId (``preferUserId``).
PLACEHOLDER_DOMAIN: Final = "@placeholder.email"


@attrs.frozen
class User:
    """One user. An update makes another value, so that a reader never sees half of an update."""

    #: The number in the store, which no other user has.
    number: int
    who: Identity
    #: ``dataFields`` as a read returns them, managed fields and identities included.
    data_fields: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """An ``ApiResponseUser``. An identity that the user lacks is left out (a choice)."""
        return identity_fields(self.who) | {"dataFields": dict(self.data_fields)}


def identity_fields(who: Identity) -> dict[str, str]:
    """An identity under Iterable's names, without the parts that are None."""
    parts = {"email": who.email, "userId": who.user_id}
    return {name: part for name, part in parts.items() if part is not None}


def select_stored(data_fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an update that are stored unchanged."""
    return {name: value for name, value in data_fields.items() if name not in NOT_STORED}


@lru_cache(maxsize=8)
def timestamp(now: float) -> str:
    """Unix seconds as Iterable writes dates, in UTC: ``2023-02-05 18:42:10 +00:00``."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S +00:00")


@attrs.define
class Profiles:
    """All users of one project."""

    project_type: ProjectType
    _users: dict[int, User] = attrs.field(factory=dict, init=False)
    _by_email: dict[str, int] = attrs.field(factory=dict, init=False)
    _by_user_id: dict[str, int] = attrs.field(factory=dict, init=False)
    _created_count: int = attrs.field(default=0, init=False)

    def find_by_email(self, email: str | None) -> User | None:
        """The user of an email, in any case; None if there is none."""
        number = None if email is None else self._by_email.get(email.lower())
        return None if number is None else self._users.get(number)

    def find_by_user_id(self, user_id: str | None) -> User | None:
        """The user of exactly this userId; None if there is none."""
        number = None if user_id is None else self._by_user_id.get(user_id)
        return None if number is None else self._users.get(number)

    def find(self, who: Identity) -> User | None:
        """The user of either identity, the project's own kind first; None if there is none."""
        return next((user for user in self._find_both(who) if user is not None), None)

    def claim(self, who: Identity) -> User | None:
        """The user that an update is for; None if it would create one.

        Raises Refusal (409) if an identity belongs to another user.
        """
        own, other = self._find_both(who)
        if other is None or other == own:
            return own
        if own is None and (self._lacks_own(who) or self._lacks_own(other.who)):
            return other
        raise self._conflict(who)

    def identity_of_new(self, who: Identity, *, prefer_user_id: bool) -> Identity:
        """The identity of a new user.

        Raises Refusal in an email-based project for a user without an email, unless
        ``preferUserId`` is set.
        """
        if self.project_type != "email" or who.email is not None:
            return who
        if not prefer_user_id:
            raise identity.unknown(who)
        digest = sha256(str(who.user_id).encode()).hexdigest()[:32]
        return Identity(digest + PLACEHOLDER_DOMAIN, who.user_id)

    def create(self, who: Identity, now: float) -> User:
        """Create a user at ``now`` (unix seconds)."""
        self._created_count += 1
        made = {
            "signupDate": timestamp(now),
            "signupSource": "API",
            "itblInternal": {"documentCreatedAt": timestamp(now)},
        }
        return self._put(self._created_count, who, made, now)

    def write(
        self, user: User, fields: Mapping[str, Any], now: float, who: Identity | None = None
    ) -> User:
        """Overwrite top-level fields of a user and, unless ``who`` is None, the identity."""
        who = user.who if who is None else who.completed(user.who)
        written = self._put(user.number, who, {**user.data_fields, **fields}, now)
        self._unlink(user, kept=written.who)
        return written

    def delete(self, user: User) -> None:
        """Delete a user. Another may be created with the same identity."""
        self._unlink(user, kept=Identity())
        del self._users[user.number]

    def _put(self, number: int, who: Identity, fields: dict[str, Any], now: float) -> User:
        """Store a user, and add to its ``fields`` those that Iterable manages."""
        internal = {**fields["itblInternal"], "documentUpdatedAt": timestamp(now)}
        managed = {"profileUpdatedAt": timestamp(now), "itblInternal": internal}
        fields.update(identity_fields(who), **managed)
        user = User(number, who, fields)
        self._users[number] = user
        if user.who.email is not None:
            self._by_email[user.who.email] = user.number
        if user.who.user_id is not None:
            self._by_user_id[user.who.user_id] = user.number
        return user

    def _unlink(self, user: User, kept: Identity) -> None:
        if user.who.email is not None and user.who.email != kept.email:
            del self._by_email[user.who.email]
        if user.who.user_id is not None and user.who.user_id != kept.user_id:
            del self._by_user_id[user.who.user_id]

    def _find_both(self, who: Identity) -> tuple[User | None, User | None]:
        by_email, by_user_id = self.find_by_email(who.email), self.find_by_user_id(who.user_id)
        return (by_email, by_user_id) if self.project_type == "email" else (by_user_id, by_email)

    def _lacks_own(self, who: Identity) -> bool:
        if self.project_type == "email":
            return who.email is None or who.email.endswith(PLACEHOLDER_DOMAIN)
        return who.user_id is None

    def _conflict(self, who: Identity) -> Refusal:
        if self.project_type == "email":
            taken, code = Identity(user_id=who.user_id), "UserIdAlreadyExists"
        else:
            taken, code = Identity(email=who.email), "EmailAlreadyExists"
        msg = "An identity of the request belongs to another user"
        return refusal(code, msg, status=409, failed=taken.failed("conflict"))
