"""Ask from where each field of a request came."""

from iterable_destination.mapping.origins import origins

event = {
    "type": "identify",
    "userId": "u-7",
    "timestamp": "2023-02-05T20:42:10.123Z",
    "context": {"ip": "203.0.113.7", "timezone": "Europe/Oslo"},
    "traits": {"phone": "+4722334455", "address": {"city": "Oslo"}},
}

for origin in origins(event):
    print(origin.field, "from", ", ".join(origin.places) or "no place")
