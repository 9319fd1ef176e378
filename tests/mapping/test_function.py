"""Functions: a class of one's own says what an event becomes; all ways of delivery agree."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from iterable_destination import (
    DeadLetters,
    DestinationFunction,
    DropEvent,
    EventNotSupported,
    FunctionError,
    FunctionFailed,
    InvalidEvent,
    InvalidEventPayload,
    Note,
    NotSent,
    Outbox,
    Outcome,
    Problem,
    RetryError,
    Settings,
    Translation,
    ValidationError,
    errors,
    translate,
)
from iterable_destination.errors import InvalidSubscription
from iterable_destination.mapping.actions import MappedTranslator, Subscription
from iterable_destination.mapping.function import METHODS, Returned
from iterable_destination.model import endpoints
from iterable_destination.model.calls import (
    Identity,
    TrackEvent,
    TrackPurchase,
    UpdateCart,
    UpdateEmail,
    UpdateUser,
)
from iterable_destination.model.records import LineRecord
from iterable_destination.testing import Fault, LocalIterable, Project, Received, Response, faults
from tests.support.conformance_cases import by_id
from tests.support.delivering import Leaks, by_index, delivering, identify, names, track
from tests.support.own_mappings import GROUP, MOVED, OWN, PROBLEMS, SEEN, WRONG, event_names
from tests.support.raising_values import RaisingClass, RaisingObject, build_moment, build_word

SETTINGS = Settings()
WHO = Identity(None, "u-1")
RENAMED = UpdateEmail(Identity("old@b.co", None), "new@b.co")
ALIAS = {"type": "alias", "userId": "u-1", "messageId": "m-1"}

Does = Callable[[dict[str, Any], Settings], Any]


@pytest.fixture(autouse=True)
def _no_leaks() -> Iterator[None]:
    leaks = Leaks()
    yield
    leaks.check()


def build_function(does: Does) -> DestinationFunction:
    """Build a function that does the same with events of every type."""

    class Doing(DestinationFunction):
        pass

    for name in METHODS.values():
        setattr(Doing, name, lambda _, event, settings: does(event, settings))
    return Doing()


def build_returning(returned: Any) -> DestinationFunction:
    return build_function(lambda _, __: returned)


def build_raising(error: BaseException) -> DestinationFunction:
    def raises(_: dict[str, Any], __: Settings) -> Returned:
        raise error

    return build_function(raises)


def translate_or_error(
    function: Callable[[Any, Settings], Translation], event: Any, settings: Settings
) -> Any:
    """Return a translation, or the problems and the ``messageId`` of the error."""
    try:
        return function(event, settings)
    except InvalidEvent as error:
        return error.problems, error.message_id


# As it comes -------------------------------------------------------------------------------------

CASES = by_id("classic")


@pytest.mark.parametrize("name", CASES)
def test_a_function_that_changes_nothing_translates_as_the_classic_mapping(name: str) -> None:
    case = CASES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # some cases show unknown settings
        settings = Settings.from_mapping(case.settings)
    event = case.input
    assert translate_or_error(DestinationFunction(), event, settings) == translate_or_error(
        translate, event, settings
    )


@pytest.mark.parametrize(
    "event",
    [
        *(None, 5, "text", b"bytes", [], {}, {"type": 5}, {"type": ""}, {"type": "unheard"}),
        *({"type": its_type, "userId": "u-1", "messageId": "m-1"} for its_type in METHODS),
        {"type": "group", "integrations": {"Iterable": False}},
        {"type": "track", "userId": "u-1", "event": "A", "properties": {"at": float("nan")}},
    ],
    ids=str,
)
def test_so_it_does_with_whatever_is_handed_in(event: Any) -> None:
    assert translate_or_error(DestinationFunction(), event, SETTINGS) == translate_or_error(
        translate, event, SETTINGS
    )


# What a method is given --------------------------------------------------------------------------


@pytest.mark.parametrize("its_type", METHODS)
def test_there_is_a_method_for_each_call_type(its_type: str) -> None:
    seen: list[str] = []

    class Watching(DestinationFunction):
        pass

    for name in METHODS.values():
        setattr(Watching, name, lambda *_, name=name: seen.append(name))
    Watching()({"type": its_type, "userId": "u-1"}, SETTINGS)
    assert seen == [f"on_{its_type}"]


def test_an_event_and_all_in_it_may_be_changed_and_the_callers_is_not() -> None:
    def changes(event: dict[str, Any], settings: Settings) -> Translation:
        event["properties"]["deep"][0]["a"] = 2
        event["event"] = "Changed"
        del event["context"]
        return translate(event, settings)

    event = track(1, properties={"deep": [{"a": 1}]}, context={"ip": "::1"})
    before = copy.deepcopy(event)
    [call] = build_function(changes)(event, SETTINGS).calls
    assert call == TrackEvent(WHO, "Changed", {"deep": [{"a": 2}]})
    assert event == before


def test_an_event_is_plain_json_whatever_it_was() -> None:
    seen: list[Any] = []
    event = track(1, properties={"at": datetime(2023, 2, 5, tzinfo=UTC), "pair": (1, 2)})
    build_function(lambda event, _: seen.append(event))(event, SETTINGS)
    assert seen == [track(1, properties={"at": "2023-02-05T00:00:00Z", "pair": [1, 2]})]


def test_the_settings_are_those_of_the_destination() -> None:
    seen: list[Any] = []
    build_function(lambda _, settings: seen.append(settings))(track(1), SETTINGS)
    assert seen[0] is SETTINGS


def test_what_is_switched_off_for_iterable_is_given_to_no_method() -> None:
    event = track(1, integrations={"All": False})
    reason = "integrations.All is false and integrations.Iterable is absent"
    assert build_returning(RENAMED)(event, SETTINGS) == Translation("m-1", skipped=reason)


class CountedMapping(Mapping[str, Any]):
    """An object that counts how often each of its values is read."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values_by_key = values
        self.reads: Counter[str] = Counter()

    def __getitem__(self, key: str) -> Any:
        self.reads[key] += 1
        return self.values_by_key[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_key)

    def __len__(self) -> int:
        return len(self.values_by_key)


