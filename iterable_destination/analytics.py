"""Segment's calling convention, delivered to Iterable by this process.

The functions have the signatures of Segment's own library, so a program changes one import::

    from iterable_destination import analytics  # was: import segment.analytics as analytics

    analytics.track("u-7", "Plan Chosen", {"plan": "pro"})

They hand events in at once, and a default :class:`Analytics` delivers them in the background. It is
made at the first call, from the variables below, which can be set before.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from dateutil.tz import tzlocal

from iterable_destination.delivery.destination import Destination
from iterable_destination.errors import InvalidEvent, QueueFull
from iterable_destination.io.outbox_protocol import AnyOutbox
from iterable_destination.io.stamping import make_message_id
from iterable_destination.model.outcomes import Outcome
from iterable_destination.model.settings import Settings

__all__ = [
    "Analytics",
    "alias",
    "flush",
    "group",
    "identify",
    "join",
    "page",
    "screen",
    "shutdown",
    "track",
]

_log: Final = logging.getLogger("iterable_destination.delivery")

#: Fields that Segment's library writes as strings.
_IDS: Final = frozenset({"userId", "anonymousId"})
#: Seconds for which a naive time is one of the machine's own zone.
_JUST_NOW: Final = 5

#: Called with the error of an event that is lost, and a list of that event; None logs it.
on_error: Callable[[Exception, list[dict[str, Any]]], object] | None = None
#: Whether anything is sent at all.
send: bool = True
#: Settings of the default; None takes them from the environment.
settings: Settings | None = None
#: An outbox in which events of the default wait on disk; None lets them wait in memory.
outbox: AnyOutbox | None = None
#: How many events wait in memory at most.
max_queue_size: int = 10_000


class Analytics:
    """Hands in events as Segment's ``Client`` does. Safe to use from several threads.

    Each call gives an event a ``messageId`` and a ``timestamp``, if it is given none, and returns
    whether it was taken, and the event. It is not taken if the queue is full. What is wrong with an
    event is its outcome: nothing is raised for it.
    """

    def __init__(
        self,
        destination: Destination | None = None,
        *,
        outbox: AnyOutbox | None = None,
        on_error: Callable[[Exception, list[dict[str, Any]]], object] | None = None,
        send: bool = True,
        max_queue_size: int = 10_000,
    ) -> None:
        """Start to deliver in the background.

        ``destination`` delivers, and is closed by :meth:`shutdown`; None makes one with
        :meth:`Settings.from_environment`. With an ``outbox``, which stays yours to close, events
        wait on disk, so that a kill loses none; None lets at most ``max_queue_size`` of them, at
        least 1, wait in memory.

        ``on_error`` is called in another thread with the error of an event that is lost, since it
        is refused or was not accepted in time, and a list of that event; with an outbox, where
        only what is refused is lost, of its ``messageId`` alone. None logs a warning. ``send``
        False takes events and drops them.

        Raises :exc:`~iterable_destination.InvalidSettings` if there is no key, and
        :exc:`RuntimeError` if the destination was started before.
        """
        self._on_error: Final = on_error
        #: Events that wait, by their messageId; none of those on disk.
        self._waiting: Final[dict[str, dict[str, Any]]] = {}
        self._has_outbox: Final = outbox is not None
        self._destination: Final = (destination or _make_destination()) if send else None
        if self._destination is not None:
            self._destination.start(self._report, capacity=max_queue_size, outbox=outbox)

    def identify(
        self,
        user_id: Any = None,
        traits: dict[str, Any] | None = None,
        context: dict[str, Any] | None = None,
        timestamp: datetime | str | None = None,
        anonymous_id: Any = None,
        integrations: dict[str, Any] | None = None,
        message_id: Any = None,
    ) -> tuple[bool, dict[str, Any]]:
        """Update the profile of a user with traits."""
        about = {"userId": user_id, "traits": traits or {}}
        common = (context, timestamp, anonymous_id, integrations, message_id)
        return self._hand_in("identify", about, *common)

    def track(
        self,
        user_id: Any = None,
        event: str | None = None,
        properties: dict[str, Any] | None = None,
        context: dict[str, Any] | None = None,
        timestamp: datetime | str | None = None,
        anonymous_id: Any = None,
        integrations: dict[str, Any] | None = None,
        message_id: Any = None,
    ) -> tuple[bool, dict[str, Any]]:
        """Record what a user did."""
        about = {"userId": user_id, "event": event, "properties": properties or {}}
        common = (context, timestamp, anonymous_id, integrations, message_id)
        return self._hand_in("track", about, *common)

    def alias(
        self,
        previous_id: Any = None,
        user_id: Any = None,
        context: dict[str, Any] | None = None,
        timestamp: datetime | str | None = None,
        integrations: dict[str, Any] | None = None,
        message_id: Any = None,
    ) -> tuple[bool, dict[str, Any]]:
        """Hand in an alias, which the classic mapping skips."""
        about = {"previousId": previous_id, "userId": user_id}
        return self._hand_in("alias", about, context, timestamp, None, integrations, message_id)

    def group(
        self,
        user_id: Any = None,
        group_id: Any = None,
        traits: dict[str, Any] | None = None,
        context: dict[str, Any] | None = None,
        timestamp: datetime | str | None = None,
        anonymous_id: Any = None,
        integrations: dict[str, Any] | None = None,
        message_id: Any = None,
    ) -> tuple[bool, dict[str, Any]]:
        """Hand in a group, which the classic mapping skips."""
        about = {"userId": user_id, "groupId": group_id, "traits": traits or {}}
        common = (context, timestamp, anonymous_id, integrations, message_id)
        return self._hand_in("group", about, *common)

    def page(
        self,
        user_id: Any = None,
        category: str | None = None,
        name: str | None = None,
        properties: dict[str, Any] | None = None,
        context: dict[str, Any] | None = None,
        timestamp: datetime | str | None = None,
        anonymous_id: Any = None,
        integrations: dict[str, Any] | None = None,
        message_id: Any = None,
    ) -> tuple[bool, dict[str, Any]]:
        """Record a page that a user saw."""
        about = _describe_view(user_id, category, name, properties)
        common = (context, timestamp, anonymous_id, integrations, message_id)
        return self._hand_in("page", about, *common)

    def screen(
        self,
        user_id: Any = None,
        category: str | None = None,
        name: str | None = None,
        properties: dict[str, Any] | None = None,
        context: dict[str, Any] | None = None,
        timestamp: datetime | str | None = None,
        anonymous_id: Any = None,
        integrations: dict[str, Any] | None = None,
        message_id: Any = None,
    ) -> tuple[bool, dict[str, Any]]:
        """Record a screen that a user saw."""
        about = _describe_view(user_id, category, name, properties)
        common = (context, timestamp, anonymous_id, integrations, message_id)
        return self._hand_in("screen", about, *common)

    def flush(self) -> None:
        """Wait until all that was handed in is delivered, however long that takes."""
        if self._destination is not None:
            self._destination.flush()

    def join(self) -> None:
        """Send what waits, 30 seconds at most, and take no more."""
        if self._destination is not None:
            self._destination.close()

    def shutdown(self) -> None:
        """Wait until all is delivered, and take no more.

        With an outbox, which keeps what is left, it waits for 30 seconds at most.
        """
        if not self._has_outbox:
            self.flush()
        self.join()

    def _hand_in(
        self,
        kind: str,
        about: dict[str, Any],
        context: dict[str, Any] | None,
        timestamp: datetime | str | None,
        anonymous_id: Any,
        integrations: dict[str, Any] | None,
        message_id: Any,
    ) -> tuple[bool, dict[str, Any]]:
        given = {
            "type": kind,
            **about,
            "anonymousId": anonymous_id,
            "context": context or {},
            "integrations": integrations or {},
        }
        event = {
            name: str(value) if name in _IDS else value
            for name, value in given.items()
            if value is not None
        }
        event["messageId"] = its_id = make_message_id() if message_id is None else str(message_id)
        event["timestamp"] = _write_time(timestamp)
        if self._destination is None:
            return True, event
        if not self._has_outbox:
            self._waiting[its_id] = event
        try:
            self._destination.enqueue(event)
        except BaseException as error:
            self._waiting.pop(its_id, None)
            if not isinstance(error, QueueFull):
                raise
            _log.warning("the queue is full; an event is not taken")
            return False, event
        return True, event

    def _report(self, outcome: Outcome) -> None:
        """Tell of an event that is lost. Called in another thread."""
        its_id = outcome.message_id or ""
        event = self._waiting.pop(its_id, {"messageId": its_id})
        stays = self._has_outbox and outcome.name != "rejected"  # and is tried again
        if outcome.error is None or stays:
            return
        if self._on_error is not None:
            self._on_error(outcome.error, [event])
        else:
            fields = {
                "iterable_outcome": outcome.name,
                "iterable_error": type(outcome.error).__name__,
            }
            about = (outcome.name, _describe(outcome.error))
            _log.warning("an event is lost, %s: %s", *about, extra=fields)


def _describe_view(
    user_id: Any, category: str | None, name: str | None, properties: dict[str, Any] | None
) -> dict[str, Any]:
    """Return the fields of a page or a screen."""
    return {
        "userId": user_id,
        "category": category,
        "name": name,
        "properties": properties or {},
    }


def _make_destination() -> Destination:
    return Destination(Settings.from_environment())


def _describe(error: Exception) -> str:
    """Say what an error is, without what Iterable says, which may hold what is in an event."""
    return str(error) if isinstance(error, InvalidEvent) else type(error).__name__


def _write_time(given: datetime | str | None) -> str:
    """Return a time as Segment's library writes it: to the millisecond, with a zone."""
    if isinstance(given, str):
        return given
    time = datetime.now(UTC) if given is None else given
    if time.utcoffset() is None:
        is_new = (datetime.now() - time.replace(tzinfo=None)).total_seconds() < _JUST_NOW  # noqa: DTZ005
        time = time.replace(tzinfo=tzlocal() if is_new else UTC)
    return time.isoformat(timespec="milliseconds")


