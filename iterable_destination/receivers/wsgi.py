"""WSGI: reads a request from a WSGI server, and returns the response to it.

Reading a body ends at a deadline, even if it arrives byte by byte or never.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from threading import Timer
from traceback import format_tb
from typing import IO, TYPE_CHECKING, Any, Final

from iterable_destination.io.lifecycle import Closeable
from iterable_destination.receivers.base import Receiver
from iterable_destination.receivers.http import HTTPError, Request, Response, too_large

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

_log: Final = logging.getLogger("iterable_destination.receivers")

#: Where servers put the connection, by which reading a body can be stopped.
_CONNECTIONS: Final = ("gunicorn.socket", "werkzeug.socket", "iterable_destination.socket")
_CHUNK: Final = 65_536
_INCOMPLETE: Final = "incomplete body"


def read_request(environ: WSGIEnvironment, deadline: float) -> Request:
    """Return the request of a WSGI environment.

    Reading its body ends at ``deadline``, on the clock of :func:`time.monotonic`.
    """
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    headers["content-type"] = environ.get("CONTENT_TYPE", "")
    return Request(
        environ["REQUEST_METHOD"],
        environ.get("PATH_INFO", ""),
        headers,
        lambda limit: _read_body(environ, limit, deadline),
    )


def _read_body(environ: WSGIEnvironment, limit: int, deadline: float) -> bytes:
    length = _read_length(environ)
    if length is not None and length > limit:
        raise too_large(limit)
    with _stop_reading_at(deadline, environ):
        size = limit + 1 if length is None else length
        body = _read_stream(environ["wsgi.input"], size, deadline)
    if len(body) > limit:
        raise too_large(limit)
    if len(body) < (length or 0) or time.monotonic() >= deadline:
        raise _incomplete_body(deadline)
    return body


def _incomplete_body(deadline: float) -> HTTPError:
    """Return the error for an incomplete body: 503, to be sent again, if it was only slow."""
    return HTTPError(503 if time.monotonic() >= deadline else 400, _INCOMPLETE)


def _read_length(environ: WSGIEnvironment) -> int | None:
    """Return the length of the body in bytes; None if it is unknown, as for a chunked body."""
    text = environ.get("CONTENT_LENGTH") or ""
    if not text:
        if environ.get("wsgi.input_terminated"):
            return None
        if environ.get("HTTP_TRANSFER_ENCODING"):
            raise HTTPError(411, "Content-Length is required: chunked bodies are not supported")
        return 0
    if not (text.isascii() and text.isdigit()):
        raise HTTPError(400, "invalid Content-Length")
    return int(text[:20])


def _read_stream(stream: IO[bytes], size: int, deadline: float) -> bytes:
    """Read so many bytes, or those that arrive by the deadline."""
    body = bytearray()
    while len(body) < size and time.monotonic() < deadline:
        try:
            chunk = stream.read(min(_CHUNK, size - len(body)))
        except Exception:  # noqa: BLE001 - servers raise errors of their own for a broken connection
            raise _incomplete_body(deadline) from None
        if not chunk:
            break
        body += chunk
    return bytes(body)


@contextmanager
def _stop_reading_at(deadline: float, environ: WSGIEnvironment) -> Iterator[None]:
    """Stop reading from the connection at a deadline, if the server names the connection."""
    connection = next(filter(None, map(environ.get, _CONNECTIONS)), None)
    if connection is None:
        yield
        return
    timer = Timer(max(deadline - time.monotonic(), 0), _stop_reading, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _stop_reading(connection: Any) -> None:
    with suppress(OSError, TypeError):  # It is closed already, or is no socket.
        # Not the method of a TLS connection, which would stop writing too.
        socket.socket.shutdown(connection, socket.SHUT_RD)


def send_response(
    response: Response, start_response: StartResponse, method: str = "POST"
) -> Iterable[bytes]:
    """Start a response as WSGI requires, and return its body, which is empty after HEAD."""
    body = response.body()
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "X-Content-Type-Options": "nosniff",
        **response.headers,
    }
    status = HTTPStatus(response.status)
    start_response(f"{status.value} {status.phrase}", list(headers.items()))
    return [] if method == "HEAD" else [body]


class WebhookApp(Closeable):
    """A WSGI application around a receiver. Safe to use from several threads."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver: Final = receiver

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Handle one request."""
        deadline = time.monotonic() + self.time_limit
        response = self.handle(read_request(environ, deadline), deadline)
        return send_response(response, start_response, environ["REQUEST_METHOD"])

    @property
    def time_limit(self) -> float:
        """Seconds within which the application responds."""
        return self._receiver.time_limit

    def handle(self, request: Request, deadline: float) -> Response:
        """Return the response to a request, by a deadline on the clock of :func:`time.monotonic`.

        An unexpected error becomes a 503.
        """
        try:
            return self._receiver.handle(request, deadline)
        except Exception as error:  # noqa: BLE001 - whatever it is, Segment should send it again
            name = type(error).__name__
            _log.error("a request could not be handled: %s", name, extra={"iterable_error": name})
            # Without the exception's text, which may repeat what the sender wrote.
            places = "".join(format_tb(error.__traceback__))
            _log.debug("a request could not be handled:\n%s", places)
            return Response(503, {"error": "internal error"})

    def close(self) -> None:
        """Close the receiver, and with it its connections to Iterable."""
        self._receiver.close()
