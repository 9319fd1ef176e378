"""Make events of ever other shapes, to measure what code does that nobody has tuned to them.

Not only the values are drawn but the shapes: which fields there are and in which order, under which
keys, of which types, how deep and how long; how dates, numbers and names are written; where a user
is named, and which destinations an event is for. One event in ten has keys that never come again.
All events can be delivered with ``track_all_pages``, but some 3 % that are switched off for this
destination. The events are the same for the same seed.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from corpus import Json, Maker, flag, money, one, uuid, whole

#: How often each kind comes, of a hundred.
KINDS: Final = {"identify": 22, "track": 40, "page": 14, "order": 14, "cart": 10}
START: Final = datetime(2026, 5, 4, 6, tzinfo=UTC)
#: The deepest that an object is nested, and the longest list.
DEEPEST, LONGEST = 8, 200
MOST_FIELDS, MOST_PRODUCTS = 60, 30

#: The words that keys are made of, two each. None of these keys is looked up.
WORDS: Final = (
    *("plan", "visit", "score", "order", "last", "first", "days", "count", "store", "basket"),
    *("tier", "points", "theme", "flag", "beta", "device", "region", "avg", "spend", "coupon"),
    *("loyalty", "segment", "opt", "news", "push", "color", "größe", "名前", "nivel", "level"),
)
TEXTS: Final = (
    *("", "a", "n/a", "gold", "en_GB", "true", "0", "Spring sale", "Zoë", "日本語のテキスト"),
    *("https://shop.example/p/1?a=b&c=d", "+14155550123", "(415) 555-0123", "🎉🎉", "1-2-3"),
    *("A somewhat longer text, as people write them in notes. " * 2, 'line\nbreak\t"quoted" \\'),
    *("2026", "1999-13-45", "abcd-ef-gh", "12.50", "1,299.00", "$12", "-7", "1e5", "NaN"),
)
NAMES: Final = ("Lesson Finished", "button_clicked", "Überweisung", "Order Completed Twice", "x")


# --- Single values -----------------------------------------------------------------------------


def moment_in(rng: Random, moment: datetime) -> Any:
    """Write a moment in one of the many ways in use."""
    naive = moment.replace(tzinfo=None)
    ways = (
        lambda: f"{naive.isoformat(timespec='milliseconds')}Z",
        lambda: f"{naive.isoformat(timespec='milliseconds')}Z",
        lambda: f"{naive.isoformat(timespec='seconds')}Z",
        lambda: f"{naive.isoformat(timespec='seconds')}+02:00",
        lambda: f"{naive.isoformat(timespec='milliseconds')}-0530",
        lambda: f"{naive.isoformat(timespec='microseconds')}+00:00",
        lambda: f"{naive.isoformat(timespec='microseconds')}123Z",
        lambda: naive.isoformat(" ", "seconds"),
        lambda: naive.date().isoformat(),
        lambda: int(moment.timestamp()),
        lambda: int(moment.timestamp() * 1000),
    )
    return rng.choice(ways)()


def some_date(rng: Random) -> Any:
    """Write a moment of the last three years."""
    return moment_in(rng, START - timedelta(milliseconds=rng.randrange(3 * 365 * 86_400_000)))


def number(rng: Random) -> Any:
    """Make a number, of any size and sign, whole or not."""
    ways: tuple[Maker, ...] = (
        whole(10),
        whole(10_000),
        money(500),
        one(0, -1, 0.0, -2.5, 1.0, 1e-9, 3.0e300, 2**53 + 1, -(2**63), 10**25),
    )
    return rng.choices(ways, (4, 4, 4, 1))[0](rng)


def key(rng: Random) -> str:
    """Make a key of two words; the same two are always spelled in the same way."""
    words = [rng.choice(WORDS), rng.choice(WORDS)]
    way = sum(map(len, words)) % 8
    if way < 3:
        return "_".join(words)
    if way < 5:
        return words[0] + words[1].title()
    return (" ", ".", "-")[way - 5].join(words)


def new_key(rng: Random) -> str:
    """Make a key that does not come again."""
    return f"{rng.choice(WORDS)}{rng.choice(('_', '-', ' ', '.', ':'))}{rng.getrandbits(64):x}"


def value(rng: Random, depth: int, keys: Maker) -> Any:
    """Make any value; objects and lists in it are nested to a depth of at most `DEEPEST`."""
    way = rng.random()
    if way < 0.34:
        return rng.choice(TEXTS)
    if way < 0.58:
        return number(rng)
    if way < 0.68:
        return some_date(rng)
    if way < 0.77:
        return flag(rng)
    if way < 0.84:
        return None
    if depth >= DEEPEST or way < 0.87:
        return f"{number(rng)}"
    if way < 0.94:
        return {keys(rng): value(rng, depth + 1, keys) for _ in range(rng.randint(0, 5))}
    return values(rng, depth, keys)


def values(rng: Random, depth: int, keys: Maker) -> list[Any]:
    """Make a list: of a few values of any type, or of up to 200 of one type."""
    if rng.random() < 0.9:
        return [value(rng, depth + 1, keys) for _ in range(rng.randint(0, 4))]
    make = rng.choice((whole(10**6), money(100), one(*TEXTS), some_date))
    return [make(rng) for _ in range(int(LONGEST ** rng.random()))]


def deep(rng: Random, keys: Maker) -> Any:
    """Make an object with one inside it, to a depth of `DEEPEST`."""
    inner: Any = value(rng, DEEPEST, keys)
    for _ in range(DEEPEST - 1):
        inner = {keys(rng): inner, keys(rng): rng.choice(TEXTS)}
    return inner


def fields(rng: Random) -> Json:
    """Make 1 to 60 fields, more often few than many."""
    keys = new_key if rng.random() < 1 / 10 else key
    made = {keys(rng): value(rng, 1, keys) for _ in range(int((MOST_FIELDS + 1) ** rng.random()))}
    if rng.random() < 0.03:
        made[keys(rng)] = deep(rng, keys)
    return made


def shuffled(rng: Random, made: Json) -> Json:
    """Return the fields in another order."""
    return dict(rng.sample(list(made.items()), len(made)))


# --- Products ----------------------------------------------------------------------------------


def as_text(rng: Random, amount: float) -> Any:
    """Return a number, or, one time in six, the text that says it."""
    return f"{amount:.2f}" if rng.random() < 1 / 6 else amount


def product(rng: Random, style: int) -> Json:
    """Make a product in one of the `style`s of spelling its keys; one in six has oddities."""
    key_of_id = ("product_id", "id", "productId", "product_id")[style]
    number = rng.randrange(9_999)
    made: Json = {
        key_of_id: f"p-{number}",
        "name": rng.choice(("Lamp", "Rug", "Größe M", "マグカップ", "Desk mat")),
        "price": rng.choice((money(90)(rng), whole(90)(rng), 0)),
    }
    more: dict[str, Maker] = {
        "quantity": whole(5),
        "sku": one("S1", "S22-019"),
        "category" if style % 2 else "categories": one("Games", "Toys"),
        ("imageUrl", "image_url")[style % 2]: one("https://shop.example/1.jpg"),
        "url": one("https://shop.example/1"),
        "description": one("Größe M", "Made of oak"),
        "brand": one("Acme", None),
        "variant": one("blue", "XL", None),
        "Size in cm": whole(90),
    }
    odd: dict[str, Maker] = {
        key_of_id: one(number, float(number)),
        "name": one("", 442),
        "price": one("12.50", "7"),
        "quantity": one(3.0, "2", None),
        "sku": one(442, "", None),
        "category" if style % 2 else "categories": one(["a", "b"], [], None, "", 12),
    }
    made |= {name: make(rng) for name, make in more.items() if rng.random() < 0.5}
    if rng.random() < 1 / 6:
        made |= {name: make(rng) for name, make in odd.items() if rng.random() < 0.5}
    if rng.random() < 0.1:
        made[key(rng)] = value(rng, 3, key)
    return shuffled(rng, made) if rng.random() < 0.3 else made


def products(rng: Random) -> list[Any]:
    """Make a list of 0 to 30 products; in half of the lists all have the same keys."""
    style, size = rng.randrange(4), int((MOST_PRODUCTS + 1) ** rng.random()) - flag(rng)
    if flag(rng) or not size:
        return [product(rng, style) for _ in range(size)]
    first = product(rng, style)
    return [{**first, "name": f"No. {number}", "price": money(9)(rng)} for number in range(size)]


# --- Events ------------------------------------------------------------------------------------


def identify(rng: Random) -> Json:
    """Make an identify; it may have no traits at all."""
    traits = fields(rng)
    spelled: dict[str, Maker] = {
        rng.choice(("createdAt", "created_at", "created", "CreatedAt")): some_date,
        rng.choice(("phone", "Phone", "phoneNumber")): one("+14155550123", "4155550123", "", None),
        "phones": one([], ["+14155550199"]),
        "address": one({"city": "Kraków", "postalCode": "31-001"}, "somewhere", None),
        "id": whole(10**6),
    }
    for name, make in spelled.items():
        if rng.random() < 0.25:
            traits[name] = make(rng)
    if rng.random() < 0.03:
        return {"type": "identify", "traits": rng.choice((None, {}))}
    return {"type": "identify", "traits": shuffled(rng, traits)}


def page(rng: Random) -> Json:
    """Make a page or screen; it may have neither name, category nor properties."""
    event: Json = {"type": rng.choice(("page", "page", "screen"))}
    for name in ("name", "category"):
        if flag(rng):
            event[name] = rng.choice(("Home", "Détail", "", None))
    if rng.random() < 0.9:
        event["properties"] = fields(rng)
    return event


def track(rng: Random) -> Json:
    """Make a track of a name that means no commerce; it may have no properties."""
    event: Json = {"type": "track", "event": rng.choice((*NAMES, key(rng)))}
    if rng.random() < 0.95:
        event["properties"] = fields(rng)
    return event


def order(rng: Random) -> Json:
    """Make an order, by one of its names."""
    names = ("Order Completed", "Order Completed", "order_completed", "Completed Order")
    total = as_text(rng, rng.choice((money(900)(rng), whole(900)(rng))))
    made = {"total": total, "products": products(rng), **fields(rng)}
    extra: dict[str, Maker] = {"order_id": one("o-1", 77), "campaignId": one(9, "12", None)}
    made |= {name: make(rng) for name, make in extra.items() if flag(rng)}
    return {"type": "track", "event": rng.choice(names), "properties": shuffled(rng, made)}


def cart(rng: Random) -> Json:
    """Make a cart, by one of its names."""
    names = ("Product Added", "Product Removed", "product added", "Product_Removed")
    made = {"products": products(rng)} | (fields(rng) if flag(rng) else {})
    return {"type": "track", "event": rng.choice(names), "properties": made}


SAID: Final = {"identify": identify, "track": track, "page": page, "order": order, "cart": cart}
_OFF: Final = one({"All": False}, {"Iterable": False}, {"all": False}, {"All": False, "GA4": True})
_ON: Final = one(
    {"All": True},
    {"Iterable": True},
    {"Iterable": {"mergeNestedObjects": True}},
    {"All": False, "Iterable": {"mergeNestedObjects": False, "campaignId": 1}},
    {"Google Analytics 4": {"clientId": "1.2"}, "Amplitude": False},
    {"all": True, "Salesforce": True},
    {"Iterable": {}},
    None,
)


def add_integrations(rng: Random, event: Json) -> None:
    """Say which destinations the event is for, if anything."""
    way = rng.random()
    if way < 0.03:
        event["integrations"] = _OFF(rng)
    elif way < 0.35:
        event["integrations"] = _ON(rng)
    elif way < 0.8:
        event["integrations"] = {}


def add_context(rng: Random, event: Json, traits: Json) -> None:
    """Add a context with traits, one without, or none."""
    context: Json = {"library": {"name": rng.choice(("x", "analytics.js")), "version": "2.0.0"}}
    extra: dict[str, Maker] = {
        "ip": one("203.0.113.9", "2001:db8::1"),
        "locale": one("en-US", "pl_PL", None),
        "timezone": one("Europe/Warsaw", ""),
        "userAgent": one("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/133", "curl/8"),
        "page": one({"url": "https://shop.example/", "title": "Größen", "path": "/"}, {}),
        "app": one({"name": "Shop", "build": 7}),
        "device": one({"id": "ABC", "adTrackingEnabled": False, "model": None}),
        "location": one({"city": "Lima", "latitude": -12.05}),
        "campaign": one({"name": "spring", "source": "letter", "medium": "email"}, {}),
        "os": one({"name": "iOS", "version": "18.3"}, {"name": "Android", "version": 14}),
        "screen": one({"width": 393, "height": 852, "density": 2.75}),
        "network": one({"bluetooth": False, "cellular": True, "wifi": False, "carrier": "T"}),
        "active": flag,
        key(rng): lambda rng: value(rng, 3, key),
    }
    share = rng.choice((0.1, 0.3, 0.5, 0.7))
    context |= {name: make(rng) for name, make in extra.items() if rng.random() < share}
    if rng.random() < 0.1:
        context["Iterable"] = {"mergeNestedObjects": True}
    if traits or rng.random() < 0.1:
        context["traits"] = traits
    name = "options" if rng.random() < 0.04 else "context"
    if traits or rng.random() < 0.93:
        event[name] = shuffled(rng, context)


def add_user(rng: Random, event: Json) -> Json:
    """Name the user, by an id, an email or both; return the context's traits."""
    user = rng.randrange(10**6)
    email = rng.choice((f"user.{user}@example.com", f"u+{user}@mail.example.co"))
    own: Json | None = event.get("traits" if event["type"] == "identify" else "properties")
    traits: Json = {}
    way = rng.random()
    if way < 0.72:
        event["userId"] = rng.choice((f"u_{user}", f"{uuid(rng)}", f"id {user}"))
    elif way < 0.78:
        event["userId"] = user
    elif way < 0.84 or (own is None and event["type"] == "identify"):
        event["userId"] = email
    else:  # by the email alone
        event |= rng.choice(({}, {"userId": None}, {"userId": ""}))
        if own is not None and (event["type"] == "identify" or flag(rng)):
            own[rng.choice(("email", "email", "Email"))] = email
        else:
            traits["email"] = email
    if way < 0.5 and own is not None and event["type"] == "identify":
        own["email"] = email
    if way < 0.84 and rng.random() < 0.2:
        traits |= rng.choice(({"email": email}, {"email": None, "plan": 1}, {"firstName": "Zoë"}))
    if rng.random() < 0.8:
        event["anonymousId"] = rng.choice((uuid(rng), None))
    return traits


