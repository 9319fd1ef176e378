"""Events of all kinds, quick destinations, and checks of the ledger, for tests of delivery."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final

import attrs

from iterable_destination import Client, Destination, Outcome, RetryPolicy, Settings
from iterable_destination.io.outbox_protocol import AnyOutbox
from iterable_destination.model import endpoints
from iterable_destination.testing import Effect, Fault, LocalIterable, faults
from tests.support.event_loop import delivering_in_loop

#: Limits that never make a test wait.
RATE_LIMITS: Final = dict.fromkeys(
    (
        endpoints.USERS_UPDATE.path,
        endpoints.USERS_BULK_UPDATE.path,
        endpoints.EVENTS_TRACK.path,
        endpoints.EVENTS_TRACK_BULK.path,
        endpoints.TRACK_PURCHASE.path,
        endpoints.UPDATE_CART.path,
    ),
    10_000.0,
)
QUICK: Final = RetryPolicy(initial_backoff=0.02, max_backoff=0.05)
#: In which way :func:`delivering` and a client of the tests make requests.
driver: Final = ContextVar("driver", default="threads")
#: Seconds after which a test that waits for something gives up.
WAIT_SECONDS: Final = 20.0


def identify(number: int, user: str = "u-1", **more: Any) -> dict[str, Any]:
    return _event(number, user, more, type="identify", traits={"n": number})


def track(number: int, user: str = "u-1", **more: Any) -> dict[str, Any]:
    return _event(number, user, more, type="track", event="Seen", properties={"n": number})


def page(number: int, user: str = "u-1", **more: Any) -> dict[str, Any]:
    return _event(number, user, more, type="page", name="Home", properties={"n": number})


def screen(number: int, user: str = "u-1", **more: Any) -> dict[str, Any]:
    return _event(number, user, more, type="screen", name="Home", properties={"n": number})


def order(number: int, user: str = "u-1", **more: Any) -> dict[str, Any]:
    properties = {"total": 1, "products": [_product(number)]}
    named = {"type": "track", "event": "Order Completed"}
    return _event(number, user, more, properties=properties, **named)


def cart(number: int, user: str = "u-1", **more: Any) -> dict[str, Any]:
    properties = {"products": [_product(number)]}
    return _event(number, user, more, type="track", event="Product Added", properties=properties)


def _product(number: int) -> dict[str, Any]:
    return {"product_id": str(number), "name": "P", "price": 1}


def _event(number: int, user: str, more: dict[str, Any], **event: Any) -> dict[str, Any]:
    return {"messageId": f"m-{number}", "userId": user, **event, **more}


#: Every kind of event that is sent, in an order in which endpoints change often.
KINDS: Final = (identify, track, page, order, track, cart, screen, identify)


def history(events: int, users: int) -> list[dict[str, Any]]:
    """Return events of all kinds, numbered, of users that take turns."""
    return [KINDS[(n // users) % len(KINDS)](n, f"u-{n % users}") for n in range(events)]


def number_of(effect: Effect) -> int:
    """Return the number of the event that had this effect."""
    if effect.path == endpoints.UPDATE_CART.path:
        return int(effect.items[0]["id"])
    if effect.path == endpoints.TRACK_PURCHASE.path:
        return int(effect.items[0]["id"])
    return int(effect.data_fields["n"])


def applied(effects: Iterable[Effect]) -> list[int]:
    """Return the numbers of the events that had effects, in the order of their first effects."""
    return list(dict.fromkeys(map(number_of, effects)))


def inversions(iterable: LocalIterable, users: Iterable[str]) -> list[str]:
    """Return the users whose events were applied first in another order than they came in."""
    by_user: dict[str, list[int]] = {user: [] for user in users}
    for effect in iterable.project.effects:
        by_user[str(effect.user_id)].append(number_of(effect))
    first = {user: list(dict.fromkeys(numbers)) for user, numbers in by_user.items()}
    return [user for user, numbers in first.items() if numbers != sorted(numbers)]


def doubled_ids(iterable: LocalIterable) -> list[str]:
    """Return the ids by which more than one record was made."""
    made = [effect.id for effect in iterable.project.effects if effect.id and effect.created]
    return sorted({each for each in made if made.count(each) > 1})


def every_fault(share: float, *, latency: float | None = None) -> dict[Fault, float]:
    """Return the shares of requests that fail, for ``RandomFaults``: each kind has this share.

    ``latency`` is how many seconds the slow ones take; None has no slow ones.
    """
    kinds = [
        faults.server_error(),
        faults.server_error(503, applied=True),
        faults.reset(),
        faults.close(applied=True),
        faults.rate_limited(retry_after=0),
    ]
    if latency is not None:
        kinds.append(faults.latency(latency))
    return dict.fromkeys(kinds, share)


def settings_of(iterable: LocalIterable | str, key: str | None = None) -> Settings:
    if isinstance(iterable, str):
        return Settings(api_key=key or "the-key", base_url=iterable)
    return Settings(api_key=key or iterable.api_key, base_url=iterable.url)


@contextmanager
def delivering(
    iterable: LocalIterable | str,
    *,
    read_timeout: float = WAIT_SECONDS,
    key: str | None = None,
    **options: Any,
) -> Iterator[Destination]:
    """Open a destination with short waits: of threads, or as the fixture ``each_driver`` says."""
    settings = settings_of(iterable, key)
    chosen: dict[str, Any] = {"retry": QUICK, "rate_limits": RATE_LIMITS} | options
    if driver.get() == "event loop":
        with delivering_in_loop(settings, read_timeout=read_timeout, **chosen) as in_loop:
            yield in_loop  # type: ignore[misc]  # it has the methods that tests of both use
        return
    with (
        Client(settings, read_timeout=read_timeout) as client,
        Destination(settings, client=client, **chosen) as destination,
    ):
        yield destination


def together(to: Destination, events: Iterable[Any]) -> Iterator[Any]:
    """Hand in events for ``send_all`` so that no worker sees a part of them.

    A quick worker would send the first one singly. There are few, so that nobody has to wait.
    """
    with to.lock:  # by the thread that hands in
        yield from events


@contextmanager
def held_by_a_thread(outbox: AnyOutbox) -> Iterator[None]:
    """Hold the lock of an outbox in another thread."""
    is_held, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with outbox.lock:
            is_held.set()
            may_end.wait(WAIT_SECONDS)

    thread = threading.Thread(target=hold)
    thread.start()
    is_held.wait(WAIT_SECONDS)
    try:
        yield
    finally:
        may_end.set()
        thread.join()


def by_index(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Return outcomes in the order of the events, of which each must have one."""
    sorted_ones = sorted(outcomes, key=lambda outcome: outcome.index)
    indexes = [outcome.index for outcome in sorted_ones]
    assert indexes == list(range(len(indexes)))
    return sorted_ones


