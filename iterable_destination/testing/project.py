"""One Iterable project as a pure state machine: a request and the time in, a response out.

It uses no clock, network or thread. The endpoints are in
:mod:`~iterable_destination.testing.users`, :mod:`~iterable_destination.testing.tracking` and
:mod:`~iterable_destination.testing.subscriptions`, and the rules for users in
:mod:`~iterable_destination.testing.profiles`, each with the choices that no source decides.

Choices here: a request is checked for its path (404), its size (413 ``BatchTooLarge``), its key
(401), its rate (429, see :mod:`~iterable_destination.testing.rates`) and its body (400), in this
order. Not imitated: Iterable's soft limits on the number of fields, delays (everything is applied
at once), and permissions of keys (403).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import attrs

from iterable_destination.model.endpoints import API_KEY_HEADER, MAX_BODY_BYTES, REQUEST_ID_HEADER
from iterable_destination.testing import routes, schema
from iterable_destination.testing.identity import PROJECT_TYPES, ProjectType
from iterable_destination.testing.ledger import Effect, Effects, Request, trim_ledger
from iterable_destination.testing.profiles import Profiles, User
from iterable_destination.testing.rates import Rates
from iterable_destination.testing.records import Records
from iterable_destination.testing.responses import Refusal, Response, not_found, refusal
from iterable_destination.testing.routes import Route
from iterable_destination.testing.state import Call, State
from iterable_destination.testing.tracking import show_record
from iterable_destination.testing.webhooks import DEFAULTS

DEFAULT_API_KEY: Final = "local-iterable-api-key"
_KEEP: Final = attrs.validators.optional(attrs.validators.ge(0))


def _add_lower_case(names: Iterable[str]) -> frozenset[str]:
    listed = tuple(names)
    return frozenset(listed) | {name.lower() for name in listed if "@" in name}


def _to_set(names: Iterable[str]) -> frozenset[str]:
    return frozenset(names)


def _to_numbers(numbers: Iterable[int] | None) -> frozenset[int] | None:
    return None if numbers is None else frozenset(numbers)


def _to_tuple(webhooks: Iterable[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    return tuple(webhooks)


def _index_webhooks(webhooks: Iterable[Mapping[str, Any]]) -> dict[int, dict[str, Any]]:
    return {webhook["id"]: {**DEFAULTS, **webhook} for webhook in webhooks}


@attrs.define(kw_only=True, eq=False)
class Project:
    """An Iterable project in memory.

    ``handle`` is not safe to call from several threads (:class:`LocalIterable` holds a lock); the
    accessors are, and return copies.
    """

    #: How users are identified: ``"email"``, ``"userid"`` or ``"hybrid"`` (either).
    project_type: ProjectType = attrs.field(
        default="hybrid", validator=attrs.validators.in_(PROJECT_TYPES)
    )
    #: The only accepted key; None accepts any, but a request needs one.
    api_key: str | None = attrs.field(default=DEFAULT_API_KEY, repr=False)
    #: Emails (in any case) and userIds of users who were forgotten under the GDPR.
    forgotten: frozenset[str] = attrs.field(default=(), converter=_add_lower_case)
    #: Names of events that the project does not accept.
    disallowed_events: frozenset[str] = attrs.field(default=(), converter=_to_set)
    #: Whether the project has the endpoint of subscriptions, for which Iterable must enable it.
    has_subscriptions: bool = True
    #: The numbers of the lists, message types and channels that exist; None is any.
    subscription_groups: frozenset[int] | None = attrs.field(default=None, converter=_to_numbers)
    #: Whether the response is 429 above the documented limits. Or other limits: requests in any one
    #: second, by path (``{"/api/events/track": 5}``); below 1, every request is a 429.
    rate_limits: bool | Mapping[str, float] = False
    #: The initial webhooks, as ``ApiWebhookResponse``: each has an ``id``.
    webhooks: tuple[Mapping[str, Any], ...] = attrs.field(default=(), converter=_to_tuple)
    #: Whether ``msg`` of a 400 ``BadJsonBody`` repeats the request with the key, as Iterable's has
    #: been observed to do; for tests that nothing else repeats it.
    echo_key: bool = False
    #: The number of requests that the ledger keeps, the newest ones; None keeps all, 0 none.
    keep_requests: int | None = attrs.field(default=None, validator=_KEEP)
    #: The number of effects that their ledger keeps, likewise.
    keep_effects: int | None = attrs.field(default=None, validator=_KEEP)
    #: The number of events, and that of purchases, that are kept, likewise. The ``id`` of one that
    #: is not kept any more makes a new one.
    keep_records: int | None = attrs.field(default=None, validator=_KEEP)
    #: Whether ``dataFields`` of events, of purchases and in effects are kept: False saves most of
    #: their memory. Those of users are always kept, and types are always checked.
    keep_data_fields: bool = True
    #: The ledger: every request in order of arrival, also those that were refused.
    requests: list[Request] = attrs.field(factory=list, init=False, repr=False)
    #: The number of all requests, kept or not, which is the ``number`` of the next.
    received: int = attrs.field(default=0, init=False, repr=False)
    _state: State = attrs.field(init=False, repr=False)
    _rates: Rates = attrs.field(factory=Rates, init=False, repr=False)

    @_state.default
    def _make_state(self) -> State:
        return State(
            Profiles(self.project_type),
            self.forgotten,
            self.disallowed_events,
            _index_webhooks(self.webhooks),
            Effects(self.keep_effects),
            self.keep_data_fields,
            self.has_subscriptions,
            self.subscription_groups,
            self.keep_records,
        )

    @property
    def effects(self) -> list[Effect]:
        """The ledger of everything that was applied, in order of application: a new list.

        Each item of a bulk is an effect of its own. Not in it: refused requests and items, events
        of a name that the project does not accept, deletions of users, and webhooks.
        """
        return list(self._state.effects.kept)

    @property
    def effect_count(self) -> int:
        """The number of all effects, kept or not, which is the ``number`` of the next."""
        return self._state.effects.count

    def effects_since(self, number: int) -> list[Effect]:
        """The effects from this number on that are kept, in order of application: a new list.

        To follow a project, ask again with the number after the last one: no other is copied.
        """
        ledger = self._state.effects
        newest = ledger.count - number
        if newest <= 0:
            return []
        return [effect for effect in ledger.kept[-newest:] if effect.number >= number]

    @property
    def rate_limited(self) -> int:
        """The number of requests that got a 429 because of ``rate_limits``."""
        return self._rates.refused

    def handle(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, now: float
    ) -> Response:
        """Apply one request, all or nothing, and return the response.

        ``path`` has the query; the names of ``headers`` may be in any case; ``now`` is in unix
        seconds. It raises nothing: every request has a response.
        """
        try:
            response = self._handle(method, path, headers, body, now)
        except Refusal as refused:
            response = refused.response
        self._remember(method, path, body, response.status)
        request_id = {REQUEST_ID_HEADER: f"local-{self.received}"}
        return attrs.evolve(response, headers={**response.headers, **request_id})

    def user(self, email_or_user_id: str) -> dict[str, Any] | None:
        """The user of an email (in any case) or of a userId, as Iterable's API shows it.

        ``{"email", "userId", "dataFields"}``, without an identity that the user lacks; None if
        there is no such user.
        """
        user = self._find_user(email_or_user_id)
        return None if user is None else copy.deepcopy(user.as_json())

    def events(self, email_or_user_id: str) -> list[dict[str, Any]]:
        """A user's events without purchases, the oldest arrival first; empty without a user."""
        return self._list_records(self._state.events, email_or_user_id)

    def purchases(self, email_or_user_id: str) -> list[dict[str, Any]]:
        """A user's purchases, the oldest arrival first; empty without a user."""
        return self._list_records(self._state.purchases, email_or_user_id)

    def effects_of(self, email_or_user_id: str) -> list[Effect]:
        """The effects on the user who has this email (in any case) or userId now, in order.

        Also those by another identity of the same user; empty without a user.
        """
        user = self._find_user(email_or_user_id)
        number = None if user is None else user.number
        return [effect for effect in self.effects if effect.user == number]

    def _remember(self, method: str, path: str, body: bytes, status: int) -> None:
        if self.keep_requests != 0:
            content = body if len(body) <= MAX_BODY_BYTES else b""
            self.requests.append(Request(method, path, content, status, self.received))
        self.received += 1
        trim_ledger(self.requests, self.keep_requests)
        trim_ledger(self._state.effects.kept, self.keep_effects)

    def _find_user(self, email_or_user_id: str) -> User | None:
        profiles = self._state.profiles
        return profiles.find_by_email(email_or_user_id) or profiles.find_by_user_id(
            email_or_user_id
        )

    def _list_records(self, records: Records, email_or_user_id: str) -> list[dict[str, Any]]:
        user = self._find_user(email_or_user_id)
        if user is None:
            return []
        found = records.list_of_user(user.number)
        return [copy.deepcopy(show_record(user, record)) for record in found]

    def _handle(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, now: float
    ) -> Response:
        path, _, query = target.partition("?")
        found = routes.find(method, path)
        if found is None:
            return not_found()
        route, parts = found
        self._check_size(body)
        self._check_key(headers)
        self._check_rate(route, now)
        content = self._decode_body(route, method, target, body)
        call = Call(content, parts, dict(parse_qsl(query)), now, path, self.received)
        return route.act(self._state, call)

    def _check_size(self, body: bytes) -> None:
        if len(body) > MAX_BODY_BYTES:
            raise refusal("BatchTooLarge", "The request is too large", status=413)

    def _check_key(self, headers: Mapping[str, str]) -> None:
        wanted = API_KEY_HEADER.lower()
        sent = next((value for name, value in headers.items() if name.lower() == wanted), "")
        if not sent or sent != (self.api_key or sent):
            raise refusal("BadApiKey", "Invalid API key", status=401)

    def _check_rate(self, route: Route, now: float) -> None:
        limit = self._find_limit(route)
        if limit is not None:
            self._rates.check(f"{route.endpoint.method} {route.endpoint.path}", limit, now)

    def _find_limit(self, route: Route) -> float | None:
        if isinstance(self.rate_limits, bool):
            return route.endpoint.rate if self.rate_limits else None
        return self.rate_limits.get(route.endpoint.path)

    def _decode_body(self, route: Route, method: str, target: str, body: bytes) -> dict[str, Any]:
        """The decoded body of a route that has one. Raises Refusal (``BadJsonBody``)."""
        if route.body is None:
            return {}
        try:
            content = schema.decode(body)
            found = schema.problems(route.body, content)
        except ValueError:
            content, found = {}, {"obj": ["error.expected.json"]}
        if found:
            echo = f" {method} {target} {API_KEY_HEADER}: {self.api_key}" if self.echo_key else ""
            raise refusal("BadJsonBody", f"Invalid JSON body.{echo}", params=found)
        return dict(content)
