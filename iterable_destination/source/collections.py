"""Collections: the table of Iterable's events, and the Segment event that each becomes.

The fields are there for documentation and tests: every field of a webhook becomes a property,
whether the table has it or not.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Collection(NamedTuple):
    """One kind of event."""

    #: Iterable's ``eventName``; its case does not matter.
    wire: str
    #: The name of Segment's event.
    name: str
    #: The fields of ``dataFields`` beyond the common ones, in Iterable's spelling.
    fields: tuple[str, ...] = ()
    #: Whether it belongs to a campaign, and so has the common fields about one.
    has_campaign: bool = True


_PUSH: Final = (
    *("pushMessage", "platformEndpoint", "payload"),
    *("sound", "badge", "contentAvailable", "deeplink"),
)

#: All collections. The wire name of ``inAppDelivery`` is inferred from the others; that of
#: ``webPushClick`` is from Iterable's export.
COLLECTIONS: Final = (
    Collection("emailSend", "Email Delivered", ("emailSubject", "emailId", "transactionalData")),
    Collection(
        "emailBounce",
        "Email Bounced",
        ("recipientState", "emailSubject", "emailId", "bounceMessage", "status"),
    ),
    Collection(
        "emailOpen",
        "Email Opened",
        (
            *("userAgent", "ip", "userAgentDevice", "device", "proxySource"),
            *("emailSubject", "isBot", "city", "region"),
        ),
    ),
    Collection(
        "emailClick",
        "Email Link Clicked",
        (
            *("url", "linkUrl", "linkId", "canonicalUrlId", "hrefIndex"),
            *("userAgent", "ip", "city", "region"),
        ),
    ),
    Collection(
        "emailComplaint",
        "Email Marked as Spam",
        ("recipientState", "emailSubject", "emailId"),
    ),
    Collection(
        "emailSubscribe",
        "Subscribed",
        ("signupSource", "emailListIds", "channelIds", "messageTypeIds", "profileUpdatedAt"),
        has_campaign=False,
    ),
    Collection(
        "emailUnSubscribe",
        "Unsubscribed",
        ("unsubSource", "emailListIds", "channelIds", "messageTypeIds"),
    ),
    Collection(
        "hostedUnsubscribeClick",
        "Hosted Unsubscribe Click",
        ("url", "ip", "userAgent", "country", "city", "region"),
    ),
    Collection("pushSend", "Push Delivered", _PUSH),
    Collection("pushBounce", "Push Bounced", _PUSH),
    Collection("pushOpen", "Push Opened", ("appAlreadyRunning", *_PUSH)),
    Collection("pushUninstall", "Mobile App Uninstalled", ("isGhostPush", *_PUSH)),
    Collection(
        "smsSend",
        "SMS Delivered",
        ("smsMessage", "toPhoneNumber", "fromPhoneNumberId", "fromSMSSenderId", "imageUrl"),
    ),
    Collection("smsBounce", "SMS Bounced", ("smsProviderResponse",)),
    Collection("smsClick", "SMS Clicked", ("clickedUrl", "smsMessage")),
    Collection(
        "smsReceived",
        "SMS Received",
        ("fromPhoneNumber", "toPhoneNumber", "smsMessage"),
        has_campaign=False,
    ),
    Collection("inAppSend", "In App Sent", ("messageContext", "inAppBody", "expiresAt")),
    Collection("inAppOpen", "In App Opened", ("deviceInfo", "messageContext")),
    Collection("inAppClick", "In App Clicked", ("clickedUrl", "deviceInfo")),
    Collection("inAppDelivery", "In App Delivered", ("deviceInfo", "messageContext")),
    Collection(
        "webPushSend",
        "Web Push Delivered",
        ("browserToken", "webPushMessage", "webPushBody", "webPushIcon", "webPushClickAction"),
    ),
    Collection("webPushClick", "Web Push Clicked", ("campaignId", "templateId", "messageId")),
)

#: Collections that are sent only with ``send_skips``: they report messages that Iterable did *not*
#: send.
SEND_SKIPS: Final = (
    Collection("emailSendSkip", "Email Send Skip", ("reason",)),
    Collection("pushSendSkip", "Push Send Skip", ("reason",)),
    Collection("smsSendSkip", "SMS Send Skip", ("reason",)),
    Collection("inAppSendSkip", "In App Send Skip", ("reason",)),
    Collection("webPushSendSkip", "Web Push Send Skip", ("reason",)),
)

#: The fields of every event that belongs to a campaign, and of every event.
CAMPAIGN_FIELDS: Final = (
    *("campaignId", "campaignName", "templateId", "templateName"),
    *("workflowId", "workflowName", "channelId", "messageTypeId", "experimentId"),
)
COMMON_FIELDS: Final = ("email", "createdAt")
#: Other fields that many events have.
FREQUENT_FIELDS: Final = ("messageId", "contentId", "locale", "labels")


def is_email(wire: str) -> bool:
    """Whether an ``eventName`` is about email, so that Segment's email spec applies."""
    name = wire.lower()
    return name.startswith("email") or name == "hostedunsubscribeclick"
