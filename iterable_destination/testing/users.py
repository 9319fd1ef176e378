"""The endpoints of users: update, bulkUpdate, updateEmail, registerDeviceToken, read, delete.

Each function turns a valid call into a response. Source: Iterable's API description. Choices, where
it is silent:

* A user that is read and does not exist is ``{}``; one that is deleted and does not, is a 400.
* Deleting takes effect at once (Iterable: asynchronously), and deletes the events too.
* A userId that an email-based project does not know is a 400 ``UnknownUserIdError``, and
  ``notFoundUserIds`` in a bulk.
* An item of a bulk with no identity, or not the one that the project needs, refuses the bulk.
* An empty bulk is a 400 ``BadParams``; Iterable's code for it is unknown.
* ``updateOnly`` of a bulk creates no user. An item whose user does not exist is checked like the
  others, then left out: it counts as a success, and no list names it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from iterable_destination.testing import bulk, identity
from iterable_destination.testing.identity import Identity
from iterable_destination.testing.profiles import User
from iterable_destination.testing.responses import (
    Refusal,
    Response,
    json_response,
    refusal,
    success,
)
from iterable_destination.testing.schema import DEVICE
from iterable_destination.testing.state import Call, State

#: Devices of one user (Iterable's API description).
MAX_DEVICES: Final = 500


def update(state: State, call: Call) -> Response:
    """``POST /api/users/update``."""
    create = call.body.get("createNewFields", True)
    written = state.update_user(call.body, call.now, create=create)
    state.record_effect(call, call.body, written.user, created=written.created)
    return success()


def bulk_update(state: State, call: Call) -> Response:
    """``POST /api/users/bulkUpdate``."""
    items = call.body["users"]
    if not items:
        raise refusal("BadParams", "users must not be empty")
    for item in items:
        identity.check_present(identity.read_identity(item), state.project_type)
    tally = bulk.Tally(bulk.USERS)
    for item in items:
        _update_one(state, call, item, tally)
    return tally.response()


def _update_one(state: State, call: Call, item: dict[str, Any], tally: bulk.Tally) -> None:
    create = call.body.get("createNewFields", True)
    try:
        if call.body.get("updateOnly") and not state.has_user_for(item, create=create):
            tally.skip()
            return
        written = state.update_user(item, call.now, create=create)
    except Refusal as refused:
        tally.fail(refused)
    else:
        state.record_effect(call, item, written.user, created=written.created)
        tally.succeed(written.fields)


def update_email(state: State, call: Call) -> Response:
    """``POST /api/users/updateEmail``: for email-based projects; ``currentEmail`` has priority.

    A ``newEmail`` that is the user's own already exists, and is refused like any other.
    """
    if state.project_type != "email":
        raise refusal("BadParams", "updateEmail is for email-based projects: use users/update")
    current = _read_current_identity(call.body)
    new = Identity(call.body["newEmail"])
    for who in (current, new):
        state.check_who(who)
    user = state.profiles.find(current)
    if user is None:
        raise identity.unknown(current)
    if state.profiles.find_by_email(new.email):
        msg = "newEmail already belongs to a user"
        raise refusal("EmailAlreadyExists", msg, status=409)
    state.profiles.write(user, {}, call.now, new)
    state.record_effect(call, call.body, user, created=False)
    return success()


def _read_current_identity(body: dict[str, Any]) -> Identity:
    email = body.get("currentEmail")
    return Identity(email, body.get("currentUserId") if email is None else None)


def register_device_token(state: State, call: Call) -> Response:
    """``POST /api/users/registerDeviceToken``: devices are stored by token, in ``devices``."""
    who = identity.read_identity(call.body)
    state.check_who(who)
    known = state.profiles.claim(who)
    devices = known.data_fields.get("devices", ()) if known else ()
    devices = _add_device(devices, call.body["device"])
    prefer = call.body.get("preferUserId", False)
    user, created = state.user_to_write(who, call.now, prefer_user_id=prefer)
    state.profiles.write(user, {"devices": devices}, call.now, who)
    state.record_effect(call, call.body, user, created=created)
    return success()


def _add_device(devices: Iterable[dict[str, Any]], device: dict[str, Any]) -> list[dict[str, Any]]:
    """The devices with one more, or with that of the same token updated."""
    by_token = {old["token"]: old for old in devices}
    old = by_token.get(device["token"], {})
    data_fields = {**old.get("dataFields", {}), **device.get("dataFields", {})}
    by_token[device["token"]] = {**old, **DEVICE.select_known(device), "dataFields": data_fields}
    if len(by_token) > MAX_DEVICES:
        raise refusal("BadParams", f"A user has at most {MAX_DEVICES} devices")
    return list(by_token.values())


def get_by_email(state: State, call: Call) -> Response:
    """``GET /api/users/{email}`` and ``GET /api/users/getByEmail?email=``."""
    return _read(state, read_email(call))


def get_by_user_id(state: State, call: Call) -> Response:
    """``GET /api/users/byUserId/{userId}`` and ``GET /api/users/byUserId?userId=``."""
    return _read(state, read_user_id(call))


def _read(state: State, who: Identity) -> Response:
    user = state.profiles.find(who)
    return json_response({} if user is None else {"user": user.as_json()})


def delete_by_email(state: State, call: Call) -> Response:
    """``DELETE /api/users/{email}``."""
    return _delete(state, read_email(call))


def delete_by_user_id(state: State, call: Call) -> Response:
    """``DELETE /api/users/byUserId/{userId}``."""
    return _delete(state, read_user_id(call))


def _delete(state: State, who: Identity) -> Response:
    user: User | None = state.profiles.find(who)
    if user is None:
        raise identity.unknown(who)
    state.delete(user)
    return success("The user was deleted")


def read_email(call: Call) -> Identity:
    """The email in the path, else in the query. Raises Refusal for a bad or missing one."""
    return _check_identity(Identity(email=call.part or call.query.get("email")))


def read_user_id(call: Call) -> Identity:
    """The userId in the path, else in the query. Raises Refusal for a bad or missing one."""
    return _check_identity(Identity(user_id=call.part or call.query.get("userId")))


def _check_identity(who: Identity) -> Identity:
    identity.check_present(who, "hybrid")
    identity.check_form(who)
    return who
