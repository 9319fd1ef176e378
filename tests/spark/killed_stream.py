"""Runs the example of a stream, and kills it once: after batch 1 was sent, before that is noted.

``killed_stream.py MARK``: the file MARK says that it was killed.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
from pathlib import Path
from typing import Any

from iterable_destination import spark

send = spark.send_to_iterable
EXAMPLE = Path(__file__).parents[2] / "docs/examples/spark_stream.py"
mark = Path(sys.argv[1])
calls = 0


def send_and_be_killed(*args: Any, **keywords: Any) -> None:
    """Send a batch; after the second, be killed if that has not been yet."""
    global calls  # noqa: PLW0603 - a script
    send(*args, **keywords)
    calls += 1
    if calls > 1 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    spark.send_to_iterable = send_and_be_killed
    runpy.run_path(str(EXAMPLE))
