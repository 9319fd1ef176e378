"""Kill delivery at random moments, go on, and see in the ledger that nothing is lost.

Run ``python benchmarks/kill.py``: a hundred kills of ``send --checkpoint``, and a hundred of a
program with an outbox; with ``--driver`` of one program. Each runs in a process of its own and ends
by ``SIGKILL``; the local Iterable, in this one, keeps the ledger. What was in flight is sent again,
with the same ids. The script ends with status 1 if an event is missing at the end, an id is
doubled, or an event was first applied after a later one of its user.

Each event has a userId here: that an email and a userId are one user's is known to a process from
an event with both, and is forgotten with it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs
from drivers import (
    add_driver_argument,
    name_user,
    produce,
    require_driver,
    running_kafka,
    running_postgres,
)
from history import findings, history, place

from iterable_destination.testing import LocalIterable, RandomFaults, faults

_HERE: Final = Path(__file__).parent
_USERS: Final = 1_000
_SEED: Final = 1
_BOTH: Final = "both"
#: What is killed, by driver.
_DRIVERS: Final = {
    _BOTH: "threads, then outbox",
    "threads": "iterable-destination send --checkpoint, which uses Destination.send_all",
    "async": "a program that notes in a file what AsyncDestination.send_all has delivered",
    "outbox": "a program that adds events to an outbox in a file, and delivers them",
    "postgres": "the same in PostgreSQL, which is started here and is not killed",
    "kafka": "consume, on a topic of librdkafka's mock cluster, which is not killed",
}
#: Runs a program of the drivers' module.
_RUN: Final = "import sys, drivers; drivers.PROGRAMS[sys.argv[1]](*sys.argv[2:])"


@attrs.frozen
class Killed:
    """A command that is killed."""

    name: str
    command: list[str]
    #: Seconds after which it is killed at the latest: more than it needs to begin to deliver.
    longest: float = 1.0


@contextmanager
def prepare(driver: str, folder: Path) -> Iterator[Killed]:
    """Set up what a driver's program needs, and give its command."""
    events = folder / "events.jsonl"
    program = [sys.executable, "-c", _RUN, driver]
    if driver == "threads":
        send = [sys.executable, "-m", "iterable_destination", "send", str(events)]
        checkpoint = ["--checkpoint", str(folder / "checkpoint")]
        yield Killed("send --checkpoint", [*send, *checkpoint])
    elif driver == "kafka":
        with running_kafka() as (address, topic):
            produce(address, topic, map(json.loads, events.read_text("ascii").splitlines()))
            # A group waits two seconds for a member that was killed.
            yield Killed(driver, [*program, address, topic], longest=4.0)
    elif driver == "postgres":
        with running_postgres() as dsn:
            yield Killed(driver, [*program, str(events), str(folder / "taken"), dsn])
    else:
        noted = [str(events), str(folder / f"{driver}.noted")]
        outbox = [str(folder / "outbox.db")] if driver == "outbox" else []
        yield Killed(driver, [*program, *noted, *outbox])


def kill_at_random(command: list[str], environment: dict[str, str], longest: float) -> bool:
    """Run a command, kill it after a while, and return whether it was done before."""
    with subprocess.Popen(  # noqa: S603 - our own program
        command, env=environment, cwd=_HERE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            process.wait(random.uniform(0.15, longest))
        except subprocess.TimeoutExpired:
            process.kill()
            return False
    return True


def run(killed: Killed, server: LocalIterable, arguments: argparse.Namespace) -> bool:
    """Kill a command until it has been killed often enough, let it end, and look at the ledger."""
    environment = os.environ | {
        "ITERABLE_API_KEY": server.api_key,
        "ITERABLE_BASE_URL": server.url,
    }
    kills, began = 0, time.monotonic()
    while kills < arguments.kills:
        if kill_at_random(killed.command, environment, killed.longest):
            break
        kills += 1
    finished = subprocess.run(  # noqa: S603 - our own program
        killed.command, env=environment, cwd=_HERE, capture_output=True, check=False
    )
    effects = server.project.effects
    missing = set(range(arguments.events)) - {place(effect) for effect in effects}
    found = findings([], effects, arguments.events, _USERS, _SEED)
    print(
        f"{killed.name}: {kills} kills in {time.monotonic() - began:.0f} s;",
        f"{found.effects:,} effects, {len(missing)} events missing,",
        f"{found.doubled_ids} ids doubled, {found.inversions} inversions;",
        f"the last run ended with status {finished.returncode}",
    )
    wrong = missing or found.doubled_ids or found.inversions or finished.returncode
    return not wrong


def main() -> None:
    """Kill each program, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--events", type=int, default=20_000)
    add_driver_argument(parser, _DRIVERS, default=_BOTH)
    arguments = parser.parse_args()
    require_driver(parser, arguments.driver)
    drivers = ["threads", "outbox"] if arguments.driver == _BOTH else [arguments.driver]
    good = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        events = history(arguments.events, _USERS, _SEED)
        lines = [json.dumps(event | {"userId": f"u-{name_user(event)}"}) for event in events]
        (folder / "events.jsonl").write_text("\n".join(lines) + "\n", "ascii")
        for driver in drivers:
            slow = RandomFaults({faults.latency(0.1): 0.5}, seed=1)
            with LocalIterable(faults=slow) as server, prepare(driver, folder) as killed:
                good &= run(killed, server, arguments)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
