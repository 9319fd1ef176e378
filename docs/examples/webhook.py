"""Translate one webhook of Iterable's, and look at the event that Segment would get."""

import json

from iterable_destination.source import Ignored, to_segment

webhook = {
    "email": "jane@example.com",
    "userId": "u-7",
    "eventName": "emailClick",
    "dataFields": {
        "campaignId": 49313,
        "campaignName": "Spring launch",
        "url": "https://www.shop.example/spring",
        "ip": "198.51.100.7",
        "email": "jane@example.com",
        "createdAt": "2016-12-02 20:21:04 +00:00",
    },
}

track = to_segment(webhook)
if isinstance(track, Ignored):
    print(track.reason)
else:
    print(json.dumps(track.body(), indent=2))
