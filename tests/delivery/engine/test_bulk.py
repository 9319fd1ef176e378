"""BulkEndpoint: bodies are as full as they may be, and only accepted items count as accepted."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, combinations, combinations_with_replacement
from typing import Any

import attrs
import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from iterable_destination import errors
from iterable_destination.delivery.engine.bulk import (
    ITERABLE_BULK_ENDPOINTS,
    BatchCapacity,
    BulkEndpoint,
    blamed_items,
    item_results,
)
from iterable_destination.model import endpoints
from iterable_destination.model.calls import Call, Identity, TrackEvent, UpdateUser
from iterable_destination.model.endpoints import MAX_BODY_BYTES, MAX_BULK_ITEMS
from iterable_destination.model.json_codec import encode
from iterable_destination.model.responses import ApiResponse
from tests.support.examples import examples

EVENTS = ITERABLE_BULK_ENDPOINTS[endpoints.EVENTS_TRACK.path]
USERS = ITERABLE_BULK_ENDPOINTS[endpoints.USERS_UPDATE.path]


# --- What fits ---------------------------------------------------------------------------------


def text_of(size: int) -> bytes:
    """Return a JSON text of so many bytes."""
    return b'"' + b"x" * (size - 2) + b'"'


def filled(bulk: BulkEndpoint, items: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Return the items that go in one body, and those that do not."""
    capacity = BatchCapacity(bulk)
    taken: list[bytes] = []
    for place, item in enumerate(items):
        if not capacity.take(item):
            return taken, items[place:]
        taken.append(item)
    return taken, []


@pytest.mark.parametrize("bulk", [EVENTS, USERS])
def test_a_body_is_the_items_in_their_envelope(bulk: BulkEndpoint) -> None:
    items = [{"email": "zoë@x.com"}, {"userId": "u", "dataFields": {}}]
    key = "events" if bulk is EVENTS else "users"
    body = bulk.body([encode(item) for item in items])
    assert json.loads(body) == {key: items}
    assert json.loads(bulk.body([b"1"])) == {key: [1]}


def test_calls_with_a_bulk_endpoint_are_those_that_iterable_has_one_for() -> None:
    assert {path: bulk.endpoint.path for path, bulk in ITERABLE_BULK_ENDPOINTS.items()} == {
        "/api/users/update": "/api/users/bulkUpdate",
        "/api/events/track": "/api/events/trackBulk",
    }
    assert (USERS.one_per_user, EVENTS.one_per_user) == (True, False)


@pytest.mark.parametrize("bulk", [EVENTS, USERS])
@pytest.mark.parametrize("count", [1, 2, 3, 999, 1_000])
@pytest.mark.parametrize("over", [-1, 0, 1])
def test_a_body_is_filled_to_the_last_byte_and_never_over(
    bulk: BulkEndpoint, count: int, over: int
) -> None:
    envelope = len(bulk.body([])) + count - 1
    small = [b"{}"] * (count - 1)
    last = text_of(MAX_BODY_BYTES - envelope - 2 * (count - 1) + over)
    assert len(bulk.body([*small, last])) == MAX_BODY_BYTES + over
    taken, left = filled(bulk, [*small, last])
    assert (len(taken), len(left)) == ((count, 0) if over <= 0 else (count - 1, 1))


def test_a_body_has_a_thousand_items_at_most() -> None:
    taken, left = filled(EVENTS, [b"1"] * 1_001)
    assert (len(taken), len(left)) == (MAX_BULK_ITEMS, 1)


def test_bytes_count_and_not_characters() -> None:
    item = encode({"name": "ë" * 1_000_000})
    assert len(item) > 2_000_000
    taken, left = filled(EVENTS, [item, item])
    assert (len(taken), len(left)) == (1, 1)
    assert len(EVENTS.body([item, item])) > MAX_BODY_BYTES


@pytest.mark.parametrize("bulk", [EVENTS, USERS])
def test_an_item_that_fills_a_body_alone_has_room_and_a_larger_one_has_none(
    bulk: BulkEndpoint,
) -> None:
    assert BatchCapacity(bulk).take(text_of(bulk.capacity))
    assert len(bulk.body([text_of(bulk.capacity)])) == MAX_BODY_BYTES
    assert not BatchCapacity(bulk).take(text_of(bulk.capacity + 1))


