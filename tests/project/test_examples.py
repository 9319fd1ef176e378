"""The examples work as they stand.

Each is run, asked as its host would ask, and what comes of it is seen at the local Iterable.
"""

from __future__ import annotations

import asyncio
import hmac
import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
import time
import tomllib
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import functions_framework
import gunicorn  # type: ignore[import-untyped] # it says no types
import pytest
import requests

import iterable_destination
from iterable_destination import Destination, InvalidSettings, Settings
from iterable_destination.receivers.dev_server import serve
from iterable_destination.receivers.segment import webhook_app
from iterable_destination.testing import LocalIterable
from tests.support.segment_server import KEY, running_segment

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
FILES = sorted(str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*") if path.is_file())
#: Files of whoever ran the examples, which are none.
FILES = [name for name in FILES if "__pycache__" not in name and not name.endswith(".whl")]
#: Files for Grafana, Prometheus, AWS and Docker, which are no code.
NO_CODE = {"alerts.yml", "grafana-dashboard.json", "compose/compose.yaml"}
NO_CODE |= {"aws_sam/template.yaml", "aws_terraform/main.tf"}

#: Those that take webhooks.
WEBHOOKS = ["gunicorn_app", "flask_app", "starlette_app", "lambda_http", "cloud_function/main"]

EVENT = {"messageId": "m-1", "type": "track", "userId": "u-7", "event": "Trial Started"}
PROFILE = {"messageId": "m-2", "type": "identify", "userId": "u-7", "traits": {"plan": "pro"}}
REFUSED = {"messageId": "m-3", "type": "track", "event": "Trial Started"}
VARIABLES = {
    "SEGMENT_SHARED_SECRET": "new-secret old-secret",
    "SEGMENT_HEADER_SECRET": "header-secret",
}


@pytest.fixture
def variables(local_iterable: LocalIterable, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the examples find in the environment."""
    chosen = VARIABLES | {
        "ITERABLE_API_KEY": local_iterable.api_key,
        "ITERABLE_BASE_URL": local_iterable.url,
    }
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    return chosen


@attrs.frozen
class Example:
    """An example that was imported, and is closed after the test."""

    modules: list[ModuleType] = attrs.field(factory=list)

    def __call__(self, name: str) -> Any:
        spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        self.modules.append(module)
        spec.loader.exec_module(module)
        return module


@pytest.fixture
def example(variables: dict[str, str]) -> Iterator[Example]:
    assert variables
    imported = Example()
    yield imported
    for module in imported.modules:
        for name in ("application", "destination"):
            if hasattr(module, name):
                getattr(module, name).close()


def signed(body: bytes, covered: bytes | None = None) -> dict[str, str]:
    """Return the headers that Segment sends."""
    signature = hmac.new(b"old-secret", body if covered is None else covered, "sha1").hexdigest()
    return {
        "Content-Type": "application/json",
        "X-Signature": signature,
        "X-Events-Secret": "header-secret",
    }


def text(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def has_both(iterable: LocalIterable) -> bool:
    """Whether the profile and the event are at Iterable, and nothing twice."""
    user = iterable.project.user("u-7")
    names = [event["eventName"] for event in iterable.project.events("u-7")]
    return (
        user is not None
        and user["dataFields"]["plan"] == "pro"
        and names == ["Trial Started"]
        and all(effect.created for effect in iterable.project.effects if effect.id)
    )


@attrs.frozen
class Context:
    """What Lambda hands over beside the event."""

    milliseconds: int = 30_000

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


# --- all of them


@pytest.mark.parametrize("name", [name for name in FILES if name not in NO_CODE])
def test_an_example_has_fewer_than_40_lines(name: str) -> None:
    assert len((EXAMPLES / name).read_text("utf-8").splitlines()) < 40


@pytest.mark.parametrize("variable", ["SEGMENT_SHARED_SECRET", "SEGMENT_HEADER_SECRET"])
@pytest.mark.parametrize("name", WEBHOOKS)
def test_an_example_does_not_run_with_an_empty_secret(
    name: str, variable: str, example: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, " ")
    with pytest.raises(InvalidSettings, match="must be a string that is not empty"):
        example(name)


# --- webhooks


def test_under_gunicorn_events_are_delivered_and_refused_ones_kept(
    variables: dict[str, str], local_iterable: LocalIterable, tmp_path: Path
) -> None:
    letters = tmp_path / "dead.jsonl"
    places = {"DEAD_LETTERS": str(letters), "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "--threads", "16", "--bind", f"127.0.0.1:{port}"),
            "gunicorn_app:application",
        ],
        cwd=EXAMPLES,
        env=os.environ | variables | places,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        body = text([EVENT, PROFILE, REFUSED])
        answer = posted(f"http://127.0.0.1:{port}/", body, signed(body, text(EVENT)))
    finally:
        server.terminate()
        log, _ = server.communicate(timeout=30)
    assert (answer.status_code, answer.json()["delivered"], answer.json()["rejected"]) == (
        200,
        2,
        1,
    )
    assert has_both(local_iterable)
    assert [json.loads(line)["messageId"] for line in letters.read_text().splitlines()] == ["m-3"]
    assert "INFO iterable_destination.receivers 3 events: " in log


def posted(url: str, body: bytes, headers: dict[str, str]) -> requests.Response:
    """Post as soon as there is a server."""
    until = time.monotonic() + 20
    while True:
        try:
            return requests.post(url, body, headers=headers, timeout=10)
        except requests.ConnectionError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def test_mounted_in_flask_events_are_delivered(
    example: Example, local_iterable: LocalIterable
) -> None:
    client = example("flask_app").app.test_client()
    for event in (EVENT, PROFILE):
        body = text(event)
        answer = client.post("/segment", data=body, headers=signed(body))
        assert (answer.status_code, answer.get_json()) == (200, {"delivered": 1})
    assert has_both(local_iterable)
    assert client.get("/health").text == "ok"
    answer = client.post("/segment", data=body, headers=signed(b"another"))
    assert answer.status_code == 401


def test_mounted_in_starlette_events_are_delivered(
    example: Example, local_iterable: LocalIterable
) -> None:
    app = example("starlette_app").app
    body = text([EVENT, PROFILE])
    headers = signed(body, text(EVENT))
    assert asked(app, "POST", "/segment/", body, headers) == (200, b'{"delivered":2}')
    assert has_both(local_iterable)
    assert asked(app, "GET", "/health", b"", {}) == (200, b"ok")
    without = {name: value for name, value in headers.items() if name != "X-Events-Secret"}
    assert asked(app, "POST", "/segment/", body, without)[0] == 401


def asked(
    app: Any, method: str, path: str, body: bytes, headers: dict[str, str]
) -> tuple[int, bytes]:
    """Ask an ASGI application as its server would."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        + [(b"content-length", str(len(body)).encode())],
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


def test_a_google_function_delivers(
    example: Example, variables: dict[str, str], local_iterable: LocalIterable
) -> None:
    assert variables
    source = str(EXAMPLES / "cloud_function" / "main.py")
    before = dict(sys.modules)
    app = functions_framework.create_app("receive", source)  # type: ignore[no-untyped-call]
    example.modules.extend(
        module
        for name, module in sys.modules.items()
        if before.get(name) is not module and getattr(module, "__file__", None) == source
    )
    assert len(example.modules) == 1
    client = app.test_client()
    body = text([EVENT, PROFILE])
    answer = client.post("/", data=body, headers=signed(body, text(EVENT)))
    assert (answer.status_code, answer.get_json()) == (200, {"delivered": 2})
    assert has_both(local_iterable)
    assert (client.get("/").status_code, client.put("/").status_code) == (200, 405)


def test_what_the_google_function_requires_is_what_there_is() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = (EXAMPLES / "cloud_function" / "requirements.txt").read_text("utf-8").splitlines()
    name = project["name"].replace("-", "_")
    assert lines[0] == f"./{name}-{iterable_destination.__version__}-py3-none-any.whl"
    extras = project["optional-dependencies"]
    assert set(lines[1:]) <= {*extras["fast"], *extras["test"]}


def test_the_container_runs_the_example_for_gunicorn() -> None:
    container = (EXAMPLES / "Dockerfile").read_text("utf-8")
    assert re.findall(r"\w+\.py", container) == ["gunicorn_app.py"]
    assert "gunicorn_app:application" in container


@pytest.mark.skipif(gunicorn.version_info < (27,), reason="older ones have no control socket")
def test_the_container_starts_for_a_user_without_a_home(
    variables: dict[str, str], tmp_path: Path
) -> None:
    container = (EXAMPLES / "Dockerfile").read_text("utf-8").replace("\\\n", "")
    [command] = re.findall("^CMD (.+)$", container, re.MULTILINE)
    (tmp_path / "file").touch()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    home = str(tmp_path / "file" / "home")  # nobody can make it
    server = subprocess.Popen(
        ["/bin/sh", "-c", command],
        cwd=EXAMPLES,
        env=os.environ
        | variables
        | {"HOME": home, "PATH": path, "PORT": port, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        answer = posted(f"http://127.0.0.1:{port}/", text(EVENT), signed(text(EVENT)))
    finally:
        server.terminate()
        log, _ = server.communicate(timeout=30)
    assert answer.json() == {"delivered": 1}
    assert "[ERROR]" not in log


# --- AWS


def records_of_sqs(queue: str, *bodies: Any) -> dict[str, Any]:
    arn = f"arn:aws:sqs:eu-west-1:123456789012:{queue}"
    return {
        "Records": [
            {
                "messageId": f"sqs-{number}",
                "receiptHandle": "invented",
                "body": text(body).decode(),
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": arn,
                "awsRegion": "eu-west-1",
            }
            for number, body in enumerate(bodies)
        ]
    }


def in_envelope(event: Any) -> dict[str, Any]:
    """Return an event as EventBridge has it from Segment."""
    return {
        "version": "0",
        "id": "invented",
        "detail-type": event["type"],
        "source": "aws.partner/segment.com/invented",
        "account": "123456789012",
        "time": "2026-11-21T08:00:00Z",
        "region": "eu-west-1",
        "resources": [],
        "detail": event,
    }


@pytest.mark.parametrize(("queue", "kept"), [("events", ["sqs-1"]), ("e.fifo", ["sqs-1", "sqs-2"])])
def test_what_a_queue_is_to_keep_is_given_back(
    queue: str, kept: list[str], example: Example, local_iterable: LocalIterable
) -> None:
    function = example("lambda_sqs").function
    handed = records_of_sqs(queue, EVENT, REFUSED, PROFILE)
    answer = function(handed, Context())
    assert answer == {"batchItemFailures": [{"itemIdentifier": each} for each in kept]}
    again = records_of_sqs(queue, in_envelope(PROFILE))
    assert function(again, Context()) == {"batchItemFailures": []}
    assert has_both(local_iterable)


def test_a_stream_goes_on_where_it_is_told(example: Example, local_iterable: LocalIterable) -> None:
    function = example("lambda_kinesis").function
    handed = {
        "Records": [
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "u-7",
                    "sequenceNumber": f"4957{number}",
                    "data": b64encode(text(event)).decode(),
                    "approximateArrivalTimestamp": 1700000000.0,
                },
                "eventSource": "aws:kinesis",
                "eventID": f"shardId-000000000000:4957{number}",
                "eventSourceARN": "arn:aws:kinesis:eu-west-1:123456789012:stream/events",
            }
            for number, event in enumerate([EVENT, PROFILE, REFUSED])
        ]
    }
    answer = function(handed, Context())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "49572"}]}
    assert has_both(local_iterable)


