"""The ways to run, each as a function that delivers events and reports their outcomes.

``chaos.py`` and ``soak.py`` deliver by any of them; ``kill.py`` kills the program of each. Run
``python benchmarks/drivers.py`` for the processor time of each as a ratio to that of ``threads``:
events are delivered without faults to a server in a process of its own, in turn by each driver, and
a ratio is the median over the rounds. Handing the events in is in it, so serializing and storing
them, but not making them; servers of PostgreSQL and Kafka are not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import re
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from importlib.util import find_spec
from io import RawIOBase
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from threading import Semaphore, Thread
from typing import Any, Final

import attrs
from history import Json, place_of_outcome

from iterable_destination import (
    AsyncClient,
    AsyncDestination,
    Client,
    Destination,
    Outbox,
    Outcome,
    PostgresOutbox,
    RetryPolicy,
    Settings,
)

Report = Callable[[Outcome], None]

#: Outcomes of events that an outbox and Kafka try again, so that another outcome follows.
_STAYS: Final = frozenset({"retryable", "unknown"})
#: Messages that wait in Kafka at most: its mock forgets the oldest of more than 5 MB.
_MAX_PRODUCED: Final = 10_000
_PARTITIONS: Final = 4


@attrs.frozen
class Delivery:
    """Where events go, and how."""

    settings: Settings
    rate_limits: dict[str, float | None]
    retry: RetryPolicy = attrs.field(factory=RetryPolicy)
    #: Seconds that a response may take.
    read_timeout: float = 10.0
    stamp_ids: bool = True

    @property
    def _options(self) -> dict[str, Any]:
        return {
            "retry": self.retry,
            "rate_limits": self.rate_limits,
            "stamp_ids": self.stamp_ids,
        }

    @contextmanager
    def open(self) -> Iterator[Destination]:
        """Make a destination, and close it at the end of the ``with`` block."""
        with (
            Client(self.settings, read_timeout=self.read_timeout) as client,
            Destination(self.settings, client=client, **self._options) as destination,
        ):
            yield destination

    @asynccontextmanager
    async def open_async(self) -> AsyncIterator[AsyncDestination]:
        """Make an asynchronous destination, and close it at the end of the block."""
        async with (
            AsyncClient(self.settings, read_timeout=self.read_timeout) as client,
            AsyncDestination(self.settings, client=client, **self._options) as destination,
        ):
            yield destination


Driver = Callable[[Delivery, Iterable[Json], Report], None]


def deliver_by_threads(delivery: Delivery, events: Iterable[Json], report: Report) -> None:
    """Hand the events to ``Destination.send_all``."""
    with delivery.open() as to:
        for outcome in to.send_all(events):
            report(outcome)


def deliver_by_async(delivery: Delivery, events: Iterable[Json], report: Report) -> None:
    """Hand the events to ``AsyncDestination.send_all``, in an event loop of its own."""

    async def deliver() -> None:
        async with delivery.open_async() as to:
            async for outcome in to.send_all(events):
                report(outcome)

    asyncio.run(deliver())


def deliver_by_outbox(delivery: Delivery, events: Iterable[Json], report: Report) -> None:
    """Hand the events to ``enqueue`` of a destination with an outbox in a file."""
    with tempfile.TemporaryDirectory() as folder, Outbox(f"{folder}/outbox.db") as outbox:
        _deliver_from(outbox, delivery, events, report)


def deliver_by_postgres(delivery: Delivery, events: Iterable[Json], report: Report) -> None:
    """Hand the events to ``enqueue`` of a destination with an outbox in PostgreSQL."""
    with running_postgres() as dsn, PostgresOutbox(dsn) as outbox:
        _deliver_from(outbox, delivery, events, report)


def _deliver_from(
    outbox: Outbox | PostgresOutbox, delivery: Delivery, events: Iterable[Json], report: Report
) -> None:
    with delivery.open() as to:
        to.start(FirstReports(report), outbox=outbox)
        for event in events:
            to.enqueue(event)
        to.flush()
        to.close()


def deliver_full_outbox(delivery: Delivery, events: Iterable[Json], report: Report) -> None:
    """Add all events to an outbox in a file at once, and deliver from it then."""
    with tempfile.TemporaryDirectory() as folder, Outbox(f"{folder}/outbox.db") as outbox:
        outbox.add_all(events)
        _deliver_from(outbox, delivery, (), report)


def deliver_full_postgres(delivery: Delivery, events: Iterable[Json], report: Report) -> None:
    """Add all events to an outbox in PostgreSQL at once, and deliver from it then."""
    with running_postgres() as dsn, PostgresOutbox(dsn) as outbox:
        outbox.add_all(events)
        _deliver_from(outbox, delivery, (), report)


def deliver_by_kafka(delivery: Delivery, events: Iterable[Json], report: Report) -> None:
    """Produce the events to a topic, each user's to one partition, while ``consume`` delivers."""
    from iterable_destination.receivers.kafka import consume  # noqa: PLC0415 - not always there

    room = Semaphore(_MAX_PRODUCED)
    reports = FirstReports(report, room.release)
    produced: list[int] = []
    with running_kafka() as (address, topic), delivery.open() as to:
        producing = Thread(
            target=lambda: produced.append(produce(address, topic, events, room.acquire))
        )
        producing.start()
        consume(
            to,
            [topic],
            kafka_config(address),
            is_stopped=lambda: bool(produced) and reports.count == produced[0],
            on_outcome=lambda _, outcome: reports(outcome),
        )
        producing.join()


