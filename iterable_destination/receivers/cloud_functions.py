"""Google Cloud Functions and Cloud Run functions: the webhook as a function for HTTP.

What may live here: what ``functions-framework`` wants of a function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iterable_destination.receivers.wsgi import WebhookApp


def http_function(application: WebhookApp) -> Callable[[Any], WebhookApp]:
    """Make a function for ``functions-framework``, which is to be decorated by its ``http``.

    It answers what the application would, which :func:`~webhook.webhook_app` makes.
    """

    def function(_: Any) -> WebhookApp:
        return application  # Flask answers with a WSGI application by calling it

    return function
