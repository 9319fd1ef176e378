"""How an answer goes over a connection, whole or in the way of a fault.

What may live here: one connection's sending, waiting and ending. What is sent, and what is to go
wrong, is decided elsewhere.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from contextlib import suppress
from http import HTTPStatus
from typing import Final

import attrs

from iterable_destination.testing.answers import Response
from iterable_destination.testing.faults import Fault

_PHRASES: Final = {int(status): status.phrase for status in HTTPStatus}
#: ``struct linger`` that is on, with no time: closing resets.
_NO_LINGER: Final = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
_VERSION: Final = "HTTP/1.1"
#: Seconds that are as good as for ever, and few enough for every clock.
_LONGEST: Final = 86_400


class Closed(Exception):
    """The connection is of no more use, and is to be closed in the ordinary way."""


class Reset(Exception):
    """The connection is to be reset."""


@attrs.frozen
class Wire:
    """One connection, as far as answers need it.

    All its methods raise ConnectionError where the client went away or the server is stopping.
    """

    _connection: socket.socket
    #: Is set when the server stops.
    _stopping: threading.Event

    def send(self, answer: Response) -> None:
        """Send an answer in one piece."""
        self._connection.sendall(_head(answer) + answer.body)

    def wait(self, seconds: float) -> None:
        """Let time pass, also where the client goes away meanwhile."""
        if seconds and self._stopping.wait(_timeout(seconds)):
            raise ConnectionAbortedError("the server is stopping")

    def perform(self, fault: Fault, answer: Response | None) -> None:
        """Send what a fault lets through of an answer, and do what it does after that.

        None is no answer at all. Raises Closed or Reset where the connection ends by it.
        """
        if answer is not None and fault.sent is not None:
            self._send_share(answer, fault.sent, fault.pause)
        self._be_silent(fault.silence)
        if fault.end == "reset":
            raise Reset
        if fault.end == "close" or not fault.whole:
            raise Closed

    def _send_share(self, answer: Response, share: float, pause: float) -> None:
        body = answer.body if share == 1 else answer.body[: int(len(answer.body) * share)]
        if not pause:
            self._connection.sendall(_head(answer) + body)
            return
        self._connection.sendall(_head(answer))
        for byte in body:
            self._connection.sendall(bytes((byte,)))
            self.wait(pause)

    def _be_silent(self, seconds: float) -> None:
        """Let time pass, no longer than the client is there."""
        if not seconds:
            return
        self._connection.settimeout(_timeout(seconds))
        try:
            more = self._connection.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return
        finally:
            self._connection.settimeout(None)
        if not more:
            raise ConnectionAbortedError("the client went away, or the server is stopping")
        self.wait(seconds)  # A client that sends on is there, and cannot be watched.


def reset(connection: socket.socket) -> None:
    """Make the closing of a connection a reset."""
    with suppress(OSError):  # It may be reset by the client already.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)


def _timeout(seconds: float) -> float | None:
    return seconds if seconds < _LONGEST else None


def _head(answer: Response) -> bytes:
    phrase = _PHRASES.get(answer.status, "")
    headers = {**answer.headers, "Content-Length": str(len(answer.body))}
    lines = [f"{_VERSION} {answer.status} {phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
