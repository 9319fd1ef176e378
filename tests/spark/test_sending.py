"""Sending with executors: what is promised holds through kills and faults."""

from __future__ import annotations

import json
import os
import runpy
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyspark.errors import PythonException
from pyspark.sql import DataFrame, DataFrameWriter, SparkSession

from iterable_destination import InvalidSettings, RetryPolicy, Settings
from iterable_destination.spark import send_to_iterable
from iterable_destination.testing import LocalIterable, Project, RandomFaults, faults
from tests.spark import history

EVENTS = 20_000
SEED = 7
PRODUCT = {"product_id": "p", "name": "A thing", "price": 5, "quantity": 1}
RETRY = RetryPolicy(initial_backoff=0.05, max_backoff=0.5, max_server_errors=10)


def append_to(folder: Path) -> Callable[[DataFrameWriter], object]:
    return lambda writer: writer.mode("append").parquet(str(folder))


def key_of(iterable: LocalIterable) -> Callable[[], str]:
    key = str(iterable.api_key)
    return lambda: key


def texts(spark: SparkSession, folder: Path, lines: list[str], files: int = 4) -> DataFrame:
    """Return lines as Spark reads them from files."""
    folder.mkdir()
    for place in range(files):
        (folder / f"{place}.jsonl").write_text("\n".join(lines[place::files]) + "\n\n", "utf-8")
    return spark.read.text(str(folder))


