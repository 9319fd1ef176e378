"""The HTTP server around a project: loopback only, for tests, demos and load tests.

What may live here: sockets, threads, HTTP, the lock and the clock. What is answered is decided by
:class:`~iterable_destination.testing.project.Project`, or by ``faults``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import RawIOBase
from socket import SHUT_RDWR, SocketType
from socketserver import TCPServer
from typing import Any, Final, Self, cast

import attrs

from iterable_destination.testing.answers import Answer
from iterable_destination.testing.framing import BadFraming, Source, read_body
from iterable_destination.testing.project import DEFAULT_API_KEY, Project

_PHRASES: Final = {int(status): status.phrase for status in HTTPStatus}
#: Seconds between two looks at whether to stop.
_POLL: Final = 0.01


@attrs.frozen
class Received:
    """A request as it came over the wire."""

    method: str
    #: The path with its query.
    path: str
    headers: Mapping[str, str] = attrs.field(repr=False)
    #: The bytes of the body; of one that Iterable would not take, only the first.
    body: bytes = attrs.field(repr=False)


#: Decides over one request: given the request and how to apply it to the project, it answers what
#: the project answers or something else, before or after applying it, or without.
#: Called by many threads at once.
Faults = Callable[[Received, Callable[[], Answer]], Answer]


class LocalIterable:
    """An Iterable on ``127.0.0.1``. Use it in a ``with`` statement, or call start and stop.

    ``project`` answers, and outlives the server; None is a new hybrid one. ``port`` is the TCP
    port; 0 picks a free one. ``faults`` is asked for every request instead of the project (see
    :data:`Faults`); None is none. ``clock`` gives the time in unix seconds.
    """

    def __init__(
        self,
        project: Project | None = None,
        port: int = 0,
        *,
        faults: Faults | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        #: The project that answers.
        self.project: Final = Project() if project is None else project
        self._port = port
        self._faults = faults
        self._clock = clock
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def api_key(self) -> str:
        """The key that the project accepts, or one of them if it accepts any."""
        return self.project.api_key or DEFAULT_API_KEY

    @property
    def url(self) -> str:
        """``http://127.0.0.1:<port>``. Raises RuntimeError while it is not running."""
        if self._server is None:
            raise RuntimeError("the local Iterable is not running")
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> Self:
        """Listen. Raises RuntimeError if it runs already, OSError if the port is taken."""
        if self._server is not None:
            raise RuntimeError("the local Iterable is running already")
        self._server = _Server(self._port, self._answer)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL,), name="local-iterable", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close every connection and wait for the threads; nothing if it is not running."""
        server, thread = self._server, self._thread
        self._server = self._thread = None
        if server is not None and thread is not None:
            server.shutdown()
            thread.join()
            server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answer(self, received: Received) -> Answer:
        def apply() -> Answer:
            with self._lock:
                return self.project.handle(
                    received.method,
                    received.path,
                    received.headers,
                    received.body,
                    self._clock(),
                )

        return apply() if self._faults is None else self._faults(received, apply)


class _Server(HTTPServer):
    """One thread per connection; all are ended and awaited by ``server_close``."""

    request_queue_size = 128

    def __init__(self, port: int, answer: Callable[[Received], Answer]) -> None:
        self.answer: Final = answer
        self._open: dict[threading.Thread, SocketType] = {}
        super().__init__(("127.0.0.1", port), _Connection)

    def server_bind(self) -> None:
        """Bind without asking for the host's name, which may take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(
            target=self._serve, args=(request, client_address), name="local-iterable", daemon=True
        )
        self._open[thread] = request
        thread.start()

    def _serve(self, request: Any, client_address: Any) -> None:
        try:
            with suppress(ConnectionError):  # The client went away, or the server is closing.
                self.finish_request(request, client_address)
        finally:
            self.shutdown_request(request)
            self._open.pop(threading.current_thread(), None)

    def server_close(self) -> None:
        super().server_close()
        for thread, connection in list(self._open.items()):
            _end(connection)
            thread.join()


def _end(connection: SocketType) -> None:
    """Wake whoever reads from a connection; its own thread closes it."""
    with suppress(OSError):  # It may have ended already.
        connection.shutdown(SHUT_RDWR)


class _Connection(BaseHTTPRequestHandler):
    """The requests of one connection, one after another."""

    protocol_version = "HTTP/1.1"
    rbufsize = 0  # The buffer is that of Source.
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.rfile = self._source = Source(cast("RawIOBase", self.rfile))

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _exchange(self) -> None:
        try:
            body = read_body(
                self._source,
                self.headers.get("Transfer-Encoding"),
                self.headers.get("Content-Length"),
            )
        except BadFraming as bad:
            self.close_connection = True
            self._send(Answer(bad.status, {"Connection": "close"}, b""))
            return
        received = Received(self.command, self.path, dict(self.headers.items()), body)
        self._send(self.server.answer(received))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _exchange  # noqa: N815 - the library's names

    def _send(self, answer: Answer) -> None:
        """Write an answer in one piece."""
        phrase = _PHRASES.get(answer.status, "")
        headers = {**answer.headers, "Content-Length": str(len(answer.body))}
        lines = [f"{self.protocol_version} {answer.status} {phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        self.wfile.write(head + answer.body)
