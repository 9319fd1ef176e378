"""Events whose delivery can be checked, and the findings of the local Iterable's ledger."""

from __future__ import annotations

import json
from collections.abc import Iterable
from random import Random
from typing import Any

from iterable_destination.testing import Effect

USERS = 2_000
#: Lines that are no event that can be sent.
BAD = (
    '{"messageId": "bad-json"',
    '{"messageId": "bad-anonymous", "type": "track", "event": "Seen"}',
    '{"messageId": "bad-alias", "type": "alias", "userId": "u-1"}',
    '{"messageId": "bad-\\ud800", "type": "track", "event": "Seen", "userId": "u-1\\ud800"}',
)


def event(number: int) -> dict[str, Any]:
    """Return an event; two after another of a user have the same time, and names that differ.

    Their first has the email alone, the second both names, the third the userId alone, and so on.
    """
    user, turn = number % USERS, number // USERS
    names = turn % 3
    traits = {} if names == 2 else {"email": f"u-{user}@example.com"}
    moment = f"2026-11-20T10:{turn // 2:02}:00.000Z"
    common: dict[str, Any] = {
        **({"userId": f"u-{user}"} if names else {}),
        "messageId": f"m-{number}",
        "timestamp": moment,
        "receivedAt": f"2026-11-20T10:{turn // 2:02}:{turn % 2:02}.500Z",
    }
    if turn % 4 == 1:
        return {**common, "type": "identify", "traits": traits | {"n": number}}
    context = {"traits": traits}
    own = {"n": number}
    return {**common, "type": "track", "event": "Seen", "properties": own, "context": context}


def lines(numbers: Iterable[int], seed: int) -> list[str]:
    """Return the lines of events in an order of chance."""
    found = [json.dumps(event(number)) for number in numbers]
    Random(seed).shuffle(found)  # noqa: S311 - chance, not secrecy
    return found


def check(effects: Iterable[Effect], count: int) -> int:
    """See that nothing is lost, doubled, overtaken or stale; return how many came again."""
    numbers: list[int] = []
    created: list[str | None] = []
    profiles: dict[int, int] = {}
    for effect in effects:
        number = effect.data_fields["n"]
        numbers.append(number)
        if effect.path.startswith("/api/users/"):
            profiles[number % USERS] = number
        elif effect.created:
            created.append(effect.id)
    assert set(numbers) == set(range(count)), "lost"
    tracked = [number for number in range(count) if number // USERS % 4 != 1]
    assert sorted(created, key=str) == sorted(f"m-{n}" for n in tracked), "doubled"
    newest: dict[int, int] = {}
    for number in dict.fromkeys(numbers):
        assert newest.get(number % USERS, -1) < number, "overtaken"
        newest[number % USERS] = number
    updates = (number for number in range(count) if number // USERS % 4 == 1)
    assert profiles == {number % USERS: number for number in updates}, "stale"
    return len(numbers) - count
