"""The application of the playground: its pages, and what their scripts ask for.

Everything that is asked for with values is a POST of JSON, so that no value stands in an address,
and no page of another origin can ask. HTML comes escaped from
:mod:`~iterable_destination.playground.views`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from iterable_destination.model.settings import Settings
from iterable_destination.playground import views
from iterable_destination.playground.answers import Answers
from iterable_destination.playground.attempt import SWITCHES
from iterable_destination.playground.changes import stream_changes
from iterable_destination.playground.security import Answer, SecurityHeaders, json_post
from iterable_destination.testing import LocalIterable
from iterable_destination.testing.engagement import EVENTS
from iterable_destination.testing.project import DEFAULT_API_KEY

#: Names by which a browser on this machine asks for it.
LOOPBACK: Final = ("127.0.0.1", "localhost")

_STATIC: Final = Path(__file__).with_name("static")


def playground_app(
    iterable: LocalIterable,
    *,
    settings: Settings | None = None,
    samples: Iterable[Mapping[str, Any]] = (),
    receiver: str | None = None,
    hosts: Sequence[str] = LOOPBACK,
) -> Starlette:
    """Return the application over a local Iterable that runs.

    ``settings`` are those that the page begins with, None for the default ones; of theirs the key
    and the address are not used. ``samples`` are events to choose from. ``receiver`` is the address
    to which webhooks are posted, None for none. ``hosts`` are the names by which it may be asked.
    """
    chosen, events = settings or Settings(), tuple(samples)
    answers = Answers(iterable, chosen, events, receiver)
    switches = {name: getattr(chosen, name) for name in SWITCHES}
    routes = [
        _page("/", "event.html", iterable, switches=switches, mappings=chosen.mappings),
        _page("/webhooks", "webhook.html", iterable, names=EVENTS, receiver=receiver),
        Route("/samples", lambda _: JSONResponse(events)),
        _post("/translate", answers.translate),
        _post("/send", answers.send),
        _post("/send-samples", answers.send_samples),
        _post("/webhook", answers.make_webhook),
        _post("/track", answers.translate_webhook),
    ]
    return _make_app(iterable, answers, routes, hosts)


def iterable_app(iterable: LocalIterable, *, hosts: Sequence[str] = LOOPBACK) -> Starlette:
    """Return the application that shows what a local Iterable has, and nothing else."""
    answers = Answers(iterable, Settings())
    return _make_app(iterable, answers, [_page("/", "iterable.html", iterable)], hosts)


def _make_app(
    iterable: LocalIterable, answers: Answers, routes: Sequence[BaseRoute], hosts: Sequence[str]
) -> Starlette:
    def changes(_: Request) -> Response:
        stream = stream_changes(iterable.project)
        return StreamingResponse(stream, media_type="text/event-stream")

    shared = [
        _post("/user", answers.show_user),
        Route("/changes", changes),
        Mount("/static", StaticFiles(directory=_STATIC)),
    ]
    middleware = [
        Middleware(SecurityHeaders),
        Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
    ]
    return Starlette(routes=[*routes, *shared], middleware=middleware)


def _page(path: str, template: str, iterable: LocalIterable, **values: Any) -> Route:
    #: A key of the user's own is not shown.
    key = DEFAULT_API_KEY if iterable.api_key == DEFAULT_API_KEY else None

    def show(_: Request) -> Response:
        return HTMLResponse(views.render(template, url=iterable.url, key=key, **values))

    return Route(path, show)


def _post(path: str, answer: Answer) -> Route:
    return Route(path, json_post(answer), methods=["POST"])
