"""Segment's webhooks into PostgreSQL, from there to Iterable, and metrics for Prometheus."""

import json
import logging
import os
from pathlib import Path

from prometheus_client import REGISTRY, start_http_server

from iterable_destination import DeadLetters, Destination, PostgresOutbox, Settings
from iterable_destination.metrics.prometheus import PrometheusMetrics
from iterable_destination.receivers.segment import webhook_app

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")

secrets = Path(os.environ["SECRETS"])
settings = Settings.from_mapping(json.loads((secrets / "iterable.json").read_text()))
outbox = PostgresOutbox(os.environ["OUTBOX"])

metrics = PrometheusMetrics()
REGISTRY.register(metrics)
destination = Destination(
    settings,
    dead_letters=DeadLetters(os.environ["DEAD_LETTERS"], secret=settings.api_key),
    on_request=metrics.on_request,
)
metrics.watch(destination, outbox)
start_http_server(int(os.environ["METRICS_PORT"]))

application = webhook_app(
    settings,
    shared_secret=(secrets / "segment_shared_secret").read_text().split(),
    header_secrets={"X-Events-Secret": (secrets / "segment_header_secret").read_text().split()},
    outbox=outbox,
    destination=destination,
)
