"""The identity in a request: an email, a userId, and the rules of each project type for them.

Sources: a ``userId`` is 1 to 52 printable ASCII characters without a space at the end (Iterable's
API description and guide). Iterable's exact rules for emails are not documented; only what no rule
could allow is refused here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

import attrs

from iterable_destination.model.endpoints import MAX_USER_ID_LENGTH
from iterable_destination.testing.responses import Refusal, refusal

#: How a project tells users apart: by email, by userId, or by either.
ProjectType = Literal["email", "userid", "hybrid"]
PROJECT_TYPES: Final = ("email", "userid", "hybrid")

_NO_PART: Final = r"[^@\s\x00-\x1f\x7f-\x9f]"
_EMAIL: Final = re.compile(rf"{_NO_PART}+@{_NO_PART}+\.{_NO_PART}+")
_USER_ID: Final = re.compile(rf"[ -~]{{0,{MAX_USER_ID_LENGTH - 1}}}[!-~]")


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


@attrs.frozen
class Identity:
    """The email and the userId of a request or a user."""

    #: In lower case, as Iterable stores it; None without an email.
    email: str | None = attrs.field(default=None, converter=_lower)
    #: As it was sent, since its case matters; None without a userId.
    user_id: str | None = None

    def completed(self, other: Identity) -> Identity:
        """The same identity, with the parts it lacks taken from ``other``."""
        email = other.email if self.email is None else self.email
        user_id = other.user_id if self.user_id is None else self.user_id
        return Identity(email, user_id)

    def failed(self, cause: str) -> dict[str, tuple[str, ...]]:
        """The lists in the response to a bulk for an item that failed for ``cause``."""
        parts = {f"{cause}Emails": self.email, f"{cause}UserIds": self.user_id}
        return {place: (part,) for place, part in parts.items() if part is not None}


def read_identity(body: Mapping[str, Any]) -> Identity:
    """The identity in a body's ``email`` and ``userId``, which the schema has checked."""
    return Identity(body.get("email"), body.get("userId"))


def complete_identity(who: Identity, data_fields: Mapping[str, Any]) -> Identity:
    """An identity, with missing parts from a user's ``dataFields``; null is missing.

    Raises Refusal for one that is not a string, as for any other malformed one.
    """
    email, user_id = data_fields.get("email"), data_fields.get("userId")
    if email is None and user_id is None:
        return who
    if not isinstance(email, str | None):
        raise invalid_email(str(email))
    if not isinstance(user_id, str | None):
        raise invalid_user_id(str(user_id))
    return who.completed(Identity(email, user_id))


def check_present(who: Identity, project_type: ProjectType) -> None:
    """Raise Refusal (``BadParams``) if an identity is missing that the project requires."""
    if project_type == "userid" and who.user_id is None:
        raise refusal("BadParams", "This project identifies users by userId: userId is required")
    if who.email is None and who.user_id is None:
        raise refusal("BadParams", "An email or a userId is required")


def check_form(who: Identity) -> None:
    """Raise Refusal for an email or a userId that Iterable would not accept."""
    if who.email is not None and not _EMAIL.fullmatch(who.email):
        raise invalid_email(who.email)
    if who.user_id is not None and not _USER_ID.fullmatch(who.user_id):
        raise invalid_user_id(who.user_id)


def invalid_email(email: str) -> Refusal:
    """The refusal of a malformed email."""
    failed = {"invalidEmails": (email.lower(),)}
    return refusal("InvalidEmailAddressError", f"Invalid email: {email}", failed=failed)


def invalid_user_id(user_id: str) -> Refusal:
    """The refusal of a malformed userId."""
    failed = {"invalidUserIds": (user_id,)}
    return refusal("InvalidUserIdError", f"Invalid userId: {user_id}", failed=failed)


def unknown(who: Identity) -> Refusal:
    """The refusal of a user that does not exist, by the identity in the request."""
    code = "UnknownUserIdError" if who.email is None else "UnknownEmailError"
    name = who.user_id if who.email is None else who.email
    return refusal(code, f"User not found: {name}", failed=who.failed("notFound"))


def forgotten(who: Identity) -> Refusal:
    """The refusal of a user who was forgotten, by the identities that were."""
    msg = "The user has been forgotten and cannot be updated"
    return refusal("ForgottenUserError", msg, status=409, failed=who.failed("forgotten"))
