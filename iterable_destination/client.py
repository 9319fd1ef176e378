"""The client: one call in, one answer or one typed error out.

What may live here: HTTP, and nothing that decides what to send or whether to send it again. No
other module imports ``requests``.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import version
from types import TracebackType
from typing import Any, Final, Self

import requests
import urllib3

from iterable_destination import answers, endpoints, validation
from iterable_destination.answers import Answer
from iterable_destination.calls import Call, Identity, UpdateEmail
from iterable_destination.endpoints import Endpoint
from iterable_destination.errors import (
    AmbiguousAnswer,
    ApiError,
    InvalidCall,
    InvalidSettings,
    NotConnected,
    WrongAddress,
)
from iterable_destination.json_codec import encode
from iterable_destination.settings import Settings

_log: Final = logging.getLogger(__name__)

#: Much more than any answer of Iterable's; who sends more is not Iterable.
_LARGEST_ANSWER: Final = 50_000_000
_CHUNK: Final = 65_536

#: The request never left: nothing can have been applied.
_NOT_CONNECTED: Final = (
    requests.exceptions.ConnectTimeout,
    requests.exceptions.SSLError,
    requests.exceptions.ProxyError,
)
_BAD_ADDRESS: Final = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)


class Client:
    """A connection to one Iterable project. Safe to use from several threads.

    Use it as a context manager, or :meth:`close` it. It cannot be pickled.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        connect_timeout: float = 5.0,
        read_timeout: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a client; nothing is sent yet.

        ``connect_timeout`` and ``read_timeout`` are seconds, above 0; the second bounds the wait
        for an answer's beginning, and again its whole body. ``clock`` gives seconds that never
        go back. Raises :exc:`InvalidSettings` if ``settings`` has no ``api_key``.
        """
        if settings.api_key is None:
            message = "api_key: missing; without it nothing can be sent"
            raise InvalidSettings(message)
        self._settings: Final = settings
        self._key: Final = settings.api_key
        self._timeout: Final = (connect_timeout, read_timeout)
        self._clock: Final = clock
        self._local: Final = threading.local()
        self._sessions: Final[list[requests.Session]] = []

    def __repr__(self) -> str:
        return f"Client({self._settings.url!r})"

    def __reduce__(self) -> Any:
        message = "a Client holds connections and the API key, and cannot be pickled"
        raise TypeError(message)

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
        """Close the connections. The client can still be used, and opens them again."""
        while self._sessions:
            self._sessions.pop().close()
        self._local.__dict__.clear()

    def send(self, call: Call) -> Answer:
        """Send one call and return Iterable's acceptance.

        Raises the :exc:`ApiError` that the answer, or the lack of one, means.
        """
        answer = self.request(call.endpoint, encode(call.body()))
        if answer.code is None:
            message = "the answer does not say whether the request was accepted"
            raise AmbiguousAnswer(message, status=answer.status, request_id=answer.request_id)
        return answer

    def check(self) -> Answer:
        """Ask, at little cost and changing nothing, whether the key works.

        Returns Iterable's answer if it does. Raises :exc:`~errors.Unauthorized` if Iterable does
        not know the key in this data center, and other errors as :meth:`send` does.
        """
        return self.request(endpoints.WEBHOOKS)

    def update_email(
        self, new_email: str, *, email: str | None = None, user_id: str | None = None
    ) -> Answer:
        """Change a user's email, in a project that knows its users by email.

        Who the user is now is said by ``email`` or ``user_id``; if both are given Iterable goes
        by the email. No Segment call does this, so it is offered here. Raises
        :exc:`~errors.InvalidCall` before sending, and else as :meth:`send` does:
        :exc:`~errors.IdentityConflict` if the new email is someone else's.
        """
        call = UpdateEmail(Identity(email, user_id, "currentEmail", "currentUserId"), new_email)
        problems = validation.problems(call)
        if problems:
            raise InvalidCall(problems)
        return self.send(call)

    def request(self, endpoint: Endpoint, body: bytes | None = None) -> Answer:
        """Send a request with a JSON body (None for none) and return what came back.

        Redirects are not followed. Raises :exc:`ApiError` as :meth:`send` does.
        """
        began = self._clock()
        failure: ApiError
        try:
            response = self._exchange(endpoint, body)
            with response:
                text = self._body(response)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            failure = self._failure(error)
        else:
            _log.debug(
                "%s %s: %d in %.3f s",
                endpoint.method,
                endpoint.path,
                response.status_code,
                self._clock() - began,
            )
            return answers.read(
                response.status_code,
                text,
                secret=self._key,
                request_id=response.headers.get(endpoints.REQUEST_ID_HEADER),
                retry_after=_retry_after(response),
            )
        # Raised here, it does not carry the error of `requests`, whose request has the key.
        _log.debug("%s %s: %s", endpoint.method, endpoint.path, type(failure).__name__)
        raise failure

    def _exchange(self, endpoint: Endpoint, body: bytes | None) -> requests.Response:
        session, sending = self._session()
        request = requests.Request(endpoint.method, self._settings.url + endpoint.path)
        prepared = self._prepared(session, request)
        if body is not None:
            prepared.body = body
            prepared.headers["Content-Length"] = str(len(body))
        return session.send(
            prepared, timeout=self._timeout, allow_redirects=False, stream=True, **sending
        )

    def _prepared(
        self, session: requests.Session, request: requests.Request
    ) -> requests.PreparedRequest:
        """Prepare a request once for each thread and endpoint, and copy it from then on."""
        templates: dict[tuple[str, str], requests.PreparedRequest] = self._local.templates
        key = (request.method or "", request.url or "")
        if key not in templates:
            request.auth = _no_auth
            templates[key] = session.prepare_request(request)
        return templates[key].copy()

    def _session(self) -> tuple[requests.Session, dict[str, Any]]:
        """Return this thread's session, and what the environment says about proxies and TLS.

        A session is not for several threads at once, and asking the environment anew for each
        request takes longer than all the rest of preparing it.
        """
        if not hasattr(self._local, "session"):
            session = requests.Session()
            session.headers.update(
                {
                    endpoints.API_KEY_HEADER: self._key,
                    "Content-Type": "application/json",
                    "Accept": "application/json",
                    "User-Agent": f"iterable_destination/{version('iterable-destination')}",
                }
            )
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            self._local.sending = session.merge_environment_settings(
                self._settings.url, {}, None, None, None
            )
            self._local.sending.pop("stream")
            self._local.templates = {}
            self._local.session = session
            self._sessions.append(session)
        return self._local.session, self._local.sending

    def _body(self, response: requests.Response) -> bytes:
        """Read the whole body, but not for longer than the read timeout nor without bound.

        The timeout of `requests` bounds each wait for a few bytes, not the whole.
        """
        deadline = self._clock() + self._timeout[1]
        text = bytearray()
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            text += chunk
            if self._clock() > deadline or len(text) > _LARGEST_ANSWER:
                message = "the answer does not come to an end"
                raise requests.exceptions.ReadTimeout(message)
        return bytes(text)

    def _failure(self, error: Exception) -> ApiError:
        message = answers.redacted(f"{type(error).__name__}: {_reason(error)}", self._key)
        if isinstance(error, _BAD_ADDRESS):
            return WrongAddress(message)
        if isinstance(error, _NOT_CONNECTED) or isinstance(_cause(error), _NEW_CONNECTION):
            return NotConnected(message)
        return AmbiguousAnswer(message)


_NEW_CONNECTION: Final = urllib3.exceptions.NewConnectionError


def _cause(error: Exception) -> object:
    """Return what made urllib3 give up."""
    given_up = error.args[0] if error.args else None
    return getattr(given_up, "reason", given_up)


def _reason(error: Exception) -> str:
    return str(_cause(error) or "no reason given")


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep `requests` from adding a password of the user's ``.netrc``."""
    return request


def _retry_after(response: requests.Response) -> float | None:
    """Return the header's seconds, or the seconds until its date; None if it is not there."""
    header = response.headers.get("Retry-After", "").strip()
    if header.isascii() and header.isdigit():
        return float(header[:9])
    try:
        until = parsedate_to_datetime(header)
        now = parsedate_to_datetime(response.headers["Date"])
        return max(0.0, (until - now).total_seconds())
    except (KeyError, TypeError, ValueError):
        return None
