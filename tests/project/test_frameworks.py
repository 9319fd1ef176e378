"""The pages on frameworks: their examples run in these, where they are installed.

Each runs in a process of its own, as the framework runs it. What it handed in is at Iterable at the
end.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

from iterable_destination import Destination, Outbox, RetryPolicy, Settings
from iterable_destination.testing import LocalIterable
from tests.support.delivering import wait_until

#: What frameworks warn of is not ours to mend.
pytestmark = pytest.mark.filterwarnings("default")

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs/examples"

SITE = """
import django
from django.conf import settings
from django.db import transaction
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["testserver"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "django_events.EventsConfig"
    ],
    ITERABLE_OUTBOX="django.outbox",
    ROOT_URLCONF="site_urls",
)
django.setup()

import sys
import types
from django.core.management import call_command
from django.test import Client
import django_events

urls = types.ModuleType("site_urls")
urls.urlpatterns = [path("signup", django_events.sign_up)]
sys.modules["site_urls"] = urls
call_command("migrate", verbosity=0)

assert Client().post("/signup", {"name": "ada"}).status_code == 201
try:
    with transaction.atomic():
        django_events.emit({"type": "track", "userId": "u-9", "event": "Signed Up"})
        raise RuntimeError("it is rolled back")
except RuntimeError:
    pass
"""


@pytest.fixture
def variables(local_iterable: LocalIterable) -> dict[str, str]:
    return os.environ | {
        "ITERABLE_API_KEY": local_iterable.api_key,
        "ITERABLE_BASE_URL": local_iterable.url,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]),
    }


def copy(name: str, to: Path) -> None:
    shutil.copy(EXAMPLES / name, to / name)


def names_of(iterable: LocalIterable, user_id: str) -> list[str]:
    return [event["eventName"] for event in iterable.project.events(user_id)]


def test_a_view_of_django_hands_in_what_is_committed(
    local_iterable: LocalIterable, variables: dict[str, str], tmp_path: Path
) -> None:
    pytest.importorskip("django")
    copy("django_events.py", tmp_path)
    run = [sys.executable, "-c", SITE]
    done = subprocess.run(
        run, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert names_of(local_iterable, "u-1") == ["Signed Up"]
    assert names_of(local_iterable, "u-9") == []
    with Outbox(tmp_path / "django.outbox") as outbox:
        assert outbox.count() == 0


def test_tasks_of_celery_deliver_and_hand_in(
    local_iterable: LocalIterable, variables: dict[str, str], tmp_path: Path
) -> None:
    celery = pytest.importorskip("celery")
    copy("celery_events.py", tmp_path)
    (tmp_path / "queue").mkdir()
    folders = {name: str(tmp_path / "queue") for name in ("data_folder_in", "data_folder_out")}
    folders |= {"control_folder": str(tmp_path / "queue")}
    (tmp_path / "site_config.py").write_text(
        f"broker_url = 'filesystem://'\nbroker_transport_options = {folders!r}\n"
    )
    worker = subprocess.Popen(
        [
            *(sys.executable, "-m", "celery", "-A", "celery_events", "worker"),
            *("--pool", "prefork", "--concurrency", "1", "--without-gossip", "--without-mingle"),
        ],
        cwd=tmp_path,
        env=variables | {"CELERY_CONFIG_MODULE": "site_config"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with celery.Celery() as client:
            client.conf.update(broker_url="filesystem://", broker_transport_options=folders)
            event = {"messageId": "m-1", "type": "track", "userId": "u-1", "event": "Signed Up"}
            client.send_task("celery_events.deliver", [event])
            client.send_task("celery_events.renew", ["u-2"])
        wait_until(lambda: names_of(local_iterable, "u-1") == ["Signed Up"])
        wait_until((tmp_path / "celery.outbox").exists)
    finally:
        worker.terminate()
        assert worker.wait(30) == 0
    assert names_of(local_iterable, "u-2") == ["Plan Renewed"]


async def ask(app: Any, method: str, path: str) -> int:
    """Run an ASGI application for one request, and return the status."""
    statuses: list[int] = []
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
        "path": path, "raw_path": path.encode(), "query_string": b"", "headers": [],
        "scheme": "http", "server": ("test", 80), "client": ("test", 1), "root_path": "",
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async with app.router.lifespan_context(app):
        await app(scope, receive, send)
    return statuses[0]


@pytest.mark.parametrize(("name", "status"), [("fastapi_events", 201), ("fastapi_async", 202)])
def test_an_endpoint_of_fastapi_hands_in(
    name: str,
    status: int,
    local_iterable: LocalIterable,
    variables: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("fastapi")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(EXAMPLES)
    for variable in ("ITERABLE_API_KEY", "ITERABLE_BASE_URL"):
        monkeypatch.setenv(variable, variables[variable])
    example = importlib.import_module(name)
    began = time.monotonic()
    assert asyncio.run(ask(example.app, "POST", "/signups/u-7")) == status
    assert time.monotonic() - began < 9
    assert names_of(local_iterable, "u-7") == ["Signed Up"]


class MemoryQueue:
    """A queue with the methods of boto3's that the example uses."""

    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/events.fifo"

    def __init__(self, bodies: list[str]) -> None:
        self.messages = [
            SimpleNamespace(body=body, receipt_handle=f"r-{n}", attributes={"MessageGroupId": "g"})
            for n, body in enumerate(bodies)
        ]

    def receive_messages(self, *, MaxNumberOfMessages: int, **_: Any) -> list[Any]:  # noqa: N803
        return self.messages[:MaxNumberOfMessages]

    def delete_messages(self, *, Entries: list[dict[str, str]]) -> None:  # noqa: N803
        assert len({entry["Id"] for entry in Entries}) == len(Entries) <= 10
        deleted = {entry["ReceiptHandle"] for entry in Entries}
        self.messages = [each for each in self.messages if each.receipt_handle not in deleted]


def test_a_worker_of_sqs_deletes_only_what_is_done_with(
    local_iterable: LocalIterable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    example = importlib.import_module("sqs_worker")
    track = {"type": "track", "event": "Signed Up"}
    bodies = [json.dumps(track | {"userId": f"u-{n}", "messageId": f"m-{n}"}) for n in range(11)]
    bodies[3] = "no JSON"
    queue = MemoryQueue(bodies)
    settings = Settings(api_key=local_iterable.api_key, base_url=local_iterable.url)
    with Destination(settings) as destination:
        assert example.deliver_batch(queue, destination) == 10
        assert [each.receipt_handle for each in queue.messages] == ["r-10"]
    refused = RetryPolicy(deadline=0.0)
    with Destination(attrs.evolve(settings, api_key="wrong"), retry=refused) as destination:
        assert example.deliver_batch(queue, destination) == 0
    assert len(queue.messages) == 1
    sent = [effect.user_id for effect in local_iterable.project.effects]
    assert sent == [f"u-{n}" for n in range(10) if n != 3]
