"""Requests as Segment and its clients send them, for the tests of the doors.

What may live here: applications that hurry, signed requests, and ways to hand them over: by WSGI's
own rules, by a client that behaves, and byte by byte.
"""

from __future__ import annotations

import hmac
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any, Final, Self
from urllib.parse import urlsplit
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import attrs

from iterable_destination.receivers.segment import webhook_app
from iterable_destination.receivers.wsgi import WebhookApp
from iterable_destination.testing import LocalIterable
from tests.support.delivering import PATIENCE, delivering, settings_of

SECRET: Final = "shared-secret-0123456789"
WRITE_KEY: Final = "write-key-0123456789"
JSON: Final = {"Content-Type": "application/json"}


def text_of(value: Any) -> bytes:
    return json.dumps(value).encode()


def signature(signed: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), signed, "sha1").hexdigest()


def signed(value: Any, secret: str = SECRET) -> tuple[bytes, dict[str, str]]:
    """Return the body of an event or an array of them, and headers, as Segment sends them."""
    first = value[0] if isinstance(value, list) and value else value
    return text_of(value), JSON | {"X-Signature": signature(text_of(first), secret)}


def basic(write_key: str = WRITE_KEY) -> str:
    return "Basic " + b64encode(f"{write_key}:".encode()).decode()


def from_client(value: Any) -> tuple[bytes, dict[str, str]]:
    """Return a body and headers, as Segment's clients send them."""
    return text_of(value), JSON | {"Authorization": basic()}


@attrs.frozen
class Answer:
    """What was answered."""

    status: int
    #: By name in lower case.
    headers: Mapping[str, str]
    text: bytes

    @property
    def content(self) -> Any:
        return json.loads(self.text)

    @property
    def told(self) -> tuple[int, Any]:
        """The status and the body, to be compared at once."""
        return self.status, self.content


def ask(
    app: Any,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    path: str = "/",
    *,
    method: str = "POST",
    is_checked: bool = True,
    **environ: Any,
) -> Answer:
    """Hand a request to an application, and fail if either breaks a rule of WSGI.

    ``is_checked`` False lets a server break them.
    """
    given: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "SCRIPT_NAME": "/mounted",
        "QUERY_STRING": "",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    for name, value in (headers or {}).items():
        key = name.upper().replace("-", "_")
        given[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    given |= environ
    setup_testing_defaults(given)
    begun: list[tuple[str, list[tuple[str, str]]]] = []

    def start(status: str, found: list[tuple[str, str]], *_: Any) -> Any:
        begun.append((status, found))

    result: Any = (validator(app) if is_checked else app)(given, start)
    text = b"".join(result)
    if is_checked:
        result.close()
    [(status, found)] = begun
    return Answer(int(status[:3]), {name.lower(): value for name, value in found}, text)


def post(url: str, body: bytes, headers: Mapping[str, str], path: str = "/") -> Answer:
    """Post a body over the network, as a client that behaves."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE)
    try:
        connection.request("POST", path, body, dict(headers))
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())
    finally:
        connection.close()


def head(headers: Mapping[str, Any], path: str = "/") -> bytes:
    """Return the head of a request."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    """Have a connection, to send what no client would."""
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port), PATIENCE) as connection:
        yield connection


def answer(connection: socket.socket) -> Answer:
    """Read an answer to its end; fail if there is none."""
    with connection.makefile("rb") as stream:
        status = int(stream.readline().split()[1])
        headers: dict[str, str] = {}
        while line := stream.readline().strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return Answer(status, headers, stream.read(int(headers["content-length"])))


@contextmanager
def receiving(iterable: LocalIterable | str, **options: Any) -> Iterator[WebhookApp]:
    """Have an application that delivers in a hurry; without options it knows :data:`SECRET`."""
    of_delivery = {name: options.pop(name) for name in ("dead_letters", "retry") if name in options}
    options = {"shared_secret": SECRET} | options
    with (
        delivering(iterable, **of_delivery) as to,
        webhook_app(settings_of(iterable), destination=to, **options) as app,
    ):
        yield app


class Taking:
    """Measures how many seconds a block takes."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._began


@contextmanager
def running(*command: str, **variables: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run a command that serves, and give the address that it prints, and its process."""
    words = [sys.executable, "-m", "iterable_destination", *command, "--port", "0"]
    with subprocess.Popen(
        words,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().rstrip("\n"), process
        finally:
            process.kill()


def ended(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> tuple[int, str, str]:
    """End a command, and return its status and what else it wrote."""
    process.send_signal(number)
    written, told = process.communicate(timeout=PATIENCE)
    return process.returncode, written, told
