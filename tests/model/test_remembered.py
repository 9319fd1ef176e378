"""What is remembered of keys: it is bounded in number and in length."""

from __future__ import annotations

from typing import Any

import pytest

from iterable_destination.model import remembered
from iterable_destination.model.remembered import BoundedCache, are_short, make_room


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let three keys be remembered, of five characters each."""
    monkeypatch.setattr(remembered, "MAX_SIZE", 3)
    monkeypatch.setattr(remembered, "MAX_TOGETHER", 5)
    monkeypatch.setattr(remembered, "MAX_LENGTH", 5)


@pytest.mark.usefixtures("three")
def test_a_value_is_computed_once_while_it_is_remembered() -> None:
    computed = []

    def compute(key: str) -> str:
        computed.append(key)
        return key.upper()

    cache = BoundedCache(compute)
    assert [cache[key] for key in ("a", "b", "c", "a", "b")] == ["A", "B", "C", "A", "B"]
    assert computed == ["a", "b", "c"]
    assert [cache["d"], *cache] == ["D", "d"]  # all others are forgotten


@pytest.mark.usefixtures("three")
def test_long_keys_are_not_remembered() -> None:
    cache = BoundedCache(len)
    assert (cache["x" * 5], cache["x" * 6], [*cache]) == (5, 6, ["x" * 5])


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ([], True),
        (["", "a", "bcde"], True),
        (["a", "bcdef"], False),
        (["a", 1], False),
        ([None], False),
    ],
    ids=str,
)
@pytest.mark.usefixtures("three")
def test_keys_are_short_together(keys: list[Any], expected: bool) -> None:  # noqa: FBT001
    assert are_short(keys) is expected


@pytest.mark.usefixtures("three")
def test_room_is_made_only_where_there_is_none() -> None:
    known = {"a", "b"}
    make_room(known)
    assert known == {"a", "b"}
    make_room(known, 2)
    assert known == set()
