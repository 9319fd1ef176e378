"""Serve a WSGI application on a port of this machine, for development.

It is the standard library's server, with a thread for each request.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from threading import Thread
from typing import IO, TYPE_CHECKING, Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["serve"]

_log: Final = logging.getLogger("iterable_destination.receivers")

#: Seconds that a connection may be idle.
_IDLE_TIMEOUT: Final = 10.0
#: Seconds between two checks whether to stop.
_POLL: Final = 0.05
#: Bytes of the line before a chunk, and of a line after the last.
_MAX_LINE: Final = 1_000
#: Lines after the last chunk.
_MAX_TRAILERS: Final = 100


class _InvalidChunk(ValueError):
    """A chunk is cut off, or is none: the body is incomplete."""


class ChunkedBody:
    """The bytes of a body that comes in chunks (``Transfer-Encoding: chunked``)."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream: Final = stream
        #: Bytes of the chunk that are not read yet; None after the last chunk.
        self._left: int | None = 0

    def read(self, size: int) -> bytes:
        """Return at most so many bytes, and none at the end.

        Raises :exc:`ValueError` for what is no chunk.
        """
        if self._left == 0:
            self._left = self._read_size()
        if self._left is None:
            return b""
        text = self._stream.read(min(size, self._left))
        if not text:
            raise _InvalidChunk
        self._left -= len(text)
        if self._left == 0 and self._read_line():
            raise _InvalidChunk
        return text

    def _read_size(self) -> int | None:
        """Read the line before a chunk; None for the last, with the lines after it."""
        digits = self._read_line().partition(b";")[0].strip()
        if not digits or digits.strip(b"0123456789abcdefABCDEF"):
            raise _InvalidChunk
        size = int(digits, 16)
        if size:
            return size
        for _ in range(_MAX_TRAILERS):
            if not self._read_line():
                return None
        raise _InvalidChunk

    def _read_line(self) -> bytes:
        line = self._stream.readline(_MAX_LINE)
        if not line.endswith(b"\n"):
            raise _InvalidChunk
        return line.rstrip(b"\r\n")


def _read_chunks(application: WSGIApplication) -> WSGIApplication:
    """Return the application with bodies in chunks put together, as other servers do it."""

    def wrapped(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        coding = environ.get("HTTP_TRANSFER_ENCODING", "").strip().lower()
        if coding == "chunked" and not environ.get("CONTENT_LENGTH"):
            environ["wsgi.input"] = ChunkedBody(environ["wsgi.input"])
            environ["wsgi.input_terminated"] = True
        return application(environ, start_response)

    return wrapped


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Log a broken connection, and write nothing to standard error."""
        _log.debug("a connection broke: %s", type(sys.exception()).__name__)


class _Handler(WSGIRequestHandler):
    timeout = _IDLE_TIMEOUT

    def get_environ(self) -> dict[str, Any]:
        """Add the connection, so that reading a body can be stopped, and every length said."""
        environ = {**super().get_environ(), "iterable_destination.socket": self.connection}
        lengths = set(self.headers.get_all("Content-Length", ()))
        if lengths:  # Several are no number, so they are refused; and so is one beside chunks.
            chunks = self.headers.get_all("Transfer-Encoding", ())
            environ["CONTENT_LENGTH"] = ", ".join([*lengths, *chunks])
        return environ

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        _log.debug("%a", format % args)  # Escaped: it has the request line, from anybody.


@contextmanager
def serve(application: Any, host: str, port: int) -> Iterator[str]:
    """Serve an application during a ``with`` block, and yield its address.

    ``port`` 0 picks a free one. Raises :exc:`OSError` if the server cannot listen.
    """
    server = make_server(host, port, _read_chunks(application), _Server, _Handler)
    thread = Thread(
        target=server.serve_forever, args=(_POLL,), name="iterable-serving", daemon=True
    )
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
