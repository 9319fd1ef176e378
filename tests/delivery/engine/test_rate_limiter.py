"""RateLimiter: never more than the limit in any second, hardly less, and slower after a 429."""

from __future__ import annotations

import random
from collections.abc import Callable
from math import inf, nan

import pytest

from iterable_destination.delivery.engine.rate_limiter import Permit, RateLimiter, RateLimiters
from iterable_destination.model import endpoints

LIMITS = [5, 10, 50, 500, 2_000]


def build_lateness(most: float, seed: int = 1) -> Callable[[], float]:
    dice = random.Random(seed)  # noqa: S311 - chance, not secrecy
    return lambda: dice.uniform(0, most)


def acquire(
    limiter: RateLimiter,
    seconds: float,
    lateness: Callable[[], float] = lambda: 0.0,
    start: float = 0.0,
) -> list[float]:
    """Let requests go as often as may be, each a little late; return when they went."""
    now, gone = start, []
    while now < start + seconds:
        now = limiter.available_at(now)
        now += lateness()
        limiter.acquire(now)
        gone.append(now)
    return gone


def count_most_in_a_second(moments: list[float]) -> int:
    """Return the most requests in any second, wherever it begins."""
    moments = sorted(moments)
    most, first = 0, 0
    for place, moment in enumerate(moments):
        while moment - moments[first] >= 1:
            first += 1
        most = max(most, place - first + 1)
    return most


@pytest.mark.parametrize("limit", [10, 500])
@pytest.mark.parametrize("shares", [2, 3, 5])
def test_senders_with_a_share_each_keep_the_limit_together(limit: int, shares: int) -> None:
    start = build_lateness(1.0, limit * shares)
    gone: list[float] = []
    for _ in range(shares):
        gone += acquire(RateLimiter(limit / shares), 10.0, start=start())
    assert 0.75 * limit < count_most_in_a_second(gone) <= limit


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("lateness", [0.0, 0.001, 0.005, 0.015, 0.030])
def test_no_second_has_more_than_the_limit_however_late_each_request_is(
    limit: int, lateness: float
) -> None:
    gone = acquire(RateLimiter(limit), 5 if limit >= 500 else 30, build_lateness(lateness))
    assert count_most_in_a_second(gone) <= limit


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("seed", range(3))
def test_no_second_has_more_than_the_limit_where_the_requests_arrive(limit: int, seed: int) -> None:
    """They are let go some milliseconds late, and each takes a way of its own after that."""
    way = build_lateness(0.030, seed)
    gone = acquire(RateLimiter(limit), 5 if limit >= 500 else 30, build_lateness(0.030, seed + 10))
    assert count_most_in_a_second([moment + way() for moment in gone]) <= limit


