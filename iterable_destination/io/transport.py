"""HTTP transport for threads, by ``requests``: one request, one response or one typed error."""

from __future__ import annotations

import http.client
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import attrs
import requests
import urllib3

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
    is_readable,
    read_send_options,
)
from iterable_destination.io.lifecycle import Closeable, ForkSafe
from iterable_destination.io.transport_protocol import (
    CHUNK,
    NO_END,
    HttpResponse,
    check_timeouts,
    complete_headers,
    describe_request,
)
from iterable_destination.model.endpoints import Endpoint
from iterable_destination.model.remembered import make_room
from iterable_destination.model.responses import redact

_log: Final = logging.getLogger("iterable_destination.io")

_BAD_ADDRESS: Final = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    urllib3.exceptions.LocationParseError,
)


class _Headers(dict[str, str]):
    """Headers of a request, by name in any case. They cost less to copy than those of requests."""

    def __missing__(self, name: str) -> str:
        for each, value in self.items():
            if each.lower() == name.lower():
                return value
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return self.get(str(name)) is not None

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of a header, or the default."""
        try:
            return self[name]
        except KeyError:
            return default


class _SendsOnce:
    """Makes a urllib3 connection send a request's headers and body together.

    By itself it sends them one after the other: in two packets, with twice the work for the system.
    """

    _parts: list[bytes] | None = None
    sock: Any
    #: Whose connection it is.
    adapter: _Adapter
    #: That of urllib3 looks in each value for a mark that is never there.
    putheader = http.client.HTTPConnection.putheader

    def request(self, *args: Any, **options: Any) -> None:
        """Send a request."""
        self._parts = []
        try:
            super().request(*args, **options)  # type: ignore[misc]
        finally:
            parts, self._parts = self._parts, None
        if self.sock is None:
            self.connect()
        self.adapter.is_unsent = False
        if sum(map(len, parts)) <= CHUNK:  # more is not worth a copy
            parts = [b"".join(parts)]
        for part in parts:
            self.send(part)

    def connect(self) -> None:
        """Connect to the server, by way of a proxy if need be."""
        super().connect()  # type: ignore[misc]

    def send(self, data: bytes) -> None:
        """Send some bytes, or keep them until the request is complete."""
        if self._parts is None:
            super().send(data)  # type: ignore[misc]
        else:
            self._parts.append(data)


class _Adapter(requests.adapters.HTTPAdapter):
    """A connection to one server, for one request at a time.

    It does once what is the same for all requests, which have the same options. It leaves ``send``
    alone: that is what libraries replace for tests without a network. Requests go to it directly: a
    session would follow redirects and store cookies.
    """

    def __init__(self) -> None:
        super().__init__()
        self._pool: Any = None
        self._prepared_pool: Any = None
        self._targets: dict[str | None, str] = {}
        #: Whether it is certain that nothing of the current request was written.
        self.is_unsent = False

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """Return the pool; `requests` before 2.32 does not call this."""
        if self._pool is None:
            self._pool = super().get_connection_with_tls_context(*args, **kwargs)
        return self._pool

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Prepare a pool, once: the file of certificates is looked for on disk.

        `requests` calls this for each request, before it connects. What replaces its ``send`` does
        not, and then nothing is known of what was written. Neither is it where another package
        has taken the name of urllib3, as that which niquests brings does.
        """
        self.is_unsent = True
        if conn is not self._prepared_pool:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
            if issubclass(conn.ConnectionCls, http.client.HTTPConnection):
                bases = (_SendsOnce, conn.ConnectionCls)
                conn.ConnectionCls = type(conn.ConnectionCls.__name__, bases, {"adapter": self})
            self._prepared_pool = conn
        self.is_unsent = issubclass(conn.ConnectionCls, _SendsOnce)

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        """Return what the request line names: a path, or for a proxy the whole address."""
        if request.url not in self._targets:
            make_room(self._targets)
            self._targets[request.url] = super().request_url(request, proxies)
        return self._targets[request.url]

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """Return a response without cookies, whose headers are not copied."""
        response = requests.Response()
        response.request, response.url = req, req.url or ""
        response.status_code, response.reason = resp.status, resp.reason
        response.headers = resp.headers
        response.raw = resp
        return response

    def close(self) -> None:
        """Close the connection now; `requests` would leave it to the garbage collector."""
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            if hasattr(manager.pools, "keys"):  # else it closes them itself
                for key in manager.pools.keys():  # noqa: SIM118 - it cannot be iterated over
                    manager.pools[key].close()
        super().close()


