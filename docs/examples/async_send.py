"""Send events from an event loop: one, many, and what waits in the background."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from iterable_destination import AsyncDestination, Outcome, Settings


async def orders() -> AsyncIterator[dict[str, Any]]:
    """Read events from wherever yours are: a queue, a socket, a database."""
    for number in range(200):
        properties = {"total": 5, "products": [{"product_id": "p-1", "name": "P", "price": 5}]}
        event = {"type": "track", "event": "Order Completed", "properties": properties}
        yield event | {"messageId": f"m-{number}", "userId": f"u-{number % 50}"}
        await asyncio.sleep(0)


async def main() -> None:
    """Send, and print what became of it."""
    counts: Counter[str] = Counter()

    async def tell(outcome: Outcome) -> None:
        counts[outcome.name] += 1

    async with AsyncDestination(Settings.from_environment(), max_concurrency=128) as destination:
        one = await destination.send({"type": "track", "userId": "u-1", "event": "Signed Up"})
        print("one:", one.name)
        names = [outcome.name async for outcome in destination.send_all(orders())]
        print("many:", dict(Counter(names)))
        destination.start(tell)
        destination.enqueue({"type": "track", "userId": "u-2", "event": "Plan Renewed"})
        left = await destination.flush(timeout=10)
        print("in the background:", dict(counts), "left:", left)


if __name__ == "__main__":
    asyncio.run(main())
