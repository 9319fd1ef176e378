"""The processor time of a delivery by Spark with two executors, against that of one process.

Both read the same compressed files and send to a local Iterable, which does not count.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from history import history

from iterable_destination.testing import LocalIterable, Project

_FILES = 16
_TICKS = os.sysconf("SC_CLK_TCK")

_BY_SPARK = """
import os, sys
from pyspark.sql import SparkSession
from iterable_destination import Settings
from iterable_destination.model.endpoints import DELIVERY_PATHS
from iterable_destination.spark import send_to_iterable

archive, work = sys.argv[1:]
spark = (
    SparkSession.builder.master("local-cluster[2,1,1024]")
    .config("spark.ui.enabled", "false")
    .config("spark.sql.shuffle.partitions", "2")
    .getOrCreate()
)
spark.sparkContext.setCheckpointDir(work + "/staged")
send_to_iterable(
    spark.read.text(archive),
    Settings.from_environment(),
    lambda writer: writer.parquet(work + "/outcomes"),
    rate_limits=dict.fromkeys(DELIVERY_PATHS),
)
outcomes = spark.read.parquet(work + "/outcomes").groupBy("outcome").count().collect()
print({row[0]: row[1] for row in outcomes})
spark.stop()
"""


def main() -> None:
    """Deliver the same files both ways, and print what each took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    count = parser.parse_args().events
    with TemporaryDirectory() as folder:
        archive = Path(folder, "archive")
        write_archive(archive, count)
        send = ["-m", "iterable_destination", "send", str(archive), "--rate-limits", "none"]
        one = measure([*send, "--only-problems"], count)
        many = measure(["-c", _BY_SPARK, str(archive), folder], count)
    print(f"one process {one:.1f} s, Spark {many:.1f} s of processor time: {many / one:.1f}")


def write_archive(folder: Path, count: int) -> None:
    """Write events of a tenth as many users, a second apart."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    lines = [
        json.dumps(event | {"timestamp": (begin + timedelta(seconds=index)).isoformat()})
        for index, event in enumerate(history(count, count // 10, seed=1))
    ]
    folder.mkdir()
    size = -(-count // _FILES)
    for place in range(_FILES):
        text = "\n".join(lines[place * size : (place + 1) * size])
        (folder / f"{place:02}.gz").write_bytes(gzip.compress(text.encode()))


def measure(arguments: list[str], count: int) -> float:
    """Run Python, and return the seconds of processor time of all processes that it starts."""
    with LocalIterable(Project(keep_requests=0, keep_effects=0)) as iterable:
        key = str(iterable.api_key)
        variables = {"ITERABLE_API_KEY": key, "ITERABLE_BASE_URL": iterable.url}
        own = {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
        running = subprocess.Popen(  # noqa: S603 - this Python
            [sys.executable, *arguments],
            env=os.environ | variables | own,
            start_new_session=True,
        )
        ticks: dict[int, int] = {}
        try:
            while running.poll() is None:
                ticks |= dict(read_ticks(running.pid))
                time.sleep(0.1)
        finally:
            if running.poll() is None:
                running.terminate()
        if iterable.project.effect_count != count:
            sys.exit(f"{iterable.project.effect_count} of {count} events were applied")
    return sum(ticks.values()) / _TICKS


def read_ticks(session: int) -> list[tuple[int, int]]:
    """Return the processes of a session, with the processor time that each has taken so far."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session:
            found.append((int(path.parent.name), int(fields[11]) + int(fields[12])))
    return found


if __name__ == "__main__":
    main()
