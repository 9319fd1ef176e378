"""Preparer: each event becomes an envelope with its calls, or with its outcome."""

from __future__ import annotations

import decimal
import json
import logging
import threading
from collections.abc import Iterator, Mapping
from typing import Any, cast

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iterable_destination import InvalidEvent, InvalidJSON, Settings, Translation, errors
from iterable_destination.delivery import iterable_project
from iterable_destination.delivery.engine.envelope import Envelope
from iterable_destination.delivery.prepare import Preparer
from iterable_destination.mapping.translate import translator_for
from iterable_destination.model.calls import (
    Identity,
    TrackEvent,
    TrackPurchase,
    UpdateEmail,
    UpdateUser,
)
from iterable_destination.model.records import LineRecord, OutboxRecord
from tests.support import strategies
from tests.support.delivering import cart, identify, order, track

WHO = Identity(None, "u-1")


def build_preparer(
    settings: Settings | None = None,
    *,
    stamp_ids: bool = True,
    keeps_records: bool = False,
    translator: Any = None,
) -> Preparer:
    chosen = settings or Settings()
    project = iterable_project.IterableProject(chosen, translator or translator_for(chosen))
    return Preparer(project, stamp_ids=stamp_ids, keeps_records=keeps_records)


def prepare(source: Any, **options: Any) -> tuple[Envelope, set[str]]:
    return build_preparer(**options).prepare(7, source)


def decode_calls(source: Any, **options: Any) -> tuple[Any, ...]:
    return tuple(call.call() for call in build_preparer(**options).prepare(7, source)[0].calls)


def decode_bodies(envelope: Envelope) -> list[Any]:
    return [json.loads(call.body) for call in envelope.calls]


def test_an_event_becomes_an_envelope_with_the_body_of_its_call() -> None:
    envelope, keys = prepare(track(3, "U-1"))
    [call] = decode_calls(track(3, "U-1"))
    assert call == TrackEvent(Identity(None, "U-1"), "Seen", {"n": 3}, id="m-3")
    assert decode_bodies(envelope) == [call.body()]
    assert (envelope.index, envelope.message_id, envelope.outcome) == (7, "m-3", None)
    assert keys == {"#U-1"}


@pytest.mark.parametrize("make", [track, order])
def test_events_and_purchases_get_their_message_id(make: Any) -> None:
    assert decode_calls(make(3))[0].id == "m-3"
    assert decode_calls(make(3), stamp_ids=False)[0].id is None
    assert decode_bodies(prepare(make(3))[0])[0]["id"] == "m-3"


@pytest.mark.parametrize("make", [identify, cart])
def test_what_has_no_id_gets_none(make: Any) -> None:
    assert "id" not in decode_bodies(prepare(make(3))[0])[0]


@pytest.mark.parametrize(
    ("message_id", "stamped"),
    [
        ("a" * 512, "a" * 512),
        ("a" * 513, None),
        ("ä" * 256, "ä" * 256),
        ("ä" * 257, None),
        ("\ud800", None),
        ("", None),
        (" \t", None),
        (None, None),
    ],
)
def test_an_id_that_does_not_fit_is_left_out(message_id: str | None, stamped: str | None) -> None:
    def translator(_: Any, __: Settings) -> Translation:
        return Translation(message_id, (TrackEvent(Identity(None, "u-1"), "Seen"),))

    assert decode_calls({}, translator=translator)[0].id == stamped


def test_an_id_of_the_callers_own_stays() -> None:
    call = TrackPurchase(Identity(None, "u-1"), [], 1, id="mine")
    assert decode_calls({}, translator=lambda *_: Translation("m-1", (call,))) == (call,)


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_an_empty_id_of_the_callers_own_is_none(blank: str) -> None:
    who = Identity(None, "u-1")
    for call in (TrackEvent(who, "Seen", id=blank), TrackPurchase(who, [], 1, id=blank)):
        for message_id, expected in (("m-1", ["m-1", "m-1#2"]), (None, [None, None])):
            made = Translation(message_id, (call, call))
            decoded = decode_calls({}, translator=lambda *_, made=made: made)
            assert [each.id for each in decoded] == expected
        [encoded] = decode_bodies(
            prepare({}, translator=lambda *_, it=call: Translation(None, (it,)))[0]
        )
        assert "id" not in encoded


def test_emails_are_known_in_any_case_and_user_ids_as_they_are() -> None:
    ada = identify(0, "Ada", traits={"email": "Ada@Example.com"})
    assert prepare(ada)[1] == {"@ada@example.com", "#Ada"}