class FirstReports:
    """Reports each event that is done with once, though it may be delivered again.

    ``on_done`` is called after each report.
    """

    def __init__(self, report: Report, on_done: Callable[[], object] = lambda: None) -> None:
        """Begin with no event reported."""
        self.count = 0
        self._report: Final = report
        self._on_done: Final = on_done
        #: A byte for each event by its place, so that a million need little memory.
        self._is_reported: Final = bytearray()

    def __call__(self, outcome: Outcome) -> None:
        """Report an outcome, unless another one follows, or the event was reported before."""
        if outcome.name in _STAYS:
            return
        number = place_of_outcome(outcome)
        missing = number + 1 - len(self._is_reported)
        self._is_reported.extend(bytes(max(missing, 0)))
        if not self._is_reported[number]:
            self._is_reported[number] = True
            self.count += 1
            self._report(outcome)
            self._on_done()


DRIVERS: Final[dict[str, Driver]] = {
    "threads": deliver_by_threads,
    "async": deliver_by_async,
    "outbox": deliver_by_outbox,
    "postgres": deliver_by_postgres,
    "kafka": deliver_by_kafka,
}


#: Drivers, and what is measured besides.
_MEASURED: Final[dict[str, tuple[str, Driver]]] = {
    **{name: (name, driver) for name, driver in DRIVERS.items()},
    "outbox, added at once": ("outbox", deliver_full_outbox),
    "postgres, added at once": ("postgres", deliver_full_postgres),
}


# What drivers need -------------------------------------------------------------------------------


@contextmanager
def running_postgres() -> Iterator[str]:
    """Run a PostgreSQL of its own, and give its connection string."""
    from tests.support.postgres import running_postgres as running  # noqa: PLC0415 - needs psycopg

    with running() as cluster:
        yield cluster.dsn