def test_what_has_no_room_takes_none() -> None:
    capacity = BatchCapacity(EVENTS)
    assert capacity.take(text_of(3_000_000))
    assert not capacity.take(text_of(1_000_000))
    assert capacity.take(text_of(999_000))


sizes = st.lists(
    st.integers(2, 50) | st.integers(100_000, 2_000_000) | st.just(EVENTS.capacity), max_size=12
)


@given(sizes)
def test_bodies_are_filled_in_order_and_fit(lengths: list[int]) -> None:
    left, sent = [text_of(length) for length in lengths], 0
    while left:
        taken, left = filled(EVENTS, left)
        assert taken  # never an empty bulk, so that it comes to an end
        assert len(EVENTS.body(taken)) <= MAX_BODY_BYTES
        sent += len(taken)
        if left:
            assert len(EVENTS.body([*taken, left[0]])) > MAX_BODY_BYTES
    assert sent == len(lengths)


# --- The result of each item -------------------------------------------------------------------


@attrs.frozen
class Sent:
    """What is known of an item that was sent."""

    identity: Identity
    event_name: str | None = None


def build_sent(call: Call) -> Sent:
    return Sent(call.identity, call.event_name if isinstance(call, TrackEvent) else None)


def user(email: str | None = None, user_id: str | None = None) -> Sent:
    return build_sent(UpdateUser(Identity(email, user_id)))


def seen(name: str, email: str | None = None, user_id: str | None = None) -> Sent:
    return build_sent(TrackEvent(Identity(email, user_id), name))


def build_response(body: Mapping[str, Any]) -> ApiResponse:
    return ApiResponse(200, body, request_id="r-1")


def read_kinds(body: Mapping[str, Any], *sent: Sent) -> list[type[errors.ApiError] | None]:
    """Return the type of each result."""
    found = item_results(build_response(body), sent)
    return [None if error is None else type(error) for error in found]


ANN, BOB, CY = user("Ann@X.com"), user(user_id="Bob"), user("cy@x.com", "cy")
DOUBT = errors.AmbiguousAnswer


def test_all_are_accepted_if_all_are_counted_and_none_is_listed() -> None:
    body = {"successCount": 3, "failCount": 0, "failedUpdates": {}, "invalidEmails": []}
    assert read_kinds(body, ANN, BOB, CY) == [None, None, None]


CAUSES = {
    "invalid": errors.BadRequest,
    "notFound": errors.BadRequest,
    "invalidData": errors.BadRequest,
    "somethingNew": errors.BadRequest,
    "forgotten": errors.ForgottenUser,
    "conflict": errors.IdentityConflict,
}


@pytest.mark.parametrize("cause", CAUSES)
def test_what_is_listed_is_refused_for_the_cause_it_is_listed_under(cause: str) -> None:
    failed = {f"{cause}Emails": ["ann@x.com"], f"{cause}UserIds": ["Bob"]}
    body = {"successCount": 1, "failCount": 2, "failedUpdates": failed}
    assert read_kinds(body, ANN, BOB, CY) == [CAUSES[cause], CAUSES[cause], None]
    error = item_results(build_response(body), [ANN])[0]
    assert error is not None
    assert error.message == f"the response to a bulk request lists it under {cause}Emails"
    assert (error.status, error.request_id) == (200, "r-1")


@pytest.mark.parametrize("key", ["invalidEmails", "invalidUserIds"])
def test_the_deprecated_lists_at_the_top_count_too(key: str) -> None:
    body = {"successCount": 1, "failCount": 1, key: ["cy@x.com", "cy"]}
    assert read_kinds(body, ANN, CY) == [None, errors.BadRequest]


def test_the_newer_lists_say_more_than_their_copies_at_the_top() -> None:
    body = {
        "successCount": 0,
        "failCount": 1,
        "failedUpdates": {"forgottenEmails": ["ann@x.com"]},
        "invalidEmails": ["ann@x.com"],
    }
    assert read_kinds(body, ANN) == [errors.ForgottenUser]


@pytest.mark.parametrize("listed", ["ann@x.com", "ANN@X.COM", "Ann@X.com"])
def test_an_email_is_found_in_any_case(listed: str) -> None:
    body = {"successCount": 0, "failCount": 1, "failedUpdates": {"invalidEmails": [listed]}}
    assert read_kinds(body, ANN) == [errors.BadRequest]


def test_a_user_id_is_found_only_as_it_is_written() -> None:
    body = {"successCount": 1, "failCount": 1, "failedUpdates": {"invalidUserIds": ["bob"]}}
    assert read_kinds(body, user(user_id="bob"), BOB) == [errors.BadRequest, None]


