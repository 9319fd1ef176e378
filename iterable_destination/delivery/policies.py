"""What a destination is made of, whichever way it makes requests: its rules, and its clock."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

import attrs

from iterable_destination.delivery.engine.bulk import BulkEndpoint
from iterable_destination.delivery.engine.circuit_breaker import CircuitBreaker
from iterable_destination.delivery.engine.counters import Counters
from iterable_destination.delivery.engine.linked_keys import MAX_KEYS, LinkedKeys
from iterable_destination.delivery.engine.policy import DeliveryPolicy
from iterable_destination.delivery.engine.rate_limiter import RateLimiters
from iterable_destination.delivery.engine.retry import RetryPolicy
from iterable_destination.errors import ApiError
from iterable_destination.model.bounds import check_count
from iterable_destination.model.endpoints import Endpoint

_log: Final = logging.getLogger("iterable_destination.delivery")

#: Seconds beyond a timeout in which a response may still come in.
GRACE: Final = 0.05
#: Why one event of one call is not sent when others have used up the endpoint's rate.
ENDPOINT_BUSY: Final = "not sent: too many requests wait for this endpoint"


@attrs.frozen
class Runtime:
    """The clock, the sleep and the jitter of a destination, which tests replace."""

    #: Returns seconds that never go back.
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    #: Returns a number between two others.
    jitter: Callable[[float, float], float] = random.uniform


def build_policy(
    runtime: Runtime,
    *,
    bulk_endpoints: Mapping[str, BulkEndpoint],
    retry: RetryPolicy | None,
    rate_limiters: RateLimiters,
    max_pending: int,
) -> DeliveryPolicy:
    """Return the rules of a destination; raises :exc:`ValueError` for a number out of bounds."""
    check_count("max_pending", max_pending)
    retry = retry or RetryPolicy()
    return DeliveryPolicy(
        retry=retry,
        rate_limiters=rate_limiters,
        breaker=CircuitBreaker(retry.breaker_timeout),
        counters=Counters(),
        jitter=runtime.jitter,
        on_retry=_log_retry,
        linked_keys=_make_linked_keys(max_pending),
        bulk_endpoints=bulk_endpoints,
        max_pending=max_pending,
    )


def for_background(policy: DeliveryPolicy, capacity: int) -> DeliveryPolicy:
    """Return the rules of delivery from a queue in memory with room for ``capacity`` events."""
    return attrs.evolve(
        policy,
        max_pending=capacity,
        keeps_paused=False,
        linked_keys=_make_linked_keys(capacity),
    )


def _make_linked_keys(max_pending: int) -> LinkedKeys:
    """Return what keys are linked; half of the room is enough for those of all events that wait."""
    return LinkedKeys(max(MAX_KEYS, 8 * max_pending), on_many_keys=_log_many_keys)


def _log_retry(endpoint: Endpoint, error: ApiError, delay: float) -> None:
    """Log a retry. Iterable's message may repeat parts of a request, so its level is DEBUG."""
    fields = {
        "iterable_endpoint": endpoint.path,
        "iterable_error": type(error).__name__,
        "iterable_status": error.status,
        "iterable_code": error.code,
        "iterable_request_id": error.request_id,
        "iterable_delay": delay,
    }
    with suppress(Exception):  # a handler of the caller's
        _log.info(
            "%s: %s, status %s, code %s, request %s; again in %.2f s",
            *fields.values(),
            extra=fields,
        )
        _log.debug("%s: %s", endpoint.path, error.message, extra=fields)


def _log_many_keys(emails: int, user_ids: int, keys: set[str]) -> None:
    """Log that very many names are one user's. They are personal data, so their level is DEBUG."""
    _log.warning(
        "%s and %s are taken for one user, since events or ordering keys put them together: is one "
        "a placeholder? Their events go one request at a time",
        "1 email" if emails == 1 else f"{emails} emails",
        "1 userId" if user_ids == 1 else f"{user_ids} userIds",
        extra={"iterable_email_count": emails, "iterable_user_id_count": user_ids},
    )
    _log.debug("the last of them: %s", ", ".join(sorted(key[1:] for key in keys)))
