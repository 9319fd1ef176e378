"""The function runs in Google's own framework."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import functions_framework
import pytest
from flask import Flask
from flask.testing import FlaskClient

from iterable_destination.testing import LocalIterable
from tests.support.delivering import number_of, track

SOURCE = """
import os

import functions_framework
from iterable_destination import Settings
from iterable_destination.receivers.cloud_functions import http_function
from iterable_destination.receivers.segment import webhook_app

settings = Settings.from_environment()
application = webhook_app(settings, header_secrets={"X-Secret": os.environ["SECRET"]})
receive = functions_framework.http(http_function(application))
"""
HEADERS = {"X-Secret": "shh"}


@pytest.fixture
def iterable() -> Iterator[LocalIterable]:
    with LocalIterable() as started:
        yield started


@pytest.fixture
def client(iterable: LocalIterable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    source = tmp_path / "main.py"
    source.write_text(SOURCE)
    monkeypatch.setenv("ITERABLE_API_KEY", str(iterable.api_key))
    monkeypatch.setenv("ITERABLE_BASE_URL", iterable.url)
    monkeypatch.setenv("SECRET", "shh")
    made: Flask = functions_framework.create_app("receive", str(source))  # type: ignore[no-untyped-call]
    return made.test_client()


def test_an_event_that_comes_to_the_function_arrives_in_iterable(
    client: FlaskClient, iterable: LocalIterable
) -> None:
    response = client.post("/", json=[track(1), track(2)], headers=HEADERS)
    assert (response.status_code, response.json) == (200, {"delivered": 2})
    assert [number_of(effect) for effect in iterable.project.effects] == [1, 2]


def test_the_function_answers_what_the_application_would(client: FlaskClient) -> None:
    answers = [
        client.post("/any/path", json=track(1)),
        client.post("/", data="{", content_type="application/json", headers=HEADERS),
        client.get("/any/path"),
        client.get("/"),
        client.post("/", data=json.dumps(track(1)), content_type="text/plain", headers=HEADERS),
        client.post("/", json={"type": "track", "userId": "u"}, headers=HEADERS),
    ]
    assert [answer.status_code for answer in answers] == [401, 400, 405, 200, 415, 400]