def test_an_event_name_that_is_disallowed_refuses_events_of_this_name() -> None:
    body = {"successCount": 1, "failCount": 1, "disallowedEventNames": ["Secret"]}
    assert read_kinds(body, seen("Secret", "a@x.com"), seen("secret", "a@x.com")) == [
        errors.EventDisallowed,
        None,
    ]
    assert read_kinds(body, user("a@x.com"), user("b@x.com")) == [DOUBT, DOUBT]


def test_what_did_nothing_is_accepted() -> None:
    body = {
        "successCount": 2,
        "failCount": 0,
        "noOpEmails": ["ann@x.com"],
        "noOpUserIds": ["Bob"],
    }
    assert read_kinds(body, ANN, BOB) == [None, None]


@pytest.mark.parametrize("count", [None, "3", True, -1, 3.0, [], {}])
@pytest.mark.parametrize("key", ["successCount", "failCount"])
def test_without_both_counts_what_is_not_listed_is_in_doubt(key: str, count: Any) -> None:
    failed = {"invalidEmails": ["ann@x.com"]}
    body = {"successCount": 2, "failCount": 1, "failedUpdates": failed, key: count}
    assert read_kinds(body, ANN, BOB, CY) == [errors.BadRequest, DOUBT, DOUBT]
    del body[key]
    assert read_kinds(body, ANN, BOB, CY) == [errors.BadRequest, DOUBT, DOUBT]


def test_if_more_failed_than_are_listed_the_others_are_in_doubt() -> None:
    body = {"successCount": 1, "failCount": 2, "failedUpdates": {"invalidEmails": ["ann@x.com"]}}
    assert read_kinds(body, ANN, BOB, CY) == [errors.BadRequest, DOUBT, DOUBT]


def test_if_fewer_succeeded_than_are_not_listed_those_are_in_doubt() -> None:
    body = {"successCount": 2, "failCount": 0}
    assert read_kinds(body, ANN, BOB, CY) == [DOUBT, DOUBT, DOUBT]


def test_what_is_listed_stays_refused_if_too_few_succeeded_of_the_others() -> None:
    body = {"successCount": 0, "failCount": 1, "failedUpdates": {"invalidEmails": ["ann@x.com"]}}
    assert read_kinds(body, ANN, BOB, CY) == [errors.BadRequest, DOUBT, DOUBT]


def test_if_fewer_failed_than_are_listed_those_are_in_doubt() -> None:
    body = {"successCount": 2, "failCount": 1, "failedUpdates": {"invalidEmails": ["ann@x.com"]}}
    found = read_kinds(body, seen("a", "ann@x.com"), seen("b", "ann@x.com"), seen("c", "b@x.com"))
    assert found == [DOUBT, DOUBT, None]


def test_a_name_that_is_listed_for_another_item_hides_nobody_who_is_not_listed() -> None:
    """The second item fails and is listed by both names; the first has one of them, and is fine.

    Cy's failed too, and is not listed. So two are listed and two failed, but not the same two.
    """
    body = {
        "successCount": 1,
        "failCount": 2,
        "failedUpdates": {"invalidEmails": ["bob@x.com"], "invalidUserIds": ["bob"]},
    }
    found = read_kinds(body, user(user_id="bob"), user("bob@x.com", "bob"), user("cy@x.com"))
    assert found[2] is not None


NO_LISTS: list[Any] = [None, "ann@x.com", 3, True, {"ann@x.com": 1}, [None, 3, ["ann@x.com"], {}]]


@pytest.mark.parametrize("garbage", NO_LISTS)
def test_what_is_no_list_of_texts_lists_nobody(garbage: Any) -> None:
    body = {
        "successCount": 1,
        "failCount": 0,
        "invalidEmails": garbage,
        "invalidUserIds": garbage,
        "disallowedEventNames": garbage,
        "failedUpdates": {"invalidEmails": garbage, "odd": garbage, "oddUserIds": garbage},
    }
    assert read_kinds(body, ANN) == [None]
    assert read_kinds({**body, "failedUpdates": garbage}, ANN) == [None]
    assert read_kinds({**body, "failCount": 1, "successCount": 0}, ANN) == [DOUBT]


