"""Make the events of Segment's public specification, as Segment's own libraries send them.

The calls are those of the specification: identifies with the reserved traits; tracks of the
semantic events for commerce, mobile, video, email and B2B; pages and screens. Each comes from one
library, with the context, the time and the other fields that this library writes. Values vary, and
are the same for the same seed. All events can be delivered.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final, NamedTuple

from corpus import Json, Maker, flag, iso, money, nested, one, uuid, whole

#: How often each kind comes, of a hundred.
KINDS: Final = {"identify": 18, "track": 48, "page": 16, "order": 10, "cart": 8}
START: Final = datetime(2026, 4, 7, 9, 30, tzinfo=UTC)

FIRST: Final = ("Maya", "Oluwaseun", "Søren", "Chloé", "Jamal", "Ingrid", "Priya", "李", "Tomás")
LAST: Final = ("Okafor", "Sørensen", "Dubois", "Whitaker", "Iyer", "Nowak", "娜", "O'Brien")
CITIES: Final = (
    ("Austin", "TX", "78701", "US"),
    ("Montréal", "QC", "H2X 1Y4", "CA"),
    ("København", "", "1050", "DK"),
    ("Bengaluru", "KA", "560001", "IN"),
)
LOCALES: Final = ("en-US", "fr-CA", "da-DK", "en-IN", "de-DE")
ZONES: Final = ("America/Chicago", "America/Toronto", "Europe/Copenhagen", "Asia/Kolkata")
SITE: Final = "https://store.example.com"
CATEGORIES: Final = ("Games", "Home & Garden", "Apparel", "Electronics/Audio", "Café")
TITLES: Final = ("Monopoly: 3rd Edition", "Uno Card Game", "Kaffeemühle", "Desk Lamp", "Ear Cups")
BRANDS: Final = ("Hasbro", "Acme", "Nordhavn")
VARIANTS: Final = ("200 pieces", "black", "M", "500 g")
DOMAINS: Final = ("example.com", "mail.example.org", "example.co.uk")
AGENTS: Final = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/134.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 Version/18.3",
    "Mozilla/5.0 (X11; Linux x86_64; rv:136.0) Gecko/20100101 Firefox/136.0",
)


class User(NamedTuple):
    """Someone who comes back."""

    number: int
    first: str
    last: str
    email: str
    anonymous_id: str


def new_user(rng: Random, number: int) -> User:
    """Make user `number`."""
    email = f"customer{number}@{rng.choice(DOMAINS)}"
    return User(number, rng.choice(FIRST), rng.choice(LAST), email, uuid(rng))


# --- What events are about -------------------------------------------------------------------


def often(rng: Random, chance: float, makers: dict[str, Maker]) -> Json:
    """Make some of the fields, each with this chance."""
    return {key: make(rng) for key, make in makers.items() if rng.random() < chance}


def hexadecimal(length: int) -> Maker:
    """Make an id of so many hexadecimal digits."""
    return lambda rng: f"{rng.getrandbits(4 * length):0{length}x}"


def product(rng: Random) -> Json:
    """Make a product with what the specification gives one."""
    number = rng.randrange(10_000)
    made: Json = {"product_id": hexadecimal(24)(rng), "sku": f"{number}-32"}
    made |= {"name": rng.choice(TITLES), "price": rng.choice((3, 18.99, 19, 249.5))}
    made |= {"quantity": rng.randint(1, 4), "category": rng.choice(CATEGORIES)}
    extra: dict[str, Maker] = {
        "url": one(f"{SITE}/product/path-{number}"),
        "image_url": one(f"{SITE}/product/path-{number}.jpg"),
        "brand": one(*BRANDS),
        "variant": one(*VARIANTS),
        "coupon": one("MAY_DEALS_3", None),
        "position": whole(20),
    }
    return made | often(rng, 0.4, extra)


def products(low: int, high: int) -> Maker:
    """Make a list of `low` to `high` products."""
    return lambda rng: [product(rng) for _ in range(rng.randint(low, high))]


def of_product(**more: Maker) -> Maker:
    """Make the fields of one product, and more."""
    return lambda rng: {**nested(**more)(rng), **product(rng)}


def some_of(*values: str) -> Maker:
    """Pick a list of one or more of `values`."""
    return lambda rng: rng.sample(values, rng.randint(1, len(values)))


def order(rng: Random) -> Json:
    """Make the properties of an order; its total is right."""
    listed = products(1, 6)(rng)
    subtotal = sum(each["price"] * each["quantity"] for each in listed)
    shipping, tax, discount = rng.choice((0, 3, 4.95)), round(subtotal * 0.08, 2), 2.5
    made: Json = {"checkout_id": hexadecimal(24)(rng), "order_id": hexadecimal(24)(rng)}
    made |= often(rng, 0.5, {"affiliation": one("Google Store", "App"), "revenue": money(90)})
    made |= {"total": round(subtotal + shipping + tax - discount, 2), "subtotal": subtotal}
    made |= {"shipping": shipping, "tax": tax, "discount": discount, "currency": "USD"}
    made |= often(rng, 0.4, {"coupon": one("hasbros", "SPRING"), "is_first_order": flag})
    return {**made, "products": listed}


_ID: Final = hexadecimal(24)
_CHECKOUT: Final = {
    "checkout_id": _ID,
    "step": whole(4),
    "shipping_method": one("FedEx", "UPS", None),
    "payment_method": one("Visa", "PayPal"),
}
_APP: Final = {"version": one("1.2.3", "4.0.0"), "build": one("1234", 87)}
_VIDEO: Final = {
    "session_id": whole(10**6),
    "content_asset_ids": some_of("0129370", "0129371", "0129372"),
    "content_pod_ids": some_of("segA", "segB", "segC"),
    "ad_asset_id": some_of("ad123", "ad097", "ad007"),
    "position": whole(3_000),
    "total_length": whole(4_000),
    "bitrate": whole(400),
    "framerate": one(23.976, 30, 60.0),
    "video_player": one("youtube", "vimeo"),
    "sound": whole(100),
    "full_screen": flag,
    "ad_enabled": flag,
    "quality": one("hd1080", "auto"),
    "livestream": flag,
}
_PROMOTION: Final = {
    "promotion_id": one("promo_1", "promo_2"),
    "creative": one("top_banner_2", "side"),
    "name": one("75% store-wide shoe sale", "Été"),
    "position": one("home_banner_top", 3),
}
_COUPON: Final = {
    "order_id": _ID,
    "cart_id": _ID,
    "coupon_id": one("may_deals_2016", "x9"),
    "coupon_name": one("May Deals 2016", "Nine"),
    "discount": one(23.32, 5, "5.00"),
}
_LIST: Final = {"list_id": one("hot_deals_1", "todays_deals_may_11_2016"), "category": one("Deals")}
_FILTERS: Final[Json] = {
    "filters": [{"type": "department", "value": "beauty"}, {"type": "price", "value": "under-$25"}],
    "sorts": [{"type": "price", "value": "desc"}],
}
_ACCOUNT: Final = {"account_name": one("Initech", "Hooli"), "context": nested(groupId=_ID)}
#: What a track of each name carries.
TRACKS: Final[dict[str, Maker]] = {
    "Products Searched": nested(query=one("blue roses", "café crème", "lamp")),
    "Product List Viewed": nested(**_LIST, products=products(2, 10)),
    "Product List Filtered": nested(
        **_LIST, **{key: one(value) for key, value in _FILTERS.items()}, products=products(1, 4)
    ),
    "Promotion Viewed": nested(**_PROMOTION),
    "Promotion Clicked": nested(**_PROMOTION),
    "Product Clicked": of_product(),
    "Product Viewed": of_product(currency=one("usd", "EUR"), value=money(90)),
    "Product Added": of_product(cart_id=_ID),
    "Product Removed": of_product(cart_id=_ID),
    "Cart Viewed": nested(cart_id=_ID, products=products(1, 5)),
    "Checkout Started": order,
    "Checkout Step Viewed": nested(**_CHECKOUT),
    "Checkout Step Completed": nested(**_CHECKOUT),
    "Payment Info Entered": nested(**_CHECKOUT, order_id=_ID),
    "Order Updated": order,
    "Order Refunded": nested(
        order_id=_ID, total=money(90), currency=one("USD"), products=products(1, 2)
    ),
    "Order Cancelled": order,
    "Coupon Entered": nested(**_COUPON),
    "Coupon Applied": nested(**_COUPON),
    "Coupon Denied": nested(**_COUPON, reason=one("Coupon expired")),
    "Product Added to Wishlist": of_product(wishlist_id=_ID, wishlist_name=one("Loved Games")),
    "Product Shared": of_product(share_via=one("email"), share_message=one("Hey, check this 🎲")),
    "Product Reviewed": nested(product_id=_ID, review_id=_ID, review_body=one(""), rating=whole(5)),
    "Application Installed": nested(**_APP),
    "Application Updated": nested(previous_version=one("1.1.2"), previous_build=one(86), **_APP),
    "Application Opened": nested(
        from_background=flag, referring_application=one("GMail", None), url=one("url://"), **_APP
    ),
    "Application Backgrounded": nested(),
    "Push Notification Tapped": nested(
        action=one("Accept"), campaign=nested(name=one("Referral"), medium=one("Push"))
    ),
    "Install Attributed": nested(
        provider=one("Tune/Kochava"), campaign=nested(source=one("Network"), content=one("A"))
    ),
    "Video Playback Started": nested(**_VIDEO),
    "Video Playback Paused": nested(**_VIDEO),
    "Video Content Playing": nested(
        **_VIDEO, title=one("Interview with Tony"), airdate=one("2026-03-11", "1991-08-13")
    ),
    "Email Opened": nested(
        email_id=_ID, email_subject=one("First Order"), campaign_id=_ID, topic_id=_ID
    ),
    "Signed Up": nested(type=one("organic", "invited"), first_name=one(*FIRST), username=one("p1")),
    "Signed In": nested(username=one("pgibbons")),
    "Account Created": nested(**_ACCOUNT),
    "Trial Started": nested(
        trial_start_date=one("2026-04-01"),
        trial_end_date=one("2026-05-01T00:00:00.000Z"),
        trial_plan_name=one("Business"),
        **_ACCOUNT,
    ),
    "Live Chat Message Sent": nested(
        agent_id=one(9_182), agent_username=one("agent7"), message_body=one("Hello! How are you?")
    ),
}
#: The reserved traits that do not depend on the user.
TRAITS: Final[dict[str, Maker]] = {
    "age": whole(90),
    "avatar": one(f"{SITE}/avatars/1.png"),
    "birthday": one("1961-07-30", "1990-02-11T00:00:00.000Z"),
    "company": nested(
        name=one("Initech", "Hooli"),
        id=whole(10**6),
        industry=one("Technology"),
        employee_count=whole(900),
        plan=one("enterprise", "startup"),
    ),
    "description": one("Loves board games.", "", "Née à Montréal"),
    "gender": one("female", "male", "Other"),
    "title": one("VP of Engineering", None),
    "username": one("swashbuckler", "m_oko"),
    "website": one("https://www.example.com"),
    "plan": one("premium", "free"),
    "logins": whole(50),
}


def identify(rng: Random, user: User, moment: datetime) -> Json:
    """Make an identify with reserved traits."""
    city, state, code, country = rng.choice(CITIES)
    personal: dict[str, Maker] = {
        "firstName": one(user.first),
        "lastName": one(user.last),
        "name": one(f"{user.first} {user.last}"),
        "phone": one(f"+1512555{user.number:04d}", f"(512) 555-{user.number:04d}"),
        "createdAt": one(iso(moment - timedelta(days=user.number, seconds=user.number))),
        "id": one(str(user.number)),
        "address": one(
            {"city": city, "country": country, "postalCode": code, "state": state, "street": "1st"}
        ),
    }
    traits = {"email": user.email} if rng.random() < 0.9 else {}
    traits |= often(rng, 0.7, personal) | often(rng, 0.4, TRAITS)
    return {"type": "identify", "traits": traits}


def page(rng: Random, library: str) -> Json:
    """Make a page or, in an app, a screen; three in four have a name, and few a category."""
    if library in MOBILE:
        name: str | None = rng.choice(("Home", "Cart", "Profile"))
        properties: Json = often(rng, 0.5, {"Feed Type": one("private"), "tab": whole(5)})
        return {"type": "screen", "name": name, "properties": properties}
    path = f"/{rng.choice(('', 'cart', 'product'))}"
    properties = {"path": path, "referrer": "", "search": "", "title": "Store", "url": SITE + path}
    event: Json = {"type": "page", "properties": properties}
    name = rng.choice(("Home", "Docs", "Preise: Überblick", None))
    if name is not None:
        properties["name"] = event["name"] = name
    elif rng.random() < 0.5:
        event["name"] = None
    if rng.random() < 0.3:
        properties["category"] = event["category"] = rng.choice(CATEGORIES)
    return event


def said(rng: Random, kind: str, library: str, user: User, moment: datetime) -> Json:
    """Make what an event of this kind is about."""
    if kind == "identify":
        return identify(rng, user, moment)
    if kind == "page":
        return page(rng, library)
    if kind == "order":
        return {"type": "track", "event": "Order Completed", "properties": order(rng)}
    if kind == "cart":
        name = rng.choice(("Product Added", "Product Removed"))
        cart = {"cart_id": _ID(rng), "products": products(1, 6)(rng)}
        return {"type": "track", "event": name, "properties": cart}
    name = rng.choice(list(TRACKS))
    return {"type": "track", "event": name, "properties": TRACKS[name](rng)}


# --- What libraries add ----------------------------------------------------------------------

#: The libraries, with how often each comes, of a hundred.
LIBRARIES: Final = {
    "analytics.js": 44,
    "analytics-swift": 14,
    "analytics-kotlin": 12,
    "@segment/analytics-node": 10,
    "analytics-python": 8,
    "analytics-go": 5,
    "cloud": 7,
}
MOBILE: Final = ("analytics-swift", "analytics-kotlin")
_BROWSER: Final = {
    "brands": [{"brand": "Chromium", "version": "134"}, {"brand": "Not:A-Brand", "version": "24"}],
    "mobile": False,
    "platform": "macOS",
}


def browser(rng: Random, user: User) -> Json:
    """Make the context of analytics.js."""
    path = f"/{rng.choice(('', 'sale', 'product/1'))}"
    page = {"path": path, "referrer": "", "search": "?utm_source=x", "title": "Store"}
    context: Json = {
        "ip": f"198.51.100.{user.number % 256}",
        "library": {"name": "analytics.js", "version": rng.choice(("next-1.70.0", "npm:next-1"))},
        "locale": rng.choice(LOCALES),
        "page": {**page, "url": SITE + path},
        "userAgent": rng.choice(AGENTS),
        "timezone": rng.choice(ZONES),
    }
    campaign = nested(name=one("TPS Innovation"), source=one("Newsletter"), medium=one("email"))
    extra: dict[str, Maker] = {
        "userAgentData": one(_BROWSER),
        "campaign": campaign,
        "screen": one({"width": 1440, "height": 900, "density": 2}),
        "groupId": one("0e8c78ea9d97a7b8185e8632"),
        "traits": one({"email": user.email}, {}),
    }
    return context | often(rng, 0.35, extra)


def phone(rng: Random, user: User, library: str) -> Json:
    """Make the context of an app's library."""
    is_ios = library == "analytics-swift"
    device: Json = {"id": uuid(rng).upper(), "type": "ios" if is_ios else "android"}
    if is_ios:
        device |= {"manufacturer": "Apple", "model": "iPhone17,1", "name": "iPhone"}
    else:
        device |= {"manufacturer": "Google", "model": "Pixel 9", "name": "tokay"}
        device |= {"adTrackingEnabled": flag(rng), "advertisingId": uuid(rng)}
    if rng.random() < 0.3:
        device["token"] = hexadecimal(64)(rng)
    return {
        "app": {"name": "Store", "version": "4.0.0", "build": "87", "namespace": "com.example"},
        "device": device,
        "instanceId": uuid(rng),
        "ip": f"203.0.113.{user.number % 256}",
        "library": {"name": library, "version": "1.6.2"},
        "locale": rng.choice(LOCALES),
        "network": {"bluetooth": flag(rng), "carrier": "T-Mobile", "cellular": True, "wifi": False},
        "os": {"name": "iOS" if is_ios else "Android", "version": rng.choice(("18.3", "15"))},
        "screen": {"density": 2.625, "height": 2400, "width": 1080},
        "timezone": rng.choice(ZONES),
        "traits": rng.choice(({}, {"email": user.email}, {"email": user.email, "age": 30})),
    }


