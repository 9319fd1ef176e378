"""How long a webhook of Iterable's takes, as a ratio to reading and writing it as JSON.

Run ``python benchmarks/source.py``. For each collection it measures the processor time of
``to_segment``, and of ``json.loads`` + ``json.dumps`` of the same webhook with the standard
library, as ``benchmarks/translate.py`` does. ``--without-orjson`` does as if it were not there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from translate import best_times

from iterable_destination.model import json_codec
from iterable_destination.source import Ignored, SegmentTrack, to_segment
from iterable_destination.source.collections import COLLECTIONS, Collection

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
AGENTS = (
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
)
#: How many of each hundred webhooks are of a collection; of the others there is one each.
SHARES: Final = {"emailSend": 30, "emailOpen": 26, "emailClick": 8, "pushSend": 8, "smsSend": 6}

Make = Callable[[Random], Any]


def texts(*values: str) -> Make:
    """Pick one of some texts."""
    return lambda rng: rng.choice(values)


def digits(length: int) -> Make:
    """Make a text of so many hexadecimal digits."""
    return lambda rng: f"{rng.getrandbits(4 * length):0{length}x}"


def order(rng: Random) -> dict[str, Any]:
    """Make what an email is filled with."""
    items = [
        {"sku": f"sku-{rng.randint(1, 999)}", "name": "Walnut tray", "price": rng.randint(1, 99)}
        for _ in range(rng.randint(1, 3))
    ]
    return {"orderId": f"o-{rng.randint(1, 99_999)}", "items": items, "total": 120.5}


#: The fields that are not numbers from 1 to 9,999,999.
FIELDS: Final[dict[str, Make]] = {
    "campaignName": texts("Spring launch", "Win back, 60 days", "Zoë's picks"),
    "templateName": texts("Spring launch, variant A", "Win back 2"),
    "workflowId": lambda rng: rng.choice((None, 77_120)),
    "workflowName": lambda rng: rng.choice((None, "Welcome series")),
    "experimentId": lambda _: None,
    "messageId": digits(32),
    "locale": lambda _: None,
    "labels": lambda rng: rng.choice(([], ["spring", "sale"])),
    "emailSubject": texts("Your order is on its way", "Three things for your kitchen"),
    "emailId": lambda rng: f"c{rng.randint(1, 99_999)}:t{rng.randint(1, 99_999)}:docs@example.com",
    "transactionalData": lambda rng: order(rng) if rng.random() < 0.5 else {},
    "recipientState": texts("HardBounce", "Complaint"),
    "bounceMessage": texts("550 5.1.1 The email account that you tried to reach does not exist"),
    "status": texts("5.1.1"),
    "userAgent": texts(*AGENTS),
    "ip": lambda rng: f"198.51.100.{rng.randint(1, 254)}",
    "userAgentDevice": texts("Gmail", "iPhone"),
    "device": texts("Gmail", "iPhone"),
    "proxySource": texts("Gmail", "Apple"),
    "isBot": lambda rng: rng.random() < 0.1,
    "city": texts("San Francisco", "Málaga"),
    "region": texts("CA", "AN"),
    "country": texts("US", "ES"),
    "url": texts("https://www.shop.example/spring?utm_source=iterable&utm_campaign=spring"),
    "linkUrl": texts("https://www.shop.example/spring"),
    "linkId": digits(10),
    "canonicalUrlId": digits(10),
    "hrefIndex": lambda rng: rng.randint(0, 9),
    "signupSource": texts("WebForm", "Api"),
    "unsubSource": texts("EmailLink", "ComplaintOrLink"),
    "emailListIds": lambda rng: [rng.randint(1, 99_999)],
    "channelIds": lambda _: [],
    "messageTypeIds": lambda _: [],
    "profileUpdatedAt": texts("2026-03-01 21:13:30 +00:00"),
    "pushMessage": texts("Your order is on its way. Tap to follow it."),
    "platformEndpoint": texts(f"arn:aws:sns:us-east-1:503{'0' * 9}:endpoint/APNS/shop/4b8f"),
    "payload": lambda rng: {"path": "orders/7", "badge": rng.randint(0, 9)},
    "sound": texts("default"),
    "badge": lambda _: None,
    "contentAvailable": lambda _: False,
    "deeplink": lambda _: {"ios": "shop://orders/7", "android": None},
    "appAlreadyRunning": lambda rng: rng.random() < 0.2,
    "isGhostPush": lambda _: True,
    "smsMessage": texts("Your order is on its way: https://shop.example/o/7. Reply STOP to stop."),
    "toPhoneNumber": texts("+14155550143"),
    "fromPhoneNumber": texts("+14155550199"),
    "imageUrl": lambda _: None,
    "smsProviderResponse": lambda _: {
        "status": 404,
        "code": 20_404,
        "message": "The requested resource was not found",
        "more_info": "https://www.twilio.com/docs/errors/20404",
    },
    "clickedUrl": texts("https://www.shop.example/orders/7"),
    "messageContext": lambda _: {"saveToInbox": True, "trigger": "immediate"},
    "inAppBody": texts(f"<html><body>{'<p>Three things for your kitchen</p>' * 20}</body></html>"),
    "expiresAt": texts("2026-06-01 08:00:00 +00:00"),
    "deviceInfo": lambda _: {
        "deviceId": "6cb0e4a7-42a4-4bd5-8f4c-4e5b1c5c6d4b",
        "platform": "iOS",
        "appPackageName": "com.example.shop",
    },
    "browserToken": digits(150),
    "webPushMessage": texts("Three things for your kitchen"),
    "webPushBody": texts("Until Sunday, with free delivery"),
    "webPushIcon": texts("https://www.shop.example/icon.png"),
    "webPushClickAction": texts("https://www.shop.example/spring"),
}
CAMPAIGN: Final = (
    *("campaignId", "campaignName", "templateId", "templateName", "workflowId", "workflowName"),
    *("channelId", "messageTypeId", "experimentId", "messageId", "contentId", "locale", "labels"),
)


def webhook(rng: Random, collection: Collection, number: int) -> dict[str, Any]:
    """Make a webhook of a collection."""
    email = f"user-{rng.randint(1, 2_000)}@example.com"
    names = dict.fromkeys((*collection.fields, *(CAMPAIGN if collection.has_campaign else ())))
    fields = {name: FIELDS.get(name, whole)(rng) for name in sorted(names)}
    fields["createdAt"] = f"{START + timedelta(seconds=number // 10):%Y-%m-%d %H:%M:%S} +00:00"
    fields["email"] = email
    made: dict[str, Any] = {"email": email, "eventName": collection.wire, "dataFields": fields}
    if rng.random() < 0.8:
        made["userId"] = f"u-{rng.randint(1, 2_000)}"
    return made


def whole(rng: Random) -> int:
    """Pick a whole number."""
    return rng.randint(1, 9_999_999)


def webhooks(count: int) -> Iterator[dict[str, Any]]:
    """Make webhooks, the same every time."""
    rng = Random(22)
    deck = [each for each in COLLECTIONS for _ in range(SHARES.get(each.wire, 1))]
    for number in range(count):
        if not number % len(deck):
            rng.shuffle(deck)
        yield webhook(rng, deck[number % len(deck)], number)


def read_and_translate(text: str) -> SegmentTrack | Ignored:
    """Do what is measured, and read the webhook before."""
    return to_segment(json.loads(text))


def report(count: int, rounds: int) -> None:
    """Print the ratio for each collection and for all."""
    by_wire: dict[str, list[dict[str, Any]]] = {each.wire: [] for each in COLLECTIONS}
    for each in webhooks(count):
        by_wire[each["eventName"]].append(each)
    machine = f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores"
    library = "orjson" if json_codec.HAS_ORJSON else "the standard library"
    print(f"{count:,} webhooks, best of {rounds} rounds, {library}; {machine}\n")
    print(f"{'collection':24}{'webhooks':>9}{'to_segment':>14}{'loads + dumps':>16}{'ratio':>8}")
    totals = [0.0, 0.0]
    for wire, corpus in by_wire.items():
        times = best_times(corpus, rounds, read_and_translate)
        totals = [total + time for total, time in zip(totals, times, strict=True)]
        report_line(wire, len(corpus), *times)
    report_line("all", count, *totals)


def report_line(wire: str, count: int, ours: float, theirs: float) -> None:
    """Print one line of the table."""
    each = f"{ours / count * 1e6:>11.1f} µs{theirs / count * 1e6:>13.1f} µs"
    print(f"{wire:24}{count:>9,}{each}{ours / theirs:>8.2f}")


def main() -> None:
    """Measure what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--webhooks", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--without-orjson", action="store_true")
    arguments = parser.parse_args()
    if arguments.without_orjson:
        json_codec.HAS_ORJSON = False
    report(arguments.webhooks, arguments.rounds)


if __name__ == "__main__":
    main()
