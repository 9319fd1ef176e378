"""Deliver through every fault at once, and check the result in the local Iterable's ledger.

Run ``python benchmarks/chaos.py``: 20,000 events of 2,000 users for each of ten seeds, with each
fault in one request of ten, or as the arguments say. It prints what was found, and ends with
status 1 if anything was lost, doubled, out of order, or reported wrongly.

``--driver`` delivers in another way. Outboxes and Kafka try again what remains retryable; what
counts there is the first outcome with which an event is done with.

``--without-ids`` sends without ids, and checks that no more is doubled than was sent in doubt.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from typing import Final

from drivers import DRIVERS, Delivery, add_driver_argument, require_driver
from history import Findings, findings, history, place

from iterable_destination import Outcome, RetryPolicy, Settings
from iterable_destination.testing import LocalIterable, RandomFaults, faults

FAULTS: Final = (
    faults.rate_limited(),
    faults.server_error(),
    faults.reset(),
    faults.reset(applied=True),
    faults.stall_midway(),
    faults.drip(0.001),
    faults.cut(),
    faults.not_json(),
    faults.latency(0.01),
)
#: Far above what is reached, so that a rate that a 429 lowered is soon high enough again.
RATE: Final = 100_000.0
PATHS: Final = (
    "/api/users/update",
    "/api/users/bulkUpdate",
    "/api/events/track",
    "/api/events/trackBulk",
    "/api/commerce/trackPurchase",
    "/api/commerce/updateCart",
)
RETRY: Final = RetryPolicy(
    initial_backoff=0.01, max_backoff=0.05, max_server_errors=8, deadline=120
)


#: What a driver does here.
_DRIVERS: Final = {
    "threads": "Destination.send_all",
    "async": "AsyncDestination.send_all",
    "outbox": "enqueue into an outbox in a file, and flush",
    "postgres": "the same in PostgreSQL, which it starts",
    "kafka": "produce to librdkafka's mock cluster, and consume; not --without-ids",
}


def deliver(server: LocalIterable, arguments: argparse.Namespace, seed: int) -> list[Outcome]:
    """Deliver everything, and return the outcomes in their order."""
    delivery = Delivery(
        Settings(api_key=server.api_key, base_url=server.url),
        rate_limits=dict.fromkeys(PATHS, RATE),
        retry=RETRY,
        read_timeout=0.5,
        stamp_ids=not arguments.without_ids,
    )
    outcomes: list[Outcome] = []
    events = history(arguments.events, arguments.users, seed)
    DRIVERS[arguments.driver](delivery, events, outcomes.append)
    return outcomes


def doubled_in_doubt(server: LocalIterable) -> tuple[int, int]:
    """Return how many effects were doubled, and how many were sent in doubt."""
    effects = server.project.effects
    doubled = len(effects) - len({place(effect) for effect in effects})
    in_doubt = {
        number
        for number, fault in server.faulted.items()
        if fault.ambiguous or fault.name.startswith(("drip", "latency"))
    }
    return doubled, sum(effect.request in in_doubt for effect in effects)


def main() -> None:
    """Run all seeds, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--users", type=int, default=2_000)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--share", type=float, default=0.1, help="of requests, for each fault")
    parser.add_argument("--without-ids", action="store_true")
    add_driver_argument(parser, _DRIVERS)
    arguments = parser.parse_args()
    if arguments.without_ids and arguments.driver == "kafka":
        parser.error(
            "--without-ids --driver kafka: a partition is delivered again from the first event that"
            " is kept, also what was accepted without doubt"
        )
    require_driver(parser, arguments.driver)
    good = True
    for seed in range(arguments.seeds):
        jitter = RandomFaults(dict.fromkeys(FAULTS, arguments.share), seed=seed)
        began = time.monotonic()
        with LocalIterable(faults=jitter) as server:
            outcomes = deliver(server, arguments, seed)
            took = time.monotonic() - began
            found = findings(
                outcomes, server.project.effects, arguments.events, arguments.users, seed
            )
            print(f"seed {seed}: {took:.0f} s, {sum(jitter.counts.values())} faults in", end=" ")
            print(f"{server.project.received} requests; {describe(found)}")
            good &= found.is_good or arguments.without_ids
            if arguments.without_ids:
                doubled, in_doubt = doubled_in_doubt(server)
                print(f"  doubled: {doubled}, in doubt: {in_doubt}")
                good &= doubled <= in_doubt and found.lost == 0
    sys.exit(0 if good else 1)


def describe(found: Findings) -> str:
    """Return findings in words."""
    names: Counter[str] = found.outcomes
    outcomes = ", ".join(f"{count:,} {name}" for name, count in sorted(names.items()))
    return (
        f"{outcomes}; {found.effects:,} effects, {found.lost} lost, {found.doubled_ids} doubled "
        f"ids, {found.inversions} inversions, {found.reported_out_of_order} reported out of order, "
        f"{found.applied_all_the_same} reported wrongly, {found.without_outcome} without outcome"
    )


if __name__ == "__main__":
    main()
