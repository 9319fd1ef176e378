"""Payloads: ordinary values are those that closer checks would not change."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given

from iterable_destination.mapping.actions import (
    Subscription,
)
from iterable_destination.mapping.actions import items as items_module
from iterable_destination.mapping.actions.coercion import Findings
from iterable_destination.mapping.actions.fields import FIELDS
from iterable_destination.mapping.actions.payload import NONE, Field, coerce_fields
from tests.support.subscription_strategies import (
    json_events,
    wild_subscriptions,
)


def without_shortcuts(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """Return fields without ordinary values, so that every value is coerced."""
    return tuple(field._replace(ordinary=NONE) for field in fields)


@given(wild_subscriptions(), json_events)
def test_the_quick_look_at_a_payload_agrees_with_the_close_one(
    mine: Subscription, event: dict[str, Any]
) -> None:
    payload = mine.resolve(event)
    assume(isinstance(payload, dict))
    quick, close = Findings(), Findings()
    fields = FIELDS[mine.action]
    quickly = coerce_fields(fields, payload, "", quick)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(items_module, "_is_ordinary", lambda _: False)
        closed = coerce_fields(without_shortcuts(fields), payload, "", close)
    assert quickly == closed
    assert (quick.problems, quick.notes) == (close.problems, close.notes)
