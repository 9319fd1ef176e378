"""Receive webhooks from many clients at once, and see in the ledger that nothing is lost.

Run ``python benchmarks/webhook.py``: eight clients post signed events, one after another, each on a
connection of its own, to gunicorn with two workers: for half of the time one event a request, for
the other half arrays of 50. The local Iterable, in a process of its own, keeps the ledger. In turn
with it the same is posted to an application that only reads the body and responds with 200, so that
the two can be compared; making and signing bodies counts for both. Rate limits are off. It ends
with status 1 if an event was lost or doubled, or if a response was not 200.
"""

from __future__ import annotations

import argparse
import hmac
import json
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import attrs

from iterable_destination.testing import LocalIterable

CLIENTS: Final = 8
SECRET: Final = "a-secret-of-no-importance"  # noqa: S105 - it is none
#: Events in a request.
SIZES: Final = (1, 50)
#: Turns that each application has with each size.
TURNS: Final = 3

OURS: Final = f"""
from iterable_destination import Destination, Settings
from iterable_destination.receivers.segment import webhook_app

settings = Settings.from_environment()
paths = ("events/track", "events/trackBulk", "users/update", "users/bulkUpdate")
destination = Destination(settings, rates={{f"/api/{{path}}": None for path in paths}})
application = webhook_app(settings, shared_secret={SECRET!r}, destination=destination)
"""
EMPTY: Final = """
def application(environ, start_response):
    environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", "2")])
    return [b"{}"]
"""


def serve(pipe: Connection) -> None:
    """Be an Iterable; when asked to, tell how often each id was made, and end."""
    with LocalIterable() as server:
        pipe.send((server.url, server.api_key))
        pipe.recv()
        pipe.send(Counter(effect.id for effect in server.project.effects if effect.created))


@contextmanager
def gunicorn(folder: Path, name: str, source: str, **variables: str) -> Iterator[str]:
    """Run an application in two processes; give the address."""
    (folder / f"{name}.py").write_text(source, "utf-8")
    log = folder / f"{name}.log"
    command = [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0", "--workers", "2"]
    command += ["--chdir", str(folder), "--error-logfile", str(log), name]
    with subprocess.Popen(command, env=os.environ | variables) as process:  # noqa: S603 - our own
        try:
            while not log.exists() or log.read_text("utf-8").count("Booting worker") < 2:
                if process.poll() is not None:
                    raise SystemExit(f"gunicorn ended with status {process.returncode}")
                time.sleep(0.05)
            address = re.search(r"Listening at: http://(\S+)", log.read_text("utf-8"))
            yield address[1] if address else ""
        finally:
            process.terminate()


@attrs.define
class Tally:
    """What the clients of one application saw."""

    #: Requests of each size.
    requests: Counter[int] = attrs.field(factory=Counter)
    #: Seconds for each size.
    seconds: Counter[int] = attrs.field(factory=Counter)
    #: What was answered other than 200, or went wrong instead.
    errors: Counter[str] = attrs.field(factory=Counter)
    #: Events that were answered 200.
    accepted: set[str] = attrs.field(factory=set)

    def rate(self, size: int) -> float:
        """Return requests a second."""
        return self.requests[size] / self.seconds[size]


def post(address: str, body: bytes, headers: dict[str, str]) -> str:
    """Post a body, and return the status, or what went wrong."""
    connection = HTTPConnection(address, timeout=30)
    try:
        connection.request("POST", "/", body, headers)
        response = connection.getresponse()
        response.read()
    except (OSError, HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()
    return str(response.status)


def event(name: str, user: str) -> dict[str, Any]:
    """Make an event of some 400 bytes."""
    return {
        "type": "track",
        "event": "Thing Seen",
        "messageId": name,
        "userId": user,
        "timestamp": "2026-11-20T10:00:00.000Z",
        "context": {"ip": "8.8.8.8", "library": {"name": "a-library", "version": "1.2.3"}},
        "properties": {f"property_{n}": f"value {n}" for n in range(8)},
    }


def client(address: str, name: str, size: int, until: float) -> list[tuple[str, list[str]]]:
    """Post until time is up; return what was answered, and the ids of the events."""
    posted: list[tuple[str, list[str]]] = []
    while time.monotonic() < until:
        ids = [f"{name}-{len(posted)}-{n}" for n in range(size)]
        events = [event(each, f"u-{name}-{n}") for n, each in enumerate(ids)]
        first = json.dumps(events[0]).encode()
        signature = hmac.new(SECRET.encode(), first, "sha1").hexdigest()
        body = first if size == 1 else json.dumps(events).encode()
        headers = {"Content-Type": "application/json", "X-Signature": signature}
        posted.append((post(address, body, headers), ids))
    return posted


def turn(address: str, name: str, size: int, seconds: float, tally: Tally) -> None:
    """Have all clients post for so long."""
    began = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        waiting = [
            pool.submit(client, address, f"{name}-{n}", size, began + seconds)
            for n in range(CLIENTS)
        ]
        answers = [each for found in waiting for each in found.result()]
    tally.seconds[size] += time.monotonic() - began  # type: ignore[assignment] # a fraction
    tally.requests[size] += len(answers)
    for status, ids in answers:
        if status == "200":
            tally.accepted.update(ids)
        else:
            tally.errors[status] += 1


def measured(folder: Path, url: str, key: str, seconds: float) -> tuple[Tally, Tally]:
    """Post to ours and to the empty one in turn; return what was seen of each."""
    ours, empty = Tally(), Tally()
    variables = {"ITERABLE_API_KEY": key, "ITERABLE_BASE_URL": url}
    with (
        gunicorn(folder, "ours", OURS, **variables) as our_address,
        gunicorn(folder, "empty", EMPTY) as empty_address,
    ):
        each = seconds / TURNS / len(SIZES)
        for number in range(TURNS):
            for size in SIZES:
                turn(our_address, f"{number}-{size}", size, each, ours)
                turn(empty_address, f"{number}-{size}", size, each / 3, empty)
    return ours, empty


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(there,))
    process.start()
    url, key = here.recv()
    with tempfile.TemporaryDirectory() as folder:
        ours, empty = measured(Path(folder), url, key, arguments.seconds)
    here.send("end")
    made: Counter[str] = here.recv()
    process.join()
    for size in SIZES:
        ratio = ours.rate(size) / empty.rate(size)
        print(f"{size} event(s) a request: {ours.rate(size):,.0f} requests a second,", end=" ")
        print(f"{ours.rate(size) * size:,.0f} events; the empty application", end=" ")
        print(f"{empty.rate(size):,.0f} requests: {ratio:.2f} of its rate")
    lost = len(ours.accepted - set(made))
    doubled = sum(count - 1 for count in made.values())
    errors = dict(ours.errors + empty.errors)
    print(f"{len(ours.accepted):,} events accepted in {ours.requests.total():,} requests", end="; ")
    print(f"{lost} lost, {doubled} doubled; answers other than 200: {errors or 'none'}")
    sys.exit(1 if lost or doubled or errors else 0)


if __name__ == "__main__":
    main()