def new_event(rng: Random, kind: str, moment: datetime) -> Json:
    """Make one event of this kind."""
    event = SAID[kind](rng)
    traits = add_user(rng, event)
    add_context(rng, event, traits)
    add_integrations(rng, event)
    event["messageId"] = uuid(rng) if rng.random() < 0.95 else rng.getrandbits(60)
    usual = f"{moment.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
    event["timestamp"] = usual if rng.random() < 0.75 else moment_in(rng, moment)
    extra: dict[str, Maker] = {
        "sentAt": one(usual),
        "receivedAt": one(usual),
        "originalTimestamp": one(usual),
        "channel": one("client", "server"),
        "version": one(2, "1.1.0"),
        "_metadata": one({"bundled": []}),
        key(rng): lambda rng: value(rng, 3, key),
    }
    event |= {name: make(rng) for name, make in extra.items() if flag(rng)}
    if rng.random() < 0.04:
        del event[rng.choice(("messageId", "timestamp"))]
    return shuffled(rng, event) if rng.random() < 0.3 else event


def events(count: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """Make `count` events in the order of their time."""
    rng = Random(seed)
    moment = START
    for _ in range(count):
        moment += timedelta(microseconds=rng.randint(1, 4_000_000))
        kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
        yield new_event(rng, kind, moment)
