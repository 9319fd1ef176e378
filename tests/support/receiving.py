"""Requests as Segment and its clients send them, for tests of receivers.

It has applications with short timeouts, signed requests, and three ways to send them: by the rules
of WSGI, with an ordinary HTTP client, and byte by byte.
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
from tests.support.delivering import WAIT_SECONDS, delivering, settings_of

SECRET: Final = "shared-secret-0123456789"
WRITE_KEY: Final = "write-key-0123456789"
JSON: Final = {"Content-Type": "application/json"}


def to_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def sign(text: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), text, "sha1").hexdigest()


def sign_request(value: Any, secret: str = SECRET) -> tuple[bytes, dict[str, str]]:
    """Return the body of an event or an array of them, and headers, as Segment sends them."""
    first = value[0] if isinstance(value, list) and value else value
    return to_json(value), JSON | {"X-Signature": sign(to_json(first), secret)}


def encode_basic(write_key: str = WRITE_KEY) -> str:
    return "Basic " + b64encode(f"{write_key}:".encode()).decode()


def make_client_request(value: Any) -> tuple[bytes, dict[str, str]]:
    """Return a body and headers, as Segment's clients send them."""
    return to_json(value), JSON | {"Authorization": encode_basic()}


@attrs.frozen
class Response:
    """A response as a client received it."""

    status: int
    #: By name in lower case.
    headers: Mapping[str, str]
    text: bytes

    @property
    def content(self) -> Any:
        return json.loads(self.text)

    @property
    def result(self) -> tuple[int, Any]:
        """The status and the decoded body."""
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
) -> Response:
    """Send a request to an application, and fail if either side breaks a rule of WSGI.

    With ``is_checked`` False the server may break them.
    """
    environment: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "SCRIPT_NAME": "/mounted",
        "QUERY_STRING": "",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    for name, value in (headers or {}).items():
        key = name.upper().replace("-", "_")
        environment[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    environment |= environ
    setup_testing_defaults(environment)
    begun: list[tuple[str, list[tuple[str, str]]]] = []

    def start(status: str, found: list[tuple[str, str]], *_: Any) -> Any:
        begun.append((status, found))

    result: Any = (validator(app) if is_checked else app)(environment, start)
    text = b"".join(result)
    if is_checked:
        result.close()
    [(status, found)] = begun
    return Response(int(status[:3]), {name.lower(): value for name, value in found}, text)


def post(url: str, body: bytes, headers: Mapping[str, str], path: str = "/") -> Response:
    """Post a body with an ordinary HTTP client."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=WAIT_SECONDS)
    try:
        connection.request("POST", path, body, dict(headers))
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Response(response.status, found, response.read())
    finally:
        connection.close()


def encode_head(headers: Mapping[str, Any], path: str = "/") -> bytes:
    """Return the request line and the headers of a request, as bytes."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


@contextmanager
def connect(url: str) -> Iterator[socket.socket]:
    """Open a connection, to send what no client would."""
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port), WAIT_SECONDS) as connection:
        yield connection


def read_response(connection: socket.socket) -> Response:
    """Read a response to its end; fail if there is none."""
    with connection.makefile("rb") as stream:
        status = int(stream.readline().split()[1])
        headers: dict[str, str] = {}
        while line := stream.readline().strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return Response(status, headers, stream.read(int(headers["content-length"])))


@contextmanager
def run_receiver(iterable: LocalIterable | str, **options: Any) -> Iterator[WebhookApp]:
    """Make an application with short timeouts; by default its secret is :data:`SECRET`."""
    names = ("dead_letters", "retry", "rate_limits")
    delivery = {name: options.pop(name) for name in names if name in options}
    options = {"shared_secret": SECRET} | options
    with (
        delivering(iterable, **delivery) as to,
        webhook_app(settings_of(iterable), destination=to, **options) as app,
    ):
        yield app


class Stopwatch:
    """Measures how many seconds of the processor's time a block takes, however busy it is."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> Self:
        self._began = time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.process_time() - self._began


@contextmanager
def run_command(*command: str, **variables: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run a command that serves, and yield the address that it prints, and its process."""
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


def stop_command(
    process: subprocess.Popen[str], number: int = signal.SIGTERM
) -> tuple[int, str, str]:
    """Stop a command, and return its exit status, standard output and standard error."""
    process.send_signal(number)
    output, errors = process.communicate(timeout=WAIT_SECONDS)
    return process.returncode, output, errors
