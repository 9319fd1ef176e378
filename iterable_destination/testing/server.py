"""The HTTP server around a project: loopback only, for tests, demos and load tests.

It has the threads, the lock and the clock. The response is that of
:class:`~iterable_destination.testing.project.Project`, or of ``faults``;
:mod:`~iterable_destination.testing.wire` sends it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import RawIOBase
from socket import SHUT_RDWR, SocketType
from socketserver import TCPServer
from typing import Any, Final, Self, cast

from iterable_destination.testing import engagement
from iterable_destination.testing.faults import Fault, Faults, Received, respond_at_redirect
from iterable_destination.testing.framing import BadFraming, Source, read_body
from iterable_destination.testing.profiles import timestamp
from iterable_destination.testing.project import DEFAULT_API_KEY, Project
from iterable_destination.testing.responses import Response
from iterable_destination.testing.wire import Closed, Reset, Wire, reset

#: Seconds between two checks whether to stop.
_POLL: Final = 0.01


class LocalIterable:
    """An Iterable on ``127.0.0.1``. Use it in a ``with`` statement, or call start and stop.

    ``project`` handles requests, and remains after the server; None is a new hybrid one. ``port``
    is the TCP port; 0 picks a free one. ``faults`` handles every request instead of the project: a
    ``Script``, a ``RandomFaults`` or a function of your own (see ``Faults``); None has no faults.
    ``clock`` returns the time in unix seconds.
    """

    def __init__(
        self,
        project: Project | None = None,
        port: int = 0,
        *,
        faults: Faults | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        #: The project that handles requests.
        self.project: Final = Project() if project is None else project
        self._port = port
        self._faults = faults
        self._clock = clock
        self._lock = threading.Lock()
        self._faulted: dict[int, Fault] = {}
        self._followed: list[Received] = []
        self._webhook_count = 0
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def faulted(self) -> dict[int, Fault]:
        """The faults of requests that the project received, by ``Request.number``.

        Requests that a fault kept from the project have no number, and are not in it.
        """
        with self._lock:
            return dict(self._faulted)

    @property
    def followed(self) -> list[Received]:
        """The requests of clients that followed a redirect."""
        return list(self._followed)

    @property
    def api_key(self) -> str:
        """The key that the project accepts; a default one if it accepts any."""
        return self.project.api_key or DEFAULT_API_KEY

    @property
    def url(self) -> str:
        """``http://127.0.0.1:<port>``. Raises RuntimeError while it is not running."""
        if self._server is None:
            raise RuntimeError("the local Iterable is not running")
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> Self:
        """Listen. Raises RuntimeError if it runs already, OSError if the port is in use."""
        if self._server is not None:
            raise RuntimeError("the local Iterable is running already")
        self._server = _Server(self._port, self._exchange)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL,), name="local-iterable", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close every connection and wait for the threads; nothing if it is not running.

        Stalls, drips and latencies end at once.
        """
        server, thread = self._server, self._thread
        self._server = self._thread = None
        if server is not None and thread is not None:
            server.shutdown()
            thread.join()
            server.server_close()

    def webhook(self, event_name: str, email_or_user_id: str, **fields: Any) -> dict[str, Any]:
        """Return the system webhook by which Iterable reports what a user did with a message.

        ``event_name`` is Iterable's, such as ``emailOpen``; ``fields`` are added to its
        ``dataFields``. Each has another ``messageId``. Raises :exc:`ValueError` for a user that
        the project does not know.
        """
        user = self.project.user(email_or_user_id)
        if user is None:
            raise ValueError("the project knows no such user")
        with self._lock:
            self._webhook_count += 1
            number = self._webhook_count
        who = {name: value for name, value in user.items() if name != "dataFields"}
        body = engagement.build_body(event_name, who, number, timestamp(self._clock()))
        body["dataFields"].update(fields)
        return body

    def emit(
        self,
        url: str,
        event_name: str,
        email_or_user_id: str,
        *,
        headers: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> int:
        """Send such a webhook to a receiver, and return the status of its response.

        ``headers`` are sent with it, such as ``Authorization``. Raises :exc:`OSError` if there is
        no response within 10 seconds, and :exc:`ValueError` as :meth:`webhook` does.
        """
        return engagement.post(url, self.webhook(event_name, email_or_user_id, **fields), headers)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _exchange(self, received: Received, wire: Wire) -> None:
        reaction = self._react(received)
        if isinstance(reaction, Fault):
            self._perform_fault(reaction, received, wire)
        else:
            wire.send(reaction)

    def _react(self, received: Received) -> Response | Fault:
        def apply() -> Response:
            return self._apply(received, None)

        if self._faults is None:
            return apply()
        elsewhere = respond_at_redirect(received.path)
        if elsewhere is None:
            return self._faults(received, apply)
        self._followed.append(received)
        return elsewhere

    def _perform_fault(self, fault: Fault, received: Received, wire: Wire) -> None:
        wire.wait(fault.wait_before)
        response = self._apply(received, fault) if fault.applied else None
        wire.wait(fault.wait_after)
        wire.perform(fault, response if fault.answer is None else fault.answer)

    def _apply(self, received: Received, fault: Fault | None) -> Response:
        with self._lock:
            if fault is not None:
                self._faulted[self.project.received] = fault
            return self.project.handle(
                received.method, received.path, received.headers, received.body, self._clock()
            )


class _Server(HTTPServer):
    """One thread per connection; ``server_close`` ends and joins all of them."""

    request_queue_size = 128

    def __init__(self, port: int, exchange: Callable[[Received, Wire], None]) -> None:
        self.exchange: Final = exchange
        self.stopping: Final = threading.Event()
        self._open: dict[threading.Thread, SocketType] = {}
        super().__init__(("127.0.0.1", port), _Connection)

    def server_bind(self) -> None:
        """Bind without a look-up of the host's name, which may take seconds."""
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
            # A ConnectionError: the client disconnected, or the server is closing.
            with suppress(ConnectionError, Closed):
                self.finish_request(request, client_address)
            self.shutdown_request(request)
        except Reset:
            reset(request)
        finally:
            self.close_request(request)
            self._open.pop(threading.current_thread(), None)

    def server_close(self) -> None:
        super().server_close()
        self.stopping.set()
        still_open = list(self._open.items())
        for _, connection in still_open:
            _shut_down(connection)
        for thread, _ in still_open:
            thread.join()


def _shut_down(connection: SocketType) -> None:
    """Wake the thread that reads from a connection; that thread closes it."""
    with suppress(OSError):  # It may be closed already.
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
        self._wire = Wire(self.connection, self.server.stopping)

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def _exchange(self) -> None:
        try:
            body = read_body(
                self._source,
                self.headers.get("Transfer-Encoding"),
                self.headers.get("Content-Length"),
            )
        except BadFraming as bad:
            self.close_connection = True
            self._wire.send(Response(bad.status, {"Connection": "close"}, b""))
            return
        received = Received(self.command, self.path, dict(self.headers.items()), body)
        self.server.exchange(received, self._wire)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _exchange  # noqa: N815 - the library's names
