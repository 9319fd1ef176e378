"""Collections: the table, against the names that Segment documents."""

from __future__ import annotations

import pytest

from iterable_destination.source.collections import COLLECTIONS, SEND_SKIPS, is_email

#: The collections of Segment's page about the Iterable source.
SEGMENTS = """
Email Bounced, Email Delivered, Email Link Clicked, Email Marked as Spam, Email Opened,
Hosted Unsubscribe Click, In App Clicked, In App Delivered, In App Opened, In App Sent,
Mobile App Uninstalled, Push Bounced, Push Delivered, Push Opened, SMS Bounced, SMS Clicked,
SMS Delivered, SMS Received, Subscribed, Unsubscribed, Web Push Clicked, Web Push Delivered
"""


def test_the_names_are_segments() -> None:
    expected = sorted(SEGMENTS.replace("\n", " ").strip().split(", "))
    assert sorted(collection.name for collection in COLLECTIONS) == expected
    assert len(expected) == 22


def test_no_name_comes_twice() -> None:
    known = COLLECTIONS + SEND_SKIPS
    assert len({collection.wire.lower() for collection in known}) == len(known) == 27
    assert len({collection.name for collection in known}) == 27


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        ("emailOpen", True),
        ("EMAILSENDSKIP", True),
        ("hostedUnsubscribeClick", True),
        ("emailSomethingNew", True),
        ("pushSend", False),
        ("webPushSend", False),
        ("email", True),
        ("", False),
    ],
)
def test_events_about_email_are_known_by_their_name(
    wire: str,
    expected: bool,  # noqa: FBT001
) -> None:
    assert is_email(wire) is expected
