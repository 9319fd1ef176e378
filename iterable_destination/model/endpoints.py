"""Iterable's and Segment's servers, paths, header names and limits, each with its source.

A limit is quoted nowhere else. Sources: *spec*, Iterable's API description
(api.iterable.com/api/docs); *guide*, the articles of support.iterable.com; *practice*, what is seen
of the service and documented nowhere.
"""

from __future__ import annotations

from typing import Final

import attrs


@attrs.frozen
class Endpoint:
    """An endpoint of Iterable or of Segment."""

    #: The HTTP method.
    method: str
    #: The path, from the server's root, and the query if there is one. No personal data.
    path: str
    #: Requests per second for a whole project, or None where Iterable documents no limit (spec).
    rate: float | None = None
    #: The path as Iterable documents it, with names in braces; None if requests have one path only.
    template: str | None = None
    #: What rates, counters and queues know the endpoint by: the template, or the path without one.
    name: str = attrs.field(init=False, repr=False, eq=False)

    @name.default
    def _name(self) -> str:
        return self.path if self.template is None else self.template


#: The servers, by data center. A key belongs to one project in one of them (guide).
BASE_URLS: Final = {"US": "https://api.iterable.com", "EU": "https://api.eu.iterable.com"}

#: The request header that carries the key (spec).
API_KEY_HEADER: Final = "Api-Key"
#: The response header that names a request for Iterable's support (practice: newer ones only).
REQUEST_ID_HEADER: Final = "Iterable-Request-Id"

USERS_UPDATE: Final = Endpoint("POST", "/api/users/update", rate=500)
USERS_BULK_UPDATE: Final = Endpoint("POST", "/api/users/bulkUpdate", rate=5)
USERS_UPDATE_EMAIL: Final = Endpoint("POST", "/api/users/updateEmail")
EVENTS_TRACK: Final = Endpoint("POST", "/api/events/track", rate=2000)
EVENTS_TRACK_BULK: Final = Endpoint("POST", "/api/events/trackBulk", rate=10)
TRACK_PURCHASE: Final = Endpoint("POST", "/api/commerce/trackPurchase")
UPDATE_CART: Final = Endpoint("POST", "/api/commerce/updateCart")
#: It takes several users; a request of ours has one. The endpoints for a single user have the email
#: or the userId in the path, where servers and proxies log it (spec, as client libraries have it).
SUBSCRIPTIONS: Final = Endpoint(
    "PUT", "/api/subscriptions/{subscriptionGroup}/{subscriptionGroupId}"
)
#: The kinds of groups that users subscribe to, and what can be done (spec, likewise).
SUBSCRIPTION_GROUPS: Final = ("emailList", "messageType", "messageChannel")
SUBSCRIPTION_ACTIONS: Final = ("subscribe", "unsubscribe")
#: The rates of the paths that delivery sends requests to, as rates and counters know them.
DELIVERY_RATES: Final = {
    endpoint.name: endpoint.rate
    for endpoint in (
        USERS_UPDATE,
        USERS_BULK_UPDATE,
        USERS_UPDATE_EMAIL,
        EVENTS_TRACK,
        EVENTS_TRACK_BULK,
        TRACK_PURCHASE,
        UPDATE_CART,
        SUBSCRIPTIONS,
    )
}
DELIVERY_PATHS: Final = frozenset(DELIVERY_RATES)
#: A cheap request that shows whether a key works (practice).
WEBHOOKS: Final = Endpoint("GET", "/api/webhooks")
#: A user's events, at most 200 of them (spec).
EVENTS_BY_EMAIL: Final = Endpoint("GET", "/api/events/{email}", rate=100)
EVENTS_BY_USER_ID: Final = Endpoint("GET", "/api/events/byUserId/{userId}", rate=100)

#: The largest body, in bytes: documented for bulkUpdate as 4 MB (spec), for others not at all.
#: Read as 4,000,000 and used for every endpoint.
MAX_BODY_BYTES: Final = 4_000_000
#: Items of one bulk request. No source gives a limit; 1,000 is what other clients send (practice).
MAX_BULK_ITEMS: Final = 1_000
#: An event's or purchase's ``id``, in bytes of UTF-8 (spec).
MAX_ID_BYTES: Final = 512
#: A ``userId``, in characters (guide); printable ASCII, no space at the end (spec).
MAX_USER_ID_LENGTH: Final = 52
#: Bounds of the integers in the schema's ``int32`` and ``int64`` (spec).
INT32: Final = range(-(2**31), 2**31)
INT64: Final = range(-(2**63), 2**63)
#: The numbers of subscription groups: positive (practice), of 64 bits like all of Iterable's ids.
GROUP_IDS: Final = range(1, 2**63)

#: Fields of a profile that Iterable keeps itself (guide). ``profileUpdatedAt`` is one too, but
#: the classic mapping sends it all the same.
MANAGED_FIELDS: Final = frozenset(
    {
        *("itblInternal", "itblDS", "itblUserId", "signupDate", "signupSource", "emailListIds"),
        *("unsubscribedMessageTypeIds", "unsubscribedChannelIds", "subscribedMessageTypeIds"),
        *("receivedSMSDisclaimer", "phoneNumberDetails", "devices", "browserTokens"),
    }
)

#: The largest event that Segment takes, in bytes: documented as 32 KB (Segment's HTTP API). Read
#: as 32,000, which leaves space for what a library adds on the way.
MAX_SEGMENT_EVENT_BYTES: Final = 32_000
#: The largest batch that Segment takes, in bytes: documented as 500 KB (Segment's HTTP API).
MAX_SEGMENT_BATCH_BYTES: Final = 500_000
#: Segment's servers, by region (Segment's HTTP API).
SEGMENT_URLS: Final = {
    "US": "https://api.segment.io",
    "EU": "https://events.eu1.segmentapis.com",
}
SEGMENT_TRACK: Final = Endpoint("POST", "/v1/track")
SEGMENT_BATCH: Final = Endpoint("POST", "/v1/batch")
