"""Ask what each subscription makes of an event, and why."""

from iterable_destination.mapping.actions import Subscription, explain

subscriptions = [
    Subscription(
        "Big orders",
        action="trackEvent",
        trigger='type = "track" and event = "Order Completed" and properties.total > 100',
        mapping={"userId": {"@path": "$.userId"}, "eventName": "Big order"},
    ),
    Subscription(
        "Orders",
        action="trackEvent",
        trigger='event = "Order Completed" or event = "Order Updated"',
        mapping={"userId": {"@path": "$.userId"}, "eventName": {"@path": "$.name"}},
    ),
]

event = {
    "type": "track",
    "userId": 7,
    "event": "Order Completed",
    "properties": {"total": 42},
}

for result in explain(event, subscriptions):
    print(result.subscription, "fired" if result.fired else "did not fire", "by", result.because)
    for note in result.coercions:
        print("  coerced", note.path, "-", note.message)
    for problem in result.problems:
        print("  failed", problem)
