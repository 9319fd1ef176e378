"""Options: what can be chosen, and what is a wrong choice."""

from __future__ import annotations

import copy
import pickle
import re
from typing import Any

import attrs
import pytest

from iterable_destination import InvalidSettings
from iterable_destination.model.endpoints import MAX_SEGMENT_EVENT_BYTES
from iterable_destination.source import SourceOptions
from iterable_destination.source.collections import COLLECTIONS, SEND_SKIPS, is_email

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"send_skips": 1}, "send_skips: must be true or false, not a number"),
    ({"keep_spelling": None}, "keep_spelling: must be true or false, not null"),
    ({"loop_guard": "no"}, "loop_guard: must be true or false, not a string"),
    ({"max_bytes": 0}, "max_bytes: must be a whole number of at least 1"),
    ({"max_bytes": True}, "max_bytes: must be a whole number of at least 1"),
    ({"max_bytes": 1.5}, "max_bytes: must be a whole number of at least 1"),
    ({"extra_names": ["x"]}, "extra_names: must be an object, not a list"),
    ({"extra_names": {"x": ""}}, "extra_names: names must be strings and not empty"),
    ({"extra_names": {"": "x"}}, "extra_names: names must be strings and not empty"),
    ({"extra_names": {1: "x"}}, "extra_names: names must be strings and not empty"),
    ({"extra_names": {"x": "\ud800"}}, "extra_names: names must be Unicode text"),
    (
        {"extra_names": {"a": "x", "A": "y"}},
        "extra_names: names must differ in more than their case",
    ),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_a_wrong_option_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSettings, match=rf"\A{re.escape(message)}\Z"):
        SourceOptions(**options)


def test_the_defaults() -> None:
    assert attrs.asdict(SourceOptions(), filter=lambda field, _: field.init) == {
        "extra_names": {},
        "send_skips": False,
        "keep_spelling": False,
        "loop_guard": False,
        "max_bytes": MAX_SEGMENT_EVENT_BYTES,
    }


@pytest.mark.parametrize("collection", COLLECTIONS, ids=lambda collection: collection.wire)
def test_a_collection_is_known_in_any_case(collection: Any) -> None:
    options = SourceOptions()
    for wire in (collection.wire, collection.wire.lower(), collection.wire.upper()):
        assert options.event(wire) == (collection.name, is_email(collection.wire))


@pytest.mark.parametrize("collection", SEND_SKIPS, ids=lambda collection: collection.wire)
def test_a_send_skip_is_known_if_it_is_asked_for(collection: Any) -> None:
    assert SourceOptions().event(collection.wire) is None
    expected = (collection.name, is_email(collection.wire))
    assert SourceOptions(send_skips=True).event(collection.wire) == expected


def test_extra_names_are_copied() -> None:
    names = {"journeyExit": "Journey Exited"}
    options = SourceOptions(extra_names=names)
    names["journeyExit"] = names["other"] = "x"
    assert options.event("JourneyExit") == ("Journey Exited", False)
    assert options.event("other") is None


def test_options_are_values() -> None:
    first, second = (SourceOptions(extra_names={"a": "b"}) for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)
    assert first != SourceOptions()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        first.max_bytes = 5  # type: ignore[misc]


def test_options_survive_copies_and_pickles() -> None:
    options = SourceOptions(extra_names={"a": "b"}, keep_spelling=True, max_bytes=7)
    pickled = pickle.loads(pickle.dumps(options))  # noqa: S301 - our own
    for again in (copy.copy(options), copy.deepcopy(options), pickled):
        assert again == options
        assert again.event("A") == ("b", False)
        assert again.names is options.names
    assert attrs.evolve(options, keep_spelling=False).names is not options.names
