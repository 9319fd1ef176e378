"""The golden cases: one readable JSON file each, also for implementations in other languages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs

from iterable_destination.errors import Invalid

CLASSIC = Path(__file__).parents[1] / "golden" / "classic"
SOURCE = CLASSIC.parent / "source"
ACTIONS = Path(__file__).parents[1] / "golden" / "actions"


def describe_error(error: Invalid) -> dict[str, Any]:
    """Return an error as the command line writes it."""
    return {
        "type": type(error).__name__,
        "message": str(error),
        "problems": [attrs.asdict(problem) for problem in error.problems],
    }


def cases(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the cases of a folder by the name of their file, which says what they show."""
    return {path.stem: json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))}
