"""Forks: a child begins with nothing of its parent's, and both go on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from iterable_destination.testing import LocalIterable, Project, Script, faults
from tests.support.delivering import WAIT_SECONDS, applied, inversions

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")

#: From Python 3.12 on a fork beside threads warns; that it goes well is what is tested here.
QUIET = """
import warnings
warnings.filterwarnings("ignore", ".* is multi-threaded, use of fork", DeprecationWarning)
"""
#: The parent hands in 0 to 99 before the fork and 100 to 149 after it, the child 200 to 249.
FORK = """
import os, sys, threading
from iterable_destination import Destination, Outbox, Settings
from tests.support.delivering import QUICK, RATE_LIMITS, track
url, path, pause = sys.argv[1], sys.argv[2], len(sys.argv) > 3
settings = Settings(api_key="k", base_url=url)
to = Destination(settings, retry=QUICK, rate_limits=RATE_LIMITS, max_workers=4)
told = []
outbox = Outbox(path) if path else None
to.start(lambda outcome: told.append((outcome.index, outcome.name)), outbox=outbox)

def hand_in(first, last):
    for n in range(first, last):
        to.enqueue(track(n, f"u-{n // 200}-{n % 10}"))

busy = threading.Event()
def noise():
    while not busy.is_set():
        to.counters
others = [threading.Thread(target=noise) for _ in range(3)]
for other in others:
    other.start()
hand_in(0, 100)
child = os.fork()
if child == 0:
    told.clear()
    hand_in(200, 250)
    left = to.close(15)
    good = left == 0 and (path or sorted(told) and {name for _, name in told} == {"delivered"})
    os._exit(0 if good and (path or len(told) == 50) else 9)
hand_in(100, 150)
left = to.close(15)
busy.set()
for other in others:
    other.join()
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(left, status, len(told), sorted({name for _, name in told}))
"""


def forked(iterable: LocalIterable, path: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "-c", QUIET + FORK, iterable.url, path],
        capture_output=True,
        check=False,
        text=True,
        timeout=2 * WAIT_SECONDS,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


ALL = [*range(150), *range(200, 250)]
USERS = [f"u-{part}-{n}" for part in (0, 1) for n in range(10)]


@pytest.mark.parametrize("seconds", [0, 0.05])
def test_a_fork_in_the_middle_leaves_each_with_its_own(seconds: float) -> None:
    slow = Script([faults.latency(seconds)] * 1_000)
    with LocalIterable(Project(api_key=None), faults=slow) as iterable:
        assert forked(iterable) == "0 0 150 ['delivered']"
        effects = iterable.project.effects
        assert sorted(applied(effects)) == ALL
        assert len(effects) == 200
        assert inversions(iterable, USERS) == []


@pytest.mark.slow
def test_a_fork_in_the_middle_with_an_outbox_delivers_everything_once(tmp_path: Path) -> None:
    with LocalIterable(Project(api_key=None)) as iterable:
        words = forked(iterable, str(tmp_path / "outbox")).split(maxsplit=2)
        assert words[:2] == ["0", "0"]
        effects = iterable.project.effects
        assert sorted(applied(effects)) == ALL
        assert len(effects) == 200
        assert inversions(iterable, USERS) == []


SEND_ALL = """
import os, sys
from iterable_destination import Destination, Settings
from tests.support.delivering import QUICK, RATE_LIMITS, history, names
to = Destination(Settings(api_key="k", base_url=sys.argv[1]), retry=QUICK, rate_limits=RATE_LIMITS)
assert names(to.send_all(history(60, 6))) == ["delivered"] * 60
children = []
for part in range(3):
    child = os.fork()
    if child == 0:
        os._exit(0 if names(to.send_all(history(60, 6))) == ["delivered"] * 60 else 9)
    children.append(child)
mine = names(to.send_all(history(60, 6)))
ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
print(mine == ["delivered"] * 60, ends)
"""


def test_connections_are_not_shared_with_children() -> None:
    """Answers to one would be read by the other."""
    with LocalIterable(Project(api_key=None)) as iterable:
        done = subprocess.run(
            [sys.executable, "-c", QUIET + SEND_ALL, iterable.url],
            capture_output=True,
            check=False,
            text=True,
            timeout=WAIT_SECONDS,
        )
        assert (done.stdout.strip(), done.stderr) == ("True [0, 0, 0]", "")
        assert len(iterable.project.effects) == 5 * 60
