"""Make a corpus of realistic Segment events, the same for the same seed, to measure with.

Every event is valid and takes 1.0 to 1.6 KB as a line of JSON, with the default separators of
:func:`json.dumps`, be it escaped or UTF-8. Of each 20 in a row, 5 are identifies, 9 tracks,
3 pages or screens, 2 orders and 1 a cart.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

Json = dict[str, Any]
Maker = Callable[[Random], Any]
#: Values that go into an event together or not at all: (where, key, value).
Addition = list[tuple[Json, str, Any]]

KINDS = ["identify"] * 5 + ["track"] * 9 + ["page"] * 3 + ["order"] * 2 + ["cart"]
USERS = 2_000
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
TARGETS, LIMIT = (1_120, 1_520), 1_600  # bytes of a line: when to stop adding, and the most


def one(*values: Any) -> Maker:
    """Pick one of `values`."""
    return lambda rng: rng.choice(values)


def some(*values: str) -> Maker:
    """Pick a list of two or more of `values`."""
    return lambda rng: rng.sample(values, rng.randint(2, len(values)))


def whole(high: int) -> Maker:
    """Pick a whole number from 1."""
    return lambda rng: rng.randint(1, high)


def money(high: float) -> Maker:
    """Pick an amount from 1, with two decimals."""
    return lambda rng: round(rng.uniform(1, high), 2)


def flag(rng: Random) -> bool:
    """Pick true or false."""
    return rng.random() < 0.5


def date(days: int) -> Maker:
    """Pick a moment in the `days` before the corpus starts, as ISO 8601."""
    return lambda rng: iso(START - timedelta(milliseconds=rng.randrange(days * 86_400_000)))


def nested(**makers: Maker) -> Maker:
    """Make an object of what each maker gives."""
    return lambda rng: {key: make(rng) for key, make in makers.items()}


def iso(moment: datetime) -> str:
    """Write a moment as Segment does, with milliseconds and ``Z``."""
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def uuid(rng: Random) -> str:
    """Make a UUID that depends on `rng` alone."""
    return str(UUID(int=rng.getrandbits(128), version=4))


SITE = "https://www.shop.example"
FIRST, LAST = ("Ada", "Bruno", "Emeka", "Fatima", "Lena"), ("Abbott", "Costa", "Ito", "Khan")
#: (first, last, city): for one user in ten, so that one event in ten is not ASCII.
ACCENTED = (("Zoë", "Lefèvre", "Orléans"), ("José", "Núñez", "Málaga"), ("さくら", "田中", "東京"))
#: (city, country, locale, timezone)
LEEDS, PORTO = ("Leeds", "GB", "en-GB", "Europe/London"), ("Porto", "PT", "pt-PT", "Europe/Lisbon")
AGENTS = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.3 Safari",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/133.0.0.0 Safari/537.36",
)
#: What libraries tell of a browser and of a phone.
BROWSER = {
    "brands": [{"brand": "Chromium", "version": "133"}, {"brand": "Not A Brand", "version": "24"}],
    "mobile": False,
    "platform": "macOS",
}
APP = {"name": "Shop", "version": "4.12.0", "build": "1207", "namespace": "example.shop"}
PHONE = {"manufacturer": "Apple", "model": "iPhone16,2", "name": "iPhone", "type": "ios"}
SCREEN = {"width": 393, "height": 852, "density": 3}
NETWORK = {"bluetooth": False, "carrier": "T", "cellular": True, "wifi": False}
CAMPAIGN = nested(name=one("spring-sale", "win-back"), source=one("letter"), medium=one("email"))
#: The kinds of source and their libraries; half the events are from the web.
SOURCES = {"web": "analytics.js", "ios": "analytics-swift", "server": "analytics-python"}
WEIGHTS = (5, 2, 3)
PAGES = ("Home", "Sale", "Product Detail", "Cart", "Checkout", "Order History", "Help")
AISLES = ("Kitchen", "Garden", "Lighting", "Bedroom", "Office", "Toys")
STYLES = ("Oak", "Linen", "Steel", "Wool", "Cork", "Blue", "Round", "Small", "Folding")
GOODS = ("Lamp", "Rug", "Kettle", "Chair", "Planter", "Mug Set", "Desk Mat", "Blanket", "Clock")
TRAITS: dict[str, Maker] = {
    **dict.fromkeys(("emailVerified", "smsOptIn", "order_completed_last_30days"), flag),
    **dict.fromkeys(("num_of_orders_last_30days", "visits_last_90days", "reviews"), whole(40)),
    **dict.fromkeys(("lifetime_value", "average_basket", "store_credit"), money(900)),
    **dict.fromkeys(("last_order_at", "last_seen", "trial_ends"), date(90)),
    "plan": one("free", "plus", "family", None),
    "birthday": one("1961-07-30", "1984-02-11", "2001-06-23"),
    "loyalty": nested(tier=one("bronze", "silver", "gold"), points=whole(9_000), since=date(900)),
    "interests": some(*AISLES),
    "settings": nested(theme=one("dark", "light"), digest=flag, hour=whole(22)),
    "referred_by": one(None, "friend", "advert"),
    "gender": one("female", "male", "other", ""),
    "company": nested(name=one("Acme", "Initech", "Hooli"), employees=whole(900)),
    "churn_risk": one("low", "medium", "high"),
    "preferred_channel": one("email", "push", "sms"),
    "nps": one(None, 0, 6, 8, 9, 10),
}
#: What a track of each name always carries.
TRACKS: dict[str, Maker] = {
    "Product Viewed": nested(product_id=one("p-104", "p-221"), price=money(180)),
    "Products Searched": nested(query=one("lamp", "wool rug", "gift"), results=whole(120)),
    "Coupon Applied": nested(code=one("SPRING10", "HELLO5"), valid_until=date(3)),
    "Newsletter Subscribed": nested(list=one("weekly", "offers"), double_opt_in=flag),
    "Review Submitted": nested(rating=whole(5), written_at=date(5)),
    "Audience Entered": nested(audience_key=one("big_spenders", "lapsed_90days")),
    "Support Requested": nested(topic=one("returns", "delivery"), order_id=one("o-8123", None)),
}
#: What any event but an identify may carry besides.
PROPERTIES: dict[str, Maker] = {
    "session_id": uuid,
    "session_started_at": date(1),
    "page_views": whole(40),
    "experiment": nested(key=one("new-cart", "hero-2"), variant=one("a", "b"), active=flag),
    "referring_list": one("best sellers", "for you", None),
    "aisles_seen": some(*AISLES),
    "is_returning": flag,
    "first_seen_at": date(400),
    "seconds_on_page": money(900),
    "store": one("Leeds Kirkgate", "Porto Bolhão"),
    "store_stock": whole(50),
    "open_until": one("18:00", "20:30"),
    "note": one("Shown above the fold", "From the weekly letter", "", None),
    "viewport_width": one(390, 1440, 1920),
    "viewport_height": one(844, 900, 1080),
    "tags": some("spring", "new", "bundle", "gift", "last-chance", "members"),
    "load_ms": whole(2_400),
    "image_url": one(f"{SITE}/images/products/large/442.jpg?fit=crop&width=1200"),
    "referrer": one("https://www.search.example/results?q=wool+rug&page=2", ""),
    "currency": one("EUR", "GBP"),
}
#: What all products of a list may carry beside id, name, price and quantity.
COLUMNS: dict[str, Maker] = {
    "sku": one("S10-442", "S10-871", "S22-019"),
    "category": one(*AISLES),
    "image_url": one(f"{SITE}/images/442.jpg", f"{SITE}/images/871.jpg"),
    "restocked_at": date(40),
    "size": nested(width_cm=whole(90), height_cm=whole(90), weight_kg=money(9)),
}


class User(NamedTuple):
    """Someone who comes back, always with the same ids and from the same place."""

    id: str
    anonymous_id: str
    email: str
    names: tuple[str, str, str]
    place: tuple[str, str, str, str]


def new_user(rng: Random, number: int) -> User:
    """Make user `number`; every tenth has names that are not ASCII."""
    place = rng.choice((LEEDS, PORTO))
    names = (rng.choice(FIRST), rng.choice(LAST), place[0]) if number % 10 else rng.choice(ACCENTED)
    return User(f"usr_{number:06x}", uuid(rng), f"shopper.{number}@example.com", names, place)


def context(rng: Random, user: User, source: str) -> tuple[Json, list[Addition]]:
    """Make what a source of this kind tells of itself, and list what it may tell besides."""
    traits = {"email": user.email}
    around_it: Json = {"library": {"name": SOURCES[source], "version": "2.3.4"}, "traits": traits}
    around: Json = {"ip": f"203.0.113.{rng.randrange(256)}"}
    around |= {"locale": user.place[2], "timezone": user.place[3]}
    if source == "web":
        path = f"/{rng.choice(AISLES).lower()}/{rng.randrange(10**4)}"
        page = {"path": path, "referrer": "", "search": "", "title": "Shop", "url": SITE + path}
        around_it |= {**around, "page": page, "userAgent": rng.choice(AGENTS)}
        around = {"campaign": CAMPAIGN(rng), "userAgentData": BROWSER}
    elif source == "ios":
        around_it |= {"app": APP, "device": {"id": uuid(rng).upper(), **PHONE}}
        around |= {"os": {"name": "iOS", "version": "18.3"}, "screen": SCREEN, "network": NETWORK}
    first_name: Addition = [(traits, "firstName", user.names[0])]
    return around_it, [first_name, *([(around_it, key, value)] for key, value in around.items())]


def choices(rng: Random, where: Json, table: dict[str, Maker]) -> list[Addition]:
    """List what `table` could add to one object, in random order."""
    return [[(where, key, table[key](rng))] for key in rng.sample(list(table), len(table))]


def identify(rng: Random, user: User) -> tuple[Json, list[Addition]]:
    """Make 10 traits, and list up to 15 more."""
    first, last, city = user.names
    traits: Json = {"email": user.email, "firstName": first, "lastName": last}
    traits |= {"createdAt": date(700)(rng), "phone": f"+1415555{rng.randint(100, 199):04d}"}
    traits["address"] = {"city": city, "country": user.place[1], "postalCode": "4410"}
    additions = choices(rng, traits, TRAITS)
    traits |= {key: value for [(_, key, value)] in additions[:4]}
    return {"type": "identify", "traits": traits}, additions[4:19]


def page(rng: Random, source: str) -> tuple[Json, list[Addition]]:
    """Make a page or, in the app, a screen: with a name, a category or both."""
    both = {"name": rng.choice(PAGES), "category": rng.choice(AISLES)}
    said = {key: both[key] for key in rng.choice((["name"], ["category"], list(both)))}
    properties: Json = {"path": "/shop", "title": "Shop", "url": f"{SITE}/shop"}
    event = {"type": "screen" if source == "ios" else "page", **said, "properties": properties}
    return event, choices(rng, properties, PROPERTIES)


def track(rng: Random, name: str, properties: Json) -> tuple[Json, list[Addition]]:
    """Make a track, and list what else its properties may hold."""
    event = {"type": "track", "event": name, "properties": properties}
    return event, choices(rng, properties, PROPERTIES)


def commerce(rng: Random, kind: str, most: int) -> tuple[Json, list[Addition]]:
    """Make an order or a cart of 1 to `most` products; an order's total is right."""
    make = nested(price=money(180), quantity=whole(4))
    numbers = rng.sample(range(100, 1_000), rng.randint(1, most))
    names = [f"{rng.choice(STYLES)} {rng.choice(GOODS)}" for _ in numbers]
    products: list[Json] = [
        {"product_id": f"p-{number}", "name": name, **make(rng)}
        for number, name in zip(numbers, names, strict=True)
    ]
    columns = [[(it, key, make(rng)) for it in products] for key, make in COLUMNS.items()]
    if kind == "order":
        worth = sum(it["price"] * it["quantity"] for it in products)
        shipping, tax = rng.choice((0, 3.5, 4.9)), round(worth * 0.2, 2)
        properties: Json = {"order_id": f"o-{rng.randrange(10**5):05d}", "currency": "EUR"}
        properties |= {"total": round(worth + shipping + tax, 2), "shipping": shipping, "tax": tax}
        name = "Order Completed"
    else:
        properties, name = {"cart_id": uuid(rng)}, rng.choice(("Product Added", "Product Removed"))
    event, additions = track(rng, name, properties | {"products": products})
    return event, columns + additions


