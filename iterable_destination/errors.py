"""Every error that this package raises, with :class:`Problem` and :class:`Note`.

This module imports no other module of the package, so that each of them can import it.

::

    IterableDestinationError
    ├── Invalid                 the caller's fault, found before a request is sent
    │   ├── InvalidEvent            the event can never be delivered as it is
    │   ├── InvalidWebhook          the webhook cannot become a Segment event as it is
    │   ├── InvalidCall             a call that the caller made, such as ``update_email``
    │   └── InvalidSubscription     a mapping or trigger of a mapped destination
    ├── InvalidJSON             the input's fault: a line that is not a JSON object
    ├── UnreadableInput         the input's fault: a file that cannot be read
    ├── UnwritableFile          the disk's fault: dead letters or a checkpoint cannot be written
    ├── InvalidCheckpoint       the caller's fault: no checkpoint, or that of another input
    ├── CheckpointInUse         the caller's fault: another process has the checkpoint
    ├── OutboxError             it cannot be used: no outbox, broken, the disk full, no database
    │   ├── OutboxInUse             the caller's fault: another process delivers from it
    │   └── OutboxRightLost         the session with the database ended: another may deliver now
    ├── InvalidSettings         the configuration's fault, found before a request is sent
    ├── NotSent                 nobody's fault: the event was not sent, and can be sent later
    ├── NotAccepted             a host must keep some of the events that it delivered
    ├── QueueFull               the caller's fault: events arrive faster than they are delivered
    ├── FunctionError           raised by a destination function, or because of its result
    │   ├── DropEvent               nobody's fault: the function drops the event
    │   ├── EventNotSupported       nobody's fault: the function does not support such events
    │   ├── InvalidEventPayload     the event's fault: the function cannot use its contents
    │   ├── ValidationError         the event's fault: it breaks a rule of the function's
    │   ├── RetryError              nobody's fault: the function may succeed later
    │   └── FunctionFailed          the function's fault: another exception, or no calls returned
    └── ApiError                a request was sent or tried, and Iterable did not accept it
        ├── RequestRefused          the request's fault: a retry will be refused too
        │   ├── BadRequest              400 (and 422) of Iterable's own
        │   ├── TooLarge                413, or BatchTooLarge
        │   ├── IdentityConflict        409, the email or userId belongs to someone else
        │   ├── ForgottenUser           409, the user was forgotten (GDPR)
        │   └── EventDisallowed         200, but the project does not accept events of this name
        ├── ConfigurationError      the configuration's fault: no event will be accepted
        │   ├── Unauthorized            401
        │   ├── Forbidden               403
        │   └── WrongAddress            404, a redirect, or a refusal that Iterable did not write
        ├── RateLimited             429: nobody's fault, retry later
        ├── ServerError             5xx (and 408, 425): Iterable's fault, a retry may succeed
        └── NetworkError            no response that can be parsed
            ├── NotConnected            nothing was sent: safe to repeat
            └── AmbiguousAnswer         it may have been applied: repeat only with an id
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

import attrs

__all__ = [
    "AmbiguousAnswer",
    "ApiError",
    "BadRequest",
    "CheckpointInUse",
    "ConfigurationError",
    "DropEvent",
    "EventDisallowed",
    "EventNotSupported",
    "Forbidden",
    "ForgottenUser",
    "FunctionError",
    "FunctionFailed",
    "IdentityConflict",
    "Invalid",
    "InvalidCall",
    "InvalidCheckpoint",
    "InvalidEvent",
    "InvalidEventPayload",
    "InvalidJSON",
    "InvalidSettings",
    "InvalidSubscription",
    "InvalidWebhook",
    "IterableDestinationError",
    "NetworkError",
    "NotAccepted",
    "NotConnected",
    "NotSent",
    "Note",
    "OutboxError",
    "OutboxInUse",
    "OutboxRightLost",
    "Problem",
    "QueueFull",
    "RateLimited",
    "RequestRefused",
    "RetryError",
    "ServerError",
    "TooLarge",
    "Unauthorized",
    "UnreadableInput",
    "UnwritableFile",
    "ValidationError",
    "WrongAddress",
]

#: Longer paths are cut in the middle, since people read them.
_LONGEST_PATH: Final = 200


def shortened(path: str) -> str:
    """Return a path that is short enough to read, and that every terminal can show."""
    if not path.isascii():
        path = path.encode(errors="backslashreplace").decode()
    if len(path) <= _LONGEST_PATH:
        return path
    return f"{path[: _LONGEST_PATH // 2]}…{path[-_LONGEST_PATH // 2 :]}"


#: The code of a problem or note whose maker gave none.
_OTHER: Final = "other"


@attrs.frozen
class Problem:
    """One reason why an event is refused, and its place in the event."""

    #: The place in the Segment event or webhook, spelled as it is there
    #: (``properties.products[2].price``). ``$`` is the event itself. A path of more than 200
    #: characters is cut in the middle.
    path: str = attrs.field(converter=shortened)
    #: What is wrong there. It repeats no value, which may be personal data.
    message: str
    #: The kind of fault, for programs: lower case words with hyphens, such as ``missing``. Unlike
    #: the message it stays the same across versions. Problems of your own may have one too.
    code: str = _OTHER

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


@attrs.frozen
class Note:
    """A change to an event that is still sent, or something in it that looks wrong."""

    #: The place in the Segment event, as in :class:`Problem`.
    path: str = attrs.field(converter=shortened)
    #: What was changed, or what looks wrong.
    message: str
    #: The kind of note, for programs, as in :class:`Problem`.
    code: str = _OTHER


@attrs.frozen
class Reason:
    """What is wrong or was changed, without its place: a code and its words, which belong together.

    All problems and notes of this package are made of one.
    """

    #: As in :class:`Problem`.
    code: str
    #: As in :class:`Problem`.
    message: str

    def problem_at(self, path: str) -> Problem:
        """Return the problem of a place."""
        return Problem(path, self.message, self.code)

    def note_at(self, path: str) -> Note:
        """Return the note of a place."""
        return Note(path, self.message, self.code)


#: Problems, or notes, of one event that are listed; the others are counted.
MAX_LISTED: Final = 100
#: Stand in a list for each one more, so that it costs next to nothing.
UNLISTED_PROBLEM: Final = Problem("$", "")
UNLISTED_NOTE: Final = Note("$", "")
#: The code of the last of a list, which counts the others.
_UNLISTED: Final = "unlisted"


def add_problem(problems: list[Problem], path: str, reason: Reason) -> None:
    """Add a problem; after the first 100, no more than that there is one."""
    listed = len(problems) < MAX_LISTED
    problems.append(reason.problem_at(path) if listed else UNLISTED_PROBLEM)


def add_note(notes: list[Note], path: str, reason: Reason) -> None:
    """Add a note; after the first 100, no more than that there is one."""
    notes.append(reason.note_at(path) if len(notes) < MAX_LISTED else UNLISTED_NOTE)


def list_problems(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return the first 100 problems; if there are more, a last one, at ``$``, counts them."""
    found = tuple(problems)
    if len(found) > MAX_LISTED and not _is_listed(found):
        more = len(found) - MAX_LISTED
        words = "and 1 more problem" if more == 1 else f"and {more:,} more problems"
        return (*found[:MAX_LISTED], Reason(_UNLISTED, words).problem_at("$"))
    return found


