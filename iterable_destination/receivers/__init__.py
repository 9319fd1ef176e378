"""A request or a batch of records in, an acknowledgement out.

What lives here: receivers of Segment's webhooks, of Segment's clients and of Iterable's webhooks,
and adapters for the hosts that they run on. A receiver hands what it receives to a destination.
This package imports ``delivery`` and the packages below it.
"""

from iterable_destination.receivers.iterable import source_app
from iterable_destination.receivers.segment import webhook_app
from iterable_destination.receivers.wsgi import WebhookApp

__all__ = ["WebhookApp", "source_app", "webhook_app"]