@attrs.define
class _Preparation:
    """What all requests have in common: the environment's options for proxies and TLS, and headers.

    To read the environment for each request would take longer than the rest of its preparation.
    """

    session: requests.Session
    send_options: dict[str, Any]
    #: Addresses as they are sent, and headers, by method and address.
    templates: dict[tuple[str, str], tuple[str | None, _Headers]] = attrs.field(factory=dict)

    def prepare(self, method: str, url: str, body: bytes | None) -> requests.PreparedRequest:
        """Prepare a request; what is the same for each to an endpoint, once."""
        template = self.templates.get((method, url))
        if template is None:
            prepared = self.session.prepare_request(requests.Request(method, url, auth=_skip_auth))
            template = prepared.url, _Headers(prepared.headers)
            make_room(self.templates)
            self.templates[method, url] = template
        sent_url, headers = template[0], _Headers(template[1])
        if body is not None:
            headers["Content-Length"] = str(len(body))
        request = requests.PreparedRequest()
        request.method, request.url = method, sent_url
        request.headers, request.body = headers, body  # type: ignore[assignment]
        return request


class HttpTransport(Closeable, ForkSafe):
    """Sends requests to one server, over as many connections as there are requests at once.

    ``headers`` are sent with every request. ``secret`` is removed from the messages of errors.
    ``timeout`` is the seconds to connect and to read, each above 0 and at most 86,400; others raise
    :exc:`ValueError`.
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
        check_timeouts(timeout)
        self._url: Final = url
        self._headers: Final = dict(headers)
        self._secret: Final = secret
        self._timeouts: Final = timeout
        self._clock: Final = clock
        self._preparation: _Preparation | None = None
        #: The address of the proxy that was found last; None for none.
        self._proxy: str | None = None
        #: Connections that no thread is using.
        self._idle: Final[list[_Adapter]] = []
        self._closings = 0
        super().__init__()

    def close(self) -> None:
        """Close the connections. The transport can still be used, and opens new ones."""
        self._closings += 1
        self._preparation = None
        while self._idle:
            self._idle.pop().close()

    def after_fork(self) -> None:
        """Drop the parent's connections in a child process: responses would be mixed up."""
        self.close()

    def send(self, endpoint: Endpoint, body: bytes | None, timeout: float | None) -> HttpResponse:
        """Send a request and return the response; redirects are not followed.

        ``body`` None sends none. ``timeout`` is seconds above 0 that shorten both timeouts; None
        leaves them. Raises :exc:`~errors.NotConnected`, :exc:`~errors.AmbiguousAnswer` or
        :exc:`~errors.WrongAddress` if there is no response.
        """
        began = self._clock()
        connect, read = (min(bound, timeout or bound) for bound in self._timeouts)
        failure: ApiError
        try:
            with self._borrow_connection() as connection:
                response, text = self._exchange(connection, endpoint, body, (connect, read))
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            failure = self._build_error(error, is_unsent=connection.is_unsent)
        else:
            fields = describe_request(endpoint) | {
                "iterable_status": response.status_code,
                "iterable_seconds": self._clock() - began,
            }
            _log.debug("%s %s: %d in %.3f s", *fields.values(), extra=fields)
            return HttpResponse(response.status_code, response.headers, text)
        # Raised outside of the except block, so that it has no context: the error of `requests`
        # has the request, and so the key.
        fields = describe_request(endpoint) | {"iterable_error": type(failure).__name__}
        _log.debug("%s %s: %s", *fields.values(), extra=fields)
        raise failure

    def _exchange(
        self,
        connection: _Adapter,
        endpoint: Endpoint,
        body: bytes | None,
        timeout: tuple[float, float],
    ) -> tuple[requests.Response, bytes]:
        connection.is_unsent = True  # until something is known to be written, or nothing is known
        preparation = self._preparation or self._prepare()
        request = preparation.prepare(endpoint.method, self._url + endpoint.path, body)
        connection.is_unsent = False
        response = connection.send(
            request, stream=True, timeout=timeout, **preparation.send_options
        )
        with response:
            return response, self._read_body(response, timeout[1])

    @contextmanager
    def _borrow_connection(self) -> Iterator[_Adapter]:
        """Lend an idle connection, or a new one, to one request."""
        closings = self._closings
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = _Adapter()
        try:
            yield connection
        finally:
            if closings == self._closings:
                self._idle.append(connection)
            else:
                connection.close()

    def _prepare(self) -> _Preparation:
        """Read the environment. Several threads may do so at first; what they find is the same."""
        session = requests.Session()
        session.headers.update(complete_headers(self._headers))
        options = read_send_options(self._url)
        self._proxy = find_proxy(self._url, options)
        self._preparation = preparation = _Preparation(session, options)
        return preparation

    def _read_body(self, response: requests.Response, timeout: float) -> bytes:
        """Read the whole body, within the read timeout and the limit of bytes.

        The timeout of `requests` limits each wait for some bytes, not the whole.
        """
        deadline = self._clock() + timeout
        text = bytearray()
        raw = response.raw
        read = getattr(raw, "read1", raw.read)  # urllib3 before 2.2 reads whole chunks only
        is_encoded = "Content-Encoding" in raw.headers
        while chunk := read(CHUNK, decode_content=is_encoded):
            text += chunk
            if self._clock() > deadline or len(text) > transport_protocol.MAX_RESPONSE:
                raise requests.exceptions.ReadTimeout(NO_END)
            if raw.length_remaining == 0 and not is_encoded:
                break  # without a look for more
        return bytes(text)

    def _build_error(self, error: Exception, *, is_unsent: bool) -> ApiError:
        message = redact(f"{type(error).__name__}: {_describe_reason(error)}", self._secret)
        message = hide_userinfo(message, self._proxy)
        if isinstance(error, _BAD_ADDRESS):
            return WrongAddress(message)
        if is_unsent and self._lacks_certificates(error):
            return ConfigurationError(message)
        return (
            NotConnected(message) if is_unsent or _was_not_sent(error) else AmbiguousAnswer(message)
        )

    def _lacks_certificates(self, error: Exception) -> bool:
        """Whether the file of certificates cannot be used by which the server is recognised."""
        is_of_tls = isinstance(error, requests.exceptions.SSLError)
        is_of_file = not isinstance(error, requests.RequestException | urllib3.exceptions.HTTPError)
        if self._preparation is None or not (is_of_tls or is_of_file):
            return False
        return not is_readable(find_certificates(self._preparation.send_options))


def _find_cause(error: Exception) -> object:
    """Return the cause of an error of urllib3's."""
    wrapped = error.args[0] if error.args else None
    return getattr(wrapped, "reason", wrapped)


def _was_not_sent(error: Exception) -> bool:
    """Whether an error says itself that the request was not sent."""
    is_timeout = isinstance(error, requests.exceptions.ConnectTimeout)
    return is_timeout or isinstance(_find_cause(error), _NOT_CONNECTED)


_NOT_CONNECTED: Final = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
)


def _describe_reason(error: Exception) -> str:
    return str(_find_cause(error) or "no reason given")


def _skip_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Prevent `requests` from adding a password from the user's ``.netrc``."""
    return request