def said(rng: Random, kind: str, user: User, source: str) -> tuple[Json, list[Addition]]:
    """Make what an event of this kind is about; only servers send long lists of products."""
    if kind == "identify":
        return identify(rng, user)
    if kind == "page":
        return page(rng, source)
    if kind == "track":
        name = rng.choice(list(TRACKS))
        return track(rng, name, TRACKS[name](rng))
    return commerce(rng, kind, 8 if source == "server" else 3)


def fill(event: Json, additions: list[Addition], target: int) -> None:
    """Add to `event`, in order, until it takes `target` bytes; pass over what is too large."""
    size = len(json.dumps(event))
    for addition in additions:
        if size >= target:
            return
        more = sum(len(json.dumps({key: value})) for _, key, value in addition)
        if size + more <= LIMIT:
            size += more
            for where, key, value in addition:
                where[key] = value


def new_event(rng: Random, kind: str, user: User, moment: datetime) -> Json:
    """Make one event of this kind that happens at `moment`."""
    source = rng.choices(list(SOURCES), WEIGHTS)[0]
    event_context, about_source = context(rng, user, source)
    event, about_event = said(rng, kind, user, source)
    sent = moment + timedelta(milliseconds=rng.randint(5, 900))
    ajs = f"ajs-next-{int(moment.timestamp() * 1000)}-" if source == "web" else ""
    event |= {"messageId": ajs + uuid(rng), "userId": user.id, "anonymousId": user.anonymous_id}
    event |= {"timestamp": iso(moment), "originalTimestamp": iso(moment), "sentAt": iso(sent)}
    event["receivedAt"] = iso(sent + timedelta(milliseconds=rng.randint(20, 300)))
    event |= {"context": event_context, "integrations": {}}
    fill(event, about_source + about_event, rng.randint(*TARGETS))
    return event


def events(count: int = 20_000, seed: int = 1) -> Iterator[Json]:
    """Make `count` events in the order of their time, of at most 2,000 users."""
    rng = Random(seed)
    users = [new_user(rng, number) for number in range(USERS)]
    moment, kinds = START, list(KINDS)
    for index in range(count):
        if index % len(kinds) == 0:
            rng.shuffle(kinds)
        moment += timedelta(milliseconds=rng.randint(1, 4_000))
        yield new_event(rng, kinds[index % len(kinds)], rng.choice(users), moment)
