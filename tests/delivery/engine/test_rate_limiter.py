"""Rates: never more than the limit in any second, hardly less, and slower after a 429."""

from __future__ import annotations

import random
from collections.abc import Callable
from math import inf, nan

import pytest

from iterable_destination.delivery.engine.rate_limiter import Pace, Rates, Release
from iterable_destination.model import endpoints

LIMITS = [5, 10, 50, 500, 2_000]


def late(most: float, seed: int = 1) -> Callable[[], float]:
    dice = random.Random(seed)  # noqa: S311 - chance, not secrecy
    return lambda: dice.uniform(0, most)


def let_go(
    pace: Pace, seconds: float, lateness: Callable[[], float] = lambda: 0.0, start: float = 0.0
) -> list[float]:
    """Let requests go as often as may be, each a little late; return when they went."""
    now, gone = start, []
    while now < start + seconds:
        now = pace.free_at(now)
        now += lateness()
        pace.let_go(now)
        gone.append(now)
    return gone


def most_in_a_second(moments: list[float]) -> int:
    """Return the most that came in any second, wherever it begins."""
    moments = sorted(moments)
    most, first = 0, 0
    for place, moment in enumerate(moments):
        while moment - moments[first] >= 1:
            first += 1
        most = max(most, place - first + 1)
    return most


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("lateness", [0.0, 0.001, 0.005, 0.015, 0.030])
def test_no_second_has_more_than_the_limit_however_late_each_request_is(
    limit: int, lateness: float
) -> None:
    gone = let_go(Pace(limit), 5 if limit >= 500 else 30, late(lateness))
    assert most_in_a_second(gone) <= limit


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("seed", range(3))
def test_no_second_has_more_than_the_limit_where_the_requests_arrive(limit: int, seed: int) -> None:
    """They are let go some milliseconds late, and each takes a way of its own after that."""
    way = late(0.030, seed)
    gone = let_go(Pace(limit), 5 if limit >= 500 else 30, late(0.030, seed + 10))
    assert most_in_a_second([moment + way() for moment in gone]) <= limit


