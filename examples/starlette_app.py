"""Segment's webhooks under /segment of a Starlette application: uvicorn starlette_app:app."""

import os

from a2wsgi import WSGIMiddleware
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from iterable_destination import Settings
from iterable_destination.receivers.segment import webhook_app

application = webhook_app(
    Settings.from_environment(),
    shared_secret=os.environ["SEGMENT_SHARED_SECRET"].split(),
    header_secrets={"X-Events-Secret": os.environ["SEGMENT_HEADER_SECRET"].split()},
)


async def health(_: Request) -> PlainTextResponse:
    """Respond that the server is up; this is one of your own routes."""
    return PlainTextResponse("ok")


receiver = WSGIMiddleware(application, workers=16)
app = Starlette(routes=[Route("/health", health), Mount("/segment", receiver)])
