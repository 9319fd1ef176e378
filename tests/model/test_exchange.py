"""An exchange: one request, and how it ended."""

from __future__ import annotations

import attrs
import pytest

from iterable_destination.model.exchange import Exchange

EXCHANGE = Exchange(
    endpoint="/api/events/track", items=1, seconds=0.2, status=200, error=None, attempt=1
)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (None, "none"),
        (100, "1xx"),
        (200, "2xx"),
        (302, "3xx"),
        (429, "4xx"),
        (599, "5xx"),
        (99, "other"),
        (600, "other"),
        (-200, "other"),
    ],
)
def test_the_class_of_a_status_is_one_of_seven(status: int | None, expected: str) -> None:
    assert attrs.evolve(EXCHANGE, status=status).status_class == expected


def test_an_exchange_cannot_be_changed() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        EXCHANGE.items = 2  # type: ignore[misc]
