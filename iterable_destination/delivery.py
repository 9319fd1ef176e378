"""Delivery: events in, one outcome for each out.

What may live here: what is sent again, how long it is waited, and when it is given up. The clock,
sleep, chance and the translator are passed in.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from math import inf
from types import TracebackType
from typing import Any, Final, Self

import attrs

from iterable_destination import endpoints
from iterable_destination.answers import Answer
from iterable_destination.calls import Call, TrackEvent, TrackPurchase
from iterable_destination.client import Client
from iterable_destination.errors import (
    AmbiguousAnswer,
    ApiError,
    ConfigurationError,
    InvalidEvent,
    NetworkError,
    RateLimited,
    RequestRefused,
    ServerError,
)
from iterable_destination.outcomes import (
    Delivered,
    Outcome,
    Rejected,
    Retryable,
    Skipped,
    Unknown,
)
from iterable_destination.settings import Settings
from iterable_destination.translation import Translation, translate

Translator = Callable[[Any, Settings], Translation]


def _seconds(_: Any, attribute: attrs.Attribute[float], value: float) -> None:
    if not 0 <= value < inf:
        raise ValueError(f"{attribute.name}: must be a number of seconds, finite and at least 0")


@attrs.frozen(kw_only=True)
class Patience:
    """How long a fault is borne.

    Times are seconds, finite and at least 0; others raise :exc:`ValueError`.
    """

    #: From the first try of an event to the beginning of the last.
    deadline: float = attrs.field(default=60.0, validator=_seconds)
    #: Tries of a request that Iterable answers with a :exc:`~errors.ServerError`: such an answer
    #: can be the data's fault. At least 1.
    server_errors: int = attrs.field(default=5, validator=attrs.validators.ge(1))
    #: The first wait lies between 0 and this (and 1 second, for a rate limit), each further one
    #: between 0 and twice as much …
    first_wait: float = attrs.field(default=0.5, validator=_seconds)
    #: … up to this.
    longest_wait: float = attrs.field(default=30.0, validator=_seconds)
    #: How long nothing more is sent after a :exc:`~errors.ConfigurationError`, with which no
    #: event would get through.
    breaker: float = attrs.field(default=30.0, validator=_seconds)


class Destination:
    """An Iterable project that events can be sent to."""

    def __init__(  # noqa: PLR0913 - keywords, each with a default
        self,
        settings: Settings,
        *,
        client: Client | None = None,
        translator: Translator = translate,
        patience: Patience | None = None,
        stamp_ids: bool = True,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """Make a destination; nothing is sent yet.

        ``client`` None makes one from ``settings``, and closes it; a client that is handed in is
        its owner's to close. ``stamp_ids`` gives events and
        purchases their ``messageId`` as ``id``, so that Iterable keeps one record of what is
        sent twice. ``clock`` gives seconds that never go back, ``chance(a, b)`` a number between.
        Raises :exc:`~errors.InvalidSettings` if a client is to be made and there is no
        ``api_key``.
        """
        self._settings: Final = settings
        self._owns_client: Final = client is None
        #: What opened the breaker, and until when it is open; None while it is closed.
        self._broken: tuple[ConfigurationError, float] | None = None
        self._client: Final = Client(settings, clock=clock) if client is None else client
        self._translator: Final = translator
        self._patience: Final = patience or Patience()
        self._stamp_ids: Final = stamp_ids
        self._clock: Final = clock
        self._sleep: Final = sleep
        self._chance: Final = chance

    def __repr__(self) -> str:
        return f"Destination({self._settings.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, if the destination made its client itself."""
        if self._owns_client:
            self._client.close()

    def send(self, event: Any, *, index: int = 0) -> Outcome:
        """Translate one event, send it now, and return what became of it.

        Faults are borne as :class:`Patience` says: no try begins after its ``deadline``, and the
        last one takes as long as the client's timeouts let it.
        ``index`` is carried to the outcome. Nothing is raised for what is in the event or what
        Iterable answers.
        """
        try:
            translation = self._translator(event, self._settings)
        except InvalidEvent as error:
            return Rejected(
                index=index, message_id=error.message_id, message=str(error), error=error
            )
        about: dict[str, Any] = {
            "index": index,
            "message_id": translation.message_id,
            "notes": translation.notes,
        }
        if translation.skipped is not None:
            return Skipped(message=translation.skipped, **about)
        calls = tuple(self._stamped(call, translation.message_id) for call in translation.calls)
        return self._deliver(calls, about | {"calls": calls})

    def _stamped(self, call: Call, message_id: str | None) -> Call:
        if not self._stamp_ids or not isinstance(call, TrackEvent | TrackPurchase):
            return call
        if call.id is not None or not message_id:
            return call
        try:
            fits = len(message_id.encode()) <= endpoints.MAX_ID_BYTES
        except UnicodeEncodeError:  # half of a surrogate pair: no text that can be sent
            fits = False
        return attrs.evolve(call, id=message_id) if fits else call

    def _deliver(self, calls: tuple[Call, ...], about: dict[str, Any]) -> Outcome:
        """Send the calls of one event in order; the first that fails ends it."""
        if self._broken is not None and self._clock() < self._broken[1]:
            return _failed(Retryable, self._broken[0], 0, about)
        tries = _Tries(self._client, self._patience, self._clock, self._sleep, self._chance)
        answer: Answer | None = None
        for call in calls:
            try:
                answer = tries.send(call)
            except ApiError as error:
                if isinstance(error, ConfigurationError):
                    self._broken = error, self._clock() + self._patience.breaker
                return _failed(tries.ends_with(error), error, tries.attempts, about)
        self._broken = None
        return Delivered(
            **about,
            attempts=tries.attempts,
            code=answer.code if answer else None,
            message=answer.message if answer else None,
            request_id=answer.request_id if answer else None,
        )


