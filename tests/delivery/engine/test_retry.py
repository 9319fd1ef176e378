"""RetryPolicy: which errors are retried, for how long, and what the attempts leave in doubt."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterable_destination import errors
from iterable_destination.delivery.engine.retry import Attempts, RetryPolicy


def high(_: float, bound: float) -> float:
    return bound


def low(bound: float, _: float) -> float:
    return bound


def build_error(kind: type[errors.ApiError], **about: Any) -> errors.ApiError:
    return kind("It failed.", **about)


def list_delays(
    *failures: errors.ApiError, retry: RetryPolicy | None = None, deadline: float = inf
) -> list[float | None]:
    """Return how long is waited after each failure of one request."""
    attempts = Attempts(deadline=deadline)
    waited = []
    for failure in failures:
        attempts.begin()
        waited.append(attempts.next_delay(failure, 0.0, retry or RetryPolicy(), high))
    return waited


FOR_GOOD = [
    errors.BadRequest,
    errors.TooLarge,
    errors.IdentityConflict,
    errors.ForgottenUser,
    errors.EventDisallowed,
    errors.Unauthorized,
    errors.Forbidden,
    errors.WrongAddress,
]
FOR_NOW = [errors.RateLimited, errors.ServerError, errors.NotConnected, errors.AmbiguousAnswer]


@pytest.mark.parametrize("kind", FOR_GOOD)
def test_what_will_be_refused_again_is_not_tried_again(kind: type[errors.ApiError]) -> None:
    assert list_delays(build_error(kind, retry_after=1.0)) == [None]


@pytest.mark.parametrize("kind", FOR_NOW)
def test_what_may_be_accepted_later_is_tried_again(kind: type[errors.ApiError]) -> None:
    [wait] = list_delays(build_error(kind))
    assert wait == (1.0 if kind is errors.RateLimited else 0.5)


def test_waits_double_up_to_the_longest() -> None:
    assert list_delays(*[build_error(errors.NotConnected)] * 9) == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert list_delays(*[build_error(errors.RateLimited)] * 4) == [1.0, 1.0, 2.0, 4.0]


def test_waits_are_spread_over_the_whole_range() -> None:
    bounds = []

    def jitter(least: float, most: float) -> float:
        bounds.append((least, most))
        return least

    attempts = Attempts(deadline=inf)
    attempts.begin()
    assert attempts.next_delay(build_error(errors.NotConnected), 0.0, RetryPolicy(), jitter) == 0
    assert bounds == [(0, 0.5)]


@pytest.mark.parametrize(("asked", "waited"), [(0.0, 0.0), (7.5, 7.5), (31.0, 30.0), (1e9, 30.0)])
def test_what_iterable_asks_for_is_waited_up_to_the_longest(asked: float, waited: float) -> None:
    attempts = Attempts(deadline=inf)
    attempts.begin()
    error = build_error(errors.RateLimited, retry_after=asked)
    assert attempts.next_delay(error, 0.0, RetryPolicy(), low) == waited


def test_a_longer_wait_of_ours_is_not_cut_short() -> None:
    assert list_delays(build_error(errors.RateLimited, retry_after=0.2)) == [1.0]


def test_five_failures_of_iterables_end_it() -> None:
    assert list_delays(*[build_error(errors.ServerError)] * 5)[-2:] == [4, None]


def test_failures_of_iterables_count_among_others() -> None:
    other, server = build_error(errors.NotConnected), build_error(errors.ServerError)
    found = list_delays(server, other, server, other, server, other, server, other, server)
    assert found.index(None) == 8


@pytest.mark.parametrize("kind", [errors.RateLimited, errors.NotConnected, errors.AmbiguousAnswer])
def test_twenty_tries_end_it(kind: type[errors.ApiError]) -> None:
    found = list_delays(*[build_error(kind)] * 20)
    assert found.index(None) == 19


def test_a_try_that_would_begin_after_the_deadline_is_not_made() -> None:
    error = build_error(errors.NotConnected)
    assert list_delays(error, deadline=0.5) == [0.5]
    assert list_delays(error, deadline=0.499) == [None]
    assert list_delays(build_error(errors.RateLimited, retry_after=2.0), deadline=1.9) == [None]


def test_an_accepted_call_lets_the_next_one_begin_anew() -> None:
    attempts, retry = Attempts(deadline=inf), RetryPolicy()
    for _ in range(4):
        attempts.begin()
        assert attempts.next_delay(build_error(errors.ServerError), 0.0, retry, low) is not None
    attempts.begin()
    attempts.next_delay(build_error(errors.AmbiguousAnswer), 0.0, retry, low)
    attempts.begin_next_call()
    assert (attempts.total, attempts.server_errors, attempts.of_this_call) == (5, 0, 0)
    assert not attempts.is_ambiguous
    assert not attempts.needs_split
    attempts.begin()
    assert attempts.next_delay(build_error(errors.ServerError), 0.0, retry, low) is not None


def test_a_bulk_goes_in_halves_after_two_failures_of_iterables() -> None:
    attempts = Attempts(deadline=inf)
    halves = []
    for kind in (errors.ServerError, errors.NotConnected, errors.ServerError):
        attempts.begin()
        attempts.next_delay(build_error(kind), 0.0, RetryPolicy(), low)
        halves.append(attempts.needs_split)
    assert halves == [False, False, True]


IN_DOUBT: list[tuple[list[type[errors.ApiError]], bool]] = [
    ([errors.BadRequest], False),
    ([errors.NotConnected], False),
    ([errors.RateLimited], False),
    ([errors.ServerError], False),
    ([errors.Unauthorized], False),
    ([errors.AmbiguousAnswer], True),
    ([errors.AmbiguousAnswer, errors.NotConnected], True),
    ([errors.AmbiguousAnswer, errors.Unauthorized], True),
    ([errors.ServerError, errors.AmbiguousAnswer, errors.ServerError], True),
]


@pytest.mark.parametrize(("kinds", "is_ambiguous"), IN_DOUBT)
def test_a_lost_answer_leaves_it_in_doubt_whatever_follows(
    kinds: list[type[errors.ApiError]], *, is_ambiguous: bool
) -> None:
    attempts = Attempts(deadline=inf)
    for kind in kinds:
        attempts.begin()
        attempts.next_delay(build_error(kind), 0.0, RetryPolicy(), low)
    assert attempts.is_ambiguous is is_ambiguous


@given(
    st.lists(st.sampled_from(FOR_NOW), min_size=20, max_size=20),
    st.floats(0, 1),
    st.floats(0, 100),
)
def test_it_ends_in_time_after_any_failures(
    kinds: list[type[errors.ApiError]], part: float, deadline: float
) -> None:
    attempts, now = Attempts(deadline=deadline), 0.0
    for kind in kinds:
        attempts.begin()
        assert now <= deadline
        wait = attempts.next_delay(
            build_error(kind), now, RetryPolicy(deadline=deadline), lambda a, b: a + part * (b - a)
        )
        if wait is None:
            break
        assert 0 <= wait <= 30
        now += wait
    else:
        raise AssertionError("it goes on after twenty tries")
    assert attempts.total <= 20
    assert attempts.server_errors <= 5


def test_even_a_long_first_wait_stays_finite() -> None:
    retry = RetryPolicy(initial_backoff=1e300, max_backoff=1e308, max_attempts=10_000)
    attempts = Attempts(deadline=inf, total=5_000)
    attempts.begin()
    assert attempts.next_delay(build_error(errors.NotConnected), 0.0, retry, high) == 1e308


def build_policy(name: str, value: Any) -> RetryPolicy:
    about = {name: value}
    return RetryPolicy(**about)


@pytest.mark.parametrize("name", ["deadline", "initial_backoff", "max_backoff", "breaker_timeout"])
@pytest.mark.parametrize("value", [-1, -0.001, inf, nan])
def test_seconds_are_finite_and_not_negative(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        build_policy(name, value)
    assert getattr(build_policy(name, 0), name) == 0


@pytest.mark.parametrize("name", ["max_attempts", "max_server_errors"])
def test_there_is_one_try_at_least(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        build_policy(name, 0)
    assert getattr(build_policy(name, 1), name) == 1
