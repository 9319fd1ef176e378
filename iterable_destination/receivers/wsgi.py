"""WSGI: a request as a WSGI server hands it over, and a reply as it takes it.

What may live here: what is the same for every receiver that is a WSGI application. A body is read
for so long and no longer, also if it comes byte by byte or never.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from threading import Timer
from typing import IO, TYPE_CHECKING, Any, Final

from iterable_destination.io.lifecycle import Closeable
from iterable_destination.receivers.base import Receiver
from iterable_destination.receivers.http import HTTPError, Request, Response, too_large

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

_log: Final = logging.getLogger("iterable_destination.receivers")

#: Where servers put the connection, so that waiting for a body can be ended.
_CONNECTIONS: Final = ("gunicorn.socket", "werkzeug.socket", "iterable_destination.socket")
_CHUNK: Final = 65_536
_NOT_WHOLE: Final = "the body did not come in whole"


def read_request(environ: WSGIEnvironment, until: float) -> Request:
    """Return the request of a WSGI environment, of which the body is read until then at most.

    ``until`` is on the clock of :func:`time.monotonic`.
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
        lambda limit: _body(environ, limit, until),
    )


def _body(environ: WSGIEnvironment, limit: int, until: float) -> bytes:
    length = _length(environ)
    if length is not None and length > limit:
        raise too_large(limit)
    with _ended(environ, until):
        body = _read(environ["wsgi.input"], limit + 1 if length is None else length, until)
    if len(body) > limit:
        raise too_large(limit)
    if len(body) < (length or 0) or time.monotonic() >= until:
        raise _not_whole(until)
    return body


def _not_whole(until: float) -> HTTPError:
    """Return the refusal of a body that did not come: again, if it was only slow."""
    return HTTPError(503 if time.monotonic() >= until else 400, _NOT_WHOLE)


def _length(environ: WSGIEnvironment) -> int | None:
    """Return how many bytes the body has; None if that is not said, as for one in chunks."""
    text = environ.get("CONTENT_LENGTH") or ""
    if not text:
        if environ.get("wsgi.input_terminated"):
            return None
        if environ.get("HTTP_TRANSFER_ENCODING"):
            raise HTTPError(411, "the length of the body must be said: this server takes no chunks")
        return 0
    if not (text.isascii() and text.isdigit()):
        raise HTTPError(400, "the content length must be a number")
    return int(text[:20])


def _read(stream: IO[bytes], most: int, until: float) -> bytes:
    """Read so many bytes, or what comes of them in time."""
    body = bytearray()
    while len(body) < most and time.monotonic() < until:
        try:
            chunk = stream.read(min(_CHUNK, most - len(body)))
        except Exception:  # noqa: BLE001 - whatever a server raises for a broken connection
            raise _not_whole(until) from None
        if not chunk:
            break
        body += chunk
    return bytes(body)


@contextmanager
def _ended(environ: WSGIEnvironment, until: float) -> Iterator[None]:
    """End reading from the connection at a moment, if the server says which it is."""
    connection = next(filter(None, map(environ.get, _CONNECTIONS)), None)
    if connection is None:
        yield
        return
    timer = Timer(max(until - time.monotonic(), 0), _stop_reading, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _stop_reading(connection: Any) -> None:
    with suppress(OSError, TypeError):  # it is over already, or no socket
        # Not the method of a TLS connection, which would end writing too.
        socket.socket.shutdown(connection, socket.SHUT_RD)


def start_reply(reply: Response, start_response: StartResponse) -> Iterable[bytes]:
    """Begin a response, and return its body."""
    body = reply.body()
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "X-Content-Type-Options": "nosniff",
        **reply.headers,
    }
    start_response(f"{reply.status} {HTTPStatus(reply.status).phrase}", list(headers.items()))
    return [body]


class WebhookApp(Closeable):
    """A WSGI application around a receiver. Safe to use from several threads."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver: Final = receiver

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        until = time.monotonic() + self.time_limit
        return start_reply(self.answer(read_request(environ, until), until), start_response)

    @property
    def time_limit(self) -> float:
        """Seconds within which an answer is given."""
        return self._receiver.time_limit

    def answer(self, request: Request, until: float) -> Response:
        """Return the reply to a request, by then on the clock of :func:`time.monotonic`.

        Whatever goes wrong here, there is one.
        """
        try:
            return self._receiver.answer(request, until)
        except Exception as error:  # noqa: BLE001 - Segment is to send it again
            _log.error("a request could not be answered: %s", type(error).__name__)
            _log.debug("a request could not be answered", exc_info=True)
            return Response(503, {"error": "something went wrong here"})

    def close(self) -> None:
        """Finish what was started, and close the connections to Iterable."""
        self._receiver.close()
