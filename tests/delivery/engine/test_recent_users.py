"""RecentUsers: who was identified within the last minute, and no more names than are allowed."""

from __future__ import annotations

from iterable_destination.delivery.engine.recent_users import SETTLING_TIME, RecentUsers
from iterable_destination.model.calls import (
    Call,
    EncodedCall,
    Identity,
    TrackEvent,
    UpdateEmail,
    UpdateUser,
    encode_call,
)


def track(email: str | None = None, user_id: str | None = None) -> EncodedCall:
    return encode_call(TrackEvent(Identity(email, user_id), "Seen"))


def identified(*calls: Call, at: float = 0.0) -> RecentUsers:
    users = RecentUsers()
    users.add(map(encode_call, calls), at)
    return users


def test_a_user_is_recent_by_any_of_the_names() -> None:
    users = identified(UpdateUser(Identity("Ann@X.com", "ann")))
    assert users.has(track("ann@x.com"), 1.0)
    assert users.has(track(user_id="ann"), 1.0)
    assert users.has(track("else@x.com", "ann"), 1.0)
    assert not users.has(track("ann"), 1.0)
    assert not users.has(track(user_id="Ann"), 1.0)


def test_a_user_is_recent_for_a_minute_after_the_latest_profile() -> None:
    users = identified(UpdateUser(Identity(None, "ann")))
    assert users.has(track(user_id="ann"), SETTLING_TIME - 0.001)
    assert not users.has(track(user_id="ann"), SETTLING_TIME)
    users.add([encode_call(UpdateUser(Identity(None, "ann")))], 50.0)
    assert users.has(track(user_id="ann"), 109.9)


def test_a_new_email_is_recent_too() -> None:
    users = identified(UpdateEmail(Identity("old@x.com"), "New@x.com"))
    assert users.has(track("old@x.com"), 1.0)
    assert users.has(track("new@x.com"), 1.0)


def test_an_event_makes_nobody_recent() -> None:
    users = RecentUsers()
    users.add([track("ann@x.com", "ann")], 0.0)
    assert len(users) == 0


def test_old_names_are_forgotten_and_the_number_of_names_is_bounded() -> None:
    users = RecentUsers(max_names=3)
    for number in range(5):
        users.add([encode_call(UpdateUser(Identity(None, f"u-{number}")))], float(number))
    assert len(users) == 3
    assert [users.has(track(user_id=f"u-{number}"), 5.0) for number in range(5)] == [
        *(False, False, True, True, True)
    ]
    users.add([], 4.0 + SETTLING_TIME)
    assert len(users) == 0
