"""CircuitBreaker: nothing is sent for a while after an error of configuration, then one probe."""

from __future__ import annotations

from iterable_destination import errors
from iterable_destination.delivery.engine.circuit_breaker import CircuitBreaker

WRONG_KEY = errors.Unauthorized("wrong key", status=401)


def test_a_breaker_that_was_not_opened_refuses_nothing() -> None:
    breaker = CircuitBreaker(30.0)
    assert breaker.refusal(0.0) is None
    breaker.begin(0.0)
    assert breaker.refusal(0.0) is None
    assert breaker.error is None


def test_an_open_breaker_refuses_for_a_while_and_says_why() -> None:
    breaker = CircuitBreaker(30.0)
    breaker.open(WRONG_KEY, 100.0)
    assert breaker.refusal(100.0) is WRONG_KEY
    assert breaker.refusal(129.999) is WRONG_KEY
    assert breaker.refusal(130.0) is None


def test_a_breaker_then_lets_one_request_through_at_a_time() -> None:
    breaker = CircuitBreaker(30.0)
    breaker.open(WRONG_KEY, 100.0)
    breaker.begin(131.0)
    assert breaker.refusal(131.0) is WRONG_KEY
    assert breaker.refusal(160.9) is WRONG_KEY
    assert breaker.refusal(161.0) is None


def test_a_breaker_is_closed_by_an_answer_and_opened_again_by_an_error() -> None:
    breaker = CircuitBreaker(30.0)
    breaker.open(WRONG_KEY, 100.0)
    breaker.begin(131.0)
    breaker.close()
    assert breaker.refusal(131.0) is None
    assert breaker.error is None
    other = errors.Forbidden("no", status=403)
    breaker.open(other, 132.0)
    assert breaker.refusal(161.9) is other


def test_a_breaker_of_no_time_lets_everything_through() -> None:
    breaker = CircuitBreaker(0.0)
    breaker.open(WRONG_KEY, 100.0)
    assert breaker.refusal(100.0) is None


def test_a_breaker_knows_whether_the_key_was_accepted_last() -> None:
    breaker = CircuitBreaker(30.0)
    states = [breaker.is_accepted]
    breaker.close(is_accepted=False)
    states.append(breaker.is_accepted)
    breaker.open(WRONG_KEY, 100.0)
    breaker.close(is_accepted=False)
    states.append(breaker.is_accepted)
    breaker.close()
    states.append(breaker.is_accepted)
    assert states == [None, None, False, True]
