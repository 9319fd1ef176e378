"""Field names: fields are found however their keys are spelled."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterable_destination.model import remembered
from iterable_destination.model.field_names import FieldNames, fold, fold_all

USUAL = ("email", "createdAt", "total")
OTHERS = ("uid", "mail")
NAMES = {"email", "createdat", "total", "uid", "mail"}


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("email", "email"),
        ("E-Mail", "email"),
        ("created_at", "createdat"),
        (" -Image--URL!", "imageurl"),
        ("ID", "id"),
        ("a.b", "a.b"),
        ("2nd_phone", "2ndphone"),
        ("größe", "gre"),
        ("AZaz09", "azaz09"),
        ("_", ""),
        ("", ""),
    ],
)
def test_a_key_is_folded_to_lower_case_letters_digits_and_dots(key: str, expected: str) -> None:
    assert fold(key) == expected
    assert fold_all([key, "b", key]) == [expected, "b", expected]


keys: st.SearchStrategy[Any] = st.text() | st.sampled_from(
    ["email", "Email", "E_MAIL", "uid", "UID", "created_at", "createdAt", "a\nb", "\n", 5, None]
)


@given(st.lists(keys))
def test_many_keys_are_folded_like_each(given: list[Any]) -> None:
    assert fold_all(given) == [fold(key) if isinstance(key, str) else "" for key in given]


def first_by_name(fields: dict[Any, Any]) -> dict[str, Any]:
    """Find the fields in the plainest way."""
    found: dict[str, Any] = {}
    for key in fields:
        name = fold(key) if isinstance(key, str) else ""
        if name in NAMES:
            found.setdefault(name, key)
    return found


@given(st.lists(st.dictionaries(keys, st.none()), max_size=4))
def test_the_first_key_stands_for_a_field(objects: list[dict[Any, Any]]) -> None:
    names = FieldNames(USUAL, OTHERS)
    for fields in [*objects, *objects]:  # what was learned changes nothing
        found = names.find_keys(fields)
        assert {name: key for name, key in found.items() if key in fields} == first_by_name(fields)


def test_a_field_that_is_not_there_has_its_usual_key() -> None:
    names = FieldNames(USUAL, OTHERS)
    usual = {"email": "email", "createdat": "createdAt", "total": "total"}
    assert names.find_keys({}) == usual
    assert names.find_keys({"Total": 1, "uid": 2}) == {**usual, "total": "Total", "uid": "uid"}


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MAX_SIZE", 4)
    names = FieldNames(USUAL, OTHERS)
    for number in range(20):
        names.find_keys({f"key{number}": 1, f"T_otal{'_' * number}": 2, "x" * 300: 3})
        assert len(names._unsurprising) <= 4
        assert len(names._known) <= 4
    assert names.find_keys({"T_otal": 1})["total"] == "T_otal"
