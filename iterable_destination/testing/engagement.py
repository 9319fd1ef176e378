"""System webhooks, in which Iterable reports what users do with its messages.

No message is sent. Source: Iterable's documentation of system webhooks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPSConnection
from typing import Any, Final
from urllib.parse import urlsplit

#: Seconds that a receiver has to respond.
_TIMEOUT: Final = 10.0

_EMAIL: Final = {"emailSubject": "Your week", "emailId": "c9-t8-m7"}
_PLACE: Final = {"ip": "203.0.113.7", "city": "Lisbon", "region": "11"}
_BROWSER: Final = {"userAgent": "Mozilla/5.0 (Macintosh)"}
_LISTS: Final = {"emailListIds": [17], "channelIds": [3], "messageTypeIds": [4]}
_PUSH: Final = {
    "pushMessage": "Your parcel is here",
    "platformEndpoint": "arn:aws:sns:us-east-1:1:endpoint/APNS/shop/1",
    "payload": {"path": "parcel/1"},
    "sound": "",
    "badge": None,
    "contentAvailable": False,
    "deeplink": None,
}
_DEVICE: Final = {"deviceInfo": {"deviceId": "d-1", "platform": "iOS"}}
_IN_APP: Final = {"messageContext": {"saveToInbox": True, "trigger": {"type": "immediate"}}}
_CAMPAIGN: Final = {
    "campaignId": 9,
    "campaignName": "Weekly",
    "templateId": 8,
    "templateName": "Weekly, in short",
    "workflowId": None,
    "workflowName": None,
    "channelId": 3,
    "messageTypeId": 4,
    "experimentId": None,
}
#: The fields of each event besides those of its campaign.
_FIELDS: Final[dict[str, dict[str, Any]]] = {
    "emailSend": _EMAIL | {"transactionalData": None},
    "emailBounce": _EMAIL | {"recipientState": "HardBounce", "bounceMessage": "550 unknown"},
    "emailOpen": _EMAIL | _BROWSER | _PLACE | {"proxySource": "Gmail", "isBot": False},
    "emailClick": _BROWSER | _PLACE | {"url": "https://shop.example/sale", "linkId": "3f"},
    "emailComplaint": _EMAIL | {"recipientState": "Complaint"},
    "emailSubscribe": _LISTS | {"signupSource": "WebForm"},
    "emailUnSubscribe": _LISTS | {"unsubSource": "EmailLink"},
    "hostedUnsubscribeClick": _BROWSER | _PLACE | {"url": "https://shop.example/leave"},
    "pushSend": _PUSH,
    "pushBounce": _PUSH,
    "pushOpen": _PUSH | {"appAlreadyRunning": False},
    "pushUninstall": _PUSH | {"isGhostPush": True},
    "smsSend": {"smsMessage": "On its way", "toPhoneNumber": "+351910000000"},
    "smsBounce": {"smsProviderResponse": {"status": 404, "message": "not found", "code": 20404}},
    "smsClick": {"smsMessage": "On its way", "clickedUrl": "https://shop.example/track"},
    "smsReceived": {"smsMessage": "STOP", "fromPhoneNumber": "+351910000000"},
    "inAppSend": _IN_APP | {"inAppBody": "<p>Hello</p>"},
    "inAppOpen": _IN_APP | _DEVICE,
    "inAppClick": _DEVICE | {"clickedUrl": "https://shop.example/sale"},
    "inAppDelivery": _IN_APP | _DEVICE,
    "webPushSend": {"browserToken": "f00", "webPushMessage": "Sale", "webPushBody": "Today"},
    "webPushClick": {"browserToken": "f00"},
}
#: Iterable's names of all events that its Segment source supports.
EVENTS: Final = tuple(_FIELDS)
#: Events without a campaign.
_WITHOUT_CAMPAIGN: Final = frozenset({"emailSubscribe", "smsReceived"})


def build_body(
    event_name: str, who: Mapping[str, str], number: int, created_at: str
) -> dict[str, Any]:
    """Return the body of a webhook about a user.

    ``who`` has ``email``, ``userId`` or both; ``created_at`` is a time as Iterable writes it. An
    unknown event has only the fields that all events have.
    """
    fields = {} if event_name in _WITHOUT_CAMPAIGN else _CAMPAIGN
    fields = fields | _FIELDS.get(event_name, {}) | {"messageId": f"message-{number}"}
    if "email" in who:
        fields |= {"email": who["email"]}
    return {**who, "eventName": event_name, "dataFields": fields | {"createdAt": created_at}}


def post(url: str, body: Mapping[str, Any], headers: Mapping[str, str] | None) -> int:
    """Send a webhook, and return the status. Raises :exc:`OSError` without a response."""
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.netloc, timeout=_TIMEOUT)
    path = parts.path or "/"
    target = f"{path}?{parts.query}" if parts.query else path
    try:
        sent = {"Content-Type": "application/json", **(headers or {})}
        connection.request("POST", target, json.dumps(body).encode(), sent)
        return connection.getresponse().status
    finally:
        connection.close()
