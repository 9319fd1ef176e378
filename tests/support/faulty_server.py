"""A server on loopback that responds by script, with faults.

It uses raw sockets. For each request it runs a script, in order; the last one is repeated.
"""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Final, Self

import attrs

SUCCESS: Final = b'{"msg":"","code":"Success","params":null}'

#: The longest wait, in seconds.
_WAIT_SECONDS: Final = 5.0


@attrs.frozen
class Request:
    """A request as the server received it."""

    method: str
    #: The request's target: a path, or a whole URL if it is meant for a proxy.
    target: str
    #: The headers, by lower-case name.
    headers: dict[str, str]
    body: bytes
    #: The bytes of the whole request.
    raw: bytes

    def json(self) -> Any:
        """Return the decoded body."""
        return json.loads(self.body)


class Exchange:
    """A connection, as a script uses it."""

    def __init__(self, server: FaultyServer, connection: socket.socket) -> None:
        self._server = server
        self._connection = connection
        self._received = b""

    def wait_for_data(self) -> bool:
        """Wait for a request's first bytes and leave them unread; False if none will come."""
        with suppress(OSError):
            return bool(self._received or self._connection.recv(1, socket.MSG_PEEK))
        return False

    def read(self) -> Request:
        """Read a whole request, and remember it."""
        while b"\r\n\r\n" not in self._received:
            self._receive()
        head, _, body = self._received.partition(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value for name, value in (field.split(": ", 1) for field in fields)
        }
        length = int(headers.get("content-length", "0"))
        while len(body) < length:
            self._receive()
            body = self._received.partition(b"\r\n\r\n")[2]
        method, target, _ = line.split(" ")
        raw, self._received = self._received, body[length:]
        request = Request(method, target, headers, body[:length], raw)
        self._server.requests.append(request)
        return request

    def unread(self, request: Request) -> None:
        """Undo the reading of a request, so that a script can read it again."""
        self._received = request.raw + self._received
        self._server.requests.remove(request)

    def swallow(self) -> None:
        """Read some bytes, which need not be a request."""
        self._receive()

    def _receive(self) -> None:
        received = self._connection.recv(65_536)
        if not received:
            raise ConnectionError
        self._received += received

    def send(self, data: bytes) -> None:
        """Send some bytes."""
        self._connection.sendall(data)

    def drip(self, data: bytes, pause: float) -> None:
        """Send byte by byte, with a pause (in seconds) after each."""
        for byte in data:
            self.send(bytes([byte]))
            if self._server.stopping.wait(pause):
                return

    def stall(self) -> None:
        """Do nothing until the server is stopped."""
        self._server.stopping.wait(_WAIT_SECONDS)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def reset(self) -> None:
        """Reset the connection (RST)."""
        linger = struct.pack("ii", 1, 0)
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._connection.close()


Script = Callable[[Exchange], None]


