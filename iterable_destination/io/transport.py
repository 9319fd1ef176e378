"""Connections: one request out to a server, and what came back.

What may live here: HTTP, and nothing of what a request or an answer means. No other module imports
``requests``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Any, Final

import attrs
import requests
import urllib3

from iterable_destination.errors import AmbiguousAnswer, ApiError, NotConnected, WrongAddress
from iterable_destination.io.lifecycle import Closeable, ForkSafe
from iterable_destination.model.endpoints import Endpoint
from iterable_destination.model.responses import redacted

_log: Final = logging.getLogger("iterable_destination.io")

_A_DAY: Final = 86_400.0
#: Much more than any answer of Iterable's; who sends more is not Iterable.
_LARGEST_ANSWER: Final = 50_000_000
_CHUNK: Final = 65_536
_BAD_ADDRESS: Final = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    urllib3.exceptions.LocationParseError,
)
#: Reasons of OpenSSL's for which no connection comes about; others can come after the request.
_HANDSHAKE_FAILURES: Final = frozenset(
    {
        "CERTIFICATE_VERIFY_FAILED",
        "NO_PROTOCOLS_AVAILABLE",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "TLSV1_UNRECOGNIZED_NAME",
        "UNSUPPORTED_PROTOCOL",
        "WRONG_VERSION_NUMBER",
    }
)


class _Adapter(requests.adapters.HTTPAdapter):
    """Looks for its pool of connections once: all requests go to one server, in one way."""

    _pool: Any = None

    def get_connection_with_tls_context(self, *given: Any, **named: Any) -> Any:
        """Return the pool; `requests` before 2.32 does not ask."""
        if self._pool is None:
            self._pool = super().get_connection_with_tls_context(*given, **named)
        return self._pool


class _Session(requests.Session):
    """A session whose end is the end of its connections."""

    def close(self) -> None:
        """Close the connections now; `requests` would leave them to the garbage collector."""
        for adapter in self.adapters.values():
            if isinstance(adapter, requests.adapters.HTTPAdapter):
                for manager in (adapter.poolmanager, *adapter.proxy_manager.values()):
                    for key in manager.pools.keys():  # noqa: SIM118 - it cannot be iterated over
                        manager.pools[key].close()
        super().close()


@attrs.define
class _Connection:
    """A session, what the environment says about proxies and TLS, and requests made ready.

    Asking the environment anew for each request takes longer than all the rest of preparing it.
    Requests are handed to the session's adapter itself: what a session does after that, redirects
    and cookies, is not wanted.
    """

    session: _Session
    adapter: _Adapter
    sending: dict[str, Any]
    templates: dict[tuple[str, str], requests.PreparedRequest] = attrs.field(factory=dict)

    def prepared(self, method: str, url: str) -> requests.PreparedRequest:
        """Prepare a request once for each endpoint, and copy it from then on."""
        if (method, url) not in self.templates:
            request = requests.Request(method, url, auth=_no_auth)
            self.templates[method, url] = self.session.prepare_request(request)
        return self.templates[method, url].copy()


@attrs.frozen
class HttpResponse:
    """What a server answered, whatever it means."""

    status: int
    #: By name in any case.
    headers: Mapping[str, str]
    text: bytes = attrs.field(repr=False)

    @property
    def retry_after(self) -> float | None:
        """The seconds that the server asks to wait, at most a day, or until the date it names.

        None if it names none, none that can be read, or a date where it says no ``Date``.
        """
        header = self.headers.get("Retry-After", "").strip()
        if not header:
            return None
        if header.isascii() and header.isdigit():
            return min(float(header), _A_DAY)
        try:
            until = parsedate_to_datetime(header)
            now = parsedate_to_datetime(self.headers["Date"])
            return max(0.0, (until - now).total_seconds())
        except (KeyError, OverflowError, TypeError, ValueError):
            return None


class HttpTransport(Closeable, ForkSafe):
    """Connections to one server, as many as there are requests at once.

    ``headers`` go with every request; ``secret`` is taken out of what errors say. Timeouts are
    seconds, above 0 and at most 86,400: others raise :exc:`ValueError`.
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
        if not all(0 < seconds <= _A_DAY for seconds in timeout):
            raise ValueError("a timeout must be above 0 and at most 86,400 seconds")
        self._url: Final = url
        self._headers: Final = dict(headers)
        self._secret: Final = secret
        self._timeouts: Final = timeout
        self._clock: Final = clock
        #: Connections that no thread is using: a session is not for several threads at once.
        self._idle: Final[list[_Connection]] = []
        self._closings = 0
        super().__init__()

    def close(self) -> None:
        """Close the connections. They can still be used, and are opened again."""
        self._closings += 1
        while self._idle:
            self._idle.pop().session.close()

    def after_fork(self) -> None:
        """Use none of the parent's connections in a child process: answers would be mixed up."""
        self.close()

    def send(self, endpoint: Endpoint, body: bytes | None, timeout: float | None) -> HttpResponse:
        """Send a request and return the answer; redirects are not followed.

        ``body`` None is none; ``timeout`` is seconds above 0 that shorten both timeouts, None
        leaves them. Raises :exc:`~errors.NotConnected`, :exc:`~errors.AmbiguousAnswer` or
        :exc:`~errors.WrongAddress` if there is no answer.
        """
        began = self._clock()
        connect, read = (min(bound, timeout or bound) for bound in self._timeouts)
        failure: ApiError
        try:
            with self._borrowed() as connection:
                response, text = self._exchange(connection, endpoint, body, (connect, read))
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            failure = self._failure(error)
        else:
            _log.debug(
                "%s %s: %d in %.3f s",
                endpoint.method,
                endpoint.path,
                response.status_code,
                self._clock() - began,
            )
            return HttpResponse(response.status_code, response.headers, text)
        # Raised here, it does not carry the error of `requests`, whose request has the key.
        _log.debug("%s %s: %s", endpoint.method, endpoint.path, type(failure).__name__)
        raise failure

    def _exchange(
        self,
        connection: _Connection,
        endpoint: Endpoint,
        body: bytes | None,
        timeout: tuple[float, float],
    ) -> tuple[requests.Response, bytes]:
        prepared = connection.prepared(endpoint.method, self._url + endpoint.path)
        if body is not None:
            prepared.body = body
            prepared.headers["Content-Length"] = str(len(body))
        response = connection.adapter.send(
            prepared, stream=True, timeout=timeout, **connection.sending
        )
        with response:
            return response, self._body(response, timeout[1])

    @contextmanager
    def _borrowed(self) -> Iterator[_Connection]:
        """Lend an idle connection, or a new one, to one request."""
        closings = self._closings
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._new_connection()
        try:
            yield connection
        finally:
            if closings == self._closings:
                self._idle.append(connection)
            else:
                connection.session.close()

    def _new_connection(self) -> _Connection:
        session = _Session()
        session.headers.update(
            {
                "Content-Type": "application/json",
                "Accept": "application/json",
                "User-Agent": f"iterable_destination/{version('iterable-destination')}",
                **self._headers,
            }
        )
        environment = session.merge_environment_settings(self._url, {}, None, None, None)
        sending = {key: value for key, value in environment.items() if key != "stream"}
        adapter = _Adapter()
        session.mount(self._url, adapter)
        return _Connection(session, adapter, sending)

    def _body(self, response: requests.Response, timeout: float) -> bytes:
        """Read the whole body, but not for longer than the read timeout nor without bound.

        The timeout of `requests` bounds each wait for a few bytes, not the whole.
        """
        deadline = self._clock() + timeout
        text = bytearray()
        raw = response.raw
        read = getattr(raw, "read1", raw.read)  # urllib3 before 2.2 reads whole chunks only
        while chunk := read(_CHUNK, decode_content=True):
            text += chunk
            if self._clock() > deadline or len(text) > _LARGEST_ANSWER:
                message = "the answer does not come to an end"
                raise requests.exceptions.ReadTimeout(message)
        return bytes(text)

    def _failure(self, error: Exception) -> ApiError:
        message = redacted(f"{type(error).__name__}: {_reason(error)}", self._secret)
        if isinstance(error, _BAD_ADDRESS):
            return WrongAddress(message)
        return NotConnected(message) if _never_left(error) else AmbiguousAnswer(message)


def _cause(error: Exception) -> object:
    """Return what made urllib3 give up."""
    given_up = error.args[0] if error.args else None
    return getattr(given_up, "reason", given_up)


def _never_left(error: Exception) -> bool:
    """Whether the request was not sent, so that nothing can have been applied."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    cause = _cause(error)
    if isinstance(cause, urllib3.exceptions.ProxyError):
        cause = cause.original_error
    if isinstance(error, requests.exceptions.SSLError):
        given = getattr(cause, "args", ())
        return any(getattr(reason, "reason", None) in _HANDSHAKE_FAILURES for reason in given)
    if isinstance(cause, OSError) and str(cause).startswith("Tunnel connection failed"):
        return True
    return isinstance(cause, _NO_CONNECTION)


_NO_CONNECTION: Final = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
)


def _reason(error: Exception) -> str:
    return str(_cause(error) or "no reason given")


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep `requests` from adding a password of the user's ``.netrc``."""
    return request
