"""HTTP transport for an event loop, by ``aiohttp``: one request, one response or one typed error.

That a request was not sent is said only if it is certain: while a connection is made, proxy and TLS
included. When the connector has returned one, anything may have been written. What replaces aiohttp
in tests does not ask the connector, and then nothing is known. aiohttp itself repeats no POST.

Certificates are read, and names looked up, in threads of asyncio's: both wait for the system.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from io import BytesIO
from typing import Any, Final

import attrs

from iterable_destination.errors import (
    AmbiguousAnswer,
    ApiError,
    ConfigurationError,
    NotConnected,
    WrongAddress,
)
from iterable_destination.io import transport_protocol
from iterable_destination.io.environment import (
    find_certificates,
    find_proxy,
    hide_userinfo,
    locate,
    read_send_options,
)
from iterable_destination.io.event_loop import LoopBound
from iterable_destination.io.transport_protocol import (
    CHUNK,
    NO_END,
    HttpResponse,
    check_timeouts,
    complete_headers,
    describe_request,
)
from iterable_destination.model.endpoints import Endpoint
from iterable_destination.model.responses import redact

try:
    import aiohttp
except ImportError:
    _HAS_AIOHTTP = False
else:
    _HAS_AIOHTTP = True

    class _Connector(aiohttp.TCPConnector):
        """Makes connections, and notes how far that is; a request is written only afterwards."""

        async def connect(self, *args: Any, **options: Any) -> Any:
            """Return a connection, new or kept."""
            progress = _progress.get()
            progress.is_connecting = True
            connection = await super().connect(*args, **options)
            progress.transport = connection.transport
            progress.allow(progress.read_seconds)
            return connection


_log: Final = logging.getLogger("iterable_destination.io")

_INSTALL: Final = "AsyncClient needs aiohttp: pip install 'iterable-destination[async]'"
#: Bytes of a body of which aiohttp would rather have a file, which it sends piece by piece.
_LARGE_BODY: Final = 2**20
#: Turns of the event loop in which it closes a socket whose connection was broken off.
_TURNS: Final = 3
_CLOSED: Final = "the connections were closed"
_NO_CONNECTION: Final = "no connection in time"
_NO_RESPONSE: Final = "no response in time"


@attrs.define
class _Progress:
    """How far one request is, and until when it may take for that."""

    #: Seconds to write the request and to read the headers of its response.
    read_seconds: float
    #: It runs out when what is done now has taken too long.
    timeout: asyncio.Timeout = attrs.field(init=False)
    is_connecting: bool = False
    #: What the request is written to; None before there is a connection.
    transport: asyncio.Transport | None = None
    #: Whether the headers of its response are there.
    is_reading_body: bool = False
    #: The address of the proxy; None for none.
    proxy: str | None = None

    @property
    def missed(self) -> str:
        """What does not come, in words."""
        if self.is_reading_body:
            return NO_END
        return _NO_CONNECTION if self.transport is None else _NO_RESPONSE

    def allow(self, seconds: float) -> None:
        """Let what comes now take so many seconds, unless the time has run out already."""
        if not self.timeout.expired():
            self.timeout.reschedule(asyncio.get_running_loop().time() + seconds)

    def break_off(self) -> None:
        """Close the connection at once: aiohttp would first write the rest to who does not read."""
        if self.transport is not None:
            self.transport.abort()


#: The request that the current task makes.
_progress: Final[ContextVar[_Progress]] = ContextVar("_progress")


@attrs.frozen
class _Preparation:
    """What all requests have in common: connections, and the environment's options."""

    session: aiohttp.ClientSession
    proxy: str | None


