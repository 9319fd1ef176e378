"""The destination of Segment's events: an Iterable project."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from iterable_destination.delivery.base import MAX_WORKERS, BaseDestination
from iterable_destination.delivery.engine.bulk import ITERABLE_BULK_ENDPOINTS
from iterable_destination.delivery.engine.rate_limiter import RateLimiters
from iterable_destination.delivery.engine.retry import RetryPolicy
from iterable_destination.delivery.iterable_project import IterableProject, with_any_key
from iterable_destination.delivery.policies import Runtime
from iterable_destination.io.dead_letters import DeadLetterStore
from iterable_destination.io.iterable_client import Client
from iterable_destination.mapping.translate import Translate, translator_for
from iterable_destination.model.endpoints import DELIVERY_PATHS
from iterable_destination.model.exchange import Exchange
from iterable_destination.model.settings import Settings


class Destination(BaseDestination):
    """An Iterable project that Segment's events are sent to. Safe to use from several threads.

    Order holds within each call of :meth:`send_all`, and for all that is handed in after one
    :meth:`start`; not between them.
    """

    def __init__(  # noqa: PLR0913 - keywords, each with a default
        self,
        settings: Settings,
        *,
        client: Client | None = None,
        translator: Translate | None = None,
        retry: RetryPolicy | None = None,
        rate_limits: Mapping[str, float | None] | None = None,
        max_workers: int = MAX_WORKERS,
        max_pending: int = 10_000,
        stamp_ids: bool = True,
        dead_letters: DeadLetterStore | None = None,
        on_request: Callable[[Exchange], object] | None = None,
        _runtime: Runtime | None = None,
    ) -> None:
        """Make a destination; nothing is sent yet.

        ``client`` None makes one from ``settings``, and closes it; a client that is passed in is
        closed by its owner. ``translator`` None is the classic mapping, or the ``mappings`` of
        ``settings``. ``retry`` None is the default :class:`RetryPolicy`. ``rate_limits`` are
        requests per second by path, above 0 and at most 1,000,000, such as
        ``{"/api/users/bulkUpdate": 2.5}`` where others send to the same project; None is no limit,
        and paths that are not named have Iterable's documented limit. ``max_workers`` requests at
        most are in flight at once in :meth:`send_all`, 1 to 64, each in a thread that is started
        when it is needed.
        ``max_pending`` events at most, at least 1, wait at once in it. ``stamp_ids`` gives events
        and purchases their ``messageId`` as ``id``, so that Iterable keeps one record of what is
        sent twice. ``dead_letters`` keeps events that were rejected or ended unknown, before their
        outcome is given; None keeps nothing. ``on_request`` is called after each HTTP request, in
        the thread that made it, also after one that is no longer awaited. It must be quick; what
        it raises is logged, the first time, and changes nothing. None calls nothing.

        Raises :exc:`~errors.InvalidSettings` if a client is to be made and there is no
        ``api_key``, unless ``enabled`` is False, :exc:`~errors.InvalidSubscription` for mistakes
        in ``mappings``, and :exc:`ValueError` for a number out of bounds or a path that is not
        known.
        """
        by_settings = translator_for(settings)  # raises for mistakes in the mappings
        runtime = _runtime or Runtime()
        self._url: Final = settings.url
        self._owns_client: Final = client is None
        super().__init__(
            IterableProject(settings, by_settings if translator is None else translator),
            _make_client(settings, runtime) if client is None else client,
            bulk_endpoints=ITERABLE_BULK_ENDPOINTS,
            retry=retry,
            rate_limiters=RateLimiters(rate_limits, DELIVERY_PATHS),
            max_workers=max_workers,
            max_pending=max_pending,
            stamp_ids=stamp_ids,
            dead_letters=dead_letters,
            on_request=on_request,
            runtime=runtime,
        )

    def __repr__(self) -> str:
        return f"Destination({self._url!r})"

    def _close_client(self) -> None:
        if self._owns_client:
            super()._close_client()


def _make_client(settings: Settings, runtime: Runtime) -> Client:
    return Client(with_any_key(settings), clock=runtime.clock)