def test_a_doubt_says_which_answer_left_it() -> None:
    [error] = item_results(build_response({}), [ANN])
    assert error is not None
    assert (error.status, error.request_id) == (200, "r-1")
    assert "does not say" in error.message


# Emails and userIds that are easily taken for one another, and who was sent and failed.
EMAILS = ["Ann@x.com", "ann@x.com", "bob@x.com", "BOB@X.com", "cy@x.com"]
USER_IDS = ["ann", "Ann", "bob", "cy", "ann@x.com"]
NAMES = [None, "Seen", "Seen", "Secret", "seen"]
REASONS = ["invalid", "notFound", "forgotten", "conflict", "invalidData"]
GARBAGE: list[Any] = [None, "many", -1, True, 2.5, [], {}, "ann@x.com"]


@attrs.frozen
class ReportedBulk:
    """Items, what truly became of each (why it failed, or None), and what the response says."""

    sent: list[Sent]
    truth: list[str | None]
    body: dict[str, Any]


def choose_items(dice: random.Random) -> list[Sent]:
    sent = []
    for _ in range(dice.randint(1, 12)):
        email, user_id = dice.choice(EMAILS), dice.choice(USER_IDS)
        known = dice.choice([(email, None), (None, user_id), (email, user_id)])
        sent.append(Sent(Identity(*known), dice.choice(NAMES)))
    return sent


def choose_causes(dice: random.Random, sent: list[Sent]) -> list[str | None]:
    """Say who fails: a user, or an event name, for all items alike."""
    chosen = dice.sample([email.lower() for email in EMAILS] + USER_IDS, dice.randint(0, 3))
    lost = {name: dice.choice(REASONS) for name in chosen}
    lost_names = dice.choice([(), (), ("Secret",), ("seen", "Secret")])
    return [
        "disallowed"
        if item.event_name in lost_names
        else lost.get((item.identity.email or "").lower()) or lost.get(item.identity.user_id or "")
        for item in sent
    ]


def list_failures(dice: random.Random, sent: list[Sent], truth: list[str | None]) -> dict[str, Any]:
    """Return the lists of a response of those that failed, by email, by userId, or by both."""
    failed: dict[str, Any] = {}
    body: dict[str, Any] = {"failedUpdates": failed, "disallowedEventNames": []}
    old = dice.random() < 0.5
    for item, cause in zip(sent, truth, strict=True):
        if cause == "disallowed":
            body["disallowedEventNames"].append(item.event_name)
        elif cause is not None:
            names = [("Emails", item.identity.email), ("UserIds", item.identity.user_id)]
            known = [(kind, name) for kind, name in names if name is not None]
            for kind, name in dice.sample(known, dice.randint(1, len(known))):
                shown = name.lower() if kind == "Emails" else name
                failed.setdefault(f"{cause}{kind}", []).append(shown)
                if old:
                    body.setdefault(f"invalid{kind}", []).append(shown)
    return body


def build_complete(seed: int) -> ReportedBulk:
    """Return a response that lists every item that failed, and counts truly."""
    dice = random.Random(seed)  # noqa: S311 - chance, not secrecy
    sent = choose_items(dice)
    truth = choose_causes(dice, sent)
    body = list_failures(dice, sent, truth)
    lost = len(truth) - truth.count(None)
    body |= {"successCount": len(truth) - lost, "failCount": lost}
    body |= dice.choice([{}, {"noOpEmails": ["ann@x.com"]}, {"createdFields": ["a"]}])
    return ReportedBulk(sent, truth, body)


def build_incomplete(seed: int) -> ReportedBulk:
    """Return a response that counts truly or not at all, and whose lists may lack anything."""
    reported = build_complete(seed)
    dice = random.Random(seed + 1)  # noqa: S311
    failed, body = reported.body["failedUpdates"], reported.body
    for lists in (failed, body):
        for key in [key for key in lists if not key.endswith("Count")]:
            kind = dice.choice(["whole", "whole", "whole", "none", "some", "garbage"])
            if kind == "none":
                del lists[key]
            elif kind == "some" and isinstance(lists[key], list):
                lists[key] = [each for each in lists[key] if dice.random() < 0.5]
            elif kind == "garbage":
                lists[key] = dice.choice(GARBAGE)
    for key in ("successCount", "failCount"):
        if dice.random() < 0.1:
            body[key] = dice.choice(GARBAGE)
    return ReportedBulk(reported.sent, reported.truth, body)


seeds = st.integers(0, 2**64)