@pytest.mark.parametrize("integrations", [{}, {"All": False}], ids=["for Iterable", "for others"])
def test_an_event_is_read_once(integrations: dict[str, Any]) -> None:
    properties = CountedMapping({"plan": "pro"})
    event = CountedMapping(track(1, properties=properties, integrations=integrations))
    result = DestinationFunction()(event, SETTINGS)
    assert result == translate(track(1, properties={"plan": "pro"}, integrations=integrations))
    assert set(event.reads.values()) == set(properties.reads.values()) == {1}


def test_who_an_event_was_about_is_known_whatever_the_method_makes_of_it() -> None:
    def changes(event: dict[str, Any], _: Settings) -> None:
        event.update(userId="another")

    assert build_function(changes)(track(1), SETTINGS).identity == WHO


@pytest.mark.parametrize("error", [KeyError, OSError, RuntimeError])
@pytest.mark.parametrize(
    ("place", "build"),
    [
        *(("$", each) for each in (RaisingObject, RaisingClass)),
        *((key, build_word) for key in ("type", "messageId")),
        ("properties.at", build_moment),
    ],
)
def test_an_event_that_cannot_be_read_is_refused_with_its_place(
    place: str, build: Any, error: type[Exception]
) -> None:
    value = build(error)
    events: dict[str, Any] = {
        "$": value,
        "type": track(1) | {"type": value},
        "messageId": track(1) | {"messageId": value, "type": None},
        "properties.at": track(1, properties={"at": value}),
    }
    with pytest.raises(InvalidEvent) as caught:
        DestinationFunction()(events[place], SETTINGS)
    assert caught.value.problems == (
        Problem(place, f"cannot be read: {error.__name__}", "unreadable"),
    )
    assert caught.value.message_id == ("m-1" if place in {"type", "properties.at"} else None)
    assert caught.value.identity == (WHO if place == "properties.at" else None)


