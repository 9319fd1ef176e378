"""Whether the key works, and what waits in an outbox."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import click.testing
import pytest

from iterable_destination.cli.main import command_line
from iterable_destination.io.outbox import Outbox
from iterable_destination.io.postgres_outbox import PostgresOutbox
from iterable_destination.testing import LocalIterable, Project, faults
from tests.support.faulty_server import refusing
from tests.support.outboxes import new_table
from tests.support.postgres import PASSWORD, Cluster

KEY = "the-key-of-no-project-0123456789"


def run(*arguments: str) -> click.testing.Result:
    result = click.testing.CliRunner().invoke(command_line, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ITERABLE_DATA_CENTER", "ITERABLE_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ITERABLE_API_KEY", KEY)


# check -------------------------------------------------------------------------------------------


def test_a_key_that_works_is_told() -> None:
    with LocalIterable(Project(api_key=KEY)) as iterable:
        result = run("check", "--base-url", iterable.url)
        assert iterable.project.effects == []
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"The key works, at {iterable_url(result.stdout)}\n"


def iterable_url(text: str) -> str:
    return text.rsplit(maxsplit=1)[-1]


def test_a_wrong_key_or_address_is_status_2() -> None:
    with LocalIterable(Project(api_key="another")) as iterable:
        wrong_key = run("check", "--base-url", iterable.url)
        wrong_address = run("check", "--base-url", f"{iterable.url}/nowhere")
        assert wrong_key.stderr.startswith(f"Error: {iterable.url}: Unauthorized: ")
    for result in (wrong_key, wrong_address):
        assert (result.exit_code, result.stdout) == (2, "")
        assert KEY not in result.stderr


def test_what_is_not_known_now_is_status_1() -> None:
    with refusing() as url:
        refused = run("check", "--base-url", url)
    with LocalIterable(faults=lambda *_: faults.server_error(503)) as iterable:
        failed = run("check", "--base-url", iterable.url)
    assert [refused.exit_code, failed.exit_code] == [1, 1]
    assert ": NotConnected: " in refused.stderr
    assert ": ServerError: " in failed.stderr


def test_without_a_key_it_is_said_where_it_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ITERABLE_API_KEY")
    result = run("check")
    assert result.exit_code == 2
    assert result.stderr.endswith("; set the variable ITERABLE_API_KEY\n")


# outbox ------------------------------------------------------------------------------------------


def test_it_says_how_many_events_wait_and_since_when(tmp_path: Path) -> None:
    path = tmp_path / "outbox"
    with Outbox(path, stamp_missing=False) as outbox:
        assert json.loads(run("outbox", str(path)).stdout) == {"events": 0, "oldest": None}
        first = outbox.add({"messageId": "m-\x9b", "originalTimestamp": "2026-02-07T10:00:00Z"})
        outbox.add_all([{"messageId": "m-2"}, {}])
        result = run("outbox", str(path))
        assert "\x9b" not in result.stdout
        assert json.loads(result.stdout) == {
            "events": 3,
            "oldest": {"index": first, "messageId": "m-\x9b", "time": "2026-02-07T10:00:00Z"},
        }
        outbox.remove([first])
        oldest = {"index": first + 1, "messageId": "m-2", "time": None}
        assert json.loads(run("outbox", str(path)).stdout) == {"events": 2, "oldest": oldest}
        assert len(outbox) == 2


def test_a_damaged_event_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "outbox"
    with Outbox(path) as outbox:
        outbox.add({"messageId": 5, "timestamp": 1})
        assert json.loads(run("outbox", str(path)).stdout)["oldest"]["messageId"] is None
        with closing(sqlite3.connect(path)) as other:
            other.execute("UPDATE events SET event = x'7b00'")
            other.commit()
        assert json.loads(run("outbox", str(path)).stdout)["events"] == 1


@pytest.mark.parametrize("text", ["", "text"])
def test_what_is_no_outbox_is_left_alone(text: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    result = run("outbox", str(path))
    assert (result.exit_code, result.stderr) == (2, f"Error: {path}: is no outbox\n")
    assert path.read_text() == text
    assert run("outbox", str(tmp_path / "no")).stderr.endswith(": there is no such file\n")


# In PostgreSQL -----------------------------------------------------------------------------------


def test_an_outbox_in_a_database_is_looked_at_and_drained(postgres: Cluster) -> None:
    table = new_table(postgres).name
    event = {"type": "track", "event": "Seen", "userId": "u-1"}
    with (
        PostgresOutbox(postgres.dsn, table=table) as outbox,
        LocalIterable(Project(api_key=KEY)) as iterable,
    ):
        outbox.add_all([event | {"messageId": f"m-{n}"} for n in range(3)])
        looked = run("outbox", postgres.url(), "--table", table)
        assert json.loads(looked.stdout)["events"] == 3
        assert json.loads(looked.stdout)["oldest"]["messageId"] == "m-0"
        drain = ("drain", postgres.url(), "--table", table, "--base-url", iterable.url)
        with outbox.delivering():
            refused = run(*drain)
        assert refused.exit_code == 2
        assert refused.stderr.endswith(f"{table}: someone else delivers from it already\n")
        drained = run(*drain)
        assert drained.exit_code == 0
        assert len(drained.stdout.splitlines()) == 3
        assert len(iterable.project.effects) == 3
        assert len(outbox) == 0
    for result in (looked, refused, drained):
        assert PASSWORD not in result.output


def test_an_address_is_not_printed_whatever_is_wrong(postgres: Cluster) -> None:
    wrong = run("outbox", postgres.url("Wrong-Word"))
    nobody = run("drain", "postgresql://me:Wrong-Word@127.0.0.1:1/shop")
    broken = run("outbox", "postgres://me:@Wrong-Word@db/shop")
    no_table = run("drain", postgres.url(), "--table", "nowhere")
    no_name = run("outbox", postgres.url(), "--table", "no name")
    results = (wrong, nobody, broken, no_table, no_name)
    assert {result.exit_code for result in results} == {2}
    assert "password authentication failed" in wrong.stderr
    assert "Connection refused" in nobody.stderr
    assert "Error: dsn: is no connection string" in broken.stderr
    assert "Error: nowhere: there is no such table\n" in no_table.stderr
    assert "Error: table: must be small letters" in no_name.stderr
    for result in results:
        assert "Wrong-Word" not in result.output
        assert PASSWORD not in result.output