def pair_results(
    reported: ReportedBulk,
) -> list[tuple[int, Sent, str | None, errors.ApiError | None]]:
    found = item_results(build_response(reported.body), reported.sent)
    assert len(found) == len(reported.sent)
    return list(zip(range(len(found)), reported.sent, reported.truth, found, strict=True))


@given(seeds)
@settings(max_examples=examples(4_000))
def test_what_failed_is_never_called_accepted(seed: int) -> None:
    reported = build_incomplete(seed)
    for _, item, cause, error in pair_results(reported):
        assert cause is None or error is not None, (item, reported)


@given(seeds)
@settings(max_examples=examples(500))
def test_no_result_repeats_who_it_is_about(seed: int) -> None:
    for _, item, _, error in pair_results(build_incomplete(seed)):
        if error is None:
            continue
        said = " ".join([error.message, str(error), repr(error), str(error.params)]).lower()
        for name in (item.identity.email, item.identity.user_id):
            assert name is None or name.lower() not in said


def all_names(item: Sent) -> set[str]:
    email, user_id = item.identity.email, item.identity.user_id
    names = {"@": email and email.lower(), "#": user_id, "!": item.event_name}
    return {kind + name for kind, name in names.items() if name is not None}


@given(seeds)
@settings(max_examples=examples(4_000))
def test_a_whole_and_true_answer_leaves_no_doubt_if_each_name_is_of_one_item(seed: int) -> None:
    reported = build_complete(seed)
    names = [name for item in reported.sent for name in all_names(item)]
    if len(set(names)) < len(names):
        return
    event("separate items")
    for _, _, cause, error in pair_results(reported):
        assert (cause is None) == (error is None)
        assert not isinstance(error, DOUBT)
        if cause == "disallowed":
            assert isinstance(error, errors.EventDisallowed)
        elif cause is not None:
            assert type(error) is CAUSES[cause]


def test_two_items_of_a_listed_user_leave_open_who_else_failed() -> None:
    """One of z's items was accepted, and b's failed without being listed: two failed all the same.

    The same response comes if both of z's failed, and b's was accepted.
    """
    sent = [user("a@x.co"), user("z@x.co"), user("z@x.co"), user("b@x.co")]
    body = {"successCount": 2, "failCount": 2, "failedUpdates": {}, "invalidEmails": ["z@x.co"]}
    assert read_kinds(body, *sent) == [DOUBT] * 4


def test_where_as_many_failed_as_there_are_listed_users_the_others_were_accepted() -> None:
    sent = [user("a@x.co"), user("z@x.co"), user("z@x.co"), user("b@x.co")]
    failed = {"invalidEmails": ["z@x.co"], "forgottenEmails": ["b@x.co"]}
    body = {"successCount": 2, "failCount": 2, "failedUpdates": failed}
    assert read_kinds(body, *sent) == [None, DOUBT, DOUBT, errors.ForgottenUser]


def test_where_all_failed_those_that_are_listed_are_refused() -> None:
    body = {"successCount": 0, "failCount": 3, "failedUpdates": {"notFoundUserIds": ["u"]}}
    sent = [user(user_id="u"), user(user_id="u"), user(user_id="v")]
    assert read_kinds(body, *sent) == [errors.BadRequest, errors.BadRequest, DOUBT]


def test_the_cause_of_a_refusal_is_that_of_a_name_that_is_certain() -> None:
    """The userId stands for two items, so that only the email says that the second one failed."""
    failed = {"forgottenEmails": ["b@x.co"], "invalidUserIds": ["u"]}
    body = {"successCount": 1, "failCount": 2, "failedUpdates": failed}
    sent = [user(user_id="u"), user("b@x.co", "u"), user(user_id="v")]
    assert read_kinds(body, *sent)[1] is errors.ForgottenUser


SMALL_BULKS = {
    "users": [
        *(user(email, user_id) for email in ("a", "b") for user_id in ("1", "2", None)),
        *(user(user_id=user_id) for user_id in ("1", "2")),
    ],
    "events": [seen(name, email) for name in ("E", "F") for email in ("a", "b", "c")],
    "events of users with two names": [
        seen("E", "a", "1"),
        seen("F", "a", "1"),
        seen("E", "b", "1"),
        seen("F", user_id="2"),
    ],
}