def test_a_rule_delivers_each_event_or_fails(
    example: Example, local_iterable: LocalIterable
) -> None:
    function = example("lambda_eventbridge").function
    for event in (EVENT, PROFILE):
        assert function(in_envelope(event), Context()) == {"delivered": 1}
    assert has_both(local_iterable)
    with pytest.raises(Exception, match="not all events were delivered") as caught:
        function(in_envelope(REFUSED), Context())
    assert type(caught.value).__name__ == "NotAccepted"


def test_behind_api_gateway_events_are_delivered(
    example: Example, local_iterable: LocalIterable
) -> None:
    function = example("lambda_http").function
    for event in (EVENT, PROFILE):
        body = text(event)
        handed = {
            "version": "2.0",
            "rawPath": "/",
            "rawQueryString": "",
            "headers": {name.lower(): value for name, value in signed(body).items()},
            "requestContext": {"http": {"method": "POST", "path": "/"}, "stage": "$default"},
            "body": b64encode(body).decode(),
            "isBase64Encoded": True,
        }
        answer = function(handed, Context())
        assert (answer["statusCode"], json.loads(answer["body"])) == (200, {"delivered": 1})
    assert has_both(local_iterable)
    assert function(handed | {"body": "e30="}, Context())["statusCode"] == 401


