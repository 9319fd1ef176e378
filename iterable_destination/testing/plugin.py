"""The pytest plugin: the fixture ``local_iterable``.

The local Iterable is imported when a test first uses it, so that the plugin costs other tests
little.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from iterable_destination.testing.server import LocalIterable


@pytest.fixture
def local_iterable() -> Iterator[LocalIterable]:
    """A running local Iterable with a new hybrid project, stopped after the test."""
    from iterable_destination.testing.server import LocalIterable  # noqa: PLC0415 - see above

    with LocalIterable() as iterable:
        yield iterable