def collect(outcomes: Iterator[Outcome], into: list[Outcome]) -> None:
    """Take outcomes until there are no more, or something is raised."""
    for outcome in outcomes:
        into.append(outcome)  # noqa: PERF402 - what came before an error is to be there


def names(outcomes: Iterable[Outcome]) -> list[str]:
    return [outcome.name for outcome in outcomes]


def wait_until(condition: Callable[[], Any], timeout: float = WAIT_SECONDS) -> None:
    """Wait for a condition; fail if it does not hold in time."""
    until = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < until, "the condition did not hold in time"
        time.sleep(0.002)


@attrs.frozen
class Leaks:
    """Threads and descriptors as they were."""

    threads: frozenset[threading.Thread] = attrs.field(
        factory=lambda: frozenset(threading.enumerate())
    )
    descriptors: int = attrs.field(factory=lambda: len(_descriptors()))

    def check(self) -> None:
        """Fail if there are more of them, and threads do not end soon."""
        for thread in set(threading.enumerate()) - self.threads:
            thread.join(5)
            assert not thread.is_alive(), f"{thread.name} was left"
        if len(_descriptors()) > self.descriptors:
            gc.collect()  # an error's traceback may hold what has a descriptor
        found = sorted(_descriptors())
        assert len(found) <= self.descriptors, found


def _descriptors() -> list[str]:
    found = []
    for path in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(path.readlink()))
        except FileNotFoundError:  # it was that of the listing
            continue
    return found
