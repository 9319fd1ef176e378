"""Requests as Segment's published clients send them, byte by byte, to the server of ``serve``."""

from __future__ import annotations

import gzip
import http.client
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

import attrs
import pytest

from iterable_destination.receivers.dev_server import serve
from iterable_destination.testing import LocalIterable
from tests.support.delivering import WAIT_SECONDS, number_of, track
from tests.support.receiving import (
    JSON,
    WRITE_KEY,
    Response,
    ask,
    encode_basic,
    post,
    run_receiver,
    to_json,
)

PLAIN: Final = {"Content-Type": "text/plain"}
JSON_UTF_8: Final = {"Content-Type": "application/json; charset=utf-8"}
GZIP: Final = {"Content-Encoding": "gzip"}
KEYED: Final = {"Authorization": encode_basic()}
BATCH: Final = {"batch": [track(1)], "sentAt": "2026-02-07T10:00:01.000Z"}
WITH_KEY: Final = {**BATCH, "writeKey": WRITE_KEY}
EVENT_WITH_KEY: Final = {**track(1), "writeKey": WRITE_KEY}


@attrs.frozen
class WireForm:
    """A request of a client: its path, headers and body, and whether that comes in chunks."""

    path: str
    headers: dict[str, str]
    value: Any
    is_chunked: bool = False

    @property
    def body(self) -> bytes:
        text = to_json(self.value)
        return gzip.compress(text) if "Content-Encoding" in self.headers else text


CLIENTS: Final = {
    "kotlin": WireForm("/v1/b", PLAIN | GZIP, WITH_KEY, is_chunked=True),
    "android": WireForm("/v1/import", JSON | GZIP | KEYED, BATCH, is_chunked=True),
    "swift": WireForm("/v1/b", JSON_UTF_8 | GZIP | KEYED, WITH_KEY),
    "ios": WireForm("/v1/batch", JSON | GZIP | KEYED, BATCH),
    "react native": WireForm("/v1/b", JSON_UTF_8, WITH_KEY),
    "flutter": WireForm("/v1/b", {"Content-Type": "text/plain"} | GZIP, WITH_KEY),
    "c#": WireForm("/v1/b", {"Content-Type": "text/plain; charset=utf-8"}, WITH_KEY),
    ".net": WireForm("/v1/import", JSON | KEYED, BATCH),
    "browser": WireForm("/v1/t", PLAIN, EVENT_WITH_KEY),
    "browser, by beacon": WireForm(
        "/v1/t", {"Content-Type": "text/plain;charset=UTF-8"}, EVENT_WITH_KEY
    ),
    "browser, in batches": WireForm("/v1/b", PLAIN, WITH_KEY),
    "java": WireForm("/v1/import/", JSON_UTF_8 | GZIP | KEYED, WITH_KEY, is_chunked=True),
    "node": WireForm("/v1/batch", JSON | KEYED, WITH_KEY),
    "go": WireForm("/v1/batch", JSON | KEYED, BATCH),
    "php": WireForm("/v1/batch", JSON | GZIP | KEYED, BATCH),
    "python": WireForm("/v1/batch", JSON | GZIP | KEYED, BATCH),
    "ruby": WireForm("/v1/batch", JSON | KEYED, BATCH),
    "rust": WireForm("/v1/batch", JSON | KEYED, BATCH),
    "no content type": WireForm("/v1/batch/", KEYED, BATCH),
}


@pytest.fixture(scope="module")
def iterable() -> Iterator[LocalIterable]:
    with LocalIterable() as running:
        yield running


@pytest.fixture(scope="module")
def url(iterable: LocalIterable) -> Iterator[str]:
    with run_receiver(iterable, write_keys=WRITE_KEY) as app, serve(app, "127.0.0.1", 0) as running:
        yield running


def post_chunks(url: str, wire: WireForm) -> Response:
    """Post a body in chunks of 20 bytes."""
    body = wire.body
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=WAIT_SECONDS)
    try:
        chunks = (body[start : start + 20] for start in range(0, len(body), 20))
        connection.request("POST", wire.path, chunks, wire.headers, encode_chunked=True)
        found = connection.getresponse()
        return Response(found.status, dict(found.getheaders()), found.read())
    finally:
        connection.close()


@pytest.mark.parametrize("client", CLIENTS)
def test_what_a_client_of_segments_sends_is_delivered(
    client: str, url: str, iterable: LocalIterable
) -> None:
    wire = CLIENTS[client]
    before = len(iterable.project.effects)
    if wire.is_chunked:
        found = post_chunks(url, wire)
    else:
        found = post(url, wire.body, wire.headers, wire.path)
    assert found.result == (200, {"delivered": 1})
    [effect] = list(iterable.project.effects)[before:]
    assert number_of(effect) == 1


def test_a_browser_may_send_from_any_page(iterable: LocalIterable) -> None:
    page = {"Origin": "https://shop.example.com"}
    with run_receiver(iterable, write_keys=WRITE_KEY) as app:
        asked = ask(app, b"", page, "/v1/t", method="OPTIONS")
        assert asked.result == (200, {})
        assert "Authorization" in asked.headers["access-control-allow-headers"]
        sent = ask(app, to_json(EVENT_WITH_KEY), PLAIN | page, "/v1/t")
        wrong = ask(app, to_json(track(1)), PLAIN | page, "/v1/t")
        assert [sent.status, wrong.status] == [200, 401]
        for found in (asked, sent, wrong):
            assert found.headers["access-control-allow-origin"] == "*"


def test_no_page_may_send_webhooks(iterable: LocalIterable) -> None:
    page = {"Origin": "https://shop.example.com"}
    with run_receiver(iterable, write_keys=WRITE_KEY) as app:
        for path, method in (("/", "OPTIONS"), ("/hook", "POST"), ("/v1/unknown", "OPTIONS")):
            found = ask(app, b"{}", JSON | page, path, method=method)
            assert found.status in {401, 405}
            assert "access-control-allow-origin" not in found.headers
