"""Take a user off a list when an event says so."""

from iterable_destination.mapping.actions import MappedTranslator, Subscription

left = Subscription(
    "Newsletter left",
    action="updateSubscriptions",
    trigger='type = "track" and event = "Newsletter Left"',
    mapping={
        "identifier": {"email": {"@path": "$.properties.email"}, "userId": {"@path": "$.userId"}},
        "user_identifier_preference": "email",
        "subscriptions": [
            {
                "subscription_group_type": "emailList",
                "subscription_group_id": "12",
                "action": "unsubscribe",
            }
        ],
    },
)

event = {
    "type": "track",
    "userId": "u-7",
    "event": "Newsletter Left",
    "properties": {"email": "ada@example.com"},
}

for call in MappedTranslator([left])(event).calls:
    print(call.endpoint.method, call.endpoint.path)
    print(call.body())
