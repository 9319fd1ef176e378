"""Sends a response over one connection, whole or with a fault."""

from __future__ import annotations

import os
import socket
import struct
import threading
from contextlib import suppress
from http import HTTPStatus
from typing import Final

import attrs

from iterable_destination.testing.faults import Fault
from iterable_destination.testing.responses import Response

_PHRASES: Final = {int(status): status.phrase for status in HTTPStatus}
#: ``struct linger`` that is on, with no time: closing resets.
_NO_LINGER: Final = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
_VERSION: Final = "HTTP/1.1"
#: Seconds from which on a wait has no limit.
_MAX_TIMEOUT: Final = 86_400


class Closed(Exception):
    """The connection cannot be used any more, and is to be closed."""


class Reset(Exception):
    """The connection is to be reset."""


@attrs.frozen
class Wire:
    """One connection, for responses.

    All its methods raise ConnectionError if the client disconnects or the server is stopping.
    """

    _connection: socket.socket
    #: Set when the server stops.
    _stopping: threading.Event

    def send(self, response: Response) -> None:
        """Send a whole response."""
        self._connection.sendall(_encode_head(response) + response.body)

    def wait(self, seconds: float) -> None:
        """Wait, even if the client disconnects meanwhile."""
        if seconds and self._stopping.wait(_limit_timeout(seconds)):
            raise ConnectionAbortedError("the server is stopping")

    def perform(self, fault: Fault, response: Response | None) -> None:
        """Send the part of a response that a fault leaves, and carry out the rest of the fault.

        ``response`` None sends none. Raises Closed or Reset if the connection ends.
        """
        if response is not None and fault.sent is not None:
            self._send_share(response, fault.sent, fault.pause)
        self._stay_silent(fault.silence)
        if fault.end == "reset":
            raise Reset
        if fault.end == "close" or not fault.whole:
            raise Closed

    def _send_share(self, response: Response, share: float, pause: float) -> None:
        body = response.body if share == 1 else response.body[: int(len(response.body) * share)]
        if not pause:
            self._connection.sendall(_encode_head(response) + body)
            return
        self._connection.sendall(_encode_head(response))
        for byte in body:
            self._connection.sendall(bytes((byte,)))
            self.wait(pause)

    def _stay_silent(self, seconds: float) -> None:
        """Wait, but no longer than the client is connected."""
        if not seconds:
            return
        self._connection.settimeout(_limit_timeout(seconds))
        try:
            more = self._connection.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return
        finally:
            self._connection.settimeout(None)
        if not more:
            raise ConnectionAbortedError("the client went away, or the server is stopping")
        self.wait(seconds)  # A client that sends more is connected, and cannot be watched.


def reset(connection: socket.socket) -> None:
    """Make the closing of a connection a reset."""
    with suppress(OSError):  # It may be reset by the client already.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)


def _limit_timeout(seconds: float) -> float | None:
    return seconds if seconds < _MAX_TIMEOUT else None


def _encode_head(response: Response) -> bytes:
    phrase = _PHRASES.get(response.status, "")
    headers = {**response.headers, "Content-Length": str(len(response.body))}
    lines = [f"{_VERSION} {response.status} {phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