def list_notes(notes: Iterable[Note]) -> tuple[Note, ...]:
    """Return the first 100 notes; if there are more, a last one, at ``$``, counts them."""
    found = tuple(notes)
    if len(found) > MAX_LISTED and not _is_listed(found):
        more = len(found) - MAX_LISTED
        words = "and 1 more note" if more == 1 else f"and {more:,} more notes"
        return (*found[:MAX_LISTED], Reason(_UNLISTED, words).note_at("$"))
    return found


def _is_listed(found: tuple[Problem | Note, ...]) -> bool:
    """Whether more than are listed have their count at the end already."""
    return len(found) == MAX_LISTED + 1 and found[-1].code == _UNLISTED


class IterableDestinationError(Exception):
    """The base class of all errors of this package."""


class Invalid(IterableDestinationError, ValueError):
    """An event, a webhook, a call or subscriptions cannot be used as they are.

    ``str(error)`` is its problems as ``path: message``, joined by ``"; "``.
    """

    def __init__(
        self, problems: Iterable[Problem], message_id: str | None = None, identity: Any = None
    ) -> None:
        #: The problems: every one, or the first 100 and at the end one, at ``$``, that counts the
        #: others. Never empty.
        self.problems: tuple[Problem, ...] = list_problems(problems)
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
    """A webhook of Iterable's that cannot become a Segment event; paths are places in the webhook.

    Its ``message_id`` is None: an id is made only for a webhook that can be sent.
    """


class InvalidCall(Invalid):
    """A call that the caller made and that cannot be sent; paths are keys of its body."""


class InvalidSubscription(Invalid):
    """Subscriptions of a mapped destination are wrong; paths are places in them."""


class InvalidJSON(IterableDestinationError, ValueError):
    """A line of input is not a JSON object."""


class UnreadableInput(IterableDestinationError):
    """A file of events cannot be opened, read or decompressed."""


class UnwritableFile(IterableDestinationError):
    """A file of dead letters or a checkpoint cannot be opened or written."""