def context_of(rng: Random, library: str, user: User) -> Json:
    """Make what a library says of itself and of where it runs."""
    if library == "analytics.js":
        return browser(rng, user)
    if library in MOBILE:
        return phone(rng, user, library)
    if library == "cloud":
        traits = {"email": user.email}
        return {"integration": {"name": "zendesk", "version": "1.0.0"}, "traits": traits}
    return {"library": {"name": library, "version": "2.3.2"}}


def written(moment: datetime, library: str) -> str:
    """Write a moment as this library does."""
    plain = moment.replace(tzinfo=None)
    if library == "analytics-python":
        return f"{plain.isoformat(timespec='microseconds')}+00:00"
    if library == "analytics-go":
        return f"{plain.isoformat(timespec='microseconds')}{plain.microsecond % 1000:03d}Z"
    return iso(moment)


_METADATA: Final = {"bundled": ["Segment.io"], "unbundled": [], "bundledIds": []}
_INTEGRATIONS: Final = one(
    *[{}] * 9, {"All": True}, {"All": True}, {"Iterable": True}, {"All": True, "GA4": {"id": "1.2"}}
)


def new_event(rng: Random, kind: str, user: User, moment: datetime) -> Json:
    """Make one event of this kind, as it comes to a destination."""
    library = rng.choices(list(LIBRARIES), list(LIBRARIES.values()))[0]
    event = said(rng, kind, library, user, moment)
    sent = moment + timedelta(milliseconds=rng.randint(5, 9_000))
    is_client = library == "analytics.js" or library in MOBILE
    message_id = uuid(rng)
    if library == "analytics.js":
        message_id = f"ajs-next-{int(moment.timestamp() * 1000)}-{message_id}"
    event |= {
        "anonymousId": user.anonymous_id if is_client else None,
        "channel": "client" if is_client else "server",
        "context": context_of(rng, library, user),
        "integrations": _INTEGRATIONS(rng),
        "messageId": message_id,
        "originalTimestamp": written(moment, library),
        "receivedAt": iso(sent + timedelta(milliseconds=rng.randint(20, 300))),
        "sentAt": written(sent, library),
        "timestamp": written(moment, library),
        "userId": f"{user.number:024x}",
    }
    extra: dict[str, Maker] = {
        "version": one(2, "1.1.0"),
        "writeKey": one("3FQ9kQ2mX7"),
        "projectId": one("a9HtNKe"),
    }
    event |= often(rng, 0.5, extra)
    if is_client:
        event["_metadata"] = _METADATA
    elif library == "@segment/analytics-node":
        event["_metadata"] = {"nodeVersion": "22.14.0", "jsRuntime": "node"}
    if "email" in event["context"].get("traits", {}) and kind != "identify" and rng.random() < 0.25:
        event["userId"] = None  # known by the email alone
    return event


def events(count: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """Make `count` events in the order of their time, of at most 3,000 users."""
    rng = Random(seed)
    users = [new_user(rng, number) for number in range(3_000)]
    moment = START
    for _ in range(count):
        moment += timedelta(microseconds=rng.randint(1, 4_000_000))
        kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
        yield new_event(rng, kind, rng.choice(users), moment)
