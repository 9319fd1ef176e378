"""The cases of ``conformance/``, for the tests."""

from __future__ import annotations

from typing import Any

from iterable_destination.conformance import Case, answer, cases


def by_id(*systems: str) -> dict[str, Case]:
    """Return the cases of some systems by their ids, which say what they show."""
    return {case.id: case for system in systems for case in cases(system)}


def line(event: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """Return what becomes of an event by the classic mapping, as the command line writes it."""
    return answer({"system": "classic", "settings": settings, "input": event})
