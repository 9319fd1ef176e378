"""Make webhooks of Iterable's to measure with: as it sends them, and of ever other shapes.

They are the same for the same seed. None is refused; of the second sort, 2 % are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from corpus import Json, Maker, flag, one, whole
from shapes import key, moment_in, new_key, shuffled, value
from spec import hexadecimal

from iterable_destination.source.collections import COLLECTIONS, Collection

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
AGENTS = (
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
)
#: How many of each hundred webhooks are of a collection; of the others there is one each.
SHARES: Final = {"emailSend": 30, "emailOpen": 26, "emailClick": 8, "pushSend": 8, "smsSend": 6}


def order(rng: Random) -> Json:
    """Make what an email is filled with."""
    items = [
        {"sku": f"sku-{rng.randint(1, 999)}", "name": "Walnut tray", "price": rng.randint(1, 99)}
        for _ in range(rng.randint(1, 3))
    ]
    return {"orderId": f"o-{rng.randint(1, 99_999)}", "items": items, "total": 120.5}


#: The fields that are not numbers from 1 to 9,999,999.
FIELDS: Final[dict[str, Maker]] = {
    "campaignName": one("Spring launch", "Win back, 60 days", "Zoë's picks"),
    "templateName": one("Spring launch, variant A", "Win back 2"),
    "workflowId": lambda rng: rng.choice((None, 77_120)),
    "workflowName": lambda rng: rng.choice((None, "Welcome series")),
    "experimentId": lambda _: None,
    "messageId": hexadecimal(32),
    "locale": lambda _: None,
    "labels": lambda rng: rng.choice(([], ["spring", "sale"])),
    "emailSubject": one("Your order is on its way", "Three things for your kitchen"),
    "emailId": lambda rng: f"c{rng.randint(1, 99_999)}:t{rng.randint(1, 99_999)}:docs@example.com",
    "transactionalData": lambda rng: order(rng) if rng.random() < 0.5 else {},
    "recipientState": one("HardBounce", "Complaint"),
    "bounceMessage": one("550 5.1.1 The email account that you tried to reach does not exist"),
    "status": one("5.1.1"),
    "userAgent": one(*AGENTS),
    "ip": lambda rng: f"198.51.100.{rng.randint(1, 254)}",
    "userAgentDevice": one("Gmail", "iPhone"),
    "device": one("Gmail", "iPhone"),
    "proxySource": one("Gmail", "Apple"),
    "isBot": lambda rng: rng.random() < 0.1,
    "city": one("San Francisco", "Málaga"),
    "region": one("CA", "AN"),
    "country": one("US", "ES"),
    "url": one("https://www.shop.example/spring?utm_source=iterable&utm_campaign=spring"),
    "linkUrl": one("https://www.shop.example/spring"),
    "linkId": hexadecimal(10),
    "canonicalUrlId": hexadecimal(10),
    "hrefIndex": lambda rng: rng.randint(0, 9),
    "signupSource": one("WebForm", "Api"),
    "unsubSource": one("EmailLink", "ComplaintOrLink"),
    "emailListIds": lambda rng: [rng.randint(1, 99_999)],
    "channelIds": lambda _: [],
    "messageTypeIds": lambda _: [],
    "profileUpdatedAt": one("2026-03-01 21:13:30 +00:00"),
    "pushMessage": one("Your order is on its way. Tap to follow it."),
    "platformEndpoint": one(f"arn:aws:sns:us-east-1:503{'0' * 9}:endpoint/APNS/shop/4b8f"),
    "payload": lambda rng: {"path": "orders/7", "badge": rng.randint(0, 9)},
    "sound": one("default"),
    "badge": lambda _: None,
    "contentAvailable": lambda _: False,
    "deeplink": lambda _: {"ios": "shop://orders/7", "android": None},
    "appAlreadyRunning": lambda rng: rng.random() < 0.2,
    "isGhostPush": lambda _: True,
    "smsMessage": one("Your order is on its way: https://shop.example/o/7. Reply STOP to stop."),
    "toPhoneNumber": one("+14155550143"),
    "fromPhoneNumber": one("+14155550199"),
    "imageUrl": lambda _: None,
    "smsProviderResponse": lambda _: {
        "status": 404,
        "code": 20_404,
        "message": "The requested resource was not found",
        "more_info": "https://www.twilio.com/docs/errors/20404",
    },
    "clickedUrl": one("https://www.shop.example/orders/7"),
    "messageContext": lambda _: {"saveToInbox": True, "trigger": "immediate"},
    "inAppBody": one(f"<html><body>{'<p>Three things for your kitchen</p>' * 20}</body></html>"),
    "expiresAt": one("2026-06-01 08:00:00 +00:00"),
    "deviceInfo": lambda _: {
        "deviceId": "6cb0e4a7-42a4-4bd5-8f4c-4e5b1c5c6d4b",
        "platform": "iOS",
        "appPackageName": "com.example.shop",
    },
    "browserToken": hexadecimal(150),
    "webPushMessage": one("Three things for your kitchen"),
    "webPushBody": one("Until Sunday, with free delivery"),
    "webPushIcon": one("https://www.shop.example/icon.png"),
    "webPushClickAction": one("https://www.shop.example/spring"),
}
CAMPAIGN: Final = (
    *("campaignId", "campaignName", "templateId", "templateName", "workflowId", "workflowName"),
    *("channelId", "messageTypeId", "experimentId", "messageId", "contentId", "locale", "labels"),
)


def webhook(rng: Random, collection: Collection, number: int) -> Json:
    """Make a webhook of a collection."""
    email = f"user-{rng.randint(1, 2_000)}@example.com"
    names = dict.fromkeys((*collection.fields, *(CAMPAIGN if collection.has_campaign else ())))
    fields = {name: FIELDS.get(name, whole(9_999_999))(rng) for name in sorted(names)}
    fields["createdAt"] = f"{START + timedelta(seconds=number // 10):%Y-%m-%d %H:%M:%S} +00:00"
    fields["email"] = email
    made: Json = {"email": email, "eventName": collection.wire, "dataFields": fields}
    if rng.random() < 0.8:
        made["userId"] = f"u-{rng.randint(1, 2_000)}"
    return made


def usual_webhooks(count: int, seed: int) -> Iterator[Json]:
    """Make webhooks as Iterable sends them."""
    rng = Random(seed)
    deck = [each for each in COLLECTIONS for _ in range(SHARES.get(each.wire, 1))]
    for number in range(count):
        if not number % len(deck):
            rng.shuffle(deck)
        yield webhook(rng, deck[number % len(deck)], number)


def vary_time(rng: Random, fields: Json) -> None:
    """Say when it happened in another way, or not at all."""
    way = rng.random()
    if way < 0.3:
        fields["createdAt"] = moment_in(rng, START + timedelta(milliseconds=rng.randrange(10**9)))
    elif way < 0.4:
        del fields["createdAt"]


def vary_user(rng: Random, made: Json) -> None:
    """Name the user in another way: by a number, by one of the two names, in the fields alone."""
    way = rng.random()
    if way < 0.15:
        made["userId"] = rng.choice((rng.randrange(10**6), "uid with spaces", 12.0))
    elif way < 0.25:
        made |= {"userId": "u-1", "email": rng.choice((None, ""))}
    elif way < 0.35:
        del made["email"]
    elif way < 0.45:
        made["userId"] = rng.choice((None, ""))
    elif way < 0.5:
        made["email"] = f"{rng.getrandbits(64):x}@placeholder.email"


def odd_webhook(rng: Random, collection: Collection, number: int) -> Json:
    """Make a webhook of a collection with fewer fields, others, and others of their types."""
    made = webhook(rng, collection, number)
    fields: Json = made["dataFields"]
    for name in [name for name in fields if name not in {"createdAt", "email"}]:
        way = rng.random()
        if way < 0.2:
            del fields[name]
        elif way < 0.25 or (way < 0.35 and isinstance(fields[name], int)):
            fields[name] = rng.choice((rng.random() * 100, None, str(fields[name]), 0.0, 7.0))
    keys = new_key if rng.random() < 1 / 6 else key
    for _ in range(int(30 ** rng.random()) - 1):
        fields[keys(rng)] = value(rng, 2, keys)
    vary_time(rng, fields)
    vary_user(rng, made)
    if flag(rng):
        made["dataFields"] = shuffled(rng, fields)
    if rng.random() < 0.1:
        made["eventName"] = made["eventName"].lower()
    if rng.random() < 0.02:
        made["eventName"] = rng.choice(("emailSendSkip", "customEvent"))
    if rng.random() < 0.05:
        made["webhookId"] = rng.randrange(10**4)
    return shuffled(rng, made)


def odd_webhooks(count: int, seed: int) -> Iterator[Json]:
    """Make webhooks of ever other shapes, each collection equally often."""
    rng = Random(seed)
    for number in range(count):
        yield odd_webhook(rng, rng.choice(COLLECTIONS), number)


#: Makes so many webhooks, the same for the same seed; by the corpus' name.
WEBHOOKS: Final[dict[str, Callable[[int, int], Iterator[Json]]]] = {
    "ours": usual_webhooks,
    "shapes": odd_webhooks,
}
