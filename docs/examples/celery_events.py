"""Tasks of Celery's: one that delivers an event, and one that has some to tell on its way."""

from typing import Any

from celery import Celery, Task
from celery.signals import worker_process_init, worker_process_shutdown
from iterable_destination import Destination, Outbox, Retryable, Settings, Unknown
from iterable_destination.typing import Event

app = Celery("celery_events")
destination = Destination(Settings.from_environment())


@worker_process_init.connect
def start(**_: Any) -> None:
    """Begin to deliver, in each process of the worker."""
    destination.start(outbox=Outbox("celery.outbox"))


@worker_process_shutdown.connect
def close(**_: Any) -> None:
    """Deliver what waits. Celery ends its processes without Python's own end."""
    destination.close(timeout=5)


@app.task(bind=True, acks_late=True, max_retries=None)
def deliver(self: Task, event: Event) -> str:
    """Deliver one event; the broker keeps it until that is done."""
    outcome = destination.send(event)
    if isinstance(outcome, Retryable | Unknown):
        raise self.retry(countdown=60)
    return outcome.name


@app.task
def renew(user_id: str) -> None:
    """A task of its own work, which hands in an event and does not wait for it."""
    destination.enqueue({"type": "track", "userId": user_id, "event": "Plan Renewed"})