def test_the_names_of_all_calls_count() -> None:
    calls = (UpdateUser(Identity("a@b.c", None), {}), TrackEvent(Identity(None, "u-1"), "Seen"))
    assert prepare({}, translator=lambda *_: Translation(None, calls))[1] == {"@a@b.c", "#u-1"}


def test_a_new_email_is_one_of_its_users_names() -> None:
    call = UpdateEmail(Identity("old@b.co", "u-1"), "New@b.co")
    envelope, keys = prepare({}, translator=lambda *_: Translation("m-1", (call,)))
    assert keys == {"@old@b.co", "@new@b.co", "#u-1"}
    assert decode_bodies(envelope) == [call.body()]
    assert [call.call() for call in envelope.calls] == [call]
    assert decode_calls({}, translator=lambda *_: Translation("m-1", (call,))) == (call,)


def test_events_and_purchases_made_of_one_event_have_ids_of_their_own() -> None:
    seen, user = TrackEvent(WHO, "Seen"), UpdateUser(WHO)
    made = (user, seen, attrs.evolve(seen, id="mine"), TrackPurchase(WHO, [], 1), user)
    options = {"translator": lambda *_: Translation("m-1", made)}
    expected = [None, "m-1", "mine", "m-1#3", None]
    assert [call.body().get("id") for call in decode_calls({}, **options)] == expected
    assert [body.get("id") for body in decode_bodies(prepare({}, **options)[0])] == expected
    envelope, _ = prepare({}, stamp_ids=False, **options)
    assert [body.get("id") for body in decode_bodies(envelope)] == [None, None, "mine", None, None]


def test_an_id_of_a_further_event_that_does_not_fit_is_left_out() -> None:
    calls = (TrackEvent(WHO, "Seen"),) * 2
    made = decode_calls({}, translator=lambda *_: Translation("a" * 512, calls))
    assert [call.id for call in made] == ["a" * 512, None]


@pytest.mark.parametrize(
    ("event", "keys"),
    [
        ({"type": "group", "userId": "u-1"}, {"#u-1"}),
        (track(0) | {"properties": 1}, {"#u-1"}),
        (track(0) | {"event": None}, {"#u-1"}),
        ({"type": "track"}, set()),
        ({}, set()),
        (None, set()),
        ("text", set()),
        (5, set()),
    ],
)
def test_what_is_not_sent_has_its_outcome_and_its_turn(event: Any, keys: set[str]) -> None:
    envelope, found = prepare(event)
    assert envelope.outcome is not None
    assert envelope.outcome.index == 7
    assert (envelope.calls, found) == ((), keys)
    if envelope.outcome.name == "rejected":
        assert isinstance(envelope.outcome.error, InvalidEvent)


def test_the_index_of_a_line_counts_from_0_and_that_of_an_outbox_record_is_its_number() -> None:
    text = json.dumps(track(3)).encode()
    assert prepare(LineRecord(12, text))[0].index == 11
    assert prepare(OutboxRecord(40, text))[0].index == 40
    assert prepare(LineRecord(12, text))[0].calls == prepare(OutboxRecord(40, text))[0].calls
    assert prepare(OutboxRecord(40, b"damaged"))[0].outcome is not None


def test_a_line_that_is_no_json_is_rejected() -> None:
    envelope, keys = prepare(LineRecord(12, b"{"))
    assert envelope.outcome is not None
    assert (envelope.outcome.name, envelope.outcome.index, keys) == ("rejected", 11, set())
    assert isinstance(envelope.outcome.error, InvalidJSON)
    with pytest.raises(InvalidJSON):
        LineRecord(12, b"{").event()


def test_what_was_handed_in_is_kept_only_for_dead_letters() -> None:
    event = track(3)
    assert prepare(event)[0].record is None
    kept = prepare(event, keeps_records=True)[0].record
    before, event["userId"] = dict(event), "u-2"
    assert kept is not None
    assert kept.event() == before
    line = LineRecord(1, b"no JSON")
    assert prepare(line, keeps_records=True)[0].record == line


def test_what_a_translator_raises_is_the_outcome_of_its_event() -> None:
    def refuses(_: Any, __: Settings) -> Translation:
        raise InvalidEvent([errors.Problem("$", "not mine")], "m-9")

    envelope, _ = prepare({"messageId": "m-9"}, translator=refuses)
    assert envelope.outcome is not None
    assert (envelope.outcome.name, envelope.outcome.message_id) == ("rejected", "m-9")


def raising(error: BaseException) -> Any:
    def translate(_: Any, __: Settings) -> Translation:
        raise error

    return translate


