"""Track calls to Segment: their bodies, who they are about, and their way to bytes and back."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import attrs
import pytest

from iterable_destination.model import endpoints
from iterable_destination.model.calls import EncodedCall, Identity
from iterable_destination.model.segment_track import SegmentTrack, encode_track, message_id

FULL = SegmentTrack(
    "Email Delivered",
    "ann",
    None,
    {"campaignId": 5},
    {"traits": {"email": "ann@x.com"}},
    "2016-12-02T20:21:04Z",
    "iterable-1",
    {"Iterable": False},
)
SHORT = SegmentTrack("Email Delivered", None, "bob@x.com", {}, {}, None, "iterable-2")
BODIES: list[tuple[SegmentTrack, dict[str, Any]]] = [
    (
        FULL,
        {
            "event": "Email Delivered",
            "userId": "ann",
            "properties": {"campaignId": 5},
            "context": {"traits": {"email": "ann@x.com"}},
            "timestamp": "2016-12-02T20:21:04Z",
            "messageId": "iterable-1",
            "integrations": {"Iterable": False},
        },
    ),
    (
        SHORT,
        {
            "event": "Email Delivered",
            "anonymousId": "bob@x.com",
            "properties": {},
            "context": {},
            "messageId": "iterable-2",
        },
    ),
]


@pytest.mark.parametrize(("track", "body"), BODIES, ids=["full", "short"])
def test_a_body_has_what_is_known(track: SegmentTrack, body: dict[str, Any]) -> None:
    assert list(track.body().items()) == list(body.items())


@pytest.mark.parametrize(("track", "body"), BODIES, ids=["full", "short"])
def test_an_item_of_a_batch_has_its_type_as_well(track: SegmentTrack, body: dict[str, Any]) -> None:
    assert list(track.batch_item().items()) == [("type", "track"), *body.items()]


@pytest.mark.parametrize("track", [FULL, SHORT], ids=["full", "short"])
def test_a_track_call_is_read_from_its_body_and_from_its_item(track: SegmentTrack) -> None:
    assert SegmentTrack.of_body(track.body()) == track
    assert SegmentTrack.of_body(track.batch_item()) == track


@pytest.mark.parametrize(
    ("track", "identity"),
    [
        (FULL, Identity("ann@x.com", "ann")),
        (SHORT, Identity("bob@x.com", None)),
        (attrs.evolve(FULL, context={}), Identity(None, "ann")),
        (attrs.evolve(FULL, context={"traits": {}}), Identity(None, "ann")),
    ],
    ids=["both", "email", "no traits", "no email"],
)
def test_a_track_call_is_about_a_user_id_and_an_email(
    track: SegmentTrack, identity: Identity
) -> None:
    assert track.identity == identity


@pytest.mark.usefixtures("each_json_library")
def test_a_track_call_is_encoded_as_an_item_of_a_batch() -> None:
    encoded = encode_track(SHORT)
    assert encoded == EncodedCall(
        SegmentTrack,
        "bob@x.com",
        None,
        None,
        b'{"type":"track","event":"Email Delivered","anonymousId":"bob@x.com",'
        b'"properties":{},"context":{},"messageId":"iterable-2"}',
    )
    assert encoded.kind.endpoint is endpoints.SEGMENT_TRACK
    assert encoded.call() == SHORT


def test_nothing_personal_shows() -> None:
    assert "ann" not in repr(FULL)
    assert "bob" not in repr(SHORT)


def test_a_message_id_is_a_digest_of_the_webhook() -> None:
    assert message_id(b"{}") == f"iterable-{sha256(b'{}').hexdigest()}"
    assert len(message_id(b"{}")) == len("iterable-") + 64
