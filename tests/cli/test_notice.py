"""A wait for a server is told, once."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress

import click
import pytest

from iterable_destination.cli import notice
from iterable_destination.errors import AmbiguousAnswer, ApiError, NotConnected, RateLimited
from iterable_destination.testing import (
    Fault,
    LocalIterable,
    Project,
    Received,
    Response,
    Script,
    faults,
)
from tests.cli.test_main import run_process, start_process
from tests.cli.test_report import Apply, to_lines
from tests.delivery.test_segment_destination import webhook
from tests.support.delivering import track
from tests.support.segment_server import KEY

LINE = to_lines([track(0)])


def find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is said, after a twentieth of a second."""
    words: list[str] = []
    monkeypatch.setattr(notice, "_PATIENCE", 0.05)
    monkeypatch.setattr(click, "echo", lambda text, **_: words.append(text))
    return words


def make_request(watched: notice.Notice, answer: ApiError | None, seconds: float = 0) -> None:
    """Make a request that has this answer after some seconds; None is success."""
    with suppress(ApiError), watched:
        time.sleep(seconds)
        if answer is not None:
            raise answer


def test_where_nothing_answers_it_is_said_once(told: list[str]) -> None:
    watched = notice.Notice("https://example.com")
    make_request(watched, NotConnected("ConnectTimeout: no reason given"))
    for _ in range(3):
        make_request(watched, AmbiguousAnswer("ReadTimeout: no reason given"), 0.1)
    assert told == ["trying https://example.com: no answer yet, last error: ConnectTimeout"]


def test_without_an_error_none_is_named(told: list[str]) -> None:
    make_request(notice.Notice("https://example.com"), None, 0.15)
    assert told == ["trying https://example.com: no answer yet"]


@pytest.mark.parametrize("answer", [None, RateLimited("status 429", status=429)])
def test_where_something_answers_nothing_is_said(answer: ApiError | None, told: list[str]) -> None:
    watched = notice.Notice("https://example.com")
    make_request(watched, answer)
    make_request(watched, NotConnected("ConnectionError: no reason given"), 0.15)
    assert told == []


def test_what_is_closed_says_nothing(told: list[str]) -> None:
    watched = notice.Notice("https://example.com")
    make_request(watched, NotConnected("ConnectionError: no reason given"))
    watched.cancel()
    time.sleep(0.15)
    assert told == []


VARIABLES = {"ITERABLE_API_KEY": "any-key", "SEGMENT_WRITE_KEY": KEY}


def send(url: str, content: bytes) -> tuple[int, bytes, bytes]:
    return run_process("send", "--base-url", url, stdin=content, **VARIABLES)


def test_send_says_what_it_waits_for() -> None:
    def answer_late(_: Received, apply: Apply) -> Response | Fault:
        return apply() if iterable.project.received else faults.latency(3)

    with LocalIterable(Project(api_key=None), faults=answer_late) as iterable:
        url = iterable.url
        status, written, told = send(url, LINE)
    assert (status, written.count(b"delivered")) == (0, 1)
    assert told.decode().splitlines()[0] == f"trying {url}: no answer yet"
    assert told.count(b"no answer yet") == 1


def test_check_says_what_it_waits_for() -> None:
    with LocalIterable(Project(api_key=None), faults=lambda *_: faults.latency(3)) as iterable:
        url = iterable.url
        status, written, told = run_process("check", "--base-url", url, stdin=b"", **VARIABLES)
    assert (status, written.decode().split()) == (0, f"The key works, at {url}".split())
    assert told.decode().splitlines() == [f"trying {url}: no answer yet"]


def test_a_server_that_is_quick_enough_is_not_spoken_of() -> None:
    script = Script([faults.latency(0.5), faults.rate_limited(2)])
    with LocalIterable(Project(api_key=None), faults=script) as iterable:
        status, _, told = send(iterable.url, LINE * 2)
    assert (status, b"no answer yet" in told) == (0, False)


@pytest.mark.parametrize("command", ["send", "source send"])
def test_the_error_of_a_server_that_is_not_there_is_named(command: str) -> None:
    line = to_lines([webhook(1)]) if command == "source send" else LINE
    url = f"http://127.0.0.1:{find_free_port()}"
    arguments = [*command.split(), "--base-url", url]
    with start_process(*arguments, env=os.environ | VARIABLES) as running:
        assert running.stdin is not None
        assert running.stderr is not None
        running.stdin.write(line)
        running.stdin.close()
        told = running.stderr.readline()
        running.kill()
    words = f"trying {url}: no answer yet, last error: ConnectionError\n"
    assert told == words.replace("\n", os.linesep).encode()
