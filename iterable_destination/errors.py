"""Every error this package raises, and the two things an error is made of.

What may live here: exception classes, :class:`Problem` and :class:`Note`. Nothing of ours is
imported, so that every other module can use it.

::

    IterableDestinationError
    ├── Invalid                 the caller's fault, found before anything is sent
    │   ├── InvalidEvent            the event can never be delivered as it is
    │   ├── InvalidWebhook          the webhook can become no Segment event as it is
    │   ├── InvalidCall             a request asked for directly, such as ``update_email``
    │   └── InvalidSubscription     a mapping or trigger of a mapped destination
    ├── InvalidJSON             the input's fault: a line that is no JSON object
    ├── UnreadableInput         the input's fault: a file that cannot be read
    ├── UnwritableFile          the disk's fault: dead letters or a checkpoint cannot be written
    ├── InvalidCheckpoint       the caller's fault: it is none, or that of another input
    ├── CheckpointInUse         the caller's fault: another process goes by it
    ├── OutboxError             the file cannot be used: it is none, or broken, or the disk is full
    │   └── OutboxInUse             the caller's fault: another process delivers from it
    ├── InvalidSettings         the configuration's fault, found before anything is sent
    ├── NotSent                 nobody's fault: the event was not tried, so that it can be later
    ├── NotAccepted             of what a host handed over, some is to be kept by it
    ├── QueueFull               the caller's haste: events come faster than they are delivered
    ├── FunctionError           raised by a destination function, or because of what it did
    │   ├── DropEvent               nobody's fault: the event is not to be sent
    │   ├── EventNotSupported       nobody's fault: the function has no use for such calls
    │   ├── InvalidEventPayload     the event's fault: the function cannot use what is in it
    │   ├── ValidationError         the event's fault: it breaks a rule of the function's
    │   ├── RetryError              nobody's fault: the function may do better later
    │   └── FunctionFailed          the function's fault: it raised anything else, or gave no calls
    └── ApiError                a request was tried, and Iterable did not plainly accept it
        ├── RequestRefused          the request's fault: the same again will be refused again
        │   ├── BadRequest              400 (and 422)
        │   ├── TooLarge                413, or BatchTooLarge
        │   ├── IdentityConflict        409, the email or userId belongs to someone else
        │   ├── ForgottenUser           409, the user was forgotten (GDPR) and may not come back
        │   └── EventDisallowed         200, but the project does not take events of this name
        ├── ConfigurationError      the key's or the address's fault: no event will get through
        │   ├── Unauthorized            401
        │   ├── Forbidden               403
        │   └── WrongAddress            404, a redirect, or another status no such server gives
        ├── RateLimited             429: nobody's fault, later
        ├── ServerError             5xx (and 408, 425): Iterable's fault, perhaps later
        └── NetworkError            no answer that can be read
            ├── NotConnected            nothing was sent: safe to repeat
            └── AmbiguousAnswer         it may have been applied: repeat only what has an id
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

import attrs

#: A path that is longer is cut in the middle: it is for people.
_LONGEST_PATH: Final = 200


def shortened(path: str) -> str:
    """Return a place in an event as people can read it, and every terminal can show it."""
    path = path.encode(errors="backslashreplace").decode()
    if len(path) <= _LONGEST_PATH:
        return path
    return f"{path[: _LONGEST_PATH // 2]}…{path[-_LONGEST_PATH // 2 :]}"


@attrs.frozen
class Problem:
    """One reason why an event is refused, and where in the event it is."""

    #: The place in the Segment event, spelled as it was found (``properties.products[2].price``).
    #: ``$`` is the event itself. A very long one is cut in the middle. Of a webhook likewise.
    path: str = attrs.field(converter=shortened)
    #: What is wrong there. It never repeats a value, which may be personal data.
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


@attrs.frozen
class Note:
    """Something that was changed, passed over or looks wrong, in an event that is still sent."""

    #: The place in the Segment event, as in :class:`Problem`.
    path: str = attrs.field(converter=shortened)
    #: What was done or what to look at.
    message: str


class IterableDestinationError(Exception):
    """The parent of all errors of this package."""


class Invalid(IterableDestinationError, ValueError):
    """What was handed in cannot be sent as it is.

    ``str(error)`` is every problem as ``path: message``, joined by ``"; "``.
    """

    def __init__(
        self, problems: Iterable[Problem], message_id: str | None = None, identity: Any = None
    ) -> None:
        #: Every problem. Never empty.
        self.problems: tuple[Problem, ...] = tuple(problems)
        #: The event's ``messageId``, or None if it has none.
        self.message_id = message_id
        #: Who the event is about, an ``Identity``; None if that is not known.
        self.identity = identity
        super().__init__("; ".join(map(str, self.problems)))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problems, self.message_id, self.identity)


class InvalidEvent(Invalid):
    """A Segment event that cannot be sent; paths are places in the event."""


class InvalidWebhook(Invalid):
    """A webhook of Iterable's that becomes no Segment event; paths are places in the webhook.

    It has no ``message_id``: one is made only for what can be sent.
    """


class InvalidCall(Invalid):
    """A request asked for directly that cannot be sent; paths are keys of its body."""


class InvalidSubscription(Invalid):
    """Subscriptions of a mapped destination are wrong; paths are places in them."""


class InvalidJSON(IterableDestinationError, ValueError):
    """A line of input is no JSON object."""


class UnreadableInput(IterableDestinationError):
    """A file of events cannot be opened, read or decompressed."""


class UnwritableFile(IterableDestinationError):
    """A file that is to be kept cannot be opened or written."""


class InvalidCheckpoint(IterableDestinationError):
    """A file is no checkpoint, or that of another input."""


class CheckpointInUse(IterableDestinationError):
    """Another process goes by the same checkpoint at this moment."""


class OutboxError(IterableDestinationError):
    """An outbox cannot be used: it is none, is newer, broken or locked, or the disk is full."""


class OutboxInUse(OutboxError):
    """Someone else, mostly another process, delivers from this outbox."""


class InvalidSettings(IterableDestinationError, ValueError):
    """A setting has the wrong type or value, or one that is needed is missing."""


class NotSent(IterableDestinationError):
    """An event was not sent, because time ran out or an earlier one must go first."""


class NotAccepted(IterableDestinationError):
    """Of events that a host handed over together some are to be kept by it and sent again."""


class QueueFull(IterableDestinationError):
    """There is no room for another event now; it was not taken."""


class FunctionError(IterableDestinationError):
    """What a destination function raises to say how an event ends, or what became of it.

    All but :exc:`FunctionFailed` are raised by the function, with a message of its own or none.
    """

    #: What is said where the function says nothing.
    unsaid: ClassVar[str] = "the function gave no reason"
    #: The event's ``messageId``, or None if it has none, or is not known.
    message_id: str | None = None
    #: Who the event is about, an ``Identity``; None if that is not known.
    identity: Any = None

    def __str__(self) -> str:
        return super().__str__() or self.unsaid


class DropEvent(FunctionError):
    """The event is not to be sent; it is skipped."""

    unsaid = "dropped by the function"


class EventNotSupported(FunctionError):
    """The function has no use for events of this kind; the event is skipped."""

    unsaid = "not supported by the function"


class InvalidEventPayload(FunctionError):
    """The function cannot use what is in the event; it is rejected."""

    unsaid = "the function cannot use what is in the event"


class ValidationError(FunctionError):
    """The event breaks a rule of the function's; it is rejected."""

    unsaid = "the event breaks a rule of the function"


