"""The package has twelve packages at its top, so that it cannot grow flat again."""

from __future__ import annotations

from pathlib import Path

import iterable_destination

ROOT = Path(iterable_destination.__file__).parent


def test_the_top_level_has_these_entries_and_no_others() -> None:
    entries = {path.name for path in ROOT.iterdir() if path.name != "__pycache__"}
    packages = {"cli", "conformance", "delivery", "io", "mapping", "metrics", "model", "playground"}
    packages |= {"receivers", "source", "spark", "testing"}
    modules = {"__init__.py", "__main__.py", "analytics.py", "errors.py", "py.typed", "typing.py"}
    assert entries == modules | packages


def test_every_package_says_what_lives_in_it() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("__init__.py")
        if not path.read_text("utf-8").startswith('"""')
    ]
    assert silent == []
