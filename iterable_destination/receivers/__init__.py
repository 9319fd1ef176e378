"""A request or a batch of records in, an acknowledgement out.

Segment's webhooks and clients, Iterable's webhooks, and the hosts that they run on. What is
received is handed to a destination. It imports ``delivery`` and all that is below it.
"""

from iterable_destination.receivers.iterable import source_app
from iterable_destination.receivers.segment import webhook_app
from iterable_destination.receivers.wsgi import WebhookApp

__all__ = ["WebhookApp", "source_app", "webhook_app"]
