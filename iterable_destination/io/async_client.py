"""The client of Iterable's API for an event loop: one call in, one response or one error out."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from iterable_destination.io.aiohttp_transport import AiohttpTransport
from iterable_destination.io.event_loop import LoopBound
from iterable_destination.io.iterable_client import read_response, require_key
from iterable_destination.io.transport_protocol import AsyncTransport
from iterable_destination.model import endpoints
from iterable_destination.model.calls import Call
from iterable_destination.model.endpoints import Endpoint
from iterable_destination.model.json_codec import encode
from iterable_destination.model.responses import ApiResponse
from iterable_destination.model.settings import Settings


class AsyncClient(LoopBound):
    """A connection to one Iterable project, in an event loop. Needs the extra ``[async]``.

    Use it as an asynchronous context manager, or :meth:`close` it. It cannot be pickled.
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
        first bounds making a connection, whole. The second bounds writing a request and reading the
        headers of its response, and once more reading the body. ``clock`` returns seconds that
        never go back, and measures what is logged. Raises :exc:`InvalidSettings` if ``settings``
        has no ``api_key``, :exc:`ValueError` for a timeout out of bounds, and :exc:`ImportError`
        without aiohttp.
        """
        self._settings: Final = settings
        self._key: Final = require_key(settings)
        self._transport: Final[AsyncTransport] = AiohttpTransport(
            settings.url,
            {endpoints.API_KEY_HEADER: self._key},
            secret=self._key,
            timeout=(connect_timeout, read_timeout),
            clock=clock,
        )

    def __repr__(self) -> str:
        return f"AsyncClient({self._settings.url!r})"

    def __reduce__(self) -> Any:
        message = "an AsyncClient holds connections and the API key, and cannot be pickled"
        raise TypeError(message)

    async def close(self) -> None:
        """Close the connections; requests under way break off.

        The client can still be used, also in another event loop, and opens them again.
        """
        await self._transport.close()

    async def send(self, call: Call) -> ApiResponse:
        """Send one call and return the response by which Iterable accepts it.

        Raises the :exc:`ApiError` that another response, or none, means, and :exc:`RuntimeError` in
        another event loop than before.
        """
        return await self.request(call.endpoint, encode(call.body()), expects_code=True)

    async def check(self) -> ApiResponse:
        """Check whether the key works, by a cheap request that changes nothing.

        Returns Iterable's response if it does. Raises :exc:`~errors.Unauthorized` if Iterable does
        not know the key in this data center, and other errors as :meth:`send` does.
        """
        return await self.request(endpoints.WEBHOOKS)

    async def request(
        self,
        endpoint: Endpoint,
        body: bytes | None = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as that of Client
        expects_code: bool = False,
    ) -> ApiResponse:
        """Send a request with a JSON body (None for none) and return the response.

        Redirects are not followed. ``timeout`` is seconds above 0 that shorten both timeouts; None
        leaves them. With ``expects_code``, as for every single call, a response without a ``code``
        is ambiguous. Raises :exc:`ApiError` as :meth:`send` does.
        """
        response = await self._transport.send(endpoint, body, timeout)
        return read_response(response, secret=self._key, expects_code=expects_code)
