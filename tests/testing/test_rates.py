"""How many requests are taken in a second."""

from __future__ import annotations

import pytest

from iterable_destination.testing import Project
from iterable_destination.testing.rates import Rates
from iterable_destination.testing.responses import Refusal
from tests.support.asking import NOW, post, track

ADA = "ada@example.com"


def check_all(rate_limits: Rates, limit: float, *moments: float) -> list[bool]:
    """Whether each request, at its moment, was let through."""
    return [is_accepted(rate_limits, limit, moment) for moment in moments]


def is_accepted(rate_limits: Rates, limit: float, moment: float) -> bool:
    try:
        rate_limits.check("POST /x", limit, NOW + moment)
    except Refusal as refused:
        return refused.response.status != 429
    return True


def test_no_burst_slips_through_between_two_seconds() -> None:
    whole = round(NOW) - NOW
    moments = [whole - 0.1, whole - 0.1, whole + 0.1, whole + 0.1]
    assert check_all(Rates(), 2, *moments) == [True, True, False, False]


def test_a_request_makes_room_when_its_second_is_over() -> None:
    moments = [0, 0.5, 0.75, 1, 1.25, 1.5]
    assert check_all(Rates(), 2, *moments) == [True, True, False, True, False, True]


def test_a_request_that_is_refused_does_not_count() -> None:
    rate_limits = Rates()
    assert check_all(rate_limits, 1, 0, *[each / 10 for each in range(1, 10)], 1) == [
        True,
        *[False] * 9,
        True,
    ]
    assert rate_limits.refused == 9


def test_any_second_has_no_more_than_the_limit() -> None:
    rate_limits = Rates()
    moments = [each * 7 % 1000 / 1000 + each / 250 for each in range(3000)]
    through = [moment for moment in sorted(moments) if is_accepted(rate_limits, 20, moment)]
    assert all(late - early >= 1 for early, late in zip(through, through[20:], strict=False))
    assert len(through) > 150
    assert rate_limits.refused == 3000 - len(through)


@pytest.mark.parametrize(("limit", "expected"), [(0, 0), (0.5, 0), (1, 1), (1.5, 1), (2, 2)])
def test_a_limit_may_be_a_fraction(limit: float, expected: int) -> None:
    assert check_all(Rates(), limit, 0, 0, 0).count(True) == expected


def test_a_clock_that_goes_back_opens_no_window() -> None:
    assert check_all(Rates(), 1, 0, -0.5, -2) == [True, False, False]


def test_each_endpoint_has_a_second_of_its_own() -> None:
    project = Project(rate_limits={"/api/events/track": 1, "/api/events/trackBulk": 1})
    event = {"email": ADA, "eventName": "x"}
    statuses = [track(project, now=NOW + later, **event)[0] for later in (0, 0.999, 1)]
    bulks = [post(project, "events/trackBulk", {"events": [event]})[0] for _ in range(2)]
    assert (statuses, bulks) == ([200, 429, 200], [200, 429])
    assert project.rate_limited == 2
    assert len(project.effects) == 3


def test_only_refusals_for_the_rate_are_counted() -> None:
    project = Project(rate_limits={"/api/events/track": 5})
    assert track(project, email="no email", eventName="x")[0] == 400
    assert project.rate_limited == 0
