"""The application: what it answers, to whom, and how it is kept from others."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import requests

from iterable_destination import Settings
from iterable_destination.cli import samples
from iterable_destination.playground.app import iterable_app, playground_app
from iterable_destination.playground.security import MAX_BODY
from iterable_destination.playground.server import serve
from iterable_destination.testing import LocalIterable, Project
from tests.playground.asking import CART, ORDER, PROFILE, Page, encode

STATIC = Path(__file__).parents[2] / "iterable_destination/playground/static"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
QUESTIONS = ("/translate", "/send", "/send-samples", "/webhook", "/track", "/user")


@pytest.fixture(scope="module")
def iterable() -> Iterator[LocalIterable]:
    with LocalIterable(Project(keep_effects=1_000)) as running:
        yield running


@contextmanager
def open_page(iterable: LocalIterable, **options: Any) -> Iterator[Page]:
    with serve(playground_app(iterable, **options), "127.0.0.1", 0) as url, Page(url) as page:
        yield page


@pytest.fixture(scope="module")
def page(iterable: LocalIterable) -> Iterator[Page]:
    with open_page(iterable, samples=samples.week()) as client:
        yield client


def ask(page: Page, path: str, **asked: Any) -> Any:
    response = page.post(path, json=asked)
    assert response.status_code == 200, response.text
    return response.json()


def read_words(html: str) -> str:
    """Return the text of HTML."""
    words = re.sub(r"<[^>]*>", " ", html.replace("<wbr>", ""))
    return " ".join(unescape(words).split())


# What it answers ---------------------------------------------------------------------------------


def test_an_event_is_translated_with_the_words_of_explain(page: Page) -> None:
    answer = ask(page, "/translate", text=encode({**ORDER, "userId": 7}))
    words = read_words(answer["html"])
    assert "POST /api/commerce/trackPurchase" in words
    assert "total 27.5 properties.total" in words
    assert 'user.userId "7" userId: 7' in words  # converted
    assert "userId: a number, sent as a string; the value is 7" in words
    assert "docs/reference/commerce.md#orders" in answer["html"]
    assert [mark["path"] for mark in answer["marks"]] == [["userId"]]
    assert (answer["canSend"], answer["user"]) == (True, "7")


def test_what_is_wrong_is_listed_and_marked(page: Page) -> None:
    bad = {**ORDER, "userId": 7, "properties": {"products": [{"price": "x", "name": "n"}]}}
    answer = ask(page, "/translate", text=encode(bad))
    words = read_words(answer["html"])
    assert "properties.total: missing" in words
    assert answer["canSend"] is False
    assert {
        "path": ["properties"],
        "message": "properties.total: missing",
        "code": "missing",
        "severity": "error",
    } in (answer["marks"])
    assert {tuple(mark["path"]) for mark in answer["marks"]} >= {
        ("properties", "products", "0"),
        ("properties", "products", "0", "price"),
    }


def test_what_is_skipped_says_why_and_settings_change_it(page: Page) -> None:
    text = encode({"type": "page", "userId": "u-1"})
    assert "track_all_pages would send it" in read_words(ask(page, "/translate", text=text)["html"])
    answer = ask(page, "/translate", text=text, switches={"track_all_pages": True})
    assert "track_all_pages" in read_words(answer["html"])
    assert answer["canSend"] is True


def test_subscriptions_say_what_fired_by_what(page: Page) -> None:
    order = {**ORDER, "properties": {"total": 1, "products": []}}
    answer = ask(page, "/translate", text=encode(order), mappings="presets")
    words = read_words(answer["html"])
    assert 'event = "Order Completed"' in words
    assert "did not fire, by" in words.lower().replace(" ,", ",")
    assert answer["canSend"] is True


@pytest.mark.parametrize("path", ["/translate", "/send", "/send-samples"])
def test_what_cannot_be_read_is_said_on_the_page(path: str, page: Page) -> None:
    answer = ask(page, path, text="{}", mappings="[5]")
    words = read_words(answer["html"])
    assert "mappings[0]: a subscription is an object, not a number" in words
    if path != "/send-samples":
        assert "there is no event" in read_words(ask(page, path, text="")["html"])


def test_what_is_sent_is_at_the_local_iterable(page: Page, iterable: LocalIterable) -> None:
    for event in (PROFILE, CART):
        answer = ask(page, "/send", text=encode(event))
        assert "delivered" in read_words(answer["html"])
    assert answer["user"] == "u-1"
    user = read_words(ask(page, "/user", user="u-1")["html"])
    assert "Uno" in user
    assert "ada@example.com" in user
    ask(page, "/send", text=encode(ORDER))
    user = read_words(ask(page, "/user", user="ADA@example.com")["html"])
    assert "purchase of 27.5" in user
    assert "Uno" not in user
    assert [purchase["total"] for purchase in iterable.project.purchases("u-1")] == [27.5]


def test_what_is_refused_is_not_sent(page: Page, iterable: LocalIterable) -> None:
    before = iterable.project.effect_count
    answer = ask(page, "/send", text=encode({**ORDER, "properties": {}}))
    assert "rejected" in read_words(answer["html"])
    assert "properties.total: missing" in read_words(answer["html"])
    assert iterable.project.effect_count == before


def test_settings_that_switch_delivery_off_do_not_count_here() -> None:
    with (
        LocalIterable() as iterable,
        open_page(iterable, settings=Settings(enabled=False, api_key="k")) as page,
    ):
        assert "delivered" in read_words(ask(page, "/send", text=encode(PROFILE))["html"])
        assert iterable.project.user("u-1") is not None


def test_the_whole_week_is_sent() -> None:
    with LocalIterable() as iterable, open_page(iterable, samples=samples.week()) as page:
        answer = ask(page, "/send-samples", mappings=None)
        assert "rejected" in read_words(answer["html"])
        assert len(iterable.project.purchases("ada@example.com")) == 2
        assert page.get("/samples").json() == list(samples.week())


def test_nobody_is_said_to_be_nobody(page: Page) -> None:
    assert "nobody@example.com" in read_words(ask(page, "/user", user="nobody@example.com")["html"])


def test_a_webhook_is_made_and_translated(page: Page) -> None:
    ask(page, "/send", text=encode(PROFILE))
    made = ask(page, "/webhook", name="emailOpen", user="u-1")
    assert (made["webhook"]["eventName"], made["posted"]) == ("emailOpen", "")
    answer = ask(page, "/track", text=json.dumps(made["webhook"]))
    assert "Email Opened" in read_words(answer["html"])
    assert answer["marks"] == []


def test_a_webhook_that_is_wrong_or_ignored_says_so(page: Page) -> None:
    answer = ask(page, "/track", text='{"eventName": "emailOpen", "dataFields": 5}')
    assert "dataFields: must be an object" in read_words(answer["html"])
    assert ["dataFields"] in [mark["path"] for mark in answer["marks"]]
    ignored = ask(page, "/track", text='{"eventName": "somethingElse", "email": "a@b.example"}')
    assert "is no event of Segment's Iterable source" in read_words(ignored["html"])
    assert "JSON, but no object" in read_words(ask(page, "/track", text="[]")["html"])


def test_a_webhook_is_posted_to_the_receiver(iterable: LocalIterable) -> None:
    with open_page(iterable, receiver=f"{iterable.url}/webhooks") as page:
        ask(page, "/send", text=encode(PROFILE))
        made = ask(page, "/webhook", name="emailOpen", user="u-1")
        assert made["posted"] == f"{iterable.url}/webhooks responded with 404"
    with open_page(iterable, receiver="http://127.0.0.1:1") as page:
        made = ask(page, "/webhook", name="emailOpen", user="u-1")
        assert made["posted"] == "http://127.0.0.1:1: ConnectionRefusedError"


def test_what_arrives_comes_live_from_whoever_sends_it(iterable: LocalIterable, page: Page) -> None:
    event = {"type": "track", "event": HOSTILE, "userId": "u-live"}
    with open_page(iterable) as other, page.stream("/changes") as changes:
        assert changes.headers["Content-Type"].startswith("text/event-stream")
        ask(other, "/send", text=encode(event))
        lines = (line for line in changes.iter_lines() if b"u-live" in line)
        change = json.loads(next(lines).removeprefix(b"data: "))
    assert change["users"] == ["u-live"]
    assert HOSTILE in read_words(change["html"])
    assert "<script" not in change["html"]


def test_the_page_of_the_iterable_alone_shows_and_sends_nothing(iterable: LocalIterable) -> None:
    with serve(iterable_app(iterable), "127.0.0.1", 0) as url, Page(url) as page:
        assert iterable.url in page.get("/").text
        assert page.post("/user", json={"user": "u-1"}).status_code == 200
        assert page.post("/send", json={"text": "{}"}).status_code == 404
        assert page.get("/samples").status_code == 404


# Values are shown, and run nowhere ---------------------------------------------------------------


def test_html_in_an_event_is_text_everywhere(page: Page) -> None:
    event = {
        "type": "track",
        "event": HOSTILE,
        "userId": "u-evil",
        "messageId": HOSTILE,
        "properties": {HOSTILE: HOSTILE, "nested": {HOSTILE: [HOSTILE]}},
    }
    refused = {**event, "event": "Order Completed", "context": {"traits": {"email": HOSTILE}}}
    mapping = {"userId": {"@path": "$.userId"}, "eventName": {"@path": "$.event"}}
    subscription = {"partnerAction": "trackEvent", "subscribe": 'type = "track"', "name": HOSTILE}
    mappings = encode([subscription | {"mapping": mapping | {"campaignId": HOSTILE}}])
    answers = [
        ask(page, "/translate", text=encode(event)),
        ask(page, "/translate", text=encode(refused)),
        ask(page, "/translate", text=encode(event), mappings=mappings),
        ask(page, "/translate", text=encode(event), mappings=encode([HOSTILE])),
        ask(page, "/send", text=encode(event)),
        ask(page, "/send", text=encode(refused)),
        ask(page, "/user", user="u-evil"),
        ask(page, "/user", user=HOSTILE),
        ask(page, "/track", text=encode({"eventName": HOSTILE})),
        ask(page, "/track", text=encode({"eventName": "emailOpen", HOSTILE: 1})),
    ]
    for answer in answers:
        assert "<script" not in answer["html"]
        assert "<img" not in answer["html"]
    assert HOSTILE in read_words(answers[0]["html"])
    assert HOSTILE in read_words(answers[6]["html"])
    assert HOSTILE in read_words(answers[7]["html"])


def test_settings_that_are_html_are_text_on_the_page(iterable: LocalIterable) -> None:
    mapping = {"userId": "u-1", "eventName": "</textarea><script>alert(1)</script>"}
    subscription = {"partnerAction": "trackEvent", "subscribe": 'type = "track"'}
    settings = Settings(mappings=[subscription | {"mapping": mapping}])
    with open_page(iterable, settings=settings, receiver="http://x.example/<script>") as page:
        for path in ("/", "/webhooks"):
            assert "<script>alert" not in page.get(path).text
            assert "/<script>" not in page.get(path).text


# Who may ask -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/webhooks", "/samples", "/static/event.js", "/nowhere"])
def test_every_response_has_the_headers_that_keep_it(path: str, page: Page) -> None:
    headers = page.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", ""])
def test_other_names_of_this_machine_are_refused(host: str, page: Page) -> None:
    assert page.get("/", headers={"Host": host}).status_code == 400
    assert page.post("/translate", json={}, headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("host", ["127.0.0.1:8090", "localhost:8090", "localhost"])
def test_the_names_of_this_machine_are_taken(host: str, page: Page) -> None:
    assert page.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("path", QUESTIONS)
def test_only_json_from_its_own_pages_is_taken(path: str, page: Page) -> None:
    assert page.get(path).status_code == 405
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        response = page.post(path, content="{}", headers={"Content-Type": kind})
        assert response.status_code == 415
    foreign = {"Origin": "https://evil.example"}
    assert page.post(path, json={}, headers=foreign).status_code == 403
    assert page.post(path, json={}, headers={"Origin": "null"}).status_code == 403
    other_port = {"Host": "127.0.0.1:8090", "Origin": "http://127.0.0.1:8091"}
    assert page.post(path, json={}, headers=other_port).status_code == 403


def test_its_own_origin_is_taken(page: Page) -> None:
    own = {"Host": "localhost:8090", "Origin": "http://localhost:8090"}
    assert page.post("/translate", json={"text": "{}"}, headers=own).status_code == 200


@pytest.mark.parametrize("path", QUESTIONS)
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b'{"text": ' + b"[" * 100_000, 400),
        (b" " * MAX_BODY + b"{", 413),
    ],
)
def test_a_body_that_is_none_is_refused(path: str, body: bytes, status: int, page: Page) -> None:
    response = page.post(path, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == status
    assert set(response.json()) == {"error"}


def test_a_body_that_just_fits_is_taken(page: Page) -> None:
    body = b'{"text": "{}"}'.ljust(MAX_BODY)
    response = page.post("/translate", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/user", {}),
        ("/user", {"user": 5}),
        ("/webhook", {"name": "emailOpen"}),
        ("/webhook", {"name": 5, "user": "u-1"}),
        ("/webhook", {"name": "emailOpen", "user": "nobody"}),
    ],
)
def test_what_lacks_something_is_refused_in_words(
    path: str, asked: dict[str, Any], page: Page
) -> None:
    response = page.post(path, json=asked)
    assert response.status_code == 400
    assert response.json()["error"]


def test_deep_nesting_in_an_event_is_a_problem_of_it(page: Page) -> None:
    deep = '{"type": "track", "event": "A", "userId": "u", "properties": ' + '{"a":' * 200 + "1"
    answer = ask(page, "/translate", text=deep + "}" * 201)
    assert answer["canSend"] is False


def test_files_of_the_package_only_are_served(page: Page) -> None:
    assert page.get("/static/%2e%2e/app.py").status_code == 404
    assert page.get("/static/../app.py").status_code == 404


# The files of others -----------------------------------------------------------------------------


def test_the_files_of_others_are_those_of_the_list() -> None:
    listed = dict(
        re.findall(
            r"^\| `([^`]+)` .*\| `([0-9a-f]{64})` \|$",
            (STATIC / "vendor/README.md").read_text("utf-8"),
            re.MULTILINE,
        )
    )
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (STATIC / "vendor").iterdir()
        if path.name != "README.md"
    }
    assert found == listed
    assert {"jsoneditor.LICENSE.md", "pico.LICENSE.md"} <= listed.keys()


def test_a_server_that_ends_closes_its_live_pages(iterable: LocalIterable) -> None:
    with open_page(iterable) as page:
        live = page.stream("/changes")
        assert next(live.iter_lines()) == b"retry: 1000"
        began = time.monotonic()
    with live, suppress(requests.RequestException):
        live.content  # noqa: B018 - it is read to its end
    assert time.monotonic() - began < 20