# --- from Iterable to Segment


def test_what_iterable_posts_arrives_in_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    def emitted(address: str, name: str, value: str) -> int:
        return iterable.emit(address, name, "u-7", headers={"Authorization": value})

    monkeypatch.setenv("SEGMENT_WRITE_KEY", KEY)
    monkeypatch.setenv("ITERABLE_WEBHOOK_TOKEN", "new-token old-token")
    with running_segment() as segment, LocalIterable() as iterable:
        monkeypatch.setenv("SEGMENT_BASE_URL", segment.url)
        module = Example()("source_app")
        settings = Settings(api_key=iterable.api_key, base_url=iterable.url)
        with (
            module.destination,
            module.application,
            serve(module.application, "127.0.0.1", 0) as address,
            Destination(settings) as into_iterable,
        ):
            profile = PROFILE | {"traits": {"email": "ada@example.com"}}
            assert into_iterable.send(profile).name == "delivered"
            statuses = [
                emitted(address, "emailOpen", "Bearer old-token"),
                emitted(address, "emailClick", "new-token"),
                emitted(address, "emailSend", "another"),
            ]
    assert statuses == [200, 200, 401]
    assert [(event["userId"], event["event"]) for event in segment.events] == [
        ("u-7", "Email Opened"),
        ("u-7", "Email Link Clicked"),
    ]
    assert {event["integrations"]["Iterable"] for event in segment.events} == {False}


