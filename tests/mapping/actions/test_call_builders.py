"""Call builders: the calls that each action makes of its fields."""

from __future__ import annotations

from iterable_destination import Note
from iterable_destination.mapping.actions import (
    MappedTranslator,
    Subscription,
)
from iterable_destination.model.calls import TrackEvent, UpdateEmail, UpdateUser
from tests.support.subscription_strategies import (
    EVENT,
    build_subscription,
)


def test_a_new_email_is_a_call_after_the_other() -> None:
    mapping = {"userId": "u-1", "newEmail": "b@example.com"}
    update = Subscription("Mine", "updateUser", 'type = "track"', mapping)
    result = MappedTranslator([update, build_subscription("Other")])(EVENT)
    assert [type(call) for call in result.calls] == [UpdateUser, UpdateEmail, TrackEvent]
    assert result.subscriptions == ("Mine", "Mine", "Other")


def test_update_only_is_kept_for_bulk_requests() -> None:
    mapping = {"userId": "u-1", "updateOnly": True}
    update = Subscription("Mine", "updateUser", 'type = "track"', mapping)
    [call] = MappedTranslator([update])(EVENT).calls
    assert isinstance(call, UpdateUser)
    assert call.update_only is True
    assert "updateOnly" not in call.body()


def test_an_id_that_is_too_long_is_left_out() -> None:
    result = MappedTranslator([build_subscription(id="é" * 257)])(EVENT)
    assert result.notes == (Note("Mine: id", "left out: an id has at most 512 bytes", "too-long"),)
    assert "id" not in result.calls[0].body()
    [call] = MappedTranslator([build_subscription(id="é" * 256)])(EVENT).calls
    assert call.body()["id"] == "é" * 256
