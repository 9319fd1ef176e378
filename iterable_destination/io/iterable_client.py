"""The client: one call in, one answer or one typed error out.

What may live here: what Iterable's API wants of a request, and nothing that decides what to send
or whether to send it again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from iterable_destination.errors import AmbiguousAnswer, InvalidCall, InvalidSettings
from iterable_destination.io.lifecycle import Closeable
from iterable_destination.io.transport import HttpTransport
from iterable_destination.model import endpoints, validation
from iterable_destination.model import responses as answers
from iterable_destination.model.calls import Call, Identity, UpdateEmail
from iterable_destination.model.endpoints import Endpoint
from iterable_destination.model.json_codec import encode
from iterable_destination.model.responses import ApiResponse
from iterable_destination.model.settings import Settings


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
        second bounds each wait for bytes of an answer; its body may take as long in all, and is
        then given up at its next byte or after one more such wait. Not bounded is a server that
        sends its headers, or the framing of its body, byte by byte for ever. ``clock`` gives
        seconds that never go back. Raises :exc:`InvalidSettings` if ``settings`` has no
        ``api_key``, and :exc:`ValueError` for a timeout out of bounds.
        """
        if settings.api_key is None:
            message = "api_key: missing; without it nothing can be sent"
            raise InvalidSettings(message)
        self._settings: Final = settings
        self._key: Final = settings.api_key
        self._transport: Final = HttpTransport(
            settings.url,
            {endpoints.API_KEY_HEADER: settings.api_key},
            secret=settings.api_key,
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
        """Send one call and return Iterable's acceptance.

        Raises the :exc:`ApiError` that the answer, or the lack of one, means.
        """
        return self.request(call.endpoint, encode(call.body()), expects_code=True)

    def check(self) -> ApiResponse:
        """Ask, at little cost and changing nothing, whether the key works.

        Returns Iterable's answer if it does. Raises :exc:`~errors.Unauthorized` if Iterable does
        not know the key in this data center, and other errors as :meth:`send` does.
        """
        return self.request(endpoints.WEBHOOKS)

    def update_email(
        self, new_email: str, *, email: str | None = None, user_id: str | None = None
    ) -> ApiResponse:
        """Change a user's email, in a project that knows its users by email.

        Who the user is now is said by ``email`` or ``user_id``; if both are given Iterable goes
        by the email. No Segment call does this, so it is offered here. Raises
        :exc:`~errors.InvalidCall` before sending, and else as :meth:`send` does:
        :exc:`~errors.IdentityConflict` if the new email is someone else's.
        """
        call = UpdateEmail(Identity(email, user_id, "currentEmail", "currentUserId"), new_email)
        problems = validation.problems(call)
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
        """Send a request with a JSON body (None for none) and return what came back.

        Redirects are not followed. ``timeout`` is seconds above 0 that shorten both timeouts; None
        leaves them. ``expects_code`` says that an acceptance without a ``code`` is none, as for
        every single call. Raises :exc:`ApiError` as :meth:`send` does.
        """
        received = self._transport.send(endpoint, body, timeout)
        answer = answers.parse_response(
            received.status,
            received.text,
            secret=self._key,
            request_id=received.headers.get(endpoints.REQUEST_ID_HEADER),
            retry_after=received.retry_after,
        )
        if expects_code and answer.code is None:
            message = "the answer does not say whether the request was accepted"
            raise AmbiguousAnswer(message, status=answer.status, request_id=answer.request_id)
        return answer
