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

for told in explain(event, subscriptions):
    print(told.subscription, "fired" if told.fired else "did not fire", "by", told.because)
    for note in told.coercions:
        print("  coerced", note.path, "-", note.message)
    for problem in told.problems:
        print("  failed", problem)