@pytest.mark.parametrize(
    "error",
    [
        KeyError("ada@example.com"),
        decimal.InvalidOperation("ada@example.com"),
        StopIteration("ada@example.com"),
        RecursionError("ada@example.com"),
        MemoryError("ada@example.com"),
        AssertionError("ada@example.com"),
        errors.OutboxError("ada@example.com"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_any_other_exception_of_a_translator_is_its_failure_and_logged_without_its_text(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    envelope, keys = prepare(track(3), translator=raising(error), keeps_records=True)
    assert envelope.outcome is not None
    assert (envelope.outcome.name, envelope.outcome.message_id) == ("rejected", "m-3")
    assert type(envelope.outcome.error) is errors.FunctionFailed
    assert envelope.outcome.error.__cause__ is error
    name = type(error).__name__
    assert envelope.outcome.message == f"the translator failed with {name}"
    assert keys == {"#u-1"}
    assert envelope.record is not None
    assert envelope.record.event() == track(3)
    assert f"translating an event raised {name} at {__file__}:" in caplog.text
    assert "ada@example.com" not in caplog.text


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
def test_what_may_come_from_a_signal_handler_is_raised_in_the_main_thread(
    error: BaseException,
) -> None:
    with pytest.raises(type(error)):
        prepare(track(3), translator=raising(error))


def test_a_translator_that_exits_in_another_thread_ends_its_event_alone() -> None:
    found = []
    preparer = build_preparer(translator=raising(SystemExit(3)))
    thread = threading.Thread(target=lambda: found.append(preparer.prepare(7, track(3))))
    thread.start()
    thread.join()
    [(envelope, _)] = found
    assert envelope.outcome is not None
    assert envelope.outcome.message == "the translator failed with SystemExit"


class Odd(Mapping[str, Any]):
    """An event of which some key cannot be read."""

    def __init__(self, key: str, **fields: Any) -> None:
        self._key = key
        self._fields = fields

    def __getitem__(self, key: str) -> Any:
        if key == self._key:
            raise ZeroDivisionError("ada@example.com")
        return self._fields[key]

    def __iter__(self) -> Iterator[str]:
        return iter([self._key, *self._fields])

    def __len__(self) -> int:
        return 1 + len(self._fields)


class Lazy:
    """Says that it is a string, as proxies do."""

    __class__ = property(lambda _: str)


class Unbound:
    """A proxy without an object."""

    def _look_up(self) -> Any:
        raise RuntimeError("ada@example.com")

    __class__ = property(_look_up)


class Empty:
    """What is no translation."""


ODD = {
    "a key that raises": Odd("userId", type="track", event="E"),
    "a type that raises": Odd("type", userId="u-1"),
    "a property that raises": track(3, properties=Odd("n")),
    "a lazy userId": track(3, userId=Lazy()),
    "a lazy messageId": track(3, messageId=Lazy()),
    "a lazy property": track(3, properties={"n": Lazy()}),
    "a lazy name": track(3, event=Lazy()),
    "an event without a type": Unbound(),
    "a property without a type": track(3, properties={"n": Unbound()}),
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("keeps_records", [False, True])
def test_whatever_a_value_raises_the_event_has_its_outcome(
    name: str,
    keeps_records: bool,  # noqa: FBT001
    caplog: pytest.LogCaptureFixture,
) -> None:
    preparer = build_preparer(keeps_records=keeps_records)
    for prepared in (preparer.prepare(7, ODD[name]), preparer.prepare_late(7, ODD[name])):
        envelope, keys = prepared
        assert envelope.index == 7
        assert envelope.calls or envelope.outcome is not None
        assert all(type(key) is str for key in keys)
    assert "ada@example.com" not in caplog.text


@pytest.mark.parametrize(
    "returned",
    [None, 5, Empty(), Translation("m-3", cast("Any", ("no call",)))],
    ids=["None", "5", "object", "no call"],
)
def test_a_translator_that_returns_no_translation_ends_its_event_alone(returned: Any) -> None:
    envelope, _ = prepare(track(3), translator=lambda *_: returned, keeps_records=True)
    assert envelope.outcome is not None
    assert (envelope.outcome.name, envelope.outcome.index) == ("rejected", 7)
    assert envelope.outcome.message == "$: cannot be read: AttributeError"


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (errors.DropEvent("mine"), "skipped"),
        (errors.EventNotSupported("mine"), "skipped"),
        (errors.InvalidEventPayload("mine"), "rejected"),
        (errors.ValidationError("mine"), "rejected"),
        (errors.FunctionError("mine"), "rejected"),
        (errors.FunctionFailed("mine"), "rejected"),
        (errors.RetryError("mine"), "retryable"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_translator_may_raise_what_functions_raise(
    error: errors.FunctionError, outcome: str
) -> None:
    def raises(_: Any, __: Settings) -> Translation:
        raise error

    envelope, keys = prepare(track(3), translator=raises)
    assert envelope.outcome is not None
    assert (envelope.outcome.name, envelope.outcome.message) == (outcome, "mine")
    assert envelope.outcome.error is (None if outcome == "skipped" else error)
    assert (envelope.message_id, envelope.outcome.message_id, envelope.index) == ("m-3", "m-3", 7)
    assert (envelope.calls, keys) == ((), {"#u-1"})


@pytest.mark.parametrize(
    ("event", "message_id"), [({"messageId": "m-1"}, "m-1"), ({}, None), (None, None), (5, None)]
)
def test_the_message_id_is_known_of_whatever_a_translator_refuses(
    event: Any, message_id: str | None
) -> None:
    for error in (errors.RetryError(), InvalidEvent([errors.Problem("$", "not mine")])):

        def raises(_: Any, __: Settings, error: Exception = error) -> Translation:
            raise error

        assert prepare(event, translator=raises)[0].message_id == message_id


# Lines --------------------------------------------------------------------------------------------


def known(prepare: tuple[Envelope, set[str]]) -> tuple[Any, ...]:
    """Return all that is known of an envelope but its index."""
    envelope, keys = prepare
    outcome = envelope.outcome
    how = None if outcome is None else (outcome.name, outcome.message, str(outcome.error))
    return envelope.message_id, envelope.notes, envelope.calls, how, keys


@pytest.mark.usefixtures("each_json_library")
@given(strategies.json_events | strategies.read_events, st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_line_comes_to_the_same_as_its_event(event: Any, stamp_ids: bool) -> None:  # noqa: FBT001
    line = LineRecord(8, json.dumps(event).encode())
    mapped = prepare(line.event(), stamp_ids=stamp_ids)
    assert known(prepare(line, stamp_ids=stamp_ids)) == known(mapped)


LONG = 12345678901234567890123
ORDER = {"product_id": "p-1", "name": "Go", "price": 2.5, "quantity": 1}


@pytest.mark.usefixtures("each_json_library")
@pytest.mark.parametrize(
    "event",
    [
        identify(1, traits={"n": LONG}),
        identify(1, traits={"n": [{"m": -LONG}]}),
        identify(1, context={"ip": LONG}),
        track(1, properties={"n": LONG}),
        order(1, properties={"total": LONG, "products": [ORDER]}),
        order(1, properties={"total": 5, "products": [ORDER | {"price": LONG}]}),
        order(1, properties={"total": 5, "products": [ORDER | {"quantity": LONG}]}),
        order(1, properties={"total": 5, "products": [ORDER | {"colour": LONG}]}),
    ],
    ids=str,
)
def test_no_digit_of_a_long_number_in_a_line_is_lost(event: Any) -> None:
    usual = {"timestamp": "2023-02-05T20:42:10.123Z", "context": {}} | event
    envelope, _ = prepare(LineRecord(1, json.dumps(usual).encode()))
    if envelope.outcome is None:
        assert str(LONG) in envelope.item.decode()
    else:
        assert envelope.outcome.name == "rejected"


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"NaN", b"\xff", b'{"type":"track"}'])
def test_a_line_that_is_no_ordinary_event_is_read(text: bytes) -> None:
    line = LineRecord(3, text)
    envelope, _ = prepare(line)
    assert (envelope.index, envelope.outcome and envelope.outcome.name) == (2, "rejected")


@pytest.mark.parametrize("keeps_records", [True, False])
def test_a_line_is_kept_for_dead_letters_if_they_are_kept(*, keeps_records: bool) -> None:
    usual = {"timestamp": "2023-02-05T20:42:10.123Z", "context": {}}
    for event in (track(1), track(1) | usual):
        line = LineRecord(3, json.dumps(event).encode())
        envelope, _ = prepare(line, keeps_records=keeps_records)
        assert (envelope.record is line, envelope.index) == (keeps_records, 2)


def test_lines_go_by_the_mapping_and_the_function_that_were_chosen() -> None:
    usual = {"timestamp": "2023-02-05T20:42:10.123Z", "context": {}}
    line = LineRecord(1, json.dumps(track(1) | usual).encode())
    of_own = Settings(mappings=[])
    assert build_preparer(of_own).prepare(0, line)[0].outcome
    assert prepare(line, translator=lambda *_: Translation("m-1", skipped="no"))[0].outcome
    assert prepare(line)[0].outcome is None