class FaultyServer:
    """A server on 127.0.0.1 during a ``with`` block."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = list(scripts)
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._connections: list[socket.socket] = []
        self.stopping = threading.Event()
        #: The requests that were read whole.
        self.requests: list[Request] = []
        #: How many connections were made.
        self.connections = 0
        #: How many of them were ended by the other side.
        self.closed = threading.Semaphore(0)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(_WAIT_SECONDS)

    @property
    def bodies(self) -> list[Any]:
        """The decoded bodies of the requests."""
        return [request.json() for request in self.requests]

    def saw_closed(self, count: int = 1, *, retry: float = _WAIT_SECONDS) -> bool:
        """Wait until the client has closed so many connections; False if it does not."""
        return all(self.closed.acquire(timeout=retry) for _ in range(count))

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while not self.stopping.is_set():
                connection, _ = self._listener.accept()
                connection.settimeout(_WAIT_SECONDS)
                self.connections += 1
                self._connections.append(connection)
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        exchange = Exchange(self, connection)
        with connection, suppress(OSError):
            while exchange.wait_for_data():
                self._next()(exchange)
                if connection.fileno() < 0:
                    return
            self.closed.release()

    def _next(self) -> Script:
        with self._lock:
            return self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]


def response(
    status: int, body: bytes = SUCCESS, headers: str = "Content-Type: application/json\r\n"
) -> bytes:
    """Return the bytes of a response."""
    lines = f"HTTP/1.1 {status} Some Reason\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    return lines.encode("latin-1") + body


def answers(status: int, body: bytes = SUCCESS, headers: str = "") -> Script:
    """Read the request and respond."""

    def script(exchange: Exchange) -> None:
        exchange.read()
        exchange.send(response(status, body, headers))

    return script


def sends(data: bytes) -> Script:
    """Read the request, send some bytes, and close."""

    def script(exchange: Exchange) -> None:
        exchange.read()
        exchange.send(data)
        exchange.close()

    return script


def sends_and_stalls(data: bytes) -> Script:
    """Read the request, send some bytes and then no more."""

    def script(exchange: Exchange) -> None:
        exchange.read()
        exchange.send(data)
        exchange.stall()

    return script


def drips(before: bytes, dripped: bytes, pause: float = 0.01) -> Script:
    """Read the request, send some bytes at once and then the others one by one."""

    def script(exchange: Exchange) -> None:
        exchange.read()
        exchange.send(before)
        exchange.drip(dripped, pause)
        exchange.close()

    return script


def floods(before: bytes, repeated: bytes) -> Script:
    """Read the request, send some bytes, and then the others repeatedly and without pause."""

    def script(exchange: Exchange) -> None:
        exchange.read()
        exchange.send(before)
        while True:
            exchange.send(repeated)

    return script


def echoes(status: int, code: str, *, in_params: bool = False) -> Script:
    """Read the request, and respond with a ``msg`` that repeats it with its headers."""

    def script(exchange: Exchange) -> None:
        request = exchange.read()
        raw = request.raw.decode()
        key = request.headers["api-key"]
        params = {"echo": [{"deep": raw, key: key}], key: 1} if in_params else None
        msg = "Something is wrong." if in_params else raw
        body = {"msg": msg, "code": code, "params": params}
        exchange.send(response(status, json.dumps(body).encode()))

    return script


def echoes_as_text(status: int) -> Script:
    """Read the request, and respond with the request itself."""

    def script(exchange: Exchange) -> None:
        request = exchange.read()
        exchange.send(response(status, request.raw, "Content-Type: text/plain\r\n"))

    return script


def accepts(exchange: Exchange) -> None:
    """Read the request and accept it; a bulk request with all its items."""
    exchange.send(acceptance(exchange.read()))


def acceptance(request: Request) -> bytes:
    """Return the bytes of the response that accepts a request, single or bulk."""
    kind = request.target.rpartition("/")[2]
    if kind not in {"bulkUpdate", "trackBulk"}:
        return response(200)
    items = request.json()["users" if kind == "bulkUpdate" else "events"]
    tally = {
        "successCount": len(items),
        "failCount": 0,
        "createdFields": [],
        "filteredOutFields": [],
        "failedUpdates": {},
    }
    return response(200, json.dumps(tally).encode())


def by_path(scripts: Mapping[str, Script]) -> Script:
    """Run the script of a request's path; accept requests to other paths."""

    def script(exchange: Exchange) -> None:
        request = exchange.read()
        exchange.unread(request)
        scripts.get(request.target, accepts)(exchange)

    return script


def resets_before_reading(exchange: Exchange) -> None:
    """Reset the connection while the request is on its way."""
    exchange.reset()


def resets_after_reading(exchange: Exchange) -> None:
    """Read the whole request, then reset the connection."""
    exchange.read()
    exchange.reset()


def closes_after_reading(exchange: Exchange) -> None:
    """Read the whole request, then close the connection without a response."""
    exchange.read()
    exchange.close()


def waits(go: threading.Event, seen: threading.Event) -> Script:
    """Read the request, set ``seen``, and accept the request when ``go`` is set."""

    def script(exchange: Exchange) -> None:
        exchange.read()
        seen.set()
        go.wait(_WAIT_SECONDS)
        exchange.send(response(200))

    return script


def meets(together: threading.Barrier) -> Script:
    """Read the request, wait at a barrier for others, and accept it."""

    def script(exchange: Exchange) -> None:
        exchange.read()
        together.wait()
        exchange.send(response(200))

    return script


def speaks_no_tls(exchange: Exchange) -> None:
    """Respond to a TLS handshake as a server does that only knows HTTP."""
    exchange.swallow()
    exchange.send(response(400, b""))
    exchange.close()


def alerts(description: int) -> Script:
    """Respond to a TLS handshake with a fatal alert, by its number in RFC 8446."""

    def script(exchange: Exchange) -> None:
        exchange.swallow()
        exchange.send(b"\x15\x03\x03\x00\x02\x02" + bytes([description]))
        exchange.close()

    return script


CHUNKED: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
GZIP: Final = "Content-Encoding: gzip\r\n"

CUT_BODY: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + SUCCESS
CUT_HEADERS: Final = b"HTTP/1.1 200 OK\r\nContent-Le"
NO_HTTP: Final = b"220 mail.example.com ESMTP\r\n"
BAD_CHUNK: Final = CHUNKED + b"zz\r\n" + SUCCESS + b"\r\n0\r\n\r\n"
CUT_CHUNK: Final = CHUNKED + b"ff\r\n" + SUCCESS
MANY_HEADERS: Final = b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 201 + b"\r\n" + SUCCESS
LONG_HEADER: Final = b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000 + b"\r\n\r\n" + SUCCESS
TWO_LENGTHS: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n" + SUCCESS
BAD_GZIP: Final = response(200, SUCCESS, GZIP)
CUT_GZIP: Final = response(200, gzip.compress(SUCCESS)[:-12], GZIP)


@contextmanager
def refusing() -> Iterator[str]:
    """Yield an address where every connection is refused."""
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{unheard.getsockname()[1]}"