def subsets(values: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    values = list(values)
    return chain.from_iterable(combinations(values, count) for count in range(len(values) + 1))


@pytest.mark.parametrize("kinds", SMALL_BULKS)
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_no_failures_that_fit_a_response_make_a_result_false(kinds: str, count: int) -> None:
    """Every bulk of few items, every response to it, and all failures that fit this response.

    A response lists any names that each stand for an item that failed, and counts truly.
    """
    tried = 0
    for sent in combinations_with_replacement(SMALL_BULKS[kinds], count):
        for listed in subsets(sorted(set().union(*map(all_names, sent)))):
            for fail_count in range(count + 1):
                fitting = [
                    set(failed)
                    for failed in combinations(range(count), fail_count)
                    if all(any(name in all_names(sent[item]) for item in failed) for name in listed)
                ]
                body = {
                    "successCount": count - fail_count,
                    "failCount": fail_count,
                    "failedUpdates": {
                        "invalidEmails": [name[1:] for name in listed if name[0] == "@"],
                        "invalidUserIds": [name[1:] for name in listed if name[0] == "#"],
                    },
                    "disallowedEventNames": [name[1:] for name in listed if name[0] == "!"],
                }
                for item, error in enumerate(item_results(build_response(body), sent)):
                    if not isinstance(error, DOUBT):
                        fits = {item in failed for failed in fitting}
                        assert fits <= {error is not None}, (sent, body)
                        tried += bool(fitting)
    assert tried > 5 * count


@given(seeds)
@settings(max_examples=examples(2_000))
def test_what_is_refused_for_certain_did_fail(seed: int) -> None:
    for _, item, cause, error in pair_results(build_complete(seed)):
        if error is not None and not isinstance(error, DOUBT):
            assert cause is not None, item


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 5) | st.sampled_from([*EMAILS, *USER_IDS, 0.5]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
ANSWER_KEYS = ["successCount", "failCount", "failedUpdates", "invalidEmails", "invalidUserIds"]
bodies = st.dictionaries(
    st.sampled_from([*ANSWER_KEYS, "disallowedEventNames", "noOpEmails"]), json_values
)


@given(bodies, seeds)
@settings(max_examples=examples(200))
@example({"successCount": 1, "failCount": 0}, 3)
def test_any_json_object_is_read_and_accepts_only_what_it_counts(
    body: dict[str, Any], seed: int
) -> None:
    sent = choose_items(random.Random(seed))  # noqa: S311 - chance, not secrecy
    found = item_results(build_response(body), sent)
    assert len(found) == len(sent)
    accepted = found.count(None)
    if accepted:
        event("accepts")
        assert type(body["successCount"]) is int
        assert body["successCount"] >= accepted
        assert type(body["failCount"]) is int


# --- Blamed items ------------------------------------------------------------------------------

PLACES = [
    ({"obj.events[3].eventName": ["error.path.missing"]}, {3}),
    ({"obj.users[0].dataFields.age": []}, {0}),
    ({"events[9]": "x", "users[1].email": "x"}, {9, 1}),
    ({"obj.events[3].a": [], "obj.events[3].b": [], "obj.events[4]": []}, {3, 4}),
    ({"obj.events[10]": [], "obj.events[999999]": []}, set()),
    ({"obj.events[-1]": [], "obj.events[]": [], "obj.events[1": []}, set()),
    ({"obj.events[99999999999]": []}, set()),
    ({"obj.dataFields.events[1]": [], "xevents[1]": [], "obj.items[1]": []}, set()),
    ({"email": "ann@x.com", "validationErrors": {"obj.events[1]": []}}, set()),
    ({}, set()),
    (None, set()),
]


@pytest.mark.parametrize(("params", "places"), PLACES)
def test_places_are_read_from_the_keys_of_the_params(params: Any, places: set[int]) -> None:
    assert blamed_items(errors.BadRequest("bad", params=params), 10) == places


@given(st.dictionaries(st.text("obj.events[]0123456789", max_size=20), st.none()))
def test_only_items_that_were_sent_are_blamed(params: dict[str, Any]) -> None:
    found = blamed_items(errors.BadRequest("bad", params=params), 5)
    assert found <= set(range(5))


@given(st.integers(0, 999), st.sampled_from(["obj.events[{}].x", "users[{}]", "obj.users[{}].a.b"]))
def test_any_place_can_be_blamed(place: int, form: str) -> None:
    error = errors.BadRequest("bad", params={form.format(place): []})
    assert blamed_items(error, 1_000) == {place}
    assert blamed_items(error, place) == frozenset()
