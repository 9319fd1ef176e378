"""Kill delivery at random moments, go on, and see in the ledger that nothing is lost.

Run ``python benchmarks/kill.py``: a hundred kills of ``send --checkpoint``, and a hundred of a
program with an outbox. Both run in processes of their own and end by ``SIGKILL``; the local
Iterable, in this one, keeps the ledger. It ends with status 1 if an event is missing at the end.
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
from pathlib import Path
from typing import Final

from history import history, place

from iterable_destination.testing import LocalIterable, RandomFaults, faults

#: Adds events to an outbox, from the first that it did not acknowledge before.
_PROGRAM: Final = """
import json, os, sys
from pathlib import Path
from iterable_destination import Destination, Outbox, Settings

events, box, taken = map(Path, sys.argv[1:])
lines = events.read_bytes().splitlines()
done = taken.read_bytes().count(b"\\n") if taken.exists() else 0
with Outbox(box) as outbox, Destination(Settings.from_environment()) as destination:
    destination.start(outbox=outbox)
    with taken.open("ab", buffering=0) as log:
        for line in lines[done:]:
            destination.enqueue(json.loads(line))
            log.write(b"taken\\n")
    destination.flush()
"""


def kill_at_random(command: list[str], environment: dict[str, str], longest: float) -> bool:
    """Run a command, kill it after a while, and return whether it was done before."""
    with subprocess.Popen(  # noqa: S603 - our own program
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            process.wait(random.uniform(0.15, longest))
        except subprocess.TimeoutExpired:
            process.kill()
            return False
    return True


def run(
    name: str, command: list[str], server: LocalIterable, arguments: argparse.Namespace
) -> bool:
    """Kill a command until it has been killed often enough, let it end, and look at the ledger."""
    environment = os.environ | {
        "ITERABLE_API_KEY": server.api_key,
        "ITERABLE_BASE_URL": server.url,
    }
    kills, longest, began = 0, 0.4, time.monotonic()
    while kills < arguments.kills:
        if kill_at_random(command, environment, longest):
            break
        kills += 1
    finished = subprocess.run(  # noqa: S603 - our own program
        command, env=environment, capture_output=True, check=False
    )
    effects = server.project.effects
    missing = set(range(arguments.events)) - {place(effect) for effect in effects}
    ids = [effect.id for effect in effects if effect.id is not None and effect.created]
    print(
        f"{name}: {kills} kills in {time.monotonic() - began:.0f} s; {len(effects):,} effects,",
        f"{len(missing)} events missing, {len(ids) - len(set(ids))} ids doubled;",
        f"the last run ended with status {finished.returncode}",
    )
    return not missing and len(ids) == len(set(ids)) and finished.returncode == 0


def main() -> None:
    """Kill both, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--events", type=int, default=20_000)
    arguments = parser.parse_args()
    slow = RandomFaults({faults.latency(0.1): 0.5}, seed=1)
    good = True
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        lines = [json.dumps(event) for event in history(arguments.events, 1_000, 1)]
        path.write_text("\n".join(lines) + "\n", "ascii")
        send = [sys.executable, "-m", "iterable_destination", "send", str(path)]
        with LocalIterable(faults=slow) as server:
            checkpoint = [*send, "--checkpoint", f"{folder}/checkpoint"]
            good &= run("send --checkpoint", checkpoint, server, arguments)
        with LocalIterable(faults=slow) as server:
            program = [sys.executable, "-c", _PROGRAM, str(path)]
            outbox = [*program, f"{folder}/outbox.db", f"{folder}/taken"]
            good &= run("outbox", outbox, server, arguments)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