def _failed(
    outcome: type[Outcome], error: ApiError, attempts: int, about: dict[str, Any]
) -> Outcome:
    return outcome(
        **about,
        attempts=attempts,
        code=error.code,
        message=error.message,
        request_id=error.request_id,
        error=error,
    )


class _Tries:
    """The tries of one event's calls: what was tried, and whether to try again."""

    def __init__(
        self,
        client: Client,
        patience: Patience,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        chance: Callable[[float, float], float],
    ) -> None:
        self._client = client
        self._patience = patience
        self._clock = clock
        self._sleep = sleep
        self._chance = chance
        self._until = clock() + patience.deadline
        #: Requests sent so far.
        self.attempts = 0
        self._server_errors = 0
        #: Whether some request of the event may have been applied without our knowing.
        self._ambiguous = False

    def send(self, call: Call) -> Answer:
        """Send a call until it is accepted or given up; then raise the last error."""
        self._server_errors = 0
        while True:
            try:
                self.attempts += 1
                answer = self._client.send(call)
            except (ServerError, NetworkError, RateLimited) as error:
                self._ambiguous |= isinstance(error, AmbiguousAnswer)
                self._server_errors += isinstance(error, ServerError)
                wait = self._wait(error)
                given_up = self._server_errors >= self._patience.server_errors
                if given_up or self._clock() + wait > self._until:
                    raise
                self._sleep(wait)
            else:
                self._ambiguous = False
                return answer

    def _wait(self, error: ApiError) -> float:
        """Return how long to wait: full jitter that doubles, or longer if Iterable asks for it."""
        patience = self._patience
        bound = patience.first_wait * 2 ** min(self.attempts - 1, 30)
        if isinstance(error, RateLimited):
            bound = max(bound, 1.0)
        wait = self._chance(0, min(bound, patience.longest_wait))
        return max(wait, min(error.retry_after or 0, patience.longest_wait))

    def ends_with(self, error: ApiError) -> type[Outcome]:
        """Return the outcome of an event whose last request failed."""
        if isinstance(error, RequestRefused):
            return Rejected
        return Unknown if self._ambiguous else Retryable