@pytest.mark.parametrize("limit", LIMITS)
def test_no_second_has_more_than_the_limit_though_requests_come_in_gusts(limit: int) -> None:
    pace, gone, now = Pace(limit), [], 0.0
    dice = random.Random(limit)  # noqa: S311 - chance, not secrecy
    while now < 20:
        for _ in range(dice.choice([1, 3, limit // 2, limit])):
            now = pace.free_at(now)
            pace.let_go(now)
            gone.append(now)
        now += dice.choice([0.0, 0.01, 0.3, 1.0, 2.5])
    assert most_in_a_second([moment + 0.03 * dice.random() for moment in gone]) <= limit


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("lateness", [0.0, 0.001])
def test_nine_tenths_of_the_limit_are_used_at_least(limit: int, lateness: float) -> None:
    seconds = 20 if limit >= 500 else 100
    gone = let_go(Pace(limit), seconds, late(lateness))
    assert len(gone) >= 0.9 * limit * seconds


@pytest.mark.parametrize("limit", [0.5, 1.0, 1.5, 2.5, 7.9])
def test_a_small_or_broken_limit_is_kept_and_used_as_well(limit: float) -> None:
    gone = let_go(Pace(limit), 200)
    assert most_in_a_second(gone) <= max(limit, 1)
    assert len(gone) >= 0.9 * (int(limit) or limit) * 200


@pytest.mark.parametrize("limit", [5, 10, 50])
@pytest.mark.parametrize(("longest", "used"), [(0.2, 0.75), (0.45, 0.6)])
def test_others_keep_their_distance_from_a_request_that_was_held_up(
    limit: int, longest: float, used: float
) -> None:
    """Every request takes a tenth of a second; some are held up on their way, and so answered late.

    They arrive right before they are answered.
    """
    pace, now = Pace(limit), 0.0
    dice = random.Random(limit)  # noqa: S311 - chance, not secrecy
    under_way: list[tuple[float, Release]] = []
    arrived = []
    while now < 30:
        now = min([pace.free_at(now), *(end for end, _ in under_way)])
        for end, release in sorted(under_way, key=lambda each: each[0]):
            if end <= now:
                pace.answered(release, end)
                under_way.remove((end, release))
        if pace.free_at(now) <= now:
            held_up = longest if dice.random() < 0.1 else 0.0
            under_way.append((now + 0.1 + held_up, pace.let_go(now)))
            arrived.append(now + 0.1 + held_up)
    assert most_in_a_second(arrived) <= limit
    assert len(arrived) >= used * limit * 30


def test_the_first_request_goes_at_once_and_the_next_in_its_time() -> None:
    pace = Pace(10)
    assert pace.free_at(7.0) == 7.0
    pace.let_go(7.0)
    assert 7.05 < pace.free_at(7.0) < 7.11
    assert pace.free_at(8.0) == 8.0


def test_a_long_silence_is_not_made_up_for() -> None:
    pace = Pace(5)
    pace.let_go(0.0)
    pace.let_go(100.0)
    assert pace.free_at(100.0) > 100.15


def test_no_limit_lets_everything_go_at_once() -> None:
    pace = Pace(None)
    for _ in range(10_000):
        assert pace.free_at(3.0) == 3.0
        pace.let_go(3.0)


def spacing(pace: Pace, now: float) -> float:
    """Return the time between two requests that follow each other as fast as they may."""
    gone = let_go(pace, 0.0001, start=now)
    first = pace.free_at(gone[-1])
    pace.let_go(first)
    return pace.free_at(first) - first


@pytest.mark.parametrize("limit", [5.0, 500.0, None])
def test_after_a_429_nothing_goes_for_as_long_as_is_asked(limit: float | None) -> None:
    pace = Pace(limit)
    pace.let_go(10.0)
    pace.limited(10.1, 3.0)
    assert pace.free_at(10.2) == pytest.approx(13.1, abs=0.016)
    assert pace.free_at(13.2) == 13.2


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    pace = Pace(10)
    pace.limited(0.0, 30.0)
    pace.limited(1.0, 0.5)
    assert pace.free_at(2.0) == pytest.approx(30.0, abs=0.016)


def test_a_429_slows_and_without_another_the_pace_is_regained() -> None:
    pace = Pace(100)
    before = len(let_go(pace, 1.0))
    pace.limited(1.0, 1.0)
    slowed = len(let_go(pace, 1.0, start=2.0))
    assert 0.65 * before < slowed < 0.85 * before
    let_go(pace, 5.0, start=3.0)
    assert len(let_go(pace, 1.0, start=8.0)) == pytest.approx(before, abs=4)
    gone = let_go(pace, 10.0, start=9.0)
    assert most_in_a_second(gone) <= 100


def test_several_429_at_once_count_once() -> None:
    one, several = Pace(100), Pace(100)
    for pace in (one, several):
        let_go(pace, 1.0)
        pace.limited(1.0, 1.0)
    for number in range(8):
        several.limited(1.0 + number / 100, 0.9)
    assert len(let_go(several, 1.0, start=2.0)) == len(let_go(one, 1.0, start=2.0))


def test_a_429_after_the_pause_counts_again() -> None:
    once, twice = Pace(100), Pace(100)
    for pace in (once, twice):
        let_go(pace, 1.0)
        pace.limited(1.0, 1.0)
    twice.let_go(2.0)
    twice.limited(2.1, 1.0)
    assert len(let_go(twice, 1.0, start=4.0)) < len(let_go(once, 1.0, start=4.0))


@pytest.mark.parametrize("limit", [5.0, 100.0])
def test_the_pace_falls_no_lower_than_a_sixteenth_of_the_limit(limit: float) -> None:
    pace, now = Pace(limit), 0.0
    for _ in range(100):
        pace.let_go(now)
        pace.limited(now, 0.0)
        now += 0.001
    assert spacing(pace, now) <= 16 / limit * 1.1


def test_an_unknown_limit_is_looked_for_below_the_pace_at_which_a_429_came() -> None:
    pace = Pace(None)
    gone = [number / 100 for number in range(100)]
    for moment in gone:
        pace.let_go(moment)
    pace.limited(1.0, 1.0)
    after = len(let_go(pace, 1.0, start=2.0))
    assert 60 < after < 100
    let_go(pace, 10.0, start=3.0)
    assert len(let_go(pace, 0.2, start=20.0)) > 100  # and by and by forgotten


def test_an_unknown_limit_never_makes_it_slower_than_five_in_a_second() -> None:
    pace = Pace(None)
    pace.let_go(0.0)
    for moment in range(1, 20):
        pace.limited(moment, 0.0)
        pace.let_go(moment)
    assert spacing(pace, 20.0) <= 0.2


@pytest.mark.parametrize("limit", [0, -1, inf, nan])
def test_a_limit_that_is_no_rate_is_refused(limit: float) -> None:
    with pytest.raises(ValueError, match=r"^/api/x: a rate must be a number of requests per sec"):
        Rates({"/api/x": limit})


def test_limits_that_are_given_win_over_those_that_are_documented() -> None:
    rates = Rates({endpoints.EVENTS_TRACK_BULK.path: 1, endpoints.USERS_UPDATE.path: None})
    for endpoint, free_at in [
        (endpoints.EVENTS_TRACK_BULK, 1.0 / 0.94),
        (endpoints.USERS_UPDATE, 0.0),
        (endpoints.USERS_BULK_UPDATE, 0.2 / 0.94),
        (endpoints.TRACK_PURCHASE, 0.0),
    ]:
        pace = rates.of(endpoint)
        pace.let_go(0.0)
        assert pace.free_at(0.0) == pytest.approx(free_at, rel=0.1)
        assert rates.of(endpoint) is pace


def test_a_mapping_of_limits_may_be_changed_afterwards() -> None:
    limits: dict[str, float | None] = {endpoints.EVENTS_TRACK.path: None}
    rates = Rates(limits)
    limits[endpoints.EVENTS_TRACK.path] = 1.0
    pace = rates.of(endpoints.EVENTS_TRACK)
    pace.let_go(0.0)
    assert pace.free_at(0.0) == 0.0
