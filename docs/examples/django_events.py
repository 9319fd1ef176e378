"""An app of Django's: events go to Iterable in the background, once they are committed."""

from functools import partial

from django.apps import AppConfig
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from iterable_destination import Destination, Outbox, Settings
from iterable_destination.typing import Event

destination = Destination(Settings.from_environment())


class EventsConfig(AppConfig):
    """In INSTALLED_APPS as ``django_events.EventsConfig``."""

    name = "django_events"

    def ready(self) -> None:
        """Begin to deliver. Django calls this once in each process."""
        destination.start(outbox=Outbox(settings.ITERABLE_OUTBOX))


def emit(event: Event) -> None:
    """Hand in an event when the transaction is committed, or now if there is none."""
    transaction.on_commit(partial(destination.enqueue, event), robust=True)


@transaction.atomic
def sign_up(request: HttpRequest) -> HttpResponse:
    """A view: the user and the event are there, or neither is."""
    user = get_user_model().objects.create_user(request.POST["name"])
    emit({"type": "track", "userId": f"u-{user.pk}", "event": "Signed Up"})
    return HttpResponse(status=201)