class InvalidCheckpoint(IterableDestinationError):
    """A file is not a checkpoint, or is the checkpoint of another input."""


class CheckpointInUse(IterableDestinationError):
    """Another process uses the same checkpoint."""


class OutboxError(IterableDestinationError):
    """An outbox cannot be used: not an outbox, newer, broken or locked, or the disk is full.

    Of an outbox in PostgreSQL: the database cannot be reached or used.
    """


class OutboxInUse(OutboxError):
    """Another process, or another destination of this one, delivers from this outbox."""


class OutboxRightLost(OutboxError):
    """The session with the database ended while it delivered: another process may do so now."""


class InvalidSettings(IterableDestinationError, ValueError):
    """A setting has the wrong type or value, or a required setting is missing."""


class NotSent(IterableDestinationError):
    """An event was not sent: time ran out, or an earlier event must be sent first."""


class NotAccepted(IterableDestinationError):
    """A host delivered several events, and must keep some of them and send them again."""


class QueueFull(IterableDestinationError):
    """The queue is full; the event was not accepted."""


class FunctionError(IterableDestinationError):
    """The base class of errors by which a destination function decides the outcome of an event.

    The function raises them with or without a message. :exc:`FunctionFailed` is raised by this
    package.
    """

    #: The message of an error that has none.
    unsaid: ClassVar[str] = "the function gave no reason"
    #: The event's ``messageId``, or None if it has none, or is not known.
    message_id: str | None = None
    #: Who the event is about, an ``Identity``; None if that is not known.
    identity: Any = None

    def __str__(self) -> str:
        return super().__str__() or self.unsaid


class DropEvent(FunctionError):
    """The function drops the event; it is skipped."""

    unsaid = "dropped by the function"


class EventNotSupported(FunctionError):
    """The function does not support events of this kind; the event is skipped."""

    unsaid = "not supported by the function"


class InvalidEventPayload(FunctionError):
    """The function cannot use the contents of the event; it is rejected."""

    unsaid = "the function cannot use what is in the event"


class ValidationError(FunctionError):
    """The event breaks a rule of the function; it is rejected."""

    unsaid = "the event breaks a rule of the function"


class RetryError(FunctionError):
    """The function may succeed later: the event is retryable, and nothing of it is sent."""

    unsaid = "the function asks for the event again later"


class FunctionFailed(FunctionError):
    """The function raised another exception than :exc:`FunctionError`, or returned no calls.

    The message has the type of the exception, never its text, which may be personal data. The
    exception itself is the ``__cause__``. The event is rejected.
    """


class ApiError(IterableDestinationError):
    """A request was sent or tried, and Iterable did not clearly accept it.

    All of its text is redacted: the API key appears nowhere, even if Iterable repeated it.
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
        #: What happened, in one sentence: Iterable's own ``msg`` if there is one.
        self.message = message
        #: The HTTP status, or None without a response.
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
    """Iterable refuses this request for its contents; a retry will not help."""


class BadRequest(RequestRefused):
    """Status 400 (or 422): the body breaks a rule; ``code`` and ``params`` say which.

    Also a 404 by which Iterable says that the project does not have this endpoint.
    """


class TooLarge(RequestRefused):
    """Status 413, or ``BatchTooLarge``: the body is larger than Iterable accepts."""


class IdentityConflict(RequestRefused):
    """Status 409: the email or the userId already belongs to another user."""


class ForgottenUser(RequestRefused):
    """Status 409: the user was forgotten under the GDPR; Iterable accepts no data for them."""


class EventDisallowed(RequestRefused):
    """Status 200, but the project is set not to accept events of this name."""


class ConfigurationError(ApiError):
    """The key, the data center or the address is wrong: no event will be accepted.

    It is raised itself if the file of certificates cannot be used that a server is checked with.
    """


class Unauthorized(ConfigurationError):
    """Status 401: Iterable does not know the API key in this data center."""


class Forbidden(ConfigurationError):
    """Status 403: the API key is known but may not use this endpoint."""


class WrongAddress(ConfigurationError):
    """A redirect, a 404, or a refusal that is not in Iterable's form: perhaps from a proxy."""


class RateLimited(ApiError):
    """Status 429: more requests than the project's limit for this endpoint."""


class ServerError(ApiError):
    """Status 500 to 599 (or 408, 425): Iterable failed, perhaps on this data."""


class NetworkError(ApiError):
    """There is no response that can be parsed."""


class NotConnected(NetworkError):
    """No connection was made (name, refusal, proxy, timeout, TLS), so nothing was sent."""


class AmbiguousAnswer(NetworkError):
    """The request was sent, but its response was lost, cut or not JSON: it may be applied."""