@contextmanager
def running_kafka() -> Iterator[tuple[str, str]]:
    """Run librdkafka's mock cluster in a process of its own; give its address, and a topic."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve_kafka, args=(theirs,))
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send("end")
        process.join()
        for each in (ours, theirs, process):
            each.close()


def _serve_kafka(pipe: Connection) -> None:
    from tests.support.kafka import Cluster  # noqa: PLC0415 - needs confluent-kafka

    with Cluster() as cluster:
        pipe.send((cluster.address, cluster.create_topic(_PARTITIONS)))
        pipe.recv()


def kafka_config(address: str) -> Json:
    """Return the settings of a consumer whose end is soon noticed."""
    return {
        "bootstrap.servers": address,
        "group.id": "benchmark",
        "heartbeat.interval.ms": 100,
        "session.timeout.ms": 2_000,
    }


def produce(
    address: str,
    topic: str,
    events: Iterable[Json],
    wait_for_room: Callable[[], object] = lambda: None,
) -> int:
    """Produce events, each user's to one partition, and return how many they are."""
    from confluent_kafka import Producer  # noqa: PLC0415 - not always there

    producer, count = Producer({"bootstrap.servers": address, "linger.ms": 5}), 0
    for event in events:
        wait_for_room()
        producer.produce(topic, json.dumps(event), name_user(event))
        producer.poll(0)
        count += 1
    if producer.flush(60):
        raise SystemExit("Kafka's mock does not take the events")
    return count


def name_user(event: Json) -> str:
    """Return what names the user of an event: of the history's, a number, by whatever name."""
    own = event.get("traits") or event.get("properties") or {}
    name = str(event.get("userId") or own.get("email", ""))
    found = re.fullmatch(r"u-(\d+)|user(\d+)@example\.com", name, re.IGNORECASE)
    return name if found is None else found[1] or found[2]


# The command line of scripts that use drivers ----------------------------------------------------


def add_driver_argument(
    parser: argparse.ArgumentParser, what: dict[str, str], default: str = "threads"
) -> None:
    """Let the command line choose a driver; ``what`` says what each of them does in the script."""
    listed = "\n".join(f"  {name:9} {text}" for name, text in what.items())
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"drivers:\n{listed}"
    parser.add_argument("--driver", choices=what, default=default, help=f"by default {default}")


def require_driver(parser: argparse.ArgumentParser, name: str) -> None:
    """End the script with a message if a driver needs what is not here."""
    missing = find_missing(name)
    if missing:
        parser.error(f"--driver {name}: {missing}")


def find_missing(name: str) -> str | None:
    """Return what a driver needs and is not here; None if it has all."""
    if name == "async" and find_spec("aiohttp") is None:
        return "aiohttp is not installed"
    if name == "kafka" and find_spec("confluent_kafka") is None:
        return "confluent-kafka is not installed"
    if name == "postgres":
        if find_spec("psycopg") is None:
            return "psycopg is not installed"
        from tests.support.postgres import find_programs  # noqa: PLC0415 - needs psycopg

        if find_programs() is None:
            return "PostgreSQL is not installed"
    return None


# Programs that kill.py kills ---------------------------------------------------------------------


def run_async(events: str, done: str) -> None:
    """Deliver the lines of a file that are not noted as delivered in another, and note these."""
    noted = Path(done)
    before = set(noted.read_text("ascii").splitlines()) if noted.exists() else set()
    lines = Path(events).read_text("ascii").splitlines()
    left = (event for event in map(json.loads, lines) if event["messageId"] not in before)

    async def deliver(log: RawIOBase) -> None:
        async with AsyncDestination(Settings.from_environment()) as to:
            async for outcome in to.send_all(left):
                if outcome.name == "delivered":
                    log.write(f"{outcome.message_id}\n".encode())

    with noted.open("ab", buffering=0) as log:
        asyncio.run(deliver(log))


def run_outbox(events: str, taken: str, outbox: str) -> None:
    """Add the lines of a file to an outbox in a file, and deliver from it."""
    _run_outbox(events, taken, Outbox(outbox))


def run_postgres(events: str, taken: str, dsn: str) -> None:
    """Add the lines of a file to an outbox in PostgreSQL, and deliver from it."""
    _run_outbox(events, taken, PostgresOutbox(dsn))


