"""Google Cloud Functions and Cloud Run functions: the webhook as an HTTP function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iterable_destination.receivers.wsgi import WebhookApp

__all__ = ["http_function"]


def http_function(application: WebhookApp) -> Callable[[Any], WebhookApp]:
    """Make a function for ``functions-framework``, to be decorated with its ``http``.

    It responds as the application does, such as :func:`~receivers.segment.webhook_app` makes.
    """

    def function(_: Any) -> WebhookApp:
        return application  # Flask calls a WSGI application that a view returns.

    return function
