"""Servers and frameworks that run the application as any other: gunicorn, Flask, Starlette."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import flask
from a2wsgi import WSGIMiddleware
from starlette.applications import Starlette
from starlette.routing import Mount
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from iterable_destination.testing import LocalIterable
from tests.support.delivering import WAIT_SECONDS, track, wait_until
from tests.support.receiving import (
    SECRET,
    connect,
    encode_head,
    post,
    read_response,
    run_receiver,
    sign_request,
    to_json,
)

LIMIT = 0.8
APPLICATION = f"""
from iterable_destination import Settings
from iterable_destination.receivers.segment import webhook_app

application = webhook_app(
    Settings.from_environment(), shared_secret={SECRET!r}, time_limit={LIMIT}
)
"""


@contextmanager
def gunicorn(folder: Path, iterable: LocalIterable) -> Iterator[str]:
    """Run the application as in production, in two processes; give the address."""
    (folder / "application.py").write_text(APPLICATION, "utf-8")
    log = folder / "log"
    command = [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0", "--workers", "2"]
    command += ["--chdir", str(folder), "--error-logfile", str(log), "application"]
    env = os.environ | {"ITERABLE_API_KEY": iterable.api_key, "ITERABLE_BASE_URL": iterable.url}
    with subprocess.Popen(command, env=env) as process:
        try:
            wait_until(lambda: log.exists() and log.read_text().count("Booting worker") == 2)
            address = re.search(r"Listening at: (\S+)", log.read_text())
            assert address is not None
            yield address[1]
        finally:
            process.terminate()
            assert process.wait(WAIT_SECONDS) == 0


def test_gunicorn_delivers_and_slow_bodies_hold_no_worker(tmp_path: Path) -> None:
    """Each of the two workers has one request at a time, so that it is easy to hold them."""
    body, headers = sign_request(track(1))
    in_chunks = b"9\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (body[:9], len(body) - 9, body[9:])
    too_long = encode_head(headers | {"Content-Length": str(len(body))}) + body[:-1]

    def stalls(url: str) -> tuple[int, Any]:
        with connect(url) as connection:
            connection.sendall(too_long)
            return read_response(connection).result

    with LocalIterable() as iterable, gunicorn(tmp_path, iterable) as url:
        assert post(url, body, headers).result == (200, {"delivered": 1})
        with ThreadPoolExecutor(2) as pool:
            result = list(pool.map(stalls, [url] * 2))
            assert post(url, *sign_request([track(n) for n in range(20)])).status == 200
        assert result == [(503, {"error": "incomplete body"})] * 2
        assert len({effect.id for effect in iterable.project.effects}) == 20
        with connect(url) as connection:
            connection.sendall(encode_head(headers | {"Transfer-Encoding": "chunked"}) + in_chunks)
            assert read_response(connection).result == (200, {"delivered": 1})


def test_it_is_mounted_beside_a_flask_application() -> None:
    shop = flask.Flask("shop")
    shop.add_url_rule("/", view_func=lambda: "the shop")
    with LocalIterable() as iterable, run_receiver(iterable) as app:
        shop.wsgi_app = DispatcherMiddleware(  # type: ignore[method-assign] # as Flask's manual
            shop.wsgi_app, {"/segment": app}
        )
        client = shop.test_client()
        body, headers = sign_request(track(1))
        found = client.post("/segment", data=body, headers=headers)
        assert (found.status_code, found.json) == (200, {"delivered": 1})
        assert client.post("/segment/hook", data=body + b" ", headers=headers).status_code == 401
        assert client.get("/").text == "the shop"
        assert [effect.id for effect in iterable.project.effects] == ["m-1"]


async def _posted(app: Any, path: str, pieces: list[bytes], headers: dict[str, str]) -> Any:
    """Post a body in pieces to an ASGI application; return the status and the text."""
    coming = [
        {"type": "http.request", "body": piece, "more_body": number < len(pieces)}
        for number, piece in enumerate(pieces, 1)
    ]
    sent: list[Any] = []
    forever = asyncio.Event()

    async def receive() -> Any:
        if not coming:
            await forever.wait()
        return coming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def test_it_is_mounted_in_a_starlette_application() -> None:
    body, headers = sign_request(track(1))
    headers |= {"Content-Length": str(len(body))}
    with LocalIterable() as iterable, run_receiver(iterable) as app:
        # Each has types of its own for what is the same.
        as_asgi: Any = WSGIMiddleware(cast("Any", app))
        mounted = Starlette(routes=[Mount("/segment", app=as_asgi)])
        found = asyncio.run(_posted(mounted, "/segment/", [body[:9], body[9:]], headers))
        assert found == (200, to_json({"delivered": 1}).replace(b" ", b""))
        assert [effect.id for effect in iterable.project.effects] == ["m-1"]
