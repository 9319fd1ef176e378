"""A local Iterable, for tests of users' programs and for the demo.

What lives here: a pure state machine that responds as Iterable does (:class:`Project`), and a small
HTTP server around it on the loopback interface (:class:`LocalIterable`). It imports ``errors`` and
``model.endpoints`` only, so that it cannot share a bug with what it tests.

::

    from iterable_destination.testing import LocalIterable, Project

    with LocalIterable(Project(project_type="email")) as iterable:
        ...  # send to iterable.url with the key iterable.api_key
        assert iterable.project.user("ada@example.com")["dataFields"]["plan"] == "pro"
        assert [event["eventName"] for event in iterable.project.events("ada@example.com")] == []
        assert iterable.project.requests[0].path == "/api/users/update"

It fails on demand, with the faults of :mod:`~iterable_destination.testing.faults`, and has a ledger
of everything that was applied::

    from iterable_destination.testing import LocalIterable, Script, faults

    with LocalIterable(faults=Script([faults.reset(applied=True)])) as iterable:
        ...  # the first request is applied, and gets no response
        assert [effect.id for effect in iterable.project.effects] == ["m-1"]

With pytest, the fixture ``local_iterable`` is a running one with a new hybrid project.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from iterable_destination.testing.faults import Fault, Faults, RandomFaults, Received, Script
    from iterable_destination.testing.identity import ProjectType
    from iterable_destination.testing.ledger import Effect, Request
    from iterable_destination.testing.project import Project
    from iterable_destination.testing.responses import Response
    from iterable_destination.testing.server import LocalIterable

__all__ = [
    "Effect",
    "Fault",
    "Faults",
    "LocalIterable",
    "Project",
    "ProjectType",
    "RandomFaults",
    "Received",
    "Request",
    "Response",
    "Script",
]

#: The module of each name, loaded at first use, since pytest loads this package with the plugin.
_PLACES: Final = {
    "Response": "responses",
    "Effect": "ledger",
    "Fault": "faults",
    "Faults": "faults",
    "LocalIterable": "server",
    "Project": "project",
    "ProjectType": "identity",
    "RandomFaults": "faults",
    "Received": "faults",
    "Request": "ledger",
    "Script": "faults",
}


if not TYPE_CHECKING:  # for type checkers, any other name is a mistake

    def __getattr__(name: str) -> Any:
        if name not in _PLACES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