class AiohttpTransport(LoopBound):
    """Sends requests to one server, over as many connections as there are requests at once.

    ``headers`` are sent with every request. ``secret`` is removed from the messages of errors.
    ``timeout`` is the seconds to connect and to read, each above 0 and at most 86,400; others raise
    :exc:`ValueError`. The second bounds writing the request and reading the headers of the
    response, and once more reading its body. Raises :exc:`ImportError` without aiohttp.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        secret: str,
        timeout: tuple[float, float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not _HAS_AIOHTTP:
            raise ImportError(_INSTALL)
        check_timeouts(timeout)
        self._url: Final = url
        #: They go with each request: those of a session aiohttp would tell a proxy, too.
        self._headers: Final = complete_headers(headers) | {"Accept-Encoding": "gzip,deflate"}
        self._secret: Final = secret
        self._timeouts: Final = timeout
        self._clock: Final = clock
        self._preparation: _Preparation | None = None
        self._closings = 0
        #: Held while that is made; an event loop's.
        self._preparing = asyncio.Lock()

    async def close(self) -> None:
        """Close the connections. Requests under way break off.

        The transport can still be used, also in another event loop, and opens new ones.
        """
        self._closings += 1
        preparation, self._preparation = self._preparation, None
        self._preparing = asyncio.Lock()
        self.leave_loop()
        if preparation is not None:
            await preparation.session.close()
            for _ in range(_TURNS):
                await asyncio.sleep(0)

    async def send(
        self,
        endpoint: Endpoint,
        body: bytes | None,
        timeout: float | None,  # noqa: ASYNC109 - it shortens the transport's own
    ) -> HttpResponse:
        """Send a request and return the response; redirects are not followed.

        ``body`` None sends none. ``timeout`` is seconds above 0 that shorten both timeouts; None
        leaves them. Raises :exc:`~errors.NotConnected`, :exc:`~errors.AmbiguousAnswer`,
        :exc:`~errors.WrongAddress` or :exc:`~errors.ConfigurationError` if there is no response,
        and :exc:`RuntimeError` in another event loop than before.
        """
        self.enter_loop()
        began = self._clock()
        connect, read = (min(bound, timeout or bound) for bound in self._timeouts)
        progress = _Progress(read)
        failure: ApiError
        try:
            preparation = self._preparation or await self._prepare()
            progress.proxy = preparation.proxy
            _progress.set(progress)
            async with asyncio.timeout(connect) as progress.timeout:
                response = await self._exchange(preparation, endpoint, body, progress)
        except (
            asyncio.CancelledError,
            aiohttp.ClientError,
            OSError,  # a TimeoutError is one
            ValueError,
        ) as error:
            progress.break_off()
            if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                raise
            failure = self._build_error(error, progress)
        else:
            fields = describe_request(endpoint) | {
                "iterable_status": response.status,
                "iterable_seconds": self._clock() - began,
            }
            _log.debug("%s %s: %d in %.3f s", *fields.values(), extra=fields)
            return response
        # Raised outside of the except block, so that it has no context: the error of aiohttp can
        # have the request, and so the key.
        fields = describe_request(endpoint) | {"iterable_error": type(failure).__name__}
        _log.debug("%s %s: %s", *fields.values(), extra=fields)
        raise failure

    async def _exchange(
        self,
        preparation: _Preparation,
        endpoint: Endpoint,
        body: bytes | None,
        progress: _Progress,
    ) -> HttpResponse:
        is_large = body is not None and len(body) > _LARGE_BODY
        async with preparation.session.request(
            endpoint.method,
            self._url + endpoint.path,
            data=BytesIO(body or b"") if is_large else body,
            headers=self._headers,
            allow_redirects=False,
            proxy=preparation.proxy,
        ) as response:
            progress.is_reading_body = True
            if not response.content.is_eof():
                progress.allow(progress.read_seconds)
            try:
                text = await _read_body(response)
            except asyncio.CancelledError:
                response.close()
                raise
            return HttpResponse(response.status, response.headers, text)

    async def _prepare(self) -> _Preparation:
        """Read the environment, and make what is needed for connections, once.

        Raises :exc:`~errors.NotConnected` if the transport is closed meanwhile.
        """
        closings = self._closings
        async with self._preparing:
            self._check_open(closings)
            if self._preparation is None:
                options = read_send_options(self._url)
                proxy = find_proxy(self._url, options)
                if proxy is not None and not proxy.startswith("http"):
                    raise WrongAddress("the proxy of the environment must be one of HTTP")
                certificates: ssl.SSLContext | bool = True
                if self._url.startswith("https:"):
                    certificates = await self._load_certificates(find_certificates(options))
                    self._check_open(closings)  # else the session would be closed by nobody
                session = aiohttp.ClientSession(
                    connector=_Connector(limit=0, ssl=certificates),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    timeout=aiohttp.ClientTimeout(),
                )
                self._preparation = _Preparation(session, proxy)
            return self._preparation

    def _check_open(self, closings: int) -> None:
        """Raise :exc:`~errors.NotConnected` if there were more closings than these by now."""
        if closings != self._closings:
            raise NotConnected(_CLOSED)

    async def _load_certificates(self, certificates: str) -> ssl.SSLContext:
        try:
            return await asyncio.to_thread(ssl.create_default_context, **locate(certificates))
        except OSError as error:
            message = redact(f"{type(error).__name__}: {error}", self._secret)
        raise ConfigurationError(message)

    def _build_error(self, error: BaseException, progress: _Progress) -> ApiError:
        reason: object = error
        if isinstance(error, TimeoutError) and not str(error):
            reason = progress.missed
        if isinstance(error, asyncio.CancelledError):
            reason = _CLOSED
        if isinstance(error, aiohttp.ClientResponseError):  # it would repeat the proxy's address
            reason = f"{error.status}, message={error.message!r}"
        message = redact(f"{type(error).__name__}: {reason or 'no reason given'}", self._secret)
        message = hide_userinfo(message, progress.proxy)
        if isinstance(error, aiohttp.ClientConnectorError):  # it says so itself
            return NotConnected(message)
        if progress.transport is not None:
            return AmbiguousAnswer(message)
        if isinstance(error, ValueError):
            return WrongAddress(message)
        return NotConnected(message) if progress.is_connecting else AmbiguousAnswer(message)


def _is_cancelled() -> bool:
    """Whether it is the current task that is cancelled, and not what it waits for.

    A connector cancels its look-ups of names when it is closed.
    """
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


async def _read_body(response: aiohttp.ClientResponse) -> bytes:
    """Read the whole body, within the limit of bytes."""
    text = bytearray()
    while chunk := await response.content.read(CHUNK):
        text += chunk
        if len(text) > transport_protocol.MAX_RESPONSE:
            raise TimeoutError(NO_END)
    return bytes(text)
