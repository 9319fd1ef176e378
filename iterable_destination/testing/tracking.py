"""The endpoints of events and commerce: track, trackBulk, trackPurchase, updateCart, read.

Each function turns a valid call into a response. Source: Iterable's API description. Choices, where
it is silent:

* An event for an unknown email creates the user; one for a userId that an email-based
  project does not know is a 400 ``UnknownUserIdError``, and ``notFoundUserIds`` in a bulk.
* An event whose fields have other types than before refuses a whole bulk, since the response has
  no list for it. So does an item without identity, and an ``id`` that is too long.
* Events are read with purchases among them (``eventType``), the oldest arrival first; ``limit``
  takes the newest. The fields of a record are those of the request, with ``createdAt`` in unix
  seconds and the user's identities of now.
* A purchase leaves an empty cart (``[]``), also if there was none. Its ``dataFields`` have types of
  their own, shared by all purchases.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from iterable_destination.testing import bulk, identity, schema
from iterable_destination.testing.field_types import FieldTypes
from iterable_destination.testing.identity import Identity
from iterable_destination.testing.profiles import User, identity_fields
from iterable_destination.testing.records import Record, check_id
from iterable_destination.testing.responses import (
    Refusal,
    Response,
    json_response,
    refusal,
    success,
)
from iterable_destination.testing.shapes import Definition
from iterable_destination.testing.state import Call, Fields, State, Written
from iterable_destination.testing.users import read_email, read_user_id

#: Events that one read returns, and their default (Iterable's API description).
LIMITS: Final = range(1, 201)
DEFAULT_LIMIT: Final = "30"
CART: Final = "shoppingCartItems"


def track(state: State, call: Call) -> Response:
    """``POST /api/events/track``."""
    name = call.body["eventName"]
    if name in state.disallowed_events:
        return success(f"The event {name} is disallowed from tracking")
    check_id(call.body)
    record_id, _ = _track_one(state, call, call.body)
    return success(f"Event with id: {record_id} tracked.", {"id": record_id})


def track_bulk(state: State, call: Call) -> Response:
    """``POST /api/events/trackBulk``: all items are checked before the first is applied."""
    events = call.body["events"]
    trial = state.types.trial()
    for event in events:
        identity.check_present(identity.read_identity(event), state.project_type)
        check_id(event)
        _try_types(trial, _name_category(event), event.get("dataFields", {}))
    tally = bulk.Tally(bulk.EVENTS)
    for event in events:
        _track_in_bulk(state, call, event, tally)
    return tally.response()


def _try_types(trial: FieldTypes, category: str, data_fields: Mapping[str, Any]) -> None:
    if not trial.knows(category, data_fields):
        trial.check(category, data_fields)
        trial.learn(category, data_fields)


def _track_in_bulk(state: State, call: Call, event: dict[str, Any], tally: bulk.Tally) -> None:
    if event["eventName"] in state.disallowed_events:
        tally.disallow(event["eventName"])
        return
    try:
        _, fields = _track_one(state, call, event)
    except Refusal as refused:
        tally.fail(refused)
    else:
        tally.succeed(fields)


def _track_one(state: State, call: Call, event: dict[str, Any]) -> tuple[str, Fields]:
    who = identity.read_identity(event)
    state.check_who(who)
    create = event.get("createNewFields", True)
    category = _name_category(event)
    fields = state.fields(category, event.get("dataFields", {}), create=create)
    user = state.user_of_event(who, call.now)
    state.learn(category, fields)
    record = _build_record(state, schema.TRACK, event, fields)
    record_id, created = state.events.put(user.number, record, state.next_number(), call.now)
    state.record_effect(call, event, user, created=created)
    return record_id, fields


def _name_category(event: Mapping[str, Any]) -> str:
    return f"event:{event['eventName']}"


_NOT_STORED: Final = frozenset({"email", "userId", "createNewFields", "user", "dataFields"})


def _build_record(
    state: State, definition: Definition, body: Mapping[str, Any], fields: Fields
) -> dict[str, Any]:
    kept = definition.names - _NOT_STORED
    record = {name: value for name, value in body.items() if name in kept}
    if state.keep_data_fields and "dataFields" in body:
        record["dataFields"] = fields.taken
    return record


def update_cart(state: State, call: Call) -> Response:
    """``POST /api/commerce/updateCart``: the cart is replaced."""
    written = _update_user(state, call)
    _write_cart(state, written.user, _read_items(call), call.now)
    state.record_effect(call, call.body, written.user, created=written.created)
    return success()


def track_purchase(state: State, call: Call) -> Response:
    """``POST /api/commerce/trackPurchase``: the cart is cleared."""
    check_id(call.body)
    data_fields = call.body.get("dataFields", {})
    fields = state.fields("purchase", data_fields, create=True)
    user = _update_user(state, call).user
    state.learn("purchase", fields)
    record = _build_record(state, schema.TRACK_PURCHASE, call.body, fields) | {
        "items": _read_items(call)
    }
    number = state.next_number()
    record_id, created = state.purchases.put(user.number, record, number, call.now)
    _write_cart(state, user, [], call.now)
    state.record_effect(call, call.body, user, created=created)
    return success(f"Purchase with id: {record_id} tracked.", {"id": record_id})


def _update_user(state: State, call: Call) -> Written:
    user = call.body["user"]
    create = user.get("createNewFields", True)
    return state.update_user(user, call.now, create=create)


def _read_items(call: Call) -> list[dict[str, Any]]:
    return [schema.COMMERCE_ITEM.select_known(item) for item in call.body["items"]]


def _write_cart(state: State, user: User, items: list[dict[str, Any]], now: float) -> None:
    state.profiles.write(user, {CART: items}, now)


def get_by_email(state: State, call: Call) -> Response:
    """``GET /api/events/{email}?limit=``."""
    return _read(state, read_email(call), call)


def get_by_user_id(state: State, call: Call) -> Response:
    """``GET /api/events/byUserId/{userId}?limit=``."""
    return _read(state, read_user_id(call), call)


def _read(state: State, who: Identity, call: Call) -> Response:
    limit = _parse_limit(call.query.get("limit", DEFAULT_LIMIT))
    user = state.profiles.find(who)
    records = [] if user is None else [show_record(user, each) for each in state.list_records(user)]
    return json_response({"events": records[-limit:]})


def _parse_limit(text: str) -> int:
    limit = int(text) if text.isascii() and text.isdigit() and len(text) <= len("200") else 0
    if limit not in LIMITS:
        raise refusal("BadParams", f"limit must be {LIMITS.start} to {LIMITS.stop - 1}")
    return limit


def show_record(user: User, record: Record) -> dict[str, Any]:
    """A record as a read and ``Project.events`` return it."""
    kind = "customEvent" if "eventName" in record.fields else "purchase"
    return {**record.fields, "id": record.id, "eventType": kind, **identity_fields(user.who)}