@pytest.mark.parametrize("limit", LIMITS)
def test_no_second_has_more_than_the_limit_though_requests_come_in_gusts(limit: int) -> None:
    limiter, gone, now = RateLimiter(limit), [], 0.0
    dice = random.Random(limit)  # noqa: S311 - chance, not secrecy
    while now < 20:
        for _ in range(dice.choice([1, 3, limit // 2, limit])):
            now = limiter.available_at(now)
            limiter.acquire(now)
            gone.append(now)
        now += dice.choice([0.0, 0.01, 0.3, 1.0, 2.5])
    assert count_most_in_a_second([moment + 0.03 * dice.random() for moment in gone]) <= limit


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("lateness", [0.0, 0.001])
def test_nine_tenths_of_the_limit_are_used_at_least(limit: int, lateness: float) -> None:
    seconds = 20 if limit >= 500 else 100
    gone = acquire(RateLimiter(limit), seconds, build_lateness(lateness))
    assert len(gone) >= 0.9 * limit * seconds


@pytest.mark.parametrize("limit", [0.5, 1.0, 1.5, 2.5, 7.9])
def test_a_small_or_broken_limit_is_kept_and_used_as_well(limit: float) -> None:
    gone = acquire(RateLimiter(limit), 200)
    assert count_most_in_a_second(gone) <= max(limit, 1)
    assert len(gone) >= 0.9 * (int(limit) or limit) * 200


@pytest.mark.parametrize("limit", [5, 10, 50])
@pytest.mark.parametrize(("longest", "used"), [(0.2, 0.75), (0.45, 0.6)])
def test_others_keep_their_distance_from_a_request_that_was_held_up(
    limit: int, longest: float, used: float
) -> None:
    """Every request takes a tenth of a second; some are held up on their way, and so answered late.

    They arrive right before they are answered.
    """
    limiter, now = RateLimiter(limit), 0.0
    dice = random.Random(limit)  # noqa: S311 - chance, not secrecy
    in_flight: list[tuple[float, Permit]] = []
    arrived = []
    while now < 30:
        now = min([limiter.available_at(now), *(end for end, _ in in_flight)])
        for end, release in sorted(in_flight, key=lambda each: each[0]):
            if end <= now:
                limiter.release(release, end)
                in_flight.remove((end, release))
        if limiter.available_at(now) <= now:
            held_up = longest if dice.random() < 0.1 else 0.0
            in_flight.append((now + 0.1 + held_up, limiter.acquire(now)))
            arrived.append(now + 0.1 + held_up)
    assert count_most_in_a_second(arrived) <= limit
    assert len(arrived) >= used * limit * 30


@pytest.mark.parametrize("is_answered", [True, False])
def test_a_request_that_hangs_keeps_others_back_for_half_a_second_more_at_most(
    *, is_answered: bool
) -> None:
    """Whenever its response comes, the request itself arrived long before."""
    limiter = RateLimiter(1)
    limiter.release(limiter.acquire(0.0), 0.1)
    hanging = limiter.acquire(2.0)
    assert limiter.available_at(2.4) == pytest.approx(3.305)  # 0.3 seconds late so far
    assert limiter.available_at(3.0) == pytest.approx(3.505)
    if is_answered:
        limiter.release(hanging, 12.0)
    assert limiter.available_at(12.0) == 12.0


def test_the_first_request_goes_at_once_and_the_next_in_its_time() -> None:
    limiter = RateLimiter(10)
    assert limiter.available_at(7.0) == 7.0
    limiter.acquire(7.0)
    assert 7.05 < limiter.available_at(7.0) < 7.11
    assert limiter.available_at(8.0) == 8.0


def test_a_long_silence_is_not_made_up_for() -> None:
    limiter = RateLimiter(5)
    limiter.acquire(0.0)
    limiter.acquire(100.0)
    assert limiter.available_at(100.0) > 100.15


def test_no_limit_lets_everything_go_at_once() -> None:
    limiter = RateLimiter(None)
    for _ in range(10_000):
        assert limiter.available_at(3.0) == 3.0
        limiter.acquire(3.0)


def list_spacing(limiter: RateLimiter, now: float) -> float:
    """Return the time between two requests that follow each other as fast as they may."""
    gone = acquire(limiter, 0.0001, start=now)
    first = limiter.available_at(gone[-1])
    limiter.acquire(first)
    return limiter.available_at(first) - first


@pytest.mark.parametrize("limit", [5.0, 500.0, None])
def test_after_a_429_nothing_goes_for_as_long_as_is_asked(limit: float | None) -> None:
    limiter = RateLimiter(limit)
    limiter.acquire(10.0)
    limiter.on_rate_limited(10.1, 3.0)
    assert limiter.available_at(10.2) == pytest.approx(13.1, abs=0.016)
    assert limiter.available_at(13.2) == 13.2


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    limiter = RateLimiter(10)
    limiter.on_rate_limited(0.0, 30.0)
    limiter.on_rate_limited(1.0, 0.5)
    assert limiter.available_at(2.0) == pytest.approx(30.0, abs=0.016)


def test_a_429_slows_and_without_another_the_pace_is_regained() -> None:
    limiter = RateLimiter(100)
    before = len(acquire(limiter, 1.0))
    limiter.on_rate_limited(1.0, 1.0)
    slowed = len(acquire(limiter, 1.0, start=2.0))
    assert 0.65 * before < slowed < 0.85 * before
    acquire(limiter, 5.0, start=3.0)
    assert len(acquire(limiter, 1.0, start=8.0)) == pytest.approx(before, abs=4)
    gone = acquire(limiter, 10.0, start=9.0)
    assert count_most_in_a_second(gone) <= 100


def test_nothing_is_regained_during_a_pause() -> None:
    after = []
    for pause in (1.0, 20.0):
        limiter = RateLimiter(100)
        limiter.on_rate_limited(0.0, pause)
        after.append(len(acquire(limiter, 1.0, start=pause)))
    assert after[1] == after[0] < 80


def test_several_429_at_once_count_once() -> None:
    one, several = RateLimiter(100), RateLimiter(100)
    for limiter in (one, several):
        acquire(limiter, 1.0)
        limiter.on_rate_limited(1.0, 1.0)
    for number in range(8):
        several.on_rate_limited(1.0 + number / 100, 0.9)
    assert len(acquire(several, 1.0, start=2.0)) == len(acquire(one, 1.0, start=2.0))


def test_a_429_after_the_pause_counts_again() -> None:
    once, twice = RateLimiter(100), RateLimiter(100)
    for limiter in (once, twice):
        acquire(limiter, 1.0)
        limiter.on_rate_limited(1.0, 1.0)
    twice.acquire(2.0)
    twice.on_rate_limited(2.1, 1.0)
    assert len(acquire(twice, 1.0, start=4.0)) < len(acquire(once, 1.0, start=4.0))


@pytest.mark.parametrize("limit", [5.0, 100.0])
def test_the_pace_falls_no_lower_than_a_sixteenth_of_the_limit(limit: float) -> None:
    limiter, now = RateLimiter(limit), 0.0
    for _ in range(100):
        limiter.acquire(now)
        limiter.on_rate_limited(now, 0.0)
        now += 0.001
    assert list_spacing(limiter, now) <= 16 / limit * 1.1


def test_an_unknown_limit_is_looked_for_below_the_pace_at_which_a_429_came() -> None:
    limiter = RateLimiter(None)
    gone = [number / 100 for number in range(100)]
    for moment in gone:
        limiter.acquire(moment)
    limiter.on_rate_limited(1.0, 1.0)
    after = len(acquire(limiter, 1.0, start=2.0))
    assert 60 < after < 100
    acquire(limiter, 10.0, start=3.0)
    assert len(acquire(limiter, 0.2, start=20.0)) > 100  # and forgotten later


def test_an_unknown_limit_never_makes_it_slower_than_five_in_a_second() -> None:
    limiter = RateLimiter(None)
    limiter.acquire(0.0)
    for moment in range(1, 20):
        limiter.on_rate_limited(moment, 0.0)
        limiter.acquire(moment)
    assert list_spacing(limiter, 20.0) <= 0.2


@pytest.mark.parametrize("limit", [0, -1, 1e300, inf, nan])
def test_a_limit_that_is_no_rate_is_refused(limit: float) -> None:
    with pytest.raises(ValueError, match=r"^/api/x: must be a number above 0, at most 1,000,000"):
        RateLimiters({"/api/x": limit})


def test_limits_that_are_given_win_over_those_that_are_documented() -> None:
    rate_limits = RateLimiters(
        {endpoints.EVENTS_TRACK_BULK.path: 1, endpoints.USERS_UPDATE.path: None}
    )
    for endpoint, available_at in [
        (endpoints.EVENTS_TRACK_BULK, 1.0 / 0.94),
        (endpoints.USERS_UPDATE, 0.0),
        (endpoints.USERS_BULK_UPDATE, 0.2 / 0.94),
        (endpoints.TRACK_PURCHASE, 0.0),
    ]:
        limiter = rate_limits.of(endpoint)
        limiter.acquire(0.0)
        assert limiter.available_at(0.0) == pytest.approx(available_at, rel=0.1)
        assert rate_limits.of(endpoint) is limiter


def test_a_mapping_of_limits_may_be_changed_afterwards() -> None:
    limits: dict[str, float | None] = {endpoints.EVENTS_TRACK.path: None}
    rate_limits = RateLimiters(limits)
    limits[endpoints.EVENTS_TRACK.path] = 1.0
    limiter = rate_limits.of(endpoints.EVENTS_TRACK)
    limiter.acquire(0.0)
    assert limiter.available_at(0.0) == 0.0


def test_a_limit_for_a_path_that_no_request_goes_to_is_refused() -> None:
    message = r"^/api/x: no path that requests go to; the paths are /api/a, /api/b$"
    with pytest.raises(ValueError, match=message):
        RateLimiters({"/api/a": 1.0, "/api/x": 1.0}, paths={"/api/b", "/api/a"})


def test_endpoints_of_one_name_share_a_limiter() -> None:
    rate_limits = RateLimiters({endpoints.SUBSCRIPTIONS.path: 1.0}, endpoints.DELIVERY_PATHS)
    one, other = (
        endpoints.Endpoint("PUT", path, template=endpoints.SUBSCRIPTIONS.path)
        for path in ("/api/subscriptions/emailList/1", "/api/subscriptions/emailList/2")
    )
    rate_limits.of(one).acquire(0.0)
    assert rate_limits.of(other) is rate_limits.of(endpoints.SUBSCRIPTIONS)
    assert rate_limits.of(other).available_at(0.0) > 0.9
