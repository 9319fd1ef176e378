"""How the property tests search: by chance at home, the same way every time in CI."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from iterable_destination.model import json_codec

settings.register_profile("dev", deadline=None, max_examples=60)
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


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
