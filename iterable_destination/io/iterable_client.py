"""The client of Iterable's API: one call in, one response or one typed error out.

It does not decide what to send, or whether to send it again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

import attrs

from iterable_destination.errors import AmbiguousAnswer, InvalidCall, InvalidSettings
from iterable_destination.io.lifecycle import Closeable
from iterable_destination.io.transport import HttpTransport
from iterable_destination.io.transport_protocol import HttpResponse, Transport
from iterable_destination.model import endpoints, validation
from iterable_destination.model.calls import Call, Identity, UpdateEmail
from iterable_destination.model.endpoints import Endpoint
from iterable_destination.model.json_codec import encode
from iterable_destination.model.json_values import as_list
from iterable_destination.model.responses import ApiResponse, parse_response
from iterable_destination.model.settings import Settings

#: Events that one read returns, at most (Iterable's API description).
MAX_EVENTS: Final = 200

_NO_KEY: Final = (
    "api_key: missing; pass it, or set ITERABLE_API_KEY and use Settings.from_environment()"
)


class Client(Closeable):
    """A connection to one Iterable project. Safe to use from several threads.

    Use it as a context manager, or :meth:`close` it. It cannot be pickled.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        connect_timeout: float = 5.0,
        read_timeout: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a client; nothing is sent yet.

        ``connect_timeout`` and ``read_timeout`` are seconds, above 0 and at most 86,400. The
        second limits each wait for bytes of a response. It also limits the whole body, which is
        given up at its next byte after that, or after one more such wait. A server that sends its
        headers, or the framing of its body, byte by byte without end is not limited. ``clock``
        returns seconds that never go back. Raises :exc:`InvalidSettings` if ``settings`` has no
        ``api_key``, and :exc:`ValueError` for a timeout out of bounds.
        """
        self._settings: Final = settings
        self._key: Final = require_key(settings)
        self._transport: Final[Transport] = HttpTransport(
            settings.url,
            {endpoints.API_KEY_HEADER: self._key},
            secret=self._key,
            timeout=(connect_timeout, read_timeout),
            clock=clock,
        )

    def __repr__(self) -> str:
        return f"Client({self._settings.url!r})"

    def __reduce__(self) -> Any:
        message = "a Client holds connections and the API key, and cannot be pickled"
        raise TypeError(message)

    def close(self) -> None:
        """Close the connections. The client can still be used, and opens them again."""
        self._transport.close()

    def send(self, call: Call) -> ApiResponse:
        """Send one call and return the response by which Iterable accepts it.

        Raises the :exc:`ApiError` that another response, or none, means.
        """
        return self.request(call.endpoint, encode(call.body()), expects_code=True)

    def check(self) -> ApiResponse:
        """Check whether the key works, by a cheap request that changes nothing.

        Returns Iterable's response if it does. Raises :exc:`~errors.Unauthorized` if Iterable does
        not know the key in this data center, and other errors as :meth:`send` does.
        """
        return self.request(endpoints.WEBHOOKS)

    def read_events(
        self, *, email: str | None = None, user_id: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the last events and purchases of a user, at most 200, as Iterable has them.

        ``email`` or ``user_id`` identifies the user; with both, the email does. Changes nothing.
        What is accepted is there only a while later. Raises :exc:`~errors.InvalidCall` for neither,
        and otherwise as :meth:`send` does.
        """
        who = email or user_id
        if who is None:
            raise InvalidCall([validation.NO_IDENTITY.problem_at("userId")])
        endpoint = endpoints.EVENTS_BY_EMAIL if email else endpoints.EVENTS_BY_USER_ID
        path = f"{endpoint.path.partition('{')[0]}{quote(who, safe='')}?limit={MAX_EVENTS}"
        response = self.request(attrs.evolve(endpoint, path=path))
        events = as_list(response.body.get("events")) or []
        return [event for event in events if isinstance(event, dict)]

    def update_email(
        self, new_email: str, *, email: str | None = None, user_id: str | None = None
    ) -> ApiResponse:
        """Change a user's email, in an email-based project.

        ``email`` or ``user_id`` identifies the user; with both, Iterable uses the email. No Segment
        call does this. Raises :exc:`~errors.InvalidCall` before sending, and otherwise as
        :meth:`send` does:
        :exc:`~errors.IdentityConflict` if the new email is someone else's.
        """
        call = UpdateEmail(Identity(email, user_id), new_email)
        problems = validation.find_problems(call)
        if problems:
            raise InvalidCall(problems)
        return self.send(call)

    def request(
        self,
        endpoint: Endpoint,
        body: bytes | None = None,
        *,
        timeout: float | None = None,
        expects_code: bool = False,
    ) -> ApiResponse:
        """Send a request with a JSON body (None for none) and return the response.

        Redirects are not followed. ``timeout`` is seconds above 0 that shorten both timeouts; None
        leaves them. With ``expects_code``, as for every single call, a response without a ``code``
        is ambiguous. Raises :exc:`ApiError` as :meth:`send` does.
        """
        response = self._transport.send(endpoint, body, timeout)
        return read_response(response, secret=self._key, expects_code=expects_code)


def require_key(settings: Settings) -> str:
    """Return the key of some settings; raises :exc:`InvalidSettings` if they have none."""
    if settings.api_key is None:
        raise InvalidSettings(_NO_KEY)
    return settings.api_key


def read_response(raw: HttpResponse, *, secret: str, expects_code: bool) -> ApiResponse:
    """Return what a response of Iterable says; raises the :exc:`ApiError` that it means."""
    response = parse_response(
        raw.status,
        raw.text,
        secret=secret,
        request_id=raw.headers.get(endpoints.REQUEST_ID_HEADER),
        retry_after=raw.retry_after,
    )
    if expects_code and response.code is None:
        message = "the response does not say whether the request was accepted"
        raise AmbiguousAnswer(message, status=response.status, request_id=response.request_id)
    return response