def test_an_event_with_a_key_that_cannot_be_read_is_refused() -> None:
    event = track(1, properties={RaisingClass(KeyError): 1})
    with pytest.raises(InvalidEvent, match=r"^\$: cannot be read: KeyError$"):
        DestinationFunction()(event, SETTINGS)


@pytest.mark.parametrize("error", [RecursionError, MemoryError])
def test_where_the_stack_or_the_memory_ends_no_value_is_blamed(error: type[Exception]) -> None:
    with pytest.raises(error):
        DestinationFunction()(track(1, properties={"at": RaisingClass(error)}), SETTINGS)


# What it returns ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "returned",
    [
        RENAMED,
        [RENAMED],
        (RENAMED,),
        iter([RENAMED]),
        (each for each in [RENAMED]),
        Translation("m-1", (RENAMED,)),
        Translation("m-1", [RENAMED]),  # type: ignore[arg-type]
    ],
    ids=lambda returned: type(returned).__name__,
)
def test_one_call_or_several_or_a_translation_may_be_returned(returned: Any) -> None:
    assert build_returning(returned)(ALIAS, SETTINGS) == Translation("m-1", (RENAMED,))


@pytest.mark.parametrize("returned", [None, [], (), Translation("m-1")], ids=str)
def test_what_returns_no_calls_skips_the_event(returned: Any) -> None:
    reason = "on_alias returned nothing to send"
    assert build_returning(returned)(ALIAS, SETTINGS) == Translation("m-1", skipped=reason)


def test_a_translation_that_is_skipped_stays_so() -> None:
    skipped = Translation("m-1", skipped="not today", notes=(Note("a", "b"),))
    assert build_returning(skipped)(ALIAS, SETTINGS) == skipped


def test_calls_beside_those_of_the_classic_mapping_keep_its_notes_and_the_message_id() -> None:
    event = track(1) | {"userId": 7}
    classic = translate(event)
    assert classic.notes
    function = build_function(lambda event, settings: [*translate(event, settings).calls, RENAMED])
    expected = Translation("m-1", (*classic.calls, RENAMED), notes=classic.notes)
    assert function(event, SETTINGS) == expected


def test_a_call_of_the_classic_mapping_may_be_changed() -> None:
    def changes(event: dict[str, Any], settings: Settings) -> Returned:
        [call] = translate(event, settings).calls
        assert isinstance(call, TrackEvent)
        call.data_fields["more"] = 1
        return call

    event = track(1) | {"userId": 7}
    translation = build_function(changes)(event, SETTINGS)
    assert translation.notes == translate(event).notes
    assert translation.calls[0].body()["dataFields"] == {"n": 1, "more": 1}


def test_notes_about_what_is_not_sent_are_not_kept() -> None:
    event = track(1) | {"userId": 7}
    assert build_returning(RENAMED)(event, SETTINGS) == Translation("m-1", (RENAMED,))


def test_a_message_id_may_be_filled_in() -> None:
    def fills_in(event: dict[str, Any], settings: Settings) -> Returned:
        event["messageId"] = "made-up"
        return translate(event, settings).calls

    event = track(1) | {"messageId": None}
    assert build_function(fills_in)(event, SETTINGS).message_id == "made-up"


