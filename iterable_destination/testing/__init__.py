"""A local Iterable: what users' tests and the demo send to, instead of the real one.

What may live here: a pure state machine that answers as Iterable does (:class:`Project`) and a
small HTTP server around it on the loopback interface (:class:`LocalIterable`). Of this package
it imports errors and endpoints only, so that it cannot share a bug with what it referees.

::

    from iterable_destination.testing import LocalIterable, Project

    with LocalIterable(Project(project_type="email")) as iterable:
        ...  # send to iterable.url with the key iterable.api_key
        assert iterable.project.user("ada@example.com")["dataFields"]["plan"] == "pro"
        assert [event["eventName"] for event in iterable.project.events("ada@example.com")] == []
        assert iterable.project.requests[0].path == "/api/users/update"

With pytest, the fixture ``local_iterable`` is a running one with a new hybrid project.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from iterable_destination.testing.answers import Answer
    from iterable_destination.testing.identity import ProjectType
    from iterable_destination.testing.project import Project, Request
    from iterable_destination.testing.server import Faults, LocalIterable, Received

__all__ = [
    "Answer",
    "Faults",
    "LocalIterable",
    "Project",
    "ProjectType",
    "Received",
    "Request",
]

#: Where each name is: loaded at its first use, for pytest loads this package with the plugin.
_PLACES: Final = {
    "Answer": "answers",
    "Faults": "server",
    "LocalIterable": "server",
    "Project": "project",
    "ProjectType": "identity",
    "Received": "server",
    "Request": "project",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
