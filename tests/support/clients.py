"""A client of Iterable with short timeouts, and how to catch its errors."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from iterable_destination import Client, Settings, errors
from iterable_destination.model.calls import Identity, TrackEvent
from iterable_destination.model.responses import ApiResponse
from tests.support import faulty_server as faulty
from tests.support.delivering import driver
from tests.support.event_loop import client_in_loop
from tests.support.faulty_server import FaultyServer, Script

KEY = "the-key-of-no-project-0123456789"
CALL = TrackEvent(Identity("ada@example.com", "u-1"), "Signed Up", {"plan": "é"}, 1_700_000_000)
CALL_BODY = {
    "email": "ada@example.com",
    "userId": "u-1",
    "eventName": "Signed Up",
    "createdAt": 1_700_000_000,
    "dataFields": {"plan": "é"},
}
EVENT = {"type": "track", "event": "Signed Up", "userId": "u-1", "messageId": "m-1"}
#: Seconds to wait for a response that will come, and for one that will not.
TIMEOUT = 0.2
HASTY = 0.1
US = "https://api.iterable.com"
TRACK = f"{US}/api/events/track"
NO_ACCEPTANCE = "accepted, it seems, but the response is no JSON object"
NO_API = "this does not answer like Iterable's API; check the address"
HTML = b"<!DOCTYPE html><html><body><h1>Page not found</h1></body></html>"
#: Faults after which a request may have been applied, each with the beginning of its message.
ABORTED = "ConnectionError: ('Connection aborted.', "
AMBIGUOUS: dict[str, tuple[Script, str]] = {
    "reset before it was read": (
        faulty.resets_before_reading,
        ABORTED,
    ),
    "reset after it was read": (
        faulty.resets_after_reading,
        f"{ABORTED}ConnectionResetError({errno.ECONNRESET}, '{os.strerror(errno.ECONNRESET)}'))",
    ),
    "closed after it was read": (
        faulty.closes_after_reading,
        f"{ABORTED}RemoteDisconnected('Remote end closed connection without response'))",
    ),
    "stalled before the headers": (
        faulty.sends_and_stalls(b""),
        "ReadTimeout: HTTPConnectionPool(host='127.0.0.1', port=",
    ),
    "stalled in the headers": (
        faulty.sends_and_stalls(faulty.CUT_HEADERS),
        "ReadTimeout: HTTPConnectionPool(host='127.0.0.1', port=",
    ),
    "stalled in the body": (
        faulty.sends_and_stalls(faulty.CUT_BODY),
        "ReadTimeoutError: HTTPConnectionPool(host='127.0.0.1', port=",
    ),
    "stalled in a chunk": (
        faulty.sends_and_stalls(faulty.CUT_CHUNK),
        "ReadTimeoutError: HTTPConnectionPool(host='127.0.0.1', port=",
    ),
    "dripped body": (
        faulty.drips(faulty.CUT_BODY, b" " * 100),
        "ReadTimeout: the response does not end",
    ),
    "dripped chunk": (
        faulty.drips(faulty.CUT_CHUNK, b" " * 100),
        "ReadTimeout: the response does not end",
    ),
    "cut body": (faulty.sends(faulty.CUT_BODY), "ProtocolError: Connection broken: IncompleteRead"),
    "cut chunk": (faulty.sends(faulty.CUT_CHUNK), "ProtocolError: Connection broken: Incomplete"),
    "bad chunk": (faulty.sends(faulty.BAD_CHUNK), "ProtocolError: Connection broken: "),
    "bad gzip": (
        faulty.sends(faulty.BAD_GZIP),
        "DecodeError: Received response with content-encoding: gzip, but failed to decode it.",
    ),
    "too many headers": (
        faulty.sends(faulty.MANY_HEADERS),
        f"{ABORTED}HTTPException('got more than 100 headers'))",
    ),
    "too long a header": (
        faulty.sends(faulty.LONG_HEADER),
        f"{ABORTED}LineTooLong('got more than 65536 bytes when reading header line'))",
    ),
    "two lengths": (
        faulty.sends(faulty.TWO_LENGTHS),
        "InvalidHeader: Content-Length contained multiple unmatching values (5, 6)",
    ),
    "no HTTP": (faulty.sends(faulty.NO_HTTP), f"{ABORTED}BadStatusLine"),
}

#: The beginnings of what aiohttp says of them.
_NO_RESPONSE = "TimeoutError: no response in time"
_NO_END = "TimeoutError: the response does not end"
IN_LOOP: dict[str, str] = {
    "reset before it was read": "Client",
    "reset after it was read": f"ClientOSError: [Errno {errno.ECONNRESET}] ",
    "closed after it was read": "ServerDisconnectedError: Server disconnected",
    "stalled before the headers": _NO_RESPONSE,
    "stalled in the headers": _NO_RESPONSE,
    "stalled in the body": _NO_END,
    "stalled in a chunk": _NO_END,
    "dripped body": _NO_END,
    "dripped chunk": _NO_END,
    "cut body": "ClientPayloadError: Response payload is not completed",
    "cut chunk": "ClientPayloadError: Response payload is not completed",
    "bad chunk": "Client",
    "bad gzip": "ClientPayloadError: 400, message:",
    "too many headers": "ClientResponseError: 400, message",
    "too long a header": "ClientResponseError: 400, message",
    "two lengths": "ClientResponseError: 400, message",
    "no HTTP": "ClientResponseError: 400, message",
}


def words_of(fault: str) -> str:
    """Return the beginning of the message of an ambiguous fault, by the way requests are made."""
    return IN_LOOP[fault] if driver.get() == "event loop" else AMBIGUOUS[fault][1]


def settings(url: str | None = None, key: str = KEY) -> Settings:
    return Settings(api_key=key, base_url=url)


@contextmanager
def open_client(url: str | None = None, **options: Any) -> Iterator[Client]:
    """Open a client with short timeouts: of threads, or as the fixture ``each_driver`` says."""
    chosen = {"read_timeout": TIMEOUT, "connect_timeout": 1.0} | options
    if driver.get() == "event loop":
        with client_in_loop(settings(url), **chosen) as in_loop:
            yield in_loop  # type: ignore[misc]  # it has the methods that tests of both use
        return
    with Client(settings(url), **chosen) as it:
        yield it


def send(url: str | None = None, **options: Any) -> ApiResponse:
    with open_client(url, **options) as client:
        return client.send(CALL)


def catch_error(url: str | None = None, **options: Any) -> errors.ApiError:
    """Send one call, which must fail, and return how."""
    with pytest.raises(errors.ApiError) as caught:
        send(url, **options)
    return caught.value


def catch_script_error(script: Script, **options: Any) -> errors.ApiError:
    with FaultyServer(script) as server:
        return catch_error(server.url, **options)