@pytest.mark.parametrize(
    ("returned", "what"),
    [
        (5, "a number"),
        (True, "a boolean"),
        ("text", "a string"),
        ([None], "null"),
        ([RENAMED, [RENAMED]], "a list"),
        ({"type": "track"}, "a string"),
        (object(), "a value of type object"),
        (Translation("m-1", (5,)), "a number"),  # type: ignore[arg-type]
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_returns_no_calls_fails(returned: Any, what: str) -> None:
    with pytest.raises(FunctionFailed) as caught:
        build_returning(returned)(ALIAS, SETTINGS)
    assert str(caught.value) == f"on_alias returned {what}, which is no call"


INVALID: list[tuple[Any, list[Problem]]] = [
    (
        UpdateEmail(Identity(), "new"),
        [
            Problem("currentUserId", "Must set either userId or email", "no-user"),
            Problem(
                "newEmail",
                "not a valid email address (expected name@host.domain)",
                "invalid-email",
            ),
        ],
    ),
    (TrackEvent(WHO, None), [Problem("eventName", "missing", "missing")]),
    (
        UpdateUser(WHO, {"a": {"b": b"c"}}),
        [Problem("dataFields.a.b", "is a value of type bytes, which JSON cannot hold", "not-json")],
    ),
    (
        UpdateUser(WHO, {"a": float("nan")}),
        [Problem("dataFields.a", "is NaN, which JSON cannot hold", "not-json")],
    ),
    (
        TrackEvent(WHO, "A", created_at=datetime(2023, 1, 1, tzinfo=UTC)),  # type: ignore[arg-type]
        [Problem("$", "a call of the function has a value that JSON cannot hold", "not-json")],
    ),
    (
        UpdateCart(WHO, [{"id": "1", "name": "P", "price": 1, "quantity": 1, "extra": {1, 2}}]),
        [Problem("$", "a call of the function has a value that JSON cannot hold", "not-json")],
    ),
]


@pytest.mark.parametrize(("call", "problems"), INVALID, ids=lambda value: type(value).__name__)
def test_calls_are_judged_like_any_others(call: Any, problems: list[Problem]) -> None:
    with pytest.raises(InvalidEvent) as caught:
        build_returning([RENAMED, call])(ALIAS, SETTINGS)
    assert list(caught.value.problems) == problems
    assert caught.value.message_id == "m-1"


def test_dates_in_fields_become_iterables() -> None:
    fields = {"at": datetime(2023, 2, 5, tzinfo=UTC), "text": "2023-02-05T00:00:00Z"}
    sent = {"at": "2023-02-05 00:00:00 +00:00", "text": "2023-02-05 00:00:00 +00:00"}
    for call in (UpdateUser(WHO, fields), TrackEvent(WHO, "A", fields)):
        [made] = build_returning(call)(ALIAS, SETTINGS).calls
        assert made.body()["dataFields"] == sent
    [purchase] = build_returning(TrackPurchase(WHO, [], 1, fields))(ALIAS, SETTINGS).calls
    assert purchase.body()["dataFields"] == sent


# What it raises ----------------------------------------------------------------------------------

SECRET = "ada@example.com is in here"


@pytest.mark.parametrize("kind", [DropEvent, EventNotSupported])
@pytest.mark.parametrize("message", ["no tests, please", ""])
def test_an_event_that_is_dropped_is_skipped_with_the_message(
    kind: type[FunctionError], message: str
) -> None:
    expected = Translation("m-1", skipped=message or kind.unsaid)
    assert build_raising(kind(message))(track(1), SETTINGS) == expected


@pytest.mark.parametrize(
    "error",
    [
        InvalidEventPayload("no plan"),
        ValidationError("wrong plan"),
        RetryError("not now"),
        FunctionError("mine"),
        InvalidEvent([Problem("traits.plan", "missing")]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_says_how_an_event_ends_is_raised_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        build_raising(error)(track(1), SETTINGS)
    assert caught.value is error


@pytest.mark.parametrize(
    "error",
    [KeyError(SECRET), RecursionError(SECRET), errors.RateLimited(SECRET), errors.NotSent(SECRET)],
    ids=lambda error: type(error).__name__,
)
def test_anything_else_is_named_by_its_type_alone(error: Exception) -> None:
    with pytest.raises(FunctionFailed) as caught:
        build_raising(error)(track(1), SETTINGS)
    assert str(caught.value) == f"on_track failed with {type(error).__name__}"
    assert caught.value.__cause__ is error


def test_what_is_raised_by_a_generator_is_the_functions() -> None:
    def generates(_: dict[str, Any], __: Settings) -> Iterator[UpdateEmail]:
        yield RENAMED
        raise KeyError(SECRET)

    with pytest.raises(FunctionFailed, match="on_track failed with KeyError"):
        build_function(generates)(track(1), SETTINGS)


def test_an_interrupt_is_not_caught() -> None:
    with pytest.raises(KeyboardInterrupt):
        build_raising(KeyboardInterrupt())(track(1), SETTINGS)


@pytest.mark.parametrize(
    "kind", [DropEvent, EventNotSupported, InvalidEventPayload, ValidationError, RetryError]
)
def test_an_error_says_its_message_or_what_it_means_and_survives_a_pickle(
    kind: type[FunctionError],
) -> None:
    assert (str(kind("mine")), str(kind())) == ("mine", kind.unsaid)
    again = pickle.loads(pickle.dumps(kind("mine")))  # noqa: S301 - our own
    assert (type(again), str(again)) == (kind, "mine")


# Every way of delivery ---------------------------------------------------------------------------


def act_by_name(event: dict[str, Any], settings: Settings) -> Returned:
    """Return or raise what the name of a track event says."""
    errors_by_name: dict[str, Exception] = {
        "drop": DropEvent("dropped"),
        "unsupported": EventNotSupported("not this"),
        "payload": InvalidEventPayload("no plan"),
        "validation": ValidationError("wrong plan"),
        "retry": RetryError("not now"),
        "fails": KeyError(SECRET),
        "problem": InvalidEvent([Problem("a", "b")]),
    }
    name = event.get("event", "")
    if name in errors_by_name:
        raise errors_by_name[name]
    return None if name == "nothing" else translate(event, settings)


#: A name, how its event ends, the error's type and the message.
ENDS: list[tuple[str, str, str | None, str | None]] = [
    ("drop", "skipped", None, "dropped"),
    ("unsupported", "skipped", None, "not this"),
    ("nothing", "skipped", None, "on_track returned nothing to send"),
    ("payload", "rejected", "InvalidEventPayload", "no plan"),
    ("validation", "rejected", "ValidationError", "wrong plan"),
    ("retry", "retryable", "RetryError", "not now"),
    ("fails", "rejected", "FunctionFailed", "on_track failed with KeyError"),
    ("problem", "rejected", "InvalidEvent", "a: b"),
    ("Seen", "delivered", None, "Success"),
]
EVENTS = [track(n, f"u-{n}", event=name) for n, (name, *_) in enumerate(ENDS)]


def list_ends(outcomes: list[Outcome]) -> list[tuple[str, str | None, str | None]]:
    return [
        (
            each.name,
            None if each.error is None else type(each.error).__name__,
            each.message if each.name != "delivered" else "Success",
        )
        for each in outcomes
    ]


Way = Callable[..., list[Outcome]]


def send_singly(to: Any, _: Path) -> list[Outcome]:
    return [to.send(event, index=n) for n, event in enumerate(EVENTS)]


def send_all_at_once(to: Any, _: Path) -> list[Outcome]:
    return by_index(to.send_all(EVENTS))


def send_as_lines(to: Any, _: Path) -> list[Outcome]:
    lines = [LineRecord(n + 1, json.dumps(event).encode()) for n, event in enumerate(EVENTS)]
    return by_index(to.send_all(lines))


def send_in_background(to: Any, _: Path) -> list[Outcome]:
    told: list[Outcome] = []
    to.start(told.append)
    for event in EVENTS:
        to.enqueue(event)
    assert to.flush() == 0
    return by_index(told)


def send_from_outbox(to: Any, folder: Path) -> list[Outcome]:
    with Outbox(folder / "outbox") as outbox:
        outbox.add_all(EVENTS)
        told = sorted(to.drain(outbox), key=lambda outcome: outcome.index)
        assert len(outbox) == 1
    return told


WAYS = [send_singly, send_all_at_once, send_as_lines, send_in_background, send_from_outbox]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_every_way_of_delivery_ends_events_alike(way: Way, tmp_path: Path) -> None:
    letters = tmp_path / "dead.jsonl"
    with (
        LocalIterable() as iterable,
        DeadLetters(letters) as dead,
        delivering(iterable, translator=build_function(act_by_name), dead_letters=dead) as to,
    ):
        outcomes = way(to, tmp_path)
        assert [effect.name for effect in iterable.project.effects] == ["Seen"]
        assert sum(to.counters.outcomes.values()) == len(ENDS)
    assert list_ends(outcomes) == [(name, error, message) for _, name, error, message in ENDS]
    assert [each.message_id for each in outcomes] == [f"m-{n}" for n in range(len(ENDS))]
    assert [each.attempts for each in outcomes] == [0] * (len(ENDS) - 1) + [1]
    kept = [json.loads(line) for line in letters.read_text().splitlines()]
    assert sorted(each["event"] for each in kept) == ["fails", "payload", "problem", "validation"]
    assert SECRET not in letters.read_text()


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_what_a_function_raised_is_told_in_the_log_at_debug_alone(
    way: Way, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "iterable_destination")
    with (
        LocalIterable() as iterable,
        delivering(iterable, translator=build_function(act_by_name)) as to,
    ):
        way(to, tmp_path)
    told = [record for record in caplog.records if SECRET in (record.exc_text or "")]
    assert [(each.levelname, each.getMessage()) for each in told] == [
        ("DEBUG", "on_track failed with KeyError")
    ]
    above = [each for each in caplog.records if each.levelno > logging.DEBUG]
    assert above == []


def test_later_events_of_a_user_wait_for_one_that_the_function_wants_again() -> None:
    events = [
        *(track(0, "u-1"), track(1, "u-1", event="retry"), track(2, "u-1"), track(3, "u-2")),
        *(track(4, "u-1", event="drop"), identify(5, "u-1")),
    ]
    with (
        LocalIterable() as iterable,
        delivering(iterable, translator=build_function(act_by_name)) as to,
    ):
        outcomes = by_index(to.send_all(events))
    delivered, retryable, skipped = "delivered", "retryable", "skipped"
    assert names(outcomes) == [delivered, retryable, retryable, delivered, skipped, retryable]
    assert type(outcomes[1].error) is RetryError
    assert [type(outcomes[n].error) for n in (2, 5)] == [NotSent] * 2
    assert [effect.data_fields["n"] for effect in iterable.project.effects_of("u-1")] == [0]


def test_an_outbox_gives_a_function_again_what_it_wants_again(tmp_path: Path) -> None:
    refused: list[Any] = []

    def later(event: dict[str, Any], settings: Settings) -> Returned:
        if len(refused) < 1:
            refused.append(event)
            raise RetryError
        return translate(event, settings)

    with (
        LocalIterable() as iterable,
        Outbox(tmp_path / "outbox") as outbox,
        delivering(iterable, translator=build_function(later)) as to,
    ):
        outbox.add_all([track(0), track(1)])
        assert names(to.drain(outbox)) == ["retryable"] * 2
        assert names(to.drain(outbox)) == ["delivered"] * 2
        assert [event["dataFields"]["n"] for event in iterable.project.events("u-1")] == [0, 1]


# Several calls -----------------------------------------------------------------------------------

OLD, NEW = "old@b.co", "new@b.co"


class Renaming(DestinationFunction):
    """Sends a profile, then the change of its email."""

    def on_identify(self, event: dict[str, Any], settings: Settings) -> Returned:
        new = event["traits"].pop("newEmail", None)
        calls = self.translate(event, settings).calls
        if new is None:
            return calls
        return [*calls, UpdateEmail(Identity(event["traits"]["email"], None), new)]


def build_identify(number: int, email: str, **traits: Any) -> dict[str, Any]:
    """Return an identify by email alone."""
    traits |= {"email": email, "n": number}
    return {"type": "identify", "messageId": f"m-{number}", "traits": traits}


HISTORY = [
    build_identify(0, OLD),
    build_identify(1, OLD, newEmail=NEW),
    build_identify(2, NEW),
    build_identify(3, NEW),
]


@pytest.mark.parametrize("together", [True, False])
def test_an_email_is_changed_after_its_profile_and_before_what_follows(*, together: bool) -> None:
    project = Project(project_type="email")
    with LocalIterable(project) as iterable, delivering(iterable, translator=Renaming()) as to:
        sent = to.send_all(HISTORY) if together else map(to.send, HISTORY)
        outcomes = by_index(sent) if together else list(sent)
        user, former = iterable.project.user(NEW), iterable.project.user(OLD)
        paths = [request.path for request in iterable.project.requests]
    update = endpoints.USERS_UPDATE.path
    assert names(outcomes) == ["delivered"] * 4
    assert outcomes[1].attempts == 2
    assert paths == [update, update, endpoints.USERS_UPDATE_EMAIL.path, update, update]
    assert user is not None
    assert (user["dataFields"]["n"], former) == (3, None)
    assert outcomes[1].calls[1] == UpdateEmail(Identity(OLD, None), NEW)


@pytest.mark.parametrize("bulk", [True, False])
def test_nothing_follows_a_call_that_was_refused(*, bulk: bool) -> None:
    project = Project(project_type="email", forgotten={OLD})
    event = build_identify(1, OLD, newEmail=NEW)
    with LocalIterable(project) as iterable, delivering(iterable, translator=Renaming()) as to:
        [outcome] = to.send_all([event]) if bulk else [to.send(event)]
        paths = [request.path for request in iterable.project.requests]
    assert (outcome.name, type(outcome.error)) == ("rejected", errors.ForgottenUser)
    assert (len(outcome.calls), endpoints.USERS_UPDATE_EMAIL.path in paths) == (2, False)


@pytest.mark.parametrize("bulk", [True, False])
def test_a_later_call_that_is_refused_rejects_the_event(*, bulk: bool) -> None:
    project = Project(project_type="email")
    events = [build_identify(0, NEW), build_identify(1, OLD, newEmail=NEW)]
    with LocalIterable(project) as iterable, delivering(iterable, translator=Renaming()) as to:
        outcomes = by_index(to.send_all(events)) if bulk else [to.send(each) for each in events]
        former = iterable.project.user(OLD)
    assert names(outcomes) == ["delivered", "rejected"]
    assert type(outcomes[1].error) is errors.IdentityConflict
    assert former is not None


def test_events_under_the_new_email_wait_until_the_change_is_settled() -> None:
    def fails(received: Received, apply: Callable[[], Response]) -> Response | Fault:
        is_change = received.path == endpoints.USERS_UPDATE_EMAIL.path
        return faults.server_error(503) if is_change else apply()

    events = [
        {"type": "alias", "messageId": "m-0"},
        build_identify(1, NEW.upper()),
        build_identify(2, "else@b.co"),
    ]
    function = Renaming()
    function.on_alias = lambda *_: UpdateEmail(Identity(OLD, None), NEW)  # type: ignore[method-assign]
    with (
        LocalIterable(Project(project_type="email"), faults=fails) as iterable,
        delivering(iterable, translator=function) as to,
    ):
        outcomes = by_index(to.send_all(events))
    assert names(outcomes) == ["retryable", "retryable", "delivered"]
    assert [type(each.error) for each in outcomes[:2]] == [errors.ServerError, NotSent]


def test_two_events_made_of_one_have_two_ids() -> None:
    def doubles(event: dict[str, Any], settings: Settings) -> Returned:
        more = TrackEvent(Identity(None, event["userId"]), "More", {"n": 0})
        return [*translate(event, settings).calls, UpdateUser(WHO), more, more]

    with (
        LocalIterable() as iterable,
        delivering(iterable, translator=build_function(doubles)) as to,
    ):
        assert names([to.send(track(1)), *to.send_all([track(2)])]) == ["delivered"] * 2
        ids = [effect.id for effect in iterable.project.effects if effect.name]
        assert len(iterable.project.events("u-1")) == 6
    assert ids == ["m-1", "m-1#2", "m-1#3", "m-2", "m-2#2", "m-2#3"]


# --- Around mappings ---------------------------------------------------------------------------


class Twice(DestinationFunction):
    """Sends the calls of a track twice."""

    def on_track(self, event: dict[str, Any], settings: Settings, /) -> Returned:
        return list(self.translate(event, settings).calls) * 2


@pytest.mark.parametrize("its_type", sorted(METHODS))
def test_a_function_that_does_nothing_is_the_mapping(its_type: str) -> None:
    event = SEEN | {"type": its_type}
    assert DestinationFunction()(event, OWN) == translate(event, OWN)
    assert DestinationFunction()(event, Settings()) == translate(event, Settings())


def test_a_function_may_stand_around_mappings() -> None:
    assert event_names(Twice()(SEEN, OWN).calls) == ["Moved", "Moved"]
    assert event_names(Twice()(SEEN, Settings()).calls) == ["Seen", "Seen"]


@pytest.mark.parametrize(
    ("integrations", "count"),
    [
        ({"Iterable (Actions)": False}, 0),
        ({"All": False}, 0),
        ({"All": False, "Iterable (Actions)": True}, 2),
        ({"Iterable": True, "Actions Iterable": False}, 0),
    ],
)
def test_what_is_switched_off_for_a_mapped_destination_comes_to_no_function(
    integrations: dict[str, bool], count: int
) -> None:
    assert len(Twice()(SEEN | {"integrations": integrations}, OWN).calls) == count


PROFILE = MOVED | {
    "name": "Profile",
    "partnerAction": "updateUser",
    "mapping": {"userId": {"@path": "$.userId"}, "dataFields": {"a": 1}},
}

BAD = MOVED | {"name": "Bad", "mapping": {"userId": {"@path": "$.userId"}}}


class Chosen(DestinationFunction):
    """Sends the calls of a track that ``choose`` returns."""

    def __init__(self, choose: Any) -> None:
        self._choose = choose

    def on_track(self, event: dict[str, Any], settings: Settings, /) -> Returned:
        returned: Returned = self._choose(self.translate(event, settings))
        return returned


@pytest.mark.parametrize(
    "choose",
    [
        lambda made: list(made.calls),
        lambda made: made.calls[::-1],
        lambda made: [*made.calls, made.calls[0]],
        lambda made: made.calls[0],
    ],
    ids=["all", "reversed", "more", "one"],
)
def test_calls_that_a_function_chose_are_of_no_subscriptions(choose: Any) -> None:
    made = Chosen(choose)(SEEN, Settings(mappings=[MOVED, PROFILE, BAD]))
    assert (made.subscriptions, made.errors, made.message_id) == ((), (), "m-1")
    assert made.calls


def test_a_translation_that_a_function_returns_keeps_its_subscriptions() -> None:
    settings = Settings(mappings=[MOVED, PROFILE, BAD])
    assert Chosen(lambda made: made)(SEEN, settings) == translate(SEEN, settings)
    assert translate(SEEN, settings).subscriptions == ("Moved", "Profile")


@pytest.mark.parametrize("function", [DestinationFunction(), Twice(), Chosen(lambda made: made)])
def test_mistakes_in_mappings_are_not_called_the_functions(function: Any) -> None:
    with pytest.raises(InvalidSubscription, match=PROBLEMS):
        function(SEEN, Settings(mappings=WRONG))


def test_a_function_may_choose_the_mapping_itself() -> None:
    class Own(Twice):
        def translate(self, event: dict[str, Any], settings: Settings, /) -> Any:
            return MappedTranslator([Subscription.from_json(MOVED)])(event, settings)

    assert event_names(Own()(SEEN, Settings()).calls) == ["Moved", "Moved"]
    assert event_names(Own()(GROUP, Settings()).calls) == ["Moved"]