class RetryError(FunctionError):
    """The function may do better later: the event is retryable, and nothing of it is sent."""

    unsaid = "the function asks for the event again later"


class FunctionFailed(FunctionError):
    """The function raised what is no :exc:`FunctionError`, or returned what is no call.

    It names the type of what was raised, and never its text, which may be personal data. The
    exception itself is the ``__cause__``. The event is rejected.
    """


class ApiError(IterableDestinationError):
    """A request was tried and Iterable did not plainly accept it.

    All text in it is redacted: the API key appears nowhere, even if Iterable echoed it.
    """

    def __init__(  # noqa: PLR0913 - keywords, each with a default
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        params: Mapping[str, Any] | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        #: What happened, in one sentence: Iterable's own ``msg`` where there is one.
        self.message = message
        #: The HTTP status, or None if no answer came.
        self.status = status
        #: Iterable's ``code`` (``BadParams``, ``RateLimitExceeded``, …), or None.
        self.code = code
        #: Iterable's ``params``, or None.
        self.params = params
        #: The header ``Iterable-Request-Id``, which Iterable's support asks for, or None.
        self.request_id = request_id
        #: Seconds to wait, from a ``Retry-After`` header; None if there was none.
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message,), dict(self.__dict__)


class RequestRefused(ApiError):
    """Iterable refuses this request for what is in it; repeating it will not help."""


class BadRequest(RequestRefused):
    """Status 400 (or 422): the body breaks a rule; ``code`` and ``params`` say which."""


class TooLarge(RequestRefused):
    """Status 413, or ``BatchTooLarge``: the body is larger than Iterable takes."""


class IdentityConflict(RequestRefused):
    """Status 409: the email or the userId already belongs to another user."""


class ForgottenUser(RequestRefused):
    """Status 409: the user was forgotten under the GDPR; Iterable takes nothing for them."""


class EventDisallowed(RequestRefused):
    """Status 200, but the project is set not to take events of this name."""


class ConfigurationError(ApiError):
    """The key, the data center or the address is wrong: no event will get through."""


class Unauthorized(ConfigurationError):
    """Status 401: Iterable does not know the API key in this data center."""


class Forbidden(ConfigurationError):
    """Status 403: the API key is known but may not use this endpoint."""


class WrongAddress(ConfigurationError):
    """A redirect, a 404 or another status that Iterable's API does not give."""


class RateLimited(ApiError):
    """Status 429: more requests than the project's limit for this endpoint."""


class ServerError(ApiError):
    """Status 500 to 599 (or 408, 425): Iterable failed, perhaps on this data."""


class NetworkError(ApiError):
    """No answer that can be read."""


class NotConnected(NetworkError):
    """No connection was made (name, refusal, timeout, TLS), so nothing was sent."""


class AmbiguousAnswer(NetworkError):
    """The request went out but its answer was lost, cut or no JSON: it may have been applied."""
