"""The endpoints of webhooks, the first of which is the cheap way to try a key.

What may live here: reading and updating the webhooks that a project was made with. Source:
Iterable's API description. A webhook that does not exist is a 400 ``NotFound`` (a choice).
"""

from __future__ import annotations

from typing import Any, Final

from iterable_destination.testing.answers import Response, as_json, refusal
from iterable_destination.testing.schema import WEBHOOK
from iterable_destination.testing.state import Call, State

#: What a webhook has unless it was made with something else.
DEFAULTS: Final = {
    "authType": "NoAuth",
    "blastSendEnabled": False,
    "enabled": False,
    "endpoint": "",
    "triggeredSendEnabled": False,
    "messageTypeIds": [],
    "channelIds": [],
}
#: Fields that can be set but are never answered.
_SECRET: Final = frozenset({"authToken", "headers"})


def get_all(state: State, _: Call) -> Response:
    """``GET /api/webhooks``."""
    return as_json({"webhooks": list(state.webhooks.values())})


def update(state: State, call: Call) -> Response:
    """``POST /api/webhooks``: only the fields in the body change."""
    old = state.webhooks.get(call.body["id"])
    if old is None:
        raise refusal("NotFound", "No webhook has this id")
    new: dict[str, Any] = {**old, **WEBHOOK.known(call.body)}
    shown = {name: value for name, value in new.items() if name not in _SECRET}
    state.webhooks[call.body["id"]] = shown
    return as_json(shown)
