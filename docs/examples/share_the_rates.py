"""Leave half of the project's rates to others, and stop after 20 seconds."""

from iterable_destination import Destination, Settings

events = [
    {"messageId": f"m-{number}", "type": "track", "userId": f"u-{number}", "event": "Seen"}
    for number in range(100)
]
destination = Destination(
    Settings.from_environment(),
    rate_limits={"/api/users/bulkUpdate": 2.5, "/api/events/trackBulk": 5},
    max_workers=2,
    max_pending=2_000,
)

with destination:
    for outcome in destination.send_all(events, timeout=20):
        if outcome.name not in {"delivered", "skipped"}:
            print(outcome.index, outcome.name, outcome.message)

print(f"{destination.counters.outcomes['delivered']} delivered")