def _run_outbox(events: str, taken: str, outbox: Outbox | PostgresOutbox) -> None:
    """Add lines from the first that is not noted as taken, and deliver what is in the outbox."""
    noted = Path(taken)
    count = noted.read_bytes().count(b"\n") if noted.exists() else 0
    with outbox, Destination(Settings.from_environment()) as destination:
        destination.start(outbox=outbox)
        with noted.open("ab", buffering=0) as log:
            for line in Path(events).read_bytes().splitlines()[count:]:
                destination.enqueue(json.loads(line))
                log.write(b"taken\n")
        destination.flush()


def run_kafka(address: str, topic: str) -> None:
    """Deliver the events of a topic until all of them are committed."""
    from confluent_kafka import Consumer, TopicPartition  # noqa: PLC0415 - not always there

    from iterable_destination.receivers.kafka import consume  # noqa: PLC0415 - needs it too

    config = kafka_config(address)
    asking = Consumer(config)
    places = [TopicPartition(topic, number) for number in range(_PARTITIONS)]

    def is_done() -> bool:
        ends = [asking.get_watermark_offsets(each)[1] for each in places]
        return [each.offset for each in asking.committed(places)] == ends

    with Destination(Settings.from_environment()) as to:
        consume(to, [topic], config, is_stopped=is_done)
    asking.close()


PROGRAMS: Final[dict[str, Callable[..., None]]] = {
    "async": run_async,
    "outbox": run_outbox,
    "postgres": run_postgres,
    "kafka": run_kafka,
}


# How much processor time each takes ---------------------------------------------------------------


def make_events(count: int) -> list[Json]:
    """Return events of Segment's spec that are sent in bulk, whose ids end with their places."""
    from corpora import CORPORA, call_kind  # noqa: PLC0415 - what is killed does not need them

    made = CORPORA["spec"](2 * count, 1)
    bulk = (event for event in made if call_kind(event) not in {"order", "cart"})
    return [event | {"messageId": f"m-1-{n}"} for n, event in zip(range(count), bulk, strict=False)]


def measure(driver: Driver, delivery: Delivery, events: Sequence[Json]) -> float:
    """Return the processor seconds of this process in which a driver delivers all events."""
    names: list[str] = []
    began = time.process_time()
    driver(delivery, events, lambda outcome: names.append(outcome.name))
    took = time.process_time() - began
    if len(names) != len(events) or not {"delivered", "skipped"}.issuperset(names):
        raise SystemExit("not all events were delivered")
    return took


def main() -> None:
    """Measure, and print."""
    from bare_server import running  # noqa: PLC0415 - what is killed does not need it
    from corpora import settings_for  # noqa: PLC0415 - likewise
    from deliver import KEY, NO_LIMITS  # noqa: PLC0415 - likewise
    from measure import machine  # noqa: PLC0415 - likewise

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    events = make_events(arguments.events)
    found = {name: find_missing(needed) for name, (needed, _) in _MEASURED.items()}
    there = [name for name, missing in found.items() if missing is None]
    times: dict[str, list[float]] = {name: [] for name in there}
    with running() as url:
        delivery = Delivery(settings_for("spec", api_key=KEY, base_url=url), dict(NO_LIMITS))

        def take_time(name: str, given: Sequence[Json]) -> float:
            return measure(_MEASURED[name][1], delivery, given)

        for name in there:
            take_time(name, events[:100])  # what is loaded once is not measured
        for _ in range(arguments.rounds):
            for name in there:
                times[name].append(take_time(name, events))
    print(f"{len(events):,} events, {arguments.rounds} rounds; {machine()}")
    for name, missing in found.items():
        if missing is not None:
            print(f"{name:24}{missing}")
            continue
        ratios = [mine / base for mine, base in zip(times[name], times["threads"], strict=True)]
        each = median(times[name]) * 1e6 / len(events)
        print(f"{name:24}{each:4.0f} µs an event, {median(ratios):.2f} of threads", end=" ")
        print(f"({', '.join(f'{ratio:.2f}' for ratio in sorted(ratios))})")


if __name__ == "__main__":
    main()
