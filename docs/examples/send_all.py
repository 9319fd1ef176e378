"""Send many events, and keep what is to be handed in again."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from iterable_destination import Destination, Settings


def events() -> Iterator[dict[str, Any]]:
    """Read events from wherever yours are: a file, a database, a queue."""
    for number in range(3_000):
        user = f"u-{number % 700}"
        yield {"messageId": f"m-{number}", "type": "track", "userId": user, "event": "Seen"}
    yield {"messageId": "m-3000", "type": "track", "anonymousId": "a-1", "event": "Seen"}


counts: Counter[str] = Counter()
again: list[int] = []
with Destination(Settings.from_environment()) as destination:
    for outcome in destination.send_all(events()):
        counts[outcome.name] += 1
        if outcome.name in {"retryable", "unknown"}:
            again.append(outcome.index)
        elif outcome.name == "rejected":
            print(f"{outcome.message_id}: {outcome.message}")

print(sorted(counts.items()), "to be handed in again:", sorted(again))
