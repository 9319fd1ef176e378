"""The endpoint of subscriptions, for one user or several.

Sources: method, path, query and body are those of Iterable's client libraries. Choices, where no
source decides:

* A user that does not exist (400 ``UnknownEmailError`` or ``UnknownUserIdError``) or was forgotten
  (409) refuses the whole request, and so does an empty list of users (400 ``BadParams``).
* A group that does not exist is a 400 ``BadParams``, and so are other kinds of groups and actions.
* Message types are those that a user has until unsubscribing: ``subscribedMessageTypeIds`` is not
  changed.
* A project without this endpoint answers 404 ``NotFound`` in JSON, as Segment has observed.
"""

from __future__ import annotations

from typing import Any, Final

import attrs

from iterable_destination.model.endpoints import (
    GROUP_IDS,
    SUBSCRIPTION_ACTIONS,
    SUBSCRIPTION_GROUPS,
)
from iterable_destination.testing import identity
from iterable_destination.testing.identity import Identity
from iterable_destination.testing.profiles import User, identity_fields
from iterable_destination.testing.responses import Response, refusal, success
from iterable_destination.testing.state import Call, State


@attrs.frozen
class _Kind:
    """How a kind of group shows on the profile."""

    #: The list of groups on it.
    field: str
    #: The action after which a group is in that list.
    listed_by: str


#: By their names in lower case, since their case does not matter.
_KINDS: Final = {
    name.lower(): kind
    for name, kind in zip(
        SUBSCRIPTION_GROUPS,
        (
            _Kind("emailListIds", "subscribe"),
            _Kind("unsubscribedMessageTypeIds", "unsubscribe"),
            _Kind("unsubscribedChannelIds", "unsubscribe"),
        ),
        strict=True,
    )
}
#: Digits of the largest number of a group.
_MAX_DIGITS: Final = len(str(GROUP_IDS.stop - 1))


def change(state: State, call: Call) -> Response:
    """``PUT /api/subscriptions/{subscriptionGroup}/{subscriptionGroupId}?action=``."""
    group, number = call.parts
    if not state.has_subscriptions:
        raise refusal("NotFound", "Endpoint not found for project: 1", status=404)
    kind, group_id = _read_group(state, group, number)
    action = call.query.get("action", "subscribe")
    if action not in SUBSCRIPTION_ACTIONS:
        raise refusal("BadParams", "action must be subscribe or unsubscribe")
    for who, user in _find_users(state, call.body):
        groups = _change_list(user, kind, group_id, action)
        state.profiles.write(user, {kind.field: groups}, call.now)
        changed = {"subscriptionGroup": group, "subscriptionGroupId": group_id, "action": action}
        state.record_effect(call, identity_fields(who) | changed, user, created=False)
    return success()


def _read_group(state: State, group: str, number: str) -> tuple[_Kind, int]:
    """The kind and the number of a group in a path. Raises Refusal for one that does not exist."""
    kind = _KINDS.get(group.lower())
    is_number = number.isascii() and number.isdigit() and len(number) <= _MAX_DIGITS
    group_id = int(number) if is_number else 0
    known = state.subscription_groups
    if kind is None or group_id not in GROUP_IDS or (known is not None and group_id not in known):
        raise refusal("BadParams", "No such subscription group")
    return kind, group_id


def _find_users(state: State, body: dict[str, Any]) -> list[tuple[Identity, User]]:
    """The users of a request, each with the name it was sent by. Raises Refusal."""
    names = [Identity(email) for email in body.get("users", ())]
    names += [Identity(user_id=user_id) for user_id in body.get("usersByUserId", ())]
    if not names:
        raise refusal("BadParams", "users or usersByUserId is required")
    found = []
    for who in names:
        identity.check_form(who)
        state.check_not_forgotten(who)
        user = state.profiles.find(who)
        if user is None:
            raise identity.unknown(who)
        found.append((who, user))
    return found


def _change_list(user: User, kind: _Kind, group_id: int, action: str) -> list[Any]:
    groups = [each for each in user.data_fields.get(kind.field, ()) if each != group_id]
    return [*groups, group_id] if action == kind.listed_by else groups
