"""The types of fields: the quick look agrees with the careful one."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from iterable_destination.testing.field_types import USER, FieldTypes
from iterable_destination.testing.responses import Refusal

NAMES = st.sampled_from(["a", "b", "a.b", "shoppingCartItems"])
VALUES = st.recursive(
    st.sampled_from([None, True, 1, 1.5, "x", [], [1]]),
    lambda inner: st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=4,
)
FIELDS = st.dictionaries(NAMES, VALUES, max_size=3)


def is_refused(types: FieldTypes, fields: dict[str, Any]) -> bool:
    try:
        types.check(USER, fields)
    except Refusal:
        return True
    return False


def snapshot(types: FieldTypes) -> dict[str, str]:
    return dict(types._get_known(USER))


@given(earlier=st.lists(FIELDS, max_size=3), fields=FIELDS)
@example(earlier=[{"a": {}}], fields={"a": {"b": 1}})
@example(earlier=[{"a": 1}], fields={"a": True})
def test_what_is_known_is_neither_refused_nor_new(
    earlier: list[dict[str, Any]], fields: dict[str, Any]
) -> None:
    types = FieldTypes()
    for each in earlier:
        types.learn(USER, each)
    before = snapshot(types)
    known = types.knows(USER, fields)
    nothing_wrong = not is_refused(types, fields) and types.new(USER, fields) == []
    types.learn(USER, fields)
    assert known == (nothing_wrong and snapshot(types) == before)


@given(earlier=FIELDS, tried=FIELDS)
def test_what_a_trial_learns_is_lost_with_it(
    earlier: dict[str, Any], tried: dict[str, Any]
) -> None:
    types = FieldTypes()
    types.learn(USER, earlier)
    before, trial = snapshot(types), types.trial()
    assert trial.knows(USER, earlier) == types.knows(USER, earlier)
    trial.learn(USER, tried)
    trial.learn("event:x", tried)
    assert snapshot(types) == before
    assert types.knows("event:x", tried) == all(value is None for value in tried.values())