# The default --------------------------------------------------------------------------------------

_P = ParamSpec("_P")
_R = TypeVar("_R")

#: The default, once it is made.
_made: Final[list[Analytics]] = []


def _get_default() -> Analytics:
    if not _made:
        default = Analytics(
            Destination(settings) if send and settings is not None else None,
            outbox=outbox,
            on_error=on_error,
            send=send,
            max_queue_size=max_queue_size,
        )
        _made.append(default)  # no lock, which a fork could copy while it is held
        if _made[0] is not default:  # another thread was quicker
            default.join()
    return _made[0]


def _of_default(method: Callable[Concatenate[Analytics, _P], _R]) -> Callable[_P, _R]:
    """Return a function that calls a method of the default, with its signature."""

    @functools.wraps(method)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        return method(_get_default(), *args, **kwargs)

    signature = inspect.signature(method)
    _, *parameters = signature.parameters.values()
    call.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return call


identify: Final = _of_default(Analytics.identify)
track: Final = _of_default(Analytics.track)
alias: Final = _of_default(Analytics.alias)
group: Final = _of_default(Analytics.group)
page: Final = _of_default(Analytics.page)
screen: Final = _of_default(Analytics.screen)
flush: Final = _of_default(Analytics.flush)
join: Final = _of_default(Analytics.join)
shutdown: Final = _of_default(Analytics.shutdown)
