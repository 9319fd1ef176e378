"""How the property tests search: by chance at home, the same way every time in CI.

By default they try a few examples each. ``--hypothesis-profile heavy`` tries many; nox does that.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import settings

from iterable_destination.model import json_codec
from tests.support.delivering import driver
from tests.support.event_loop import DRIVERS
from tests.support.examples import HEAVY
from tests.support.kafka import Cluster as KafkaCluster
from tests.support.postgres import Cluster, running_postgres

_SEARCH: Final[dict[str, Any]] = {"derandomize": True, "database": None}
_OPTIONS: Final = {"deadline": None, **(_SEARCH if os.environ.get("CI") else {})}
settings.register_profile("light", max_examples=15, **_OPTIONS)
settings.register_profile("heavy", max_examples=HEAVY, **_OPTIONS)
settings.load_profile("light")


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than there are processors, for many tests wait."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(autouse=True)
def _no_exception_stays_handled() -> Iterator[None]:
    """Fail if a test leaves an exception that its thread handles for ever, as tracing can."""
    yield
    assert sys.exc_info() == (None, None, None)


@pytest.fixture(scope="session", autouse=True)
def _no_width_of_the_terminal() -> Iterator[None]:
    """Let no test see the width of the terminal in which pytest runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COLUMNS", raising=False)
        yield


@pytest.fixture(params=DRIVERS)
def each_driver(request: pytest.FixtureRequest) -> Iterator[str]:
    """Make requests by threads, and in an event loop; give which of them."""
    token = driver.set(request.param)
    yield request.param
    driver.reset(token)


@pytest.fixture(params=[True, False], ids=["orjson", "json"])
def each_json_library(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Run a test with orjson and with the standard library."""
    if request.param and not json_codec.HAS_ORJSON:
        pytest.skip("orjson is not installed")
    with monkeypatch.context() as patch:
        patch.setattr(json_codec, "HAS_ORJSON", request.param)
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL for the tests of this process."""
    with running_postgres() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[KafkaCluster]:
    """A cluster of Kafka for the tests of one module."""
    with KafkaCluster() as started:
        yield started


@pytest.fixture
def topic(cluster: KafkaCluster) -> str:
    """A topic for one test, of the cluster."""
    return cluster.create_topic()


@pytest.fixture
def config(cluster: KafkaCluster) -> dict[str, Any]:
    """The settings of a consumer of the cluster."""
    return cluster.config()
