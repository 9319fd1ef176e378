"""An archive in a real object store: sent through kills, and by two processes at once."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from iterable_destination.testing import LocalIterable, Project

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("moto", "s3fs")),
        reason="moto and s3fs are of the group of examples",
    ),
]

BUCKET = "archive"
CUT = "Compressed file ended before the end-of-stream marker was reached"
EVENTS, USERS, FILES = 20_000, 500, 10


def event(number: int) -> dict[str, Any]:
    """Return an event of a user whose names are not all in each of them."""
    user, names = number * 31 % USERS, number // USERS % 3
    who = {"userId": f"u-{user}"} if names else {}
    traits = {} if names == 2 else {"email": f"u-{user}@example.com"}
    kind: dict[str, Any] = {"type": "identify", "traits": traits | {"n": number}}
    if number % 10:
        properties = {"n": number, "text": hashlib.sha512(b"%d" % number).hexdigest()}
        kind = {"type": "track", "event": "Seen", "properties": properties}
        kind["context"] = {"traits": traits}
    return {"messageId": f"m-{number}", **who, **kind}


@pytest.fixture(scope="module")
def store() -> Iterator[dict[str, str]]:
    """Run a server that is like S3, with an archive in it; give the variables that lead there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {
        "AWS_ACCESS_KEY_ID": "key-of-nobody",
        "AWS_SECRET_ACCESS_KEY": "secret-of-nobody",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(port)
        run_python(FILL, variables)
        yield variables
    finally:
        server.terminate()
        server.wait(timeout=30)


def wait_for(port: int) -> None:
    for _ in range(300):
        with socket.socket() as trying:
            if trying.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail("the store does not answer")


#: It runs in a process of its own, for its libraries leave connections open.
FILL = f"""
import gzip, json, s3fs
from {__name__} import BUCKET, EVENTS, FILES, event
files = s3fs.S3FileSystem()
files.mkdir(BUCKET)
size = EVENTS // FILES
for place in range(FILES):
    lines = [json.dumps(event(number)) for number in range(place * size, (place + 1) * size)]
    day, text = place // 4, "\\n".join(lines).encode()
    files.pipe(f"{{BUCKET}}/segment-logs/16755{{day}}/{{place}}.gz", gzip.compress(text))
files.pipe(f"{{BUCKET}}/cut/1.gz", gzip.compress(text)[:-100])
"""


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    root = str(Path(__file__).parents[2])
    return {**os.environ, **variables, "PYTHONPATH": root, "NO_COLOR": "1"}


def run_python(script: str, variables: Mapping[str, str]) -> None:
    subprocess.run(
        [sys.executable, "-c", script], env=environment(variables), check=True, timeout=120
    )


def start(
    iterable: LocalIterable, store: Mapping[str, str], out: Path, *arguments: str
) -> subprocess.Popen[bytes]:
    variables = {**store, "ITERABLE_API_KEY": iterable.api_key, "ITERABLE_BASE_URL": iterable.url}
    command = [sys.executable, "-m", "iterable_destination", "send", *arguments]
    with out.open("ab") as lines:
        return subprocess.Popen(
            command, stdout=lines, stderr=subprocess.PIPE, env=environment(variables)
        )


def check_effects(project: Project, *, again: bool) -> None:
    """See that nothing is lost, no event doubled, and nothing overtaken but by being sent again."""
    numbers = [effect.body["dataFields"]["n"] for effect in project.effects]
    assert set(numbers) == set(range(EVENTS))
    if not again:
        assert Counter(numbers) == Counter(range(EVENTS))
    created = [
        effect.body["dataFields"]["n"]
        for effect in project.effects
        if effect.created and effect.path.startswith("/api/events/")
    ]
    assert sorted(created) == [number for number in range(EVENTS) if number % 10]
    seen: set[int] = set()
    newest: dict[int, int] = {}
    profiles: dict[int, int] = {}
    for number in numbers:
        user = number * 31 % USERS
        if number not in seen:
            assert newest.get(user, -1) < number
            newest[user] = number
            seen.add(number)
        if number % 10 == 0:
            profiles[user] = number
    last = {number * 31 % USERS: number for number in range(0, EVENTS, 10)}
    assert profiles == last


def test_kills_lose_and_double_nothing(store: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "outcomes.jsonl"
    arguments = (f"s3://{BUCKET}/segment-logs", "--checkpoint", str(tmp_path / "done"))
    kills = 0
    with LocalIterable(Project(rate_limits=True)) as iterable:
        for _ in range(20):
            before = iterable.project.effect_count
            running = start(iterable, store, out, *arguments)
            while kills < 2 and running.poll() is None:
                if iterable.project.effect_count > before + 2_000:
                    time.sleep(1.2)  # so that the checkpoint has some of it
                    running.kill()
                    break
                time.sleep(0.01)
            _, errors = running.communicate(timeout=120)
            kills += running.returncode == -signal.SIGKILL
            if running.returncode == 0:
                break
            assert running.returncode == -signal.SIGKILL, errors
        assert (running.returncode, kills) == (0, 2)
        check_effects(iterable.project, again=True)
        indexes = [json.loads(line)["index"] for line in out.read_bytes().splitlines()]
        assert set(indexes) == set(range(EVENTS))
        assert len(indexes) < 2 * EVENTS


def test_two_shards_at_once_lose_double_and_overtake_nothing(
    store: dict[str, str], tmp_path: Path
) -> None:
    with LocalIterable(Project(rate_limits=True)) as iterable:
        running = [
            start(
                iterable,
                store,
                tmp_path / f"{number}.jsonl",
                f"s3://{BUCKET}/segment-logs/*/*.gz",
                *("--shard", f"{number}/2", "--checkpoint", str(tmp_path / f"{number}.done")),
            )
            for number in (1, 2)
        ]
        errors = [process.communicate(timeout=200)[1] for process in running]
        assert [process.returncode for process in running] == [0, 0], errors
        check_effects(iterable.project, again=False)


def test_an_object_that_is_cut_gives_what_comes_before(
    store: dict[str, str], tmp_path: Path
) -> None:
    with LocalIterable() as iterable:
        running = start(iterable, store, tmp_path / "out", f"s3://{BUCKET}/cut")
        _, errors = running.communicate(timeout=120)
        assert (running.returncode, errors.decode().splitlines()[-1]) == (
            2,
            f"Error: s3://{BUCKET}/cut/1.gz: {CUT}",
        )
        assert iterable.project.effect_count > 1_000


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (f"s3://{BUCKET}/nothing", "No such file or directory"),
        ("s3://no-such-bucket/*.gz", "no file matches"),
        ("s3://key-7:s3cret@archive/x", ""),
    ],
)
def test_what_is_not_there_is_told_in_one_line(
    address: str, words: str, store: dict[str, str], tmp_path: Path
) -> None:
    with LocalIterable() as iterable:
        running = start(iterable, store, tmp_path / "out", address)
        text = running.communicate(timeout=120)[1].decode()
    assert running.returncode == 2
    assert text.startswith("Error: s3://")
    assert words in text
    assert text.count("\n") == 1
    assert "s3cret" not in text


def test_without_an_account_there_is_one_line(store: dict[str, str], tmp_path: Path) -> None:
    wrong = {**store, "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    with LocalIterable() as iterable:
        running = start(iterable, wrong, tmp_path / "out", f"s3://{BUCKET}/segment-logs")
        text = running.communicate(timeout=120)[1].decode()
    assert (running.returncode, text.count("\n")) == (2, 1)
    assert "secret-of-nobody" not in text
