"""A stream whose driver is killed between sending and noting that, and is started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from pyspark.sql import SparkSession

from iterable_destination.testing import LocalIterable
from tests.spark import history

#: The turns of all users in each file. The first has names that belong together; the last, no two.
TURNS = ([0, 1], [2, 3], [5, 6])


def test_after_a_kill_of_the_driver_nothing_is_lost_doubled_or_overtaken(
    spark: SparkSession, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    count = 0
    for place, turns in enumerate(TURNS):
        numbers = range(turns[0] * history.USERS, (turns[-1] + 1) * history.USERS, 20)
        path = tmp_path / "in" / f"{place}.jsonl"
        path.write_text("\n".join(history.lines(numbers, place)), "utf-8")
        os.utime(path, (place, place))  # Spark reads the oldest first
        count += len(numbers)
    with LocalIterable() as iterable:
        command = [sys.executable, "-m", "tests.spark.killed_stream", str(tmp_path / "killed")]
        environment = {
            **os.environ,
            "ITERABLE_API_KEY": str(iterable.api_key),
            "ITERABLE_BASE_URL": iterable.url,
            "ARCHIVE": str(tmp_path / "in"),
            "WORK": str(tmp_path),
            "FILES_IN_A_BATCH": "1",
        }
        for status in (-signal.SIGKILL, 0):
            done = subprocess.run(
                command,
                env=environment,
                stderr=subprocess.PIPE,
                check=False,
                timeout=150,
            )
            assert done.returncode == status, done.stderr.decode()
        effects = iterable.project.effects
    applied = [effect.data_fields["n"] for effect in effects]
    assert len(applied) > count  # the batch was sent again
    assert len(set(applied)) == count
    newest: dict[int, int] = {}
    for number in dict.fromkeys(applied):
        assert newest.get(number % history.USERS, -1) < number
        newest[number % history.USERS] = number
    rows = spark.read.parquet(str(tmp_path / "outcomes")).select("message_id", "outcome", "batch")
    found = rows.collect()
    assert {row.outcome for row in found} == {"delivered"}
    assert sorted(row.message_id for row in found) == sorted(f"m-{n}" for n in set(applied))
    assert {row.batch for row in found} == {0, 1, 2}
    links = spark.read.parquet(str(tmp_path / "links"))
    assert links.count() == links.distinct().count() == history.USERS // 20
