"""Count with metrics of prometheus_client's own, which its multiprocess mode adds up."""

from iterable_destination import Destination, Exchange, Outcome, Settings
from iterable_destination.testing import LocalIterable
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

REQUESTS = Counter(
    "iterable_destination_requests", "HTTP requests", ["endpoint", "status", "error"]
)
SECONDS = Histogram(
    "iterable_destination_request_duration_seconds", "Seconds of a request", ["endpoint"]
)
OUTCOMES = Counter("iterable_destination_outcomes", "Events by outcome", ["outcome"])


def count_request(exchange: Exchange) -> None:
    """Called after each request."""
    REQUESTS.labels(exchange.endpoint, exchange.status_class, exchange.error or "none").inc()
    SECONDS.labels(exchange.endpoint).observe(exchange.seconds)


def count_outcome(outcome: Outcome) -> None:
    """Called with each outcome."""
    OUTCOMES.labels(outcome.name).inc()


def work() -> None:
    """Deliver an event, as each worker process does."""
    with LocalIterable() as iterable:
        settings = Settings(api_key=iterable.api_key, base_url=iterable.url)
        with Destination(settings, on_request=count_request) as destination:
            destination.start(count_outcome)
            destination.enqueue({"type": "track", "userId": "u-7", "event": "Signed Up"})


def scrape() -> str:
    """Return the metrics of all processes, as any one of them may answer."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return generate_latest(registry).decode()


if __name__ == "__main__":
    work()
    for line in scrape().splitlines():
        if line.startswith(("iterable_destination_requests", "iterable_destination_outcomes")):
            print(line)
