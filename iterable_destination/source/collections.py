"""Collections: THE table of Iterable's events, and what each is to Segment.

What may live here: the names of both sides, and the fields that Iterable sends. The fields are
for people and for tests: whatever a webhook has becomes a property, in the table or not.
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
    #: Whether it is about a campaign, and so has the common fields that name one.
    has_campaign: bool = True


_PUSH: Final = (
    *("pushMessage", "platformEndpoint", "payload"),
    *("sound", "badge", "contentAvailable", "deeplink"),
)

#: All that there are. Of ``inAppDelivery`` the wire name is inferred from the others, and
#: ``webPushClick`` is so called by Iterable's export.
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

#: Known, but only sent if they are asked for: Iterable tells of messages that it did *not* send.
SEND_SKIPS: Final = (
    Collection("emailSendSkip", "Email Send Skip", ("reason",)),
    Collection("pushSendSkip", "Push Send Skip", ("reason",)),
    Collection("smsSendSkip", "SMS Send Skip", ("reason",)),
    Collection("inAppSendSkip", "In App Send Skip", ("reason",)),
    Collection("webPushSendSkip", "Web Push Send Skip", ("reason",)),
)

#: What most events have: whenever there is a campaign, and always.
CAMPAIGN_FIELDS: Final = (
    *("campaignId", "campaignName", "templateId", "templateName"),
    *("workflowId", "workflowName", "channelId", "messageTypeId", "experimentId"),
)
COMMON_FIELDS: Final = ("email", "createdAt")
#: What many events have besides.
FREQUENT_FIELDS: Final = ("messageId", "contentId", "locale", "labels")


def is_email(wire: str) -> bool:
    """Whether an ``eventName`` is about email, and so follows Segment's email spec."""
    name = wire.lower()
    return name.startswith("email") or name == "hostedunsubscribeclick"
