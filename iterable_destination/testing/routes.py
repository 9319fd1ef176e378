"""The table of the local Iterable's endpoints.

Source: paths, methods and rates are those of Iterable's API description.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote

import attrs

from iterable_destination.model import endpoints
from iterable_destination.model.endpoints import Endpoint
from iterable_destination.testing import schema, subscriptions, tracking, users, webhooks
from iterable_destination.testing.responses import Response
from iterable_destination.testing.shapes import Definition
from iterable_destination.testing.state import Call, State


@attrs.frozen
class Route:
    """One endpoint, and the function that handles it."""

    #: The method, the path and the documented rate. Each ``{…}`` in the path takes one part.
    endpoint: Endpoint
    act: Callable[[State, Call], Response]
    #: The shape of the body, or None for a request without one.
    body: Definition | None = None

    #: Matches the paths, without their query; a group for each part.
    pattern: re.Pattern[str] = attrs.field(init=False, repr=False)

    @pattern.default
    def _compile_pattern(self) -> re.Pattern[str]:
        pieces = re.split(r"\{\w+\}", self.endpoint.path)
        return re.compile("([^/]+)".join(map(re.escape, pieces)))


def _get_route(path: str, act: Callable[[State, Call], Response]) -> Route:
    return Route(Endpoint("GET", path, rate=100), act)


def _delete_route(path: str, act: Callable[[State, Call], Response]) -> Route:
    return Route(Endpoint("DELETE", path, rate=100), act)


_REGISTER_DEVICE_TOKEN: Final = Endpoint("POST", "/api/users/registerDeviceToken", rate=500)
_UPDATE_WEBHOOK: Final = Endpoint("POST", endpoints.WEBHOOKS.path)

#: In this order: of two that match a path, the first counts.
ROUTES: Final = (
    Route(endpoints.USERS_UPDATE, users.update, schema.USER_UPDATE),
    Route(endpoints.USERS_BULK_UPDATE, users.bulk_update, schema.BULK_UPDATE_USERS),
    Route(endpoints.USERS_UPDATE_EMAIL, users.update_email, schema.UPDATE_EMAIL),
    Route(endpoints.EVENTS_TRACK, tracking.track, schema.TRACK),
    Route(endpoints.EVENTS_TRACK_BULK, tracking.track_bulk, schema.BULK_TRACK),
    Route(endpoints.TRACK_PURCHASE, tracking.track_purchase, schema.TRACK_PURCHASE),
    Route(endpoints.UPDATE_CART, tracking.update_cart, schema.UPDATE_CART),
    Route(endpoints.SUBSCRIPTIONS, subscriptions.change, schema.SUBSCRIPTION_CHANGE),
    Route(_REGISTER_DEVICE_TOKEN, users.register_device_token, schema.REGISTER_DEVICE_TOKEN),
    Route(endpoints.WEBHOOKS, webhooks.get_all),
    Route(_UPDATE_WEBHOOK, webhooks.update, schema.WEBHOOK),
    _get_route("/api/users/getByEmail", users.get_by_email),
    _get_route("/api/users/byUserId", users.get_by_user_id),
    _get_route("/api/users/byUserId/{userId}", users.get_by_user_id),
    _get_route("/api/users/{email}", users.get_by_email),
    _get_route("/api/events/byUserId/{userId}", tracking.get_by_user_id),
    _get_route("/api/events/{email}", tracking.get_by_email),
    _delete_route("/api/users/byUserId/{userId}", users.delete_by_user_id),
    _delete_route("/api/users/{email}", users.delete_by_email),
)
_WHOLE: Final = {
    (route.endpoint.method, route.endpoint.path): route
    for route in ROUTES
    if "{" not in route.endpoint.path
}
_WITH_PARTS: Final = tuple(route for route in ROUTES if "{" in route.endpoint.path)


def find(method: str, path: str) -> tuple[Route, tuple[str, ...]] | None:
    """The route of a path without its query, and the decoded parts in it; None for no route.

    A part may hold any character if percent-encoded, ``/`` too; raw, a ``/`` ends the part and
    so makes another path, which does not exist.
    """
    whole = _WHOLE.get((method, path))
    if whole is not None:
        return whole, ()
    for route in _WITH_PARTS:
        match = route.pattern.fullmatch(path) if route.endpoint.method == method else None
        if match is not None:
            return route, tuple(map(unquote, match.groups()))
    return None