@pytest.mark.parametrize("value", ["", " "])
def test_the_source_does_not_run_without_a_token(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGMENT_WRITE_KEY", KEY)
    monkeypatch.setenv("ITERABLE_WEBHOOK_TOKEN", value)
    with pytest.raises(InvalidSettings, match="tokens: must be a string that is not empty"):
        Example()("source_app")


# --- without Segment


def test_segments_client_delivers_through_the_receiver(
    variables: dict[str, str], local_iterable: LocalIterable
) -> None:
    settings = Settings(api_key=local_iterable.api_key, base_url=local_iterable.url)
    seen: list[Any] = []
    with webhook_app(settings, write_keys="invented-write-key") as application:

        def watched(environ: Any, start_response: Any) -> Any:
            seen.append((environ["PATH_INFO"], environ.get("HTTP_CONTENT_ENCODING")))
            return application(environ, start_response)

        with serve(watched, "127.0.0.1", 0) as url:
            done = subprocess.run(
                [sys.executable, "segment_client.py"],
                cwd=EXAMPLES,
                env=os.environ
                | variables
                | {"SEGMENT_WRITE_KEY": "invented-write-key", "EVENTS_URL": url},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert set(seen) == {("/v1/batch", "gzip")}
    assert has_both(local_iterable)
