"""The endpoints of webhooks, of which the first is a cheap check of a key.

Source: Iterable's API description. A webhook that does not exist is a 400 ``NotFound`` (a choice).
"""

from __future__ import annotations

from typing import Any, Final

from iterable_destination.testing.responses import Response, json_response, refusal
from iterable_destination.testing.schema import WEBHOOK
from iterable_destination.testing.state import Call, State

#: The default fields of a webhook.
DEFAULTS: Final = {
    "authType": "NoAuth",
    "blastSendEnabled": False,
    "enabled": False,
    "endpoint": "",
    "triggeredSendEnabled": False,
    "messageTypeIds": [],
    "channelIds": [],
}
#: Fields that can be set but are in no response.
_SECRET: Final = frozenset({"authToken", "headers"})


def get_all(state: State, _: Call) -> Response:
    """``GET /api/webhooks``."""
    return json_response({"webhooks": list(state.webhooks.values())})


def update(state: State, call: Call) -> Response:
    """``POST /api/webhooks``: only the fields in the body change."""
    old = state.webhooks.get(call.body["id"])
    if old is None:
        raise refusal("NotFound", "No webhook has this id")
    new: dict[str, Any] = {**old, **WEBHOOK.select_known(call.body)}
    shown = {name: value for name, value in new.items() if name not in _SECRET}
    state.webhooks[call.body["id"]] = shown
    return json_response(shown)