def processes(word: str) -> Iterator[int]:
    """Yield the numbers of the processes below this one with a word in their command lines."""
    parents: dict[int, int] = {}
    commands: dict[int, str] = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            stat = (path / "stat").read_text()
            commands[int(path.name)] = (path / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        parents[int(path.name)] = int(stat.rpartition(")")[2].split()[1])
    for number, command in commands.items():
        above = number
        while above in parents and above != os.getpid():
            above = parents[above]
        if above == os.getpid() and word in command:
            yield number


def find_executors() -> list[int]:
    return list(processes("CoarseGrainedExecutorBackend"))


def find_workers() -> list[int]:
    """Return the Python processes that send: children of a daemon of the same command line."""
    daemons = set(processes("pyspark.daemon"))
    children = {}
    for number in daemons:
        stat = Path(f"/proc/{number}/stat").read_text()
        children[number] = int(stat.rpartition(")")[2].split()[1])
    return [number for number, parent in children.items() if parent in daemons]


class Killer(threading.Thread):
    """Kills Python workers and executors in turn while events are delivered."""

    def __init__(self, project: Project) -> None:
        super().__init__(daemon=True)
        self.project = project
        self.kills: list[str] = []
        self.is_over = threading.Event()

    def run(self) -> None:
        """Kill after so many effects each."""
        plan = [
            (3_000, "worker", find_workers),
            (7_000, "executor", find_executors),
            (14_000, "worker", find_workers),
            (20_000, "executor", find_executors),
        ]
        for effects, name, find in plan:
            while self.project.effect_count < effects:
                if self.is_over.wait(0.02):
                    return
            for number in find()[:1]:
                os.kill(number, signal.SIGKILL)
                self.kills.append(name)


def test_kills_and_faults_lose_double_and_overtake_nothing(
    spark: SparkSession, tmp_path: Path
) -> None:
    bad = [line for line in history.BAD for _ in range(15)]
    events = texts(spark, tmp_path / "in", history.lines(range(EVENTS), SEED) + bad)
    shares = {
        faults.server_error(503): 0.03,
        faults.reset(applied=True): 0.03,
        faults.rate_limited(): 0.02,
    }
    with LocalIterable(Project(), faults=RandomFaults(shares, seed=SEED)) as iterable:
        killer = Killer(iterable.project)
        killer.start()
        send_to_iterable(
            events,
            Settings(base_url=iterable.url),
            append_to(tmp_path / "out"),
            retry=RETRY,
        )
        killer.is_over.set()
        killer.join()
        again = history.check(iterable.project.effects, EVENTS)
    assert Counter(killer.kills) == {"worker": 2, "executor": 2}
    assert again > 0
    rows = spark.read.parquet(str(tmp_path / "out")).select("message_id", "outcome", "value")
    outcomes = rows.collect()
    delivered = [row.message_id for row in outcomes if row.outcome == "delivered"]
    assert sorted(delivered) == sorted(f"m-{number}" for number in range(EVENTS))
    others = Counter(row.value or row.message_id for row in outcomes if row.outcome != "delivered")
    kept = [line for line in history.BAD if "alias" not in line]
    assert others == dict.fromkeys([*kept, "bad-alias"], 15)


def test_senders_share_the_rates_so_that_a_strict_server_refuses_nothing(
    spark: SparkSession, tmp_path: Path
) -> None:
    orders = [
        json.dumps(
            {
                "type": "track",
                "event": "Order Completed",
                "messageId": f"o-{number}",
                "userId": f"u-{number}",
                "properties": {"total": 5, "products": [PRODUCT]},
            }
        )
        for number in range(120)
    ]
    strict = {"/api/commerce/trackPurchase": 40.0}
    with LocalIterable(Project(rate_limits=strict)) as iterable:
        send_to_iterable(
            texts(spark, tmp_path / "in", orders),
            Settings(base_url=iterable.url),
            append_to(tmp_path / "out"),
            rate_limits=strict,
        )
        project = iterable.project
        assert (project.effect_count, project.rate_limited) == (120, 0)


def test_a_retryable_row_can_be_handed_in_again(spark: SparkSession, tmp_path: Path) -> None:
    lines = [json.dumps(history.event(number)) for number in (1, 2 + history.USERS)]
    with LocalIterable() as iterable:
        settings = Settings(base_url=iterable.url)
        send_to_iterable(
            texts(spark, tmp_path / "in", lines),
            settings,
            append_to(tmp_path / "first"),
            timeout=0,
        )
        first = spark.read.parquet(str(tmp_path / "first"))
        left = first.where("outcome in ('retryable', 'unknown')")
        assert (left.count(), iterable.project.effect_count) == (2, 0)
        send_to_iterable(left, settings, append_to(tmp_path / "second"))
        second = spark.read.parquet(str(tmp_path / "second"))
        assert [row.outcome for row in second.collect()] == ["delivered", "delivered"]
        assert iterable.project.effect_count == 2


def test_an_id_that_is_missing_is_made_of_the_text(spark: SparkSession, tmp_path: Path) -> None:
    events = spark.sql("""select '{"type":"track","event":"Seen","userId":"u-1"}' as body""")
    with LocalIterable() as iterable:
        for _ in range(2):
            send_to_iterable(
                events,
                Settings(base_url=iterable.url),
                append_to(tmp_path / "out"),
                column="body",
                senders=1,
            )
        ids = {effect.id for effect in iterable.project.effects}
        assert [effect.created for effect in iterable.project.effects] == [True, False]
    assert len(ids) == 1
    [row] = spark.read.parquet(str(tmp_path / "out")).select("message_id").distinct().collect()
    assert {row.message_id} == ids


def test_without_a_key_on_the_executor_it_is_told_what_to_do(
    spark: SparkSession, tmp_path: Path
) -> None:
    events = texts(spark, tmp_path / "in", [json.dumps(history.event(1))], files=1)
    out = append_to(tmp_path / "out")
    of_the_driver = Settings(api_key="of-the-driver")
    with pytest.raises(PythonException, match="there is no key on the executor"):
        send_to_iterable(events, of_the_driver, out, senders=1, api_key=lambda: "")


def test_what_is_not_to_be_delivered_needs_no_key(spark: SparkSession, tmp_path: Path) -> None:
    events = texts(spark, tmp_path / "in", [json.dumps(history.event(1))], files=1)
    out = append_to(tmp_path / "out")
    send_to_iterable(events, Settings(enabled=False), out, senders=1, api_key=lambda: "")
    [row] = spark.read.parquet(str(tmp_path / "out")).collect()
    assert (row.outcome, row.value) == ("skipped", None)


def test_what_is_wrong_is_told_before_anything_is_done(spark: SparkSession) -> None:
    events = spark.range(1).selectExpr("'{}' as value")
    with pytest.raises(ValueError, match="senders: must be a whole number from 1 to 100"):
        send_to_iterable(events, Settings(), lambda writer: writer, senders=101)
    with pytest.raises(ValueError, match="/nowhere: no path that requests go to"):
        send_to_iterable(events, Settings(), lambda writer: writer, rate_limits={"/nowhere": 1})


def test_speculation_is_refused() -> None:
    conf = SimpleNamespace(get=lambda *_: "true")  # Spark lets nobody change it while it runs
    events: Any = SimpleNamespace(sparkSession=SimpleNamespace(conf=conf))
    with pytest.raises(InvalidSettings, match=r"spark\.speculation: must be false"):
        send_to_iterable(events, Settings(), lambda writer: writer)


def test_what_outcomes_raises_is_raised_and_nothing_is_sent(
    spark: SparkSession, tmp_path: Path
) -> None:
    events = texts(spark, tmp_path / "in", [json.dumps(history.event(1))], files=1)

    def refuse(_: DataFrameWriter) -> object:
        raise ArithmeticError

    with LocalIterable() as iterable:
        with pytest.raises(ArithmeticError):
            send_to_iterable(events, Settings(base_url=iterable.url), refuse, senders=1)
        assert iterable.project.received == 0


@pytest.mark.usefixtures("spark")
def test_the_example_prints_what_is_shown(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    examples = Path(__file__).parents[2] / "docs/examples"
    with LocalIterable() as iterable:
        monkeypatch.setenv("ITERABLE_BASE_URL", iterable.url)
        monkeypatch.setenv("ARCHIVE", str(examples / "week.jsonl"))
        monkeypatch.setenv("WORK", str(tmp_path))
        runpy.run_path(str(examples / "spark_archive.py"))
    shown = (examples / "spark_archive.out").read_text("utf-8")
    assert capsys.readouterr().out.split() == shown.split()
