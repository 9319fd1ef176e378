"""What Iterable did not say is not the event's fault: its sender keeps it, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from iterable_destination import DeadLetters, Destination, Settings, errors
from iterable_destination.receivers.acknowledgement import deliver_batch, http_status
from tests.support import faulty_server as faulty
from tests.support.faulty_server import FaultyServer

EVENTS = [
    {"messageId": f"m-{number}", "type": "track", "userId": f"u-{number}", "event": "Seen"}
    for number in range(50)
]
BODIES = {
    "html": b"<html><body><h1>400 Bad Request</h1></body></html>",
    "json": b'{"message":"Forbidden"}',
    "text": b"Request blocked",
    "nothing": b"",
}


@pytest.mark.parametrize(
    "status", [301, 400, 401, 403, 404, 405, 407, 409, 411, 413, 415, 422, 451]
)
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("count", [1, 50])
def test_a_gateway_that_refuses_loses_no_event(
    status: int, body: str, count: int, tmp_path: Path
) -> None:
    letters = tmp_path / "dead.jsonl"
    with (
        FaultyServer(faulty.answers(status, BODIES[body])) as server,
        DeadLetters(letters) as dead,
        Destination(Settings(api_key="k", base_url=server.url), dead_letters=dead) as to,
    ):
        outcomes = deliver_batch(to, EVENTS[:count], 4)
    assert {each.name for each in outcomes} == {"retryable"}
    assert all(isinstance(each.error, errors.ConfigurationError) for each in outcomes)
    assert http_status(outcomes, keeps_dead_letters=True) == 503
    assert letters.read_text("utf-8") == ""
    assert len(server.requests) == 1  # neither a retry nor halves


def test_without_certificates_no_event_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nowhere.pem"))
    letters = tmp_path / "dead.jsonl"
    settings = Settings(api_key="k", base_url="https://127.0.0.1:9")
    with DeadLetters(letters) as dead, Destination(settings, dead_letters=dead) as to:
        outcomes = deliver_batch(to, EVENTS, 4)
        assert sum(to.counters.requests.values()) == 1
    assert {each.name for each in outcomes} == {"retryable"}
    assert http_status(outcomes, keeps_dead_letters=True) == 503
    assert letters.read_text("utf-8") == ""
